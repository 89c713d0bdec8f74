//! RFC 3263 section 4 and 5, and RFC 2782, rule by rule.

use crate::zone::*;
use sip_survivability::resolve::{Destination, RecordKind, Unresolved};
use sip_survivability::transport::Transport::{self, Tcp, Tls, Udp, Ws};
use sip_survivability::uri::HostPort;

const TWO: &[Transport] = &[Udp, Tcp];

fn found(zone: &str, uri: &str, transports: &[Transport]) -> Vec<String> {
    resolve(zone, uri, transports).0.unwrap_or_else(|reason| panic!("{uri}: {reason}"))
}

fn asked(zone: &str, uri: &str, transports: &[Transport]) -> Vec<String> {
    resolve(zone, uri, transports).1
}

/// The records that stand in RFC 3263 4.1, with addresses for their hosts.
const RFC_3263: &str = "
    example.com NAPTR 50  50 s SIPS+D2T _sips._tcp.example.com.
    example.com NAPTR 90  50 s SIP+D2T  _sip._tcp.example.com
    example.com NAPTR 100 50 s SIP+D2U  _sip._udp.example.com.
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com
    _sip._tcp.example.com SRV 0 2 5060 server2.example.com
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
";

/// 4.1: "Since the client supports TCP and UDP, TCP will be used, targeted to a host determined by an SRV lookup of
/// _sip._tcp.example.com."
#[test]
fn the_sample_of_the_rfc_gives_tcp_to_both_servers() {
    let (servers, asked) = resolve(RFC_3263, "sip:user@example.com", TWO);
    let mut servers = servers.unwrap();
    servers.sort();
    assert_eq!(servers, ["tcp 192.0.2.1:5060", "tcp 192.0.2.2:5060"]);
    assert_eq!(
        asked,
        [
            "example.com NAPTR",
            "_sip._tcp.example.com SRV",
            "server1.example.com AAAA",
            "server1.example.com A",
            "server2.example.com AAAA",
            "server2.example.com A"
        ]
    );
}

/// 4.2: "If TARGET is a numeric IP address, the client uses that address." No question is asked.
#[test]
fn an_address_is_asked_of_nobody() {
    let cases = [
        ("sip:192.0.2.1", "udp 192.0.2.1:5060"),
        ("sip:192.0.2.1:5070", "udp 192.0.2.1:5070"),
        ("sip:192.0.2.1;transport=tcp", "tcp 192.0.2.1:5060"),
        ("sip:192.0.2.1;transport=%54LS", "tls 192.0.2.1:5061"),
        ("sip:[2001:db8::1]", "udp [2001:db8::1]:5060"),
        ("sips:192.0.2.1", "tls 192.0.2.1:5061"),
        ("sips:192.0.2.1:5071;transport=tcp", "tls 192.0.2.1:5071"),
        // RFC 7118 5.5.
        ("sip:192.0.2.1;transport=ws", "ws 192.0.2.1:80"),
        ("sips:192.0.2.1;transport=ws", "wss 192.0.2.1:443"),
        // 4: TARGET is the maddr parameter, if there is one.
        ("sip:example.com:5070;maddr=192.0.2.7", "udp 192.0.2.7:5070"),
    ];
    for (uri, expected) in cases {
        assert_eq!(resolve("", uri, &ALL), (Ok(vec![expected.to_owned()]), vec![]), "{uri}");
    }
}

/// 4.1: "the client SHOULD use UDP for a SIP URI"; without UDP another one that it has, but nothing else than TLS for a SIPS URI.
#[test]
fn without_udp_an_address_is_reached_over_tcp() {
    assert_eq!(found("", "sip:192.0.2.1", &[Tcp, Tls]), ["tcp 192.0.2.1:5060"]);
    assert_eq!(resolve("", "sip:192.0.2.1", &[Tls]).0, Err(Unresolved::NoTransport));
    assert_eq!(resolve("", "sips:192.0.2.1", TWO).0, Err(Unresolved::NoTransport));
}

