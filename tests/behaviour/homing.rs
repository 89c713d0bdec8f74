//! Phones that do not come home after a return (`sas.md` 3.4): who they are, the notice that names them, and what sends them home.

use crate::rig::*;
use sip_survivability::Notice;
use sip_survivability::config::{HomingLever, Settings, SurvivabilityMode};
use sip_survivability::mode::State;

fn contact(user: &str, at: &str, expires: u32) -> String {
    format!("Contact: <sip:{user}@{at}>\r\nExpires: {expires}\r\n")
}

fn reg(user: &str, at: &str, cseq: u32) -> String {
    register(user, at, &contact(user, at, 3600), cseq)
}

/// `user` registers by way of us, and the proxy grants it.
fn come_home(rig: &mut Rig, user: &str, at: &str, cseq: u32) {
    let relayed = rig.feed_one(at, reg(user, at, cseq));
    assert_eq!(relayed.brief(), format!("REGISTER {PROXY}"));
    let granted = relayed.answer(200, &format!("Contact: <sip:{user}@{at}>;expires=3600\r\n"));
    assert_eq!(rig.feed_one(PROXY, granted).brief(), format!("200 {at}"));
}

/// The proxy is there again, and the state is normal.
fn come_back(rig: &mut Rig) {
    rig.up.insert(address(PROXY));
    for _ in 0..300 {
        if rig.sas.state() == State::Normal {
            return;
        }
        rig.run(millis(100));
    }
    panic!("no return");
}

fn not_home(rig: &Rig) -> Vec<&str> {
    rig.sas.not_home().collect()
}

/// The notices that name those who are not home: users, total.
fn named(rig: &Rig) -> Vec<(Vec<String>, u64)> {
    let named = |notice: &Notice| {
        let Notice::UsersNotHome { users, total } = notice else { return None };
        Some((users.iter().map(|user| user.to_string()).collect(), *total))
    };
    rig.notices.iter().filter_map(named).collect()
}

/// What the notice has to wait for in a branch of a few: the last lifetime of 20 s, two windows of the pace, and 10 s.
const DUE_MILLIS: u64 = 20_000 + 2 * 1_100 + 10_000;

#[test]
fn who_registered_in_the_outage_and_does_not_come_back_is_named_once() {
    let mut rig = Rig::lost();
    for (user, at) in [("bob", BOB), ("carol", CAROL)] {
        assert_eq!(rig.feed_one(at, reg(user, at, 1)).brief(), format!("200 {at}"));
    }
    assert_eq!(not_home(&rig), ["sip:bob@office.example", "sip:carol@office.example"]);
    come_back(&mut rig);
    for (user, at) in [("bob", BOB), ("carol", CAROL)] {
        // Until shortly before the return both were there.
        rig.bind(user, at);
    }
    rig.cut();
    rig.run(secs(7));
    rig.feed(BOB, reg("bob", BOB, 20));
    rig.feed(CAROL, reg("carol", CAROL, 20));
    come_back(&mut rig);
    let returned = rig.now;
    come_home(&mut rig, "bob", BOB, 21);
    assert_eq!(not_home(&rig), ["sip:carol@office.example"]);
    rig.run(millis(DUE_MILLIS - 200));
    assert_eq!(rig.sas.registrar().len(), 1, "carol's binding has ended");
    assert_eq!((named(&rig), not_home(&rig)), (vec![], vec!["sip:carol@office.example"]), "at {returned:?}");
    rig.run(millis(400));
    assert_eq!(named(&rig), [(vec!["sip:carol@office.example".to_owned()], 1)]);
    rig.run(secs(600));
    assert_eq!(named(&rig).len(), 1, "once");
    come_home(&mut rig, "carol", CAROL, 22);
    assert_eq!(not_home(&rig), [""; 0], "better late");
}

#[test]
fn nobody_is_named_when_all_are_home_nor_before_another_loss() {
    let mut rig = Rig::lost();
    rig.feed(BOB, reg("bob", BOB, 1));
    come_back(&mut rig);
    come_home(&mut rig, "bob", BOB, 2);
    rig.run(secs(100));
    assert_eq!(named(&rig), []);

    let mut rig = Rig::lost();
    rig.feed(BOB, reg("bob", BOB, 1));
    come_back(&mut rig);
    rig.run(secs(15));
    rig.cut();
    rig.run(secs(100));
    assert_eq!((rig.sas.state(), named(&rig)), (State::Emergency, vec![]));
}

/// A user that the proxy refuses is bound here for a while, and then not at all.
#[test]
fn who_is_refused_by_the_proxy_is_not_home() {
    let mut rig = Rig::lost();
    rig.feed(BOB, reg("bob", BOB, 1));
    come_back(&mut rig);
    let relayed = rig.feed_one(BOB, reg("bob", BOB, 2));
    assert_eq!(rig.feed_one(PROXY, relayed.answer(403, "")).brief(), format!("403 {BOB}"));
    rig.run(secs(40));
    assert_eq!(named(&rig), [(vec!["sip:bob@office.example".to_owned()], 1)]);
}

