//! Who may do what where the branch serves itself (`sas.md` 7.6; `trust.*`).

use crate::rig::*;
use sip_survivability::auth::{Algorithm, Ha1};
use sip_survivability::config::{
    Authentication, RequestKind, Route, Settings, SurvivabilityMode, Trust, User,
};
use sip_survivability::mode::State;
use sip_survivability::registrar::Origin;
use sip_survivability::routing::{Reason, Step};
use sip_survivability::{Event, Notice};

/// A public source, which is in no pool.
const ROAMER: &str = "203.0.113.7:5060";
const STRANGER: &str = "203.0.113.66:5060";
const OUTSIDE: &str = "sip:5550100@office.example";
const BOB_URI: &str = "sip:bob@office.example";

/// A call of `user`'s, from `at`.
fn call(user: &str, at: &str, uri: &str, id: &str) -> String {
    from_to("INVITE", uri, id, at, "")
        .replace("<sip:alice@office.example>", &format!("<sip:{user}@office.example>"))
}

/// What comes of it: `INVITE 192.0.2.9:5060`, or the status.
fn outcome(rig: &mut Rig, user: &str, at: &str, uri: &str, id: &str) -> String {
    let sent = rig.feed(at, call(user, at, uri, id));
    let last = sent.iter().rfind(|sent| sent.brief() != format!("100 {at}")).unwrap();
    if last.is_request() { last.brief() } else { last.line().to_owned() }
}

fn to_gateway() -> String {
    format!("INVITE {GATEWAY}")
}

const NOT_OUT: &str = "SIP/2.0 403 Not Trusted To Call Out";
const NOT_USERS: &str = "SIP/2.0 403 Not Trusted To Call Users";

fn rejections(rig: &Rig) -> Vec<&str> {
    let mut told = Vec::new();
    for notice in &rig.notices {
        if let Notice::RequestRejected { status: 403, reason, .. } = notice {
            told.push(&**reason);
        }
    }
    told
}

#[test]
fn a_stranger_registers_and_calls_users_but_not_the_outside() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    rig.bind("stranger", STRANGER);
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, BOB_URI, "c1"), format!("INVITE {BOB}"));
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, OUTSIDE, "c2"), NOT_OUT);
    assert_eq!(rejections(&rig), ["Not Trusted To Call Out"]);
    // A private source is in the pool.
    assert_eq!(outcome(&mut rig, "alice", ALICE, OUTSIDE, "c3"), to_gateway());
}

#[test]
fn an_emergency_call_takes_no_trust() {
    let strict = |settings: &mut Settings| {
        settings.trust.networks.clear();
        settings.trust.register = Trust::Known;
        settings.trust.call_users = Trust::Known;
        settings.trust.call_out = Trust::Known;
    };
    let mut rig = Rig::lost_with(strict);
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, "sip:911@office.example", "e1"), to_gateway());
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, OUTSIDE, "c1"), NOT_OUT);
}

/// pains.md row 10: whoever the proxy knew before the cut goes on as before.
#[test]
fn who_had_a_binding_of_the_proxys_calls_out_and_nobody_else_in_its_name() {
    let mut rig = Rig::new();
    rig.bind("roamer", ROAMER);
    rig.cut();
    rig.run(secs(7));
    assert_eq!(rig.sas.state(), State::Emergency);
    assert_eq!(outcome(&mut rig, "roamer", ROAMER, OUTSIDE, "c1"), to_gateway());
    // The same name from elsewhere, and the same place under another name.
    assert_eq!(outcome(&mut rig, "roamer", STRANGER, OUTSIDE, "c2"), NOT_OUT);
    assert_eq!(outcome(&mut rig, "anonymous", ROAMER, OUTSIDE, "c3"), to_gateway());
    let is_reason = |notice: &Notice| {
        matches!(notice, Notice::RequestRouted { reasons, .. }
            if reasons.last() == Some(&Reason::MayCallOut(Trust::Known)))
    };
    assert!(rig.notices.iter().any(is_reason), "{:?}", rig.notices);
}

#[test]
fn a_binding_keeps_its_trust_when_its_device_renews_it_here() {
    let mut rig = Rig::new();
    let contact = |at: &str| format!("<sip:roamer@{at}>;+sip.instance=\"<urn:uuid:1>\"");
    rig.bind_as("roamer", ROAMER, &contact(ROAMER));
    rig.cut();
    rig.run(secs(7));
    rig.bind_as("roamer", ROAMER, &contact(ROAMER));
    let binding = rig.sas.registrar().iter().next().unwrap();
    assert_eq!((binding.origin, binding.trust), (Origin::Local, Trust::Known));
    // The device has another address, and is told by its instance.
    let moved = "203.0.113.8:5060";
    rig.bind_as("roamer", moved, &contact(moved));
    assert_eq!(rig.sas.registrar().iter().map(|b| b.trust).collect::<Vec<_>>(), [Trust::Known]);
    assert_eq!(outcome(&mut rig, "roamer", moved, OUTSIDE, "c1"), to_gateway());
    // Somebody else by the same name is not the device.
    rig.bind("roamer", STRANGER);
    assert_eq!(outcome(&mut rig, "roamer", STRANGER, OUTSIDE, "c2"), NOT_OUT);
}

