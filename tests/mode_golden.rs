//! Every state and event of the mode machine, as one text that people can read: `tests/golden/mode.txt`.
//!
//! After a change that is meant: `UPDATE_GOLDEN=1 cargo test --test mode_golden`, and read the difference.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sip_survivability::config::{Config, EnteringEmergency, Settings, SurvivabilityMode};
use sip_survivability::mode::{ModeEvent, ModeMachine, State};
use sip_survivability::time::Instant;
use std::fmt::Write as _;
use std::path::Path;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mode.txt");

const LOST_AT: Instant = Instant::from_secs(100);
const IN_THE_DWELL: Instant = Instant::from_secs(105);
const AFTER_THE_DWELL: Instant = Instant::from_secs(110);

const EVENTS: [(&str, ModeEvent); 9] = [
    ("ProxySuspected", ModeEvent::ProxySuspected),
    ("ProxyTrusted", ModeEvent::ProxyTrusted),
    ("ProxyLost", ModeEvent::ProxyLost),
    ("ProxyReturned", ModeEvent::ProxyReturned),
    ("RequestUnanswered", ModeEvent::RequestUnanswered),
    ("Tick", ModeEvent::Tick),
    ("ModeSet(Standard)", ModeEvent::ModeSet(SurvivabilityMode::Standard)),
    ("ModeSet(AlwaysEmergency)", ModeEvent::ModeSet(SurvivabilityMode::AlwaysEmergency)),
    ("ProxiesReplaced", ModeEvent::ProxiesReplaced),
];

fn configuration(change: impl FnOnce(&mut Settings)) -> Config {
    let mut settings = Settings::default();
    settings.proxy_set.targets = vec!["sip:192.0.2.1".parse().unwrap()];
    change(&mut settings);
    settings.validate().unwrap()
}

/// The machine after `events` at the instant of the loss.
fn after(config: &Config, events: &[ModeEvent]) -> ModeMachine {
    let mut mode = ModeMachine::new(config, Instant::ZERO);
    for &event in events {
        let _ = mode.handle(LOST_AT, event);
    }
    mode
}

/// Every state that the machine has, reached by the shortest way.
fn states(config: &Config) -> Vec<ModeMachine> {
    let loss = if config.proxy_set.keepalive { ModeEvent::ProxyLost } else { ModeEvent::RequestUnanswered };
    let ways: &[&[ModeEvent]] = &[
        &[],
        &[ModeEvent::ProxyTrusted],
        &[ModeEvent::ProxySuspected],
        &[loss],
        &[loss, ModeEvent::ProxyReturned],
        &[loss, ModeEvent::ProxyReturned, ModeEvent::ProxySuspected],
        &[ModeEvent::ModeSet(SurvivabilityMode::AlwaysEmergency)],
    ];
    let mut states: Vec<ModeMachine> = ways.iter().map(|way| after(config, way)).collect();
    states.dedup();
    states
}

fn table() -> String {
    let configurations = [
        ("keepalive = true, entering_emergency = requests", configuration(|_| {})),
        (
            "keepalive = true, entering_emergency = keepalive",
            configuration(|s| s.sas.entering_emergency = EnteringEmergency::KeepAlive),
        ),
        (
            "keepalive = false, entering_emergency = requests",
            configuration(|s| s.proxy_set.keepalive = false),
        ),
        (
            "survivability_mode = always-emergency",
            configuration(|s| s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency),
        ),
        (
            "survivability_mode = always-emergency, keepalive = false, entering_emergency = keepalive",
            configuration(|s| {
                s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
                s.sas.entering_emergency = EnteringEmergency::KeepAlive;
                s.proxy_set.keepalive = false;
            }),
        ),
    ];
    let mut text = String::from(
        "Every state and event of the mode machine. The loss is at 100 s and the dwell ends at 110 s, if there is one.\n",
    );
    for (name, config) in &configurations {
        write!(text, "\n## {name}\n").unwrap();
        let mut states = states(config);
        if config.sas.survivability_mode == SurvivabilityMode::AlwaysEmergency {
            states.truncate(1);
        }
        for mode in states {
            heading(&mut text, &mode);
            for (event_name, event) in EVENTS {
                match mode.dwell_until() {
                    Some(_) => {
                        row(&mut text, &mode, event_name, IN_THE_DWELL, event);
                        row(&mut text, &mode, event_name, AFTER_THE_DWELL, event);
                    }
                    None => row(&mut text, &mode, event_name, LOST_AT, event),
                }
            }
        }
    }
    text
}

fn heading(text: &mut String, mode: &ModeMachine) {
    write!(text, "\n{mode}").unwrap();
    write!(text, ": patience {}", mode.patience().map_or_else(|| "none".into(), |p| format!("{p:?}")))
        .unwrap();
    write!(text, ", probing {}", if mode.probing() { "yes" } else { "no" }).unwrap();
    writeln!(text, ", deadline {}", mode.next_timeout().map_or_else(|| "none".into(), |t| format!("{t:?}")))
        .unwrap();
}

fn row(text: &mut String, mode: &ModeMachine, name: &str, now: Instant, event: ModeEvent) {
    let mut next = mode.clone();
    let outcome = next.handle(now, event);
    let to = if next.to_string() == mode.to_string() { "=".to_owned() } else { next.to_string() };
    write!(text, "  {:>3} s  {name:<24}  {to}", now.as_micros() / 1_000_000).unwrap();
    if let Some(transition) = outcome.transition {
        write!(text, "; {} -> {}: {}", transition.from, transition.to, transition.cause).unwrap();
    }
    writeln!(text, "{}", if outcome.rescue { "; rescue" } else { "" }).unwrap();
}

#[test]
fn every_state_and_event_is_as_in_the_golden_file() {
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        std::fs::write(GOLDEN, &table).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default().replace("\r\n", "\n");
    for (line, (is, was)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, was, "line {} of {GOLDEN}; UPDATE_GOLDEN=1 writes it anew", line + 1);
    }
    assert_eq!(
        table.lines().count(),
        golden.lines().count(),
        "lines of {GOLDEN}; UPDATE_GOLDEN=1 writes it anew"
    );
}

#[test]
fn every_state_is_in_the_table() {
    let states = states(&configuration(|_| {}));
    let names: Vec<String> = states.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "normal (unknown)",
            "normal (steady)",
            "normal (suspect)",
            "emergency (lost, until 110.000000s)",
            "emergency (back, until 110.000000s)",
            "emergency (doubted, until 110.000000s)",
            "emergency (always)",
        ]
    );
    assert_eq!(states.iter().filter(|mode| mode.state() == State::Normal).count(), 3);
}
