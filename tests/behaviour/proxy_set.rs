//! Which proxy of the set a request goes to, and when it goes to the next one (`sas.md` 3.1; `proxy_set.*`).

use crate::rig::*;
use sip_survivability::config::{Balancing, EnteringEmergency, Redundancy, Settings};
use sip_survivability::mode::State;
use sip_survivability::upstream::{ProxyStatus, StatusCause, TargetId};
use sip_survivability::{Action, Notice};
use std::collections::BTreeMap;

const BOB_URI: &str = "sip:bob@office.example";
const PROXY_3: &str = "192.0.2.3:5060";

fn two(settings: &mut Settings) {
    settings.proxy_set.targets = [PROXY, PROXY_2].map(|at| format!("sip:{at}").parse().unwrap()).to_vec();
}

fn three(settings: &mut Settings) {
    two(settings);
    settings.proxy_set.targets.push(format!("sip:{PROXY_3}").parse().unwrap());
}

/// A branch with the proxies of `change`, all up.
fn rig(change: impl FnOnce(&mut Settings)) -> Rig {
    let mut rig = Rig::cold(change);
    rig.up.insert(address(PROXY_3));
    rig.run(millis(10));
    rig
}

/// A REGISTER of `user`'s, and where it went.
fn register_of(rig: &mut Rig, user: &str, cseq: u32) -> Sent {
    rig.feed_one(BOB, register(user, BOB, &format!("Contact: <sip:{user}@{BOB}>\r\n"), cseq))
}

/// The same, granted.
fn registered(rig: &mut Rig, user: &str, cseq: u32) -> String {
    let sent = register_of(rig, user, cseq);
    let at = sent.to.to_string();
    let granted = format!("Contact: <sip:{user}@{BOB}>;expires=600\r\n");
    assert_eq!(rig.feed_one(&at, sent.answer(200, &granted)).brief(), format!("200 {BOB}"));
    at
}

/// Where a call of `user`'s goes.
fn called(rig: &mut Rig, user: &str, id: &str) -> String {
    let text = from_to("INVITE", "sip:5550100@office.example", id, ALICE, "");
    let text = text.replace("From: <sip:alice@", &format!("From: <sip:{user}@"));
    let sent = rig.feed(ALICE, text);
    let invite = sent.iter().find(|sent| sent.is_request()).unwrap().clone();
    let at = invite.to.to_string();
    rig.feed(&at, invite.answer(486, ""));
    at
}

fn goes_down(rig: &mut Rig, proxy: &str) {
    rig.up.remove(&address(proxy));
    rig.run(secs(7));
}

fn comes_back(rig: &mut Rig, proxy: &str) {
    rig.up.insert(address(proxy));
    rig.run(secs(10));
}

/// When the first INVITE to the second proxy is sent, in milliseconds from the first one.
fn swap_after(change: impl FnOnce(&mut Settings)) -> u64 {
    let mut rig = rig(|settings| {
        two(settings);
        change(settings);
    });
    rig.up.remove(&address(PROXY));
    let begin = rig.now;
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.run(secs(20));
    let second = sent.iter().find(|sent| sent.brief() == format!("INVITE {PROXY_2}")).unwrap();
    u64::try_from((second.at - begin).as_millis()).unwrap()
}

#[test]
fn the_next_proxy_is_tried_after_so_many_sends_or_when_patience_is_over_whichever_comes_first() {
    let sends = |sends: u32| {
        swap_after(move |settings| {
            settings.sas.request_patience = secs(20);
            settings.sas.suspect_patience = secs(20);
            settings.proxy_set.hot_swap_retransmissions = sends;
        })
    };
    // Sent at 0, 500, 1500, 3500, 7500 ms (Timer A).
    assert_eq!([1, 2, 3, 4].map(sends), [500, 1500, 3500, 7500]);
    // The default patience of 2 s, or that of 500 ms while the set is suspect.
    assert_eq!(swap_after(|_| {}), 2000);
    assert_eq!(swap_after(|settings| settings.proxy_set.hot_swap_retransmissions = 2), 1500);
}

