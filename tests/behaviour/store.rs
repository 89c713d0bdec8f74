//! Bindings outlive the core (`sas.md` 7.7): each change is told to a store, the whole can be written out, and both come back.

use crate::rig::*;
use crate::streams::by_tcp;
use proptest::prelude::*;
use sip_survivability::config::SurvivabilityMode;
use sip_survivability::journal::{Reader, Writer};
use sip_survivability::registrar::Record;
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Event, Notice, Sas};
use std::time::Duration;

/// A branch without a proxy that tells a store of each change.
fn alone() -> Rig {
    Rig::cold(|settings| {
        settings.proxy_set.targets.clear();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.sas.registration_time = secs(0);
        settings.registrar.store = true;
    })
}

fn restore(rig: &mut Rig, record: &Record, age: Duration) {
    // By way of the bytes that a store keeps.
    let record = Record::from_bytes(&record.to_bytes()).unwrap();
    rig.event(Event::Restored { record: Box::new(record), age });
}

/// What is there, in an order of its own: by name.
fn content(rig: &Rig) -> Vec<Record> {
    let mut all: Vec<_> = rig.sas.snapshot(rig.now).collect();
    all.sort_by_key(Record::name);
    all
}

/// A REGISTER of `user`, and what the store is told.
fn register_at(rig: &mut Rig, user: &str, at: &str, cseq: u32, lines: &str) -> Vec<(Instant, Record)> {
    rig.event(Event::Datagram {
        flow: FLOW,
        from: address(at),
        data: register(user, at, lines, cseq).into(),
    });
    std::mem::take(&mut rig.stored)
}

fn contact(user: &str, at: &str, expires: u32) -> String {
    format!("Contact: <sip:{user}@{at}>\r\nExpires: {expires}\r\n")
}

#[test]
fn who_does_not_ask_is_told_nothing() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    assert!(rig.stored.is_empty());
    assert_eq!(rig.sas.snapshot(rig.now).count(), 1, "the whole can be had all the same");
}

#[test]
fn each_change_is_told_whoever_granted_it() {
    let mut rig = Rig::with(|settings| settings.registrar.store = true);
    rig.bind("bob", BOB);
    let told = |rig: &mut Rig| -> Vec<(bool, u64)> {
        let stored = std::mem::take(&mut rig.stored);
        stored.iter().map(|(_, record)| (record.is_removal(), record.left().as_secs())).collect()
    };
    assert_eq!(told(&mut rig), [(false, 3600)], "granted by the proxy");
    rig.cut();
    rig.run(secs(7));
    register_at(&mut rig, "carol", CAROL, 1, &contact("carol", CAROL, 10));
    rig.run(secs(21));
    let carol = rig.sas.registrar().len();
    assert_eq!(carol, 1, "carol's has ended");
    assert_eq!(told(&mut rig), [(true, 0)], "and the store knows");
    let gone = register_at(&mut rig, "bob", BOB, 9, &contact("bob", BOB, 0));
    assert_eq!(gone.iter().map(|(_, record)| record.is_removal()).collect::<Vec<_>>(), [true]);
    assert_eq!(gone[0].1.name(), format!("bob\nsip:bob@{BOB}"));
}

#[test]
fn a_late_duplicate_does_not_bring_back_who_has_left() {
    let mut rig = alone();
    let bound = register_at(&mut rig, "bob", BOB, 1, &contact("bob", BOB, 600));
    rig.run(secs(5));
    register_at(&mut rig, "bob", BOB, 2, &contact("bob", BOB, 0));
    restore(&mut rig, &bound[0].1, secs(5));
    assert!(rig.sas.registrar().is_empty());
    // Who comes again is there again.
    rig.run(secs(1));
    register_at(&mut rig, "bob", BOB, 3, &contact("bob", BOB, 600));
    assert_eq!(rig.sas.registrar().len(), 1);
}

#[test]
fn the_time_down_is_taken_off_and_who_has_expired_is_left_out() {
    let mut before = alone();
    register_at(&mut before, "bob", BOB, 1, &contact("bob", BOB, 600));
    register_at(&mut before, "carol", CAROL, 1, &contact("carol", CAROL, 60));
    before.run(secs(30));
    let snapshot = content(&before);
    let mut after = alone();
    for record in &snapshot {
        restore(&mut after, record, secs(100));
    }
    let left: Vec<_> =
        content(&after).iter().map(|record| (record.key().to_owned(), record.left())).collect();
    assert_eq!(left, [("bob".to_owned(), secs(600 - 30 - 100))]);
    assert!(after.notices.iter().any(|notice| matches!(notice, Notice::UserBound(_))), "and told of");
    assert!(after.stored.is_empty(), "the store knows what it has told");
}

