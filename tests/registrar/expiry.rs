//! When bindings end.

use super::support::*;

const ALICE: &str = "sip:alice@192.0.2.1";

/// One binding of ours for 20 s, one of the proxy's for 30 s.
fn two() -> Branch {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@ours>")).unwrap();
    branch.record(&reg(ALICE, 2).contact("<sip:a@proxys>;expires=30"), 200, &[]).unwrap();
    branch
}

#[test]
fn in_the_normal_state_all_end_with_their_lifetime() {
    let mut branch = two();
    assert_eq!(branch.registrar.next_expiry(branch.grace), Some(branch.now + secs(20)));
    branch.wait(19);
    assert_eq!(branch.expire(), "");
    branch.wait(1);
    assert_eq!(branch.targets(ALICE), "sip:a@proxys");
    assert_eq!(branch.expire(), "expired sip:a@ours");
    assert_eq!(branch.registrar.next_expiry(branch.grace), Some(branch.now + secs(10)));
    branch.wait(10);
    assert_eq!(branch.expire(), "expired sip:a@proxys");
    assert_eq!(branch.registrar.next_expiry(branch.grace), None);
}

#[test]
fn while_the_proxy_is_away_its_bindings_are_used_past_their_lifetime() {
    let mut branch = two();
    branch.grace = secs(100);
    branch.wait(129);
    assert_eq!(branch.targets(ALICE), "sip:a@proxys");
    assert_eq!(branch.expire(), "expired sip:a@ours");
    assert_eq!(branch.registrar.next_expiry(branch.grace), Some(branch.now + secs(1)));
    // What is past its lifetime is used, but the phone is not told that it is registered.
    assert_eq!(branch.answer(&reg(ALICE, 9)), "");
    branch.wait(1);
    assert_eq!(branch.targets(ALICE), "");
    assert_eq!(branch.expire(), "expired sip:a@proxys");
}

#[test]
fn a_transition_loses_nothing_that_is_alive() {
    let mut branch = two();
    for grace in [100, 0, 100, 0] {
        branch.grace = secs(grace);
        assert_eq!(branch.expire(), "");
        assert_eq!(branch.targets(ALICE), "sip:a@ours, sip:a@proxys");
    }
}

#[test]
fn one_call_takes_out_a_limited_number_and_the_rest_is_still_due() {
    let mut branch = Branch::new();
    for user in 0..5 {
        branch.register(&reg(&format!("sip:u{user}@192.0.2.1"), 1).contact("<sip:u@h>")).unwrap();
    }
    branch.wait(20);
    assert_eq!(branch.registrar.expire(branch.now, branch.grace, 3).len(), 3);
    assert_eq!(branch.registrar.next_expiry(branch.grace), Some(branch.now));
    assert_eq!(branch.targets("sip:u4@192.0.2.1"), "");
    assert_eq!(branch.registrar.expire(branch.now, branch.grace, 3).len(), 2);
}

#[test]
fn a_lifetime_beyond_all_time_does_not_wrap() {
    let mut branch = Branch::new();
    branch.record(&reg(ALICE, 1).contact("<sip:a@h>;expires=99999999999"), 200, &[]).unwrap();
    branch.grace = std::time::Duration::MAX;
    assert!(branch.registrar.next_expiry(branch.grace).is_some());
    assert_eq!(branch.targets(ALICE), "sip:a@h");
    assert_eq!(branch.answer(&reg(ALICE, 2)), "<sip:a@h>;expires=4294967295");
}
