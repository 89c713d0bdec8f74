//! The simulation itself: phones, PBX and gateway without anything between them. What fails here is a fault of the
//! parties, not of the library's core.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod support;

use support::*;

const PBX: &str = "192.0.2.1:5060";

struct Office {
    net: Net,
    pbx: Handle<Pbx>,
    gateway: Handle<PstnGateway>,
    alice: Handle<Phone>,
    bob: Handle<Phone>,
}

fn office(seed: u64, link: Link) -> Office {
    let mut net = Net::new(seed);
    net.links(link);
    let (pbx_at, gateway_at) = (at(PBX), at("10.1.0.9:5060"));
    let mut pbx = Pbx::new("office.example", pbx_at);
    pbx.trunk = Some(gateway_at);
    let pbx = net.add("pbx", pbx_at, pbx);
    let gateway = net.add("gateway", gateway_at, PstnGateway::new(gateway_at, pbx_at));
    let mut phone = |user: &str, address| {
        let address = at(address);
        net.add(user, address, Phone::new(user, "office.example", address, pbx_at))
    };
    let (alice, bob) = (phone("alice", "10.1.0.11:5060"), phone("bob", "10.1.0.12:5060"));
    Office { net, pbx, gateway, alice, bob }
}

impl Office {
    fn register_all(&mut self) {
        for phone in [self.alice, self.bob] {
            self.net.act(phone, |phone, io| phone.register(io));
        }
        let (alice, bob) = (self.alice, self.bob);
        self.net.drive_until("both phones are registered", secs(60), |net| {
            [alice, bob].iter().all(|phone| net.node(*phone).is_registered(net.now()))
        });
    }

    fn in_state(&mut self, phone: Handle<Phone>, call: CallRef, state: CallState, limit: u64) {
        self.net.drive_until(&format!("the call is {state:?}"), secs(limit), |net| {
            net.node(phone).call(call).state() == state
        });
    }

    /// Registers, calls, talks, hangs up. Gives back what bob's side of the call came to.
    fn one_call(&mut self) -> CallState {
        self.register_all();
        let (alice, bob) = (self.alice, self.bob);
        let call = self.net.act(alice, |alice, io| alice.dial(io, "bob"));
        self.in_state(alice, call, CallState::Up, 100);
        let call_id = self.net.node(alice).call(call).call_id.clone();
        let bobs = |net: &Net| net.node(bob).call_with_id(&call_id).map(Call::state);
        self.net.drive_until("bob has the ACK", secs(40), |net| bobs(net) == Some(CallState::Up));
        self.net.act(alice, |alice, io| alice.hang_up(io, call));
        self.in_state(alice, call, CallState::Ended(End::HungUp(Some(200))), 40);
        bobs(&self.net).unwrap()
    }
}

#[test]
fn phones_register_call_and_hang_up_through_the_pbx() {
    let mut office = office(1, Link::LAN);
    assert_eq!(office.one_call(), CallState::Ended(End::ByPeer));
    let alice = office.net.node(office.alice);
    // Two hops of a millisecond there, half a second of ringing, two hops back.
    assert_eq!(alice.calls[0].took(CallState::Up), Some(millis(504)));
    // The PBX record-routes, so the BYE goes through it.
    assert_eq!(alice.calls[0].dialog.as_ref().unwrap().route_set, ["<sip:192.0.2.1:5060;lr>"]);
    let trace = office.net.trace();
    assert_eq!(trace.count_sent(office.pbx.id, "BYE"), 1);
    assert_eq!(trace.count_sent(office.pbx.id, "ACK"), 1);
}

#[test]
fn calls_succeed_at_ten_percent_loss_with_duplicates_and_reordering() {
    for seed in 0..30 {
        let bad = Link::WAN.loss(0.1).duplication(0.05).reordering(0.05);
        let mut office = office(seed, bad);
        let end = office.one_call();
        office.net.ensure(end == CallState::Ended(End::ByPeer), "bob knows that the call is over");
        let anomalies = office.net.node(office.alice).anomalies();
        office.net.ensure(anomalies.is_empty(), &format!("{anomalies:?}"));
    }
}

