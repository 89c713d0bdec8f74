//! Another configuration at run time: what stays, what moves, and what changes.

use crate::rig::*;
use sip_survivability::auth::{Algorithm, Ha1, Session};
use sip_survivability::config::{
    Authentication, Balancing, BindingMode, NumberMapping, Redundancy, Settings, SurvivabilityMode, Trust,
    User,
};
use sip_survivability::headers::Auth;
use sip_survivability::journal::{JournalErrorKind, Reader, Told, Writer};
use sip_survivability::mode::{Cause, State};
use sip_survivability::registrar::Record;
use sip_survivability::rng::Token;
use sip_survivability::time::Instant;
use sip_survivability::upstream::{ProxyStatus, TargetId};
use sip_survivability::{Action, Event, Notice, Sas};
use std::time::Duration;

const BOB_URI: &str = "sip:bob@office.example";
const PROXY_3: &str = "192.0.2.3:5060";

fn proxies(settings: &mut Settings, at: &[&str]) {
    settings.proxy_set.targets = at.iter().map(|at| format!("sip:{at}").parse().unwrap()).collect();
}

fn both(settings: &mut Settings) {
    proxies(settings, &[PROXY, PROXY_2]);
}

/// The keys of all bindings, in order of registration.
fn keys(rig: &Rig) -> Vec<&str> {
    rig.sas.registrar().iter().map(|binding| binding.key()).collect()
}

/// Registers `aor` at `at` in the emergency state, and gives the status.
fn register_as(rig: &mut Rig, aor: &str, at: &str, cseq: u32) -> String {
    let text = register("bob", at, &format!("Contact: <sip:bob@{at}>\r\nExpires: 600\r\n"), cseq);
    let text = text.replace("To: <sip:bob@office.example>", &format!("To: <{aor}>"));
    // RFC 3261 10.3 step 5: each domain is asked for its own.
    let domain = aor.split('@').nth(1).unwrap_or("office.example").split(';').next().unwrap();
    let text = text.replace("REGISTER sip:office.example", &format!("REGISTER sip:{domain}"));
    let text = text.replace("Call-ID: ", &format!("Call-ID: {}", aor.replace([':', ';', '='], "-")));
    rig.feed_one(at, text).brief().split(' ').next().unwrap().to_owned()
}

/// Where an INVITE to `uri` goes in the emergency state, other than back.
fn called(rig: &mut Rig, uri: &str, id: &str) -> Vec<String> {
    let sent = rig.feed(ALICE, request("INVITE", uri, id));
    briefs(&sent).into_iter().filter(|brief| !brief.ends_with(ALICE)).collect()
}

fn condition(rig: &Rig, proxy: usize) -> ProxyStatus {
    rig.sas.upstream().status(TargetId(proxy))
}

/// What each proxy is asked within `span`.
fn probed(rig: &mut Rig, span: Duration) -> usize {
    let before = rig.probes;
    rig.run(span);
    rig.probes - before
}

// All or nothing

#[test]
fn it_is_told_first_and_changes_nothing_where_nothing_has_changed() {
    let mut rig = Rig::with(both);
    rig.bind("bob", BOB);
    let due = rig.sas.next_timeout();
    let told = rig.try_reload(|_| {}).unwrap();
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [Action::Notify(Notice::Reconfigured)]);
    assert_eq!((rig.sas.next_timeout(), rig.sas.state()), (due, State::Normal));
    assert_eq!(keys(&rig), ["bob"]);
}

#[test]
fn what_needs_a_restart_is_named_and_nothing_else_changes() {
    let mut rig = Rig::new();
    for key in ["registrar.store", "sas.flow_secret"] {
        let error = rig
            .try_reload(|settings| {
                settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
                match key {
                    "registrar.store" => settings.registrar.store = true,
                    _ => settings.sas.flow_secret = Some("a secret of this branch".parse().unwrap()),
                }
            })
            .unwrap_err();
        assert_eq!(error.key, key);
        assert_eq!(error.reason, "cannot change at run time: needs a restart");
    }
    assert_eq!(rig.sas.state(), State::Normal);
    rig.run(secs(10));
    assert!(rig.notices.iter().all(|notice| *notice != Notice::Reconfigured));
}

// Bindings

#[test]
fn bindings_stay_and_get_new_keys_when_the_domains_change() {
    let mut rig = Rig::lost();
    for (aor, at, cseq) in [("sip:bob@office.example", BOB, 1), ("sip:carol@new.example", CAROL, 2)] {
        assert_eq!(register_as(&mut rig, aor, at, cseq), "200");
    }
    assert_eq!(keys(&rig), ["bob", "carol@new.example"]);
    rig.reload(|settings| settings.domains = vec!["new.example".to_owned()]);
    assert_eq!(keys(&rig), ["bob@office.example", "carol"]);
    assert_eq!(called(&mut rig, &format!("sip:carol@{SAS}"), "c1"), [format!("INVITE {CAROL}")]);
    assert_eq!(called(&mut rig, BOB_URI, "c2"), [format!("INVITE {BOB}")]);
    // Each is refreshed as the same binding.
    assert_eq!(register_as(&mut rig, "sip:carol@new.example", CAROL, 3), "200");
    assert_eq!(register_as(&mut rig, "sip:bob@office.example", BOB, 4), "200");
    assert_eq!(rig.sas.registrar().len(), 2);
    // And back again.
    rig.reload(|settings| settings.domains = vec!["office.example".to_owned()]);
    assert_eq!(keys(&rig), ["bob", "carol@new.example"]);
    assert_eq!(rig.sas.registrar().users(), 2);
}

