//! Several contacts of one user (RFC 3261 16.6, 16.7; `sas.md` 7.3).

use crate::rig::*;
use sip_survivability::config::Settings;

const BOB_URI: &str = "sip:bob@office.example";
const BOB_2: &str = "10.0.0.22:5060";

/// In emergency, bob at two phones: both at once, or one after the other.
fn two_phones(contact_2: &str) -> Rig {
    two_phones_with(contact_2, |_| {})
}

fn two_phones_with(contact_2: &str, change: impl FnOnce(&mut Settings)) -> Rig {
    let mut rig = Rig::lost_with(change);
    rig.bind("bob", BOB);
    rig.bind_as("bob", BOB_2, &format!("<sip:bob@{BOB_2}>{contact_2}"));
    rig
}

fn called(rig: &mut Rig, to: &str) -> Sent {
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    one(&sent, &format!("INVITE {to}")).clone()
}

fn both_called(rig: &mut Rig) -> (Sent, Sent) {
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    (one(&sent, &format!("INVITE {BOB}")).clone(), one(&sent, &format!("INVITE {BOB_2}")).clone())
}

#[test]
fn contacts_of_equal_q_ring_at_once_and_the_first_2xx_cancels_the_others() {
    let mut rig = two_phones("");
    let (a, b) = both_called(&mut rig);
    assert_ne!(a.header("Via"), b.header("Via"), "each branch has its own id");
    rig.feed(BOB, a.answer(180, ""));
    rig.feed(BOB_2, b.answer(180, ""));
    let sent = rig.feed(BOB, a.answer(200, ""));
    assert_eq!(briefs(&sent), [format!("200 {ALICE}"), format!("CANCEL {BOB_2}")]);
    rig.feed(BOB_2, sent[1].answer(200, ""));
    assert_eq!(rig.feed_one(BOB_2, b.answer(487, "")).brief(), format!("ACK {BOB_2}"));
    rig.drain();
}

#[test]
fn of_two_2xx_in_a_race_both_reach_the_caller() {
    let mut rig = two_phones("");
    let (a, b) = both_called(&mut rig);
    assert_eq!(briefs(&rig.feed(BOB, a.answer(200, "")))[0], format!("200 {ALICE}"));
    assert_eq!(briefs(&rig.feed(BOB_2, b.answer(200, ""))), [format!("200 {ALICE}")]);
    rig.drain();
}

#[test]
fn the_best_refusal_is_forwarded_once_all_have_refused() {
    let mut rig = two_phones("");
    let (a, b) = both_called(&mut rig);
    assert_eq!(briefs(&rig.feed(BOB, a.answer(503, ""))), [format!("ACK {BOB}")]);
    assert_eq!(briefs(&rig.feed(BOB_2, b.answer(486, ""))), [format!("ACK {BOB_2}"), format!("486 {ALICE}")]);
    rig.drain();
}

#[test]
fn a_6xx_ends_the_search_and_waits_for_the_cancelled() {
    let mut rig = two_phones("");
    let (a, b) = both_called(&mut rig);
    rig.feed(BOB_2, b.answer(180, ""));
    let sent = rig.feed(BOB, a.answer(603, ""));
    assert_eq!(briefs(&sent), [format!("ACK {BOB}"), format!("CANCEL {BOB_2}")]);
    let sent = rig.feed(BOB_2, b.answer(487, ""));
    assert_eq!(briefs(&sent), [format!("ACK {BOB_2}"), format!("603 {ALICE}")]);
    rig.drain();
}

#[test]
fn the_next_q_is_tried_when_the_one_before_refuses() {
    let mut rig = two_phones(";q=0.5");
    let a = called(&mut rig, BOB);
    let sent = rig.feed(BOB, a.answer(486, ""));
    assert_eq!(briefs(&sent), [format!("ACK {BOB}"), format!("INVITE {BOB_2}")]);
    assert_eq!(briefs(&rig.feed(BOB_2, sent[1].answer(480, ""))).last(), Some(&format!("480 {ALICE}")));
    rig.drain();
}

#[test]
fn a_503_alone_becomes_500() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let a = called(&mut rig, BOB);
    assert_eq!(
        briefs(&rig.feed(BOB, a.answer(503, "Retry-After: 9\r\n"))).last(),
        Some(&format!("500 {ALICE}"))
    );
}

