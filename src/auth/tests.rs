//! Server and client against each other.

use super::*;
use crate::headers::{Auth, AuthParams};
use crate::message::{Message, Request};
use crate::rng::Token;
use crate::time::Instant;
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;

const REALM: &str = "biloxi.example";
const URI: &str = "sip:carol@biloxi.example";
const NOW: Instant = Instant::from_secs(1000);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn policy() -> Policy {
    Policy::new(REALM.parse().unwrap())
}

fn password(user: &str, word: &str) -> impl Fn(&str, Algorithm) -> Option<Ha1> {
    move |realm, algorithm| Some(Ha1::new(algorithm, user, realm, word))
}

fn request(method: &str, uri: &str, credentials: &[&str], body: &str) -> Request {
    let field = Role::Server.credentials();
    let credentials: String = credentials.iter().map(|value| format!("{field}: {value}\r\n")).collect();
    let text = format!("{method} {uri} SIP/2.0\r\n{credentials}\r\n{body}");
    let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
    request
}

/// A server that knows bob, whose password is zanzibar.
struct Server {
    auth: Authenticator,
    now: Instant,
    source: IpAddr,
}

impl Server {
    fn new() -> Self {
        Self::with(policy())
    }

    fn with(policy: Policy) -> Self {
        Self { auth: Authenticator::new(policy, [7; 32]), now: NOW, source: ip("192.0.2.4") }
    }

    fn check<'r>(&mut self, request: &'r Request) -> Verdict<'r> {
        let users =
            |user: &str, algorithm| (user == "bob").then(|| Ha1::new(algorithm, "bob", REALM, "zanzibar"));
        self.auth.check(self.now, Role::Server, request, self.source, users)
    }

    /// What becomes of an INVITE with `credentials`.
    fn says(&mut self, credentials: &str) -> String {
        let request = request("INVITE", URI, &[credentials], "");
        match self.check(&request) {
            Verdict::Accepted(accepted) => format!("in: {}", accepted.user()),
            Verdict::Challenge(unproven) => format!("{unproven:?}").to_lowercase(),
            Verdict::Refused(improper) => improper.to_string(),
        }
    }

    fn challenges(&mut self, unproven: Unproven) -> Vec<String> {
        self.auth.challenges(self.now, self.source, unproven).map(|challenge| challenge.to_string()).collect()
    }

    /// Bob, who has been challenged.
    fn bob(&mut self) -> Session {
        self.client("bob", "zanzibar", |text| text)
    }

    fn client(&mut self, user: &str, word: &str, change: impl Fn(String) -> String) -> Session {
        let challenges: Vec<_> = self.challenges(Unproven::Missing).into_iter().map(change).collect();
        open(&challenges, user, word).unwrap()
    }
}

fn open(challenges: &[String], user: &str, word: &str) -> Option<Session> {
    let challenges = challenges.iter().map(|text| Auth::parse(text).unwrap());
    Session::open(challenges, user, password(user, word), Token::of(42))
}

fn answer(session: &mut Session) -> String {
    session.answer("INVITE", URI, b"")
}

#[test]
fn the_strongest_challenge_stands_first_and_stale_is_said_without_quotes() {
    let mut server = Server::new();
    let [first, second] = &server.challenges(Unproven::Missing)[..] else { panic!("two") };
    let challenge = Auth::parse(first).unwrap();
    let nonce = challenge.nonce().unwrap();
    assert_eq!(
        *first,
        format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth,auth-int\"")
    );
    assert_eq!(*second, first.replace("SHA-256", "MD5"));
    assert!(!challenge.is_stale());
    let stale = server.challenges(Unproven::Stale);
    assert!(stale.iter().all(|text| Auth::parse(text).unwrap().is_stale() && text.contains("stale=true,")));
}

#[test]
fn a_password_opens_and_nothing_else_does() {
    let mut server = Server::new();
    let bob = answer(&mut server.bob());
    assert_eq!(server.says(&bob), "in: bob");
    let wrong = answer(&mut server.client("bob", "Zanzibar", |text| text));
    assert_eq!(server.says(&wrong), "wrong");
    let unknown = answer(&mut server.client("mallory", "zanzibar", |text| text));
    assert_eq!(server.says(&unknown), "wrong", "as for a wrong password");
    // A1 has the name in it as it was sent.
    let with_realm = answer(&mut server.client("bob@biloxi.example", "zanzibar", |text| text));
    assert_eq!(server.says(&with_realm), "wrong");
}

