//! REGISTER in both states (`sas.md` 2.1, 3.4, 4.5; RFC 3261 10.3; RFC 3327).

use crate::rig::*;
use sip_survivability::Notice;
use sip_survivability::config::SurvivabilityMode;
use sip_survivability::mode::State;

fn reg(cseq: u32) -> String {
    register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\nExpires: 3600\r\n"), cseq)
}

#[test]
fn in_normal_a_register_is_relayed_with_our_path_and_recorded_from_the_2xx() {
    let mut rig = Rig::new();
    let relayed = rig.feed_one(BOB, reg(1));
    assert_eq!(relayed.brief(), format!("REGISTER {PROXY}"));
    assert_eq!(relayed.header("Path"), format!("<sip:{SAS};lr>"));
    assert_eq!(relayed.all("Record-Route"), Vec::<&str>::new());
    assert_eq!(rig.sas.registrar().len(), 0);
    let ok = rig.feed_one(PROXY, relayed.answer(200, &format!("Contact: <sip:bob@{BOB}>;expires=1800\r\n")));
    assert_eq!(ok.header("Contact"), format!("<sip:bob@{BOB}>;expires=1800"));
    let binding = rig.sas.registrar().iter().next().unwrap();
    assert_eq!((binding.origin.as_str(), (binding.expires_at - rig.now).as_secs()), ("proxy", 1800));
    rig.run(secs(1801));
    assert_eq!(rig.sas.registrar().len(), 0);
    rig.drain();
}

#[test]
fn a_challenge_passes_through_untouched_and_stores_nothing() {
    let mut rig = Rig::new();
    let relayed = rig.feed_one(BOB, reg(1));
    let challenge = "WWW-Authenticate: Digest realm=\"x\", nonce=\"a,b\"\r\n";
    let passed = rig.feed_one(PROXY, relayed.answer(401, challenge));
    assert_eq!(
        (passed.brief(), passed.header("WWW-Authenticate")),
        (format!("401 {BOB}"), "Digest realm=\"x\", nonce=\"a,b\"")
    );
    assert_eq!(rig.sas.registrar().len(), 0);
    rig.drain();
}

#[test]
fn a_removal_takes_the_binding_away_once_the_proxy_agrees() {
    for lines in
        [format!("Contact: <sip:bob@{BOB}>;expires=0\r\n"), "Contact: *\r\nExpires: 0\r\n".to_owned()]
    {
        let mut rig = Rig::new();
        rig.bind("bob", BOB);
        let relayed = rig.feed_one(BOB, register("bob", BOB, &lines, 2));
        assert_eq!(rig.sas.registrar().len(), 1);
        rig.feed(PROXY, relayed.answer(200, ""));
        assert_eq!(rig.sas.registrar().len(), 0, "{lines}");
    }
}

/// `sas.md` 4.5: again without Path, and remembered. Nothing of the first try is left behind.
#[test]
fn a_proxy_that_refuses_path_gets_the_register_without_and_is_remembered() {
    let mut rig = Rig::new();
    let first = rig.feed_one(BOB, reg(1));
    let second = rig.feed_one(PROXY, first.answer(420, "Unsupported: path\r\n"));
    assert_eq!((second.brief(), second.header("Path")), (format!("REGISTER {PROXY}"), ""));
    let granted = format!("Contact: <sip:bob@{BOB}>;expires=60\r\n");
    assert_eq!(rig.feed_one(PROXY, second.answer(200, &granted)).brief(), format!("200 {BOB}"));
    assert_eq!(rig.feed_one(BOB, reg(2)).header("Path"), "");
    rig.drain();
}

