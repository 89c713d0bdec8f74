//! What is wrong with a message, and the status to answer a request with.
//!
//! Validation is a step of its own behind the parser: each role has a list of checks, in the order of the section that
//! asks for them, and [`Rules`] says what the element supports. Nothing is allocated where nothing is wrong.

mod defect;
mod fault;
mod proxy;
mod rules;
mod server;
mod syntax;

use super::{Essentials, Request, Response};
use crate::headers::{CSeq, HeaderName, Method, Via};
pub use defect::Defect;
pub use fault::Fault;
pub use rules::Rules;

/// A request under validation.
struct Check<'r> {
    request: &'r Request,
    rules: &'r Rules<'r>,
    read: &'r Essentials<'r>,
}

impl Check<'_> {
    /// Whether there is a header field `name` that asks for an extension, and it is to be judged. An ACK or CANCEL belongs to a request
    /// that was (RFC 3261 8.2.2.3).
    fn asks_by(&self, name: HeaderName) -> bool {
        let is_judged = !matches!(self.request.method(), Method::Ack | Method::Cancel);
        is_judged && self.rules.extensions.is_some() && self.read.has(name)
    }
}

/// One thing to look at.
type Step = fn(&Check<'_>) -> Result<(), Fault>;

impl Request {
    /// Checks what a proxy without extensions has to: [`validate_as`](Self::validate_as) with [`Rules::proxy`].
    ///
    /// # Errors
    /// The first [`Fault`], most basic first.
    pub fn validate(&self) -> Result<(), Fault> {
        self.validate_as(&Rules::proxy())
    }

    /// Checks the request by `rules`. An ACK that does not pass is to be dropped: nothing answers it (RFC 3261 8.2.1 and 17).
    ///
    /// # Errors
    /// The first [`Fault`], in the order of RFC 3261 16.3 for a proxy, 8.2 and 10.3 for servers.
    pub fn validate_as(&self, rules: &Rules<'_>) -> Result<(), Fault> {
        self.validate_read(rules, &Essentials::of(self))
    }

    /// The same for who has `read` it already.
    pub(crate) fn validate_read(&self, rules: &Rules<'_>, read: &Essentials<'_>) -> Result<(), Fault> {
        let check = Check { request: self, rules, read };
        rules.steps.iter().try_for_each(|step| step(&check))
    }

    /// Checks what no rules change: the header fields that every request has, and the form of those that decide where it goes.
    pub(super) fn check_form(&self) -> Result<(), Defect> {
        let check = Check { request: self, rules: &Rules::proxy(), read: &Essentials::of(self) };
        syntax::message(&check)?;
        syntax::request_uri(&check)
    }
}

impl Response {
    /// Checks what the response is matched and forwarded by: Via, From, To, Call-ID and CSeq, the version, the status, the body's length.
    /// One that does not pass is dropped (RFC 3261 8.1.3 and 18.1.2). Nobody can be told of its other faults, so there is no harm
    /// in them: a line that is no header field, for one.
    ///
    /// # Errors
    /// The first [`Defect`], most basic first.
    pub fn validate(&self) -> Result<(), Defect> {
        self.validate_below(None).map(drop)
    }

    /// The same for who has read the topmost Via. Gives the CSeq.
    pub(crate) fn validate_below(&self, top: Option<&Via<'_>>) -> Result<CSeq<'_>, Defect> {
        // RFC 3261 7.2: the version is SIP/2.0, and there are six classes.
        if !self.has_our_version() {
            return Err(Defect::Version);
        }
        if self.status() > 699 {
            return Err(Defect::StatusCode);
        }
        let vias = syntax::vias(self, top);
        let (from, to) = (self.from().map(drop), self.to().map(drop));
        syntax::identity(self, vias, from, to, self.call_id())?;
        let cseq = self.cseq()?;
        syntax::body(self)?;
        Ok(cseq)
    }
}

#[cfg(test)]
mod tests;