#[test]
fn what_is_not_for_us_is_no_credential() {
    let mut server = Server::new();
    for other in [
        "Basic Ym9iOnphbnppYmFy",
        "Digest realm=\"atlanta.example\", username=\"bob\"",
        "Digest realm=\"BILOXI.example\", username=\"bob\"",
        "Digest username=\"bob\"",
        "Digest",
        "",
    ] {
        assert_eq!(server.says(other), "missing", "{other}");
    }
    let bob = answer(&mut server.bob());
    let request = request("INVITE", URI, &["Digest realm=\"atlanta.example\", nonce=\"x\"", &bob], "");
    assert!(matches!(server.check(&request), Verdict::Accepted(_)));
}

/// RFC 3261 22.3: "multiple credentials in Authorization [...] with the same realm".
#[test]
fn of_several_credentials_the_first_that_is_right_counts_and_few_are_tried() {
    let mut server = Server::new();
    let [wrong, bob] =
        ["Zanzibar", "zanzibar"].map(|word| answer(&mut server.client("bob", word, |text| text)));
    let good = request("INVITE", URI, &[&wrong, "Digest realm=\"biloxi.example\"", &bob], "");
    assert!(matches!(server.check(&good), Verdict::Accepted(_)));
    let late = request("INVITE", URI, &[&wrong, &wrong, &wrong, &wrong, &bob], "");
    assert_eq!(server.check(&late), Verdict::Challenge(Unproven::Wrong));
    let improper = request("INVITE", URI, &[&wrong, "Digest realm=\"biloxi.example\""], "");
    assert_eq!(server.check(&improper), Verdict::Refused(Improper::Missing("username")));
}

#[test]
fn only_what_was_offered_is_taken() {
    let mut server = Server::new();
    let mut of = |name: &str| {
        let credentials =
            answer(&mut server.client("bob", "zanzibar", |text| text.replace("=SHA-256", name)));
        server.says(&credentials)
    };
    assert_eq!(of("=SHA-256"), "in: bob");
    assert_eq!(of("=SHA-512-256"), "missing");
    assert_eq!(of("=SHA-256-sess"), "missing");
    assert_eq!(of("=SHA-1"), "in: bob", "by the second challenge, MD5");
    assert_eq!(of("=\"md5\""), "in: bob");
    let mut strict = policy();
    strict.algorithms = [Algorithm::Sha256].into();
    let mut server = Server::with(strict);
    let md5 = answer(&mut server.client("bob", "zanzibar", |text| text.replace("SHA-256", "MD5")));
    assert_eq!(server.says(&md5), "missing");
}

#[test]
fn a_replay_is_stale_and_so_is_a_nonce_that_is_old_early_or_anothers() {
    let mut server = Server::new();
    let mut bob = server.bob();
    let first = answer(&mut bob);
    assert_eq!([server.says(&first), server.says(&first)], ["in: bob", "stale"]);
    let second = answer(&mut bob);
    server.source = ip("192.0.2.5");
    assert_eq!(server.says(&second), "stale");
    server.source = ip("192.0.2.4");
    server.now = NOW + Duration::from_secs(300);
    assert_eq!(server.says(&second), "stale");
    server.now = Instant::from_secs(999);
    assert_eq!(server.says(&second), "stale", "time has run backwards");
    server.now = NOW + Duration::from_secs(299);
    assert_eq!(server.says(&second), "in: bob");
    server.auth = Authenticator::new(policy(), [8; 32]);
    let third = answer(&mut bob);
    assert_eq!(server.says(&third), "stale", "of another server of the realm");
    let wrong = answer(&mut server.client("bob", "Zanzibar", |text| text.replace("nonce=\"", "nonce=\"x")));
    assert_eq!(server.says(&wrong), "wrong", "stale is for those who know the password");
}

