//! Packet captures.

use super::wire::{self, LINUX_SLL, RAW, UDP, address, pcap, pcap_of, tcp_packet, udp_packet};
use super::{Folder, OPTIONS, complaint, lines, run, run_with, text, values};
use serde_json::{Value, json};

const A: &str = "192.0.2.1:5060";
const B: &str = "192.0.2.2:5080";
const SYN: u8 = 2;
const ACK: u8 = 16;

/// What is said of a capture.
fn told(name: &str, capture: &[u8]) -> Vec<Value> {
    let folder = Folder::new(name);
    lines(&["--pcap", &folder.file("capture", capture)])
}

/// An OPTIONS request with this CSeq and a body of so many bytes.
fn options(number: u32, body: usize) -> String {
    let length = format!("Content-Length: {body}\r\n\r\n{}", "x".repeat(body));
    OPTIONS.replace("63104", &number.to_string()).replace("Content-Length: 0\r\n\r\n", &length)
}

/// The CSeqs of what is told, or its errors.
fn numbers(lines: &[Value]) -> Vec<Value> {
    let number = |line: &Value| match &line["cseq"] {
        Value::Null => line["error"].clone(),
        cseq => cseq["number"].clone(),
    };
    lines.iter().map(number).collect()
}

#[test]
fn sip_over_udp_is_found_on_any_port_with_time_and_addresses() {
    let rtp = udp_packet(A, B, &[0x80, 0, 1, 2, 3]);
    let keep_alive = udp_packet(A, B, b"\r\n\r\n");
    let broken = udp_packet(B, A, b"SIP/2.0 99 x\r\n\r\n");
    let packets = [
        (1_700_000_000_000_001, udp_packet("192.0.2.1:7000", "192.0.2.2:8000", OPTIONS.as_bytes())),
        (1_700_000_000_100_000, rtp),
        (1_700_000_000_200_000, keep_alive),
        (1_700_000_000_300_000, broken),
        (1_700_000_001_000_000, udp_packet("[2001:db8::1]:5060", "[2001:db8::2]:5060", OPTIONS.as_bytes())),
    ];
    let lines = told("udp", &pcap(&packets));
    assert_eq!(lines.len(), 3);
    let keys: Vec<_> = lines[0].as_object().unwrap().keys().take(6).collect();
    assert_eq!(keys, ["file", "time", "source", "destination", "transport", "outcome"]);
    assert_eq!(lines[0]["time"], "2023-11-14T22:13:20.000001Z");
    assert_eq!(
        (&lines[0]["source"], &lines[0]["destination"]),
        (&json!("192.0.2.1:7000"), &json!("192.0.2.2:8000"))
    );
    assert_eq!((&lines[0]["transport"], &lines[0]["method"]), (&json!("udp"), &json!("OPTIONS")));
    assert_eq!((&lines[1]["outcome"], &lines[1]["source"]), (&json!("refused"), &json!(B)));
    assert_eq!(lines[2]["source"], "[2001:db8::1]:5060");
}

#[test]
fn all_forms_of_captures_are_read() {
    let packet = udp_packet(A, B, OPTIONS.as_bytes());
    let time = |name, capture: &[u8]| told(name, capture)[0]["time"].clone();
    assert_eq!(
        time("nano", &wire::pcap_in_nanoseconds(1, 234_567_890, &packet)),
        "1970-01-01T00:00:01.234567Z"
    );
    assert_eq!(
        time("ng-micro", &wire::pcapng(6, &[(1_500_000, packet.clone())])),
        "1970-01-01T00:00:01.500000Z"
    );
    assert_eq!(
        time("ng-nano", &wire::pcapng(9, &[(1_500_000_000, packet.clone())])),
        "1970-01-01T00:00:01.500000Z"
    );
    assert_eq!(
        time("ng-binary", &wire::pcapng(0x80 | 20, &[(3 << 19, packet.clone())])),
        "1970-01-01T00:00:01.500000Z"
    );
    assert_eq!(time("ng-never", &wire::pcapng(0, &[(u64::MAX, packet.clone())])), Value::Null);

    let piped = run_with(&["--pcap", "-"], &pcap(&[(0, packet)]));
    assert_eq!(values(&text(piped)).len(), 1);
}

