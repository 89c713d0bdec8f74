//! REGISTER answered by us: RFC 3261 10.3 steps 5 to 8.

use super::support::*;
use sip_survivability::message::{Fault, ResponseBuilder};
use sip_survivability::registrar::Home;
use sip_survivability::transport::FlowId;
use std::time::Duration;

const ALICE: &str = "sip:alice@192.0.2.1";

#[test]
fn a_new_contact_is_bound_for_the_granted_time() {
    let mut branch = Branch::new();
    let registered = branch.register(&reg(ALICE, 1).contact("<sip:alice@192.0.2.10>")).unwrap();
    assert_eq!(join(&registered.contacts), "<sip:alice@192.0.2.10>;expires=20");
    assert_eq!(told(&registered.changes), "bound sip:alice@192.0.2.10");
    let binding = &registered.changes[0].binding;
    assert_eq!(binding.aor(), ALICE);
    assert_eq!((binding.flow, binding.source), (Some(FlowId(1)), "192.0.2.10:5060".parse().unwrap()));
    assert_eq!(branch.all(), "sip:alice@192.0.2.10 20 local local_only");
}

#[test]
fn a_contacts_own_expires_counts_before_the_header_field_and_that_before_the_default() {
    let mut branch = Branch::new();
    let sent = reg(ALICE, 1).line("Expires: 9").contact("<sip:a@h1>;expires=5, <sip:a@h2>");
    assert_eq!(branch.answer(&sent), "<sip:a@h1>;expires=5, <sip:a@h2>;expires=9");
    assert_eq!(branch.answer(&reg("sip:bob@192.0.2.1", 1).contact("<sip:b@h>")), "<sip:b@h>;expires=20");
}

#[test]
fn the_caller_sees_what_is_asked_and_grants_whole_seconds() {
    let mut branch = Branch::new();
    let sent =
        reg(ALICE, 1).contact("<sip:a@h1>;expires=600").contact("<sip:a@h2>;expires=0").contact("<sip:a@h3>");
    let mut asked = Vec::new();
    let grant = |wanted| {
        asked.push(wanted);
        Duration::from_millis(17_900)
    };
    let (registrar, hosts) = (&mut branch.registrar, &branch.hosts);
    let registered =
        registrar.register(branch.now, &sent.request(), sent.from, hosts, Home::Pending, grant).unwrap();
    assert_eq!(asked, [Some(secs(600)), None]);
    assert_eq!(join(&registered.contacts), "<sip:a@h1>;expires=17, <sip:a@h3>;expires=17");
    assert_eq!(registered.changes[0].binding.home, Home::Pending);
    let nothing = |_| Duration::ZERO;
    let sent = reg(ALICE, 2).contact("<sip:a@h1>");
    let registered =
        registrar.register(branch.now, &sent.request(), sent.from, hosts, Home::LocalOnly, nothing).unwrap();
    assert_eq!(registered.contacts[0].expires, 1);
}

#[test]
fn a_refresh_renews_and_lists_what_is_left_of_the_others() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>;q=0.5, <sip:a@h2>;q=0.25")).unwrap();
    branch.wait(7);
    let registered = branch.register(&reg(ALICE, 2).contact("<sip:a@h1>;q=0.5")).unwrap();
    assert_eq!(join(&registered.contacts), "<sip:a@h1>;q=0.500;expires=20, <sip:a@h2>;q=0.250;expires=13");
    assert_eq!(told(&registered.changes), "refreshed sip:a@h1");
}

#[test]
fn a_register_without_contact_only_asks() {
    let mut branch = Branch::new();
    assert_eq!(branch.answer(&reg(ALICE, 1)), "");
    branch.register(&reg(ALICE, 2).contact("<sip:a@h1>")).unwrap();
    assert_eq!(branch.answer(&reg(ALICE, 3)), "<sip:a@h1>;expires=20");
    assert!(branch.register(&reg(ALICE, 3)).unwrap().changes.is_empty());
}

#[test]
fn expires_zero_removes() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>, <sip:a@h2>")).unwrap();
    let registered =
        branch.register(&reg(ALICE, 2).contact("<sip:a@h1>;expires=0, <sip:a@h9>;expires=0")).unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h1");
    assert_eq!(join(&registered.contacts), "<sip:a@h2>;expires=20");
    assert_eq!(branch.answer(&reg(ALICE, 3).line("Expires: 0").contact("<sip:a@h2>")), "");
    assert!(branch.registrar.is_empty());
}

