//! Law 5: bounded work for each event and bounded memory for each peer, whatever floods in.

use crate::support::net::seed_bytes;
use crate::support::*;
use bytes::Bytes;
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Actions, Event, Notice, Sas};
use std::net::SocketAddr;

fn request(method: &str, number: u32, user: &str, from: SocketAddr) -> Bytes {
    format!(
        "{method} sip:{user}@office.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bKflood{number};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:u{number}@office.example>;tag={number}\r\n\
         To: <sip:{user}@office.example>\r\n\
         Call-ID: flood{number}\r\n\
         CSeq: 1 {method}\r\n\
         Contact: <sip:u{number}@{from}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into()
}

/// A core on its own, with small limits.
struct Core {
    sas: Sas,
    now: Instant,
    out: Actions,
}

const MOST: usize = 100;
const RESERVE: usize = 20;

impl Core {
    fn new() -> Self {
        let mut settings = branch::settings();
        settings.limits.max_transactions = MOST;
        settings.limits.emergency_reserve = RESERVE;
        settings.registrar.max_users = 50;
        let sas = Sas::new(settings.validate().unwrap(), seed_bytes(1), Instant::ZERO);
        let mut core = Self { sas, now: Instant::ZERO, out: Actions::new() };
        let local = at(branch::SAS);
        let _ = core.handle(Event::FlowOpened {
            flow: FlowId(0),
            transport: Transport::Udp,
            local,
            remote: None,
        });
        core
    }

    fn handle(&mut self, event: Event) -> Actions {
        self.sas.handle_into(self.now, event, &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn hear(&mut self, from: SocketAddr, data: Bytes) -> Actions {
        self.handle(Event::Datagram { flow: FlowId(0), from, data })
    }

    /// Lets so much time pass, ticking as due.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + secs(seconds);
        while let Some(due) = self.sas.next_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let _ = self.handle(Event::Tick);
        }
        self.now = end;
    }
}

const FLOODER: &str = "203.0.113.66:5060";

#[test]
fn a_flood_of_calls_stops_at_the_limit_and_leaves_the_emergency_reserve() {
    for state_is_emergency in [false, true] {
        let mut core = Core::new();
        if state_is_emergency {
            core.pass(60);
        }
        for number in 0..5_000 {
            let _ = core.hear(at(FLOODER), request("INVITE", number, "nobody", at(FLOODER)));
            let (transactions, _) = core.sas.load();
            assert!(transactions <= MOST + RESERVE, "{transactions} transactions after {number} calls");
        }
        let call = core.hear(at("10.1.0.11:5060"), request("INVITE", 9_999, "911", at("10.1.0.11:5060")));
        let gateway = at(branch::GATEWAY);
        let routed = call.iter().any(|action| {
            matches!(action, sip_survivability::Action::Send { to, payload, .. }
                if *to == gateway && payload.starts_with(b"INVITE sip:911@"))
        });
        assert!(routed, "911 was not routed in the flood: {call:?}");
    }
}

#[test]
fn a_flood_leaves_nothing_behind() {
    for method in ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "BYE", "CANCEL", "SUBSCRIBE", "XYZZY"] {
        let mut core = Core::new();
        for number in 0..2_000 {
            let _ = core.hear(at(FLOODER), request(method, number, "nobody", at(FLOODER)));
            if number % 100 == 0 {
                core.pass(1);
            }
        }
        // Timer C is the longest there is: three minutes and a bit.
        core.pass(300);
        let (transactions, relays) = core.sas.load();
        assert_eq!(relays, 0, "relays that {method} left behind");
        assert!(transactions <= 1, "{transactions} transactions that {method} left behind");
    }
}

#[test]
fn users_are_stored_up_to_the_limit_and_then_refused() {
    let mut core = Core::new();
    core.pass(60);
    for number in 0..500 {
        let user = format!("u{number}");
        let from = at("10.1.0.50:5060");
        let _ = core.hear(from, request("REGISTER", number, &user, from));
        // So that the limit on transactions is not what stops it.
        core.pass(40);
        assert!(core.sas.registrar().users() <= 50, "{} users", core.sas.registrar().users());
    }
}

#[test]
fn the_dropping_of_rubbish_is_told_at_most_once_a_second() {
    let mut core = Core::new();
    let mut notices = 0;
    for millis in 0..10_000 {
        core.now = Instant::from_millis(millis);
        let actions = core.hear(at(FLOODER), Bytes::from_static(b"rubbish"));
        let told = |action: &&sip_survivability::Action| {
            matches!(action, sip_survivability::Action::Notify(Notice::MessagesDropped { .. }))
        };
        notices += actions.iter().filter(told).count();
        assert!(actions.len() <= 1, "{actions:?}");
    }
    assert!((1..=11).contains(&notices), "{notices} notices in ten seconds");
}

#[test]
fn a_hundred_thousand_datagrams_of_rubbish_leave_state_memory_and_a_call_untouched() {
    let mut branch = Branch::new(7);
    branch.net.trace_mut().keep(1_000);
    branch.register_all();
    let (alice, bob, sas) = (branch.alice(), branch.bob(), branch.sas);
    let call = branch.talk(alice, "bob");
    branch.net.run_for(secs(40));
    let core = |branch: &Branch| {
        let core = branch.net.node(sas).core();
        (core.state(), core.load(), core.registrar().users())
    };
    let before = core(&branch);
    let shapes: [&[u8]; 7] = [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"INVITE sip:bob@office.example SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.1.0.1:5080;branch=z9hG4bKnone\r\nCSeq: 1 OPTIONS\r\n\r\n",
        b"\x00\x01\x02\x03\xff\xfe\xfd",
        &[b'a'; 1_400],
    ];
    let journal = branch.net.act(sas, |sas, _| sas.journal.take());
    for number in 0..100_000_usize {
        let shape = Bytes::copy_from_slice(shapes[number % shapes.len()]);
        branch.net.act(sas, |sas, io| sas.hear(io, at(FLOODER), shape));
        if number % 1_000 == 0 {
            branch.net.run_for(millis(20));
        }
    }
    drop(journal);
    branch.net.run_for(secs(40));
    assert_eq!(core(&branch), before);
    branch.hang_up(alice, call);
    branch.until(alice, call, CallState::Ended(End::HungUp(Some(200))), secs(1));
    assert_eq!(branch.net.node(bob).last_call().unwrap().state(), CallState::Ended(End::ByPeer));
}
