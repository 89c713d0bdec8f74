//! Where bytes come from and go to: flows, their addresses, and the context in which the layers above send.

mod flow;
mod outbox;

pub use flow::{Flow, FlowId, Flows, Peer, Transport};
pub(crate) use outbox::{Ctx, Outbox};