#[test]
fn a_binding_keeps_its_trust_over_a_restart() {
    let mut rig = Rig::new();
    rig.bind("roamer", ROAMER);
    rig.cut();
    rig.run(secs(7));
    rig.bind("roamer", ROAMER);
    rig.bind("stranger", STRANGER);
    let records: Vec<_> = rig.sas.snapshot(rig.now).collect();
    let mut rig = Rig::lost();
    for record in records {
        let read = sip_survivability::registrar::Record::from_bytes(&record.to_bytes()).unwrap();
        rig.event(Event::Restored { record: Box::new(read), age: secs(1) });
    }
    assert_eq!(outcome(&mut rig, "roamer", ROAMER, OUTSIDE, "c1"), to_gateway());
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, OUTSIDE, "c2"), NOT_OUT);
}

#[test]
fn who_is_not_trusted_to_register_is_refused_and_told() {
    for (least, stranger, alice) in
        [(Trust::Unknown, 200, 200), (Trust::Pool, 403, 200), (Trust::Known, 403, 403)]
    {
        let mut rig = Rig::new_with_roamer(|settings| settings.trust.register = least);
        let register_at = |rig: &mut Rig, user: &str, at: &str| {
            let text = register(user, at, &format!("Contact: <sip:{user}@{at}>\r\n"), 9);
            rig.feed_one(at, text).brief()
        };
        assert_eq!(register_at(&mut rig, "stranger", STRANGER), format!("{stranger} {STRANGER}"));
        assert_eq!(register_at(&mut rig, "alice", ALICE), format!("{alice} {ALICE}"));
        // Who had a binding of the proxy's renews it, whatever the level.
        assert_eq!(register_at(&mut rig, "roamer", ROAMER), format!("200 {ROAMER}"));
        let refused = [stranger, alice].into_iter().filter(|status| *status == 403).count();
        assert_eq!(rejections(&rig), vec!["Not Trusted To Register"; refused]);
        rig.drain();
    }
}

impl Rig {
    /// A branch in the emergency state that knows a user at a public address, bound by the proxy before.
    fn new_with_roamer(change: impl FnOnce(&mut Settings)) -> Self {
        let mut rig = Self::with(change);
        rig.bind("roamer", ROAMER);
        rig.cut();
        rig.run(secs(7));
        assert_eq!(rig.sas.state(), State::Emergency);
        rig.notices.clear();
        rig
    }
}

#[test]
fn users_are_reached_by_those_who_are_trusted_enough() {
    let mut rig = Rig::new_with_roamer(|settings| settings.trust.call_users = Trust::Pool);
    rig.bind("bob", BOB);
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, BOB_URI, "c1"), NOT_USERS);
    assert_eq!(outcome(&mut rig, "roamer", ROAMER, BOB_URI, "c2"), format!("INVITE {BOB}"));
    assert_eq!(outcome(&mut rig, "alice", ALICE, BOB_URI, "c3"), format!("INVITE {BOB}"));
    // Who is called is not asked, and neither is what belongs to a call.
    rig.feed(GATEWAY, from_to("INVITE", BOB_URI, "g1", GATEWAY, ""));
    let bye = from_to("BYE", &format!("sip:bob@{BOB}"), "d1", STRANGER, ";tag=callee");
    assert_eq!(rig.feed_one(STRANGER, bye).brief(), format!("BYE {BOB}"));
}

/// The outside of a row is left out; its users are reached.
#[test]
fn of_a_row_of_the_table_only_what_trust_is_enough_for_is_tried() {
    let mut rig = Rig::lost_with(|settings| {
        let mut users = Route::new("users".parse().unwrap());
        users.request = RequestKind::Invite;
        let mut outside = Route::new("sip:192.0.2.30".parse().unwrap());
        outside.is_member = true;
        settings.routes = vec![users, outside];
        settings.sas.default_gateway.clear();
        settings.sas.binding_mode = sip_survivability::config::BindingMode::UserPart;
    });
    rig.bind("bob", BOB);
    // Bob is in the database before the table is asked; a row names him by its own way only.
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, BOB_URI, "c1"), format!("INVITE {BOB}"));
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, OUTSIDE, "c2"), NOT_OUT);
    assert_eq!(outcome(&mut rig, "alice", ALICE, OUTSIDE, "c3"), "INVITE 192.0.2.30:5060");
}

