//! URIs that other projects judged, and pairs of them.

use crate::support::*;
use sip_survivability::uri::Uri;
use std::fs;

/// URIs that other projects' tests accept or refuse, and we do not.
const PEER_URIS: &Exceptions = &[
    (&["sip:%@atlanta.org", "sip:%4`@atlanta.org"], "a broken escape, RFC 3261 25.1"),
    (&["sip:localhost;pvalue=\"hello world\""], "quotes and spaces must be escaped, RFC 3261 25.1"),
    (
        &[
            "sip:alice@atlanta.org;pn-prid=",
            "sip:alice@atlanta.org;pn-prid",
            "sip:alice@atlanta.org;pn-prid;foo=bar",
            "sip:alice@atlanta.org;pn-param=",
            "sip:alice@atlanta.org;pn-param",
            "sip:alice@atlanta.org;pn-param;foo=bar",
            "sip:alice@atlanta.org;pn-purr=",
            "sip:alice@atlanta.org;pn-purr",
            "sip:alice@atlanta.org;pn-purr;foo=bar",
        ],
        "parameters of RFC 8599 are kept as data",
    ),
];

#[test]
fn uris_of_other_projects() {
    let Some(corpora) = corpora() else { return };
    let mut verdicts = Vec::new();
    for file in fs::read_dir(corpora.join("peers")).unwrap() {
        for row in rows(&file.unwrap().path()) {
            let [kind, verdict, input, ..] = &row[..] else { panic!("{row:?}") };
            let is_sip = input.get(..4).is_some_and(|scheme| scheme.to_ascii_lowercase().starts_with("sip"));
            if matches!(kind.as_str(), "uri" | "fast_uri" | "url") && is_sip {
                let got = Uri::parse(input);
                verdicts.push((
                    input.clone(),
                    format!("{verdict}: {got:?}"),
                    (verdict == "accept") == got.is_ok(),
                ));
            }
        }
    }
    let agree = judge(&verdicts, PEER_URIS);
    say(&format!("peers: {agree} of {} URIs judged alike", verdicts.len()));
}

const PAIRS: &Exceptions = &[(
    &["sip:172.21.55.55:5060 sip:172.21.55.55", "sips:172.21.55.55:5061 sips:172.21.55.55"],
    "a default port that is written differs from none, RFC 3261 19.1.4",
)];

#[test]
fn pairs_of_uris_are_equal_or_not() {
    let Some(corpora) = corpora() else { return };
    let mut verdicts = Vec::new();
    for row in rows(&corpora.join("digest/uri-compare.tsv")) {
        let [a, b, expected, ..] = &row[..] else { panic!("{row:?}") };
        let (a_uri, b_uri) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        let equal = a_uri.equivalent(&b_uri);
        verdicts.push((format!("{a} {b}"), expected.clone(), (expected == "equal") == equal));
    }
    let agree = judge(&verdicts, PAIRS);
    say(&format!("uri-compare: {agree} of {} pairs judged alike", verdicts.len()));
}