/// Timer E stops doubling at T2: sent at 0, 500, 1500, 3500, 7500, 11500 ms.
#[test]
fn a_register_is_swapped_by_its_own_retransmissions() {
    let mut rig = rig(|settings| {
        two(settings);
        (settings.sas.request_patience, settings.sas.suspect_patience) = (secs(30), secs(30));
        settings.proxy_set.hot_swap_retransmissions = 5;
    });
    rig.up.remove(&address(PROXY));
    let begin = rig.now;
    register_of(&mut rig, "bob", 1);
    let sent = rig.run(secs(20));
    let second = sent.iter().find(|sent| sent.brief() == format!("REGISTER {PROXY_2}")).unwrap();
    assert_eq!((second.at - begin).as_millis(), 11_500);
}

/// T3: hot swap, then 408. The evidence counts toward the proxy's health all the same.
#[test]
fn with_keepalive_only_an_unanswered_call_is_swapped_and_then_answered_408() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.sas.entering_emergency = EnteringEmergency::KeepAlive;
    });
    rig.bind("bob", BOB);
    // The proxies answer their probes, and no requests.
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.run(millis(3600));
    one(&sent, &format!("INVITE {PROXY_2}"));
    assert!(rig.notices.iter().any(|notice| matches!(
        notice,
        Notice::ProxyStatus { status: ProxyStatus::Suspect, cause: StatusCause::RequestUnanswered, .. }
    )));
    let sent = rig.run(secs(33));
    one(&sent, &format!("408 {ALICE}"));
    assert!(of(&sent, "INVITE").iter().all(|sent| sent.to != address(BOB)), "nothing is rescued");
    assert_eq!(rig.sas.state(), State::Normal);
    rig.drain();
}

/// T2 without hot swap.
#[test]
fn without_hot_swap_an_unanswered_request_is_rescued_at_once_and_the_state_waits_for_the_whole_set() {
    for keepalive in [true, false] {
        let mut rig = rig(|settings| {
            two(settings);
            settings.proxy_set.keepalive = keepalive;
            settings.proxy_set.hot_swap = false;
        });
        rig.bind("bob", BOB);
        // The first one leaves a call unanswered, which the branch takes.
        rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
        let sent = rig.run(millis(2100));
        let rescued = one(&sent, &format!("INVITE {BOB}")).clone();
        rig.feed(BOB, rescued.answer(486, ""));
        assert!(of(&sent, "INVITE").iter().all(|sent| sent.to != address(PROXY_2)));
        assert_eq!(rig.sas.state(), State::Normal, "one may be there");
        if keepalive {
            continue;
        }
        // The next call goes to the other one; with both silent the set is lost.
        let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c2"));
        one(&sent, &format!("INVITE {PROXY_2}"));
        rig.cut();
        one(&rig.run(millis(2100)), &format!("INVITE {BOB}"));
        assert_eq!(rig.sas.state(), State::Emergency);
    }
}

/// T3 without hot swap.
#[test]
fn without_hot_swap_and_by_keepalive_only_an_unanswered_call_is_answered_408() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.proxy_set.hot_swap = false;
        settings.sas.entering_emergency = EnteringEmergency::KeepAlive;
    });
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.run(secs(33));
    one(&sent, &format!("408 {ALICE}"));
    assert!(of(&sent, "INVITE").iter().all(|sent| sent.to == address(PROXY)));
    rig.drain();
}

/// An emergency call takes every route that exists.
#[test]
fn without_hot_swap_an_emergency_call_goes_to_the_next_proxy_all_the_same() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.proxy_set.hot_swap = false;
    });
    rig.feed(ALICE, request("INVITE", "sip:911@office.example", "c1"));
    let sent = [rig.failed(GATEWAY), rig.failed(PROXY)].concat();
    assert_eq!(briefs(&sent), [format!("INVITE {PROXY}"), format!("INVITE {PROXY_2}")]);
}

