//! What happens to the branch, and what is expected of it. All figures are those of the defaults.

use crate::checks::Check;
use crate::support::branch::Branch;
use crate::support::{
    Answer, Call, CallRef, CallState, End, Handle, Net, NodeId, Outcome, Phone, millis, secs,
};
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::time::Duration;

/// From left to right.
pub(crate) const PARTIES: [&str; 5] = ["alice", "bob", "SAS", "PBX", "PSTN gateway"];

/// The story when it is over: the network with its trace, where each section begins, and how the expectations fared.
pub(crate) struct Told {
    pub(crate) branch: Branch,
    /// The serial number of the trace entry before which a section begins, and its title.
    pub(crate) titles: Vec<(u64, String)>,
    pub(crate) checks: Vec<Check>,
}

impl Told {
    /// The lifeline of a node.
    pub(crate) fn column(&self, node: NodeId) -> Option<usize> {
        let Branch { sas, pbx, gateway, .. } = &self.branch;
        [self.branch.alice().id, self.branch.bob().id, sas.id, pbx.id, gateway.id]
            .iter()
            .position(|party| *party == node)
    }

    fn section(&mut self, title: &str) {
        let title = format!("{}. {title}", self.titles.len() + 1);
        self.titles.push((self.branch.net.trace().len(), title));
    }

    /// Waits until `done`, which must come within `limit` from `since`.
    fn check_since(
        &mut self,
        what: &'static str,
        since: Instant,
        limit: Duration,
        done: impl FnMut(&Net) -> bool,
    ) {
        // Waits longer than it should, so that what is late is seen to be late.
        let came = self.branch.net.try_drive_until(limit * 2, done);
        let took = came.map(|_| self.branch.net.now() - since);
        self.checks.push(Check { section: self.titles.len(), what, limit, took });
    }

    fn check(&mut self, what: &'static str, limit: Duration, done: impl FnMut(&Net) -> bool) {
        self.check_since(what, self.branch.net.now(), limit, done);
    }

    /// Something that must hold now.
    fn check_holds(&mut self, what: &'static str, holds: bool) {
        let took = holds.then_some(Duration::ZERO);
        self.checks.push(Check { section: self.titles.len(), what, limit: Duration::ZERO, took });
    }

    fn check_state(&mut self, what: &'static str, since: Instant, limit: Duration, state: State) {
        let sas = self.branch.sas;
        self.check_since(what, since, limit, |net| net.node(sas).state() == state);
    }

    fn check_call(
        &mut self,
        what: &'static str,
        limit: Duration,
        (phone, call): (Handle<Phone>, CallRef),
        state: CallState,
    ) {
        self.check(what, limit, |net| net.node(phone).call(call).state() == state);
    }

    /// Whether the last call at bob's is in `state`.
    fn check_bob(&mut self, what: &'static str, since: Instant, limit: Duration, state: CallState) {
        let bob = self.branch.bob();
        self.check_since(what, since, limit, |net| {
            net.node(bob).last_call().is_some_and(|call| call.state() == state)
        });
    }

    fn pause(&mut self, span: Duration) {
        self.branch.net.run_for(span);
    }
}

const HUNG_UP: CallState = CallState::Ended(End::HungUp(Some(200)));

pub(crate) fn tell() -> Told {
    let branch = Branch::new(42);
    let mut told = Told { branch, titles: Vec::new(), checks: Vec::new() };
    phones_register(&mut told);
    let long_call = a_call_that_stays(&mut told);
    let cut_at = the_pbx_is_cut(&mut told);
    emergency(&mut told, cut_at);
    phones_refresh(&mut told);
    a_local_call(&mut told);
    a_cancelled_call(&mut told);
    calls_to_the_outside(&mut told);
    the_long_call_ends(&mut told, long_call);
    the_pbx_comes_back(&mut told);
    a_call_through_the_pbx_again(&mut told);
    told
}

