//! What is wrong with a message.

use sip_survivability::message::{Message, Request};

/// What becomes of a message that could be parsed.
#[derive(Default)]
pub(crate) struct Verdict {
    /// The status that a request is answered with, if it is not fine.
    pub(crate) answer: Option<u16>,
    /// What is wrong: as the reason phrase of that answer, or with a response, which nobody could match (RFC 3261 17.1.3) and
    /// which is then discarded.
    pub(crate) error: Option<String>,
}

pub(crate) fn of(message: &Message) -> Verdict {
    match message {
        Message::Request(request) => of_request(request),
        Message::Response(response) => {
            Verdict { answer: None, error: response.validate().err().map(|defect| defect.to_string()) }
        }
    }
}

/// What a proxy answers before it looks for a target (RFC 3261 16.3).
fn of_request(request: &Request) -> Verdict {
    match request.validate() {
        Ok(()) => Verdict::default(),
        Err(fault) => Verdict { answer: Some(fault.status), error: Some(fault.reason) },
    }
}
