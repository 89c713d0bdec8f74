//! Law 2: no input makes the core panic, and none makes it miss its deadlines afterwards. The inputs are noise, and
//! real messages of a real life with something done to them.

use crate::hold;
use crate::life::{Lived, life};
use crate::support::*;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use sip_survivability::Event;

/// Something done to a message.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Remove(Index, u8),
    Repeat(Index, u8),
    /// A line is gone, or stands there twice.
    WithoutLine(Index),
    LineTwice(Index),
    /// The next number is another one.
    Number(Index, u64),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Damage::Remove(at, count)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Damage::Repeat(at, count)),
        any::<Index>().prop_map(Damage::WithoutLine),
        any::<Index>().prop_map(Damage::LineTwice),
        (any::<Index>(), any::<u64>()).prop_map(|(at, number)| Damage::Number(at, number)),
    ]
}

impl Damage {
    fn to(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let span = |at: &Index, count: u8, bytes: &[u8]| {
            let start = at.index(bytes.len());
            start..(start + usize::from(count)).min(bytes.len())
        };
        match self {
            Self::Flip(at, byte) => *at.get_mut(bytes) = *byte,
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Remove(at, count) => {
                bytes.drain(span(at, *count, bytes));
            }
            Self::Repeat(at, count) => {
                let part = bytes[span(at, *count, bytes)].to_vec();
                let start = at.index(bytes.len());
                bytes.splice(start..start, part);
            }
            Self::WithoutLine(at) | Self::LineTwice(at) => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let line = at.index(lines.len());
                match self {
                    Self::LineTwice(_) => lines.insert(line, lines[line].clone()),
                    _ => drop(lines.remove(line)),
                }
                *bytes = lines.concat();
            }
            Self::Number(at, number) => {
                let start = at.index(bytes.len());
                let digits = |bytes: &[u8]| bytes.iter().position(|byte| !byte.is_ascii_digit());
                let Some(first) = bytes[start..].iter().position(u8::is_ascii_digit) else { return };
                let first = start + first;
                let end = digits(&bytes[first..]).map_or(bytes.len(), |length| first + length);
                bytes.splice(first..end, number.to_string().into_bytes());
            }
        }
    }
}

/// Every datagram that the core was given in this life.
fn heard(lived: &Lived) -> Vec<(std::net::SocketAddr, Bytes)> {
    let journal = lived.branch.net.node(lived.branch.sas).journal.as_ref().unwrap();
    let datagram = |event: &Event| match event {
        Event::Datagram { from, data, .. } => Some((*from, data.clone())),
        _ => None,
    };
    journal.iter().filter_map(|handled| datagram(&handled.event)).collect()
}

#[test]
fn noise_is_dropped() {
    let noise = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..60);
    hold(48, (life(8, 10), noise), |(life, noise)| {
        let mut lived = life.live(|_, _| {});
        let sas = lived.branch.sas;
        let standing = |lived: &Lived| {
            let core = lived.branch.net.node(sas).core();
            // Not the deadline: that the noise was dropped is told within a second.
            (core.state(), core.load(), core.registrar().len())
        };
        let before = standing(&lived);
        for bytes in noise {
            let data = Bytes::copy_from_slice(bytes);
            lived.branch.net.act(sas, |sas, io| sas.hear(io, at("203.0.113.66:5060"), data));
        }
        assert_eq!(standing(&lived), before);
    });
}

#[test]
fn damaged_messages_are_survived() {
    // None at all is a replay, out of its time.
    let damages = prop::collection::vec(damage(), 0..5);
    let picks = prop::collection::vec((any::<Index>(), damages, any::<bool>()), 1..80);
    hold(48, (life(20, 5), picks), |(life, picks)| {
        let mut lived = life.live(|_, _| {});
        let (sas, heard) = (lived.branch.sas, heard(&lived));
        for (pick, damages, from_its_sender) in picks {
            let (sender, bytes) = pick.get(&heard);
            let mut bytes = bytes.to_vec();
            for damage in damages {
                damage.to(&mut bytes);
            }
            let from = if *from_its_sender { *sender } else { at("203.0.113.66:5060") };
            lived.branch.net.act(sas, |sas, io| sas.hear(io, from, Bytes::from(bytes)));
            lived.branch.net.run_for(millis(100));
        }
        // It is as able as before.
        lived.recover();
        lived.branch.net.run_for(secs(60));
        let call = lived.branch.dial(lived.branch.alice(), "911");
        lived.branch.until(lived.branch.alice(), call, CallState::Up, secs(2));
    });
}
