//! The composition root: the layers put together, and the one face that callers see.
//!
//! * `streams`: connections, from bytes to messages and from their beginning to their end.
//! * `inbound`: from a datagram to a request or a response that somebody waits for.
//! * `relay`: requests sent on, their silence, their rescue.
//! * `shortcut`: answers to calls that ring when the proxy is lost.
//! * `register`: REGISTER in both states.
//! * `admission`: who is let in where the branch serves itself.
//! * `homecoming`, `pacer`: what a returning proxy is told, and how fast; `ledger`: who has not come home; `lever`: what sends phones there.
//! * `names`: proxies, gateways and next hops that are named, and have to be asked for.
//! * `journal`: what the core was told, to be kept and lived through again.
//! * `reload`: another configuration at run time.
//! * `store`: bindings that outlive a core, on their way out and back in.
//! * `overload`: what is told to those for whom there is no room; `source_rate`: who sends too much.
//! * `watch`: the proxy set's health, the mode, and what their changes lead to.

mod action;
mod admission;
mod drops;
mod event;
mod homecoming;
mod inbound;
pub mod journal;
mod ledger;
mod lever;
mod mapping;
mod names;
mod notice;
mod overload;
mod pacer;
mod register;
mod relay;
mod reload;
mod shortcut;
mod source_rate;
mod store;
mod streams;
mod watch;

use crate::auth::Authenticator;
use crate::config::{Config, Keyring, Secret};
use crate::message::{Fault, Request};
use crate::mode::{Condition, ModeMachine, State};
use crate::proxy::Proxy;
use crate::registrar::Registrar;
use crate::rng::Rng;
use crate::routing::View;
use crate::time::Instant;
use crate::transaction::Transactions;
use crate::transport::{Ctx, Flow, FlowId, FlowTokens, Flows, Outbox, Peer, Transport, answer_stun, is_stun};
use crate::upstream::{TargetId, Upstream, UpstreamEvent};
use crate::uri::HomeHosts;
use bytes::Bytes;
use drops::Drops;
use homecoming::Homecoming;
use ledger::Ledger;
use mapping::Mappings;
use names::Names;
use overload::Overload;
use pacer::Pacer;
use source_rate::SourceRate;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use action::{Action, Actions};
pub use event::Event;
pub use notice::{BoundContact, Notice};

/// Stand-alone survivability for one branch.
///
/// Tell it what happens with [`handle`](Self::handle) or [`handle_into`](Self::handle_into), carry out the actions in
/// order, and tell it [`Event::Tick`] when [`next_timeout`](Self::next_timeout) has come. Nothing else is needed, and
/// nothing happens in between.
#[derive(Debug)]
pub struct Sas {
    world: World,
    transactions: Transactions,
    proxy: Proxy,
    registrar: Registrar,
    /// None where nobody has to prove who they are.
    authenticator: Option<Authenticator>,
    upstream: Upstream,
    mode: ModeMachine,
    pacer: Pacer,
    homecoming: Homecoming,
    names: Names,
    mappings: Mappings,
    /// Proxies that refused our Path (`sas.md` 4.5).
    pathless: BTreeSet<TargetId>,
    drops: Drops,
    overload: Overload,
    source_rate: SourceRate,
    /// Where more bindings ended at once than one event may deal with, the rest waits until then.
    expire_again_at: Instant,
}

/// What every layer gets a share of while it works.
#[derive(Debug)]
struct World {
    config: Config,
    rng: Rng,
    flows: Flows,
    /// The hosts whose users are this branch's.
    home: HomeHosts,
    /// Those of them that are ours because we listen there, or have.
    listening: BTreeSet<IpAddr>,
    ledger: Ledger,
    now: Instant,
}

impl World {
    fn ctx<'a>(&'a mut self, out: &'a mut Actions) -> Ctx<'a> {
        Ctx { now: self.now, config: &self.config, flows: &mut self.flows, rng: &mut self.rng, out }
    }
}

