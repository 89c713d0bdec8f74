//! What users of SIP servers and of other survivability products suffer, pain by pain, and what becomes of each here. Every pain
//! has other tests where its rules are; these say that it is gone. Pain 20, that nobody knows the plan of an outage before it comes, is
//! what `examples/route` is for: `tests/route.rs`, its table over all states and its difference of two configurations.

use crate::rig::*;
use sip_survivability::auth::{Algorithm, Ha1};
use sip_survivability::config::{Authentication, Settings, SurvivabilityMode, Trust, User};
use sip_survivability::mode::State;
use sip_survivability::registrar::Record;
use sip_survivability::transport::Transport;
use sip_survivability::upstream::{ProxyStatus, TargetId};
use sip_survivability::{Event, Notice};

const BOB_URI: &str = "sip:bob@office.example";

fn proxy_status(rig: &Rig) -> ProxyStatus {
    rig.sas.upstream().status(TargetId(0))
}

fn come_back(rig: &mut Rig) {
    rig.up.insert(address(PROXY));
}

fn invite_bob(rig: &mut Rig, id: &str) -> Vec<Sent> {
    rig.feed(ALICE, request("INVITE", BOB_URI, id))
}

/// Whatever a proxy says to a probe, it is there. Only a list of the site's says otherwise, and our own verdict on silence is never
/// matched with that list.
#[test]
fn pain_01_a_live_proxy_is_not_dead_for_the_status_that_it_answers_a_probe_with() {
    for status in 200..=699 {
        let mut rig = Rig::cold(|_| {});
        rig.probe_status = status;
        rig.run(secs(60));
        let expected = if status == 503 { ProxyStatus::Overloaded } else { ProxyStatus::Online };
        assert_eq!((proxy_status(&rig), rig.sas.state()), (expected, State::Normal), "{status}");
    }
    let failures = |settings: &mut Settings| settings.proxy_set.failure_responses = vec![404, 408];
    let mut rig = Rig::with(failures);
    rig.probe_status = 404;
    rig.run(secs(60));
    assert_eq!((proxy_status(&rig), rig.sas.state()), (ProxyStatus::Offline, State::Emergency));
    // A request that got no answer, which is 408 to its sender, is no 408 of the proxy's: the probes decide.
    let mut rig = Rig::with(failures);
    rig.feed(ALICE, request("MESSAGE", "sip:x@far.example", "m1"));
    rig.run(secs(60));
    assert_eq!((proxy_status(&rig), rig.states()), (ProxyStatus::Online, vec![]));
}

#[test]
fn pain_02_a_few_lost_probes_flip_nothing() {
    // The eighth is sent 1.75 s after the first.
    for lost in (100..=1_700).step_by(100) {
        let mut rig = Rig::new();
        rig.run(secs(60));
        // Right before the next probe.
        rig.run(rig.sas.upstream().next_timeout().unwrap() - rig.now - millis(1));
        rig.cut();
        rig.run(millis(lost));
        come_back(&mut rig);
        rig.run(secs(60));
        assert_eq!((rig.states(), proxy_status(&rig)), (vec![], ProxyStatus::Online), "{lost} ms");
    }
}

/// `sas.md` 3.3: the dwell doubles with each return of the last ten minutes, from 10 s to 5 min: 20 + 40 + 80 + 160 + 300 s are ten
/// minutes, so that whatever the line does there are six returns in any ten minutes at most.
#[test]
fn pain_03_the_state_does_not_flap_whatever_the_line_does_and_calls_work_throughout() {
    for (up, down) in [(1, 7), (3, 7), (11, 7), (30, 30), (61, 8), (120, 9), (299, 20)] {
        let mut rig = Rig::new();
        let mut returns = Vec::new();
        for turn in 0..(3 * 3600 / (up + down)) {
            rig.cut();
            rig.run(secs(down));
            come_back(&mut rig);
            rig.run(secs(up));
            for state in rig.states() {
                if state == State::Normal {
                    returns.push(rig.now);
                }
            }
            rig.notices.clear();
            if rig.sas.state() == State::Emergency && turn % 20 == 0 {
                rig.bind("bob", BOB);
                one(&invite_bob(&mut rig, &format!("c{turn}")), &format!("INVITE {BOB}"));
            }
        }
        for seventh in returns.windows(7) {
            assert!(seventh[6] - seventh[0] >= secs(600 - up - down), "{up} s up, {down} s down");
        }
    }
}

