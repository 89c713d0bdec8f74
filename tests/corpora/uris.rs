//! Pairs of URIs that are equal or not.

use crate::support::*;
use sip_survivability::uri::Uri;

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
