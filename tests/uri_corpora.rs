//! URIs against the vectors that others made, where those lie beside the project. A row that the RFC speaks against is
//! listed here with the section that does.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

use sip_survivability::uri::{AorKey, HomeHosts, Uri, unescape, unescape_bytes};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn corpora() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpora"));
    if !path.is_dir() {
        eprintln!("skipped: no corpora");
        return None;
    }
    Some(path)
}

/// `\r \n \t \\ \xNN`
fn plain(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let [escape, after @ ..] = rest else {
            out.push(first);
            continue;
        };
        if first != b'\\' {
            out.push(first);
            continue;
        }
        rest = after;
        match escape {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'x' => {
                let (hex, after) = rest.split_at(2);
                out.push(u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
                rest = after;
            }
            other => out.push(*other),
        }
    }
    String::from_utf8(out).unwrap()
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).skip(1).map(|line| line.split('\t').collect())
}

/// Pairs on which the file and the RFC differ: the RFC's word, and where it says it.
const AGAINST_PAIRS: [(&str, &str, &str); 2] = [
    (
        "sip:172.21.55.55:5060",
        "sip:172.21.55.55",
        "RFC 3261 19.1.4: a default port written and not written differ",
    ),
    (
        "sips:172.21.55.55:5061",
        "sips:172.21.55.55",
        "RFC 3261 19.1.4: a default port written and not written differ",
    ),
];

