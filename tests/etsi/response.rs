//! `SIP_CC_PR_MP_RS`: what a proxy does with a response (RFC 3261 16.7, 18.1.2, 18.2.2).

use crate::rig::*;
use crate::support::*;

/// alice's MESSAGE came from `from` with the topmost Via `via`; where the 200 goes.
fn answered(from: &str, via: &str) -> String {
    let mut rig = served();
    let text = request("MESSAGE", BOB_URI, "via").replace(
        &format!("SIP/2.0/UDP {ALICE};branch=z9hG4bKvia;rport"),
        &format!("SIP/2.0/UDP {via};branch=z9hG4bKvia"),
    );
    let sent = rig.feed_one(from, text);
    rig.feed_one(BOB, sent.answer(200, "")).brief()
}

fn goes_to(from: &str, via: &str, to: &str) {
    assert_eq!(answered(from, via), format!("200 {to}"));
}

#[test]
fn sip_cc_pr_mp_rs_v_001() {
    let (mut rig, _, invite) = calling();
    let sent = rig.feed_one(BOB, invite.answer(180, ""));
    assert_eq!(sent.brief(), format!("180 {ALICE}"));
    assert_eq!(
        sent.all("Via"),
        [format!("SIP/2.0/UDP {ALICE};branch=z9hG4bKcall;rport=5060;received=10.0.0.1")]
    );
}

#[test]
fn sip_cc_pr_mp_rs_v_002() {
    let (mut rig, _, invite) = calling();
    let others = invite.answer(180, "").replacen(SAS, "192.0.2.77:5060", 1);
    assert_eq!(rig.feed(BOB, others), []);
}

#[test]
fn sip_cc_pr_mp_rs_v_004() {
    let (mut rig, _, invite) = calling();
    let alices = format!("Via: {}\r\n", invite.all("Via")[1]);
    let bare = invite.answer(180, "").replace(&alices, "");
    assert_eq!(rig.feed(BOB, bare), []);
}

purposes! {
    sip_cc_pr_mp_rs_v_005: goes_to("10.0.0.1:40000", &format!("{ALICE};rport"), "10.0.0.1:40000");
    sip_cc_pr_mp_rs_v_007: goes_to("10.0.0.1:40000", "10.0.0.1:5070", "10.0.0.1:5070");
    sip_cc_pr_mp_rs_v_008: goes_to("10.0.0.1:40000", "10.0.0.1", "10.0.0.1:5060");
    sip_cc_pr_mp_rs_v_009: goes_to("10.0.0.1:40000", "phone.example:5070", "10.0.0.1:5070");
    sip_cc_pr_mp_rs_v_010: goes_to("10.0.0.1:40000", "10.0.0.1:5070;maddr=10.0.0.99", "10.0.0.99:5070");
}

/// Whatever the method.
#[test]
fn sip_cc_pr_mp_rs_v_006() {
    for method in ["MESSAGE", "INFO", "REFER", "PUBLISH", "NOTIFY", "UPDATE", "PRACK", "OPTIONS", "FOO"] {
        let mut rig = served();
        let sent = rig.feed_one(ALICE, request(method, BOB_URI, "m"));
        assert_eq!(sent.brief(), format!("{method} {BOB}"));
        let back = rig.feed_one(BOB, sent.answer(202, "X-Odd:  As ; it is\r\n"));
        assert_eq!(back.line(), "SIP/2.0 202 x");
        assert!(back.text.contains("X-Odd:  As ; it is\r\n"), "{back:?}");
    }
}

/// Two Vias in one header field.
#[test]
fn sip_cc_pr_mp_rs_v_011() {
    let (mut rig, _, invite) = calling();
    let vias = invite.all("Via");
    let joined =
        invite.answer(180, "").replacen(&format!("{}\r\nVia: ", vias[0]), &format!("{}, ", vias[0]), 1);
    assert_eq!(rig.feed_one(BOB, joined).header("Via").trim(), vias[1]);
}

#[test]
fn sip_cc_pr_mp_rs_v_012() {
    let (mut rig, _, invite) = calling();
    for status in [180, 181, 182, 183, 199] {
        assert_eq!(rig.feed_one(BOB, invite.answer(status, "")).brief(), format!("{status} {ALICE}"));
    }
}

