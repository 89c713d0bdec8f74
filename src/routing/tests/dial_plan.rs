//! What a site's dial plan changes: the routing table, manipulation, prefixes, other SASes, and who may call.

use super::*;
use config::{
    Alternative, BindingMode, CascadeLoop, InboundManipulation, ManipulationRule, OutOfDialogMiss,
    RequestKind, Route, SurvivabilityMode,
};
use proptest::prelude::*;

const PEER: &str = "192.0.2.20:5080";
const TRUNK: &str = "192.0.2.30:5060";

fn row(number: &str, to: &str) -> Route {
    let mut row = Route::new(to.parse().unwrap());
    row.columns.destination_user = number.parse().unwrap();
    row
}

fn backup(to: &str) -> Route {
    Route { alternative: Alternative::IgnoreInputs, ..row("*", to) }
}

fn with_rows(rows: Vec<Route>) -> Rig {
    Rig::with(|settings| settings.routes = rows)
}

fn invite(number: &str) -> String {
    initial("INVITE", &format!("sip:{number}@office.example"))
}

impl Rig {
    /// Targets and step, without the reasons.
    fn route(&self, state: State, from: &str, text: &str) -> String {
        self.ask(state, from, text).split(" (").next().unwrap().to_owned()
    }

    fn reasons(&self, state: State, from: &str, text: &str) -> String {
        self.ask(state, from, text).split(" (").nth(1).unwrap().trim_end_matches(')').to_owned()
    }

    fn emergency(&self, number: &str) -> String {
        self.route(Emergency, ALICE, &invite(number))
    }
}

#[test]
fn the_table_is_in_force_in_emergency_and_in_mode_4_in_normal_only() {
    let rows = || vec![row("9", "sip:192.0.2.30")];
    let by_table = "routing_table: sip:91@192.0.2.30 at 192.0.2.30:5060";
    let rig = with_rows(rows());
    assert_eq!(rig.route(Emergency, ALICE, &invite("91")), by_table);
    assert_eq!(
        rig.ask(Normal, ALICE, &invite("91")),
        "proxy: as it came at 192.0.2.1:5060 (normal_state table_not_in_force)"
    );
    let rig = Rig::with(|settings| {
        settings.routes = rows();
        settings.sas.survivability_mode = SurvivabilityMode::TableInNormal;
    });
    assert_eq!(rig.ask(Normal, ALICE, &invite("91")), format!("{by_table} (normal_state row_matches)"));
    assert_eq!(rig.route(Normal, PROXY, &invite("91")), by_table);
    assert_eq!(
        rig.ask(Emergency, ALICE, &invite("91")),
        "default_gateway: sip:91@192.0.2.9 at 192.0.2.9:5060 \
         (emergency_state user_not_registered table_not_in_force gateway_configured may_call_out)"
    );
}

#[test]
fn the_first_row_that_matches_wins_and_no_match_falls_through() {
    let rig =
        with_rows(vec![row("91", "sip:192.0.2.31"), row("9", "sip:192.0.2.30"), row("8", "reject:603")]);
    assert!(rig.emergency("912").starts_with("routing_table: sip:912@192.0.2.31 at"));
    assert!(rig.emergency("922").starts_with("routing_table: sip:922@192.0.2.30 at"));
    assert_eq!(
        rig.ask(Emergency, ALICE, &invite("82")),
        "routing_table: 603 (emergency_state user_not_registered row_matches)"
    );
    assert_eq!(
        rig.reasons(Emergency, ALICE, &invite("7")),
        "emergency_state user_not_registered no_row_matches gateway_configured may_call_out"
    );
}