/// They talk for so long before someone hangs up.
const TALK: Duration = secs(1);

fn phones_register(told: &mut Told) {
    told.section("The phones register at the PBX, through us");
    let pbx = told.branch.pbx;
    for (phone, what) in [
        (told.branch.alice(), "alice is registered, for as long as the PBX grants"),
        (told.branch.bob(), "bob is, too"),
    ] {
        told.pause(millis(100));
        told.branch.net.act(phone, |phone, io| phone.register(io));
        told.check(what, millis(200), |net| {
            net.node(phone).last_outcome() == Some(Outcome::Granted(secs(3600)))
        });
    }
    let net = &told.branch.net;
    let behind_us = ["alice", "bob"].iter().all(|user| {
        let bindings = net.node(pbx).location.get(*user);
        bindings.is_some_and(|bindings| bindings[0].path.len() == 1)
    });
    told.check_holds("the PBX knows both, with us on the way (Path)", behind_us);
}

fn a_call_that_stays(told: &mut Told) -> CallRef {
    told.pause(secs(1));
    told.section("A call through the PBX; it stays up");
    let alice = told.branch.alice();
    let call = told.branch.dial(alice, "bob");
    told.check_call("alice and bob talk", secs(1), (alice, call), CallState::Up);
    told.pause(secs(6));
    call
}

fn the_pbx_is_cut(told: &mut Told) -> Instant {
    told.section("The line to the PBX is cut. Half a second later alice calls bob on a second line");
    told.branch.cut();
    let cut_at = told.branch.net.now();
    told.pause(millis(500));
    let alice = told.branch.alice();
    let dialled_at = told.branch.net.now();
    let call = told.branch.dial(alice, "bob");
    let what = "bob rings, though nobody knows yet that the PBX is gone";
    told.check_bob(what, dialled_at, millis(2500), CallState::Ringing);
    told.check_call("they talk", millis(700), (alice, call), CallState::Up);
    told.pause(TALK);
    told.branch.hang_up(alice, call);
    told.check_call("alice hangs up", millis(200), (alice, call), HUNG_UP);
    cut_at
}

fn emergency(told: &mut Told, cut_at: Instant) {
    told.check_state("the emergency state, counted from the cut", cut_at, secs(6), State::Emergency);
}

fn phones_refresh(told: &mut Told) {
    told.pause(millis(500));
    told.section("In emergency we are the registrar");
    for (phone, what) in
        [(told.branch.alice(), "alice refreshes, and gets 1 to 20 s"), (told.branch.bob(), "bob does, too")]
    {
        told.branch.net.act(phone, |phone, io| phone.register(io));
        told.check(what, millis(200), |net| {
            matches!(net.node(phone).last_outcome(), Some(Outcome::Granted(g)) if secs(1) <= g && g <= secs(20))
        });
    }
}

fn a_local_call(told: &mut Told) {
    told.pause(millis(500));
    told.section("A call within the branch");
    let alice = told.branch.alice();
    let now = told.branch.net.now();
    let call = told.branch.dial(alice, "bob");
    told.check_bob("bob rings", now, millis(200), CallState::Ringing);
    told.check_call("they talk", millis(700), (alice, call), CallState::Up);
    told.pause(TALK);
    told.branch.hang_up(alice, call);
    let now = told.branch.net.now();
    told.check_call("alice hangs up", millis(200), (alice, call), HUNG_UP);
    told.check_bob("bob hears it", now, millis(200), CallState::Ended(End::ByPeer));
}

