//! Equality of URIs: RFC 3261 19.1.4 for SIP and SIPS, RFC 3966 section 4 for tel, RFC 8141 section 3 for urn, and RFC 3986
//! 6.2.2.1 for the rest.
//!
//! Nothing is copied for URIs of ordinary size. Those with very many parameters or header fields are sorted first, so
//! that no URI makes the comparison quadratic.

use super::escape::{Unescaped, Unit, says, unescape_bytes};
use super::{Host, Scheme, Uri};
use std::cmp::Ordering;

/// These count even if they stand in one of the two URIs only.
const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

/// Lists up to this length are compared each with each.
const FEW: usize = 16;

pub(super) fn equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    // Nearly always a phone writes its contact as it did before.
    if a.as_str() == b.as_str() {
        return true;
    }
    if !a.is_sip() || !b.is_sip() {
        return other_scheme(a, b);
    }
    a.scheme() == b.scheme()
        && same_text(a.user(), b.user())
        && same_text(a.password(), b.password())
        && a.host() == b.host()
        // "A URI omitting any component with a default value will not match a URI explicitly containing that
        // component with its default value."
        && a.port() == b.port()
        && params_agree(a, b)
        && headers_agree(a, b)
}

/// "Comparison of the userinfo of SIP and SIPS URIs is case-sensitive"; an escape equals what it stands for.
fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => units(a).eq(units(b)),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn units(text: &str) -> Unescaped<'_> {
    Unescaped::new(text.as_bytes())
}

fn folded(text: &str) -> impl Iterator<Item = Unit> + use<'_> {
    units(text).map(Unit::to_lower)
}

fn params_agree(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let is_short = |uri: &Uri<'_>| uri.params().nth(FEW).is_none();
    if is_short(a) && is_short(b) {
        return params_within(a, b) && params_within(b, a);
    }
    sorted_params_agree(a, b)
}

/// Each parameter of `a` is in `b`, or may be ignored. One that is repeated, which it must not be (RFC 3261 19.1.1), is there
/// if any of its values is.
fn params_within(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.params().all(|(name, value)| {
        let mut values = b.params().filter(|(other, _)| folded(name).eq(folded(other))).peekable();
        match values.peek() {
            None => !is_never_ignored(name),
            Some(_) => values.any(|(_, other)| param_order(name, value, other).is_eq()),
        }
    })
}

fn is_never_ignored(name: &str) -> bool {
    NEVER_IGNORED.iter().any(|never| says(name, never))
}

/// Compares two values of the parameter `name`.
fn param_order(name: &str, a: Option<&str>, b: Option<&str>) -> Ordering {
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
    if says(name, "method") {
        // RFC 3261 7.1: "The method name is case-sensitive", which is to define otherwise.
        return units(a).cmp(units(b));
    }
    let address = |value| match Host::parse(value) {
        Some(Host::V6(address)) if says(name, "maddr") => Some(address),
        _ => None,
    };
    address(a).cmp(&address(b)).then_with(|| match address(a) {
        Some(_) => Ordering::Equal,
        None => folded(a).cmp(folded(b)),
    })
}

fn sorted_params_agree<'a>(a: &Uri<'a>, b: &Uri<'a>) -> bool {
    let order = |(name, value): &(&str, Option<&str>), (other, also): &(&str, Option<&str>)| {
        folded(name).cmp(folded(other)).then_with(|| param_order(name, *value, *also))
    };
    let sorted = |uri: &Uri<'a>| {
        let mut params: Vec<_> = uri.params().collect();
        params.sort_unstable_by(order);
        params.dedup_by(|x, y| order(x, y).is_eq());
        params
    };
    let (a, b) = (sorted(a), sorted(b));
    let same_name = |x: &(&str, _), y: &(&str, _)| folded(x.0).eq(folded(y.0));
    let (mut left, mut right) = (a.chunk_by(same_name).peekable(), b.chunk_by(same_name).peekable());
    loop {
        let (Some([(one, _), ..]), Some([(other, _), ..])) = (left.peek(), right.peek()) else {
            return !left.chain(right).flatten().any(|(name, _)| is_never_ignored(name));
        };
        let (lone, name) = match folded(one).cmp(folded(other)) {
            Ordering::Less => (left.next(), one),
            Ordering::Greater => (right.next(), other),
            Ordering::Equal => match (left.next(), right.next()) {
                (Some(x), Some(y))
                    if x.len() == y.len() && x.iter().zip(y).all(|(x, y)| order(x, y).is_eq()) =>
                {
                    continue;
                }
                _ => return false,
            },
        };
        if lone.is_some() && is_never_ignored(name) {
            return false;
        }
    }
}

