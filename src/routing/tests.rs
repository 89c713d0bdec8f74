//! The decision by the rules of `sas.md` section 4 and 9, each with its chain of reasons.

use super::*;
use crate::config::{Settings, Trust, UNRESOLVED};
use crate::message::Message;
use crate::registrar::{Home, Registrar};
use crate::rng::Rng;
use crate::time::Instant;
use crate::transport::{Flow, FlowId, Transport};
use crate::upstream::UpstreamEvent;
use crate::uri::Host;
use std::time::Duration;

mod dial_plan;

const PROXY: &str = "192.0.2.1:5060";
const GATEWAY: &str = "192.0.2.9:5060";
const ALICE: &str = "10.0.0.7:5060";
const FROM: Peer = Peer { flow: FlowId(0), address: UNRESOLVED };

/// A branch at 10.0.0.1:5080 with one proxy, one gateway and 911.
struct Rig {
    config: Config,
    registrar: Registrar,
    upstream: Upstream,
    flows: Flows,
    home: HomeHosts,
}

impl Rig {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.proxy_set.targets = vec!["sip:192.0.2.1".parse().unwrap()];
        settings.sas.default_gateway = vec!["sip:192.0.2.9".parse().unwrap()];
        settings.sas.emergency_numbers = vec!["911".to_owned()];
        change(&mut settings);
        let config = settings.validate().unwrap();
        let mut flows = Flows::default();
        let local = "10.0.0.1:5080".parse().unwrap();
        flows.open(FlowId(0), Flow { transport: Transport::Udp, local, remote: None });
        let mut home = HomeHosts::default();
        for host in ["10.0.0.1", "192.0.2.1"] {
            home.add(Host::parse(host).unwrap());
        }
        let (registrar, upstream) = (Registrar::new(&config, [1, 2]), Upstream::new(&config, Instant::ZERO));
        Self { config, registrar, upstream, flows, home }
    }

    fn register(&mut self, user: &str, contacts: &str, from: &str) -> &mut Self {
        let register = request(&format!(
            "REGISTER sip:office.example SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:{user}@office.example>\
             ;tag=1\r\nTo: <sip:{user}@office.example>\r\nCall-ID: {user}\r\nCSeq: 1 REGISTER\r\nContact: {contacts}\r\n\r\n"
        ));
        let from = Peer { flow: FlowId(0), address: from.parse().unwrap() };
        let hour = |_| Duration::from_hours(1);
        self.registrar.register(Instant::ZERO, &register, from, &self.home, Home::LocalOnly, hour).unwrap();
        self
    }

    fn query<'a>(&self, request: &'a Request, source: Source, state: State, rescue: bool) -> Query<'a> {
        Query {
            request,
            source,
            from: FROM,
            state,
            rescue,
            known: true,
            suspect: false,
            mapping: Mapping::Unasked,
            trust: Trust::Pool,
        }
    }

    fn view(&self) -> View<'_> {
        View {
            config: &self.config,
            registrar: self.registrar.at(Instant::ZERO, Duration::ZERO),
            upstream: &self.upstream,
            flows: &self.flows,
            home: &self.home,
        }
    }

    fn ask(&self, state: State, from: &str, text: &str) -> String {
        self.ask_for(state, from, text, false)
    }

    /// The decision as a line: `step: target, target | target (reasons)`.
    fn ask_for(&self, state: State, from: &str, text: &str, rescue: bool) -> String {
        let request = request(text);
        let view = self.view();
        let peer = Peer { flow: FlowId(0), address: from.parse().unwrap() };
        let source = view.source_of(&request, peer);
        let query = Query { from: peer, ..self.query(&request, source, state, rescue) };
        let decision = decide(&query, &view);
        let outcome = match &decision.outcome {
            Outcome::Answer(status) => status.to_string(),
            Outcome::Ask(number) => format!("asks for {number}"),
            Outcome::Forward(groups) => {
                let target = |target: &Target| {
                    let uri = target.uri.as_deref().unwrap_or("as it came");
                    format!("{uri} at {}", target.address)
                };
                let group = |group: &Vec<Target>| group.iter().map(target).collect::<Vec<_>>().join(", ");
                let dropped = if decision.drop_routes > 0 {
                    format!(" -{}", decision.drop_routes)
                } else {
                    String::new()
                };
                groups.iter().map(group).collect::<Vec<_>>().join(" | ") + &dropped
            }
        };
        let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
        format!("{}: {outcome} ({})", decision.step, reasons.join(" "))
    }
}

