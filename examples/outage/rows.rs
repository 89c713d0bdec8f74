//! The trace of the network, made into rows: what an engineer wants to see, in order.
//!
//! Left out: `100 Trying` where more is said soon after, copies of a datagram (counted on the first one), and the
//! keep-alive probes, of which each run of answered or of unanswered ones becomes one row.

use crate::ladder::{End, Margin, Row};
use crate::story::Told;
use crate::support::{Entry, Fate, NodeId, Source, What};
use bytes::Bytes;
use sip_survivability::Notice;
use sip_survivability::headers::{Contact, Method};
use sip_survivability::message::{Head, Message, Request, Response};
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use sip_survivability::upstream::ProxyStatus;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// A run of keep-alive probes that ended alike.
struct Probes {
    /// The place that the row was given when the run began.
    row: usize,
    margin: Margin,
    answered: bool,
    count: u32,
    first: Instant,
    last: Instant,
}

struct Rows<'a> {
    told: &'a Told,
    rows: Vec<Row>,
    margin: Margin,
    state: State,
    status: ProxyStatus,
    probes: Option<Probes>,
    /// How often each datagram was sent with each kind of fate.
    copies: BTreeMap<Copy, u32>,
    shown: BTreeSet<Copy>,
    /// When each request, by its branch and method, got a response that says something, and from whom.
    responses: BTreeMap<(NodeId, String), Vec<Instant>>,
}

/// A `100 Trying` with nothing behind it for so long is worth a row.
const SOON: Duration = Duration::from_millis(500);

/// The same datagram, of the same sender, to the same address, with the same end.
type Copy = (NodeId, SocketAddr, Bytes, bool);

pub(crate) fn of(told: &Told) -> Vec<Row> {
    let mut rows = Rows {
        told,
        rows: Vec::new(),
        margin: Margin::Unknown,
        state: State::Normal,
        status: ProxyStatus::Unknown,
        probes: None,
        copies: BTreeMap::new(),
        shown: BTreeSet::new(),
        responses: BTreeMap::new(),
    };
    rows.look_ahead();
    let mut titles = told.titles.iter().peekable();
    for entry in told.branch.net.trace().entries() {
        while let Some((_, title)) = titles.next_if(|(serial, _)| *serial <= entry.serial) {
            rows.flush_probes();
            rows.rows.push(Row::Title(title.clone()));
        }
        rows.on_entry(entry);
    }
    rows.flush_probes();
    rows.rows
}

/// Whether it ends nowhere.
const fn is_gone(fate: Fate) -> bool {
    matches!(fate, Fate::Lost | Fate::Cut | Fate::NoHost)
}