#[test]
fn bindings_stay_when_the_binding_mode_changes() {
    let mut rig = Rig::lost();
    assert_eq!(register_as(&mut rig, "sip:bob@elsewhere.example", BOB, 1), "200");
    rig.reload(|settings| settings.sas.binding_mode = BindingMode::UserPart);
    assert_eq!(keys(&rig), ["bob"]);
    assert_eq!(called(&mut rig, "sip:bob@any.example", "c1"), [format!("INVITE {BOB}")]);
    rig.reload(|settings| settings.sas.binding_mode = BindingMode::Uri);
    assert_eq!(keys(&rig), ["bob@elsewhere.example"]);
    assert_eq!(rig.sas.registrar().users(), 1);
}

#[test]
fn a_number_keeps_its_key_whatever_the_hosts() {
    let mut rig = Rig::lost();
    assert_eq!(register_as(&mut rig, "sip:+1-201-555@elsewhere.example;user=phone", BOB, 1), "200");
    assert_eq!(register_as(&mut rig, "tel:+1-202-555", CAROL, 2), "200");
    rig.reload(|settings| settings.domains = vec!["elsewhere.example".to_owned()]);
    assert_eq!(keys(&rig), ["+1201555", "+1202555"]);
    rig.reload(|settings| settings.domains.clear());
    assert_eq!(keys(&rig), ["+1201555", "+1202555"]);
}

#[test]
fn what_others_may_call_a_user_by_is_made_anew() {
    let mut rig = Rig::lost();
    assert_eq!(register_as(&mut rig, "sip:976653434@office.example", BOB, 1), "200");
    let short = format!("sip:3434@{SAS}");
    assert_eq!(called(&mut rig, &short, "c1"), [format!("INVITE {GATEWAY}")]);
    rig.reload(|settings| settings.registration_manipulation.leave_from_right = 4);
    assert_eq!(called(&mut rig, &short, "c2"), [format!("INVITE {BOB}")]);
    rig.reload(|settings| settings.registration_manipulation.leave_from_right = 3);
    assert_eq!(
        called(&mut rig, &short, "c3"),
        [format!("INVITE {BOB}")],
        "(0, 3) on 3434 is 434, which is bob's"
    );
    assert_eq!(called(&mut rig, &format!("sip:434@{SAS}"), "c4"), [format!("INVITE {BOB}")]);
    rig.reload(|settings| settings.registration_manipulation = Settings::default().registration_manipulation);
    assert_eq!(called(&mut rig, &short, "c5"), [format!("INVITE {GATEWAY}")]);
}

/// Nobody is lost where two addresses of record come to be one, and no contact stands there twice.
#[test]
fn addresses_of_record_that_come_to_be_one_share_its_contacts() {
    let mut rig = Rig::lost_with(|settings| settings.registrar.max_contacts = 2);
    assert_eq!(register_as(&mut rig, "sip:bob@office.example", BOB, 1), "200");
    assert_eq!(register_as(&mut rig, "sip:bob@a.example", BOB, 2), "200");
    assert_eq!(register_as(&mut rig, "sip:bob@b.example", CAROL, 3), "200");
    assert_eq!(register_as(&mut rig, "sip:bob@c.example", MALLORY, 4), "200");
    rig.reload(|settings| settings.sas.binding_mode = BindingMode::UserPart);
    assert_eq!(keys(&rig), ["bob", "bob@a.example", "bob", "bob@c.example"]);
    assert_eq!(called(&mut rig, BOB_URI, "c1"), [BOB, CAROL].map(|at| format!("INVITE {at}")));
    // What is left over ends by itself, or where its own mode comes back.
    rig.reload(|settings| settings.sas.binding_mode = BindingMode::Uri);
    assert_eq!(keys(&rig), ["bob", "bob@a.example", "bob@b.example", "bob@c.example"]);
    assert_eq!(rig.sas.registrar().users(), 4);
}

#[test]
fn who_is_registered_stays_under_lower_limits_and_nobody_is_added() {
    let mut rig = Rig::lost();
    for (user, at, cseq) in [("bob", BOB, 1), ("carol", CAROL, 2)] {
        assert_eq!(register_as(&mut rig, &format!("sip:{user}@office.example"), at, cseq), "200");
    }
    assert_eq!(register_as(&mut rig, "sip:bob@office.example", MALLORY, 3), "200");
    rig.reload(|settings| (settings.registrar.max_users, settings.registrar.max_contacts) = (1, 1));
    assert_eq!((rig.sas.registrar().len(), rig.sas.registrar().users()), (3, 2));
    for (user, at, cseq) in [("bob", BOB, 4), ("carol", CAROL, 5), ("bob", MALLORY, 6)] {
        let refreshed = register_as(&mut rig, &format!("sip:{user}@office.example"), at, cseq);
        assert_eq!(refreshed, "200", "{user} is there");
    }
    assert_eq!(register_as(&mut rig, "sip:dave@office.example", ALICE, 7), "503");
    assert_ne!(register_as(&mut rig, "sip:bob@office.example", ALICE, 8), "200");
}

