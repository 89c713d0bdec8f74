//! The address that others reach a socket at, which is what our Via, Record-Route and Path have to name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The address of a socket `bound` there: the one to `advertise` if it is of the same family, else its own, and for a
/// socket on all addresses the one that the system would send to `peers` from.
pub(crate) fn reachable_at(bound: SocketAddr, advertise: Option<IpAddr>, peers: &[SocketAddr]) -> SocketAddr {
    let same_family = |ip: &IpAddr| ip.is_ipv4() == bound.is_ipv4();
    let ip = match advertise.filter(same_family) {
        Some(ip) => ip,
        None if bound.ip().is_unspecified() => {
            let peer = peers.iter().find(|peer| same_family(&peer.ip())).copied();
            source_toward(peer.unwrap_or_else(|| somewhere(bound))).unwrap_or_else(|| loopback(bound))
        }
        None => bound.ip(),
    };
    SocketAddr::new(ip, bound.port())
}

/// Asks the routing table: connecting a UDP socket chooses its source address and sends nothing.
fn source_toward(peer: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// An address beyond the default route, of those kept for documentation (RFC 5737, RFC 3849).
fn somewhere(bound: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if bound.is_ipv4() {
        Ipv4Addr::new(192, 0, 2, 1).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
    };
    SocketAddr::new(ip, 9)
}

fn loopback(bound: SocketAddr) -> IpAddr {
    if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bound: &str, advertise: Option<&str>, peers: &[&str]) -> String {
        let peers: Vec<SocketAddr> = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        let advertise = advertise.map(|ip| ip.parse().unwrap());
        reachable_at(bound.parse().unwrap(), advertise, &peers).to_string()
    }

    #[test]
    fn an_address_of_its_own_is_kept() {
        assert_eq!(at("127.0.0.1:5080", None, &["192.0.2.1:5060"]), "127.0.0.1:5080");
    }

    #[test]
    fn what_is_advertised_wins_within_its_family() {
        assert_eq!(at("0.0.0.0:5080", Some("203.0.113.5"), &[]), "203.0.113.5:5080");
        assert_eq!(at("127.0.0.1:5080", Some("203.0.113.5"), &[]), "203.0.113.5:5080");
        assert_eq!(at("[::1]:5080", Some("203.0.113.5"), &[]), "[::1]:5080");
    }

    #[test]
    fn a_socket_on_all_addresses_has_the_one_toward_its_peer() {
        assert_eq!(at("0.0.0.0:5080", None, &["[::1]:5060", "127.0.0.1:5060"]), "127.0.0.1:5080");
    }

    #[test]
    fn without_a_peer_there_is_still_an_address() {
        assert!(!at("0.0.0.0:5080", None, &[]).starts_with("0.0.0.0"));
        assert!(!at("[::]:5080", None, &[]).starts_with("[::]"));
    }
}
