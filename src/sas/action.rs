//! What the core tells the caller to do.

use super::Notice;
use crate::transport::FlowId;
use bytes::Bytes;
use std::net::SocketAddr;

/// Something to do. Actions are carried out in the order of their list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send `payload`, as one datagram where the flow carries datagrams.
    Send {
        /// On which flow.
        flow: FlowId,
        /// To whom.
        to: SocketAddr,
        /// The bytes.
        payload: Bytes,
    },
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
