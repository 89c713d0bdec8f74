//! A branch office in virtual time: a network that loses and delays what it is told to, and the parties on it.
//!
//! ```text
//! net           time, delivery, cuts, frozen and killed nodes
//!   link        what one link does to datagrams
//!   trace       what happened, for assertions and diagrams
//! transactions  RFC 3261 section 17 for the parties
//! dialog, call  what a party knows of a call
//! user_agent    calls, answers, hangs up
//!   phone       ... and registers
//!   gateway     ... and takes any number
//! pbx           the central registrar and proxy
//! sas_node      the core under test
//! branch        all of them, wired as in a branch office
//! ```
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test and example uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a simulation that breaks should say so at once"
)]

pub mod branch;
pub mod call;
pub mod dialog;
pub mod gateway;
pub mod link;
pub mod net;
pub mod pbx;
pub mod phone;
pub mod sas_node;
pub mod trace;
pub mod transactions;
pub mod user_agent;

pub use branch::Branch;
pub use call::{Call, CallRef, CallState, End, Side};
pub use gateway::PstnGateway;
pub use link::Link;
pub use net::{Handle, Io, Net, Node, NodeId};
pub use pbx::{Mood, Pbx};
pub use phone::{Outcome, Phone};
pub use sas_node::SasNode;
pub use trace::{Entry, Fate, Source, Trace, What};
pub use user_agent::{Answer, UserAgent};

use std::net::SocketAddr;
use std::time::Duration;

/// `10.1.0.11:5060`, as an address.
#[track_caller]
pub fn at(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
