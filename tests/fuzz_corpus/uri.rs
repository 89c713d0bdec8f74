//! URIs, telephone numbers, escapes, and lookup keys.

use sip_survivability::uri::{
    AorKey, Component, HomeHosts, Host, Tel, Uri, UriBuf, UriBuilder, escape, unescape, unescape_bytes,
};

const COMPONENTS: [Component; 4] =
    [Component::User, Component::Password, Component::Param, Component::Header];

/// One or two URIs, a line each: views give back the text, parts make the URI again, comparison is reflexive and
/// symmetric, the lookup key agrees with it, and so do the forms of a telephone number.
pub fn uri(data: &[u8]) {
    let component = COMPONENTS[data.len() % COMPONENTS.len()];
    let escaped = escape(data, component);
    assert!(escaped.bytes().all(|byte| byte == b'%' || component.allows(byte)));
    assert_eq!(unescape_bytes(escaped.as_bytes()), data);

    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(number) = Tel::parse(first) {
        telephone(&number);
    }
    let (Ok(a), Ok(b)) = (Uri::parse(first), Uri::parse(second)) else { return };
    parts(&a);
    rebuilt(&a);
    assert!(a.equivalent(&a) && b.equivalent(&b));
    let same = a.equivalent(&b);
    assert_eq!(same, b.equivalent(&a));
    // RFC 3261 19.1.1: "any given parameter-name MUST NOT appear more than once". Which `user` counts then is open.
    if same && !says_user_twice(&a) && !says_user_twice(&b) {
        let mut home = HomeHosts::default();
        assert_eq!(AorKey::of(&a, &home), AorKey::of(&b, &home));
        if let Some(host) = a.host() {
            home.add(host);
            assert_eq!(AorKey::of(&a, &home), AorKey::of(&b, &home));
        }
    }
}

fn says_user_twice(uri: &Uri<'_>) -> bool {
    uri.params().filter(|(name, _)| unescape(name).eq_ignore_ascii_case("user")).nth(1).is_some()
}

/// The parts of a URI are parts of its text, in their order.
pub fn parts(uri: &Uri<'_>) {
    let text = uri.as_str();
    assert_eq!(UriBuf::from(*uri).as_str(), text);
    let rest = text.strip_suffix(uri.headers_str()).unwrap();
    let rest = rest.strip_suffix(uri.params_str()).unwrap();
    if uri.is_sip() {
        let mut rest = rest.split_once(':').unwrap().1;
        if let Some(user) = uri.user() {
            rest = rest.strip_prefix(user).unwrap();
            if let Some(password) = uri.password() {
                rest = rest.strip_prefix(':').unwrap().strip_prefix(password).unwrap();
            }
            rest = rest.strip_prefix('@').unwrap();
        }
        let host = uri.host().unwrap();
        if let Host::Name(name) = host {
            assert!(rest.starts_with(name));
        }
        assert_eq!(
            rest.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).filter(|_| uri.port().is_some()),
            uri.port()
        );
        assert_eq!(uri.host_port().map(|known| (known.host, known.port)), Some((host, uri.port())));
    }
    for (name, value) in uri.params().take(8) {
        let plain = unescape(name);
        // A name that is no text cannot be asked for.
        assert!(plain.contains('%') || uri.param(&plain).is_some());
        let _ = value.map(unescape);
    }
    let _ = (uri.headers().count(), uri.is_loose_router());
}

/// A SIP URI made again of its parts says the same.
fn rebuilt(uri: &Uri<'_>) {
    let Some(host) = uri.host() else { return };
    let mut builder = UriBuilder::sip(host);
    if let Some(user) = uri.user() {
        builder = builder.user(unescape_bytes(user.as_bytes()));
    }
    if let Some(password) = uri.password() {
        builder = builder.password(unescape_bytes(password.as_bytes()));
    }
    if let Some(port) = uri.port() {
        builder = builder.port(port);
    }
    for (name, value) in uri.headers().filter(|(name, _)| !name.is_empty()) {
        builder = builder.header(&unescape(name), unescape_bytes(value.as_bytes()));
    }
    let built = builder.build().unwrap();
    let built = built.as_uri();
    let plain = |text: Option<&str>| text.map(|text| unescape_bytes(text.as_bytes()).into_owned());
    assert_eq!(plain(built.user()), plain(uri.user()));
    assert_eq!(plain(built.password()), plain(uri.password()));
    assert_eq!((built.host(), built.port()), (uri.host(), uri.port()));
    let values = |uri: &Uri<'_>| {
        let named = uri.headers().filter(|(name, _)| !name.is_empty());
        named.map(|(_, value)| unescape_bytes(value.as_bytes()).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(values(&built), values(uri));
}

/// All forms of a number are that number.
fn telephone(number: &Tel<'_>) {
    assert!(number.equivalent(number));
    let canonical = number.canonical();
    let again = Tel::parse(&canonical).unwrap();
    assert!(again.equivalent(number) && number.equivalent(&again));
    assert_eq!(again.canonical(), canonical);
    let sip = number.to_sip(Host::Name("h")).build().unwrap();
    // What must be escaped in a user is another character there (RFC 3261 19.1.4).
    if canonical.bytes().all(|byte| byte == b'%' || Component::User.allows(byte)) {
        assert!(sip.as_uri().telephone().unwrap().equivalent(number));
    }
    let _ = (number.is_complete(), number.extension(), number.isdn_subaddress());
}
