//! What each survivability mode does in each state (`sas.md` 2.2), and the transitions T1 to T8 (3.3).

use super::rig::*;
use sip_survivability::Notice;
use sip_survivability::config::{EnteringEmergency, Route, Settings, SurvivabilityMode};
use sip_survivability::mode::{Cause, State};

const TRUNK: &str = "192.0.2.30:5060";

fn mode(mode: SurvivabilityMode) -> impl Fn(&mut Settings) {
    move |settings| {
        settings.sas.survivability_mode = mode;
        let mut row = Route::new(format!("sip:{TRUNK}").parse().unwrap());
        row.columns.destination_user = "5".parse().unwrap();
        settings.routes = vec![row];
    }
}

fn reg(cseq: u32) -> String {
    register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\nExpires: 3600\r\n"), cseq)
}

/// Where a call goes first: `INVITE 192.0.2.1:5060`, or the answer.
fn call(rig: &mut Rig, number: &str, id: &str) -> String {
    let sent = rig.feed(ALICE, request("INVITE", &format!("sip:{number}@office.example"), id));
    briefs(&sent).into_iter().find(|brief| !brief.starts_with("100 ")).unwrap_or_default()
}

fn to(place: &str) -> String {
    format!("INVITE {place}")
}

#[test]
fn mode_0_forwards_in_normal_and_serves_by_the_table_in_emergency() {
    let mut rig = Rig::with(mode(SurvivabilityMode::Standard));
    assert_eq!(rig.feed_one(BOB, reg(1)).brief(), format!("REGISTER {PROXY}"));
    assert_eq!(call(&mut rig, "51", "c1"), to(PROXY));
    assert!(rig.probes > 0);
    let mut rig = Rig::lost_with(mode(SurvivabilityMode::Standard));
    assert_eq!(rig.feed_one(BOB, reg(1)).brief(), format!("200 {BOB}"));
    assert_eq!(call(&mut rig, "bob", "c1"), to(BOB));
    assert_eq!(call(&mut rig, "51", "c2"), to(TRUNK));
    assert_eq!(call(&mut rig, "61", "c3"), to(GATEWAY));
}

#[test]
fn mode_1_is_always_in_emergency_without_a_keepalive() {
    let mut rig = Rig::with(mode(SurvivabilityMode::AlwaysEmergency));
    rig.run(secs(60));
    assert_eq!((rig.sas.state(), rig.probes), (State::Emergency, 0));
    assert_eq!(rig.feed_one(BOB, reg(1)).brief(), format!("200 {BOB}"));
    assert_eq!(call(&mut rig, "bob", "c1"), to(BOB));
    assert_eq!(call(&mut rig, "51", "c2"), to(TRUNK));
}

#[test]
fn mode_2_drops_a_register_in_normal_without_a_word_and_serves_it_in_emergency() {
    let mut rig = Rig::with(mode(SurvivabilityMode::IgnoreRegister));
    assert_eq!(rig.feed(BOB, reg(1)), []);
    assert_eq!(rig.run(secs(40)), []);
    assert!(rig.probes > 0);
    assert_eq!(rig.sas.registrar().len(), 0);
    assert_eq!(call(&mut rig, "51", "c1"), to(PROXY));
    rig.cut();
    rig.run(secs(7));
    assert_eq!(rig.sas.state(), State::Emergency);
    // What was dropped can come again: no transaction holds it back.
    assert_eq!(rig.feed_one(BOB, reg(1)).brief(), format!("200 {BOB}"));
    assert_eq!(call(&mut rig, "bob", "c2"), to(BOB));
    assert_eq!(call(&mut rig, "52", "c3"), to(TRUNK));
}

#[test]
fn mode_2_with_the_flag_drops_all_that_phones_begin_but_emergency_calls() {
    let mut rig = Rig::with(|settings| {
        mode(SurvivabilityMode::IgnoreRegister)(settings);
        settings.sas.ignore_all_in_normal = true;
    });
    assert_eq!(rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "c1")), []);
    assert_eq!(rig.feed(ALICE, request("OPTIONS", &format!("sip:{SAS}"), "c2")), []);
    assert_eq!(call(&mut rig, "911", "c3"), to(GATEWAY));
    let bye = in_dialog("BYE", &format!("sip:bob@{BOB}"), "c4", &[]);
    assert!(!rig.feed(ALICE, bye).is_empty(), "what belongs to a call is served");
    rig.cut();
    rig.run(secs(7));
    assert_eq!(call(&mut rig, "61", "c5"), to(GATEWAY));
}

#[test]
fn mode_3_answers_a_register_in_normal_and_relays_none() {
    let mut rig = Rig::with(mode(SurvivabilityMode::AutoAnswerRegister));
    let ok = rig.feed_one(BOB, reg(1));
    assert_eq!(ok.brief(), format!("200 {BOB}"));
    assert!(ok.header("Contact").starts_with(&format!("<sip:bob@{BOB}>;expires=")));
    assert_eq!((rig.sas.state(), rig.sas.registrar().len()), (State::Normal, 1));
    assert_eq!(call(&mut rig, "bob", "c1"), to(PROXY));
    // The proxy's call for it comes back to what is stored.
    let from_proxy = from_to("INVITE", "sip:bob@office.example", "p1", PROXY, "");
    one(&rig.feed(PROXY, from_proxy), &to(BOB));
    rig.cut();
    rig.run(secs(7));
    assert_eq!(rig.feed_one(BOB, reg(2)).brief(), format!("200 {BOB}"));
    assert_eq!(call(&mut rig, "bob", "c2"), to(BOB));
}

