//! Names of header fields (RFC 3261 7.3.3 and 20, with the compact forms of later RFCs).
//!
//! All of it comes from one table. A name as the RFCs write it, or in compact form, is found by a decision tree over its length and
//! bytes; in other cases ("Call-Id") it is compared with the names of its length. No hash, no allocation. Names that are not listed are
//! kept as data.

/// Declares the names: variant, full name, compact form if there is one.
macro_rules! names {
    ($($name:ident $full:literal $($compact:literal)?;)*) => {
        /// A header field's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the names are the header fields")]
        pub enum HeaderName {
            $($name,)*
            /// Any other; the message holds its text.
            Other,
        }

        impl HeaderName {
            /// All that have a name of their own here, by the alphabet.
            pub const KNOWN: &[Self] = &[$(Self::$name,)*];

            /// How many there are, [`HeaderName::Other`] included.
            pub(crate) const COUNT: usize = Self::KNOWN.len() + 1;

            /// The full name; empty for [`HeaderName::Other`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => const { ascii($full) },)*
                    Self::Other => "",
                }
            }

            /// The header field whose name is written like this: in full as in the table, or in compact form.
            pub(crate) fn of_usual(name: &[u8]) -> Option<Self> {
                Some(match name {
                    $($full $(| $compact)? => Self::$name,)*
                    _ => return None,
                })
            }
        }
    };
}

names! {
    Accept b"Accept";
    AcceptContact b"Accept-Contact" b"a";
    AcceptEncoding b"Accept-Encoding";
    AcceptLanguage b"Accept-Language";
    AcceptResourcePriority b"Accept-Resource-Priority";
    AlertInfo b"Alert-Info";
    Allow b"Allow";
    AllowEvents b"Allow-Events" b"u";
    AuthenticationInfo b"Authentication-Info";
    Authorization b"Authorization";
    CallId b"Call-ID" b"i";
    CallInfo b"Call-Info";
    Contact b"Contact" b"m";
    ContentDisposition b"Content-Disposition";
    ContentEncoding b"Content-Encoding" b"e";
    ContentLanguage b"Content-Language";
    ContentLength b"Content-Length" b"l";
    ContentType b"Content-Type" b"c";
    CSeq b"CSeq";
    Date b"Date";
    Diversion b"Diversion";
    ErrorInfo b"Error-Info";
    Event b"Event" b"o";
    Expires b"Expires";
    FeatureCaps b"Feature-Caps";
    FlowTimer b"Flow-Timer";
    From b"From" b"f";
    Geolocation b"Geolocation";
    HistoryInfo b"History-Info";
    Identity b"Identity" b"y";
    IdentityInfo b"Identity-Info" b"n";
    InReplyTo b"In-Reply-To";
    Join b"Join";
    MaxBreadth b"Max-Breadth";
    MaxForwards b"Max-Forwards";
    MinExpires b"Min-Expires";
    MinSe b"Min-SE";
    Organization b"Organization";
    PAssertedIdentity b"P-Asserted-Identity";
    PAssociatedUri b"P-Associated-URI";
    Path b"Path";
    PPreferredIdentity b"P-Preferred-Identity";
    Priority b"Priority";
    Privacy b"Privacy";
    ProxyAuthenticate b"Proxy-Authenticate";
    ProxyAuthorization b"Proxy-Authorization";
    ProxyRequire b"Proxy-Require";
    RAck b"RAck";
    Reason b"Reason";
    RecordRoute b"Record-Route";
    ReferredBy b"Referred-By" b"b";
    ReferTo b"Refer-To" b"r";
    RejectContact b"Reject-Contact" b"j";
    Replaces b"Replaces";
    ReplyTo b"Reply-To";
    RequestDisposition b"Request-Disposition" b"d";
    Require b"Require";
    ResourcePriority b"Resource-Priority";
    RetryAfter b"Retry-After";
    Route b"Route";
    RSeq b"RSeq";
    Server b"Server";
    ServiceRoute b"Service-Route";
    SessionExpires b"Session-Expires" b"x";
    SessionId b"Session-ID";
    SipEtag b"SIP-ETag";
    SipIfMatch b"SIP-If-Match";
    Subject b"Subject" b"s";
    SubscriptionState b"Subscription-State";
    Supported b"Supported" b"k";
    Timestamp b"Timestamp";
    To b"To" b"t";
    Unsupported b"Unsupported";
    UserAgent b"User-Agent";
    UserToUser b"User-to-User";
    Via b"Via" b"v";
    Warning b"Warning";
    WwwAuthenticate b"WWW-Authenticate";
}

