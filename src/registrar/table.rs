//! The bindings, and the orders in which they are looked for. Every look-up and every change is a walk down a sorted
//! tree; nothing walks over all bindings.
//!
//! Invariant: each index holds exactly what the bindings in `bindings` say.

use super::binding::{Binding, Home, Origin};
use crate::time::Instant;
use crate::transport::FlowId;
use crate::uri::{AorKey, Host, Scheme, Uri};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;
use std::time::Duration;

/// Names a binding: in order of registration, and kept by a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingId(u64);

impl BindingId {
    const FIRST: Self = Self(0);
    const LAST: Self = Self(u64::MAX);
}

/// Where a contact is, as coarsely as it is looked for: two URIs that are equivalent are in the same place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    host: Box<str>,
    port: u16,
    user: Box<[u8]>,
    id: BindingId,
}

impl Place {
    fn of(uri: &Uri<'_>, id: BindingId) -> Self {
        match uri.host() {
            Some(host) => {
                // RFC 3261 19.1.2.
                let default = if uri.scheme() == Scheme::Sips { 5061 } else { 5060 };
                let user = uri.index_bytes().into();
                Self { user, ..Self::at(host, uri.port().unwrap_or(default), id) }
            }
            None => Self { host: "".into(), port: 0, user: uri.index_bytes().into(), id },
        }
    }

    fn at(host: Host<'_>, port: u16, id: BindingId) -> Self {
        Self { host: host.to_string().to_ascii_lowercase().into(), port, user: Box::default(), id }
    }
}

/// Whether both are found by the same look-ups, but for when they end.
fn is_found_alike(a: &Binding, b: &Binding) -> bool {
    (a.q, a.source, a.flow, a.origin) == (b.q, b.source, b.flow, b.origin)
        && a.key == b.key
        && a.contact == b.contact
}

/// The bindings and their indexes.
#[derive(Debug, Default)]
pub(super) struct Table {
    bindings: BTreeMap<BindingId, Binding>,
    /// The bindings of each address of record: highest q first, then in order of registration.
    users: BTreeMap<AorKey, Vec<BindingId>>,
    /// The addresses of record with a host, by their user alone.
    by_user: BTreeMap<Box<str>, BTreeSet<AorKey>>,
    places: BTreeSet<Place>,
    sources: BTreeSet<(SocketAddr, BindingId)>,
    flows: BTreeSet<(FlowId, BindingId)>,
    local_due: BTreeSet<(Instant, BindingId)>,
    proxy_due: BTreeSet<(Instant, BindingId)>,
    unconfirmed: usize,
    serial: u64,
}

impl Table {
    pub(super) fn insert(&mut self, binding: Binding) {
        self.serial += 1;
        let id = BindingId(self.serial);
        self.link(id, &binding);
        self.bindings.insert(id, binding);
    }

    /// Puts `binding` in the place of `id`, which keeps its turn among its equals.
    pub(super) fn replace(&mut self, id: BindingId, binding: Binding) {
        let Some(old) = self.bindings.get_mut(&id) else { return };
        if is_found_alike(old, &binding) {
            // An ordinary refresh: it ends later, and that is all.
            let (expires_at, home) = (binding.expires_at, binding.home);
            let old = std::mem::replace(old, binding);
            let due = self.due(old.origin);
            due.remove(&(old.expires_at, id));
            due.insert((expires_at, id));
            self.unconfirmed -= usize::from(old.home != Home::Confirmed);
            self.unconfirmed += usize::from(home != Home::Confirmed);
        } else if let Some(old) = self.bindings.remove(&id) {
            self.unlink(id, &old);
            self.link(id, &binding);
            self.bindings.insert(id, binding);
        }
    }

    pub(super) fn remove(&mut self, id: BindingId) -> Option<Binding> {
        let binding = self.bindings.remove(&id)?;
        self.unlink(id, &binding);
        Some(binding)
    }

    fn link(&mut self, id: BindingId, binding: &Binding) {
        let rank = |q: u16, id: BindingId| (Reverse(q), id);
        let bindings = &self.bindings;
        let ids = self.users.entry(binding.key.clone()).or_default();
        let at = ids.partition_point(|other| {
            bindings.get(other).is_some_and(|b| rank(b.q, *other) < rank(binding.q, id))
        });
        ids.insert(at, id);
        if binding.key.user() != binding.key.as_str() {
            self.by_user.entry(binding.key.user().into()).or_default().insert(binding.key.clone());
        }
        self.places.insert(Place::of(&binding.contact.as_uri(), id));
        self.sources.insert((binding.source, id));
        self.flows.extend(binding.flow.map(|flow| (flow, id)));
        self.due(binding.origin).insert((binding.expires_at, id));
        self.unconfirmed += usize::from(binding.home != Home::Confirmed);
    }

