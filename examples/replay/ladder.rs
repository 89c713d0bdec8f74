//! The messages as ladder diagrams, one for each Call-ID: the core first, then whom it spoke to.

use crate::lifelines::{Lifelines, MARGIN, MAX_LIFELINES};
use crate::traffic::{Passed, Way};
use crate::words::{label, plain, seconds};
use sip_survivability::message::Message;
use sip_survivability::time::Instant;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Messages that are drawn; the others are counted.
const MOST: usize = 200_000;

#[derive(Default)]
pub(crate) struct Ladder {
    calls: Vec<Call>,
    by_id: HashMap<String, usize>,
    drawn: usize,
    left_out: usize,
}

struct Call {
    id: String,
    peers: Vec<SocketAddr>,
    rows: Vec<Row>,
}

struct Row {
    at: Instant,
    way: Way,
    peer: SocketAddr,
    label: String,
}

impl Ladder {
    /// Keep-alives are left out.
    pub(crate) fn add(&mut self, passed: &Passed) {
        let head = passed.message.head();
        let Ok(id) = head.call_id() else { return };
        let is_probe = head.vias().count() == 1 && head.cseq().is_ok_and(|cseq| cseq.method == "OPTIONS");
        let is_ours = matches!(passed.message, Message::Request(_)) == (passed.way == Way::Sent);
        if is_probe && is_ours {
            return;
        }
        if self.drawn >= MOST {
            self.left_out += 1;
            return;
        }
        self.drawn += 1;
        let at = *self.by_id.entry(id.to_owned()).or_insert(self.calls.len());
        if at == self.calls.len() {
            self.calls.push(Call { id: id.to_owned(), peers: Vec::new(), rows: Vec::new() });
        }
        let Some(call) = self.calls.get_mut(at) else { return };
        if !call.peers.contains(&passed.peer) && call.peers.len() < MAX_LIFELINES {
            call.peers.push(passed.peer);
        }
        let Passed { at, way, peer, .. } = *passed;
        call.rows.push(Row { at, way, peer, label: label(&passed.message) });
    }

    pub(crate) fn draw(&self, start: Instant) -> String {
        let mut text = String::new();
        self.calls.iter().for_each(|call| call.draw(start, &mut text));
        if self.left_out > 0 {
            let _ = writeln!(text, "{} more messages are not drawn; --from and --to choose", self.left_out);
        }
        text
    }
}

impl Call {
    fn draw(&self, start: Instant, text: &mut String) {
        let core = std::iter::once("core".to_owned());
        let names: Vec<_> = core.chain(self.peers.iter().map(ToString::to_string)).collect();
        let lifelines = Lifelines::under(&names);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Call {}", plain(&self.id));
        if let Some(lifelines) = &lifelines {
            let _ = writeln!(text, "{}", lifelines.heads(&names));
        }
        for Row { at, way, peer, label } in &self.rows {
            let column = self.peers.iter().position(|other| other == peer).map_or(0, |index| index + 1);
            let line = match (&lifelines, way) {
                (Some(lifelines), Way::Sent) => lifelines.arrow(0, column, label),
                (Some(lifelines), Way::Received) => lifelines.arrow(column, 0, label),
                (None, Way::Sent) => format!("core > {peer}  {label}"),
                (None, Way::Received) => format!("{peer} > core  {label}"),
            };
            let _ = writeln!(text, "{:>12}{:width$}{line}", seconds(start, *at), "", width = MARGIN - 12);
        }
        text.push('\n');
    }
}
