//! What bounds the database.

use super::support::*;
use proptest::prelude::*;
use sip_survivability::message::Message;
use sip_survivability::registrar::{Home, Refusal};
use sip_survivability::uri::Uri;

const ALICE: &str = "sip:alice@192.0.2.1";
const BOB: &str = "sip:bob@192.0.2.1";

#[test]
fn a_full_database_refuses_new_users_and_refreshes_the_others() {
    let mut branch = Branch::with(|settings| settings.registrar.max_users = 1);
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>")).unwrap();
    assert_eq!(branch.answer(&reg(BOB, 1).contact("<sip:b@h1>")), "503 Too Many Users");
    let unstored = branch.record(&reg(BOB, 1).contact("<sip:b@h1>"), 200, &[]).unwrap_err();
    assert!(unstored.is_database_full());
    assert_eq!(branch.answer(&reg(ALICE, 2).contact("<sip:a@h1>")), "<sip:a@h1>;expires=20");
    assert_eq!(branch.answer(&reg(BOB, 2)), "");
    branch.register(&reg(ALICE, 3).contact("*").line("Expires: 0")).unwrap();
    assert_eq!(branch.answer(&reg(BOB, 3).contact("<sip:b@h1>")), "<sip:b@h1>;expires=20");
}

#[test]
fn live_contacts_are_never_pushed_out() {
    let mut branch = Branch::with(|settings| settings.registrar.max_contacts = 2);
    branch.register(&reg(ALICE, 1).contact("<sip:a@h1>, <sip:a@h2>")).unwrap();
    let third = reg(ALICE, 2).contact("<sip:a@h3>");
    assert_eq!(branch.answer(&third), "503 Too Many Contacts");
    assert_eq!(branch.record(&third, 200, &[]), Err(Refusal::TooManyContacts));
    assert_eq!(branch.targets(ALICE), "sip:a@h1, sip:a@h2");
    let exchange = reg(ALICE, 3).contact("<sip:a@h3>, <sip:a@h1>;expires=0");
    assert_eq!(branch.answer(&exchange), "<sip:a@h2>;expires=20, <sip:a@h3>;expires=20");
}

#[test]
fn stale_contacts_make_room() {
    let mut branch = Branch::with(|settings| settings.registrar.max_contacts = 2);
    branch.record(&reg(ALICE, 1).contact("<sip:a@h1>;expires=60, <sip:a@h2>;expires=50"), 200, &[]).unwrap();
    branch.grace = secs(3600);
    branch.wait(70);
    let registered = branch.register(&reg(ALICE, 2).contact("<sip:a@h3>")).unwrap();
    assert_eq!(told(&registered.changes), "expired sip:a@h2, bound sip:a@h3");
}

#[test]
fn one_request_cannot_name_more_contacts_than_can_be_exchanged() {
    let mut branch = Branch::with(|settings| settings.registrar.max_contacts = 2);
    let removals: Vec<_> = (0..5).map(|n| format!("<sip:a@h{n}>;expires=0")).collect();
    assert_eq!(branch.answer(&reg(ALICE, 1).contact(&removals[..4].join(", "))), "");
    assert_eq!(branch.answer(&reg(ALICE, 1).contact(&removals.join(", "))), "503 Too Many Contacts");
}

#[test]
fn a_binding_with_too_much_text_is_refused() {
    let mut branch = Branch::new();
    let long = "x".repeat(5000);
    for sent in [
        reg(ALICE, 1).contact(&format!("<sip:{long}@h>")),
        reg(ALICE, 1).contact(&format!("<sip:a@h>;+sip.instance=\"<{long}>\"")),
        reg(ALICE, 1).contact("<sip:a@h>").line(&format!("Path: <sip:{long}@p;lr>")),
        reg(&format!("sip:{long}@h"), 1).contact("<sip:a@h>"),
    ] {
        assert_eq!(branch.answer(&sent), "513 Registration Too Large");
    }
    let agent = reg(ALICE, 1).contact("<sip:a@h>").line(&format!("User-Agent: {long}"));
    let registered = branch.register(&agent).unwrap();
    assert_eq!(registered.changes[0].binding.user_agent().unwrap().len(), 256);
}

fn hostile_value() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("<sip:a@h1>"),
        Just("sip:a@192.0.2.9:5060"),
        Just("*"),
        Just(","),
        Just(";expires=0"),
        Just(";expires=99999999999999999999"),
        Just(";expires=\"\""),
        Just(";q=9"),
        Just(";+sip.instance=\"<x>\""),
        Just(";+sip.instance=\""),
        Just(";reg-id=-1"),
        Just(";reg-id=1"),
        Just(";reg-id=2"),
        Just(";reg-id=0"),
        Just(";reg-id=2147483648"),
        Just(";reg-id=4294967297"),
        Just(";+sip.instance=\"<\">\""),
        Just(";+sip.instance=\"<%;gr=\u{0}>\""),
        Just(";pub-gruu=\"sip:a@h;gr=x\""),
        Just(";temp-gruu=\"sip:t@h;gr\""),
        Just("<sip:t@h;gr>"),
        Just("<sip:a@h;gr=%78>"),
        Just("<sip:tgruu.AAAA@h;gr>"),
        Just("<sip:a@h;bnc>"),
        Just("<sip:ft.x@h;lr;ob>"),
        Just("<tel:;;>"),
        Just("<sip:[::1]:0;lr?a=b>"),
        Just("\"<\""),
        Just("é"),
        Just(" "),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_input_panics_or_passes_the_limits(
        requests in prop::collection::vec((any::<bool>(), "[a-d%;@:]{0,4}", hostile_value(), hostile_value(), hostile_value(), 0_u32..9), 1..24)
    ) {
        let mut branch = Branch::with(|settings| {
            settings.registrar.max_users = 3;
            settings.registrar.max_contacts = 2;
        });
        for (local, user, contact, path, expires, cseq) in requests {
            let text = format!(
                "REGISTER sip:h SIP/2.0\r\nTo: <sip:{user}@h>\r\nCall-ID: {user}\r\nCSeq: {cseq} REGISTER\r\n\
                 Via: SIP/2.0/UDP x\r\nSupported: outbound, gruu\r\nContact: {contact}\r\nPath: {path}\r\n\
                 Expires: {expires}\r\n\r\n"
            );
            let Ok(Message::Request(request)) = Message::parse(text) else { continue };
            let from = from("192.0.2.10:5060");
            if local {
                let grant = |asked: Option<_>| asked.unwrap_or_default();
                let _ = branch.registrar.register(branch.now, &request, from, &branch.hosts, Home::LocalOnly, grant);
            } else {
                let lines = [format!("Contact: {path}"), format!("Expires: {expires}"), "Require: outbound".to_owned()];
                let answer = response(200, &lines.each_ref().map(String::as_str));
                let _ = branch.registrar.record(branch.now, &request, &answer, from, &branch.hosts);
            }
            branch.wait(1);
            if let Ok(uri) = Uri::parse(&contact) {
                let _ = branch.view().by_contact(&uri).map(|binding| branch.view().flows_of(binding).len());
                let _ = branch.view().by_gruu(&uri, &branch.hosts);
                let _ = branch.view().bindings(&uri, &branch.hosts).count();
            }
            prop_assert!(branch.registrar.users() <= 3 && branch.registrar.len() <= 6);
        }
        branch.wait(1 << 40);
        branch.expire();
        prop_assert!(branch.registrar.is_empty());
        prop_assert_eq!(branch.registrar.unconfirmed(), 0);
    }
}
