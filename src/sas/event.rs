//! What the caller tells the core.

use crate::transport::{FlowId, Transport};
use bytes::Bytes;
use std::net::SocketAddr;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A way to send and receive exists from now on. Tell it before anything else arrives on it.
    FlowOpened {
        /// The caller's name for it; never used for another flow.
        flow: FlowId,
        /// What runs on it.
        transport: Transport,
        /// The address that the other side can reach us at. It goes into Via, Record-Route and Path.
        local: SocketAddr,
    },
    /// A flow is gone.
    FlowClosed {
        /// Which.
        flow: FlowId,
    },
    /// One datagram, whole.
    Datagram {
        /// Where it came in.
        flow: FlowId,
        /// Who sent it.
        from: SocketAddr,
        /// Its payload.
        data: Bytes,
    },
    /// What was sent to `to` could not be delivered: port unreachable, no route, connection refused.
    SendFailed {
        /// On which flow.
        flow: FlowId,
        /// To whom.
        to: SocketAddr,
    },
    /// The instant of [`next_timeout`](super::Sas::next_timeout) has come. Early or late does no harm.
    Tick,
}
