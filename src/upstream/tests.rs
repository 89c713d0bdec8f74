use super::*;
use crate::config::{Settings, SurvivabilityMode};
use UpstreamAction::{Mode, Probe, StatusChanged};

const A: TargetId = TargetId(0);
const B: TargetId = TargetId(1);

/// A proxy set and its clock.
struct Bench {
    upstream: Upstream,
    config: Config,
    rng: Rng,
    now: Instant,
    /// Every probe so far with the time it left.
    probes: Vec<(Instant, TargetId, ProbeId)>,
}

impl Bench {
    fn new(targets: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.proxy_set.targets = targets.iter().map(|uri| uri.parse().unwrap()).collect();
        change(&mut settings);
        let config = settings.validate().unwrap();
        let upstream = Upstream::new(&config, Instant::ZERO);
        Self { upstream, config, rng: Rng::new([3; 32]), now: Instant::ZERO, probes: Vec::new() }
    }

    fn one() -> Self {
        Self::new(&["sip:192.0.2.1"], |_| {})
    }

    fn two() -> Self {
        Self::new(&["sip:192.0.2.1", "sip:192.0.2.2"], |_| {})
    }

    /// One target that has answered its first probe.
    fn online() -> Self {
        let mut bench = Self::one();
        bench.tick();
        bench.answer_newest(A, 200);
        assert_eq!(bench.upstream.status(A), ProxyStatus::Online);
        bench
    }

    /// One target that has answered nothing.
    fn offline() -> Self {
        let mut bench = Self::one();
        bench.run_until(Instant::from_millis(2_000));
        assert_eq!(bench.upstream.status(A), ProxyStatus::Offline);
        bench
    }

    fn tell(&mut self, event: UpstreamEvent) -> Vec<UpstreamAction> {
        let mut out = Vec::new();
        self.upstream.handle(self.now, event, &self.config, &mut self.rng, &mut out);
        for action in &out {
            if let Probe { target, probe } = *action {
                self.probes.push((self.now, target, probe));
            }
        }
        out
    }

    /// Jumps to the next deadline.
    fn tick(&mut self) -> Vec<UpstreamAction> {
        self.now = self.upstream.next_timeout().unwrap().max(self.now);
        self.tell(UpstreamEvent::Tick)
    }

    /// Every deadline up to `end` comes in time, and nobody answers.
    fn run_until(&mut self, end: Instant) -> Vec<UpstreamAction> {
        let mut out = Vec::new();
        while self.upstream.next_timeout().is_some_and(|due| due <= end) {
            out.extend(self.tick());
        }
        self.now = end;
        out
    }

    fn after(&mut self, millis: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(millis);
        self
    }

    fn newest(&self, target: TargetId) -> ProbeId {
        self.probes.iter().rev().find(|(_, to, _)| *to == target).unwrap().2
    }

    fn answer(&mut self, probe: ProbeId, status: u16) -> Vec<UpstreamAction> {
        self.tell(UpstreamEvent::ProbeAnswered { probe, status, retry_after: None })
    }

    fn answer_newest(&mut self, target: TargetId, status: u16) -> Vec<UpstreamAction> {
        self.answer(self.newest(target), status)
    }
}

fn changed(target: TargetId, status: ProxyStatus, cause: StatusCause) -> UpstreamAction {
    StatusChanged { target, status, cause }
}

#[test]
fn start_up_is_unknown_and_probes_every_target_at_once() {
    let mut bench = Bench::two();
    assert_eq!(bench.upstream.next_timeout(), Some(Instant::ZERO));
    assert!(bench.upstream.is_suspect() && !bench.upstream.is_available());
    bench.tell(UpstreamEvent::Tick);
    let probed: Vec<_> = bench.probes.iter().map(|(_, target, _)| *target).collect();
    assert_eq!(probed, [A, B]);
}

#[test]
fn the_first_answer_at_start_up_makes_a_target_online_and_the_set_trusted() {
    let mut bench = Bench::one();
    bench.tick();
    let out = bench.after(20).answer_newest(A, 200);
    assert_eq!(out, [changed(A, ProxyStatus::Online, StatusCause::Answered), Mode(ModeEvent::ProxyTrusted)]);
}