#[test]
fn homing_goes_back_to_the_first_proxy_and_parking_stays() {
    for (redundancy, then) in [(Redundancy::Homing, PROXY), (Redundancy::Parking, PROXY_2)] {
        let mut rig = rig(|settings| {
            two(settings);
            settings.proxy_set.redundancy = redundancy;
        });
        assert_eq!(called(&mut rig, "alice", "c1"), PROXY);
        goes_down(&mut rig, PROXY);
        assert_eq!(called(&mut rig, "alice", "c2"), PROXY_2);
        comes_back(&mut rig, PROXY);
        assert_eq!(called(&mut rig, "alice", "c3"), then);
        goes_down(&mut rig, PROXY_2);
        assert_eq!(called(&mut rig, "alice", "c4"), PROXY);
        comes_back(&mut rig, PROXY_2);
        assert_eq!(called(&mut rig, "alice", "c5"), PROXY);
    }
}

/// One lost probe is no failure.
#[test]
fn parking_survives_a_doubt() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.proxy_set.redundancy = Redundancy::Parking;
    });
    rig.up.remove(&address(PROXY));
    while rig.sas.upstream().status(TargetId(0)) != ProxyStatus::Suspect {
        rig.run(millis(50));
    }
    assert_eq!(called(&mut rig, "alice", "c1"), PROXY_2, "meanwhile");
    comes_back(&mut rig, PROXY);
    assert_eq!(called(&mut rig, "alice", "c2"), PROXY);
}

#[test]
fn round_robin_deals_users_in_turn_and_each_keeps_its_proxy_for_registers_and_calls() {
    let mut rig = rig(|settings| {
        three(settings);
        settings.proxy_set.balancing = Balancing::RoundRobin;
    });
    let users = ["1001", "1002", "1003", "1004", "1005", "1006"];
    let dealt: Vec<_> = users.iter().map(|user| registered(&mut rig, user, 1)).collect();
    assert_eq!(dealt, [PROXY, PROXY_2, PROXY_3, PROXY, PROXY_2, PROXY_3]);
    for (user, at) in users.iter().zip(&dealt) {
        assert_eq!(called(&mut rig, user, user), *at);
        assert_eq!(registered(&mut rig, user, 2), *at);
    }
}

/// The nonce of a challenge is good at one proxy.
#[test]
fn a_challenged_request_comes_back_to_the_proxy_that_challenged_it() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.proxy_set.balancing = Balancing::RoundRobin;
    });
    for user in ["1001", "1002"] {
        let first = register_of(&mut rig, user, 1);
        let at = first.to.to_string();
        rig.feed(&at, first.answer(401, "WWW-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n"));
        assert_eq!(register_of(&mut rig, user, 2).to, first.to);
    }
    // A gateway's call has no user of the branch; it is the same call that comes again.
    let invite = |id: &str, call: &str| {
        let text = from_to("INVITE", BOB_URI, id, GATEWAY, "");
        text.replace(&format!("Call-ID: {id}"), &format!("Call-ID: {call}"))
    };
    let first = rig.feed(GATEWAY, invite("g1", "call"));
    let first = first.iter().find(|sent| sent.is_request()).unwrap().clone();
    rig.feed(&first.to.to_string(), first.answer(407, ""));
    let again = rig.feed(GATEWAY, invite("g2", "call"));
    assert_eq!(again.iter().find(|sent| sent.is_request()).unwrap().to, first.to);
}

