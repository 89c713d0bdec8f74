//! What a branch can count on in an outage, with the defaults, however the proxy goes: behind a cut line, frozen, or
//! with its process dead. Each figure is held for many moments of the loss within the probe interval.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod support;

use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::time::Duration;
use support::pbx::VOICEMAIL;
use support::*;

/// How the proxy is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// The line is cut: silence.
    Cut,
    /// The process is stopped, and what was sent to it is answered when it goes on.
    Freeze,
    /// The process is gone, and its host says so.
    Kill,
}

impl Loss {
    fn strike(self, branch: &mut Branch) {
        match self {
            Self::Cut => branch.cut(),
            Self::Freeze => branch.net.freeze(branch.pbx),
            Self::Kill => branch.net.kill(branch.pbx),
        }
    }

    fn end(self, branch: &mut Branch) {
        match self {
            Self::Cut => branch.mend(),
            Self::Freeze => branch.net.thaw(branch.pbx),
            // It has forgotten everyone.
            Self::Kill => branch.net.restart(branch.pbx, Branch::fresh_pbx()),
        }
    }
}

/// A registered branch for each way to lose the proxy and for many moments to do so; the loss is yet to come.
fn each_loss(mut test: impl FnMut(Loss, &mut Branch)) {
    for loss in [Loss::Cut, Loss::Freeze, Loss::Kill] {
        for moment in 0..20 {
            let mut branch = Branch::new(moment);
            branch.register_all();
            branch.net.run_for(millis(1_000 + moment * 217));
            branch.net.script(format!("the loss will be {loss:?}"));
            test(loss, &mut branch);
        }
    }
}

/// The same, with the proxy lost and the emergency state reached.
fn each_emergency(mut test: impl FnMut(&mut Branch)) {
    each_loss(|loss, branch| {
        loss.strike(branch);
        branch.until_state(State::Emergency, secs(6));
        test(branch);
    });
}

#[track_caller]
fn ensure_rings(branch: &mut Branch, callee: Handle<Phone>, limit: Duration) {
    branch.net.drive_until("the callee rings", limit, |net| {
        net.node(callee).last_call().is_some_and(|call| call.state() == CallState::Ringing)
    });
}

/// The status of the answer, and how long it took.
#[track_caller]
fn answer(branch: &mut Branch, phone: Handle<Phone>, ask: user_agent::AskRef) -> (u16, Duration) {
    branch
        .net
        .drive_until("there is an answer", secs(40), |net| net.node(phone).asked(ask).outcome.is_some());
    let asked = branch.net.node(phone).asked(ask);
    let (at, status) = asked.outcome.unwrap();
    (status, at - asked.sent)
}

const HUNG_UP: CallState = CallState::Ended(End::HungUp(Some(200)));

#[test]
fn the_emergency_state_is_entered_within_six_seconds() {
    each_loss(|loss, branch| {
        loss.strike(branch);
        branch.until_state(State::Emergency, secs(6));
    });
}

#[test]
fn it_is_entered_within_six_seconds_with_traffic_too() {
    each_loss(|loss, branch| {
        let (alice, bob) = (branch.alice(), branch.bob());
        loss.strike(branch);
        branch.net.run_for(millis(300));
        branch.dial(alice, "bob");
        branch.net.act(bob, |bob, io| bob.register(io));
        branch.until_state(State::Emergency, millis(5_700));
    });
}

#[test]
fn a_call_in_the_gap_rings_within_two_and_a_half_seconds() {
    each_loss(|loss, branch| {
        let (alice, bob) = (branch.alice(), branch.bob());
        loss.strike(branch);
        branch.net.run_for(millis(500));
        let call = branch.dial(alice, "bob");
        ensure_rings(branch, bob, millis(2_500));
        branch.until(alice, call, CallState::Up, secs(1));
    });
}

#[test]
fn a_new_phone_in_the_gap_is_registered_within_three_seconds() {
    each_loss(|loss, branch| {
        loss.strike(branch);
        branch.net.run_for(millis(500));
        let carol = branch.add_phone();
        branch.net.act(carol, |carol, io| carol.register(io));
        branch.net.drive_until("carol is registered", secs(3), |net| {
            matches!(net.node(carol).last_outcome(), Some(Outcome::Granted(granted)) if granted <= secs(20))
        });
        let call = branch.dial(branch.alice(), "carol");
        ensure_rings(branch, carol, millis(2_500));
        branch.until(branch.alice(), call, CallState::Up, secs(1));
    });
}