/// Bindings that one event lets expire at most, and the pause before the next ones: bounded work for each event, and
/// a deadline that still lies ahead.
const EXPIRED_AT_ONCE: usize = 256;
const EXPIRY_PAUSE: Duration = Duration::from_millis(1);

impl Outbox for Actions {
    fn send(&mut self, peer: Peer, payload: Bytes) {
        self.push(Action::Send { flow: peer.flow, to: peer.address, payload });
    }

    fn connect(&mut self, flow: FlowId, transport: Transport, to: SocketAddr, name: Option<&str>) {
        self.push(Action::Connect { flow, transport, to, name: name.map(Box::from) });
    }

    fn note_refusal(&mut self, request: &Request, fault: &Fault) {
        self.push(Notice::rejected(request, fault).into());
    }
}

impl Sas {
    /// A branch at start-up: nobody registered, the proxy set unknown, and probed as soon as time is told.
    ///
    /// `seed` is all the randomness there is: take it from the system for real, and fix it to repeat a run.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let flows =
            Flows::with_tokens(FlowTokens::new(seed, config.sas.flow_secret.as_ref().map(Secret::as_str)));
        let mut rng = Rng::new(seed);
        // One secret for all tables: no hash of theirs is told but that of a whole request.
        let secret = [rng.bits(), rng.bits()];
        let home = config.home_hosts();
        let registrar = match &config.sas.flow_secret {
            Some(kept) => {
                let mut registrar = Registrar::new(&config, kept.key_for("registrar"));
                registrar.begin_eras(rng.bits() >> 3);
                registrar
            }
            None => Registrar::new(&config, secret),
        };
        Self {
            transactions: Transactions::new(secret),
            proxy: Proxy::default(),
            registrar,
            authenticator: config
                .keyring()
                .map(Keyring::policy)
                .map(|policy| Authenticator::new(policy.clone(), rng.secret())),
            upstream: Upstream::new(&config, now),
            mode: ModeMachine::new(&config, now),
            pacer: Pacer::new(config.sas.return_rate),
            homecoming: Homecoming::default(),
            names: Names::new(&config, now),
            mappings: Mappings::default(),
            pathless: BTreeSet::new(),
            drops: Drops::default(),
            overload: Overload::default(),
            source_rate: SourceRate::default(),
            expire_again_at: now,
            world: World {
                config,
                rng,
                flows,
                home,
                listening: BTreeSet::new(),
                ledger: Ledger::default(),
                now,
            },
        }
    }

    /// Takes in `event` at `now` and gives what is to be done. All that changes has changed when it returns.
    ///
    /// A `now` before the latest one counts as the latest one.
    pub fn handle(&mut self, now: Instant, event: Event) -> Actions {
        let mut out = Actions::new();
        self.handle_into(now, event, &mut out);
        out
    }

    /// Like [`handle`](Self::handle), appending to a list of the caller's, which saves its allocation.
    pub fn handle_into(&mut self, now: Instant, event: Event, out: &mut Actions) {
        self.world.now = self.world.now.max(now);
        match event {
            Event::FlowOpened { flow, transport, local, remote } => {
                self.on_flow_opened(flow, Flow { transport, local, remote }, out);
            }
            Event::Listening { transport, local } => {
                if transport.is_reliable() {
                    self.world.flows.listen(transport, local);
                    self.on_listening(transport, local, out);
                }
            }
            Event::FlowClosed { flow } => self.on_flow_closed(flow, out),
            Event::Datagram { flow, from, data } => {
                // A late datagram of a flow that is closed has nobody to answer on.
                if self.world.flows.find(flow).is_some_and(|flow| !flow.transport.is_reliable()) {
                    let peer = Peer { flow, address: from };
                    if is_stun(&data) {
                        self.on_stun(peer, &data, out)
                    } else {
                        self.on_message(peer, data, out)
                    }
                }
            }
            Event::Stream { flow, data } => self.on_stream(flow, data, out),
            Event::SendFailed { flow, to } => self.on_send_failed(Peer { flow, address: to }, out),
            Event::Resolved { query, answer } => self.on_resolved(query, &answer, out),
            Event::Restored { record, age } => self.on_restored(&record, age, out),
            Event::Tick => self.on_tick(out),
        }
        self.pass_refusals(out);
    }

    /// When to tell [`Event::Tick`]. May change with every event. A peek at eleven queues.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        [
            self.transactions.next_timeout(),
            self.proxy.next_timeout(),
            self.world.flows.next_timeout(),
            self.upstream.next_timeout(),
            self.mode.next_timeout(),
            self.homecoming.next_timeout(),
            self.world.ledger.next_timeout(),
            self.drops.next_timeout(),
            self.names.next_timeout(),
            self.mappings.next_timeout(),
            self.authenticator.as_ref().and_then(Authenticator::next_timeout),
            self.registrar.next_expiry(self.grace()).map(|due| due.max(self.expire_again_at)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Normal or emergency.
    #[must_use]
    pub const fn state(&self) -> State {
        self.mode.state()
    }

    /// The configuration in force, with what the DNS has said of its targets.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.world.config
    }

    /// The database of registered users.
    #[must_use]
    pub const fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// The health of the proxy set.
    #[must_use]
    pub const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// How many transactions are alive, and how many requests are being relayed.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.transactions.len(), self.proxy.len())
    }

    fn on_tick(&mut self, out: &mut Actions) {
        // What one layer does may make another's deadline due: until all lie ahead.
        while self.next_timeout().is_some_and(|due| due <= self.world.now) {
            while let Some(unanswered) = self.transactions.on_tick(&mut self.world.ctx(out)) {
                self.on_unanswered(unanswered, crate::proxy::SilenceKind::TimedOut, out);
            }
            while let Some(silence) = self.proxy.on_tick(&mut self.world.ctx(out), &mut self.transactions) {
                self.on_silence(silence, out);
            }
            self.close_idle(out);
            self.tell_upstream(UpstreamEvent::Tick, out);
            self.tell_mode(crate::mode::ModeEvent::Tick, out);
            self.tell_homecoming(out);
            self.tell_names(out);
            self.tell_mappings(out);
            let grace = self.grace();
            let expired = self.registrar.expire(self.world.now, grace, EXPIRED_AT_ONCE);
            if expired.len() == EXPIRED_AT_ONCE {
                self.expire_again_at = self.world.now + EXPIRY_PAUSE;
            }
            self.world.tell_changes(&expired, out);
            self.tell_ledger(out);
            out.extend(self.drops.take_notice(self.world.now));
            if let Some(authenticator) = &mut self.authenticator {
                authenticator.on_tick(self.world.now);
            }
        }
    }

    /// RFC 5626 5.4: keep-alives of datagram flows.
    fn on_stun(&mut self, from: Peer, data: &[u8], out: &mut Actions) {
        match answer_stun(data, from.address) {
            Some(answer) => out.send(from, answer.into()),
            None => self.on_dropped(from, out),
        }
    }

    /// How long past its lifetime a binding that the proxy granted is used now (`sas.md` 3.4).
    fn grace(&self) -> Duration {
        match self.mode.condition() {
            Some(Condition::Steady) => Duration::ZERO,
            // Until it is known whether the proxy is there, nobody is given up.
            Some(Condition::Unknown | Condition::Suspect) | None => self.world.config.sas.stale_binding_grace,
        }
    }

    /// What routing decides by.
    fn view(&self) -> View<'_> {
        View {
            config: &self.world.config,
            registrar: self.registrar.at(self.world.now, self.grace()),
            upstream: &self.upstream,
            flows: &self.world.flows,
            home: &self.world.home,
        }
    }

    /// A message goes without an answer.
    fn on_dropped(&mut self, from: Peer, out: &mut Actions) {
        self.drops.add(from.address);
        out.extend(self.drops.take_notice(self.world.now));
    }
}
