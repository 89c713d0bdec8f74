//! Changes of registrations as the registration event package tells them (RFC 3680): what a watcher needs for a `contact`
//! element of `application/reginfo+xml`. The XML is for who notifies to write.

use super::binding::{Binding, BindingChange, ChangeKind};
use crate::time::Instant;
use siphasher::sip::SipHasher13;
use std::fmt;
use std::hash::Hasher as _;
use std::time::Duration;

/// What made the state machine of a contact go into its state (RFC 3680 4.7.2, 5.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ContactEvent {
    /// A REGISTER has bound it.
    Registered,
    /// It was bound by other means than a REGISTER: it was restored.
    Created,
    /// A REGISTER has given it a new lifetime.
    Refreshed,
    /// The same, and it ends earlier than it would have: what the proxy had granted for long is granted here for a short time.
    Shortened,
    /// Its lifetime ended.
    Expired,
    /// It was taken out, and is to register again at once. Nothing here does that yet.
    Deactivated,
    /// It was taken out, and is to register again after a while. Nothing here does that yet.
    Probation,
    /// Its owner has removed it, or the same device has replaced it.
    Unregistered,
    /// It was taken out, and is not welcome. Nothing here does that yet.
    Rejected,
}

impl ContactEvent {
    /// The value of the attribute `event`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Created => "created",
            Self::Refreshed => "refreshed",
            Self::Shortened => "shortened",
            Self::Expired => "expired",
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Unregistered => "unregistered",
            Self::Rejected => "rejected",
        }
    }

    /// The state that it leads to.
    #[must_use]
    pub const fn state(self) -> ContactState {
        match self {
            Self::Registered | Self::Created | Self::Refreshed | Self::Shortened => ContactState::Active,
            Self::Expired | Self::Deactivated | Self::Probation | Self::Unregistered | Self::Rejected => {
                ContactState::Terminated
            }
        }
    }
}

impl fmt::Display for ContactEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a contact (RFC 3680 4.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ContactState {
    /// It is bound.
    Active,
    /// It is not bound any more.
    Terminated,
}

impl ContactState {
    /// The value of the attribute `state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Terminated => "terminated",
        }
    }
}

impl fmt::Display for ContactState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl BindingChange {
    /// The change as the registration event package has it.
    #[must_use]
    pub fn event(&self) -> ContactEvent {
        match self.kind {
            ChangeKind::Bound => ContactEvent::Registered,
            ChangeKind::Restored => ContactEvent::Created,
            ChangeKind::Refreshed if self.ended_at.is_some_and(|before| before > self.binding.expires_at) => {
                ContactEvent::Shortened
            }
            ChangeKind::Refreshed => ContactEvent::Refreshed,
            ChangeKind::Unbound => ContactEvent::Unregistered,
            ChangeKind::Expired => ContactEvent::Expired,
        }
    }
}

impl Binding {
    /// The `id` of its `contact` element: the same for the same contact of the same address of record, whenever and wherever it is
    /// asked for (RFC 3680 5.2.1), and another one for each other flow of its instance.
    #[must_use]
    pub fn contact_id(&self) -> u64 {
        // No secret: who makes two contacts of one id has only confused those who watch them.
        let mut hash = SipHasher13::new();
        for part in [self.key(), self.contact().as_str(), self.instance().unwrap_or_default()] {
            hash.write_usize(part.len());
            hash.write(part.as_bytes());
        }
        hash.write_u32(self.reg_id.unwrap_or_default());
        hash.finish()
    }

    /// How long it has been bound at `now`: the attribute `duration-registered`, in whole seconds.
    #[must_use]
    pub fn registered_for(&self, now: Instant) -> Duration {
        Duration::from_secs((now - self.registered_at).as_secs())
    }

    /// The lifetime that is left at `now`: the attribute `expires`, in whole seconds.
    #[must_use]
    pub fn expires_in(&self, now: Instant) -> Duration {
        Duration::from_secs((self.expires_at - now).as_secs())
    }
}