/// "URI header components are never ignored. Any present header component MUST be present in both URIs and match".
fn headers_agree<'a>(a: &Uri<'a>, b: &Uri<'a>) -> bool {
    let count = a.headers().count();
    if count != b.headers().count() {
        return false;
    }
    if count <= FEW {
        let times = |uri: &Uri<'a>, one: &(&str, &str)| {
            uri.headers().filter(|other| header_order(one, other).is_eq()).count()
        };
        return a.headers().all(|header| times(a, &header) == times(b, &header));
    }
    let sorted = |uri: &Uri<'a>| {
        let mut headers: Vec<_> = uri.headers().collect();
        headers.sort_unstable_by(header_order);
        headers
    };
    sorted(a).iter().zip(&sorted(b)).all(|(x, y)| header_order(x, y).is_eq())
}

fn header_order((name, value): &(&str, &str), (other, also): &(&str, &str)) -> Ordering {
    let (sensitive, also_sensitive) = (is_case_sensitive(name, value), is_case_sensitive(other, also));
    header_name(name)
        .cmp(header_name(other))
        .then(sensitive.cmp(&also_sensitive))
        .then_with(|| if sensitive { units(value).cmp(units(also)) } else { folded(value).cmp(folded(also)) })
}

/// A header field's name in lower case, compact forms written out (RFC 3261 7.3.3).
fn header_name(name: &str) -> impl Iterator<Item = Unit> + use<'_> {
    let long = match name.as_bytes() {
        [b'c' | b'C'] => "content-type",
        [b'e' | b'E'] => "content-encoding",
        [b'f' | b'F'] => "from",
        [b'i' | b'I'] => "call-id",
        [b'k' | b'K'] => "supported",
        [b'l' | b'L'] => "content-length",
        [b'm' | b'M'] => "contact",
        [b's' | b'S'] => "subject",
        [b't' | b'T'] => "to",
        [b'v' | b'V'] => "via",
        _ => name,
    };
    folded(long)
}

/// RFC 3261 7.3.1: "Unless otherwise stated in the definition of a particular header field, field values, parameter names,
/// and parameter values are case-insensitive", but quoted strings are not. Nor are Call-ID (20.8), the methods of CSeq
/// (20.16) and Allow, Date (20.17), the body, and values that hold a URI, whose user is case-sensitive.
fn is_case_sensitive(name: &str, value: &str) -> bool {
    const SENSITIVE: [&str; 5] = ["call-id", "cseq", "allow", "date", "body"];
    SENSITIVE.iter().any(|sensitive| header_name(name).map(|unit| unit.byte).eq(sensitive.bytes()))
        || units(value).any(|unit| matches!(unit.byte, b'"' | b'@'))
}

fn other_scheme(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    match (a.scheme(), b.scheme()) {
        (Scheme::Tel, Scheme::Tel) => match (a.telephone(), b.telephone()) {
            (Some(a), Some(b)) => a.equivalent(&b),
            // No telephone number by the grammar, but RFC 3966 section 4 has all of it without case.
            (None, None) => folded(a.opaque()).eq(folded(b.opaque())),
            (Some(_), None) | (None, Some(_)) => false,
        },
        (Scheme::Other(one), Scheme::Other(other)) if one.eq_ignore_ascii_case(other) => {
            let (fold_a, keep_a) = opaque_parts(one, a.opaque());
            let (fold_b, keep_b) = opaque_parts(other, b.opaque());
            fold_a.eq_ignore_ascii_case(fold_b) && normal(keep_a).eq(normal(keep_b))
        }
        _ => false,
    }
}

