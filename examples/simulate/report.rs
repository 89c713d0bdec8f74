//! The figures, for people and as JSON.

use crate::world::Plan;
use crate::world::outcome::Outcome;
use crate::world::scenario::Scenario;
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::fmt::Write;
use std::time::Duration;

fn seconds(span: Option<Duration>) -> Option<f64> {
    span.map(|span| (span.as_secs_f64() * 1e3).round() / 1e3)
}

pub fn json(outcome: &Outcome, wall: Duration) -> String {
    serde_json::json!({
        "phones": outcome.phones,
        "virtual_seconds": outcome.virtual_seconds,
        "wall_seconds": seconds(Some(wall)),
        "state_changes": outcome.state_changes,
        "false_failovers": outcome.false_failovers,
        "detection_seconds": seconds(outcome.detection),
        "gap_call_delay_seconds": seconds(outcome.gap_call_delay),
        "bindings_lost": outcome.bindings_lost,
        "requests_unanswered": outcome.requests_unanswered,
        "emergency_calls": outcome.emergency_calls,
        "emergency_calls_failed": outcome.emergency_calls_failed,
        "calls_kept": outcome.calls_kept,
        "calls_lost": outcome.calls_lost,
        "peak_register_rate": outcome.peak_register_rate,
        "return_rate_limit": outcome.return_rate_limit,
        "phones_not_home": outcome.phones_not_home,
        "memory_bytes": outcome.memory_bytes,
    })
    .to_string()
}

fn clock(at: Instant) -> String {
    let seconds = at.as_micros() as f64 / 1e6;
    let whole = seconds as u64;
    format!("{:02}:{:02}:{:06.3}", whole / 3600, whole / 60 % 60, seconds - (whole / 60 * 60) as f64)
}

fn shown(span: Option<Duration>) -> String {
    span.map_or_else(|| "-".to_owned(), |span| format!("{:.3} s", span.as_secs_f64()))
}

pub fn text(plan: &Plan, outcome: &Outcome, wall: Duration) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(&mut text, plan, outcome, wall);
    text
}

fn write_text(out: &mut String, plan: &Plan, o: &Outcome, wall: Duration) -> std::fmt::Result {
    let (hours, percent) = (plan.span.as_secs_f64() / 3600.0, plan.loss * 100.0);
    writeln!(out, "{}: {}", plan.scenario.name(), plan.scenario.story())?;
    writeln!(out, "{} phones, {hours} h, {percent} % loss on each line, seed {}", o.phones, plan.seed)?;

    writeln!(out, "\nWhat happened")?;
    let mut lines: Vec<(Instant, String)> = Vec::new();
    let outages = if o.log.outages.len() > 8 { &o.log.outages[..4] } else { &o.log.outages[..] };
    for outage in outages {
        lines.push((outage.from, "the PBX is lost".to_owned()));
        lines.extend(outage.detected.map(|at| (at, "SAS holds the PBX for lost".to_owned())));
        lines.extend(outage.to.map(|at| (at, "the PBX can be reached again".to_owned())));
    }
    for (at, state) in o.log.states.iter().skip(1).take(24) {
        let state = match state {
            State::Normal => "NORMAL",
            State::Emergency => "EMERGENCY",
        };
        lines.push((*at, format!("state: {state}")));
    }
    lines.sort_by_key(|(at, _)| *at);
    for (at, line) in lines {
        writeln!(out, "  {}  {line}", clock(at))?;
    }
    let (told, all) = (outages.len(), o.log.outages.len());
    if told < all {
        writeln!(out, "  ... and {} more losses", all - told)?;
    }
    if let Some(longest) = o.log.homecomings.iter().max() {
        writeln!(
            out,
            "  what registered here meanwhile is confirmed by the PBX {} after a return",
            shown(Some(*longest))
        )?;
    }
    if let Some(home) = o.home_after {
        writeln!(
            out,
            "  the PBX has a registration of every phone {:.0} s after it was back",
            home.as_secs_f64()
        )?;
    }

    writeln!(out, "\nWhat came of it")?;
    let mut line = |what: &str, value: String| writeln!(out, "  {what:44} {value}");
    line("state changes", o.state_changes.to_string())?;
    if plan.scenario == Scenario::Flapping {
        let (_, trouble) = crate::world::scenario::trouble(plan.span);
        line("  the dwell allows", Outcome::most_changes(trouble).to_string())?;
    }
    line("  to emergency without need", o.false_failovers.to_string())?;
    line("a loss is known after", shown(o.detection))?;
    line(
        "a call in that gap waits at most",
        format!("{} (of {} calls)", shown(o.gap_call_delay), o.gap_calls),
    )?;
    line("bindings lost", o.bindings_lost.to_string())?;
    line("requests unanswered", o.requests_unanswered.to_string())?;
    line("calls to 911", format!("{}, failed {}", o.emergency_calls, o.emergency_calls_failed))?;
    let watched = o.calls_kept + o.calls_lost;
    line("calls up at the loss", format!("{watched}, kept {}, lost {}", o.calls_kept, o.calls_lost))?;
    line(
        "REGISTERs in one second of a return, at most",
        format!("{} (limit {}; of all day {})", o.peak_register_rate, o.return_rate_limit, o.log.peak_ever),
    )?;
    line("phones not home at the end", o.phones_not_home.to_string())?;
    line(
        "  of whom SAS thought otherwise",
        format!("named for nothing {}, held for home {}", o.log.named_wrongly, o.log.held_for_home),
    )?;
    let endings: Vec<String> =
        o.endings.iter().map(|(status, count)| format!("{count} with {status}")).collect();
    line("other calls ended", endings.join(", "))?;
    line("heap at its fullest", format!("{:.1} MB", o.memory_bytes as f64 / 1e6))?;
    let speed = plan.span.as_secs_f64() / wall.as_secs_f64().max(1e-3);
    line(
        "the run",
        format!(
            "{} packets, {} events in {:.1} s: {speed:.0} times as fast as life",
            o.packets,
            o.events,
            wall.as_secs_f64()
        ),
    )?;
    for (at, purpose) in o.log.unanswered.iter().take(8) {
        writeln!(out, "  unanswered: {} {purpose:?}", clock(*at))?;
    }
    for (number, call) in o.log.calls.iter().enumerate() {
        if let Some(watch) = call.watch.filter(|watch| !watch.is_kept()) {
            writeln!(out, "  lost: call {number}, {:?}, {watch:?}", call.kind)?;
        }
    }
    Ok(())
}