/// RFC 3261 16.7 step 6: the best response is chosen when all have answered. One phone that cannot be reached is
/// one branch's failure, whatever else could be tried after the group.
#[test]
fn one_unreachable_phone_does_not_end_the_ringing_of_the_others() {
    for icmp in [true, false] {
        let mut rig = two_phones_with("", |settings| settings.sas.ring_time = secs(60));
        rig.bind_as("bob", CAROL, &format!("<sip:bob@{CAROL}>;q=0.1"));
        let (a, _) = both_called(&mut rig);
        rig.feed(BOB, a.answer(180, ""));
        let sent = if icmp { rig.failed(BOB_2) } else { rig.run(secs(34)) };
        let others = sent.iter().filter(|sent| sent.to != address(BOB_2)).cloned().collect::<Vec<_>>();
        assert_eq!(briefs(&others), Vec::<String>::new(), "icmp: {icmp}");
        assert_eq!(briefs(&rig.feed(BOB, a.answer(200, ""))), [format!("200 {ALICE}")]);
        rig.drain();
    }
}

/// 16.6 step 11, 16.8: a Timer C for each client transaction.
#[test]
fn every_group_has_its_own_timer_c() {
    let mut rig = two_phones_with(";q=0.5", |settings| settings.sas.ring_time = secs(3600));
    let a = called(&mut rig, BOB);
    rig.feed(BOB, a.answer(180, ""));
    let sent = rig.run(secs(186));
    let cancel = one(&sent, &format!("CANCEL {BOB}")).clone();
    rig.feed(BOB, cancel.answer(200, ""));
    let sent = rig.feed(BOB, a.answer(487, ""));
    let b = one(&sent, &format!("INVITE {BOB_2}")).clone();
    rig.feed(BOB_2, b.answer(180, ""));
    // It rings for ever, and is gone.
    let sent = rig.run(secs(300));
    one(&sent, &format!("CANCEL {BOB_2}"));
    // The best of the two: the 487 of the first phone, and the silence of the second.
    assert_eq!(of(&sent, "487").first().map(|sent| sent.to), Some(address(ALICE)));
    rig.drain();
}

#[test]
fn each_provisional_but_100_starts_timer_c_again() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let a = called(&mut rig, BOB);
    for _ in 0..4 {
        rig.feed(BOB, a.answer(183, ""));
        assert!(of(&rig.run(secs(170)), "CANCEL").is_empty());
    }
    rig.feed(BOB, a.answer(100, ""));
    assert_eq!(of(&rig.run(secs(20)), "CANCEL")[0].to, address(BOB));
}

#[test]
fn the_caller_hears_every_provisional_but_100() {
    let mut rig = two_phones("");
    let (a, b) = both_called(&mut rig);
    assert_eq!(rig.feed(BOB, a.answer(100, "")), []);
    assert_eq!(rig.feed_one(BOB, a.answer(180, "")).brief(), format!("180 {ALICE}"));
    let session = rig.feed_one(BOB_2, b.answer(183, "X-Mark: kept\r\n"));
    assert_eq!((session.brief(), session.header("X-Mark")), (format!("183 {ALICE}"), "kept"));
    assert_eq!(session.all("Via").len(), 1);
}

#[test]
fn nobody_answers_an_invite_is_408() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    called(&mut rig, BOB);
    assert_eq!(of(&rig.run(secs(33)), "408")[0].to, address(ALICE));
    rig.drain();
}

#[test]
fn the_only_phone_unreachable_is_480_at_once() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    called(&mut rig, BOB);
    assert_eq!(briefs(&rig.failed(BOB)), [format!("480 {ALICE}")]);
    rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "ACK"));
    rig.drain();
}

/// RFC 3261 16.7 step 3: a response without a Via below ours can go nowhere, and 16.7 wants a final response all the same.
#[test]
fn a_2xx_without_the_callers_via_ends_the_request_all_the_same() {
    for method in ["INVITE", "MESSAGE"] {
        let mut rig = Rig::lost();
        rig.bind("bob", BOB);
        let sent = rig.feed(ALICE, request(method, BOB_URI, "c1"));
        let a = one(&sent, &format!("{method} {BOB}")).clone();
        let below = format!("Via: {}\r\n", a.all("Via")[1]);
        let sent = rig.feed(BOB, a.answer(200, "").replacen(&below, "", 1));
        assert_eq!(briefs(&sent), [format!("502 {ALICE}")], "{method}");
        rig.drain();
    }
}