#[test]
fn link_layers_are_opened() {
    let ip = wire::ip(address(A), address(B), UDP, &wire::udp(address(A), address(B), OPTIONS.as_bytes()));
    let capture = |link, packet| told(&format!("link-{link}"), &pcap_of(link, &[(0, packet)])).len();
    assert_eq!(capture(wire::ETHERNET, wire::tagged(&ip)), 1);
    assert_eq!(capture(LINUX_SLL, wire::cooked(&ip)), 1);
    assert_eq!(capture(RAW, ip.clone()), 1);
    assert_eq!(capture(0, [&[2, 0, 0, 0], &ip[..]].concat()), 1);

    let folder = Folder::new("link-unknown");
    let path = folder.file("x.pcap", pcap_of(147, &[(0, ip)]));
    let text = format!("inspect: {path}: packets of link layer 147 are not understood");
    assert_eq!(complaint(&["--pcap", &path]), (text, Some(1)));
}

#[test]
fn fragments_are_joined_in_any_order() {
    for (name, from, to) in [("v4", A, B), ("v6", "[2001:db8::1]:5060", "[2001:db8::2]:5060")] {
        let (from, to) = (address(from), address(to));
        let payload = |number| wire::udp(from, to, options(number, 3000).as_bytes());
        let one = wire::fragments(from, to, 1, &payload(1), 1480);
        let two = wire::fragments(from, to, 2, &payload(2), 1480);
        // Each packet's last fragment first, one packet's between the other's, and one sent twice.
        let order = [&one[2], &two[2], &one[0], &two[1], &one[0], &one[1], &two[0]];
        let packets: Vec<_> = (0..).zip(order.map(Clone::clone)).collect();
        let lines = told(&format!("fragments-{name}"), &pcap(&packets));
        assert_eq!(numbers(&lines), [1, 2], "{name}");
        assert_eq!((&lines[0]["body_bytes"], &lines[0]["source"]), (&json!(3000), &json!(from.to_string())));
    }
}

/// A capture of one direction of a connection: where each segment starts in the stream, from the first sequence number on.
fn connection(first: u32, stream: &[u8], segments: &[(usize, usize)]) -> Vec<u8> {
    let mut packets = vec![(0, tcp_packet(A, B, first, SYN, b""))];
    for (number, &(start, end)) in segments.iter().enumerate() {
        let sequence = first.wrapping_add(1).wrapping_add(start as u32);
        packets.push((number as u64 + 1, tcp_packet(A, B, sequence, ACK, &stream[start..end])));
    }
    pcap(&packets)
}

#[test]
fn segments_are_put_in_order_and_messages_cut_out() {
    let stream = [options(1, 300), options(2, 0), options(3, 50)].concat();
    let (stream, end) = (stream.as_bytes(), stream.len());
    let cuts: &[(&str, &[(usize, usize)])] = &[
        ("whole", &[(0, end)]),
        ("in-start-line", &[(0, 5), (5, 20), (20, end)]),
        ("reversed", &[(800, end), (400, 800), (0, 400)]),
        ("again", &[(0, 400), (0, 400), (0, 500), (450, end), (100, 200)]),
    ];
    for (name, segments) in cuts {
        // The second wraps around.
        for first in [7, u32::MAX - 200] {
            let lines = told(&format!("tcp-{name}-{first}"), &connection(first, stream, segments));
            assert_eq!(numbers(&lines), [1, 2, 3], "{name}");
            assert_eq!((&lines[0]["transport"], &lines[0]["source"]), (&json!("tcp"), &json!(A)));
        }
    }
}

#[test]
fn the_time_is_that_of_the_packet_that_made_the_message_whole() {
    let message = options(1, 0);
    let lines =
        told("tcp-time", &connection(0, message.as_bytes(), &[(0, 10), (20, message.len()), (10, 20)]));
    assert_eq!(lines[0]["time"], "1970-01-01T00:00:00.000002Z");
}

