//! The life of a call as one party saw it, with the time of each turn, to assert on.

use super::dialog::Dialog;
use super::transactions::ServerKey;
use bytes::Bytes;
use sip_survivability::message::Request;
use sip_survivability::time::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Names a call of one party; a handle into its list of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallRef(pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// INVITE sent (caller) or come (callee).
    Calling,
    /// Some provisional response has come.
    Proceeding,
    /// 180 has come, or was sent.
    Ringing,
    /// The callee has answered and waits for the ACK.
    Answered,
    /// Both sides know of each other: they talk.
    Up,
    /// BYE or CANCEL is under way.
    Ending,
    Ended(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A final response of 300 and above, sent or come.
    Refused(u16),
    /// No final response within 32 s.
    TimedOut,
    /// ICMP: nobody listens there.
    Unreachable,
    /// We hung up, and this is how the BYE was answered; `None` if it was not.
    HungUp(Option<u16>),
    /// The peer hung up.
    ByPeer,
    /// The caller gave up before an answer (487).
    Cancelled,
    /// The callee answered, and no ACK came.
    NoAck,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    Callee,
}

#[derive(Debug)]
pub struct Call {
    pub side: Side,
    pub call_id: String,
    /// The Request-URI's user as it was sent or came.
    pub number: String,
    /// The state, and when it was entered.
    pub life: Vec<(Instant, CallState)>,
    pub dialog: Option<Dialog>,
    pub bye: Option<Bye>,
    /// The methods of the requests that the peer sent within the call, BYE and ACK apart.
    pub requests_within: Vec<String>,
    pub(super) cancel_wanted: bool,
    pub(super) bye_wanted: bool,
    /// The ACKs sent, by the number of their INVITE, and where they went.
    pub(super) acks: BTreeMap<u32, (Bytes, SocketAddr)>,
    /// The ACKs to those who answered second, by their tags.
    pub(super) declined: BTreeMap<String, Bytes>,
    pub(super) incoming: Option<Incoming>,
}

/// The BYE that this party sent.
#[derive(Clone, Copy, Debug)]
pub struct Bye {
    pub sent: Instant,
    pub answered: Option<(Instant, u16)>,
}

/// What the callee keeps while it rings.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) invite: Request,
    pub(super) from: SocketAddr,
    pub(super) key: ServerKey,
    pub(super) tag: String,
    pub(super) answer_at: Option<Instant>,
}

impl Call {
    pub(super) fn new(side: Side, call_id: &str, number: &str, now: Instant) -> Self {
        Self {
            side,
            call_id: call_id.to_owned(),
            number: number.to_owned(),
            life: vec![(now, CallState::Calling)],
            dialog: None,
            bye: None,
            requests_within: Vec::new(),
            cancel_wanted: false,
            bye_wanted: false,
            acks: BTreeMap::new(),
            declined: BTreeMap::new(),
            incoming: None,
        }
    }

    pub fn state(&self) -> CallState {
        self.life.last().expect("a call begins in a state").1
    }

    pub(super) fn turn(&mut self, now: Instant, state: CallState) {
        if self.state() != state && !self.is_over() {
            self.life.push((now, state));
        }
    }

    pub fn is_up(&self) -> bool {
        self.state() == CallState::Up
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state(), CallState::Ended(_))
    }

    pub fn started(&self) -> Instant {
        self.life[0].0
    }

    /// When it first was in `state`.
    pub fn entered(&self, state: CallState) -> Option<Instant> {
        self.life.iter().find(|(_, at_that)| *at_that == state).map(|(at, _)| *at)
    }

    /// From its start to `state`.
    pub fn took(&self, state: CallState) -> Option<Duration> {
        self.entered(state).map(|at| at - self.started())
    }
}
