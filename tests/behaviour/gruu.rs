//! Globally routable user agent URIs (RFC 5627): ours while the proxy is away (sections 5 and 6), and those that the proxy has
//! made, which have to lead to the same phone then.

use crate::rig::*;
use sip_survivability::Event;
use sip_survivability::registrar::Record;

const BOB_URI: &str = "sip:bob@office.example";
const INSTANCE: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const PUBLIC: &str = "sip:bob@office.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn reg_of(instance: &str, more: &str, at: &str, cseq: u32) -> String {
    let lines = format!(
        "Supported: path, gruu\r\nContact: <sip:bob@{at}>;+sip.instance=\"<{instance}>\"{more}\r\nExpires: 600\r\n"
    );
    register("bob", at, &lines, cseq)
}

/// bob's REGISTER with his instance.
fn reg(cseq: u32) -> String {
    reg_of(INSTANCE, "", BOB, cseq)
}

/// The parameter `name` of the Contact that lists `at`.
fn param(ok: &Sent, at: &str, name: &str) -> Option<String> {
    let contact = ok.all("Contact").into_iter().find(|contact| contact.contains(at)).unwrap();
    let value = contact.split(&format!(";{name}=\"")).nth(1)?;
    Some(value.split('"').next().unwrap().to_owned())
}

/// bob registers, and gets a temporary GRUU.
fn temporary(rig: &mut Rig, cseq: u32) -> String {
    let ok = rig.feed_one(BOB, reg(cseq));
    assert_eq!(ok.brief(), format!("200 {BOB}"));
    param(&ok, BOB, "temp-gruu").unwrap()
}

/// What becomes of a MESSAGE to `uri`.
fn message(rig: &mut Rig, uri: &str) -> Sent {
    static SERIAL: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    rig.feed_one(ALICE, request("MESSAGE", uri, &format!("gm{serial}")))
}

/// 5.1, 5.2: for who supports GRUUs, each contact with an instance has both.
#[test]
fn a_200_tells_the_gruus_of_an_instance() {
    let mut rig = Rig::lost();
    let ok = rig.feed_one(BOB, reg(1));
    assert_eq!(param(&ok, BOB, "pub-gruu").as_deref(), Some(PUBLIC));
    let temp = param(&ok, BOB, "temp-gruu").unwrap();
    assert!(temp.starts_with("sip:tgruu.") && temp.ends_with("@office.example;gr"), "{temp}");
    assert!(!temp.contains("bob") && !temp.contains("uuid"), "it tells nobody whose it is");
    // 5.2: "The registrar SHOULD NOT include the "gruu" option tag in the Require or Supported header field".
    assert_eq!((ok.header("Require"), ok.header("Supported")), ("", ""));
    assert_ne!(temporary(&mut rig, 2), temp, "a new one with each refresh");
    let silent = rig.feed_one(BOB, reg(3).replace("path, gruu", "path"));
    assert_eq!((param(&silent, BOB, "pub-gruu"), param(&silent, BOB, "temp-gruu")), (None, None));
    let nameless = register("bob", CAROL, &format!("Supported: gruu\r\nContact: <sip:bob@{CAROL}>\r\n"), 4);
    let ok = rig.feed_one(CAROL, nameless);
    assert_eq!(param(&ok, CAROL, "pub-gruu"), None);
    // 5.1: "A UA cannot suggest or otherwise provide a public GRUU to the registrar."
    let ok =
        rig.feed_one(BOB, reg_of(INSTANCE, ";pub-gruu=\"sip:x@y;gr=z\";temp-gruu=\"sip:t@y;gr\"", BOB, 5));
    assert_eq!(param(&ok, BOB, "pub-gruu").as_deref(), Some(PUBLIC));
    // `Require: gruu` asks no more than that the registrar knows what it is.
    let required = reg(6).replace("Supported", "Require: gruu\r\nSupported");
    assert_eq!(rig.feed_one(BOB, required).brief(), format!("200 {BOB}"));
}

