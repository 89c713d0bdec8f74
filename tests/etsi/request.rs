//! `SIP_CC_PR_MP_RQ`: what a proxy does with a request (RFC 3261 16.3 to 16.6).

use crate::rig::*;
use crate::support::*;

const STRICT: &str = "10.0.0.50:5060";

/// A request of alice's: outside a dialog where it starts one, else in a dialog with bob.
fn message(method: &str, uri: &str, id: &str) -> String {
    let tag = if matches!(method, "INVITE" | "CANCEL" | "MESSAGE") { "" } else { ";tag=callee" };
    from_to(method, uri, id, ALICE, tag)
}

/// What SAS sends on of a request that it does not answer instead.
fn forwarded(rig: &mut Rig, from: &str, text: String) -> Sent {
    let sent = rig.feed(from, text);
    let found = sent.iter().find(|sent| sent.is_request());
    found.unwrap_or_else(|| panic!("nothing is sent on: {:?}", briefs(&sent))).clone()
}

fn refused(method: &str, text: &str, status: u16) -> Sent {
    for mut rig in [branch(), served()] {
        assert_eq!(rig.feed_one(ALICE, text).brief(), format!("{status} {ALICE}"), "{method}");
    }
    branch().feed_one(ALICE, text)
}

fn scheme(method: &str) {
    refused(method, &message(method, "nobody:bob", "r"), 416);
}

fn spent(method: &str) {
    refused(method, &message(method, BOB_URI, "r").replace("Max-Forwards: 70", "Max-Forwards: 0"), 483);
}

fn proxy_require(method: &str) {
    let text = with(&message(method, BOB_URI, "r"), "Proxy-Require: foo, bar");
    assert_eq!(refused(method, &text, 420).header("Unsupported"), "foo, bar");
}

/// RFC 3261 8.2.2.3: in a CANCEL it "MUST be ignored".
fn proxy_require_of_a_cancel() {
    let text = with(&message("CANCEL", BOB_URI, "r"), "Proxy-Require: foo, bar");
    assert_eq!(forwarded(&mut branch(), ALICE, text).brief(), format!("CANCEL {PROXY}"));
}

/// 16.4: our Record-Route in the Request-URI is what a strict router left there; the target is the last Route.
fn strict_router_before_us(method: &str) {
    let text = from_to(method, &format!("sip:{SAS};lr"), "r", PROXY, ";tag=callee");
    let text = with(&text, &format!("Route: <sip:{BOB};lr>, <sip:bob@{BOB}>"));
    let sent = forwarded(&mut branch(), PROXY, text);
    let (uri, route) = (format!("sip:bob@{BOB}"), format!("<sip:{BOB};lr>"));
    assert_eq!((sent.uri(), sent.all("Route")), (&*uri, vec![&*route]), "{sent:?}");
}

/// 16.4: a first Route that names us is removed.
fn own_route(method: &str) {
    let text = with(&message(method, &format!("sip:bob@{BOB}"), "r"), &format!("Route: <sip:{SAS};lr>"));
    assert_eq!(forwarded(&mut branch(), ALICE, text).all("Route"), Vec::<&str>::new());
}

/// 16.5: a `maddr` that does not name us is the only target.
fn maddr(method: &str) {
    let text = message(method, "sip:bob@elsewhere.example:5060;maddr=10.0.0.2", "r");
    let sent = forwarded(&mut branch(), ALICE, text);
    assert_eq!((sent.to, sent.uri()), (address(BOB), "sip:bob@elsewhere.example:5060;maddr=10.0.0.2"));
}

/// 16.5: a domain that is not ours is left to whoever is responsible, and the Request-URI stays.
fn foreign_domain(method: &str) {
    let sent = forwarded(&mut branch(), ALICE, message(method, "sip:dave@elsewhere.example", "r"));
    assert_eq!((sent.to, sent.uri()), (address(PROXY), "sip:dave@elsewhere.example"));
}