#[test]
fn while_answers_come_probes_are_85_to_97_percent_of_the_interval_apart() {
    let mut bench = Bench::online();
    for _ in 0..200 {
        bench.tick();
        bench.after(100).answer_newest(A, 200);
    }
    for pair in bench.probes.windows(2) {
        let apart = pair[1].0 - pair[0].0;
        assert!((3_400..=3_880).contains(&apart.as_millis()), "{apart:?}");
    }
}

#[test]
fn the_first_miss_makes_a_target_suspect_and_is_followed_at_once_by_the_next_probe() {
    let mut bench = Bench::online();
    bench.tick();
    let sent = bench.now;
    let out = bench.tick();
    assert_eq!(bench.now - sent, Duration::from_millis(250));
    let suspect = changed(A, ProxyStatus::Suspect, StatusCause::ProbeUnanswered);
    assert_eq!(out, [suspect, Probe { target: A, probe: bench.newest(A) }, Mode(ModeEvent::ProxySuspected)]);
}

#[test]
fn down_after_misses_in_a_row_make_it_offline() {
    let mut bench = Bench::online();
    bench.tick();
    let sent = bench.now;
    let out: Vec<_> = (0..8).flat_map(|_| bench.tick()).collect();
    assert_eq!(bench.now - sent, Duration::from_secs(2));
    let probes = out.iter().filter(|action| matches!(action, Probe { .. })).count();
    assert_eq!(probes, 7);
    let end = [changed(A, ProxyStatus::Offline, StatusCause::ProbeUnanswered), Mode(ModeEvent::ProxyLost)];
    assert!(out.ends_with(&end), "{out:?}");
}

#[test]
fn an_answer_to_any_probe_of_the_row_however_late_ends_it() {
    let mut bench = Bench::online();
    bench.tick();
    let first = bench.newest(A);
    (0..7).for_each(|_| drop(bench.tick()));
    assert_eq!(bench.upstream.status(A), ProxyStatus::Suspect);
    let out = bench.after(200).answer(first, 200);
    assert_eq!(out, [changed(A, ProxyStatus::Online, StatusCause::Answered), Mode(ModeEvent::ProxyTrusted)]);
    bench.tick();
    (0..7).for_each(|_| drop(bench.tick()));
    assert_eq!(bench.upstream.status(A), ProxyStatus::Suspect);
}

#[test]
fn an_answer_with_an_id_that_was_never_given_out_is_ignored() {
    let mut bench = Bench::one();
    bench.tick();
    let guess = ProbeId(bench.newest(A).0 ^ 1);
    assert_eq!(bench.answer(guess, 200), []);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Unknown);
    let newest = bench.newest(A);
    assert!(!bench.answer(newest, 200).is_empty());
    assert_eq!(bench.answer(newest, 503), [], "a probe is answered once");
}

#[test]
fn every_status_code_proves_that_a_target_is_reachable() {
    for status in 100..=699 {
        let mut bench = Bench::one();
        bench.tick();
        bench.answer_newest(A, status);
        let expected = if status == 503 { ProxyStatus::Overloaded } else { ProxyStatus::Online };
        assert_eq!(bench.upstream.status(A), expected, "{status}");
        assert!(bench.upstream.is_available());
    }
}

#[test]
fn a_failure_response_is_a_miss_at_once_and_the_next_probe_keeps_its_turn() {
    let mut bench = Bench::new(&["sip:192.0.2.1"], |s| s.proxy_set.failure_responses = vec![404, 503]);
    for round in 0..8 {
        bench.tick();
        assert_eq!(bench.now, Instant::from_millis(250 * round));
        let status = if round % 2 == 0 { 404 } else { 503 };
        bench.after(3).answer_newest(A, status);
    }
    assert_eq!(bench.upstream.status(A), ProxyStatus::Offline);
    assert_eq!(bench.now, Instant::from_millis(1_753));
}

