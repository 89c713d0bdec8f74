//! Who is let in where the branch serves itself (`sas.md` 7.6): those who prove to be a configured user, if there are any.
//!
//! What the proxy answers for, it authenticates itself, and its challenges pass untouched. What is served here in its stead, be it in
//! the emergency state, as a rescue, or while a phone waits for its turn to come home, is challenged here. A request that was left to
//! the proxy is told to try again at once only if its password is known to be right: a phone that the proxy would not have
//! asked may have no answer.

use super::{Actions, Sas};
use crate::auth::{Improper, Role, Unproven, Verdict};
use crate::config::Trust;
use crate::headers::{HeaderName, Method};
use crate::message::{Fault, Request, ResponseBuilder};
use crate::routing::Source;
use crate::transport::{Outbox as _, Peer};
use crate::uri::{AorKey, HomeHosts, Uri};
use bytes::Bytes;

/// A request that is let in.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// The Authentication-Info of its 2xx.
    info: Option<String>,
    /// How far its sender is trusted.
    pub(super) trust: Trust,
}

impl Pass {
    /// Adds to a 2xx what proves that we know the password too.
    pub(super) fn confirm(self, response: ResponseBuilder) -> ResponseBuilder {
        match self.info {
            Some(info) => response.header(HeaderName::AuthenticationInfo, info),
            None => response,
        }
    }
}

/// A request that is not let in, and its answer.
#[derive(Debug)]
pub(super) struct TurnedAway {
    status: u16,
    response: Bytes,
    /// The password was right; only the nonce was not.
    pub(super) is_stale: bool,
    /// What is worth a notice. A first challenge is none.
    news: Option<Fault>,
}

impl TurnedAway {
    /// Status and response, and whoever watches is told.
    pub(super) fn told(self, request: &Request, out: &mut Actions) -> (u16, Bytes) {
        if let Some(fault) = &self.news {
            out.note_refusal(request, fault);
        }
        (self.status, self.response)
    }
}

impl Sas {
    /// Whether `request`, which is to be served here, may be.
    pub(super) fn admit(
        &mut self,
        request: &Request,
        from: Peer,
        source: Source,
    ) -> Result<Pass, TurnedAway> {
        if self.is_free(request, source) {
            return Ok(Pass::default());
        }
        let (Some(authenticator), Some(keyring)) = (&mut self.authenticator, self.world.config.keyring())
        else {
            // What else it may do, the routing decides.
            if request.method() != Method::Register {
                return Ok(Pass::default());
            }
            return self.let_register(request, from).map_err(|fault| self.turned_away(request, from, fault));
        };
        let (now, ip) = (self.world.now, from.address.ip());
        let is_register = request.method() == Method::Register;
        // RFC 3261 22.1: registrars use 401, proxies "MUST NOT".
        let role = if is_register { Role::Server } else { Role::Proxy };
        match authenticator.check(now, role, request, ip, |user, algorithm| keyring.ha1(user, algorithm)) {
            Verdict::Accepted(accepted) => {
                let own_name_only = self.world.config.auth.as_ref().is_some_and(|auth| auth.own_name_only);
                if is_register && own_name_only && !registers_itself(accepted.user(), request) {
                    // RFC 3261 10.3 step 4: "the registrar MUST return a 403".
                    return Err(self.turned_away(request, from, Fault::new(403)));
                }
                Ok(Pass { info: authenticator.confirm(now, ip, &accepted, b""), trust: Trust::Verified })
            }
            Verdict::Challenge(unproven) => Err(self.challenged(role, request, from, unproven)),
            Verdict::Refused(improper) => Err(self.turned_away(request, from, improper.into())),
        }
    }

    /// Whether who sent the REGISTER `request` may register here without proof (`sas.md` 7.6).
    pub(super) fn let_register(&self, request: &Request, from: Peer) -> Result<Pass, Fault> {
        let trust = self.trust_of(request, from, Source::User);
        if trust < self.world.config.trust.register {
            return Err(Fault::because(403, "Not Trusted To Register"));
        }
        Ok(Pass { info: None, trust })
    }

    /// How far whoever sent `request` is trusted where it is served here, or enough for all that the site asks of anybody. Where there are
    /// users, who is not free of proof is verified, or does not come so far.
    pub(super) fn trust_of(&self, request: &Request, from: Peer, source: Source) -> Trust {
        if self.authenticator.is_some() && !self.is_free(request, source) {
            return Trust::Verified;
        }
        let policy = &self.world.config.trust;
        let by_network = policy.of_source(from.address.ip());
        if by_network >= policy.highest() {
            return by_network;
        }
        let is_register = request.method() == Method::Register;
        let aor = if is_register { request.to() } else { request.from() };
        let Ok(aor) = aor else { return by_network };
        let contact = request.contacts().next().and_then(Result::ok);
        let instance = contact.and_then(|contact| contact.address()?.instance());
        let database = self.registrar.at(self.world.now, self.grace());
        database.trust_of(&aor.uri, instance, from.address, &self.world.home).max(by_network)
    }

    /// What is never challenged: what comes from proxies and gateways, which have no password of the branch's; ACK and CANCEL, which
    /// cannot be sent again (RFC 3261 22.1); emergency calls; what belongs to a dialog, since a call that is up must not hang
    /// for a password; and the question whether we are there, which phones ask before they trust us.
    fn is_free(&self, request: &Request, source: Source) -> bool {
        let is_question = || request.uri().is_ok_and(|uri| uri.user().is_none());
        source != Source::User
            || match request.method() {
                Method::Ack | Method::Cancel => true,
                Method::Options => request.is_in_dialog() || is_question(),
                Method::Register => false,
                Method::Invite
                | Method::Bye
                | Method::Prack
                | Method::Subscribe
                | Method::Notify
                | Method::Publish
                | Method::Info
                | Method::Refer
                | Method::Message
                | Method::Update
                | Method::Other => request.is_in_dialog() || self.is_emergency_call(request),
            }
    }

    fn challenged(&mut self, role: Role, request: &Request, from: Peer, unproven: Unproven) -> TurnedAway {
        let (tag, status) = (self.transactions.stateless_tag(request), role.status());
        let mut response = ResponseBuilder::new(request, from.address, status, tag.as_str());
        if let Some(authenticator) = &mut self.authenticator {
            for challenge in authenticator.challenges(self.world.now, from.address.ip(), unproven) {
                response = response.header(role.challenge(), challenge);
            }
        }
        // RFC 7616 3.4: "a login failure SHOULD be logged".
        let news = Fault::because(status, "Wrong Credentials");
        TurnedAway {
            status,
            response: response.finish_or_500(),
            is_stale: unproven == Unproven::Stale,
            news: (unproven == Unproven::Wrong).then_some(news),
        }
    }

    fn turned_away(&self, request: &Request, from: Peer, fault: Fault) -> TurnedAway {
        let response = self.refusal(request, from, &fault);
        TurnedAway { status: fault.status, response, is_stale: false, news: Some(fault) }
    }
}

impl From<Improper> for Fault {
    fn from(improper: Improper) -> Self {
        Self::because(400, improper.to_string())
    }
}

/// Whether the address of record of a REGISTER is that of `user`, which may have its host in its name.
fn registers_itself(user: &str, request: &Request) -> bool {
    let key = |aor: &Uri<'_>| AorKey::of(aor, &HomeHosts::default());
    let aor = request.to().ok().and_then(|to| key(&to.uri));
    aor.is_some_and(|aor| aor.user() == user || aor.as_str() == user)
}