/// A name with two servers, the first of which dies: probes, registrations and calls all go to the same one, before and after.
#[test]
fn pain_04_the_probe_checks_the_server_that_the_traffic_uses() {
    let mut rig = Rig::cold(|settings| {
        settings.proxy_set.targets = vec!["sip:pbx.example".parse().unwrap()];
    });
    rig.know_service("pbx.example", &["a.pbx.example", "b.pbx.example"]);
    rig.know("a.pbx.example", &[PROXY]);
    rig.know("b.pbx.example", &[PROXY_2]);
    rig.run(secs(1));
    for (cseq, server, dead) in [(1, PROXY, PROXY_2), (2, PROXY_2, PROXY)] {
        rig.up = [address(server)].into();
        rig.run(secs(10));
        assert_eq!(proxy_status(&rig), ProxyStatus::Online, "its probes are answered by {server} alone");
        let sent = rig.feed(BOB, register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), cseq));
        one(&sent, &format!("REGISTER {server}"));
        let sent = invite_bob(&mut rig, &format!("c{cseq}"));
        one(&sent, &format!("INVITE {server}"));
        assert!(sent.iter().all(|sent| sent.to != address(dead)));
    }
}

/// `tests/mode_model.rs` goes through all orders of events; here are two long lives.
#[test]
fn pain_05_the_detector_does_not_get_stuck() {
    for outage in [secs(24 * 3600), secs(30 * 24 * 3600)] {
        let mut rig = Rig::cold(|_| {});
        rig.cut();
        rig.run(outage);
        assert_eq!(rig.sas.state(), State::Emergency);
        come_back(&mut rig);
        rig.run(secs(10));
        assert_eq!((rig.sas.state(), proxy_status(&rig)), (State::Normal, ProxyStatus::Online));
    }
}

/// A phone that registers with us while the proxy is away asks again within seconds, and so finds the proxy as soon as it is back;
/// one that has the proxy for its first server gets no word from us then (mode 2).
#[test]
fn pain_06_phones_go_home_by_themselves() {
    let reg = |cseq| register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\nExpires: 3600\r\n"), cseq);
    for mode in [SurvivabilityMode::Standard, SurvivabilityMode::IgnoreRegister] {
        let mut rig = Rig::lost_with(|settings| settings.sas.survivability_mode = mode);
        let granted = rig.feed_one(BOB, reg(1));
        let expires = granted.header("Contact").rsplit_once("expires=").unwrap().1.parse::<u32>().unwrap();
        assert!((15..=20).contains(&expires), "{granted:?}");
        come_back(&mut rig);
        rig.run(secs(20));
        assert_eq!(rig.sas.state(), State::Normal);
        let sent = rig.feed(BOB, reg(2));
        if mode == SurvivabilityMode::IgnoreRegister {
            assert_eq!(sent, []);
        } else {
            one(&sent, &format!("REGISTER {PROXY}"));
        }
    }
}

/// The proxy forgot everybody. It is told of bob by us, long before he registers again, and its calls for him arrive all the while.
#[test]
fn pain_07_after_the_return_phones_can_be_called_before_they_register_again() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    rig.cut();
    rig.run(secs(30));
    come_back(&mut rig);
    let sent = rig.run(secs(15));
    let told = one(&sent, &format!("REGISTER {PROXY}"));
    assert_eq!(told.header("To"), "<sip:bob@office.example>");
    assert!(told.header("Path").contains(SAS), "so that its calls come by us: {told:?}");
    let sent = rig.feed(PROXY, from_to("INVITE", &format!("sip:bob@{BOB}"), "p1", PROXY, ""));
    one(&sent, &format!("INVITE {BOB}"));
}

#[test]
fn pain_08_a_restart_in_the_outage_loses_no_registration() {
    let mut before = Rig::lost_with(|settings| settings.registrar.store = true);
    before.bind("bob", BOB);
    let stored: Vec<_> = before.stored.iter().map(|(_, record)| record.to_bytes()).collect();

    let mut after = Rig::cold(|_| {});
    after.cut();
    for bytes in stored {
        let record = Box::new(Record::from_bytes(&bytes).unwrap());
        after.event(Event::Restored { record, age: secs(3) });
    }
    let mut sent = invite_bob(&mut after, "c1");
    sent.extend(after.run(millis(600)));
    one(&sent, &format!("INVITE {BOB}"));
}