#[test]
fn sip_cc_pr_mp_rs_v_013() {
    let (mut rig, _, invite) = calling();
    assert_eq!(rig.feed(BOB, invite.answer(100, "")), []);
}

#[test]
fn sip_cc_pr_mp_rs_v_014() {
    let (mut rig, _, invite) = calling();
    assert_eq!(rig.feed_one(BOB, invite.answer(200, "")).brief(), format!("200 {ALICE}"));
}

/// Each further 2xx to an INVITE too.
#[test]
fn sip_cc_pr_mp_rs_v_015() {
    let (mut rig, _, invites) = forked(2);
    for (phone, invite) in invites {
        one(&rig.feed(&phone, invite.answer(200, "")), &format!("200 {ALICE}"));
    }
}

/// A 6xx ends the search and waits until the others have ended.
#[test]
fn sip_cc_pr_mp_rs_v_016() {
    let (mut rig, _, invites) = forked(2);
    let [(phone, invite), (other, pending)] = &invites[..] else { panic!("two") };
    rig.feed(other, pending.answer(180, ""));
    assert_eq!(
        briefs(&rig.feed(phone, invite.answer(603, ""))),
        [format!("ACK {phone}"), format!("CANCEL {other}")]
    );
    assert_eq!(
        briefs(&rig.feed(other, pending.answer(487, ""))),
        [format!("ACK {other}"), format!("603 {ALICE}")]
    );
}

/// A refusal is not passed on while another branch is pending.
#[test]
fn sip_cc_pr_mp_rs_v_017() {
    let (mut rig, _, invites) = forked(2);
    let (phone, invite) = &invites[0];
    assert_eq!(briefs(&rig.feed(phone, invite.answer(486, ""))), [format!("ACK {phone}")]);
}

/// 16.7 step 6: the phones answer in this order, and the caller hears one of `any`, once the last has answered.
fn best(answers: &[u16], any: &[u16]) {
    let (mut rig, _, invites) = forked(answers.len());
    let mut heard = Vec::new();
    for (i, ((phone, invite), status)) in invites.iter().zip(answers).enumerate() {
        let sent = rig.feed(phone, invite.answer(*status, ""));
        let to_alice: Vec<_> = sent.into_iter().filter(|sent| sent.to == address(ALICE)).collect();
        assert!(to_alice.is_empty() || i + 1 == answers.len(), "too early: {to_alice:?}");
        heard.extend(to_alice);
    }
    assert_eq!(heard.len(), 1, "{heard:?}");
    let status: u16 = heard[0].line().split(' ').nth(1).unwrap().parse().unwrap();
    assert!(any.contains(&status), "{status} of {answers:?}");
}

purposes! {
    sip_cc_pr_mp_rs_v_018: best(&[302, 302], &[302]);
    sip_cc_pr_mp_rs_v_019: best(&[302, 404], &[302]);
    sip_cc_pr_mp_rs_v_020: best(&[404, 302], &[302]);
    sip_cc_pr_mp_rs_v_021: best(&[302, 500], &[302]);
    sip_cc_pr_mp_rs_v_022: best(&[500, 302], &[302]);
    sip_cc_pr_mp_rs_v_023: best(&[302, 603], &[603]);
    sip_cc_pr_mp_rs_v_024: best(&[404, 486], &[404, 486]);
    sip_cc_pr_mp_rs_v_025: best(&[404, 500], &[404]);
    sip_cc_pr_mp_rs_v_026: best(&[500, 404], &[404]);
    sip_cc_pr_mp_rs_v_027: best(&[404, 603], &[603]);
    sip_cc_pr_mp_rs_v_028: best(&[500, 501], &[500, 501]);
    sip_cc_pr_mp_rs_v_029: best(&[500, 603], &[603]);
    sip_cc_pr_mp_rs_v_030: best(&[600, 604], &[600, 604]);
    sip_cc_pr_mp_rs_v_031: best(&[503, 503], &[500]);
    sip_cc_pr_mp_rs_v_032: best(&[503, 504], &[500, 504]);
    sip_cc_pr_mp_rs_v_035: best(&[486, 401], &[401]);
    sip_cc_pr_mp_rs_v_036: best(&[401, 486], &[401]);
    sip_cc_pr_mp_rs_v_037: best(&[404, 407], &[407]);
    sip_cc_pr_mp_rs_v_038: best(&[407, 404], &[407]);
    sip_cc_pr_mp_rs_v_039: best(&[404, 415], &[415]);
    sip_cc_pr_mp_rs_v_040: best(&[415, 404], &[415]);
    sip_cc_pr_mp_rs_v_041: best(&[400, 420], &[420]);
    sip_cc_pr_mp_rs_v_042: best(&[420, 400], &[420]);
    sip_cc_pr_mp_rs_v_043: best(&[404, 484], &[484]);
    sip_cc_pr_mp_rs_v_044: best(&[484, 404], &[484]);
    sip_cc_pr_mp_rs_v_045: best(&[503, 302, 486], &[302]);
    sip_cc_pr_mp_rs_v_047: best(&[486, 503, 500], &[486]);
    sip_cc_pr_mp_rs_v_048: best(&[302, 486, 603], &[603]);
    sip_cc_pr_mp_rs_v_049: best(&[486, 401, 300], &[300]);
}