/// 5.4: "a GRUU resolves only to those contacts whose instance ID matches the one associated with the GRUU".
#[test]
fn a_gruu_leads_to_its_instance_alone() {
    let mut rig = Rig::lost();
    let temp = temporary(&mut rig, 1);
    rig.feed_one(CAROL, reg_of("urn:uuid:2", "", CAROL, 2));
    assert_eq!(rig.feed(ALICE, request("INVITE", BOB_URI, "c1")).len(), 3, "100, and both phones");
    for uri in [
        PUBLIC,
        &temp,
        &PUBLIC.replace("office.example", "OFFICE.example"),
        &PUBLIC.replace("gr=urn:uuid", "gr=urn%3Auuid"),
    ] {
        let sent = message(&mut rig, uri);
        // 6.1: the parameter "is not carried forward into the rewritten Request-URI".
        assert_eq!(
            (sent.brief(), sent.uri()),
            (format!("MESSAGE {BOB}"), format!("sip:bob@{BOB}").as_str()),
            "{uri}"
        );
    }
    assert_eq!(message(&mut rig, "sip:bob@office.example;gr=urn:uuid:2").brief(), format!("MESSAGE {CAROL}"));
    rig.drain();
}

/// 6.1: 404 for what is no GRUU of ours, 480 for one that nobody is registered with; and no forwarding to anybody else.
#[test]
fn a_gruu_of_nobody_is_404_and_one_of_somebody_who_is_away_480() {
    let mut rig = Rig::lost();
    let temp = temporary(&mut rig, 1);
    let status = |rig: &mut Rig, uri: &str| message(rig, uri).brief();
    assert_eq!(status(&mut rig, "sip:bob@office.example;gr=urn:uuid:other"), format!("480 {ALICE}"));
    assert_eq!(status(&mut rig, "sip:nobody@office.example;gr=urn:uuid:1"), format!("404 {ALICE}"));
    let forged = temp.replacen("tgruu.", "tgruu.A", 1);
    for uri in [
        forged.as_str(),
        "sip:tgruu.@office.example;gr",
        "sip:x@office.example;gr",
        "sip:bob@office.example;gr=",
    ] {
        assert_eq!(status(&mut rig, uri), format!("404 {ALICE}"), "{uri}");
    }
    let elsewhere = temp.replace("office.example", "192.0.2.1");
    assert_eq!(status(&mut rig, &elsewhere), format!("404 {ALICE}"), "another domain's");
    let call = |rig: &mut Rig, uri: &str, id: &str| briefs(&rig.feed(ALICE, request("INVITE", uri, id)));
    assert_eq!(
        call(&mut rig, "sip:nobody@office.example;gr=x", "c1"),
        [format!("404 {ALICE}")],
        "not to the gateway"
    );
    // 5.3: the temporary one is invalid with the last contact, the public one is not.
    rig.feed_one(BOB, reg_of(INSTANCE, ";expires=0", BOB, 2));
    assert_eq!(status(&mut rig, &temp), format!("404 {ALICE}"));
    assert_eq!(status(&mut rig, PUBLIC), format!("480 {ALICE}"));
    temporary(&mut rig, 3);
    assert_eq!(status(&mut rig, &temp), format!("404 {ALICE}"), "and stays so");
    assert_eq!(status(&mut rig, PUBLIC), format!("MESSAGE {BOB}"));
}

/// 3.2: "temporary GRUUs "accumulate" during the lifetime of a registration"; a lifetime that runs out ends them.
#[test]
fn all_temporary_gruus_of_a_registration_are_good_until_it_ends() {
    let mut rig = Rig::lost();
    let mut all = Vec::new();
    for cseq in 1..30 {
        all.push(temporary(&mut rig, cseq));
        rig.run(secs(5));
    }
    for uri in &all {
        assert_eq!(message(&mut rig, uri).brief(), format!("MESSAGE {BOB}"));
    }
    rig.run(secs(21));
    temporary(&mut rig, 40);
    assert!(all.iter().all(|uri| message(&mut rig, uri).brief() == format!("404 {ALICE}")));
}

