//! Framing: whole SIP messages out of a byte stream that is cut anywhere (RFC 3261 7.5 and 18.3), with the keep-alives of
//! RFC 5626 4.4.1, and out of WebSocket messages (RFC 7118).
//!
//! ```text
//!            CRLF                   any other byte               empty line             Content-Length bytes
//!   Between ------> Between (pong)  -------------->  Head  --------------------> Body ----------------------> Between
//!            CRLF CRLF (ping)                         |                           |
//!                                                     +---------> Refused <-------+   for ever
//! ```
//!
//! Invariants: a byte is looked at once, however the stream is cut; no more is buffered than belongs to the message that
//! is being read, and never more than the limits allow; the same stream gives the same frames whatever its cuts.

use crate::headers::{HeaderName, number};
use bytes::{Buf, Bytes, BytesMut};

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A message, head and body, byte for byte as it came.
    Message(Bytes),
    /// A keep-alive that wants the answer [`PONG`]: double CRLF (RFC 5626 4.4.1).
    Ping,
    /// The answer to our keep-alive: single CRLF.
    Pong,
}

/// What to send as a keep-alive: "the client 'ping' is a double-CRLF sequence" (RFC 5626 4.4.1).
pub const PING: Bytes = Bytes::from_static(b"\r\n\r\n");
/// What to answer a [`Frame::Ping`] with: "the server 'pong' is a single CRLF" (RFC 5626 4.4.1).
pub const PONG: Bytes = Bytes::from_static(b"\r\n");

/// Which end of the connection we are, which says what a CRLF between messages means: only the client pings and only the
/// server answers (RFC 5626 4.4.1). Without it, half a ping could not be told from a pong before more bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum ConnectionEnd {
    /// We accepted it: double CRLFs are [`Frame::Ping`]s, single ones before a message are skipped (RFC 3261 7.5).
    Accepted,
    /// We opened it: each CRLF is a [`Frame::Pong`]. Who asked for none can take it for what it is, a sign of life.
    Opened,
}

/// How much a peer may make us keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameLimits {
    /// Bytes of start line, header fields and empty line. Default: 65,535.
    pub max_head: usize,
    /// Bytes of head and body. Default: 65,535, what RFC 3261 18.1.1 wants of everybody.
    pub max_message: usize,
}

impl FrameLimits {
    /// Limits of so many bytes. A head is a part of its message: it is held to the smaller of both.
    #[must_use]
    pub const fn new(max_head: usize, max_message: usize) -> Self {
        Self { max_head, max_message }
    }

    fn head(&self) -> usize {
        self.max_head.min(self.max_message)
    }
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self::new(65_535, 65_535)
    }
}

/// Why a stream cannot be read on: where the next message starts is unknown. Answer the [`head`](Self::head) if there
/// is one and it is a request, then close the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}; answer, then close the connection")]
#[non_exhaustive]
pub struct FrameError {
    /// What is wrong.
    pub kind: FrameErrorKind,
    /// The head of the message that is refused, if it was read to its end: enough to make the answer from.
    pub head: Option<Bytes>,
}

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameErrorKind {
    /// No Content-Length, which "MUST be used with stream oriented transports" (RFC 3261 18.3).
    #[error("no Content-Length")]
    MissingLength,
    /// A Content-Length that is no number.
    #[error("a Content-Length that is no number")]
    BadLength,
    /// Content-Lengths that differ: to believe one of them would let a sender smuggle a message past whoever believes the other.
    #[error("Content-Lengths that differ")]
    ConflictingLengths,
    /// A head longer than [`FrameLimits::max_head`].
    #[error("head too large")]
    HeadTooLarge,
    /// A message longer than [`FrameLimits::max_message`].
    #[error("message too large")]
    MessageTooLarge,
    /// A WebSocket message with nothing in it.
    #[error("empty frame")]
    Empty,
}

impl FrameErrorKind {
    /// The status to answer with (RFC 3261 21.4.1, 21.4.11, 21.5.7).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingLength | Self::BadLength | Self::ConflictingLengths | Self::Empty => 400,
            Self::MessageTooLarge => 413,
            Self::HeadTooLarge => 513,
        }
    }
}

