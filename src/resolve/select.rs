//! From a destination to the servers to try, one step at a time (RFC 3263 section 4).
//!
//! ```text
//!             address                                     the servers
//!             name and port ------------------------> A/AAAA --+
//!             name and transport ----------> SRV ------^       |
//!             name alone --> NAPTR --> SRV --^ |               v
//!                              | none          | none     the servers
//!                              +-> SRV of each +-> A/AAAA of the name
//!                                  transport
//! ```

use super::destination::{Target, service};
use super::known::{Known, Rule, Service};
use super::weight::in_order;
use super::{Destination, Means, Name, Question, RecordKind};
use crate::rng::Rng;
use crate::uri::Transport;
use std::net::SocketAddr;

/// Hosts of SRV records whose addresses are asked for, and servers in a result: an answer of thousands keeps nobody busy.
const MAX_HOSTS: usize = 16;
const MAX_SERVERS: usize = 32;

/// Where to send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "transport, address and port are what RFC 3263 determines")]
pub struct Server {
    /// By which transport.
    pub transport: Transport,
    /// To which address and port.
    pub address: SocketAddr,
}

/// Why there is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unresolved {
    /// What was to be resolved has no host, or one that cannot be asked for.
    #[error("no host that can be asked for")]
    NoHost,
    /// It wants a transport that we have not.
    #[error("no transport that both sides have")]
    NoTransport,
    /// The DNS knows no address of it.
    #[error("the DNS knows no address")]
    NotFound,
    /// The DNS says that there is no such service (RFC 2782: a target of `.`).
    #[error("the service is not available")]
    NotAvailable,
    /// The DNS did not answer.
    #[error("the DNS did not answer")]
    Failed,
    /// Too much waits to be resolved already.
    #[error("too much waits to be resolved")]
    Overloaded,
}

/// What is known of a question.
#[derive(Clone, Copy, Debug)]
pub(super) enum Finding<'a> {
    /// Its answer has yet to come.
    Open,
    /// There was no answer.
    Failed,
    Known(&'a Known),
}

/// The next step of a resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// These have to be answered first.
    Ask(Vec<Question>),
    /// Servers to try in this order.
    Done(Vec<Server>),
    Nowhere(Unresolved),
}

/// The next step toward `destination`, by what `known` tells of each question.
pub(super) fn next_step<'a>(
    destination: &Destination,
    means: Means,
    known: &dyn Fn(&Question) -> Finding<'a>,
    rng: &mut Rng,
) -> Step {
    let mut search = Search { destination, means, known, open: Vec::new(), has_failed: false };
    let found = search.run(rng);
    match found {
        _ if !search.open.is_empty() => Step::Ask(search.open),
        Ok(servers) if servers.is_empty() && search.has_failed => Step::Nowhere(Unresolved::Failed),
        Ok(servers) if servers.is_empty() => Step::Nowhere(Unresolved::NotFound),
        Ok(servers) => Step::Done(servers),
        Err(reason) => Step::Nowhere(reason),
    }
}

/// One walk through what is known, as far as it goes. While a question is open its result does not count.
struct Search<'s, 'a> {
    destination: &'s Destination,
    means: Means,
    known: &'s dyn Fn(&Question) -> Finding<'a>,
    open: Vec<Question>,
    has_failed: bool,
}

/// The hosts of a service, by one transport.
type Hosts<'a> = (Transport, &'a [Service]);