#[test]
fn a_ringing_call_is_cancelled_at_both_ends() {
    for seed in 0..20 {
        let mut office = office(seed, Link::WAN.loss(if seed == 0 { 0.0 } else { 0.1 }));
        office.register_all();
        let (alice, bob) = (office.alice, office.bob);
        office.net.act(bob, |bob, _| bob.answer = Answer::Never);
        let call = office.net.act(alice, |alice, io| alice.dial(io, "bob"));
        office.net.drive_until("bob rings", secs(40), |net| {
            net.node(bob).last_call().is_some_and(|call| call.state() == CallState::Ringing)
        });
        office.net.act(alice, |alice, io| alice.hang_up(io, call));
        office.in_state(alice, call, CallState::Ended(End::Cancelled), 40);
        office.net.drive_until("bob stopped ringing", secs(40), |net| {
            net.node(bob).calls[0].state() == CallState::Ended(End::Cancelled)
        });
    }
}

#[test]
fn refusals_unknown_users_and_numbers_end_as_they_should() {
    let mut office = office(3, Link::LAN);
    office.register_all();
    let alice = office.alice;
    office.net.act(office.bob, |bob, _| bob.answer = Answer::Refuse(486));
    for (number, end) in [("bob", 486), ("nobody", 404)] {
        let call = office.net.act(alice, |alice, io| alice.dial(io, number));
        office.in_state(alice, call, CallState::Ended(End::Refused(end)), 1);
    }
    let call = office.net.act(alice, |alice, io| alice.dial(io, "0123456"));
    office.in_state(alice, call, CallState::Up, 2);
    assert_eq!(office.net.node(office.gateway).dialled(), ["0123456"]);
    let reinvite = office.net.act(alice, |alice, io| alice.reinvite(io, call));
    office.net.run_for(secs(1));
    assert_eq!(office.net.node(alice).asked(reinvite).outcome.unwrap().1, 200);
    assert_eq!(office.net.node(office.gateway).calls[0].requests_within, ["INVITE"]);
    // The gateway hangs up.
    let incoming = office.net.node(office.gateway).last_call_ref().unwrap();
    office.net.act(office.gateway, |gateway, io| gateway.hang_up(io, incoming));
    office.in_state(alice, call, CallState::Ended(End::ByPeer), 1);
}

#[test]
fn requests_outside_calls_are_answered() {
    let mut office = office(4, Link::LAN);
    office.register_all();
    let ask = |office: &mut Office, method: &str, uri: &str| {
        let ask = office.net.act(office.alice, |alice, io| alice.ask(io, method, uri));
        office.net.run_for(secs(1));
        office.net.node(office.alice).asked(ask).outcome.map(|(_, status)| status)
    };
    assert_eq!(ask(&mut office, "OPTIONS", "sip:office.example"), Some(200));
    assert_eq!(ask(&mut office, "MESSAGE", "sip:bob@office.example"), Some(200));
    assert_eq!(ask(&mut office, "SUBSCRIBE", "sip:bob@office.example"), Some(405));
    let bye = office.net.act(office.alice, |alice, io| alice.stray_bye(io, "sip:bob@office.example"));
    office.net.run_for(secs(1));
    assert_eq!(office.net.node(office.alice).asked(bye).outcome.unwrap().1, 481);
}

#[test]
fn a_phone_refreshes_before_its_lifetime_ends_and_removes_itself() {
    let mut office = office(5, Link::LAN);
    office.net.act(office.pbx, |pbx, _| pbx.max_expires = secs(20));
    office.register_all();
    let (alice, pbx) = (office.alice, office.pbx);
    for _ in 0..300 {
        office.net.run_for(millis(333));
        office.net.ensure(office.net.node(alice).is_registered(office.net.now()), "alice is registered");
        office.net.ensure(office.net.node(pbx).knows("alice", office.net.now()), "the PBX knows alice");
    }
    assert_eq!(office.net.node(alice).last_outcome(), Some(Outcome::Granted(secs(20))));
    office.net.act(alice, |alice, io| alice.unregister(io));
    office.net.run_for(secs(1));
    assert!(!office.net.node(pbx).knows("alice", office.net.now()));
    assert_eq!(office.net.node(alice).last_outcome(), Some(Outcome::Removed));
}