/// What compares without case, and what with: the namespace of a URN, whose r-, q- and f-components do not count
/// (RFC 8141 3.1); the authority of a hierarchical URI that has no userinfo (RFC 3986 6.2.2.1).
fn opaque_parts<'a>(scheme: &str, opaque: &'a str) -> (&'a str, &'a str) {
    if scheme.eq_ignore_ascii_case("urn") {
        let end = [opaque.find("?+"), opaque.find("?="), opaque.find('#')].into_iter().flatten().min();
        let name = end.and_then(|end| opaque.get(..end)).unwrap_or(opaque);
        return name.split_once(':').unwrap_or(("", name));
    }
    let authority = opaque.strip_prefix("//").unwrap_or_default();
    let len = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    match authority.get(..len) {
        Some(host) if !host.is_empty() && !host.contains('@') => {
            opaque.split_at_checked(len + 2).unwrap_or(("", opaque))
        }
        _ => ("", opaque),
    }
}

/// "The hexadecimal digits within a percent-encoding triplet are case-insensitive" (RFC 3986 6.2.2.1).
fn normal(text: &str) -> impl Iterator<Item = u8> + use<'_> {
    let mut digits = 0;
    text.bytes().map(move |byte| match byte {
        b'%' => {
            digits = 2;
            byte
        }
        _ if digits > 0 => {
            digits -= 1;
            byte.to_ascii_lowercase()
        }
        _ => byte,
    })
}

