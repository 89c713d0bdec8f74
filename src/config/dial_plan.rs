//! The tables of a site's dial plan, as they are written (`sas.md` section 6).

#[cfg(feature = "serde")]
use super::forms;
use crate::dialplan::{HostPattern, Manipulation, Pattern};
use crate::headers::Method;
use crate::uri::{UriBuf, UriError};
use std::fmt;
use std::str::FromStr;

/// What of a user's number others may call it by as well (`sas.md` 6.1, `SASRegistrationManipulation` of the product): an address of
/// record `976653434` with `leave_from_right` 4 is found by `3434`, and so is one who calls `5553434`. Nothing that is sent changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct RegistrationManipulation {
    /// So many characters are taken off at the right: 0 to 30. Default: 0.
    pub remove_from_right: u8,
    /// Of what is left, no more than so many are kept, the rightmost: 0 to 30. Default: 0, which keeps all.
    pub leave_from_right: u8,
}

impl RegistrationManipulation {
    /// What `user` is found by as well. None if that is nothing, or the user itself.
    pub(crate) fn associated(self, user: &str) -> Option<&str> {
        let Self { remove_from_right, leave_from_right } = self;
        let manipulation = Manipulation { remove_from_right, leave_from_right, ..Manipulation::default() };
        Some(manipulation.cut(user)).filter(|cut| !cut.is_empty() && *cut != user)
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_identity(self) -> bool {
        self.remove_from_right == 0 && self.leave_from_right == 0
    }
}

/// Which requests a row is for, by who calls whom. All columns have to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Columns {
    /// The user of From. Default: any.
    pub source_user: Pattern,
    /// The host of From. Default: any.
    pub source_host: HostPattern,
    /// The user of the Request-URI. Default: any.
    pub destination_user: Pattern,
    /// The host of the Request-URI. Default: any.
    pub destination_host: HostPattern,
}

/// One row of inbound manipulation (`sas.md` 6.2): in the emergency state the first that matches rewrites the number that is called, and
/// what is sent has the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "forms::RuleKeys", into = "forms::RuleKeys")
)]
#[non_exhaustive]
pub struct ManipulationRule {
    /// Which requests it is for.
    pub columns: Columns,
    /// Which URI is changed. Default: the destination.
    pub change: ChangedUri,
    /// What becomes of its user.
    pub manipulation: Manipulation,
}

/// The URI whose user a rule changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ChangedUri {
    /// The Request-URI.
    #[default]
    Destination,
    /// From, which a proxy leaves as it is (RFC 3261 16.6): validation refuses it.
    Source,
}

/// One row of the routing table (`sas.md` 6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "forms::RouteKeys", into = "forms::RouteKeys")
)]
#[non_exhaustive]
pub struct Route {
    /// Which requests it is for.
    pub columns: Columns,
    /// Which methods. Default: all.
    pub request: RequestKind,
    /// Where they go.
    pub to: RouteTo,
    /// Whether the row backs up those above it. Default: no.
    pub alternative: Alternative,
    /// Whether it rings together with the row above it, if its own columns match. Default: no.
    pub is_member: bool,
}

impl Route {
    /// A row for all requests.
    #[must_use]
    pub fn new(to: RouteTo) -> Self {
        Self {
            columns: Columns::default(),
            request: RequestKind::All,
            to,
            alternative: Alternative::No,
            is_member: false,
        }
    }
}

/// The methods that a row is for. REGISTER never goes by the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum RequestKind {
    /// All.
    #[default]
    All,
    /// All but REGISTER and SUBSCRIBE.
    Invite,
    /// REGISTER: validation refuses a row that could never match.
    Register,
    /// SUBSCRIBE.
    Subscribe,
    /// All but SUBSCRIBE.
    InviteRegister,
    /// All but REGISTER.
    InviteSubscribe,
    /// OPTIONS.
    Options,
}

impl RequestKind {
    /// Whether `method` is one of them.
    #[must_use]
    pub fn covers(self, method: Method) -> bool {
        match self {
            Self::All => true,
            Self::Invite => method != Method::Register && method != Method::Subscribe,
            Self::Register => method == Method::Register,
            Self::Subscribe => method == Method::Subscribe,
            Self::InviteRegister => method != Method::Subscribe,
            Self::InviteSubscribe => method != Method::Register,
            Self::Options => method == Method::Options,
        }
    }
}

