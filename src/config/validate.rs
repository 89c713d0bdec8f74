//! The step from [`Settings`] to [`Config`]: what could not work is refused here, so that nothing later has to ask.

use super::table::{Entry, Table, check_emergency_routes};
use super::{BindingMode, Keyring, Settings};
use crate::uri::{AorKey, HomeHosts, Host, Transport, Uri, UriBuf, unescape};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, RangeInclusive};
use std::time::Duration;

/// One setting that could not work: its key, its value and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: {reason}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The key, with its section: `proxy_set.down_after`.
    pub key: &'static str,
    /// The value that was refused.
    pub value: String,
    /// Why.
    pub reason: &'static str,
}

/// [`Settings`] that can work, with the addresses of all targets at hand. Reads like the settings it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    settings: Settings,
    proxies: Vec<Target>,
    gateways: Vec<Target>,
    keyring: Option<Keyring>,
    peer: Option<Target>,
    table: Table,
}

/// A SIP URI and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// As configured.
    pub uri: UriBuf,
    /// The address and port in use. [`UNRESOLVED`] until the DNS has told that of a name.
    pub address: SocketAddr,
    /// How it is reached there: UDP, TCP or TLS.
    pub transport: Transport,
    /// All that its name leads to, best first; what is in use is among them.
    places: Vec<Place>,
}

/// The address of a target whose name has not been resolved yet.
pub const UNRESOLVED: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// A transport and an address.
pub(crate) type Place = (Transport, SocketAddr);

/// More places of one target are not tried: each may cost a request its patience.
const MAX_PLACES: usize = 4;

impl Target {
    /// Whether `uri` names this target's host, by address or by its name.
    #[must_use]
    pub fn is_host_of(&self, uri: &Uri<'_>) -> bool {
        let port = Transport::of(uri).unwrap_or_default().default_port();
        match uri.host_port().and_then(|hp| hp.socket_addr(port)) {
            Some(address) => self.is_at(address),
            None => uri.host_port().is_some() && uri.host_port() == self.uri.as_uri().host_port(),
        }
    }

    /// Whether `address` is one of its addresses.
    #[must_use]
    pub fn is_at(&self, address: SocketAddr) -> bool {
        self.places.iter().any(|place| place.1 == address)
    }

    /// Its name, if it has one and that leads to `place`.
    fn name_at(&self, place: Place) -> Option<&str> {
        let Host::Name(name) = self.uri.as_uri().host()? else { return None };
        self.places.contains(&place).then_some(name)
    }

    /// Whether one of its addresses is on the host `ip`.
    pub(crate) fn is_on(&self, ip: IpAddr) -> bool {
        self.places.iter().any(|place| place.1.ip() == ip)
    }

    /// Whether an address of it is known.
    #[must_use]
    pub const fn is_resolved(&self) -> bool {
        !self.places.is_empty()
    }

    /// Where it is: what is in use first, then the others in the order of RFC 3263.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let current = (self.transport, self.address);
        let others = self.places.iter().copied().filter(move |place| *place != current);
        std::iter::once(current).filter(|_| self.is_resolved()).chain(others)
    }

    /// Its name has been resolved. What is in use stays in use while the DNS knows it: requests in flight and the health of the target
    /// belong to it.
    pub(crate) fn set_places(&mut self, mut places: Vec<Place>) {
        places.truncate(MAX_PLACES);
        if let Some(first) = places.first() {
            if !places.contains(&(self.transport, self.address)) {
                (self.transport, self.address) = *first;
            }
            self.places = places;
        }
    }

    /// The next place comes into use (RFC 3263 4.3).
    pub(crate) fn use_next_place(&mut self) {
        let current = self.places.iter().position(|place| *place == (self.transport, self.address));
        let after = |current: usize| self.places.get(current + 1).or_else(|| self.places.first());
        if let Some(next) = current.and_then(after) {
            (self.transport, self.address) = *next;
        }
    }
}

/// Names a target of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TargetRef {
    /// The proxy of this number.
    Proxy(usize),
    /// The gateway of this number.
    Gateway(usize),
    /// The redundant SAS.
    Peer,
    /// The address of this number in the routing table.
    Hop(usize),
}