#[test]
fn a_reserved_user_keeps_the_binding_and_gets_no_other() {
    let mut rig = Rig::lost();
    assert_eq!(register_as(&mut rig, BOB_URI, BOB, 1), "200");
    rig.reload(|settings| settings.registrar.reserved_users = vec!["bob".to_owned()]);
    assert_eq!(keys(&rig), ["bob"]);
    assert_eq!(register_as(&mut rig, BOB_URI, CAROL, 2), "403");
    rig.reload(|settings| settings.registrar.reserved_users.clear());
    assert_eq!(register_as(&mut rig, BOB_URI, CAROL, 3), "200");
}

#[test]
fn a_store_is_told_of_new_keys_and_gives_the_same_database_back() {
    let mut rig = Rig::lost_with(|settings| settings.registrar.store = true);
    assert_eq!(register_as(&mut rig, "sip:bob@elsewhere.example", BOB, 1), "200");
    assert_eq!(register_as(&mut rig, "sip:carol@office.example", CAROL, 2), "200");
    let old = rig.stored.first().map(|(_, record)| record.clone()).unwrap();
    rig.stored.clear();
    rig.reload(|settings| settings.domains.push("elsewhere.example".to_owned()));
    let names = |stored: &[(Instant, Record)]| -> Vec<(String, bool)> {
        stored.iter().map(|(_, record)| (record.name(), record.is_removal())).collect()
    };
    let (was, is) = (format!("bob@elsewhere.example\nsip:bob@{BOB}"), format!("bob\nsip:bob@{BOB}"));
    assert_eq!(names(&rig.stored), [(was, true), (is, false)]);
    let told = rig.notices.iter().filter(|notice| matches!(notice, Notice::UserBound(_))).count();
    assert_eq!(told, 2, "the two REGISTERs: for who watches nothing has happened");
    // The record of before comes late.
    rig.event(Event::Restored { record: Box::new(old), age: Duration::ZERO });
    assert_eq!(rig.sas.registrar().len(), 2);
}

/// The whole table, in one event: linear, and each binding as it was.
#[test]
fn ten_thousand_bindings_get_new_keys() {
    let mut rig = Rig::cold(|settings| {
        settings.proxy_set.targets.clear();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.sas.registration_time = secs(0);
    });
    for number in 0..10_000_u32 {
        let at = format!("10.1.{}.{}:5060", number / 250, number % 250 + 1);
        let lines = format!("Contact: <sip:u{number}@{at}>\r\nExpires: 3600\r\n");
        let text = register(&format!("u{number}"), &at, &lines, 1);
        rig.feed(&at, text);
        rig.now = rig.now + millis(1);
    }
    let before: Vec<_> = rig.sas.snapshot(rig.now).map(|record| record.contact().to_owned()).collect();
    assert_eq!(before.len(), 10_000);
    rig.notices.clear();
    rig.reload(|settings| settings.domains = vec!["new.example".to_owned()]);
    assert_eq!(rig.notices, [Notice::Reconfigured]);
    let after: Vec<_> = rig.sas.snapshot(rig.now).map(|record| record.contact().to_owned()).collect();
    assert!(before == after, "all of them, in their order");
    assert!(keys(&rig).iter().all(|key| key.ends_with("@office.example")));
    assert_eq!(rig.sas.registrar().users(), 10_000);
    assert_eq!(called(&mut rig, "sip:u7777@office.example", "c1"), ["INVITE 10.1.31.28:5060"]);
}

// Calls under way

#[test]
fn a_call_that_rings_goes_on_when_the_proxies_change_places() {
    let mut rig = Rig::with(both);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let invite = one(&sent, &format!("INVITE {PROXY}")).clone();
    assert_eq!(rig.feed_one(PROXY, invite.answer(180, "")).brief(), format!("180 {ALICE}"));
    rig.reload(|settings| proxies(settings, &[PROXY_3, PROXY_2, PROXY]));
    let ok = rig.feed(PROXY, invite.answer(200, &format!("Contact: <sip:bob@{PROXY}>\r\n")));
    assert_eq!(briefs(&ok), [format!("200 {ALICE}")]);
    rig.drain();
}

#[test]
fn a_proxy_that_is_not_configured_any_more_still_answers_what_it_was_sent() {
    let mut rig = Rig::with(both);
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let invite = one(&sent, &format!("INVITE {PROXY}")).clone();
    rig.reload(|settings| proxies(settings, &[PROXY_2]));
    assert_eq!(rig.feed_one(PROXY, invite.answer(180, "")).brief(), format!("180 {ALICE}"));
    let refused = briefs(&rig.feed(PROXY, invite.answer(486, "")));
    assert_eq!(refused.last(), Some(&format!("486 {ALICE}")));
    rig.drain();
}

