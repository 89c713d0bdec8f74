//! `SIP_MG_PR`: the form of messages (RFC 3261 sections 7, 18.3 and 19.1.1).

use crate::rig::*;
use crate::support::*;
use sip_survivability::transport::Transport;

fn text() -> String {
    request("MESSAGE", BOB_URI, "m")
}

/// A request in which `from` is `to` is answered with `status`, or dropped.
fn broken(from: &str, to: &str, status: Option<u16>) {
    let broken = text().replacen(from, to, 1);
    assert_ne!(broken, text());
    for mut rig in [branch(), served()] {
        let sent = rig.feed(ALICE, broken.clone());
        let expected: Vec<String> = status.map(|status| format!("{status} {ALICE}")).into_iter().collect();
        assert_eq!(briefs(&sent), expected, "{broken}");
    }
}

purposes! {
    // Extra white space in the start line (25.1: single SP).
    sip_mg_pr_i_001: broken("MESSAGE sip:", "MESSAGE  sip:", Some(400));
    // Another version.
    sip_mg_pr_i_002: broken("example SIP/2.0", "example SIP/7.0", Some(505));
    // A scheme that is none.
    sip_mg_pr_i_003: broken("MESSAGE sip:", "MESSAGE unknown:", Some(416));
    // A Request-URI in angle brackets.
    sip_mg_pr_i_004: broken("sip:bob@office.example SIP", "<sip:bob@office.example> SIP", Some(400));
    // Header fields in the Request-URI.
    sip_mg_pr_i_005: broken("office.example SIP", "office.example?Subject=x SIP", Some(400));
    // A method that CSeq does not name.
    sip_mg_pr_i_006: broken("CSeq: 1 MESSAGE", "CSeq: 1 INVITE", Some(400));
    // A sequence number above 2**32-1.
    sip_mg_pr_i_007: broken("CSeq: 1 ", "CSeq: 36893488147419103232 ", Some(400));
    // An unterminated quoted string.
    sip_mg_pr_i_008: broken("From: <", "From: \"alice <", Some(400));
    // A body shorter than Content-Length (18.3).
    sip_mg_pr_i_009: broken("Content-Length: 0", "Content-Length: 9999", Some(400));
    // Nobody to answer.
    sip_mg_pr_i_010: broken("Via: SIP/2.0/UDP ", "X: ", None);
}

/// A request that is odd and right is sent on like any other, with `kept` in it.
fn odd(from: &str, to: &str, kept: &str) {
    let odd = text().replacen(from, to, 1);
    assert_ne!(odd, text());
    let sent = served().feed_one(ALICE, odd);
    assert_eq!(sent.brief(), format!("MESSAGE {BOB}"));
    assert!(sent.text.contains(kept), "{sent:?}");
}

purposes! {
    // Names in any case.
    sip_mg_pr_v_001: odd("Call-ID: m", "cALL-iD: m", "cALL-iD: m");
    // White space around the colon and behind the value.
    sip_mg_pr_v_002: odd("Call-ID: m", "Call-ID  :    m  ", "Call-ID  :    m");
    // A folded value.
    sip_mg_pr_v_003: odd("From: <", "From:\r\n  \"A.\r\n\t Bell\" <", "\"A.\r\n\t Bell\" <");
    // A header field that nobody knows.
    sip_mg_pr_v_004: odd("Max-Forwards: 70", "Max-Forwards: 70\r\nX-Unknown: \u{e9}; a=\"b, c\"", "X-Unknown: \u{e9}; a=\"b, c\"");
    // A host in any case.
    sip_mg_pr_v_005: odd("MESSAGE sip:bob@office.example", "MESSAGE sip:bob@OFFICE.Example", "MESSAGE sip:bob@");
    // A scheme in any case.
    sip_mg_pr_v_006: odd("MESSAGE sip:bob@", "MESSAGE SIP:bob@", "MESSAGE sip:bob@");
    // An escaped user is the same user (19.1.4).
    sip_mg_pr_v_007: odd("MESSAGE sip:bob@", "MESSAGE sip:%62ob@", "MESSAGE sip:bob@");
    // URI parameters that nobody knows.
    sip_mg_pr_v_008: odd("MESSAGE sip:bob@office.example", "MESSAGE sip:bob@office.example;new=%41;x", "MESSAGE sip:bob@");
    // Several values in one field, and a field more than once, in their order.
    sip_mg_pr_v_009: odd("Max-Forwards: 70", "Max-Forwards: 70\r\nAccept: a/b, c/d\r\nAccept: e/f", "Accept: a/b, c/d\r\nAccept: e/f");
    // A method that nobody knows is told from its lower-case twin.
    sip_mg_pr_v_010: odd("To: <", "t:<", "t:<");
    // A token beside a quoted display name, empty or with escapes.
    sip_mg_pr_v_011: odd("From: <", "From: \"\\\"\\\\\" <", "From: \"\\\"\\\\\" <");
    // Compact names.
    sip_mg_pr_v_014: odd("Call-ID: m", "i: m", "i: m");
}

fn status_line(line: &str, passes: bool) {
    let (mut rig, _, sent) = asking();
    let answer = sent.answer(200, "").replacen("SIP/2.0 200 x", line, 1);
    let heard = rig.feed(BOB, answer);
    assert_eq!(heard.len(), usize::from(passes), "{line}: {heard:?}");
    if passes {
        assert_eq!(heard[0].line(), line);
    }
}

/// 7.2: the reason phrase is for people, and may be empty or in any script.
#[test]
fn sip_mg_pr_v_012() {
    for line in ["SIP/2.0 200 ", "SIP/2.0 299 \u{42f} \u{e9}", "SIP/2.0 604 Nowhere, really; 100%"] {
        status_line(line, true);
    }
}

/// 7.2: a status that is in none of the six classes, and another version, are of no response.
#[test]
fn sip_mg_pr_v_013() {
    for line in ["SIP/2.0 700 x", "SIP/2.0 20 x", "SIP/2.0 2000 x", "SIP/3.0 200 x"] {
        status_line(line, false);
    }
}

/// 18.1.1: what is larger than 1300 bytes goes by TCP where we can, and its Via says so.
#[test]
fn sip_mg_pr_v_015() {
    let mut rig = served();
    rig.listen(Transport::Tcp, SAS);
    let sent = rig.feed_one(ALICE, with(&text(), &format!("Subject: {}", "x".repeat(1300))));
    assert_ne!(sent.flow, FLOW);
    assert!(sent.header("Via").starts_with(&format!("SIP/2.0/TCP {SAS};")), "{sent:?}");
}

/// 7.5: line ends before the start line are ignored.
#[test]
fn sip_mg_pr_v_016() {
    assert_eq!(served().feed_one(ALICE, format!("\r\n\r\n{}", text())).brief(), format!("MESSAGE {BOB}"));
}
