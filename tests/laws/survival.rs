//! Law 13, survivability itself: whatever happens to the proxy, the branch loses no binding, answers every request
//! once, reaches emergency numbers, does not flap, finds its way home, and does not storm its proxy.

use crate::hold;
use crate::life::{Life, Lived, Number, PHONES, Site, Step, life};
use crate::support::*;
use bytes::Bytes;
use proptest::prelude::*;
use sip_survivability::message::Message;
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use sip_survivability::{Action, Notice};
use std::time::Duration;

/// Timer C is the longest timer of all: "larger than three minutes" (RFC 3261 16.6 step 11).
const ALL_TIMERS: Duration = secs(300);

/// Whether we have passed on a 2xx to the INVITE of this call.
fn accepted(lived: &Lived, call_id: &str) -> bool {
    let journal = lived.branch.net.node(lived.branch.sas).journal.as_ref().unwrap();
    let accepts = |payload: &Bytes| match Message::parse(payload.clone()) {
        Ok(Message::Response(response)) => {
            response.is_success()
                && response.call_id() == Ok(call_id)
                && response.cseq().is_ok_and(|cseq| cseq.method == "INVITE")
        }
        _ => false,
    };
    let mut actions = journal.iter().flat_map(|handled| &handled.actions);
    actions.any(|action| matches!(action, Action::Send { payload, .. } if accepts(payload)))
}

/// Every request of this life has ended as it should, once all is well and quiet again.
pub fn ensure_all_answered_once(lived: &mut Lived) {
    lived.recover();
    lived.branch.net.run_for(ALL_TIMERS);
    let Branch { net, phones, gateway, .. } = &lived.branch;
    let mut agents: Vec<&UserAgent> = phones.iter().map(|phone| &**net.node(*phone)).collect();
    agents.push(&**net.node(*gateway));
    for agent in agents {
        net.ensure(agent.anomalies().is_empty(), &format!("{}: {:?}", agent.user, agent.anomalies()));
        for call in &agent.calls {
            let ended = match call.state() {
                CallState::Up => true,
                // We are always there, so an INVITE always gets a final response, in time.
                CallState::Ended(end) if !matches!(end, End::TimedOut | End::Unreachable) => true,
                // A 2xx is repeated by the callee alone (RFC 6026 section 6). If ours was lost, and the proxy between
                // has died since, the caller waits in vain, and that is not for us to mend.
                _ => accepted(lived, &call.call_id),
            };
            net.ensure(ended, &format!("{} has a call left over: {call:#?}", agent.user));
        }
        for ask in &agent.asked {
            // RFC 4320 4.2: there is no 408 for these, so silence is an end as well; none at all is not.
            net.ensure(ask.outcome.is_some(), &format!("{} still waits: {ask:?}", agent.user));
        }
    }
    // All at rest, for as long as an answer is kept.
    for phone in lived.branch.phones.clone() {
        lived.branch.net.freeze(phone);
    }
    lived.branch.net.run_for(secs(40));
    let (transactions, relays) = lived.branch.net.node(lived.branch.sas).core().load();
    lived.branch.net.ensure(relays == 0, &format!("{relays} relays are left over"));
    // One probe may be under way.
    lived.branch.net.ensure(transactions <= 1, &format!("{transactions} transactions are left over"));
}

#[test]
fn every_request_gets_one_final_response_on_good_lines() {
    hold(64, life(40, 0), |life| ensure_all_answered_once(&mut life.live(|_, _| {})));
}

/// Two of the phones have TCP; one of them has it break now and then.
#[test]
fn every_request_gets_one_final_response_over_connections() {
    hold(64, life(40, 0), |life| {
        let mut lived = life.begin();
        let (sas, phones) = (lived.branch.sas, [lived.branch.phones[0], lived.branch.phones[1]]);
        for phone in phones {
            let address = lived.branch.net.address(phone);
            lived.branch.net.act(sas, |sas, io| sas.takes_tcp_from(io, address));
            lived.branch.net.act(phone, |phone, io| {
                phone.has_tcp();
                phone.register(io);
            });
        }
        let address = lived.branch.net.address(phones[0]);
        for step in &life.steps {
            for phone in phones {
                if lived.branch.net.is_alive(phone) {
                    lived.branch.net.act(phone, |phone, _| phone.has_tcp());
                }
            }
            lived.take(step);
            if matches!(step, Step::Rubbish(_)) {
                lived.branch.net.act(sas, |sas, io| sas.breaks(io, address));
            }
        }
        ensure_all_answered_once(&mut lived);
    });
}