#[test]
fn what_cannot_be_asked_for_has_no_servers() {
    let cases = [
        ("tel:+1201", Unresolved::NoHost),
        ("sip:example.com;maddr=-", Unresolved::NoHost),
        ("sip:0.0.0.0", Unresolved::NoHost),
        ("sip:192.0.2.1:0", Unresolved::NoHost),
        ("sip:example.com;transport=sctp", Unresolved::NoTransport),
        ("sips:example.com;transport=udp", Unresolved::NoTransport),
        ("sip:example.com;transport=ws", Unresolved::NoTransport),
    ];
    for (uri, reason) in cases {
        assert_eq!(resolve("", uri, TWO), (Err(reason), vec![]), "{uri}");
    }
}

/// 4.2: "a port is present in the URI, the client performs an A or AAAA record lookup": also where it is 5060.
#[test]
fn a_port_means_neither_naptr_nor_srv() {
    let zone = format!("{RFC_3263}\nexample.com A 192.0.2.9");
    assert_eq!(found(&zone, "sip:example.com:5060", TWO), ["udp 192.0.2.9:5060"]);
    assert_eq!(asked(&zone, "sip:example.com:5060", TWO), ["example.com AAAA", "example.com A"]);
    assert_eq!(found(&zone, "sips:example.com:5071", &ALL), ["tls 192.0.2.9:5071"]);
}

/// 4.2: both kinds of address; which family comes first is RFC 6724's to say.
#[test]
fn a_host_has_addresses_of_both_families() {
    let zone = "h.example A 192.0.2.1\nh.example AAAA 2001:db8::1\nh.example A 192.0.2.2";
    let both = ["udp [2001:db8::1]:5070", "udp 192.0.2.1:5070", "udp 192.0.2.2:5070"];
    assert_eq!(found(zone, "sip:h.example:5070", TWO), both);
    let mut rig = Rig::new(1);
    let mut only_v4 = means(TWO);
    only_v4.v6 = false;
    rig.resolve(&to("sip:h.example:5070"), only_v4);
    rig.answer_all(|question| Zone::of(zone).answer(question));
    assert_eq!((rig.outcome().unwrap().len(), rig.asked), (2, vec!["h.example A".to_owned()]));
}

/// 4.2: "because a transport was specified explicitly, the client performs an SRV query for that specific transport".
#[test]
fn a_transport_means_its_srv_and_no_naptr() {
    let (servers, asked) = resolve(RFC_3263, "sip:example.com;transport=TCP", TWO);
    assert_eq!(servers.unwrap().len(), 2);
    assert_eq!(asked[0], "_sip._tcp.example.com SRV");
    let name = |uri| asked_first("", uri);
    assert_eq!(name("sip:example.com;transport=udp"), "_sip._udp.example.com SRV");
    // "For a SIP URI, if the client wishes to use TLS, it also uses the service identifier _sips".
    assert_eq!(name("sip:example.com;transport=tls"), "_sips._tcp.example.com SRV");
    assert_eq!(name("sips:example.com;transport=tcp"), "_sips._tcp.example.com SRV");
}

fn asked_first(zone: &str, uri: &str) -> String {
    asked(zone, uri, &ALL).swap_remove(0)
}

/// 4.2: "If no SRV records were found, the client performs an A or AAAA record lookup of the domain name [...] at the default
/// port for that transport."
#[test]
fn without_srv_the_domain_itself_is_the_host() {
    let zone = "example.com A 192.0.2.9";
    assert_eq!(found(zone, "sip:example.com;transport=tls", &ALL), ["tls 192.0.2.9:5061"]);
    assert_eq!(found(zone, "sip:example.com", &ALL), ["udp 192.0.2.9:5060"]);
    assert_eq!(found(zone, "sips:example.com", &ALL), ["tls 192.0.2.9:5061"]);
    let zone = "example.com NAPTR 1 1 s SIP+D2T _sip._tcp.example.com\nexample.com A 192.0.2.9";
    assert_eq!(found(zone, "sip:example.com", TWO), ["tcp 192.0.2.9:5060"]);
}

