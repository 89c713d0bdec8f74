//! The laws of the mode machine, for any events at any times.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use sip_survivability::config::{Config, EnteringEmergency, Settings, SurvivabilityMode};
use sip_survivability::mode::{ModeEvent, ModeMachine, State};
use sip_survivability::time::Instant;
use std::time::Duration;

fn configuration() -> impl Strategy<Value = Config> {
    (0..4_usize).prop_map(|kind| {
        let mut settings = Settings::default();
        settings.proxy_set.targets = vec!["sip:192.0.2.1".parse().unwrap()];
        match kind {
            0 => {}
            1 => settings.sas.entering_emergency = EnteringEmergency::KeepAlive,
            2 => settings.proxy_set.keepalive = false,
            _ => settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency,
        }
        settings.validate().unwrap()
    })
}

fn event() -> impl Strategy<Value = ModeEvent> {
    prop_oneof![
        1 => Just(ModeEvent::ProxySuspected),
        2 => Just(ModeEvent::ProxyTrusted),
        3 => Just(ModeEvent::ProxyLost),
        3 => Just(ModeEvent::ProxyReturned),
        2 => Just(ModeEvent::RequestUnanswered),
        4 => Just(ModeEvent::Tick),
        1 => Just(ModeEvent::ModeSet(SurvivabilityMode::Standard)),
        1 => Just(ModeEvent::ModeSet(SurvivabilityMode::AlwaysEmergency)),
        1 => Just(ModeEvent::ProxiesReplaced),
    ]
}

/// Steps in milliseconds, mostly short, some backwards.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..2_000_i64, 4 => 0..60_000_i64, 1 => -30_000..0_i64, 1 => 0..1_200_000_i64]
}

/// Events and the time from each to the next.
fn life() -> impl Strategy<Value = Vec<(i64, ModeEvent)>> {
    prop::collection::vec((step(), event()), 0..400)
}

/// Tells `life` and yields the machine at each step with the time as the machine must see it.
fn live(
    config: &Config,
    life: &[(i64, ModeEvent)],
    mut each: impl FnMut(Instant, &ModeMachine, &mut ModeMachine, ModeEvent),
) {
    let mut told = 0_i64;
    let mut clamped = Instant::ZERO;
    let mut mode = ModeMachine::new(config, clamped);
    for &(step, event) in life {
        told = (told + step).max(0);
        let now = Instant::from_millis(told.unsigned_abs());
        clamped = clamped.max(now);
        let before = mode.clone();
        let outcome = mode.handle(now, event);
        assert_eq!(outcome.transition.is_some(), before.state() != mode.state());
        each(clamped, &before, &mut mode, event);
    }
}

proptest! {
    #[test]
    fn flips_are_bounded_by_the_dwell(config in configuration(), life in life()) {
        let mut lost_at = Instant::ZERO;
        let mut returns: Vec<Instant> = Vec::new();
        live(&config, &life, |now, before, mode, _| {
            match (before.state(), mode.state()) {
                (State::Normal, State::Emergency) => lost_at = now,
                (State::Emergency, State::Normal) => {
                    assert!(now - lost_at >= config.sas.minimum_dwell);
                    returns.push(now);
                }
                (State::Normal, State::Normal) | (State::Emergency, State::Emergency) => {}
            }
        });
        for window in returns.windows(2) {
            // Doubled at least once, unless the first return is forgotten.
            prop_assert!(window[1] - window[0] >= 2 * config.sas.minimum_dwell);
        }
        // 20 + 40 + 80 + 160 + 300 s lie between the first of six returns and the sixth.
        for window in returns.windows(6) {
            prop_assert!(window[5] - window[0] >= Duration::from_mins(10));
        }
    }

    #[test]
    fn a_tick_too_early_does_nothing(config in configuration(), life in life()) {
        live(&config, &life, |now, _, mode, _| {
            let early = mode.next_timeout().is_none_or(|due| now < due);
            if early {
                let before = (mode.to_string(), mode.next_timeout());
                assert_eq!(mode.handle(now, ModeEvent::Tick).transition, None);
                assert_eq!((mode.to_string(), mode.next_timeout()), before);
            }
        });
    }

    #[test]
    fn after_a_tick_in_time_the_deadline_is_none_or_later(
        config in configuration(), life in life(), late in 0..10_000_u64,
    ) {
        live(&config, &life, |now, _, mode, _| {
            if let Some(due) = mode.next_timeout() {
                let mut mode = mode.clone();
                let now = now.max(due) + Duration::from_millis(late);
                let _ = mode.handle(now, ModeEvent::Tick);
                assert!(mode.next_timeout().is_none_or(|next| next > now));
            }
        });
    }

    #[test]
    fn once_the_proxy_is_back_for_good_normal_comes_within_the_dwell(config in configuration(), life in life()) {
        let mut end = None;
        live(&config, &life, |now, _, mode, _| end = Some((now, mode.clone())));
        if let Some((now, mut mode)) = end.filter(|(_, mode)| mode.probing()) {
            let _ = mode.handle(now, ModeEvent::ProxyReturned);
            if let Some(due) = mode.next_timeout() {
                prop_assert!(due - now <= config.sas.maximum_dwell);
                let _ = mode.handle(due, ModeEvent::Tick);
            }
            prop_assert_eq!(mode.state(), State::Normal);
        }
    }

    #[test]
    fn only_a_request_without_response_is_rescued(config in configuration(), life in life()) {
        live(&config, &life, |now, _, mode, event| {
            let outcome = mode.clone().handle(now, event);
            let rescues = config.sas.entering_emergency == EnteringEmergency::Requests;
            assert_eq!(outcome.rescue, event == ModeEvent::RequestUnanswered && rescues);
        });
    }
}
