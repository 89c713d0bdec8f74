//! The laws of framing: the cuts of a stream change nothing, memory is bounded, work is linear.

use bytes::Bytes;
use proptest::prelude::*;
use sip_survivability::message::{ConnectionEnd, Frame, FrameErrorKind, FrameLimits, Framer, Message};

const LIMITS: FrameLimits = FrameLimits::new(400, 600);

/// What the pieces of a stream give; the last item says how it was refused, if it was.
fn frames<'a>(
    end: ConnectionEnd,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Frame, FrameErrorKind>> {
    let mut framer = Framer::new(end, LIMITS);
    let mut seen = Vec::new();
    for piece in pieces {
        framer.push(Bytes::copy_from_slice(piece));
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => seen.push(Ok(frame)),
                Ok(None) => break,
                Err(error) => {
                    seen.push(Err(error.kind));
                    return seen;
                }
            }
        }
        assert!(framer.buffered() <= LIMITS.max_message, "{} bytes are buffered", framer.buffered());
    }
    seen
}

/// Messages with all the ways to write a length, line ends between them, keep-alives, and now and then a fault.
fn piece() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        4 => Just(""),
        1 => Just("Subject: x\r\n l: 7\r\n"),
        1 => Just("Call-ID: long\r\n"),
        1 => Just("Contact: <sip:a@h>\nLocation: y\r\n"),
        1 => Just("no colon\r\n"),
    ];
    let name = prop_oneof![Just("Content-Length"), Just("l"), Just("CONTENT-length \t"), Just("L")];
    let space = prop_oneof![3 => Just(" "), 1 => Just(""), 1 => Just("\r\n\t"), 1 => Just("\n \n ")];
    let line_end = prop_oneof![4 => Just("\r\n"), 1 => Just("\n")];
    let body =
        prop_oneof![2 => Just(String::new()), 2 => "[a-z\r\n:]{0,40}", 1 => Just("l: 9\r\n\r\n".to_owned())];
    let message = (field.clone(), name, space, field, line_end, body).prop_map(
        |(before, name, space, after, end, body)| {
            format!("OPTIONS sip:h SIP/2.0{end}{before}{name}:{space}{}{end}{after}{end}{body}", body.len())
        },
    );
    prop_oneof![
        12 => message,
        6 => prop_oneof![Just("\r\n"), Just("\r\n\r\n"), Just("\n"), Just("\r"), Just("\r\r\n")].prop_map(str::to_owned),
        1 => prop_oneof![Just("A\r\n\r\n"), Just("A\r\nl: x\r\n\r\n"), Just("A\r\nl: 1\r\nl: 2\r\n\r\n"), Just("A\r\nl: 999\r\n\r\n")]
            .prop_map(str::to_owned),
        1 => (300_usize..500).prop_map(|len| "x".repeat(len)),
    ]
}

fn end() -> impl Strategy<Value = ConnectionEnd> {
    prop_oneof![Just(ConnectionEnd::Accepted), Just(ConnectionEnd::Opened)]
}

proptest! {
    #[test]
    fn every_cut_gives_the_same_frames(pieces in prop::collection::vec(piece(), 1..8), end in end()) {
        let stream = pieces.concat().into_bytes();
        let whole = frames(end, [&stream[..]]);
        for at in 0..=stream.len() {
            let (left, right) = stream.split_at(at);
            prop_assert_eq!(&frames(end, [left, right]), &whole, "cut at {}", at);
        }
        prop_assert_eq!(&frames(end, stream.chunks(1)), &whole, "one byte at a time");
    }

    #[test]
    fn all_cuts_at_once_give_the_same_frames(
        pieces in prop::collection::vec(piece(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        end in end(),
    ) {
        let stream = pieces.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(frames(end, parts), frames(end, [&stream[..]]));
    }

    #[test]
    fn what_comes_out_is_what_went_in(pieces in prop::collection::vec(piece(), 1..8)) {
        let stream = pieces.concat();
        let mut rest = stream.as_bytes();
        for frame in frames(ConnectionEnd::Accepted, [rest]) {
            let Ok(Frame::Message(message)) = frame else { continue };
            let skipped = rest.windows(message.len()).position(|window| window == message).unwrap();
            prop_assert!(rest[..skipped].iter().all(|byte| matches!(byte, b'\r' | b'\n')));
            rest = &rest[skipped + message.len()..];
        }
    }

    /// The framer and the index must see the same body, or one of them could be fed a message that the other does not see.
    #[test]
    fn the_head_index_agrees_on_the_body(pieces in prop::collection::vec(piece(), 1..8)) {
        for frame in frames(ConnectionEnd::Accepted, [pieces.concat().as_bytes()]) {
            let Ok(Frame::Message(bytes)) = frame else { continue };
            let Ok(message) = Message::parse(bytes.clone()) else { continue };
            let written: usize = bytes.len() - message.head().body().len();
            prop_assert!(bytes[..written].ends_with(b"\r\n\r\n") || bytes[..written].ends_with(b"\n\n")
                || bytes[..written].ends_with(b"\n\r\n"), "{:?}", bytes);
        }
    }

    #[test]
    fn any_bytes_are_framed_or_refused(stream in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\r\n l:0"[..])], 0..700)) {
        let whole = frames(ConnectionEnd::Accepted, [&stream[..]]);
        prop_assert_eq!(frames(ConnectionEnd::Accepted, stream.chunks(1)), whole);
    }
}

#[test]
fn an_announced_body_is_not_waited_for_beyond_the_limit() {
    let head = "A b SIP/2.0\r\nl: 580\r\n\r\n";
    assert_eq!(frames(ConnectionEnd::Accepted, [head.as_bytes()]), [Err(FrameErrorKind::MessageTooLarge)]);
}

#[test]
fn one_byte_at_a_time_costs_no_more_than_one_look_at_each() {
    // Two mebibytes in one head and two in one body: hours if each byte made the framer look at all before it.
    let fields = "X: y\r\n".repeat(1 << 18);
    let stream = format!("A b SIP/2.0\r\n{fields}l: 2097152\r\n\r\n{}", "b".repeat(1 << 21));
    let mut framer = Framer::new(ConnectionEnd::Accepted, FrameLimits::new(1 << 22, 1 << 23));
    let mut messages = 0;
    for byte in Bytes::from(stream.clone()).chunks(1) {
        framer.push(Bytes::copy_from_slice(byte));
        if let Some(Frame::Message(message)) = framer.next_frame().unwrap() {
            assert!(message == stream);
            messages += 1;
        }
    }
    assert_eq!(messages, 1);
}
