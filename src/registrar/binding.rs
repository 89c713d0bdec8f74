//! One binding: a contact of an address of record, and all that is kept with it (RFC 3261 10.3, `sas.md` 7.1).

use super::texts::Texts;
use crate::config::Trust;
use crate::time::Instant;
use crate::transport::FlowId;
use crate::uri::{Layout, Uri};
use std::fmt;
use std::net::SocketAddr;

/// Who granted a binding its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The central proxy, in a 2xx that passed through us.
    Proxy,
    /// We, since the proxy was away.
    Local,
}

impl Origin {
    /// The name in snake case: `proxy`, `local`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the central registrar knows of a binding: the home ledger (`sas.md` 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Home {
    /// Only we know the binding.
    LocalOnly,
    /// The REGISTER is on its way to the proxy, and was answered here meanwhile.
    Pending,
    /// The proxy has answered 2xx.
    Confirmed,
}

impl Home {
    /// The name in snake case: `local_only`, `pending`, `confirmed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalOnly => "local_only",
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long before the epoch of this core's time something was, in milliseconds, rounded up; 0: not before it. Only bindings that were
/// restored have a past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) registered: u32,
    pub(super) updated: u32,
}

/// A contact of an address of record.
///
/// All text is a copy, so that a binding never keeps the message alive that it came in. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    pub(super) texts: Texts,
    pub(super) layout: Layout,
    /// The user's preference for this contact in thousandths, 0..=1000.
    pub q: u16,
    /// When its lifetime ends. One that the proxy granted may be used for longer while the proxy is away.
    pub expires_at: Instant,
    /// When it was bound.
    pub registered_at: Instant,
    /// When a REGISTER last touched it.
    pub updated_at: Instant,
    /// The CSeq number of that REGISTER.
    pub cseq: u32,
    /// `reg-id`, if there is an instance and RFC 5626 applies: one of several flows of that device. The instance and it name the
    /// binding then (section 6); without it the contact's URI does.
    pub reg_id: Option<u32>,
    /// How long before the epoch, if it was restored.
    pub(super) past: Past,
    /// The era of its instance's temporary GRUUs; 0 without an instance.
    pub(super) era: u64,
    /// Who sent that REGISTER, which behind a NAT is where the user can be reached.
    pub source: SocketAddr,
    /// The flow that the REGISTER came in on; `None` once that is closed.
    pub flow: Option<FlowId>,
    /// Who granted the lifetime.
    pub origin: Origin,
    /// How far its device is trusted (`sas.md` 7.6): known if the proxy has granted it, which a renewal by the same device keeps; verified
    /// if it had the password. Never pool: what its address is worth is asked each time.
    pub trust: Trust,
    /// What the central registrar knows of it.
    pub home: Home,
}

impl Binding {
    /// What the address of record is looked up by: the text of its [`AorKey`](crate::uri::AorKey).
    #[must_use]
    pub fn key(&self) -> &str {
        self.texts.key()
    }

    /// The address of record: To's URI without parameters and password (RFC 3261 10.3 step 5).
    #[must_use]
    pub fn aor(&self) -> &str {
        self.texts.aor()
    }

    /// It, with what stays of `old`, whose lifetime it renews.
    pub(super) const fn renewing(mut self, old: &Self) -> Self {
        self.registered_at = old.registered_at;
        self.past.registered = old.past.registered;
        self
    }