#[test]
fn a_refusal_is_overloaded_until_another_answer_comes() {
    let mut bench = Bench::online();
    bench.tick();
    let (probe, retry_after) = (bench.newest(A), Some(Duration::from_secs(30)));
    let out = bench.tell(UpstreamEvent::ProbeAnswered { probe, status: 503, retry_after });
    assert_eq!(out, [changed(A, ProxyStatus::Overloaded, StatusCause::Refused)]);
    assert_eq!(bench.upstream.retry_at(A), Some(bench.now + Duration::from_secs(30)));
    bench.tick();
    let out = bench.answer_newest(A, 404);
    assert_eq!(out, [changed(A, ProxyStatus::Online, StatusCause::Answered)]);
    assert_eq!(bench.upstream.retry_at(A), None);
}

/// RFC 3261 21.5.4. An OPTIONS is no load, so its answer is no evidence of room for more.
#[test]
fn a_refusal_of_a_request_holds_until_its_retry_after_whatever_probes_are_answered_with() {
    for keepalive in [true, false] {
        let mut bench = Bench::new(&["sip:192.0.2.1"], |s| s.proxy_set.keepalive = keepalive);
        bench.tell(UpstreamEvent::ResponseSeen { target: A });
        if keepalive {
            bench.answer_newest(A, 200);
        }
        let retry_after = Duration::from_secs(20);
        let out = bench.tell(UpstreamEvent::RequestRefused { target: A, retry_after });
        assert_eq!(out, [changed(A, ProxyStatus::Overloaded, StatusCause::Refused)]);
        let until = bench.now + retry_after;
        while bench.upstream.next_timeout().is_some_and(|due| due < until) {
            bench.tick();
            bench.answer_newest(A, 200);
            assert_eq!(bench.upstream.status(A), ProxyStatus::Overloaded);
        }
        assert_eq!(bench.upstream.next_timeout(), Some(until));
        let out = bench.tick();
        assert!(out.contains(&changed(A, ProxyStatus::Online, StatusCause::RetryAfterOver)), "{out:?}");
    }
}

#[test]
fn a_transport_failure_is_a_miss_at_once_but_a_burst_of_them_is_one_miss() {
    let mut bench = Bench::online();
    bench.tick();
    let sent = bench.now;
    let out = bench.after(1).tell(UpstreamEvent::TransportFailed { target: A });
    let suspect = changed(A, ProxyStatus::Suspect, StatusCause::TransportFailed);
    assert_eq!(out, [suspect, Mode(ModeEvent::ProxySuspected)]);
    for _ in 0..1000 {
        assert_eq!(bench.tell(UpstreamEvent::TransportFailed { target: A }), []);
    }
    assert_eq!(bench.upstream.next_timeout(), Some(sent + Duration::from_millis(250)));
}

#[test]
fn a_proxy_that_restarts_in_a_second_is_not_lost() {
    let mut bench = Bench::online();
    bench.tick();
    let down = bench.now;
    while bench.now - down < Duration::from_secs(1) {
        bench.tell(UpstreamEvent::TransportFailed { target: A });
        bench.tick();
    }
    assert_eq!(bench.upstream.status(A), ProxyStatus::Suspect);
    bench.answer_newest(A, 200);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Online);
}

#[test]
fn a_port_that_stays_closed_is_offline_within_the_same_time_as_silence() {
    let mut bench = Bench::online();
    bench.tick();
    let cut = bench.now;
    while bench.upstream.status(A) != ProxyStatus::Offline {
        bench.after(1).tell(UpstreamEvent::TransportFailed { target: A });
        if bench.upstream.status(A) != ProxyStatus::Offline {
            bench.tick();
        }
    }
    assert_eq!(bench.now - cut, Duration::from_millis(1_751));
}

#[test]
fn a_transport_failure_of_other_traffic_makes_suspect_and_probes_at_once() {
    let mut bench = Bench::online();
    let out = bench.after(1_000).tell(UpstreamEvent::TransportFailed { target: A });
    let suspect = changed(A, ProxyStatus::Suspect, StatusCause::TransportFailed);
    assert_eq!(out, [suspect, Probe { target: A, probe: bench.newest(A) }, Mode(ModeEvent::ProxySuspected)]);
}

