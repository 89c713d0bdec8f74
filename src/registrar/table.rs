//! The bindings, and the names by which they are looked for. A look-up or a change touches as much of the indexes as it has to do
//! with; nothing walks over all bindings.
//!
//! Invariant: each index holds exactly what the bindings in `rows` say.

use super::binding::{Binding, Home, Origin};
use super::gruu::Temporary;
use super::index::{Entry, Index, MAX_SLOTS, Name, Names};
use super::texts::{Parts, Texts};
use crate::config::RegistrationManipulation;
use crate::slab::{Slab, SlabId};
use crate::time::{Instant, TimerId, Timers};
use crate::transport::{FlowId, Peer};
use crate::uri::{Host, Scheme, Uri, user_of};
use std::hash::Hasher as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Names a binding; kept by a refresh, and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingId(SlabId);

/// A binding and its turn.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) binding: Binding,
    /// Counts up from one registration to the next; kept by a refresh.
    pub(super) serial: u64,
    due: TimerId,
}

impl Row {
    /// How it is entered where only its turn counts.
    const fn entry(&self, id: BindingId) -> Entry {
        Entry { rank: 0, serial: self.serial, slot: id.0.slot() }
    }

    /// How it is entered under its address of record: highest q first.
    fn ranked(&self, id: BindingId) -> Entry {
        Entry { rank: 1000 - self.binding.q.min(1000), ..self.entry(id) }
    }
}

/// Whether both are found by the same look-ups, but for when they end.
fn is_found_alike(a: &Binding, b: &Binding) -> bool {
    (a.q, a.source, a.flow, a.origin) == (b.q, b.source, b.flow, b.origin)
        && (a.texts.is_same(&b.texts)
            || (a.key() == b.key() && a.contact() == b.contact() && a.temp_gruu() == b.temp_gruu()))
}

/// The turn of who registers at the epoch: half of what an index can name, so that there are turns for who came before.
const EPOCH: u64 = 1 << 43;

/// The turn by the time of registration alone, in milliseconds.
fn since_epoch(binding: &Binding) -> u64 {
    let since = binding.registered_at.as_micros() / 1000;
    (EPOCH + since.min(EPOCH / 2)).saturating_sub(binding.past.registered.into())
}

/// The bindings and their indexes.
#[derive(Debug)]
pub(super) struct Table {
    rows: Slab<Row>,
    names: Names,
    /// By the user of the address of record's key, and by the whole of it.
    users: Index,
    /// By the contact's host and port, and its user: two URIs that are equivalent are in the same place.
    places: Index,
    /// By the IP address that the REGISTER came from, and its port.
    sources: Index,
    flows: Index,
    /// By what registration manipulation makes of the user (`sas.md` 6.1), which no binding keeps: it is cut anew.
    associated: Index,
    manipulation: RegistrationManipulation,
    local_due: Timers<BindingId>,
    proxy_due: Timers<BindingId>,
    user_count: usize,
    unconfirmed: usize,
    serial: u64,
    /// By the temporary GRUU that the proxy has made, where it has made one.
    gruus: Index,
    /// The latest era of GRUUs of ours.
    era: u64,
}

impl Table {
    pub(super) fn new(secret: [u64; 2], manipulation: RegistrationManipulation) -> Self {
        Self {
            rows: Slab::default(),
            names: Names::new(secret),
            users: Index::default(),
            places: Index::default(),
            sources: Index::default(),
            flows: Index::default(),
            associated: Index::default(),
            manipulation,
            local_due: Timers::default(),
            proxy_due: Timers::default(),
            user_count: 0,
            unconfirmed: 0,
            serial: 0,
            gruus: Index::default(),
            era: 0,
        }
    }

    /// A new era for the temporary GRUUs of an instance.
    pub(super) const fn next_era(&mut self) -> u64 {
        self.era += 1;
        self.era
    }

    /// Eras to come are behind this one.
    pub(super) fn pass_era(&mut self, era: u64) {
        self.era = self.era.max(era);
    }

