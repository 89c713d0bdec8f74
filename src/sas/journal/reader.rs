//! Reading a journal.

use super::{Event, MAGIC, Told, VERSION, check, kind};
use crate::codec::Input;
use crate::registrar::Record;
use crate::resolve::QueryId;
use crate::time::Instant;
use bytes::Bytes;
use std::time::Duration;

/// Why a journal cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} of the journal")]
#[non_exhaustive]
pub struct JournalError {
    /// What is wrong.
    pub kind: JournalErrorKind,
    /// Where: how many bytes could be read.
    pub offset: usize,
}

/// What is wrong with a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// It does not begin as one.
    #[error("this is no journal")]
    NoJournal,
    /// It is of a version that is not known here.
    #[error("a journal of version {0}, which is not known here")]
    Version(u8),
    /// It ends within a record: whoever wrote it was cut off there. What stands before is whole.
    #[error("the last record is cut off")]
    Torn,
    /// A record is not what was written, or not where.
    #[error("a record that is damaged or out of place")]
    Damaged,
    /// A record that is what was written, and means nothing here.
    #[error("a record without a meaning")]
    Meaningless,
    /// The configuration changed there, to one that whoever replays does not know or that cannot follow the one before.
    #[error("a change to a configuration that is not known here")]
    Configuration,
}

/// What the core was told, in its order. Behind an error nothing comes.
#[derive(Clone, Debug)]
pub struct Reader<'j> {
    input: Input<'j>,
    len: usize,
    check: u32,
    last: Instant,
    seed: [u8; 32],
    start: Instant,
    about: &'j str,
}

impl<'j> Reader<'j> {
    /// Reads the beginning of a journal.
    ///
    /// # Errors
    /// It is none, or is damaged from the start.
    pub fn open(journal: &'j [u8]) -> Result<Self, JournalError> {
        let fail = |kind| JournalError { kind, offset: 0 };
        let rest = journal.strip_prefix(MAGIC).ok_or_else(|| fail(JournalErrorKind::NoJournal))?;
        let (&version, rest) = rest.split_first().ok_or_else(|| fail(JournalErrorKind::NoJournal))?;
        if version != VERSION {
            return Err(fail(JournalErrorKind::Version(version)));
        }
        let (input, len) = (Input(rest), journal.len());
        let zero = Instant::ZERO;
        let mut reader = Self { input, len, check: 0, last: zero, seed: [0; 32], start: zero, about: "" };
        let (kind, mut fields) = reader.record()?;
        let started = match kind {
            kind::START => fields.array().and_then(|seed| Some((seed, fields.text()?))),
            _ => None,
        };
        let (seed, about) = started.ok_or_else(|| reader.error(JournalErrorKind::Meaningless))?;
        Ok(Self { seed, about, start: reader.last, ..reader })
    }

    /// The seed of the core.
    #[must_use]
    pub const fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// When the core was made.
    #[must_use]
    pub const fn start(&self) -> Instant {
        self.start
    }

    /// What the caller had to say.
    #[must_use]
    pub const fn about(&self) -> &'j str {
        self.about
    }

    const fn error(&self, kind: JournalErrorKind) -> JournalError {
        JournalError { kind, offset: self.len - self.input.0.len() }
    }

    /// The next record's kind and fields; its time is the latest one then.
    fn record(&mut self) -> Result<(u8, Input<'j>), JournalError> {
        let mut input = self.input;
        let parts = input.bytes().zip(input.array());
        let (body, written) = parts.ok_or_else(|| self.error(JournalErrorKind::Torn))?;
        let check = check(self.check, body);
        if u32::from_le_bytes(written) != check {
            return Err(self.error(JournalErrorKind::Damaged));
        }
        let mut fields = Input(body);
        let head = fields.byte().zip(fields.number());
        let (kind, after) = head.ok_or_else(|| self.error(JournalErrorKind::Meaningless))?;
        (self.input, self.check) = (input, check);
        self.last = self.last + Duration::from_micros(after);
        Ok((kind, fields))
    }

    /// Nothing more comes, for a reason that whoever replays has found at the latest record.
    pub(super) const fn end_at(&mut self, kind: JournalErrorKind) -> JournalError {
        let error = self.error(kind);
        self.input = Input(&[]);
        error
    }

    fn entry(&mut self) -> Result<(Instant, Told<'j>), JournalError> {
        let offset = self.error(JournalErrorKind::Meaningless);
        let (kind, mut fields) = self.record()?;
        let told = match kind {
            kind::RECONFIGURED => fields.text().map(Told::Reconfigured),
            _ => event(kind, &mut fields).map(Told::Event),
        };
        Ok((self.last, told.filter(|_| fields.is_empty()).ok_or(offset)?))
    }
}

impl<'j> Iterator for Reader<'j> {
    type Item = Result<(Instant, Told<'j>), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.input.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.input = Input(&[]);
        }
        Some(entry)
    }
}

fn event(kind: u8, fields: &mut Input<'_>) -> Option<Event> {
    Some(match kind {
        kind::FLOW_OPENED => Event::FlowOpened {
            flow: fields.flow()?,
            transport: fields.transport()?,
            local: fields.address()?,
            remote: match fields.byte()? {
                0 => None,
                1 => Some(fields.address()?),
                _ => return None,
            },
        },
        kind::LISTENING => Event::Listening { transport: fields.transport()?, local: fields.address()? },
        kind::FLOW_CLOSED => Event::FlowClosed { flow: fields.flow()? },
        kind::STREAM => Event::Stream { flow: fields.flow()?, data: Bytes::copy_from_slice(fields.bytes()?) },
        kind::DATAGRAM => Event::Datagram {
            flow: fields.flow()?,
            from: fields.address()?,
            data: Bytes::copy_from_slice(fields.bytes()?),
        },
        kind::SEND_FAILED => Event::SendFailed { flow: fields.flow()?, to: fields.address()? },
        kind::RESOLVED => Event::Resolved { query: QueryId(fields.number()?), answer: fields.answer()? },
        kind::RESTORED => Event::Restored {
            record: Box::new(Record::from_bytes(fields.bytes()?).ok()?),
            age: fields.duration()?,
        },
        kind::TICK => Event::Tick,
        _ => return None,
    })
}