/// RFC 5393 5.3.3.
#[test]
fn max_breadth_is_added_kept_and_never_above_ours() {
    let twice = "Max-Breadth: 7\r\nMax-Breadth: 9";
    for (asked, sent) in
        [("", "60"), ("Max-Breadth: 7", "7"), (twice, "7"), ("Max-Breadth: 4000000000", "60")]
    {
        for mut rig in [Rig::new(), Rig::lost()] {
            rig.bind("bob", BOB);
            for method in ["MESSAGE", "ACK"] {
                let text = in_dialog(method, &format!("sip:bob@{BOB}"), method, &[]);
                let text = if asked.is_empty() { text } else { with(&text, asked) };
                assert_eq!(rig.feed_one(ALICE, text).all("Max-Breadth"), [sent], "{method}");
            }
        }
    }
}

#[test]
fn branches_of_a_fork_share_the_breadth() {
    let mut rig = two_phones("");
    let (a, b) = both_called(&mut rig);
    assert_eq!((a.header("Max-Breadth"), b.header("Max-Breadth")), ("30", "30"));
    let mut rig = two_phones("");
    let sent = rig.feed(ALICE, with(&request("INVITE", BOB_URI, "c1"), "Max-Breadth: 5"));
    let shares: Vec<&str> = of(&sent, "INVITE").iter().map(|sent| sent.header("Max-Breadth")).collect();
    assert_eq!(shares, ["3", "2"]);
}

/// "A proxy receiving a request with a Max-Breadth of 1 can only fork serially".
#[test]
fn with_a_breadth_of_one_phones_are_tried_one_after_the_other() {
    let mut rig = two_phones("");
    let sent = rig.feed(ALICE, with(&request("INVITE", BOB_URI, "c1"), "Max-Breadth: 1"));
    let first = of(&sent, "INVITE");
    assert_eq!((first.len(), first[0].header("Max-Breadth")), (1, "1"));
    let first = first[0].clone();
    let sent = rig.feed(&first.to.to_string(), first.answer(486, ""));
    let second = of(&sent, "INVITE")[0].clone();
    assert!(second.to != first.to && second.header("Max-Breadth") == "1");
    assert_eq!(
        briefs(&rig.feed(&second.to.to_string(), second.answer(486, ""))).last(),
        Some(&format!("486 {ALICE}"))
    );
    rig.drain();
}

/// 16.7 step 7: "the proxy MUST collect any WWW-Authenticate and Proxy-Authenticate header field values from all other 401 and
/// 407 responses".
#[test]
fn the_challenges_of_all_phones_reach_the_caller_at_once() {
    let mut rig = two_phones("");
    rig.bind_as("bob", CAROL, &format!("<sip:bob@{CAROL}>"));
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let [a, b, c] = [BOB, BOB_2, CAROL].map(|phone| one(&sent, &format!("INVITE {phone}")).clone());
    rig.feed(BOB, a.answer(401, "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n"));
    rig.feed(
        BOB_2,
        b.answer(407, "Proxy-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\nProxy-Authenticate: X y=z\r\n"),
    );
    let sent = rig.feed(CAROL, c.answer(486, "WWW-Authenticate: not=mine\r\n"));
    let refusal = one(&sent, &format!("401 {ALICE}"));
    assert_eq!(refusal.all("WWW-Authenticate"), ["Digest realm=\"a\", nonce=\"1\""]);
    assert_eq!(refusal.all("Proxy-Authenticate"), ["Digest realm=\"b\", nonce=\"2\"", "X y=z"]);
    assert_eq!(refusal.all("Via").len(), 1);
}

/// 16.8: a branch that times out counts as a 408, which is of a lower class.
#[test]
fn of_a_silent_phone_and_one_that_fails_the_408_is_best() {
    let mut rig = two_phones("");
    let (a, _) = both_called(&mut rig);
    rig.feed(BOB, a.answer(500, ""));
    assert_eq!(of(&rig.run(secs(33)), "408")[0].to, address(ALICE));
    rig.drain();
}

#[test]
fn a_challenge_goes_before_other_refusals_of_its_class_and_a_redirection_before_both() {
    for (statuses, best) in
        [([404, 420], 420), ([415, 404], 415), ([484, 302], 302), ([500, 486], 486), ([603, 200], 200)]
    {
        let mut rig = two_phones("");
        let (a, b) = both_called(&mut rig);
        rig.feed(BOB, a.answer(statuses[0], ""));
        let sent = rig.feed(BOB_2, b.answer(statuses[1], ""));
        one(&sent, &format!("{best} {ALICE}"));
        rig.drain();
    }
}

