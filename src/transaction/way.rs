//! The way that a response takes back (RFC 3261 18.2.2).

use crate::headers::Via;
use crate::transport::{Ctx, Peer, Transport};
use bytes::Bytes;
use std::net::SocketAddr;

/// Where a response goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    peer: Peer,
    /// Where a new connection leads if the one that the request came by is gone; none for datagrams.
    again: Option<(Transport, SocketAddr)>,
}

impl Way {
    /// The way back of a request with its topmost `via` that came from `source`.
    pub(super) fn back(ctx: &Ctx<'_>, via: Option<&Via<'_>>, source: Peer) -> Self {
        let transport = ctx.flows.find(source.flow).map_or(Transport::Udp, |flow| flow.transport);
        if transport.is_reliable() {
            let port = via.and_then(|via| via.sent_by.port).unwrap_or_else(|| transport.default_port());
            let again = Some((transport, SocketAddr::new(source.address.ip(), port)));
            return Self { peer: source, again };
        }
        let address = via.map_or(source.address, |via| via.response_address(source.address));
        Self { peer: Peer { address, ..source }, again: None }
    }

    /// Where it leads.
    pub(super) const fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether nothing that goes this way has to be sent again.
    pub(super) const fn is_reliable(&self) -> bool {
        self.again.is_some()
    }

    /// The request came again, from `source`: that is where its sender is now, if the connection that it came by first is gone.
    pub(super) fn renew(&mut self, ctx: &Ctx<'_>, source: Peer) {
        if self.is_reliable() && ctx.flows.find(self.peer.flow).is_none() {
            self.peer = source;
        }
    }

    /// Sends a response on the connection that the request came by. "If that connection is no longer open, the server SHOULD open
    /// a connection to the IP address in the 'received' parameter, if present, using the port in the sent-by value" (18.2.2).
    pub(super) fn send(&mut self, ctx: &mut Ctx<'_>, response: Bytes) {
        if let Some((transport, address)) = self.again
            && ctx.flows.find(self.peer.flow).is_none()
        {
            let Some(flow) = ctx.reach(transport, address, None) else {
                return;
            };
            self.peer = Peer { flow, address };
        }
        ctx.send(self.peer, response);
    }
}
