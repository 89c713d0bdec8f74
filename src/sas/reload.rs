//! Another configuration at run time: no binding, no call and no evidence is lost for it.
//!
//! What is known of a proxy or gateway is known by its URI, and moves to the place that it has now.

use super::homecoming::Homecoming;
use super::{Actions, Notice, Sas, World};
use crate::auth::Authenticator;
use crate::config::{Config, ConfigError, Keyring};
use crate::time::Instant;
use crate::upstream::Moved;
use crate::uri::{HomeHosts, Host};

impl Sas {
    /// Goes on with another configuration from `now` on.
    ///
    /// * **Bindings** stay, all of them: above a limit that is lower now, too. Where `domains`, `sas.binding_mode` or the proxies make
    ///   other keys of the same addresses of record, the bindings get those, and what registration manipulation makes of them is made
    ///   anew. What would be more than `registrar.max_contacts` of one user then, or stand there twice, keeps its key until its phone
    ///   registers again or its lifetime ends. Of a store each change of a key asks for two [`Action::Store`](super::Action::Store)s.
    /// * **Calls and other requests** under way go on, with the patience that they began with. What waits for a proxy that is not
    ///   configured any more is answered by it, or is rescued without evidence against the others. Connections stay until nobody needs
    ///   them.
    /// * **Proxies and gateways** are the same where their URIs are, to the letter: with their addresses, and the proxies with what is
    ///   thought of them. A proxy that is new is probed at once; it is unknown, or offline while the branch serves itself, since
    ///   only a row of answers leads home. If all are new, or unknown, the branch is as at start-up, but in the state that it is in.
    /// * **The state** changes as a [`ModeEvent::ModeSet`](crate::mode::ModeEvent::ModeSet) has it where "always emergency" begins or ends,
    ///   and where the proxies that are left are evidence enough: all that are left are offline. A dwell that runs goes on.
    /// * **Nonces** stay good where `auth.realm` is the same.
    ///
    /// The same configuration once more changes nothing. A [`Notice::Reconfigured`] tells of either, and comes first. The work grows with
    /// the bindings where keys change, else with the requests under way.
    ///
    /// # Errors
    /// The setting that cannot change while it runs: `registrar.store`, `sas.flow_secret`. Nothing has changed then.
    pub fn reconfigure(&mut self, now: Instant, config: Config) -> Result<Actions, ConfigError> {
        self.world.config.check_change(&config)?;
        let now = self.world.now.max(now);
        self.world.now = now;
        let mut out = Actions::new();
        out.push(Notice::Reconfigured.into());

        let mut old = std::mem::replace(&mut self.world.config, config);
        let moved = Moved::between(&old, &self.world.config);
        self.world.config.adopt(&mut old);
        self.renumber(&moved);
        self.names.reconfigure(&self.world.config, now);
        let is_home_same = self.reconfigure_registrar(&mut out);
        self.reconfigure_authenticator();
        self.world.ledger.reconfigure(self.world.config.sas.survivability_mode);
        self.pacer.set_rate(self.world.config.sas.return_rate);
        if !self.world.config.sas.restore_registrations {
            self.homecoming = Homecoming::Over;
        }
        self.reconfigure_mode(&old, &mut out);
        self.remap(&old, is_home_same, &mut out);
        self.pass_refusals(&mut out);
        Ok(out)
    }

    fn renumber(&mut self, moved: &Moved) {
        self.proxy.renumber(moved);
        self.pathless = self.pathless.iter().filter_map(|target| moved.of(*target)).collect();
        self.homecoming.renumber(self.world.now, moved);
    }

    /// Whether the same hosts are ours as before.
    fn reconfigure_registrar(&mut self, out: &mut Actions) -> bool {
        let home = self.home_hosts();
        let before = std::mem::replace(&mut self.world.home, home);
        let World { config, home, now, .. } = &self.world;
        let rekeyed = self.registrar.reconfigure(*now, config, &before, home);
        if !rekeyed.is_empty() {
            self.world.ledger.on_rekeyed();
        }
        self.world.store_changes(&rekeyed, out);
        before.is_same_as(&self.world.home)
    }

    /// The hosts whose users are this branch's: by the configuration, by where we listen, and by what the DNS has said of the proxies.
    fn home_hosts(&self) -> HomeHosts {
        let mut home = self.world.config.home_hosts();
        let addresses = self.world.listening.iter().copied().chain(self.names.home());
        addresses.for_each(|address| home.add(Host::from(address)));
        home
    }

    fn reconfigure_authenticator(&mut self) {
        let policy = self.world.config.keyring().map(Keyring::policy);
        let before = self.authenticator.take();
        self.authenticator = policy.map(|policy| match before {
            Some(mut same) if same.policy().realm == policy.realm => {
                same.set_policy(policy.clone());
                same
            }
            _ => Authenticator::new(policy.clone(), self.world.rng.secret()),
        });
    }

    /// The mode first: whether proxies are probed is its business.
    fn reconfigure_mode(&mut self, old: &Config, out: &mut Actions) {
        let (world, mut actions) = (&mut self.world, Vec::new());
        let outcome = self.mode.reconfigure(world.now, &world.config);
        self.upstream.reconfigure(world.now, old, &world.config, &self.mode, &mut world.rng, &mut actions);
        if let Some(transition) = outcome.transition {
            self.on_transition(transition, out);
        }
        self.do_upstream(actions, out);
    }
}