/// `sas.md` 3.4: what the proxy granted is used past its lifetime while it is away, also by who was not there when it was granted.
#[test]
fn a_binding_past_its_lifetime_outlives_a_restart_in_an_outage_and_ends_when_the_proxy_is_there() {
    let mut before = Rig::with(|_| {});
    before.bind("bob", BOB);
    before.cut();
    before.run(secs(3600 + 600));
    let snapshot = content(&before);
    assert_eq!(snapshot.iter().map(|record| record.left()).collect::<Vec<_>>(), [secs(0)]);
    let invite = || request("INVITE", "sip:bob@office.example", "c1");
    let again = |age: Duration, is_up: bool| {
        let mut rig = Rig::cold(|_| {});
        if !is_up {
            rig.cut();
        }
        restore(&mut rig, &snapshot[0], age);
        rig
    };
    let mut after = again(secs(60), false);
    let mut sent = after.feed(ALICE, invite());
    sent.extend(after.run(secs(3)));
    one(&sent, &format!("INVITE {BOB}"));
    assert_eq!(after.sas.registrar().len(), 1);
    // The grace of an hour counts from the end of the lifetime.
    assert!(again(secs(3600 - 590), false).sas.registrar().is_empty());
    let mut after = again(secs(60), true);
    after.run(secs(1));
    assert!(after.sas.registrar().is_empty(), "the proxy knows better");
}

/// The numbers of sockets and connections are the caller's, and others after a restart.
#[test]
fn a_socket_is_known_by_its_address_and_a_connection_is_gone() {
    let mut before = alone();
    before.listen(Transport::Tcp, SAS);
    register_at(&mut before, "bob", BOB, 1, &contact("bob", BOB, 600));
    let connection = before.accept(FLOW.0 + 5, Transport::Tcp, "10.0.0.3:40000");
    let lines = format!("Contact: <sip:carol@{CAROL};transport=tcp>\r\nExpires: 600\r\n");
    before.stream(connection, by_tcp(&register("carol", CAROL, &lines, 1)));
    let snapshot = content(&before);
    assert_eq!(snapshot.len(), 2);
    let mut after = alone();
    let local = address(SAS);
    after.event(Event::FlowClosed { flow: FLOW });
    after.event(Event::FlowOpened { flow: FlowId(77), transport: Transport::Udp, local, remote: None });
    for record in &snapshot {
        restore(&mut after, record, secs(1));
    }
    let flows: Vec<_> = after.sas.registrar().iter().map(|binding| (binding.source, binding.flow)).collect();
    assert!(flows.contains(&(address(BOB), Some(FlowId(77)))), "{flows:?}");
    assert!(flows.contains(&(address("10.0.0.3:40000"), None)), "{flows:?}");
}

#[test]
fn ten_thousand_bindings_restored_in_an_outage_can_be_called_at_once_and_none_is_lost() {
    let user = |n: u32| (format!("u{n}"), format!("10.1.{}.{}:5060", n / 250, 1 + n % 250));
    let mut before = Rig::lost_with(|settings| settings.sas.registration_time = secs(0));
    for n in 0..10_000 {
        let (user, at) = user(n);
        register_at(&mut before, &user, &at, 1, &contact(&user, &at, 3600));
    }
    let snapshot: Vec<_> = before.sas.snapshot(before.now).map(|record| record.to_bytes()).collect();
    assert_eq!(snapshot.len(), 10_000);

    // The proxy is still away, and nobody knows it yet.
    let mut after = Rig::cold(|_| {});
    after.cut();
    for bytes in &snapshot {
        let record = Box::new(Record::from_bytes(bytes).unwrap());
        after.event(Event::Restored { record, age: secs(20) });
    }
    assert_eq!((after.sas.registrar().len(), after.sas.registrar().users()), (10_000, 10_000));
    let calls: Vec<_> = (0..10_000).step_by(499).map(user).collect();
    let mut sent = Vec::new();
    for (index, (user, _)) in calls.iter().enumerate() {
        let invite = request("INVITE", &format!("sip:{user}@office.example"), &format!("c{index}"));
        sent.extend(after.feed(ALICE, invite));
    }
    sent.extend(after.run(millis(2_500)));
    for (_, at) in &calls {
        one(&sent, &format!("INVITE {at}"));
    }
    after.run(secs(60));
    assert_eq!(after.sas.registrar().len(), 10_000, "and they stay");
}

#[test]
fn a_life_with_restored_bindings_is_lived_again_byte_for_byte() {
    let mut before = alone();
    let mut records = register_at(&mut before, "bob", BOB, 1, &contact("bob", BOB, 600));
    before.run(secs(3));
    records.extend(register_at(&mut before, "carol", CAROL, 1, &contact("carol", CAROL, 600)));
    records.extend(register_at(&mut before, "carol", CAROL, 2, &contact("carol", CAROL, 0)));
    let mut settings = sip_survivability::config::Settings::default();
    settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    settings.registrar.store = true;
    settings.domains = vec!["office.example".to_owned()];
    let config = settings.validate().unwrap();
    let (mut file, start) = (Vec::new(), Instant::ZERO);
    let mut journal = Writer::start([7; 32], "", start, &mut file);
    let mut sas = Sas::new(config.clone(), [7; 32], start);
    let mut done = Vec::new();
    let mut tell = |at: Instant, event: Event| {
        journal.append(at, &event, &mut file);
        done.push(sas.handle(at, event));
    };
    tell(
        start,
        Event::FlowOpened { flow: FLOW, transport: Transport::Udp, local: address(SAS), remote: None },
    );
    for (index, (_, record)) in (1..).zip(records) {
        let record = Box::new(record);
        tell(start + secs(index), Event::Restored { record, age: secs(7) });
    }
    tell(
        start + secs(9),
        Event::Datagram {
            flow: FLOW,
            from: address(ALICE),
            data: request("INVITE", "sip:bob@office.example", "1").into(),
        },
    );
    let again: Vec<_> =
        Sas::replay(config, Reader::open(&file).unwrap()).map(|step| step.unwrap().actions).collect();
    assert_eq!(again, done);
    assert!(
        done.last()
            .unwrap()
            .iter()
            .any(|action| matches!(action, Action::Send { to, .. } if *to == address(BOB)))
    );
}

