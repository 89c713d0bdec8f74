//! Which hosts a rule is for.

use crate::uri::{Host, HostBuf};
use std::fmt;
use std::str::FromStr;

/// A host of a URI: `*` for any, or a name or an IP address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPattern(Option<HostBuf>);

/// A host that is neither `*` nor a host name or an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name, an IP address, or \"*\"")]
pub struct HostPatternError;

impl HostPattern {
    /// Whether it is `*`.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// Whether `host`, which a `tel:` URI has none of, is meant.
    #[must_use]
    pub fn matches(&self, host: Option<Host<'_>>) -> bool {
        self.0.as_ref().is_none_or(|wanted| host == Some(wanted.as_host()))
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        match text {
            "*" => Ok(Self(None)),
            host => Host::parse(host).map(|host| Self(Some(host.into()))).ok_or(HostPatternError),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("*"),
            Some(host) => write!(f, "{}", host.as_host()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_matched_whatever_its_case() {
        let pattern: HostPattern = "PBX.example".parse().unwrap();
        assert!(pattern.matches(Host::parse("pbx.EXAMPLE")));
        assert!(!pattern.matches(Host::parse("example")) && !pattern.matches(None));
        assert!(HostPattern::default().matches(None));
        assert_eq!("a b".parse::<HostPattern>(), Err(HostPatternError));
        assert_eq!("[2001:db8::1]".parse::<HostPattern>().unwrap().to_string(), "[2001:db8::1]");
    }
}