#[test]
fn what_such_a_proxy_leaves_unanswered_is_rescued_in_its_patience_without_evidence_against_the_others() {
    for keepalive in [true, false] {
        let mut rig = Rig::with(|settings| {
            both(settings);
            settings.proxy_set.keepalive = keepalive;
        });
        rig.bind("bob", BOB);
        rig.cut();
        one(&rig.feed(ALICE, request("INVITE", BOB_URI, "c1")), &format!("INVITE {PROXY}"));
        rig.up.insert(address(PROXY_3));
        rig.reload(|settings| {
            proxies(settings, &[PROXY_3]);
            settings.sas.request_patience = secs(30);
        });
        assert_eq!(briefs(&rig.run(millis(1400)))[..], [format!("INVITE {PROXY}")], "sent again by Timer A");
        let sent = rig.run(millis(700));
        one(&sent, &format!("INVITE {BOB}"));
        rig.run(secs(20));
        assert_eq!(rig.sas.state(), State::Normal, "keepalive {keepalive}");
    }
}

#[test]
fn what_was_to_be_tried_next_is_tried_if_it_is_still_configured() {
    let mut rig = Rig::with(|settings| proxies(settings, &[PROXY, PROXY_2, PROXY_3]));
    let sent = rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    let invite = one(&sent, &format!("INVITE {PROXY}")).clone();
    rig.reload(|settings| proxies(settings, &[PROXY_3, PROXY]));
    let next = briefs(&rig.feed(PROXY, invite.answer(503, "")));
    assert_eq!(next.last(), Some(&format!("INVITE {PROXY_3}")), "{next:?}");
}

#[test]
fn a_request_under_way_keeps_its_patience_and_the_next_has_the_new_one() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    rig.reload(|settings| settings.sas.request_patience = millis(100));
    let early = rig.run(millis(90));
    assert!(early.is_empty(), "{early:?}");
    rig.feed(ALICE, request("INVITE", BOB_URI, "c2"));
    let sent = rig.run(millis(150));
    assert_eq!(of(&sent, "INVITE").iter().map(|sent| sent.header("Call-ID")).collect::<Vec<_>>(), ["c2"]);
    let first = |sent: Vec<Sent>| -> Vec<Sent> {
        sent.into_iter().filter(|sent| sent.header("Call-ID") == "c1" && sent.is_request()).collect()
    };
    let sent = first(rig.run(millis(1_700)));
    assert!(sent.iter().all(|sent| sent.to == address(PROXY)), "{sent:?}");
    one(&first(rig.run(millis(200))), &format!("INVITE {BOB}"));
}

#[test]
fn a_call_that_is_up_ends_by_the_proxy_that_it_was_made_by() {
    let mut rig = Rig::with(both);
    rig.bind("alice", ALICE);
    rig.bind("bob", BOB);
    rig.reload(|settings| proxies(settings, &[PROXY_2]));
    let routes = [format!("<sip:{SAS};lr>"), format!("<sip:{PROXY};lr>")];
    let bye = in_dialog("BYE", &format!("sip:bob@{PROXY}"), "c1", &[&routes[0], &routes[1]]);
    let sent = rig.feed_one(ALICE, bye);
    assert_eq!(sent.brief(), format!("BYE {PROXY}"));
    assert_eq!(rig.feed_one(PROXY, sent.answer(200, "")).brief(), format!("200 {ALICE}"));
    // And the other way.
    let bye = from_to("BYE", &format!("sip:bob@{BOB}"), "c2", PROXY, ";tag=callee");
    let sent = rig.feed_one(PROXY, with(&bye, &format!("Route: <sip:{SAS};lr>")));
    assert_eq!(sent.brief(), format!("BYE {BOB}"));
    assert_eq!(rig.feed_one(BOB, sent.answer(200, "")).brief(), format!("200 {PROXY}"));
    rig.drain();
}

#[test]
fn a_call_that_waits_for_enum_goes_on_without_where_another_domain_is_asked() {
    let asks = |settings: &mut Settings, suffix: &str| {
        settings.sas.number_mapping = Some(NumberMapping::new(suffix.to_owned()));
    };
    let mut rig = Rig::lost_with(|settings| asks(settings, "e164.example"));
    rig.dns_is_up = false;
    let number = "sip:+12015550123@office.example";
    assert_eq!(called(&mut rig, number, "c1"), [""; 0], "it waits");
    assert!(rig.reload(|settings| settings.sas.subscribe_response = 405).is_empty(), "and goes on waiting");
    let sent = rig.reload(|settings| asks(settings, "e164.other"));
    one(&sent, &format!("INVITE {GATEWAY}"));
    rig.questions.clear();
    assert_eq!(called(&mut rig, number, "c2"), [""; 0]);
    assert!(rig.questions.iter().all(|question| question.contains("e164.other")), "{:?}", rig.questions);
    rig.drain();
}

#[test]
fn a_flow_token_stays_good() {
    let mut rig = Rig::new();
    let lines = format!(
        "Supported: path, outbound\r\nContact: <sip:bob@{BOB};ob>;+sip.instance=\"<urn:uuid:0>\";reg-id=1\r\n"
    );
    let relayed = rig.feed_one(BOB, register("bob", BOB, &lines, 1));
    let path = relayed.header("Path").to_owned();
    assert!(path.contains(";ob"), "{path}");
    rig.reload(|settings| settings.domains.clear());
    let invite =
        with(&from_to("INVITE", &format!("sip:bob@{BOB}"), "c1", PROXY, ""), &format!("Route: {path}"));
    one(&rig.feed(PROXY, invite), &format!("INVITE {BOB}"));
}

// The proxies

