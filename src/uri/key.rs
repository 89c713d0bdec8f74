//! The keys under which users are looked up.
//!
//! Equality by RFC 3261 19.1.4 is not transitive, so no key can be exactly it. An address of record is looked up by a
//! coarser key, as every registrar does: user with escapes undone, host in lower case, port and parameters dropped
//! (RFC 3261 10.3 step 5); the number alone for `tel:` and `user=phone`; and the user alone where the host is one of
//! ours, since phones of one branch write the branch's proxy in many ways.

use super::{Host, Scheme, Uri, unescape};
use std::fmt;

/// The canonical form of an address of record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AorKey(Box<str>);

impl AorKey {
    /// The key of `uri`. `None` where the URI names no user.
    #[must_use]
    pub fn of(uri: &Uri<'_>, home: &HomeHosts) -> Option<Self> {
        let user = unescape(uri.user()?);
        let is_number = matches!(uri.scheme(), Scheme::Tel)
            || matches!(uri.param("user"), Some(Some(kind)) if unescape(kind).eq_ignore_ascii_case("phone"));
        if is_number {
            // RFC 3966 section 4: visual separators do not count.
            let digits: String =
                user.split(';').next()?.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
            return Some(Self::hostless(&digits));
        }
        match uri.host() {
            Some(host) if home.contains(host) => Some(Self::hostless(&user)),
            Some(host) => Some(Self(format!("{user}@{}", host.to_string().to_ascii_lowercase()).into())),
            None => Some(Self(uri.as_str().into())),
        }
    }

    /// The key of a user that needs no host. An `@` in the user, which was escaped in the URI, must not make it look
    /// like another user at another host; no host is empty, so a trailing `@` keeps them apart.
    fn hostless(user: &str) -> Self {
        if user.contains('@') { Self(format!("{user}@").into()) } else { Self(user.into()) }
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user part of the key.
    #[must_use]
    pub fn user(&self) -> &str {
        self.0.rsplit_once('@').map_or(&*self.0, |(user, _)| user)
    }
}

impl fmt::Debug for AorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hosts whose users are this branch's: our own addresses, the proxy's, and the configured domains. A user has one
/// address of record under all of them.
#[derive(Clone, Debug, Default)]
pub struct HomeHosts(Vec<Box<str>>);

impl HomeHosts {
    /// Adds a host; one that is there already is not added twice.
    pub fn add(&mut self, host: Host<'_>) {
        if !self.contains(host) {
            self.0.push(host.to_string().into());
        }
    }

    /// Whether `host` is one of ours.
    #[must_use]
    pub fn contains(&self, host: Host<'_>) -> bool {
        self.0.iter().any(|ours| Host::parse(ours) == Some(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(uri: &str, home: &HomeHosts) -> String {
        AorKey::of(&Uri::parse(uri).unwrap(), home).unwrap().as_str().to_owned()
    }

    #[test]
    fn port_parameters_and_case_of_the_host_do_not_count() {
        let none = HomeHosts::default();
        assert_eq!(key("sip:Al%69ce@EXAMPLE.com:5070;x=y", &none), "Alice@example.com");
        assert_eq!(key("sip:alice@example.com", &none), "alice@example.com");
    }

    #[test]
    fn numbers_are_looked_up_without_host_and_separators() {
        let none = HomeHosts::default();
        assert_eq!(key("tel:+1-201-555-0123", &none), "+12015550123");
        assert_eq!(key("sip:+1(201)5550123@gw.example;user=phone", &none), "+12015550123");
        assert_eq!(key("sip:+1(201)5550123@gw.example;us%65r=ph%6Fne", &none), "+12015550123");
    }

    #[test]
    fn a_user_has_one_address_of_record_under_all_hosts_of_ours() {
        let mut home = HomeHosts::default();
        home.add(Host::parse("192.0.2.1").unwrap());
        home.add(Host::parse("pbx.example").unwrap());
        assert_eq!(key("sip:alice@192.0.2.1:5080", &home), "alice");
        assert_eq!(key("sip:alice@PBX.example", &home), "alice");
        assert_eq!(key("sip:alice@elsewhere.example", &home), "alice@elsewhere.example");
    }

    #[test]
    fn an_escaped_at_sign_makes_nobody_a_user_of_another_host() {
        let mut home = HomeHosts::default();
        home.add(Host::parse("192.0.2.1").unwrap());
        let uri = Uri::parse("sip:alice%40elsewhere.example@192.0.2.1").unwrap();
        let sly = AorKey::of(&uri, &home).unwrap();
        assert_ne!(sly.as_str(), key("sip:alice@elsewhere.example", &home));
        assert_eq!(sly.user(), "alice@elsewhere.example");
        assert_ne!(key("sip:alice%40elsewhere.example@h;user=phone", &home), "alice@elsewhere.example");
    }

    #[test]
    fn a_uri_without_user_has_no_key() {
        assert_eq!(AorKey::of(&Uri::parse("sip:example.com").unwrap(), &HomeHosts::default()), None);
    }
}