#[test]
fn every_request_gets_one_final_response_on_bad_lines() {
    hold(64, life(40, 10), |life| ensure_all_answered_once(&mut life.live(|_, _| {})));
}

#[test]
fn no_binding_is_lost_at_a_transition() {
    hold(64, life(40, 5), |life| {
        let mut lived = life.begin();
        // Nobody wants to go.
        let steps = life.steps.iter().filter(|step| !matches!(step, Step::Unregister(_)));
        steps.for_each(|step| lived.take(step));
        let changes = lived.told(|at, notice| match notice {
            Notice::StateChanged { .. } => Some(at),
            _ => None,
        });
        let losses = lived.told(|at, notice| match notice {
            Notice::UserExpired(user) | Notice::UserUnbound(user) => Some((at, user.aor().to_owned())),
            _ => None,
        });
        for (at, user) in losses {
            lived.branch.net.ensure(!changes.contains(&at), &format!("{user} was lost at a transition"));
        }
    });
}

#[test]
fn an_emergency_number_reaches_the_gateway_in_every_state() {
    hold(64, life(25, 10), |life| {
        // The lines within the branch are good; all else may be as it likes.
        let mut lived = life.begin();
        lived.branch.net.links(Link::LAN);
        for (number, step) in life.steps.iter().enumerate() {
            lived.take(step);
            let (caller, gateway) = (lived.branch.phones[number % PHONES], lived.branch.gateway);
            if !lived.branch.net.is_alive(caller) {
                continue;
            }
            let call = lived.branch.dial(caller, "911");
            let call_id = lived.branch.call(caller, call).call_id.clone();
            lived.branch.net.drive_until(
                "911 rings at the gateway, by us and nobody else",
                millis(10),
                |net| net.node(gateway).call_with_id(&call_id).is_some_and(|call| call.number == "911"),
            );
            lived.branch.until(caller, call, CallState::Up, secs(1));
            lived.branch.hang_up(caller, call);
            lived.branch.until(caller, call, CallState::Ended(End::HungUp(Some(200))), millis(100));
        }
    });
}

#[test]
fn the_way_home_is_found_in_bounded_time() {
    hold(64, life(40, 10), |life| {
        let mut lived = life.live(|_, _| {});
        lived.recover();
        if life.site == Site::AlwaysEmergency {
            return;
        }
        // The longest dwell, the longest probe interval, and `up_after` answers.
        lived.branch.until_state(State::Normal, secs(300 + 10));
        lived.branch.net.run_for(secs(60));
        lived.branch.net.ensure(lived.branch.state() == State::Normal, "it stays normal");
        // Phones that are registered call each other through the proxy.
        for phone in lived.branch.phones.clone() {
            lived.branch.net.act(phone, |phone, io| phone.register(io));
        }
        lived.branch.net.run_for(secs(40));
        let alice = lived.branch.alice();
        let call = lived.branch.talk(alice, "bob");
        lived.branch.hang_up(alice, call);
        lived.branch.until(alice, call, CallState::Ended(End::HungUp(Some(200))), secs(1));
    });
}

/// Times on and off, in milliseconds: a line that comes and goes as it likes.
fn flapping() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![1_u64..3_000, 3_000_u64..30_000, 30_000_u64..120_000], 1..80)
}

#[test]
fn flips_are_bounded_whatever_the_line_does() {
    hold(32, (any::<u64>(), flapping()), |(seed, spans)| {
        let mut branch = Branch::new(*seed);
        branch.register_all();
        for (number, span) in spans.iter().enumerate() {
            if number % 2 == 0 {
                branch.mend()
            } else {
                branch.cut()
            }
            branch.net.run_for(millis(*span));
        }
        let changes = branch.net.node(branch.sas).changes();
        for (number, pair) in changes.windows(2).enumerate() {
            let ((from, state), (to, _)) = (pair[0], pair[1]);
            if state == State::Normal {
                continue;
            }
            // Each return within the last ten minutes has doubled the time that it stays.
            let recent = |(at, state): &&(Instant, State)| *state == State::Normal && from - *at < secs(600);
            let flips = changes[..number].iter().filter(recent).count();
            let (stayed, least) = (to - from, secs(10 << flips.min(5)).min(secs(300)));
            branch.net.ensure(stayed >= least, &format!("{stayed:?} in emergency after {flips} flips"));
        }
    });
}

