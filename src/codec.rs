//! Values as bytes, and bytes as values: what the journal and the records of bindings are written with.
//!
//! | value | bytes |
//! |---|---|
//! | number | seven bits a byte, the lowest first; the highest bit says that more follow |
//! | bytes, text | their length (number), then they themselves |
//! | address | 4, four bytes, port; or 6, sixteen bytes, port, flow information and scope; the port and the last two are numbers |
//! | transport | UDP 0, TCP 1, TLS 2, WS 3, WSS 4 |
//! | time | microseconds (number) |

use crate::uri::Transport;
use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// The lower half of SipHash-1-3 with a key of zeros over `parts`, one behind the other. No secret is in it: it is there for accidents.
pub(crate) fn check(parts: &[&[u8]]) -> u32 {
    let mut hash = SipHasher13::new();
    parts.iter().for_each(|part| hash.write(part));
    hash.finish() as u32
}

/// Seven bits a byte, the lowest first.
pub(crate) fn number(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn transport(out: &mut Vec<u8>, transport: Transport) {
    out.push(match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Ws => 3,
        Transport::Wss => 4,
    });
}

pub(crate) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend(ip.octets());
        }
    }
    number(out, address.port().into());
    if let SocketAddr::V6(v6) = address {
        number(out, v6.flowinfo().into());
        number(out, v6.scope_id().into());
    }
}

pub(crate) fn duration(out: &mut Vec<u8>, duration: Duration) {
    number(out, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

/// What is left to be read. What is no such value is `None`: whoever asks says where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // No bit may be lost.
            if shift > 63 || bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.small()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(crate) fn transport(&mut self) -> Option<Transport> {
        Some(match self.byte()? {
            0 => Transport::Udp,
            1 => Transport::Tcp,
            2 => Transport::Tls,
            3 => Transport::Ws,
            4 => Transport::Wss,
            _ => return None,
        })
    }

    pub(crate) fn address(&mut self) -> Option<SocketAddr> {
        match self.byte()? {
            4 => {
                let ip = Ipv4Addr::from(self.array()?);
                Some(SocketAddr::new(IpAddr::V4(ip), self.small()?))
            }
            6 => {
                let ip = Ipv6Addr::from(self.array::<16>()?);
                Some(SocketAddrV6::new(ip, self.small()?, self.small()?, self.small()?).into())
            }
            _ => None,
        }
    }

    pub(crate) fn duration(&mut self) -> Option<Duration> {
        self.number().map(Duration::from_micros)
    }
}