/// 16.5: the location service.
fn location_service(method: &str) {
    let mut rig = served();
    let sent = forwarded(&mut rig, ALICE, from_to(method, BOB_URI, "r", ALICE, ""));
    assert_eq!((sent.to, sent.uri()), (address(BOB), &*format!("sip:bob@{BOB}")));
}

/// 16.5: without a target the proxy says so.
fn no_target(method: &str, status: u16) {
    let mut rig = Rig::lost_with(|settings| settings.sas.default_gateway.clear());
    rig.bind("alice", ALICE);
    let text = message(method, &format!("sip:nobody@{SAS}"), "r");
    assert_eq!(rig.feed_one(ALICE, text).brief(), format!("{status} {ALICE}"));
}

/// 16.6 step 3.
fn hops(method: &str, before: &str, after: &str) {
    let line = if before.is_empty() { String::new() } else { format!("Max-Forwards: {before}\r\n") };
    let text = message(method, &format!("sip:bob@{BOB}"), "r").replace("Max-Forwards: 70\r\n", &line);
    let sent = forwarded(&mut branch(), ALICE, text);
    assert_eq!(sent.all("Max-Forwards"), [after], "{method} with {before:?}");
}

/// 16.6 step 6: a next hop without `lr` stands in the Request-URI, and the target behind all Routes.
fn strict_router_behind_us(method: &str) {
    // What belongs to no dialog goes where a Route leads only if the proxy says so.
    let (from, via) = if matches!(method, "INVITE" | "CANCEL") { (PROXY, PROXY) } else { (ALICE, ALICE) };
    let tag = if from == PROXY { "" } else { ";tag=callee" };
    let text = from_to(method, &format!("sip:bob@{BOB}"), "r", via, tag);
    let text = with(&text, &format!("Route: <sip:{SAS};lr>, <sip:{STRICT}>, <sip:{CAROL};lr>"));
    let sent = forwarded(&mut branch(), from, text);
    assert_eq!((sent.to, sent.uri()), (address(STRICT), &*format!("sip:{STRICT}")));
    assert_eq!(sent.all("Route").join(", "), format!("<sip:{CAROL};lr>, <sip:bob@{BOB}>"));
}

/// 16.6 step 7: the topmost Route that is left is the next hop.
fn next_hop_by_route(method: &str) {
    let (from, tag) =
        if matches!(method, "INVITE" | "CANCEL") { (PROXY, "") } else { (ALICE, ";tag=callee") };
    let text = from_to(method, &format!("sip:bob@{BOB}"), "r", from, tag);
    let text = with(&text, &format!("Route: <sip:{CAROL};lr>"));
    let sent = forwarded(&mut branch(), from, text);
    let (uri, route) = (format!("sip:bob@{BOB}"), format!("<sip:{CAROL};lr>"));
    assert_eq!((sent.to, sent.uri(), sent.all("Route")), (address(CAROL), &*uri, vec![&*route]));
}

/// 16.6 step 7: else the Request-URI is.
fn next_hop_by_request_uri(method: &str) {
    let (from, tag) =
        if matches!(method, "INVITE" | "CANCEL") { (PROXY, "") } else { (ALICE, ";tag=callee") };
    let text = from_to(method, "sip:dave@10.0.0.77:5070", "r", from, tag);
    let sent = forwarded(&mut branch(), from, text);
    assert_eq!((sent.to, sent.uri()), (address("10.0.0.77:5070"), "sip:dave@10.0.0.77:5070"));
}

