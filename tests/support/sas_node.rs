//! The core under test on the network: the caller's side of its run loop, and a record of what it told.

use super::net::{Io, Node};
use bytes::Bytes;
use sip_survivability::config::Config;
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event, Notice, Sas};
use std::collections::BTreeMap;
use std::net::SocketAddr;

const FLOW: FlowId = FlowId(0);

/// Something that the core told, when, and at which place of the trace.
#[derive(Clone, Debug)]
pub struct Noticed {
    pub serial: u64,
    pub at: Instant,
    pub notice: Notice,
}

/// One call of the core: what went in, and what came out.
#[derive(Clone, Debug)]
pub struct Handled {
    pub now: Instant,
    pub event: Event,
    pub actions: Actions,
}

/// Another configuration, behind so many events of the journal.
#[derive(Clone, Debug)]
pub struct Reload {
    pub behind: usize,
    pub now: Instant,
    pub config: Config,
    pub actions: Actions,
}

pub struct SasNode {
    sas: Sas,
    address: SocketAddr,
    buffer: Actions,
    pub notices: Vec<Noticed>,
    /// Everything that was handled, if someone asked for it.
    pub journal: Option<Vec<Handled>>,
    /// The configurations that it has had since.
    pub reloads: Vec<Reload>,
    /// Who comes by TCP, and by which connection if there is one. A datagram of the network is a piece of its stream, so the lines
    /// to it must be good ones.
    streams: BTreeMap<SocketAddr, Option<FlowId>>,
    /// How many connections there have been.
    accepted: u64,
    /// This share of all sends is never carried out, as on a host that is out of buffers.
    pub send_nothing: f64,
}

impl SasNode {
    pub fn new(config: Config, seed: [u8; 32], now: Instant, address: SocketAddr) -> Self {
        Self {
            sas: Sas::new(config, seed, now),
            address,
            buffer: Actions::new(),
            notices: Vec::new(),
            journal: None,
            reloads: Vec::new(),
            streams: BTreeMap::new(),
            accepted: 0,
            send_nothing: 0.0,
        }
    }

    /// Keeps a journal from now on.
    pub fn record(mut self) -> Self {
        self.journal = Some(Vec::new());
        self
    }

    pub fn state(&self) -> State {
        self.sas.state()
    }

    pub fn core(&self) -> &Sas {
        &self.sas
    }

    /// The core, to be told things behind the network's back.
    pub fn core_mut(&mut self) -> &mut Sas {
        &mut self.sas
    }

    /// From now on `peer` comes by TCP.
    pub fn takes_tcp_from(&mut self, io: &mut Io<'_>, peer: SocketAddr) {
        self.handle(io, Event::Listening { transport: Transport::Tcp, local: self.address });
        self.streams.insert(peer, None);
    }

    /// The connection of `peer` breaks; its next message opens another.
    pub fn breaks(&mut self, io: &mut Io<'_>, peer: SocketAddr) {
        if let Some(flow) = self.streams.insert(peer, None).flatten() {
            self.handle(io, Event::FlowClosed { flow });
        }
    }

    /// Hands the core a datagram, or a piece of a stream, that needs no network to come.
    pub fn hear(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) {
        let Some(stream) = self.streams.get(&from).copied() else {
            return self.handle(io, Event::Datagram { flow: FLOW, from, data });
        };
        let flow = stream.unwrap_or_else(|| {
            self.accepted += 1;
            let (flow, transport) = (FlowId(self.accepted), Transport::Tcp);
            self.streams.insert(from, Some(flow));
            self.handle(io, Event::FlowOpened { flow, transport, local: self.address, remote: Some(from) });
            flow
        });
        self.handle(io, Event::Stream { flow, data });
    }

    fn connect(&mut self, io: &mut Io<'_>, flow: FlowId, to: SocketAddr) {
        match self.streams.get_mut(&to) {
            Some(stream) => {
                *stream = Some(flow);
                let (transport, local) = (Transport::Tcp, self.address);
                self.handle(io, Event::FlowOpened { flow, transport, local, remote: Some(to) });
            }
            None => self.handle(io, Event::FlowClosed { flow }),
        }
    }

    /// Each change of the state, and when.
    pub fn changes(&self) -> Vec<(Instant, State)> {
        let change = |noticed: &Noticed| match noticed.notice {
            Notice::StateChanged { to, .. } => Some((noticed.at, to)),
            _ => None,
        };
        self.notices.iter().filter_map(change).collect()
    }

    /// Whether it told something like this.
    pub fn told(&self, like: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(|noticed| like(&noticed.notice))
    }

    /// Hands an event to the core and carries out what comes back, in order.
    pub fn handle(&mut self, io: &mut Io<'_>, event: Event) {
        let mut actions = std::mem::take(&mut self.buffer);
        let kept = self.journal.is_some().then(|| event.clone());
        self.sas.handle_into(io.now, event, &mut actions);
        if let (Some(journal), Some(event)) = (&mut self.journal, kept) {
            journal.push(Handled { now: io.now, event, actions: actions.clone() });
        }
        self.carry_out(io, actions);
    }

    /// Goes on with another configuration.
    pub fn reconfigure(&mut self, io: &mut Io<'_>, config: Config) {
        let actions = self.sas.reconfigure(io.now, config.clone()).unwrap();
        let behind = self.journal.as_ref().map_or(0, Vec::len);
        self.reloads.push(Reload { behind, now: io.now, config, actions: actions.clone() });
        self.carry_out(io, actions);
    }

    fn carry_out(&mut self, io: &mut Io<'_>, mut actions: Actions) {
        let mut connects = Vec::new();
        for action in actions.drain() {
            match action {
                Action::Send { .. } if super::link::chance(io.rng, self.send_nothing) => {}
                Action::Send { to, payload, .. } => io.send(to, payload),
                Action::Notify(notice) => {
                    let serial = io.note(format!("{notice:?}"));
                    self.notices.push(Noticed { serial, at: io.now, notice });
                }
                Action::Connect { flow, to, .. } => connects.push((flow, to)),
                Action::Close { flow } => {
                    self.streams
                        .values_mut()
                        .filter(|stream| **stream == Some(flow))
                        .for_each(|stream| *stream = None);
                }
                _ => {}
            }
        }
        self.buffer = actions;
        for (flow, to) in connects {
            self.connect(io, flow, to);
        }
    }
}

impl Node for SasNode {
    fn start(&mut self, io: &mut Io<'_>) {
        self.handle(
            io,
            Event::FlowOpened { flow: FLOW, transport: Transport::Udp, local: self.address, remote: None },
        );
    }

    fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) {
        self.hear(io, from, data);
    }

    fn unreachable(&mut self, io: &mut Io<'_>, to: SocketAddr) {
        match self.streams.contains_key(&to) {
            true => self.breaks(io, to),
            false => self.handle(io, Event::SendFailed { flow: FLOW, to }),
        }
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.handle(io, Event::Tick);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.sas.next_timeout()
    }
}