#[test]
fn all_columns_of_a_row_have_to_match() {
    let mut narrow = row("9", "sip:192.0.2.30");
    narrow.columns.source_user = "al".parse().unwrap();
    narrow.columns.source_host = "office.example".parse().unwrap();
    narrow.columns.destination_host = "OFFICE.example".parse().unwrap();
    narrow.request = RequestKind::Invite;
    assert!(with_rows(vec![narrow.clone()]).emergency("91").starts_with("routing_table"));
    let but = |change: &dyn Fn(&mut Route)| {
        let mut row = narrow.clone();
        change(&mut row);
        with_rows(vec![row]).emergency("91")
    };
    assert!(but(&|row| row.columns.source_user = "bob".parse().unwrap()).starts_with("default_gateway"));
    assert!(but(&|row| row.columns.source_host = "h".parse().unwrap()).starts_with("default_gateway"));
    assert!(but(&|row| row.columns.destination_host = "h".parse().unwrap()).starts_with("default_gateway"));
    assert!(but(&|row| row.columns.destination_user = "8".parse().unwrap()).starts_with("default_gateway"));
    assert!(but(&|row| row.request = RequestKind::Options).starts_with("default_gateway"));
}

#[test]
fn alternatives_follow_and_some_only_where_their_columns_match() {
    let consider = Route { alternative: Alternative::ConsiderInputs, ..row("91", "sip:192.0.2.31") };
    let rig = with_rows(vec![row("9", "sip:192.0.2.30"), consider, backup("default-gateway")]);
    assert_eq!(
        rig.emergency("912"),
        "routing_table: sip:912@192.0.2.30 at 192.0.2.30:5060 | sip:912@192.0.2.31 at 192.0.2.31:5060 \
         | sip:912@192.0.2.9 at 192.0.2.9:5060"
    );
    assert_eq!(
        rig.emergency("922"),
        "routing_table: sip:922@192.0.2.30 at 192.0.2.30:5060 | sip:922@192.0.2.9 at 192.0.2.9:5060"
    );
}

#[test]
fn members_of_a_forking_group_ring_at_once_if_their_columns_match() {
    let member = |number: &str, to: &str| Route { is_member: true, ..row(number, to) };
    let rig = with_rows(vec![
        row("9", "sip:192.0.2.30"),
        member("*", "sip:192.0.2.31"),
        member("8", "sip:192.0.2.32"),
    ]);
    assert_eq!(
        rig.emergency("91"),
        "routing_table: sip:91@192.0.2.30 at 192.0.2.30:5060, sip:91@192.0.2.31 at 192.0.2.31:5060"
    );
}

#[test]
fn a_row_that_leads_nowhere_is_passed_over() {
    let rig = with_rows(vec![row("9", "users")]);
    assert_eq!(
        rig.reasons(Emergency, ALICE, &invite("91")),
        "emergency_state user_not_registered row_leads_nowhere gateway_configured may_call_out"
    );
    // Back to where it came from is nowhere as well.
    let rig = with_rows(vec![row("9", "sip:192.0.2.30"), backup("sip:192.0.2.31")]);
    assert_eq!(
        rig.route(Emergency, TRUNK, &invite("91")),
        "routing_table: sip:91@192.0.2.31 at 192.0.2.31:5060"
    );
}

#[test]
fn a_row_leads_by_the_request_uri_for_who_is_known_and_never_to_us() {
    let rig = with_rows(vec![row("*", "request-uri")]);
    let call = initial("INVITE", "sip:1@203.0.113.5;user=phone");
    assert_eq!(
        rig.route(Emergency, ALICE, &call),
        "routing_table: sip:1@203.0.113.5;user=phone at 203.0.113.5:5060"
    );
    let (request, view) = (request(&call), rig.view());
    let query = Query { known: false, ..rig.query(&request, Source::User, Emergency, false) };
    assert_eq!(decide(&query, &view).step, Step::DefaultGateway);
    let ours = initial("INVITE", "sip:1@10.0.0.1:5080");
    assert!(rig.route(Emergency, ALICE, &ours).starts_with("default_gateway"));
}

