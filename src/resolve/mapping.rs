//! What ENUM says of a number (RFC 6116): the SIP URI that its NAPTR records make of it.

use super::known::naptr;
use super::substitution::Substitution;
use super::{Naptr, Record};
use crate::uri::UriBuf;

/// Records looked at.
const MAX_RECORDS: usize = 32;

/// The SIP URI of `number`, which has its `+`, by the records of its domain: that of the lowest order and preference (RFC 6116 3.2.1,
/// 3.4) which is for SIP, ends the search, applies and gives one.
pub(crate) fn uri_of(number: &str, records: &[Record]) -> Option<UriBuf> {
    let mut rules: Vec<&Naptr> =
        records.iter().take(MAX_RECORDS).filter_map(naptr).filter(|rule| is_for_sip(rule)).collect();
    rules.sort_by_key(|rule| (rule.order, rule.preference));
    rules.into_iter().find_map(|rule| {
        let uri: UriBuf = Substitution::parse(&rule.regexp)?.apply(number)?.parse().ok()?;
        uri.as_uri().is_sip().then_some(uri)
    })
}

/// A rule with the flag `u`, which ends the search with a URI (RFC 6116 3.4.2), of the service `E2U+sip` (RFC 3764), alone, with a
/// subtype or among others, or of `sip+E2U`, as it was written before.
fn is_for_sip(rule: &Naptr) -> bool {
    let is = |text: &str, name: &str| text.eq_ignore_ascii_case(name);
    let mut services = rule.services.split('+');
    let is_sip = |service: &str| service.split(':').next().is_some_and(|kind| is(kind, "sip"));
    let by_name = match services.next() {
        Some(first) if is(first, "E2U") => services.any(is_sip),
        Some(first) => is_sip(first) && services.any(|service| is(service, "E2U")),
        None => false,
    };
    by_name && is(&rule.flags, "u")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(order: u16, preference: u16, flags: &str, services: &str, regexp: &str) -> Record {
        let [flags, services, regexp] = [flags, services, regexp].map(str::to_owned);
        Record::Naptr(Naptr { order, preference, flags, services, regexp, replacement: ".".to_owned() })
    }

    fn mapped(records: &[Record]) -> Option<String> {
        uri_of("+12015550123", records).map(|uri| uri.to_string())
    }

    #[test]
    fn the_first_in_order_that_gives_a_sip_uri_counts() {
        let records = [
            rule(20, 1, "u", "E2U+sip", "!^.*$!sip:late@h!"),
            rule(10, 9, "u", "E2U+sip", "!^.*$!sip:second@h!"),
            rule(10, 1, "u", "E2U+email:mailto", "!^.*$!mailto:a@h!"),
            rule(10, 2, "u", "E2U+sip", r"!^\+49.*$!sip:germans@h!"),
            rule(10, 3, "u", "E2U+sip", "!^.*$!mailto:a@h!"),
            rule(10, 4, "u", "E2U+sip", "broken"),
            rule(10, 5, "", "E2U+sip", "!^.*$!sip:not-the-end@h!"),
            Record::A([192, 0, 2, 1].into()),
        ];
        assert_eq!(mapped(&records).as_deref(), Some("sip:second@h"));
        assert_eq!(mapped(&records[2..]), None);
    }

    #[test]
    fn a_service_for_sip_is_known_in_each_way_to_write_it() {
        for services in ["E2U+sip", "e2u+SIP", "E2U+voice:tel+sip", "E2U+sip:x", "SIP+E2U"] {
            assert!(mapped(&[rule(1, 1, "U", services, "!.*!sip:a@h!")]).is_some(), "{services}");
        }
        for services in ["", "E2U", "sip", "E2U+sips", "D2U+sip", "E2U+voice:sip"] {
            assert!(mapped(&[rule(1, 1, "u", services, "!.*!sip:a@h!")]).is_none(), "{services}");
        }
    }
}
