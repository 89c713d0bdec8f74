//! A sans-IO core that keeps a branch office's SIP phones calling while their central proxy is away.

pub mod config;
pub mod headers;
pub mod message;
pub mod mode;
pub mod registrar;
pub mod rng;
pub mod time;
mod transaction;
pub mod transport;
pub mod upstream;
pub mod uri;