/// A thousand phones that ask again when their short lifetime is nearly over.
#[test]
fn pain_09_the_return_is_no_storm() {
    let rate = 20;
    let mut rig = Rig::with(|settings| settings.sas.return_rate = rate);
    let at = |n: u32| format!("10.1.{}.{}:5060", n / 250, 1 + n % 250);
    let text = |n: u32, cseq| {
        register(&format!("u{n}"), &at(n), &format!("Contact: <sip:u{n}@{}>\r\n", at(n)), cseq)
    };
    rig.cut();
    rig.run(secs(7));
    for n in 0..1000 {
        assert_eq!(rig.feed_one(&at(n), text(n, 1)).brief(), format!("200 {}", at(n)));
    }
    come_back(&mut rig);
    rig.run(secs(12));
    assert_eq!(rig.sas.state(), State::Normal);
    let mut at_proxy = Vec::new();
    for cseq in 2..12 {
        for n in 0..1000 {
            for sent in rig.feed(&at(n), text(n, cseq)) {
                if sent.brief() == format!("REGISTER {PROXY}") {
                    at_proxy.push(sent.at);
                    let granted = format!("Contact: <sip:u{n}@{}>;expires=3600\r\n", at(n));
                    rig.feed(PROXY, sent.answer(200, &granted));
                } else {
                    assert_eq!(sent.brief(), format!("200 {}", at(n)), "nobody is left without an answer");
                }
            }
            rig.run(millis(10));
        }
    }
    let one_more = rate as usize + 1;
    assert!(at_proxy.windows(one_more).all(|some| some[one_more - 1] - some[0] >= secs(1)));
    assert!(at_proxy.len() > 1000, "all come home in the end: {}", at_proxy.len());
}

/// In an outage a stranger gets nobody's name, no way out, and the way to 911; a phone that the proxy has vouched for has what it had.
#[test]
fn pain_10_an_outage_opens_no_door() {
    const STRANGER: &str = "198.51.100.66:5060";
    let mut rig = Rig::with(|settings| {
        settings.trust.register = Trust::Pool;
        settings.trust.call_users = Trust::Pool;
    });
    rig.bind("bob", "198.51.100.7:5060");
    rig.cut();
    rig.run(secs(7));
    let reg = |at: &str, cseq| register("bob", at, &format!("Contact: <sip:bob@{at}>\r\n"), cseq);
    assert_eq!(rig.feed_one(STRANGER, reg(STRANGER, 9)).brief(), format!("403 {STRANGER}"));
    for (uri, id) in [("sip:12015550123@office.example", "s1"), (BOB_URI, "s2")] {
        let call = from_to("INVITE", uri, id, STRANGER, "");
        assert_eq!(rig.feed_one(STRANGER, call).brief(), format!("403 {STRANGER}"), "{uri}");
    }
    let call = from_to("INVITE", "sip:911@office.example", "s3", STRANGER, "");
    one(&rig.feed(STRANGER, call), &format!("INVITE {GATEWAY}"));
    let known = "198.51.100.7:5060";
    assert_eq!(rig.feed_one(known, reg(known, 10)).brief(), format!("200 {known}"));
    let call = from_to("INVITE", "sip:12015550123@office.example", "k1", known, "");
    one(&rig.feed(known, call), &format!("INVITE {GATEWAY}"));
}

/// What the proxy asks for passes untouched; in an outage nobody is asked but by who can check the answer, and never told 403.
#[test]
fn pain_11_digests_pass_the_transition() {
    let mut rig = Rig::new();
    let reg = |cseq| register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), cseq);
    let relayed = rig.feed_one(BOB, reg(1));
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    let passed = rig.feed_one(PROXY, relayed.answer(401, challenge));
    assert_eq!(passed.all("WWW-Authenticate"), ["Digest realm=\"r\", nonce=\"n\", qop=\"auth\""]);

    // Who cannot check a password asks for none: an answer to the proxy's challenge is as good as no answer.
    let answered = with(
        &reg(2),
        "Authorization: Digest username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:office.example\", \
         response=\"0123456789abcdef0123456789abcdef\"",
    );
    rig.cut();
    rig.run(secs(7));
    assert_eq!(rig.feed_one(BOB, answered.clone()).brief(), format!("200 {BOB}"));

    // Who can asks anew, by his own nonce.
    let mut rig = Rig::lost_with(|settings| {
        let ha1 = vec![Ha1::new(Algorithm::Md5, "bob", "r", "secret")];
        let bob = User { name: "bob".to_owned(), ha1 };
        settings.auth = Some(Authentication::new("r".parse().unwrap(), vec![bob]));
    });
    assert_eq!(rig.feed_one(BOB, answered).brief(), format!("401 {BOB}"));
}

