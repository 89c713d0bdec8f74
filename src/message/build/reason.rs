//! Reason phrases (RFC 3261 section 21 and later).

/// Declares the usual ones: status and phrase.
macro_rules! phrases {
    ($($status:literal $phrase:literal;)*) => {
        /// The usual one of a status.
        pub(in crate::message) const fn reason_phrase(status: u16) -> &'static str {
            match status {
                $($status => $phrase,)*
                _ => class_phrase(status),
            }
        }

        /// The Status-Line with it, if the status has one of its own.
        pub(super) const fn usual_status_line(status: u16) -> Option<&'static str> {
            Some(match status {
                $($status => concat!("SIP/2.0 ", $status, " ", $phrase, "\r\n"),)*
                _ => return None,
            })
        }
    };
}

phrases! {
    100 "Trying";
    180 "Ringing";
    181 "Call Is Being Forwarded";
    183 "Session Progress";
    200 "OK";
    202 "Accepted";
    400 "Bad Request";
    401 "Unauthorized";
    403 "Forbidden";
    404 "Not Found";
    405 "Method Not Allowed";
    406 "Not Acceptable";
    407 "Proxy Authentication Required";
    408 "Request Timeout";
    410 "Gone";
    413 "Request Entity Too Large";
    414 "Request-URI Too Long";
    415 "Unsupported Media Type";
    416 "Unsupported URI Scheme";
    420 "Bad Extension";
    421 "Extension Required";
    423 "Interval Too Brief";
    430 "Flow Failed";
    439 "First Hop Lacks Outbound Support";
    440 "Max-Breadth Exceeded";
    480 "Temporarily Unavailable";
    481 "Call/Transaction Does Not Exist";
    482 "Loop Detected";
    483 "Too Many Hops";
    486 "Busy Here";
    487 "Request Terminated";
    488 "Not Acceptable Here";
    489 "Bad Event";
    491 "Request Pending";
    493 "Undecipherable";
    500 "Server Internal Error";
    501 "Not Implemented";
    502 "Bad Gateway";
    503 "Service Unavailable";
    504 "Server Time-out";
    505 "Version Not Supported";
    513 "Message Too Large";
    600 "Busy Everywhere";
    603 "Decline";
    604 "Does Not Exist Anywhere";
}

const fn class_phrase(status: u16) -> &'static str {
    match status {
        ..=199 => "Progress",
        200..=299 => "Success",
        300..=399 => "Redirection",
        400..=499 => "Request Failure",
        500..=599 => "Server Failure",
        600.. => "Global Failure",
    }
}
