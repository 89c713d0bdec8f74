//! What the proxy has granted.

use super::support::*;
use sip_survivability::registrar::{Home, Origin};

const ALICE: &str = "sip:alice@192.0.2.1";

/// The seconds that `lines` of a 200 grant to `contact`.
fn granted(contact: &str, lines: &[&str]) -> u64 {
    let mut branch = Branch::new();
    let changes = branch.record(&reg(ALICE, 1).contact(contact), 200, lines).unwrap();
    changes.first().map_or(0, |change| (change.binding.expires_at - branch.now).as_secs())
}

#[test]
fn the_proxys_expiry_counts() {
    let mut branch = Branch::new();
    let changes =
        branch.record(&reg(ALICE, 1).contact("<sip:a@h1>"), 200, &["Contact: <sip:a@h1>;expires=60"]);
    let changes = changes.unwrap();
    assert_eq!(told(&changes), "bound sip:a@h1");
    assert_eq!((changes[0].binding.origin, changes[0].binding.home), (Origin::Proxy, Home::Confirmed));
    assert_eq!(branch.all(), "sip:a@h1 60 proxy confirmed");
}

#[test]
fn the_lifetime_is_looked_for_from_the_contact_to_the_default() {
    assert_eq!(
        granted("<sip:a@h1>;expires=600", &["Contact: <sip:b@h1>;expires=9, <sip:%61@H1>;expires=60"]),
        60
    );
    assert_eq!(granted("<sip:a@h1;transport=udp>", &["Contact: <sip:a@h1:5060>;expires=60"]), 60);
    assert_eq!(granted("<sip:a@h1>;expires=600", &["Contact: <sip:a@h1>", "Expires: 50"]), 50);
    assert_eq!(granted("<sip:a@h1>;expires=600", &["Contact: <sip:a@h1>"]), 600);
    assert_eq!(granted("<sip:a@h1>;expires=600", &["Expires: 50"]), 50);
    assert_eq!(granted("<sip:a@h1>", &[]), 3600);
}

#[test]
fn a_contact_that_the_proxy_rewrote_is_granted_no_longer_than_asked() {
    let listed = ["Contact: <sip:a@sbc:6000>;expires=60, <sip:other@h>;expires=90"];
    assert_eq!(granted("<sip:a@h1>;expires=600", &listed), 90);
    assert_eq!(granted("<sip:a@h1>;expires=70", &listed), 70);
}

#[test]
fn only_a_2xx_is_recorded() {
    let mut branch = Branch::new();
    for status in [100, 401, 423, 500] {
        let sent = reg(ALICE, 1).contact("<sip:a@h1>");
        assert!(branch.record(&sent, status, &["Contact: <sip:a@h1>;expires=60"]).unwrap().is_empty());
    }
    assert!(branch.registrar.is_empty());
}

#[test]
fn expires_zero_and_star_remove() {
    let mut branch = Branch::new();
    let three = "<sip:a@h1>, <sip:a@h2>, <sip:a@h3>";
    branch.record(&reg(ALICE, 1).contact(three), 200, &[]).unwrap();
    let changes = branch.record(&reg(ALICE, 2).contact("<sip:a@h1>;expires=0"), 200, &[]).unwrap();
    assert_eq!(told(&changes), "unbound sip:a@h1");
    let changes =
        branch.record(&reg(ALICE, 3).contact("<sip:a@h2>"), 200, &["Contact: <sip:a@h2>;expires=0"]).unwrap();
    assert_eq!(told(&changes), "unbound sip:a@h2");
    let changes = branch.record(&reg(ALICE, 4).contact("*").line("Expires: 0"), 200, &[]).unwrap();
    assert_eq!(told(&changes), "unbound sip:a@h3");
}

#[test]
fn a_grant_of_the_proxy_overwrites_one_of_ours_and_the_other_way_round() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>")).unwrap();
    assert_eq!(branch.registrar.unconfirmed(), 1);
    let changes = branch.record(&reg(ALICE, 2).contact("<sip:a@h1>"), 200, &["Expires: 600"]).unwrap();
    assert_eq!(told(&changes), "refreshed sip:a@h1");
    assert_eq!(branch.all(), "sip:a@h1 600 proxy confirmed");
    assert_eq!(branch.registrar.unconfirmed(), 0);
    branch.register(&reg(ALICE, 3).contact("<sip:a@h1>")).unwrap();
    assert_eq!(branch.all(), "sip:a@h1 20 local local_only");
    assert_eq!(branch.registrar.unconfirmed(), 1);
}

#[test]
fn a_late_2xx_confirms_what_was_answered_here() {
    let mut branch = Branch::new();
    let sent = reg(ALICE, 7).contact("<sip:a@h1>");
    branch.register(&sent).unwrap();
    branch.wait(3);
    branch.record(&sent, 200, &["Contact: <sip:a@h1>;expires=600"]).unwrap();
    assert_eq!(branch.all(), "sip:a@h1 600 proxy confirmed");
}

#[test]
fn a_late_2xx_does_not_shorten_what_the_phone_was_told() {
    let mut branch = Branch::new();
    let sent = reg(ALICE, 7).contact("<sip:a@h1>");
    branch.register(&sent).unwrap();
    branch.wait(3);
    branch.record(&sent, 200, &["Contact: <sip:a@h1>;expires=5"]).unwrap();
    assert_eq!(branch.all(), "sip:a@h1 17 proxy confirmed");
}

#[test]
fn a_2xx_of_an_older_request_is_ignored() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 7).contact("<sip:a@h1>")).unwrap();
    branch.wait(10);
    branch.register(&reg(ALICE, 8).contact("<sip:a@h1>")).unwrap();
    branch.wait(3);
    for late in [reg(ALICE, 7).contact("<sip:a@h1>;expires=0"), reg(ALICE, 7).contact("*").line("Expires: 0")]
    {
        assert!(branch.record(&late, 200, &[]).unwrap().is_empty());
    }
    assert_eq!(branch.all(), "sip:a@h1 17 local local_only");
}

#[test]
fn a_reboot_that_the_proxy_accepted_is_recorded() {
    let mut branch = Branch::new();
    branch.record(&reg(ALICE, 700).contact("<sip:a@h1>"), 200, &[]).unwrap();
    branch.wait(33);
    let changes = branch.record(&reg(ALICE, 1).contact("<sip:a@h1>"), 200, &[]).unwrap();
    assert_eq!(told(&changes), "refreshed sip:a@h1");
    assert_eq!(branch.all(), "sip:a@h1 3600 proxy confirmed");
}