#[test]
fn star_removes_all_but_only_alone_and_with_expires_zero() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>, <sip:a@h2>")).unwrap();
    for bad in [
        reg(ALICE, 2).contact("*"),
        reg(ALICE, 2).contact("*").line("Expires: 10"),
        reg(ALICE, 2).contact("*").line("Expires: none"),
        reg(ALICE, 2).contact("*, <sip:a@h1>").line("Expires: 0"),
        reg(ALICE, 2).contact("*").contact("*").line("Expires: 0"),
    ] {
        assert_eq!(branch.answer(&bad), "400 Contact * Must Stand Alone With Expires 0");
    }
    let registered = branch.register(&reg(ALICE, 2).contact("*").line("Expires: 0")).unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h1, unbound sip:a@h2");
}

#[test]
fn contacts_match_by_the_rules_of_uri_comparison() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:%61@H1;x=y>")).unwrap();
    let registered =
        branch.register(&reg(ALICE, 2).contact("<sip:a@h1>, <sip:a@h1:5060>, <sip:A@h1>")).unwrap();
    assert_eq!(told(&registered.changes), "refreshed sip:a@h1, bound sip:a@h1:5060, bound sip:A@h1");
}

#[test]
fn of_two_equivalent_contacts_in_one_request_the_first_counts() {
    let mut branch = Branch::new();
    assert_eq!(
        branch.answer(&reg(ALICE, 1).contact("<sip:a@h1>;expires=7, <sip:%61@h1>;expires=0")),
        "<sip:a@h1>;expires=7"
    );
}

#[test]
fn the_same_text_is_matched_before_what_only_means_the_same() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@h;line=1>, <sip:a@h;line=2>")).unwrap();
    let registered = branch.register(&reg(ALICE, 2).contact("<sip:a@h;line=2>;expires=0")).unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h;line=2");
}

#[test]
fn a_lower_cseq_of_the_same_call_id_from_elsewhere_is_out_of_order() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 5).contact("<sip:a@h1>")).unwrap();
    for cseq in [4, 5] {
        let late = reg(ALICE, cseq).contact("<sip:a@h1>").from("192.0.2.66:5060");
        assert_eq!(branch.answer(&late), "500 CSeq Out Of Order");
        let star = reg(ALICE, cseq).contact("*").line("Expires: 0").from("192.0.2.66:5060");
        assert_eq!(branch.answer(&star), "500 CSeq Out Of Order");
    }
    let other_call = reg(ALICE, 1).call_id("b").contact("<sip:a@h1>").from("192.0.2.66:5060");
    assert_eq!(branch.answer(&other_call), "<sip:a@h1>;expires=20");
}

#[test]
fn a_request_out_of_order_for_one_contact_changes_none() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 5).contact("<sip:a@h1>")).unwrap();
    branch.wait(5);
    let late = reg(ALICE, 4).contact("<sip:a@h0>, <sip:a@h1>").from("192.0.2.66:5060");
    assert_eq!(branch.answer(&late), "500 CSeq Out Of Order");
    assert_eq!(branch.all(), "sip:a@h1 15 local local_only");
    assert_eq!(
        branch.answer(&reg(ALICE, 6).contact("<sip:a@h0>, <sip:a b>")),
        "400 Bad Contact Header Field"
    );
    assert_eq!(branch.all(), "sip:a@h1 15 local local_only");
}

#[test]
fn register_with_lower_cseq_from_the_same_source_is_a_reboot() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 500).contact("<sip:a@h1>")).unwrap();
    branch.wait(5);
    let rebooted = reg(ALICE, 1).contact("<sip:a@h1>").from("192.0.2.10:40000");
    assert_eq!(branch.answer(&rebooted), "<sip:a@h1>;expires=20");
    let cleared = reg(ALICE, 0).contact("*").line("Expires: 0").from("192.0.2.10:40001");
    assert_eq!(branch.answer(&cleared), "");
}

#[test]
fn register_with_lower_cseq_from_the_same_instance_is_a_reboot() {
    let mut branch = Branch::new();
    let instance = ";+sip.instance=\"<urn:uuid:1>\"";
    branch.register(&reg(ALICE, 500).contact(&format!("<sip:a@h1>{instance}"))).unwrap();
    branch.wait(5);
    let rebooted = reg(ALICE, 1).contact(&format!("<sip:a@h1>{instance}")).from("192.0.2.66:5060");
    assert_eq!(branch.answer(&rebooted), "<sip:a@h1>;+sip.instance=\"<urn:uuid:1>\";expires=20");
}