    pub(super) fn set_era(&mut self, id: BindingId, era: u64) {
        if let Some(row) = self.rows.get_mut(id.0) {
            row.binding.era = era;
        }
    }

    /// What a temporary GRUU of `binding` says.
    pub(super) fn says(&self, binding: &Binding) -> Option<Temporary> {
        let name = user_name(self.names, binding.key());
        let (coarse, fine) = name.parts();
        (binding.era != 0).then_some(Temporary { coarse, fine, era: binding.era })
    }

    /// Whether a temporary GRUU that says `says` is of the address of record `key`.
    pub(super) fn is_named(&self, key: &str, says: Temporary) -> bool {
        user_name(self.names, key).parts() == (says.coarse, says.fine)
    }

    /// The bindings of the instance that a temporary GRUU speaks of.
    pub(super) fn of_temporary(&self, says: Temporary) -> impl Iterator<Item = &Binding> {
        let name = Name::new(says.coarse.into(), says.fine);
        let bindings = self.rows_of(self.users.named(name)).map(|row| &row.binding);
        bindings.filter(move |binding| binding.era == says.era && self.is_named(binding.key(), says))
    }

    /// The bindings for which the proxy has made a temporary GRUU like `uri`.
    pub(super) fn with_temp_gruu<'t>(&'t self, uri: &Uri<'_>) -> impl Iterator<Item = &'t Binding> {
        self.rows_of(self.gruus.named(gruu_name(self.names, uri))).map(|row| &row.binding)
    }

    /// Whether the indexes can name no more bindings.
    pub(super) const fn is_full(&self) -> bool {
        self.rows.len() >= MAX_SLOTS
    }

    pub(super) fn insert(&mut self, binding: Binding) {
        self.serial = self.serial.max(since_epoch(&binding)) + 1;
        self.insert_as(binding, self.serial);
    }

    /// Adds a binding of long ago, with its turn by when it was registered.
    pub(super) fn restore(&mut self, binding: Binding) {
        let serial = since_epoch(&binding);
        self.insert_as(binding, serial);
    }

    fn insert_as(&mut self, binding: Binding, serial: u64) {
        self.user_count += usize::from(!self.contains(binding.key()));
        let row = Row { binding, serial, due: TimerId::NONE };
        let id = BindingId(self.rows.insert(row));
        self.link(id);
    }

    /// Puts `binding` in the place of `id`, which keeps its turn among its equals.
    pub(super) fn replace(&mut self, id: BindingId, binding: Binding) {
        let Some(row) = self.rows.get_mut(id.0) else { return };
        if is_found_alike(&row.binding, &binding) {
            // An ordinary refresh: it ends later, and that is all.
            self.unconfirmed -= usize::from(row.binding.home != Home::Confirmed);
            self.unconfirmed += usize::from(binding.home != Home::Confirmed);
            let due = match binding.origin {
                Origin::Proxy => &mut self.proxy_due,
                Origin::Local => &mut self.local_due,
            };
            row.due = due.rearm(row.due, binding.expires_at);
            row.binding = binding;
        } else {
            self.unlink(id);
            if let Some(row) = self.rows.get_mut(id.0) {
                row.binding = binding;
            }
            self.link(id);
        }
    }

    pub(super) fn remove(&mut self, id: BindingId) -> Option<Binding> {
        self.unlink(id);
        let Row { binding, .. } = self.rows.remove(id.0)?;
        self.user_count -= usize::from(!self.contains(binding.key()));
        Some(binding)
    }

    /// Gives `id` another key, by which it is looked for from now on. The binding as it was and as it is.
    pub(super) fn rekey(&mut self, id: BindingId, key: &str) -> Option<(Binding, Binding)> {
        let was = self.rows.get(id.0)?.binding.clone();
        self.unlink(id);
        self.user_count -= usize::from(!self.contains(was.key()));
        self.user_count += usize::from(!self.contains(key));
        let row = self.rows.get_mut(id.0)?;
        row.binding.texts = Texts::new(Parts { key, ..was.texts.parts() });
        let is = row.binding.clone();
        self.link(id);
        Some((was, is))
    }

