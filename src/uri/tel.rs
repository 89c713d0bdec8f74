//! Telephone numbers as URIs: RFC 3966, and as the user of a SIP URI (RFC 3261 19.1.6).

use super::escape::{Component, Unescaped, Unit, bad_escape};
use super::{Host, UriBuilder};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// Why a text is no `telephone-subscriber`. `offset` counts bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} of the telephone number")]
#[non_exhaustive]
pub struct TelError {
    /// What is wrong.
    pub kind: TelErrorKind,
    /// Where.
    pub offset: usize,
}

/// What is wrong with a telephone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TelErrorKind {
    /// No digit, or something that is neither a digit nor a visual separator.
    #[error("no valid number")]
    Number,
    /// A parameter whose name is empty or has characters that none may have, or a broken `%` escape.
    #[error("no valid parameter")]
    Parameter,
    /// A parameter that stands there twice.
    #[error("a repeated parameter")]
    Repeated,
    /// `ext` is no number, `isub` is empty, or `phone-context` is neither a global number nor a domain.
    #[error("a parameter with a value it may not have")]
    Value,
}

/// What a local number is unique within (RFC 3966 5.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhoneContext<'a> {
    /// `domainname`: whoever owns the domain gives out the number.
    Domain(&'a str),
    /// `global-number-digits`, as written: the first digits that all numbers of the context share.
    Digits(&'a str),
}

/// A view of a `telephone-subscriber`: what follows `tel:`, or stands as the user of a SIP URI with `user=phone`.
///
/// ```
/// use sip_survivability::uri::{PhoneContext, Uri};
/// let uri = Uri::parse("tel:863-1234;phone-context=+1-914-555")?;
/// let tel = uri.telephone().expect("a telephone number");
/// assert!(!tel.is_global());
/// assert!(tel.digits().eq(*b"8631234"));
/// assert_eq!(tel.phone_context(), Some(PhoneContext::Digits("+1-914-555")));
/// # Ok::<(), sip_survivability::uri::UriError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tel<'a> {
    number: &'a str,
    /// With the leading `;`, or nothing.
    params: &'a str,
}

/// Parameters up to this number are compared each with each.
const FEW: usize = 16;

impl<'a> Tel<'a> {
    /// Reads `telephone-subscriber = global-number / local-number`. The order of parameters does not matter, and a local
    /// number without context is let pass, since few write it: see [`is_complete`](Self::is_complete).
    ///
    /// # Errors
    /// [`TelError`] says what cannot be understood, and where.
    pub fn parse(text: &'a str) -> Result<Self, TelError> {
        let len = text.find(';').unwrap_or(text.len());
        let (number, params) = text.split_at_checked(len).unwrap_or((text, ""));
        let tel = Self { number, params };
        if bad_escape(number).is_some() || !tel.has_number() {
            return Err(TelError { kind: TelErrorKind::Number, offset: 0 });
        }
        let mut offset = len + 1;
        for param in params.split(';').skip(1) {
            check_param(param).map_err(|kind| TelError { kind, offset })?;
            offset += param.len() + 1;
        }
        if tel.has_repeated_param() {
            return Err(TelError { kind: TelErrorKind::Repeated, offset: len });
        }
        Ok(tel)
    }

    fn has_number(&self) -> bool {
        let mut digits = self.digits();
        let is_digit = if self.is_global() {
            digits.next();
            // global-number-digits = "+" *phonedigit DIGIT *phonedigit
            |b: u8| b.is_ascii_digit()
        } else {
            // local-number-digits = *phonedigit-hex (HEXDIG / "*" / "#") *phonedigit-hex
            |b: u8| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#')
        };
        let mut digits = digits.peekable();
        digits.peek().is_some() && digits.all(is_digit)
    }

    fn has_repeated_param(&self) -> bool {
        let names = || self.params().map(|(name, _)| name);
        if names().nth(FEW).is_none() {
            return names()
                .enumerate()
                .any(|(n, name)| names().take(n).any(|before| before.eq_ignore_ascii_case(name)));
        }
        let mut names: Vec<_> = names().map(str::to_ascii_lowercase).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }

