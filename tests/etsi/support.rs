//! What several groups of purposes need.

use crate::rig::*;
use sip_survivability::auth::{Algorithm, Ha1, Session};
use sip_survivability::config::{Authentication, Settings, User};
use sip_survivability::headers::Auth;
use sip_survivability::rng::Token;

pub(crate) const BOB_URI: &str = "sip:bob@office.example";
pub(crate) const REALM: &str = "office.example";

/// A branch in the normal state where alice and bob are registered.
pub(crate) fn branch() -> Rig {
    let mut rig = Rig::new();
    rig.bind("alice", ALICE);
    rig.bind("bob", BOB);
    rig
}

/// The same in the emergency state, where we are the proxy that forwards to bob.
pub(crate) fn served() -> Rig {
    let mut rig = branch();
    rig.cut();
    rig.run(secs(7));
    rig
}

/// A call of alice's to bob, and the INVITE that reached him.
pub(crate) fn calling() -> (Rig, String, Sent) {
    let mut rig = served();
    let call = request("INVITE", BOB_URI, "call");
    let sent = rig.feed(ALICE, call.clone());
    let invite = one(&sent, &format!("INVITE {BOB}")).clone();
    (rig, call, invite)
}

/// A request of alice's that is no INVITE, and what reached bob of it.
pub(crate) fn asking() -> (Rig, String, Sent) {
    let mut rig = served();
    let text = request("MESSAGE", BOB_URI, "text");
    let sent = rig.feed_one(ALICE, text.clone());
    assert_eq!(sent.brief(), format!("MESSAGE {BOB}"));
    (rig, text, sent)
}

/// A call to bob at `n` phones at once; the INVITEs in their order.
pub(crate) fn forked(n: usize) -> (Rig, String, Vec<(String, Sent)>) {
    let mut rig = Rig::new();
    let phones: Vec<String> = (0..n).map(|i| format!("10.0.1.{}:5060", i + 1)).collect();
    for phone in &phones {
        rig.bind_as("bob", phone, &format!("<sip:bob@{phone}>"));
    }
    rig.cut();
    rig.run(secs(7));
    let call = request("INVITE", BOB_URI, "fork");
    let sent = rig.feed(ALICE, call.clone());
    let invites = phones.into_iter().map(|phone| {
        let invite = one(&sent, &format!("INVITE {phone}")).clone();
        (phone, invite)
    });
    let invites = invites.collect();
    (rig, call, invites)
}

fn ha1(user: &str, algorithm: Algorithm) -> Ha1 {
    Ha1::new(algorithm, user, REALM, &format!("{user}'s secret"))
}

/// alice, bob and carol have passwords.
pub(crate) fn guarded(settings: &mut Settings) {
    let user = |name: &str| User {
        name: name.to_owned(),
        ha1: [Algorithm::Md5, Algorithm::Sha256].map(|a| ha1(name, a)).into(),
    };
    let users = ["alice", "bob", "carol"].map(user).into();
    settings.auth = Some(Authentication::new(REALM.parse().unwrap(), users));
}

/// The credentials with which `user` answers `challenge`, or with which somebody does who has the password `secret`.
pub(crate) fn credentials(
    challenge: &Sent,
    user: &str,
    method: &str,
    uri: &str,
    secret: Option<&str>,
) -> String {
    let field = if challenge.brief().starts_with("401") { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let challenges = challenge.all(field).into_iter().map(|text| Auth::parse(text).unwrap());
    let key = |_: &str, algorithm| {
        Some(secret.map_or_else(|| ha1(user, algorithm), |secret| Ha1::new(algorithm, user, REALM, secret)))
    };
    Session::open(challenges, user, key, Token::of(1)).unwrap().answer(method, uri, b"")
}