#[test]
fn the_first_outage_is_over_within_twenty_seconds_of_the_proxys_return() {
    for seed in 0..50 {
        let mut branch = Branch::new(seed);
        branch.register_all();
        branch.net.run_for(millis(seed * 97));
        branch.cut();
        let took = branch.until_state(State::Emergency, secs(6));
        branch.net.ensure(took <= secs(6), "the emergency state within six seconds");
        branch.net.run_for(millis(seed * 613));
        branch.mend();
        branch.until_state(State::Normal, secs(20));
    }
}

#[test]
fn bindings_survive_an_outage_and_users_can_be_called_right_after_each_transition() {
    let mut branch = Branch::new(5);
    branch.register_all();
    let (alice, bob) = (branch.alice(), branch.bob());
    for _ in 0..3 {
        branch.cut();
        branch.until_state(State::Emergency, secs(6));
        let call = branch.dial(alice, "bob");
        branch.net.drive_until("bob rings in emergency", millis(100), |net| {
            net.node(bob).last_call().is_some_and(|call| call.state() == CallState::Ringing)
        });
        branch.until(alice, call, CallState::Up, secs(1));
        branch.hang_up(alice, call);
        branch.net.run_for(secs(30));
        branch.mend();
        branch.until_state(State::Normal, secs(400));
        let call = branch.talk(alice, "bob");
        branch.hang_up(alice, call);
        branch.net.run_for(secs(1));
    }
    let node = branch.net.node(branch.sas);
    assert!(!node.told(|notice| matches!(notice, Notice::UserExpired(_) | Notice::UserUnbound(_))));
}

#[test]
fn registers_relayed_to_the_returning_proxy_never_pass_the_return_rate() {
    const PHONES: usize = 120;
    const RATE: u32 = 5;
    let mut branch = Branch::with(1, PHONES, |settings| settings.sas.return_rate = RATE);
    branch.net.trace_mut().keep(2_000);
    // Phones register over half a minute, as after a power cut that is over.
    for phone in branch.phones.clone() {
        branch.net.act(phone, |phone, io| phone.register(io));
        branch.net.run_for(millis(250));
    }
    branch.cut();
    branch.until_state(State::Emergency, secs(6));
    for phone in branch.phones.clone() {
        branch.net.act(phone, |phone, io| phone.register(io));
    }
    branch.net.run_for(secs(40));
    branch.net.kill(branch.pbx);
    branch.net.restart(branch.pbx, Branch::fresh_pbx());
    branch.mend();
    branch.until_state(State::Normal, secs(20));
    let pbx = branch.pbx;
    // Each phone's turn comes with one of its refreshes, at most 20 s apart; the last ones may have to come twice.
    let all = PHONES as u64 / u64::from(RATE) + 3 * 20;
    branch.net.drive_until("all phones are registered at the PBX", secs(all), |net| {
        net.node(pbx).location.values().filter(|bindings| !bindings.is_empty()).count() == PHONES
    });
    let times = &branch.net.node(pbx).registers;
    for window in times.windows(RATE as usize + 1) {
        let span = window[RATE as usize] - window[0];
        branch.net.ensure(span >= millis(999), &format!("{} REGISTERs within {span:?}", window.len()));
    }
    let expired = branch.net.node(branch.sas).told(|notice| matches!(notice, Notice::UserExpired(_)));
    assert!(!expired, "no user was lost while waiting");
}

#[test]
fn a_call_that_rings_while_the_proxy_dies_can_still_be_answered() {
    // The dialog-forming responses come back through us, whatever became of the proxy between.
    let steps = [Step::Dial(0, Number::Phone(1)), Step::Wait(200), Step::Cut, Step::Wait(40_000)];
    let site = Site::Defaults;
    let life = Life { seed: 3, site, loss: 0, duplication: 0, reordering: 0, steps: steps.to_vec() };
    let mut lived = life.live(|_, _| {});
    ensure_all_answered_once(&mut lived);
}
