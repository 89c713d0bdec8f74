//! Proxies and gateways that have names (RFC 3263, `sas.md` 3.1).

use crate::rig::*;
use sip_survivability::Notice;
use sip_survivability::mode::State;
use sip_survivability::resolve::{Answer, Record, Srv, Unresolved};
use sip_survivability::transport::Transport;

fn named(rig: &mut Rig) {
    rig.know_service("pbx.example", &["a.pbx.example", "b.pbx.example"]);
    rig.know("a.pbx.example", &[PROXY]);
    rig.know("b.pbx.example", &[PROXY_2]);
    rig.know("gw.example", &[GATEWAY, GATEWAY_2]);
}

/// A branch whose proxy and gateway have names, before the DNS was asked.
fn cold() -> Rig {
    let mut rig = Rig::cold(|settings| {
        settings.proxy_set.targets = vec!["sip:pbx.example".parse().unwrap()];
        settings.sas.default_gateway = vec!["sip:gw.example:5060".parse().unwrap()];
    });
    named(&mut rig);
    rig
}

fn warm() -> Rig {
    let mut rig = cold();
    rig.run(millis(600));
    rig
}

fn unresolved(rig: &Rig) -> usize {
    rig.notices.iter().filter(|notice| matches!(notice, Notice::NameUnresolved { .. })).count()
}

#[test]
fn names_are_asked_for_at_start_and_the_best_server_is_probed() {
    let mut rig = warm();
    assert!(rig.questions.contains(&"pbx.example NAPTR".to_owned()), "{:?}", rig.questions);
    assert!(rig.questions.contains(&"gw.example A".to_owned()));
    assert!(!rig.questions.contains(&"gw.example SRV".to_owned()));
    assert!(rig.probes > 0);
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "i1"));
    assert_eq!(briefs(&sent), [format!("100 {ALICE}"), format!("INVITE {PROXY}")]);
    assert!(rig.notices.contains(&Notice::NameResolved {
        target: "sip:pbx.example".into(),
        addresses: vec![address(PROXY), address(PROXY_2)]
    }));
}

/// The procedures "in no way affect this URI (i.e., the URI is not rewritten with the result of the DNS lookup)" (RFC 3263 4).
#[test]
fn the_name_stays_in_the_request_uri() {
    let mut rig = warm();
    let sent = rig.feed(ALICE, request("INVITE", &format!("sip:bob@{SAS}"), "i1"));
    assert_eq!(one(&sent, &format!("INVITE {PROXY}")).uri(), "sip:bob@pbx.example");
}

#[test]
fn who_sends_from_any_address_of_a_proxy_is_the_proxy() {
    let mut rig = warm();
    rig.bind("bob", BOB);
    for (from, id) in [(PROXY, "p1"), (PROXY_2, "p2")] {
        let sent = rig.feed(from, from_to("INVITE", &format!("sip:bob@{SAS}"), id, from, ""));
        one(&sent, &format!("INVITE {BOB}"));
    }
}

/// In a dialog the Route of a proxy that record-routes by its name leads to it.
#[test]
fn a_route_by_the_name_of_the_proxy_leads_there() {
    let mut rig = warm();
    rig.bind("alice", ALICE);
    let sent = rig.feed_one(ALICE, in_dialog("BYE", "sip:bob@far.example", "b1", &["<sip:pbx.example;lr>"]));
    assert_eq!(sent.brief(), format!("BYE {PROXY}"));
}

/// RFC 3263 4.3: "That request is sent to the next element in the list".
#[test]
fn a_server_that_fails_is_followed_by_the_next_of_its_name() {
    let mut rig = warm();
    rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "i1"));
    let sent = rig.failed(PROXY);
    one(&sent, &format!("INVITE {PROXY_2}"));
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "i2"));
    one(&sent, &format!("INVITE {GATEWAY}"));
    let sent = rig.failed(GATEWAY);
    one(&sent, &format!("INVITE {GATEWAY_2}"));
}

/// The next server takes over before the proxy is taken for lost.
#[test]
fn probes_go_to_the_next_server_when_one_is_dead() {
    let mut rig = warm();
    rig.up.remove(&address(PROXY));
    rig.run(secs(10));
    assert_eq!((rig.sas.state(), rig.states()), (State::Normal, vec![]));
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "i1"));
    one(&sent, &format!("INVITE {PROXY_2}"));
}

/// `sas.md` 3.1: "A DNS failure alone never makes a proxy dead: the last good answer stays in use past its TTL."
#[test]
fn a_dns_that_dies_changes_nothing() {
    let mut rig = warm();
    rig.dns_is_up = false;
    rig.notices.clear();
    rig.run(secs(3 * 24 * 3600));
    assert_eq!((rig.sas.state(), rig.states(), unresolved(&rig)), (State::Normal, vec![], 0));
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "i1"));
    one(&sent, &format!("INVITE {PROXY}"));
}