/// Where a row leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteTo {
    /// To this SIP URI's host, which the Request-URI gets too.
    Uri(UriBuf),
    /// Where the Request-URI says, by number, for senders that are known.
    RequestUri,
    /// To the registered user, or else the host, of the URI that ENUM makes of the number.
    Enum,
    /// To the registered user.
    Users,
    /// To the proxies.
    ProxySet,
    /// To the default gateways.
    DefaultGateway,
    /// Refused with this status: 400 to 699.
    Reject(u16),
}

/// A text that is no destination of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a SIP URI, \"request-uri\", \"enum\", \"users\", \"proxy-set\", \"default-gateway\" or \"reject:603\""
)]
#[non_exhaustive]
pub struct RouteToError {
    /// What is wrong with it as a URI.
    #[source]
    pub uri: Option<UriError>,
}

impl FromStr for RouteTo {
    type Err = RouteToError;

    fn from_str(text: &str) -> Result<Self, RouteToError> {
        Ok(match text {
            "request-uri" => Self::RequestUri,
            "enum" => Self::Enum,
            "users" => Self::Users,
            "proxy-set" => Self::ProxySet,
            "default-gateway" => Self::DefaultGateway,
            other => match other.strip_prefix("reject:") {
                Some(code) => Self::Reject(code.parse().map_err(|_| RouteToError { uri: None })?),
                None => Self::Uri(other.parse().map_err(|error| RouteToError { uri: Some(error) })?),
            },
        })
    }
}

impl fmt::Display for RouteTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(uri) => write!(f, "{uri}"),
            Self::RequestUri => f.write_str("request-uri"),
            Self::Enum => f.write_str("enum"),
            Self::Users => f.write_str("users"),
            Self::ProxySet => f.write_str("proxy-set"),
            Self::DefaultGateway => f.write_str("default-gateway"),
            Self::Reject(code) => write!(f, "reject:{code}"),
        }
    }
}

/// Whether a row backs up the one above it: tried when that gives no answer, cannot be reached, or answers 408 or 5xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Alternative {
    /// It is a row of its own.
    #[default]
    No,
    /// It does, whatever its columns say.
    IgnoreInputs,
    /// It does if its columns match too.
    ConsiderInputs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_result_or_the_user_itself_is_no_associated_one() {
        let leave = |leave_from_right| RegistrationManipulation { leave_from_right, remove_from_right: 0 };
        assert_eq!(leave(4).associated("976653434"), Some("3434"));
        assert_eq!(leave(4).associated("3434"), None);
        let all = RegistrationManipulation { remove_from_right: 30, leave_from_right: 0 };
        assert_eq!(all.associated("976653434"), None);
    }

    #[test]
    fn a_destination_is_written_as_it_is_read() {
        for text in
            ["sip:192.0.2.30", "request-uri", "enum", "users", "proxy-set", "default-gateway", "reject:603"]
        {
            assert_eq!(text.parse::<RouteTo>().unwrap().to_string(), text);
        }
        for text in ["", "gateway", "reject:", "reject:x", "reject:70000"] {
            assert!(text.parse::<RouteTo>().is_err(), "{text}");
        }
    }

    #[test]
    fn invite_is_all_but_register_and_subscribe() {
        use Method::{Invite, Message, Options, Register, Subscribe};
        let covered =
            |kind: RequestKind| [Invite, Message, Options, Subscribe, Register].map(|m| kind.covers(m));
        assert_eq!(covered(RequestKind::All), [true; 5]);
        assert_eq!(covered(RequestKind::Invite), [true, true, true, false, false]);
        assert_eq!(covered(RequestKind::InviteSubscribe), [true, true, true, true, false]);
        assert_eq!(covered(RequestKind::InviteRegister), [true, true, true, false, true]);
        assert_eq!(covered(RequestKind::Options), [false, false, true, false, false]);
        assert_eq!(covered(RequestKind::Subscribe), [false, false, false, true, false]);
    }
}
