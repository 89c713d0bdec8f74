//! How often the hot paths may allocate. Counts are stable where times are not.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../benches/support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the benches use the rest")]
mod support;

use allocation_counter::measure;
use bytes::Bytes;
use sip_survivability::auth::{Authenticator, Ha1, Policy, Role, Session, Unproven, Verdict};
use sip_survivability::config::{Route, Settings, SurvivabilityMode, Trust};
use sip_survivability::headers::Auth;
use sip_survivability::message::Message;
use sip_survivability::rng::Token;
use sip_survivability::time::{Instant, Timers};
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event, Sas};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;
use support::crowd::{self, Crowd};

fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

#[test]
fn an_index_is_one_allocation() {
    let bytes = Bytes::from_static(support::INVITE.as_bytes());
    assert_eq!(allocations(|| drop(black_box(Message::parse(bytes)))), 1);
}

#[test]
fn typed_fields_and_validation_allocate_nothing() {
    let invite = support::invite();
    assert_eq!(allocations(|| support::read(&invite).unwrap()), 0);
    assert_eq!(allocations(|| invite.validate().unwrap()), 0);
}

#[test]
fn a_hop_is_three_allocations() {
    let invite = support::invite();
    // The new text, and the result.
    assert_eq!(allocations(|| drop(black_box(support::forward(&invite)))), 2);
    let bytes = Bytes::from_static(support::INVITE.as_bytes());
    let hop = || {
        let invite = support::request(bytes);
        support::read(&invite).unwrap();
        drop(black_box(support::forward(&invite)));
    };
    assert_eq!(allocations(hop), 3);
}

#[test]
fn the_next_deadline_is_a_peek() {
    let mut sas = support::branch();
    let _ = sas.handle(Instant::ZERO, support::registration());
    let _ = sas.handle(Instant::ZERO, support::call());
    assert_eq!(allocations(|| assert!(sas.next_timeout().is_some())), 0);
}

#[test]
fn a_retransmission_is_absorbed_in_two_allocations() {
    let mut sas = support::branch();
    let mut out = Actions::new();
    sas.handle_into(Instant::ZERO, support::registration(), &mut out);
    sas.handle_into(Instant::ZERO, support::call(), &mut out);
    out.drain().for_each(drop);
    let again = support::call();
    // The index, and the handle by which the answer is shared.
    assert!(allocations(|| sas.handle_into(Instant::ZERO, again, &mut out)) <= 2);
    assert_eq!(out.len(), 1);
}

#[test]
fn a_refresh_is_four_allocations() {
    const USERS: u64 = 1000;
    let mut crowd = Crowd::registered(USERS as usize);
    assert!(crowd.is_ok(crowd::register(0, 2)));
    let refreshes: Vec<_> = (0..USERS as usize).map(|user| crowd::register(user, 3)).collect();
    let taken = allocations(|| refreshes.into_iter().for_each(|refresh| crowd.tell(refresh)));
    // The index, the answer and the handle by which it is shared; now and then a table grows.
    assert!(taken <= 4 * USERS, "{taken} for {USERS}");
}

#[test]
fn rows_of_the_routing_table_that_do_not_match_allocate_nothing() {
    let call = |rows: usize| {
        let mut settings = Settings::default();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.sas.default_gateway = vec!["sip:192.0.2.9".parse().unwrap()];
        settings.trust.call_out = Trust::Unknown;
        let mut row = Route::new("sip:192.0.2.30".parse().unwrap());
        row.columns.destination_user = "[1000-1999]xx(3[4,5,7])".parse().unwrap();
        settings.routes = vec![row; rows];
        let mut sas = Sas::new(settings.validate().unwrap(), [7; 32], Instant::ZERO);
        let local = "192.0.2.200:5060".parse().unwrap();
        let (flow, transport) = (FlowId(1), Transport::Udp);
        let _ = sas.handle(Instant::ZERO, Event::FlowOpened { flow, transport, local, remote: None });
        let (event, mut out) = (support::call(), Actions::new());
        let taken = allocations(|| sas.handle_into(Instant::ZERO, event, &mut out));
        let gateway: SocketAddr = "192.0.2.9:5060".parse().unwrap();
        let to_gateway = |action: &Action| matches!(action, Action::Send { to, .. } if *to == gateway);
        assert!(out.iter().any(to_gateway), "{out:?}");
        taken
    };
    assert_eq!(call(200), call(1));
}

#[test]
fn the_next_of_100_000_deadlines_is_a_peek() {
    let mut timers = Timers::default();
    for n in 0..100_000 {
        timers.arm(Instant::from_micros((n * 7919) % 100_000), n);
    }
    assert_eq!(allocations(|| assert_eq!(timers.next(), Some(Instant::ZERO))), 0);
}

#[test]
fn bindings_are_small_and_leave_next_to_nothing() {
    const USERS: i64 = 100_000;
    let mut crowd = Crowd::new(USERS as usize);
    let held = measure(|| {
        (0..USERS as usize).for_each(|user| crowd.join(user));
        crowd.wait(Duration::from_secs(40));
    });
    assert_eq!((crowd.sas.registrar().len() as i64, crowd.sas.load().0), (USERS, 0));
    assert!(held.bytes_current <= 550 * USERS, "{} for each", held.bytes_current / USERS);
    let ended = measure(|| crowd.wait(Duration::from_hours(2)));
    assert!(crowd.sas.registrar().is_empty());
    // Who was here once is known, by a hash in two orders.
    let left = held.bytes_current + ended.bytes_current;
    assert!(left <= 80 * USERS, "{} for each", left / USERS);
}

#[test]
fn calls_are_small_and_leave_nothing() {
    const CALLS: i64 = 25_000;
    let mut crowd = Crowd::registered(2);
    let held = measure(|| (0..CALLS as usize).for_each(|call| crowd.call(call)));
    assert!(crowd.sas.load().0 as i64 >= 4 * CALLS, "{:?}", crowd.sas.load());
    assert!(held.bytes_current <= 8192 * CALLS, "{} for each", held.bytes_current / CALLS);
    let over = measure(|| crowd.wait(Duration::from_mins(5)));
    assert_eq!(crowd.sas.load(), (0, 0));
    let left = held.bytes_current + over.bytes_current;
    // A page of each table, and the lists' last steps.
    assert!(left <= 160 * 1024, "{left} in all");
}

#[test]
fn checking_credentials_is_two_allocations() {
    const URI: &str = "sip:office.example";
    let source = "10.0.0.7".parse().unwrap();
    let ha1 = |_: &str, algorithm| Some(Ha1::new(algorithm, "alice", "office.example", "secret"));
    let mut server = Authenticator::new(Policy::new("office.example".parse().unwrap()), [7; 32]);
    let challenge = server.challenges(Instant::ZERO, source, Unproven::Missing).next().unwrap().to_string();
    let mut session = Session::open(Auth::parse(&challenge), "alice", ha1, Token::of(1)).unwrap();
    let mut register = || {
        let credentials = session.answer("REGISTER", URI, b"");
        let text = format!("REGISTER {URI} SIP/2.0\r\nAuthorization: {credentials}\r\n\r\n");
        let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
        request
    };
    let mut check = |request| {
        let accepts = |verdict| matches!(verdict, Verdict::Accepted(_));
        assert!(accepts(server.check(Instant::ZERO, Role::Server, request, source, ha1)));
    };
    // The list of credentials, and the memory of the nonce where it is the first.
    let (first, second) = (register(), register());
    assert_eq!(allocations(|| check(&first)), 2);
    assert_eq!(allocations(|| check(&second)), 1);
}
