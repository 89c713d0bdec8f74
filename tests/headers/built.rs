//! Every header field's values, made by its builder of all that its rule allows: they come back from a message that holds them.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sip_survivability::headers::field::{self, Field, WithParams};
use sip_survivability::headers::{HeaderName, Value};
use sip_survivability::message::Message;
use std::fmt::Display;

/// A law over the text of one value, and parameters to add to it.
type Law = fn(&str, &[(String, Option<String>)]) -> Result<(), TestCaseError>;

/// Value, bytes of a message, value.
fn comes_back<F: Field>(value: &Value<F>) -> Result<(), TestCaseError> {
    if F::NAME == HeaderName::ContentLength {
        // The builder's own.
        return Ok(());
    }
    let built = super::request_with(F::NAME, value.as_str())
        .map_err(|error| TestCaseError::fail(format!("{value}: {error}")))?;
    let message = Message::parse(built).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let mut read = message.head().each::<F>();
    let view = read.next().transpose().map_err(|error| TestCaseError::fail(format!("{value}: {error}")))?;
    let written = view.map(|view| view.to_string());
    prop_assert_eq!(written.as_deref(), Some(value.as_str()));
    prop_assert_eq!(view, F::parse(value.as_str()).ok());
    prop_assert!(read.next().is_none());
    Ok(())
}

fn made<F: Field>(text: impl Display) -> Result<Value<F>, TestCaseError> {
    let shown = text.to_string();
    Value::new(text).map_err(|error| TestCaseError::fail(format!("{}: {shown:?}: {error}", F::NAME)))
}

fn plain<F: Field>(text: &str, _: &[(String, Option<String>)]) -> Result<(), TestCaseError> {
    comes_back(&made::<F>(text)?)
}

fn with_params<F: WithParams>(text: &str, params: &[(String, Option<String>)]) -> Result<(), TestCaseError> {
    let mut value = made::<F>(text)?;
    for (name, param) in params {
        if F::has_param(value.as_str(), name) {
            continue;
        }
        let added = match param {
            Some(text) => Value::<F>::new(&value).and_then(|value| value.param(name, text)),
            None => Value::<F>::new(&value).and_then(|value| value.flag(name)),
        };
        // Some fields have no flags, and some names have rules of their own.
        if let Ok(added) = added {
            prop_assert!(F::has_param(added.as_str(), name));
            value = added;
        }
    }
    comes_back(&value)
}

const TOKEN: &str = "[A-Za-z0-9.!%*_+`'~-]{1,9}";
const MEDIA: &str = "[a-z*]{1,9}/[A-Za-z0-9.+-]{1,9}";
const WORD: &str = "[A-Za-z0-9.!%*_+`'~()<>:/?{}\"-]{1,9}(@[A-Za-z0-9.-]{1,9})?";
const NUMBER: &str = "[0-9]{1,9}";
const ADDRESS: &str = "(\"[ !#-\\[\\]-~é]{0,9}\" |[A-Za-z]{1,5} )?<(sips?:(([a-z]|%41){1,5}@)?(h|192\\.0\\.2\\.1|\\[::1\\])(:5060)?(;lr)?|tel:\\+1-2|urn:a:b)>";
const INFO: &str = "<(https?://h/[a-z?,;=]{0,9}|cid:a@h|urn:alert:a)>";
const TEXT: &str = "[!-~é]([ -~é]{0,20}[!-~é])?";
const SCHEME: &str = "Digest [a-z]{1,5}=(\"[ !#-\\[\\]-~é]{0,9}\"|[a-z0-9]{1,9})(, x[0-9]=[a-z]{1,3}){0,2}";
const DIALOG: &str = "[a-z0-9]{1,9}@h;to-tag=[a-z0-9]{1,5};from-tag=[a-z0-9]{1,5}";
const NAMESPACE: &str = "[a-z-]{1,5}\\.[0-9a-z-]{1,5}";

