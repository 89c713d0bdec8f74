//! TCP put together again: each direction of each connection by its sequence numbers, and the messages in it.
//!
//! ```text
//!   segment ──> waiting ──(its bytes are next)──> Seeking ──(a line that starts a message)──> Reading ──> message
//!                  │                                 ^                                           │
//!                  └──(too much waits: a gap)────────┴──────────(no framing any more)────────────┘
//! ```
//!
//! Invariant: what is kept is bounded, for each direction and in all, whatever the capture holds.

use crate::output::{Hop, Refusal};
use crate::sniff;
use bytes::Bytes;
use sip_survivability::message::{ConnectionEnd, Frame, FrameLimits, Framer};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

/// Bytes of one direction that may wait for those before them. Then these are taken for not captured.
const MAX_WAITING: usize = 128 * 1024;

/// What a segment that waits takes beside its bytes, about.
const WAITING_COST: usize = 128;

/// A line longer than this starts no message.
const MAX_LINE: usize = 8192;

/// A segment further behind is not sent again: it is of another connection between the same ports.
const MAX_BEHIND: i32 = 1 << 20;

/// Directions that are followed at once, and bytes that are kept of all. Then the half is dropped that was quiet longest.
const MAX_DIRECTIONS: usize = 8192;
const MAX_KEPT: usize = 64 * 1024 * 1024;

/// Who is told of messages, and of what should have been some.
type Tell<'a> = dyn FnMut(Hop, Result<Bytes, Refusal>) -> io::Result<()> + 'a;

pub(crate) struct Segment<'a> {
    pub(crate) hop: Hop,
    pub(crate) sequence: u32,
    /// Whether it is the first of its connection.
    pub(crate) opens: bool,
    pub(crate) data: &'a [u8],
}

/// All directions of all connections.
#[derive(Default)]
pub(crate) struct Connections {
    directions: HashMap<(SocketAddr, SocketAddr), Direction>,
    /// Segments seen.
    count: u64,
    /// Bytes kept in all directions.
    kept: usize,
}

impl Connections {
    /// A segment came.
    pub(crate) fn take(&mut self, segment: &Segment<'_>, tell: &mut Tell<'_>) -> io::Result<()> {
        if self.directions.len() >= MAX_DIRECTIONS || self.kept > MAX_KEPT {
            self.drop_the_quiet();
        }
        self.count += 1;
        let direction = self.directions.entry((segment.hop.source, segment.hop.destination)).or_default();
        direction.heard = self.count;
        let before = direction.kept();
        let told = direction.take(segment, tell);
        self.kept = self.kept + direction.kept() - before;
        told
    }

    /// The capture has ended: what was waited for will not come.
    pub(crate) fn finish(self, tell: &mut Tell<'_>) -> io::Result<()> {
        let mut directions: Vec<_> = self.directions.into_iter().collect();
        directions.sort_by_key(|(_, direction)| direction.heard);
        for ((source, destination), mut direction) in directions {
            let hop = Hop { time: None, source, destination, transport: "tcp" };
            while !direction.waiting.is_empty() {
                direction.skip_gap(hop, tell)?;
            }
        }
        Ok(())
    }