    /// From now on users are found as well by what `manipulation` makes of them.
    pub(super) fn set_manipulation(&mut self, manipulation: RegistrationManipulation) {
        if manipulation == self.manipulation {
            return;
        }
        (self.manipulation, self.associated) = (manipulation, Index::default());
        let rows = self.rows.iter().map(|(id, row)| (user_of(row.binding.key()), row.entry(BindingId(id))));
        for (user, entry) in rows {
            if let Some(user) = manipulation.associated(user) {
                self.associated.insert(self.names.of(user.as_bytes(), user.as_bytes()), entry);
            }
        }
    }

    fn link(&mut self, id: BindingId) {
        let Some(row) = self.rows.get_mut(id.0) else { return };
        let (binding, entry) = (&row.binding, row.entry(id));
        self.users.insert(user_name(self.names, binding.key()), row.ranked(id));
        self.places.insert(place_name(self.names, &binding.contact()), entry);
        self.sources.insert(source_name(self.names, binding.source), entry);
        if let Some(flow) = binding.flow {
            self.flows.insert(flow_name(self.names, flow), entry);
        }
        if let Some(gruu) = binding.temp_gruu().and_then(|gruu| Uri::parse(gruu).ok()) {
            self.gruus.insert(gruu_name(self.names, &gruu), entry);
        }
        if let Some(user) = self.manipulation.associated(user_of(binding.key())) {
            self.associated.insert(self.names.of(user.as_bytes(), user.as_bytes()), entry);
        }
        self.unconfirmed += usize::from(binding.home != Home::Confirmed);
        let due = match binding.origin {
            Origin::Proxy => &mut self.proxy_due,
            Origin::Local => &mut self.local_due,
        };
        row.due = due.arm(binding.expires_at, id);
    }

    fn unlink(&mut self, id: BindingId) {
        let Some(row) = self.rows.get(id.0) else { return };
        let (binding, entry) = (&row.binding, row.entry(id));
        self.users.remove(user_name(self.names, binding.key()), row.ranked(id));
        self.places.remove(place_name(self.names, &binding.contact()), entry);
        self.sources.remove(source_name(self.names, binding.source), entry);
        if let Some(flow) = binding.flow {
            self.flows.remove(flow_name(self.names, flow), entry);
        }
        if let Some(gruu) = binding.temp_gruu().and_then(|gruu| Uri::parse(gruu).ok()) {
            self.gruus.remove(gruu_name(self.names, &gruu), entry);
        }
        if let Some(user) = self.manipulation.associated(user_of(binding.key())) {
            self.associated.remove(self.names.of(user.as_bytes(), user.as_bytes()), entry);
        }
        self.unconfirmed -= usize::from(binding.home != Home::Confirmed);
        match binding.origin {
            Origin::Proxy => self.proxy_due.cancel(row.due),
            Origin::Local => self.local_due.cancel(row.due),
        }
    }

    /// What ends next and when, if what the proxy granted is kept for `grace` past its lifetime.
    pub(super) fn next_due(&self, grace: Duration) -> Option<(Instant, BindingId)> {
        let local = self.local_due.first().map(|(at, id)| (at, *id));
        let proxy = self.proxy_due.first().map(|(at, id)| (at + grace, *id));
        local.into_iter().chain(proxy).min_by_key(|(at, _)| *at)
    }

    /// All flows of `flow`'s bindings are gone: they stay, without a flow.
    pub(super) fn forget_flow(&mut self, flow: FlowId) {
        let name = flow_name(self.names, flow);
        let slots: Vec<_> = self.flows.named(name).collect();
        for slot in slots {
            if let Some(row) = self.rows.at_mut(slot).filter(|row| row.binding.flow == Some(flow)) {
                row.binding.flow = None;
                self.flows.remove(name, Entry { rank: 0, serial: row.serial, slot });
            }
        }
    }

