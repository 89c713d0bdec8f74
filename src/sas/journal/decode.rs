//! Bytes as values of events. What is no such value is `None`: whoever asks says where.

use crate::codec::Input;
use crate::resolve::{Answer, Naptr, Record, Srv};
use crate::transport::FlowId;

impl Input<'_> {
    fn string(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub(super) fn flow(&mut self) -> Option<FlowId> {
        Some(FlowId(self.number()?.rotate_right(1)))
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
