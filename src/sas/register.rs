//! REGISTER in both states: relayed and recorded, or answered here (`sas.md` 2.1).

use super::admission::Pass;
use super::inbound::EXTENSIONS;
use super::relay::Arrival;
use super::{Actions, Notice, Sas};
use crate::config::SurvivabilityMode;
use crate::headers::{HeaderName, Method};
use crate::message::{Essentials, Fault, Request, Response, ResponseBuilder, Rules};
use crate::mode::State;
use crate::proxy::ContextId;
use crate::registrar::{Home, Refusal};
use crate::rng::{Rng, Token};
use crate::routing::{Outcome, Source, decide_register};
use crate::transaction::{ClientId, ServerId};
use crate::transport::{Outbox as _, Peer};
use crate::upstream::TargetId;
use crate::uri::Host;
use bytes::Bytes;
use std::time::Duration;

/// The lifetime of a binding whose REGISTER names none (RFC 3261 10.2).
const DEFAULT_EXPIRES: Duration = Duration::from_hours(1);

/// Room in a 200 for the contact of an ordinary user.
const CONTACT_ROOM: usize = 128;

/// What our own registrar asks of a REGISTER (RFC 3261 10.3).
const REGISTRAR: Rules<'_> = Rules::registrar_behind_proxy().extensions(EXTENSIONS);

/// What our own registrar does with a REGISTER.
#[derive(Clone, Copy, Debug)]
enum Service {
    /// It registers, with this entry in the ledger.
    Register(Home),
    /// It has done so before, and says again what is there.
    Repeat,
}

impl Sas {
    /// Whether all REGISTERs are answered here, without transactions (RFC 3261 8.2.7). Where nonces are counted, one that comes again
    /// cannot be judged again, and gets a transaction.
    pub(super) fn serves_registers(&self) -> bool {
        let auto_answer = self.world.config.sas.survivability_mode == SurvivabilityMode::AutoAnswerRegister;
        let is_alone =
            auto_answer || self.mode.state() == State::Emergency || self.has_unresolved_proxies_only();
        is_alone && self.authenticator.is_none()
    }

    /// Answers a REGISTER where all are answered here.
    pub(super) fn serve_register(
        &mut self,
        request: &Request,
        read: &Essentials<'_>,
        from: Peer,
        out: &mut Actions,
    ) {
        let via = read.via().ok();
        let arrived = self.transactions.on_repeatable(&mut self.world.ctx(out), request, via, from);
        let Some(arrived) = arrived else { return };
        let tag = self.transactions.tag_of(&arrived);
        let service = if arrived.was_accepted { Service::Repeat } else { Service::Register(Home::LocalOnly) };
        let let_in = self.validate(request, read, Source::User);
        let let_in = let_in.and_then(|()| self.let_register(request, from));
        let (status, response) = match let_in {
            Ok(pass) => self.register_here(request, read, from, service, tag, pass, out),
            Err(fault) => {
                out.note_refusal(request, &fault);
                (fault.status, self.refusal(request, from, &fault))
            }
        };
        self.transactions.answer(&mut self.world.ctx(out), arrived, status, response);
    }

    /// Whether REGISTERs go to the proxy.
    pub(super) fn relays_registers(&mut self) -> bool {
        let unconfirmed = self.registrar.unconfirmed();
        // sas.md 2.2, mode 3.
        self.world.config.sas.survivability_mode != SurvivabilityMode::AutoAnswerRegister
            && self.mode.state() == State::Normal
            && !self.has_unresolved_proxies_only()
            // sas.md 3.4: after the return each waits for its turn.
            && self.pacer.admits(self.world.now, unconfirmed)
    }

    /// Answers a REGISTER here.
    pub(super) fn answer_register(
        &mut self,
        server: ServerId,
        request: &Request,
        read: &Essentials<'_>,
        from: Peer,
        out: &mut Actions,
    ) {
        let (status, response) = match self.admit(request, from, Source::User) {
            Ok(pass) => {
                let tag = self.transactions.stateless_tag_by(request, read.via().ok());
                self.register_here(request, read, from, Service::Register(Home::LocalOnly), tag, pass, out)
            }
            Err(away) => away.told(request, out),
        };
        self.transactions.respond(&mut self.world.ctx(out), server, status, response);
    }

