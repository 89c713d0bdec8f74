//! One connection: its ends, and how its bytes become messages.

use super::{Flow, Transport};
use crate::config::Limits;
use crate::message::{ConnectionEnd, Frame, FrameError, FrameLimits, Framer, websocket_frame};
use crate::time::Instant;
use bytes::Bytes;
use std::net::SocketAddr;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) remote: SocketAddr,
    /// Where else its other end takes requests, by its own word (RFC 5923).
    pub(super) alias: Option<SocketAddr>,
    /// Both ends know that it is there.
    pub(super) is_up: bool,
    /// When a message last came or went.
    pub(super) used: Instant,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Stream(Framer),
    /// The WebSocket message that was pushed last.
    Messages(Option<Bytes>),
}

/// What a connection was when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) transport: Transport,
    pub(crate) remote: SocketAddr,
    /// It never came about.
    pub(crate) is_refused: bool,
}

impl Connection {
    pub(super) fn new(
        now: Instant,
        flow: Flow,
        remote: SocketAddr,
        end: ConnectionEnd,
        limits: &Limits,
    ) -> Self {
        let reader = match flow.transport {
            Transport::Ws | Transport::Wss => Reader::Messages(None),
            Transport::Udp | Transport::Tcp | Transport::Tls => {
                Reader::Stream(Framer::new(end, frame_limits(limits)))
            }
        };
        Self { flow, remote, alias: None, is_up: end == ConnectionEnd::Accepted, used: now, reader }
    }

    pub(super) fn push(&mut self, data: Bytes) {
        match &mut self.reader {
            Reader::Stream(framer) => framer.push(data),
            Reader::Messages(message) => *message = Some(data),
        }
    }

    pub(super) fn next_frame(&mut self, limits: &Limits) -> Result<Option<Frame>, FrameError> {
        match &mut self.reader {
            Reader::Stream(framer) => framer.next_frame(),
            Reader::Messages(message) => {
                message.take().map(|message| websocket_frame(message, &frame_limits(limits))).transpose()
            }
        }
    }

    /// How many bytes of unfinished messages it holds.
    pub(super) fn buffered(&self) -> usize {
        match &self.reader {
            Reader::Stream(framer) => framer.buffered(),
            Reader::Messages(message) => message.as_ref().map_or(0, Bytes::len),
        }
    }
}

const fn frame_limits(limits: &Limits) -> FrameLimits {
    FrameLimits::new(limits.max_message, limits.max_message)
}
