//! Answers: how long they are good for, what is taken of them, what happens without them.

use crate::zone::*;
use sip_survivability::resolve::{Answer, Naptr, Record, RecordKind, Resolution, Srv, Unresolved};
use sip_survivability::transport::Transport::{Tcp, Udp};
use std::time::Duration;

const H: &str = "sip:h.example:5070";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn known(ttl: Duration) -> Rig {
    let mut rig = Rig::new(1);
    rig.resolve(&to(H), means(&[Udp]));
    rig.answer_all(|question| match a_record(question, [192, 0, 2, 1]) {
        Answer::Found { records, .. } => Answer::Found { records, ttl },
        other => other,
    });
    assert_eq!(rig.outcome().unwrap(), ["udp 192.0.2.1:5070"]);
    rig.asked.clear();
    rig
}

/// What a request finds now, without an answer from the DNS.
fn at_once(rig: &mut Rig) -> Option<Result<Vec<String>, Unresolved>> {
    rig.resolve(&to(H), means(&[Udp]));
    (!rig.done.is_empty()).then(|| rig.outcome())
}

#[test]
fn a_fresh_answer_is_asked_for_once() {
    let mut rig = known(secs(300));
    rig.wait(secs(50));
    assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.1:5070"]);
    assert_eq!(rig.asked, [""; 0]);
}

#[test]
fn an_answer_serves_past_its_time_while_it_is_asked_for_again() {
    let mut rig = known(secs(300));
    rig.wait(secs(271));
    for _ in 0..3 {
        assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.1:5070"]);
    }
    assert!(rig.asked.contains(&"h.example A".to_owned()), "{:?}", rig.asked);
    assert!(rig.asked.len() <= 2, "{:?}", rig.asked);
    rig.answer_all(|question| a_record(question, [192, 0, 2, 2]));
    assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.2:5070"]);
}

/// RFC 8767: a site whose DNS died with its line keeps calling, and asks at a bounded rate.
#[test]
fn an_answer_serves_while_the_dns_is_away() {
    let mut rig = known(secs(60));
    for _ in 0..6 * 60 * 60 {
        rig.wait(secs(1));
        assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.1:5070"]);
        rig.answer_all(|_| Answer::Failed);
    }
    assert!(rig.asked.len() <= 2 * 6 * 60 * 6, "{}", rig.asked.len());
    rig.wait(secs(11));
    let _ = at_once(&mut rig);
    rig.answer_all(|question| a_record(question, [192, 0, 2, 2]));
    assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.2:5070"]);
}

/// It does not serve for ever.
#[test]
fn after_a_week_an_answer_is_forgotten() {
    let mut rig = known(secs(60));
    rig.wait(secs(7 * 24 * 3600 + 61));
    assert_eq!(at_once(&mut rig), None);
    rig.answer_all(|_| Answer::Failed);
    assert_eq!(rig.outcome(), Err(Unresolved::Failed));
}

/// No NAPTR and no SRV are answers too, and serve with the addresses that belong to them.
#[test]
fn a_name_without_port_serves_while_the_dns_is_away() {
    let mut rig = Rig::new(1);
    rig.resolve(&to("sip:h.example"), means(&[Udp]));
    rig.answer_all(|question| a_record(question, [192, 0, 2, 1]));
    assert_eq!(rig.outcome().unwrap(), ["udp 192.0.2.1:5060"]);
    rig.wait(secs(3600));
    rig.resolve(&to("sip:h.example"), means(&[Udp]));
    assert_eq!(rig.outcome().unwrap(), ["udp 192.0.2.1:5060"]);
}

#[test]
fn that_there_is_nothing_is_known_for_a_minute_at_most() {
    let mut rig = Rig::new(1);
    assert_eq!(at_once(&mut rig), None);
    rig.answer_all(|_| Answer::NotFound { ttl: secs(100_000) });
    assert_eq!(rig.outcome(), Err(Unresolved::NotFound));
    rig.wait(secs(50));
    assert_eq!(at_once(&mut rig), Some(Err(Unresolved::NotFound)));
    rig.wait(secs(10));
    assert_eq!(at_once(&mut rig), None);
    rig.answer_all(|question| a_record(question, [192, 0, 2, 1]));
    assert_eq!(rig.outcome().unwrap(), ["udp 192.0.2.1:5070"]);
}