    /// The number as written, visual separators included.
    #[must_use]
    pub const fn number(&self) -> &'a str {
        self.number
    }

    /// Whether it is a global number, which starts with `+`.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.number.starts_with('+')
    }

    /// Whether the number says all that is needed to call it: it is global, or has the context without which a local
    /// number "MUST NOT" be (RFC 3966 5.1.5).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_global() || self.phone_context().is_some()
    }

    /// The number with `+` if it is global, without visual separators, in lower case: what numbers are compared by.
    pub fn digits(&self) -> impl Iterator<Item = u8> + use<'a> {
        digits(self.number)
    }

    /// The parameters: name and value as written.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        self.params.split(';').skip(1).map(|param| match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        })
    }

    /// The parameter `name` (case does not matter): `Some(None)` if it stands there without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        self.params().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// `extension = ";ext=" 1*phonedigit`, as written (RFC 3966 5.3).
    #[must_use]
    pub fn extension(&self) -> Option<&'a str> {
        self.param("ext").flatten()
    }

    /// `isdn-subaddress = ";isub=" 1*uric`, as written (RFC 3966 5.2).
    #[must_use]
    pub fn isdn_subaddress(&self) -> Option<&'a str> {
        self.param("isub").flatten()
    }

    /// `context = ";phone-context=" descriptor` (RFC 3966 5.1.5).
    #[must_use]
    pub fn phone_context(&self) -> Option<PhoneContext<'a>> {
        self.param("phone-context").flatten().and_then(phone_context)
    }

    /// Whether both are the same number by RFC 3966 section 4.
    #[must_use]
    pub fn equivalent(&self, other: &Tel<'_>) -> bool {
        let count = self.params().count();
        if !self.digits().eq(other.digits()) || count != other.params().count() {
            return false;
        }
        // "Parameters are compared according to 'pname', regardless of the order they appeared in the URI. If one URI has
        // a parameter name not found in the other, the two URIs are not equal."
        let same = |name: &str, a: Option<&str>, b: Option<&str>| {
            let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
            if is_number(name, a) && is_number(name, b) {
                digits(a).eq(digits(b))
            } else {
                folded(a).eq(folded(b))
            }
        };
        if count <= FEW {
            return self
                .params()
                .all(|(name, value)| other.param(name).is_some_and(|also| same(name, value, also)));
        }
        let (mine, theirs) = (self.sorted_params(), other.sorted_params());
        mine.iter().zip(&theirs).all(|(a, b)| a.0.eq_ignore_ascii_case(b.0) && same(a.0, a.1, b.1))
    }

    /// In the order that RFC 3966 section 3 and RFC 3261 19.1.6 want them written.
    fn sorted_params(&self) -> Vec<(&'a str, Option<&'a str>)> {
        let place = |name: &str| {
            let first = ["isub", "ext", "postd", "phone-context"];
            let rank = first.iter().position(|known| known.eq_ignore_ascii_case(name));
            (rank.unwrap_or(first.len()), name.to_ascii_lowercase())
        };
        let mut params: Vec<_> = self.params().collect();
        params.sort_by_cached_key(|(name, _)| place(name));
        params
    }

    /// The one way to write it that equivalent numbers share: no visual separators, lower case, parameters in order.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.write(|_| true)
    }

    fn write(&self, allows: impl Fn(u8) -> bool) -> String {
        let mut text = String::with_capacity(self.number.len() + self.params.len());
        let mut push = |unit: Unit| {
            if !unit.reserved && is_plain(unit.byte) && allows(unit.byte) {
                text.push(char::from(unit.byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(text, "%{:02X}", unit.byte);
            }
        };
        let plain = |byte| Unit { byte, reserved: false };
        self.digits().map(plain).for_each(&mut push);
        for (name, value) in self.sorted_params() {
            push(plain(b';'));
            folded(name).for_each(&mut push);
            let Some(value) = value else { continue };
            push(plain(b'='));
            if is_number(name, value) {
                digits(value).map(plain).for_each(&mut push);
            } else {
                folded(value).for_each(&mut push);
            }
        }
        text
    }

    /// The number as the user of a SIP URI at `host`, with `user=phone` (RFC 3261 19.1.6). It is written in the
    /// [canonical](Self::canonical) way, since SIP URIs are compared with case and order.
    ///
    /// ```
    /// use sip_survivability::uri::{Host, Tel};
    /// let tel = Tel::parse("+358-555-1234567;POSTD=PP22").expect("a number");
    /// let uri = tel.to_sip(Host::Name("foo.example")).build().expect("a URI");
    /// assert_eq!(uri.as_str(), "sip:+3585551234567;postd=pp22@foo.example;user=phone");
    /// ```
    pub fn to_sip(&self, host: Host<'_>) -> UriBuilder {
        UriBuilder::sip(host)
            .written_user(self.write(|byte| Component::User.allows(byte)))
            .param("user", "phone")
    }
}

/// As written.
impl fmt::Display for Tel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.number, self.params)
    }
}