/// Each header field with what its values are made of.
const FIELDS: &[(HeaderName, &str, Law)] = &{
    use HeaderName::*;
    macro_rules! fields {
        ($($law:ident $field:ident $text:expr;)*) => { [$(($field, $text, $law::<field::$field>)),*] };
    }
    fields! {
        with_params Accept MEDIA;
        with_params AcceptContact r"\*";
        with_params AcceptEncoding TOKEN;
        with_params AcceptLanguage "[a-z]{1,8}(-[a-z]{1,8})?";
        plain AcceptResourcePriority NAMESPACE;
        with_params AlertInfo INFO;
        plain Allow TOKEN;
        plain AllowEvents TOKEN;
        with_params AuthenticationInfo "nextnonce=\"[a-z]{1,9}\"";
        with_params Authorization SCHEME;
        plain CallId WORD;
        with_params CallInfo INFO;
        with_params Contact ADDRESS;
        with_params ContentDisposition TOKEN;
        plain ContentEncoding TOKEN;
        plain ContentLanguage "[a-z]{1,8}(-[a-z]{1,8})?";
        plain ContentLength NUMBER;
        with_params ContentType MEDIA;
        plain CSeq "[0-9]{1,9} [A-Za-z0-9.!%*_+`'~-]{1,9}";
        plain Date "Mon, 0[17] (Jan|Feb) 2(008|036) (0[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] GMT";
        with_params Diversion ADDRESS;
        with_params ErrorInfo INFO;
        with_params Event TOKEN;
        plain Expires NUMBER;
        with_params FeatureCaps r"\*";
        plain FlowTimer NUMBER;
        with_params From ADDRESS;
        with_params Geolocation INFO;
        with_params HistoryInfo "<sip:[a-z]{1,5}@h>;index=[1-9](\\.[1-9]){0,3}";
        with_params Identity "[A-Za-z0-9_-]{1,9}\\.[A-Za-z0-9_-]{0,9}\\.[A-Za-z0-9_-]{1,9};info=<https://h/[a-z]{0,9}>";
        with_params IdentityInfo INFO;
        plain InReplyTo WORD;
        with_params Join DIALOG;
        plain MaxBreadth NUMBER;
        plain MaxForwards "[1-9]?[0-9]|1[0-9][0-9]|25[0-5]";
        plain MinExpires NUMBER;
        with_params MinSe NUMBER;
        plain Organization TEXT;
        with_params PAssertedIdentity ADDRESS;
        with_params PAssociatedUri ADDRESS;
        with_params PPreferredIdentity ADDRESS;
        with_params Path ADDRESS;
        plain Priority TOKEN;
        plain Privacy "[a-z]{1,9}(;[a-z]{1,9}){0,3}";
        with_params ProxyAuthenticate SCHEME;
        with_params ProxyAuthorization SCHEME;
        plain ProxyRequire TOKEN;
        plain RAck "[1-9][0-9]{0,8} [0-9]{1,9} [A-Z]{1,9}";
        plain RSeq "[1-9][0-9]{0,8}";
        with_params Reason TOKEN;
        with_params RecordRoute ADDRESS;
        with_params ReferTo ADDRESS;
        with_params ReferredBy ADDRESS;
        with_params RejectContact r"\*";
        with_params Replaces DIALOG;
        with_params ReplyTo ADDRESS;
        plain RequestDisposition TOKEN;
        plain Require TOKEN;
        plain ResourcePriority NAMESPACE;
        with_params RetryAfter "[0-9]{1,9}( \\([ !#-'*-\\[\\]-~]{0,9}\\))?";
        with_params Route ADDRESS;
        plain Server TEXT;
        with_params ServiceRoute ADDRESS;
        with_params SessionExpires "[0-9]{1,9}(;refresher=ua[cs])?";
        with_params SessionId "[0-9a-f]{32}(;remote=[0-9a-f]{32})?";
        plain SipEtag TOKEN;
        plain SipIfMatch TOKEN;
        plain Subject TEXT;
        with_params SubscriptionState "(active|pending|terminated)(;expires=[0-9]{1,9})?";
        plain Supported TOKEN;
        plain Timestamp r"[0-9]{1,9}(\.[0-9]{1,6})?( [0-9]{1,6}(\.[0-9]{1,6})?)?";
        with_params To ADDRESS;
        plain Unsupported TOKEN;
        plain UserAgent TEXT;
        with_params UserToUser "[0-9a-f]{2,20}";
        with_params Via r"SIP/2\.0/[A-Z]{2,5} ([a-z]{1,5}\.example|192\.0\.2\.1|\[2001:db8::1\])(:[1-9][0-9]{0,3})?(;branch=z9hG4bK[a-z0-9]{1,9})?(;rport(=[1-9][0-9]{0,3})?)?";
        with_params WwwAuthenticate SCHEME;
        plain Warning "3[0-9]{2} [a-z]{1,5}(:[0-9]{1,4})? \"[ !#-\\[\\]-~é]{0,9}\"";
    }
};

#[test]
fn every_value_that_is_built_comes_back_from_a_message() {
    for name in HeaderName::KNOWN {
        assert!(FIELDS.iter().any(|(known, ..)| known == name), "no value of {name} is built");
    }
    let mut broken = Vec::new();
    for (name, text, law) in FIELDS {
        let text = proptest::string::string_regex(text).unwrap();
        let param = ("[a-z+.-]{1,6}", proptest::option::of("[ -~é]{0,8}"));
        let params = proptest::collection::vec(param, 0..3);
        let mut runner =
            TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) });
        let result = runner.run(&(text, params), |(text, params)| law(&text, &params));
        broken.extend(result.err().map(|error| format!("{name}: {error}")));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