#[test]
fn a_client_of_rfc_2069_needs_a_nonce_for_each_request() {
    let plain = |text: String| text.replace(", qop=\"auth,auth-int\"", "");
    let mut server = Server::new();
    let mut bob = server.client("bob", "zanzibar", plain);
    let credentials = answer(&mut bob);
    assert!(!credentials.contains("nc=") && !credentials.contains("cnonce="));
    assert_eq!([server.says(&credentials), server.says(&credentials)], ["in: bob", "stale"]);
    let again = bob.answer("INVITE", URI, b"");
    assert_eq!(server.says(&again), "stale");
    let mut strict = policy();
    strict.require_qop = true;
    let mut server = Server::with(strict);
    let credentials = answer(&mut server.client("bob", "zanzibar", plain));
    assert_eq!(server.says(&credentials), "missing");
}

#[test]
fn a_request_for_another_uri_is_refused_as_far_as_policy_says() {
    let other = [
        ("sip:carol@biloxi.example", [true, true, true]),
        ("sip:%63arol@BILOXI.example", [true, true, true]),
        ("sip:carol@192.0.2.1:5080;transport=udp", [true, false, true]),
        ("sip:dave@biloxi.example", [false, false, true]),
        ("sip:biloxi.example:5060", [true, false, true]),
        ("nonsense", [false, false, true]),
    ];
    for (uri, allowed) in other {
        let rules = [DigestUri::SameUser, DigestUri::Equivalent, DigestUri::Any];
        for (rule, allowed) in rules.into_iter().zip(allowed) {
            let mut policy = policy();
            policy.digest_uri = rule;
            let mut server = Server::with(policy);
            let credentials = server.bob().answer("INVITE", uri, b"");
            let expected = if allowed { "in: bob" } else { "Credentials For Another URI" };
            assert_eq!(server.says(&credentials), expected, "{uri} {rule:?}");
        }
    }
}

#[test]
fn the_body_counts_where_the_client_protects_it() {
    let mut server = Server::new();
    let integrity = |text: String| text.replace("auth,auth-int", "auth-int");
    let mut bob = server.client("bob", "zanzibar", integrity);
    let credentials = bob.answer("INVITE", URI, b"v=0\r\n");
    let changed = request("INVITE", URI, &[&credentials], "v=1\r\n");
    assert_eq!(server.check(&changed), Verdict::Challenge(Unproven::Wrong));
    let intact = request("INVITE", URI, &[&credentials], "v=0\r\n");
    assert!(matches!(server.check(&intact), Verdict::Accepted(_)));
}

#[test]
fn the_server_proves_itself_and_renews_a_nonce_that_grows_old() {
    let mut server = Server::new();
    let mut bob = server.bob();
    let mut confirmed = |server: &mut Server| {
        let text = answer(&mut bob);
        let request = request("INVITE", URI, &[&text], "");
        let Verdict::Accepted(accepted) = server.check(&request) else { panic!("{text}") };
        let (now, source) = (server.now, server.source);
        let info = server.auth.confirm(now, source, &accepted, b"").unwrap();
        let forged = info.replacen("rspauth=\"", "rspauth=\"0", 1);
        assert!(!bob.on_info(&AuthParams::parse(&forged).unwrap(), URI, b""));
        assert!(bob.on_info(&AuthParams::parse(&info).unwrap(), URI, b""));
        info
    };
    assert!(!confirmed(&mut server).contains("nextnonce"));
    server.now = NOW + Duration::from_secs(150);
    assert!(confirmed(&mut server).contains("nextnonce"));
    server.now = NOW + Duration::from_secs(310);
    assert!(confirmed(&mut server).contains("nc=00000001"), "with the next nonce, counted from one");
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut small = policy();
    small.max_nonces = 10;
    let mut server = Server::with(small);
    for _ in 0..50 {
        let credentials = answer(&mut server.bob());
        assert_eq!(server.says(&credentials), "in: bob");
        assert!(server.auth.remembered() <= 10);
    }
    // Those who know no password leave nothing behind.
    let before = server.auth.next_timeout();
    let wrong = answer(&mut server.client("bob", "Zanzibar", |text| text));
    server.says(&wrong);
    assert_eq!((server.auth.remembered(), server.auth.next_timeout()), (10, before));
    let due = server.auth.next_timeout().unwrap();
    server.auth.on_tick(due);
    assert_eq!((server.auth.remembered(), server.auth.next_timeout()), (0, None));
}

