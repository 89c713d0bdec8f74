//! From a packet to what UDP or TCP carries in it: link layers, VLAN tags, IPv4, IPv6, and fragments put together again.

use etherparse::defrag::IpDefragBuf;
use etherparse::{
    EtherType, IpFragOffset, IpNumber, Ipv6ExtensionSlice, LaxIpPayloadSlice, LaxNetSlice, LaxSlicedPacket,
    TcpSlice, UdpSlice,
};
use pcap_parser::Linktype;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Packets in fragments that are waited for at once; the oldest goes first. Each takes 64 KiB at most.
const MAX_FRAGMENTED: usize = 64;

/// Holes in a packet that is waited for. One of 64 KiB in the smallest fragments of IPv6 has half as many.
const MAX_HOLES: usize = 128;

/// What packets start with.
#[derive(Clone, Copy)]
pub(crate) enum Link {
    Ethernet,
    /// Linux, on all interfaces at once: SLL and SLL2.
    Cooked,
    Cooked2,
    /// Four bytes that say which IP.
    Loopback,
    /// Nothing.
    Ip,
}

impl Link {
    /// The one that captures give this number, if it is understood here.
    pub(crate) const fn of(number: Linktype) -> Option<Self> {
        match number {
            Linktype::ETHERNET => Some(Self::Ethernet),
            Linktype::LINUX_SLL => Some(Self::Cooked),
            Linktype::LINUX_SLL2 => Some(Self::Cooked2),
            Linktype::NULL | Linktype::LOOP => Some(Self::Loopback),
            // Some systems number raw IP in their own way.
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => Some(Self::Ip),
            _ => None,
        }
    }
}

/// What a packet carries.
pub(crate) struct Carried<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) carrier: Carrier,
    pub(crate) data: Cow<'a, [u8]>,
}

#[derive(Clone, Copy)]
pub(crate) enum Carrier {
    Udp,
    Tcp {
        sequence: u32,
        /// SYN: the first of its connection.
        opens: bool,
    },
}

/// The network as the capture saw it.
#[derive(Default)]
pub(crate) struct Network {
    waiting: VecDeque<(FragmentId, IpDefragBuf)>,
}

/// What the fragments of one packet share (RFC 791, RFC 8200 4.5).
#[derive(Clone, Copy, PartialEq, Eq)]
struct FragmentId {
    source: IpAddr,
    destination: IpAddr,
    number: IpNumber,
    id: u32,
}

struct Fragment {
    id: u32,
    offset: IpFragOffset,
    more: bool,
}

impl Network {
    /// What the packet carries over UDP or TCP. Nothing if it is a fragment that does not make its packet whole.
    pub(crate) fn open<'a>(&mut self, link: Link, data: &'a [u8]) -> Option<Carried<'a>> {
        let net = net(link, data)?;
        let payload = net.ip_payload_ref()?;
        let (source, destination, fragment) = match &net {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                let (id, offset) = (header.identification().into(), header.fragments_offset());
                let fragment = Fragment { id, offset, more: header.more_fragments() };
                (header.source_addr().into(), header.destination_addr().into(), Some(fragment))
            }
            LaxNetSlice::Ipv6(ip) => {
                let header = ip.header();
                let fragment = ip.extensions().clone().into_iter().find_map(|extension| {
                    let Ipv6ExtensionSlice::Fragment(fragment) = extension else { return None };
                    let (id, offset) = (fragment.identification(), fragment.fragment_offset());
                    Some(Fragment { id, offset, more: fragment.more_fragments() })
                });
                (header.source_addr().into(), header.destination_addr().into(), fragment)
            }
            LaxNetSlice::Arp(_) => return None,
        };
        if !payload.fragmented {
            return carried((source, destination), payload.ip_number, payload.payload);
        }
        let fragment = fragment.filter(|_| !payload.incomplete)?;
        let id = FragmentId { source, destination, number: payload.ip_number, id: fragment.id };
        let whole = self.join(id, &fragment, payload)?;
        let Carried { carrier, data, source, destination } =
            carried((source, destination), id.number, &whole)?;
        Some(Carried { source, destination, carrier, data: Cow::Owned(data.into_owned()) })
    }

    /// The payload of the packet that this fragment makes whole.
    fn join(
        &mut self,
        id: FragmentId,
        fragment: &Fragment,
        payload: &LaxIpPayloadSlice<'_>,
    ) -> Option<Vec<u8>> {
        let known = self.waiting.iter().position(|(other, _)| *other == id);
        let (_, mut packet) = known
            .and_then(|at| self.waiting.remove(at))
            .unwrap_or_else(|| (id, IpDefragBuf::new(id.number, Vec::new(), Vec::new())));
        // A fragment that contradicts the others spoils its packet.
        packet.add(fragment.offset, fragment.more, payload.payload).ok()?;
        if packet.is_complete() {
            return Some(packet.take_bufs().0);
        }
        if packet.sections().len() <= MAX_HOLES {
            self.waiting.push_back((id, packet));
        }
        if self.waiting.len() > MAX_FRAGMENTED {
            self.waiting.pop_front();
        }
        None
    }
}

/// The IP packet within a packet of the link layer.
fn net(link: Link, data: &[u8]) -> Option<LaxNetSlice<'_>> {
    let typed = |at: usize, start: usize| {
        let ether_type = EtherType(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?));
        Some(LaxSlicedPacket::from_ether_type(ether_type, data.get(start..)?))
    };
    let packet = match link {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(data).ok(),
        Link::Cooked => typed(14, 16),
        Link::Cooked2 => typed(0, 20),
        Link::Loopback => LaxSlicedPacket::from_ip(data.get(4..)?).ok(),
        Link::Ip => LaxSlicedPacket::from_ip(data).ok(),
    };
    packet?.net
}

fn carried((source, destination): (IpAddr, IpAddr), number: IpNumber, payload: &[u8]) -> Option<Carried<'_>> {
    let (carrier, ports, data) = match number {
        IpNumber::UDP => {
            // Its length may be wrong, and the capture cut: what there is counts.
            let udp = UdpSlice::from_slice_lax(payload).ok()?;
            (
                Carrier::Udp,
                (udp.source_port(), udp.destination_port()),
                payload.get(8..8 + udp.payload().len())?,
            )
        }
        IpNumber::TCP => {
            let tcp = TcpSlice::from_slice(payload).ok()?;
            let carrier = Carrier::Tcp { sequence: tcp.sequence_number(), opens: tcp.syn() };
            (carrier, (tcp.source_port(), tcp.destination_port()), tcp.payload())
        }
        _ => return None,
    };
    Some(Carried {
        source: (source, ports.0).into(),
        destination: (destination, ports.1).into(),
        carrier,
        data: Cow::Borrowed(data),
    })
}
