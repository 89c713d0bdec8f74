//! Anything in any order: whatever comes, each request ends with one answer, and nothing stays behind.

use crate::rig::*;
use sip_survivability::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// A generator for tests: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())]
    }
}

const METHODS: [&str; 6] = ["INVITE", "INVITE", "INVITE", "MESSAGE", "INFO", "REGISTER"];
const USERS: [&str; 6] = ["bob", "carol", "nobody", "911", "5550100", "mallory"];
const ANSWERS: [u16; 16] = [100, 100, 180, 180, 183, 200, 200, 200, 302, 401, 420, 486, 487, 500, 503, 603];

fn storm(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut rig = Rig::with(|settings| {
        if seed.is_multiple_of(2) {
            settings.proxy_set.targets =
                [PROXY, PROXY_2].map(|at| format!("sip:{at}").parse().unwrap()).to_vec();
        }
        if seed.is_multiple_of(3) {
            let both = [GATEWAY, GATEWAY_2];
            settings.sas.default_gateway = both.map(|at| format!("sip:{at}").parse().unwrap()).to_vec();
        }
        if seed.is_multiple_of(5) {
            settings.proxy_set.keepalive = false;
        }
        if seed % 7 == 3 {
            settings.sas.entering_emergency = sip_survivability::config::EnteringEmergency::KeepAlive;
            settings.proxy_set.keepalive = true;
        }
        settings.sas.minimum_dwell = secs(seed % 3);
    });
    rig.bind("bob", BOB);
    rig.bind_as(
        "bob",
        CAROL,
        &format!("<sip:bob@{CAROL}>;q={}", if seed.is_multiple_of(2) { "1" } else { "0.5" }),
    );
    rig.bind("carol", CAROL);
    let (mut asked, mut open, mut sent) =
        (Vec::<(String, String, Instant)>::new(), Vec::<Sent>::new(), Vec::<Sent>::new());
    // Without them each phone gets one branch of a call.
    let turns = seed.is_multiple_of(4);
    for turn in 0..400 {
        let fresh: Vec<String> =
            asked.iter().filter(|asked| rig.now - asked.2 < secs(20)).map(|asked| asked.1.clone()).collect();
        let new = match dice.roll(14) {
            0..=2 => {
                let (method, user) = (dice.of(&METHODS), dice.of(&USERS));
                let (id, uri) = (format!("s{turn}"), format!("sip:{user}@office.example"));
                let text = if method == "REGISTER" {
                    register(user, ALICE, &format!("Contact: <sip:{user}@{ALICE}>\r\n"), turn + 10)
                } else if dice.roll(4) == 0 {
                    let target = format!("sip:{user}@{}", dice.of(&[BOB, GATEWAY, PROXY, "203.0.113.4"]));
                    in_dialog(method, &target, &id, &["<sip:192.0.2.10:5080;lr>", "<sip:192.0.2.1;lr>"])
                } else {
                    request(method, &uri, &id)
                };
                asked.push((id, text.clone(), rig.now));
                rig.feed(ALICE, text)
            }
            3 if !fresh.is_empty() => {
                let text = fresh[dice.roll(fresh.len())].clone();
                rig.feed(ALICE, text)
            }
            4 if !fresh.is_empty() => {
                let text = fresh[dice.roll(fresh.len())].clone();
                if text.starts_with("INVITE") {
                    rig.feed(ALICE, same_transaction(&text, "CANCEL"))
                } else {
                    vec![]
                }
            }
            5..=8 if !open.is_empty() => {
                let at = open.len() - 1 - dice.roll(open.len().min(8));
                let (to, answer) = (open[at].to.to_string(), open[at].answer(dice.of(&ANSWERS), ""));
                rig.feed(&to, answer)
            }
            9 => rig.failed(dice.of(&[PROXY, PROXY_2, BOB, CAROL, GATEWAY, GATEWAY_2])),
            10 => {
                let proxy = address(dice.of(&[PROXY, PROXY_2]));
                if !rig.up.remove(&proxy) {
                    rig.up.insert(proxy);
                }
                vec![]
            }
            // The proxy sends a call on to a phone of ours.
            11 if turns && !open.is_empty() => {
                let at = open.len() - 1 - dice.roll(open.len().min(8));
                let leg = open[at].clone();
                let via = format!("Via: {}", leg.header("Via"));
                let through = format!("Via: SIP/2.0/UDP {PROXY};branch=z9hG4bKp{turn}\r\n{via}");
                let text =
                    leg.text.replacen(&via, &through, 1).replacen(leg.uri(), &format!("sip:bob@{BOB}"), 1);
                if leg.to == address(PROXY) && leg.line().starts_with("INVITE") {
                    rig.feed(PROXY, text)
                } else {
                    vec![]
                }
            }
            // The caller acknowledges a refusal.
            12 if rig.now > Instant::from_secs(20) && !fresh.is_empty() => {
                let text = fresh[dice.roll(fresh.len())].clone();
                // Who has acknowledged does not send the INVITE again.
                asked.iter_mut().filter(|asked| asked.1 == text).for_each(|asked| asked.2 = Instant::ZERO);
                if text.starts_with("INVITE") {
                    rig.feed(ALICE, same_transaction(&text, "ACK"))
                } else {
                    vec![]
                }
            }
            _ => {
                let span = dice.of(&[10, 200, 700, 2100, 6000, 33_000]);
                rig.run(millis(span))
            }
        };
        open.extend(new.iter().filter(|sent| sent.is_request() && !sent.line().starts_with("ACK")).cloned());
        sent.extend(new);
    }
    sent.extend(rig.run(secs(700)));
    assert_eq!(rig.sas.load(), (0, 0), "seed {seed}");

    let mut finals: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    let mut branches: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for sent in &sent {
        let id = sent.header("Call-ID").to_owned();
        if sent.line().starts_with("SIP/2.0 1") {
        } else if !sent.is_request() && sent.to == address(ALICE) {
            finals.entry((id, sent.header("CSeq").to_owned())).or_default().insert(&sent.text[8..11]);
        } else if sent.line().starts_with("INVITE") && [BOB, CAROL].map(address).contains(&sent.to) {
            branches.entry((id, sent.to.to_string())).or_default().insert(sent.header("Via"));
        }
    }
    for (request, statuses) in &finals {
        assert_eq!(statuses.len(), 1, "seed {seed}: {request:?} was answered {statuses:?}");
    }
    for (id, text, _) in &asked {
        if text.starts_with("INVITE") {
            assert!(
                finals.contains_key(&(id.clone(), "1 INVITE".to_owned())),
                "seed {seed}: {id} has no answer"
            );
        }
    }
    for (call, vias) in branches.iter().filter(|_| !turns) {
        assert_eq!(vias.len(), 1, "seed {seed}: {call:?} rang more than once");
    }
}

#[test]
fn every_invite_gets_one_final_answer_no_phone_rings_twice_for_it_and_nothing_stays_behind() {
    for seed in 1..=30 {
        storm(seed);
    }
}
