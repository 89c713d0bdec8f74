//! What holds for any records, answers and times.

use crate::zone::*;
use proptest::prelude::*;
use sip_survivability::resolve::{Answer, Naptr, Question, Record, RecordKind, Srv};
use sip_survivability::transport::Transport::Udp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often each host of a service comes first, of `runs`.
fn firsts(weights: &[u16], runs: u32) -> Vec<f64> {
    let mut rig = Rig::new(42);
    let zone: String = weights
        .iter()
        .enumerate()
        .map(|(n, weight)| {
            format!(
                "_sip._udp.e.example SRV 0 {weight} {} h{n}.example\nh{n}.example A 192.0.2.1\n",
                5000 + n
            )
        })
        .collect();
    let zone = Zone::of(&zone);
    let mut count = BTreeMap::<usize, u32>::new();
    for _ in 0..runs {
        rig.resolve(&to("sip:e.example;transport=udp"), means(&[Udp]));
        rig.answer_all(|question| zone.answer(question));
        let first = rig.outcome().unwrap().swap_remove(0);
        let port: usize = first.rsplit(':').next().unwrap().parse().unwrap();
        *count.entry(port - 5000).or_default() += 1;
    }
    (0..weights.len()).map(|n| f64::from(count.get(&n).copied().unwrap_or(0)) / f64::from(runs)).collect()
}

/// RFC 2782, Weight: "Larger weights SHOULD be given a proportionately higher probability of being selected."
#[test]
fn hosts_come_first_in_proportion_to_their_weights() {
    for weights in [&[1, 2][..], &[10, 30, 60], &[5, 5, 5, 5], &[1000, 9000]] {
        let sum: f64 = weights.iter().copied().map(f64::from).sum();
        // With the sum itself among the lots (RFC 2782), the shares of small weights are off by one part in `sum`.
        for (share, weight) in firsts(weights, 20_000).into_iter().zip(weights) {
            let expected = f64::from(*weight) / sum;
            assert!((share - expected).abs() < 0.02 + 1.0 / (sum + 1.0), "{weights:?}: {share} for {weight}");
        }
    }
}

/// RFC 2782: "In the presence of records containing weights greater than 0, records with weight 0 should have a very small chance
/// of being selected." Without those the RFC has no order; ours is that of the names.
#[test]
fn a_weight_of_zero_is_a_very_small_chance() {
    let shares = firsts(&[0, 100], 20_000);
    assert!(shares[0] > 0.0 && shares[0] < 0.03, "{shares:?}");
}

fn record(kind: RecordKind) -> BoxedStrategy<Record> {
    let name =
        prop_oneof!["[a-c]\\.example", Just(".".to_owned()), Just("192.0.2.1".to_owned()), "\\PC{0,20}"];
    match kind {
        RecordKind::A => any::<u32>().prop_map(|bits| Record::A(bits.into())).boxed(),
        RecordKind::Aaaa => any::<u128>().prop_map(|bits| Record::Aaaa(bits.into())).boxed(),
        RecordKind::Srv => (0..3_u16, 0..4_u16, 0..3_u16, name)
            .prop_map(|(priority, weight, port, target)| Record::Srv(Srv { priority, weight, port, target }))
            .boxed(),
        _ => (0..3_u16, 0..3_u16, "[sSua]?", "SIPS?\\+D2[UTWS]", name)
            .prop_map(|(order, preference, flags, services, replacement)| {
                Record::Naptr(Naptr {
                    order,
                    preference,
                    flags,
                    services,
                    regexp: String::new(),
                    replacement,
                })
            })
            .boxed(),
    }
}

#[derive(Clone, Debug)]
enum Happening {
    Resolve(usize),
    Answer(usize, u8, Vec<Vec<Record>>, u64),
    Wait(u64),
}

const URIS: [&str; 6] = [
    "sip:a.example",
    "sips:a.example",
    "sip:b.example:5070",
    "sip:c.example;transport=tcp",
    "sip:b.example;transport=ws",
    "sip:192.0.2.9",
];

fn happening() -> impl Strategy<Value = Happening> {
    let records = |kind| prop::collection::vec(record(kind), 0..6);
    let answers = (
        records(RecordKind::Naptr),
        records(RecordKind::Srv),
        records(RecordKind::A),
        records(RecordKind::Aaaa),
    );
    prop_oneof![
        (0..URIS.len()).prop_map(Happening::Resolve),
        (0..8_usize, 0..4_u8, answers, prop_oneof![Just(0), 1..400_u64, Just(u64::from(u32::MAX))])
            .prop_map(|(which, how, (n, s, a, q), ttl)| Happening::Answer(which, how, vec![n, s, a, q], ttl)),
        (0..100_u64).prop_map(Happening::Wait),
    ]
}