#[test]
fn the_prefix_is_for_what_goes_out_in_emergency_and_never_for_registered_users_or_911() {
    let mut rig = Rig::with(|settings| {
        settings.sas.emergency_prefix = "9+".into();
        settings.routes = vec![row("5", "sip:192.0.2.30")];
    });
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    assert_eq!(rig.emergency("51"), "routing_table: sip:9+51@192.0.2.30 at 192.0.2.30:5060");
    assert_eq!(
        rig.ask(Emergency, ALICE, &invite("61")),
        "default_gateway: sip:9+61@192.0.2.9 at 192.0.2.9:5060 \
         (emergency_state user_not_registered no_row_matches gateway_configured prefix_added may_call_out)"
    );
    assert!(rig.emergency("bob").starts_with("database: sip:bob@10.0.0.8:5062 at"));
    assert!(rig.emergency("911").starts_with("emergency_number: sip:911@192.0.2.9 at"));
    assert_eq!(rig.route(Normal, ALICE, &invite("61")), "proxy: as it came at 192.0.2.1:5060");
    let tel = initial("INVITE", "tel:+1-201-555-0123");
    assert!(rig.route(Emergency, ALICE, &tel).contains("sip:9++12015550123@192.0.2.9;user=phone at"));
    let rig = Rig::with(|settings| {
        settings.sas.emergency_prefix = "9".into();
        settings.sas.prefix_emergency_numbers = true;
    });
    assert!(rig.emergency("911").starts_with("emergency_number: sip:9911@192.0.2.9 at"));
    assert!(rig.route(Normal, ALICE, &invite("911")).starts_with("emergency_number: sip:911@192.0.2.9 at"));
}

#[test]
fn rows_for_an_emergency_number_carry_it_however_it_is_written_and_prefixed() {
    let rig = Rig::with(|settings| {
        settings.sas.default_gateway.clear();
        settings.sas.emergency_prefix = "9".into();
        settings.sas.prefix_emergency_numbers = true;
        settings.routes = vec![row("911#", "sip:192.0.2.30")];
    });
    for number in ["911", "%39%31%31"] {
        let decided = rig.emergency(number);
        let expected =
            "emergency_number: sip:9911@192.0.2.30 at 192.0.2.30:5060 | as it came at 192.0.2.1:5060";
        assert_eq!(decided, expected);
    }
    // A proxy that we stand in for is named instead of us.
    let ours = initial("INVITE", "sip:%39%31%31@10.0.0.1:5080");
    assert!(rig.route(Normal, ALICE, &ours).contains("sip:%39%31%31@192.0.2.1 at 192.0.2.1:5060"));
}

#[test]
fn who_is_not_registered_is_blocked_but_may_call_911() {
    let mut rig = Rig::with(|settings| settings.sas.block_unregistered = true);
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    for state in [Normal, Emergency] {
        assert!(rig.ask(state, ALICE, &invite("bob")).starts_with("blocked: 403"), "{state}");
        assert!(rig.route(state, ALICE, &invite("911")).starts_with("emergency_number: sip:911@"));
        for others in [PROXY, GATEWAY] {
            assert!(!rig.ask(state, others, &invite("bob")).contains("403"), "{state} {others}");
        }
        // By where it registered from.
        assert!(!rig.ask(state, "10.0.0.8:5062", &invite("1")).contains("403"));
    }
    // By From.
    rig.register("alice", "<sip:alice@10.0.0.7>", "10.0.0.7:5060");
    assert_eq!(
        rig.ask(Normal, "10.0.0.99:5060", &invite("bob")),
        "proxy: as it came at 192.0.2.1:5060 (normal_state caller_registered)"
    );
}

#[test]
fn inbound_manipulation_rewrites_the_number_in_emergency_by_the_first_rule_that_matches() {
    let rule = |number: &str, left: u8, prefix: &str| {
        let mut rule = ManipulationRule::default();
        rule.columns.destination_user = number.parse().unwrap();
        rule.manipulation.remove_from_left = left;
        rule.manipulation.prefix = prefix.into();
        rule
    };
    let mut rig = Rig::with(|settings| {
        settings.sas.inbound_manipulation = InboundManipulation::Emergency;
        settings.inbound_manipulation_rules = vec![rule("555", 3, ""), rule("5", 0, "0")];
    });
    rig.register("1234", "<sip:1234@10.0.0.8:5062>", "10.0.0.8:5062");
    assert_eq!(
        rig.ask(Emergency, ALICE, &invite("5551234")),
        "database: sip:1234@10.0.0.8:5062 at 10.0.0.8:5062 (emergency_state number_manipulated user_registered)"
    );
    assert!(rig.emergency("5559999").starts_with("default_gateway: sip:9999@192.0.2.9 at"));
    assert!(rig.emergency("512").starts_with("default_gateway: sip:0512@192.0.2.9 at"));
    assert!(rig.emergency("612").starts_with("default_gateway: sip:612@192.0.2.9 at"));
    assert!(rig.emergency("%35%35%35%40").starts_with("default_gateway: sip:%40@192.0.2.9 at"));
    assert_eq!(rig.route(Normal, ALICE, &invite("5551234")), "proxy: as it came at 192.0.2.1:5060");
}