/// A record with all that a binding may have.
fn rich() -> Record {
    let mut rig = alone();
    let lines = format!(
        "Path: <sip:192.0.2.77;lr;ob>\r\nSupported: path, outbound\r\nUser-Agent: Phone/1\r\n\
         Contact: <sip:bob@{BOB}>;q=0.3;+sip.instance=\"<urn:x:1>\";reg-id=7\r\nExpires: 600\r\n"
    );
    register_at(&mut rig, "bob", BOB, 1, &lines).remove(0).1
}

#[test]
fn bytes_that_are_no_record_are_refused() {
    let record = rich();
    let bytes = record.to_bytes();
    assert_eq!(Record::from_bytes(&bytes), Ok(record));
    for len in 0..bytes.len() {
        assert!(Record::from_bytes(&bytes[..len]).is_err(), "cut off at {len}");
    }
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        assert!(Record::from_bytes(&bad).is_err(), "byte {at}");
    }
}

/// `body` with the check that makes it pass for what was written.
fn checked(body: &[u8]) -> Vec<u8> {
    let mut hash = siphasher::sip::SipHasher13::new();
    std::hash::Hasher::write(&mut hash, body);
    let check = std::hash::Hasher::finish(&hash) as u32;
    [body, &check.to_le_bytes()].concat()
}

proptest! {
    #[test]
    fn hostile_bytes_are_a_binding_or_nothing(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let bytes = rich().to_bytes();
        let mut body = bytes[..bytes.len() - 4].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(record) = Record::from_bytes(&checked(&body)) {
            prop_assert_eq!(Record::from_bytes(&record.to_bytes()), Ok(record.clone()));
            let mut rig = alone();
            restore(&mut rig, &record, secs(1));
            rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "1"));
            rig.run(secs(1));
        }
    }
}

/// What may happen to one of a few users: who, after how long, and what.
#[derive(Clone, Debug)]
struct Turn {
    user: usize,
    pause: u64,
    expires: u32,
    /// The address that it registers from.
    place: usize,
    /// As a device with an instance, which has one contact.
    is_device: bool,
}

fn turn() -> impl Strategy<Value = Turn> {
    let expires = prop_oneof![Just(0_u32), 1..40_u32, Just(600)];
    (0..2_usize, 0..30_000_u64, expires, 0..2_usize, any::<bool>())
        .prop_map(|(user, pause, expires, place, is_device)| Turn { user, pause, expires, place, is_device })
}

/// What the store has been told in a life of so many turns, and the branch at its end.
fn lived(turns: &[Turn]) -> (Rig, Vec<(Instant, Record)>) {
    let (mut rig, mut told) = (alone(), Vec::new());
    for (cseq, turn) in (1..).zip(turns) {
        rig.run(millis(turn.pause));
        told.append(&mut rig.stored);
        let (user, at) = (["bob", "carol"][turn.user], [BOB, CAROL][turn.place]);
        let device =
            if turn.is_device { format!(";+sip.instance=\"<urn:x:{user}>\"") } else { String::new() };
        let lines = format!("Contact: <sip:{user}@{at}>{device}\r\nExpires: {}\r\n", turn.expires);
        told.extend(register_at(&mut rig, user, at, cseq, &lines));
    }
    rig.run(millis(1));
    told.append(&mut rig.stored);
    (rig, told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The last writer wins: what the store was told, in any order and as often as one likes, is the database that told it.
    #[test]
    fn neither_order_nor_duplicates_matter(
        (turns, order) in proptest::collection::vec(turn(), 1..16).prop_flat_map(|turns| {
            let most = turns.len() * 3;
            (Just(turns), proptest::collection::vec(any::<prop::sample::Index>(), 0..most))
        }),
    ) {
        let (before, told) = lived(&turns);
        let mut after = alone();
        // Each at least once, behind any of them in any order.
        let again = order.iter().filter(|_| !told.is_empty()).map(|index| index.get(&told));
        let all: Vec<_> = again.chain(told.iter().rev()).cloned().collect();
        for (at, record) in &all {
            restore(&mut after, record, before.now - *at);
        }
        prop_assert_eq!(content(&after), content(&before));
        // And once more, from the snapshot of the one into another.
        let mut third = alone();
        for record in content(&after) {
            restore(&mut third, &record, secs(0));
        }
        prop_assert_eq!(content(&third), content(&before));
    }
}
