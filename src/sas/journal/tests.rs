use super::*;
use crate::resolve::{Answer, Naptr, QueryId, Record, Srv};
use crate::transport::{FlowId, Transport};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

fn events() -> Vec<(Instant, Event)> {
    let flow = FlowId(FlowId::DIALLED | 5);
    let (v4, v6) = ("192.0.2.1:5060".parse().unwrap(), "[fe80::1%3]:5061".parse().unwrap());
    let naptr = Naptr {
        order: 10,
        preference: u16::MAX,
        flags: "s".into(),
        services: "SIP+D2U".into(),
        regexp: String::new(),
        replacement: "_sip._udp.example.com".into(),
    };
    let records = vec![
        Record::A([192, 0, 2, 9].into()),
        Record::Aaaa("2001:db8::9".parse().unwrap()),
        Record::Srv(Srv { priority: 1, weight: 2, port: 65_535, target: "a.example".into() }),
        Record::Naptr(naptr),
    ];
    let data = Bytes::from_static(b"\0\xff SIP/2.0");
    let ttl = Duration::from_secs(3600);
    let events = vec![
        Event::FlowOpened { flow: FlowId(0), transport: Transport::Udp, local: v4, remote: None },
        Event::FlowOpened { flow, transport: Transport::Wss, local: v6, remote: Some(v4) },
        Event::Listening { transport: Transport::Tcp, local: v6 },
        Event::Stream { flow, data },
        Event::Datagram { flow: FlowId(300), from: v4, data: vec![b'x'; 300].into() },
        Event::SendFailed { flow, to: v6 },
        Event::Resolved { query: QueryId(u64::MAX), answer: Answer::Found { records, ttl } },
        Event::Resolved { query: QueryId(0), answer: Answer::NotFound { ttl: Duration::ZERO } },
        Event::Resolved { query: QueryId(1), answer: Answer::Failed },
        Event::FlowClosed { flow },
        Event::Tick,
    ];
    (0..).map(|n| Instant::from_micros(n * n * 77)).zip(events).collect()
}

/// Another configuration, and all events.
fn told() -> Vec<(Instant, Told<'static>)> {
    let events = events().into_iter().map(|(at, event)| (at, Told::Event(event)));
    std::iter::once((Instant::ZERO, Told::Reconfigured("[sas]\n# ö"))).chain(events).collect()
}

fn write(writer: &mut Writer, at: Instant, told: &Told<'_>, file: &mut Vec<u8>) {
    match told {
        Told::Event(event) => writer.append(at, event, file),
        Told::Reconfigured(about) => writer.reconfigured(at, about, file),
    }
}

fn journal() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::start([9; 32], "[sas]\n# é", Instant::ZERO, &mut file);
    told().iter().for_each(|(at, told)| write(&mut writer, *at, told, &mut file));
    file
}

#[test]
fn what_is_written_is_read() {
    let file = journal();
    let reader = Reader::open(&file).unwrap();
    assert_eq!((reader.seed(), reader.about(), reader.start()), ([9; 32], "[sas]\n# é", Instant::ZERO));
    assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), told());
}

#[test]
fn time_does_not_run_backwards() {
    let mut file = Vec::new();
    let mut writer = Writer::start([0; 32], "", Instant::from_secs(5), &mut file);
    writer.append(Instant::from_secs(7), &Event::Tick, &mut file);
    writer.append(Instant::from_secs(6), &Event::Tick, &mut file);
    let reader = Reader::open(&file).unwrap();
    assert_eq!(reader.start(), Instant::from_secs(5));
    let times: Vec<_> = reader.map(|entry| entry.unwrap().0).collect();
    assert_eq!(times, [Instant::from_secs(7); 2]);
}

