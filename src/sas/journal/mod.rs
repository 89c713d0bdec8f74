//! The journal: all that the core was told, so that an outage can be lived through again.
//!
//! The core is deterministic: with the same configuration, the same seed and the same events it does the same, byte for byte. So events
//! are all that has to be kept. Whoever drives a [`Sas`] writes each event down where it is told:
//!
//! ```
//! use sip_survivability::config::{Settings, SurvivabilityMode};
//! use sip_survivability::journal::{Reader, Writer};
//! use sip_survivability::time::Instant;
//! use sip_survivability::{Event, Sas};
//!
//! let mut settings = Settings::default();
//! settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
//! let (config, seed, start) = (settings.validate()?, [7; 32], Instant::ZERO);
//!
//! let mut file = Vec::new();
//! let mut journal = Writer::start(seed, "what the configuration was", start, &mut file);
//! let mut sas = Sas::new(config.clone(), seed, start);
//! let event = Event::Tick;
//! journal.append(Instant::from_secs(1), &event, &mut file);
//! let actions = sas.handle(Instant::from_secs(1), event);
//!
//! let steps: Result<Vec<_>, _> = Sas::replay(config, Reader::open(&file)?).collect();
//! assert_eq!(steps?[0].actions, actions);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/gateway` keeps one, and `examples/replay` reports from it what an outage was.
//!
//! Where the configuration changes, [`Writer::reconfigured`] keeps a text that says to what, and [`Sas::replay_with`] asks for the
//! [`Config`] of that text.
//!
//! # The format, version 1
//!
//! | part | bytes |
//! |---|---|
//! | file | `sip-surv`, the version (one byte), records to its end |
//! | record | the body's length (number), the body, its check (four bytes, the lowest first) |
//! | body | its kind (one byte), the microseconds since the record before it (number), the fields of that kind |
//! | number | seven bits a byte, the lowest first; the highest bit says that more follow |
//! | bytes, text | their length (number), then they themselves |
//! | address | 4, four bytes, port; or 6, sixteen bytes, port, flow information and scope; the port and the last two are numbers |
//!
//! The check is the lower half of SipHash-1-3, with a key of zeros, over the check before it (four bytes; zeros at first) and the body.
//! So it also tells when a record is missing or out of place. No secret is in it: it is there for accidents.
//!
//! | kind | what | fields |
//! |---|---|---|
//! | 0 | the start, which comes first and once; its time counts from the epoch | the seed (32 bytes), a text of the caller's |
//! | 1 | [`Event::FlowOpened`] | flow, transport, local address, 0 or 1 and the remote address |
//! | 2 | [`Event::Listening`] | transport, local address |
//! | 3 | [`Event::FlowClosed`] | flow |
//! | 4 | [`Event::Stream`] | flow, bytes |
//! | 5 | [`Event::Datagram`] | flow, from, bytes |
//! | 6 | [`Event::SendFailed`] | flow, to |
//! | 7 | [`Event::Resolved`] | query, then 0, microseconds to live, count and records; or 1 and microseconds to live; or 2 |
//! | 8 | [`Event::Tick`] | |
//! | 9 | [`Event::Restored`] | the bytes of [`Record::to_bytes`](crate::registrar::Record::to_bytes), microseconds of age |
//! | 10 | [`Sas::reconfigure`] | a text of the caller's |
//!
//! Another kind of record is no other version: a reader that does not know it ends there
//! ([`Meaningless`](JournalErrorKind::Meaningless)), and what stands before is good.
//!
//! Transports are UDP 0, TCP 1, TLS 2, WS 3, WSS 4. A record of the DNS is 0 and four bytes, 1 and sixteen bytes, 2 with priority,
//! weight, port and target, or 3 with order, preference, flags, services, expression and replacement.
//!
//! Messages are kept as they came. They have names, numbers and digests of passwords in them: a journal wants the care of a capture.

mod decode;
mod encode;
mod reader;
mod writer;

pub use reader::{JournalError, JournalErrorKind, Reader};
pub use writer::Writer;

use super::{Actions, Event, Sas};
use crate::codec;
use crate::config::Config;
use crate::time::Instant;
use std::fmt;

const MAGIC: &[u8; 8] = b"sip-surv";
const VERSION: u8 = 1;

/// Kinds of records.
mod kind {
    pub(super) const START: u8 = 0;
    pub(super) const FLOW_OPENED: u8 = 1;
    pub(super) const LISTENING: u8 = 2;
    pub(super) const FLOW_CLOSED: u8 = 3;
    pub(super) const STREAM: u8 = 4;
    pub(super) const DATAGRAM: u8 = 5;
    pub(super) const SEND_FAILED: u8 = 6;
    pub(super) const RESOLVED: u8 = 7;
    pub(super) const TICK: u8 = 8;
    pub(super) const RESTORED: u8 = 9;
    pub(super) const RECONFIGURED: u8 = 10;
}

/// The check of a record behind that with the check `before`.
fn check(before: u32, body: &[u8]) -> u32 {
    codec::check(&[&before.to_le_bytes(), body])
}

/// What the core was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two ways to tell it something")]
pub enum Told<'j> {
    /// [`Sas::handle`].
    Event(Event),
    /// [`Sas::reconfigure`], with a configuration of which this is the caller's text.
    Reconfigured(&'j str),
}

/// One step of a life: what the core was told, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step<'j> {
    /// When.
    pub at: Instant,
    /// What it was told.
    pub told: Told<'j>,
    /// What it did.
    pub actions: Actions,
}

/// A life lived again: see [`Sas::replay`].
pub struct Replay<'j, F = fn(&'j str) -> Option<Config>> {
    sas: Sas,
    reader: Reader<'j>,
    read: F,
}

impl<F> Replay<'_, F> {
    /// The core as it is after the steps so far.
    #[must_use]
    pub const fn sas(&self) -> &Sas {
        &self.sas
    }
}

impl<F> fmt::Debug for Replay<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("sas", &self.sas).field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl<'j, F: FnMut(&'j str) -> Option<Config>> Iterator for Replay<'j, F> {
    type Item = Result<Step<'j>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (at, told) = match self.reader.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        let actions = match &told {
            Told::Event(event) => Some(self.sas.handle(at, event.clone())),
            Told::Reconfigured(about) => {
                (self.read)(about).and_then(|config| self.sas.reconfigure(at, config).ok())
            }
        };
        Some(match actions {
            Some(actions) => Ok(Step { at, told, actions }),
            None => Err(self.reader.end_at(JournalErrorKind::Configuration)),
        })
    }
}

impl Sas {
    /// Lives through a journal again, step by step. With the configuration that was in force then it does what was done then, byte
    /// for byte; with another one it shows what would have become of the same events, as far as the others are taken to have
    /// done the same.
    ///
    /// Where the configuration changed it ends, with [`JournalErrorKind::Configuration`].
    #[must_use]
    pub fn replay(config: Config, journal: Reader<'_>) -> Replay<'_> {
        Self::replay_with(config, journal, |_| None)
    }

    /// Like [`replay`](Self::replay), through changes of the configuration too: `read` makes that which was in force from then on out of the
    /// caller's text. What is not in the text, such as secrets, is for `read` to know.
    #[must_use]
    pub fn replay_with<'j, F>(config: Config, journal: Reader<'j>, read: F) -> Replay<'j, F>
    where
        F: FnMut(&'j str) -> Option<Config>,
    {
        Replay { sas: Self::new(config, journal.seed(), journal.start()), reader: journal, read }
    }
}

#[cfg(test)]
mod tests;