    /// Forgets the flow of those bindings on `peer.flow` that are flows to `peer.address`.
    pub(super) fn forget_peer(&mut self, peer: Peer) {
        let slots: Vec<_> = self.sources.named(source_name(self.names, peer.address)).collect();
        let name = flow_name(self.names, peer.flow);
        for slot in slots {
            let is_there = |binding: &Binding| {
                binding.source == peer.address && binding.flow == Some(peer.flow) && binding.reg_id.is_some()
            };
            if let Some(row) = self.rows.at_mut(slot).filter(|row| is_there(&row.binding)) {
                row.binding.flow = None;
                self.flows.remove(name, Entry { rank: 0, serial: row.serial, slot });
            }
        }
    }

    /// Whether a binding is on `flow`.
    pub(super) fn uses_flow(&self, flow: FlowId) -> bool {
        let mut slots = self.flows.named(flow_name(self.names, flow));
        slots.any(|slot| self.row(slot).is_some_and(|(_, row)| row.binding.flow == Some(flow)))
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) const fn users(&self) -> usize {
        self.user_count
    }

    pub(super) const fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.of_user(key).next().is_some()
    }

    /// Counts up from one registration to the next.
    pub(super) fn turn(&self, id: BindingId) -> Option<u64> {
        self.rows.get(id.0).map(|row| row.serial)
    }

    /// 64 bits that stand for `key`.
    pub(super) fn hash(&self, key: &str) -> u64 {
        self.names.hash(key.as_bytes())
    }

    /// The first binding behind `last` in the order of the table.
    pub(super) fn next_after(&self, last: Option<BindingId>) -> Option<(BindingId, &Binding)> {
        let start = last.map_or(0, |last| last.0.slot().saturating_add(1));
        self.rows.since(start).next().map(|(id, row)| (BindingId(id), &row.binding))
    }

    /// All bindings, in any order.
    pub(super) fn unordered(&self) -> impl Iterator<Item = &Binding> {
        self.rows.iter().map(|(_, row)| &row.binding)
    }

    /// All bindings, in order of registration.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.in_turn().map(|(_, binding)| binding)
    }

    /// The same, with their names.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (BindingId, &Binding)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|(id, row)| (row.serial, *id));
        rows.into_iter().map(|(id, row)| (BindingId(id), &row.binding))
    }

    fn row(&self, slot: u32) -> Option<(BindingId, &Row)> {
        self.rows.at(slot).map(|(id, row)| (BindingId(id), row))
    }

    /// The bindings of `key`: highest q first, then in order of registration.
    pub(super) fn of_user<'t>(&'t self, key: &str) -> impl Iterator<Item = (BindingId, &'t Binding)> {
        let rows = self.users.named(user_name(self.names, key)).filter_map(|slot| self.row(slot));
        rows.map(|(id, row)| (id, &row.binding)).filter(move |(_, binding)| binding.key() == key)
    }

    /// The key of the one address of record with a host that has `user`, if there is exactly one.
    pub(super) fn only_one_named(&self, user: &str) -> Option<&str> {
        let rows = self.users.alike(self.names.hash(user.as_bytes())).filter_map(|slot| self.row(slot));
        let keys = rows.map(|(_, row)| row.binding.key());
        let mut keys = keys.filter(|key| user_of(key) == user && *key != user);
        let first = keys.next()?;
        keys.all(|other| other == first).then_some(first)
    }

    /// The key of the one address of record that registration manipulation finds by `user`, if there is exactly one.
    pub(super) fn only_one_associated(&self, user: &str) -> Option<&str> {
        if self.manipulation.is_identity() {
            return None;
        }
        let wanted = self.manipulation.associated(user).unwrap_or(user);
        // Whoever has just this for a user is called before those who have it for their last digits.
        let here = self.of_user(wanted).next().map(|(_, binding)| binding.key());
        if let Some(key) = here.or_else(|| self.only_one_named(wanted)).filter(|_| wanted != user) {
            return Some(key);
        }
        let rows = self.rows_of(self.associated.named(self.names.of(wanted.as_bytes(), wanted.as_bytes())));
        let keys = rows.map(|row| row.binding.key());
        let mut keys = keys.filter(|key| self.manipulation.associated(user_of(key)) == Some(wanted));
        let first = keys.next()?;
        keys.all(|other| other == first).then_some(first)
    }

    /// The bindings whose contact has the user, host and port of `uri`, in order of registration.
    pub(super) fn at_uri<'t>(&'t self, uri: &Uri<'_>) -> impl Iterator<Item = &'t Row> {
        let (place, user) = (place(uri), uri.index_bytes());
        self.rows_of(self.places.named(place_name(self.names, uri))).filter(move |row| {
            let contact = row.binding.contact();
            self::place(&contact) == place && contact.index_bytes() == user
        })
    }

    /// The bindings whose contact has this host and port, whatever its user.
    pub(super) fn at_host<'t>(&'t self, host: Host<'_>, port: u16) -> impl Iterator<Item = &'t Row> {
        let name = coarse_place(self.names, Some((host, port)));
        self.rows_of(self.places.alike(name))
            .filter(move |row| place(&row.binding.contact()) == Some((host, port)))
    }

    /// The bindings whose REGISTER came from `source`, in order of registration.
    pub(super) fn by_source(&self, source: SocketAddr) -> impl Iterator<Item = &Binding> {
        let rows = self.rows_of(self.sources.named(source_name(self.names, source)));
        rows.map(|row| &row.binding).filter(move |binding| binding.source == source)
    }

    /// The bindings whose REGISTER came from `host`, from whichever port.
    pub(super) fn of_host(&self, host: IpAddr) -> impl Iterator<Item = &Binding> {
        let name = source_name(self.names, SocketAddr::new(host, 0));
        let rows = self.rows_of(self.sources.alike(name.coarse()));
        rows.map(|row| &row.binding).filter(move |binding| binding.source.ip() == host)
    }

    fn rows_of(&self, slots: impl Iterator<Item = u32>) -> impl Iterator<Item = &Row> {
        slots.filter_map(|slot| self.row(slot)).map(|(_, row)| row)
    }
}