#[test]
fn a_proxy_that_stays_keeps_its_health_and_its_turn_wherever_it_stands() {
    let mut rig = Rig::with(both);
    rig.up.remove(&address(PROXY));
    rig.run(secs(7));
    assert_eq!([0, 1].map(|proxy| condition(&rig, proxy)), [ProxyStatus::Offline, ProxyStatus::Online]);
    let (due, probes) = (rig.sas.next_timeout(), rig.probes);
    rig.reload(|settings| proxies(settings, &[PROXY_2, PROXY]));
    assert_eq!([0, 1].map(|proxy| condition(&rig, proxy)), [ProxyStatus::Online, ProxyStatus::Offline]);
    assert_eq!((rig.sas.next_timeout(), rig.probes), (due, probes));
    let told = rig.notices.iter().rev().take_while(|notice| **notice != Notice::Reconfigured).count();
    assert_eq!(told, 0, "{:?}", rig.notices);
}

#[test]
fn a_new_proxy_is_unknown_and_probed_at_once_and_one_that_is_gone_no_more() {
    let mut rig = Rig::new();
    rig.cut();
    let probes = rig.probes;
    rig.reload(|settings| proxies(settings, &[PROXY_3, PROXY]));
    assert_eq!(rig.probes, probes + 1);
    assert_eq!([0, 1].map(|proxy| condition(&rig, proxy)), [ProxyStatus::Unknown, ProxyStatus::Online]);
    rig.up.insert(address(PROXY_3));
    rig.run(secs(1));
    assert_eq!(condition(&rig, 0), ProxyStatus::Online);
    rig.notices.clear();
    rig.up.clear();
    rig.up.insert(address(PROXY));
    rig.reload(|settings| proxies(settings, &[PROXY]));
    rig.run(secs(60));
    assert!(rig.states().is_empty(), "{:?}", rig.states());
    let is_news = |notice: &Notice| matches!(notice, Notice::ProxyStatus { target, .. } if **target == *format!("sip:{PROXY_3}"));
    assert!(!rig.notices.iter().any(is_news), "{:?}", rig.notices);
}

#[test]
fn where_all_proxies_are_new_the_branch_is_as_at_start_up() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    rig.reload(|settings| proxies(settings, &[PROXY_2, PROXY_3]));
    // Unknown: half a second of patience for each, not two.
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    one(&rig.run(millis(1_100)), &format!("INVITE {BOB}"));
    rig.run(secs(2));
    assert_eq!(rig.states(), [State::Emergency]);
}

#[test]
fn names_that_stay_stay_resolved_and_new_ones_are_asked_for() {
    let mut rig =
        Rig::cold(|settings| settings.proxy_set.targets = vec!["sip:a.example:5060".parse().unwrap()]);
    rig.know("a.example", &[PROXY]);
    rig.know("b.example", &[PROXY_2]);
    rig.run(millis(600));
    assert_eq!(condition(&rig, 0), ProxyStatus::Online);
    rig.questions.clear();
    let both = ["sip:b.example:5060", "sip:a.example:5060"];
    rig.reload(|settings| settings.proxy_set.targets = both.map(|uri| uri.parse().unwrap()).into());
    rig.run(millis(600));
    assert!(rig.questions.iter().all(|question| question.starts_with("b.example")), "{:?}", rig.questions);
    assert_eq!([0, 1].map(|proxy| condition(&rig, proxy)), [ProxyStatus::Online; 2]);
    // The users of its address are ours for as long as it is.
    assert_eq!(rig.sas.registrar().len(), 0);
    rig.cut();
    rig.run(secs(10));
    let [first, second] = [PROXY, PROXY_2].map(|at| format!("sip:bob@{}", at.trim_end_matches(":5060")));
    assert_eq!(register_as(&mut rig, &first, BOB, 1), "200");
    assert_eq!(register_as(&mut rig, &second, CAROL, 2), "200");
    assert_eq!(keys(&rig), ["bob", "bob"]);
    rig.reload(|settings| settings.proxy_set.targets = vec!["sip:b.example:5060".parse().unwrap()]);
    assert_eq!(keys(&rig), ["bob@192.0.2.1", "bob"]);
}

#[test]
fn a_gateway_that_is_named_stays_where_it_was_while_the_dns_is_away() {
    let mut rig =
        Rig::cold(|settings| settings.sas.default_gateway = vec!["sip:gw.example:5060".parse().unwrap()]);
    rig.know("gw.example", &[GATEWAY]);
    rig.run(millis(600));
    rig.dns_is_up = false;
    let gateways = ["sip:other.example:5060", "sip:gw.example:5060"];
    rig.reload(|settings| settings.sas.default_gateway = gateways.map(|uri| uri.parse().unwrap()).into());
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "c1"));
    one(&sent, &format!("INVITE {GATEWAY}"));
}

