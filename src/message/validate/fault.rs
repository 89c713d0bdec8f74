//! A refusal: the status, the phrase, and the header fields that go with them.

use super::Defect;
use crate::headers::HeaderName;
use crate::message::build::reason_phrase;
use crate::message::{FieldError, Request, ResponseBuilder};
use std::fmt;
use std::net::SocketAddr;

/// A reason to refuse a request, with the status, the phrase and the header fields of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}")]
#[non_exhaustive]
pub struct Fault {
    /// The status to answer with.
    pub status: u16,
    /// What is wrong, as a reason phrase.
    pub reason: String,
    fields: Vec<(HeaderName, String)>,
}

impl Fault {
    /// A refusal with the usual phrase of `status`.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self::because(status, reason_phrase(status))
    }

    /// A refusal with a phrase of its own.
    #[must_use]
    pub fn because(status: u16, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), fields: Vec::new() }
    }

    /// With a header field that the answer has to have.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    /// The header fields that the answer has to have: Unsupported of a 420, Allow of a 405, Accept of a 415.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, &str)> {
        self.fields.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The answer to `request`, which came from `source`, with all that is known of the fault.
    pub fn answer(&self, request: &Request, source: SocketAddr, tag: &str) -> ResponseBuilder {
        let response = ResponseBuilder::new(request, source, self.status, tag).reason(&self.reason);
        self.fields().fold(response, |response, (name, value)| response.header(name, value))
    }
}

impl From<Defect> for Fault {
    fn from(defect: Defect) -> Self {
        Self::because(400, defect.to_string())
    }
}

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        Defect::from(error).into()
    }
}
