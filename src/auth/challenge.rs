//! Challenges (RFC 7616 3.3), and where they stand in SIP.

use super::{Algorithm, Nonce};
use crate::headers::HeaderName;
use std::fmt;
use std::str::FromStr;

/// Who asks for credentials, which decides status and header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3261 has these two: 22.2 and 22.3")]
pub enum Role {
    /// A user agent server or registrar (RFC 3261 22.2): 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy (RFC 3261 22.3): 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Role {
    /// The status of a challenge.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Server => 401,
            Self::Proxy => 407,
        }
    }

    /// The header field of challenges.
    #[must_use]
    pub const fn challenge(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The header field of credentials.
    #[must_use]
    pub const fn credentials(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// The protection domain (RFC 3261 22.1): "globally unique", with a host or domain name in it, and fit to be shown to a user.
///
/// Quotes and backslashes are left out: implementations differ in how they hash them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(Box<str>);

/// A text that is no [`Realm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be text without quotes, backslashes and control characters, such as \"branch.example\"")]
#[non_exhaustive]
pub struct RealmError;

impl Realm {
    /// Its text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Realm {
    type Err = RealmError;

    fn from_str(text: &str) -> Result<Self, RealmError> {
        let usable =
            !text.trim().is_empty() && !text.contains(|c: char| c.is_control() || c == '"' || c == '\\');
        if usable { Ok(Self(text.into())) } else { Err(RealmError) }
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One challenge: the value of one WWW-Authenticate or Proxy-Authenticate header field.
///
/// There is no `opaque`, since what it could carry is carried "more easily and safely" by the nonce (RFC 7616 3.6), and no
/// `userhash`, which is off by default (3.3): users are told apart by name in all the rest of SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    pub(super) realm: &'a Realm,
    pub(super) nonce: Nonce,
    pub(super) algorithm: Algorithm,
    pub(super) is_stale: bool,
}

impl fmt::Display for Challenge<'_> {
    /// `qop` is always sent (RFC 8760 2.6 item 8); `stale` and `algorithm` go without quotes (RFC 7616 3.3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm, nonce, algorithm, is_stale } = self;
        write!(f, "Digest realm=\"{realm}\", nonce=\"{nonce}\"")?;
        if *is_stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={algorithm}, qop=\"auth,auth-int\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_can_be_written_in_quotes_as_it_is() {
        assert_eq!("Branch 7 (example.com)".parse::<Realm>().unwrap().as_str(), "Branch 7 (example.com)");
        for bad in ["", " ", "a\"b", "a\\b", "a\r\nb", "a\0"] {
            assert_eq!(bad.parse::<Realm>(), Err(RealmError), "{bad:?}");
        }
    }
}