/// 16.6 step 8: a Via of our own above the others, with a branch of its own.
fn via(method: &str) {
    let mut rig = branch();
    let send = |rig: &mut Rig, id| forwarded(rig, ALICE, message(method, &format!("sip:bob@{BOB}"), id));
    let (sent, other) = (send(&mut rig, "r1"), send(&mut rig, "r2"));
    let vias = sent.all("Via");
    assert!(vias[0].starts_with(&format!("SIP/2.0/UDP {SAS};branch=z9hG4bK")), "{vias:?}");
    assert!(vias[1].starts_with(&format!("SIP/2.0/UDP {ALICE};branch=z9hG4bKr1")), "{vias:?}");
    assert_eq!(vias.len(), 2);
    assert_ne!(vias[0], other.all("Via")[0]);
}

/// 16.6 step 10: each target has a copy and a client transaction.
fn each_target(method: &str) {
    let mut rig = served();
    rig.bind_as("bob", CAROL, &format!("<sip:bob@{CAROL}>"));
    let sent = rig.feed(ALICE, from_to(method, BOB_URI, "r", ALICE, ""));
    let copies = [BOB, CAROL].map(|phone| one(&sent, &format!("{method} {phone}")).clone());
    assert_ne!(copies[0].header("Via"), copies[1].header("Via"));
    let again = rig.run(millis(500));
    assert_eq!(briefs(&again), [format!("{method} {BOB}"), format!("{method} {CAROL}")]);
}

/// 16.6 step 2: of a contact that becomes a Request-URI, what may not stand there (19.1.1, table 1) is left out.
fn request_uri_of(contact: &str, uri: &str) {
    let mut rig = Rig::lost();
    rig.bind_as("bob", BOB, &format!("<{contact}>"));
    let sent = forwarded(&mut rig, ALICE, request("INVITE", BOB_URI, "r"));
    assert_eq!(sent.uri(), uri);
}

