//! Digest authentication, both sides of it (RFC 3261 section 22, RFC 7616, RFC 8760).
//!
//! [`Authenticator`] is the server's: it challenges, checks what comes back, and confirms. It knows no password, only [`Ha1`]s
//! that its caller looks up; it remembers no challenge, since a nonce says by itself when and for whom it was made; and what
//! it remembers, the nonces in use, is bounded. [`Session`] is the client's.
//!
//! ```
//! use sip_survivability::auth::{Authenticator, Ha1, Policy, Role, Session, Verdict};
//! use sip_survivability::headers::Auth;
//! use sip_survivability::message::Message;
//! use sip_survivability::rng::Token;
//! use sip_survivability::time::Instant;
//!
//! let mut server = Authenticator::new(Policy::new("biloxi.example".parse()?), [7; 32]);
//! let (now, source) = (Instant::ZERO, "192.0.2.4".parse()?);
//! let mut check = |line: &str| {
//!     let text = format!("REGISTER sip:biloxi.example SIP/2.0\r\n{line}\r\n\r\n");
//!     let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
//!     let users = |user: &str, algorithm| {
//!         (user == "bob").then(|| Ha1::new(algorithm, "bob", "biloxi.example", "zanzibar"))
//!     };
//!     match server.check(now, Role::Server, &request, source, users) {
//!         Verdict::Accepted(accepted) => accepted.user().to_owned(),
//!         Verdict::Challenge(unproven) => {
//!             server.challenges(now, source, unproven).next().map_or_else(String::new, |first| first.to_string())
//!         }
//!         Verdict::Refused(improper) => improper.to_string(),
//!     }
//! };
//!
//! let challenge = check("Max-Forwards: 70");
//! let password = |realm: &str, algorithm| Some(Ha1::new(algorithm, "bob", realm, "zanzibar"));
//! let mut client = Session::open(Auth::parse(&challenge), "bob", password, Token::of(42)).ok_or("no answer")?;
//! let credentials = client.answer("REGISTER", "sip:biloxi.example", b"");
//! assert_eq!(check(&format!("Authorization: {credentials}")), "bob");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is decided where the standards leave it open
//!
//! * A wrong password and an unknown user get the same challenge after the same work; never a 403, which RFC 3261 22.1 allows and which
//!   tells a phone to give up.
//! * `stale=true` means that the password was right, as RFC 2617 3.2.1 had it, whatever was wrong with the nonce: a phone that
//!   answers with a nonce of another server of the same realm tries again without asking its user.
//! * A nonce is good for one source address, whatever the port: a NAT may change that between two requests.
//! * A user's name is looked up as it stands in the credentials. `bob@biloxi.example` is another user than `bob`, since A1 has the
//!   name in it (RFC 7616 3.4.2).
//! * Case of a response's digits, quotes where there should be none, and white space are as they come: what is hashed is unambiguous.

mod algorithm;
mod authenticator;
mod challenge;
mod credentials;
mod nonce;
mod proof;
mod replay;
mod session;

pub use algorithm::{Algorithm, Hex};
pub use authenticator::{Accepted, Authenticator, DigestUri, Policy, Unproven, Verdict};
pub use challenge::{Challenge, Realm, RealmError, Role};
pub use credentials::Improper;
pub use nonce::Nonce;
pub use proof::{Ha1, Proof, Protection};
pub use session::Session;

#[cfg(test)]
mod tests;
