//! A word with parameters: Event, Subscription-State, Reason, Content-Disposition, Accept-Encoding, Accept-Language,
//! Feature-Caps, Accept-Contact, Session-ID, User-to-User.

use super::lex::{quoted_string, sws, token};
use super::params::behind;
use super::text::{Unfolded, unquoted};
use super::{Params, ValueError, q_value};
use nom::Parser;
use nom::branch::alt;
use nom::sequence::terminated;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Declares a view of `token *(SEMI generic-param)`, named as its header field names the token.
macro_rules! token_with_params {
    ($(#[$doc:meta])* $view:ident, $(#[$word_doc:meta])* $word:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $view<'a> {
            $(#[$word_doc])*
            pub $word: &'a str,
            /// The parameters.
            pub params: Params<'a>,
        }

        impl<'a> $view<'a> {
            /// Parses one value.
            ///
            /// # Errors
            /// No token, or bad parameters.
            pub fn parse(text: &'a str) -> Result<Self, ValueError> {
                let ($word, params) = behind(text, terminated(token, sws))?;
                Ok(Self { $word, params })
            }
        }

        impl fmt::Display for $view<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", self.$word, self.params)
            }
        }
    };
}

token_with_params! {
    /// A word and its parameters: `disp-type *( SEMI disp-param )` of Content-Disposition (RFC 3261 20.11),
    /// `codings *(SEMI accept-param)` of Accept-Encoding (20.2), `language-range *(SEMI accept-param)` of Accept-Language
    /// (20.3), `"*" *( SEMI feature-cap )` of Feature-Caps (RFC 6809 6.3), `"*" *(SEMI cp-params)` of Accept-Contact and
    /// Reject-Contact (RFC 3841 9).
    TokenParams,
    /// The word.
    token
}

token_with_params! {
    /// `Event = event-type *( SEMI event-param )` (RFC 6665 8.4).
    Event,
    /// The event package, with its templates: `presence.winfo`. Case matters.
    package
}

token_with_params! {
    /// `Subscription-State = substate-value *( SEMI subexp-params )` (RFC 6665 8.4).
    SubscriptionState,
    /// `active`, `pending`, `terminated` and others.
    state
}

token_with_params! {
    /// `reason-value = protocol *(SEMI reason-params)` (RFC 3326 2).
    Reason,
    /// `SIP`, `Q.850`, `Preemption` and others.
    protocol
}

impl TokenParams<'_> {
    /// Whether the word is `word`.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.token.eq_ignore_ascii_case(word)
    }

    /// The preference of an Accept-Encoding or Accept-Language in thousandths; 1000 where none is given or it is malformed.
    #[must_use]
    pub fn q(&self) -> u16 {
        self.params.value("q").and_then(q_value).unwrap_or(1000)
    }

    /// Whether a body of this Content-Disposition may be left unread (`handling=optional`); it must not be where nothing is
    /// said (RFC 3261 20.11).
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.params.value("handling").is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }
}

impl<'a> Event<'a> {
    /// Which of several subscriptions to the package within a dialog.
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        self.params.value("id")
    }

    /// Whether both are of the same subscription: package and `id` compare byte by byte (RFC 6665 8.2.1).
    #[must_use]
    pub fn same_as(&self, other: &Event<'_>) -> bool {
        self.package == other.package && self.id() == other.id()
    }
}

impl<'a> SubscriptionState<'a> {
    /// Whether the state is `state`.
    #[must_use]
    pub fn is(&self, state: &str) -> bool {
        self.state.eq_ignore_ascii_case(state)
    }

    /// Why it ended: `deactivated`, `timeout`, `noresource` and others.
    #[must_use]
    pub fn reason(&self) -> Option<&'a str> {
        self.params.value("reason")
    }

    /// What is left of the subscription.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.params.value("expires").and_then(super::delta_seconds)
    }

    /// How long to wait before subscribing again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.params.value("retry-after").and_then(super::delta_seconds)
    }
}

impl<'a> Reason<'a> {
    /// `protocol-cause = "cause" EQUAL 1*DIGIT`: a SIP status, or a Q.850 cause.
    #[must_use]
    pub fn cause(&self) -> Option<u32> {
        self.params.number("cause")
    }

    /// `reason-text = "text" EQUAL quoted-string`, without quotes and escapes.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.params.text("text")
    }
}