#[test]
fn pairs_of_uris_compare_as_the_rfcs_say() {
    let Some(corpora) = corpora() else { return };
    let text = fs::read_to_string(corpora.join("digest/uri-compare.tsv")).unwrap();
    let mut unused: BTreeSet<_> = AGAINST_PAIRS.iter().map(|(a, b, _)| (*a, *b)).collect();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for row in rows(&text) {
        let [a, b, expected, source] = row[..] else { panic!("{row:?}") };
        let (one, other) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        let expected = (expected == "equal") != unused.remove(&(a, b));
        if one.equivalent(&other) != expected || other.equivalent(&one) != expected {
            wrong.push(format!("{a} {b} {source}"));
        }
        let key = |uri| AorKey::of(uri, &HomeHosts::default());
        if expected && key(&one) != key(&other) {
            wrong.push(format!("{a} {b}: keys {:?} {:?}", key(&one), key(&other)));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(unused.is_empty(), "not in the file: {unused:?}");
    assert!(count > 90, "{count} rows");
}

/// Rows of other projects on which they and the RFC differ.
const AGAINST_ROWS: &[(&str, &str)] = &[
    // RFC 3261 25.1: absoluteURI = scheme ":" ..., and these have no scheme.
    ("/index.html", "RFC 3261 25.1 absoluteURI"),
    ("error", "RFC 3261 25.1 absoluteURI"),
    ("*;param=foo?query=bar", "RFC 3261 25.1 absoluteURI"),
    ("#foo", "RFC 3261 25.1 absoluteURI"),
    // escaped = "%" HEXDIG HEXDIG
    ("sip:%@atlanta.org", "RFC 3261 25.1 escaped"),
    ("sip:%4`@atlanta.org", "RFC 3261 25.1 escaped"),
    // pvalue = 1*paramchar, and a quotation mark is none.
    ("sip:localhost;pvalue=\"hello world\"", "RFC 3261 25.1 paramchar"),
    // other-param = pname [ "=" pvalue ]: what a parameter needs is for those to say who know it (RFC 8599), not for the
    // grammar of all URIs; "unknown parameters MUST be ignored" (RFC 3261 19.1.1).
    ("sip:alice@atlanta.org;pn-prid=", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-prid", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-prid;foo=bar", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-param=", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-param", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-param;foo=bar", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-purr=", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-purr", "RFC 3261 19.1.1"),
    ("sip:alice@atlanta.org;pn-purr;foo=bar", "RFC 3261 19.1.1"),
];

#[test]
fn uris_of_other_projects_are_taken_and_refused_as_there() {
    let Some(corpora) = corpora() else { return };
    let mut unused: BTreeSet<_> = AGAINST_ROWS.iter().map(|(input, _)| *input).collect();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in fs::read_dir(corpora.join("peers")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for row in rows(&text) {
            let [kind, verdict, input, ref more @ ..] = row[..] else { panic!("{row:?}") };
            if !matches!(kind, "uri" | "generic_uri" | "fast_uri" | "url") {
                continue;
            }
            count += 1;
            let input = plain(input);
            let is_against = AGAINST_ROWS.iter().any(|(listed, _)| *listed == input);
            unused.remove(input.as_str());
            let parsed = Uri::parse(&input);
            if parsed.is_ok() != ((verdict == "accept") != is_against) {
                wrong.push(format!("{verdict} {input:?}: {parsed:?}"));
            }
            if let (Ok(uri), Some(facts)) = (parsed, more.first()) {
                wrong.extend(
                    facts
                        .split(" ; ")
                        .filter_map(|fact| disagrees(&uri, fact))
                        .map(|why| format!("{input}: {why}")),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(unused.is_empty(), "not in the files: {unused:?}");
    assert!(count > 120, "{count} rows");
}

/// What `uri` has where a fact says something else. Facts about what we have no accessor for are passed over.
fn disagrees(uri: &Uri<'_>, fact: &str) -> Option<String> {
    let (name, expected) = fact.split_once('=')?;
    let value = |name| uri.param(name).map(Option::unwrap_or_default).unwrap_or_default();
    // Without brackets, as those projects have it.
    let host =
        || uri.host().map(|host| host.ip().map_or_else(|| host.to_string(), |address| address.to_string()));
    let is_sip = uri.is_sip();
    let found = match name {
        "uri_get_host" | "Host" | "u.host" if is_sip => host().unwrap_or_default(),
        "uri_get_port" | "Port" => uri.port().map(|port| port.to_string()).unwrap_or_default(),
        // One project takes the user's parameters for its own, and the others for the user's, as the RFC does.
        "u.user" => uri.user_name().unwrap_or_default().to_owned(),
        "uri_get_user" | "User" => unescape(uri.user().unwrap_or_default()).into_owned(),
        "uri_get_user_password" | "Pass" => unescape(uri.password().unwrap_or_default()).into_owned(),
        "uri_get_transport_param" | "u.transport_val" => value("transport").to_owned(),
        "uri_get_maddr_param" | "u.maddr_val" => value("maddr").to_owned(),
        "uri_get_user_param" | "u.user_param_val" => value("user").to_owned(),
        "uri_get_method_param" => value("method").to_owned(),
        "uri_get_ttl_param" => value("ttl").to_owned(),
        "u.gr_val" => value("gr").to_owned(),
        "uri_has_lr_param" => u8::from(uri.is_loose_router()).to_string(),
        _ => return None,
    };
    (!found.eq_ignore_ascii_case(expected)).then(|| format!("{fact}, but {found:?}"))
}

#[test]
fn contacts_that_differ_by_nuls_differ() {
    let Some(corpora) = corpora() else { return };
    let message = fs::read_to_string(corpora.join("rfc4475/escnull.dat")).unwrap();
    let contacts = message.lines().filter(|line| line.starts_with("Contact:"));
    let uris: Vec<_> = contacts
        .filter_map(|line| line.split(['<', '>']).nth(1))
        .map(|uri| Uri::parse(uri).unwrap())
        .collect();
    let [one, two] = uris[..] else { panic!("{uris:?}") };
    assert!(!one.equivalent(&two));
    assert_ne!(AorKey::of(&one, &HomeHosts::default()), AorKey::of(&two, &HomeHosts::default()));
    let nuls = |uri: &Uri<'_>| {
        unescape_bytes(uri.user().unwrap().as_bytes()).iter().filter(|&&byte| byte == 0).count()
    };
    assert_eq!((nuls(&one), nuls(&two)), (1, 2));
}