#[test]
fn in_emergency_a_register_is_answered_here_with_the_short_expiry_and_all_contacts() {
    let mut rig = Rig::lost();
    let ok = rig.feed_one(BOB, reg(1));
    let (uri, expires) = ok.header("Contact").rsplit_once(";expires=").unwrap();
    assert_eq!((ok.brief(), uri.to_owned()), (format!("200 {BOB}"), format!("<sip:bob@{BOB}>")));
    assert!((15..=20).contains(&expires.parse::<u64>().unwrap()));
    rig.feed(CAROL, register("bob", CAROL, &format!("Contact: <sip:bob@{CAROL}>\r\n"), 1));
    let all = rig.feed_one(CAROL, register("bob", CAROL, "", 2));
    assert_eq!(all.all("Contact").len(), 2, "a REGISTER without Contact asks");
    rig.run(secs(21));
    assert_eq!(rig.sas.registrar().len(), 0);
}

#[test]
fn bindings_are_kept_at_both_transitions_and_those_of_the_proxy_past_their_lifetime() {
    let mut rig = Rig::new();
    let relayed = rig.feed_one(BOB, reg(1));
    rig.feed(PROXY, relayed.answer(200, &format!("Contact: <sip:bob@{BOB}>;expires=30\r\n")));
    rig.cut();
    rig.run(secs(60));
    assert_eq!(rig.sas.state(), State::Emergency);
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "c1"));
    one(&sent, &format!("INVITE {BOB}"));
}

#[test]
fn after_the_return_the_proxy_gets_no_more_than_the_rate_and_the_rest_is_served_here() {
    let mut rig = Rig::lost_with(|settings| {
        settings.sas.return_rate = 5;
        settings.sas.minimum_dwell = secs(0);
    });
    let user = |i: u32| (format!("u{i}"), format!("10.0.1.{i}:5060"));
    let text = |i: u32, cseq| {
        let (user, at) = user(i);
        register(&user, &at, &format!("Contact: <sip:{user}@{at}>\r\n"), cseq)
    };
    for i in 1..=20 {
        assert_eq!(rig.feed_one(&user(i).1, text(i, 1)).brief(), format!("200 {}", user(i).1));
    }
    rig.up.insert(address(PROXY));
    rig.run(secs(6));
    assert_eq!(rig.sas.state(), State::Normal);
    let sent: Vec<_> = (1..=20).flat_map(|i| rig.feed(&user(i).1, text(i, 2))).collect();
    assert_eq!(of(&sent, "REGISTER").len(), 5);
    assert_eq!(of(&sent, "200").len(), 15);
}

#[test]
fn our_own_registrar_answers_420_to_extensions_that_it_does_not_know() {
    let mut rig = Rig::lost();
    let answer = rig.feed_one(BOB, with(&reg(1), "Require: path, gin"));
    assert_eq!(answer.brief(), format!("420 {BOB}"));
    assert_eq!(answer.header("Unsupported"), "gin");
    assert_eq!(rig.sas.registrar().len(), 0);
    let answer = rig.feed_one(BOB, with(&reg(2), "Require: path"));
    assert_eq!(answer.brief(), format!("200 {BOB}"));
}

#[test]
fn always_emergency_serves_from_the_start_and_never_probes() {
    let mut rig = Rig::cold(|settings| {
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    });
    rig.bind("bob", BOB);
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "c1"));
    one(&sent, &format!("INVITE {BOB}"));
    rig.run(secs(100));
    assert_eq!((rig.probes, rig.sas.state()), (0, State::Emergency));
}

/// RFC 3261 16.3 step 4, for REGISTER too: a proxy that sends it back would get it again until its hops are used up.
#[test]
fn a_register_that_the_proxy_sends_back_is_482_at_the_second_turn() {
    let mut rig = Rig::new();
    let first = rig.feed_one(BOB, reg(1));
    let back = |sent: &Sent| {
        let via = format!("Via: {}", sent.header("Via"));
        sent.text.replacen(
            &via,
            &format!(
                "Via: SIP/2.0/UDP {PROXY};branch=z9hG4bK{}\r\n{via}",
                sent.at.as_micros() + sent.text.len() as u64
            ),
            1,
        )
    };
    let answer = rig.feed_one(PROXY, back(&first));
    assert_eq!(answer.brief(), format!("482 {PROXY}"));
}

