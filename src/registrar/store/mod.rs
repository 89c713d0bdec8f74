//! Bindings that outlive this core: a record for each change, and the way back (`sas.md` 7.7).
//!
//! Instants mean nothing after a restart. So a record says how long ago everything was when it was made, and whoever restores it says
//! how long ago that was. The same goes for flows: it names our address that the REGISTER came to, and not the caller's number of a
//! socket.

mod bytes;
mod graves;
mod restore;

pub use bytes::RecordError;
pub(super) use graves::Graves;

use super::binding::{Binding, BindingChange, ChangeKind, Home, Origin};
use super::texts::Texts;
use crate::config::Trust;
use crate::time::Instant;
use crate::transport::{Flow, Transport};
use crate::uri::Layout;
use std::net::SocketAddr;
use std::time::Duration;

/// All that rebuilds a binding, or takes it away: for a store, or for a sister node.
///
/// It stands for itself: what the texts and numbers of a binding are, how much of its lifetime was left when it was made, and how long ago
/// things were then. [`to_bytes`](Self::to_bytes) is for stores that keep bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    is_removal: bool,
    texts: Texts,
    layout: Layout,
    q: u16,
    cseq: u32,
    reg_id: Option<u32>,
    source: SocketAddr,
    /// What the REGISTER came by, and our address there.
    local: Option<(Transport, SocketAddr)>,
    origin: Origin,
    trust: Trust,
    home: Home,
    left: Duration,
    /// How long its lifetime was over.
    lapsed: Duration,
    /// The era of its instance's temporary GRUUs; 0 without an instance.
    era: u64,
    registered: Duration,
    updated: Duration,
}

impl Record {
    /// `binding` as it stands at `now`, reached by `flow`.
    pub(crate) fn of(binding: &Binding, now: Instant, flow: Option<&Flow>) -> Self {
        let ago = |at: Instant, past: u32| now - at + Duration::from_millis(past.into());
        Self {
            is_removal: false,
            texts: binding.texts.clone(),
            layout: binding.layout,
            q: binding.q,
            cseq: binding.cseq,
            reg_id: binding.reg_id,
            source: binding.source,
            local: flow.map(|flow| (flow.transport, flow.local)),
            origin: binding.origin,
            trust: binding.trust,
            home: binding.home,
            left: binding.expires_at - now,
            lapsed: now - binding.expires_at,
            era: binding.era,
            registered: ago(binding.registered_at, binding.past.registered),
            updated: ago(binding.updated_at, binding.past.updated),
        }
    }

    /// What `change` leaves at `now`.
    pub(crate) fn of_change(change: &BindingChange, now: Instant, flow: Option<&Flow>) -> Self {
        let record = Self::of(&change.binding, now, flow);
        match change.kind {
            ChangeKind::Bound | ChangeKind::Refreshed | ChangeKind::Restored => record,
            // By what the binding was last touched: a sister node may know it with a longer lifetime.
            ChangeKind::Expired => Self { is_removal: true, ..record },
            ChangeKind::Unbound => Self { is_removal: true, updated: Duration::ZERO, ..record },
        }
    }

    /// What a store keeps it under: the address of record with the contact or, where RFC 5626 applies, with the instance and `reg-id`. A
    /// later record of the same binding has the same name, and takes this one's place.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.key(), self.contact(), self.instance(), self.reg_id)
    }

    /// The binding is gone. A store that tells only one core may forget it then. One that several write to keeps the record in its
    /// place for as long as older ones may come.
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        self.is_removal
    }

    /// The lifetime that was left when it was made.
    #[must_use]
    pub const fn left(&self) -> Duration {
        self.left
    }

    /// The text of the [`AorKey`](crate::uri::AorKey).
    #[must_use]
    pub fn key(&self) -> &str {
        self.texts.key()
    }

    /// The address of record, as a URI.
    #[must_use]
    pub fn aor(&self) -> &str {
        self.texts.aor()
    }

    /// The contact, as a URI.
    #[must_use]
    pub fn contact(&self) -> &str {
        self.texts.contact()
    }

    /// The URN of the device; empty where it has told none.
    fn instance(&self) -> &str {
        self.texts.instance()
    }

    /// What the REGISTER came by, and our address there; none if the connection was closed.
    #[must_use]
    pub const fn local(&self) -> Option<(Transport, SocketAddr)> {
        self.local
    }

    /// Who sent the REGISTER.
    #[must_use]
    pub const fn source(&self) -> SocketAddr {
        self.source
    }
}

fn name(key: &str, contact: &str, instance: &str, reg_id: Option<u32>) -> String {
    // What stands behind the line has no line end, whatever the key has.
    match reg_id {
        Some(reg_id) => format!("{key}\n{reg_id} {instance}"),
        None => format!("{key}\n{contact}"),
    }
}