impl Rows<'_> {
    /// Counts copies, and finds out which probes were answered.
    fn look_ahead(&mut self) {
        for entry in self.told.branch.net.trace().entries() {
            let What::Datagram { from: Source::Node(from), to, data, fate, .. } = &entry.what else {
                continue;
            };
            *self.copies.entry((*from, *to, data.clone(), is_gone(*fate))).or_default() += 1;
            if !is_gone(*fate)
                && let Ok(Message::Response(response)) = Message::parse(data.clone())
                && response.status() > 100
            {
                self.responses.entry((*from, transaction(&response))).or_default().push(entry.at);
            }
        }
    }

    /// Whether `from` said more in this transaction within so long.
    fn answers(&self, from: NodeId, head: &Head, at: Instant, within: Duration) -> bool {
        let times = self.responses.get(&(from, transaction(head)));
        times.is_some_and(|times| times.iter().any(|time| at <= *time && *time <= at + within))
    }

    fn on_entry(&mut self, entry: &Entry) {
        match &entry.what {
            What::Datagram { from: Source::Node(from), to, node: Some(node), data, fate } => {
                self.on_datagram(entry.at, (*from, *to, data.clone(), is_gone(*fate)), *node, *fate);
            }
            What::Datagram { .. } => {}
            What::Note { .. } => {
                let noticed = self.told.branch.net.node(self.told.branch.sas).notices.iter();
                if let Some(noticed) = noticed.into_iter().find(|noticed| noticed.serial == entry.serial) {
                    let notice = noticed.notice.clone();
                    self.on_notice(entry.at, &notice);
                }
            }
            What::Script { node, text } => {
                self.flush_probes();
                if let Some(column) = node.and_then(|node| self.told.column(node)) {
                    self.remark(Some(entry.at), column, format!("** {text} **"));
                }
            }
        }
    }

    fn remark(&mut self, at: Option<Instant>, column: usize, text: String) {
        self.rows.push(Row::Remark { at, margin: self.margin, column, text });
    }

    fn on_datagram(&mut self, at: Instant, copy: Copy, node: NodeId, fate: Fate) {
        let (Some(from), Some(to)) = (self.told.column(copy.0), self.told.column(node)) else { return };
        let Ok(message) = Message::parse(copy.2.clone()) else { return };
        if self.is_probe(&message, copy.0, node) {
            return self.on_probe(at, &message);
        }
        if let Message::Response(response) = &message
            && response.status() == 100
            && self.answers(copy.0, response, at, SOON)
        {
            return;
        }
        if !self.shown.insert(copy.clone()) {
            return;
        }
        let mut label = label(&message);
        if let Some(count) = self.copies.get(&copy).filter(|count| **count > 1) {
            label = format!("{label} ×{count}");
        }
        if fate == Fate::Refused {
            label = format!("{label} (port closed)");
        }
        let end = if copy.3 { End::Nowhere } else { End::Arrives };
        self.rows.push(Row::Arrow { at, margin: self.margin, from, to, label, end, faint: false });
    }

    /// Between the core and the PBX, and about nobody.
    fn is_probe(&self, message: &Message, from: NodeId, to: NodeId) -> bool {
        let (sas, pbx) = (self.told.branch.sas.id, self.told.branch.pbx.id);
        let is_options = message.head().cseq().is_ok_and(|cseq| cseq.method == "OPTIONS");
        is_options && [(sas, pbx), (pbx, sas)].contains(&(from, to))
    }

    fn on_probe(&mut self, at: Instant, message: &Message) {
        let Message::Request(request) = message else { return };
        let answered = self.answers(self.told.branch.pbx.id, request, at, Duration::from_secs(32));
        if self.probes.as_ref().is_some_and(|probes| probes.answered != answered) {
            self.flush_probes();
        }
        let (row, margin) = (self.rows.len(), self.margin);
        let probes =
            self.probes.get_or_insert(Probes { row, margin, answered, count: 0, first: at, last: at });
        probes.count += 1;
        probes.last = at;
    }

    /// Ends a run of probes: its row stands where it began.
    fn flush_probes(&mut self) {
        let Some(Probes { row, margin, answered, count, first, last }) = self.probes.take() else { return };
        let (from, to) =
            (self.told.column(self.told.branch.sas.id), self.told.column(self.told.branch.pbx.id));
        let (Some(from), Some(to)) = (from, to) else { return };
        let times = if count > 1 { format!(" ×{count}") } else { String::new() };
        let (label, end) = if answered {
            (format!("OPTIONS/200{times}"), End::Arrives)
        } else {
            (format!("OPTIONS{times}"), End::Nowhere)
        };
        if last > first {
            let text = format!("... until {:.3}", last.as_micros() as f64 / 1e6);
            self.rows.insert(row, Row::Remark { at: None, margin, column: to, text });
        }
        self.rows.insert(row, Row::Arrow { at: first, margin, from, to, label, end, faint: true });
    }

    fn on_notice(&mut self, at: Instant, notice: &Notice) {
        let Some(sas) = self.told.column(self.told.branch.sas.id) else { return };
        match notice {
            Notice::StateChanged { to, cause, .. } => {
                self.flush_probes();
                self.state = *to;
                self.settle_margin();
                let text = format!(" {}: {} ", to.as_str().to_uppercase(), plain(cause.as_str()));
                self.rows.push(Row::Banner { at, margin: self.margin, text });
            }
            Notice::ProxyStatus { status, cause, .. } => {
                self.flush_probes();
                self.status = *status;
                self.settle_margin();
                let text = format!("PBX {}: {}", plain(status.as_str()), plain(cause.as_str()));
                self.remark(Some(at), sas, text);
            }
            Notice::RequestRouted { method, step, reasons, .. } => {
                let because: Vec<_> = reasons.iter().map(|reason| plain(reason.as_str())).collect();
                let text = format!("{method}: {} ({})", plain(step.as_str()), because.join(", "));
                self.remark(None, sas, text);
            }
            Notice::UserBound(user) => {
                let text = format!("{} bound, granted by {}", user.aor(), plain(user.origin().as_str()));
                self.remark(None, sas, text);
            }
            Notice::RequestRejected { method, status, reason, .. } => {
                self.remark(None, sas, format!("{method} refused with {status}: {reason}"));
            }
            Notice::EmergencyCallFailed { number, .. } => {
                self.remark(None, sas, format!("NO ROUTE for the emergency call to {number}"));
            }
            _ => {}
        }
    }

    fn settle_margin(&mut self) {
        self.margin = match (self.state, self.status) {
            (State::Emergency, _) => Margin::Emergency,
            (State::Normal, ProxyStatus::Unknown) => Margin::Unknown,
            (State::Normal, ProxyStatus::Suspect | ProxyStatus::Offline) => Margin::Suspect,
            (State::Normal, _) => Margin::Normal,
        };
    }
}

/// `keepalive_unanswered` as a person says it.
fn plain(snake_case: &str) -> String {
    snake_case.replace('_', " ")
}

/// The branch and the method, which the request and its responses share.
fn transaction(head: &Head) -> String {
    let branch = head.top_via().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
    let method = head.cseq().map_or_else(|_| String::new(), |cseq| cseq.method.to_owned());
    format!("{branch} {method}")
}

fn label(message: &Message) -> String {
    match message {
        Message::Request(request) => request_label(request),
        Message::Response(response) => response_label(response),
    }
}

/// The method, and whom it is about where it is not within a call.
fn request_label(request: &Request) -> String {
    let method = request.method_str();
    let user = match request.method() {
        Method::Ack => None,
        Method::Register => request.to().ok().and_then(|to| to.uri.user().map(str::to_owned)),
        _ if request.is_in_dialog() => None,
        _ => request.uri().ok().and_then(|uri| uri.user().map(str::to_owned)),
    };
    user.map_or_else(|| method.to_owned(), |user| format!("{method} {user}"))
}

/// The status, and for anything but a call the method; for a registration the lifetime that was granted.
fn response_label(response: &Response) -> String {
    let status = response.status();
    let method = response.cseq().map_or("", |cseq| cseq.method);
    match method {
        // What an arrow has room for.
        "INVITE" => match status {
            487 => "487 Terminated".to_owned(),
            481 => "481 No Such Call".to_owned(),
            408 => "408 Timeout".to_owned(),
            _ => format!("{status} {}", response.reason()),
        },
        "REGISTER" if response.is_success() => {
            let granted = response.contacts().flatten().find_map(|contact| match contact {
                Contact::Address(address) => address.expires(),
                _ => None,
            });
            let granted = granted.or_else(|| response.expires()).unwrap_or_default();
            format!("{status} for {} s", granted.as_secs())
        }
        method => format!("{status} {method}"),
    }
}