/// 5.1: "If it differs from the one in the REGISTER request, the registrar MUST invalidate all previously generated temporary GRUUs".
#[test]
fn another_call_id_ends_the_temporary_gruus() {
    let mut rig = Rig::lost();
    let old = temporary(&mut rig, 1);
    let ok = rig.feed_one(BOB, reg(2).replace("Call-ID: reg", "Call-ID: another"));
    let new = param(&ok, BOB, "temp-gruu").unwrap();
    assert_eq!(message(&mut rig, &old).brief(), format!("404 {ALICE}"));
    assert_eq!(message(&mut rig, &new).brief(), format!("MESSAGE {BOB}"));
    assert_eq!(message(&mut rig, PUBLIC).brief(), format!("MESSAGE {BOB}"));
}

/// 4.2, 5.1 with RFC 5626: the GRUUs are the instance's, over all its flows; another Call-ID of one flow ends them all.
#[test]
fn flows_share_their_gruus() {
    let mut rig = Rig::lost();
    let flow = |id: u32, more: &str, cseq| {
        reg_of(INSTANCE, &format!(";reg-id={id}{more}"), BOB, cseq)
            .replace("path, gruu", "path, gruu, outbound")
    };
    let first = param(&rig.feed_one(BOB, flow(1, "", 1)), BOB, "temp-gruu").unwrap();
    let ok = rig.feed_one(BOB, flow(2, "", 2).replace("Call-ID: reg", "Call-ID: second"));
    let second = param(&ok, BOB, "temp-gruu").unwrap();
    let contacts = ok.all("Contact");
    assert!(contacts.len() == 2 && contacts.iter().all(|contact| contact.contains(&second)), "{contacts:?}");
    assert_eq!(message(&mut rig, &first).brief(), format!("MESSAGE {BOB}"), "a new flow ends nothing");
    rig.feed_one(BOB, flow(1, ";expires=0", 3));
    assert_eq!(message(&mut rig, &first).brief(), format!("MESSAGE {BOB}"), "one flow is left");
    rig.feed_one(BOB, flow(1, "", 4));
    rig.feed_one(BOB, flow(1, "", 5).replace("Call-ID: reg", "Call-ID: third"));
    for uri in [first, second] {
        assert_eq!(message(&mut rig, &uri).brief(), format!("404 {ALICE}"));
    }
}

/// 5.1: contacts that would lead a request round in a circle, and those that are no SIP URI: 403.
#[test]
fn a_contact_that_leads_back_is_refused() {
    let mut rig = Rig::lost();
    let temp = temporary(&mut rig, 1);
    for (cseq, contact) in (2..).zip([BOB_URI, PUBLIC, &temp, "tel:+1-201", "SIP:bob@OFFICE.example;x=y"]) {
        let lines = format!("Contact: <{contact}>;+sip.instance=\"<{INSTANCE}>\"\r\n");
        assert_eq!(
            rig.feed_one(BOB, register("bob", BOB, &lines, cseq)).brief(),
            format!("403 {BOB}"),
            "{contact}"
        );
    }
    assert_eq!(rig.sas.registrar().len(), 1);
    // Another user's is no loop.
    let lines = format!("Contact: <{temp}>;+sip.instance=\"<{INSTANCE}>\"\r\n");
    assert_eq!(rig.feed_one(CAROL, register("carol", CAROL, &lines, 1)).brief(), format!("200 {CAROL}"));
}

/// Hostile instances: what they need is escaped, and what cannot be written is no instance.
#[test]
fn an_instance_is_escaped_in_its_gruu() {
    let mut rig = Rig::lost();
    for (n, (instance, gr)) in (1..).zip([
        ("a b;c=d?e,f", "a%20b%3Bc%3Dd%3Fe%2Cf"),
        ("100%", "100%25"),
        ("é", "%C3%A9"),
        ("urn:[/]&+$", "urn:[/]&+$"),
    ]) {
        let ok = rig.feed_one(BOB, reg_of(instance, "", BOB, n));
        let gruu = param(&ok, BOB, "pub-gruu").unwrap();
        assert_eq!(gruu, format!("{BOB_URI};gr={gr}"));
        assert_eq!(message(&mut rig, &gruu).brief(), format!("MESSAGE {BOB}"), "{gruu}");
    }
    let ok = rig.feed_one(BOB, reg_of("a\\\"b", "", BOB, 20));
    assert_eq!(param(&ok, BOB, "pub-gruu"), None);
    let long = "x".repeat(4100);
    assert_eq!(rig.feed_one(BOB, reg_of(&long, "", BOB, 21)).brief(), format!("513 {BOB}"));
}