#[test]
fn a_call_from_before_can_be_hung_up_in_the_gap_and_after_it() {
    // By the caller and by the callee; in the gap and after it.
    for (caller_hangs_up, wait, limit) in
        [(true, 500, 3_000), (false, 500, 3_000), (true, 7_000, 500), (false, 7_000, 500)]
    {
        each_loss(|loss, branch| {
            let (alice, bob) = (branch.alice(), branch.bob());
            branch.talk(alice, "bob");
            branch.net.run_for(secs(1));
            loss.strike(branch);
            branch.net.run_for(millis(wait));
            let (from, to) = if caller_hangs_up { (alice, bob) } else { (bob, alice) };
            let call = branch.net.node(from).last_call_ref().unwrap();
            branch.hang_up(from, call);
            branch.net.drive_until("the BYE arrives", millis(limit), |net| {
                net.node(to).last_call().unwrap().state() == CallState::Ended(End::ByPeer)
            });
            branch.until(from, call, HUNG_UP, millis(200));
        });
    }
}

#[test]
fn a_call_from_before_to_the_outside_can_be_hung_up() {
    each_loss(|loss, branch| {
        let (alice, gateway) = (branch.alice(), branch.gateway);
        let call = branch.talk(alice, "5550123");
        loss.strike(branch);
        branch.net.run_for(secs(7));
        branch.hang_up(alice, call);
        branch.until(alice, call, HUNG_UP, millis(500));
        let ended = branch.net.node(gateway).last_call().unwrap().state();
        branch.net.ensure(ended == CallState::Ended(End::ByPeer), "the gateway has heard it");
    });
}

#[test]
fn a_call_to_the_head_office_can_be_hung_up_though_nobody_there_hears_it() {
    each_loss(|loss, branch| {
        let alice = branch.alice();
        branch.add_remote_phone("hq");
        branch.net.run_for(secs(1));
        let call = branch.talk(alice, "hq");
        loss.strike(branch);
        branch.net.run_for(secs(7));
        branch.hang_up(alice, call);
        // sas.md 9: nothing waits 32 s.
        branch.net.drive_until("alice's side has ended", secs(1), |net| net.node(alice).call(call).is_over());
    });
}

#[test]
fn a_call_to_the_proxy_itself_can_be_hung_up_though_it_is_gone() {
    // sas.md 9: no answer can come from there, so we give it, as soon as that is certain.
    for (wait, limit) in [(500, 5_500), (7_000, 500)] {
        each_loss(|loss, branch| {
            let alice = branch.alice();
            let call = branch.talk(alice, VOICEMAIL);
            loss.strike(branch);
            branch.net.run_for(millis(wait));
            branch.hang_up(alice, call);
            branch.until(alice, call, HUNG_UP, millis(limit));
        });
    }
}

#[test]
fn in_emergency_registering_and_calling_take_no_time() {
    each_emergency(|branch| {
        let (alice, bob) = (branch.alice(), branch.bob());
        branch.net.act(alice, |alice, io| alice.register(io));
        branch.net.drive_until("alice is registered, for 1 to 20 s", millis(200), |net| {
            let outcome = net.node(alice).last_outcome();
            matches!(outcome, Some(Outcome::Granted(granted)) if secs(1) <= granted && granted <= secs(20))
        });
        let call = branch.dial(alice, "bob");
        ensure_rings(branch, bob, millis(200));
        branch.until(alice, call, CallState::Up, millis(700));
        branch.hang_up(alice, call);
        branch.until(alice, call, HUNG_UP, millis(200));
        for number in ["911", "5550123"] {
            let call = branch.dial(alice, number);
            branch.until(alice, call, CallState::Ringing, millis(200));
            branch.until(alice, call, CallState::Up, millis(700));
            branch.hang_up(alice, call);
            branch.until(alice, call, HUNG_UP, millis(200));
        }
        assert_eq!(branch.net.node(branch.gateway).dialled(), ["911", "5550123"]);
    });
}

#[test]
fn in_emergency_other_requests_get_the_answers_they_should() {
    each_emergency(|branch| {
        let (alice, bob) = (branch.alice(), branch.bob());
        let subscribe =
            branch.net.act(alice, |alice, io| alice.ask(io, "SUBSCRIBE", "sip:bob@office.example"));
        assert_eq!(answer(branch, alice, subscribe), (489, millis(2)));
        let options = branch.net.act(alice, |alice, io| alice.ask(io, "OPTIONS", "sip:10.1.0.1:5080"));
        assert_eq!(answer(branch, alice, options), (200, millis(2)));
        let message = branch.net.act(alice, |alice, io| alice.ask(io, "MESSAGE", "sip:bob@office.example"));
        assert_eq!(answer(branch, alice, message), (200, millis(4)));
        let nobody = branch.net.act(alice, |alice, io| alice.ask(io, "MESSAGE", "sip:nobody@office.example"));
        assert_eq!(answer(branch, alice, nobody), (404, millis(2)));
        let bye = branch.net.act(alice, |alice, io| alice.stray_bye(io, "sip:nobody@office.example"));
        let (status, took) = answer(branch, alice, bye);
        branch.net.ensure(status == 481 && took <= secs(1), &format!("{status} in {took:?}"));
        branch.net.act(bob, |bob, _| bob.answer = Answer::Never);
        let call = branch.dial(alice, "bob");
        ensure_rings(branch, bob, millis(200));
        branch.hang_up(alice, call);
        branch.until(alice, call, CallState::Ended(End::Cancelled), millis(200));
        assert_eq!(branch.net.node(bob).last_call().unwrap().state(), CallState::Ended(End::Cancelled));
    });
}

