//! Small branches of `examples/simulate`, one for each scenario, and what has to hold in them.

#![allow(
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "the simulation is an example's; a test may break loudly"
)]

#[path = "../examples/simulate/world/mod.rs"]
mod world;

use std::time::Duration;
use world::makes::Make;
use world::outcome::Outcome;
use world::scenario::{Scenario, trouble};
use world::{Plan, run};

fn plan(scenario: Scenario, seed: u64) -> Plan {
    let calls = Plan::usual_calls(50);
    Plan { phones: 50, span: Duration::from_hours(2), loss: 0.02, seed, scenario, calls }
}

/// Fifty phones, two hours, for a few seeds.
fn each(scenario: Scenario, hold: impl Fn(&Outcome, &str)) {
    for seed in 1..=4 {
        let outcome = run(&plan(scenario, seed), |_| {});
        let what = format!("{}, seed {seed}", scenario.name());
        assert!(outcome.endings.get(&200).is_some_and(|calls| *calls > 100), "{what}: calls work");
        assert!(outcome.emergency_calls > 5, "{what}: there are calls to 911");
        assert_eq!((outcome.log.named_wrongly, outcome.log.held_for_home), (0, 0), "{what}: the home ledger");
        hold(&outcome, &what);
    }
}

/// What holds in every trouble of the outbound preset.
fn all_is_served(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.requests_unanswered, 0, "{what}: {:?}", outcome.log.unanswered);
    assert_eq!(outcome.emergency_calls_failed, 0, "{what}");
    assert_eq!(outcome.false_failovers, 0, "{what}");
    assert_eq!(outcome.phones_not_home, 0, "{what}");
    assert!(outcome.peak_register_rate <= outcome.return_rate_limit, "{what}");
    assert_eq!(outcome.calls_lost, 0, "{what}");
}

#[test]
fn a_cut_of_the_wan_loses_nothing() {
    each(Scenario::WanCut, |outcome, what| {
        all_is_served(outcome, what);
        assert_eq!((outcome.bindings_lost, outcome.state_changes), (0, 2), "{what}");
        assert!(outcome.detection.unwrap() <= Duration::from_secs(6), "{what}");
        assert!(outcome.gap_calls > 0, "{what}");
    });
}

#[test]
fn a_flapping_line_flips_the_state_no_more_often_than_the_dwell_allows() {
    each(Scenario::Flapping, |outcome, what| {
        all_is_served(outcome, what);
        assert_eq!(outcome.bindings_lost, 0, "{what}");
        let (_, length) = trouble(Duration::from_hours(2));
        assert!(outcome.state_changes <= Outcome::most_changes(length), "{what}: {}", outcome.state_changes);
    });
}

#[test]
fn a_slow_and_lossy_line_is_no_dead_one() {
    each(Scenario::Brownout, |outcome, what| {
        all_is_served(outcome, what);
        assert_eq!((outcome.bindings_lost, outcome.state_changes), (0, 0), "{what}");
    });
}

#[test]
fn a_pbx_that_was_restarted_learns_of_everyone() {
    each(Scenario::PbxRestart, |outcome, what| {
        all_is_served(outcome, what);
        assert_eq!((outcome.bindings_lost, outcome.state_changes), (0, 2), "{what}");
    });
}

#[test]
fn a_restart_of_ours_in_an_outage_loses_no_binding() {
    each(Scenario::GatewayRestart, |outcome, what| {
        assert_eq!(outcome.emergency_calls_failed, 0, "{what}");
        assert_eq!((outcome.false_failovers, outcome.phones_not_home), (0, 0), "{what}");
        assert!(outcome.peak_register_rate <= outcome.return_rate_limit, "{what}");
        assert_eq!(outcome.bindings_lost, 0, "{what}: all come back from the store");
    });
}

#[test]
fn with_one_of_two_proxies_left_the_state_is_normal() {
    each(Scenario::Partial, |outcome, what| {
        all_is_served(outcome, what);
        assert_eq!((outcome.bindings_lost, outcome.state_changes), (0, 0), "{what}");
    });
}

#[test]
fn phones_that_have_us_as_their_second_server_come_and_go() {
    each(Scenario::Redundant, |outcome, what| {
        assert_eq!((outcome.requests_unanswered, outcome.bindings_lost), (0, 0), "{what}");
        assert_eq!(outcome.emergency_calls_failed, 0, "{what}");
        // Of one make each phone asks for its first server once an hour: some have not had the time.
        let slow = (0..50).filter(|phone| Make::of(*phone).homing > Duration::from_mins(30)).count();
        assert!(outcome.phones_not_home <= slow as u64, "{what}: {}", outcome.phones_not_home);
    });
}

#[test]
fn one_seed_gives_one_outcome() {
    let figures = |seed| {
        let outcome = run(&plan(Scenario::Flapping, seed), |_| {});
        (outcome.packets, outcome.events, outcome.memory_bytes, outcome.endings, outcome.state_changes)
    };
    assert_eq!(figures(5), figures(5));
    assert_ne!(figures(5), figures(6));
}
