//! Packets and captures, built byte by byte.

use std::net::{IpAddr, SocketAddr};

pub(crate) const UDP: u8 = 17;
pub(crate) const TCP: u8 = 6;

/// Numbers of link layers.
pub(crate) const ETHERNET: u32 = 1;
pub(crate) const RAW: u32 = 101;
pub(crate) const LINUX_SLL: u32 = 113;

/// A pcap file of Ethernet packets, each with its microseconds since 1970.
pub(crate) fn pcap(packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    pcap_of(ETHERNET, packets)
}

/// One of any link layer.
pub(crate) fn pcap_of(link: u32, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = header(0xa1b2_c3d4, link, u32::to_le_bytes, u16::to_le_bytes);
    for (micros, packet) in packets {
        let length = packet.len() as u32;
        for number in [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, length, length] {
            file.extend(number.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// A pcap file of big-endian numbers and nanoseconds.
pub(crate) fn pcap_in_nanoseconds(seconds: u32, nanos: u32, packet: &[u8]) -> Vec<u8> {
    let mut file = header(0xa1b2_3c4d, ETHERNET, u32::to_be_bytes, u16::to_be_bytes);
    for number in [seconds, nanos, packet.len() as u32, packet.len() as u32] {
        file.extend(number.to_be_bytes());
    }
    file.extend(packet);
    file
}

fn header(magic: u32, link: u32, four: fn(u32) -> [u8; 4], two: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut file = four(magic).to_vec();
    file.extend([two(2), two(4)].concat());
    file.extend([four(0), four(0), four(262_144), four(link)].concat());
    file
}

/// A pcapng file of Ethernet packets whose times count in units of `10^-resolution` seconds.
pub(crate) fn pcapng(resolution: u8, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file =
        block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    let options = [9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0];
    file.extend(block(1, &[&ETHERNET.to_le_bytes()[..], &[0; 4], &options].concat()));
    for (time, packet) in packets {
        let length = (packet.len() as u32).to_le_bytes();
        let mut body = vec![0; 4];
        body.extend(((time >> 32) as u32).to_le_bytes());
        body.extend((*time as u32).to_le_bytes());
        body.extend([length, length].concat());
        body.extend(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].concat()
}

/// A capture of datagrams between two addresses, a millisecond apart.
pub(crate) fn datagrams(payloads: &[&[u8]]) -> Vec<u8> {
    let packet = |payload: &&[u8]| udp_packet("192.0.2.1:5060", "192.0.2.2:5060", payload);
    let packets: Vec<_> = (0..).step_by(1000).zip(payloads.iter().map(packet)).collect();
    pcap(&packets)
}

/// UDP in IP in Ethernet.
pub(crate) fn udp_packet(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (address(from), address(to));
    ethernet(&ip(from, to, UDP, &udp(from, to, payload)))
}

pub(crate) fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16 + 8;
    let numbers = [from.port(), to.port(), length, 0];
    [&numbers.map(u16::to_be_bytes).concat()[..], payload].concat()
}

/// TCP in IP in Ethernet. `flags`: 2 is SYN, 16 ACK.
pub(crate) fn tcp_packet(from: &str, to: &str, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (address(from), address(to));
    let mut segment = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ethernet(&ip(from, to, TCP, &segment))
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn ethernet(packet: &[u8]) -> Vec<u8> {
    let kind = if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
    [&[2; 6][..], &[4; 6], &kind, packet].concat()
}

/// The same in two VLANs.
pub(crate) fn tagged(packet: &[u8]) -> Vec<u8> {
    [&[2; 6][..], &[4; 6], &[0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 9, 0x08, 0x00], packet].concat()
}

/// As Linux captures on all interfaces at once.
pub(crate) fn cooked(packet: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0x08, 0x00], packet].concat()
}

/// A whole IP packet.
pub(crate) fn ip(from: SocketAddr, to: SocketAddr, number: u8, payload: &[u8]) -> Vec<u8> {
    fragment(from, to, number, None, payload)
}

/// A packet in fragments of `size` bytes, a multiple of eight, in their order.
pub(crate) fn fragments(
    from: SocketAddr,
    to: SocketAddr,
    id: u16,
    payload: &[u8],
    size: usize,
) -> Vec<Vec<u8>> {
    let last = payload.len().div_ceil(size) - 1;
    let pieces = payload.chunks(size).enumerate();
    pieces
        .map(|(number, piece)| {
            let offset = (number * size / 8) as u16;
            ethernet(&fragment(from, to, UDP, Some((id, offset, number < last)), piece))
        })
        .collect()
}

/// `place`: identification, offset in units of eight bytes, and whether there are more.
fn fragment(
    from: SocketAddr,
    to: SocketAddr,
    number: u8,
    place: Option<(u16, u16, bool)>,
    payload: &[u8],
) -> Vec<u8> {
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let (id, offset, more) = place.unwrap_or_default();
            let length = payload.len() as u16 + 20;
            let flags = offset | u16::from(more) << 13;
            let mut packet = [0x4500, length, id, flags].map(u16::to_be_bytes).concat();
            packet.extend([64, number, 0, 0]);
            [&packet[..], &from.octets(), &to.octets(), payload].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let extension = place.map_or_else(Vec::new, |(id, offset, more)| {
                let flags = (offset << 3 | u16::from(more)).to_be_bytes();
                [&[number, 0][..], &flags, &u32::from(id).to_be_bytes()].concat()
            });
            let length = (payload.len() + extension.len()) as u16;
            let next = if place.is_some() { 44 } else { number };
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(length.to_be_bytes());
            packet.extend([next, 64]);
            [&packet[..], &from.octets(), &to.octets(), &extension, payload].concat()
        }
        _ => panic!("addresses of two kinds"),
    }
}