/// 6.1: a request in a dialog whose remote target is a GRUU is rewritten as well.
#[test]
fn a_request_in_a_dialog_finds_the_instance_by_its_gruu() {
    let mut rig = Rig::lost();
    let temp = temporary(&mut rig, 1);
    rig.bind("alice", ALICE);
    for (n, uri) in [PUBLIC, &temp].into_iter().enumerate() {
        let bye = in_dialog("BYE", uri, &format!("d{n}"), &[&format!("<sip:{SAS};lr>")]);
        let sent = rig.feed_one(ALICE, bye);
        assert_eq!((sent.brief(), sent.uri()), (format!("BYE {BOB}"), format!("sip:bob@{BOB}").as_str()));
    }
    let bye = in_dialog("BYE", "sip:tgruu.x@office.example;gr", "d9", &[&format!("<sip:{SAS};lr>")]);
    assert_eq!(rig.feed_one(ALICE, bye).brief(), format!("481 {ALICE}"));
}

/// The proxy's own GRUUs lead to the same phone while it is away, whatever they look like, and are left alone while it is there.
#[test]
fn gruus_that_the_proxy_has_made_lead_to_the_phone_in_an_outage() {
    let mut rig = Rig::new();
    let granted = |rig: &mut Rig, cseq, temp: &str| {
        let relayed = rig.feed_one(BOB, reg(cseq));
        let contact = format!(
            "Contact: {};pub-gruu=\"sip:bob@office.example;gr=hha9s8d-999a\";temp-gruu=\"sip:{temp}@office.example;gr\";expires=600\r\n",
            relayed.header("Contact")
        );
        let ok = rig.feed_one(PROXY, relayed.answer(200, &contact));
        assert!(ok.header("Contact").contains("gr=hha9s8d-999a"), "as the proxy has written it");
    };
    granted(&mut rig, 1, "first.1");
    granted(&mut rig, 2, "second%2e1");
    let binding = rig.sas.registrar().iter().next().unwrap();
    assert_eq!(
        (binding.pub_gruu(), binding.temp_gruu()),
        (Some("sip:bob@office.example;gr=hha9s8d-999a"), Some("sip:second%2e1@office.example;gr"))
    );
    rig.feed_one(CAROL, reg_of("urn:uuid:2", "", CAROL, 3));
    rig.cut();
    rig.run(secs(7));
    rig.feed_one(CAROL, reg_of("urn:uuid:2", "", CAROL, 4));
    let all = ["sip:bob@office.example;gr=hha9s8d-999a", "sip:second.1@office.example;gr", PUBLIC];
    for uri in all {
        assert_eq!(message(&mut rig, uri).brief(), format!("MESSAGE {BOB}"), "{uri}");
    }
    // They last while the phone refreshes with us, and the temporary one no longer than its Call-ID.
    temporary(&mut rig, 5);
    for uri in all {
        assert_eq!(message(&mut rig, uri).brief(), format!("MESSAGE {BOB}"), "{uri}");
    }
    rig.feed_one(BOB, reg(6).replace("Call-ID: reg", "Call-ID: another"));
    assert_eq!(message(&mut rig, all[0]).brief(), format!("MESSAGE {BOB}"));
    assert_eq!(message(&mut rig, all[1]).brief(), format!("404 {ALICE}"));
}

/// A GRUU that is no URI, or as long as a book, is not kept; the binding is.
#[test]
fn a_gruu_that_cannot_be_kept_is_not() {
    let mut rig = Rig::new();
    for (cseq, gruu) in (1..).zip(["junk".to_owned(), String::new(), format!("sip:{}@h;gr", "x".repeat(600))])
    {
        let relayed = rig.feed_one(BOB, reg(cseq));
        let contact = format!(
            "Contact: {};pub-gruu=\"{gruu}\";temp-gruu=\"{gruu}\";expires=600\r\n",
            relayed.header("Contact")
        );
        rig.feed_one(PROXY, relayed.answer(200, &contact));
        let binding = rig.sas.registrar().iter().next().unwrap();
        assert_eq!((binding.pub_gruu(), binding.temp_gruu()), (None, None));
    }
}