/// What of the stream comes next.
#[derive(Clone, Debug)]
enum State {
    /// Nothing of a message yet.
    Between(Gap),
    /// The lines of a head.
    Head(Lines),
    /// The head is whole, the message ends at `total` bytes.
    Body { total: usize },
    /// Nothing more will be read.
    Refused(FrameError),
}

/// The line ends between messages.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    /// The last byte was a CR.
    cr: bool,
    /// A CRLF came that was no frame yet: half a ping.
    half: bool,
}

/// How far a head has been read, in bytes from the start of its message.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    /// Start of the line that is read next.
    next: usize,
    /// Start of the Content-Length's value, as long as the lines go on that may continue it.
    value: Option<usize>,
    /// What the Content-Lengths before said. What is wrong with them is told when the head is whole and can be answered.
    length: Option<Result<u64, FrameErrorKind>>,
}

/// Takes messages out of a byte stream.
///
/// Push what was read, then take frames until there is none. What is left unfinished waits for the next push.
///
/// ```
/// use sip_survivability::message::{ConnectionEnd, Frame, FrameLimits, Framer};
///
/// let mut framer = Framer::new(ConnectionEnd::Accepted, FrameLimits::default());
/// framer.push("\r\n\r\nOPTIONS sip:h SIP/2.0\r\nl: 2\r");
/// assert_eq!(framer.next_frame()?, Some(Frame::Ping));
/// assert_eq!(framer.next_frame()?, None);
/// framer.push("\n\r\nhi");
/// assert_eq!(framer.next_frame()?, Some(Frame::Message("OPTIONS sip:h SIP/2.0\r\nl: 2\r\n\r\nhi".into())));
/// # Ok::<(), sip_survivability::message::FrameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Framer {
    end: ConnectionEnd,
    limits: FrameLimits,
    state: State,
    /// The start of the current message, if it came with earlier pushes. Empty as long as all of it is in `fresh`, so
    /// that a message that came in one piece is never copied.
    kept: BytesMut,
    /// What was pushed and not taken. Starts with the current message where `kept` is empty, else continues it.
    fresh: Bytes,
    /// How many bytes of the current message have been looked at.
    seen: usize,
}

impl Framer {
    /// For one end of one connection.
    #[must_use]
    pub fn new(end: ConnectionEnd, limits: FrameLimits) -> Self {
        let state = State::Between(Gap::default());
        Self { end, limits, state, kept: BytesMut::new(), fresh: Bytes::new(), seen: 0 }
    }

    /// Gives it the next bytes of the stream. They are not copied before a frame turns out to need more. Whoever pushes
    /// again before [`next_frame`](Self::next_frame) said that there is none makes the rest longer, at the cost of a copy.
    pub fn push(&mut self, data: impl Into<Bytes>) {
        if matches!(self.state, State::Refused(_)) {
            return;
        }
        let data = data.into();
        self.fresh = if self.fresh.is_empty() { data } else { [&self.fresh[..], &data].concat().into() };
    }

