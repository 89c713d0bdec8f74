//! What is wrong with a request, and the status to answer it with (RFC 3261 8.2 and 16.3).

use super::build::reason_phrase;
use super::{FieldError, Request};
use crate::headers::{HeaderName, Method};

/// A reason to refuse a request, with the status and the phrase of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}")]
#[non_exhaustive]
pub struct Fault {
    /// The status to answer with.
    pub status: u16,
    /// What is wrong, as a reason phrase.
    pub reason: String,
}

impl Fault {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, reason: reason_phrase(status).to_owned() }
    }

    fn bad(what: impl Into<String>) -> Self {
        Self { status: 400, reason: what.into() }
    }
}

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Missing(name) => Self::bad(format!("Missing {name} Header Field")),
            FieldError::Malformed { name, .. } => Self::bad(format!("Bad {name} Header Field")),
        }
    }
}

/// Header fields that a message has once (RFC 3261 7.3.1 and table 2).
const SINGLE: [HeaderName; 6] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentLength,
];

impl Request {
    /// Checks what every element has to rely on: RFC 3261 16.3 steps 1 and 3, and the header fields of 8.1.1.
    ///
    /// # Errors
    /// The first [`Fault`], most basic first.
    pub fn validate(&self) -> Result<(), Fault> {
        if !self.version().eq_ignore_ascii_case("SIP/2.0") {
            return Err(Fault::new(505));
        }
        if self.malformed_line().is_some() {
            return Err(Fault::bad("Bad Header Field"));
        }
        // A CR that ends no line ends one for some implementations, which would see a header field that we do not.
        if self.headers().any(|header| has_bare_cr(header.value_bytes())) {
            return Err(Fault::bad("Bad Header Field"));
        }
        for via in self.vias() {
            via?;
        }
        self.top_via()?;
        self.from()?;
        self.to()?;
        self.call_id()?;
        for name in SINGLE {
            if self.all(name).nth(1).is_some() {
                return Err(Fault::bad(format!("Repeated {name} Header Field")));
            }
        }
        if self.cseq()?.method != self.method_str() {
            return Err(Fault::bad("CSeq Method Differs From Request"));
        }
        let length = self.value_of(HeaderName::ContentLength);
        if length.is_some_and(|length| crate::headers::number::digits(length).is_none()) {
            return Err(Fault::bad("Bad Content-Length Header Field"));
        }
        if self.is_cut() {
            return Err(Fault::bad("Body Shorter Than Content-Length"));
        }
        let Ok(uri) = self.uri() else {
            return Err(Fault::bad("Bad Request-URI"));
        };
        for name in [HeaderName::Route, HeaderName::RecordRoute] {
            for address in self.addresses(name) {
                address?;
            }
        }
        if matches!(self.method(), Method::Register | Method::Invite) {
            for contact in self.contacts() {
                contact?;
            }
        }
        // 16.3 step 2, which the standard puts before Max-Forwards.
        if !uri.is_sip() && !matches!(uri.scheme(), crate::uri::Scheme::Tel) {
            return Err(Fault::new(416));
        }
        // 16.3 step 3. OPTIONS is answered by whoever it reaches (11.2), which the caller sees to.
        if self.max_forwards()? == Some(0) && self.method() != Method::Options {
            return Err(Fault::new(483));
        }
        Ok(())
    }
}

fn has_bare_cr(value: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', value).any(|at| value.get(at + 1) != Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    const GOOD: &str = "OPTIONS sip:h SIP/2.0\r\n\
        Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\n\
        From: <sip:a@h>;tag=1\r\n\
        To: <sip:b@h>\r\n\
        Call-ID: x\r\n\
        CSeq: 1 OPTIONS\r\n\
        Content-Length: 0\r\n\r\n";

    fn fault(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
        request.validate().map_or_else(|fault| fault.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_good_request_passes() {
        assert_eq!(fault("", ""), "fine");
    }

    #[test]
    fn each_fault_has_its_status_and_says_what_is_wrong() {
        assert_eq!(fault("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), "505 Version Not Supported");
        assert_eq!(fault("Call-ID: x\r\n", ""), "400 Missing Call-ID Header Field");
        assert_eq!(fault("Call-ID: x", "no colon here"), "400 Bad Header Field");
        assert_eq!(fault("Call-ID: x", "Call-ID: x\r\nSubject: a\rEvil: b"), "400 Bad Header Field");
        assert_eq!(fault("Call-ID: x", "Call-ID: x\r\nSubject: a\r\n b"), "fine");
        assert_eq!(fault("<sip:a@h>", "<sip:a@h"), "400 Bad From Header Field");
        assert_eq!(fault("To: <sip:b@h>", "To: <sip:b@h>\r\nt: <sip:c@h>"), "400 Repeated To Header Field");
        assert_eq!(fault("1 OPTIONS", "1 INVITE"), "400 CSeq Method Differs From Request");
        assert_eq!(fault("Content-Length: 0", "Content-Length: 5"), "400 Body Shorter Than Content-Length");
        assert_eq!(fault("Content-Length: 0", "Content-Length: -5"), "400 Bad Content-Length Header Field");
        assert_eq!(fault("OPTIONS sip:h SIP", "OPTIONS sip:h; x SIP"), "400 Bad Request-URI");
        assert_eq!(fault("OPTIONS sip:h", "OPTIONS nobody:h"), "416 Unsupported URI Scheme");
        assert_eq!(fault("Max-Forwards: 70", "Max-Forwards: 300"), "400 Bad Max-Forwards Header Field");
        assert_eq!(fault("Via: SIP/2.0/UDP a", "Via: SIP/2.0/UDP"), "400 Bad Via Header Field");
        assert_eq!(fault("Via", "Vib"), "400 Missing Via Header Field");
        assert_eq!(fault("Max-Forwards: 70", "Max-Forwards: 0"), "fine");
        assert_eq!(fault("Max-Forwards: 70", "Route: <x"), "400 Bad Route Header Field");
    }

    #[test]
    fn no_hop_left_is_483_except_for_options() {
        let text = GOOD.replace("OPTIONS", "INFO").replace("Max-Forwards: 70", "Max-Forwards: 0");
        let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
        assert_eq!(request.validate(), Err(Fault::new(483)));
    }
}
