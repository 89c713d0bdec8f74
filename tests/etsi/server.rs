//! `SIP_CC_PR_TR_SE`: server transactions (RFC 3261 17.2, RFC 6026).

use crate::rig::*;
use crate::support::*;

fn times(rig: &mut Rig, what: &str, span: std::time::Duration) -> Vec<u128> {
    let start = rig.now;
    let sent = rig.run(span);
    sent.iter().filter(|sent| sent.brief() == what).map(|sent| (sent.at - start).as_millis()).collect()
}

/// A call of alice's that bob has refused with 486.
fn refused() -> (Rig, String) {
    let (mut rig, call, invite) = calling();
    one(&rig.feed(BOB, invite.answer(486, "")), &format!("486 {ALICE}"));
    (rig, call)
}

/// A 100 within 200 ms.
#[test]
fn sip_cc_pr_tr_se_ti_001() {
    for mut rig in [branch(), served()] {
        assert_eq!(rig.feed(ALICE, request("INVITE", BOB_URI, "i"))[0].brief(), format!("100 {ALICE}"));
    }
}

/// Timer G starts at T1.
#[test]
fn sip_cc_pr_tr_se_ti_002() {
    let (mut rig, _) = refused();
    assert_eq!(times(&mut rig, &format!("486 {ALICE}"), millis(600)), [500]);
}

/// It doubles up to T2.
#[test]
fn sip_cc_pr_tr_se_ti_003() {
    let (mut rig, _) = refused();
    assert_eq!(times(&mut rig, &format!("486 {ALICE}"), secs(17)), [500, 1500, 3500, 7500, 11_500, 15_500]);
}

/// The ACK ends it.
#[test]
fn sip_cc_pr_tr_se_ti_004() {
    let (mut rig, call) = refused();
    rig.run(millis(600));
    assert_eq!(rig.feed(ALICE, same_transaction(&call, "ACK")), []);
    assert_eq!(rig.run(secs(40)), []);
}

/// Timer H: without an ACK it goes on for 64*T1 and no longer.
#[test]
fn sip_cc_pr_tr_se_ti_005() {
    let (mut rig, _) = refused();
    let sent = times(&mut rig, &format!("486 {ALICE}"), secs(100));
    assert_eq!((sent.len(), sent.last()), (10, Some(&31_500)));
}

/// Until then the INVITE is known.
#[test]
fn sip_cc_pr_tr_se_ti_006() {
    let (mut rig, call) = refused();
    rig.run(millis(31_900));
    assert_eq!(briefs(&rig.feed(ALICE, call)), [format!("486 {ALICE}")]);
}

/// Timer I: for T4 behind the ACK the INVITE and the ACK that come again are absorbed.
#[test]
fn sip_cc_pr_tr_se_ti_007() {
    let (mut rig, call) = refused();
    rig.feed(ALICE, same_transaction(&call, "ACK"));
    rig.run(millis(4_900));
    assert_eq!(rig.feed(ALICE, same_transaction(&call, "ACK")), []);
    assert_eq!(rig.feed(ALICE, call), []);
}

/// Timer L of RFC 6026: for 64*T1 behind a 2xx the INVITE that comes again is absorbed.
#[test]
fn sip_cc_pr_tr_se_ti_008() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(200, ""));
    rig.run(millis(31_900));
    assert_eq!(rig.feed(ALICE, call), []);
}

/// Timer J: for 64*T1 a request that comes again gets its answer again.
#[test]
fn sip_cc_pr_tr_se_ti_009() {
    let (mut rig, text, sent) = asking();
    rig.feed(BOB, sent.answer(200, ""));
    rig.run(millis(31_900));
    assert_eq!(briefs(&rig.feed(ALICE, text.clone())), [format!("200 {ALICE}")]);
    rig.run(millis(200));
    assert_eq!(briefs(&rig.feed(ALICE, text)), [format!("MESSAGE {BOB}")], "a new one by then");
}

/// 16.2: a server transaction for each request: what comes again is not forwarded again.
#[test]
fn sip_cc_pr_tr_se_v_001() {
    let (mut rig, call, _) = calling();
    assert_eq!(of(&rig.feed(ALICE, call), "INVITE").len(), 0);
}

