//! The laws of URIs: comparison is reflexive and symmetric, keys agree with it, parsing keeps the text.

use proptest::prelude::*;
use sip_survivability::uri::{AorKey, HomeHosts, Host, Tel, Uri};
use std::net::Ipv4Addr;

/// URIs out of few parts, so that many pairs of them mean the same.
fn sip() -> impl Strategy<Value = String> {
    let pick = |parts: &'static [&'static str]| prop::sample::select(parts);
    let param = pick(&[
        ";lr",
        ";x=1",
        ";X=%31",
        ";x=2",
        ";transport=tcp",
        ";Transport=TCP",
        ";user=phone",
        ";maddr=[::1]",
        ";;",
    ]);
    let header = pick(&["a=1", "A=1", "s=b", "subject=B", "call-id=x", "i=X"]);
    (
        pick(&["sip:", "SIP:", "sips:"]),
        pick(&[
            "", "a@", "%61@", "A@", "a%3B1@", "a%3b%31@", "a;1@", "%ff@", "%FF@", "n%00@", "+1-2@", "+12@",
            "a:p@", "a:%70@",
        ]),
        pick(&[
            "h.example",
            "H.Example",
            "192.0.2.1",
            "[::1]",
            "[0::1]",
            "[fe80::1%25e]",
            "[FE80::1%25%65]",
            "h:5060",
            "h",
        ]),
        prop::collection::vec(param, 0..4),
        prop::collection::vec(header, 0..3),
    )
        .prop_map(|(scheme, user, host, params, headers)| {
            let mark = if headers.is_empty() { "" } else { "?" };
            format!("{scheme}{user}{host}{}{mark}{}", params.concat(), headers.join("&"))
        })
}

fn tel() -> impl Strategy<Value = String> {
    let pick = |parts: &'static [&'static str]| prop::sample::select(parts);
    let number = pick(&["+1-2", "+12", "+(1)2", "12", "1.2", "1A", "1a", "%31A", "*1#"]);
    let param = pick(&[
        ";ext=1-2",
        ";EXT=12",
        ";isub=a",
        ";isub=A",
        ";isub=a:b",
        ";isub=a%3ab",
        ";phone-context=+1-2",
        ";phone-context=+12",
        ";Phone-Context=h.Example",
        ";phone-context=H.example",
        ";x",
        ";y=%41",
        ";Y=a",
    ]);
    (pick(&["tel:", "TEL:"]), number, prop::collection::vec(param, 0..3))
        .prop_map(|(scheme, number, params)| format!("{scheme}{number}{}", params.concat()))
}

fn other() -> impl Strategy<Value = String> {
    prop::sample::select(
        &[
            "urn:example:A",
            "URN:Example:A",
            "urn:example:a",
            "urn:example:A#f",
            "http://H/a",
            "HTTP://h/a",
            "x:%2f",
            "X:%2F",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn any_uri() -> impl Strategy<Value = String> {
    prop_oneof![4 => sip(), 3 => tel(), 1 => other()]
}

fn home() -> HomeHosts {
    let mut home = HomeHosts::default();
    ["h", "[::1]"].into_iter().filter_map(Host::parse).for_each(|host| home.add(host));
    home
}

/// `hostname = *( domainlabel "." ) toplabel [ "." ]` (RFC 3261 25.1) label by label, with the underscore.
fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(is_letter) && !label.starts_with('-') && !label.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let top = text.rsplit('.').next().unwrap_or_default();
    text.split('.').all(is_label) && !top.starts_with(|c: char| c.is_ascii_digit())
}

fn plain_host(text: &str) -> Option<Host<'_>> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse().ok().map(Host::V6);
    }
    let address = text.parse::<Ipv4Addr>().ok().map(Host::V4);
    address.or_else(|| is_name(text).then_some(Host::Name(text)))
}

/// The parts of a SIP URI: user, password, host, port, parameters and header fields.
type Parts<'a> = (Option<&'a str>, Option<&'a str>, Host<'a>, Option<u16>, &'a str, &'a str);