#[test]
fn a_user_whose_proxy_is_lost_moves_and_returns_with_homing_and_stays_with_parking() {
    for redundancy in [Redundancy::Homing, Redundancy::Parking] {
        let mut rig = rig(|settings| {
            two(settings);
            settings.proxy_set.balancing = Balancing::RoundRobin;
            settings.proxy_set.redundancy = redundancy;
        });
        assert_eq!(registered(&mut rig, "1001", 1), PROXY);
        assert_eq!(registered(&mut rig, "1002", 1), PROXY_2);
        goes_down(&mut rig, PROXY_2);
        assert_eq!([registered(&mut rig, "1001", 2), registered(&mut rig, "1002", 2)], [PROXY, PROXY]);
        comes_back(&mut rig, PROXY_2);
        let then = if redundancy == Redundancy::Homing { PROXY_2 } else { PROXY };
        assert_eq!([registered(&mut rig, "1001", 3), registered(&mut rig, "1002", 3)], [PROXY, then]);
    }
}

#[test]
fn by_weight_users_are_dealt_in_proportion() {
    let dealt = |weights: &[u16]| {
        let mut rig = rig(|settings| {
            two(settings);
            settings.proxy_set.balancing = Balancing::SrvWeight;
            settings.proxy_set.weights = weights.to_vec();
        });
        let mut users = BTreeMap::new();
        for user in 0..400 {
            *users.entry(called(&mut rig, &format!("u{user}"), &format!("c{user}"))).or_insert(0_u32) += 1;
        }
        [PROXY, PROXY_2].map(|proxy| users.get(proxy).copied().unwrap_or_default())
    };
    let [most, few] = dealt(&[90, 10]);
    assert!(most + few == 400 && (20..70).contains(&few), "{most} and {few}");
    let [half, other] = dealt(&[]);
    assert!(half + other == 400 && (150..250).contains(&half), "{half} and {other}");
    assert_eq!(dealt(&[0, 100])[0], 0);
}

/// `max_users` bounds what is remembered of them.
#[test]
fn who_was_served_longest_ago_is_dealt_again() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.proxy_set.balancing = Balancing::RoundRobin;
        settings.registrar.max_users = 2;
    });
    let calls = ["1001", "1002", "1001", "1003", "1001", "1002"];
    let went: Vec<_> = (0..).zip(calls).map(|(id, user)| called(&mut rig, user, &format!("c{id}"))).collect();
    // 1003 takes the place of 1002, and not that of 1001, which called since.
    assert_eq!(went, [PROXY, PROXY_2, PROXY, PROXY, PROXY, PROXY_2]);
}

#[test]
fn requests_in_a_dialog_follow_their_route_set_whatever_the_balance() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.proxy_set.balancing = Balancing::RoundRobin;
    });
    assert_eq!(registered(&mut rig, "alice", 1), PROXY);
    let routes = [format!("<sip:{SAS};lr>"), format!("<sip:{PROXY_2};lr>")];
    let routes = routes.each_ref().map(String::as_str);
    for id in ["d1", "d2", "d3"] {
        let sent = rig.feed_one(ALICE, in_dialog("INFO", "sip:bob@203.0.113.7", id, &routes));
        assert_eq!(sent.brief(), format!("INFO {PROXY_2}"));
    }
    assert_eq!(called(&mut rig, "alice", "c1"), PROXY);
}

/// RFC 3261 21.5.4.
#[test]
fn a_503_with_retry_after_to_a_request_spares_the_proxy_for_that_time() {
    let mut rig = rig(two);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let first = one(&sent, &format!("INVITE {PROXY}")).clone();
    let sent = rig.feed(PROXY, first.answer(503, "Retry-After: 30 (maintenance)\r\n"));
    let second = one(&sent, &format!("INVITE {PROXY_2}")).clone();
    rig.feed(PROXY_2, second.answer(486, ""));
    assert_eq!(rig.sas.upstream().status(TargetId(0)), ProxyStatus::Overloaded);
    // Its probes are answered 200 all the time.
    rig.run(secs(28));
    assert_eq!(called(&mut rig, "alice", "c2"), PROXY_2);
    rig.run(secs(3));
    assert_eq!(called(&mut rig, "alice", "c3"), PROXY);
    assert!(rig.notices.iter().any(|notice| matches!(
        notice,
        Notice::ProxyStatus { status: ProxyStatus::Online, cause: StatusCause::RetryAfterOver, .. }
    )));
    assert_eq!(rig.sas.state(), State::Normal);
}