#[test]
fn an_unanswered_request_starts_the_probes_and_they_decide() {
    let mut bench = Bench::online();
    let out = bench.after(1_000).tell(UpstreamEvent::RequestUnanswered { target: A });
    let suspect = changed(A, ProxyStatus::Suspect, StatusCause::RequestUnanswered);
    assert_eq!(out, [suspect, Probe { target: A, probe: bench.newest(A) }, Mode(ModeEvent::ProxySuspected)]);
    assert_eq!(bench.tell(UpstreamEvent::RequestUnanswered { target: A }), []);
    bench.after(30).answer_newest(A, 200);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Online);

    bench.after(1_000).tell(UpstreamEvent::RequestUnanswered { target: A });
    let start = bench.now;
    while bench.upstream.status(A) != ProxyStatus::Offline {
        bench.tick();
    }
    assert_eq!(bench.now - start, Duration::from_secs(2));
}

#[test]
fn a_response_to_a_request_clears_suspicion_and_misses() {
    let mut bench = Bench::online();
    bench.tick();
    (0..5).for_each(|_| drop(bench.tick()));
    let out = bench.after(10).tell(UpstreamEvent::ResponseSeen { target: A });
    assert_eq!(out, [changed(A, ProxyStatus::Online, StatusCause::Answered), Mode(ModeEvent::ProxyTrusted)]);
    bench.tick();
    (0..7).for_each(|_| drop(bench.tick()));
    assert_eq!(bench.upstream.status(A), ProxyStatus::Suspect, "the row began again");
}

#[test]
fn a_response_from_an_offline_target_is_a_reason_to_probe_and_no_more() {
    let mut bench = Bench::offline();
    let out = bench.after(400).tell(UpstreamEvent::ResponseSeen { target: A });
    assert_eq!(out, [Probe { target: A, probe: bench.newest(A) }]);
    assert_eq!(bench.tell(UpstreamEvent::ResponseSeen { target: A }), []);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Offline);
}

#[test]
fn offline_there_is_one_probe_for_each_down_interval() {
    let mut bench = Bench::new(&["sip:192.0.2.1"], |s| {
        s.proxy_set.keepalive_interval_down = Duration::from_secs(10);
    });
    bench.run_until(Instant::from_secs(1_000));
    for pair in bench.probes.windows(2).skip(7) {
        let apart = pair[1].0 - pair[0].0;
        assert!((8_500..=9_700).contains(&apart.as_millis()), "{apart:?}");
    }
}

#[test]
fn up_after_answers_in_a_row_a_reprobe_interval_apart_bring_it_back() {
    let mut bench = Bench::offline();
    bench.tick();
    assert_eq!(bench.after(5).answer_newest(A, 200), []);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Offline);
    let first = bench.now;
    bench.tick();
    assert_eq!(bench.now - first, Duration::from_millis(250));
    let out = bench.after(5).answer_newest(A, 200);
    assert_eq!(out, [changed(A, ProxyStatus::Online, StatusCause::Answered), Mode(ModeEvent::ProxyReturned)]);
}

#[test]
fn a_miss_between_the_answers_begins_the_row_again() {
    let mut bench = Bench::offline();
    bench.tick();
    bench.answer_newest(A, 200);
    bench.tick();
    bench.tick();
    bench.tick();
    bench.answer_newest(A, 200);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Offline);
    bench.tick();
    bench.answer_newest(A, 200);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Online);
}

#[test]
fn a_proxy_that_slept_and_answers_all_probes_at_once_has_answered_once() {
    let mut bench = Bench::offline();
    let probes: Vec<_> = bench.probes.iter().map(|(_, _, probe)| *probe).collect();
    for probe in probes {
        bench.answer(probe, 200);
    }
    assert_eq!(bench.upstream.status(A), ProxyStatus::Offline);
}

