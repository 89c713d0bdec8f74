//! The network in virtual time. [`Net::step`] jumps exactly to the earlier of the next delivery and the earliest
//! deadline of any node, so a day passes in seconds and nothing ever waits for a clock.
//!
//! Everything random comes from one seed: two runs of one script with one seed are the same, byte for byte. What fails
//! prints the seed and the end of the trace.

use super::link::Link;
use super::trace::{Fate, Source, Trace, What};
use bytes::Bytes;
use sip_survivability::rng::Rng;
use sip_survivability::time::Instant;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

/// Steps at one instant after which a run is taken for stuck.
const STORM: u32 = 200_000;

/// Something with one address that takes datagrams and has deadlines.
pub trait Node: Any {
    fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes);

    /// What was sent to `to` met a closed port.
    fn unreachable(&mut self, io: &mut Io<'_>, to: SocketAddr);

    /// Does what is due at `io.now`; after that [`Node::next_timeout`] lies behind it.
    fn tick(&mut self, io: &mut Io<'_>);

    fn next_timeout(&self) -> Option<Instant>;

    /// Called once, when the node joins the network.
    fn start(&mut self, _io: &mut Io<'_>) {}
}

/// Names a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub(super) usize);

/// Names a node and knows what it is.
#[derive(Debug)]
pub struct Handle<T> {
    pub id: NodeId,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

/// What a node may do while it handles something.
pub struct Io<'a> {
    pub now: Instant,
    pub rng: &'a mut Rng,
    me: NodeId,
    wire: &'a mut Wire,
}

impl Io<'_> {
    pub fn send(&mut self, to: SocketAddr, data: Bytes) {
        self.wire.send(self.now, Source::Node(self.me), to, data);
    }

    /// Writes a line into the trace, and says where.
    pub fn note(&mut self, text: impl Into<String>) -> u64 {
        self.wire.trace.push(self.now, What::Note { node: self.me, text: text.into() })
    }
}

/// All but the nodes themselves, so that a node can send while it is being borrowed.
struct Wire {
    rng: Rng,
    ports: Vec<Port>,
    by_address: BTreeMap<SocketAddr, NodeId>,
    links: BTreeMap<(NodeId, NodeId), Link>,
    everywhere: Link,
    under_way: BTreeMap<(Instant, u64), Delivery>,
    serial: u64,
    trace: Trace,
}

struct Port {
    address: SocketAddr,
    alive: bool,
    cut: bool,
}

enum Delivery {
    Datagram {
        to: NodeId,
        from: SocketAddr,
        data: Bytes,
    },
    /// ICMP port unreachable, on its way back.
    Unreachable {
        to: NodeId,
        about: SocketAddr,
    },
}

impl Wire {
    fn link(&self, a: NodeId, b: NodeId) -> Link {
        let link = self.links.get(&(a.min(b), a.max(b))).copied().unwrap_or(self.everywhere);
        Link { cut: link.cut || self.ports[a.0].cut || self.ports[b.0].cut, ..link }
    }

    fn send(&mut self, now: Instant, from: Source, to: SocketAddr, data: Bytes) {
        let node = self.by_address.get(&to).copied();
        let (source, link) = match (from, node) {
            (Source::Node(from), Some(node)) => (self.ports[from.0].address, self.link(from, node)),
            (Source::Node(from), None) => (self.ports[from.0].address, self.everywhere),
            (Source::Stranger(address), _) => (address, Link::LAN),
        };
        let mut copies = Vec::with_capacity(1);
        let fate = if node.is_none() {
            Fate::NoHost
        } else if link.cut {
            Fate::Cut
        } else if link.loses(&mut self.rng) {
            Fate::Lost
        } else {
            copies.push(now + link.delay(&mut self.rng));
            if link.duplicates(&mut self.rng) {
                copies.push(now + link.delay(&mut self.rng));
            }
            let alive = node.is_some_and(|node| self.ports[node.0].alive);
            if alive { Fate::Arrives(copies[0]) } else { Fate::Refused }
        };
        self.trace.push(now, What::Datagram { from, to, node, data: data.clone(), fate });
        let Some(to_node) = node else { return };
        for (copy, at) in copies.into_iter().enumerate() {
            if copy > 0 {
                let fate = Fate::ArrivesAgain(at);
                self.trace.push(now, What::Datagram { from, to, node, data: data.clone(), fate });
            }
            self.schedule(at, Delivery::Datagram { to: to_node, from: source, data: data.clone() });
        }
    }

    fn schedule(&mut self, at: Instant, delivery: Delivery) {
        self.under_way.insert((at, self.serial), delivery);
        self.serial += 1;
    }

    /// `refusing` has nobody listening; tells `sender`, if the way back lets it through.
    fn refuse(&mut self, now: Instant, refusing: NodeId, sender: SocketAddr) {
        let Some(&to) = self.by_address.get(&sender) else { return };
        let link = self.link(refusing, to);
        if link.cut || link.loses(&mut self.rng) {
            return;
        }
        let at = now + link.delay(&mut self.rng);
        self.schedule(at, Delivery::Unreachable { to, about: self.ports[refusing.0].address });
    }
}

struct Slot {
    node: Option<Box<dyn Node>>,
    rng: Rng,
    deadline: Option<Instant>,
    frozen: bool,
    /// What came while it was frozen.
    backlog: Vec<Delivery>,
}

/// The network and all that is on it.
pub struct Net {
    seed: u64,
    now: Instant,
    wire: Wire,
    slots: Vec<Slot>,
    deadlines: BTreeSet<(Instant, NodeId)>,
    steps_at_this_instant: u32,
}

/// 32 bytes of seed from a number that a person can type.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}

impl Net {
    pub fn new(seed: u64) -> Self {
        let wire = Wire {
            rng: Rng::new(seed_bytes(seed)),
            ports: Vec::new(),
            by_address: BTreeMap::new(),
            links: BTreeMap::new(),
            everywhere: Link::LAN,
            under_way: BTreeMap::new(),
            serial: 0,
            trace: Trace::default(),
        };
        let (now, deadlines) = (Instant::ZERO, BTreeSet::new());
        Self { seed, now, wire, slots: Vec::new(), deadlines, steps_at_this_instant: 0 }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    pub fn trace(&self) -> &Trace {
        &self.wire.trace
    }

    pub fn trace_mut(&mut self) -> &mut Trace {
        &mut self.wire.trace
    }

    /// Puts a node on the network. It starts at once.
    pub fn add<T: Node>(&mut self, name: &str, address: SocketAddr, node: T) -> Handle<T> {
        let id = NodeId(self.slots.len());
        // Each node has a stream of its own, so that one node's draws do not shift another's.
        let mut rng = seed_bytes(self.seed);
        rng[8..16].copy_from_slice(&(id.0 as u64 + 1).to_le_bytes());
        let rng = Rng::new(rng);
        assert!(self.wire.by_address.insert(address, id).is_none(), "{address} is taken");
        self.wire.ports.push(Port { address, alive: true, cut: false });
        self.wire.trace.add_node(name);
        self.slots.push(Slot {
            node: Some(Box::new(node)),
            rng,
            deadline: None,
            frozen: false,
            backlog: Vec::new(),
        });
        self.run_node(id, |node, io| node.start(io));
        Handle { id, kind: PhantomData }
    }

    // Links.

    /// All links that have none of their own are like this one.
    pub fn links(&mut self, link: Link) {
        self.wire.everywhere = link;
    }

    pub fn link<A, B>(&mut self, a: Handle<A>, b: Handle<B>, link: Link) {
        self.wire.links.insert((a.id.min(b.id), a.id.max(b.id)), link);
    }

    /// Cuts a node off from all others. Nobody is told.
    pub fn cut<T>(&mut self, node: Handle<T>) {
        self.wire.ports[node.id.0].cut = true;
        self.script_about("line cut", node.id);
    }

    pub fn mend<T>(&mut self, node: Handle<T>) {
        self.wire.ports[node.id.0].cut = false;
        self.script_about("line mended", node.id);
    }

    pub fn name<T>(&self, node: Handle<T>) -> &str {
        self.wire.trace.name(node.id)
    }

    pub fn is_alive<T>(&self, node: Handle<T>) -> bool {
        self.wire.ports[node.id.0].alive
    }

    pub fn address<T>(&self, node: Handle<T>) -> SocketAddr {
        self.wire.ports[node.id.0].address
    }

    // Nodes.

    /// The node stops in its tracks. What comes for it waits.
    pub fn freeze<T>(&mut self, node: Handle<T>) {
        self.slots[node.id.0].frozen = true;
        self.watch(node.id);
        self.script_about("process frozen", node.id);
    }

    /// The node goes on: what waited arrives now, then what is due.
    pub fn thaw<T>(&mut self, node: Handle<T>) {
        self.script_about("process thawed", node.id);
        let slot = &mut self.slots[node.id.0];
        slot.frozen = false;
        for delivery in std::mem::take(&mut slot.backlog) {
            self.wire.schedule(self.now, delivery);
        }
        self.watch(node.id);
    }

    /// The node is gone with all it knew; its host answers with ICMP port unreachable.
    pub fn kill<T>(&mut self, node: Handle<T>) {
        let slot = &mut self.slots[node.id.0];
        slot.node = None;
        slot.frozen = false;
        slot.backlog.clear();
        self.wire.ports[node.id.0].alive = false;
        self.watch(node.id);
        self.script_about("process killed", node.id);
    }

    /// A fresh node in the place of a killed one.
    pub fn restart<T: Node>(&mut self, handle: Handle<T>, node: T) {
        self.script_about("process started afresh", handle.id);
        self.slots[handle.id.0].node = Some(Box::new(node));
        self.wire.ports[handle.id.0].alive = true;
        self.run_node(handle.id, |node, io| node.start(io));
    }

    /// The node, to look at.
    #[track_caller]
    pub fn node<T: Node>(&self, handle: Handle<T>) -> &T {
        let node: &dyn Any = self.slots[handle.id.0].node.as_deref().expect("the node is alive");
        node.downcast_ref().expect("a handle knows what it names")
    }

    /// Has the node do something, now.
    pub fn act<T: Node, R>(&mut self, handle: Handle<T>, act: impl FnOnce(&mut T, &mut Io<'_>) -> R) -> R {
        self.run_node(handle.id, |node, io| {
            let node: &mut dyn Any = node;
            act(node.downcast_mut().expect("a handle knows what it names"), io)
        })
    }

    /// Puts a datagram on the wire that claims to come from `from`.
    pub fn inject<T>(&mut self, from: SocketAddr, to: Handle<T>, data: impl Into<Bytes>) {
        let to = self.wire.ports[to.id.0].address;
        self.wire.send(self.now, Source::Stranger(from), to, data.into());
    }

    /// Writes into the trace what the script does.
    pub fn script(&mut self, text: impl Into<String>) {
        self.wire.trace.push(self.now, What::Script { node: None, text: text.into() });
    }

    fn script_about(&mut self, what: &str, node: NodeId) {
        self.wire.trace.push(self.now, What::Script { node: Some(node), text: what.to_owned() });
    }

    fn run_node<R>(&mut self, id: NodeId, act: impl FnOnce(&mut dyn Node, &mut Io<'_>) -> R) -> R {
        let slot = &mut self.slots[id.0];
        let mut io = Io { now: self.now, rng: &mut slot.rng, me: id, wire: &mut self.wire };
        let result = act(slot.node.as_deref_mut().expect("the node is alive"), &mut io);
        self.watch(id);
        result
    }

    /// Notes the node's deadline after whatever may have moved it.
    fn watch(&mut self, id: NodeId) {
        let slot = &mut self.slots[id.0];
        let deadline = match &slot.node {
            Some(node) if !slot.frozen => node.next_timeout(),
            _ => None,
        };
        if let Some(old) = std::mem::replace(&mut slot.deadline, deadline) {
            self.deadlines.remove(&(old, id));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, id));
        }
    }

    // Time.

    /// When the next thing happens.
    pub fn next_event(&self) -> Option<Instant> {
        let delivery = self.wire.under_way.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        [delivery, deadline].into_iter().flatten().min()
    }

    /// Jumps to the next event and lets it happen: one delivery, or one node's deadline. `false` if none will ever come.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.next_event() else { return false };
        self.steps_at_this_instant = if at > self.now { 0 } else { self.steps_at_this_instant + 1 };
        if self.steps_at_this_instant > STORM {
            self.fail("time stands still");
        }
        self.now = self.now.max(at);
        let delivery_is_due =
            self.wire.under_way.first_key_value().is_some_and(|((due, _), _)| *due <= self.now);
        if delivery_is_due {
            if let Some((_, delivery)) = self.wire.under_way.pop_first() {
                self.deliver(delivery);
            }
        } else if let Some(&(_, id)) = self.deadlines.first() {
            self.run_node(id, |node, io| node.tick(io));
            // The deadline law: what is due is done with, or the run would never get on.
            if self.slots[id.0].deadline.is_some_and(|deadline| deadline <= self.now) {
                let name = self.wire.trace.name(id).to_owned();
                let deadline = self.slots[id.0].deadline;
                self.fail(&format!(
                    "after its tick at {:?}, {name} still has the deadline {deadline:?}",
                    self.now
                ));
            }
        }
        true
    }

    fn deliver(&mut self, delivery: Delivery) {
        let (Delivery::Datagram { to, .. } | Delivery::Unreachable { to, .. }) = delivery;
        let slot = &mut self.slots[to.0];
        if slot.node.is_none() {
            if let Delivery::Datagram { from, .. } = delivery {
                self.wire.refuse(self.now, to, from);
            }
        } else if slot.frozen {
            slot.backlog.push(delivery);
        } else {
            self.run_node(to, |node, io| match delivery {
                Delivery::Datagram { from, data, .. } => node.receive(io, from, data),
                Delivery::Unreachable { about, .. } => node.unreachable(io, about),
            });
        }
    }

    pub fn run_until(&mut self, end: Instant) {
        while self.next_event().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Runs until `done`, for at most `limit`. How long it took, or `None` if it did not come.
    pub fn try_drive_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Option<Duration> {
        let (start, end) = (self.now, self.now + limit);
        loop {
            if done(self) {
                return Some(self.now - start);
            }
            if self.next_event().is_none_or(|at| at > end) {
                self.now = end;
                return None;
            }
            self.step();
        }
    }

    /// Runs until `done`, and says how long it took. Fails if that is more than `limit`.
    #[track_caller]
    pub fn drive_until(&mut self, what: &str, limit: Duration, done: impl FnMut(&Self) -> bool) -> Duration {
        match self.try_drive_until(limit, done) {
            Some(took) => took,
            None => self.fail(&format!("not within {limit:?}: {what}")),
        }
    }

    /// An assertion that says what led to it.
    #[track_caller]
    pub fn ensure(&self, holds: bool, what: &str) {
        if !holds {
            self.fail(what);
        }
    }

    /// Fails with the seed and the end of the trace.
    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        panic!("{what}\nseed {}, {:?}; what led here:\n{}", self.seed, self.now, self.wire.trace.tail(60))
    }
}
