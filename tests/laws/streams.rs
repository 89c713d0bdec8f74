//! Law 9 through the whole core: the same stream gives the same actions, however it is cut. And laws 2 and 5: no bytes on a
//! connection make it panic or leave anything behind.

use crate::hold;
use crate::support::branch::{SAS, sas_seed, settings};
use crate::support::sas_node::Handled;
use crate::support::*;
use bytes::Bytes;
use proptest::prelude::*;
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event, Sas};

/// Alice has TCP and calls bob, who has not, in the normal state and in the emergency state; her connection breaks in the second
/// call. What the core was told meanwhile.
fn life_over_tcp(seed: u64) -> Branch {
    let mut branch = Branch::new(seed);
    let (alice, bob, sas) = (branch.alice(), branch.bob(), branch.sas);
    let at_alice = branch.net.address(alice);
    branch.net.act(sas, |sas, io| sas.takes_tcp_from(io, at_alice));
    branch.register_all();
    let first = branch.talk(alice, "bob");
    branch.hang_up(alice, first);
    branch.until(alice, first, CallState::Ended(End::HungUp(Some(200))), secs(5));
    branch.cut();
    branch.until_state(sip_survivability::mode::State::Emergency, secs(60));
    branch.net.run_for(secs(20));
    let second = branch.talk(bob, "alice");
    branch.net.act(sas, |sas, io| sas.breaks(io, at_alice));
    branch.net.run_for(secs(1));
    let at_phone = branch.net.node(alice).last_call_ref().unwrap();
    branch.hang_up(alice, at_phone);
    branch.until(bob, second, CallState::Ended(End::ByPeer), secs(5));
    branch.net.run_for(secs(60));
    branch
}

fn journal(branch: &Branch) -> &[Handled] {
    branch.net.node(branch.sas).journal.as_ref().unwrap()
}

/// The same life, where each piece of a stream is told in the pieces that `cut` makes of it.
fn replay(branch: &Branch, seed: u64, cut: impl Fn(usize) -> Vec<usize>) {
    let mut sas = Sas::new(branch.config().clone(), sas_seed(seed), Instant::ZERO);
    for (number, handled) in journal(branch).iter().enumerate() {
        let mut actions = Actions::new();
        if let Event::Stream { flow, data } = &handled.event {
            let mut rest = data.clone();
            for at in cut(data.len()) {
                let piece = rest.split_to(at.min(rest.len()));
                sas.handle_into(handled.now, Event::Stream { flow: *flow, data: piece }, &mut actions);
            }
            sas.handle_into(handled.now, Event::Stream { flow: *flow, data: rest }, &mut actions);
        } else {
            sas.handle_into(handled.now, handled.event.clone(), &mut actions);
        }
        assert_eq!(actions, handled.actions, "event {number} at {:?}", handled.now);
    }
}

#[test]
fn calls_over_tcp_are_the_same_however_the_stream_is_cut() {
    let branch = life_over_tcp(3);
    let lengths = journal(&branch).iter().filter_map(|handled| match &handled.event {
        Event::Stream { data, .. } => Some(data.len()),
        _ => None,
    });
    let longest = lengths.max().unwrap();
    assert!(longest > 300);
    replay(&branch, 3, |length| vec![1; length]);
    for at in 0..=longest {
        replay(&branch, 3, |_| vec![at]);
    }
}

