//! Where bytes come from and go to: flows, their addresses, and the context in which the layers above send.
//!
//! A flow is a packet socket, which reaches everyone, or one connection. Connections come from the caller, who takes them, or are
//! asked for by the core, which names them then (see [`FlowId`]).

mod connection;
mod flow;
mod flows;
mod outbox;
mod stun;
mod token;

pub(crate) use connection::Ended;
pub use flow::{Flow, FlowId, Peer, Transport};
pub use flows::Flows;
pub(crate) use outbox::{Ctx, Outbox};
pub(crate) use stun::{answer as answer_stun, is_stun};
pub(crate) use token::{FlowTokens, TokenError, from_base64, push_base64};