fn trying() -> Sent {
    let call = with(&request("INVITE", BOB_URI, "try"), "Timestamp: 54.5");
    let sent = served().feed(ALICE, call);
    one(&sent, &format!("100 {ALICE}")).clone()
}

/// 8.2.6.2: From, Call-ID, CSeq and Via of the 100 are those of the request.
#[test]
fn sip_cc_pr_tr_se_v_002() {
    let (sent, call) = (trying(), request("INVITE", BOB_URI, "try"));
    for name in ["From", "Call-ID", "CSeq"] {
        assert!(call.contains(&format!("{name}: {}\r\n", sent.header(name))), "{name}");
    }
    assert_eq!(
        sent.all("Via"),
        [format!("SIP/2.0/UDP {ALICE};branch=z9hG4bKtry;rport=5060;received=10.0.0.1")]
    );
}

/// 8.2.6.2: To is the same, without a tag.
#[test]
fn sip_cc_pr_tr_se_v_003() {
    assert_eq!(trying().header("To"), "<sip:bob@office.example>");
}

/// 8.2.6.1: and so is the Timestamp.
#[test]
fn sip_cc_pr_tr_se_v_004() {
    assert!(trying().header("Timestamp").starts_with("54.5"));
}

/// 8.2.6.1: no provisional response to anything but an INVITE, before RFC 4320 asks for a 100.
#[test]
fn sip_cc_pr_tr_se_v_005() {
    let (mut rig, _, _) = asking();
    assert_eq!(of(&rig.run(millis(3_400)), "100").len(), 0);
    assert_eq!(of(&rig.run(millis(200)), "100").len(), 1);
}

/// In Proceeding the latest provisional response is sent again.
#[test]
fn sip_cc_pr_tr_se_v_006() {
    let (mut rig, call, _) = calling();
    assert_eq!(briefs(&rig.feed(ALICE, call)), [format!("100 {ALICE}")]);
}

/// The latest one.
#[test]
fn sip_cc_pr_tr_se_v_007() {
    let (mut rig, call, invite) = calling();
    rig.feed(BOB, invite.answer(180, ""));
    rig.feed(BOB, invite.answer(183, ""));
    assert_eq!(briefs(&rig.feed(ALICE, call)), [format!("183 {ALICE}")]);
}

/// In Completed the final response is.
#[test]
fn sip_cc_pr_tr_se_v_008() {
    let (mut rig, call) = refused();
    assert_eq!(briefs(&rig.feed(ALICE, call)), [format!("486 {ALICE}")]);
}

/// In Confirmed nothing is.
#[test]
fn sip_cc_pr_tr_se_v_009() {
    let (mut rig, call) = refused();
    rig.feed(ALICE, same_transaction(&call, "ACK"));
    assert_eq!(rig.feed(ALICE, call), []);
}

/// The ACK of a refusal ends here.
#[test]
fn sip_cc_pr_tr_se_v_010() {
    let (mut rig, call) = refused();
    assert_eq!(rig.feed(ALICE, same_transaction(&call, "ACK")), []);
}

/// Each 2xx is passed on, and no refusal behind a 2xx.
#[test]
fn sip_cc_pr_tr_se_v_011() {
    let (mut rig, call, invite) = calling();
    for _ in 0..3 {
        assert_eq!(briefs(&rig.feed(BOB, invite.answer(200, ""))), [format!("200 {ALICE}")]);
    }
    assert_eq!(rig.feed(BOB, invite.answer(486, "")), []);
    assert_eq!(rig.feed(ALICE, call), []);
}

/// In Trying a request that comes again is dropped.
#[test]
fn sip_cc_pr_tr_se_v_012() {
    let (mut rig, text, _) = asking();
    assert_eq!(rig.feed(ALICE, text), []);
}

/// In Proceeding it gets the provisional response again.
#[test]
fn sip_cc_pr_tr_se_v_013() {
    let (mut rig, text, _) = asking();
    rig.run(millis(3_600));
    assert_eq!(briefs(&rig.feed(ALICE, text)), [format!("100 {ALICE}")]);
}