#[test]
fn that_the_dns_failed_is_known_for_ten_seconds() {
    let mut rig = Rig::new(1);
    assert_eq!(at_once(&mut rig), None);
    rig.answer_all(|_| Answer::Failed);
    assert_eq!(rig.outcome(), Err(Unresolved::Failed));
    rig.asked.clear();
    rig.wait(secs(9));
    assert_eq!(at_once(&mut rig), Some(Err(Unresolved::Failed)));
    assert_eq!(rig.asked, [""; 0]);
    rig.wait(secs(1));
    assert_eq!(at_once(&mut rig), None);
}

/// A TTL of zero would have every request ask, one of 68 years would keep a mistake.
#[test]
fn times_to_live_are_bounded_both_ways() {
    let mut rig = known(Duration::ZERO);
    rig.wait(secs(4));
    assert!(at_once(&mut rig).is_some());
    assert_eq!(rig.asked, [""; 0]);
    let mut rig = known(secs(u64::from(u32::MAX >> 1)));
    rig.wait(secs(24 * 3600));
    assert!(at_once(&mut rig).is_some());
    assert!(rig.asked.contains(&"h.example A".to_owned()));
}

#[test]
fn a_question_is_asked_once_for_all_who_wait() {
    let mut rig = Rig::new(1);
    for _ in 0..100 {
        rig.resolve(&to(H), means(&[Udp]));
    }
    assert_eq!(rig.asked, ["h.example AAAA", "h.example A"]);
    rig.answer_all(|question| a_record(question, [192, 0, 2, 1]));
    assert_eq!(rig.done.len(), 100);
    assert_eq!(rig.resolver.load(), (0, 0, 2));
}

#[test]
fn a_resolution_ends_after_four_seconds_and_a_late_answer_serves_the_next() {
    let mut rig = Rig::new(1);
    rig.resolve(&to(H), means(&[Udp]));
    rig.wait(Duration::from_millis(3999));
    assert_eq!(rig.done.len(), 0);
    rig.wait(Duration::from_millis(1));
    assert_eq!(rig.outcome(), Err(Unresolved::Failed));
    rig.wait(secs(2));
    rig.answer_all(|question| a_record(question, [192, 0, 2, 1]));
    assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.1:5070"]);
}

/// What is there when patience ends is used: here the AAAA never comes.
#[test]
fn one_family_that_is_not_answered_does_not_keep_the_other() {
    let mut rig = Rig::new(1);
    rig.resolve(&to(H), means(&[Udp]));
    let (aaaa, _) = rig.open.pop_front().unwrap();
    rig.answer_all(|question| a_record(question, [192, 0, 2, 1]));
    rig.wait(secs(4));
    assert_eq!(rig.outcome().unwrap(), ["udp 192.0.2.1:5070"]);
    rig.wait(secs(20));
    assert_eq!(rig.resolver.load().0, 0, "the question has ended");
    rig.tell(aaaa, &Answer::NotFound { ttl: TTL });
}

/// There are name servers that fail on types they do not know.
#[test]
fn a_naptr_that_fails_counts_as_none() {
    let mut rig = Rig::new(1);
    rig.resolve(&to("sip:h.example"), means(&[Udp]));
    rig.answer_all(|question| match question.kind {
        RecordKind::Naptr | RecordKind::Srv => Answer::Failed,
        _ => a_record(question, [192, 0, 2, 1]),
    });
    assert_eq!(rig.outcome().unwrap(), ["udp 192.0.2.1:5060"]);
}

#[test]
fn resolutions_and_answers_are_bounded() {
    let mut rig = Rig::new(1);
    let mut refused = 0;
    for n in 0..3_000 {
        rig.resolve(&to(&format!("sip:h{n}.example:5060")), means(&[Udp]));
        refused += rig.done.drain(..).filter(|done| done.outcome == Err(Unresolved::Overloaded)).count();
        let (open, waiting, _) = rig.resolver.load();
        assert!(open <= 500 && waiting <= 1_000);
    }
    assert_eq!(refused, 2_750, "two questions each");
    for n in 0..10_000 {
        rig.resolve(&to(&format!("sip:i{n}.example:5060")), means(&[Udp]));
        rig.answer_all(|question| a_record(question, [192, 0, 2, 1]));
        assert!(rig.resolver.load().2 <= 2_000);
    }
    rig.wait(secs(60));
    assert_eq!((rig.resolver.load().0, rig.resolver.load().1, rig.resolver.next_timeout()), (0, 0, None));
}

#[test]
fn what_is_in_use_is_kept_when_room_is_made() {
    let mut rig = known(secs(86_400));
    for n in 0..5_000 {
        rig.resolve(&to(&format!("sip:i{n}.example:5060")), means(&[Udp]));
        rig.answer_all(|question| a_record(question, [192, 0, 2, 2]));
        rig.done.clear();
        if n % 500 == 0 {
            assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.1:5070"]);
        }
    }
    rig.asked.clear();
    assert_eq!(at_once(&mut rig).unwrap().unwrap(), ["udp 192.0.2.1:5070"]);
    assert_eq!(rig.asked, [""; 0]);
}