#[test]
fn a_client_answers_the_topmost_challenge_that_it_understands() {
    let realm_nonce = "realm=\"r\", nonce=\"n\"";
    let taken = |challenges: &[&str]| {
        let challenges: Vec<_> = challenges.iter().map(|text| (*text).to_owned()).collect();
        open(&challenges, "bob", "x").map(|mut session| answer(&mut session))
    };
    let unknown = format!("Digest {realm_nonce}, algorithm=SHA3, qop=\"auth\"");
    let conf = format!("Digest {realm_nonce}, qop=\"auth-conf\"");
    let bare_session = format!("Digest {realm_nonce}, algorithm=MD5-sess");
    assert_eq!(taken(&["Basic realm=\"r\"", &unknown, &conf, &bare_session]), None);
    let text =
        taken(&[&unknown, &format!("Digest {realm_nonce}, qop=\"x, auth-int\", opaque=\"\"")]).unwrap();
    assert!(text.contains("qop=auth-int, nc=00000001,") && text.ends_with("opaque=\"\""), "{text}");
    assert!(!text.contains("algorithm"), "none was named");
}

fn any_qop() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![", qop=\"auth,auth-int\"", ", qop=auth", ", qop=\"auth-int\"", ""])
}

proptest! {
    #[test]
    fn a_clients_answer_is_accepted_whatever_is_in_it(
        user in "\\PC{1,12}",
        word in "\\PC{0,12}",
        method in "[A-Z]{1,9}",
        body in "\\PC{0,40}",
        qop in any_qop(),
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        requests in 1_usize..5,
    ) {
        let mut policy = policy();
        policy.algorithms = [algorithm].into();
        let mut server = Server::with(policy);
        let mut client = server.client(&user, &word, |text| text.replace(", qop=\"auth,auth-int\"", qop));
        for serial in 0..requests {
            let credentials = client.answer(&method, URI, body.as_bytes());
            let request = request(&method, URI, &[&credentials], &body);
            let known = |name: &str, algorithm| (name == user).then(|| Ha1::new(algorithm, &user, REALM, &word));
            let verdict = server.auth.check(NOW, Role::Server, &request, server.source, known);
            let accepted = matches!(&verdict, Verdict::Accepted(accepted) if accepted.user() == user);
            // Without qop each nonce is good for one request.
            prop_assert_eq!(accepted, serial == 0 || !qop.is_empty(), "{:?} {}", verdict, credentials);
        }
    }

    #[test]
    fn whatever_is_changed_on_the_way_is_not_accepted(at in 0_usize..1000, to in "[0-9a-zA-Z\"=, ]") {
        let mut server = Server::new();
        let credentials = answer(&mut server.bob());
        let at = "Digest ".len() + at % (credentials.len() - "Digest ".len());
        let changed = format!("{}{to}{}", &credentials[..at], &credentials[at + 1..]);
        // Some changes change nothing: the case of names and digits.
        prop_assume!(!changed.eq_ignore_ascii_case(&credentials));
        let says = server.says(&changed);
        // The realm decides whether the rest is read, and a space may stand beside a comma.
        prop_assert!(says != "in: bob", "{}", changed);
        prop_assert_eq!(server.says(&credentials), "in: bob", "the right one has not been used up");
    }

    #[test]
    fn requests_may_overtake_each_other(order in Just((0_usize..60).collect::<Vec<_>>()).prop_shuffle()) {
        let mut server = Server::new();
        let mut bob = server.bob();
        let all: Vec<_> = order.iter().map(|_| answer(&mut bob)).collect();
        for at in order {
            prop_assert_eq!(server.says(&all[at]), "in: bob");
            prop_assert_eq!(server.says(&all[at]), "stale");
        }
        prop_assert_eq!(server.auth.remembered(), 1);
    }
}

#[test]
fn the_same_secret_and_events_give_the_same_challenges() {
    let all = || Server::new().challenges(Unproven::Wrong);
    assert_eq!(all(), all());
}