    /// The next frame, or `None` until more is pushed.
    ///
    /// # Errors
    /// [`FrameError`], and from then on the same for ever: answer, then close the connection.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            let step = match self.state {
                State::Between(gap) => Ok(self.between(gap)),
                State::Head(lines) => self.head(lines),
                State::Body { total } => Ok(self.body(total)),
                State::Refused(ref error) => return Err(error.clone()),
            };
            match step {
                Ok(Step::Frame(frame)) => return Ok(Some(frame)),
                Ok(Step::On) => {}
                Ok(Step::Starved) => {
                    self.keep();
                    return Ok(None);
                }
                Err(kind) => return Err(self.refuse(kind)),
            }
        }
    }

    /// How many bytes of unfinished or untaken frames it holds.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.kept.len() + self.fresh.len()
    }

    /// Reads line ends up to a keep-alive or the first byte of a message.
    fn between(&mut self, mut gap: Gap) -> Step {
        while let Some(&byte) = self.fresh.first() {
            let after_cr = std::mem::replace(&mut gap.cr, byte == b'\r');
            // Only CRLF counts for keep-alives. Whatever else stands between messages is skipped (RFC 3261 7.5).
            let is_crlf = match byte {
                b'\n' => after_cr,
                b'\r' => {
                    gap.half &= !after_cr;
                    false
                }
                _ => {
                    self.state = State::Head(Lines::default());
                    return Step::On;
                }
            };
            self.fresh.advance(1);
            if byte == b'\r' {
                continue;
            }
            let is_second = std::mem::replace(&mut gap.half, is_crlf) && is_crlf;
            let frame = match self.end {
                ConnectionEnd::Opened if is_crlf => Frame::Pong,
                ConnectionEnd::Accepted if is_second => Frame::Ping,
                ConnectionEnd::Opened | ConnectionEnd::Accepted => continue,
            };
            self.state = State::Between(Gap::default());
            return Step::Frame(frame);
        }
        self.state = State::Between(gap);
        Step::Starved
    }

    /// Reads one line of a head.
    fn head(&mut self, mut lines: Lines) -> Result<Step, FrameErrorKind> {
        let unread = self.unread();
        let found = memchr::memchr(b'\n', unread);
        let len = found.map_or(unread.len(), |at| at + 1);
        // Before anything of the line is kept.
        if self.seen + len > self.limits.head() {
            return Err(FrameErrorKind::HeadTooLarge);
        }
        self.see(len);
        if found.is_none() {
            return Ok(Step::Starved);
        }
        let is_end = lines.read(self.current());
        if !is_end {
            self.state = State::Head(lines);
            return Ok(Step::On);
        }
        let length = lines.length()?;
        let room = self.limits.max_message.saturating_sub(self.seen);
        let length = usize::try_from(length).ok().filter(|&length| length <= room);
        let total = self.seen + length.ok_or(FrameErrorKind::MessageTooLarge)?;
        self.state = State::Body { total };
        Ok(Step::On)
    }

    fn body(&mut self, total: usize) -> Step {
        let message = if self.kept.is_empty() {
            if self.fresh.len() < total {
                return Step::Starved;
            }
            self.fresh.split_to(total)
        } else {
            let wanted = total.saturating_sub(self.kept.len()).min(self.fresh.len());
            self.kept.extend_from_slice(&self.fresh.split_to(wanted));
            if self.kept.len() < total {
                return Step::Starved;
            }
            std::mem::take(&mut self.kept).freeze()
        };
        self.seen = 0;
        self.state = State::Between(Gap::default());
        Step::Frame(Frame::Message(message))
    }

    /// What has been looked at of the current message.
    fn current(&self) -> &[u8] {
        let all = if self.kept.is_empty() { &self.fresh[..] } else { &self.kept[..] };
        all.get(..self.seen).unwrap_or_default()
    }

    /// What has not been looked at.
    fn unread(&self) -> &[u8] {
        let from = if self.kept.is_empty() { self.seen } else { 0 };
        self.fresh.get(from..).unwrap_or_default()
    }

    /// Counts the next `len` bytes as looked at and as the current message's.
    fn see(&mut self, len: usize) {
        self.seen += len;
        if !self.kept.is_empty() {
            self.kept.extend_from_slice(&self.fresh.split_to(len));
        }
    }

    /// Copies the start of an unfinished message out of the caller's buffer.
    fn keep(&mut self) {
        self.kept.extend_from_slice(&self.fresh);
        self.fresh = Bytes::new();
    }

    fn refuse(&mut self, kind: FrameErrorKind) -> FrameError {
        let is_whole = kind != FrameErrorKind::HeadTooLarge;
        let error = FrameError { kind, head: is_whole.then(|| Bytes::copy_from_slice(self.current())) };
        self.state = State::Refused(error.clone());
        self.kept = BytesMut::new();
        self.fresh = Bytes::new();
        error
    }
}

/// What came of looking at some bytes.
enum Step {
    Frame(Frame),
    /// There is more to look at.
    On,
    /// All bytes have been looked at.
    Starved,
}

