//! Framing of streams.

use super::plain;
use bytes::Bytes;
use sip_survivability::message::{
    ConnectionEnd, Frame, FrameErrorKind, FrameLimits, Framer, websocket_frame,
};

const LIMITS: FrameLimits = FrameLimits::new(400, 600);

type Seen = Vec<Result<Frame, FrameErrorKind>>;

/// The first byte says which end we are and how the stream is cut, the rest is the stream: whatever its cuts, it gives the
/// same frames; they are what a plain reader would make of it; and no more is kept than the limits allow.
pub fn frame(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else { return };
    let end = if choice & 1 == 0 { ConnectionEnd::Accepted } else { ConnectionEnd::Opened };
    let stream = Bytes::copy_from_slice(stream);
    let whole = frames(end, [stream.clone()]);
    assert_eq!(frames(end, pieces(&stream, 1 + usize::from(choice >> 1 & 15))), whole);
    plainly(&stream, &whole);
    if let Ok(Frame::Message(message)) = websocket_frame(stream.clone(), &LIMITS) {
        assert_eq!(message, stream);
    }
}

fn pieces(stream: &Bytes, size: usize) -> impl Iterator<Item = Bytes> {
    (0..stream.len()).step_by(size).map(move |at| stream.slice(at..(at + size).min(stream.len())))
}

fn frames(end: ConnectionEnd, pieces: impl IntoIterator<Item = Bytes>) -> Seen {
    let mut framer = Framer::new(end, LIMITS);
    let mut seen = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => seen.push(Ok(frame)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next_frame(), Err(error.clone()));
                    assert_eq!(framer.buffered(), 0);
                    seen.push(Err(error.kind));
                    return seen;
                }
            }
        }
        assert!(framer.buffered() <= LIMITS.max_message);
    }
    seen
}

/// What came out is what went in, but for line ends between messages; and each message ends where its body does.
fn plainly(stream: &[u8], frames: &Seen) {
    let mut rest = stream;
    for frame in frames {
        let Ok(Frame::Message(message)) = frame else { continue };
        let skipped = rest.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        rest = rest[skipped..].strip_prefix(&message[..]).unwrap();
        let head: usize = plain::raw_lines(message).iter().map(|line| line.len()).sum();
        let empty = if message[head..].starts_with(b"\r") { 2 } else { 1 };
        if let Some(plain) = plain::read(message) {
            assert_eq!(plain.body, message[head + empty..]);
        }
    }
}