    fn unlink(&mut self, id: BindingId, binding: &Binding) {
        if let Some(ids) = self.users.get_mut(&binding.key) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.users.remove(&binding.key);
                self.unlink_user(&binding.key);
            }
        }
        self.places.remove(&Place::of(&binding.contact.as_uri(), id));
        self.sources.remove(&(binding.source, id));
        if let Some(flow) = binding.flow {
            self.flows.remove(&(flow, id));
        }
        self.due(binding.origin).remove(&(binding.expires_at, id));
        self.unconfirmed -= usize::from(binding.home != Home::Confirmed);
    }

    fn unlink_user(&mut self, key: &AorKey) {
        if let Some(keys) = self.by_user.get_mut(key.user()) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_user.remove(key.user());
            }
        }
    }

    const fn due(&mut self, origin: Origin) -> &mut BTreeSet<(Instant, BindingId)> {
        match origin {
            Origin::Proxy => &mut self.proxy_due,
            Origin::Local => &mut self.local_due,
        }
    }

    /// What ends next and when, if what the proxy granted is kept for `grace` past its lifetime.
    pub(super) fn next_due(&self, grace: Duration) -> Option<(Instant, BindingId)> {
        let local = self.local_due.first().copied();
        let proxy = self.proxy_due.first().map(|(at, id)| (*at + grace, *id));
        local.into_iter().chain(proxy).min()
    }

    /// All flows of `flow`'s bindings are gone: they stay, without a flow.
    pub(super) fn forget_flow(&mut self, flow: FlowId) {
        let range = (flow, BindingId::FIRST)..=(flow, BindingId::LAST);
        let ids: Vec<_> = self.flows.range(range).map(|(_, id)| *id).collect();
        for id in ids {
            self.flows.remove(&(flow, id));
            if let Some(binding) = self.bindings.get_mut(&id) {
                binding.flow = None;
            }
        }
    }

    pub(super) fn uses_flow(&self, flow: FlowId) -> bool {
        self.flows.range((flow, BindingId::FIRST)..=(flow, BindingId::LAST)).next().is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    pub(super) const fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    pub(super) fn contains(&self, key: &AorKey) -> bool {
        self.users.contains_key(key)
    }

    /// The first binding behind `last` in order of registration.
    pub(super) fn next_after(&self, last: Option<BindingId>) -> Option<(BindingId, &Binding)> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.bindings.range((start, Bound::Unbounded)).next().map(|(id, binding)| (*id, binding))
    }

    /// All bindings, in order of registration.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values()
    }

    /// The bindings of `key`: highest q first, then in order of registration.
    pub(super) fn of_user<'t>(
        &'t self,
        key: &AorKey,
    ) -> impl Iterator<Item = (BindingId, &'t Binding)> + use<'t> {
        self.users.get(key).into_iter().flatten().filter_map(|id| Some((*id, self.bindings.get(id)?)))
    }

    /// The one address of record with a host that has `user`, if there is exactly one.
    pub(super) fn only_one_named(&self, user: &str) -> Option<&AorKey> {
        let mut keys = self.by_user.get(user)?.iter();
        keys.next().filter(|_| keys.next().is_none())
    }

    /// The bindings whose contact has the user, host and port of `uri`, in order of registration.
    pub(super) fn at_uri(&self, uri: &Uri<'_>) -> impl Iterator<Item = &Binding> {
        let first = Place::of(uri, BindingId::FIRST);
        let last = Place { id: BindingId::LAST, ..first.clone() };
        self.places.range(first..=last).filter_map(|place| self.bindings.get(&place.id))
    }

    /// The bindings whose contact has this host and port, whatever its user.
    pub(super) fn at_host(&self, host: Host<'_>, port: u16) -> impl Iterator<Item = &Binding> {
        let first = Place::at(host, port, BindingId::FIRST);
        let same = first.clone();
        self.places
            .range(first..)
            .take_while(move |place| place.host == same.host && place.port == same.port)
            .filter_map(|place| self.bindings.get(&place.id))
    }

    /// The bindings whose REGISTER came from `source`, in order of registration.
    pub(super) fn by_source(&self, source: SocketAddr) -> impl Iterator<Item = &Binding> {
        self.between(source, source)
    }

    /// The bindings whose REGISTER came from `host`, from whichever port.
    pub(super) fn of_host(&self, host: IpAddr) -> impl Iterator<Item = &Binding> {
        self.between(SocketAddr::new(host, 0), SocketAddr::new(host, u16::MAX))
    }

    fn between(&self, first: SocketAddr, last: SocketAddr) -> impl Iterator<Item = &Binding> {
        let range = (first, BindingId::FIRST)..=(last, BindingId::LAST);
        self.sources.range(range).filter_map(|(_, id)| self.bindings.get(id))
    }
}