/// By RFC 3966 section 4, as [`Tel::equivalent`].
impl PartialEq for Tel<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.equivalent(other)
    }
}

impl Eq for Tel<'_> {}

/// `param-unreserved = "[" / "]" / "/" / ":" / "&" / "+" / "$"` (RFC 3966 3): reserved in a SIP URI, but escaped or not the same here. The
/// user of a SIP URI must have some of them escaped (RFC 3261 25.1).
fn folded(text: &str) -> impl Iterator<Item = Unit> + use<'_> {
    Unescaped::new(text.as_bytes()).map(Unit::to_lower).map(|unit| {
        let is_plain = matches!(unit.byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$');
        Unit { reserved: unit.reserved && !is_plain, ..unit }
    })
}

/// `visual-separator = "-" / "." / "(" / ")"`
const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'.' | b'(' | b')')
}

fn digits(text: &str) -> impl Iterator<Item = u8> + use<'_> {
    folded(text).map(|unit| unit.byte).filter(|&byte| !is_separator(byte))
}

/// Whether a parameter's value is compared digit by digit.
fn is_number(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("ext") || (name.eq_ignore_ascii_case("phone-context") && value.starts_with('+'))
}

/// Whether a byte stands for itself in a telephone-subscriber: `uric`, `paramchar`, `phonedigit-hex`.
fn is_plain(byte: u8) -> bool {
    Component::User.allows(byte) || Component::Param.allows(byte) || matches!(byte, b'#' | b'@')
}

fn check_param(param: &str) -> Result<(), TelErrorKind> {
    let (name, value) = param.split_once('=').unwrap_or((param, ""));
    // pname = 1*( alphanum / "-" ), with the underscore that some have.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return Err(TelErrorKind::Parameter);
    }
    if bad_escape(value).is_some() {
        return Err(TelErrorKind::Parameter);
    }
    let is_good = if name.eq_ignore_ascii_case("isub") {
        !value.is_empty()
    } else if name.eq_ignore_ascii_case("ext") {
        digits(value).next().is_some() && digits(value).all(|b| b.is_ascii_digit())
    } else if name.eq_ignore_ascii_case("phone-context") {
        phone_context(value).is_some()
    } else {
        true
    };
    if is_good { Ok(()) } else { Err(TelErrorKind::Value) }
}

/// `descriptor = domainname / global-number-digits`
fn phone_context(value: &str) -> Option<PhoneContext<'_>> {
    if value.starts_with('+') {
        let mut digits = digits(value).skip(1).peekable();
        return (digits.peek().is_some() && digits.all(|b| b.is_ascii_digit()))
            .then_some(PhoneContext::Digits(value));
    }
    matches!(Host::parse(value), Some(Host::Name(_))).then_some(PhoneContext::Domain(value))
}

