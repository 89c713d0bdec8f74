//! Who is found where.

use super::support::*;
use sip_survivability::registrar::Standing;
use sip_survivability::transport::FlowId;
use sip_survivability::uri::{AorKey, Uri};

const ALICE: &str = "sip:alice@192.0.2.1";

#[test]
fn contacts_come_by_q_and_then_in_order_of_registration() {
    let mut branch = Branch::new();
    branch
        .register(&reg(ALICE, 1).contact("<sip:a@h1>;q=0.3, <sip:a@h2>, <sip:a@h3>;q=0.3, <sip:a@h4>;q=0.7"))
        .unwrap();
    assert_eq!(branch.targets(ALICE), "sip:a@h2, sip:a@h4, sip:a@h1, sip:a@h3");
    branch.register(&reg(ALICE, 2).contact("<sip:a@h1>;q=0.3")).unwrap();
    assert_eq!(branch.targets(ALICE), "sip:a@h2, sip:a@h4, sip:a@h1, sip:a@h3");
    branch.register(&reg(ALICE, 3).contact("<sip:a@h1>;q=0.9")).unwrap();
    assert_eq!(branch.targets(ALICE), "sip:a@h2, sip:a@h1, sip:a@h4, sip:a@h3");
}

#[test]
fn a_user_of_ours_is_found_at_the_one_other_host_where_it_registered() {
    let mut branch = Branch::new();
    branch.register(&reg("sip:bob@pbx.example", 1).contact("<sip:b@h1>")).unwrap();
    assert_eq!(branch.targets("sip:bob@PBX.example:5070"), "sip:b@h1");
    assert_eq!(branch.targets("sip:bob@192.0.2.1"), "sip:b@h1");
    assert_eq!(branch.targets("tel:bob"), "sip:b@h1");
    assert_eq!(branch.targets("sip:bob@elsewhere.example"), "");
    branch.register(&reg("sip:bob@other.example", 1).contact("<sip:b@h2>")).unwrap();
    assert_eq!(branch.targets("sip:bob@192.0.2.1"), "");
    branch.register(&reg("sip:bob@other.example", 2).contact("<sip:b@h2>;expires=0")).unwrap();
    assert_eq!(branch.targets("sip:bob@192.0.2.1"), "sip:b@h1");
    branch.register(&reg("sip:bob@192.0.2.1", 1).contact("<sip:b@h3>")).unwrap();
    assert_eq!(branch.targets("sip:bob@192.0.2.1"), "sip:b@h3");
}

#[test]
fn numbers_are_found_without_their_host() {
    let mut branch = Branch::new();
    branch.register(&reg("sip:+1-201-555-0123@pbx.example;user=phone", 1).contact("<sip:n@h1>")).unwrap();
    assert_eq!(branch.targets("tel:+12015550123"), "sip:n@h1");
    assert_eq!(branch.targets("sip:+12015550123@192.0.2.1"), "sip:n@h1");
}

#[test]
fn a_contact_is_found_by_meaning_then_by_user_and_place_then_by_place_then_by_source() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@10.0.0.5:5062;line=1>").from("192.0.2.10:7000")).unwrap();
    branch
        .register(
            &reg("sip:bob@192.0.2.1", 1).contact("<sip:b@10.0.0.5:5062;line=2>").from("192.0.2.10:7001"),
        )
        .unwrap();
    let (alice, bob) = ("sip:a@10.0.0.5:5062;line=1", "sip:b@10.0.0.5:5062;line=2");
    assert_eq!(branch.by_contact("sip:b@10.0.0.5:5062").as_deref(), Some(bob));
    assert_eq!(branch.by_contact("sip:b@10.0.0.5:5062;transport=udp").as_deref(), Some(bob));
    assert_eq!(branch.by_contact("sip:x@10.0.0.5:5062").as_deref(), Some(alice));
    assert_eq!(branch.by_contact("sip:10.0.0.5:5062").as_deref(), Some(alice));
    assert_eq!(branch.by_contact("sip:x@192.0.2.10:7001").as_deref(), Some(bob));
    assert_eq!(branch.by_contact("sip:b@10.0.0.5"), None);
    assert_eq!(branch.by_contact("sip:b@192.0.2.10:7002"), None);
    assert_eq!(branch.by_contact("tel:+1201"), None);
}

#[test]
fn the_default_port_counts_as_written_where_meaning_does_not_match() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@10.0.0.5>")).unwrap();
    assert_eq!(branch.by_contact("sip:a@10.0.0.5:5060").as_deref(), Some("sip:a@10.0.0.5"));
}

#[test]
fn nobody_gets_the_calls_to_the_outside_by_a_contact_at_the_gateway() {
    let mut branch = Branch::new();
    branch
        .register(&reg("sip:mallory@192.0.2.1", 1).contact("<sip:m@192.0.2.9>, <sip:m@192.0.2.1:5060>"))
        .unwrap();
    assert_eq!(branch.by_contact("sip:5551234@192.0.2.9"), None);
    assert_eq!(branch.by_contact("sip:5551234@192.0.2.1"), None);
    assert_eq!(branch.by_contact("sip:m@192.0.2.9"), None);
}

#[test]
fn a_contact_that_is_no_sip_uri_is_found_as_text() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<tel:+1201>")).unwrap();
    assert_eq!(branch.by_contact("TEL:+1201").as_deref(), Some("tel:+1201"));
}

#[test]
fn a_caller_is_registered_by_address_of_record_or_source_or_contact() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@10.0.0.5:5062>").from("192.0.2.10:7000")).unwrap();
    let is_registered = |uri: &str, source: &str| {
        branch.view().is_registered(&Uri::parse(uri).unwrap(), source.parse().unwrap(), &branch.hosts)
    };
    assert!(is_registered("sip:alice@192.0.2.1", "203.0.113.1:5060"));
    assert!(is_registered("sip:anonymous@anonymous.invalid", "192.0.2.10:7000"));
    assert!(is_registered("sip:anonymous@anonymous.invalid", "10.0.0.5:5062"));
    assert!(!is_registered("sip:anonymous@anonymous.invalid", "192.0.2.10:7001"));
}

#[test]
fn who_was_here_once_is_known() {
    let mut branch = Branch::new();
    let key = AorKey::of(&Uri::parse(ALICE).unwrap(), &branch.hosts).unwrap();
    assert_eq!(branch.view().standing(&key), Standing::Unknown);
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>")).unwrap();
    assert_eq!(branch.view().standing(&key), Standing::Registered);
    branch.wait(20);
    assert_eq!(branch.view().standing(&key), Standing::Former);
    branch.expire();
    assert_eq!(branch.view().standing(&key), Standing::Former);
    branch.register(&reg(ALICE, 2).contact("<sip:a@h1>")).unwrap();
    assert_eq!(branch.view().standing(&key), Standing::Registered);
}

#[test]
fn a_closed_flow_leaves_the_binding_without_flow() {
    let mut branch = Branch::new();
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>").flow(1)).unwrap();
    branch.register(&reg(ALICE, 2).contact("<sip:a@h2>").flow(2)).unwrap();
    branch.registrar.on_flow_closed(FlowId(1));
    let flows: Vec<_> = branch.registrar.iter().map(|binding| binding.flow).collect();
    assert_eq!(flows, [None, Some(FlowId(2))]);
    branch.register(&reg(ALICE, 3).contact("<sip:a@h1>").flow(3)).unwrap();
    assert_eq!(branch.registrar.iter().next().unwrap().flow, Some(FlowId(3)));
}
