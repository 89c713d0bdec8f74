//! The outage report.

use crate::calls::{Call, End, Fate};
use crate::facts::{Change, Facts};
use crate::words::{plain, seconds, user};
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::fmt::Write as _;

/// Calls and users that are named, of each list; the others are counted.
const MOST_NAMED: usize = 20;

struct Report<'f> {
    facts: &'f Facts,
    text: String,
}

/// From when to when the branch served itself.
struct Outage {
    from: Instant,
    to: Option<Instant>,
}

/// Says all that there is to say.
pub(crate) fn of(facts: &Facts) -> String {
    let mut report = Report { facts, text: String::new() };
    report.states();
    for (number, outage) in (1..).zip(&outages(&facts.changes)) {
        report.outage(number, outage);
    }
    report.emergency_calls();
    report.messages();
    report.text
}

fn outages(changes: &[Change]) -> Vec<Outage> {
    let ends = changes.iter().skip(1).map(|change| Some(change.at)).chain([None]);
    let spans = changes.iter().zip(ends);
    spans
        .filter(|(change, _)| change.state == State::Emergency)
        .map(|(change, to)| Outage { from: change.at, to })
        .collect()
}

impl Report<'_> {
    fn at(&self, at: Instant) -> String {
        seconds(self.facts.start, at)
    }

    /// A line. Writing to a String cannot fail.
    fn say(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }

    fn states(&mut self) {
        let Facts { start, window, end, events, .. } = *self.facts;
        let from = start.max(window.from);
        let length = (end.max(from) - from).as_secs_f64();
        let (first, last) = (self.at(from), self.at(end.max(from)));
        self.say(format_args!("From {first} to {last}: {length:.3} s, {events} events; times are seconds\n"));
        self.say(format_args!("States"));
        for change in &self.facts.changes {
            let cause =
                change.cause.map_or_else(String::new, |cause| format!("  {}", cause.replace('_', " ")));
            let line = format!("{:>12}  {:<9}{cause}", self.at(change.at), change.state.as_str());
            self.say(format_args!("{}", line.trim_end()));
        }
        for at in &self.facts.reloads {
            self.say(format_args!("{:>12}  another configuration", self.at(*at)));
        }
        let (sent, lost) = self.probes(from, end);
        self.say(format_args!("  probes of the proxies: {sent}, lost: {lost}"));
    }

    /// How many were sent from `from` to `to`, and how many of them had no answer.
    fn probes(&self, from: Instant, to: Instant) -> (usize, usize) {
        let within = || self.facts.probes().filter(|probe| (from..=to).contains(&probe.at));
        (within().count(), within().filter(|probe| !probe.is_answered).count())
    }

    fn outage(&mut self, number: usize, outage: &Outage) {
        let facts = self.facts;
        let end = outage.to.unwrap_or(facts.end).max(outage.from);
        let length = (end - outage.from).as_secs_f64();
        let (from, to) = (self.at(outage.from), self.at(end));
        let is_over = if outage.to.is_some() { "" } else { ", and not over" };
        self.say(format_args!("\nOutage {number}: {from} to {to}, {length:.3} s{is_over}"));

        let (sent, lost) = self.probes(outage.from, end);
        self.say(format_args!("  probes sent: {sent}, lost: {lost}"));

        let up: Vec<&Call> = facts.calls.iter().filter(|call| call.is_up_at(outage.from)).collect();
        let fates: Vec<_> = up.iter().map(|call| call.fate_after(outage.from)).collect();
        let lost = fates.iter().filter(|fate| matches!(fate, Fate::Lost(..))).count();
        let unknown = fates.iter().filter(|fate| **fate == Fate::Unknown).count();
        let kept = fates.len() - lost - unknown;
        self.say(format_args!(
            "  calls up at the cut: {}; kept: {kept}, lost: {lost}, nothing more heard: {unknown}",
            up.len()
        ));
        let lines = up.iter().zip(&fates).map(|(call, fate)| {
            let fate = match *fate {
                Fate::HungUp(at) => format!("kept: hung up at {}", self.at(at)),
                Fate::Renegotiated(at) => format!("kept: renegotiated at {}", self.at(at)),
                Fate::Lost(at, status) => format!("lost: BYE answered with {status} at {}", self.at(at)),
                Fate::Unknown => "nothing more heard".to_owned(),
            };
            format!("{}  {fate}", self.parties(call))
        });
        self.list(lines.collect());

        let made: Vec<&Call> =
            facts.calls.iter().filter(|call| (outage.from..end).contains(&call.placed)).collect();
        let answered = made.iter().filter(|call| matches!(call.end(), End::Answered(_))).count();
        let refused = made.iter().filter(|call| matches!(call.end(), End::Refused(..))).count();
        let pending = made.len() - answered - refused;
        self.say(format_args!(
            "  calls made: {}; answered: {answered}, refused: {refused}, without an end: {pending}",
            made.len()
        ));
        self.list(made.iter().map(|call| self.attempt(call)).collect());
        if let Some(to) = outage.to {
            self.homecoming(to);
        }
    }

    /// When those who were registered at the return of the proxy were registered at the proxy again.
    fn homecoming(&mut self, back: Instant) {
        let facts = self.facts;
        let Some((_, registered, users)) = facts.returning.iter().find(|(at, ..)| *at == back) else {
            return;
        };
        let next = facts.changes.iter().find(|change| change.at > back).map(|change| change.at);
        let home = |aor: &String| {
            let grants = facts.users.get(aor)?.at_proxy.iter();
            grants.copied().find(|at| *at >= back && next.is_none_or(|next| *at < next))
        };
        let mut came: Vec<_> = users.iter().map(|aor| (home(aor), aor)).collect();
        came.sort_by_key(|(at, _)| (at.is_none(), *at));
        let count = came.iter().filter(|(at, _)| at.is_some()).count();
        let away = users.len();
        self.say(format_args!(
            "  users at the return: {registered}; registered by us alone: {away}, of whom home again: {count}"
        ));
        let line = |(at, aor): &(Option<Instant>, &String)| match at {
            Some(at) => {
                let after = (*at - back).as_secs_f64();
                format!("{:>12}  {}  after {after:.3} s", self.at(*at), plain(aor))
            }
            None => format!("{:>12}  {}  not by the end", "", plain(aor)),
        };
        self.list(came.iter().map(line).collect());
    }

    fn emergency_calls(&mut self) {
        let facts = self.facts;
        let calls: Vec<_> = facts.calls.iter().filter(|call| call.is_emergency_number).collect();
        let (count, failed) = (calls.len(), facts.failed.len());
        self.say(format_args!("\nEmergency calls: {count}; no route took it: {failed}"));
        let state = |call: &Call| call.state.as_str();
        let mut lines: Vec<_> =
            calls.iter().map(|call| format!("{}, {}", self.attempt(call), state(call))).collect();
        let untaken =
            |(at, what): &(Instant, String)| format!("{:>12}  {}  NO ROUTE", self.at(*at), plain(what));
        lines.extend(facts.failed.iter().map(untaken));
        self.list(lines);
    }

    fn messages(&mut self) {
        let rows = counts(self.facts);
        self.say(format_args!("\n{:<28}{:>9}{:>11}", "Messages", "normal", "emergency"));
        for (label, [normal, emergency]) in rows {
            self.say(format_args!("  {label:<26}{normal:>9}{emergency:>11}"));
        }
    }

    fn parties(&self, call: &Call) -> String {
        format!("{:>12}  {} to {}", self.at(call.placed), user(&call.from), user(&call.to))
    }

    fn attempt(&self, call: &Call) -> String {
        let after = |at: Instant| (at - call.placed).as_secs_f64();
        let end = match call.end() {
            End::Answered(at) => format!("answered after {:.3} s", after(at)),
            End::Refused(at, status) => format!("{status} after {:.3} s", after(at)),
            End::Pending => "no end".to_owned(),
        };
        format!("{}  {end}", self.parties(call))
    }

    fn list(&mut self, lines: Vec<String>) {
        for line in lines.iter().take(MOST_NAMED) {
            self.say(format_args!("{line}"));
        }
        if let Some(more) = lines.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
            self.say(format_args!("{:>12}  and {more} more", ""));
        }
    }
}

/// Requests that came, answers that left, and drops: in the normal state, and in emergency.
pub(crate) fn counts(facts: &Facts) -> Vec<(String, [u64; 2])> {
    let received = facts.received.iter().map(|(label, count)| (format!("received {}", plain(label)), *count));
    let sent = facts.sent.iter().map(|(label, count)| (format!("sent {}", plain(label)), *count));
    received.chain(sent).chain([("dropped".to_owned(), facts.dropped)]).collect()
}
