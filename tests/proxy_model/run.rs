//! Random runs: the proxy and the reference side by side.

use crate::context::{Context, Expected};
use crate::copy::{self, Contact};
use crate::rig::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const BOB_URI: &str = "sip:bob@office.example";
const STATUSES: [u16; 22] = [
    100, 180, 183, 199, 200, 202, 299, 300, 302, 401, 404, 407, 408, 415, 484, 486, 487, 500, 503, 599, 600,
    603,
];

#[derive(Clone, Debug)]
enum Step {
    /// A branch answers: which one, and what, by dice.
    Answer(usize, usize),
    HangUp,
    Again,
    Wait(u64),
}

#[derive(Clone, Debug)]
struct Scene {
    method: &'static str,
    /// Shape and preference of each contact.
    contacts: Vec<(u8, u16)>,
    hops: Option<u32>,
    breadth: Option<u32>,
    shape: u8,
    steps: Vec<Step>,
}

fn scene() -> impl Strategy<Value = Scene> {
    let method =
        prop::sample::select(vec!["INVITE", "INVITE", "INVITE", "MESSAGE", "OPTIONS", "REFER", "FOO"]);
    let contacts = prop::collection::vec((0..5_u8, prop::sample::select(vec![1000, 1000, 500, 200])), 1..5);
    let hops = prop::sample::select(vec![None, Some(1), Some(2), Some(70), Some(255)]);
    let breadth =
        prop::sample::select(vec![None, None, Some(1), Some(2), Some(3), Some(60), Some(4_000_000_000)]);
    let step = prop_oneof![
        8 => (any::<usize>(), any::<usize>()).prop_map(|(branch, status)| Step::Answer(branch, status)),
        1 => Just(Step::HangUp),
        1 => Just(Step::Again),
        3 => prop_oneof![0..3_000_u64, 30_000..40_000_u64, 100_000..220_000_u64].prop_map(Step::Wait),
    ];
    (method, contacts, hops, breadth, any::<u8>(), prop::collection::vec(step, 0..16)).prop_map(
        |(method, contacts, hops, breadth, shape, steps)| Scene {
            method,
            contacts,
            hops,
            breadth,
            shape,
            steps,
        },
    )
}

fn contact(index: usize, shape: u8, q: u16) -> Contact {
    let phone = format!("10.0.1.{}:5060", index + 1);
    let plain = format!("sip:b{index}@{phone}");
    let (uri, request_uri) = match shape {
        0 => (plain.clone(), plain),
        1 => (format!("{plain};method=BYE?Subject=x"), plain),
        2 => (format!("{plain};ob;x=%41"), format!("{plain};ob;x=%41")),
        3 => (format!("{plain};Method=INVITE;transport=udp"), format!("{plain};transport=udp")),
        _ => (format!("{plain}?Route=%3Csip:h%3E"), plain),
    };
    let path = (shape == 2).then(|| format!("10.0.2.{}:5060", index + 1));
    Contact { phone, uri, request_uri, q, path }
}