/// 4.1: "a client resolving a SIPS URI MUST discard any services that do not contain SIPS"; one of a SIP URI retains them.
#[test]
fn a_sips_uri_follows_sips_services_only() {
    let zone = format!(
        "{RFC_3263}\n_sips._tcp.example.com SRV 0 0 5061 server3.example.com\nserver3.example.com A 192.0.2.3"
    );
    assert_eq!(found(&zone, "sips:example.com", &ALL), ["tls 192.0.2.3:5061"]);
    assert_eq!(found(&zone, "sip:example.com", &ALL), ["tls 192.0.2.3:5061"]);
    let zone = "
        example.com NAPTR 1 1 s SIP+D2T _sip._tcp.example.com
        _sip._tcp.example.com SRV 0 0 5060 h.example
        h.example A 192.0.2.1
        example.com A 192.0.2.1";
    let (servers, asked) = resolve(zone, "sips:example.com", &ALL);
    assert_eq!(servers.unwrap(), ["tls 192.0.2.1:5061"]);
    assert!(!asked.contains(&"_sip._tcp.example.com SRV".to_owned()), "{asked:?}");
}

/// RFC 2915 section 2: the lowest order that fits, and there the lowest preference first.
#[test]
fn the_order_of_naptr_comes_before_their_preference() {
    let zone = "
        example.com NAPTR 20 1  s SIP+D2U late.example
        example.com NAPTR 10 50 s sip+d2u second.example
        example.com NAPTR 10 9  S SIP+D2T first.example
        late.example   SRV 0 0 5060 c.example
        second.example SRV 0 0 5062 b.example
        first.example  SRV 0 0 5061 a.example
        a.example A 192.0.2.1
        b.example A 192.0.2.2
        c.example A 192.0.2.3";
    let (servers, asked) = resolve(zone, "sip:example.com", TWO);
    assert_eq!(servers.unwrap(), ["tcp 192.0.2.1:5061", "udp 192.0.2.2:5062"]);
    assert!(!asked.contains(&"late.example SRV".to_owned()));
}

/// 4.1: "the client discards any records whose services fields are not applicable", and those that are no SRV.
#[test]
fn naptr_of_other_services_are_passed_over() {
    let zone = "
        example.com NAPTR 1 1 u E2U+sip  x.example
        example.com NAPTR 2 1 s SIP+D2S  _sip._sctp.example.com
        example.com NAPTR 3 1 a SIP+D2U  x.example
        example.com NAPTR 4 1 s SIP+D2U  192.0.2.66
        example.com NAPTR 5 1 s SIP+D2U  .
        _sip._udp.example.com SRV 0 0 5062 h.example
        h.example A 192.0.2.1";
    let (servers, asked) = resolve(zone, "sip:example.com", &[Udp]);
    assert_eq!(servers.unwrap(), ["udp 192.0.2.1:5062"]);
    assert_eq!(asked[..2], ["example.com NAPTR", "_sip._udp.example.com SRV"]);
}

/// RFC 7118 5.5 and 10.2.
#[test]
fn websocket_has_its_services() {
    let zone = "
        example.com NAPTR 10 1 s SIPS+D2W _sips._ws.example.com
        example.com NAPTR 20 1 s SIP+D2W _sip._ws.example.com
        _sips._ws.example.com SRV 0 0 8443 h.example
        _sip._ws.example.com SRV 0 0 8080 h.example
        h.example A 192.0.2.1";
    assert_eq!(found(zone, "sip:example.com", &ALL), ["wss 192.0.2.1:8443"]);
    assert_eq!(found(zone, "sip:example.com", &[Ws]), ["ws 192.0.2.1:8080"]);
}

/// 4.1: "If no NAPTR records are found, the client constructs SRV queries for those transport protocols it supports".
#[test]
fn without_naptr_the_srv_of_each_transport_are_asked_for() {
    let zone = "_sip._tcp.example.com SRV 0 0 5062 h.example\nh.example A 192.0.2.1";
    let (servers, asked) = resolve(zone, "sip:example.com", &[Udp, Tcp, Tls]);
    assert_eq!(servers.unwrap(), ["tcp 192.0.2.1:5062"]);
    assert_eq!(asked[..3], ["example.com NAPTR", "_sip._udp.example.com SRV", "_sip._tcp.example.com SRV"]);
    // The service identifier of a SIPS URI is _sips.
    let (_, asked) = resolve("", "sips:example.com", &[Udp, Tcp, Tls]);
    assert_eq!(asked[..2], ["example.com NAPTR", "_sips._tcp.example.com SRV"]);
}

