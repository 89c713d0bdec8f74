//! The database of registered users: RFC 3261 section 10.3 with Path (RFC 3327), instances (RFC 5626), and the rules of a
//! branch that has to do without its central registrar (`sas.md` sections 2.1, 3.4 and 7).
//!
//! There are two ways in. [`Registrar::record`] takes what the central proxy has granted, while it is there;
//! [`Registrar::register`] grants, while it is away. Both overwrite what the other knew of the same contact, and nothing
//! is lost when the branch goes from one to the other. The way out is [`Registrar::expire`]. Look-ups go through a
//! [`View`] of one moment.
//!
//! ```
//! use sip_survivability::config::{Config, Settings, SurvivabilityMode};
//! use sip_survivability::message::Message;
//! use sip_survivability::registrar::{Home, Registrar};
//! use sip_survivability::transport::Peer;
//! use sip_survivability::time::Instant;
//! use sip_survivability::transport::FlowId;
//! use sip_survivability::uri::{HomeHosts, Uri};
//! use std::time::Duration;
//!
//! let mut settings = Settings::default();
//! settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
//! let config: Config = settings.validate()?;
//! let mut registrar = Registrar::new(&config, [1, 2]);
//!
//! let text = "REGISTER sip:branch.example SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n\
//!     From: <sip:alice@branch.example>;tag=1\r\n\
//!     To: <sip:alice@branch.example>\r\n\
//!     Call-ID: 1@192.0.2.10\r\n\
//!     CSeq: 1 REGISTER\r\n\
//!     Contact: <sip:alice@192.0.2.10>\r\n\r\n";
//! let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
//! let from = Peer { flow: FlowId(1), address: "192.0.2.10:5060".parse()? };
//! let (hosts, now) = (HomeHosts::default(), Instant::ZERO);
//! let grant = |_asked| Duration::from_secs(20);
//! let registered = registrar.register(now, &request, from, &hosts, Home::LocalOnly, grant)?;
//! assert_eq!(registered.contacts[0].to_string(), "<sip:alice@192.0.2.10>;expires=20");
//!
//! let callee = Uri::parse("sip:alice@branch.example")?;
//! let found = registrar.at(now, Duration::ZERO).bindings(&callee, &hosts).next();
//! assert_eq!(found.map(|binding| binding.contact().as_str()), Some("sip:alice@192.0.2.10"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod binding;
mod former;
mod gruu;
mod index;
mod lookup;
mod outbound;
mod plan;
mod record;
mod refusal;
mod reginfo;
mod register;
mod reload;
mod request;
mod store;
mod table;
mod texts;

pub use binding::{Binding, BindingChange, ChangeKind, Changes, Home, Origin};
pub use lookup::{Named, Standing, View};
pub use refusal::Refusal;
pub use reginfo::{ContactEvent, ContactState};
pub use register::{CurrentContact, Registered};
pub use store::{Record, RecordError};
pub use table::BindingId;

use crate::config::{Config, Target};
use crate::time::Instant;
use crate::transport::{FlowId, Peer};
use crate::uri::user_of;
use former::Former;
use gruu::Mint;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use store::Graves;
use table::Table;

/// The database of registered users.
///
/// Memory is bounded: `max_users` addresses of record, `max_contacts` bindings of each, some 4 KiB of text for each binding, and
/// a hash of the name of as many former users; where `store` is set, of as many former bindings as well.
#[derive(Debug)]
pub struct Registrar {
    table: Table,
    former: Former,
    graves: Graves,
    mint: Mint,
    max_users: usize,
    max_contacts: usize,
    min_expires: Duration,
    max_expires: Duration,
    /// Emergency numbers and reserved users.
    reserved: BTreeSet<Box<str>>,
    /// The addresses of proxies and gateways.
    infrastructure: BTreeSet<SocketAddr>,
}

fn infrastructure(config: &Config) -> BTreeSet<SocketAddr> {
    config.targets().flat_map(Target::places).map(|place| place.1).collect()
}

fn reserved(config: &Config) -> BTreeSet<Box<str>> {
    let users = config.sas.emergency_numbers.iter().chain(&config.registrar.reserved_users);
    users.map(|user| user.as_str().into()).collect()
}