    /// Where the user can be reached.
    #[must_use]
    pub fn contact(&self) -> Uri<'_> {
        Uri::laid_out(self.texts.contact(), self.layout)
    }

    /// The Call-ID of the REGISTER that made or last refreshed it.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.texts.call_id()
    }

    /// The URN in `+sip.instance` (RFC 5626 4.1): the device, over reboots and changes of address.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        Some(self.texts.instance()).filter(|urn| !urn.is_empty())
    }

    /// The public GRUU that the proxy has made for it (RFC 5627 5.2), for [`Uri::parse`].
    #[must_use]
    pub fn pub_gruu(&self) -> Option<&str> {
        Some(self.texts.pub_gruu()).filter(|gruu| !gruu.is_empty())
    }

    /// The latest temporary GRUU that the proxy has made for it, for [`Uri::parse`].
    #[must_use]
    pub fn temp_gruu(&self) -> Option<&str> {
        Some(self.texts.temp_gruu()).filter(|gruu| !gruu.is_empty())
    }

    /// The Path of others between the user and us, topmost first, to be used as Route (RFC 3327 5.3, 5.4).
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.texts.path()
    }

    /// Whether both are the same binding of an address of record, at whatever time.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self.reg_id, other.reg_id) {
            (None, None) => self.contact().equivalent(&other.contact()),
            (a, b) => a == b && self.instance() == other.instance(),
        }
    }

    /// Whether it is a flow from the user to us (RFC 5626) that is closed: nothing reaches the user by it (5.3, 7).
    #[must_use]
    pub fn is_lost_flow(&self) -> bool {
        self.reg_id.is_some() && self.flow.is_none() && self.path().next().is_none()
    }

    /// The first 256 bytes of User-Agent.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        Some(self.texts.user_agent()).filter(|text| !text.is_empty())
    }
}

/// What happened to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is new.
    Bound,
    /// It was there, and has a new lifetime.
    Refreshed,
    /// Its owner removed it, or the same device replaced it.
    Unbound,
    /// Its lifetime ended.
    Expired,
    /// It was bound in an earlier life of this branch, or by a sister node.
    Restored,
}

impl ChangeKind {
    /// The name in snake case: `bound`, `refreshed`, `unbound`, `expired`, `restored`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Refreshed => "refreshed",
            Self::Unbound => "unbound",
            Self::Expired => "expired",
            Self::Restored => "restored",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change of the database, with all that is needed to make it again elsewhere (`sas.md` 7.7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindingChange {
    /// What happened.
    pub kind: ChangeKind,
    /// The binding as it is now, or as it was last if it is gone.
    pub binding: Binding,
    /// When it would have ended, if it was there and has a new lifetime.
    pub ended_at: Option<Instant>,
}

impl BindingChange {
    pub(super) const fn new(kind: ChangeKind, binding: Binding) -> Self {
        Self { kind, binding, ended_at: None }
    }

    /// `binding` has got a new lifetime in the place of one that ended at `before`.
    pub(super) const fn refreshed(binding: Binding, before: Instant) -> Self {
        Self { kind: ChangeKind::Refreshed, binding, ended_at: Some(before) }
    }
}

/// What a request has changed: nearly always one binding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes(Few);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Few {
    /// The only binding of its address of record has a new lifetime.
    Renewed(BindingChange),
    Any(Vec<BindingChange>),
}

impl Default for Changes {
    fn default() -> Self {
        Self(Few::Any(Vec::new()))
    }
}

impl Changes {
    pub(super) const fn renewed(binding: Binding, before: Instant) -> Self {
        Self(Few::Renewed(BindingChange::refreshed(binding, before)))
    }

    /// The binding that was renewed, if its address of record has no other one.
    pub(super) const fn only_one(&self) -> Option<&Binding> {
        match &self.0 {
            Few::Renewed(change) => Some(&change.binding),
            Few::Any(_) => None,
        }
    }
}

impl From<Vec<BindingChange>> for Changes {
    fn from(changes: Vec<BindingChange>) -> Self {
        Self(Few::Any(changes))
    }
}

impl std::ops::Deref for Changes {
    type Target = [BindingChange];

    fn deref(&self) -> &[BindingChange] {
        match &self.0 {
            Few::Renewed(change) => std::slice::from_ref(change),
            Few::Any(changes) => changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case() {
        assert_eq!(Origin::Proxy.to_string(), "proxy");
        assert_eq!(Home::LocalOnly.to_string(), "local_only");
        assert_eq!(ChangeKind::Unbound.to_string(), "unbound");
    }
}
