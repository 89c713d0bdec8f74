//! What happened, in order: every datagram with its fate, what nodes noted, and what the script did to the network.
//! Assertions print its end, determinism tests compare its digest, and the ladder diagram is drawn from it.

use super::net::NodeId;
use bytes::Bytes;
use sip_survivability::message::Message;
use sip_survivability::time::Instant;
use std::collections::VecDeque;
use std::net::SocketAddr;

#[derive(Clone, Debug)]
pub struct Entry {
    /// Counts all entries ever made, so that other records can point into the trace.
    pub serial: u64,
    pub at: Instant,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A datagram was sent.
    Datagram { from: Source, to: SocketAddr, node: Option<NodeId>, data: Bytes, fate: Fate },
    /// A node says something.
    Note { node: NodeId, text: String },
    /// The script did something to the network, or to one node.
    Script { node: Option<NodeId>, text: String },
}

/// Who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Node(NodeId),
    /// An address that no node has: the script put the datagram on the wire itself.
    Stranger(SocketAddr),
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives(Instant),
    /// A second copy of the one before.
    ArrivesAgain(Instant),
    Lost,
    /// The way is cut: nobody is told.
    Cut,
    /// Nobody listens there: the sender is told.
    Refused,
    /// No node has that address: nobody is told.
    NoHost,
}

/// The record of one run. Only the last `keep` entries stay; the digest is over all.
#[derive(Debug)]
pub struct Trace {
    names: Vec<String>,
    entries: VecDeque<Entry>,
    keep: usize,
    serial: u64,
    digest: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            entries: VecDeque::new(),
            keep: 100_000,
            serial: 0,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }
}

impl Trace {
    pub(super) fn add_node(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// For long runs: keeps only the last `keep` entries.
    pub fn keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    pub(super) fn push(&mut self, at: Instant, what: What) -> u64 {
        self.absorb(&at.as_micros().to_be_bytes());
        match &what {
            What::Datagram { from, to, data, fate, .. } => {
                self.absorb(data);
                self.absorb(format!("{from:?}{to}{fate:?}").as_bytes());
            }
            What::Note { text, .. } | What::Script { text, .. } => self.absorb(text.as_bytes()),
        }
        let serial = self.serial;
        self.serial += 1;
        self.entries.push_back(Entry { serial, at, what });
        if self.entries.len() > self.keep {
            self.entries.pop_front();
        }
        serial
    }

    /// FNV-1a: two runs are the same if their digests are.
    fn absorb(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many entries were ever made.
    pub fn len(&self) -> u64 {
        self.serial
    }

    pub fn name(&self, node: NodeId) -> &str {
        &self.names[node.0]
    }

    /// How many datagrams `node` sent that start with `text`: a method, or `SIP/2.0 200`.
    pub fn count_sent(&self, node: NodeId, text: &str) -> usize {
        let sent = |entry: &&Entry| match &entry.what {
            What::Datagram { from: Source::Node(from), data, fate, .. } => {
                *from == node && !matches!(fate, Fate::ArrivesAgain(_)) && data.starts_with(text.as_bytes())
            }
            _ => false,
        };
        self.entries().filter(sent).count()
    }

    /// The last `count` entries, a line each; long runs of keep-alives in between are shortened.
    pub fn tail(&self, count: usize) -> String {
        let mut lines = VecDeque::new();
        let mut entries = self.entries.iter().rev().peekable();
        while lines.len() < count
            && let Some(entry) = entries.next()
        {
            lines.push_front(self.line(entry));
            let mut left_out = 0;
            while is_options(entry) && entries.next_if(|next| is_options(next)).is_some() {
                left_out += 1;
            }
            if left_out > 0 {
                lines.push_front(format!("{:>12}  {left_out} more OPTIONS and answers", "..."));
            }
        }
        lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
    }

    fn line(&self, entry: &Entry) -> String {
        let at = clock(entry.at);
        match &entry.what {
            What::Datagram { from, to, node, data, fate } => {
                let from = match from {
                    Source::Node(node) => self.name(*node).to_owned(),
                    Source::Stranger(address) => address.to_string(),
                };
                let to = node.map_or_else(|| to.to_string(), |node| self.name(node).to_owned());
                let fate = match fate {
                    Fate::Arrives(_) => "",
                    Fate::ArrivesAgain(_) => "  (second copy)",
                    Fate::Lost => "  LOST",
                    Fate::Cut => "  CUT",
                    Fate::Refused => "  REFUSED",
                    Fate::NoHost => "  NO HOST",
                };
                format!("{at}  {from:>8} > {to:<8} {}{fate}", summary(data))
            }
            What::Note { node, text } => format!("{at}  {:>8}   {text}", self.name(*node)),
            What::Script { node, text } => {
                let name = node.map_or("", |node| self.name(node));
                format!("{at}  -------- {name} {text}")
            }
        }
    }
}

fn is_options(entry: &Entry) -> bool {
    let What::Datagram { data, .. } = &entry.what else { return false };
    let message = Message::parse(data.clone());
    message.is_ok_and(|message| message.head().cseq().is_ok_and(|cseq| cseq.method == "OPTIONS"))
}

/// `   12.345678`, seconds.
pub fn clock(at: Instant) -> String {
    format!("{:>12.6}", at.as_micros() as f64 / 1e6)
}

/// A datagram in one line: what it is, and what tells it from others.
pub fn summary(data: &Bytes) -> String {
    let Ok(message) = Message::parse(data.clone()) else {
        return format!("{} bytes that are no message", data.len());
    };
    let head = message.head();
    let branch = head.top_via().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
    let call_id = head.call_id().unwrap_or("-");
    match &message {
        Message::Request(request) => {
            let cseq = request.cseq().map_or(0, |cseq| cseq.number);
            format!("{} {}  [{cseq} {call_id} {branch}]", request.method_str(), request.uri_str())
        }
        Message::Response(response) => {
            let cseq = response.cseq().map_or_else(|_| "-".to_owned(), |cseq| cseq.to_string());
            format!("{} {}  [{cseq} {call_id} {branch}]", response.status(), response.reason())
        }
    }
}
