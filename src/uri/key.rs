//! The keys under which users are looked up.
//!
//! Equality by RFC 3261 19.1.4 is not transitive, so no key can be exactly it. An address of record is looked up by a
//! coarser key, as every registrar does: user with escapes undone, host in lower case, port and parameters dropped
//! (RFC 3261 10.3 step 5); the number alone for `tel:` and `user=phone`; and the user alone where the host is one of
//! ours, since phones of one branch write the branch's proxy in many ways. Within one scheme, URIs that are equivalent
//! have the same key; users that differ in a byte, be it NUL or no UTF-8, have different ones.

use super::host::HostBuf;
use super::{Host, Scheme, Uri, tel, unescape_bytes};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// The canonical form of an address of record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AorKey(Box<str>);

impl AorKey {
    /// The key of `uri`. `None` where the URI names no user.
    #[must_use]
    pub fn of(uri: &Uri<'_>, home: &HomeHosts) -> Option<Self> {
        Self::text(uri, home).map(|text| Self(text.into()))
    }

    /// The text of that key: nearly always it stands in the URI as it is.
    pub(crate) fn text<'u>(uri: &Uri<'u>, home: &HomeHosts) -> Option<Cow<'u, str>> {
        let written = uri.user()?;
        let is_plain = !written.bytes().any(|byte| matches!(byte, b'%' | b'@'));
        if is_plain
            && uri.is_sip()
            && uri.params_str().is_empty()
            && uri.host().is_some_and(|host| home.leaves_out(host))
        {
            return Some(written.into());
        }
        let user = unescape_bytes(written.as_bytes());
        if matches!(uri.scheme(), Scheme::Tel) {
            // RFC 3966 section 4: visual separators do not count, nor does case.
            return Some(Self::hostless(text_of(&tel::user_digits(&user)).to_ascii_lowercase()));
        }
        if uri.is_user_phone() {
            let digits = tel::user_digits(&user);
            return Some(Self::hostless(text_of(if digits.is_empty() { &user } else { &digits })));
        }
        match uri.host() {
            Some(host) if home.leaves_out(host) => Some(Self::hostless(text_of(&user))),
            Some(host) => {
                let (user, mut host) = (text_of(&user), host.to_string());
                host.make_ascii_lowercase();
                Some(format!("{user}@{host}").into())
            }
            None => Some(text_of(&uri.index_bytes()).into()),
        }
    }

    /// The key of a user that needs no host. An `@` in the user, which was escaped in the URI, must not make it look
    /// like another user at another host; no host is empty, so a trailing `@` keeps them apart.
    fn hostless(mut user: String) -> Cow<'static, str> {
        if user.contains('@') {
            user.push('@');
        }
        user.into()
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user part of the key.
    #[must_use]
    pub fn user(&self) -> &str {
        user_of(&self.0)
    }
}

/// The user part of a key's text.
pub(crate) fn user_of(key: &str) -> &str {
    let at = key.bytes().rposition(|byte| byte == b'@');
    at.and_then(|at| key.get(..at)).unwrap_or(key)
}

impl fmt::Debug for AorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hosts whose users are this branch's: our own addresses, the proxy's, and the configured domains. A user has one
/// address of record under all of them.
#[derive(Clone, Debug, Default)]
pub struct HomeHosts {
    hosts: Vec<HostBuf>,
    by_user_alone: bool,
}

impl HomeHosts {
    /// Users are told apart by their user part alone, whatever the host (`binding_mode = user-part`, `sas.md` 7.2). None of the hosts is
    /// ours for that.
    #[must_use]
    pub const fn any() -> Self {
        Self { hosts: Vec::new(), by_user_alone: true }
    }

    /// Whether the key of a user at `host` is the user alone.
    fn leaves_out(&self, host: Host<'_>) -> bool {
        self.by_user_alone || self.contains(host)
    }

    /// Adds a host; one that is there already is not added twice.
    pub fn add(&mut self, host: Host<'_>) {
        if !self.contains(host) {
            self.hosts.push(host.into());
        }
    }

    /// Whether these are the same hosts as `other`, in whatever order.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let are_all_in = || self.hosts.iter().all(|host| other.contains(host.as_host()));
        self.by_user_alone == other.by_user_alone && self.hosts.len() == other.hosts.len() && are_all_in()
    }

    /// Whether `host` is one of ours.
    #[must_use]
    pub fn contains(&self, host: Host<'_>) -> bool {
        self.hosts.iter().any(|ours| ours.as_host() == host)
    }
}

/// Bytes as text, one text for each: `%` and what is no UTF-8 are escaped.
fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for (n, part) in chunk.valid().split('%').enumerate() {
            text.push_str(if n == 0 { "" } else { "%25" });
            text.push_str(part);
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
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
    fn repeated_parameters_say_the_same_in_any_order() {
        let (one, other) = ("sip:+1-2@h;user=phone;user=ip", "sip:+1-2@h;user=ip;USER=phone");
        assert!(Uri::parse(one).unwrap().equivalent(&Uri::parse(other).unwrap()));
        assert_eq!(key(one, &HomeHosts::default()), key(other, &HomeHosts::default()));
        assert_eq!(key(one, &HomeHosts::default()), "+12");
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
    fn by_user_alone_the_host_does_not_count() {
        let mut any = HomeHosts::any();
        for uri in ["sip:al%69ce@a.example", "sip:alice@b.example:5070", "sips:alice@b.example;x=y"] {
            assert_eq!(key(uri, &any), "alice");
        }
        assert_eq!(key("sip:alice%40b.example@a.example", &any), "alice@b.example@");
        let host = Host::parse("a.example").unwrap();
        assert!(!any.contains(host));
        any.add(host);
        assert!(any.contains(host));
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
    fn users_that_differ_in_a_byte_have_different_keys() {
        let none = HomeHosts::default();
        let users =
            ["n", "n%00", "n%00%00", "%ff", "%25ff", "%25FF", "%25", "%2525", "%fe", "n%c3%a9", "n%c3"];
        let keys: std::collections::BTreeSet<_> =
            users.map(|user| key(&format!("sip:{user}@h"), &none)).into();
        assert_eq!(keys.len(), users.len(), "{keys:?}");
        assert_eq!(key("sip:%fF@h", &none), key("sip:%Ff@h", &none));
        assert_eq!(key("sip:-@h;user=phone", &none), "-");
    }

    #[test]
    fn tel_uris_that_are_equivalent_have_one_key() {
        let none = HomeHosts::default();
        assert_eq!(key("tel:7A-%32;phone-context=h", &none), key("TEL:(7a)2;Phone-Context=H", &none));
        assert_eq!(key("URN:Example:a%2f", &none), key("urn:example:a%2F", &none));
    }

    #[test]
    fn a_uri_without_user_has_no_key() {
        assert_eq!(AorKey::of(&Uri::parse("sip:example.com").unwrap(), &HomeHosts::default()), None);
    }
}