/// A prefixed 911 is dangerous (`sas.md` 4.4), and so is one that a row rejects, whether it was dialled or came of manipulation.
#[test]
fn a_number_that_manipulation_makes_an_emergency_number_is_one() {
    let rig = Rig::with(|settings| {
        let mut rule = ManipulationRule::default();
        rule.columns.destination_user = "9".parse().unwrap();
        rule.manipulation.remove_from_left = 1;
        settings.sas.inbound_manipulation = InboundManipulation::Emergency;
        settings.inbound_manipulation_rules = vec![rule];
        settings.sas.emergency_prefix = "9".into();
        settings.routes = vec![row("*", "reject:403")];
    });
    assert_eq!(rig.emergency("9911"), "emergency_number: sip:911@192.0.2.9 at 192.0.2.9:5060");
    assert_eq!(rig.emergency("9912"), "routing_table: 403");
    let message = initial("MESSAGE", "sip:9911@office.example");
    assert_eq!(rig.route(Emergency, ALICE, &message), "routing_table: 403");
}

fn extensions() -> Rig {
    Rig::with(|settings| settings.registration_manipulation.leave_from_right = 4)
}

#[test]
fn who_registered_as_976653434_is_found_by_3434() {
    let mut rig = extensions();
    rig.register("976653434", "<sip:a@10.0.0.8:5062>", "10.0.0.8:5062");
    let there = "database: sip:a@10.0.0.8:5062 at 10.0.0.8:5062";
    for number in ["976653434", "3434", "5553434"] {
        assert_eq!(rig.emergency(number), there);
        assert_eq!(rig.route(Normal, PROXY, &invite(number)), there);
    }
    assert!(rig.emergency("53435").starts_with("default_gateway: sip:53435@"));
}

#[test]
fn a_call_to_7184002_looks_up_4002_and_goes_out_unchanged_if_nobody_is_there() {
    let mut rig = extensions();
    assert!(rig.emergency("7184002").starts_with("default_gateway: sip:7184002@"));
    rig.register("4002", "<sip:b@10.0.0.8:5062>", "10.0.0.8:5062");
    assert_eq!(rig.emergency("7184002"), "database: sip:b@10.0.0.8:5062 at 10.0.0.8:5062");
    // The number itself goes before its last digits, and two who share those are nobody.
    rig.register("7184002", "<sip:c@10.0.0.9:5062>", "10.0.0.9:5062");
    assert_eq!(rig.emergency("7184002"), "database: sip:c@10.0.0.9:5062 at 10.0.0.9:5062");
    rig.register("5551111", "<sip:d@10.0.0.8:5062>", "10.0.0.8:5062");
    rig.register("6661111", "<sip:e@10.0.0.9:5062>", "10.0.0.9:5062");
    assert!(rig.emergency("1111").starts_with("default_gateway"));
}

#[test]
fn by_user_part_the_host_of_a_user_does_not_count() {
    let mut rig = Rig::with(|settings| settings.sas.binding_mode = BindingMode::UserPart);
    rig.home = HomeHosts::any();
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    let call = initial("INVITE", "sip:bob@elsewhere.example");
    assert_eq!(rig.route(Emergency, ALICE, &call), "database: sip:bob@10.0.0.8:5062 at 10.0.0.8:5062");
}