/// Serial forking (16.7 step 4): a phone that is off or that nobody picks up does not keep the call from the next one.
#[test]
fn the_next_q_is_tried_when_the_one_before_is_silent_or_rings_for_long() {
    for (answers, time) in [(false, 4), (true, 20)] {
        let mut rig = two_phones(";q=0.5");
        let a = called(&mut rig, BOB);
        if answers {
            rig.feed(BOB, a.answer(180, ""));
        }
        assert!(of(&rig.run(millis(time * 1000 - 1)), "INVITE").iter().all(|sent| sent.to == address(BOB)));
        let sent = rig.run(millis(1));
        let b = one(&sent, &format!("INVITE {BOB_2}")).clone();
        assert_eq!(of(&sent, "CANCEL").len(), usize::from(answers));
        assert_eq!(briefs(&rig.feed(BOB_2, b.answer(180, ""))), [format!("180 {ALICE}")]);
        // It may ring for as long as it likes: nobody comes after it.
        assert!(of(&rig.run(secs(60)), "408").is_empty());
        assert_eq!(briefs(&rig.feed(BOB_2, b.answer(200, ""))), [format!("200 {ALICE}")]);
        rig.drain();
    }
}

#[test]
fn who_hangs_up_does_not_make_the_next_phone_ring() {
    let mut rig = two_phones(";q=0.5");
    let a = called(&mut rig, BOB);
    rig.feed(BOB, a.answer(180, ""));
    rig.feed(ALICE, same_transaction(&request("INVITE", BOB_URI, "c1"), "CANCEL"));
    assert!(of(&rig.run(secs(60)), "INVITE").is_empty());
    rig.drain();
}

/// 16.7 step 4, off unless the site wants it: a phone's 302 to another of the branch is followed, by q and each target once.
#[test]
fn a_redirection_is_passed_on_unless_it_is_to_be_followed() {
    let to_carol = format!(
        "Contact: <sip:bob@{BOB}>;q=0.1, <sip:carol@office.example>, <sip:x@10.0.0.3:5070;method=BYE>;q=0.5\r\n"
    );
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    rig.bind("carol", CAROL);
    let a = called(&mut rig, BOB);
    one(&rig.feed(BOB, a.answer(302, &to_carol)), &format!("302 {ALICE}"));

    let mut rig = Rig::lost_with(|settings| settings.sas.follow_redirects = true);
    rig.bind("bob", BOB);
    rig.bind("carol", CAROL);
    let a = called(&mut rig, BOB);
    let sent = rig.feed(BOB, a.answer(302, &to_carol));
    assert_eq!(briefs(&sent), [format!("ACK {BOB}"), format!("INVITE {CAROL}")]);
    let carol = sent[1].clone();
    assert_eq!(carol.uri(), format!("sip:carol@{CAROL}"));
    let sent = rig.feed(CAROL, carol.answer(486, ""));
    let other = one(&sent, "INVITE 10.0.0.3:5070").clone();
    assert_eq!(other.uri(), "sip:x@10.0.0.3:5070");
    // A circle ends: carol has been asked.
    let round = "Contact: <sip:carol@office.example>\r\n";
    let sent = rig.feed("10.0.0.3:5070", other.answer(302, round));
    assert_eq!(briefs(&sent), ["ACK 10.0.0.3:5070".to_owned(), format!("302 {ALICE}")]);
    rig.drain();
}

#[test]
fn a_redirection_out_of_the_branch_is_the_callers_to_follow() {
    for contact in
        ["<sip:x@203.0.113.9>", "<tel:+15550100>", "<sip:5550100@192.0.2.9>", "*", "<sip:bob@office.example>"]
    {
        let mut rig = Rig::lost_with(|settings| settings.sas.follow_redirects = true);
        rig.bind("bob", BOB);
        let a = called(&mut rig, BOB);
        let sent = rig.feed(BOB, a.answer(302, &format!("Contact: {contact}\r\n")));
        assert_eq!(briefs(&sent), [format!("ACK {BOB}"), format!("302 {ALICE}")], "{contact}");
        rig.drain();
    }
}