fn user_name(names: Names, key: &str) -> Name {
    names.of(user_of(key).as_bytes(), key.as_bytes())
}

/// Where a contact is: host and port, the latter as RFC 3261 19.1.2 has it where it is not written. `None`: no host.
fn place<'u>(uri: &Uri<'u>) -> Option<(Host<'u>, u16)> {
    let default = if uri.scheme() == Scheme::Sips { 5061 } else { 5060 };
    uri.host().map(|host| (host, uri.port().unwrap_or(default)))
}

fn place_name(names: Names, uri: &Uri<'_>) -> Name {
    Name::new(coarse_place(names, place(uri)), names.hash(&uri.index_bytes()))
}

fn coarse_place(names: Names, place: Option<(Host<'_>, u16)>) -> u64 {
    let mut hash = names.hasher();
    if let Some((host, port)) = place {
        hash.write_u16(port);
        host.hash_into(&mut hash);
    }
    hash.finish()
}

fn source_name(names: Names, source: SocketAddr) -> Name {
    let coarse = match source.ip() {
        IpAddr::V4(ip) => names.hash(&ip.octets()),
        IpAddr::V6(ip) => names.hash(&ip.octets()),
    };
    Name::with_number(coarse, source.port())
}

fn flow_name(names: Names, flow: FlowId) -> Name {
    names.of(&flow.0.to_be_bytes(), b"")
}

fn gruu_name(names: Names, uri: &Uri<'_>) -> Name {
    let user = uri.index_bytes();
    names.of(&user, &user)
}
