//! Typed facts for whoever watches: logs, alarms, tests.

use crate::message::{Fault, Request};
use crate::mode::{Cause, State};
use crate::registrar::{Binding, BindingChange, ChangeKind, ContactEvent, Origin};
use crate::resolve::Unresolved;
use crate::routing::{Reasons, Step};
use crate::transport::Transport;
use crate::upstream::{ProxyStatus, StatusCause};
use std::net::SocketAddr;

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A flow that takes requests was opened.
    Listening {
        /// What runs on it.
        transport: Transport,
        /// Our address on it.
        address: SocketAddr,
    },
    /// The branch changed between normal and emergency (`sas.md` 3.3).
    StateChanged {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// A proxy's health changed (`sas.md` 3.1).
    ProxyStatus {
        /// Which proxy, as configured.
        target: Box<str>,
        /// What it is now.
        status: ProxyStatus,
        /// Why.
        cause: StatusCause,
    },
    /// The name of a proxy or gateway leads to other addresses than before.
    NameResolved {
        /// Which target, as configured.
        target: Box<str>,
        /// Its addresses, in the order of RFC 3263.
        addresses: Vec<SocketAddr>,
    },
    /// The name of a proxy or gateway could not be resolved. The addresses that it had stay in use.
    NameUnresolved {
        /// Which target, as configured.
        target: Box<str>,
        /// Why.
        reason: Unresolved,
    },
    /// Another configuration is in force ([`Sas::reconfigure`](super::Sas::reconfigure)).
    Reconfigured,
    /// A contact was added to the database.
    UserBound(BoundContact),
    /// A contact's lifetime was renewed.
    UserRefreshed(BoundContact),
    /// A contact was removed by its owner.
    UserUnbound(BoundContact),
    /// A contact's lifetime ended.
    UserExpired(BoundContact),
    /// The database took no more users or contacts.
    DatabaseFull {
        /// Who could not be stored.
        aor: Box<str>,
    },
    /// A request outside a dialog, or one that had to leave its route, was sent on.
    RequestRouted {
        /// Its method.
        method: Box<str>,
        /// From's URI.
        from: Box<str>,
        /// The Request-URI that it goes out with.
        to: Box<str>,
        /// The step that decided.
        step: Step,
        /// Which steps matched or were passed over, and why.
        reasons: Reasons,
    },
    /// A request was refused by us.
    RequestRejected {
        /// Its method.
        method: Box<str>,
        /// From's URI.
        from: Box<str>,
        /// The status we answered with.
        status: u16,
        /// Why, in words.
        reason: Box<str>,
    },
    /// A call to an emergency number that no route could take.
    EmergencyCallFailed {
        /// From's URI.
        from: Box<str>,
        /// The number.
        number: Box<str>,
    },
    /// Some time after a return, users have not come home to the proxy (`sas.md` 3.4). At most once for each return: after their last
    /// lifetime, the time that `return_rate` takes for all, and a little for the slow; with `ignore-register` after the time in which a
    /// phone notices our silence, and another minute. See [`Sas::not_home`](super::Sas::not_home).
    UsersNotHome {
        /// Their addresses of record, in order; the first hundred.
        users: Vec<Box<str>>,
        /// How many they are.
        total: u64,
    },
    /// Messages were dropped without an answer: unreadable ones, responses that nobody waits for, requests beyond the limit
    /// of transactions. At most one of these comes each second.
    MessagesDropped {
        /// Who sent the latest.
        from: SocketAddr,
        /// How many since the last such notice.
        count: u64,
    },
}

/// A user's contact, and who granted it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoundContact {
    /// The binding as it is now, or as it was last. Its text is shared with the database, not copied.
    pub binding: Binding,
    /// The change as the registration event package tells it (RFC 3680). With the binding's
    /// [`contact_id`](Binding::contact_id), [`expires_in`](Binding::expires_in), [`registered_for`](Binding::registered_for),
    /// Call-ID, CSeq and q it is what an `application/reginfo+xml` says of a contact.
    pub event: ContactEvent,
}

impl BoundContact {
    /// The address of record, as a URI.
    #[must_use]
    pub fn aor(&self) -> &str {
        self.binding.aor()
    }

    /// The contact, as a URI.
    #[must_use]
    pub fn contact(&self) -> &str {
        self.binding.contact().as_str()
    }

    /// Who granted it.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.binding.origin
    }
}

impl Notice {
    /// A request was answered by us with `fault`.
    pub(super) fn rejected(request: &Request, fault: &Fault) -> Self {
        Self::RequestRejected {
            method: request.method_str().into(),
            from: Self::from_uri(request),
            status: fault.status,
            reason: fault.reason.as_str().into(),
        }
    }

    /// No route took a call to an emergency number.
    pub(super) fn emergency_call_failed(request: &Request) -> Self {
        let number = request.uri().ok().and_then(|uri| uri.user()).unwrap_or_default().into();
        Self::EmergencyCallFailed { from: Self::from_uri(request), number }
    }

    /// The database changed.
    pub(super) fn changed(change: &BindingChange) -> Self {
        let contact = BoundContact { binding: change.binding.clone(), event: change.event() };
        match change.kind {
            ChangeKind::Bound | ChangeKind::Restored => Self::UserBound(contact),
            ChangeKind::Refreshed => Self::UserRefreshed(contact),
            ChangeKind::Unbound => Self::UserUnbound(contact),
            ChangeKind::Expired => Self::UserExpired(contact),
        }
    }

    /// From's URI as notices show it; empty if it cannot be read.
    pub(super) fn from_uri(request: &Request) -> Box<str> {
        request.from().map_or("", |from| from.uri.as_str()).into()
    }
}
