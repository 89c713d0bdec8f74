//! `SIP_CC_PR_TR_CL`: client transactions (RFC 3261 17.1), CANCEL (9.1) and ACK (17.1.1.3).

use crate::rig::*;
use crate::support::*;

/// When, in milliseconds after the first one, `what` was sent in `span`.
fn times(rig: &mut Rig, what: &str, span: std::time::Duration) -> Vec<u128> {
    let start = rig.now;
    let sent = rig.run(span);
    sent.iter().filter(|sent| sent.brief() == what).map(|sent| (sent.at - start).as_millis()).collect()
}

/// A call in a branch where nothing but the transaction's timers ends it.
fn patient() -> (Rig, Sent) {
    let (rig, _, invite) = calling();
    (rig, invite)
}

/// Timer A starts at T1.
#[test]
fn sip_cc_pr_tr_cl_ti_001() {
    let (mut rig, _) = patient();
    assert_eq!(times(&mut rig, &format!("INVITE {BOB}"), millis(600)), [500]);
}

/// It doubles each time.
#[test]
fn sip_cc_pr_tr_cl_ti_002() {
    let (mut rig, _) = patient();
    let sent = times(&mut rig, &format!("INVITE {BOB}"), secs(40));
    assert_eq!(sent, [500, 1500, 3500, 7500, 15500, 31500]);
}

/// A provisional response ends it.
#[test]
fn sip_cc_pr_tr_cl_ti_003() {
    let (mut rig, invite) = patient();
    rig.feed(BOB, invite.answer(100, ""));
    assert_eq!(times(&mut rig, &format!("INVITE {BOB}"), secs(40)), [] as [u128; 0]);
}

/// Timer B: after 64*T1 the caller hears of it, and no earlier.
#[test]
fn sip_cc_pr_tr_cl_ti_004() {
    let (mut rig, _) = patient();
    assert_eq!(times(&mut rig, &format!("408 {ALICE}"), millis(32_100)), [32_000]);
}

/// No Timer B once there was a provisional response.
#[test]
fn sip_cc_pr_tr_cl_ti_005() {
    let (mut rig, invite) = patient();
    rig.feed(BOB, invite.answer(180, ""));
    assert_eq!(rig.run(secs(100)), []);
    one(&rig.feed(BOB, invite.answer(200, "")), &format!("200 {ALICE}"));
}

/// Timer D: for 32 s each refusal that comes again is acknowledged again.
#[test]
fn sip_cc_pr_tr_cl_ti_007() {
    let (mut rig, invite) = patient();
    rig.feed(BOB, invite.answer(486, ""));
    rig.run(millis(31_900));
    assert_eq!(briefs(&rig.feed(BOB, invite.answer(486, ""))), [format!("ACK {BOB}")]);
}

/// After that the transaction is gone.
#[test]
fn sip_cc_pr_tr_cl_ti_008() {
    let (mut rig, invite) = patient();
    rig.feed(BOB, invite.answer(486, ""));
    rig.run(millis(32_100));
    assert_eq!(rig.feed(BOB, invite.answer(486, "")), []);
}

/// Timer M of RFC 6026: for 64*T1 each 2xx that comes again is passed on.
#[test]
fn sip_cc_pr_tr_cl_ti_009() {
    let (mut rig, invite) = patient();
    rig.feed(BOB, invite.answer(200, ""));
    rig.run(millis(31_900));
    assert_eq!(briefs(&rig.feed(BOB, invite.answer(200, ""))), [format!("200 {ALICE}")]);
}

/// After that none is.
#[test]
fn sip_cc_pr_tr_cl_ti_010() {
    let (mut rig, invite) = patient();
    rig.feed(BOB, invite.answer(200, ""));
    rig.run(millis(32_100));
    assert_eq!(rig.feed(BOB, invite.answer(200, "")), []);
}

/// Timer E starts at T1.
#[test]
fn sip_cc_pr_tr_cl_ti_012() {
    let (mut rig, _, _) = asking();
    assert_eq!(times(&mut rig, &format!("MESSAGE {BOB}"), millis(600)), [500]);
}