/// RFC 2782, Priority: "A client MUST attempt to contact the target host with the lowest-numbered priority it can reach".
#[test]
fn srv_priorities_are_kept_for_every_seed() {
    let zone = Zone::of(
        "
        _sip._udp.e.example SRV 20 9 5063 c.example
        _sip._udp.e.example SRV 10 1 5061 a.example
        _sip._udp.e.example SRV 10 9 5062 b.example
        a.example A 192.0.2.1
        b.example A 192.0.2.2
        c.example A 192.0.2.3",
    );
    for seed in 0..100 {
        let mut rig = Rig::new(seed);
        rig.resolve(&to("sip:e.example;transport=udp"), means(&[Udp]));
        rig.answer_all(|question| zone.answer(question));
        let servers = rig.outcome().unwrap();
        assert_eq!((servers.len(), &*servers[2]), (3, "udp 192.0.2.3:5063"), "{seed}");
    }
}

/// RFC 2782, Target: "A Target of \".\" means that the service is decidedly not available at this domain."
#[test]
fn a_target_of_a_dot_means_not_available() {
    let zone = "_sip._udp.e.example SRV 0 0 0 .\ne.example A 192.0.2.1";
    assert_eq!(resolve(zone, "sip:e.example;transport=udp", TWO).0, Err(Unresolved::NotAvailable));
    assert_eq!(resolve(zone, "sip:e.example", &[Udp]).0, Err(Unresolved::NotAvailable));
    // Another transport may be.
    let zone = format!("{zone}\n_sip._tcp.e.example SRV 0 0 5060 e.example");
    assert_eq!(found(&zone, "sip:e.example", TWO), ["tcp 192.0.2.1:5060"]);
}

#[test]
fn a_domain_of_which_the_dns_knows_nothing_is_not_found() {
    for uri in ["sip:e.example", "sip:e.example:5060", "sips:e.example", "sip:e.example;transport=tcp"] {
        assert_eq!(resolve("", uri, &ALL).0, Err(Unresolved::NotFound), "{uri}");
    }
}

/// Section 5: sent-by with an address; with a name and a port; with a name alone.
#[test]
fn a_response_goes_by_sent_by_when_its_way_is_closed() {
    let zone = Zone::of(
        "
        c.example A 192.0.2.1
        d.example A 192.0.2.2
        _sip._udp.c.example SRV 0 0 5099 d.example
        _sips._tcp.c.example SRV 0 0 5098 d.example",
    );
    let cases = [
        (Udp, "192.0.2.7:5070", "udp 192.0.2.7:5070"),
        (Tls, "192.0.2.7", "tls 192.0.2.7:5061"),
        (Tcp, "c.example:5070", "tcp 192.0.2.1:5070"),
        (Udp, "c.example", "udp 192.0.2.2:5099"),
        (Tls, "c.example", "tls 192.0.2.2:5098"),
        (Tcp, "c.example", "tcp 192.0.2.1:5060"),
    ];
    for (transport, sent_by, expected) in cases {
        let (host, port) = sent_by.split_once(':').map_or((sent_by, None), |(h, p)| (h, Some(p)));
        let host = sip_survivability::uri::Host::parse(host).unwrap();
        let sent_by = HostPort::new(host, port.map(|port| port.parse().unwrap()));
        let mut rig = Rig::new(1);
        rig.resolve(&Destination::of_sent_by(transport, &sent_by).unwrap(), means(&ALL));
        rig.answer_all(|question| {
            assert_ne!(question.kind, RecordKind::Naptr);
            zone.answer(question)
        });
        assert_eq!(rig.outcome().unwrap(), [expected], "{transport} {sent_by}");
    }
}