#[test]
fn a_journal_that_was_cut_off_is_good_up_to_there() {
    let file = journal();
    for len in 0..file.len() {
        let cut = &file[..len];
        let Ok(reader) = Reader::open(cut) else { continue };
        let read: Vec<_> = reader.collect();
        let whole: Vec<_> = read.iter().map_while(|entry| entry.clone().ok()).collect();
        assert_eq!(whole, told()[..whole.len()]);
        let errors: Vec<_> = read.iter().filter_map(|entry| entry.clone().err()).collect();
        assert!(errors.len() <= 1);
        assert!(errors.iter().all(|error| error.kind == JournalErrorKind::Torn), "{errors:?}");
    }
}

/// Every byte counts: no other event is ever read.
#[test]
fn a_byte_that_has_changed_is_noticed() {
    let (file, told) = (journal(), told());
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 0x10;
        let Ok(reader) = Reader::open(&bad) else { continue };
        let read: Vec<_> = reader.collect();
        assert!(read.last().unwrap().is_err(), "byte {at}");
        let whole: Vec<_> = read.into_iter().filter_map(Result::ok).collect();
        assert_eq!(whole, told[..whole.len()]);
    }
}

#[test]
fn a_record_that_is_missing_is_noticed() {
    let mut file = Vec::new();
    let mut writer = Writer::start([0; 32], "", Instant::ZERO, &mut file);
    let start = file.len();
    writer.append(Instant::ZERO, &Event::Tick, &mut file);
    let one = file.len();
    writer.append(Instant::ZERO, &Event::Tick, &mut file);
    file.drain(start..one);
    let read: Vec<_> = Reader::open(&file).unwrap().collect();
    let damaged = JournalError { kind: JournalErrorKind::Damaged, offset: start };
    assert_eq!(read, [Err(damaged)]);
}

#[test]
fn what_is_no_journal_is_told_from_one_of_another_version() {
    let kind = |bytes: &[u8]| Reader::open(bytes).map(drop).map_err(|error| error.kind);
    for bytes in [&b""[..], b"sip", b"sip-surv", b"SIP/2.0 200 OK"] {
        assert_eq!(kind(bytes), Err(JournalErrorKind::NoJournal));
    }
    assert_eq!(kind(b"sip-surv\x02"), Err(JournalErrorKind::Version(2)));
    assert_eq!(kind(b"sip-surv\x01"), Err(JournalErrorKind::Torn));
    // A journal whose first record is no start.
    let mut file = b"sip-surv\x01".to_vec();
    let mut writer = Writer::start([0; 32], "", Instant::ZERO, &mut Vec::new());
    writer.check = 0;
    writer.append(Instant::ZERO, &Event::Tick, &mut file);
    assert_eq!(kind(&file), Err(JournalErrorKind::Meaningless));
}

/// A journal of one record, whatever is in it, that passes its check.
fn with_body(body: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let writer = Writer::start([0; 32], "", Instant::ZERO, &mut file);
    codec::bytes(&mut file, body);
    file.extend(check(writer.check, body).to_le_bytes());
    file
}

proptest! {
    #[test]
    fn whatever_is_in_a_record_means_an_event_or_nothing(
        kind in 0_u8..11,
        fields in vec(prop_oneof![0_u8..8, any::<u8>()], 0..80),
    ) {
        let body = [&[kind, 7][..], &fields].concat();
        let file = with_body(&body);
        match Reader::open(&file).unwrap().next().unwrap() {
            Ok((at, told)) => {
                // What means something is the same when it is written again.
                let mut again = Vec::new();
                let mut writer = Writer::start([0; 32], "", Instant::ZERO, &mut again);
                write(&mut writer, at, &told, &mut again);
                let read: Vec<_> = Reader::open(&again).unwrap().collect();
                prop_assert_eq!(read, [Ok((at, told))]);
            }
            Err(error) => prop_assert_eq!(error.kind, JournalErrorKind::Meaningless),
        }
    }

    #[test]
    fn no_bytes_harm_a_reader(bytes in vec(any::<u8>(), 0..200)) {
        let file = [&b"sip-surv\x01"[..], &bytes].concat();
        prop_assert!(Reader::open(&file).is_err());
    }
}
