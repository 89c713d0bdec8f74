//! Which header field has values of which shape: one table, from which come the typed access of
//! [`Head`](crate::message::Head), the builder [`Value`](super::Value), and [`canonical`].
//!
//! Each header field has a type of its name here, which has no values: it only names the field where a type is asked for.
//!
//! ```
//! use sip_survivability::headers::{Refresher, field, field::Field};
//!
//! let session = field::SessionExpires::parse("1800;refresher=uac")?;
//! assert_eq!(session.refresher(), Some(Refresher::Uac));
//! let tags: Result<Vec<_>, _> = field::values::<field::Supported>("100rel, timer").collect();
//! assert!(tags?.iter().any(|tag| tag.is("timer")));
//! # Ok::<(), sip_survivability::headers::ValueError>(())
//! ```

use super::{
    Auth, AuthParams, Contact as ContactValue, DeltaSeconds, DialogName, HeaderName, InfoUri, MediaType,
    NameAddr, Number, ResourcePriority as ResourcePriorityValue, SessionInterval, Software, Text, Token,
    TokenParams, ValueError, first_value_len, trim,
};
use std::fmt;

/// A header field, as a type.
pub trait Field {
    /// Its name.
    const NAME: HeaderName;

    /// Whether it holds several values with commas between them (RFC 3261 7.3.1), or one.
    const IS_LIST: bool;

    /// Whether a list may have no values.
    const MAY_BE_EMPTY: bool;

    /// One of its values. Written, it is on one line and without needless white space.
    type View<'a>: fmt::Debug + fmt::Display + Copy + PartialEq;

    /// Parses one value.
    ///
    /// # Errors
    /// [`ValueError`] says where the rule of the field breaks.
    fn parse(text: &str) -> Result<Self::View<'_>, ValueError>;

    /// How many bytes of a list stand before the comma that ends its first value.
    #[must_use]
    fn first_len(text: &str) -> usize {
        first_value_len(text)
    }
}

/// A header field whose values have parameters.
pub trait WithParams: Field {
    /// What stands before a parameter: a semicolon, or a comma in challenges and credentials.
    const SEPARATOR: &'static str;

    /// Whether `value` has the parameter `name`.
    fn has_param(value: &str, name: &str) -> bool;
}

/// A header field whose values are addresses.
pub trait WithAddress: WithParams {}

/// A header field whose values are a scheme with parameters.
pub trait WithScheme: WithParams {}

/// All values of one header field's text. Some lists may be empty, such as Supported (RFC 3261 20.37); their elements may not.
#[must_use]
pub const fn values<F: Field>(text: &str) -> Values<'_, F> {
    Values { text, at: Some(0), field: std::marker::PhantomData }
}

/// The values of one header field. Offsets of errors count from the start of the field's text.
#[derive(Debug)]
pub struct Values<'a, F> {
    text: &'a str,
    at: Option<usize>,
    field: std::marker::PhantomData<fn() -> F>,
}

impl<'a, F: Field> Iterator for Values<'a, F> {
    type Item = Result<F::View<'a>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at.take()?;
        let rest = self.text.get(start..)?;
        if !F::IS_LIST {
            return Some(F::parse(rest));
        }
        let len = F::first_len(rest);
        if F::MAY_BE_EMPTY && start == 0 && len == self.text.len() && trim(rest).is_empty() {
            return None;
        }
        self.at = (len < rest.len()).then_some(start + len + 1);
        let value = rest.get(..len).unwrap_or_default();
        Some(F::parse(value).map_err(|error| ValueError::new(error.kind, start + error.offset)))
    }
}

fn write_all<F: Field>(text: &str) -> Result<String, ValueError> {
    let mut written = String::with_capacity(text.len());
    for (at, value) in values::<F>(text).enumerate() {
        let separator = if at > 0 { ", " } else { "" };
        // Writing to a String cannot fail.
        let _ = fmt::Write::write_fmt(&mut written, format_args!("{separator}{}", value?));
    }
    Ok(written)
}

