//! Route and Request-URI (RFC 3261 16.4, 16.5, 16.6 steps 2, 6 and 7).

use crate::rig::*;

const STRICT: &str = "10.0.0.50:5060";

/// 16.6 step 6: a router without `lr` is named by the Request-URI, and the target stands behind all Routes.
#[test]
fn a_strict_router_that_is_next_is_named_by_the_request_uri() {
    for method in ["BYE", "INFO", "ACK"] {
        let mut rig = Rig::new();
        rig.bind("bob", BOB);
        rig.bind("alice", ALICE);
        let routes = [
            format!("<sip:{SAS};lr>"),
            format!("<sip:{STRICT};method=INVITE?x=y>"),
            format!("<sip:{CAROL};lr>"),
        ];
        let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
        let sent = rig.feed_one(ALICE, in_dialog(method, &format!("sip:bob@{BOB}"), "s1", &routes));
        assert_eq!((sent.brief(), sent.uri()), (format!("{method} {STRICT}"), &*format!("sip:{STRICT}")));
        assert_eq!(sent.all("Route"), [routes[2], &format!("<sip:bob@{BOB}>")]);
    }
}

#[test]
fn a_path_of_a_strict_router_is_followed_by_its_rules() {
    let mut rig = Rig::lost();
    let path = format!("Path: <sip:{STRICT}>, <sip:{CAROL};lr>\r\nSupported: path\r\n");
    rig.feed_one(BOB, register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n{path}"), 1));
    let sent = rig.feed_one(ALICE, request("MESSAGE", "sip:bob@office.example", "p1"));
    assert_eq!((sent.brief(), sent.uri()), (format!("MESSAGE {STRICT}"), &*format!("sip:{STRICT}")));
    assert_eq!(sent.all("Route"), [format!("<sip:{CAROL};lr>"), format!("<sip:bob@{BOB}>")]);
}

/// RFC 3327 5.3 and 5.4: the Path is the route to the phone in its own order, in one field or several, whatever Route the call
/// came by.
#[test]
fn a_path_of_several_hops_keeps_its_order() {
    let hops =
        [format!("<sip:{CAROL};lr>"), "<sip:203.0.113.7;lr>".to_owned(), "<sip:203.0.113.8>".to_owned()];
    for path in [
        format!("Path: {}\r\n", hops.join(", ")),
        hops.each_ref().map(|hop| format!("Path: {hop}\r\n")).concat(),
    ] {
        let mut rig = Rig::lost();
        let lines = format!("Contact: <sip:bob@{BOB}>\r\n{path}Supported: path\r\n");
        let ok = rig.feed_one(BOB, register("bob", BOB, &lines, 1));
        assert_eq!(ok.all("Path"), hops);
        let text = request("MESSAGE", "sip:bob@office.example", "p1");
        for text in
            [text.clone(), with(&text, &format!("Route: <sip:{SAS};lr>")).replace("z9hG4bKp1", "z9hG4bKp2")]
        {
            let sent = rig.feed_one(ALICE, text);
            assert_eq!((sent.brief(), sent.uri()), (format!("MESSAGE {CAROL}"), &*format!("sip:bob@{BOB}")));
            assert_eq!(sent.all("Route"), hops);
        }
    }
}

/// What was not reached yet stays, however it is written.
#[test]
fn routes_in_one_field_are_told_apart() {
    let mut rig = Rig::new();
    rig.bind("alice", ALICE);
    let routes = format!("<sip:{SAS};lr> , <sip:{SAS};lr>, \"a, b\" <sip:{CAROL};lr>,<sip:{BOB};lr>");
    let sent = rig.feed_one(ALICE, in_dialog("BYE", &format!("sip:bob@{BOB}"), "r1", &[&routes]));
    assert_eq!(sent.brief(), format!("BYE {CAROL}"));
    assert_eq!(sent.all("Route")[0].trim(), format!("\"a, b\" <sip:{CAROL};lr>,<sip:{BOB};lr>"));
}

/// 16.6 step 2: what a Request-URI may not have is left out of a Contact that becomes one (19.1.1, table 1).
#[test]
fn a_contact_becomes_a_request_uri_without_method_and_header_fields() {
    let mut rig = Rig::lost();
    rig.bind_as(
        "bob",
        BOB,
        &format!("<sip:b?b@{BOB};user=ip;Method=REGISTER;ob?Subject=x&Route=%3Csip:y%3E>"),
    );
    let sent = rig.feed_one(ALICE, request("MESSAGE", "sip:bob@office.example", "m1"));
    assert_eq!(sent.uri(), format!("sip:b?b@{BOB};user=ip;ob"));
}

/// 16.4: an `maddr` that names us says no more than that the request was meant to come here.
#[test]
fn an_maddr_that_names_us_is_stripped() {
    let uri = "sip:bob@office.example:5080;maddr=192.0.2.10;transport=udp";
    let mut rig = Rig::new();
    let sent = rig.feed(ALICE, request("INVITE", uri, "m1"));
    assert_eq!(one(&sent, &format!("INVITE {PROXY}")).uri(), format!("sip:bob@{PROXY}"));
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let sent = rig.feed(ALICE, request("INVITE", uri, "m2"));
    assert_eq!(one(&sent, &format!("INVITE {BOB}")).uri(), format!("sip:bob@{BOB}"));
}

/// 16.5 and 16.6 step 7: any other `maddr` is where the request goes.
#[test]
fn an_maddr_that_names_another_is_the_next_hop() {
    let mut rig = Rig::new();
    rig.bind("alice", ALICE);
    let uri = "sip:bob@office.example:5070;maddr=10.0.0.2";
    let sent = rig.feed_one(PROXY, from_to("MESSAGE", uri, "p1", PROXY, ""));
    assert_eq!((sent.brief(), sent.uri()), ("MESSAGE 10.0.0.2:5070".to_owned(), uri));
    let sent = rig.feed_one(ALICE, in_dialog("BYE", uri, "b1", &[]));
    assert_eq!((sent.brief(), sent.uri()), ("BYE 10.0.0.2:5070".to_owned(), uri));
}

/// 16.4: a Route is ours by any of our addresses and names, and only with the port that it leads to.
#[test]
fn a_route_may_name_us_by_name() {
    let with_name = |settings: &mut sip_survivability::config::Settings| {
        settings.names = vec!["sip:sas.office.example:5080".parse().unwrap()];
    };
    for mut rig in [Rig::with(with_name), Rig::lost_with(with_name)] {
        rig.bind("alice", ALICE);
        let (ours, other) = ("<sip:x@SAS.office.example:5080;lr>", "<sip:sas.office.example;lr>");
        let carol = format!("<sip:{CAROL};lr>");
        for method in ["BYE", "ACK"] {
            let text = in_dialog(method, "sip:bob@10.0.0.9", method, &[ours, &carol]);
            let sent = rig.feed_one(ALICE, text);
            assert_eq!((sent.brief(), sent.all("Route")), (format!("{method} {CAROL}"), vec![&*carol]));
        }
        // A strict router upstream has put our name into the Request-URI.
        let text =
            in_dialog("BYE", "sip:sas.office.example:5080;lr", "strict", &[&carol, "<sip:bob@10.0.0.9>"]);
        let sent = rig.feed_one(ALICE, text);
        assert_eq!((sent.brief(), sent.uri()), (format!("BYE {CAROL}"), "sip:bob@10.0.0.9"));
        assert_eq!(sent.all("Route"), [&*carol]);
        let text = in_dialog("BYE", "sip:bob@10.0.0.9", "other", &[other, &carol]);
        let sent = rig.feed_one(ALICE, text);
        assert!(sent.to == address(CAROL) || sent.all("Route") == [other, &carol]);
    }
}

/// 16.6 step 7: the topmost Route that is left is the next hop, also outside a dialog and without the proxy, where it leads
/// to the branch's own phones. What leads elsewhere is the proxy's to follow.
#[test]
fn a_preloaded_route_to_a_host_of_the_branch_is_followed() {
    for mut rig in [Rig::new(), Rig::lost()] {
        rig.bind("alice", ALICE);
        rig.bind("carol", CAROL);
        let routes = format!("Route: <sip:{SAS};lr>, <sip:10.0.0.3:5070;lr>");
        let text = with(&request("MESSAGE", "sip:bob@h.example", "r1"), &routes);
        let sent = rig.feed_one(ALICE, text.clone());
        assert_eq!((sent.brief(), sent.uri()), ("MESSAGE 10.0.0.3:5070".to_owned(), "sip:bob@h.example"));
        let sent = rig.feed_one(ALICE, request("MESSAGE", "sip:bob@h.example;maddr=10.0.0.3", "r2"));
        assert_eq!(sent.brief(), format!("MESSAGE {CAROL}"));
        // A stranger's is not.
        let text = text.replace("z9hG4bKr1", "z9hG4bKr3");
        assert!(rig.feed(MALLORY, text).iter().all(|sent| sent.to.ip() != address(CAROL).ip()));
        let elsewhere =
            with(&request("MESSAGE", "sip:bob@office.example", "r4"), "Route: <sip:203.0.113.1;lr>");
        assert!(rig.feed(ALICE, elsewhere).iter().all(|sent| sent.to != address("203.0.113.1:5060")));
        rig.drain();
    }
}