purposes! {
    sip_cc_pr_mp_rq_i_001: request_uri_of("sip:bob@10.0.0.2;method=INVITE", "sip:bob@10.0.0.2");
    sip_cc_pr_mp_rq_i_002: request_uri_of("sip:bob@10.0.0.2?Subject=x&To=y", "sip:bob@10.0.0.2");
    sip_cc_pr_mp_rq_i_003:
        request_uri_of("sip:bob@10.0.0.2;METHOD=BYE;x=y;lr;user=ip?a=b", "sip:bob@10.0.0.2;x=y;lr;user=ip");
    sip_cc_pr_mp_rq_i_004:
        request_uri_of("sip:bob@10.0.0.2;%6dethod=BYE;transport=udp;ttl=1", "sip:bob@10.0.0.2;transport=udp;ttl=1");

    sip_cc_pr_mp_rq_v_001: scheme("INVITE");
    sip_cc_pr_mp_rq_v_002: spent("INVITE");
    sip_cc_pr_mp_rq_v_003: proxy_require("INVITE");
    sip_cc_pr_mp_rq_v_004: strict_router_before_us("INVITE");
    sip_cc_pr_mp_rq_v_005: own_route("INVITE");
    sip_cc_pr_mp_rq_v_006: maddr("INVITE");
    sip_cc_pr_mp_rq_v_007: foreign_domain("INVITE");
    sip_cc_pr_mp_rq_v_008: location_service("INVITE");
    sip_cc_pr_mp_rq_v_009: no_target("INVITE", 404);
    sip_cc_pr_mp_rq_v_011: hops("INVITE", "70", "69");
    sip_cc_pr_mp_rq_v_012: hops("INVITE", "1", "0");
    sip_cc_pr_mp_rq_v_013: hops("INVITE", "255", "254");
    sip_cc_pr_mp_rq_v_014: hops("INVITE", "", "70");
    sip_cc_pr_mp_rq_v_015: strict_router_behind_us("INVITE");
    sip_cc_pr_mp_rq_v_016: next_hop_by_route("INVITE");
    sip_cc_pr_mp_rq_v_017: next_hop_by_request_uri("INVITE");
    sip_cc_pr_mp_rq_v_018: via("INVITE");

    sip_cc_pr_mp_rq_v_019: strict_router_before_us("ACK");
    sip_cc_pr_mp_rq_v_020: own_route("ACK");
    sip_cc_pr_mp_rq_v_021: maddr("ACK");
    sip_cc_pr_mp_rq_v_022: foreign_domain("ACK");
    sip_cc_pr_mp_rq_v_023: hops("ACK", "70", "69");
    sip_cc_pr_mp_rq_v_024: hops("ACK", "1", "0");
    sip_cc_pr_mp_rq_v_025: hops("ACK", "255", "254");
    sip_cc_pr_mp_rq_v_026: hops("ACK", "", "70");
    sip_cc_pr_mp_rq_v_027: strict_router_behind_us("ACK");
    sip_cc_pr_mp_rq_v_029: next_hop_by_route("ACK");
    sip_cc_pr_mp_rq_v_030: via("ACK");

    sip_cc_pr_mp_rq_v_031: scheme("CANCEL");
    sip_cc_pr_mp_rq_v_032: spent("CANCEL");
    sip_cc_pr_mp_rq_v_033: proxy_require_of_a_cancel();
    sip_cc_pr_mp_rq_v_034: strict_router_before_us("CANCEL");
    sip_cc_pr_mp_rq_v_035: own_route("CANCEL");
    sip_cc_pr_mp_rq_v_036: maddr("CANCEL");
    sip_cc_pr_mp_rq_v_037: foreign_domain("CANCEL");
    sip_cc_pr_mp_rq_v_038: location_service("CANCEL");
    sip_cc_pr_mp_rq_v_039: no_target("CANCEL", 481);
    sip_cc_pr_mp_rq_v_040: next_hop_by_request_uri("CANCEL");
    sip_cc_pr_mp_rq_v_041: hops("CANCEL", "70", "69");
    sip_cc_pr_mp_rq_v_042: hops("CANCEL", "1", "0");
    sip_cc_pr_mp_rq_v_043: hops("CANCEL", "255", "254");
    sip_cc_pr_mp_rq_v_044: hops("CANCEL", "", "70");
    sip_cc_pr_mp_rq_v_045: strict_router_behind_us("CANCEL");
    sip_cc_pr_mp_rq_v_046: next_hop_by_route("CANCEL");
    sip_cc_pr_mp_rq_v_047: next_hop_by_request_uri("CANCEL");
    sip_cc_pr_mp_rq_v_048: via("CANCEL");

    sip_cc_pr_mp_rq_v_049: scheme("BYE");
    sip_cc_pr_mp_rq_v_050: spent("BYE");
    sip_cc_pr_mp_rq_v_051: proxy_require("BYE");
    sip_cc_pr_mp_rq_v_052: strict_router_before_us("BYE");
    sip_cc_pr_mp_rq_v_053: own_route("BYE");
    sip_cc_pr_mp_rq_v_054: maddr("BYE");
    sip_cc_pr_mp_rq_v_055: foreign_domain("BYE");
    sip_cc_pr_mp_rq_v_056: location_service("MESSAGE");
    sip_cc_pr_mp_rq_v_057: no_target("MESSAGE", 404);
    sip_cc_pr_mp_rq_v_058: no_target("BYE", 481);
    sip_cc_pr_mp_rq_v_059: hops("BYE", "70", "69");
    sip_cc_pr_mp_rq_v_060: hops("BYE", "1", "0");
    sip_cc_pr_mp_rq_v_061: hops("BYE", "255", "254");
    sip_cc_pr_mp_rq_v_062: hops("BYE", "", "70");
    sip_cc_pr_mp_rq_v_063: strict_router_behind_us("BYE");
    sip_cc_pr_mp_rq_v_064: next_hop_by_route("BYE");
    sip_cc_pr_mp_rq_v_065: next_hop_by_request_uri("BYE");
    sip_cc_pr_mp_rq_v_066: via("BYE");
    sip_cc_pr_mp_rq_v_067: each_target("MESSAGE");
}