impl<'a> Search<'_, 'a> {
    fn run(&mut self, rng: &mut Rng) -> Result<Vec<Server>, Unresolved> {
        let Destination { target, port, transport, .. } = self.destination;
        let name = match target {
            // 4.2: "If TARGET is a numeric IP address, the client uses that address."
            Target::Address(ip) => {
                let transport = self.single_transport()?;
                let address = SocketAddr::new(*ip, port.unwrap_or(transport.default_port()));
                let reachable = if ip.is_ipv4() { self.means.v4 } else { self.means.v6 };
                let server = Server { transport, address };
                return if reachable { Ok(vec![server]) } else { Err(Unresolved::NoTransport) };
            }
            Target::Name(name) => name,
        };
        // 4.2: "a port is present in the URI, the client performs an A or AAAA record lookup of the domain name".
        if let Some(port) = port {
            let transport = self.single_transport()?;
            return Ok(self.addresses(transport, name, *port));
        }
        if transport.is_some() {
            let transport = self.single_transport()?;
            return self.by_transport(transport, name, rng);
        }
        self.by_domain(name, rng)
    }

    /// 4.1: the transport that the URI specifies; else "the client SHOULD use UDP for a SIP URI, and TCP for a SIPS URI", which is TLS.
    /// Without UDP of our own it is TCP.
    fn single_transport(&self) -> Result<Transport, Unresolved> {
        let usable = |transport: &Transport| self.is_usable(*transport);
        match self.destination.transport {
            Some(transport) => Some(transport).filter(usable),
            None => [Transport::Udp, Transport::Tcp, Transport::Tls]
                .into_iter()
                .filter(|transport| transport.is_secure() == self.destination.is_secure)
                .find(usable),
        }
        .ok_or(Unresolved::NoTransport)
    }

    /// Ours, and secure if it has to be.
    fn is_usable(&self, transport: Transport) -> bool {
        self.means.transports.contains(transport) && (transport.is_secure() || !self.destination.is_secure)
    }

    /// 4.2: "because a transport was specified explicitly, the client performs an SRV query for that specific transport".
    fn by_transport(
        &mut self,
        transport: Transport,
        name: &Name,
        rng: &mut Rng,
    ) -> Result<Vec<Server>, Unresolved> {
        match name.service(service(transport)).and_then(|service| self.ask(service, RecordKind::Srv)) {
            Some(Known::Services(services)) => Ok(self.hosts(&[(transport, services)], rng)),
            Some(Known::Unavailable) => Err(Unresolved::NotAvailable),
            // "If no SRV records were found": with one question open the result does not count.
            _ if !self.open.is_empty() => Ok(Vec::new()),
            _ => Ok(self.addresses(transport, name, transport.default_port())),
        }
    }

    /// 4.1: "if no transport protocol or port is specified, and the target is not a numeric IP address, the client SHOULD
    /// perform a NAPTR query for the domain". A failed one counts as none: there are name servers that do not know the type.
    fn by_domain(&mut self, name: &Name, rng: &mut Rng) -> Result<Vec<Server>, Unresolved> {
        let rules = match self.ask(name.clone(), RecordKind::Naptr) {
            Some(Known::Rules(rules)) => self.applicable(rules),
            _ => Vec::new(),
        };
        if !self.open.is_empty() {
            return Ok(Vec::new());
        }
        match rules.first() {
            Some(first) => self.by_rules(&rules, first.transport, name, rng),
            None => self.by_services(name, rng),
        }
    }

    /// 4.1: those that "contain SIPS" for a SIPS URI, those of our transports; and of these the lowest order, since once there is a
    /// match a client "MUST NOT consider any NAPTRs with a higher value for order" (RFC 2915 section 2).
    fn applicable(&self, rules: &'a [Rule]) -> Vec<&'a Rule> {
        let usable: Vec<_> = rules.iter().filter(|rule| self.is_usable(rule.transport)).collect();
        let lowest = usable.first().map(|rule| rule.order);
        usable.into_iter().take_while(|rule| Some(rule.order) == lowest).collect()
    }

    fn by_rules(
        &mut self,
        rules: &[&Rule],
        best: Transport,
        name: &Name,
        rng: &mut Rng,
    ) -> Result<Vec<Server>, Unresolved> {
        let (mut hosts, mut unavailable): (Vec<Hosts<'a>>, _) = (Vec::new(), false);
        for rule in rules {
            match self.ask(rule.replacement.clone(), RecordKind::Srv) {
                Some(Known::Services(services)) => hosts.push((rule.transport, services)),
                Some(Known::Unavailable) => unavailable = true,
                _ => {}
            }
        }
        if !self.open.is_empty() {
            Ok(Vec::new())
        } else if !hosts.is_empty() {
            Ok(self.hosts(&hosts, rng))
        } else if unavailable {
            Err(Unresolved::NotAvailable)
        } else {
            // 4.2: "If no SRV records were found", by the "transport protocol determined previously".
            Ok(self.addresses(best, name, best.default_port()))
        }
    }

    /// 4.1: "If no NAPTR records are found, the client constructs SRV queries for those transport protocols it supports, and does a
    /// query for each." Of those that the domain has we take the first.
    fn by_services(&mut self, name: &Name, rng: &mut Rng) -> Result<Vec<Server>, Unresolved> {
        // "the service identifier \"_sip\" for SIP URIs and \"_sips\" for SIPS URIs".
        let (is_secure, ours) = (self.destination.is_secure, self.means.transports);
        let ours = [Transport::Udp, Transport::Tcp, Transport::Ws, Transport::Tls, Transport::Wss]
            .into_iter()
            .filter(|transport| transport.is_secure() == is_secure && ours.contains(*transport));
        let (mut found, mut unavailable) = (None, Vec::new());
        for transport in ours {
            match name.service(service(transport)).and_then(|name| self.ask(name, RecordKind::Srv)) {
                Some(Known::Services(services)) if found.is_none() => {
                    found = Some((transport, &**services));
                }
                Some(Known::Unavailable) => unavailable.push(transport),
                _ => {}
            }
        }
        if !self.open.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(found) = found {
            return Ok(self.hosts(&[found], rng));
        }
        // "If no SRV records are found, the client SHOULD use TCP for a SIPS URI, and UDP for a SIP URI."
        let transport = self.single_transport()?;
        if unavailable.contains(&transport) {
            return Err(Unresolved::NotAvailable);
        }
        Ok(self.addresses(transport, name, transport.default_port()))
    }

    /// The addresses of hosts that SRV records name, in the order of RFC 2782, one transport after the other.
    fn hosts(&mut self, hosts: &[Hosts<'a>], rng: &mut Rng) -> Vec<Server> {
        let mut servers = Vec::new();
        // All at once, and before the lots are drawn: the order must not depend on who answers first.
        for (transport, service) in
            hosts.iter().flat_map(|(t, services)| services.iter().map(move |s| (*t, s))).take(MAX_HOSTS)
        {
            self.addresses(transport, &service.target, service.port);
        }
        if !self.open.is_empty() {
            return servers;
        }
        let mut left = MAX_HOSTS;
        for (transport, services) in hosts {
            let services = services.get(..left.min(services.len())).unwrap_or_default();
            left -= services.len();
            for service in in_order(services, rng) {
                for server in self.addresses(*transport, &service.target, service.port) {
                    if servers.len() < MAX_SERVERS && !servers.contains(&server) {
                        servers.push(server);
                    }
                }
            }
        }
        servers
    }

    /// The addresses of one host. IPv6 first: the default policy of RFC 6724 2.1 prefers it.
    fn addresses(&mut self, transport: Transport, host: &Name, port: u16) -> Vec<Server> {
        let mut servers = Vec::new();
        for (kind, is_reachable) in [(RecordKind::Aaaa, self.means.v6), (RecordKind::A, self.means.v4)] {
            if is_reachable && let Some(Known::Addresses(found)) = self.ask(host.clone(), kind) {
                let server = |ip| Server { transport, address: SocketAddr::new(ip, port) };
                servers.extend(found.iter().copied().map(server));
            }
        }
        servers
    }

    /// What is known. None where it is nothing, or not yet anything.
    fn ask(&mut self, name: Name, kind: RecordKind) -> Option<&'a Known> {
        let question = Question { name, kind };
        match (self.known)(&question) {
            Finding::Known(known) => return Some(known),
            Finding::Failed => self.has_failed = true,
            Finding::Open if self.open.contains(&question) => {}
            Finding::Open => self.open.push(question),
        }
        None
    }
}