#[test]
fn in_the_normal_state_911_goes_to_the_gateway_and_not_to_the_proxy() {
    let mut branch = Branch::new(1);
    branch.register_all();
    let call = branch.talk(branch.alice(), "911");
    assert_eq!(branch.net.node(branch.gateway).dialled(), ["911"]);
    assert_eq!(branch.net.trace().count_sent(branch.pbx.id, "INVITE"), 0);
    branch.hang_up(branch.alice(), call);
    branch.until(branch.alice(), call, HUNG_UP, millis(200));
}

#[test]
fn the_branch_is_home_again_within_twenty_seconds_and_its_phones_in_twenty_more() {
    for minutes_away in [0, 3] {
        each_loss(|loss, branch| {
            let (alice, pbx) = (branch.alice(), branch.pbx);
            loss.strike(branch);
            branch.until_state(State::Emergency, secs(6));
            branch.net.run_for(secs(1 + 60 * minutes_away));
            loss.end(branch);
            branch.until_state(State::Normal, secs(20));
            branch.net.drive_until("every phone is registered at the proxy", secs(20), |net| {
                ["alice", "bob"].iter().all(|user| net.node(pbx).knows(user, net.now()))
            });
            branch.net.run_for(secs(1));
            let before = branch.net.trace().count_sent(pbx.id, "INVITE");
            let call = branch.talk(alice, "bob");
            let after = branch.net.trace().count_sent(pbx.id, "INVITE");
            branch.net.ensure(after > before, "the call runs through the proxy");
            branch.hang_up(alice, call);
            branch.until(alice, call, HUNG_UP, secs(1));
        });
    }
}

#[test]
fn a_frozen_proxy_that_thaws_in_the_gap_is_not_given_up() {
    // Shorter than what eight missed probes take.
    for moment in 0..20 {
        let mut branch = Branch::new(moment);
        branch.register_all();
        branch.net.run_for(millis(1_000 + moment * 217));
        branch.net.freeze(branch.pbx);
        branch.net.run_for(millis(1_500));
        branch.net.thaw(branch.pbx);
        branch.net.run_for(secs(30));
        let changes: Vec<(Instant, State)> = branch.net.node(branch.sas).changes();
        branch.net.ensure(changes.is_empty(), &format!("{changes:?}"));
    }
}

/// A branch with a second proxy that knows the same users, as an office with two data centres has.
fn with_two_proxies(seed: u64) -> (Branch, Handle<Pbx>) {
    const SECOND: &str = "198.51.100.1:5060";
    let mut branch = Branch::with(seed, 2, |settings| {
        settings.proxy_set.targets.push(format!("sip:{SECOND}").parse().unwrap());
    });
    let second = branch.net.add("pbx2", at(SECOND), Pbx::new(branch::DOMAIN, at(SECOND)));
    branch.net.link(branch.sas, second, Link::WAN);
    branch.register_all();
    let location = branch.net.node(branch.pbx).location.clone();
    branch.net.act(second, |second, _| second.location = location);
    branch.net.run_for(millis(1_000 + seed * 217));
    (branch, second)
}

#[test]
fn a_second_proxy_takes_over_and_there_is_no_emergency() {
    for moment in 0..20 {
        let (mut branch, second) = with_two_proxies(moment);
        let (alice, bob) = (branch.alice(), branch.bob());
        branch.cut();
        branch.net.run_for(millis(500));
        branch.dial(alice, "bob");
        ensure_rings(&mut branch, bob, millis(2_500));
        branch.net.run_for(secs(20));
        // Now that the first one is known to be gone, nothing waits for it.
        let call = branch.dial(alice, "bob");
        ensure_rings(&mut branch, bob, millis(200));
        branch.until(alice, call, CallState::Up, secs(1));
        let trace = branch.net.trace();
        branch.net.ensure(trace.count_sent(second.id, "INVITE") >= 1, "the call runs through the second one");
        let changes = branch.net.node(branch.sas).changes();
        branch.net.ensure(changes.is_empty(), &format!("{changes:?}"));
    }
}

#[test]
fn the_emergency_state_needs_all_proxies_lost() {
    for moment in 0..20 {
        let (mut branch, second) = with_two_proxies(moment);
        branch.cut();
        branch.net.run_for(secs(30));
        branch.net.ensure(branch.state() == State::Normal, "one proxy is left");
        branch.net.cut(second);
        branch.until_state(State::Emergency, secs(6));
        branch.net.run_for(secs(20));
        branch.net.mend(second);
        branch.until_state(State::Normal, secs(20));
    }
}
