//! What the core tells the caller to do.

use super::Notice;
use crate::registrar::Record;
use crate::resolve::{Name, QueryId, RecordKind};
use crate::transport::{FlowId, Transport};
use bytes::Bytes;
use std::net::SocketAddr;

/// Something to do. Actions are carried out in the order of their list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send `payload`: as one datagram, as one WebSocket message, or behind all that was sent on the connection before. What is
    /// sent on a connection that is not up yet waits until it is; what there is no room for ends the connection.
    Send {
        /// On which flow.
        flow: FlowId,
        /// To whom.
        to: SocketAddr,
        /// The bytes.
        payload: Bytes,
    },
    /// Open a connection and call it `flow`. What is sent on it follows at once. Tell [`FlowOpened`](super::Event::FlowOpened) when it is
    /// up and [`FlowClosed`](super::Event::FlowClosed) if it fails; after [`connect_time`](crate::config::Limits::connect_time) without a
    /// sign of life it is given up.
    Connect {
        /// Its name, which has the [bit](FlowId::DIALLED) of the core's own.
        flow: FlowId,
        /// By which transport: TCP or TLS.
        transport: Transport,
        /// Where to.
        to: SocketAddr,
        /// By TLS: the domain that the other end has to prove to be (RFC 5922 4 and 7.1), which is the host of the configured URI, not
        /// what the DNS has made of it. None where nobody has named one: then it is the address.
        name: Option<Box<str>>,
    },
    /// Close a connection, after what was sent on it before. It counts as closed already.
    Close {
        /// Which.
        flow: FlowId,
    },
    /// Ask the DNS, and tell [`Event::Resolved`](super::Event::Resolved). Comes only where a host has a name.
    Resolve {
        /// What to tell it by.
        query: QueryId,
        /// The name to ask for.
        name: Name,
        /// The kind of records to ask for.
        kind: RecordKind,
    },
    /// Keep this, with the time that it is now, in the place of what was kept under the same [`name`](Record::name). Comes only where
    /// [`registrar.store`](crate::config::Registrar::store) asks for it.
    Store(Box<Record>),
    /// Tell whoever watches.
    Notify(Notice),
}

impl From<Notice> for Action {
    fn from(notice: Notice) -> Self {
        Self::Notify(notice)
    }
}

/// A list of actions, to be carried out in order.
#[must_use = "actions that are not carried out are lost packets"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// An empty list, to be handed to [`Sas::handle_into`](super::Sas::handle_into) again and again.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    pub(crate) fn extend(&mut self, notices: impl IntoIterator<Item = Notice>) {
        self.0.extend(notices.into_iter().map(Action::Notify));
    }

    /// Takes all actions out, first to last, and keeps the buffer.
    pub fn drain(&mut self) -> impl Iterator<Item = Action> + '_ {
        self.0.drain(..)
    }

    /// The actions, first to last.
    pub fn iter(&self) -> std::slice::Iter<'_, Action> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = std::vec::IntoIter<Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Actions {
    type Item = &'a Action;
    type IntoIter = std::slice::Iter<'a, Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
