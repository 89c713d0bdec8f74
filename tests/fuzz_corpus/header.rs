//! Header fields' values: each shape that there is, and credentials.

use sip_survivability::headers::field::{self, Field, WithParams, canonical};
use sip_survivability::headers::{
    Auth, AuthParams, Contact, HeaderName, List, NameAddr, Value, Via, unquoted,
};
use std::net::SocketAddr;

const SOURCES: [&str; 2] = ["192.0.2.7:4000", "[2001:db8::7]:4000"];

/// One law for each shape of value.
macro_rules! shapes {
    ($($law:ident: $($field:ident)*;)*) => { &[$($($law::<field::$field>,)*)*] };
}

const SHAPES: &[fn(&str)] = shapes! {
    law: Allow AuthenticationInfo Authorization CSeq CallId ContentLength Date Expires InReplyTo MaxForwards Privacy RAck
        RSeq ResourcePriority Subject Supported Timestamp UserAgent Warning;
    law_with_params: Accept AlertInfo Contact ContentDisposition Diversion Event From HistoryInfo Identity Path Reason
        Replaces RetryAfter SessionExpires SessionId SubscriptionState UserToUser Via;
};

/// The first byte picks a header field and a shape, the rest is a value: what is written of it is read again as the same,
/// whoever writes it, and stands on one line.
pub fn headers(data: &[u8]) {
    let Some((&pick, data)) = data.split_first() else { return };
    let _ = HeaderName::of(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let name = HeaderName::KNOWN[usize::from(pick) % HeaderName::KNOWN.len()];
    if let Some(Ok(written)) = canonical(name, text) {
        assert!(!written.contains(['\r', '\n']));
        assert_eq!(canonical(name, &written), Some(Ok(written)));
    }
    SHAPES[usize::from(pick) % SHAPES.len()](text);
    for value in List::new(text) {
        assert!(List::new(value).eq([value]));
    }
    if let Ok(one) = Via::parse(text) {
        via(&one);
    }
    if let Ok(one) = Contact::parse(text) {
        contact(&one);
    }
}

/// Value, text, value.
fn law<F: Field>(text: &str) {
    for view in field::values::<F>(text) {
        let Ok(view) = view else { return };
        let written = view.to_string();
        // Control characters are read, for others to refuse, but never written.
        match Value::<F>::new(view) {
            Ok(value) => assert_eq!(value.as_str(), written),
            Err(_) => assert!(written.bytes().any(|byte| byte.is_ascii_control())),
        }
        assert_eq!(F::parse(&written).unwrap().to_string(), written);
    }
}

/// Value, a parameter more, value.
fn law_with_params<F: WithParams + Clone>(text: &str) {
    law::<F>(text);
    let Ok(value) = Value::<F>::new(text) else { return };
    for added in [value.clone().flag("x-flag"), value.param("x-flag", text)].into_iter().flatten() {
        assert!(F::has_param(added.as_str(), "X-Flag"));
        assert_eq!(F::parse(added.as_str()).unwrap().to_string(), added.as_str());
    }
}

/// RFC 3261 18.2.1, RFC 3581 section 4.
fn via(via: &Via<'_>) {
    for source in SOURCES {
        let source: SocketAddr = source.parse().unwrap();
        let stamped = via.stamped(source);
        let after = Via::parse(&stamped).unwrap();
        assert_eq!((after.transport, after.sent_by), (via.transport, via.sent_by));
        assert_eq!(after.branch(), via.branch());
        assert!(after.received() == Some(source.ip()) || via.sent_by.host.ip() == Some(source.ip()));
        assert_eq!(after.rport(), via.rport().map(|_| Some(source.port())));
        assert_eq!(via.response_address(source).ip(), source.ip());
    }
}

pub fn address(address: &NameAddr<'_>) {
    super::uri::parts(&address.uri);
    assert!(address.q() <= 1000);
    let _ = (address.tag(), address.expires(), address.instance(), address.reg_id());
    assert_eq!(address.display_name().is_none(), address.display.is_empty());
    for (name, _) in address.params.iter().take(8) {
        assert!(address.params.find(name).is_some());
    }
}

pub fn contact(contact: &Contact<'_>) {
    if let Contact::Address(one) = contact {
        address(one);
    }
}

/// Challenges, credentials and Authentication-Info: what is written of them says the same; and what is built of any texts,
/// one in each line, gives them back.
pub fn credentials(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(auth) = Auth::parse(text) {
        let written = auth.to_string();
        let again = Auth::parse(&written).unwrap();
        assert_eq!((again.scheme, again.token), (auth.scheme, auth.token));
        same_params(&again.params, &auth.params);
        assert_eq!(again.to_string(), written);
        assert_eq!(again.is_stale(), auth.is_stale());
        if !text.contains(['\r', '\n']) {
            assert_eq!(again, auth);
            assert!(again.qop().eq(auth.qop()));
        }
    }
    if let Ok(info) = AuthParams::parse(text) {
        let written = info.to_string();
        same_params(&AuthParams::parse(&written).unwrap(), &info);
    }
    let mut lines = text.split('\n');
    let [realm, nonce, qop] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let challenge = Value::<field::WwwAuthenticate>::scheme("Digest", "realm", realm)
        .and_then(|value| value.quoted("nonce", nonce)?.param("qop", qop));
    if let Ok(challenge) = challenge {
        let read = field::WwwAuthenticate::parse(challenge.as_str()).unwrap();
        assert!(read.is_digest());
        assert_eq!(read.realm().as_deref(), Some(realm));
        assert_eq!(read.nonce().as_deref(), Some(nonce));
        assert_eq!(read.params.text("qop").as_deref(), Some(qop));
    }
}

/// The same names, and values that mean the same; a line end that is no fold means nothing.
fn same_params(a: &AuthParams<'_>, b: &AuthParams<'_>) {
    assert_eq!(a.iter().count(), b.iter().count());
    assert_eq!(a.nonce_count(), b.nonce_count());
    for ((name, value), (also, other)) in a.iter().zip(b.iter()) {
        assert_eq!(name, also);
        let words = |text| unquoted(text).split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines = |text: &str| text.split('\n').skip(1).all(|line| line.starts_with([' ', '\t']));
        if [value, other].iter().all(|text| lines(text) && !text.replace("\r\n", "").contains('\r')) {
            assert_eq!(words(value), words(other));
        }
    }
}