/// Whether a message may have several header fields `name`: lists, and by their own rules credentials and challenges (RFC 3261 7.3.1), and
/// Identity (RFC 8224 4).
pub(crate) const fn may_repeat(name: HeaderName) -> bool {
    use HeaderName::{Authorization, Identity, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate};
    matches!(name, Authorization | Identity | ProxyAuthenticate | ProxyAuthorization | WwwAuthenticate)
        || is_list(name)
}

/// Declares the fields: `Name: Shape, one|list|list_or_nothing|list_of_words, what it has besides (if anything), "where it is defined"`.
macro_rules! fields {
    ($($field:ident: $view:ty, $many:ident $(+ $has:ident)*, $source:literal;)*) => {
        $(
            #[doc = concat!("The header field of ", $source, ".")]
            #[derive(Clone, Copy, Debug)]
            #[expect(clippy::exhaustive_enums, reason = "it has no values and never will")]
            pub enum $field {}

            impl Field for $field {
                const NAME: HeaderName = HeaderName::$field;
                const IS_LIST: bool = fields!(@is_list $many);
                const MAY_BE_EMPTY: bool = fields!(@may_be_empty $many);
                type View<'a> = $view;

                fn parse(text: &str) -> Result<Self::View<'_>, ValueError> {
                    <Self::View<'_>>::parse(text)
                }

                fields!(@first_len $many);
            }

            $(fields!(@has $has $field);)*
        )*

        /// The value of a header field `name` as it would be written here: on one line, without needless white space, addresses in
        /// angle brackets. `None` for fields that have no row in the table.
        ///
        /// # Errors
        /// The first value that cannot be read.
        #[must_use]
        pub fn canonical(name: HeaderName, text: &str) -> Option<Result<String, ValueError>> {
            match name {
                $(HeaderName::$field => Some(write_all::<$field>(text)),)*
                _ => None,
            }
        }

        const fn is_list(name: HeaderName) -> bool {
            match name {
                $(HeaderName::$field => fields!(@is_list $many),)*
                _ => true,
            }
        }

        /// Reads all values of a header field `name`. Those that have no row in the table are text.
        ///
        /// # Errors
        /// The first value that cannot be read.
        pub(crate) fn check(name: HeaderName, text: &str) -> Result<(), ValueError> {
            match name {
                $(HeaderName::$field => values::<$field>(text).try_for_each(|value| value.map(drop)),)*
                _ => Text::parse(text).map(drop),
            }
        }
    };
    (@is_list one) => { false };
    (@is_list list) => { true };
    (@is_list list_or_nothing) => { true };
    (@is_list list_of_words) => { true };
    (@may_be_empty one) => { false };
    (@may_be_empty list) => { false };
    (@may_be_empty list_or_nothing) => { true };
    (@may_be_empty list_of_words) => { false };
    // Quotes and angle brackets are letters like others in a word (RFC 3261 25.1).
    (@first_len list_of_words) => {
        fn first_len(text: &str) -> usize {
            text.find(',').unwrap_or(text.len())
        }
    };
    (@first_len $many:ident) => {};
    (@has params $field:ident) => {
        fields!(@with $field, ";", |value, name| value.params.find(name).is_some());
    };
    (@has auth_params $field:ident) => {
        fields!(@with $field, ", ", |value, name| value.find(name).is_some());
    };
    (@has entry $field:ident) => {
        fields!(@with $field, ";", |value, name| value.address.params.find(name).is_some());
        impl WithAddress for $field {}
    };
    (@has contact $field:ident) => {
        fields!(@with $field, ";", |value, name| value.address().is_some_and(|a| a.params.find(name).is_some()));
        impl WithAddress for $field {}
    };
    (@has identity $field:ident) => {
        fields!(@with $field, ";", |value, name| value.param(name).is_some());
    };
    (@has address $field:ident) => {
        fields!(@has params $field);
        impl WithAddress for $field {}
    };
    (@has scheme $field:ident) => {
        fields!(@with $field, ", ", |value, name| value.params.find(name).is_some());
        impl WithScheme for $field {}
    };
    (@with $field:ident, $separator:literal, |$value:ident, $name:ident| $has:expr) => {
        impl WithParams for $field {
            const SEPARATOR: &'static str = $separator;

            fn has_param(text: &str, $name: &str) -> bool {
                Self::parse(text).is_ok_and(|$value| $has)
            }
        }
    };
}

