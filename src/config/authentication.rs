//! Who has to prove who they are, and the users who can.

use super::ConfigError;
use super::validate::{at_least_one, ensure, span};
use crate::auth::{Algorithm, DigestUri, Ha1, Policy, Realm};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Digest credentials for what the branch serves itself (`sas.md` 7.6): a REGISTER is challenged with 401, a call or another request
/// that starts something with 407. Emergency calls are not, nor what the central proxy answers for, which asks itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authentication {
    /// The protection domain. Phones keep one password for it, so it is best that of the central proxy.
    pub realm: Realm,
    /// Who can prove who they are. An algorithm is offered if all of them have an [`Ha1`] of it: a phone takes the strongest that
    /// it knows, whoever uses it. Some old clients give up where one that they do not know stands first, instead of ignoring it
    /// (RFC 8760 2.4): a site with such phones gives MD5 alone.
    pub users: Vec<User>,
    /// Whether a user may register only the address of record of its own name (RFC 3261 10.3 step 4). Default: true.
    pub own_name_only: bool,
    /// As in [`Policy::nonce_lifetime`]. Default: 5 min.
    pub nonce_lifetime: Duration,
    /// As in [`Policy::max_nonces`]. Default: 100,000.
    pub max_nonces: usize,
    /// As in [`Policy::require_qop`]. Default: false.
    pub require_qop: bool,
    /// As in [`Policy::digest_uri`]. Default: a user in it has to be the same.
    pub digest_uri: DigestUri,
}

impl Authentication {
    /// The defaults, for `realm` and `users`.
    #[must_use]
    pub fn new(realm: Realm, users: Vec<User>) -> Self {
        let Policy { realm, nonce_lifetime, max_nonces, require_qop, digest_uri, .. } = Policy::new(realm);
        Self { realm, users, own_name_only: true, nonce_lifetime, max_nonces, require_qop, digest_uri }
    }
}

/// A user, and the hashes of its password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a line of a password file")]
pub struct User {
    /// Its name, as its phones send it.
    pub name: String,
    /// One for each algorithm.
    pub ha1: Vec<Ha1>,
}

/// An [`Authentication`] that can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    policy: Policy,
    users: BTreeMap<String, Vec<Ha1>>,
}

impl Keyring {
    pub(super) fn new(from: &Authentication) -> Result<Self, ConfigError> {
        let Authentication { realm, nonce_lifetime, max_nonces, require_qop, digest_uri, .. } = from;
        span("auth.nonce_lifetime", *nonce_lifetime, 1000..=86_400_000)?;
        at_least_one("auth.max_nonces", *max_nonces)?;
        ensure(!from.users.is_empty(), "auth.users", &"[]", "must name a user")?;
        let mut users = BTreeMap::new();
        let mut algorithms = BTreeSet::from(Algorithm::ALL);
        for User { name, ha1 } in &from.users {
            // RFC 7616 4: any character "with the exception of the colon".
            let usable = !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control());
            ensure(usable, "auth.users", name, "must be a name without colon")?;
            let own: BTreeSet<_> = ha1.iter().map(Ha1::algorithm).collect();
            ensure(own.len() == ha1.len(), "auth.users", name, "has two HA1 of one algorithm")?;
            algorithms.retain(|algorithm| own.contains(algorithm));
            ensure(
                !algorithms.is_empty(),
                "auth.users",
                name,
                "has no HA1 of an algorithm that those before it have",
            )?;
            let is_new = users.insert(name.clone(), ha1.clone()).is_none();
            ensure(is_new, "auth.users", name, "stands there twice")?;
        }
        let mut policy = Policy::new(realm.clone());
        policy.algorithms = algorithms;
        policy.nonce_lifetime = *nonce_lifetime;
        policy.max_nonces = *max_nonces;
        policy.require_qop = *require_qop;
        policy.digest_uri = *digest_uri;
        Ok(Self { policy, users })
    }

    /// What is asked for.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The hash of a user's password.
    #[must_use]
    pub fn ha1(&self, user: &str, algorithm: Algorithm) -> Option<Ha1> {
        self.users.get(user)?.iter().find(|ha1| ha1.algorithm() == algorithm).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, algorithms: &[Algorithm]) -> User {
        let ha1 = algorithms.iter().map(|algorithm| Ha1::new(*algorithm, name, "r", "secret")).collect();
        User { name: name.to_owned(), ha1 }
    }

    fn keyring(users: Vec<User>) -> Result<Keyring, String> {
        Keyring::new(&Authentication::new("r".parse().unwrap(), users)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_all_users_have_is_offered() {
        use Algorithm::{Md5, Sha256};
        let keyring = keyring(vec![user("bob", &[Md5, Sha256]), user("carol", &[Md5])]).unwrap();
        assert_eq!(keyring.policy().algorithms, [Md5].into());
        assert_eq!(keyring.ha1("bob", Sha256), Some(Ha1::new(Sha256, "bob", "r", "secret")));
        assert_eq!((keyring.ha1("carol", Sha256), keyring.ha1("dave", Md5)), (None, None));
    }

    #[test]
    fn users_that_could_not_get_in_are_refused() {
        use Algorithm::{Md5, Sha256};
        let refused = |users| keyring(users).unwrap_err();
        assert_eq!(refused(vec![]), "auth.users = []: must name a user");
        assert_eq!(refused(vec![user("a:b", &[Md5])]), "auth.users = a:b: must be a name without colon");
        assert_eq!(refused(vec![user("a", &[Md5, Md5])]), "auth.users = a: has two HA1 of one algorithm");
        assert_eq!(
            refused(vec![user("a", &[Md5]), user("b", &[Sha256])]),
            "auth.users = b: has no HA1 of an algorithm that those before it have"
        );
        assert_eq!(refused(vec![user("a", &[Md5]), user("a", &[Md5])]), "auth.users = a: stands there twice");
    }

    #[test]
    fn a_nonce_lives_for_a_second_at_least() {
        let mut auth = Authentication::new("r".parse().unwrap(), vec![user("a", &[Algorithm::Md5])]);
        auth.nonce_lifetime = Duration::ZERO;
        let error = Keyring::new(&auth).unwrap_err().to_string();
        assert_eq!(error, "auth.nonce_lifetime = 0s: must be from 1s to 24h");
    }
}