/// 6.2: the two cases in which the authoritative proxy "MUST record-route", also where the site does not want it.
#[test]
fn a_call_by_gruu_or_to_a_path_is_record_routed() {
    let mut rig = Rig::lost_with(|settings| settings.sas.record_route = false);
    let temp = temporary(&mut rig, 1);
    rig.bind("alice", ALICE);
    let mut is_recorded = |text: String| {
        let sent = rig.feed(BOB, text.replace(ALICE, BOB));
        let invite = of(&sent, "INVITE")[0].clone();
        invite.all("Record-Route").iter().any(|route| route.contains(SAS))
    };
    let call = |id| request("INVITE", "sip:alice@office.example", id);
    let by_gruu =
        |id| call(id).replace(&format!("Contact: <sip:alice@{ALICE}>"), &format!("Contact: <{temp}>"));
    assert!(!is_recorded(call("c1")));
    assert!(!is_recorded(by_gruu("c2")), "nobody is between");
    assert!(is_recorded(with(&by_gruu("c3"), "Record-Route: <sip:10.0.0.9;lr>")));
    assert!(!is_recorded(with(&call("c4"), "Record-Route: <sip:10.0.0.9;lr>")));
    let behind =
        format!("Path: <sip:10.0.0.9;lr>\r\n{}", "Supported: path\r\nContact: <sip:carol@10.1.0.3>\r\n");
    assert_eq!(
        rig.feed_one("10.0.0.9:5060", register("carol", "10.0.0.9:5060", &behind, 1)).header("Path"),
        "<sip:10.0.0.9;lr>"
    );
    let sent = rig.feed(ALICE, request("INVITE", "sip:carol@office.example", "c5"));
    assert!(of(&sent, "INVITE")[0].header("Record-Route").contains(SAS));
}

/// RFC 3261 19.1.4: schemes are the same in whatever case.
#[test]
fn an_address_of_record_in_capitals_has_gruus() {
    let mut rig = Rig::lost();
    let ok = rig.feed_one(BOB, reg(1).replace("To: <sip:", "To: <SIP:"));
    assert_eq!(ok.brief(), format!("200 {BOB}"));
    let public = param(&ok, BOB, "pub-gruu").unwrap();
    assert!(public.eq_ignore_ascii_case(PUBLIC), "{public}");
    assert_eq!(message(&mut rig, &public).brief(), format!("MESSAGE {BOB}"));
}

/// RFC 5627 5.1: temporary GRUUs "remain valid as long as at least one contact is bound" with the instance and the Call-ID, so also over a
/// restart of ours, if there is a secret for it.
#[test]
fn a_temporary_gruu_outlives_a_restart_with_its_binding() {
    let with_secret = |text: Option<&'static str>| {
        Rig::lost_with(|settings| settings.sas.flow_secret = text.map(|text| text.parse().unwrap()))
    };
    let secret = Some("a secret of this branch");
    let mut before = with_secret(secret);
    let gruu = temporary(&mut before, 1);
    let snapshot: Vec<_> = before.sas.snapshot(before.now).collect();
    let restored = |secret| {
        let mut rig = with_secret(secret);
        for record in &snapshot {
            let record = Box::new(Record::from_bytes(&record.to_bytes()).unwrap());
            rig.event(Event::Restored { record, age: secs(1) });
        }
        rig
    };
    let mut after = restored(secret);
    assert_eq!(message(&mut after, &gruu).brief(), format!("MESSAGE {BOB}"));
    // It ends as it would have without a restart: with another Call-ID of the instance.
    let rebooted = reg(2).replace("Call-ID: reg", "Call-ID: new");
    assert_eq!(after.feed_one(BOB, rebooted).brief(), format!("200 {BOB}"));
    assert_eq!(message(&mut after, &gruu).brief(), format!("404 {ALICE}"));
    for other in [Some("a secret of another one"), None] {
        assert_eq!(message(&mut restored(other), &gruu).brief(), format!("404 {ALICE}"));
    }
    // Who registers anew in another run gets no old one's.
    let mut anew = with_secret(secret);
    temporary(&mut anew, 1);
    assert_eq!(
        message(&mut anew, &gruu).brief(),
        format!("MESSAGE {BOB}"),
        "a run with the same seed is the same run"
    );
}