/// In Completed it gets the final one again.
#[test]
fn sip_cc_pr_tr_se_v_014() {
    let (mut rig, text, sent) = asking();
    rig.feed(BOB, sent.answer(404, ""));
    assert_eq!(briefs(&rig.feed(ALICE, text)), [format!("404 {ALICE}")]);
}

/// A second final response is dropped.
#[test]
fn sip_cc_pr_tr_se_v_015() {
    let (mut rig, text, sent) = asking();
    let ok = rig.feed_one(BOB, sent.answer(200, ""));
    assert_eq!(rig.feed(BOB, sent.answer(404, "")), []);
    assert_eq!(rig.feed_one(ALICE, text).text, ok.text);
}

/// 17.2.3: whether `change` makes of a request that comes again another one.
fn is_another(change: impl Fn(&str) -> String) -> bool {
    let (mut rig, text, _) = asking();
    !rig.feed(ALICE, change(&text)).is_empty()
}

fn matching(from: &str, to: &str, another: bool) {
    assert_eq!(is_another(|text| text.replacen(from, to, 1)), another, "{from} -> {to}");
}

/// The same of an element of RFC 2543: by Request-URI, From's tag, Call-ID, CSeq and the topmost Via.
fn matching_2543(from: &str, to: &str, another: bool) {
    let mut rig = served();
    let text = request("MESSAGE", BOB_URI, "text").replace("z9hG4bKtext", "old");
    rig.feed_one(ALICE, text.clone());
    assert_eq!(rig.feed(ALICE, text.replacen(from, to, 1)).is_empty(), !another, "{from} -> {to}");
}

purposes! {
    sip_cc_pr_tr_se_v_016: matching("z9hG4bKtext", "z9hG4bKother", true);
    sip_cc_pr_tr_se_v_017: matching("z9hG4bKtext", "z9hG4bKTEXT", true);
    sip_cc_pr_tr_se_v_018: matching("UDP 10.0.0.1:5060;", "UDP 10.0.0.1:5061;", true);
    sip_cc_pr_tr_se_v_019: matching("UDP 10.0.0.1:5060;", "UDP 10.0.0.111:5060;", true);
    sip_cc_pr_tr_se_v_020: matching(";rport", ";rport;x=y", false);
    sip_cc_pr_tr_se_v_021: matching("Call-ID: text", "Call-ID: other", false);
    sip_cc_pr_tr_se_v_022: matching_2543("CSeq: 1 ", "CSeq: 1  ", false);
    sip_cc_pr_tr_se_v_023: matching_2543("Call-ID: text", "Call-ID: other", true);
    sip_cc_pr_tr_se_v_024: matching_2543("CSeq: 1 ", "CSeq: 2 ", true);
    sip_cc_pr_tr_se_v_025: matching_2543("tag=text", "tag=other", true);
    sip_cc_pr_tr_se_v_026: matching_2543("MESSAGE sip:bob@", "MESSAGE sip:bob:x@", true);
    sip_cc_pr_tr_se_v_027: matching_2543("branch=old", "branch=older", true);
}

/// The method tells apart, but for the ACK, which belongs to its INVITE.
#[test]
fn sip_cc_pr_tr_se_v_028() {
    let mut rig = served();
    for method in ["MESSAGE", "INFO", "FOO", "BAR"] {
        assert_eq!(briefs(&rig.feed(ALICE, request(method, BOB_URI, "same"))), [format!("{method} {BOB}")]);
    }
    let (mut rig, call) = refused();
    assert_eq!(rig.feed(ALICE, same_transaction(&call, "ACK")), []);
}

/// The ACK of RFC 2543, whose To has the tag of the refusal.
#[test]
fn sip_cc_pr_tr_se_v_029() {
    let mut rig = served();
    let call = request("INVITE", BOB_URI, "old").replace("branch=z9hG4bKold;", "");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    let refusal = rig.feed(BOB, invite.answer(486, ""));
    let to = one(&refusal, &format!("486 {ALICE}")).header("To").to_owned();
    let ack = same_transaction(&call, "ACK").replace("To: <sip:bob@office.example>", &format!("To: {to}"));
    assert_eq!(rig.feed(ALICE, ack), []);
    assert_eq!(rig.run(secs(40)), []);
}
