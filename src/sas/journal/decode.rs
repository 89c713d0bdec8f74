//! Bytes as values. What is no such value is `None`: whoever asks says where.

use crate::resolve::{Answer, Naptr, Record, Srv};
use crate::transport::{FlowId, Transport};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
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

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.small()?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn string(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub(super) fn flow(&mut self) -> Option<FlowId> {
        Some(FlowId(self.number()?.rotate_right(1)))
    }

    pub(super) fn transport(&mut self) -> Option<Transport> {
        Some(match self.byte()? {
            0 => Transport::Udp,
            1 => Transport::Tcp,
            2 => Transport::Tls,
            3 => Transport::Ws,
            4 => Transport::Wss,
            _ => return None,
        })
    }

    pub(super) fn address(&mut self) -> Option<SocketAddr> {
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

    fn duration(&mut self) -> Option<Duration> {
        self.number().map(Duration::from_micros)
    }

    pub(super) fn answer(&mut self) -> Option<Answer> {
        match self.byte()? {
            0 => {
                let ttl = self.duration()?;
                let count = self.number()?;
                // Each takes more than a byte, so that no count makes this long.
                let records = (0..count).map(|_| self.record()).collect::<Option<_>>()?;
                Some(Answer::Found { records, ttl })
            }
            1 => Some(Answer::NotFound { ttl: self.duration()? }),
            2 => Some(Answer::Failed),
            _ => None,
        }
    }

    fn record(&mut self) -> Option<Record> {
        match self.byte()? {
            0 => Some(Record::A(self.array::<4>()?.into())),
            1 => Some(Record::Aaaa(self.array::<16>()?.into())),
            2 => Some(Record::Srv(Srv {
                priority: self.small()?,
                weight: self.small()?,
                port: self.small()?,
                target: self.string()?,
            })),
            3 => Some(Record::Naptr(Naptr {
                order: self.small()?,
                preference: self.small()?,
                flags: self.string()?,
                services: self.string()?,
                regexp: self.string()?,
                replacement: self.string()?,
            })),
            _ => None,
        }
    }
}