/// It doubles up to T2.
#[test]
fn sip_cc_pr_tr_cl_ti_013() {
    let (mut rig, _, _) = asking();
    let sent = times(&mut rig, &format!("MESSAGE {BOB}"), secs(40));
    assert_eq!(sent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}

/// After a provisional response it is T2.
#[test]
fn sip_cc_pr_tr_cl_ti_014() {
    let (mut rig, _, sent) = asking();
    rig.feed(BOB, sent.answer(100, ""));
    // The timer that runs already runs out first.
    assert_eq!(times(&mut rig, &format!("MESSAGE {BOB}"), secs(10)), [500, 4500, 8500]);
}

/// Timer F: after 64*T1 nothing is sent any more.
#[test]
fn sip_cc_pr_tr_cl_ti_015() {
    let (mut rig, _, sent) = asking();
    rig.run(secs(32));
    assert_eq!(rig.run(secs(60)), []);
    assert_eq!(rig.feed(BOB, sent.answer(200, "")), []);
}

/// Timer F runs on after a provisional response.
#[test]
fn sip_cc_pr_tr_cl_ti_016() {
    let (mut rig, _, sent) = asking();
    rig.feed(BOB, sent.answer(100, ""));
    rig.run(millis(32_100));
    assert_eq!(rig.feed(BOB, sent.answer(200, "")), []);
}

/// A final response ends Timer E.
#[test]
fn sip_cc_pr_tr_cl_ti_017() {
    let (mut rig, _, sent) = asking();
    rig.feed(BOB, sent.answer(200, ""));
    assert_eq!(rig.run(secs(40)), []);
}

/// Timer K: for T4 a response that comes again is absorbed, and after that it belongs to nothing.
#[test]
fn sip_cc_pr_tr_cl_ti_018() {
    let (mut rig, _, sent) = asking();
    rig.feed(BOB, sent.answer(200, ""));
    rig.run(millis(4_900));
    assert_eq!(rig.feed(BOB, sent.answer(200, "")), []);
    rig.run(millis(200));
    assert_eq!(rig.feed(BOB, sent.answer(200, "")), []);
}

/// A CANCEL is a transaction of its own: Timers E and F.
#[test]
fn sip_cc_pr_tr_cl_ti_019() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(180, ""));
    rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    let sent = times(&mut rig, &format!("CANCEL {BOB}"), secs(40));
    assert_eq!(sent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}

fn cancelled() -> (Rig, Sent, Sent) {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(180, ""));
    let sent = rig.feed(ALICE, same_transaction(&call, "CANCEL"));
    let cancel = one(&sent, &format!("CANCEL {BOB}")).clone();
    (rig, invite, cancel)
}

/// 9.1: Request-URI, Call-ID, To, the number of CSeq and From are those of the INVITE.
#[test]
fn sip_cc_pr_tr_cl_v_001() {
    let (_, invite, cancel) = cancelled();
    assert_eq!(cancel.uri(), invite.uri());
    for name in ["Call-ID", "To", "From"] {
        assert_eq!(cancel.header(name), invite.header(name), "{name}");
    }
    assert_eq!(cancel.header("CSeq"), "1 CANCEL");
}

/// It has one Via: the topmost of the INVITE.
#[test]
fn sip_cc_pr_tr_cl_v_002() {
    let (_, invite, cancel) = cancelled();
    assert_eq!(cancel.all("Via"), [invite.header("Via")]);
}

/// It has no Require and no Proxy-Require.
#[test]
fn sip_cc_pr_tr_cl_v_003() {
    let mut rig = served();
    let call = with(&request("INVITE", BOB_URI, "req"), "Require: 100rel");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    rig.feed(BOB, invite.answer(180, ""));
    let sent = rig.feed(ALICE, same_transaction(&call, "CANCEL").replace("Require: 100rel\r\n", ""));
    let cancel = one(&sent, &format!("CANCEL {BOB}"));
    assert_eq!((invite.header("Require"), cancel.all("Require").len()), ("100rel", 0));
}

/// Before a provisional response none is sent.
#[test]
fn sip_cc_pr_tr_cl_v_004() {
    let (mut rig, call, invite) = calling();
    assert_eq!(briefs(&rig.feed(ALICE, same_transaction(&call, "CANCEL"))), [format!("200 {ALICE}")]);
    assert_eq!(briefs(&rig.feed(BOB, invite.answer(100, ""))), [format!("CANCEL {BOB}")]);
}

/// After a final response neither.
#[test]
fn sip_cc_pr_tr_cl_v_005() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(200, ""));
    assert_eq!(briefs(&rig.feed(ALICE, same_transaction(&call, "CANCEL"))), [format!("200 {ALICE}")]);
}