fn answer(question: &Question, how: u8, records: &[Vec<Record>], ttl: u64) -> Answer {
    let ttl = Duration::from_secs(ttl);
    match (how, question.kind) {
        (0, _) => Answer::Failed,
        (1, _) => Answer::NotFound { ttl },
        (_, RecordKind::Naptr) => Answer::Found { records: records[0].clone(), ttl },
        (_, RecordKind::Srv) => Answer::Found { records: records[1].clone(), ttl },
        (_, RecordKind::A) => Answer::Found { records: records[2].clone(), ttl },
        (_, _) => Answer::Found { records: records[3].clone(), ttl },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the DNS says and whenever: each resolution ends once and within its time, a question is open once, deadlines lie
    /// ahead, and in the end nothing is left.
    #[test]
    fn every_resolution_ends_once(happenings in prop::collection::vec(happening(), 0..60)) {
        let mut rig = Rig::new(3);
        let mut resolved = 0;
        for happening in happenings {
            match happening {
                Happening::Resolve(index) => {
                    rig.resolve(&to(URIS[index]), means(&ALL));
                    resolved += 1;
                }
                Happening::Answer(which, how, records, ttl) => {
                    if !rig.open.is_empty() {
                        let (query, question) = rig.open.remove(which % rig.open.len()).unwrap();
                        rig.tell(query, &answer(&question, how, &records, ttl));
                    }
                }
                Happening::Wait(secs) => rig.wait(Duration::from_secs(secs)),
            }
            let (open, waiting, _) = rig.resolver.load();
            prop_assert_eq!(waiting + rig.done.len(), resolved);
            prop_assert!(open <= rig.open.len());
            for done in &rig.done {
                prop_assert!(done.outcome.as_ref().is_ok_and(|servers| !servers.is_empty()) || done.outcome.is_err());
            }
        }
        rig.wait(Duration::from_secs(60));
        prop_assert_eq!(rig.done.len(), resolved);
        prop_assert_eq!((rig.resolver.load().0, rig.resolver.load().1), (0, 0));
        prop_assert_eq!(rig.resolver.next_timeout(), None);
    }

    /// The order of priorities is never broken, and no host is lost or doubled.
    #[test]
    fn the_order_of_priorities_is_preserved(
        priorities in prop::collection::vec((0..4_u16, 0..5_u16), 1..12),
        seed in any::<u8>(),
    ) {
        let zone: String = priorities.iter().enumerate().map(|(n, (priority, weight))| {
            format!("_sip._udp.e.example SRV {priority} {weight} {} h.example\n", 5000 + n)
        }).collect();
        let zone = Zone::of(&format!("{zone}h.example A 192.0.2.1"));
        let mut rig = Rig::new(seed);
        rig.resolve(&to("sip:e.example;transport=udp"), means(&[Udp]));
        rig.answer_all(|question| zone.answer(question));
        let servers = rig.outcome().unwrap();
        let ports: Vec<usize> =
            servers.iter().map(|server| server.rsplit(':').next().unwrap().parse::<usize>().unwrap() - 5000).collect();
        prop_assert!(ports.iter().map(|n| priorities[*n].0).is_sorted());
        let mut each = ports;
        each.sort_unstable();
        prop_assert_eq!(each, (0..priorities.len()).collect::<Vec<_>>());
    }

    /// The same records give the same order to the same seed, in whatever order they and the answers come.
    #[test]
    fn the_order_does_not_depend_on_who_answers_first(
        (records, shuffled) in prop::collection::vec((0..2_u16, 0..9_u16), 1..8)
            .prop_map(|records| records.into_iter().enumerate().collect::<Vec<_>>())
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
        late in any::<bool>(),
    ) {
        let run = |records: &[(usize, (u16, u16))], late: bool| {
            let zone: String = records.iter().map(|(n, (priority, weight))| {
                format!("_sip._udp.e.example SRV {priority} {weight} 5060 h{n}.example\nh{n}.example A 192.0.2.{n}\n")
            }).collect();
            let zone = Zone::of(&zone);
            let mut rig = Rig::new(9);
            rig.resolve(&to("sip:e.example;transport=udp"), means(&[Udp]));
            while !rig.open.is_empty() {
                let (query, question) = if late { rig.open.pop_back() } else { rig.open.pop_front() }.unwrap();
                rig.tell(query, &zone.answer(&question));
            }
            rig.outcome()
        };
        prop_assert_eq!(run(&records, false), run(&shuffled, late));
    }
}
