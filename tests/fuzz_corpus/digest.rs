//! Digest authentication, from both sides.

use sip_survivability::auth::{Authenticator, Ha1, Policy, Role, Session, Verdict};
use sip_survivability::headers::{Auth, AuthParams};
use sip_survivability::message::Message;
use sip_survivability::rng::Token;
use sip_survivability::time::Instant;

const REALM: &str = "biloxi.example";
const URI: &str = "sip:carol@biloxi.example";

/// A value of Authorization, or one of WWW-Authenticate.
pub fn digest(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    credentials(text);
    challenge(text);
}

/// Credentials, some of which bob has made: what is accepted is his, is confirmed, and is not accepted again.
fn credentials(text: &str) {
    let text = text.lines().next().unwrap_or_default();
    let request = format!("INVITE {URI} SIP/2.0\r\nAuthorization: {text}\r\n\r\n");
    let Ok(Message::Request(request)) = Message::parse(request) else { return };
    let (now, source) = (Instant::from_secs(1000), "192.0.2.4".parse().unwrap());
    let mut server = Authenticator::new(Policy::new(REALM.parse().unwrap()), [7; 32]);
    let check = |server: &mut Authenticator| {
        let bob =
            |user: &str, algorithm| (user == "bob").then(|| Ha1::new(algorithm, "bob", REALM, "zanzibar"));
        match server.check(now, Role::Server, &request, source, bob) {
            Verdict::Accepted(accepted) => {
                assert_eq!(accepted.user(), "bob");
                let info = server.confirm(now, source, &accepted, b"");
                assert!(info.is_none_or(|info| AuthParams::parse(&info).unwrap().text("rspauth").is_some()));
                true
            }
            Verdict::Challenge(unproven) => {
                assert_eq!(server.challenges(now, source, unproven).count(), 2);
                false
            }
            Verdict::Refused(improper) => {
                assert!(improper.to_string().is_ascii());
                false
            }
        }
    };
    check(&mut server);
    assert!(!check(&mut server), "a replay: {text}");
    assert!(server.remembered() <= 1);
}

/// A challenge: what answers it can be read, and is for the same realm and nonce.
fn challenge(text: &str) {
    let Ok(challenge) = Auth::parse(text) else { return };
    let password = |realm: &str, algorithm| Some(Ha1::new(algorithm, "b\"o\\b", realm, "zanzibar"));
    let Some(mut session) = Session::open([challenge], "b\"o\\b", password, Token::of(7)) else { return };
    let answer = session.answer("INVITE", URI, b"");
    let answer = Auth::parse(&answer).unwrap();
    assert_eq!(answer.username().unwrap(), "b\"o\\b");
    assert_eq!((answer.realm(), answer.nonce()), (challenge.realm(), challenge.nonce()));
    assert_eq!(answer.algorithm(), challenge.algorithm());
    assert_eq!(answer.opaque(), challenge.opaque());
}
