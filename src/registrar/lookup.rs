//! Who is registered where: the database as it stands at one moment (`sas.md` 4.1, 4.4 step 5, 7.2).

use super::Registrar;
use super::binding::{Binding, Origin};
use super::gruu;
use crate::config::Trust;
use crate::time::Instant;
use crate::uri::{AorKey, HomeHosts, Host, Uri, unescape_bytes, user_of};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How many bindings in the same place are looked at for one that is equivalent. A phone has a few lines; more of the same
/// host, port and user are made by somebody who wants to keep us busy.
const MAX_CANDIDATES: usize = 32;

/// What the database knows of an address of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It has a contact.
    Registered,
    /// It had one: known, but away.
    Former,
    /// It never had one, or left too long ago to be remembered.
    Unknown,
}

/// What a URI names that may be a GRUU (RFC 5627 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Named<'a> {
    /// It is no GRUU, or none of ours.
    Else,
    /// A GRUU of ours that is none, or is none any more: 404.
    Nobody,
    /// These bindings of one instance; none: 480.
    Instance(Vec<&'a Binding>),
}

/// The database at one moment: what is past its lifetime then is not seen, collected or not.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    registrar: &'a Registrar,
    now: Instant,
    grace: Duration,
}

impl Registrar {
    /// The database at `now`. What the proxy granted is seen for `grace` past its lifetime: `stale_binding_grace` while the
    /// proxy is away, else zero (`sas.md` 3.4).
    #[must_use]
    pub const fn at(&self, now: Instant, grace: Duration) -> View<'_> {
        View { registrar: self, now, grace }
    }
}

impl<'a> View<'a> {
    fn sees(&self, binding: &Binding) -> bool {
        let grace = match binding.origin {
            Origin::Proxy => self.grace,
            Origin::Local => Duration::ZERO,
        };
        binding.expires_at + grace > self.now
    }

    /// The contacts of the user that `uri` names: highest q first, equal q next to each other in order of registration.
    ///
    /// First the address of record itself. Then the one that registration manipulation finds by this user (`sas.md` 6.1). Then, if `uri` names a user of ours or a number, which need no host, the one
    /// address of record at another host that has this user, if there is exactly one: phones may register under the central
    /// domain and call under an address of the branch.
    pub fn bindings(&self, uri: &Uri<'_>, hosts: &HomeHosts) -> impl Iterator<Item = &'a Binding> + use<'a> {
        let table = &self.registrar.table;
        let found = AorKey::text(uri, hosts).and_then(|key| match table.of_user(&key).next() {
            Some((_, binding)) => Some(binding.key()),
            // sas.md 7.2: the associated address of record goes before that of the user alone.
            None => {
                let user = user_of(&key);
                let by_user = || table.only_one_named(user).filter(|_| user == key);
                table.only_one_associated(user).or_else(by_user)
            }
        });
        let view = *self;
        let all = found.map(|key| table.of_user(key)).into_iter().flatten();
        all.map(|(_, binding)| binding).filter(move |binding| view.sees(binding))
    }

