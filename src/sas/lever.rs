//! The levers that send phones home to their first server (`sas.md` 2.2, mode 2): silence, or 503 with Retry-After. Never for an emergency
//! call, and never for what belongs to a call that is up.

use super::{Actions, Sas};
use crate::config::{HomingLever, SurvivabilityMode};
use crate::headers::{HeaderName, Method};
use crate::message::{Essentials, Fault, Request};
use crate::mode::State;
use crate::transport::{Outbox as _, Peer};

impl Sas {
    /// In the normal state a phone is told that we are not its first server. Whether a call is up or has been cancelled, and emergency
    /// calls, are no question of that.
    pub(super) fn is_ignored(&self, request: &Request) -> bool {
        let sas = &self.world.config.sas;
        sas.survivability_mode == SurvivabilityMode::IgnoreRegister
            && self.mode.state() == State::Normal
            && (request.method() == Method::Register
                || (sas.ignore_all_in_normal && self.is_beginning(request)))
    }

    /// Whether `request` would begin something, and is no emergency call.
    fn is_beginning(&self, request: &Request) -> bool {
        let belongs_to_another = matches!(request.method(), Method::Ack | Method::Cancel);
        !belongs_to_another && !request.is_in_dialog() && !self.is_emergency_call(request)
    }

    /// Sends home who has sent `request`. Who is refused while the proxy is doubted would have no server at all: then there is silence,
    /// and the phone asks again.
    pub(super) fn send_home(
        &mut self,
        request: &Request,
        read: &Essentials<'_>,
        from: Peer,
        out: &mut Actions,
    ) {
        if request.method() == Method::Register {
            self.note_lingering(request, read);
        }
        let sas = &self.world.config.sas;
        if sas.homing_lever != HomingLever::RetryAfter || !self.upstream.is_available() {
            return self.on_dropped(from, out);
        }
        // RFC 3261 21.5.4: the client "SHOULD attempt to forward the request to an alternate server", and leaves us alone for so long.
        let retry_after = sas.homing_retry_after.as_secs();
        let fault = Fault::new(503).with(HeaderName::RetryAfter, retry_after);
        self.answer_stateless(request, from, &fault, out);
        out.note_refusal(request, &fault);
    }
}