/// What a peer may do to us over connections.
#[derive(Clone, Debug)]
enum Doing {
    Open(u64),
    Say(u64, Vec<u8>),
    Ask(u64, &'static str, usize),
    Close(u64),
    Pass(u64),
}

fn doing() -> impl Strategy<Value = Doing> {
    let method =
        prop::sample::select(vec!["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "BYE", "ACK", "CANCEL"]);
    prop_oneof![
        3 => (0..8_u64).prop_map(Doing::Open),
        3 => (0..8_u64, prop::collection::vec(any::<u8>(), 0..100)).prop_map(|(n, bytes)| Doing::Say(n, bytes)),
        8 => (0..8_u64, method, 0..600_usize).prop_map(|(n, method, cut)| Doing::Ask(n, method, cut)),
        2 => (0..8_u64).prop_map(Doing::Close),
        2 => (0..40_000_u64).prop_map(Doing::Pass),
    ]
}

#[test]
fn nothing_on_connections_makes_it_panic_or_leaves_anything_behind() {
    hold(200, prop::collection::vec(doing(), 0..60), |doings| {
        let mut settings = settings();
        settings.limits.max_connections = 5;
        settings.limits.max_dialled = 2;
        let mut sas = Sas::new(settings.validate().unwrap(), [1; 32], Instant::ZERO);
        let (mut now, mut dialled, mut closed, local) = (Instant::ZERO, 0_usize, 0_usize, at(SAS));
        let mut tell = |now: Instant, event: Event| {
            let actions = sas.handle(now, event);
            let connects = actions.iter().filter(|action| matches!(action, Action::Connect { .. })).count();
            let is_own = |action: &&Action| matches!(action, Action::Close { flow } if flow.is_dialled());
            closed += actions.iter().filter(is_own).count();
            dialled += connects;
            assert!(dialled <= closed + 2, "more than max_dialled");
            (sas.next_timeout(), sas.load())
        };
        let _ = tell(
            now,
            Event::FlowOpened { flow: FlowId(100), transport: Transport::Udp, local, remote: None },
        );
        let _ = tell(now, Event::Listening { transport: Transport::Tcp, local });
        let pass =
            |until: Instant,
             now: &mut Instant,
             tell: &mut dyn FnMut(Instant, Event) -> (Option<Instant>, (usize, usize))| {
                let mut due = tell(*now, Event::Tick).0;
                while let Some(at) = due.filter(|at| *at <= until) {
                    *now = at.max(*now);
                    due = tell(*now, Event::Tick).0;
                    assert!(due.is_none_or(|due| due > *now), "the deadline law");
                }
                *now = until;
            };
        for (serial, doing) in doings.iter().enumerate() {
            match doing {
                Doing::Open(n) => {
                    let remote = Some(at(&format!("203.0.113.{n}:{}", 40_000 + serial)));
                    let _ = tell(
                        now,
                        Event::FlowOpened { flow: FlowId(*n), transport: Transport::Tcp, local, remote },
                    );
                }
                Doing::Say(n, bytes) => {
                    let _ = tell(now, Event::Stream { flow: FlowId(*n), data: Bytes::from(bytes.clone()) });
                }
                Doing::Ask(n, method, cut) => {
                    let text = format!(
                        "{method} sip:u{n}@203.0.113.{n}:5070;transport=tcp SIP/2.0\r\n\
                         Via: SIP/2.0/TCP 203.0.113.{n}:5070;branch=z9hG4bK{serial};alias\r\n\
                         From: <sip:u{n}@office.example>;tag=1\r\nTo: <sip:u{n}@office.example>\r\n\
                         Call-ID: {serial}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\
                         Contact: <sip:u{n}@203.0.113.{n}:5070;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
                    );
                    let cut = text.len() - cut.min(&text.len());
                    let data = Bytes::copy_from_slice(&text.as_bytes()[..cut.max(1)]);
                    let _ = tell(now, Event::Stream { flow: FlowId(*n), data });
                }
                Doing::Close(n) => {
                    let _ = tell(now, Event::FlowClosed { flow: FlowId(*n) });
                }
                Doing::Pass(millis) => pass(now + crate::support::millis(*millis), &mut now, &mut tell),
            }
        }
        pass(now + secs(1_500), &mut now, &mut tell);
        let (_, (transactions, relays)) = tell(now, Event::Tick);
        assert!(transactions <= 1 && relays == 0, "{transactions} transactions, {relays} relays");
        assert!(dialled == closed, "{dialled} connections asked for, {closed} closed");
    });
}