impl Lines {
    /// Reads the line that ends `head`. Says whether it is the empty one that ends the head.
    fn read(&mut self, head: &[u8]) -> bool {
        let start = std::mem::replace(&mut self.next, head.len());
        let line = head.get(start..).unwrap_or_default();
        // RFC 3261 7.3.1: a line that starts with white space continues the one before.
        if start > 0 && !matches!(line.first(), Some(b' ' | b'\t')) {
            if let Some(value) = self.value.take().and_then(|value| head.get(value..start)) {
                self.add_length(value);
            }
            self.value = content_length(line).map(|at| start + at);
        }
        matches!(line, b"\n" | b"\r\n")
    }

    /// `Content-Length = ( "Content-Length" / "l" ) HCOLON 1*DIGIT`
    fn add_length(&mut self, value: &[u8]) {
        let length = std::str::from_utf8(value).ok().and_then(number::digits);
        self.length = Some(match (self.length, length) {
            (Some(Err(first)), _) => Err(first),
            (Some(Ok(_)) | None, None) => Err(FrameErrorKind::BadLength),
            (Some(Ok(one)), Some(other)) if one != other => Err(FrameErrorKind::ConflictingLengths),
            (Some(Ok(_)) | None, Some(length)) => Ok(length),
        });
    }

    fn length(&self) -> Result<u64, FrameErrorKind> {
        self.length.unwrap_or(Err(FrameErrorKind::MissingLength))
    }
}

/// Where the value starts, if `line` is a Content-Length header field.
fn content_length(line: &[u8]) -> Option<usize> {
    if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
        return None;
    }
    let colon = memchr::memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    (HeaderName::of(name) == HeaderName::ContentLength).then_some(colon + 1)
}