impl Registrar {
    /// An empty database. `secret` keys its indexes: who does not know it cannot choose names that are in each other's way.
    #[must_use]
    pub fn new(config: &Config, secret: [u64; 2]) -> Self {
        Self {
            table: Table::new(secret, config.registration_manipulation),
            former: Former::new(config.registrar.max_users),
            graves: Graves::new(if config.registrar.store { config.registrar.max_users } else { 0 }),
            mint: Mint::new(secret),
            max_users: config.registrar.max_users,
            max_contacts: config.registrar.max_contacts,
            min_expires: config.registrar.min_expires,
            max_expires: config.registrar.max_expires,
            reserved: reserved(config),
            infrastructure: infrastructure(config),
        }
    }

    /// Temporary GRUUs of this run are of eras behind this one, a number of less than 61 bits that other runs with the same secret do not
    /// have: who was there in one of them is not taken for who comes now.
    pub(crate) fn begin_eras(&mut self, era: u64) {
        self.table.pass_era(era);
    }

    /// The addresses of proxies and gateways have changed.
    pub(crate) fn on_infrastructure_changed(&mut self, config: &Config) {
        self.infrastructure = infrastructure(config);
    }

    fn is_reserved(&self, key: &str) -> bool {
        self.reserved.contains(user_of(key))
    }

    /// Whether `key` had a contact once, and has none now.
    fn knew(&self, key: &str) -> bool {
        self.former.contains(self.table.hash(key))
    }

    /// When the next binding is to be taken out, if what the proxy granted is kept for `grace` past its lifetime. A peek:
    /// ask again after each call that changes the database, and whenever `grace` changes.
    #[must_use]
    pub fn next_expiry(&self, grace: Duration) -> Option<Instant> {
        self.table.next_due(grace).map(|(at, _)| at)
    }

    /// Takes out what is past its lifetime at `now`, in order of time and `limit` bindings at most: bindings of ours at the
    /// end of their lifetime, those that the proxy granted `grace` later (`sas.md` 3.4). If `limit` was too little,
    /// [`next_expiry`](Self::next_expiry) is not later than `now`, and the rest is for another call; a [`View`] does not show it.
    pub fn expire(&mut self, now: Instant, grace: Duration, limit: usize) -> Vec<BindingChange> {
        let mut changes = Vec::new();
        while changes.len() < limit
            && let Some((at, id)) = self.table.next_due(grace)
            && at <= now
        {
            changes.extend(self.drop_binding(now, id, ChangeKind::Expired));
        }
        changes
    }

    /// A flow is gone: its bindings stay, without a flow (`sas.md` 7.4). The work grows with the number of its bindings.
    pub fn on_flow_closed(&mut self, flow: FlowId) {
        self.table.forget_flow(flow);
    }

    /// What was sent to `peer` by a flow that is no connection could not be delivered: the flows of RFC 5626 that end there are as good
    /// as closed (section 7), until they are registered again.
    pub fn on_flow_failed(&mut self, peer: Peer) {
        self.table.forget_peer(peer);
    }

    /// Whether a binding is reached by `flow`.
    #[must_use]
    pub fn uses_flow(&self, flow: FlowId) -> bool {
        self.table.uses_flow(flow)
    }

    /// How many bindings the central registrar has not confirmed: what is still to come home (`sas.md` 3.4).
    #[must_use]
    pub const fn unconfirmed(&self) -> usize {
        self.table.unconfirmed()
    }

    /// The bindings that the central registrar has not confirmed, in any order.
    pub(crate) fn not_confirmed(&self) -> impl Iterator<Item = &Binding> {
        let some = (self.unconfirmed() > 0).then(|| self.table.unordered());
        some.into_iter().flatten().filter(|binding| binding.home != Home::Confirmed)
    }

    /// Whether it has confirmed a binding of `key`.
    pub(crate) fn is_confirmed(&self, key: &str) -> bool {
        self.table.of_user(key).any(|(_, binding)| binding.home == Home::Confirmed)
    }

    /// All bindings in order of registration, collected or not: for a copy of the database. It sorts them first.
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.table.iter()
    }

    /// The first binding behind `last` in the order of the table, and its name: a walk over all that can be interrupted. It
    /// comes by each binding that is there all the while; one that is made meanwhile it may come by or not.
    #[must_use]
    pub fn next_after(&self, last: Option<BindingId>) -> Option<(BindingId, &Binding)> {
        self.table.next_after(last)
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no binding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// How many addresses of record have a binding.
    #[must_use]
    pub fn users(&self) -> usize {
        self.table.users()
    }
}
