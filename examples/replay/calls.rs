//! Calls, as those saw them who made them: by the answers that left the core.

use crate::traffic::{Passed, Way};
use sip_survivability::message::Message;
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::collections::HashMap;

/// What shares the Call-ID of an INVITE outside a dialog.
pub(crate) struct Call {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) placed: Instant,
    /// The state in which it was placed.
    pub(crate) state: State,
    pub(crate) is_emergency_number: bool,
    answered: Option<(Instant, u32)>,
    /// The latest refusal of the INVITE.
    refused: Option<(Instant, u16)>,
    /// 2xx to a re-INVITE or an UPDATE.
    renegotiated: Vec<Instant>,
    /// 2xx to BYE.
    hung_up: Option<Instant>,
    /// Another answer to BYE.
    lost: Option<(Instant, u16)>,
}

/// What became of a call that was up at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    HungUp(Instant),
    Renegotiated(Instant),
    /// Its BYE was refused, or nobody took it.
    Lost(Instant, u16),
    /// The journal says nothing more of it.
    Unknown,
}

/// How the attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered(Instant),
    Refused(Instant, u16),
    Pending,
}

impl Call {
    pub(crate) fn is_up_at(&self, at: Instant) -> bool {
        let over = self.hung_up.or_else(|| self.lost.map(|(at, _)| at));
        self.answered.is_some_and(|(answered, _)| answered <= at) && over.is_none_or(|over| over > at)
    }

    pub(crate) fn fate_after(&self, cut: Instant) -> Fate {
        let renegotiated = self.renegotiated.iter().find(|at| **at > cut);
        match (self.hung_up, self.lost, renegotiated) {
            (Some(at), _, _) => Fate::HungUp(at),
            (None, Some((at, status)), _) => Fate::Lost(at, status),
            (None, None, Some(at)) => Fate::Renegotiated(*at),
            (None, None, None) => Fate::Unknown,
        }
    }

    pub(crate) fn end(&self) -> End {
        match (self.answered, self.refused) {
            (Some((at, _)), _) => End::Answered(at),
            (None, Some((at, status))) => End::Refused(at, status),
            (None, None) => End::Pending,
        }
    }
}

/// All calls, in the order in which they were placed.
#[derive(Default)]
pub(crate) struct Calls {
    all: Vec<Call>,
    by_id: HashMap<String, usize>,
}

impl Calls {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.all.iter()
    }

    pub(crate) fn note(&mut self, passed: &Passed, state: State, emergency_numbers: &[String]) {
        let head = passed.message.head();
        let (Ok(id), Ok(cseq)) = (head.call_id(), head.cseq()) else { return };
        match (&passed.message, passed.way) {
            (Message::Request(request), Way::Received) if request.method_str() == "INVITE" => {
                if head.to_tag().is_some() || self.by_id.contains_key(id) {
                    return;
                }
                self.by_id.insert(id.to_owned(), self.all.len());
                let dialled = request.uri().ok().and_then(|uri| uri.user());
                self.all.push(Call {
                    from: head.from().map_or_else(|_| String::new(), |from| from.uri.as_str().to_owned()),
                    to: request.uri_str().to_owned(),
                    placed: passed.at,
                    state,
                    is_emergency_number: emergency_numbers.iter().any(|number| dialled == Some(number)),
                    answered: None,
                    refused: None,
                    renegotiated: Vec::new(),
                    hung_up: None,
                    lost: None,
                });
            }
            (Message::Response(response), Way::Sent) => {
                let Some(call) = self.by_id.get(id).and_then(|index| self.all.get_mut(*index)) else {
                    return;
                };
                let (at, status) = (passed.at, response.status());
                match (cseq.method, status) {
                    // What asks for a password ends nothing.
                    (_, ..200 | 401 | 407) => {}
                    ("INVITE", 200..300) => match call.answered {
                        None => call.answered = Some((at, cseq.number)),
                        Some((_, first)) if first != cseq.number => call.renegotiated.push(at),
                        Some(_) => {}
                    },
                    ("INVITE", _) => call.refused = Some((at, status)),
                    ("UPDATE", 200..300) => call.renegotiated.push(at),
                    ("BYE", 200..300) => call.hung_up = call.hung_up.or(Some(at)),
                    ("BYE", _) => call.lost = call.lost.or(Some((at, status))),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