#[test]
fn an_emergency_number_cannot_be_registered() {
    let mut rig = Rig::lost();
    let text = register("911", BOB, &format!("Contact: <sip:911@{BOB}>\r\n"), 1);
    assert_eq!(rig.feed_one(BOB, text).brief(), format!("403 {BOB}"));
}

/// The proxy that was restarted is told of those whose long lifetime it had granted, one after the other.
#[test]
fn after_the_return_the_proxy_is_told_who_is_registered() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.bind("carol", CAROL);
    rig.cut();
    rig.run(secs(7));
    rig.up.insert(address(PROXY));
    let mut told = Vec::new();
    for _ in 0..200 {
        for sent in rig.run(millis(100)) {
            let at = sent.to.to_string();
            told.push(sent.header("To").to_owned());
            rig.feed(&at, sent.answer(200, ""));
        }
    }
    assert_eq!(told, ["<sip:bob@office.example>", "<sip:carol@office.example>"]);
    rig.drain();
}

#[test]
fn a_proxy_that_wants_credentials_is_told_of_one_only() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.bind("carol", CAROL);
    rig.cut();
    rig.run(secs(7));
    rig.up.insert(address(PROXY));
    let mut told = 0;
    for _ in 0..200 {
        for sent in rig.run(millis(100)) {
            told += 1;
            rig.feed(PROXY, sent.answer(401, ""));
        }
    }
    assert_eq!(told, 1);
}

/// A proxy that the telling finds to refuse Path gets the rest without.
#[test]
fn the_telling_learns_that_a_proxy_refuses_path() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.bind("carol", CAROL);
    rig.cut();
    rig.run(secs(7));
    rig.up.insert(address(PROXY));
    let mut paths = Vec::new();
    for _ in 0..200 {
        for sent in rig.run(millis(100)) {
            let has_path = !sent.header("Path").is_empty();
            paths.push((sent.header("To").to_owned(), has_path));
            let (status, lines) = if has_path { (420, "Unsupported: path\r\n") } else { (200, "") };
            rig.feed(PROXY, sent.answer(status, lines));
        }
    }
    let (bob, carol) = ("<sip:bob@office.example>".to_owned(), "<sip:carol@office.example>".to_owned());
    assert_eq!(paths, [(bob.clone(), true), (bob, false), (carol, false)]);
}

/// RFC 3261 10.3 and 16.3 step 3: hops count for what is sent on.
#[test]
fn a_register_without_hops_left_is_served_by_our_own_registrar_alone() {
    let spent = reg(1).replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(Rig::lost().feed_one(BOB, spent.clone()).brief(), format!("200 {BOB}"));
    assert_eq!(Rig::new().feed_one(BOB, spent).brief(), format!("483 {BOB}"));
}

/// RFC 3261 8.2.7: our own registrar is a stateless server, so that a storm of registrations takes no room from calls. A REGISTER that
/// comes again is answered as before (8.2.7: the same tag), and changes nothing.
#[test]
fn a_register_that_is_answered_here_takes_no_transaction_and_may_come_again() {
    let mut rig = Rig::lost();
    let first = rig.feed_one(BOB, reg(1));
    assert_eq!(rig.sas.load(), (0, 0));
    rig.notices.clear();
    rig.run(millis(500));
    let again = rig.feed_one(BOB, reg(1));
    assert_eq!((again.brief(), again.header("To")), (format!("200 {BOB}"), first.header("To")));
    assert_eq!((rig.sas.registrar().len(), rig.notices.len()), (1, 0), "{:?}", rig.notices);
}