/// Nor does one that has forgotten the name.
#[test]
fn a_name_that_is_gone_leaves_its_addresses() {
    let mut rig = warm();
    rig.dns.clear();
    rig.notices.clear();
    rig.run(secs(3600));
    assert_eq!((rig.sas.state(), unresolved(&rig)), (State::Normal, 2), "each once");
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "i1"));
    one(&sent, &format!("INVITE {PROXY}"));
    named(&mut rig);
    rig.know("a.pbx.example", &["192.0.2.77:5060"]);
    rig.up.insert(address("192.0.2.77:5060"));
    rig.up.remove(&address(PROXY_2));
    rig.run(secs(600));
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "i2"));
    one(&sent, "INVITE 192.0.2.77:5060");
}

#[test]
fn names_are_asked_for_again_before_their_time_is_over() {
    let mut rig = warm();
    rig.questions.clear();
    rig.run(secs(265));
    assert!(!rig.questions.contains(&"a.pbx.example A".to_owned()), "{:?}", rig.questions);
    rig.run(secs(10));
    assert!(rig.questions.contains(&"a.pbx.example A".to_owned()), "{:?}", rig.questions);
}

/// Start-up without DNS: the branch serves itself at once, is in the emergency state soon, and comes back.
#[test]
fn without_an_address_the_branch_serves_itself() {
    let mut rig = cold();
    rig.dns_is_up = false;
    rig.run(millis(100));
    assert_eq!(rig.sas.state(), State::Normal);
    let sent = rig.feed(BOB, register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), 1));
    assert_eq!(briefs(&sent), [format!("200 {BOB}")]);
    let sent = rig.feed(ALICE, request("INVITE", "sip:bob@office.example", "i1"));
    one(&sent, &format!("INVITE {BOB}"));
    rig.run(secs(5));
    assert_eq!(rig.sas.state(), State::Emergency);
    assert_eq!((rig.probes, unresolved(&rig)), (0, 2));
    rig.dns_is_up = true;
    rig.run(secs(40));
    assert_eq!(rig.sas.state(), State::Normal);
    let sent = rig.feed(ALICE, request("INVITE", "sip:carol@office.example", "i2"));
    one(&sent, &format!("INVITE {PROXY}"));
}

/// The DNS is asked at a bounded rate, whatever it says.
#[test]
fn a_dns_that_fails_is_asked_at_a_bounded_rate() {
    let mut rig = cold();
    rig.dns_is_up = false;
    rig.run(secs(3600));
    let asked = rig.questions.len();
    assert!((300..4_000).contains(&asked), "{asked}");
    assert_eq!(unresolved(&rig), 2, "told once for each name");
}

#[test]
fn an_answer_to_nothing_is_ignored() {
    let mut rig = cold();
    rig.dns_is_up = false;
    rig.run(secs(60));
    let late = rig.unanswered.clone();
    assert!(!late.is_empty());
    for query in late.into_iter().take(4) {
        rig.event(sip_survivability::Event::Resolved { query, answer: Answer::Failed });
    }
    assert_eq!(rig.sas.state(), State::Emergency);
    assert!(rig.notices.contains(&Notice::NameUnresolved {
        target: "sip:gw.example:5060".into(),
        reason: Unresolved::Failed
    }));
}

/// A name that leads to ourselves leads nowhere.
#[test]
fn a_proxy_that_we_are_ourselves_is_none() {
    let mut rig = cold();
    rig.know_service("pbx.example", &["a.pbx.example"]);
    rig.dns.insert(
        "_sip._udp.pbx.example SRV".to_owned(),
        vec![Record::Srv(Srv { priority: 0, weight: 0, port: 5080, target: "a.pbx.example".to_owned() })],
    );
    rig.know("a.pbx.example", &[SAS]);
    rig.run(secs(5));
    assert_eq!((rig.sas.state(), rig.probes), (State::Emergency, 0));
}

/// An emergency call takes the gateway as soon as its name is known, and is told when there is no way.
#[test]
fn an_emergency_call_goes_out_once_the_gateway_has_an_address() {
    let mut rig = cold();
    rig.dns_is_up = false;
    rig.run(millis(100));
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e1"));
    assert_eq!(briefs(&sent), [format!("404 {ALICE}")]);
    rig.dns_is_up = true;
    rig.run(secs(30));
    let sent = rig.feed(ALICE, request("INVITE", "sip:911@office.example", "e2"));
    one(&sent, &format!("INVITE {GATEWAY}"));
}

/// RFC 5922 7.1: by TLS the other end proves to be the domain that was asked for, which no answer of the DNS changes.
#[test]
fn a_proxy_on_tls_has_to_prove_the_name_that_was_configured() {
    for (uri, name) in [("sips:pbx.example", Some("pbx.example")), ("sip:192.0.2.1;transport=tls", None)] {
        let mut rig = Rig::cold(|settings| settings.proxy_set.targets = vec![uri.parse().unwrap()]);
        rig.listen(Transport::Tls, "192.0.2.10:5081");
        let service =
            Record::Srv(Srv { priority: 0, weight: 0, port: 5061, target: "a.dc.example".to_owned() });
        rig.dns.insert("_sips._tcp.pbx.example SRV".to_owned(), vec![service]);
        rig.know("a.dc.example", &["192.0.2.1:0"]);
        rig.run(millis(600));
        let dialled = rig.dialled.first().unwrap();
        assert_eq!((dialled.to, dialled.name.as_deref()), (address("192.0.2.1:5061"), name));
    }
}
