//! The calls of a capture as ladder diagrams: a lifeline for each address, an arrow for each message.

use crate::output::{Finding, Hop, Place};
use crate::paint::{Paint, Shade};
use crate::pretty::{faults, plain};
use crate::report::{Outcome, Report};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Bytes that are kept before the diagrams are drawn, finished or not.
const MAX_KEPT: usize = 64 * 1024 * 1024;

/// Lifelines that fit beside one another. A call between more is a list.
const MAX_LIFELINES: usize = 6;

/// How far apart lifelines are at least, and where the first one stands.
const MIN_GAP: usize = 34;
const MARGIN: usize = 18;

#[derive(Default)]
pub(crate) struct Ladder {
    calls: Vec<Call>,
    /// Which call has this Call-ID.
    by_id: HashMap<String, usize>,
    /// Bytes, about.
    kept: usize,
}

/// What shares a Call-ID.
pub(crate) struct Call {
    title: String,
    parties: Vec<SocketAddr>,
    rows: Vec<Row>,
}

struct Row {
    hop: Hop,
    label: String,
    shade: Option<Shade>,
    remarks: Vec<String>,
}

impl Ladder {
    pub(crate) fn add(&mut self, finding: &Finding<'_>, report: &Report<'_>) {
        let Place::Capture(hop) = finding.place else { return };
        let id = report.call_id.unwrap_or_default();
        let at = *self.by_id.entry(id.to_owned()).or_insert(self.calls.len());
        if at == self.calls.len() {
            let title = if id.is_empty() { "Without Call-ID".to_owned() } else { format!("Call {id}") };
            self.kept += size_of::<Call>() + 4 * size_of::<Row>() + 2 * id.len();
            self.calls.push(Call { title, parties: Vec::new(), rows: Vec::new() });
        }
        let Some(call) = self.calls.get_mut(at) else { return };
        for party in [hop.source, hop.destination] {
            if !call.parties.contains(&party) && call.parties.len() <= MAX_LIFELINES {
                call.parties.push(party);
            }
        }
        let row = Row {
            hop,
            label: label(report),
            shade: shade(report),
            remarks: faults(finding, report).collect(),
        };
        self.kept += size_of::<Row>() + row.label.len();
        call.rows.push(row);
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.kept >= MAX_KEPT
    }

    /// All that there is, which it then forgets.
    pub(crate) fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(self).calls
    }
}

impl Call {
    pub(crate) fn draw(&self, paint: Paint) -> String {
        let names: Vec<_> = self.parties.iter().map(ToString::to_string).collect();
        let longest = names.iter().map(String::len).max().unwrap_or_default();
        let gap = MIN_GAP.max(longest + 4);
        let ladder = (names.len() <= MAX_LIFELINES).then_some(Lifelines { count: names.len(), gap });
        let mut text = format!("{}\n", paint.shade(Shade::Bold, &plain(&self.title)));
        // Writing to a String cannot fail.
        if let Some(lifelines) = &ladder {
            let _ = writeln!(text, "{}", lifelines.heads(&names));
        }
        let mut today = String::new();
        for row in &self.rows {
            let time = row.hop.time.map(|time| humantime::format_rfc3339_micros(time).to_string());
            let (day, clock) = time.as_deref().and_then(|time| time.split_once('T')).unwrap_or_default();
            if today != day {
                today = day.to_owned();
                let _ = writeln!(text, "{}", paint.shade(Shade::Dim, day));
            }
            let line = self.line(row, ladder.as_ref());
            let line = row.shade.map_or_else(|| line.clone(), |shade| paint.shade(shade, &line));
            let _ = writeln!(text, "{:MARGIN$}{line}", clock.trim_end_matches('Z'));
            for remark in &row.remarks {
                let remark = paint.shade(Shade::Red, &format!("! {}", plain(remark)));
                let _ = writeln!(text, "{:MARGIN$}  {remark}", "");
            }
        }
        text.push('\n');
        text
    }

    fn line(&self, row: &Row, lifelines: Option<&Lifelines>) -> String {
        let Hop { source, destination, .. } = row.hop;
        let column = |party| self.parties.iter().position(|&other| other == party).unwrap_or_default();
        match lifelines {
            Some(lifelines) => lifelines.arrow(column(source), column(destination), &row.label),
            None => format!("{source} > {destination}  {}", row.label),
        }
    }
}

/// `INVITE bob`, `200 OK (BYE)`.
fn label(report: &Report<'_>) -> String {
    let text = match report.outcome {
        Outcome::Request => {
            let uri = report.request_uri.unwrap_or_default();
            let target = uri.split_once('@').map_or(uri, |(user, _)| user);
            let target = target.split_once(':').map_or(target, |(_, user)| user);
            format!("{} {target}", report.method.unwrap_or_default())
        }
        Outcome::Response => {
            let method = report.cseq.as_ref().map(|cseq| cseq.method).filter(|&method| method != "INVITE");
            let method = method.map_or_else(String::new, |method| format!(" ({method})"));
            format!("{} {}{method}", report.status.unwrap_or_default(), report.reason.unwrap_or_default())
        }
        Outcome::Refused => "?".to_owned(),
    };
    plain(&text).into_owned()
}

const fn shade(report: &Report<'_>) -> Option<Shade> {
    match (report.outcome, report.status) {
        (Outcome::Refused, _) => Some(Shade::Red),
        (_, Some(200..300)) => Some(Shade::Green),
        (_, Some(300..)) => Some(Shade::Yellow),
        (_, _) => None,
    }
}

/// Parallel lines that arrows go between.
struct Lifelines {
    count: usize,
    gap: usize,
}

impl Lifelines {
    /// The names, each over its line.
    fn heads(&self, names: &[String]) -> String {
        let mut line = vec![' '; MARGIN];
        for (number, name) in names.iter().enumerate() {
            put(&mut line, MARGIN + number * self.gap - name.len().min(MARGIN) / 2, name);
        }
        line.iter().collect()
    }

    fn arrow(&self, from: usize, to: usize, label: &str) -> String {
        let mut line = Vec::new();
        for number in 0..self.count {
            put(&mut line, number * self.gap, "│");
        }
        let (low, high) = (from.min(to) * self.gap, from.max(to) * self.gap);
        if low == high {
            put(&mut line, low + 2, &format!("↺ {label} "));
            return line.iter().collect();
        }
        for place in line.iter_mut().take(high).skip(low + 1) {
            *place = if *place == '│' { '┼' } else { '─' };
        }
        // The label stands next to the sender.
        let room = high - low - 7;
        let is_cut = label.chars().count() > room;
        let label: String = label.chars().take(room).collect();
        let label = format!(" {label}{}", if is_cut { "… " } else { " " });
        let at = if from < to { low + 2 } else { high - 1 - label.chars().count() };
        put(&mut line, at, &label);
        if from < to {
            put(&mut line, high - 1, ">")
        } else {
            put(&mut line, low + 1, "<")
        }
        line.iter().collect()
    }
}

/// Writes over what stands in `line`, and on behind its end.
fn put(line: &mut Vec<char>, at: usize, text: &str) {
    line.resize(line.len().max(at + text.chars().count()), ' ');
    for (place, c) in line.iter_mut().skip(at).zip(text.chars()) {
        *place = c;
    }
}