/// `sas.md` 4.5: that a proxy wants no Path is remembered, wherever it stands.
#[test]
fn a_proxy_that_wants_no_path_gets_none_wherever_it_stands() {
    let mut rig = Rig::new();
    let relayed = rig.feed_one(BOB, register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), 1));
    let again = rig.feed_one(PROXY, relayed.answer(420, "Unsupported: path\r\n"));
    assert!(again.all("Path").is_empty());
    rig.up.remove(&address(PROXY_2));
    rig.reload(|settings| proxies(settings, &[PROXY_2, PROXY]));
    rig.run(secs(7));
    let relayed =
        rig.feed_one(CAROL, register("carol", CAROL, &format!("Contact: <sip:carol@{CAROL}>\r\n"), 1));
    assert_eq!((relayed.brief(), relayed.all("Path").len()), (format!("REGISTER {PROXY}"), 0));
    rig.up.insert(address(PROXY_2));
    rig.run(secs(7));
    rig.reload(|settings| proxies(settings, &[PROXY_2]));
    let relayed =
        rig.feed_one(MALLORY, register("m", MALLORY, &format!("Contact: <sip:m@{MALLORY}>\r\n"), 1));
    assert_eq!((relayed.brief(), relayed.all("Path").len()), (format!("REGISTER {PROXY_2}"), 1));
}

#[test]
fn what_was_told_to_a_returning_proxy_that_is_gone_is_told_to_the_other() {
    let mut rig = Rig::with(both);
    rig.bind("bob", BOB);
    rig.cut();
    rig.run(secs(30));
    rig.up.extend([PROXY, PROXY_2].map(address));
    let sent = rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Normal);
    let first = sent.iter().find(|sent| sent.line().starts_with("REGISTER")).unwrap().to;
    let other = if first == address(PROXY) { PROXY_2 } else { PROXY };
    rig.reload(|settings| proxies(settings, &[other]));
    one(&rig.run(millis(100)), &format!("REGISTER {other}"));
}

#[test]
fn a_shorter_interval_of_keep_alive_counts_for_the_next_probe() {
    let mut rig = Rig::with(|settings| settings.proxy_set.keepalive_interval = secs(3600));
    rig.run(secs(20));
    rig.reload(|settings| settings.proxy_set.keepalive_interval = secs(4));
    assert_eq!(probed(&mut rig, millis(10)), 1, "the last one is 20 s ago");
    assert!(probed(&mut rig, secs(40)) >= 9);
}

/// Where a REGISTER of `user`'s goes.
fn home_of(rig: &mut Rig, user: &str, cseq: u32) -> String {
    let contact = format!("Contact: <sip:{user}@{CAROL}>\r\n");
    let sent = rig.feed_one(CAROL, register(user, CAROL, &contact, cseq));
    let at = sent.to.to_string();
    let granted = format!("Contact: <sip:{user}@{CAROL}>;expires=600\r\n");
    rig.feed(&at, sent.answer(200, &granted));
    at
}

#[test]
fn who_is_parked_stays_wherever_its_proxy_stands() {
    let mut rig = Rig::with(|settings| {
        both(settings);
        settings.proxy_set.redundancy = Redundancy::Parking;
    });
    rig.up.remove(&address(PROXY));
    rig.run(secs(7));
    rig.up.insert(address(PROXY));
    rig.run(secs(10));
    assert_eq!(home_of(&mut rig, "bob", 1), PROXY_2);
    rig.up.insert(address(PROXY_3));
    rig.reload(|settings| proxies(settings, &[PROXY, PROXY_3, PROXY_2]));
    rig.run(secs(1));
    assert_eq!(home_of(&mut rig, "bob", 2), PROXY_2);
    rig.reload(|settings| settings.proxy_set.redundancy = Redundancy::Homing);
    assert_eq!(home_of(&mut rig, "bob", 3), PROXY);
    rig.reload(|settings| {
        proxies(settings, &[PROXY_3, PROXY]);
        settings.proxy_set.redundancy = Redundancy::Parking;
    });
    assert_eq!(home_of(&mut rig, "bob", 4), PROXY_3, "the best one at the time");
    rig.reload(|settings| proxies(settings, &[PROXY_2, PROXY, PROXY_3]));
    assert_eq!(home_of(&mut rig, "bob", 5), PROXY_3);
}

#[test]
fn who_was_dealt_a_proxy_keeps_it_while_it_is_there() {
    let mut rig = Rig::with(|settings| {
        both(settings);
        settings.proxy_set.balancing = Balancing::RoundRobin;
    });
    assert_eq!(["a", "b", "c"].map(|user| home_of(&mut rig, user, 1)), [PROXY, PROXY_2, PROXY]);
    rig.up.insert(address(PROXY_3));
    rig.reload(|settings| proxies(settings, &[PROXY_3, PROXY_2, PROXY]));
    rig.run(secs(1));
    assert_eq!(["a", "b", "c"].map(|user| home_of(&mut rig, user, 2)), [PROXY, PROXY_2, PROXY]);
    rig.reload(|settings| proxies(settings, &[PROXY_3, PROXY_2]));
    let homes = ["a", "b", "c"].map(|user| home_of(&mut rig, user, 3));
    assert_eq!(homes[1], PROXY_2);
    assert_eq!(homes.map(|home| home == PROXY), [false; 3]);
    rig.reload(|settings| settings.proxy_set.balancing = Balancing::None);
    assert_eq!(["a", "b", "c"].map(|user| home_of(&mut rig, user, 4)), [PROXY_3; 3]);
}

#[test]
fn a_trust_that_is_asked_for_counts_at_once() {
    let mut rig = Rig::lost();
    assert_eq!(register_as(&mut rig, BOB_URI, BOB, 1), "200");
    rig.reload(|settings| settings.trust.register = Trust::Known);
    assert_eq!(register_as(&mut rig, "sip:carol@office.example", CAROL, 2), "403");
    assert_eq!(keys(&rig), ["bob"], "who is there stays");
}