fields! {
    Accept: MediaType<'a>, list_or_nothing + params, "RFC 3261 20.1";
    AcceptContact: TokenParams<'a>, list + params, "RFC 3841 9.2";
    AcceptEncoding: TokenParams<'a>, list_or_nothing + params, "RFC 3261 20.2";
    AcceptLanguage: TokenParams<'a>, list_or_nothing + params, "RFC 3261 20.3";
    AcceptResourcePriority: ResourcePriorityValue<'a>, list_or_nothing, "RFC 4412 3.2";
    AlertInfo: InfoUri<'a>, list + params, "RFC 3261 20.4";
    Allow: Token<'a>, list_or_nothing, "RFC 3261 20.5";
    AllowEvents: Token<'a>, list, "RFC 6665 8.2.2";
    AuthenticationInfo: AuthParams<'a>, one + auth_params, "RFC 3261 20.6";
    Authorization: Auth<'a>, one + scheme, "RFC 3261 20.7";
    CallId: super::CallId<'a>, one, "RFC 3261 20.8";
    CallInfo: InfoUri<'a>, list + params, "RFC 3261 20.9";
    Contact: ContactValue<'a>, list + contact, "RFC 3261 20.10";
    ContentDisposition: TokenParams<'a>, one + params, "RFC 3261 20.11";
    ContentEncoding: Token<'a>, list, "RFC 3261 20.12";
    ContentLanguage: Token<'a>, list, "RFC 3261 20.13";
    ContentLength: Number<0, { u64::MAX }>, one, "RFC 3261 20.14";
    ContentType: MediaType<'a>, one + params, "RFC 3261 20.15";
    CSeq: super::CSeq<'a>, one, "RFC 3261 20.16";
    Date: super::Date, one, "RFC 3261 20.17";
    Diversion: super::Diversion<'a>, list + entry, "RFC 5806 4";
    ErrorInfo: InfoUri<'a>, list + params, "RFC 3261 20.18";
    Event: super::Event<'a>, one + params, "RFC 6665 8.2.1";
    Expires: DeltaSeconds, one, "RFC 3261 20.19";
    FeatureCaps: TokenParams<'a>, list + params, "RFC 6809 6.3";
    FlowTimer: DeltaSeconds, one, "RFC 5626 10";
    From: NameAddr<'a>, one + address, "RFC 3261 20.20";
    Geolocation: InfoUri<'a>, list + params, "RFC 6442 4.1";
    HistoryInfo: super::HistoryInfo<'a>, list + entry, "RFC 7044 5";
    Identity: super::Identity<'a>, one + identity, "RFC 8224 4";
    IdentityInfo: InfoUri<'a>, one + params, "RFC 4474 9";
    InReplyTo: super::CallId<'a>, list_of_words, "RFC 3261 20.21";
    Join: DialogName<'a>, one + params, "RFC 3911 7.1";
    MaxBreadth: Number<0, { u32::MAX as u64 }>, one, "RFC 5393 5.3.3";
    MaxForwards: Number<0, 255>, one, "RFC 3261 20.22";
    MinExpires: DeltaSeconds, one, "RFC 3261 20.23";
    MinSe: SessionInterval<'a>, one + params, "RFC 4028 5";
    Organization: Text<'a>, one, "RFC 3261 20.25";
    PAssertedIdentity: NameAddr<'a>, list + address, "RFC 3325 9.1";
    PAssociatedUri: NameAddr<'a>, list_or_nothing + address, "RFC 7315 4.1";
    PPreferredIdentity: NameAddr<'a>, list + address, "RFC 3325 9.2";
    Path: NameAddr<'a>, list + address, "RFC 3327 4";
    Priority: Token<'a>, one, "RFC 3261 20.26";
    Privacy: super::Privacy<'a>, one, "RFC 3323 4.2";
    ProxyAuthenticate: Auth<'a>, one + scheme, "RFC 3261 20.27";
    ProxyAuthorization: Auth<'a>, one + scheme, "RFC 3261 20.28";
    ProxyRequire: Token<'a>, list, "RFC 3261 20.29";
    RAck: super::RAck<'a>, one, "RFC 3262 7.2";
    RSeq: Number<1, { u32::MAX as u64 }>, one, "RFC 3262 7.1";
    Reason: super::Reason<'a>, list + params, "RFC 3326 2";
    RecordRoute: NameAddr<'a>, list + address, "RFC 3261 20.30";
    ReferTo: NameAddr<'a>, one + address, "RFC 3515 2.1";
    ReferredBy: NameAddr<'a>, one + address, "RFC 3892 3";
    RejectContact: TokenParams<'a>, list + params, "RFC 3841 9.2";
    Replaces: DialogName<'a>, one + params, "RFC 3891 6.1";
    ReplyTo: NameAddr<'a>, one + address, "RFC 3261 20.31";
    RequestDisposition: Token<'a>, list, "RFC 3841 9.1";
    Require: Token<'a>, list, "RFC 3261 20.32";
    ResourcePriority: ResourcePriorityValue<'a>, list, "RFC 4412 3.1";
    RetryAfter: super::RetryAfter<'a>, one + params, "RFC 3261 20.33";
    Route: NameAddr<'a>, list + address, "RFC 3261 20.34";
    Server: Software<'a>, one, "RFC 3261 20.35";
    ServiceRoute: NameAddr<'a>, list + address, "RFC 3608 5";
    SessionExpires: SessionInterval<'a>, one + params, "RFC 4028 4";
    SessionId: super::SessionId<'a>, one + params, "RFC 7989 5";
    SipEtag: Token<'a>, one, "RFC 3903 11.3.1";
    SipIfMatch: Token<'a>, one, "RFC 3903 11.3.2";
    Subject: Text<'a>, one, "RFC 3261 20.36";
    SubscriptionState: super::SubscriptionState<'a>, one + params, "RFC 6665 8.2.3";
    Supported: Token<'a>, list_or_nothing, "RFC 3261 20.37";
    Timestamp: super::Timestamp<'a>, one, "RFC 3261 20.38";
    To: NameAddr<'a>, one + address, "RFC 3261 20.39";
    Unsupported: Token<'a>, list, "RFC 3261 20.40";
    UserAgent: Software<'a>, one, "RFC 3261 20.41";
    UserToUser: super::UserToUser<'a>, list + params, "RFC 7433 4.1";
    Via: super::Via<'a>, list + params, "RFC 3261 20.42";
    WwwAuthenticate: Auth<'a>, one + scheme, "RFC 3261 20.44";
    Warning: super::Warning<'a>, list, "RFC 3261 20.43";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_be_empty_but_its_elements_may_not() {
        let all = |text| values::<Supported>(text).map(|tag| tag.map(|tag| tag.as_str())).collect::<Vec<_>>();
        assert_eq!(all(" "), []);
        assert_eq!(all("100rel ,timer"), [Ok("100rel"), Ok("timer")]);
        assert_eq!(all("a,,b"), [Ok("a"), Err(ValueError::syntax(2)), Ok("b")]);
        assert_eq!(all("a, b c").get(1), Some(&Err(ValueError::syntax(4))));
    }

    #[test]
    fn what_holds_one_value_is_not_cut_at_commas() {
        let text = "Digest realm=\"a\", nonce=\"b\"";
        assert_eq!(values::<WwwAuthenticate>(text).count(), 1);
        assert_eq!(values::<Date>("Sat, 13 Nov 2010 23:29:00 GMT").count(), 1);
    }

    #[test]
    fn quotes_in_call_ids_do_not_hide_commas() {
        let ids: Vec<_> = values::<InReplyTo>("a\"b@h, <c@h").map(|id| id.map(|id| id.as_str())).collect();
        assert_eq!(ids, [Ok("a\"b@h"), Ok("<c@h")]);
    }

    #[test]
    fn every_known_name_has_a_row() {
        for name in HeaderName::KNOWN {
            assert!(canonical(*name, "x").is_some(), "{name}");
        }
        assert!(canonical(HeaderName::Other, "x").is_none());
    }
}