#[test]
fn an_equal_cseq_from_the_same_source_gets_what_is_there() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 5).contact("<sip:a@h1>")).unwrap();
    branch.wait(5);
    let registered = branch.register(&reg(ALICE, 5).contact("<sip:a@h1>")).unwrap();
    assert_eq!(join(&registered.contacts), "<sip:a@h1>;expires=15");
    assert!(registered.changes.is_empty());
}

#[test]
fn the_same_instance_replaces_its_older_contact() {
    let mut branch = Branch::new();
    let phone = |cseq, contact: &str| {
        reg(ALICE, cseq).contact(&format!("<{contact}>;+sip.instance=\"<urn:uuid:1>\""))
    };
    branch.register(&phone(1, "sip:a@h1")).unwrap();
    branch.register(&reg(ALICE, 1).call_id("b").contact("<sip:a@desk>")).unwrap();
    let registered = branch.register(&phone(2, "sip:a@h2")).unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h1, bound sip:a@h2");
    assert_eq!(branch.targets(ALICE), "sip:a@desk, sip:a@h2");
    // An address that it had before as somebody without instance: one contact is left.
    let registered = branch.register(&phone(3, "sip:a@desk")).unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h2, refreshed sip:a@desk");
}

#[test]
fn flows_of_one_instance_stand_side_by_side() {
    let mut branch = Branch::new();
    let flow = |cseq, id, contact: &str| {
        reg(ALICE, cseq).contact(&format!("<{contact}>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}"))
    };
    branch.register(&flow(1, 1, "sip:a@h1")).unwrap();
    branch.register(&flow(2, 2, "sip:a@h2")).unwrap();
    let registered = branch.register(&flow(3, 1, "sip:a@h3")).unwrap();
    assert_eq!(told(&registered.changes), "refreshed sip:a@h3");
    assert_eq!(
        registered.contacts[0].to_string(),
        "<sip:a@h3>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=20"
    );
}

/// RFC 5626 6: "the Contact URI is not used for binding comparisons".
#[test]
fn flows_of_one_contact_are_two_bindings() {
    let mut branch = Branch::new();
    let flow = |cseq, id, more: &str| {
        reg(ALICE, cseq).contact(&format!("<sip:a@h1>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}{more}"))
    };
    branch.register(&flow(1, 1, "")).unwrap();
    let registered = branch.register(&flow(2, 2, "")).unwrap();
    assert_eq!((told(&registered.changes), branch.registrar.len()), ("bound sip:a@h1".to_owned(), 2));
    // Another device has the same address behind another NAT.
    let other = reg(ALICE, 3).contact("<sip:a@h1>;+sip.instance=\"<urn:uuid:2>\";reg-id=1");
    branch.register(&other).unwrap();
    assert_eq!(branch.registrar.len(), 3);
    let registered = branch.register(&flow(4, 2, ";expires=0")).unwrap();
    assert_eq!((told(&registered.changes), registered.contacts.len()), ("unbound sip:a@h1".to_owned(), 2));
}

/// A phone that had one contact, and has flows now; and the way back. Whatever it was before goes.
#[test]
fn a_device_has_flows_or_a_contact() {
    let mut branch = Branch::new();
    let contact = |cseq, more: &str| {
        reg(ALICE, cseq).contact(&format!("<sip:a@h1>;+sip.instance=\"<urn:uuid:1>\"{more}"))
    };
    branch.register(&contact(1, "")).unwrap();
    let registered = branch.register(&contact(2, ";reg-id=1")).unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h1, bound sip:a@h1");
    branch.register(&contact(3, ";reg-id=2")).unwrap();
    let registered = branch.register(&contact(4, "")).unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h1, unbound sip:a@h1, bound sip:a@h1");
    assert_eq!(branch.registrar.len(), 1);
    branch.register(&reg(ALICE, 5).contact("<sip:a@h9>")).unwrap();
    let registered = branch
        .register(&reg(ALICE, 6).contact("<sip:a@h9>;+sip.instance=\"<urn:uuid:9>\";reg-id=1"))
        .unwrap();
    assert_eq!(told(&registered.changes), "unbound sip:a@h9, bound sip:a@h9", "it had no name before");
}

