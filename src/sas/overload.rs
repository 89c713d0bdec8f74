//! No room for another transaction: 503 with Retry-After (RFC 3261 21.5.4), to so many a second. Who comes beyond that gets no
//! answer, which is the cheapest one, and tries again by its own timers.

use super::{Actions, Sas};
use crate::headers::HeaderName;
use crate::message::{Fault, Request};
use crate::time::Instant;
use crate::transport::{Outbox as _, Peer};
use std::time::Duration;

/// How many are answered in a second.
const RATE: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// When to try again: spread, so that not all come back at once.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(15)];

#[derive(Debug, Default)]
pub(super) struct Overload {
    since: Instant,
    answered: u32,
}

impl Overload {
    fn admits(&mut self, now: Instant) -> bool {
        if now - self.since >= WINDOW {
            *self = Self { since: now, answered: 0 };
        }
        self.answered += 1;
        self.answered <= RATE
    }
}

impl Sas {
    /// Refuses `request` for want of room.
    pub(super) fn on_full(&mut self, request: &Request, from: Peer, out: &mut Actions) {
        if self.overload.admits(self.world.now) {
            let [low, high] = RETRY_AFTER;
            let retry_after = self.world.rng.between(low, high).as_secs();
            let fault = Fault::new(503).with(HeaderName::RetryAfter, retry_after);
            self.answer_stateless(request, from, &fault, out);
        }
        self.on_dropped(from, out);
    }

    /// Refuses `request` without a transaction, as 8.2.7 has it: the tag is the same each time, and tells its ACK.
    pub(super) fn answer_stateless(&self, request: &Request, from: Peer, fault: &Fault, out: &mut Actions) {
        let is_connection = self.world.flows.is_reliable(from.flow);
        let via = request.top_via().ok().filter(|_| !is_connection);
        let address = via.map_or(from.address, |via| via.response_address(from.address));
        out.send(Peer { address, ..from }, self.refusal(request, from, fault));
    }
}