/// RFC 3261 17.2.2: a request may come again for as long as messages stay in the network. By then a newer one may have been answered.
#[test]
fn a_copy_that_comes_behind_a_newer_register_changes_nothing() {
    let gone = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>;expires=0\r\n"), 2);
    let mut rig = Rig::lost();
    rig.feed(BOB, reg(1));
    rig.feed(BOB, gone.clone());
    assert_eq!(rig.feed_one(BOB, reg(1)).header("Contact"), "", "a copy of the first brings nothing back");
    assert_eq!(rig.sas.registrar().len(), 0);
    rig.feed(BOB, reg(3));
    assert_ne!(
        rig.feed_one(BOB, gone.clone()).header("Contact"),
        "",
        "nor takes one of the second anything away"
    );
    assert_eq!(rig.sas.registrar().len(), 1);
    rig.run(secs(10));
    rig.feed(BOB, reg(4));
    rig.run(secs(24));
    rig.feed(BOB, reg(5));
    // It is no copy any more, but a phone that counts from the start again (sas.md 7.3).
    rig.feed(BOB, gone);
    assert_eq!(rig.sas.registrar().len(), 0);
}

/// A refusal is made anew: nothing had changed.
#[test]
fn a_register_that_was_refused_here_is_judged_again() {
    let mut rig = Rig::lost_with(|settings| settings.registrar.max_users = 1);
    rig.feed(ALICE, register("alice", ALICE, &format!("Contact: <sip:alice@{ALICE}>\r\n"), 1));
    assert_eq!(rig.feed_one(BOB, reg(1)).brief(), format!("503 {BOB}"));
    rig.feed(ALICE, register("alice", ALICE, "Contact: *\r\nExpires: 0\r\n", 2));
    assert_eq!(rig.feed_one(BOB, reg(1)).brief(), format!("200 {BOB}"));
}

/// One that was relayed has a transaction, and belongs to it for all of its life.
#[test]
fn a_register_that_the_proxy_has_is_not_answered_twice_when_the_state_changes() {
    let mut rig = Rig::new();
    rig.cut();
    rig.feed(BOB, reg(1));
    let rescued = rig.run(secs(8));
    assert_eq!((of(&rescued, "200").len(), rig.sas.state()), (1, State::Emergency));
    let again = rig.feed_one(BOB, reg(1));
    assert_eq!(again.text, of(&rescued, "200")[0].text);
}

/// RFC 3261 10.3 step 7: "greater than zero AND smaller than one hour AND less than a registrar-configured minimum".
#[test]
fn an_interval_that_is_too_brief_is_refused_with_the_least_that_is_not() {
    let mut rig = Rig::lost_with(|settings| settings.registrar.min_expires = secs(60));
    let asks = |lines: &str| format!("Contact: <sip:bob@{BOB}>{lines}");
    for (cseq, lines) in
        (1..).zip([";expires=59\r\n", "\r\nExpires: 1\r\n", ";expires=30\r\nExpires: 3600\r\n"])
    {
        let refused = rig.feed_one(BOB, register("bob", BOB, &asks(lines), cseq));
        assert_eq!((refused.brief(), refused.header("Min-Expires")), (format!("423 {BOB}"), "60"), "{lines}");
        assert_eq!(rig.sas.registrar().len(), 0);
    }
    // One of several is enough: a registrar does all or nothing.
    let two = format!("{}Contact: <sip:bob@{CAROL}>;expires=5\r\n", asks("\r\n"));
    assert_eq!(rig.feed_one(BOB, register("bob", BOB, &two, 7)).brief(), format!("423 {BOB}"));
    for (cseq, lines) in (8..).zip([";expires=60\r\n", "\r\n", ";expires=junk\r\n"]) {
        let granted = rig.feed_one(BOB, register("bob", BOB, &asks(lines), cseq));
        assert_eq!(granted.brief(), format!("200 {BOB}"), "{lines}");
        let left = rig.sas.registrar().iter().next().unwrap().expires_at - rig.now;
        assert!(left <= secs(20), "what is granted is short all the same: {left:?}");
    }
    let removed = rig.feed_one(BOB, register("bob", BOB, &asks(";expires=0\r\n"), 12));
    assert_eq!((removed.brief(), rig.sas.registrar().len()), (format!("200 {BOB}"), 0));
}

