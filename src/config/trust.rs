//! Who is trusted how far where the branch serves itself (`sas.md` 7.6).

use super::validate::ensure;
use super::{ConfigError, Settings, SurvivabilityMode};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// How far whoever sends a request is trusted, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "the levels of sas.md 7.6")]
pub enum Trust {
    /// A source of which nothing is known.
    #[default]
    Unknown,
    /// Its source is in one of [`TrustPolicy::networks`].
    Pool,
    /// It is the device of a binding that the central proxy had granted, by its address of record together with its instance or its host,
    /// or by the address and port that it sends from; or of one that such a device has renewed since.
    Known,
    /// Its digest credentials are right.
    Verified,
}

impl Trust {
    /// As in the configuration file: `unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pool => "pool",
            Self::Known => "known",
            Self::Verified => "verified",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The least trust that it takes where the branch serves itself: in the emergency state, for a request that is rescued, and for a
/// REGISTER that is answered here. Calls to emergency numbers take none, nor what belongs to a call that is up; proxies, gateways and
/// other SASes are not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct TrustPolicy {
    /// Sources that are [`Trust::Pool`] at least. Default: private ones.
    pub networks: Vec<Network>,
    /// To register. Default: unknown.
    pub register: Trust,
    /// To reach registered users. Default: unknown.
    pub call_users: Trust,
    /// To get out of the branch, by the routing table, another SAS or the default gateway. Default: pool.
    pub call_out: Trust,
}

impl Default for TrustPolicy {
    fn default() -> Self {
        Self {
            networks: vec![Network::Private],
            register: Trust::Unknown,
            call_users: Trust::Unknown,
            call_out: Trust::Pool,
        }
    }
}

impl TrustPolicy {
    /// What `source` is worth by its address alone.
    #[must_use]
    pub fn of_source(&self, source: IpAddr) -> Trust {
        let source = source.to_canonical();
        if self.networks.iter().any(|network| network.contains(source)) {
            Trust::Pool
        } else {
            Trust::Unknown
        }
    }

    /// The most that anything takes.
    #[must_use]
    pub fn highest(&self) -> Trust {
        self.register.max(self.call_users).max(self.call_out)
    }
}

/// Addresses that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Private ones (RFC 1918, RFC 4193), those of this machine, and link-local ones.
    Private,
    /// All that begin with the first `length` bits of `address`.
    Prefix {
        /// An address in it.
        address: IpAddr,
        /// How many bits count.
        length: u8,
    },
}

impl Network {
    fn contains(&self, source: IpAddr) -> bool {
        match (*self, source) {
            (Self::Private, IpAddr::V4(v4)) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
            (Self::Private, IpAddr::V6(v6)) => {
                v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local()
            }
            (Self::Prefix { address: IpAddr::V4(prefix), length }, IpAddr::V4(v4)) => {
                let differing = prefix.to_bits() ^ v4.to_bits();
                differing.checked_shr(32_u32.saturating_sub(length.into())).unwrap_or_default() == 0
            }
            (Self::Prefix { address: IpAddr::V6(prefix), length }, IpAddr::V6(v6)) => {
                let differing = prefix.to_bits() ^ v6.to_bits();
                differing.checked_shr(128_u32.saturating_sub(length.into())).unwrap_or_default() == 0
            }
            (Self::Prefix { .. }, _) => false,
        }
    }
}

/// As it is read.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => f.write_str("private"),
            Self::Prefix { address, length } => write!(f, "{address}/{length}"),
        }
    }
}

/// A text that names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be \"private\", an address, or an address and how many bits count, such as \"10.0.0.0/8\"")]
#[non_exhaustive]
pub struct NetworkError;

/// `private`, `10.0.0.0/8`, `2001:db8::/32`, or an address that stands for itself.
impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text == "private" {
            return Ok(Self::Private);
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => {
                let is_number = !length.is_empty() && length.bytes().all(|digit| digit.is_ascii_digit());
                let length = is_number.then(|| length.parse::<u8>().ok()).flatten();
                length.filter(|length| *length <= longest).ok_or(NetworkError)?
            }
            None => longest,
        };
        Ok(Self::Prefix { address, length })
    }
}

impl Settings {
    /// Levels that nobody could ever reach.
    pub(super) fn check_trust(&self) -> Result<(), ConfigError> {
        let Self { trust, auth, sas, .. } = self;
        let relays_registers =
            matches!(sas.survivability_mode, SurvivabilityMode::Standard | SurvivabilityMode::TableInNormal);
        for (key, least) in [
            ("trust.register", trust.register),
            ("trust.call_users", trust.call_users),
            ("trust.call_out", trust.call_out),
        ] {
            let is_reached = least < Trust::Verified || auth.is_some();
            ensure(is_reached, key, &least, "needs auth.users, else nobody could prove who they are")?;
            let is_granted = least < Trust::Known || auth.is_some() || relays_registers;
            ensure(
                is_granted,
                key,
                &least,
                "needs auth.users, or a mode in which the proxy grants bindings",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::validate::tests::{refused, standard};
    use super::*;

    fn level(networks: &[&str], source: &str) -> Trust {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        TrustPolicy { networks, ..TrustPolicy::default() }.of_source(source.parse().unwrap())
    }

    #[test]
    fn private_sources_are_the_pool() {
        for source in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.1.2.3",
        ] {
            assert_eq!(level(&["private"], source), Trust::Pool, "{source}");
        }
        for source in ["192.0.2.1", "172.32.0.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert_eq!(level(&["private"], source), Trust::Unknown, "{source}");
        }
    }

    #[test]
    fn a_prefix_is_held_against_its_bits() {
        assert_eq!(level(&["198.51.100.64/26"], "198.51.100.127"), Trust::Pool);
        assert_eq!(level(&["198.51.100.64/26"], "198.51.100.128"), Trust::Unknown);
        assert_eq!(level(&["2001:db8::/32"], "2001:db8:1::1"), Trust::Pool);
        assert_eq!(level(&["2001:db8::/32"], "2001:db9::1"), Trust::Unknown);
        assert_eq!(level(&["0.0.0.0/0"], "203.0.113.1"), Trust::Pool);
        assert_eq!(level(&["0.0.0.0/0"], "2001:db8::1"), Trust::Unknown);
        assert_eq!(level(&["203.0.113.1"], "203.0.113.1"), Trust::Pool);
        assert_eq!(level(&["203.0.113.1"], "203.0.113.0"), Trust::Unknown);
        assert_eq!(level(&[], "10.0.0.1"), Trust::Unknown);
    }

    #[test]
    fn what_names_no_network_is_refused() {
        for text in ["", "privat", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "::/129", "a/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }

    #[test]
    fn a_level_that_nobody_could_reach_is_refused() {
        assert_eq!(
            refused(|s| s.trust.call_out = Trust::Verified),
            "trust.call_out = verified: needs auth.users, else nobody could prove who they are"
        );
        let alone = refused(|s| {
            s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
            s.trust.register = Trust::Known;
        });
        assert!(alone.starts_with("trust.register = known: needs auth.users, or a mode"), "{alone}");
        let mut settings = standard();
        settings.trust.register = Trust::Known;
        assert!(settings.validate().is_ok());
    }
}