/// The frame in one WebSocket message: "each SIP message MUST be carried within a single WebSocket message, and a
/// WebSocket message MUST NOT contain more than one SIP message" (RFC 7118 5), text or binary alike. CRLF keep-alives
/// "are, of course, usable" there too (RFC 7118 6). Content-Length is not necessary; a body shorter than it says, or
/// bytes behind it, are dealt with as in a datagram (RFC 3261 18.3) by [`Message::parse`](super::Message::parse).
///
/// ```
/// use bytes::Bytes;
/// use sip_survivability::message::{Frame, FrameLimits, websocket_frame};
/// assert_eq!(websocket_frame(Bytes::from("\r\n\r\n"), &FrameLimits::default())?, Frame::Ping);
/// # Ok::<(), sip_survivability::message::FrameError>(())
/// ```
///
/// # Errors
/// [`FrameErrorKind::Empty`] or [`FrameErrorKind::MessageTooLarge`]. The next WebSocket message can be read all the same.
pub fn websocket_frame(data: Bytes, limits: &FrameLimits) -> Result<Frame, FrameError> {
    let fail = |kind| Err(FrameError { kind, head: None });
    match &data[..] {
        b"" => fail(FrameErrorKind::Empty),
        b"\r\n" => Ok(Frame::Pong),
        b"\r\n\r\n" => Ok(Frame::Ping),
        _ if data.len() > limits.max_message => fail(FrameErrorKind::MessageTooLarge),
        _ => Ok(Frame::Message(data)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(end: ConnectionEnd, stream: &str) -> Vec<String> {
        let mut framer = Framer::new(end, FrameLimits::new(200, 300));
        framer.push(Bytes::copy_from_slice(stream.as_bytes()));
        let mut seen = Vec::new();
        loop {
            match framer.next_frame() {
                Ok(Some(Frame::Message(message))) => seen.push(String::from_utf8(message.to_vec()).unwrap()),
                Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                Ok(None) => return seen,
                Err(error) => {
                    assert_eq!(framer.next_frame().unwrap_err(), error, "it says so for ever");
                    framer.push("OPTIONS sip:h SIP/2.0\r\nl: 0\r\n\r\n");
                    assert_eq!(framer.next_frame().unwrap_err(), error, "nothing is read any more");
                    assert_eq!(framer.buffered(), 0);
                    seen.push(format!("{:?} {}", error.kind, error.head.map_or(0, |head| head.len())));
                    return seen;
                }
            }
        }
    }

    fn accepted(stream: &str) -> Vec<String> {
        frames(ConnectionEnd::Accepted, stream)
    }

    #[test]
    fn a_body_is_as_long_as_its_content_length_says() {
        for head in [
            "A b SIP/2.0\r\nContent-Length: 3\r\n\r\n",
            "A\nx: y\nL \t:\n\t3 \n\n",
            "A\r\nl: 3\r\nl:3\r\n\r\n",
        ] {
            assert_eq!(
                accepted(&format!("{head}abc{head}\r\n\r\n")),
                [format!("{head}abc"), format!("{head}\r\n\r")]
            );
        }
    }

    #[test]
    fn a_line_that_continues_another_header_field_is_no_content_length() {
        assert_eq!(accepted("A\r\nSubject: x\r\n l: 3\r\nl: 0\r\n\r\n").len(), 1);
        assert_eq!(accepted("A\r\nl: 1\r\n 2\r\n\r\n"), ["BadLength 15"]);
    }

    #[test]
    fn a_length_that_cannot_be_believed_is_refused_with_the_head_to_answer() {
        for (fields, error) in [
            ("", "MissingLength"),
            ("l: 5, 5\r\n", "BadLength"),
            ("l: -1\r\n", "BadLength"),
            ("l:\r\n", "BadLength"),
            ("l: 5\r\nContent-Length: 6\r\n", "ConflictingLengths"),
            ("l: 300\r\n", "MessageTooLarge"),
            ("l: 99999999999999999999999\r\n", "MessageTooLarge"),
        ] {
            let stream = format!("A b SIP/2.0\r\n{fields}X: y\r\n\r\n");
            assert_eq!(accepted(&stream), [format!("{error} {}", stream.len())]);
        }
        assert_eq!(FrameErrorKind::MissingLength.status(), 400);
    }

    #[test]
    fn a_head_is_refused_before_it_ends() {
        assert_eq!(accepted(&"x".repeat(200)), [""; 0]);
        assert_eq!(accepted(&"x".repeat(201)), ["HeadTooLarge 0"]);
    }

    #[test]
    fn an_accepted_connection_carries_pings() {
        assert_eq!(accepted("\r\n\r\n"), ["Ping"]);
        assert_eq!(accepted("\r\n\r\n\r\n\r\n"), ["Ping", "Ping"]);
        assert_eq!(accepted("\r\nA\r\nl:0\r\n\r\n\r\n\r\n"), ["A\r\nl:0\r\n\r\n", "Ping"]);
        for skipped in ["\r\n", "\n\n", "\r\n\n\r\n", "\r\n\r\r\n", "\r\r"] {
            assert_eq!(accepted(skipped), [""; 0], "{skipped:?}");
        }
    }

    #[test]
    fn an_opened_connection_carries_pongs() {
        assert_eq!(frames(ConnectionEnd::Opened, "\r\n"), ["Pong"]);
        assert_eq!(frames(ConnectionEnd::Opened, "\n\r\n\r\nA\nl:0\n\n"), ["Pong", "Pong", "A\nl:0\n\n"]);
    }

    #[test]
    fn a_message_in_one_piece_is_not_copied() {
        let chunk = Bytes::from("A\nl:0\n\nB\nl:0\n\n");
        let mut framer = Framer::new(ConnectionEnd::Accepted, FrameLimits::default());
        framer.push(chunk.clone());
        let Ok(Some(Frame::Message(first))) = framer.next_frame() else { panic!("a message") };
        assert_eq!(first.as_ptr(), chunk.as_ptr());
    }

    #[test]
    fn a_websocket_message_is_one_frame() {
        let limits = FrameLimits::new(8, 8);
        let kind = |data| websocket_frame(Bytes::from_static(data), &limits).map_err(|error| error.kind);
        assert_eq!(kind(b"\r\n\r\n"), Ok(Frame::Ping));
        assert_eq!(kind(b"\r\n"), Ok(Frame::Pong));
        assert_eq!(kind(b"A\xff"), Ok(Frame::Message(Bytes::from_static(b"A\xff"))));
        assert_eq!(kind(b""), Err(FrameErrorKind::Empty));
        assert_eq!(kind(b"123456789"), Err(FrameErrorKind::MessageTooLarge));
    }
}