#[test]
fn a_frozen_pbx_answers_when_it_thaws_and_a_killed_one_is_refused_at_once() {
    let mut office = office(6, Link::LAN);
    let (alice, pbx) = (office.alice, office.pbx);
    office.net.freeze(pbx);
    office.net.act(alice, |alice, io| alice.register(io));
    office.net.run_for(secs(3));
    assert_eq!(office.net.trace().count_sent(alice.id, "REGISTER"), 3);
    assert_eq!(office.net.node(alice).last_outcome(), None);
    office.net.thaw(pbx);
    office.net.run_for(millis(2));
    assert_eq!(office.net.node(alice).last_outcome(), Some(Outcome::Granted(secs(3600))));
    assert_eq!(office.net.node(pbx).registers.len(), 1, "the copies are known as copies");

    office.net.kill(pbx);
    let call = office.net.act(alice, |alice, io| alice.dial(io, "bob"));
    office.in_state(alice, call, CallState::Ended(End::Unreachable), 1);
    office.net.restart(pbx, Pbx::new("office.example", at(PBX)));
    let call = office.net.act(alice, |alice, io| alice.dial(io, "bob"));
    office.in_state(alice, call, CallState::Ended(End::Refused(404)), 1);
}

#[test]
fn a_cut_is_silent_and_timers_end_what_it_left() {
    let mut office = office(7, Link::LAN);
    office.register_all();
    let (alice, pbx) = (office.alice, office.pbx);
    office.net.cut(pbx);
    let call = office.net.act(alice, |alice, io| alice.dial(io, "bob"));
    office.in_state(alice, call, CallState::Ended(End::TimedOut), 33);
    // RFC 3261 17.1.1.2: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
    assert_eq!(office.net.trace().count_sent(alice.id, "INVITE"), 7);
    assert_eq!(
        office.net.node(alice).call(call).life.last().unwrap().0
            - office.net.node(alice).call(call).started(),
        secs(32)
    );
    office.net.mend(pbx);
    let call = office.net.act(alice, |alice, io| alice.dial(io, "bob"));
    office.in_state(alice, call, CallState::Up, 2);
}

#[test]
fn moods_of_the_pbx() {
    let mut office = office(8, Link::LAN);
    office.register_all();
    office.net.act(office.pbx, |pbx, _| pbx.mood = Mood::Refusing(503));
    let call = office.net.act(office.alice, |alice, io| alice.dial(io, "bob"));
    office.in_state(office.alice, call, CallState::Ended(End::Refused(503)), 1);
    office.net.act(office.pbx, |pbx, _| pbx.mood = Mood::Silent);
    let call = office.net.act(office.alice, |alice, io| alice.dial(io, "bob"));
    office.in_state(office.alice, call, CallState::Ended(End::TimedOut), 33);
}

#[test]
fn one_seed_gives_one_run() {
    let digest = |seed| {
        let mut office = office(seed, Link::WAN.loss(0.1).duplication(0.1).reordering(0.1));
        office.one_call();
        office.net.run_for(secs(60));
        office.net.trace().digest()
    };
    assert_eq!(digest(9), digest(9));
    assert_ne!(digest(9), digest(10));
}

#[test]
#[should_panic(expected = "seed 11")]
fn a_failure_prints_the_seed_and_the_trace() {
    let mut office = office(11, Link::LAN);
    office.net.drive_until("bob registers by himself", secs(1), |net| {
        net.node(office.bob).is_registered(net.now())
    });
}