fn with_peer(change: impl FnOnce(&mut Settings)) -> Rig {
    Rig::with(|settings| {
        settings.sas.redundant_sas = Some(format!("sip:{PEER}").parse().unwrap());
        change(settings);
    })
}

/// `call` as it comes with another Via below the first.
fn passed(call: &str, by: &str) -> String {
    call.replacen("Max-Forwards", &format!("Via: SIP/2.0/UDP {by};branch=z9hG4bK2\r\nMax-Forwards"), 1)
}

#[test]
fn what_is_for_nobody_here_goes_to_the_redundant_sas_and_then_to_the_gateway() {
    let rig = with_peer(|_| {});
    assert_eq!(
        rig.ask(Emergency, ALICE, &invite("5551")),
        "redundant_sas: sip:5551@192.0.2.20:5080 at 192.0.2.20:5080 | sip:5551@192.0.2.9 at 192.0.2.9:5060 \
         (emergency_state user_not_registered redundant_sas_configured gateway_configured may_call_out)"
    );
    assert_eq!(rig.route(Normal, ALICE, &invite("5551")), "proxy: as it came at 192.0.2.1:5060");
}

#[test]
fn what_comes_from_the_redundant_sas_or_has_come_round_goes_to_the_gateway() {
    let rig = with_peer(|_| {});
    let to_gateway = "default_gateway: sip:5551@192.0.2.9 at 192.0.2.9:5060";
    assert_eq!(rig.route(Emergency, PEER, &invite("5551")), to_gateway);
    assert!(rig.reasons(Emergency, PEER, &invite("5551")).contains("came_from_peer"));
    let round = passed(&invite("5551"), "10.0.0.1:5080");
    assert_eq!(rig.route(Emergency, "192.0.2.21:5080", &round), to_gateway);
    assert!(rig.reasons(Emergency, "192.0.2.21:5080", &round).contains("came_round"));
    // By the next SAS it is known as well where the site says so.
    let past_next = passed(&invite("5551"), PEER);
    assert!(rig.emergency_text(&past_next).starts_with("redundant_sas"));
    let rig = with_peer(|settings| settings.sas.cascade_loop = CascadeLoop::OwnOrNextVia);
    assert!(rig.emergency_text(&past_next).starts_with("default_gateway"));
}

impl Rig {
    fn emergency_text(&self, text: &str) -> String {
        self.route(Emergency, "192.0.2.21:5080", text)
    }
}

#[test]
fn in_normal_what_another_sas_sends_is_looked_up_here_before_the_proxy() {
    let mut rig = with_peer(|_| {});
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    assert_eq!(
        rig.ask(Normal, PEER, &invite("bob")),
        "database: sip:bob@10.0.0.8:5062 at 10.0.0.8:5062 (normal_state came_from_peer user_registered)"
    );
    assert!(rig.route(Normal, PEER, &invite("carol")).starts_with("proxy: "));
}

#[test]
fn what_is_no_call_and_for_nobody_is_404_or_goes_to_the_gateway() {
    let message = initial("MESSAGE", "sip:5551@office.example");
    assert_eq!(Rig::new().route(Emergency, ALICE, &message), "no_route: 404");
    let rig = Rig::with(|settings| settings.sas.out_of_dialog_miss = OutOfDialogMiss::DefaultGateway);
    assert_eq!(
        rig.route(Emergency, ALICE, &message),
        "default_gateway: sip:5551@192.0.2.9 at 192.0.2.9:5060"
    );
    assert_eq!(rig.route(Emergency, GATEWAY, &message), "no_route: 404");
}

#[test]
fn each_reason_is_a_sentence_that_names_its_row() {
    assert_eq!(Reason::RowMatches(7).to_string(), "the routing table: the first row that matches (row 7)");
    assert_eq!(Reason::CameFromProxy.to_string(), "it comes from a proxy");
    // A chain is copied, not allocated.
    assert!(size_of::<Reason>() <= 4 && size_of::<Reasons>() <= 64);
}

