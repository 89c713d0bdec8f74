//! Changes as the registration event package tells them (RFC 3680).

use super::support::*;
use sip_survivability::registrar::{BindingChange, ContactEvent, ContactState};

const ALICE: &str = "sip:alice@192.0.2.1";

/// Each change: event, state, seconds left, seconds since it was bound.
fn events(branch: &Branch, changes: &[BindingChange]) -> String {
    join(changes.iter().map(|change| {
        let (event, binding) = (change.event(), &change.binding);
        let times = (binding.expires_in(branch.now).as_secs(), binding.registered_for(branch.now).as_secs());
        format!("{event} {} {} {}", event.state(), times.0, times.1)
    }))
}

/// 4.7.2: the events of a contact's life.
#[test]
fn a_contact_is_registered_refreshed_shortened_and_unregistered() {
    let mut branch = Branch::new();
    let phone = |cseq| reg(ALICE, cseq).contact("<sip:a@h1>");
    let changes = branch.record(&phone(1), 200, &["Expires: 3600"]).unwrap();
    assert_eq!(events(&branch, &changes), "registered active 3600 0");
    branch.wait(10);
    let changes = branch.record(&phone(2), 200, &["Expires: 3600"]).unwrap();
    assert_eq!(events(&branch, &changes), "refreshed active 3600 10");
    branch.wait(10);
    // The proxy is away: 20 s are left of an hour.
    let changes = branch.register(&phone(3)).unwrap().changes;
    assert_eq!(events(&branch, &changes), "shortened active 20 20");
    let changes = branch.register(&phone(4).line("Expires: 0")).unwrap().changes;
    assert_eq!(events(&branch, &changes), "unregistered terminated 20 20");
    branch.register(&phone(5)).unwrap();
    branch.wait(21);
    let changes = branch.registrar.expire(branch.now, branch.grace, 9);
    assert_eq!(events(&branch, &changes), "expired terminated 0 21");
    assert_eq!(ContactEvent::Probation.state(), ContactState::Terminated);
}

/// 5.2.1: ids differ where URIs do, and "if the URI for two contacts are the same, their id attributes SHOULD be the same".
#[test]
fn a_contact_has_one_id_for_ever_and_each_flow_its_own() {
    let mut branch = Branch::new();
    let mut id_of = |sent: &Sent| branch.register(sent).unwrap().changes.last().unwrap().binding.contact_id();
    let first = id_of(&reg(ALICE, 1).contact("<sip:a@h1>"));
    assert_eq!(id_of(&reg(ALICE, 2).contact("<sip:a@h1>")), first);
    assert_eq!(id_of(&reg(ALICE, 3).contact("<sip:a@h1>;expires=0")), first);
    assert_eq!(id_of(&reg(ALICE, 4).contact("<sip:a@h1>")), first);
    let flow = |cseq, id: u32| {
        reg(ALICE, cseq).contact(&format!("<sip:a@h2>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}"))
    };
    let others = [
        id_of(&reg(ALICE, 5).contact("<sip:a@h1;x=y>;q=0.1")),
        id_of(&flow(6, 1)),
        id_of(&flow(7, 2)),
        id_of(&reg("sip:bob@192.0.2.1", 8).contact("<sip:a@h1>")),
    ];
    assert!(others.iter().all(|other| *other != first) && others[1] != others[2], "{first} {others:?}");
}