impl TargetRef {
    /// The first of its kind, which stands for all of them.
    pub(crate) const fn kind(self) -> Self {
        match self {
            Self::Proxy(_) => Self::Proxy(0),
            Self::Gateway(_) => Self::Gateway(0),
            Self::Peer => Self::Peer,
            Self::Hop(_) => Self::Hop(0),
        }
    }
}

impl Config {
    /// The name of a proxy or gateway that is at `address`, if it has been configured by one.
    pub(crate) fn name_at(&self, transport: Transport, address: SocketAddr) -> Option<&str> {
        let mut targets = self.proxies.iter().chain(&self.gateways);
        targets.find_map(|target| target.name_at((transport, address)))
    }

    /// The proxies, in order of preference.
    #[must_use]
    pub fn proxies(&self) -> &[Target] {
        &self.proxies
    }

    /// The default gateways, in order of preference.
    #[must_use]
    pub fn gateways(&self) -> &[Target] {
        &self.gateways
    }

    /// The redundant SAS.
    #[must_use]
    pub const fn redundant_sas(&self) -> Option<&Target> {
        self.peer.as_ref()
    }

    /// The addresses that rows of the routing table name.
    #[must_use]
    pub fn hops(&self) -> &[Target] {
        &self.table.hops
    }

    /// Whatever requests are sent to by configuration: proxies, gateways, the redundant SAS, and the addresses in the routing table.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.proxies.iter().chain(&self.gateways).chain(&self.peer).chain(&self.table.hops)
    }

    pub(crate) fn routing_table(&self) -> &[Entry] {
        &self.table.entries
    }

    /// The targets that have a name for their host, and no address but what the DNS says.
    pub(crate) fn named(&self) -> Vec<(TargetRef, UriBuf)> {
        let is_named = |target: &Target| matches!(target.uri.as_uri().host(), Some(Host::Name(_)));
        let proxies = self.proxies.iter().enumerate().map(|(index, t)| (TargetRef::Proxy(index), t));
        let gateways = self.gateways.iter().enumerate().map(|(index, t)| (TargetRef::Gateway(index), t));
        let peer = self.peer.iter().map(|t| (TargetRef::Peer, t));
        let hops = self.table.hops.iter().enumerate().map(|(index, t)| (TargetRef::Hop(index), t));
        let named = proxies.chain(gateways).chain(peer).chain(hops).filter(|(_, target)| is_named(target));
        named.map(|(which, target)| (which, target.uri.clone())).collect()
    }

    pub(crate) fn target_mut(&mut self, which: TargetRef) -> Option<&mut Target> {
        match which {
            TargetRef::Proxy(index) => self.proxies.get_mut(index),
            TargetRef::Gateway(index) => self.gateways.get_mut(index),
            TargetRef::Peer => self.peer.as_mut(),
            TargetRef::Hop(index) => self.table.hops.get_mut(index),
        }
    }

    /// The hosts whose users are this branch's, as far as the configuration says: the proxies', the domains, and our names. Our own
    /// addresses belong to them as well.
    #[must_use]
    pub fn home_hosts(&self) -> HomeHosts {
        let mut home = match self.settings.sas.binding_mode {
            BindingMode::Uri => HomeHosts::default(),
            BindingMode::UserPart => HomeHosts::any(),
        };
        for proxy in &self.proxies {
            if proxy.is_resolved() {
                home.add(Host::from(proxy.address.ip()));
            }
            proxy.uri.as_uri().host().into_iter().for_each(|host| home.add(host));
        }
        self.settings.domains.iter().filter_map(|domain| Host::parse(domain)).for_each(|host| home.add(host));
        self.settings.names.iter().filter_map(|name| name.as_uri().host()).for_each(|host| home.add(host));
        home
    }

    /// The users who can prove who they are, where that is asked for.
    #[must_use]
    pub const fn keyring(&self) -> Option<&Keyring> {
        self.keyring.as_ref()
    }

    /// The emergency number that `uri` calls: its user, digit for digit, or its number without the visual separators and
    /// the parameters of RFC 3966. For `urn:service:sos` and its kinds (RFC 5031) it is the first one.
    #[must_use]
    pub fn emergency_number(&self, uri: &Uri<'_>) -> Option<&str> {
        let first = self.settings.sas.emergency_numbers.first()?;
        if uri.is_emergency_service() {
            return Some(first);
        }
        let (user, key) = (unescape(uri.user()?), AorKey::of(uri, &HomeHosts::default())?);
        let numbers = self.settings.sas.emergency_numbers.iter();
        numbers.map(String::as_str).find(|number| *number == user || *number == key.user())
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Settings {
    /// Checks everything.
    ///
    /// # Errors
    /// The first setting that could not work.
    pub fn validate(self) -> Result<Config, ConfigError> {
        let Self { domains, names, proxy_set, sas, registrar, auth, limits, .. } = &self;
        for domain in domains {
            ensure(
                Host::parse(domain).is_some(),
                "domains",
                domain,
                "neither a host name nor an IP address",
            )?;
        }

        for name in names {
            let is_name = name.as_uri().is_sip() && matches!(name.as_uri().host(), Some(Host::Name(_)));
            ensure(is_name, "names", name, "must be a sip: URI with a host name")?;
        }

        let proxies = targets("proxy_set.targets", &proxy_set.targets)?;
        self.check_proxy_set()?;

        let gateways = targets("sas.default_gateway", &sas.default_gateway)?;
        span("sas.request_patience", sas.request_patience, 10..=32_000)?;
        span("sas.suspect_patience", sas.suspect_patience, 10..=32_000)?;
        span("sas.gateway_patience", sas.gateway_patience, 10..=32_000)?;
        span("sas.phone_patience", sas.phone_patience, 10..=32_000)?;
        span("sas.ring_time", sas.ring_time, 1_000..=3_600_000)?;
        span("sas.minimum_dwell", sas.minimum_dwell, 0..=86_400_000)?;
        ensure(
            sas.maximum_dwell >= sas.minimum_dwell,
            "sas.maximum_dwell",
            &Millis(sas.maximum_dwell),
            "must not be below sas.minimum_dwell",
        )?;
        span("sas.maximum_dwell", sas.maximum_dwell, 0..=86_400_000)?;
        span("sas.registration_time", sas.registration_time, 0..=2_000_000_000)?;
        ensure(
            sas.registration_time.subsec_nanos() == 0,
            "sas.registration_time",
            &Millis(sas.registration_time),
            "must be whole seconds",
        )?;
        at_least_one("sas.return_rate", sas.return_rate as usize)?;
        span("sas.stale_binding_grace", sas.stale_binding_grace, 0..=2_000_000_000)?;
        if let Some(mapping) = &sas.number_mapping {
            // The digits of a number, and the dots, come before it (RFC 1035 2.3.4).
            let is_name =
                matches!(Host::parse(&mapping.suffix), Some(Host::Name(_))) && mapping.suffix.len() <= 220;
            ensure(is_name, "sas.enum.suffix", &mapping.suffix, "must be the name of a domain")?;
            span("sas.enum.timeout", mapping.timeout, 10..=10_000)?;
        }
        for number in &sas.emergency_numbers {
            let usable = !number.is_empty() && number.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
            ensure(
                usable,
                "sas.emergency_numbers",
                number,
                "must be a user part of a SIP URI, such as \"911\"",
            )?;
        }
        self.check_modes()?;
        let peer = self.check_redundant_sas(&proxies, &gateways)?;
        self.check_manipulation()?;
        let table = Table::new(&self)?;
        check_emergency_routes(&self, &gateways, &table)?;
        let code = sas.subscribe_response;
        ensure((200..=699).contains(&code), "sas.subscribe_response", &code, "must be from 200 to 699")?;

        at_least_one("registrar.max_users", registrar.max_users)?;
        at_least_one("registrar.max_contacts", registrar.max_contacts)?;
        let keyring = auth.as_ref().map(Keyring::new).transpose()?;
        self.check_trust()?;
        ensure(
            (500..=16_777_216).contains(&limits.max_message),
            "limits.max_message",
            &limits.max_message,
            "must be from 500 to 16777216 bytes",
        )?;
        ensure(
            (10..=65_535).contains(&limits.max_headers),
            "limits.max_headers",
            &limits.max_headers,
            "must be from 10 to 65535",
        )?;
        at_least_one("limits.max_transactions", limits.max_transactions)?;
        at_least_one("limits.max_connections", limits.max_connections)?;
        at_least_one("limits.max_connections_of_host", limits.max_connections_of_host)?;
        ensure(
            (500..=65_535).contains(&limits.max_udp_request),
            "limits.max_udp_request",
            &limits.max_udp_request,
            "must be from 500 to 65535 bytes",
        )?;
        ensure(
            limits.max_buffered >= limits.max_message,
            "limits.max_buffered",
            &limits.max_buffered,
            "must not be below limits.max_message",
        )?;
        span("limits.connect_time", limits.connect_time, 10..=32_000)?;
        // RFC 3261 18: as long as the longest transaction, which Timer C ends.
        span("limits.connection_idle", limits.connection_idle, 200_000..=86_400_000)?;
        Ok(Config { proxies, gateways, keyring, peer, table, settings: self })
    }
}

pub(super) fn targets(key: &'static str, uris: &[UriBuf]) -> Result<Vec<Target>, ConfigError> {
    let mut targets: Vec<Target> = Vec::with_capacity(uris.len());
    for uri in uris {
        let view = uri.as_uri();
        ensure(view.is_sip(), key, uri, "must be a sip: URI")?;
        let transport = Transport::of(&view).unwrap_or(Transport::Ws);
        let reachable = transport == Transport::Udp || transport.is_dialled();
        ensure(reachable, key, uri, "must be reached by UDP, TCP or TLS")?;
        let address = view.host_port().and_then(|hp| hp.socket_addr(transport.default_port()));
        let is_usable =
            address.is_none_or(|address| !address.ip().is_unspecified()) && view.port() != Some(0);
        ensure(is_usable, key, uri, "must not have 0.0.0.0 or [::] for its host, nor port 0")?;
        // RFC 1035 2.3.4; what can be asked of the DNS, and comes back from it.
        let is_short = |name: &str| name.len() <= 200 && name.split('.').all(|label| label.len() <= 63);
        let is_host = !matches!(view.host(), Some(Host::Name(name)) if !is_short(name));
        ensure(is_host, key, uri, "must have a host name of at most 200 letters, and 63 in each label")?;
        ensure(!targets.iter().any(|t| t.is_host_of(&view)), key, uri, "stands there twice")?;
        let places: Vec<_> = address.into_iter().map(|address| (transport, address)).collect();
        let address = address.unwrap_or(UNRESOLVED);
        targets.push(Target { uri: uri.clone(), address, transport, places });
    }
    Ok(targets)
}

pub(super) fn ensure(
    holds: bool,
    key: &'static str,
    value: &dyn fmt::Display,
    reason: &'static str,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { key, value: value.to_string(), reason }) }
}

pub(super) fn at_least_one(key: &'static str, value: usize) -> Result<(), ConfigError> {
    ensure(value >= 1, key, &value, "must be at least 1")
}

pub(super) fn span(
    key: &'static str,
    value: Duration,
    millis: RangeInclusive<u64>,
) -> Result<(), ConfigError> {
    let within =
        Duration::from_millis(*millis.start()) <= value && value <= Duration::from_millis(*millis.end());
    let reason = match (millis.start(), millis.end()) {
        (10, 10_000) => "must be from 10ms to 10s",
        (10, 32_000) => "must be from 10ms to 32s",
        (10, _) => "must be from 10ms to 60s",
        (1000, _) => "must be from 1s to 24h",
        (200_000, _) => "must be from 200s to 24h",
        (100, _) => "must be from 100ms to 2000000s",
        (_, 86_400_000) => "must be at most 24h",
        _ => "must be at most 2000000s",
    };
    ensure(within, key, &Millis(value), reason)
}

/// A duration as a site writes it.
pub(super) struct Millis(pub(super) Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_secs(), self.0.subsec_nanos()) {
            (secs, 0) => write!(f, "{secs}s"),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::SurvivabilityMode;
    use super::*;

    /// Settings with one proxy, which are valid.
    pub(in crate::config) fn standard() -> Settings {
        let mut settings = Settings::default();
        settings.proxy_set.targets = vec!["sip:192.0.2.1".parse().unwrap()];
        settings
    }

    /// Why those are refused once changed.
    pub(in crate::config) fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = standard();
        change(&mut settings);
        settings.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_with_one_proxy_are_valid() {
        let config = standard().validate().unwrap();
        assert_eq!(config.proxies()[0].address, "192.0.2.1:5060".parse().unwrap());
    }

    #[test]
    fn a_name_has_no_address_until_it_is_told() {
        let mut settings = standard();
        settings.proxy_set.targets.push("sip:pbx.example".parse().unwrap());
        let mut config = settings.validate().unwrap();
        let [(which, _)] = config.named()[..] else { panic!("{config:?}") };
        assert_eq!(which, TargetRef::Proxy(1));
        assert!(!config.proxies()[1].is_resolved());
        let place = |address: &str| (Transport::Udp, address.parse().unwrap());
        let [a, b, c] = ["192.0.2.7:5060", "192.0.2.8:5060", "192.0.2.9:5060"].map(place);
        let target = config.target_mut(which).unwrap();
        target.set_places(vec![a, b]);
        target.use_next_place();
        assert_eq!(target.places().collect::<Vec<_>>(), [b, a]);
        target.set_places(vec![c, b, a]);
        assert_eq!(target.address, b.1);
        target.set_places(vec![]);
        assert_eq!(target.places().collect::<Vec<_>>(), [b, c, a]);
        target.set_places(vec![c]);
        target.use_next_place();
        assert_eq!(target.places().collect::<Vec<_>>(), [c]);
    }

    #[test]
    fn a_name_stands_there_once() {
        let twice = |a: &str, b: &str| {
            refused(|s| s.proxy_set.targets = [a, b].map(|uri| uri.parse().unwrap()).into())
        };
        assert!(twice("sip:pbx.example", "sip:PBX.example").ends_with("stands there twice"));
        let long = format!("sip:{}.example", "a".repeat(64));
        assert!(twice("sip:pbx.example", &long).contains("63 in each label"));
    }

    #[test]
    fn a_branch_without_proxy_is_always_in_emergency() {
        assert!(
            refused(|s| s.proxy_set.targets.clear()).starts_with("proxy_set.targets = []: must name a proxy")
        );
        let mut settings = Settings::default();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        assert!(settings.validate().is_ok());
    }

    #[test]
    fn what_could_never_act_is_refused() {
        let error = refused(|s| {
            s.proxy_set.keepalive = false;
            s.sas.entering_emergency = super::super::EnteringEmergency::KeepAlive;
        });
        assert!(error.starts_with("proxy_set.keepalive = false: needs"), "{error}");
    }

    #[test]
    fn a_refusal_names_key_value_and_reason() {
        assert_eq!(refused(|s| s.proxy_set.up_after = 0), "proxy_set.up_after = 0: must be at least 1");
        assert_eq!(
            refused(|s| s.sas.request_patience = Duration::ZERO),
            "sas.request_patience = 0s: must be from 10ms to 32s"
        );
        assert_eq!(
            refused(|s| s.sas.default_gateway = vec!["sip:gw.example:0".parse().unwrap()]),
            "sas.default_gateway = sip:gw.example:0: must not have 0.0.0.0 or [::] for its host, nor port 0"
        );
        assert_eq!(
            refused(|s| s.proxy_set.failure_responses = vec![200]),
            "proxy_set.failure_responses = 200: must be from 300 to 699"
        );
        assert_eq!(
            refused(|s| s.sas.registration_time = Duration::from_millis(1500)),
            "sas.registration_time = 1500ms: must be whole seconds"
        );
    }
}
