//! The laws of URIs: comparison is reflexive and symmetric, keys agree with it, parsing keeps the text.

use proptest::prelude::*;
use sip_survivability::uri::{AorKey, HomeHosts, Host, Tel, Uri};

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
    fn any_text_is_parsed_or_refused(text in "(sip|tel|sips|x):[ -~\\PC\0]{0,40}", other in "(sip|tel):[a-z0-9%;=?&@:+]{0,30}") {
        for text in [&text, &other] {
            if let Ok(uri) = Uri::parse(text) {
                prop_assert!(uri.equivalent(&uri), "{}", text);
                let _ = (AorKey::of(&uri, &home()), uri.telephone(), uri.user_params().count());
            }
        }
    }
}
