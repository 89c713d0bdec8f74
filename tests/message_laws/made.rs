//! Messages made up: good ones in all their spellings, and those with something changed.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A message in parts, so that tests know what it should be.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) start: String,
    /// Each with its line ends.
    pub(crate) fields: Vec<String>,
    pub(crate) end: &'static str,
    pub(crate) body: String,
}

impl Made {
    pub(crate) fn text(&self) -> Vec<u8> {
        format!("{}{}{}{}{}", self.start, self.end, self.fields.concat(), self.end, self.body).into()
    }
}

const STARTS: &[&str] = &[
    "INVITE sip:bob@h SIP/2.0",
    "INVITE sip:bob@h SIP/2.0",
    "INVITE tel:+1 SIP/2.0",
    "OPTIONS sips:h:5061;lr?a=b SIP/2.0",
    "x-`'~ tel:+1-2 sip/2.0",
    "INVITE sip:bob@h; x=y SIP/2.0",
    "SIP/2.0 200 OK",
    "SIP/2.0 100 ",
    "sip/3.0  699\tWhy not: é",
];

const NAMES: &[&str] =
    &["Via", "v", "VIA", "Route", "Record-Route", "Contact", "m", "Subject", "s", "X-Other", "Max-Forwards"];

const VALUES: &[&str] = &[
    "",
    "70",
    "<sip:a@h;lr>",
    "<sip:a@h>, <sip:b@h>;x=\"a,\\\"b\" , sip:c@h",
    "SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport",
    "SIP/2.0/TCP [::1];branch=z9hG4bK2, SIP / 2.0 / UDP h : 1",
    "a b: c",
    "é",
    "*",
];

/// What an ordinary request has.
const USUAL: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bK0\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\n\
    To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n";

fn field(end: &'static str) -> impl Strategy<Value = String> {
    let fold = select(&["", "", "", "\r\n ", "\n\t", " \t"][..]);
    let colon = select(&[": ", ":", " : ", "\t:", ":\r\n  "][..]);
    (select(NAMES), colon, select(VALUES), fold.clone(), select(VALUES), fold).prop_map(
        move |(name, colon, one, fold, other, last)| {
            let other = if fold.is_empty() { "" } else { other };
            format!("{name}{colon}{one}{fold}{other}{last}{end}")
        },
    )
}

pub(crate) fn made() -> impl Strategy<Value = Made> {
    let end = select(&["\r\n", "\r\n", "\n"][..]);
    (end, select(STARTS), any::<bool>(), "[ -~\r\n]{0,30}", 0..4_usize).prop_flat_map(
        |(end, start, usual, body, length)| {
            let length = match length {
                0 => String::new(),
                1 => format!("l: {}{end}", body.len()),
                2 => format!("Content-Length : 00{}{end}", body.len() / 2),
                _ => format!("content-length:{end} {}{end}", body.len() + 1),
            };
            prop::collection::vec(field(end), 0..8).prop_map(move |mut fields| {
                if usual {
                    fields.retain(|field| field.starts_with(['S', 's', 'X']));
                    fields.splice(0..0, USUAL.split_inclusive("\r\n").map(str::to_owned));
                }
                fields.push(length.clone());
                fields.retain(|field| !field.is_empty());
                Made { start: start.to_owned(), fields, end, body: body.clone() }
            })
        },
    )
}

/// Bytes that mean something somewhere in a message.
const PIECES: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\"",
    b"<",
    b">",
    b"\0",
    b"\x0b",
    b"\x0c",
    b"\xff",
    b"l: 1\r\n",
    b"l: 99999999999999999999\r\n",
    b"SIP/2.0 ",
    b"SIP/2.0 +99 x\r\n",
    b" SIP/2.0",
    b"no colon",
];

/// Messages with up to three changes.
pub(crate) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), 0..6_usize, select(PIECES), any::<u8>());
    (made(), prop::collection::vec(change, 0..4)).prop_map(|(message, changes)| {
        let mut bytes = message.text();
        for (at, len, piece, byte) in changes {
            let start = at.index(bytes.len() + 1);
            let end = (start + len).min(bytes.len());
            match byte % 4 {
                0 => drop(bytes.splice(start..start, piece.iter().copied())),
                1 => drop(bytes.splice(start..end, piece.iter().copied())),
                2 => bytes.truncate(start),
                _ => bytes.splice(start..end, [byte]).for_each(drop),
            }
        }
        bytes
    })
}