    /// The binding whose contact `uri` is: equivalent, or else the same user, host and port. If there is none, a binding at
    /// the same host and port, whatever its user, since phones put other users into the Contact of a call than into that of
    /// a REGISTER; or else one whose REGISTER came from there. Of several, the one that registered first.
    ///
    /// A contact is *proven* if its REGISTER came from its address, and a proven one comes before one that is not, so that
    /// nobody gets the calls of another phone by registering its contact; behind a NAT none is. For the addresses of
    /// proxies and gateways only proven ones count, so that nobody gets the calls to the outside either. That `uri` is not
    /// an address of ours is for the caller to see to.
    #[must_use]
    pub fn by_contact(&self, uri: &Uri<'_>) -> Option<&'a Binding> {
        let place = uri.host_port();
        let address = place.and_then(|place| place.socket_addr(place.port.unwrap_or(5060)));
        let from_there = || address.and_then(|address| self.by_source(address));
        // However many others claim the place, who sends from it is found.
        if let Some(binding) = address.and_then(|address| self.own_contact(uri, address)) {
            return Some(binding);
        }
        let table = &self.registrar.table;
        let in_place = table.at_uri(uri).take(MAX_CANDIDATES).map(|row| &row.binding);
        let in_place: Vec<&'a Binding> = in_place.filter(|binding| self.sees(binding)).collect();
        let in_place = || in_place.iter().copied();
        let is_equivalent = |binding: &&Binding| binding.contact().equivalent(uri);
        let proven = in_place().filter(is_proven).find(is_equivalent).or_else(|| in_place().find(is_proven));
        if proven.is_some() || address.is_some_and(|address| self.registrar.infrastructure.contains(&address))
        {
            return proven;
        }
        let claimed = in_place().find(is_equivalent).or_else(|| in_place().next());
        let at_host = || place.and_then(|place| self.at_host(place.host, place.port.unwrap_or(5060)));
        claimed.or_else(at_host).or_else(from_there)
    }

    /// The binding whose contact is `uri` and whose REGISTER came from `address`, which is that of `uri`.
    fn own_contact(&self, uri: &Uri<'_>, address: SocketAddr) -> Option<&'a Binding> {
        let mut bindings = self.registrar.table.by_source(address).take(MAX_CANDIDATES);
        bindings.find(|binding| self.sees(binding) && binding.contact().equivalent(uri))
    }

    /// What `uri` names if it is a GRUU: one of ours, or one that the proxy has made for who is registered here.
    ///
    /// A public one is good for as long as its address of record is known, a temporary one until its instance is gone or has taken
    /// another Call-ID. Of the temporary ones of the proxy's the latest is known.
    #[must_use]
    pub fn by_gruu(&self, uri: &Uri<'_>, hosts: &HomeHosts) -> Named<'a> {
        let Some(gr) = gruu::gr(uri) else { return Named::Else };
        let nobody = || match uri.host() {
            Some(host) if hosts.contains(host) => Named::Nobody,
            _ => Named::Else,
        };
        let Some(gr) = gr.filter(|gr| !gr.is_empty()) else {
            return self.by_temporary(uri).map_or_else(nobody, |binding| self.instance_of(binding));
        };
        let (gr, mut bindings) = (unescape_bytes(gr.as_bytes()), self.bindings(uri, hosts));
        let is_it = |binding: &&Binding| {
            binding.instance().is_some_and(|instance| instance.as_bytes() == &*gr)
                || binding
                    .pub_gruu()
                    .is_some_and(|gruu| Uri::parse(gruu).is_ok_and(|gruu| gruu.equivalent(uri)))
        };
        if let Some(binding) = bindings.find(is_it) {
            return self.instance_of(binding);
        }
        // RFC 5627 5.3: "subsequent requests targeted to the GRUU, prior to re-registration of a contact to the GRUU, SHOULD return a
        // 480".
        let standing = AorKey::of(uri, hosts).map_or(Standing::Unknown, |key| self.standing(&key));
        match standing {
            Standing::Registered | Standing::Former => Named::Instance(Vec::new()),
            Standing::Unknown => nobody(),
        }
    }

    fn by_temporary(&self, uri: &Uri<'_>) -> Option<&'a Binding> {
        let table = &self.registrar.table;
        if let Some(says) = uri.user().and_then(|user| self.registrar.mint.read(user)) {
            let is_of = |binding: &&Binding| {
                self.sees(binding) && Uri::parse(binding.aor()).is_ok_and(|aor| aor.host() == uri.host())
            };
            return table.of_temporary(says).find(is_of);
        }
        let is_it = |binding: &&Binding| {
            let gruu = binding.temp_gruu().and_then(|gruu| Uri::parse(gruu).ok());
            self.sees(binding) && gruu.is_some_and(|gruu| gruu.equivalent(uri))
        };
        table.with_temp_gruu(uri).take(MAX_CANDIDATES).find(is_it)
    }

    /// All bindings of the instance of `binding`.
    fn instance_of(&self, binding: &'a Binding) -> Named<'a> {
        let all = self.registrar.table.of_user(binding.key()).map(|(_, binding)| binding);
        Named::Instance(
            all.filter(|other| self.sees(other) && other.instance() == binding.instance()).collect(),
        )
    }

    /// The flows of the instance that `binding` is one of (RFC 5626); `binding` alone where it is no flow.
    #[must_use]
    pub fn flows_of(&self, binding: &'a Binding) -> Vec<&'a Binding> {
        if binding.reg_id.is_none() {
            return vec![binding];
        }
        let all = self.registrar.table.of_user(binding.key()).map(|(_, binding)| binding);
        all.filter(|other| {
            self.sees(other) && other.reg_id.is_some() && other.instance() == binding.instance()
        })
        .collect()
    }

    /// A binding whose REGISTER came from `source`.
    #[must_use]
    pub fn by_source(&self, source: SocketAddr) -> Option<&'a Binding> {
        let bindings = self.registrar.table.by_source(source);
        bindings.take(MAX_CANDIDATES).find(|binding| self.sees(binding))
    }

    /// How far whoever sends a request as `aor` from `source` is trusted for a binding (`sas.md` 7.6): one of that address of record that
    /// has the same `instance` or came from the same host, or any that came from the same address and port.
    #[must_use]
    pub fn trust_of(
        &self,
        aor: &Uri<'_>,
        instance: Option<&str>,
        source: SocketAddr,
        hosts: &HomeHosts,
    ) -> Trust {
        let is_device = |binding: &&Binding| {
            (instance.is_some() && binding.instance() == instance) || binding.source.ip() == source.ip()
        };
        let of_aor = self.bindings(aor, hosts).filter(is_device);
        let from_there = self.registrar.table.by_source(source).take(MAX_CANDIDATES);
        let from_there = from_there.filter(|binding| self.sees(binding));
        of_aor.chain(from_there).map(|binding| binding.trust).max().unwrap_or_default()
    }

    /// Whether a binding's REGISTER came from `host`, whatever the port.
    #[must_use]
    pub fn knows(&self, host: IpAddr) -> bool {
        self.registrar.table.of_host(host).take(MAX_CANDIDATES).any(|binding| self.sees(binding))
    }

    fn at_host(&self, host: Host<'_>, port: u16) -> Option<&'a Binding> {
        let there = self.registrar.table.at_host(host, port).take(MAX_CANDIDATES);
        let there = there.filter(|row| self.sees(&row.binding));
        // Proven ones first.
        there.min_by_key(|row| (!is_proven(&&row.binding), row.serial)).map(|row| &row.binding)
    }

    /// Whether a request with `from` in its From, sent by `source`, is of a registered user: by the address of record, by
    /// where the user registered from, or by a contact there (`sas.md` 4.1).
    #[must_use]
    pub fn is_registered(&self, from: &Uri<'_>, source: SocketAddr, hosts: &HomeHosts) -> bool {
        self.bindings(from, hosts).next().is_some()
            || self.by_source(source).is_some()
            || self.at_host(source.ip().into(), source.port()).is_some()
    }

    /// What is known of the address of record `key`: 480 rather than 404 for who was here once.
    #[must_use]
    pub fn standing(&self, key: &AorKey) -> Standing {
        let mut bindings = self.registrar.table.of_user(key.as_str()).map(|(_, binding)| binding).peekable();
        if bindings.peek().is_none() {
            let was_here = self.registrar.knew(key.as_str());
            return if was_here { Standing::Former } else { Standing::Unknown };
        }
        if bindings.any(|binding| self.sees(binding)) { Standing::Registered } else { Standing::Former }
    }
}

/// Whether the REGISTER came from the host that its contact names.
fn is_proven(binding: &&Binding) -> bool {
    binding.contact().host().and_then(|host| host.ip()) == Some(binding.source.ip())
}