/// `[ userinfo ] hostport uri-parameters [ headers ]`, cut one after another with copies of nothing and no speed.
fn plain_parts(text: &str) -> Option<Parts<'_>> {
    let escapes = text.split('%').skip(1);
    let is_hex = |text: &str| text.chars().take(2).filter(char::is_ascii_hexdigit).count() == 2;
    let is_barred = |c: char| c.is_ascii_control() || matches!(c, ' ' | '<' | '>' | '"');
    if text.contains(is_barred) || !escapes.into_iter().all(is_hex) || text.matches('@').count() > 1 {
        return None;
    }
    let (userinfo, rest) = text.split_once('@').map_or((None, text), |(user, rest)| (Some(user), rest));
    let (user, password) = match userinfo.map(|info| info.split_once(':').ok_or(info)) {
        None => (None, None),
        Some(Ok((user, password))) => (Some(user), Some(password)),
        Some(Err(user)) => (Some(user), None),
    };
    // What is let pass in a user may not make an IPv6 reference of it.
    let is_reference = |info: &str| info.starts_with('[') && info.contains([':', '?', '%']);
    if user.is_some_and(str::is_empty) || userinfo.is_some_and(is_reference) {
        return None;
    }
    let (hostport, tail) = rest.split_at(rest.find([';', '?']).unwrap_or(rest.len()));
    let host_len = hostport.find(']').map_or_else(|| hostport.find(':'), |at| Some(at + 1));
    let (host, port) = hostport.split_at(host_len.unwrap_or(hostport.len()));
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.chars().all(|c| c.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    let (params, headers) = tail.split_at(tail.find('?').unwrap_or(tail.len()));
    Some((user, password, plain_host(host)?, port, params, headers))
}

/// Pieces of SIP URIs in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "h",
        "h.example",
        "192.0.2.1",
        "[::1]",
        "@",
        "@",
        ":",
        ":5060",
        ";",
        ";lr",
        "?",
        "=",
        "&",
        "%41",
        "%",
        "%4",
        "65536",
        "-",
        ".",
        "_",
        "[",
        "]",
        "<",
        " ",
        "\u{e9}",
        "\0",
        "\u{7f}",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_uri_is_equivalent_to_itself_and_comes_back_as_it_was(text in any_uri()) {
        let uri = Uri::parse(&text).unwrap();
        prop_assert!(uri.equivalent(&uri));
        let owned = uri.to_buf();
        prop_assert_eq!(owned.as_str(), &text);
    }

    #[test]
    fn what_is_equivalent_has_one_key_and_is_so_both_ways(one in any_uri(), others in prop::collection::vec(any_uri(), 30)) {
        let a = Uri::parse(&one).unwrap();
        for other in &others {
            let b = Uri::parse(other).unwrap();
            prop_assert_eq!(a.equivalent(&b), b.equivalent(&a), "{} {}", &a, &b);
            if a.equivalent(&b) {
                for home in [home(), HomeHosts::default()] {
                    prop_assert_eq!(AorKey::of(&a, &home), AorKey::of(&b, &home), "{} {}", &a, &b);
                }
            }
        }
    }

    #[test]
    fn the_canonical_form_of_a_number_is_one_of_its_forms(text in tel()) {
        if let Some(number) = Uri::parse(&text).unwrap().telephone() {
            let canonical = number.canonical();
            let again = Tel::parse(&canonical).unwrap();
            prop_assert!(number.equivalent(&again), "{} {}", &text, &canonical);
            prop_assert_eq!(again.canonical(), canonical.clone());
            let sip = number.to_sip(Host::Name("h")).build().unwrap();
            prop_assert!(sip.as_uri().telephone().unwrap().equivalent(&number), "{}", sip);
        }
    }

    #[test]
    fn a_host_is_what_the_grammar_says(
        word in "[a1_.-]{0,8}",
        numbers in "[12]?[0-9]{1,2}([.][0-9]{1,3}){2,4}[.a]?",
        soup in soup(),
    ) {
        for text in [&word, &numbers, &soup] {
            prop_assert_eq!(Host::parse(text), plain_host(text), "{}", text);
        }
    }

    #[test]
    fn the_parts_of_a_sip_uri_are_found_as_the_grammar_has_them(
        scheme in prop::sample::select(&["sip:", "sips:", "SiP:"][..]),
        (user, host, tail) in (soup(), prop::sample::select(&["", "h", "@h", "@[::1]:5", "@192.0.2.1"][..]), soup()),
    ) {
        for rest in [format!("{user}{host}{tail}"), user] {
            let text = format!("{scheme}{rest}");
            let uri = Uri::parse(&text).ok();
            let parts = uri.map(|uri| {
                (uri.user(), uri.password(), uri.host().unwrap(), uri.port(), uri.params_str(), uri.headers_str())
            });
            prop_assert_eq!(parts, plain_parts(&rest), "{}", text);
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "(sip|tel|sips|x):[ -~\\PC\0]{0,40}", other in "(sip|tel):[a-z0-9%;=?&@:+]{0,30}") {
        for text in [&text, &other] {
            if let Ok(uri) = Uri::parse(text) {
                prop_assert!(uri.equivalent(&uri), "{}", text);
                let _ = (AorKey::of(&uri, &home()), uri.telephone(), uri.user_params().count());
            }
        }
    }
}