#[test]
fn behind_a_gap_the_next_start_line_is_looked_for() {
    let stream = [options(1, 200), options(2, 0), options(3, 0)].concat();
    let (stream, end) = (stream.as_bytes(), stream.len());
    let lost = options(1, 200).len() - 100;
    let capture = connection(1, stream, &[(0, lost), (lost + 50, end)]);
    assert_eq!(numbers(&told("gap", &capture)), [2, 3]);
}

#[test]
fn a_connection_may_be_captured_from_its_middle_and_its_ports_used_again() {
    let (one, two) = (options(1, 0), options(2, 0));
    let packets = [
        (1, tcp_packet(A, B, 5000, ACK, format!("rest of a body\r\n{one}").as_bytes())),
        (2, tcp_packet(A, B, 77, SYN, b"")),
        (3, tcp_packet(A, B, 78, ACK, two.as_bytes())),
        (4, tcp_packet(B, A, 9, ACK, one.as_bytes())),
    ];
    assert_eq!(numbers(&told("middle", &pcap(&packets))), [1, 2, 1]);
}

#[test]
fn what_cannot_be_framed_is_told_and_the_connection_goes_on() {
    let open = OPTIONS.replace("Content-Length: 0\r\n", "");
    let packets = [
        (1, tcp_packet(A, B, 0, ACK, b"\x16\x03\x01 no SIP")),
        (2, tcp_packet(A, B, 10, ACK, b"\r\nGET / HTTP/1.1\r\n\r\n")),
        (3, tcp_packet(A, B, 30, ACK, open.as_bytes())),
        (4, tcp_packet(A, B, 30 + open.len() as u32, ACK, options(2, 0).as_bytes())),
    ];
    assert_eq!(numbers(&told("unframed", &pcap(&packets))), [json!("no Content-Length"), json!(2)]);
}

#[test]
fn what_is_no_capture_or_ends_early_is_told() {
    let folder = Folder::new("no-capture");
    let path = folder.file("x.pcap", OPTIONS);
    assert_eq!(
        complaint(&["--pcap", &path]),
        (format!("inspect: {path}: neither a pcap nor a pcapng file"), Some(1))
    );
    let capture = wire::datagrams(&[OPTIONS.as_bytes(), OPTIONS.as_bytes()]);
    let path = folder.file("cut.pcap", &capture[..capture.len() - 1]);
    assert_eq!(complaint(&["--pcap", &path]), (format!("inspect: {path}: ends within a packet"), Some(1)));
    assert_eq!(values(&String::from_utf8(run(&["--pcap", &path]).stdout).unwrap()).len(), 1);
}

/// A plain generator, so that the same captures are tried on each run.
fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as usize
}

#[test]
fn no_capture_breaks_it() {
    let (from, to) = (address("[2001:db8::1]:5060"), address("[2001:db8::2]:5060"));
    let fragments = wire::fragments(from, to, 1, &wire::udp(from, to, options(1, 3000).as_bytes()), 1480);
    let mut packets: Vec<_> = (0..).zip(fragments).collect();
    packets.push((9, udp_packet(A, B, OPTIONS.as_bytes())));
    packets.push((10, tcp_packet(A, B, 0, SYN, b"")));
    packets.push((11, tcp_packet(A, B, 100, ACK, OPTIONS.as_bytes())));
    packets.push((12, tcp_packet(A, B, 1, ACK, OPTIONS.as_bytes())));
    let folder = Folder::new("mutations");
    let mut state = 0x5eed_5eed;
    for (form, capture) in [pcap(&packets), wire::pcapng(6, &packets)].iter().enumerate() {
        for number in 0..300 {
            let mut capture = capture.clone();
            for _ in 0..=random(&mut state) % 6 {
                let at = random(&mut state) % capture.len();
                capture[at] = [0, 0xff, 0x80, random(&mut state) as u8][random(&mut state) % 4];
            }
            capture.truncate(capture.len() - random(&mut state) % 40);
            folder.file(&format!("{form}-{number:03}"), capture);
        }
    }
    for form in [&["--pcap"][..], &["--pcap", "--pretty"]] {
        let output = run(&[form, &[folder.0.to_str().unwrap()]].concat());
        // Some captures are broken; nothing else may be wrong.
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).lines().count() > 600);
    }
}