/// `session-id = local-uuid *(SEMI sess-id-param)`, `sess-uuid = 32(DIGIT / %x61-66)` (RFC 7989 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionId<'a> {
    /// The sender's half: 32 lower-case hexadecimal digits, all zero for the null UUID.
    pub local: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> SessionId<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// Not 32 hexadecimal digits, or bad parameters.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let (local, params) = behind(text, terminated(token.map_opt(uuid), sws))?;
        Ok(Self { local, params })
    }

    /// The receiver's half, where the sender knows it (`remote-param = "remote" EQUAL remote-uuid`).
    #[must_use]
    pub fn remote(&self) -> Option<&'a str> {
        self.params.value("remote").and_then(uuid)
    }
}

fn uuid(text: &str) -> Option<&str> {
    (text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).then_some(text)
}

impl fmt::Display for SessionId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.local, self.params)
    }
}

/// `uui-value = uui-data *(SEMI uui-param)`, `uui-data = token / quoted-string` (RFC 7433 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserToUser<'a> {
    /// The data as written, quotes included.
    pub data: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> UserToUser<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// Neither token nor quoted string, or bad parameters.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let (data, params) = behind(text, terminated(alt((quoted_string, token)), sws))?;
        Ok(Self { data, params })
    }

    /// The data without quotes and escapes, still in their [`encoding`](Self::encoding).
    #[must_use]
    pub fn unquoted(&self) -> Cow<'a, str> {
        unquoted(self.data)
    }

    /// How the data are encoded: `hex` where nothing is said (RFC 7433 4.1).
    #[must_use]
    pub fn encoding(&self) -> &'a str {
        self.params.value("encoding").unwrap_or("hex")
    }
}

impl fmt::Display for UserToUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Unfolded(self.data), self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_compare_by_package_and_id() {
        let event = Event::parse("presence.winfo ; id=7;x").unwrap();
        assert_eq!((event.package, event.id()), ("presence.winfo", Some("7")));
        assert!(event.same_as(&Event::parse("presence.winfo;id=7").unwrap()));
        assert!(!event.same_as(&Event::parse("presence.winfo").unwrap()));
        for bad in ["", ";id=1", "a b", "a;"] {
            assert!(Event::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn subscription_states_have_reason_and_times() {
        let state = SubscriptionState::parse("Terminated;reason=probation;retry-after=60").unwrap();
        assert!(state.is("terminated"));
        assert_eq!((state.reason(), state.retry_after()), (Some("probation"), Some(Duration::from_secs(60))));
        assert_eq!(SubscriptionState::parse("active;expires=x").unwrap().expires(), None);
    }

    #[test]
    fn reasons_have_cause_and_text() {
        let reason = Reason::parse("Q.850 ;cause=16 ;text=\"Terminated \\\"x\\\"\"").unwrap();
        assert_eq!((reason.protocol, reason.cause()), ("Q.850", Some(16)));
        assert_eq!(reason.text().as_deref(), Some("Terminated \"x\""));
    }

    #[test]
    fn a_word_has_preference_and_handling() {
        assert_eq!(TokenParams::parse("gzip;q=0.8").unwrap().q(), 800);
        assert!(TokenParams::parse("session;handling=Optional").unwrap().is_optional());
        assert!(!TokenParams::parse("session").unwrap().is_optional());
        let caps = TokenParams::parse("*;+g.3gpp.srvcc;+sip.x=\"<a,b>\"").unwrap();
        assert_eq!(caps.params.value("+sip.x"), Some("\"<a,b>\""));
    }

    #[test]
    fn a_session_id_is_32_hexadecimal_digits() {
        let id =
            SessionId::parse("ab30317f1a784dc48ff824d0d3715d86; remote=47755a9de7794ba387653f2099600ef2;x=y")
                .unwrap();
        assert_eq!(id.remote(), Some("47755a9de7794ba387653f2099600ef2"));
        for bad in ["ab30317f1a784dc48ff824d0d3715d8", "AB30317f1a784dc48ff824d0d3715d86", ""] {
            assert!(SessionId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn user_to_user_is_a_token_or_quoted() {
        let uui = UserToUser::parse("56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar").unwrap();
        assert_eq!((uui.data, uui.encoding()), ("56a390f3d2b7310023a2", "hex"));
        assert_eq!(UserToUser::parse("\"a \\\"b\";encoding=text").unwrap().unquoted(), "a \"b");
        assert!(UserToUser::parse("<a>").is_err());
    }
}