#[test]
fn who_waits_no_more_is_told_nothing() {
    let mut rig = Rig::new(1);
    let mut out = Vec::new();
    let waiting = rig.resolver.resolve(rig.now, &to(H), means(&[Udp]), &mut rig.rng, &mut out);
    let Resolution::Waiting(id) = waiting else { panic!("{waiting:?}") };
    rig.resolver.forget(id);
    rig.resolve(&to(H), means(&[Udp]));
    rig.wait(secs(60));
    assert_eq!(rig.done.len(), 1);
}

fn srv(port: u16, target: &str) -> Record {
    Record::Srv(Srv { priority: 0, weight: 0, port, target: target.to_owned() })
}

/// RFC 2782, Target: a name. What is no name of a host, or has no port, leads nowhere.
#[test]
fn srv_targets_that_are_no_names_are_left_out() {
    let mut rig = Rig::new(1);
    rig.resolve(&to("sip:h.example;transport=tcp"), means(&[Tcp]));
    let records = vec![
        srv(5060, "192.0.2.66"),
        srv(5060, "[2001:db8::1]"),
        srv(5060, ""),
        srv(5060, "a b"),
        srv(0, "g.example"),
        srv(5060, &"a.".repeat(200)),
        srv(5060, &format!("{}.example", "a".repeat(64))),
        srv(5060, "H.example."),
    ];
    rig.answer_one(|_| Answer::Found { records: records.clone(), ttl: TTL });
    assert_eq!(rig.asked[1..], ["h.example AAAA", "h.example A"]);
    rig.answer_all(|question| a_record(question, [192, 0, 2, 1]));
    assert_eq!(rig.outcome().unwrap(), ["tcp 192.0.2.1:5060"]);
}

#[test]
fn addresses_that_are_of_no_host_are_left_out() {
    let mut rig = Rig::new(1);
    rig.resolve(&to(H), means(&[Udp]));
    let addresses = ["0.0.0.0", "255.255.255.255", "224.0.1.75", "192.0.2.1", "192.0.2.1"];
    let mut records: Vec<Record> = addresses.map(|text| Record::A(text.parse().unwrap())).into();
    records.push(srv(5060, "g.example"));
    rig.answer_all(|_| Answer::Found { records: records.clone(), ttl: TTL });
    assert_eq!(rig.outcome().unwrap(), ["udp 192.0.2.1:5070"]);
}

/// Names that lead to each other: the depth is that of RFC 3263, whatever they say.
#[test]
fn records_that_lead_in_a_circle_end() {
    let mut rig = Rig::new(1);
    rig.resolve(&to("sip:h.example"), means(&[Udp, Tcp]));
    rig.answer_all(|question| match question.kind {
        RecordKind::Naptr | RecordKind::A => Answer::Found {
            records: vec![Record::Naptr(Naptr {
                order: 0,
                preference: 0,
                flags: "s".to_owned(),
                services: "SIP+D2U".to_owned(),
                regexp: String::new(),
                replacement: "h.example".to_owned(),
            })],
            ttl: TTL,
        },
        RecordKind::Srv => Answer::Found { records: vec![srv(5060, "h.example")], ttl: TTL },
        _ => Answer::NotFound { ttl: TTL },
    });
    assert_eq!(rig.outcome(), Err(Unresolved::NotFound));
    assert_eq!(rig.asked.len(), 4);
}

#[test]
fn an_answer_of_thousands_is_cut() {
    let mut rig = Rig::new(1);
    rig.resolve(&to("sip:h.example"), means(&ALL));
    rig.answer_all(|question| {
        let records = (0..5_000_u16).map(|n| match question.kind {
            RecordKind::Naptr => Record::Naptr(Naptr {
                order: 0,
                preference: n,
                flags: "s".to_owned(),
                services: "SIP+D2U".to_owned(),
                regexp: String::new(),
                replacement: format!("n{n}.example"),
            }),
            RecordKind::Srv => srv(5060, &format!("s{n}.{}", question.name)),
            RecordKind::A => Record::A([192, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]].into()),
            _ => Record::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, n].into()),
        });
        Answer::Found { records: records.collect(), ttl: TTL }
    });
    assert_eq!(rig.outcome().unwrap().len(), 32);
    assert!(rig.asked.len() <= 1 + 8 + 2 * 16, "{}", rig.asked.len());
}