/// A contact that is gone ends its own branch, not the call; a phone that has moved is one phone.
#[test]
fn pain_12_ghosts_do_not_spoil_a_call() {
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    rig.bind("bob", CAROL);
    let sent = invite_bob(&mut rig, "c1");
    let live = one(&sent, &format!("INVITE {CAROL}")).clone();
    one(&sent, &format!("INVITE {BOB}"));
    assert_eq!(rig.failed(BOB), []);
    assert_eq!(rig.feed_one(CAROL, live.answer(200, "")).brief(), format!("200 {ALICE}"));

    let mut rig = Rig::lost();
    let of_one = |at: &str| format!("<sip:bob@{at}>;+sip.instance=\"<urn:uuid:1>\"");
    rig.bind_as("bob", BOB, &of_one(BOB));
    rig.bind_as("bob", CAROL, &of_one(CAROL));
    let sent = invite_bob(&mut rig, "c1");
    assert_eq!(of(&sent, "INVITE").len(), 1);
    one(&sent, &format!("INVITE {CAROL}"));
}

#[test]
fn pain_13_a_phone_that_rebooted_may_begin_its_cseq_again() {
    let mut rig = Rig::lost();
    let reg = |cseq| register("bob", BOB, &format!("Contact: <sip:bob@{BOB}>\r\n"), cseq);
    for cseq in [700, 1] {
        assert_eq!(rig.feed_one(BOB, reg(cseq)).brief(), format!("200 {BOB}"), "{cseq}");
    }
}

/// A phone behind NAT by TCP, whose connection breaks and who comes by another.
#[test]
fn pain_14_a_closed_connection_is_never_used() {
    let mut rig = Rig::lost();
    rig.listen(Transport::Tcp, SAS);
    let contact = "Contact: <sip:bob@192.168.1.2:5060;transport=tcp>\r\n";
    let reg = |cseq| register("bob", "192.168.1.2:5060", contact, cseq).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let (old, new) = ("10.0.0.2:40000", "10.0.0.2:40001");
    let first = rig.accept(7, Transport::Tcp, old);
    assert_eq!(rig.stream(first, reg(1))[0].flow, first);
    rig.close(first);
    assert!(of(&invite_bob(&mut rig, "c1"), "INVITE").iter().all(|sent| sent.flow != first));
    let second = rig.accept(8, Transport::Tcp, new);
    rig.stream(second, reg(2));
    let sent = invite_bob(&mut rig, "c2");
    let flows: Vec<_> = of(&sent, "INVITE").iter().map(|invite| invite.flow).collect();
    assert_eq!(flows, [second]);
}

/// What the first call has found out serves the second.
#[test]
fn pain_15_the_first_call_after_the_failure_takes_no_half_minute() {
    let mut rig = Rig::new();
    rig.bind("bob", BOB);
    // Right behind an answered probe, when the next one is four seconds away.
    rig.run(rig.sas.upstream().next_timeout().unwrap() - rig.now);
    rig.cut();
    for (id, patience) in [("c1", millis(2_500)), ("c2", millis(500))] {
        let asked_at = rig.now;
        let mut sent = invite_bob(&mut rig, id);
        sent.extend(rig.run(patience));
        let invite = one(&sent, &format!("INVITE {BOB}"));
        assert!(invite.at - asked_at <= patience);
    }
}

/// Phones that keep their second server informed, by registrations of nothing or removals of what was never there, hear what they want to.
#[test]
fn pain_16_a_second_server_is_asked_and_answers_from_where_it_was_asked() {
    let mut rig = Rig::lost();
    let flow = rig.accept(7, Transport::Tcp, "10.0.0.2:40000");
    for (cseq, lines) in [
        (1, String::new()),
        (2, format!("Contact: <sip:bob@{BOB}>\r\nExpires: 0\r\n")),
        (3, "Contact: *\r\nExpires: 0\r\n".to_owned()),
    ] {
        let text = register("bob", BOB, &lines, cseq);
        assert_eq!(rig.feed_one(BOB, text.clone()).brief(), format!("200 {BOB}"), "{lines}");
        let by_tcp = text.replace("SIP/2.0/UDP", "SIP/2.0/TCP").replace("z9hG4bK", "z9hG4bKt");
        let sent = rig.stream(flow, by_tcp);
        assert_eq!((sent.len(), sent[0].flow), (1, flow));
    }
    rig.run(secs(5));
    let dropped = rig.notices.iter().any(|notice| matches!(notice, Notice::MessagesDropped { .. }));
    let refused = rig.notices.iter().any(|notice| matches!(notice, Notice::RequestRejected { .. }));
    assert!(!dropped && !refused, "{:?}", rig.notices);
}

