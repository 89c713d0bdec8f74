//! What the caller tells the core.

use crate::registrar::Record;
use crate::resolve::{Answer, QueryId};
use crate::transport::{FlowId, Transport};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A way to send and receive exists from now on: a UDP socket, a connection that the caller has taken, or one that
    /// [`Action::Connect`](super::Action::Connect) asked for and that is up now. Tell it before anything else arrives on it.
    ///
    /// A connection beyond [`max_connections`](crate::config::Limits::max_connections) is closed at once.
    FlowOpened {
        /// The caller's name for it, never used for another flow and without the [bit](FlowId::DIALLED) of the core's own; or the
        /// core's name for a connection that it asked for.
        flow: FlowId,
        /// What runs on it.
        transport: Transport,
        /// The address that the other side can reach us at. It goes into Via, Record-Route and Path.
        local: SocketAddr,
        /// The other end of a connection; none for a UDP socket, which reaches everyone.
        remote: Option<SocketAddr>,
    },
    /// Connections are taken from now on. So the core may ask for some by the same transport, whose other ends are told this address.
    /// For UDP there is [`FlowOpened`](Self::FlowOpened).
    Listening {
        /// What is listened for.
        transport: Transport,
        /// The address that others can reach us at. It goes into Via, Record-Route and Path.
        local: SocketAddr,
    },
    /// A flow is gone: it was closed or broken, or a connection that was asked for has not come about. Told late, after
    /// [`Action::Close`](super::Action::Close), or twice, it does no harm.
    FlowClosed {
        /// Which.
        flow: FlowId,
    },
    /// What came by a connection: the next bytes, cut anywhere, of TCP and TLS; one whole message, text or binary, of a WebSocket.
    Stream {
        /// Which connection.
        flow: FlowId,
        /// The bytes.
        data: Bytes,
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
    /// The answer to [`Action::Resolve`](super::Action::Resolve). Tell it also where there is none; a late one does no harm.
    Resolved {
        /// Which question.
        query: QueryId,
        /// What became of it.
        answer: Answer,
    },
    /// A binding from before a restart, or one that a sister node has told; or that one is gone. Tell it in any order, and as often as it
    /// comes: who was bound or removed last counts. Of bindings that came by UDP tell it when the socket is open, since they
    /// can be called by it at once; one that came by a connection has none until its phone opens another.
    ///
    /// It is not told again as [`Action::Store`](super::Action::Store).
    Restored {
        /// The record, as [`Action::Store`](super::Action::Store) or [`snapshot`](super::Sas::snapshot) gave it.
        record: Box<Record>,
        /// How long ago that was.
        age: Duration,
    },
    /// The instant of [`next_timeout`](super::Sas::next_timeout) has come. Early or late does no harm.
    Tick,
}