// The state

#[test]
fn always_emergency_begins_at_once_and_keep_alive_stops() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.feed(ALICE, request("INVITE", BOB_URI, "c1"));
    rig.notices.clear();
    let sent = rig.reload(|settings| settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency);
    let changed =
        Notice::StateChanged { from: State::Normal, to: State::Emergency, cause: Cause::AlwaysEmergency };
    assert_eq!(rig.notices[..2], [Notice::Reconfigured, changed]);
    one(&sent, &format!("INVITE {BOB}"));
    assert_eq!(probed(&mut rig, secs(60)), 0);
}

#[test]
fn from_always_emergency_the_way_home_is_by_evidence() {
    let mut rig = Rig::with(|settings| settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency);
    rig.run(secs(100));
    assert_eq!((rig.sas.state(), rig.probes), (State::Emergency, 0));
    rig.reload(|settings| settings.sas.survivability_mode = SurvivabilityMode::Standard);
    rig.run(secs(9));
    assert_eq!(rig.sas.state(), State::Emergency, "for the minimum dwell");
    rig.run(secs(2));
    assert_eq!(rig.sas.state(), State::Normal);
}

#[test]
fn without_proxies_and_with_some_again() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.reload(|settings| {
        settings.proxy_set.targets.clear();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    });
    assert_eq!(called(&mut rig, BOB_URI, "c1"), [format!("INVITE {BOB}")]);
    rig.reload(|settings| {
        proxies(settings, &[PROXY_2]);
        settings.sas.survivability_mode = SurvivabilityMode::Standard;
    });
    rig.run(secs(11));
    assert_eq!((rig.sas.state(), condition(&rig, 0)), (State::Normal, ProxyStatus::Online));
    assert_eq!(keys(&rig), ["bob"]);
}

#[test]
fn in_an_outage_a_new_proxy_leads_home_by_a_row_of_answers_and_after_the_dwell() {
    let mut rig = Rig::lost();
    rig.run(secs(20));
    rig.notices.clear();
    rig.up.insert(address(PROXY_2));
    rig.reload(|settings| proxies(settings, &[PROXY_2]));
    assert_eq!((rig.sas.state(), condition(&rig, 0)), (State::Emergency, ProxyStatus::Offline));
    rig.run(secs(1));
    assert_eq!((rig.states(), rig.sas.state()), (vec![State::Normal], State::Normal));
}

#[test]
fn the_dwell_that_runs_goes_on_and_returns_are_remembered() {
    let mut rig = Rig::lost();
    // It was lost at most 7 s ago.
    rig.up.insert(address(PROXY));
    rig.run(millis(500));
    rig.reload(|settings| settings.sas.minimum_dwell = secs(60));
    rig.reload(|settings| settings.sas.maximum_dwell = secs(60));
    rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Normal, "by the dwell of then");
    rig.cut();
    rig.run(secs(7));
    rig.up.insert(address(PROXY));
    rig.run(secs(50));
    assert_eq!(rig.sas.state(), State::Emergency, "the next one is longer");
    rig.run(secs(12));
    assert_eq!(rig.sas.state(), State::Normal);
}

#[test]
fn where_only_dead_proxies_are_left_the_branch_serves_itself() {
    let mut rig = Rig::with(both);
    rig.up.remove(&address(PROXY));
    rig.run(secs(7));
    assert_eq!(rig.sas.state(), State::Normal);
    rig.reload(|settings| proxies(settings, &[PROXY]));
    assert_eq!(rig.states(), [State::Emergency]);
}

#[test]
fn keep_alive_begins_and_ends_without_a_change_of_the_state() {
    let mut rig = Rig::new();
    rig.reload(|settings| settings.proxy_set.keepalive = false);
    assert_eq!(probed(&mut rig, secs(60)), 0);
    rig.reload(|settings| settings.proxy_set.keepalive = true);
    assert!(probed(&mut rig, secs(60)) > 10);
    assert_eq!((rig.states(), rig.sas.state()), (vec![], State::Normal));
    rig.cut();
    rig.run(secs(7));
    assert_eq!(rig.states(), [State::Emergency]);
}

// Who has to prove who they are

fn guarded(settings: &mut Settings, realm: &str, password: &str) {
    let ha1 = Ha1::new(Algorithm::Md5, "bob", realm, password);
    let bob = User { name: "bob".to_owned(), ha1: vec![ha1] };
    settings.auth = Some(Authentication::new(realm.parse().unwrap(), vec![bob]));
}

fn challenge(rig: &mut Rig, cseq: u32, password: &'static str) -> Session {
    let text = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), cseq);
    let challenge = rig.feed_one(BOB, text);
    let challenges = challenge.all("WWW-Authenticate").into_iter().map(|text| Auth::parse(text).unwrap());
    let ha1 = |realm: &str, algorithm| Some(Ha1::new(algorithm, "bob", realm, password));
    Session::open(challenges, "bob", ha1, Token::of(1)).unwrap()
}