/// A call by way of the proxy can be hung up when that is gone, one that nobody knows is 481 at once, and so is one with the proxy itself.
#[test]
fn pain_17_no_call_hangs() {
    let route = format!("<sip:{SAS};lr>");
    let routes = [route.as_str(), "<sip:192.0.2.1;lr>", route.as_str()];
    let mut rig = Rig::lost();
    rig.bind("bob", BOB);
    let bye = rig.feed_one(ALICE, in_dialog("BYE", &format!("sip:bob@{BOB}"), "b1", &routes));
    assert_eq!(bye.brief(), format!("BYE {BOB}"));
    assert_eq!(rig.feed_one(BOB, bye.answer(200, "")).brief(), format!("200 {ALICE}"));
    for (method, id, status) in [("INFO", "i1", 481), ("BYE", "b2", 200), ("INVITE", "r1", 481)] {
        let text = in_dialog(method, &format!("sip:pbx@{PROXY}"), id, &routes[..1]);
        assert_eq!(rig.feed_one(ALICE, text).brief(), format!("{status} {ALICE}"), "{method}");
    }
    let unknown = in_dialog("INFO", &format!("sip:nobody@{SAS}"), "i2", &[]);
    assert_eq!(rig.feed_one(ALICE, unknown).brief(), format!("481 {ALICE}"));
}

/// In each state, from whoever is registered or not, whoever has registered as 911; and if no route takes it, that is told.
#[test]
fn pain_18_emergency_calls_get_out() {
    let strict = |settings: &mut Settings| settings.sas.block_unregistered = true;
    for mut rig in [Rig::with(strict), Rig::lost_with(strict), Rig::cold(strict)] {
        let thief = register("911", MALLORY, &format!("Contact: <sip:911@{MALLORY}>\r\n"), 1);
        let sent = rig.feed(MALLORY, thief);
        if let Some(relayed) = sent.iter().find(|sent| sent.is_request()) {
            let granted = format!("Contact: <sip:911@{MALLORY}>;expires=3600\r\n");
            rig.feed(PROXY, relayed.answer(200, &granted));
        }
        let call = from_to("INVITE", "sip:911@office.example", "e1", MALLORY, "");
        let sent = rig.feed(MALLORY, call);
        one(&sent, &format!("INVITE {GATEWAY}"));
        let invites: Vec<_> = of(&sent, "INVITE").iter().map(|invite| invite.to).collect();
        assert_eq!(invites, [address(GATEWAY)]);
        rig.failed(GATEWAY);
        if rig.sas.state() == State::Emergency {
            rig.run(secs(40));
            let told = |notice: &Notice| matches!(notice, Notice::EmergencyCallFailed { .. });
            assert!(rig.notices.iter().any(told), "{:?}", rig.notices);
        }
    }
}

/// The DNS goes away with the line, and stays away longer than any answer of its lives.
#[test]
fn pain_19_the_dns_may_die_with_the_line() {
    let mut rig = Rig::cold(|settings| {
        settings.proxy_set.targets = vec!["sip:pbx.example".parse().unwrap()];
    });
    rig.know_service("pbx.example", &["a.pbx.example"]);
    rig.know("a.pbx.example", &[PROXY]);
    rig.run(secs(1));
    rig.bind("bob", BOB);
    rig.dns_is_up = false;
    rig.run(secs(1800));
    assert_eq!(rig.states(), [], "without an answer of the DNS a proxy is where it was");
    rig.cut();
    rig.run(secs(7));
    let asked = rig.questions.len();
    one(&invite_bob(&mut rig, "c1"), &format!("INVITE {BOB}"));
    assert_eq!(rig.questions.len(), asked, "a local call asks nobody");
    come_back(&mut rig);
    rig.run(secs(20));
    assert_eq!(rig.sas.state(), State::Normal);
}