fn a_cancelled_call(told: &mut Told) {
    told.pause(millis(500));
    told.section("A call that nobody answers");
    let (alice, bob) = (told.branch.alice(), told.branch.bob());
    told.branch.net.act(bob, |bob, _| bob.answer = Answer::Never);
    let now = told.branch.net.now();
    let call = told.branch.dial(alice, "bob");
    told.check_bob("bob rings", now, millis(200), CallState::Ringing);
    told.pause(TALK);
    let cancelled = CallState::Ended(End::Cancelled);
    let now = told.branch.net.now();
    told.branch.hang_up(alice, call);
    told.check_call("alice gives up, and gets her 487", millis(200), (alice, call), cancelled);
    told.check_bob("bob has stopped ringing", now, millis(200), cancelled);
    told.branch.net.act(bob, |bob, _| bob.answer = Answer::After(millis(500)));
}

fn calls_to_the_outside(told: &mut Told) {
    let (alice, bob, gateway) = (told.branch.alice(), told.branch.bob(), told.branch.gateway);
    for (title, caller, number) in
        [("alice dials 911", alice, "911"), ("bob dials a number outside the branch", bob, "5550123")]
    {
        told.pause(millis(500));
        told.section(title);
        let calls = told.branch.net.node(gateway).calls.len();
        let call = told.branch.dial(caller, number);
        told.check("it rings at the gateway, with the number just as it was dialled", millis(200), |net| {
            let rings = |call: &Call| call.number == number && call.state() == CallState::Ringing;
            net.node(gateway).calls.get(calls).is_some_and(rings)
        });
        told.check_call("they talk", millis(700), (caller, call), CallState::Up);
        told.pause(TALK);
        told.branch.hang_up(caller, call);
        told.check_call("the caller hangs up", millis(200), (caller, call), HUNG_UP);
    }
}

fn the_long_call_ends(told: &mut Told, call: CallRef) {
    told.pause(millis(500));
    told.section("alice hangs up the call from before the cut, whose route still leads through the PBX");
    let (alice, bob) = (told.branch.alice(), told.branch.bob());
    let call_id = told.branch.call(alice, call).call_id.clone();
    told.check_holds("the call has been up all the time", told.branch.call(alice, call).is_up());
    told.branch.hang_up(alice, call);
    told.check("her BYE reaches bob all the same", millis(500), |net| {
        net.node(bob).call_with_id(&call_id).is_some_and(|call| call.state() == CallState::Ended(End::ByPeer))
    });
    told.check_call("his 200 reaches alice", millis(200), (alice, call), HUNG_UP);
}

fn the_pbx_comes_back(told: &mut Told) {
    told.pause(secs(20));
    told.section("The PBX is back. It was restarted, and remembers nobody");
    let pbx = told.branch.pbx;
    told.branch.net.kill(pbx);
    told.branch.net.restart(pbx, Branch::fresh_pbx());
    told.branch.mend();
    let now = told.branch.net.now();
    told.check_state("the normal state", now, secs(20), State::Normal);
    let now = told.branch.net.now();
    told.check_since("both phones are registered at the PBX again", now, secs(20), |net| {
        ["alice", "bob"].iter().all(|user| net.node(pbx).knows(user, net.now()))
    });
}

fn a_call_through_the_pbx_again(told: &mut Told) {
    told.pause(secs(1));
    told.section("A call through the PBX again");
    let (alice, pbx) = (told.branch.alice(), told.branch.pbx);
    let before = told.branch.net.trace().count_sent(pbx.id, "INVITE");
    let call = told.branch.dial(alice, "bob");
    told.check_call("they talk", secs(1), (alice, call), CallState::Up);
    let through_the_pbx = told.branch.net.trace().count_sent(pbx.id, "INVITE") > before;
    told.check_holds("the INVITE went through the PBX", through_the_pbx);
    told.pause(TALK);
    told.branch.hang_up(alice, call);
    told.check_call("alice hangs up", millis(500), (alice, call), HUNG_UP);
    let clean = [alice, told.branch.bob()].iter().all(|p| told.branch.net.node(*p).anomalies().is_empty());
    told.check_holds("every request of the day got one final response", clean);
    told.check_holds("the state is still normal", told.branch.state() == State::Normal);
}