impl HeaderName {
    /// The header field named `name`, in full or in compact form, in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        Self::of_usual(name).unwrap_or_else(|| Self::of_unusual(name))
    }

    #[cold]
    fn of_unusual(name: &[u8]) -> Self {
        if let [letter] = name {
            return Self::of_usual(&[letter.to_ascii_lowercase()]).unwrap_or(Self::Other);
        }
        let from = BY_LENGTH.partition_point(|known| known.as_str().len() < name.len());
        let as_long = BY_LENGTH.iter().skip(from).take_while(|known| known.as_str().len() == name.len());
        let mut equal = as_long.filter(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name));
        equal.next().copied().unwrap_or(Self::Other)
    }
}

const fn ascii(name: &'static [u8]) -> &'static str {
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => "",
    }
}

/// The known names, short ones first.
static BY_LENGTH: [HeaderName; HeaderName::KNOWN.len()] = {
    let mut names = [HeaderName::Other; HeaderName::KNOWN.len()];
    let mut count = 0;
    #[expect(clippy::indexing_slicing, reason = "constant evaluation; both indexes are below the length")]
    while count < names.len() {
        let name = HeaderName::KNOWN[count];
        let mut at = count;
        while at > 0 && names[at - 1].as_str().len() > name.as_str().len() {
            names[at] = names[at - 1];
            at -= 1;
        }
        names[at] = name;
        count += 1;
    }
    names
};

impl std::fmt::Display for HeaderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            (b"n", HeaderName::IdentityInfo),
            (b"sip-etag", HeaderName::SipEtag),
            (b"X-Other", HeaderName::Other),
            (b"Vib", HeaderName::Other),
            (b"z", HeaderName::Other),
            (b"", HeaderName::Other),
        ] {
            assert_eq!(HeaderName::of(name), header, "{}", String::from_utf8_lossy(name));
        }
    }

    /// RFC 3261 20, 3515 2.1, 3841 9, 3892 3, 4028 4, 4474 9, 6665 8.2.
    const COMPACT: [(HeaderName, &[u8]); 20] = [
        (HeaderName::AcceptContact, b"a"),
        (HeaderName::ReferredBy, b"b"),
        (HeaderName::ContentType, b"c"),
        (HeaderName::RequestDisposition, b"d"),
        (HeaderName::ContentEncoding, b"e"),
        (HeaderName::From, b"f"),
        (HeaderName::CallId, b"i"),
        (HeaderName::RejectContact, b"j"),
        (HeaderName::Supported, b"k"),
        (HeaderName::ContentLength, b"l"),
        (HeaderName::Contact, b"m"),
        (HeaderName::IdentityInfo, b"n"),
        (HeaderName::Event, b"o"),
        (HeaderName::ReferTo, b"r"),
        (HeaderName::Subject, b"s"),
        (HeaderName::To, b"t"),
        (HeaderName::AllowEvents, b"u"),
        (HeaderName::Via, b"v"),
        (HeaderName::SessionExpires, b"x"),
        (HeaderName::Identity, b"y"),
    ];

    /// All names, one after the other.
    fn plainly(name: &[u8]) -> HeaderName {
        let full = |known: &&HeaderName| known.as_str().as_bytes().eq_ignore_ascii_case(name);
        let compact =
            COMPACT.iter().find(|(_, compact)| compact.eq_ignore_ascii_case(name)).map(|(known, _)| *known);
        compact.or_else(|| HeaderName::KNOWN.iter().find(full).copied()).unwrap_or(HeaderName::Other)
    }

    #[test]
    fn every_letter_is_the_compact_form_that_it_should_be() {
        for byte in 0..=u8::MAX {
            assert_eq!(HeaderName::of(&[byte]), plainly(&[byte]), "{byte}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_found_in_any_case_and_none_that_is_almost_one(
            name in prop::sample::select(HeaderName::KNOWN),
            upper in prop::collection::vec(any::<bool>(), 32),
            at in any::<prop::sample::Index>(),
            other in any::<u8>(),
        ) {
            let case = |(byte, upper): (u8, &bool)| {
                if *upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
            };
            let mut text: Vec<u8> = name.as_str().bytes().zip(&upper).map(case).collect();
            prop_assert_eq!(HeaderName::of(&text), name);
            prop_assert_eq!(HeaderName::of(name.as_str().as_bytes()), name);
            let at = at.index(text.len());
            text[at] = other;
            prop_assert_eq!(HeaderName::of(&text), plainly(&text));
            text.truncate(at);
            prop_assert_eq!(HeaderName::of(&text), plainly(&text));
        }
    }
}
