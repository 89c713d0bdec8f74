use super::*;
use crate::config::Settings;

fn machine(change: impl FnOnce(&mut Settings)) -> ModeMachine {
    let mut settings = Settings::default();
    settings.proxy_set.targets = vec!["sip:192.0.2.1".parse().unwrap()];
    change(&mut settings);
    ModeMachine::new(&settings.validate().unwrap(), Instant::ZERO)
}

fn standard() -> ModeMachine {
    machine(|_| {})
}

fn without_keepalive() -> ModeMachine {
    machine(|s| s.proxy_set.keepalive = false)
}

fn keepalive_only() -> ModeMachine {
    machine(|s| s.sas.entering_emergency = EnteringEmergency::KeepAlive)
}

fn always_emergency() -> ModeMachine {
    machine(|s| s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency)
}

impl ModeMachine {
    /// Tells `event` at `second` and yields the cause of the change, if there was one.
    fn at(&mut self, second: u64, event: ModeEvent) -> Option<Cause> {
        self.handle(Instant::from_secs(second), event).transition.map(|t| t.cause)
    }
}

#[test]
fn start_up_is_normal_and_unknown_and_served_by_the_suspect_rules() {
    let mode = standard();
    assert_eq!((mode.state(), mode.condition()), (State::Normal, Some(Condition::Unknown)));
    assert_eq!(mode.patience(), Some(Duration::from_millis(500)));
    assert!(mode.probing());
}

#[test]
fn the_first_answer_at_start_up_makes_it_steady() {
    let mut mode = standard();
    assert_eq!(mode.at(1, ModeEvent::ProxyTrusted), None);
    assert_eq!(mode.condition(), Some(Condition::Steady));
    assert_eq!(mode.patience(), Some(Duration::from_secs(2)));
}

#[test]
fn t1_the_last_proxy_lost_is_an_emergency_from_every_condition() {
    for before in [&[][..], &[ModeEvent::ProxyTrusted], &[ModeEvent::ProxySuspected]] {
        let mut mode = standard();
        for &event in before {
            assert_eq!(mode.at(1, event), None);
        }
        let outcome = mode.handle(Instant::from_secs(2), ModeEvent::ProxyLost);
        let (from, to, cause) = (State::Normal, State::Emergency, Cause::KeepaliveUnanswered);
        assert_eq!(outcome, ModeOutcome { transition: Some(Transition { from, to, cause }), rescue: false });
    }
}

#[test]
fn t2_with_keepalive_rescues_the_request_and_leaves_the_verdict_to_the_probes() {
    let mut mode = standard();
    assert_eq!(mode.at(1, ModeEvent::ProxyTrusted), None);
    let outcome = mode.handle(Instant::from_secs(2), ModeEvent::RequestUnanswered);
    assert_eq!(outcome, ModeOutcome { transition: None, rescue: true });
    assert_eq!(mode.at(2, ModeEvent::ProxySuspected), None);
    assert_eq!(mode.patience(), Some(Duration::from_millis(500)));
    assert_eq!(mode.at(3, ModeEvent::ProxyTrusted), None);
    assert_eq!(mode.patience(), Some(Duration::from_secs(2)));
}

#[test]
fn t2_without_keepalive_goes_straight_to_emergency_and_t8_probes_until_the_exit() {
    let mut mode = without_keepalive();
    assert!(!mode.probing());
    assert_eq!(mode.patience(), Some(Duration::from_secs(2)));
    let outcome = mode.handle(Instant::from_secs(2), ModeEvent::RequestUnanswered);
    assert_eq!(outcome.transition.map(|t| t.cause), Some(Cause::RequestsUnanswered));
    assert!(outcome.rescue && mode.probing());
    assert_eq!(mode.at(5, ModeEvent::ProxyReturned), None);
    assert!(mode.probing());
    assert_eq!(mode.at(12, ModeEvent::Tick), Some(Cause::ProxyAnswered));
    assert!(!mode.probing());
}

#[test]
fn t3_with_keepalive_only_an_unanswered_request_ends_by_its_own_timers() {
    let mut mode = keepalive_only();
    assert_eq!(mode.patience(), None);
    assert_eq!(mode.handle(Instant::from_secs(2), ModeEvent::RequestUnanswered), ModeOutcome::default());
    assert_eq!(mode.at(3, ModeEvent::ProxyLost), Some(Cause::KeepaliveUnanswered));
    assert_eq!(mode.handle(Instant::from_secs(4), ModeEvent::RequestUnanswered), ModeOutcome::default());
}

#[test]
fn a_request_relayed_before_the_loss_is_rescued_after_it_too() {
    let mut mode = standard();
    assert!(mode.at(1, ModeEvent::ProxyLost).is_some());
    let outcome = mode.handle(Instant::from_secs(2), ModeEvent::RequestUnanswered);
    assert_eq!(outcome, ModeOutcome { transition: None, rescue: true });
}

