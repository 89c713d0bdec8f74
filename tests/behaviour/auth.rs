//! Digest credentials: who is let in while the branch serves itself (`sas.md` 7.6, RFC 3261 section 22, RFC 7616, RFC 8760).

use crate::rig::*;
use sip_survivability::Notice;
use sip_survivability::auth::{Algorithm, Ha1, Session};
use sip_survivability::config::{Authentication, Settings, User};
use sip_survivability::headers::{Auth, AuthParams};
use sip_survivability::mode::State;
use sip_survivability::rng::Token;

const REALM: &str = "office.example";

fn ha1(user: &str, algorithm: Algorithm) -> Ha1 {
    Ha1::new(algorithm, user, REALM, &format!("{user}'s secret"))
}

fn user(name: &str) -> User {
    User { name: name.to_owned(), ha1: [Algorithm::Md5, Algorithm::Sha256].map(|a| ha1(name, a)).into() }
}

fn guarded(settings: &mut Settings) {
    let users = ["alice", "bob", "carol"].map(user).into();
    settings.auth = Some(Authentication::new(REALM.parse().unwrap(), users));
}

fn reg(cseq: u32, line: &str) -> String {
    register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n{line}"), cseq)
}

fn session(challenged: &Sent, user: &str) -> Session {
    let field = if challenged.brief().starts_with("401") { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let challenges = challenged.all(field).into_iter().map(|text| Auth::parse(text).unwrap());
    Session::open(challenges, user, |_, algorithm| Some(ha1(user, algorithm)), Token::of(1)).unwrap()
}

fn is_stale(challenged: &Sent) -> bool {
    let all = [challenged.all("WWW-Authenticate"), challenged.all("Proxy-Authenticate")].concat();
    all.iter().all(|text| Auth::parse(text).unwrap().is_stale())
}

fn authorization(session: &mut Session) -> String {
    format!("Authorization: {}\r\n", session.answer("REGISTER", "sip:office.example", b""))
}

/// A branch in emergency, and bob, who has been challenged once.
fn challenged() -> (Rig, Session) {
    let mut rig = Rig::lost_with(guarded);
    let challenge = rig.feed_one(BOB, reg(1, ""));
    let session = session(&challenge, "bob");
    (rig, session)
}

fn rejections(rig: &Rig) -> Vec<(u16, &str)> {
    let mut all = Vec::new();
    for notice in &rig.notices {
        if let Notice::RequestRejected { status, reason, .. } = notice {
            all.push((*status, &**reason));
        }
    }
    all
}

#[test]
fn a_register_is_challenged_strongest_first_and_taken_with_the_password() {
    let mut rig = Rig::lost_with(guarded);
    let challenge = rig.feed_one(BOB, reg(1, ""));
    assert_eq!(challenge.line(), "SIP/2.0 401 Unauthorized");
    let algorithms: Vec<_> = challenge
        .all("WWW-Authenticate")
        .into_iter()
        .map(|text| Auth::parse(text).unwrap().algorithm().into_owned())
        .collect();
    assert_eq!(algorithms, ["SHA-256", "MD5"]);
    assert_eq!((rig.sas.registrar().len(), rejections(&rig)), (0, vec![]));
    let mut bob = session(&challenge, "bob");
    let ok = rig.feed_one(BOB, reg(2, &authorization(&mut bob)));
    assert_eq!((ok.brief(), rig.sas.registrar().len()), (format!("200 {BOB}"), 1));
    let info = AuthParams::parse(ok.header("Authentication-Info")).unwrap();
    assert!(bob.on_info(&info, "sip:office.example", b""), "the branch knows the password too");
    // The next refresh needs no challenge.
    assert_eq!(rig.feed_one(BOB, reg(3, &authorization(&mut bob))).brief(), format!("200 {BOB}"));
    rig.drain();
}

#[test]
fn in_normal_nothing_is_challenged_and_credentials_pass_untouched() {
    let mut rig = Rig::with(guarded);
    let line = "Authorization: Digest username=\"bob\", realm=\"office.example\", nonce=\"of the proxy\"\r\n";
    let relayed = rig.feed_one(BOB, reg(1, line));
    assert_eq!(relayed.brief(), format!("REGISTER {PROXY}"));
    assert!(relayed.text.contains(line));
    let line = line.replace("Authorization", "Proxy-Authorization");
    let invite = with(&request("INVITE", "sip:bob@office.example", "c1"), line.trim_end());
    let sent = rig.feed(ALICE, invite);
    assert!(
        one(&sent, &format!("INVITE {PROXY}")).text.contains(&line),
        "toward the proxy, whose realm it may be"
    );
}

#[test]
fn without_users_nobody_is_challenged() {
    let mut rig = Rig::lost();
    assert_eq!(rig.feed_one(BOB, reg(1, "")).brief(), format!("200 {BOB}"));
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_challenged_alike_and_told() {
    let (mut rig, _) = challenged();
    for (cseq, name, password_of) in [(2, "bob", "carol"), (4, "mallory", "mallory")] {
        let challenge = rig.feed_one(BOB, reg(cseq, ""));
        let challenges = challenge.all("WWW-Authenticate").into_iter().map(|text| Auth::parse(text).unwrap());
        let secret = |realm: &str, algorithm| {
            Some(Ha1::new(algorithm, name, realm, &format!("{password_of}'s secret")))
        };
        let mut wrong = Session::open(challenges, name, secret, Token::of(1)).unwrap();
        let again = rig.feed_one(BOB, reg(cseq + 1, &authorization(&mut wrong)));
        assert_eq!((again.brief(), is_stale(&again)), (format!("401 {BOB}"), false));
    }
    assert_eq!(rejections(&rig), [(401, "Wrong Credentials"); 2]);
    assert_eq!(rig.sas.registrar().len(), 0);
}

#[test]
fn an_old_nonce_is_stale_and_the_next_one_opens() {
    let (mut rig, mut bob) = challenged();
    rig.run(secs(301));
    let stale = rig.feed_one(BOB, reg(2, &authorization(&mut bob)));
    assert_eq!((stale.brief(), is_stale(&stale)), (format!("401 {BOB}"), true));
    let mut bob = session(&stale, "bob");
    assert_eq!(rig.feed_one(BOB, reg(3, &authorization(&mut bob))).brief(), format!("200 {BOB}"));
}

#[test]
fn what_was_overheard_opens_nothing() {
    let (mut rig, mut bob) = challenged();
    let line = authorization(&mut bob);
    rig.feed(BOB, reg(2, &line));
    let replayed = rig.feed_one(BOB, reg(3, &line));
    assert_eq!((replayed.brief(), is_stale(&replayed)), (format!("401 {BOB}"), true));
    // Before its owner could use it, from elsewhere.
    let line = authorization(&mut bob);
    let contact = format!("Contact: <sip:bob@{MALLORY}>\r\n{line}");
    let stolen = rig.feed_one(MALLORY, register("bob", MALLORY, &contact, 1));
    assert_eq!((stolen.brief(), is_stale(&stolen)), (format!("401 {MALLORY}"), true));
    assert_eq!(rig.feed_one(BOB, reg(4, &line)).brief(), format!("200 {BOB}"));
}

#[test]
fn a_retransmission_is_no_replay() {
    let (mut rig, mut bob) = challenged();
    let text = reg(2, &authorization(&mut bob));
    let first = rig.feed_one(BOB, text.clone());
    assert_eq!(first.brief(), format!("200 {BOB}"));
    assert_eq!(rig.feed_one(BOB, text).text, first.text);
}

/// RFC 3261 10.3 step 4.
#[test]
fn a_user_registers_itself_and_nobody_else_unless_the_site_says_so() {
    for (own_name_only, status) in [(true, 403), (false, 200)] {
        let mut rig = Rig::lost_with(|settings| {
            guarded(settings);
            settings.auth.as_mut().unwrap().own_name_only = own_name_only;
        });
        let text =
            |line: &str, cseq| register("carol", BOB, &format!("Contact: <sip:carol@{BOB}>\r\n{line}"), cseq);
        let mut bob = session(&rig.feed_one(BOB, text("", 1)), "bob");
        let answer = rig.feed_one(BOB, text(&authorization(&mut bob), 2));
        assert_eq!(answer.brief(), format!("{status} {BOB}"));
    }
}

#[test]
fn improper_credentials_are_400() {
    let (mut rig, mut bob) = challenged();
    let line = authorization(&mut bob).replace("nc=00000001", "nc=1");
    assert_eq!(rig.feed_one(BOB, reg(2, &line)).line(), "SIP/2.0 400 Credentials With Bad nc");
}

/// RFC 3261 22.3. Bob is not shown what alice's password hashes to; what is for others stays.
#[test]
fn a_call_is_challenged_with_407_and_goes_on_without_its_credentials() {
    let (mut rig, mut bob) = challenged();
    rig.feed(BOB, reg(2, &authorization(&mut bob)));
    let uri = "sip:bob@office.example";
    let challenge = rig.feed(ALICE, request("INVITE", uri, "c1"));
    let challenge = one(&challenge, &format!("407 {ALICE}"));
    assert_eq!(challenge.line(), "SIP/2.0 407 Proxy Authentication Required");
    let mut alice = session(challenge, "alice");
    rig.feed(ALICE, same_transaction(&request("INVITE", uri, "c1"), "ACK"));

    let other = "Proxy-Authorization: Digest username=\"a\", realm=\"elsewhere\", nonce=\"x\"";
    let own = format!("Proxy-Authorization: {}", alice.answer("INVITE", uri, b""));
    let invite = with(&with(&request("INVITE", uri, "c2"), other), &own);
    let sent = rig.feed(ALICE, invite.clone());
    let invite_at_bob = one(&sent, &format!("INVITE {BOB}"));
    let left: Vec<_> = invite_at_bob.all("Proxy-Authorization");
    assert_eq!(left, [other.split_once(": ").unwrap().1]);
    // RFC 3261 22.1: a CANCEL is not challenged. It has no credentials, and could not be sent again.
    rig.feed(BOB, invite_at_bob.answer(180, ""));
    let sent = rig.feed(ALICE, same_transaction(&request("INVITE", uri, "c2"), "CANCEL"));
    one(&sent, &format!("200 {ALICE}"));
    one(&sent, &format!("CANCEL {BOB}"));
    rig.feed(BOB, invite_at_bob.answer(487, ""));
    rig.feed(ALICE, same_transaction(&invite, "ACK"));
    rig.drain();
}

#[test]
fn nobody_learns_who_exists_without_a_password() {
    let (mut rig, mut bob) = challenged();
    rig.feed(BOB, reg(2, &authorization(&mut bob)));
    for (id, method, name) in [
        ("1", "INVITE", "bob"),
        ("2", "INVITE", "nobody"),
        ("3", "MESSAGE", "nobody"),
        ("4", "OPTIONS", "bob"),
    ] {
        let sent = rig.feed(ALICE, request(method, &format!("sip:{name}@office.example"), id));
        one(&sent, &format!("407 {ALICE}"));
    }
}

#[test]
fn an_emergency_call_needs_no_password() {
    for mut rig in [Rig::with(guarded), Rig::lost_with(guarded), Rig::cold(guarded)] {
        let sent = rig.feed(MALLORY, from_to("INVITE", "sip:911@office.example", "e1", MALLORY, ""));
        one(&sent, &format!("INVITE {GATEWAY}"));
    }
}

#[test]
fn what_cannot_or_must_not_be_asked_is_not() {
    let (mut rig, mut bob) = challenged();
    rig.feed(BOB, reg(2, &authorization(&mut bob)));
    // The gateway has no password of ours.
    let sent = rig.feed(GATEWAY, from_to("INVITE", "sip:bob@office.example", "g1", GATEWAY, ""));
    one(&sent, &format!("INVITE {BOB}"));
    // "Are you there?"
    assert_eq!(
        rig.feed_one(ALICE, request("OPTIONS", &format!("sip:{SAS}"), "o1")).brief(),
        format!("200 {ALICE}")
    );
    // A call that is up can be hung up.
    let bye = in_dialog("BYE", &format!("sip:bob@{BOB}"), "d1", &[]);
    one(&rig.feed(ALICE, bye), &format!("BYE {BOB}"));
}

/// A phone that has the proxy's nonce answers ours without asking its user (the realm is the same).
#[test]
fn a_rescue_asks_at_once_who_has_the_password_and_lets_the_others_wait_for_the_proxy() {
    let mut rig = Rig::with(guarded);
    let relayed = rig.feed_one(BOB, reg(1, ""));
    let challenge =
        "WWW-Authenticate: Digest realm=\"office.example\", nonce=\"of the proxy\", qop=\"auth\"\r\n";
    let challenge = rig.feed_one(PROXY, relayed.answer(401, challenge));
    let mut bob = session(&challenge, "bob");
    rig.run(secs(5));
    rig.cut();
    rig.feed(BOB, reg(2, &authorization(&mut bob)));
    rig.feed(CAROL, register("carol", CAROL, &format!("Contact: <sip:carol@{CAROL}>\r\n"), 1));
    let sent = rig.run(millis(2100));
    assert_eq!((of(&sent, "401").len(), rig.sas.state()), (1, State::Normal));
    let challenge = one(&sent, &format!("401 {BOB}"));
    assert!(is_stale(challenge));
    let mut bob = session(challenge, "bob");
    rig.feed(BOB, reg(3, &authorization(&mut bob)));
    let sent = rig.run(secs(6));
    one(&sent, &format!("200 {BOB}"));
    let challenge = one(&sent, &format!("401 {CAROL}"));
    assert!(!is_stale(challenge));
    assert_eq!((rig.sas.registrar().len(), rig.sas.state()), (1, State::Emergency));
    rig.drain();
}

/// While it waits for its turn to come home, a phone is served here, and so it is asked here.
#[test]
fn a_return_opens_no_back_door() {
    let mut rig = Rig::lost_with(|settings| {
        guarded(settings);
        settings.sas.return_rate = 1;
        settings.sas.minimum_dwell = secs(0);
    });
    rig.up.insert(address(PROXY));
    rig.run(secs(6));
    assert_eq!(rig.sas.state(), State::Normal);
    let text = |at: &str| register("mallory", at, &format!("Contact: <sip:mallory@{at}>\r\n"), 1);
    let sent: Vec<_> = (1..=5)
        .map(|i| rig.feed_one(&format!("10.0.1.{i}:5060"), text(&format!("10.0.1.{i}:5060"))))
        .collect();
    assert_eq!((of(&sent, "REGISTER").len(), of(&sent, "401").len(), of(&sent, "200").len()), (1, 4, 0));
}

#[test]
fn the_same_seed_and_events_give_the_same_challenges() {
    let challenge = || Rig::lost_with(guarded).feed_one(BOB, reg(1, "")).text;
    assert_eq!(challenge(), challenge());
}
