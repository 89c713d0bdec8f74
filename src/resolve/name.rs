//! Domain names as questions ask for them.

use crate::uri::Host;
use std::fmt;

/// A domain name: in lower case, without the final dot, at most 253 bytes in labels of at most 63 (RFC 1035 2.3.4). What ends in
/// a number is an address, and no name.
///
/// ```
/// use sip_survivability::resolve::Name;
/// assert_eq!(Name::parse("PBX.Example.COM.").map(|name| name.to_string()).as_deref(), Some("pbx.example.com"));
/// assert_eq!(Name::parse("192.0.2.1"), None);
/// assert_eq!(Name::parse("."), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// RFC 1035 2.3.4: 255 octets on the wire, which are two more than the text has.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

impl Name {
    /// Reads a name. None if it is none, or an address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let fits = text.len() <= MAX_NAME && text.split('.').all(|label| label.len() <= MAX_LABEL);
        let is_name = fits && matches!(Host::parse(text), Some(Host::Name(_)));
        is_name.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The name of the service at this domain: `_sip._udp` gives `_sip._udp.example.com`. None if that is too long.
    pub(super) fn service(&self, service: &str) -> Option<Self> {
        Self::parse(&format!("{service}.{self}"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_lengths() {
        let label = "a".repeat(63);
        assert!(Name::parse(&label).is_some());
        assert_eq!(Name::parse(&format!("a{label}")), None);
        let longest = [&label[..], &label, &label, &label[..61]].join(".");
        assert_eq!(longest.len(), 253);
        let name = Name::parse(&format!("{longest}.")).unwrap();
        assert_eq!(name.service("_sip._udp"), None);
        assert_eq!(Name::parse(&format!("b{longest}")), None);
    }

    #[test]
    fn addresses_and_rubbish_are_no_names() {
        for text in ["", ".", "..", "a..b", "a b", "192.0.2.1.", "[::1]", "::1", "1", "a.1", "ä.example"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