/// A text that is the same for URIs that are equivalent and have no host: what indexes look them up by. It is coarser than
/// equivalence.
pub(super) fn coarse(uri: &Uri<'_>) -> Vec<u8> {
    let mut text = match (uri.scheme(), uri.telephone()) {
        (Scheme::Tel, Some(tel)) => return tel.digits().collect(),
        (Scheme::Other(scheme), _) => {
            let (fold, keep) = opaque_parts(scheme, uri.opaque());
            [scheme.as_bytes(), b":", fold.as_bytes(), b":", keep.as_bytes()].concat()
        }
        _ => unescape_bytes(uri.as_str().as_bytes()).into_owned(),
    };
    text.make_ascii_lowercase();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eq(a: &str, b: &str) -> bool {
        let (a, b) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        assert_eq!(a.equivalent(&b), b.equivalent(&a), "{a} {b}");
        a.equivalent(&b)
    }

    #[test]
    fn the_pairs_of_rfc_3261_19_1_4_that_are_equal() {
        assert!(eq("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
        assert!(eq("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
        assert!(eq("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"));
        assert!(eq(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"
        ));
        assert!(eq(
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x"
        ));
    }

    #[test]
    fn the_pairs_of_rfc_3261_19_1_4_that_differ() {
        assert!(!eq("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
        assert!(!eq("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
        assert!(!eq("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
        assert!(!eq("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"));
        assert!(!eq("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
        assert!(!eq("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
        assert!(!eq("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
    }

    #[test]
    fn an_escape_is_what_it_stands_for_unless_that_is_reserved() {
        assert!(eq("sip:%41%2d@h", "sip:A-@h"));
        assert!(eq("sip:a%3bb@h", "sip:a%3Bb@h"));
        assert!(!eq("sip:a%3Bb@h", "sip:a;b@h"));
        assert!(eq("sip:%ff%00@h", "sip:%FF%00@h"));
        assert!(!eq("sip:null-%00-null@h", "sip:null-%00%00-null@h"));
        assert!(!eq("sip:%ff@h", "sip:%25ff@h"));
        assert!(eq("sip:a@h;t%72ansport=t%63p", "sip:a@h;transport=tcp"));
        assert!(!eq("sip:a@h;%6daddr=x", "sip:a@h"));
    }

    #[test]
    fn values_compare_by_what_they_are() {
        assert!(eq("sip:h;maddr=[2001:DB8::1]", "sip:h;maddr=[2001:db8:0::1]"));
        assert!(!eq("sip:h;maddr=[::1]", "sip:h;maddr=[::2]"));
        assert!(!eq("sip:h;method=INVITE", "sip:h;method=invite"));
        assert!(eq("sip:h?s=a&Priority=Urgent", "sip:h?priority=urgent&Subject=a"));
        assert!(!eq("sip:h?call-id=a", "sip:h?i=A"));
        assert!(!eq("sip:h?to=sip:bob%40h", "sip:h?to=sip:BOB%40h"));
        assert!(!eq("sip:h?a=1&a=1&b=2", "sip:h?a=1&b=2&b=2"));
        assert!(eq("sip:[fe80::1%25eth0]", "sip:[fe80:0::1%25eth0]"));
        assert!(!eq("sip:[fe80::1%25eth0]", "sip:[fe80::1%25eth1]"));
    }

    #[test]
    fn other_schemes_have_rules_of_their_own() {
        assert!(eq("URN:Example:abc", "urn:example:abc"));
        assert!(!eq("urn:example:ABC", "urn:example:abc"));
        assert!(eq("urn:example:a%2cb?+r#f", "urn:example:a%2Cb"));
        assert!(eq("HTTP://Example.COM/a", "http://example.com/a"));
        assert!(!eq("http://example.com/A", "http://example.com/a"));
        assert!(!eq("tel:+1", "sip:+1@h"));
    }

    #[test]
    fn long_lists_compare_like_short_ones_and_fast() {
        let long = |kind: &str, end: &str| {
            let fields: Vec<_> = (0..4_000).map(|n| format!("p{n}=v")).collect();
            format!("sip:h{}{}{end}", kind, fields.join(if kind.starts_with('?') { "&" } else { ";" }))
        };
        assert!(eq(&long(";", ""), &long(";", ";x;lr")));
        assert!(eq(&long(";", ";x=1;x=2"), &long(";X=2;x=1;", "")));
        assert!(eq(&long(";", ""), "sip:h;P7=V"));
        assert!(eq("sip:h;zz", &long(";", "")));
        assert!(!eq(&long(";", ""), "sip:h;p7=w"));
        assert!(!eq(&long(";", ""), &long(";", ";zz;transport=tcp")));
        assert!(!eq(&long(";", ";maddr=a"), "sip:h"));
        assert!(eq(&long("?", "&a=b"), &long("?A=B&", "")));
        assert!(!eq(&long("?", "&a=b"), &long("?a=c&", "")));
    }

    #[test]
    fn both_ways_to_compare_parameters_agree() {
        let params =
            ["a", "a=1", "A=2", "b=x", "transport=tcp", "maddr=[::1]", "maddr=[0::1]", "maddr=x", "%61=1"];
        let uris: Vec<_> = (0..1_u32 << params.len())
            .step_by(7)
            .map(|set| {
                let chosen = params.iter().enumerate().filter(|(n, _)| set >> n & 1 == 1);
                chosen.fold("sip:h".to_owned(), |uri, (_, param)| format!("{uri};{param}"))
            })
            .collect();
        for a in &uris {
            for b in &uris {
                let (a, b) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
                assert_eq!(sorted_params_agree(&a, &b), params_agree(&a, &b), "{a} {b}");
            }
        }
    }

    #[test]
    fn an_escaped_reserved_character_is_not_the_character() {
        assert!(!eq("sip:h?a=b%26c", "sip:h?a=b&c"));
        assert!(!eq("sip:%2541@h", "sip:A@h"));
    }

    #[test]
    fn a_parameter_is_never_ignored_however_its_name_is_written() {
        assert!(!eq("sip:bob@biloxi.com", "sip:bob@biloxi.com;%75ser=phone"));
        assert!(eq("sip:bob@biloxi.com;user=phone", "sip:bob@biloxi.com;%75ser=ph%6fne"));
    }
}