fn proved(rig: &mut Rig, session: &mut Session, cseq: u32) -> Sent {
    let answer = session.answer("REGISTER", "sip:office.example", b"");
    let lines = format!("Contact: <sip:bob@{BOB}>\r\nAuthorization: {answer}\r\n");
    rig.feed_one(BOB, register("bob", BOB, &lines, cseq))
}

#[test]
fn a_nonce_stays_good_while_the_realm_is_the_same() {
    let mut rig = Rig::lost_with(|settings| guarded(settings, "office.example", "secret"));
    let mut bob = challenge(&mut rig, 1, "secret");
    rig.reload(|settings| {
        guarded(settings, "office.example", "secret");
        settings.auth.as_mut().unwrap().max_nonces = 10;
    });
    assert_eq!(proved(&mut rig, &mut bob, 2).brief(), format!("200 {BOB}"));
    rig.reload(|settings| guarded(settings, "office.example", "another secret"));
    assert_eq!(proved(&mut rig, &mut bob, 3).brief(), format!("401 {BOB}"), "the password counts at once");
    assert_eq!(rig.sas.registrar().len(), 1, "who has proved it is there");
    rig.reload(|settings| guarded(settings, "other.example", "secret"));
    assert_eq!(proved(&mut rig, &mut bob, 4).brief(), format!("401 {BOB}"));
    let mut bob = challenge(&mut rig, 5, "secret");
    assert_eq!(proved(&mut rig, &mut bob, 6).brief(), format!("200 {BOB}"));
    rig.reload(|settings| settings.auth = None);
    let free = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), 7);
    assert_eq!(rig.feed_one(BOB, free).brief(), format!("200 {BOB}"));
    rig.reload(|settings| guarded(settings, "office.example", "secret"));
    let locked = register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), 8);
    assert_eq!(rig.feed_one(BOB, locked).brief(), format!("401 {BOB}"));
}

// The journal

/// A life with two reloads, told to a core and to a journal.
fn life() -> (Vec<u8>, Vec<(Instant, sip_survivability::Actions)>) {
    let config = |about: &str| config_of(about).unwrap();
    let (seed, mut file, mut lived) = ([5; 32], Vec::new(), Vec::new());
    let mut journal = Writer::start(seed, "one", Instant::ZERO, &mut file);
    let mut sas = Sas::new(config("one"), seed, Instant::ZERO);
    for second in 0..60 {
        let now = Instant::from_secs(second);
        let about = match second {
            20 => Some("two"),
            40 => Some("one"),
            _ => None,
        };
        if let Some(about) = about {
            lived.push((now, sas.reconfigure(now, config(about)).unwrap()));
            journal.reconfigured(now, about, &mut file);
        }
        let event = match second {
            0 => Event::FlowOpened {
                flow: FLOW,
                transport: sip_survivability::transport::Transport::Udp,
                local: address(SAS),
                remote: None,
            },
            second if second % 7 == 3 => Event::Datagram {
                flow: FLOW,
                from: address(BOB),
                data: register(
                    "bob",
                    BOB,
                    &format!("Contact: <sip:bob@{BOB}>\r\n"),
                    u32::try_from(second).unwrap(),
                )
                .into(),
            },
            _ => Event::Tick,
        };
        journal.append(now, &event, &mut file);
        lived.push((now, sas.handle(now, event)));
    }
    (file, lived)
}

fn config_of(about: &str) -> Option<sip_survivability::config::Config> {
    let mut settings = Settings::default();
    match about {
        "one" => proxies(&mut settings, &[PROXY]),
        "two" => {
            proxies(&mut settings, &[PROXY_2, PROXY]);
            guarded(&mut settings, "office.example", "secret");
            settings.domains = vec!["office.example".to_owned()];
        }
        _ => return None,
    }
    settings.validate().ok()
}

#[test]
fn a_life_with_reloads_replays_byte_for_byte() {
    let (file, lived) = life();
    let reader = Reader::open(&file).unwrap();
    let first = config_of(reader.about()).unwrap();
    let mut steps = Sas::replay_with(first, reader, config_of);
    for (number, (at, actions)) in lived.iter().enumerate() {
        let step = steps.next().unwrap().unwrap();
        assert_eq!((step.at, &step.actions), (*at, actions), "step {number}");
    }
    assert!(steps.next().is_none());
    let reloads = Reader::open(&file).unwrap().filter(|told| matches!(told, Ok((_, Told::Reconfigured(_)))));
    assert_eq!(reloads.count(), 2);
}

#[test]
fn who_cannot_follow_a_reload_is_told_where_it_is() {
    let (file, _) = life();
    let first = || config_of("one").unwrap();
    let steps: Vec<_> = Sas::replay(first(), Reader::open(&file).unwrap()).collect();
    let (last, good) = steps.split_last().unwrap();
    assert_eq!(last.as_ref().unwrap_err().kind, JournalErrorKind::Configuration);
    assert_eq!(good.len(), 20);
    // One that could not have followed is as good as unknown.
    let stored = |_: &str| {
        let mut settings = Settings::default();
        proxies(&mut settings, &[PROXY]);
        settings.registrar.store = true;
        settings.validate().ok()
    };
    let last = Sas::replay_with(first(), Reader::open(&file).unwrap(), stored).last().unwrap();
    assert_eq!(last.unwrap_err().kind, JournalErrorKind::Configuration);
}
