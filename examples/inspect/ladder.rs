//! The calls of a capture as ladder diagrams: a lifeline for each address, an arrow for each message. A call between more
//! parties than fit beside one another is a list.

use crate::lifelines::{Lifelines, MARGIN, MAX_LIFELINES};
use crate::output::{Finding, Hop, Place};
use crate::paint::{Paint, Shade};
use crate::pretty::{faults, plain};
use crate::report::{Outcome, Report};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Bytes that are kept before the diagrams are drawn, finished or not.
const MAX_KEPT: usize = 64 * 1024 * 1024;

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
        let ladder = Lifelines::under(&names);
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