#[test]
fn of_many_unanswered_probes_the_oldest_is_given_up() {
    let mut bench = Bench::new(&["sip:192.0.2.1"], |s| s.proxy_set.up_after = 1);
    while bench.probes.len() < 17 {
        bench.tick();
    }
    let (oldest, second) = (bench.probes[0].2, bench.probes[1].2);
    assert_eq!(bench.answer(oldest, 200), []);
    assert!(!bench.answer(second, 200).is_empty());
}

#[test]
fn a_returning_proxy_that_refuses_is_back_and_overloaded() {
    let mut bench = Bench::offline();
    bench.tick();
    bench.answer_newest(A, 503);
    bench.tick();
    let out = bench.answer_newest(A, 503);
    assert_eq!(
        out,
        [changed(A, ProxyStatus::Overloaded, StatusCause::Refused), Mode(ModeEvent::ProxyReturned)]
    );
}

#[test]
fn a_slow_line_is_not_a_dead_one() {
    for round_trip in [300, 600, 900, 1_500, 1_900] {
        let mut bench = Bench::one();
        let mut on_the_way: Vec<(Instant, ProbeId)> = Vec::new();
        let mut lost = 0;
        while bench.now < Instant::from_secs(600) {
            let due = bench.upstream.next_timeout().unwrap();
            let arrival = on_the_way.first().map(|(at, _)| *at);
            let out = if let Some(at) = arrival.filter(|at| *at <= due) {
                bench.now = at;
                let (_, probe) = on_the_way.remove(0);
                bench.answer(probe, 200)
            } else {
                bench.tick()
            };
            for action in out {
                match action {
                    Probe { probe, .. } => {
                        on_the_way.push((bench.now + Duration::from_millis(round_trip), probe));
                    }
                    Mode(ModeEvent::ProxySuspected) if bench.now > Instant::from_secs(30) => lost += 1,
                    Mode(_) | StatusChanged { .. } => {}
                }
            }
        }
        assert_eq!(lost, 0, "{round_trip} ms");
        assert_eq!(bench.upstream.status(A), ProxyStatus::Online, "{round_trip} ms");
    }
}

#[test]
fn emergency_needs_every_target_lost() {
    let mut bench = Bench::two();
    bench.tick();
    bench.answer_newest(A, 200);
    let start = bench.now;
    while bench.upstream.status(B) != ProxyStatus::Offline {
        let out = bench.tick();
        assert!(!out.iter().any(|action| matches!(action, Mode(_))), "{out:?}");
        bench.answer_newest(A, 200);
    }
    assert!(bench.now - start <= Duration::from_secs(2));
    assert!(bench.upstream.is_available());
    let mut facts = Vec::new();
    while bench.upstream.status(A) != ProxyStatus::Offline {
        facts.extend(bench.tick().into_iter().filter(|action| matches!(action, Mode(_))));
    }
    assert_eq!(facts, [Mode(ModeEvent::ProxySuspected), Mode(ModeEvent::ProxyLost)]);
}

#[test]
fn any_proxy_that_returns_is_a_return() {
    let mut bench = Bench::two();
    bench.run_until(Instant::from_secs(3));
    while bench.upstream.status(B) != ProxyStatus::Online {
        bench.tick();
        if bench.probes.last().is_some_and(|(at, target, _)| (*at, *target) == (bench.now, B)) {
            let out = bench.answer_newest(B, 200);
            let back = bench.upstream.status(B) == ProxyStatus::Online;
            assert_eq!(out.contains(&Mode(ModeEvent::ProxyReturned)), back);
        }
    }
    assert_eq!(bench.upstream.status(A), ProxyStatus::Offline);
}

#[test]
fn candidates_are_the_online_ones_first_and_never_the_offline_ones() {
    let mut bench = Bench::new(&["sip:192.0.2.1", "sip:192.0.2.2", "sip:192.0.2.3", "sip:192.0.2.4"], |_| {});
    let order = |bench: &Bench| bench.upstream.candidates().map(|target| target.0).collect::<Vec<_>>();
    assert_eq!(order(&bench), [0, 1, 2, 3]);
    bench.tick();
    bench.answer_newest(TargetId(0), 503);
    bench.answer_newest(TargetId(1), 200);
    bench.tell(UpstreamEvent::TransportFailed { target: TargetId(2) });
    bench.answer_newest(TargetId(3), 200);
    assert_eq!(order(&bench), [1, 3, 2, 0]);
    bench.run_until(Instant::from_millis(2_100));
    assert_eq!(order(&bench), [1, 3, 0]);
}

