//! What each layer is handed to work with, and how it sends.

use super::{Flows, Peer};
use crate::config::Config;
use crate::message::{Fault, Request};
use crate::rng::Rng;
use crate::time::Instant;
use bytes::Bytes;

/// Takes what is to be sent and said. The composition root's list of actions is one; layers below know only this of it.
pub(crate) trait Outbox {
    /// Sends `payload` to `peer`, after everything that was sent before.
    fn send(&mut self, peer: Peer, payload: Bytes);

    /// Says that we have answered `request` with a refusal of our own.
    fn note_refusal(&mut self, request: &Request, fault: &Fault);
}

/// The world during one event: disjoint borrows of what the composition root owns.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
    pub(crate) flows: &'a Flows,
    pub(crate) rng: &'a mut Rng,
    pub(crate) out: &'a mut dyn Outbox,
}