/// The digits of a number that is written as the user of a URI, for the lookup key. What is no number stays as it is.
pub(super) fn user_digits(user: &[u8]) -> Cow<'_, [u8]> {
    let number = user.split(|&b| b == b';').next().unwrap_or_default();
    if !number.iter().any(|&b| is_separator(b)) {
        return Cow::Borrowed(number);
    }
    Cow::Owned(number.iter().copied().filter(|&b| !is_separator(b)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> TelErrorKind {
        Tel::parse(text).unwrap_err().kind
    }

    fn eq(a: &str, b: &str) -> bool {
        let (a, b) = (Tel::parse(a).unwrap(), Tel::parse(b).unwrap());
        assert_eq!(a.equivalent(&b), b.equivalent(&a));
        assert_eq!(a.equivalent(&b), a.canonical() == b.canonical(), "{a} {b}");
        a.equivalent(&b)
    }

    #[test]
    fn all_parts_of_a_number_are_found() {
        let tel = Tel::parse("+1-201-555-0123;isub=a/b@c;ext=2-2;Foo=%41").unwrap();
        assert!(tel.is_global() && tel.is_complete());
        assert_eq!(tel.number(), "+1-201-555-0123");
        assert!(tel.digits().eq(*b"+12015550123"));
        assert_eq!((tel.isdn_subaddress(), tel.extension()), (Some("a/b@c"), Some("2-2")));
        assert_eq!(tel.param("foo"), Some(Some("%41")));
        let local = Tel::parse("*06#;phone-context=Branch.example").unwrap();
        assert_eq!(local.phone_context(), Some(PhoneContext::Domain("Branch.example")));
        assert!(local.is_complete() && !Tel::parse("911").unwrap().is_complete());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in ["", "+", "-", "+-", "+1a", "+1*", "1+2", "alice", "12 3", "1%4", ";ext=1"] {
            assert_eq!(error(bad), TelErrorKind::Number, "{bad}");
        }
        for bad in ["1;", "1;=x", "1;a b", "1;x=%4"] {
            assert_eq!(error(bad), TelErrorKind::Parameter, "{bad}");
        }
        for bad in [
            "1;ext=",
            "1;ext",
            "1;ext=a",
            "1;isub=",
            "1;phone-context=+",
            "1;phone-context=1.2.3.4",
            "1;phone-context",
        ] {
            assert_eq!(error(bad), TelErrorKind::Value, "{bad}");
        }
        assert_eq!(error("1;ext=1;EXT=1"), TelErrorKind::Repeated);
        let many: String = (0..40).map(|n| format!(";p{n}")).collect();
        assert_eq!(error(&format!("1{many};P7")), TelErrorKind::Repeated);
    }

    #[test]
    fn numbers_compare_without_separators_case_and_order() {
        assert!(eq("+1-201-555-0123", "+1(201)555.0123"));
        assert!(eq("7A;phone-context=H.example", "7a;Phone-Context=h.EXAMPLE"));
        assert!(eq("1;phone-context=+1-2", "1;phone-context=+12"));
        assert!(eq("1;ext=2-2;isub=X", "1;ISUB=x;ext=22"));
        assert!(eq("1;p=%61", "1;p=A"));
        assert!(!eq("1;p=%3B", "1;p=%3C"));
        assert!(!eq("+1", "1"));
        assert!(!eq("1", "1;ext=1"));
        assert!(!eq("1;phone-context=a.example", "1;phone-context=b.example"));
        let many = |text: &str| (0..40).fold("1".to_owned(), |all, n| format!("{all};{text}{n}=Q"));
        assert!(eq(&many("p"), &many("P")));
        assert!(!eq(&many("p"), &many("q")));
    }

    #[test]
    fn a_canonical_number_has_its_parameters_in_order() {
        let canonical = |text| Tel::parse(text).unwrap().canonical();
        assert_eq!(canonical("+358-555;tsp=a.b;Phone-Context=X.y"), "+358555;phone-context=x.y;tsp=a.b");
        assert_eq!(canonical("1;b;postd=PP;isub=1;a;ext=3"), "1;isub=1;ext=3;postd=pp;a;b");
        assert_eq!(canonical("1;a=%3b%20%41"), "1;a=%3B%20a");
    }

    #[test]
    fn as_a_sip_user_it_has_the_escapes_that_a_user_needs() {
        let uri = Tel::parse("*#06#;isub=a:b@c").unwrap().to_sip(Host::Name("h")).build().unwrap();
        assert_eq!(uri.as_str(), "sip:*%2306%23;isub=a%3Ab%40c@h;user=phone");
        assert!(uri.as_uri().telephone().unwrap().digits().eq(*b"*#06#"));
    }

    #[test]
    fn as_a_sip_user_it_stays_the_number_that_it_is() {
        for text in ["+1;isub=a:b", "+1;isub=a%3Ab", "+1;x=[::1]/&+$", "+1;x=%2B%5b", "12;phone-context=h"] {
            let number = Tel::parse(text).unwrap();
            let uri = number.to_sip(Host::Name("h")).build().unwrap();
            assert_eq!(uri.as_uri().telephone().as_ref(), Some(&number), "{text} {uri}");
        }
        // RFC 3966 3: what is reserved in a parameter is not its escape.
        assert_ne!(Tel::parse("+1;isub=a%3Db").unwrap(), Tel::parse("+1;isub=a=b").unwrap());
    }
}
