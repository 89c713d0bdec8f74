//! `SIP_QC_PR`: OPTIONS (RFC 3261 section 11).

use crate::rig::*;
use crate::support::*;

/// For a user it goes on to the user.
#[test]
fn sip_qc_pr_v_001() {
    let sent = served().feed_one(ALICE, request("OPTIONS", BOB_URI, "o"));
    assert_eq!(sent.brief(), format!("OPTIONS {BOB}"));
}

/// alice asks us.
fn asked() -> Sent {
    let text = with(&request("OPTIONS", &format!("sip:{SAS}"), "o"), "Timestamp: 1");
    branch().feed_one(ALICE, text)
}

#[test]
fn sip_qc_pr_v_002() {
    assert_eq!(asked().brief(), format!("200 {ALICE}"));
}

fn copied(name: &str, value: &str) {
    assert_eq!(asked().all(name), [value]);
}

fn says(name: &str) {
    assert!(!asked().header(name).is_empty(), "{name}");
}

purposes! {
    sip_qc_pr_v_003: copied("From", "<sip:alice@office.example>;tag=o");
    sip_qc_pr_v_004: copied("Call-ID", "o");
    sip_qc_pr_v_006: says("Allow");
    sip_qc_pr_v_007: says("Accept");
    sip_qc_pr_v_008: says("Supported");
    sip_qc_pr_v_009: hops("1", &format!("OPTIONS {BOB}"));
    sip_qc_pr_v_010: hops("0", &format!("200 {ALICE}"));
}

/// To gets a tag, Via and CSeq stay.
#[test]
fn sip_qc_pr_v_005() {
    let sent = asked();
    assert!(sent.header("To").starts_with("<sip:bob@office.example>;tag="), "{sent:?}");
    assert_eq!(sent.header("CSeq"), "1 OPTIONS");
    assert_eq!(sent.all("Via").len(), 1);
}

fn hops(left: &str, what: &str) {
    let text = request("OPTIONS", BOB_URI, "o").replace("Max-Forwards: 70", &format!("Max-Forwards: {left}"));
    assert_eq!(served().feed_one(ALICE, text).brief(), what);
}

fn guarded_branch() -> Rig {
    let mut rig = Rig::with(guarded);
    rig.bind("bob", BOB);
    rig.cut();
    rig.run(secs(7));
    rig
}

/// 22.3: where we ask for credentials, we do with 407.
#[test]
fn sip_qc_pr_v_011() {
    let sent = guarded_branch().feed_one(ALICE, request("OPTIONS", BOB_URI, "o"));
    assert_eq!(sent.brief(), format!("407 {ALICE}"));
    assert!(sent.header("Proxy-Authenticate").starts_with("Digest "));
}

fn with_password(secret: Option<&str>, what: &str) {
    let mut rig = guarded_branch();
    let challenge = rig.feed_one(ALICE, request("OPTIONS", BOB_URI, "o1"));
    let line =
        format!("Proxy-Authorization: {}", credentials(&challenge, "alice", "OPTIONS", BOB_URI, secret));
    assert_eq!(rig.feed_one(ALICE, with(&request("OPTIONS", BOB_URI, "o2"), &line)).brief(), what);
}

purposes! {
    sip_qc_pr_v_012: with_password(None, &format!("OPTIONS {BOB}"));
    sip_qc_pr_v_013: with_password(Some("guessed"), &format!("407 {ALICE}"));
}
