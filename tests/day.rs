//! A day in the life of a branch with a working proxy behind a bad line: nothing must happen.
//!
//! 5 % of all datagrams are lost each way, on every link, for 24 h of virtual time, with the defaults. A false change
//! of state would send calls astray for at least the dwell time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod support;

use sip_survivability::mode::State;
use std::time::Duration;
use support::*;

const DAY: Duration = Duration::from_hours(24);
const SEEDS: u64 = 20;

/// So long with such a line to the proxy: the phones refresh, and there is a call each hour.
fn live_through(seed: u64, wan: Link, span: Duration) {
    let mut branch = Branch::new(seed);
    branch.net.trace_mut().keep(500);
    branch.net.act(branch.sas, |sas, _| sas.journal = None);
    branch.register_all();
    branch.disturb(Link::LAN.loss(wan.loss));
    branch.net.link(branch.sas, branch.pbx, wan);
    let (alice, bob) = (branch.alice(), branch.bob());
    let end = branch.net.now() + span;
    while branch.net.now() < end {
        let call = branch.dial(alice, "bob");
        branch.until(alice, call, CallState::Up, secs(40));
        branch.net.run_for(secs(120));
        branch.hang_up(alice, call);
        branch.net.run_for(secs(3_400));
        let over = [alice, bob].iter().all(|phone| branch.net.node(*phone).calls.iter().all(Call::is_over));
        branch.net.ensure(over, "every call of the hour is over at both ends");
        branch.net.ensure(branch.state() == State::Normal, "the state is normal");
        let changes = branch.net.node(branch.sas).changes();
        branch.net.ensure(changes.is_empty(), &format!("false changes of state: {changes:?}"));
    }
    for phone in [alice, bob] {
        let anomalies = branch.net.node(phone).anomalies();
        branch.net.ensure(anomalies.is_empty(), &format!("{anomalies:?}"));
    }
}

/// Two threads, half of the seeds each.
fn each_seed(seeds: u64, live: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        for half in 0..2 {
            let live = &live;
            scope.spawn(move || (0..seeds).filter(|seed| seed % 2 == half).for_each(live));
        }
    });
}

#[test]
fn a_day_at_five_percent_loss_passes_without_a_false_change_of_state() {
    each_seed(SEEDS, |seed| live_through(seed, Link::WAN.loss(0.05), DAY));
}

#[test]
fn neither_does_a_slow_line_that_varies_make_one() {
    let slow = Link { latency: millis(280), ..Link::WAN.loss(0.03) };
    let slow = slow.jitter(millis(150)).duplication(0.02).reordering(0.02);
    each_seed(20, |seed| live_through(seed, slow, DAY / 4));
}