fn request(text: &str) -> Request {
    match Message::parse(text.to_owned()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn initial(method: &str, uri: &str) -> String {
    with_routes(method, uri, "", "")
}

fn in_dialog(method: &str, uri: &str, routes: &str) -> String {
    with_routes(method, uri, routes, ";tag=2")
}

fn with_routes(method: &str, uri: &str, routes: &str, to_tag: &str) -> String {
    let routes = if routes.is_empty() { String::new() } else { format!("Route: {routes}\r\n") };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP host.example;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n{routes}\
         From: <sip:alice@office.example>;tag=1\r\nTo: <sip:x@office.example>{to_tag}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
    )
}

use State::{Emergency, Normal};

#[test]
fn normal_calls_from_phones_and_the_gateway_go_to_the_proxy() {
    let rig = Rig::new();
    let call = initial("INVITE", "sip:bob@office.example");
    assert_eq!(rig.ask(Normal, ALICE, &call), "proxy: as it came at 192.0.2.1:5060 (normal_state)");
    assert_eq!(rig.ask(Normal, GATEWAY, &call), "proxy: as it came at 192.0.2.1:5060 (normal_state)");
}

#[test]
fn a_request_uri_that_names_us_names_the_proxy_when_it_goes_there() {
    let rig = Rig::new();
    let call = initial("INVITE", "sip:bob@10.0.0.1:5080;user=phone;transport=udp");
    assert_eq!(
        rig.ask(Normal, ALICE, &call),
        "proxy: sip:bob@192.0.2.1;user=phone at 192.0.2.1:5060 (normal_state)"
    );
}

#[test]
fn an_emergency_number_goes_to_the_gateway_in_every_state_and_to_a_proxy_where_there_is_no_gateway() {
    let rig = Rig::new();
    let call = initial("INVITE", "sip:911@office.example");
    for state in [Normal, Emergency] {
        let decided = rig.ask(state, ALICE, &call);
        assert!(
            decided.starts_with(
                "emergency_number: sip:911@192.0.2.9 at 192.0.2.9:5060 | as it came at 192.0.2.1:5060"
            ),
            "{decided}"
        );
    }
    let rig = Rig::with(|settings| {
        settings.sas.default_gateway.clear();
        settings.routes = vec![config::Route::new("sip:192.0.2.30".parse().unwrap())];
    });
    let decided = rig.ask(Normal, ALICE, &call);
    // The table is for the other state, and a route all the same.
    let at_last = "emergency_number: as it came at 192.0.2.1:5060 | sip:911@192.0.2.30 at 192.0.2.30:5060 (";
    assert!(decided.starts_with(at_last), "{decided}");
    let decided = rig.ask(Emergency, ALICE, &call);
    let by_table = "emergency_number: sip:911@192.0.2.30 at 192.0.2.30:5060 | as it came at 192.0.2.1:5060 (";
    assert!(decided.starts_with(by_table), "{decided}");
    let escaped = initial("INVITE", "sip:%391%31@office.example");
    assert!(rig.ask(Emergency, ALICE, &escaped).starts_with("emergency_number"));
    let longer = initial("INVITE", "sip:9110@office.example");
    assert!(!rig.ask(Emergency, ALICE, &longer).starts_with("emergency_number"));
}

#[test]
fn the_proxys_calls_go_to_the_database_or_by_the_request_uri() {
    let mut rig = Rig::new();
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    let from_proxy = |uri| rig.ask(Normal, PROXY, &initial("INVITE", uri));
    let bob = "sip:bob@10.0.0.8:5062 at 10.0.0.8:5062";
    assert_eq!(
        from_proxy("sip:bob@10.0.0.8:5062"),
        format!("database: {bob} (normal_state came_from_proxy contact_registered)")
    );
    assert_eq!(
        from_proxy("sip:bob@office.example"),
        format!("database: {bob} (normal_state came_from_proxy user_registered)")
    );
    assert_eq!(
        from_proxy("sip:carol@10.0.0.9"),
        "request_uri: as it came at 10.0.0.9:5060 (normal_state came_from_proxy user_not_registered names_address)"
    );
    assert_eq!(
        from_proxy("sip:carol@10.0.0.1:5080"),
        "no_route: 404 (normal_state came_from_proxy user_not_registered names_us)"
    );
}

#[test]
fn in_emergency_users_are_found_under_every_host_of_ours() {
    let mut rig = Rig::new();
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    for uri in ["sip:bob@office.example", "sip:bob@10.0.0.1:5080", "sip:bob@192.0.2.1"] {
        assert_eq!(
            rig.ask(Emergency, ALICE, &initial("INVITE", uri)),
            "database: sip:bob@10.0.0.8:5062 at 10.0.0.8:5062 (emergency_state user_registered)"
        );
    }
}

#[test]
fn contacts_are_tried_in_the_order_of_q_and_equal_ones_at_once() {
    let mut rig = Rig::new();
    rig.register(
        "bob",
        "<sip:bob@10.0.0.8>;q=0.5, <sip:bob@10.0.0.8:5062>;q=0.5, <sip:bob@10.0.0.8:5064>",
        "10.0.0.8:5060",
    );
    let decided = rig.ask(Emergency, ALICE, &initial("INVITE", "sip:bob@office.example"));
    assert!(
        decided.starts_with(
            "database: sip:bob@10.0.0.8:5064 at 10.0.0.8:5064 | sip:bob@10.0.0.8 at 10.0.0.8:5060, sip:bob@10.0.0.8:5062 at"
        ),
        "{decided}"
    );
}

#[test]
fn a_phone_behind_nat_is_called_where_its_register_came_from() {
    let mut rig = Rig::new();
    rig.register("bob", "<sip:bob@192.168.1.5:5060>", "10.0.0.8:40000");
    let decided = rig.ask(Emergency, ALICE, &initial("INVITE", "sip:bob@office.example"));
    assert!(decided.starts_with("database: sip:bob@192.168.1.5:5060 at 10.0.0.8:40000"), "{decided}");
}

#[test]
fn in_emergency_what_is_not_registered_goes_to_the_gateway_undecorated_and_never_back_there() {
    let rig = Rig::new();
    let call = initial("INVITE", "sip:5550123@office.example;user=phone");
    assert_eq!(
        rig.ask(Emergency, ALICE, &call),
        "default_gateway: sip:5550123@192.0.2.9;user=phone at 192.0.2.9:5060 \
         (emergency_state user_not_registered gateway_configured may_call_out)"
    );
    assert_eq!(
        rig.ask(Emergency, GATEWAY, &call),
        "no_route: 404 (emergency_state user_not_registered came_from_gateway)"
    );
    let tel = initial("INVITE", "tel:+1-201-555-0123");
    assert!(rig.ask(Emergency, ALICE, &tel).contains("sip:+1-201-555-0123@192.0.2.9;user=phone at"));
}

#[test]
fn in_emergency_subscriptions_are_refused_and_messages_reach_users_only() {
    let rig = Rig::with(|settings| settings.sas.subscribe_response = 480);
    let ask = |method| rig.ask(Emergency, ALICE, &initial(method, "sip:bob@office.example"));
    assert_eq!(ask("SUBSCRIBE"), "ourselves: 480 (emergency_state subscriptions_not_served)");
    assert_eq!(ask("MESSAGE"), "no_route: 404 (emergency_state user_not_registered not_a_call)");
}

#[test]
fn options_to_us_are_answered_here() {
    let rig = Rig::new();
    for state in [Normal, Emergency] {
        assert!(
            rig.ask(state, ALICE, &initial("OPTIONS", "sip:10.0.0.1:5080")).starts_with("ourselves: 200")
        );
    }
    assert!(rig.ask(Normal, ALICE, &initial("OPTIONS", "sip:bob@10.0.0.1:5080")).starts_with("proxy"));
    assert!(
        rig.ask(Emergency, ALICE, &initial("OPTIONS", "sip:ping@10.0.0.1:5080"))
            .starts_with("ourselves: 200")
    );
}

const BORN_THROUGH_THE_PROXY: &str =
    "<sip:10.0.0.1:5080;lr>, <sip:192.0.2.1;lr;ftag=1>, <sip:10.0.0.1:5080;lr>";

#[test]
fn a_dialog_follows_its_route_set_while_the_proxy_is_there() {
    let rig = Rig::new();
    assert_eq!(
        rig.ask(Normal, ALICE, &in_dialog("BYE", "sip:bob@10.0.0.8:5062", BORN_THROUGH_THE_PROXY)),
        "route_set: as it came at 192.0.2.1:5060 -1 (route_leads_there)"
    );
}

#[test]
fn a_dialog_leaves_out_the_dead_proxy_and_delivers_to_a_registered_contact_or_the_gateway() {
    let mut rig = Rig::new();
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    let bye = |uri| in_dialog("BYE", uri, BORN_THROUGH_THE_PROXY);
    assert_eq!(
        rig.ask(Emergency, ALICE, &bye("sip:bob@10.0.0.8:5062")),
        "dead_hop_skipped: as it came at 10.0.0.8:5062 -3 (next_hop_dead contact_registered)"
    );
    assert_eq!(
        rig.ask_for(Normal, ALICE, &bye("sip:bob@10.0.0.8:5062;ob"), true),
        "dead_hop_skipped: as it came at 10.0.0.8:5062 -3 (next_hop_dead contact_registered)"
    );
    assert_eq!(
        rig.ask(Emergency, ALICE, &bye("sip:5550123@192.0.2.9")),
        "dead_hop_skipped: as it came at 192.0.2.9:5060 -3 (next_hop_dead target_is_gateway)"
    );
}

#[test]
fn an_ack_goes_past_a_suspect_proxy_only_if_it_can_be_delivered() {
    let mut rig = Rig::new();
    rig.register("bob", "<sip:bob@10.0.0.8:5062>", "10.0.0.8:5062");
    let ack = |uri| {
        let request = request(&in_dialog("ACK", uri, BORN_THROUGH_THE_PROXY));
        let query = Query { suspect: true, ..rig.query(&request, Source::User, Normal, false) };
        decide(&query, &rig.view()).step
    };
    assert_eq!(ack("sip:bob@10.0.0.8:5062"), Step::DeadHopSkipped);
    assert_eq!(ack("sip:b2bua@192.0.2.1"), Step::RouteSet);
}

#[test]
fn what_only_the_dead_proxy_could_answer_is_answered_at_once() {
    let rig = Rig::new();
    let ask = |method, uri| rig.ask(Emergency, ALICE, &in_dialog(method, uri, BORN_THROUGH_THE_PROXY));
    assert_eq!(ask("BYE", "sip:b2bua@192.0.2.1"), "ourselves: 200 (next_hop_dead target_is_dead)");
    assert_eq!(ask("INFO", "sip:b2bua@192.0.2.1"), "no_route: 481 (next_hop_dead target_is_dead)");
    assert_eq!(ask("BYE", "sip:x@203.0.113.5"), "no_route: 481 (next_hop_dead target_unknown)");
}

#[test]
fn a_dialog_of_nobody_is_481() {
    let rig = Rig::new();
    for state in [Normal, Emergency] {
        for uri in ["sip:10.0.0.1:5080", "sip:nobody@10.0.0.1:5080"] {
            assert_eq!(rig.ask(state, ALICE, &in_dialog("BYE", uri, "")), "ourselves: 481 (names_us)");
        }
    }
    let elsewhere = in_dialog("BYE", "sip:nobody@office.example", "");
    assert_eq!(rig.ask(Emergency, ALICE, &elsewhere), "no_route: 481 (target_unknown)");
}

#[test]
fn a_stranger_gets_nothing_carried_to_an_address_of_its_choice() {
    let rig = Rig::new();
    let info = request(&in_dialog("INFO", "sip:victim@203.0.113.5", "<sip:203.0.113.6;lr>"));
    let query = rig.query(&info, Source::User, Normal, false);
    assert_eq!(decide(&query, &rig.view()).step, Step::RouteSet);
    assert_eq!(decide(&Query { known: false, ..query }, &rig.view()).outcome, Outcome::Answer(481));
    let call = with_routes("INVITE", "sip:bob@office.example", "<sip:203.0.113.6;lr>", "");
    assert_eq!(rig.ask(Normal, ALICE, &call), "proxy: as it came at 192.0.2.1:5060 (normal_state)");
}

#[test]
fn a_contact_that_names_us_is_nobody() {
    let mut rig = Rig::new();
    rig.register("eve", "<sip:eve@10.0.0.1:5080>", "10.0.0.1:5080");
    let decided = rig.ask(Emergency, ALICE, &initial("INVITE", "sip:eve@office.example"));
    assert!(decided.starts_with("default_gateway"), "{decided}");
}

#[test]
fn the_proxies_are_tried_in_the_order_of_their_health() {
    let two = |settings: &mut Settings| settings.proxy_set.targets.push("sip:192.0.2.2".parse().unwrap());
    let mut rig = Rig::with(two);
    let call = initial("INVITE", "sip:bob@office.example");
    assert!(
        rig.ask(Normal, ALICE, &call)
            .starts_with("proxy: as it came at 192.0.2.1:5060 | as it came at 192.0.2.2:5060")
    );
    let (mut rng, mut out) = (Rng::new([0; 32]), Vec::new());
    for event in [
        UpstreamEvent::ResponseSeen { target: crate::upstream::TargetId(1) },
        UpstreamEvent::RequestUnanswered { target: crate::upstream::TargetId(0) },
    ] {
        rig.upstream.handle(Instant::from_secs(1), event, &rig.config, &mut rng, &mut out);
    }
    assert!(
        rig.ask(Normal, ALICE, &call)
            .starts_with("proxy: as it came at 192.0.2.2:5060 | as it came at 192.0.2.1:5060")
    );
}