fn acknowledged(lines: &str) -> (Sent, Sent) {
    let mut rig = Rig::lost();
    let path = format!("Path: <sip:{CAROL};lr>\r\nSupported: path\r\n");
    rig.feed_one(BOB, register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n{path}"), 1));
    let sent = rig.feed(ALICE, with(&request("INVITE", BOB_URI, "ack"), lines));
    let invite = one(&sent, &format!("INVITE {CAROL}")).clone();
    let sent = rig.feed(CAROL, invite.answer(486, ""));
    (invite, one(&sent, &format!("ACK {CAROL}")).clone())
}

/// 17.1.1.3: Call-ID, From and Request-URI are those of the INVITE, and so is the number of CSeq.
#[test]
fn sip_cc_pr_tr_cl_v_006() {
    let (invite, ack) = acknowledged("Subject: x");
    assert_eq!(ack.uri(), invite.uri());
    assert_eq!(
        (ack.header("Call-ID"), ack.header("From")),
        (invite.header("Call-ID"), invite.header("From"))
    );
    assert_eq!(ack.header("CSeq"), "1 ACK");
}

/// To is that of the response.
#[test]
fn sip_cc_pr_tr_cl_v_007() {
    let (invite, ack) = acknowledged("Subject: x");
    assert_eq!(ack.header("To"), format!("{};tag=t100035060", invite.header("To")));
}

/// One Via, the topmost of the INVITE.
#[test]
fn sip_cc_pr_tr_cl_v_008() {
    let (invite, ack) = acknowledged("Subject: x");
    assert_eq!(ack.all("Via"), [invite.header("Via")]);
}

/// The Routes of the INVITE.
#[test]
fn sip_cc_pr_tr_cl_v_009() {
    let (invite, ack) = acknowledged("Subject: x");
    assert_eq!(ack.all("Route"), invite.all("Route"));
    assert_eq!(ack.all("Route"), [format!("<sip:{CAROL};lr>")]);
}

/// From Calling to Completed: the final response goes up once, and each of its copies gets the ACK.
#[test]
fn sip_cc_pr_tr_cl_v_010() {
    let (mut rig, _, invite) = calling();
    let sent = rig.feed(BOB, invite.answer(404, ""));
    assert_eq!(briefs(&sent), [format!("ACK {BOB}"), format!("404 {ALICE}")]);
    for _ in 0..3 {
        assert_eq!(briefs(&rig.feed(BOB, invite.answer(404, ""))), [format!("ACK {BOB}")]);
    }
}

/// From Proceeding to Completed; a 2xx or a 1xx that follows is no business of its.
#[test]
fn sip_cc_pr_tr_cl_v_011() {
    let (mut rig, _, invite) = calling();
    rig.feed(BOB, invite.answer(180, ""));
    let sent = rig.feed(BOB, invite.answer(404, ""));
    assert_eq!(briefs(&sent), [format!("ACK {BOB}"), format!("404 {ALICE}")]);
    for status in [100, 180, 200] {
        assert_eq!(rig.feed(BOB, invite.answer(status, "")), []);
    }
}

/// 22.2, 22.3: a challenge of another element goes to the caller as it came.
#[test]
fn sip_cc_pr_tr_cl_v_012() {
    for (status, field) in [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")] {
        let (mut rig, _, invite) = calling();
        let line = format!("{field}: Digest realm=\"elsewhere\", nonce=\"n\", qop=\"auth\"\r\n");
        let sent = rig.feed(BOB, invite.answer(status, &line));
        assert!(one(&sent, &format!("{status} {ALICE}")).text.contains(&line));
    }
}

/// Credentials for another realm go along.
#[test]
fn sip_cc_pr_tr_cl_v_013() {
    let mut rig = served();
    let line = "Proxy-Authorization: Digest username=\"a\", realm=\"elsewhere\", nonce=\"n\", uri=\"sip:x\", response=\"0\"";
    let sent = rig.feed(ALICE, with(&request("INVITE", BOB_URI, "cred"), line));
    assert!(one(&sent, &format!("INVITE {BOB}")).text.contains(line));
}

/// Those for ours are consumed.
#[test]
fn sip_cc_pr_tr_cl_v_014() {
    let mut rig = Rig::with(guarded);
    rig.bind("bob", BOB);
    rig.cut();
    rig.run(secs(7));
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "own1"));
    let challenge = one(&sent, &format!("407 {ALICE}")).clone();
    let line = format!("Proxy-Authorization: {}", credentials(&challenge, "alice", "INVITE", BOB_URI, None));
    let sent = rig.feed(ALICE, with(&request("INVITE", BOB_URI, "own2"), &line));
    assert_eq!(one(&sent, &format!("INVITE {BOB}")).all("Proxy-Authorization").len(), 0);
}