/// sas.md 7.6: in the normal state the proxy decides, and asks for itself.
#[test]
fn while_the_proxy_is_there_nobody_is_asked() {
    let mut rig = Rig::with(|settings| settings.trust.register = Trust::Known);
    let invite = outcome(&mut rig, "stranger", STRANGER, OUTSIDE, "c1");
    assert_eq!(invite, format!("INVITE {PROXY}"));
    let text = register("stranger", STRANGER, &format!("Contact: <sip:stranger@{STRANGER}>\r\n"), 1);
    assert_eq!(rig.feed_one(STRANGER, text).brief(), format!("REGISTER {PROXY}"));
}

/// pains.md row 11: a suspicion refuses nobody, since the proxy may yet answer.
#[test]
fn a_request_of_a_stranger_that_is_to_be_rescued_waits_for_the_verdict() {
    let mut rig = Rig::new();
    rig.cut();
    rig.feed(STRANGER, call("stranger", STRANGER, OUTSIDE, "c1"));
    let sent = rig.run(millis(2100));
    assert_eq!(of(&sent, "403"), Vec::<&Sent>::new());
    assert_eq!(rig.sas.state(), State::Normal);
    let sent = rig.run(secs(6));
    assert_eq!(one(&sent, &format!("403 {STRANGER}")).line(), NOT_OUT);
    assert_eq!(rig.sas.state(), State::Emergency);
    rig.drain();
}

/// With users that have passwords, who is let in is verified.
#[test]
fn with_passwords_who_is_let_in_may_do_what_takes_verified() {
    let guarded = |settings: &mut Settings| {
        let ha1 = Ha1::new(Algorithm::Md5, "alice", "office.example", "secret");
        let user = User { name: "alice".to_owned(), ha1: vec![ha1] };
        settings.auth = Some(Authentication::new("office.example".parse().unwrap(), vec![user]));
        settings.trust.networks.clear();
        settings.trust.call_out = Trust::Verified;
    };
    let mut rig = Rig::lost_with(guarded);
    let challenge = rig.feed(STRANGER, call("alice", STRANGER, OUTSIDE, "c1"));
    let challenge = one(&challenge, &format!("407 {STRANGER}")).clone();
    let challenges = challenge.all("Proxy-Authenticate").into_iter();
    let challenges = challenges.map(|text| sip_survivability::headers::Auth::parse(text).unwrap());
    let secret = |realm: &str, algorithm| Some(Ha1::new(algorithm, "alice", realm, "secret"));
    let token = sip_survivability::rng::Token::of(1);
    let mut session = sip_survivability::auth::Session::open(challenges, "alice", secret, token).unwrap();
    let line = format!("Proxy-Authorization: {}", session.answer("INVITE", OUTSIDE, b""));
    let sent = rig.feed(STRANGER, with(&call("alice", STRANGER, OUTSIDE, "c2"), &line));
    one(&sent, &to_gateway());
}

/// The chain ends with the verdict, and the step says so.
#[test]
fn a_refusal_is_a_step_of_its_own() {
    assert_eq!(Step::Untrusted.as_str(), "untrusted");
    assert_eq!(
        Reason::MayNotCallOut(Trust::Unknown).to_string(),
        "the caller is not trusted enough to call out (unknown)"
    );
}

#[test]
fn a_branch_that_is_always_alone_asks_by_networks() {
    let mut rig = Rig::cold(|settings| {
        settings.proxy_set.targets.clear();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.trust.networks = vec!["203.0.113.0/28".parse().unwrap()];
    });
    assert_eq!(outcome(&mut rig, "roamer", ROAMER, OUTSIDE, "c1"), to_gateway());
    assert_eq!(outcome(&mut rig, "stranger", STRANGER, OUTSIDE, "c2"), NOT_OUT);
    assert_eq!(outcome(&mut rig, "alice", ALICE, OUTSIDE, "c3"), NOT_OUT);
}

/// A Path leads where it says, and a Contact is what the gateway would be asked for.
#[test]
fn nobody_makes_the_gateway_a_phone_of_his_own() {
    const STRANGER: &str = "198.51.100.66:5060";
    let mut rig = Rig::lost();
    let lines =
        format!("Contact: <sip:0900123@far.example>\r\nPath: <sip:{GATEWAY};lr>\r\nSupported: path\r\n");
    rig.feed(STRANGER, register("x", STRANGER, &lines, 1));
    let sent = rig.feed(STRANGER, from_to("INVITE", "sip:x@office.example", "s1", STRANGER, ""));
    assert!(sent.iter().all(|sent| sent.to != address(GATEWAY)), "{sent:#?}");
}
