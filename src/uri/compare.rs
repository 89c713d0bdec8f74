//! Equality of URIs by RFC 3261 19.1.4.

use super::Uri;
use super::escape::{canonical, unescape};

/// These count even if they stand in one of the two URIs only.
const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

pub(super) fn equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    if !a.is_sip() || !b.is_sip() {
        return a.as_str().eq_ignore_ascii_case(b.as_str());
    }
    a.scheme() == b.scheme()
        && same_text(a.user(), b.user())
        && same_text(a.password(), b.password())
        && a.host() == b.host()
        // "A URI omitting any component with a default value will not match a URI explicitly containing that
        // component with its default value."
        && a.port() == b.port()
        && tails_agree(a, b)
}

/// Parameters or headers that are looked up in each other at most: that work grows with the square of their number, and
/// whoever sends a URI chooses it. Beyond that they agree if they stand there alike.
const MOST_COMPARED: usize = 64;

fn tails_agree(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let is_long = |uri: &Uri<'_>| {
        uri.params().nth(MOST_COMPARED).is_some() || uri.headers().nth(MOST_COMPARED).is_some()
    };
    if is_long(a) || is_long(b) {
        return a.params_str().eq_ignore_ascii_case(b.params_str()) && a.headers_str() == b.headers_str();
    }
    params_agree(a, b) && params_agree(b, a) && headers_agree(a, b) && headers_agree(b, a)
}

/// Case matters in user and password; an escape equals what it stands for, unless that is a reserved character.
fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || canonical(a) == canonical(b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn params_agree(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.params().all(|(name, value)| match b.param(&unescape(name)) {
        Some(other) => same_folded(value.unwrap_or_default(), other.unwrap_or_default()),
        None => !NEVER_IGNORED.iter().any(|never| never.eq_ignore_ascii_case(&unescape(name))),
    })
}

/// "URI header components are never ignored."
fn headers_agree(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.headers().all(|(name, value)| {
        b.headers().any(|(other, also)| same_folded(name, other) && canonical(value) == canonical(also))
    })
}

fn same_folded(a: &str, b: &str) -> bool {
    canonical(a).eq_ignore_ascii_case(&canonical(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eq(a: &str, b: &str) -> bool {
        Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap())
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
    fn an_escaped_reserved_character_is_not_the_character() {
        assert!(!eq("sip:a%3Bb@h", "sip:a;b@h"));
        assert!(eq("sip:a%3Bb@h", "sip:a%3bb@h"));
        assert!(!eq("sip:h?a=b%26c", "sip:h?a=b&c"));
    }

    #[test]
    fn a_uri_with_very_many_parameters_equals_what_stands_there_alike() {
        let many: String = (0..9000).map(|number| format!(";{number}")).collect();
        assert!(eq(&format!("sip:a@h{many}"), &format!("sip:a@H{many}")));
        assert!(!eq(&format!("sip:a@h{many}"), "sip:a@h"));
    }

    #[test]
    fn a_parameter_is_never_ignored_however_its_name_is_written() {
        assert!(!eq("sip:bob@biloxi.com", "sip:bob@biloxi.com;%75ser=phone"));
        assert!(eq("sip:bob@biloxi.com;user=phone", "sip:bob@biloxi.com;%75ser=ph%6fne"));
    }
}