/// 16.7 step 7: whichever is the best, the caller hears all challenges.
fn challenges(first: (u16, &str), second: (u16, &str)) {
    let (mut rig, _, invites) = forked(2);
    let line = |(status, realm): (u16, &str)| {
        let field = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        format!("{field}: Digest realm=\"{realm}\", nonce=\"1\"\r\n")
    };
    rig.feed(&invites[0].0, invites[0].1.answer(first.0, &line(first)));
    let sent = rig.feed(&invites[1].0, invites[1].1.answer(second.0, &line(second)));
    let heard = sent.iter().find(|sent| sent.to == address(ALICE)).unwrap();
    for challenge in [line(first), line(second)] {
        assert!(heard.text.contains(&challenge), "{challenge} in {heard:?}");
    }
}

purposes! {
    sip_cc_pr_mp_rs_v_033: challenges((401, "a"), (401, "b"));
    sip_cc_pr_mp_rs_v_034: challenges((407, "a"), (401, "b"));
    sip_cc_pr_mp_rs_v_046: cancelled_after(200);
    sip_cc_pr_mp_rs_v_050: cancelled_after(603);
}

/// 16.7 step 10: what is pending is cancelled.
fn cancelled_after(status: u16) {
    let (mut rig, _, invites) = forked(3);
    for (phone, invite) in &invites {
        rig.feed(phone, invite.answer(180, ""));
    }
    let sent = rig.feed(&invites[0].0, invites[0].1.answer(status, ""));
    assert_eq!(of(&sent, "CANCEL").len(), 2);
    for (phone, invite) in &invites[1..] {
        let cancel = one(&sent, &format!("CANCEL {phone}"));
        assert_eq!((cancel.uri(), cancel.all("Via")), (invite.uri(), vec![invite.header("Via")]));
    }
}

/// A branch without a provisional response is cancelled when one comes (9.1).
#[test]
fn sip_cc_pr_mp_rs_v_051() {
    let (mut rig, _, invites) = forked(2);
    let sent = rig.feed(&invites[0].0, invites[0].1.answer(200, ""));
    assert_eq!(of(&sent, "CANCEL").len(), 0);
    let sent = rig.feed(&invites[1].0, invites[1].1.answer(180, ""));
    assert_eq!(briefs(&sent), [format!("CANCEL {}", invites[1].0)]);
}

/// A branch that has ended is not.
#[test]
fn sip_cc_pr_mp_rs_v_052() {
    let (mut rig, _, invites) = forked(2);
    rig.feed(&invites[1].0, invites[1].1.answer(486, ""));
    let sent = rig.feed(&invites[0].0, invites[0].1.answer(200, ""));
    assert_eq!(briefs(&sent), [format!("200 {ALICE}")]);
}

/// A 2xx that crosses the CANCEL reaches the caller.
#[test]
fn sip_cc_pr_mp_rs_v_053() {
    let (mut rig, _, invites) = forked(2);
    let (phone, invite) = &invites[1];
    rig.feed(phone, invite.answer(180, ""));
    rig.feed(&invites[0].0, invites[0].1.answer(200, ""));
    one(&rig.feed(phone, invite.answer(200, "")), &format!("200 {ALICE}"));
}