#[test]
fn t4_after_the_dwell_a_proxy_that_is_back_ends_the_emergency_at_once() {
    let mut mode = standard();
    assert!(mode.at(0, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.next_timeout(), None);
    assert_eq!(mode.at(10, ModeEvent::ProxyReturned), Some(Cause::ProxyAnswered));
    assert_eq!(mode.condition(), Some(Condition::Steady));
}

#[test]
fn t4_a_return_during_the_dwell_waits_for_its_end() {
    let mut mode = standard();
    assert!(mode.at(0, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.at(4, ModeEvent::ProxyReturned), None);
    assert_eq!(mode.next_timeout(), Some(Instant::from_secs(10)));
    assert_eq!(mode.at(9, ModeEvent::Tick), None);
    assert_eq!(mode.at(10, ModeEvent::Tick), Some(Cause::ProxyAnswered));
}

#[test]
fn a_proxy_lost_again_during_the_dwell_cancels_the_return() {
    let mut mode = standard();
    assert!(mode.at(0, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.at(4, ModeEvent::ProxyReturned), None);
    assert_eq!(mode.at(6, ModeEvent::ProxyLost), None);
    assert_eq!(mode.next_timeout(), None);
    assert_eq!(mode.at(11, ModeEvent::Tick), None);
    assert_eq!(mode.at(12, ModeEvent::ProxyReturned), Some(Cause::ProxyAnswered));
}

#[test]
fn nobody_goes_home_to_a_suspect_proxy() {
    let mut mode = standard();
    assert!(mode.at(0, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.at(4, ModeEvent::ProxyReturned), None);
    assert_eq!(mode.at(9, ModeEvent::ProxySuspected), None);
    assert_eq!(mode.at(10, ModeEvent::Tick), None);
    assert_eq!(mode.at(11, ModeEvent::ProxyTrusted), Some(Cause::ProxyAnswered));
}

#[test]
fn a_single_answer_is_no_return() {
    let mut mode = standard();
    assert!(mode.at(0, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.at(20, ModeEvent::ProxyTrusted), None);
    assert_eq!(mode.state(), State::Emergency);
}

#[test]
fn each_flip_doubles_the_dwell() {
    let mut mode = standard();
    assert!(mode.at(0, ModeEvent::ProxyLost).is_some());
    assert!(mode.at(10, ModeEvent::ProxyReturned).is_some());
    assert_eq!(mode.next_dwell(Instant::from_secs(11)), Duration::from_secs(20));
    assert!(mode.at(11, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.dwell_until(), Some(Instant::from_secs(31)));
    assert!(mode.at(31, ModeEvent::ProxyReturned).is_some());
    assert!(mode.at(31, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.dwell_until(), Some(Instant::from_secs(71)));
}

#[test]
fn always_emergency_starts_there_without_a_transition_a_timer_or_a_probe() {
    let mut mode = always_emergency();
    assert_eq!((mode.state(), mode.condition()), (State::Emergency, None));
    assert_eq!((mode.probing(), mode.next_timeout(), mode.dwell_until()), (false, None, None));
    assert_eq!(mode.at(1, ModeEvent::ProxyReturned), None);
    assert_eq!(mode.state(), State::Emergency);
}

#[test]
fn t6_always_emergency_is_a_transition_from_normal_only() {
    let mut mode = standard();
    let set = ModeEvent::ModeSet(SurvivabilityMode::AlwaysEmergency);
    assert_eq!(mode.at(1, set), Some(Cause::AlwaysEmergency));
    assert!(!mode.probing());
    let mut mode = standard();
    assert!(mode.at(1, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.at(2, set), None);
    assert!(!mode.probing());
}

#[test]
fn from_always_emergency_the_way_home_is_by_the_probes_and_the_dwell() {
    let mut mode = always_emergency();
    assert_eq!(mode.at(5, ModeEvent::ModeSet(SurvivabilityMode::Standard)), None);
    assert!(mode.probing());
    assert_eq!(mode.at(6, ModeEvent::ProxyReturned), None);
    assert_eq!(mode.at(15, ModeEvent::Tick), Some(Cause::ProxyAnswered));
}

#[test]
fn t7_a_branch_that_could_never_act_stays_in_emergency() {
    let mut mode = machine(|s| {
        s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        s.sas.entering_emergency = EnteringEmergency::KeepAlive;
        s.proxy_set.keepalive = false;
    });
    assert_eq!(mode.at(5, ModeEvent::ModeSet(SurvivabilityMode::Standard)), None);
    assert!(!mode.probing());
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut mode = standard();
    assert!(mode.at(100, ModeEvent::ProxyLost).is_some());
    assert_eq!(mode.at(3, ModeEvent::ProxyReturned), None);
    assert_eq!(mode.at(4, ModeEvent::Tick), None);
    assert_eq!(mode.dwell_until(), Some(Instant::from_secs(110)));
}