#[test]
fn mode_4_has_the_table_in_normal_and_none_in_emergency() {
    let mut rig = Rig::with(mode(SurvivabilityMode::TableInNormal));
    assert_eq!(rig.feed_one(BOB, reg(1)).brief(), format!("REGISTER {PROXY}"));
    assert_eq!(call(&mut rig, "51", "c1"), to(TRUNK));
    assert_eq!(call(&mut rig, "61", "c2"), to(PROXY));
    let mut rig = Rig::lost_with(mode(SurvivabilityMode::TableInNormal));
    assert_eq!(call(&mut rig, "51", "c1"), to(GATEWAY));
}

#[test]
fn an_alternative_row_is_tried_when_the_first_is_silent_unreachable_or_says_408() {
    let rows = |settings: &mut Settings| {
        let row = |to: &str| Route::new(to.parse().unwrap());
        let mut backup = row("sip:192.0.2.31");
        backup.alternative = sip_survivability::config::Alternative::IgnoreInputs;
        settings.routes = vec![row("sip:192.0.2.30"), backup];
    };
    let second = "INVITE 192.0.2.31:5060";
    let start = |rig: &mut Rig| {
        let sent = rig.feed(ALICE, request("INVITE", "sip:51@office.example", "c1"));
        one(&sent, &to(TRUNK)).clone()
    };
    let mut rig = Rig::lost_with(rows);
    start(&mut rig);
    one(&rig.run(secs(5)), second);
    let mut rig = Rig::lost_with(rows);
    start(&mut rig);
    one(&rig.failed(TRUNK), second);
    let mut rig = Rig::lost_with(rows);
    let first = start(&mut rig);
    one(&rig.feed(TRUNK, first.answer(408, "")), second);
    // Busy is busy.
    let mut rig = Rig::lost_with(rows);
    let first = start(&mut rig);
    one(&rig.feed(TRUNK, first.answer(486, "")), &format!("486 {ALICE}"));
    rig.drain();
}

fn causes(rig: &Rig) -> Vec<(State, Cause)> {
    let change = |notice: &Notice| {
        if let Notice::StateChanged { to, cause, .. } = notice { Some((*to, *cause)) } else { None }
    };
    rig.notices.iter().filter_map(change).collect()
}

#[test]
fn t1_unanswered_options_lead_to_emergency() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    rig.run(secs(6));
    assert_eq!(causes(&rig), [(State::Emergency, Cause::KeepaliveUnanswered)]);
    assert_eq!(rig.sas.registrar().len(), 1);
}

#[test]
fn t2_an_unanswered_request_leads_to_emergency_and_is_served() {
    let mut rig = Rig::with(|settings| settings.proxy_set.keepalive = false);
    rig.bind("bob", BOB);
    assert_eq!(call(&mut rig, "bob", "c1"), to(PROXY));
    rig.cut();
    let sent = rig.run(secs(3));
    one(&sent, &to(BOB));
    assert_eq!(causes(&rig), [(State::Emergency, Cause::RequestsUnanswered)]);
}

#[test]
fn t3_with_keepalive_only_an_unanswered_request_changes_no_state() {
    let mut rig = Rig::with(|settings| settings.sas.entering_emergency = EnteringEmergency::KeepAlive);
    rig.bind("bob", BOB);
    assert_eq!(call(&mut rig, "bob", "c1"), to(PROXY));
    // The proxy answers its probes, and not the call.
    let sent = rig.run(secs(40));
    one(&sent, &format!("408 {ALICE}"));
    assert_eq!(rig.sas.state(), State::Normal);
}

#[test]
fn t4_answered_options_lead_home_after_the_dwell() {
    let mut rig = Rig::lost();
    rig.notices.clear();
    rig.up.insert(address(PROXY));
    rig.run(secs(2));
    assert_eq!(rig.sas.state(), State::Emergency);
    rig.run(secs(14));
    assert_eq!(causes(&rig), [(State::Normal, Cause::ProxyAnswered)]);
}

#[test]
fn t5_in_emergency_the_options_go_on() {
    let mut rig = Rig::lost();
    let before = rig.probes;
    rig.run(secs(60));
    assert!(rig.probes >= before + 10, "{}", rig.probes - before);
    assert_eq!(rig.sas.state(), State::Emergency);
}

#[test]
fn t6_with_mode_1_nothing_leads_out_of_emergency() {
    let mut rig = Rig::with(|settings| settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency);
    rig.run(secs(600));
    assert_eq!((rig.sas.state(), rig.probes, causes(&rig)), (State::Emergency, 0, vec![]));
}

#[test]
fn t7_neither_keepalive_nor_requests_is_refused() {
    let mut settings = Settings::default();
    settings.proxy_set.targets = vec![format!("sip:{PROXY}").parse().unwrap()];
    settings.proxy_set.keepalive = false;
    settings.sas.entering_emergency = EnteringEmergency::KeepAlive;
    assert_eq!(settings.validate().unwrap_err().key, "proxy_set.keepalive");
}

#[test]
fn t8_without_keepalive_a_private_probe_runs_until_the_exit() {
    let mut rig = Rig::with(|settings| settings.proxy_set.keepalive = false);
    assert_eq!(rig.probes, 0);
    call(&mut rig, "bob", "c1");
    rig.cut();
    rig.run(secs(10));
    assert_eq!(rig.sas.state(), State::Emergency);
    let probes = rig.probes;
    assert!(probes > 0);
    rig.up.insert(address(PROXY));
    rig.run(secs(30));
    assert_eq!(rig.sas.state(), State::Normal);
    let at_home = rig.probes;
    rig.run(secs(60));
    assert_eq!(rig.probes, at_home);
}