    /// Sends a REGISTER on to the proxy.
    pub(super) fn relay_register(
        &mut self,
        server: ServerId,
        request: Request,
        from: Peer,
        out: &mut Actions,
    ) {
        let decision = decide_register(&self.query(&request, from, Source::User, false), &self.view());
        match &decision.outcome {
            Outcome::Answer(status) => self.refuse(server, &request, from, &Fault::new(*status), out),
            // No REGISTER calls a number.
            Outcome::Ask(_) => self.refuse(server, &request, from, &Fault::new(500), out),
            Outcome::Forward(groups) => {
                let mut proxies = groups.iter().flatten().filter_map(|target| target.hop.proxy());
                let to_pathless = proxies.any(|proxy| self.pathless.contains(&proxy));
                let path = self.world.config.sas.path && !to_pathless;
                self.keep_to_proxy(&request, Source::User, &decision, out);
                let arrival = Arrival { server, request, from, source: Source::User, trying: None };
                self.start(arrival, decision, path, out);
            }
        }
    }

    /// Answers by our own database. Gives status and response.
    #[expect(
        clippy::too_many_arguments,
        reason = "a request, all that has been found out about it, and where the answer goes"
    )]
    fn register_here(
        &mut self,
        request: &Request,
        read: &Essentials<'_>,
        from: Peer,
        service: Service,
        tag: Token,
        pass: Pass,
        out: &mut Actions,
    ) -> (u16, Bytes) {
        let registration_time = self.world.config.sas.registration_time;
        let is_sound = request.validate_read(&REGISTRAR, read).and_then(|()| self.check_domain(read));
        let rng = &mut self.world.rng;
        let grant = |asked: Option<Duration>| granted(asked, registration_time, rng);
        let accepted = is_sound.and_then(|()| {
            let (now, hosts) = (self.world.now, &self.world.home);
            let accepted = match service {
                Service::Register(home) => {
                    self.registrar.accept(now, request, read, from, hosts, home, pass.trust, grant)
                }
                Service::Repeat => self.registrar.repeat(now, request, read, from, hosts),
            };
            accepted.map_err(|refusal| {
                notify_full(request, &refusal, out);
                Fault::from(refusal)
            })
        });
        match accepted {
            Ok(accepted) => {
                let response =
                    ResponseBuilder::with_room(read, from.address, 200, tag.as_str(), CONTACT_ROOM);
                let mut response = accepted.write_to(pass.confirm(response));
                // RFC 5626 5.4 and 6: who has a connection to us is told how often to say that it is there.
                let timer = self.world.config.registrar.flow_timer;
                if accepted.is_outbound
                    && !timer.is_zero()
                    && read.only_via().is_some()
                    && self.world.flows.is_reliable(from.flow)
                {
                    response = response.header(HeaderName::FlowTimer, timer.as_secs());
                }
                let response = response.finish_or_500();
                self.world.tell_changes(&accepted.changes, out);
                (200, response)
            }
            Err(fault) => {
                out.note_refusal(request, &fault);
                (fault.status, self.refusal(request, from, &fault))
            }
        }
    }

    /// RFC 3261 10.3 step 5: an address of record that is none of the domain that is asked, which is ours. Only where the site says
    /// which domains are: without, phones are served by whatever name they know us.
    fn check_domain(&self, read: &Essentials<'_>) -> Result<(), Fault> {
        let (Ok(domain), Ok(to)) = (&read.uri, read.to()) else {
            return Ok(());
        };
        if self.world.config.domains.is_empty() {
            return Ok(());
        }
        let (domain, aor) = (domain.host(), to.uri.host());
        let is_home = |host: Option<Host<'_>>| host.is_some_and(|host| self.world.home.contains(host));
        let is_valid =
            !to.uri.is_sip() || to.uri.is_user_phone() || is_home(aor) || aor == domain || !is_home(domain);
        if is_valid { Ok(()) } else { Err(Fault::because(404, "No Such Address Of Record")) }
    }

    /// The proxy left a REGISTER unanswered: the user is served here, and the ledger says that the proxy may yet know.
    pub(super) fn rescue_register(
        &mut self,
        context: ContextId,
        request: &Request,
        from: Peer,
        pass: Pass,
        out: &mut Actions,
    ) {
        let read = Essentials::of(request);
        let tag = self.transactions.stateless_tag(request);
        let service = Service::Register(Home::Pending);
        let (status, response) = self.register_here(request, &read, from, service, tag, pass, out);
        self.proxy.answer(&mut self.world.ctx(out), &mut self.transactions, context, status, response);
    }

    /// What the proxy's answer to a REGISTER changes here, before it is passed on. Whether it is dealt with already.
    pub(super) fn on_register_response(
        &mut self,
        context: ContextId,
        client: ClientId,
        target: TargetId,
        response: &Response,
        out: &mut Actions,
    ) -> bool {
        let Some(relayed) = self.proxy.relayed(context).filter(|r| r.request.method() == Method::Register)
        else {
            return false;
        };
        if refuses_path(response)
            && self.world.config.sas.path
            && !self.pathless.contains(&target)
            && !relayed.is_answered
        {
            // sas.md 4.5: again without our Path, which is remembered.
            self.pathless.insert(target);
            let query = self.query(relayed.request, relayed.source, relayed.source_kind, false);
            let decision = decide_register(&query, &self.view());
            if let Outcome::Forward(groups) = decision.outcome {
                let ctx = &mut self.world.ctx(out);
                let silence =
                    self.proxy.retry_without_path(ctx, &mut self.transactions, context, client, groups);
                if let Some(silence) = silence {
                    self.on_silence(silence, out);
                }
                return true;
            }
        }
        if response.is_success() {
            let (now, home) = (self.world.now, &self.world.home);
            match self.registrar.record(now, relayed.request, response, relayed.source, home) {
                Ok(changes) => self.world.tell_changes(&changes, out),
                // sas.md 7.5: the proxy knows the user; we do not.
                Err(refusal) => notify_full(relayed.request, &refusal, out),
            }
        }
        false
    }
}

