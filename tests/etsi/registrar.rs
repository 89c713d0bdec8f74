//! `SIP_RG_RR`: a registrar (RFC 3261 10.3), which we are in the emergency state.

use crate::rig::*;
use crate::support::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// Each query is a request of its own.
static SERIAL: AtomicU32 = AtomicU32::new(1000);

/// bob's REGISTER from bob's phone.
fn reg(lines: &str, cseq: u32) -> String {
    register("bob", BOB, lines, cseq)
}

fn contact() -> String {
    format!("Contact: <sip:bob@{BOB}>\r\n")
}

/// The contacts that a query lists, in their order, without their parameters.
fn listed(rig: &mut Rig) -> Vec<String> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let sent = rig.feed_one(CAROL, register("bob", CAROL, "", serial));
    assert_eq!(sent.brief(), format!("200 {CAROL}"));
    let contacts = sent.all("Contact").into_iter();
    contacts.map(|value| value[1..value.find('>').unwrap()].to_owned()).collect()
}

/// The whole seconds that the 200 grants to the contact with `uri`.
fn granted(sent: &Sent, uri: &str) -> u64 {
    let contact = sent.all("Contact").into_iter().find(|value| value.contains(uri)).unwrap();
    contact.split(";expires=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap()
}

fn refused(lines: &str, status: u16) {
    let mut rig = served();
    let sent = rig.feed_one(BOB, reg(lines, 7));
    assert_eq!(sent.brief(), format!("{status} {BOB}"), "{lines}");
    assert_eq!(listed(&mut rig), [format!("sip:bob@{BOB}")], "nothing has changed");
}

/// A REGISTER that is no well-formed request.
#[test]
fn sip_rg_rr_i_001() {
    let mut rig = served();
    let broken = [
        ("Call-ID: reg-bob", "X: "),
        ("CSeq: 7 REGISTER", "CSeq: 7 INVITE"),
        ("To: <sip:bob@office.example>", "To: <sip:bob@office.example"),
    ];
    for (i, (from, to)) in broken.into_iter().enumerate() {
        let text = reg(&contact(), 7).replace("bKregbob7", &format!("bKbroken{i}")).replacen(from, to, 1);
        assert_eq!(rig.feed_one(BOB, text).brief(), format!("400 {BOB}"), "{to}");
    }
}

/// An address of record that is no SIP URI.
#[test]
fn sip_rg_rr_i_002() {
    let mut rig = served();
    let text = reg(&contact(), 7).replace("To: <sip:bob@office.example>", "To: <http://office.example/bob>");
    assert_eq!(rig.feed_one(BOB, text).brief(), format!("400 {BOB}"));
    // An address of record that is none of the domain: "the registrar MUST send a 404".
    let text = reg(&contact(), 8).replace("To: <sip:bob@office.example>", "To: <sip:bob@elsewhere.example>");
    assert_eq!(rig.feed_one(BOB, text).brief(), format!("404 {BOB}"));
}

purposes! {
    sip_rg_rr_i_003: refused(&format!("Contact: *, <sip:bob@{BOB}>\r\nExpires: 0\r\n"), 400);
    sip_rg_rr_i_004: refused("Contact: *\r\nExpires: 60\r\n", 400);
}

/// From another phone, whose reboot a lower CSeq cannot be.
fn out_of_order(lines: &str, cseq: u32) {
    let mut rig = served();
    let first = register("bob", BOB, &format!("{}Expires: 600\r\n", contact()), 10);
    assert_eq!(rig.feed_one(BOB, first).brief(), format!("200 {BOB}"));
    let late =
        register("bob", CAROL, lines, cseq).replace(&format!("reg-bob-{CAROL}"), &format!("reg-bob-{BOB}"));
    let status: u16 = rig.feed_one(CAROL, late).line().split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(status, 500, "10.3 steps 6 and 7: the request fails");
    assert_eq!(listed(&mut rig), [format!("sip:bob@{BOB}")]);
}

purposes! {
    sip_rg_rr_o_001: out_of_order(&format!("{}Expires: 0\r\n", contact()), 9);
    sip_rg_rr_o_002: out_of_order(&format!("{}Expires: 60\r\n", contact()), 10);
    sip_rg_rr_o_003: out_of_order("Contact: *\r\nExpires: 0\r\n", 9);
}

#[test]
fn sip_rg_rr_v_001() {
    let mut rig = Rig::lost();
    assert_eq!(rig.feed_one(BOB, reg(&contact(), 1)).brief(), format!("200 {BOB}"));
    assert_eq!(listed(&mut rig), [format!("sip:bob@{BOB}")]);
}

/// 10.3 step 1: what is for another domain is a proxy's to send there.
#[test]
fn sip_rg_rr_v_002() {
    let text = reg(&contact(), 1).replace("office.example", "elsewhere.example");
    let sent = Rig::new().feed_one(BOB, text);
    assert_eq!((sent.brief(), sent.uri()), (format!("REGISTER {PROXY}"), "sip:elsewhere.example"));
}

/// Step 8: each current binding, each with its lifetime.
#[test]
fn sip_rg_rr_v_003() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let sent =
        rig.feed_one(CAROL, register("bob", CAROL, &format!("Contact: <sip:bob@{CAROL}>;expires=7\r\n"), 1));
    assert_eq!(sent.all("Contact").len(), 2);
    assert!(granted(&sent, BOB) <= 20 && granted(&sent, CAROL) == 7, "{sent:?}");
}