#[test]
fn the_notice_waits_for_the_pace_and_names_a_hundred_of_many() {
    let mut rig = Rig::lost_with(|settings| settings.sas.return_rate = 10);
    for n in 0..150 {
        let (user, at) = (format!("u{n:03}"), format!("10.1.0.{}:5060", n + 1));
        assert_eq!(rig.feed_one(&at, reg(&user, &at, 1)).brief(), format!("200 {at}"));
    }
    come_back(&mut rig);
    // 8 of 10 in 1.1 s: 19 windows, twice.
    rig.run(secs(30 + 41));
    assert_eq!(named(&rig), []);
    rig.run(secs(2));
    let named = named(&rig);
    let [(users, 150)] = &named[..] else { panic!("{named:?}") };
    assert_eq!(
        (users.len(), &*users[0], &*users[99]),
        (100, "sip:u000@office.example", "sip:u099@office.example")
    );
    assert_eq!(rig.sas.not_home().count(), 150);
}

#[test]
fn where_nobody_goes_home_nobody_is_named() {
    let mut rig = Rig::lost_with(|settings| {
        settings.sas.survivability_mode = SurvivabilityMode::AutoAnswerRegister;
    });
    rig.feed(BOB, reg("bob", BOB, 1));
    come_back(&mut rig);
    rig.run(secs(100));
    assert_eq!(named(&rig), []);
}

fn redundant(settings: &mut Settings) {
    settings.sas.survivability_mode = SurvivabilityMode::IgnoreRegister;
}

fn with_retry_after(settings: &mut Settings) {
    redundant(settings);
    settings.sas.homing_lever = HomingLever::RetryAfter;
}

/// In mode 2 phones go home without a word: those are seen that stay.
#[test]
fn in_mode_2_those_are_named_who_still_register_here() {
    let mut rig = Rig::lost_with(redundant);
    for (user, at) in [("bob", BOB), ("carol", CAROL), ("dave", ALICE)] {
        assert_eq!(rig.feed_one(at, reg(user, at, 1)).brief(), format!("200 {at}"));
    }
    come_back(&mut rig);
    // bob is away after timer F, carol tries for ever, and dave asks now and then whether we are there.
    for round in 0..14 {
        if round < 6 {
            assert_eq!(rig.feed(BOB, reg("bob", BOB, 2)), []);
        }
        assert_eq!(rig.feed(CAROL, reg("carol", CAROL, 2 + round)), []);
        let keepalive = register("dave", ALICE, &contact("dave", ALICE, 0), 2 + round);
        assert_eq!(rig.feed(ALICE, keepalive), []);
        assert_eq!(named(&rig), [], "{round}");
        rig.run(secs(9));
    }
    assert_eq!(named(&rig), [(vec!["sip:carol@office.example".to_owned()], 1)]);
    assert_eq!(not_home(&rig), ["sip:carol@office.example"]);
}

/// RFC 3261 21.5.4: so that a phone tries its other server at once.
#[test]
fn with_retry_after_a_register_gets_503_while_the_proxy_is_there() {
    let mut rig = Rig::with(with_retry_after);
    let refused = rig.feed_one(BOB, reg("bob", BOB, 1));
    assert_eq!((refused.brief(), refused.header("Retry-After")), (format!("503 {BOB}"), "5"));
    assert_eq!(rig.feed_one(BOB, reg("bob", BOB, 1)).text, refused.text, "the same each time");
    assert!(rig.sas.registrar().is_empty());
    assert_eq!(rig.sas.load(), (0, 0), "without a transaction");
    // As soon as it is doubted that the proxy is there, nobody is sent there.
    rig.cut();
    let end = rig.now + secs(7);
    let (mut silences, mut cseq) = (0, 2);
    while rig.now < end && rig.sas.state() == State::Normal {
        let doubted = !rig.sas.upstream().is_available();
        let answers = rig.feed(BOB, reg("bob", BOB, cseq));
        assert_eq!(answers.len(), usize::from(!doubted), "at {:?}", rig.now);
        silences += u32::from(doubted);
        cseq += 1;
        rig.run(millis(100));
    }
    assert!(silences > 5, "{silences}");
    assert_eq!(
        rig.feed_one(BOB, reg("bob", BOB, cseq)).brief(),
        format!("200 {BOB}"),
        "served when it is lost"
    );
    come_back(&mut rig);
    assert_eq!(rig.feed_one(BOB, reg("bob", BOB, cseq + 1)).brief(), format!("503 {BOB}"));
}

/// At the very start nobody knows whether there is a proxy to go home to.
#[test]
fn nobody_is_refused_before_the_proxy_has_answered() {
    let mut rig = Rig::cold(with_retry_after);
    rig.cut();
    assert_eq!(rig.feed(BOB, reg("bob", BOB, 1)), []);
}

#[test]
fn a_lever_never_meets_an_emergency_call_nor_what_belongs_to_a_call() {
    let mut rig = Rig::with(|settings| {
        with_retry_after(settings);
        settings.sas.ignore_all_in_normal = true;
    });
    let refused = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "c1"));
    assert_eq!(briefs(&refused), [format!("503 {ALICE}")]);
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "c2"));
    assert_eq!(briefs(&sent), [format!("100 {ALICE}"), format!("INVITE {GATEWAY}")]);
    let bye = in_dialog("BYE", &format!("sip:bob@{BOB}"), "c3", &[]);
    assert!(!briefs(&rig.feed(ALICE, bye)).contains(&format!("503 {ALICE}")));
    // The ACK of the refusal ends here.
    let tag = refused[0].header("To").split(";tag=").nth(1).unwrap();
    let ack = from_to("ACK", "sip:bob@office.example", "c1", ALICE, &format!(";tag={tag}"));
    assert_eq!(rig.feed(ALICE, ack), []);
}