    fn drop_the_quiet(&mut self) {
        let mut heard: Vec<_> = self.directions.values().map(|direction| direction.heard).collect();
        heard.sort_unstable();
        let middle = heard.get(heard.len() / 2).copied().unwrap_or_default();
        self.directions.retain(|_, direction| direction.heard > middle);
        self.kept = self.directions.values().map(Direction::kept).sum();
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    /// The byte that is to come next. Its low half is the sequence number, so that none is ever before one that it follows.
    next: Option<u64>,
    /// Segments that came early, with their times.
    waiting: BTreeMap<u64, (Option<SystemTime>, Bytes)>,
    waiting_bytes: usize,
    reader: Reader,
    /// When there was a segment last, in segments of all.
    heard: u64,
}

impl Direction {
    fn take(&mut self, segment: &Segment<'_>, tell: &mut Tell<'_>) -> io::Result<()> {
        let Segment { hop, sequence, opens, data } = *segment;
        // A SYN counts as one byte (RFC 9293 3.4).
        let sequence = sequence.wrapping_add(opens.into());
        let ahead = self.next.map_or(0, |next| sequence.wrapping_sub(next as u32).cast_signed());
        if opens && ahead != 0 || ahead < -MAX_BEHIND {
            *self = Self { heard: self.heard, ..Self::default() };
        }
        let next = *self.next.get_or_insert_with(|| (1 << 32) + u64::from(sequence));
        if data.is_empty() {
            return Ok(());
        }
        let ahead = sequence.wrapping_sub(next as u32).cast_signed();
        let at = next.saturating_add_signed(ahead.into());
        if self.waiting.get(&at).is_none_or(|(_, known)| known.len() < data.len()) {
            let shorter = self.waiting.insert(at, (hop.time, Bytes::copy_from_slice(data)));
            self.waiting_bytes += WAITING_COST + data.len();
            self.waiting_bytes -= shorter.map_or(0, |(_, shorter)| WAITING_COST + shorter.len());
        }
        self.read(hop, tell)?;
        while self.waiting_bytes > MAX_WAITING {
            self.skip_gap(hop, tell)?;
        }
        Ok(())
    }

    /// Reads what is next, as long as it is there.
    fn read(&mut self, hop: Hop, tell: &mut Tell<'_>) -> io::Result<()> {
        while let (Some(entry), Some(next)) = (self.waiting.first_entry(), self.next) {
            // How much of it was read before: all of it, if it was sent again.
            let Some(known) = next.checked_sub(*entry.key()) else { break };
            let (time, data) = entry.remove();
            self.waiting_bytes -= WAITING_COST + data.len();
            let known = usize::try_from(known).unwrap_or(usize::MAX).min(data.len());
            let data = data.slice(known..);
            self.next = Some(next + data.len() as u64);
            self.reader.read(data, &mut |found| tell(Hop { time, ..hop }, found))?;
        }
        Ok(())
    }

    /// Goes on behind bytes that are missing.
    fn skip_gap(&mut self, hop: Hop, tell: &mut Tell<'_>) -> io::Result<()> {
        self.next = self.waiting.keys().next().copied();
        self.reader = Reader::default();
        self.read(hop, tell)
    }

    fn kept(&self) -> usize {
        self.waiting_bytes + self.reader.kept()
    }
}

/// Reads messages out of what comes in order.
#[derive(Default)]
struct Reader {
    /// There is none until a line was found that starts a message.
    framer: Option<Framer>,
    /// The start of a line that is not whole.
    line: Vec<u8>,
}

impl Reader {
    fn read(
        &mut self,
        data: Bytes,
        tell: &mut dyn FnMut(Result<Bytes, Refusal>) -> io::Result<()>,
    ) -> io::Result<()> {
        let found = if self.framer.is_some() { Some(data) } else { self.seek(&data) };
        let Some(data) = found else { return Ok(()) };
        let new = || Framer::new(ConnectionEnd::Accepted, FrameLimits::default());
        let framer = self.framer.get_or_insert_with(new);
        framer.push(data);
        loop {
            match framer.next_frame() {
                Ok(Some(Frame::Message(text))) => tell(Ok(text))?,
                Ok(Some(_keep_alive)) => {}
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.framer = None;
                    return tell(Err(Refusal { error: error.kind.to_string(), at: None }));
                }
            }
        }
    }

    /// What of the line so far and of `data` starts with a message.
    fn seek(&mut self, data: &[u8]) -> Option<Bytes> {
        self.line.extend_from_slice(data);
        if data.contains(&b'\n') {
            let mut text = std::mem::take(&mut self.line);
            if let Some(start) = sniff::start_of_message(&text) {
                return Some(text.split_off(start).into());
            }
            let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            self.line = text.split_off(whole);
        }
        if self.line.len() > MAX_LINE {
            self.line = Vec::new();
        }
        None
    }

    fn kept(&self) -> usize {
        self.line.len() + self.framer.as_ref().map_or(0, Framer::buffered)
    }
}