/// A third party registers for bob.
#[test]
fn sip_rg_rr_v_004() {
    let mut rig = Rig::lost();
    let text = reg(&contact(), 1).replace("From: <sip:bob@", "From: <sip:secretary@");
    assert_eq!(rig.feed_one(BOB, text).brief(), format!("200 {BOB}"));
    assert_eq!(listed(&mut rig), [format!("sip:bob@{BOB}")]);
}

/// A query changes nothing.
#[test]
fn sip_rg_rr_v_005() {
    let mut rig = Rig::lost();
    assert_eq!(listed(&mut rig), Vec::<String>::new());
    rig.bind("bob", BOB);
    rig.run(secs(1));
    assert_eq!(listed(&mut rig).len(), 1);
}

/// Several contacts at once.
#[test]
fn sip_rg_rr_v_006() {
    let mut rig = Rig::lost();
    rig.feed_one(
        BOB,
        reg(&format!("Contact: <sip:bob@{BOB}>, <sip:bob@{CAROL}>\r\nm: <sip:bob@{ALICE}>\r\n"), 1),
    );
    assert_eq!(listed(&mut rig).len(), 3);
}

/// A refresh.
#[test]
fn sip_rg_rr_v_007() {
    let mut rig = Rig::lost();
    rig.feed_one(BOB, reg(&format!("{}Expires: 8\r\n", contact()), 1));
    rig.run(secs(6));
    rig.feed_one(BOB, reg(&format!("{}Expires: 8\r\n", contact()), 2));
    rig.run(secs(6));
    assert_eq!(listed(&mut rig).len(), 1);
    rig.run(secs(3));
    assert_eq!(listed(&mut rig), Vec::<String>::new(), "and after that it has expired");
}

/// A removal.
#[test]
fn sip_rg_rr_v_008() {
    let mut rig = Rig::lost();
    rig.feed_one(BOB, reg(&format!("Contact: <sip:bob@{BOB}>, <sip:bob@{CAROL}>\r\n"), 1));
    let sent = rig.feed_one(BOB, reg(&format!("Contact: <sip:bob@{BOB}>;expires=0\r\n"), 2));
    assert_eq!((sent.brief(), sent.all("Contact").len()), (format!("200 {BOB}"), 1));
    assert_eq!(listed(&mut rig), [format!("sip:bob@{CAROL}")]);
}

/// 20.10: `*` removes all.
#[test]
fn sip_rg_rr_v_009() {
    let mut rig = Rig::lost();
    rig.feed_one(
        BOB,
        reg(&format!("Contact: <sip:bob@{BOB}>, \"B, ob\" <sip:bob@{CAROL};x=y>;q=0.5;z\r\n"), 1),
    );
    assert_eq!(listed(&mut rig).len(), 2);
    assert_eq!(rig.feed_one(BOB, reg("Contact: *\r\nExpires: 0\r\n", 2)).brief(), format!("200 {BOB}"));
    assert_eq!(listed(&mut rig), Vec::<String>::new());
}