/// 420 that names Path or nothing, or 421 that asks the phone for it.
pub(super) fn refuses_path(response: &Response) -> bool {
    match response.status() {
        420 => {
            response.first(HeaderName::Unsupported).is_none()
                || response.lists(HeaderName::Unsupported, "path")
        }
        421 => response.lists(HeaderName::Require, "path"),
        _ => false,
    }
}

/// `sas.md` 3.4 and 3.5: `registration_time` at most, less up to a quarter so that refreshes spread; 0: what was asked for.
fn granted(asked: Option<Duration>, registration_time: Duration, rng: &mut Rng) -> Duration {
    let asked = asked.unwrap_or(DEFAULT_EXPIRES);
    if registration_time.is_zero() {
        return asked;
    }
    let longest = registration_time.as_secs();
    let spread = Duration::from_secs(longest - rng.bits() % (longest / 4 + 1));
    asked.min(spread)
}

fn notify_full(request: &Request, refusal: &Refusal, out: &mut Actions) {
    if refusal.is_database_full() {
        let aor = request.to().map_or("", |to| to.uri.as_str()).into();
        out.push(Notice::DatabaseFull { aor }.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_spread_over_the_last_quarter_and_never_above_what_was_asked() {
        let mut rng = Rng::new([3; 32]);
        let twenty = Duration::from_secs(20);
        let times: Vec<u64> = (0..200).map(|_| granted(None, twenty, &mut rng).as_secs()).collect();
        assert!(times.iter().all(|t| (15..=20).contains(t)) && times.contains(&15) && times.contains(&20));
        assert_eq!(granted(Some(Duration::from_secs(7)), twenty, &mut rng), Duration::from_secs(7));
        assert_eq!(granted(Some(Duration::from_secs(7)), Duration::ZERO, &mut rng), Duration::from_secs(7));
        assert_eq!(granted(None, Duration::from_secs(1), &mut rng), Duration::from_secs(1));
    }
}