#[test]
fn a_retry_after_counts_for_two_minutes_at_most_and_without_one_a_503_is_no_overload() {
    let mut rig = rig(two);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    rig.feed(PROXY, one(&sent, &format!("INVITE {PROXY}")).answer(503, ""));
    assert_eq!(rig.sas.upstream().status(TargetId(0)), ProxyStatus::Online);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c2"));
    rig.feed(PROXY, one(&sent, &format!("INVITE {PROXY}")).answer(503, "Retry-After: 86400\r\n"));
    rig.run(secs(119));
    assert_eq!(rig.sas.upstream().status(TargetId(0)), ProxyStatus::Overloaded);
    rig.run(secs(2));
    assert_eq!(rig.sas.upstream().status(TargetId(0)), ProxyStatus::Online);
}

#[test]
fn an_overloaded_proxy_is_asked_where_no_other_is_left() {
    let mut rig = rig(two);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let sent = rig.feed(PROXY, one(&sent, &format!("INVITE {PROXY}")).answer(503, "Retry-After: 60\r\n"));
    rig.feed(PROXY_2, one(&sent, &format!("INVITE {PROXY_2}")).answer(486, ""));
    goes_down(&mut rig, PROXY_2);
    assert_eq!(called(&mut rig, "alice", "c2"), PROXY);
    assert_eq!(rig.sas.state(), State::Normal, "overloaded is reachable");
}

/// The same seed and events, the same proxies.
#[test]
fn the_balance_is_the_same_for_the_same_seed() {
    let went = || {
        let mut rig = rig(|settings| {
            three(settings);
            settings.proxy_set.balancing = Balancing::SrvWeight;
        });
        (0..50).map(|id| called(&mut rig, &format!("u{id}"), &format!("c{id}"))).collect::<Vec<_>>()
    };
    assert_eq!(went(), went());
}

/// What the way home tells of a user, its own proxy hears.
#[test]
fn a_binding_is_told_to_the_proxy_of_its_user_after_the_return() {
    let mut rig = rig(|settings| {
        two(settings);
        settings.proxy_set.balancing = Balancing::RoundRobin;
    });
    assert_eq!([registered(&mut rig, "1001", 1), registered(&mut rig, "1002", 1)], [PROXY, PROXY_2]);
    rig.cut();
    rig.run(secs(7));
    assert_eq!(rig.sas.state(), State::Emergency);
    rig.up.extend([PROXY, PROXY_2].map(address));
    let mut told = BTreeMap::new();
    for _ in 0..200 {
        for sent in rig.run(millis(100)) {
            let user = sent.header("To").to_owned();
            if told.insert(user, sent.to.to_string()).is_none() {
                rig.feed(&sent.to.to_string(), sent.answer(200, ""));
            }
        }
    }
    let told: Vec<_> = told.into_values().collect();
    assert_eq!(told, [PROXY, PROXY_2]);
}

#[test]
fn a_notice_names_the_overloaded_proxy() {
    let mut rig = rig(two);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let refused = one(&sent, &format!("INVITE {PROXY}")).answer(503, "Retry-After: 60\r\n");
    let event = sip_survivability::Event::Datagram { flow: FLOW, from: address(PROXY), data: refused.into() };
    let told = rig.sas.handle(rig.now, event);
    let named = told.iter().any(|action| {
        matches!(action, Action::Notify(Notice::ProxyStatus { target, status: ProxyStatus::Overloaded, cause: StatusCause::Refused, .. })
            if **target == format!("sip:{PROXY}"))
    });
    assert!(named, "{told:?}");
}