/// Any site: the parts that routing depends on.
fn site() -> impl Strategy<Value = (SurvivabilityMode, bool, Vec<Route>, bool, bool, bool, u8)> {
    let mode = prop::sample::select(vec![
        SurvivabilityMode::Standard,
        SurvivabilityMode::AlwaysEmergency,
        SurvivabilityMode::IgnoreRegister,
        SurvivabilityMode::AutoAnswerRegister,
        SurvivabilityMode::TableInNormal,
    ]);
    let to = prop::sample::select(vec![
        "sip:192.0.2.30",
        "sip:192.0.2.20:5080",
        "users",
        "proxy-set",
        "default-gateway",
        "request-uri",
        "reject:403",
    ]);
    let number = prop::sample::select(vec!["*", "9", "55", "[1-9](1)", "911#"]);
    let row = (number, to).prop_map(|(number, to)| row(number, to));
    (
        mode,
        any::<bool>(),
        prop::collection::vec(row, 1..5),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0u8..3,
    )
}

fn any_call() -> impl Strategy<Value = (String, &'static str, bool, bool)> {
    let number = prop::sample::select(vec!["911", "55", "91", "bob", "alice", "", "9%31"]);
    let host = prop::sample::select(vec![
        "office.example",
        "10.0.0.1:5080",
        "192.0.2.30",
        "203.0.113.9",
        "192.0.2.9",
    ]);
    let method = prop::sample::select(vec!["INVITE", "INVITE", "MESSAGE", "SUBSCRIBE", "OPTIONS"]);
    let from = prop::sample::select(vec![ALICE, PROXY, GATEWAY, PEER, TRUNK, "203.0.113.9:5060"]);
    let text = (method, number, host, any::<bool>()).prop_map(|(method, number, host, round)| {
        let at = if number.is_empty() { "" } else { "@" };
        let call = initial(method, &format!("sip:{number}{at}{host}"));
        if round { passed(&call, "10.0.0.1:5080") } else { call }
    });
    (text, from, any::<bool>(), any::<bool>())
}

proptest! {
    /// Whatever the site and the call: nothing goes back to where it came from, an emergency call reaches a gateway or what stands for
    /// one, and the same question has the same answer.
    #[test]
    fn nothing_goes_back_and_911_goes_out(
        (mode, peer, routes, block, prefix, miss, _) in site(), (text, from, is_emergency, rescue) in any_call(),
    ) {
        let mut rig = Rig::with(|settings| {
            let sas = &mut settings.sas;
            sas.survivability_mode = mode;
            sas.redundant_sas = peer.then(|| format!("sip:{PEER}").parse().unwrap());
            sas.block_unregistered = block;
            sas.emergency_prefix = if prefix { "0".into() } else { String::new() };
            sas.out_of_dialog_miss = if miss { OutOfDialogMiss::DefaultGateway } else { OutOfDialogMiss::NotFound };
            settings.routes = routes;
        });
        rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
        let state = if is_emergency || mode.is_always_emergency() { Emergency } else { Normal };
        let request = request(&text);
        let view = rig.view();
        let peer = Peer { flow: FlowId(0), address: from.parse().unwrap() };
        let source = view.source_of(&request, peer);
        let query = Query { from: peer, ..rig.query(&request, source, state, rescue) };
        let decision = decide(&query, &view);
        prop_assert_eq!(&decision, &decide(&query, &view));
        prop_assert!(!decision.reasons.is_empty());
        let places: Vec<SocketAddr> = match &decision.outcome {
            Outcome::Forward(groups) => groups.iter().flatten().map(|target| target.address).collect(),
            Outcome::Answer(_) | Outcome::Ask(_) => Vec::new(),
        };
        prop_assert!(!places.contains(&peer.address), "{decision:?}");
        prop_assert!(places.iter().all(|place| !rig.flows.is_local(*place)), "{decision:?}");
        let is_call = request.method() == Method::Invite;
        if is_call && rig.config.emergency_number(&request.uri().unwrap()).is_some() && source != Source::Gateway {
            prop_assert_eq!(places.first().map(ToString::to_string), Some(GATEWAY.to_owned()));
        }
    }
}
