//! Where bytes come from and go to: flows and their addresses, RFC 3581 `received`/`rport`, response routing.

mod flow;

pub use flow::{FlowId, Flows, Transport};
