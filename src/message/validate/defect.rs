//! What breaks the grammar, or what every message must have, in words fit for a reason phrase.

use crate::headers::HeaderName;
use crate::message::FieldError;

/// What is wrong with a message, whoever reads it: a request is answered 400 for it, a response is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// A start line with other white space than its two single spaces.
    #[error("Bad Start Line")]
    StartLine,
    /// Another version than SIP/2.0 (RFC 3261 7.2). A request is answered 505 for it.
    #[error("Bad SIP Version")]
    Version,
    /// A status code above 699 (RFC 3261 7.2).
    #[error("Bad Status Code")]
    StatusCode,
    /// A line that is no header field, or one of a name that is not known and with a control character in it.
    #[error("Bad Header Field")]
    HeaderLine,
    /// More header fields than the limit.
    #[error("Too Many Header Fields")]
    TooMany,
    /// More bytes in one header field than the limit.
    #[error("Header Field Too Long")]
    TooLong,
    /// A header field that every message has, and this one has not.
    #[error("Missing {0} Header Field")]
    Missing(HeaderName),
    /// One that cannot be read, or has a carriage return that ends no line.
    #[error("Bad {0} Header Field")]
    Malformed(HeaderName),
    /// One that a message has once (RFC 3261 7.3.1 and table 2).
    #[error("Repeated {0} Header Field")]
    Repeated(HeaderName),
    /// Its method is not that of the request.
    #[error("CSeq Method Differs From Request")]
    CSeqMethod,
    /// The datagram ends before the body does.
    #[error("Body Shorter Than Content-Length")]
    Cut,
    /// It is no URI.
    #[error("Bad Request-URI")]
    RequestUri,
    /// A Request-URI has no header fields (RFC 3261 19.1.1, table 1).
    #[error("Header Fields In Request-URI")]
    UriHeaders,
    /// A parameter must not be there twice (RFC 3261 19.1.1).
    #[error("Repeated URI Parameter")]
    RepeatedParameter,
    /// More parameters of the Request-URI than anybody has.
    #[error("Too Many URI Parameters")]
    TooManyParameters,
    /// A multipart body whose parts nothing tells apart (RFC 2046 5.1.1).
    #[error("Bad Multipart Body")]
    Multipart,
}

impl From<FieldError> for Defect {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Missing(name) => Self::Missing(name),
            FieldError::Malformed { name, .. } => Self::Malformed(name),
        }
    }
}