/// Step 2: an extension that is not known.
#[test]
fn sip_rg_rr_v_010() {
    let mut rig = Rig::lost();
    let sent = rig.feed_one(BOB, reg(&format!("{}Require: foo, path, bar\r\n", contact()), 1));
    assert_eq!((sent.brief(), sent.header("Unsupported")), (format!("420 {BOB}"), "foo, bar"));
    assert_eq!(listed(&mut rig), Vec::<String>::new());
}

/// What was asked for is granted, or less: the contact's parameter counts before Expires, and Expires before our own time.
fn expiry(lines: &str, least: u64, most: u64) {
    let sent = Rig::lost().feed_one(BOB, reg(&format!("Contact: <sip:bob@{BOB}>{lines}\r\n"), 1));
    assert!((least..=most).contains(&granted(&sent, BOB)), "{sent:?}");
}

purposes! {
    sip_rg_rr_v_011: expiry(";expires=7\r\nExpires: 9", 7, 7);
    sip_rg_rr_v_012: expiry("\r\nExpires: 9", 9, 9);
    sip_rg_rr_v_013: expiry("", 15, 20);
    // A lifetime that cannot be read counts as none was named (20.19: "MUST be treated as equivalent to 3600").
    sip_rg_rr_v_014: expiry(";expires=soon", 15, 20);
    // We grant what is asked for, however short (423 is a MAY of step 7).
    sip_rg_rr_v_015: expiry(";expires=1", 1, 1);
}

/// Step 7: URIs are compared by 19.1.4.
#[test]
fn sip_rg_rr_v_016() {
    let mut rig = Rig::lost();
    rig.feed_one(BOB, reg("Contact: <sip:bob@Phone.Office.example;x=1>\r\n", 1));
    rig.feed_one(BOB, reg("Contact: <SIP:%62ob@phone.office.EXAMPLE;X=1;y>\r\n", 2));
    assert_eq!(listed(&mut rig).len(), 1);
    rig.feed_one(BOB, reg("Contact: <sip:Bob@phone.office.example;x=1>\r\n", 3));
    assert_eq!(listed(&mut rig).len(), 2);
}

/// Step 7: all or nothing.
#[test]
fn sip_rg_rr_v_017() {
    let mut rig = served();
    let lines = format!("Contact: <sip:bob@{BOB}>;expires=0, <sip:bob@{CAROL}>, <sip:bob@\r\n");
    assert_eq!(rig.feed_one(BOB, reg(&lines, 7)).brief(), format!("400 {BOB}"));
    assert_eq!(listed(&mut rig), [format!("sip:bob@{BOB}")]);
}

fn with_password(user: &str, secret: Option<&str>, status: u16) {
    let mut rig = Rig::lost_with(guarded);
    let challenge = rig.feed_one(BOB, reg(&contact(), 1));
    assert_eq!(challenge.brief(), format!("401 {BOB}"));
    let proof = credentials(&challenge, user, "REGISTER", "sip:office.example", secret);
    let sent = rig.feed_one(BOB, reg(&format!("{}Authorization: {proof}\r\n", contact()), 2));
    assert_eq!(sent.brief(), format!("{status} {BOB}"));
    assert_eq!(rig.sas.registrar().len(), usize::from(status == 200));
}

#[test]
fn sip_rg_rr_v_018() {
    let mut rig = Rig::lost_with(guarded);
    let sent = rig.feed_one(BOB, reg(&contact(), 1));
    assert_eq!(sent.brief(), format!("401 {BOB}"));
    assert!(sent.header("WWW-Authenticate").starts_with("Digest realm="));
    assert_eq!(rig.sas.registrar().len(), 0);
}

/// 10.2.1.2: the preference is kept, told, and followed.
#[test]
fn sip_rg_rr_v_020() {
    let mut rig = Rig::lost();
    let lines = format!("Contact: <sip:bob@{BOB}>;q=0.25, <sip:bob@{CAROL}>;q=0.75\r\n");
    let sent = rig.feed_one(BOB, reg(&lines, 1));
    let contacts = sent.all("Contact");
    assert!(contacts[0].contains(CAROL) && contacts[0].contains(";q=0.75"), "{contacts:?}");
    assert!(contacts[1].contains(BOB) && contacts[1].contains(";q=0.25"), "{contacts:?}");
}

purposes! {
    sip_rg_rr_v_019: with_password("alice", None, 403);
    sip_rg_rr_v_021: with_password("bob", Some("guessed"), 401);
    sip_rg_rr_v_022: with_password("bob", None, 200);
}