#[test]
fn a_target_is_found_by_its_address() {
    let bench = Bench::two();
    assert_eq!(bench.upstream.target_at("192.0.2.2:5060".parse().unwrap()), Some(B));
    assert_eq!(bench.upstream.target_at("192.0.2.2:5061".parse().unwrap()), None);
}

#[test]
fn without_keepalive_nothing_is_probed_while_the_state_is_normal() {
    let mut bench = Bench::new(&["sip:192.0.2.1"], |s| s.proxy_set.keepalive = false);
    assert_eq!(bench.upstream.next_timeout(), None);
    let out = bench.tell(UpstreamEvent::ResponseSeen { target: A });
    assert_eq!(out, [changed(A, ProxyStatus::Online, StatusCause::Answered), Mode(ModeEvent::ProxyTrusted)]);
    bench.tell(UpstreamEvent::RequestUnanswered { target: A });
    bench.tell(UpstreamEvent::TransportFailed { target: A });
    assert_eq!((bench.upstream.next_timeout(), bench.probes.len()), (None, 0));
}

#[test]
fn t8_without_keepalive_private_probes_run_from_the_emergency_to_its_exit() {
    let mut bench = Bench::new(&["sip:192.0.2.1", "sip:192.0.2.2"], |s| s.proxy_set.keepalive = false);
    bench.tell(UpstreamEvent::RequestUnanswered { target: A });
    let out = bench.tell(UpstreamEvent::ProbingStarted);
    let lost = [
        changed(A, ProxyStatus::Offline, StatusCause::RequestUnanswered),
        Probe { target: A, probe: bench.newest(A) },
        changed(B, ProxyStatus::Offline, StatusCause::Unproven),
        Probe { target: B, probe: bench.newest(B) },
        Mode(ModeEvent::ProxyLost),
    ];
    assert_eq!(out, lost);
    bench.answer_newest(A, 200);
    bench.run_until(Instant::from_millis(250));
    let out = bench.answer_newest(A, 200);
    assert!(out.contains(&Mode(ModeEvent::ProxyReturned)));
    let out = bench.tell(UpstreamEvent::ProbingStopped);
    assert_eq!(out, [changed(B, ProxyStatus::Unknown, StatusCause::Unproven)]);
    assert_eq!(bench.upstream.next_timeout(), None);
    assert_eq!(bench.upstream.candidates().collect::<Vec<_>>(), [A, B]);
}

#[test]
fn always_emergency_probes_nothing() {
    let mut bench = Bench::new(&["sip:192.0.2.1"], |s| {
        s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    });
    assert_eq!(bench.upstream.next_timeout(), None);
    bench.tell(UpstreamEvent::RequestUnanswered { target: A });
    assert_eq!((bench.tell(UpstreamEvent::Tick), bench.upstream.next_timeout()), (vec![], None));
}

#[test]
fn a_fact_about_a_target_that_does_not_exist_is_ignored() {
    let mut bench = Bench::online();
    let target = TargetId(7);
    assert_eq!(bench.tell(UpstreamEvent::TransportFailed { target }), []);
    assert_eq!(bench.tell(UpstreamEvent::RequestUnanswered { target }), []);
    assert_eq!(bench.tell(UpstreamEvent::ResponseSeen { target }), []);
    assert_eq!(bench.upstream.status(target), ProxyStatus::Unknown);
}

#[test]
fn a_tick_that_comes_very_late_is_one_miss() {
    let mut bench = Bench::online();
    bench.tick();
    let out = bench.after(3_600_000).tell(UpstreamEvent::Tick);
    assert_eq!(out.iter().filter(|action| matches!(action, Probe { .. })).count(), 1);
    assert_eq!(bench.upstream.status(A), ProxyStatus::Suspect);
}
