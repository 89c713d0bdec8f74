//! Pairs of URIs that are equal or not, and what a registrar may not confuse.

use crate::support::*;
use sip_survivability::message::Message;
use sip_survivability::uri::{AorKey, HomeHosts, Uri, unescape_bytes};
use std::fs;

const PAIRS: &Exceptions = &[(
    &["sip:172.21.55.55:5060 sip:172.21.55.55", "sips:172.21.55.55:5061 sips:172.21.55.55"],
    "a default port that is written differs from none, RFC 3261 19.1.4",
)];

fn key(uri: &Uri<'_>) -> Option<AorKey> {
    AorKey::of(uri, &HomeHosts::default())
}

#[test]
fn pairs_of_uris_are_equal_or_not() {
    let Some(corpora) = corpora() else { return };
    let mut verdicts = Vec::new();
    for row in rows(&corpora.join("digest/uri-compare.tsv")) {
        let [a, b, expected, ..] = &row[..] else { panic!("{row:?}") };
        let (one, other) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        let equal = one.equivalent(&other);
        assert_eq!(equal, other.equivalent(&one), "{a} {b}");
        assert!(!equal || key(&one) == key(&other), "{a} {b}");
        verdicts.push((format!("{a} {b}"), expected.clone(), (expected == "equal") == equal));
    }
    let agree = judge(&verdicts, PAIRS);
    say(&format!("uri-compare: {agree} of {} pairs judged alike", verdicts.len()));
}

#[test]
fn contacts_that_differ_by_nuls_differ() {
    let Some(corpora) = corpora() else { return };
    let message = Message::parse(fs::read(corpora.join("rfc4475/escnull.dat")).unwrap()).unwrap();
    let contacts = message.head().contacts().map(|contact| contact.unwrap().address().unwrap().uri);
    let [one, two] = contacts.collect::<Vec<_>>()[..] else { panic!("two contacts") };
    assert!(!one.equivalent(&two));
    assert_ne!(key(&one), key(&two));
    let nuls = |uri: &Uri<'_>| {
        unescape_bytes(uri.user().unwrap().as_bytes()).iter().filter(|byte| **byte == 0).count()
    };
    assert_eq!((nuls(&one), nuls(&two)), (1, 2));
}
