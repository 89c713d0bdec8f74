//! Where bytes come from and go to: flows, their addresses, and the context in which the layers above send.

mod flow;
mod outbox;

pub(crate) use flow::{Flow, Flows};
pub use flow::{FlowId, Peer, Transport};
pub(crate) use outbox::{Ctx, Outbox};
