//! From one configuration to another at run time: what cannot change, and what of the old one is still true.

use super::validate::ensure;
use super::{Config, ConfigError};
use std::collections::BTreeMap;

const REASON: &str = "cannot change at run time: needs a restart";

impl Config {
    /// Whether a core that runs with this configuration can go on with `next`.
    ///
    /// # Errors
    /// The first setting that cannot change while it runs.
    pub(crate) fn check_change(&self, next: &Self) -> Result<(), ConfigError> {
        // A store that began now would lack who is there already.
        let store = next.registrar.store;
        ensure(self.registrar.store == store, "registrar.store", &store, REASON)?;
        // All tokens that phones and proxies hold would be forged.
        ensure(self.sas.flow_secret == next.sas.flow_secret, "sas.flow_secret", &"(secret)", REASON)
    }

    /// Takes from `old` where the named targets are that both have.
    pub(crate) fn adopt(&mut self, old: &mut Self) {
        let named = self.named().into_iter().map(|(which, uri)| ((which.kind(), uri.to_string()), which));
        let named: BTreeMap<_, _> = named.collect();
        for (which, uri) in old.named() {
            let same = named.get(&(which.kind(), uri.to_string()));
            if let Some(target) = same.and_then(|same| self.target_mut(*same))
                && let Some(known) = old.target_mut(which)
            {
                std::mem::swap(target, known);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::validate::tests::standard;
    use crate::uri::Transport;

    #[test]
    fn a_name_that_stays_stays_where_it_is_and_one_of_another_kind_does_not() {
        let mut settings = standard();
        settings.proxy_set.targets =
            ["sip:a.example", "sip:b.example"].map(|uri| uri.parse().unwrap()).into();
        let mut old = settings.clone().validate().unwrap();
        let place = (Transport::Udp, "192.0.2.7:5060".parse().unwrap());
        let (which, _) = old.named()[1].clone();
        old.target_mut(which).unwrap().set_places(vec![place]);

        settings.proxy_set.targets =
            ["sip:b.example", "sip:c.example"].map(|uri| uri.parse().unwrap()).into();
        settings.sas.default_gateway = vec!["sip:b.example".parse().unwrap()];
        let mut next = settings.validate().unwrap();
        next.adopt(&mut old);
        assert_eq!(next.proxies()[0].places().collect::<Vec<_>>(), [place]);
        assert!(!next.proxies()[1].is_resolved() && !next.gateways()[0].is_resolved());
    }

    #[test]
    fn what_cannot_change_is_named_and_a_secret_is_not_told() {
        let refused = |change: fn(&mut crate::config::Settings)| {
            let (old, mut next) = (standard(), standard());
            change(&mut next);
            let error = old.validate().unwrap().check_change(&next.validate().unwrap()).unwrap_err();
            error.to_string()
        };
        let store = refused(|settings| settings.registrar.store = true);
        assert_eq!(store, "registrar.store = true: cannot change at run time: needs a restart");
        let secret =
            refused(|settings| settings.sas.flow_secret = Some("a secret of this branch".parse().unwrap()));
        assert_eq!(secret, "sas.flow_secret = (secret): cannot change at run time: needs a restart");
    }
}