/// RFC 3261 10.3 step 7: an hour and more may not be refused, whatever the minimum. Nor is it granted beyond the maximum.
#[test]
fn no_more_is_granted_than_the_longest_lifetime() {
    let mut rig = Rig::lost_with(|settings| {
        settings.sas.registration_time = secs(0);
        settings.registrar.min_expires = secs(3600);
    });
    let lines = |expires: u32| format!("Contact: <sip:bob@{BOB}>;expires={expires}\r\n");
    assert_eq!(rig.feed_one(BOB, register("bob", BOB, &lines(3599), 1)).brief(), format!("423 {BOB}"));
    for (cseq, expires) in (2..).zip([3600, 7200, u32::MAX]) {
        let ok = rig.feed_one(BOB, register("bob", BOB, &lines(expires), cseq));
        assert_eq!(ok.header("Contact"), format!("<sip:bob@{BOB}>;expires=3600"));
    }
}

/// RFC 6140: contacts that stand for many users are not served, and nobody is left to believe that they are.
#[test]
fn bulk_contacts_are_refused() {
    let mut rig = Rig::lost();
    let bulk = format!("Contact: <sip:{BOB};bnc>\r\n");
    let required = rig.feed_one(BOB, register("bob", BOB, &format!("Require: gin\r\n{bulk}"), 1));
    assert_eq!((required.brief(), required.header("Unsupported")), (format!("420 {BOB}"), "gin"));
    let proxied = rig.feed_one(BOB, register("bob", BOB, &format!("Proxy-Require: gin\r\n{bulk}"), 2));
    assert_eq!((proxied.brief(), proxied.header("Unsupported")), (format!("420 {BOB}"), "gin"));
    let silent = rig.feed_one(BOB, register("bob", BOB, &bulk, 3));
    assert_eq!((silent.brief(), rig.sas.registrar().len()), (format!("400 {BOB}"), 0));
    assert!(silent.line().ends_with("Bulk Contacts Are Not Served"), "{silent:?}");
}

#[test]
fn bulk_contacts_that_the_proxy_has_granted_are_not_taken_for_one() {
    let mut rig = Rig::new();
    let bulk = format!("Contact: <sip:{BOB};bnc>\r\n");
    let relayed = rig.feed_one(BOB, register("bob", BOB, &format!("Require: gin\r\n{bulk}"), 1));
    let ok = rig.feed_one(PROXY, relayed.answer(200, &bulk));
    assert_eq!((ok.brief(), rig.sas.registrar().len()), (format!("200 {BOB}"), 0));
}

/// RFC 3680: whoever notifies of registrations is told what to say.
#[test]
fn notices_say_what_the_registration_event_package_wants_to_know() {
    let mut rig = Rig::new();
    let relayed = rig.feed_one(BOB, reg(1));
    rig.feed(PROXY, relayed.answer(200, &format!("Contact: <sip:bob@{BOB}>;expires=1800\r\n")));
    rig.cut();
    rig.run(secs(7));
    rig.feed_one(BOB, reg(2));
    rig.run(secs(21));
    let told = rig.notices.iter().filter_map(|notice| {
        if let Notice::UserBound(c) | Notice::UserRefreshed(c) | Notice::UserExpired(c) = notice {
            return Some(c);
        }
        None
    });
    let told: Vec<_> =
        told.map(|c| (c.event.as_str(), c.event.state().as_str(), c.binding.contact_id())).collect();
    let id = told[0].2;
    let expected = [("registered", "active", id), ("shortened", "active", id), ("expired", "terminated", id)];
    assert_eq!(told, expected);
}