/// alice's request, in many shapes.
fn asked(scene: &Scene) -> String {
    let mut text = request(scene.method, BOB_URI, "m");
    let shape = scene.shape;
    if shape & 1 != 0 {
        text = text.replace(";rport", "");
    }
    if shape & 2 != 0 {
        text = text.replace(&format!("UDP {ALICE}"), "UDP phone.example:5060");
    }
    if shape & 4 != 0 {
        text = with(&text, "Via: SIP/2.0/TCP 10.7.7.7;branch=z9hG4bKbefore");
    }
    if shape & 8 != 0 {
        text = with(&text, "X-Odd:  a ,b;  \r\n\tfolded\r\nSubject: \u{e9}\r\nRequire: 100rel");
    }
    if shape & 16 != 0 {
        text = with(&text, "Record-Route: <sip:10.7.7.7;lr>\r\nRecord-Route: <sip:10.7.7.8>");
    }
    if shape & 32 != 0 {
        text = text.replace(
            "Content-Length: 0\r\n\r\n",
            "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        );
    }
    if let Some(breadth) = scene.breadth {
        text = with(&text, &format!("Max-Breadth: {breadth}"));
    }
    let hops = scene.hops.map(|hops| format!("Max-Forwards: {hops}\r\n")).unwrap_or_default();
    text.replace("Max-Forwards: 70\r\n", &hops)
}

struct Run {
    rig: Rig,
    text: String,
    contacts: Vec<Contact>,
    context: Context,
    breadth: u32,
    /// The copies that went out, by contact.
    copies: Vec<Option<Sent>>,
    /// What has been sent already, so that what is sent again is told from what is new.
    seen: BTreeSet<String>,
    /// The answers of the phones as they stand without our Via, by which those that go up are known.
    answers: Vec<(usize, u16, String)>,
    source: String,
}

fn run(scene: &Scene) {
    let mut rig = Rig::with(|settings| {
        // Nothing but the timers of the RFC.
        settings.sas.phone_patience = secs(32);
        settings.sas.ring_time = secs(3600);
    });
    let contacts: Vec<Contact> =
        scene.contacts.iter().enumerate().map(|(i, (shape, q))| contact(i, *shape, *q)).collect();
    for (i, contact) in contacts.iter().enumerate() {
        let path = contact.path.iter().map(|hop| format!("Path: <sip:{hop};lr>\r\n")).collect::<String>();
        let value = format!("<{}>;q=0.{:03}", contact.uri, contact.q.min(999));
        let lines = format!("Contact: {value}\r\nExpires: 36000\r\n{path}Supported: path\r\n");
        let sent = rig.feed_one(&contact.phone, register("bob", &contact.phone, &lines, i as u32 + 1));
        rig.feed_one(PROXY, sent.answer(200, &format!("Contact: {value};expires=36000\r\n")));
    }
    rig.cut();
    rig.run(secs(7));
    let source = if scene.shape & 64 != 0 { "10.0.0.1:40000" } else { ALICE }.to_owned();
    let text = asked(scene);
    let mut order: Vec<usize> = (0..contacts.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(contacts[i].q));
    let groups = order.chunk_by(|a, b| contacts[*a].q == contacts[*b].q).map(<[usize]>::to_vec).collect();
    let breadth = scene.breadth.unwrap_or(60).min(60);
    let now = rig.now.as_micros() / 1000;
    let context = Context::new(scene.method == "INVITE", groups, breadth, now);
    let copies = vec![None; contacts.len()];
    let sent = rig.feed(&source, text.clone());
    let (seen, answers) = (BTreeSet::new(), Vec::new());
    let mut run = Run { rig, text, contacts, context, breadth, copies, seen, answers, source };
    run.compare(sent);
    for step in &scene.steps {
        run.step(step, scene);
    }
    // Whatever happened: one final response at most, and nothing is left.
    run.context.wait(700_000);
    let sent = run.rig.run(secs(700));
    run.compare(sent);
    assert!(run.context.is_answered);
    assert_eq!(run.rig.sas.load(), (0, 0));
}

impl Run {
    fn step(&mut self, step: &Step, scene: &Scene) {
        let sent = match step {
            Step::Answer(branch, status) => {
                let started: Vec<usize> = (0..self.context.branches.len()).collect();
                let index = started[branch % started.len()];
                let (contact, status) =
                    (self.context.branches[index].contact, STATUSES[status % STATUSES.len()]);
                let copy = self.copies[contact].clone().unwrap();
                // A branch that has ended by itself is no more, and answers to it are dropped.
                let from = self.contacts[contact].phone.clone();
                let lines = format!("X-From: {contact}\r\n");
                let answer = copy.answer(status, &lines);
                self.context.response(index, status);
                let own = format!("Via: {}\r\n", copy.header("Via"));
                self.answers.push((contact, status, answer.replacen(&own, "", 1)));
                self.rig.feed(&from, answer)
            }
            Step::HangUp if scene.method == "INVITE" && !self.context.is_answered => {
                let cancel = same_transaction(&self.text, "CANCEL").replace("Require: 100rel\r\n", "");
                let hops = format!("Max-Forwards: {}\r\n", scene.hops.unwrap_or(70));
                let cancel = cancel.replacen(&hops, "Max-Forwards: 70\r\n", 1);
                let source = self.source.clone();
                let mut sent = self.rig.feed(&source, cancel);
                // 9.2: the CANCEL itself is answered at once, if there is something to cancel.
                sent.retain(|sent| !sent.header("CSeq").ends_with("CANCEL") || sent.is_request());
                self.context.cancel();
                sent
            }
            // Behind the answer they may be new ones: the transaction ends by its own timers.
            Step::HangUp => Vec::new(),
            Step::Again if self.context.is_answered => Vec::new(),
            Step::Again => {
                let (text, source) = (self.text.clone(), self.source.clone());
                self.rig.feed(&source, text)
            }
            Step::Wait(span) => {
                self.context.wait(*span);
                self.rig.run(millis(*span))
            }
        };
        self.compare(sent);
    }

    fn contact_at(&self, sent: &Sent) -> usize {
        self.contacts.iter().position(|contact| address(contact.next_hop()) == sent.to).unwrap()
    }

    /// Holds what is new in `sent` against what the reference expects.
    fn compare(&mut self, sent: Vec<Sent>) {
        let mut expected = self.context.take();
        // Of those that are sent at once.
        let mut shares = BTreeMap::new();
        for sent in sent {
            if !self.seen.insert(format!("{} {}", sent.to, sent.text)) || sent.brief().starts_with("100 ") {
                continue;
            }
            let found = match sent.line().split(' ').next().unwrap() {
                "ACK" => Expected::Ack(self.contact_at(&sent)),
                "CANCEL" => Expected::Cancel(self.contact_at(&sent)),
                "SIP/2.0" => self.response(&sent, &expected),
                _ => {
                    let contact = self.contact_at(&sent);
                    copy::check(&self.text, &self.source, &sent, &self.contacts[contact], self.breadth);
                    *shares.entry(sent.at).or_insert(0) += sent.header("Max-Breadth").parse::<u32>().unwrap();
                    self.copies[contact] = Some(sent.clone());
                    Expected::Copy(contact)
                }
            };
            let at = expected.iter().position(|expected| *expected == found);
            let at = at.unwrap_or_else(|| panic!("{found:?} is none of {expected:?}: {sent:#?}"));
            expected.remove(at);
        }
        assert_eq!(expected, Vec::new(), "they were not sent");
        // RFC 5393 5.3.3.
        assert!(shares.values().all(|shares| *shares <= self.breadth), "{shares:?} of {}", self.breadth);
    }

    /// 16.7 steps 3, 5 and 9: a response goes up as it came, without our Via, to where the caller is (18.2.2).
    fn response(&self, sent: &Sent, expected: &[Expected]) -> Expected {
        let status: u16 = sent.line().split(' ').nth(1).unwrap().parse().unwrap();
        let source = address(&self.source);
        let port = if self.text.contains(";rport") { source.port() } else { 5060 };
        assert_eq!((sent.to.ip(), sent.to.port()), (source.ip(), port));
        let came =
            self.answers.iter().rev().find(|(_, code, answer)| *code == status && *answer == sent.text);
        if let Some((contact, ..)) = came
            && let Some(found) = expected.iter().find(|e| **e == Expected::Relayed(*contact, status))
        {
            return found.clone();
        }
        let ours = matches!(status, 408 | 487 | 500) && sent.header("X-From").is_empty();
        let is_challenge = matches!(status, 401 | 407);
        assert!(ours || is_challenge || came.is_some(), "nobody has answered so: {sent:#?}");
        let is_final = |e: &&Expected| matches!(e, Expected::Final(statuses) if statuses.contains(&status));
        expected.iter().find(is_final).cloned().unwrap_or_else(|| panic!("{status} is none of {expected:?}"))
    }
}

/// 16.3, RFC 5393: what is wrong with a request, most basic first.
fn validated(flags: u8, in_emergency: bool) {
    let mut rig = if in_emergency { Rig::lost() } else { Rig::new() };
    rig.bind("bob", BOB);
    let mut text = request("INVITE", BOB_URI, "v");
    let mut expected = None;
    // From the last step to the first, so that the first one says what it is.
    for (i, (status, from, to)) in [
        (440, "Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nMax-Breadth: 0\r\n"),
        (420, "Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nProxy-Require: foo\r\n"),
        (483, "Max-Forwards: 70\r\n", "Max-Forwards: 0\r\n"),
        (416, "INVITE sip:", "INVITE unheard-of:"),
        (400, "CSeq: 1 INVITE", "CSeq: 1 BYE"),
        (505, "office.example SIP/2.0", "office.example SIP/3.0"),
    ]
    .into_iter()
    .enumerate()
    {
        if flags & (1 << i) != 0 {
            text = text.replacen(from, to, 1);
            expected = Some(status);
        }
    }
    let sent = rig.feed(ALICE, text);
    match expected {
        Some(status) => assert_eq!(briefs(&sent), [format!("{status} {ALICE}")]),
        None => assert_eq!(sent.iter().filter(|sent| sent.is_request()).count(), 1),
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_proxy_does_what_section_16_says(scene in scene()) {
        run(&scene);
    }

    #[test]
    fn the_first_thing_that_is_wrong_decides_the_answer(flags in 0..64_u8, in_emergency: bool) {
        validated(flags, in_emergency);
    }
}
