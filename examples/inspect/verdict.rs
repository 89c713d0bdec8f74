//! What is wrong with a message.

use crate::report;
use sip_survivability::headers::HeaderName;
use sip_survivability::message::{FieldError, Message, Request, Response};

/// What becomes of a message that could be parsed.
#[derive(Default)]
pub(crate) struct Verdict {
    /// The status that a request is answered with, if it is not fine.
    pub(crate) answer: Option<u16>,
    /// What is wrong: as the reason phrase of that answer, or with a response, which is then discarded.
    pub(crate) error: Option<String>,
}

pub(crate) fn of(message: &Message) -> Verdict {
    match message {
        Message::Request(request) => of_request(request),
        Message::Response(response) => Verdict { answer: None, error: of_response(response).err() },
    }
}

/// What a proxy answers before it looks for a target (RFC 3261 16.3).
fn of_request(request: &Request) -> Verdict {
    match request.validate() {
        Ok(()) => Verdict::default(),
        Err(fault) => Verdict { answer: Some(fault.status), error: Some(fault.reason) },
    }
}

/// Whether whoever sent the request could match the response and believe it (RFC 3261 8.1.3.3, 17.1.3, 18.3).
fn of_response(response: &Response) -> Result<(), String> {
    let text = |error: FieldError| error.to_string();
    response.top_via().map_err(text)?;
    response.vias().try_for_each(|via| via.map(drop)).map_err(text)?;
    response.from().map_err(text)?;
    response.to().map_err(text)?;
    response.call_id().map_err(text)?;
    response.cseq().map_err(text)?;
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        if response.all(name).nth(1).is_some() {
            return Err(format!("{name} stands there twice"));
        }
    }
    match report::number(response, HeaderName::ContentLength) {
        Some(length) if length > response.body().len() as u64 => {
            Err("the body is shorter than Content-Length says".into())
        }
        None if response.first(HeaderName::ContentLength).is_some() => {
            Err("Content-Length is no number".into())
        }
        Some(_) | None => Ok(()),
    }
}