/// RFC 5626 7: a closed flow is of no use; it makes room for another before anybody is turned away.
#[test]
fn a_flow_that_is_closed_makes_room() {
    let mut branch = Branch::with(|settings| settings.registrar.max_contacts = 2);
    let flow = |id: u32| {
        let contact = format!("<sip:a@h1>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}");
        reg(ALICE, id).contact(&contact).flow(id.into())
    };
    branch.register(&flow(1)).unwrap();
    branch.register(&flow(2)).unwrap();
    assert_eq!(branch.register(&flow(3)).unwrap_err().status(), 503);
    branch.registrar.on_flow_closed(FlowId(1));
    let registered = branch.register(&flow(4)).unwrap();
    assert_eq!(told(&registered.changes), "expired sip:a@h1, bound sip:a@h1");
}

#[test]
fn two_contacts_of_one_instance_in_one_request_do_not_replace_each_other() {
    let mut branch = Branch::new();
    let both = |cseq| {
        let contact = |host| format!("<sip:a@{host}>;+sip.instance=\"<urn:uuid:1>\"");
        reg(ALICE, cseq).contact(&contact("h1")).contact(&contact("h2"))
    };
    assert_eq!(told(&branch.register(&both(1)).unwrap().changes), "bound sip:a@h1, bound sip:a@h2");
    assert_eq!(told(&branch.register(&both(2)).unwrap().changes), "refreshed sip:a@h1, refreshed sip:a@h2");
}

#[test]
fn an_instance_removes_its_contact_under_a_new_address() {
    let mut branch = Branch::new();
    let phone =
        |cseq, contact: &str| reg(ALICE, cseq).contact(&format!("{contact};+sip.instance=\"<urn:uuid:1>\""));
    branch.register(&phone(1, "<sip:a@h1>")).unwrap();
    assert_eq!(branch.answer(&phone(2, "<sip:a@h2>;expires=0")), "");
}

#[test]
fn path_is_kept_and_echoed_to_who_knows_it() {
    let mut branch = Branch::new();
    let path = "Path: <sip:p1;lr>, <sip:p2;lr>";
    let silent = branch.register(&reg(ALICE, 1).contact("<sip:a@h1>").line(path)).unwrap();
    assert!(silent.path.is_empty());
    assert_eq!(join(silent.changes[0].binding.path()), "<sip:p1;lr>, <sip:p2;lr>");
    let sent = reg(ALICE, 2).contact("<sip:a@h1>").line(path).line("Supported: path");
    let registered = branch.register(&sent).unwrap();
    let response = registered
        .write_to(ResponseBuilder::new(&sent.request(), sent.from.address, 200, "t"))
        .finish()
        .unwrap();
    let text = String::from_utf8(response.to_vec()).unwrap();
    assert!(
        text.contains("\r\nPath: <sip:p1;lr>\r\nPath: <sip:p2;lr>\r\nContact: <sip:a@h1>;expires=20\r\n"),
        "{text}"
    );
    assert_eq!(
        branch.answer(&reg(ALICE, 3).contact("<sip:a@h1>").line("Path: <nowhere")),
        "400 Bad Path Header Field"
    );
}

#[test]
fn one_user_has_one_set_of_contacts_under_all_our_hosts() {
    let mut branch = Branch::new();
    branch.register(&reg("sip:alice@192.0.2.1", 1).contact("<sip:a@h1>")).unwrap();
    branch.register(&reg("sip:alice@192.0.2.1:5080;x=y", 2).contact("<sip:a@h2>")).unwrap();
    assert_eq!(branch.registrar.users(), 1);
}

#[test]
fn what_is_no_address_of_record_is_refused() {
    let mut branch = Branch::new();
    for (to, answer) in [
        ("sip:192.0.2.1", "404 No Such Address Of Record"),
        ("mailto:alice@h", "404 No Such Address Of Record"),
        ("nothing", "400 Bad To Header Field"),
    ] {
        assert_eq!(branch.answer(&reg(to, 1).contact("<sip:a@h1>")), answer);
    }
    let refusal = branch.register(&reg("nothing", 1)).unwrap_err();
    assert_eq!(Fault::from(refusal).status, 400);
}

#[test]
fn emergency_numbers_and_reserved_users_cannot_register() {
    let mut branch = Branch::new();
    for to in ["sip:911@192.0.2.1", "sip:%3911@elsewhere.example", "tel:9-1-1", "sip:operator@192.0.2.1"] {
        assert_eq!(branch.answer(&reg(to, 1).contact("<sip:a@h1>")), "403 Reserved User");
        assert!(branch.record(&reg(to, 1).contact("<sip:a@h1>"), 200, &[]).is_err());
    }
    assert!(branch.registrar.is_empty());
}
