//! Writing a journal.

use super::{Event, MAGIC, VERSION, check, encode, kind};
use crate::codec;
use crate::time::Instant;

/// Writes events down, in the order in which the core is told of them. It gives bytes: where they go is the caller's business.
#[derive(Clone, Debug)]
pub struct Writer {
    last: Instant,
    pub(super) check: u32,
    /// The body of a record under way.
    body: Vec<u8>,
}

impl Writer {
    /// Begins a journal for a core that is made with `seed` at `now`: its first bytes go behind `out`. `about` is the caller's: the
    /// configuration, for one, so that it can be found again.
    #[must_use]
    pub fn start(seed: [u8; 32], about: &str, now: Instant, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        let mut writer = Self { last: Instant::ZERO, check: 0, body: Vec::new() };
        writer.record(kind::START, now, out, |body| {
            body.extend_from_slice(&seed);
            codec::bytes(body, about.as_bytes());
        });
        writer
    }

    /// Writes behind `out` that the core is told of `event` at `now`. To be called for each event, before or after it is told.
    pub fn append(&mut self, now: Instant, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::FlowOpened { flow, transport, local, remote } => {
                self.record(kind::FLOW_OPENED, now, out, |body| {
                    encode::flow(body, *flow);
                    codec::transport(body, *transport);
                    codec::address(body, *local);
                    body.push(remote.is_some().into());
                    if let Some(remote) = remote {
                        codec::address(body, *remote);
                    }
                });
            }
            Event::Listening { transport, local } => self.record(kind::LISTENING, now, out, |body| {
                codec::transport(body, *transport);
                codec::address(body, *local);
            }),
            Event::FlowClosed { flow } => {
                self.record(kind::FLOW_CLOSED, now, out, |body| encode::flow(body, *flow));
            }
            Event::Stream { flow, data } => self.record(kind::STREAM, now, out, |body| {
                encode::flow(body, *flow);
                codec::bytes(body, data);
            }),
            Event::Datagram { flow, from, data } => self.record(kind::DATAGRAM, now, out, |body| {
                encode::flow(body, *flow);
                codec::address(body, *from);
                codec::bytes(body, data);
            }),
            Event::SendFailed { flow, to } => self.record(kind::SEND_FAILED, now, out, |body| {
                encode::flow(body, *flow);
                codec::address(body, *to);
            }),
            Event::Resolved { query, answer } => self.record(kind::RESOLVED, now, out, |body| {
                codec::number(body, query.0);
                encode::answer(body, answer);
            }),
            Event::Restored { record, age } => self.record(kind::RESTORED, now, out, |body| {
                codec::bytes(body, &record.to_bytes());
                codec::duration(body, *age);
            }),
            Event::Tick => self.record(kind::TICK, now, out, |_| ()),
        }
    }

    /// Writes behind `out` that another configuration is in force from `now` on, since [`Sas::reconfigure`](crate::Sas::reconfigure) has taken
    /// it. `about` is the caller's, and has to say which: it is what [`Sas::replay_with`](crate::Sas::replay_with) is given.
    pub fn reconfigured(&mut self, now: Instant, about: &str, out: &mut Vec<u8>) {
        self.record(kind::RECONFIGURED, now, out, |body| codec::bytes(body, about.as_bytes()));
    }

    fn record(&mut self, kind: u8, now: Instant, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>)) {
        // As for the core, time does not run backwards.
        let now = now.max(self.last);
        let body = &mut self.body;
        body.clear();
        body.push(kind);
        codec::number(body, now.as_micros() - self.last.as_micros());
        fields(body);
        self.last = now;
        self.check = check(self.check, body);
        codec::bytes(out, body);
        out.extend(self.check.to_le_bytes());
    }
}
