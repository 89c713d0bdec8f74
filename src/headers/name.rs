//! Names of header fields (RFC 3261 7.3.3 and 20, with the compact forms of later RFCs).
//!
//! A name is looked up by its length, then by its first byte, and is then compared with at most a few constants: no
//! hash, no table walk, no allocation. Names that are not listed are kept as data.

/// A header field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the header fields")]
pub enum HeaderName {
    Accept,
    AcceptContact,
    AlertInfo,
    Allow,
    AllowEvents,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Event,
    Expires,
    FeatureCaps,
    From,
    Identity,
    MaxBreadth,
    MaxForwards,
    MinExpires,
    MinSe,
    PAssertedIdentity,
    PPreferredIdentity,
    Path,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    RSeq,
    Reason,
    RecordRoute,
    ReferTo,
    ReferredBy,
    RejectContact,
    Replaces,
    ReplyTo,
    RequestDisposition,
    Require,
    RetryAfter,
    Route,
    Server,
    ServiceRoute,
    SessionExpires,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    WwwAuthenticate,
    Warning,
    /// Any other; the message holds its text.
    Other,
}

impl HeaderName {
    /// The header field named `name`, in full or in compact form, in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let Some(first) = name.first().map(u8::to_ascii_lowercase) else {
            return Self::Other;
        };
        let candidates: &[Self] = match (name.len(), first) {
            (1, b'a') => return Self::AcceptContact,
            (1, b'u') => return Self::AllowEvents,
            (1, b'i') => return Self::CallId,
            (1, b'm') => return Self::Contact,
            (1, b'e') => return Self::ContentEncoding,
            (1, b'l') => return Self::ContentLength,
            (1, b'c') => return Self::ContentType,
            (1, b'o') => return Self::Event,
            (1, b'f') => return Self::From,
            (1, b'y') => return Self::Identity,
            (1, b'r') => return Self::ReferTo,
            (1, b'b') => return Self::ReferredBy,
            (1, b'j') => return Self::RejectContact,
            (1, b'd') => return Self::RequestDisposition,
            (1, b'x') => return Self::SessionExpires,
            (1, b's') => return Self::Subject,
            (1, b'k') => return Self::Supported,
            (1, b't') => return Self::To,
            (1, b'v') => return Self::Via,
            (2, b't') => &[Self::To],
            (3, b'v') => &[Self::Via],
            (4, b'c') => &[Self::CSeq],
            (4, b'd') => &[Self::Date],
            (4, b'f') => &[Self::From],
            (4, b'p') => &[Self::Path],
            (4, b'r') => &[Self::RAck, Self::RSeq],
            (5, b'a') => &[Self::Allow],
            (5, b'e') => &[Self::Event],
            (5, b'r') => &[Self::Route],
            (6, b'a') => &[Self::Accept],
            (6, b'm') => &[Self::MinSe],
            (6, b'r') => &[Self::Reason],
            (6, b's') => &[Self::Server],
            (7, b'c') => &[Self::CallId, Self::Contact],
            (7, b'e') => &[Self::Expires],
            (7, b'p') => &[Self::Privacy],
            (7, b'r') => &[Self::Require],
            (7, b's') => &[Self::Subject],
            (7, b'w') => &[Self::Warning],
            (8, b'i') => &[Self::Identity],
            (8, b'r') => &[Self::ReferTo, Self::Replaces, Self::ReplyTo],
            (9, b'c') => &[Self::CallInfo],
            (9, b's') => &[Self::Supported],
            (9, b't') => &[Self::Timestamp],
            (10, b'a') => &[Self::AlertInfo],
            (10, b'u') => &[Self::UserAgent],
            (11, b'm') => &[Self::MaxBreadth, Self::MinExpires],
            (11, b'r') => &[Self::ReferredBy, Self::RetryAfter],
            (11, b'u') => &[Self::Unsupported],
            (12, b'a') => &[Self::AllowEvents],
            (12, b'c') => &[Self::ContentType],
            (12, b'f') => &[Self::FeatureCaps],
            (12, b'm') => &[Self::MaxForwards],
            (12, b'r') => &[Self::RecordRoute],
            (13, b'a') => &[Self::Authorization],
            (13, b'p') => &[Self::ProxyRequire],
            (13, b's') => &[Self::ServiceRoute],
            (14, b'a') => &[Self::AcceptContact],
            (14, b'c') => &[Self::ContentLength],
            (14, b'r') => &[Self::RejectContact],
            (15, b's') => &[Self::SessionExpires],
            (16, b'c') => &[Self::ContentEncoding],
            (16, b'w') => &[Self::WwwAuthenticate],
            (18, b'p') => &[Self::ProxyAuthenticate],
            (18, b's') => &[Self::SubscriptionState],
            (19, b'c') => &[Self::ContentDisposition],
            (19, b'p') => &[Self::PAssertedIdentity, Self::ProxyAuthorization],
            (19, b'r') => &[Self::RequestDisposition],
            (20, b'p') => &[Self::PPreferredIdentity],
            _ => return Self::Other,
        };
        // Nearly everybody writes names as the RFCs do: one comparison of bytes, where that without case takes a loop.
        let exact = candidates.iter().find(|candidate| name == candidate.as_str().as_bytes());
        let folded = || candidates.iter().find(|c| name.eq_ignore_ascii_case(c.as_str().as_bytes()));
        exact.or_else(folded).copied().unwrap_or(Self::Other)
    }

    /// The full name; empty for [`HeaderName::Other`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::AcceptContact => "Accept-Contact",
            Self::AlertInfo => "Alert-Info",
            Self::Allow => "Allow",
            Self::AllowEvents => "Allow-Events",
            Self::Authorization => "Authorization",
            Self::CallId => "Call-ID",
            Self::CallInfo => "Call-Info",
            Self::Contact => "Contact",
            Self::ContentDisposition => "Content-Disposition",
            Self::ContentEncoding => "Content-Encoding",
            Self::ContentLength => "Content-Length",
            Self::ContentType => "Content-Type",
            Self::CSeq => "CSeq",
            Self::Date => "Date",
            Self::Event => "Event",
            Self::Expires => "Expires",
            Self::FeatureCaps => "Feature-Caps",
            Self::From => "From",
            Self::Identity => "Identity",
            Self::MaxBreadth => "Max-Breadth",
            Self::MaxForwards => "Max-Forwards",
            Self::MinExpires => "Min-Expires",
            Self::MinSe => "Min-SE",
            Self::PAssertedIdentity => "P-Asserted-Identity",
            Self::PPreferredIdentity => "P-Preferred-Identity",
            Self::Path => "Path",
            Self::Privacy => "Privacy",
            Self::ProxyAuthenticate => "Proxy-Authenticate",
            Self::ProxyAuthorization => "Proxy-Authorization",
            Self::ProxyRequire => "Proxy-Require",
            Self::RAck => "RAck",
            Self::RSeq => "RSeq",
            Self::Reason => "Reason",
            Self::RecordRoute => "Record-Route",
            Self::ReferTo => "Refer-To",
            Self::ReferredBy => "Referred-By",
            Self::RejectContact => "Reject-Contact",
            Self::Replaces => "Replaces",
            Self::ReplyTo => "Reply-To",
            Self::RequestDisposition => "Request-Disposition",
            Self::Require => "Require",
            Self::RetryAfter => "Retry-After",
            Self::Route => "Route",
            Self::Server => "Server",
            Self::ServiceRoute => "Service-Route",
            Self::SessionExpires => "Session-Expires",
            Self::Subject => "Subject",
            Self::SubscriptionState => "Subscription-State",
            Self::Supported => "Supported",
            Self::Timestamp => "Timestamp",
            Self::To => "To",
            Self::Unsupported => "Unsupported",
            Self::UserAgent => "User-Agent",
            Self::Via => "Via",
            Self::WwwAuthenticate => "WWW-Authenticate",
            Self::Warning => "Warning",
            Self::Other => "",
        }
    }
}

impl std::fmt::Display for HeaderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_compact_names_are_known_in_any_case() {
        for (name, header) in [
            (&b"Via"[..], HeaderName::Via),
            (b"VIA", HeaderName::Via),
            (b"v", HeaderName::Via),
            (b"M", HeaderName::Contact),
            (b"call-id", HeaderName::CallId),
            (b"Content-Length", HeaderName::ContentLength),
            (b"k", HeaderName::Supported),
            (b"x", HeaderName::SessionExpires),
            (b"X-Other", HeaderName::Other),
            (b"Vib", HeaderName::Other),
            (b"z", HeaderName::Other),
            (b"", HeaderName::Other),
        ] {
            assert_eq!(HeaderName::of(name), header, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn a_name_finds_itself() {
        for header in
            [HeaderName::CSeq, HeaderName::WwwAuthenticate, HeaderName::PAssertedIdentity, HeaderName::MinSe]
        {
            assert_eq!(HeaderName::of(header.as_str().as_bytes()), header);
        }
    }
}
