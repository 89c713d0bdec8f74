//! A sans-IO core that keeps a branch office's SIP phones calling while their central proxy is away.

pub mod config;
pub mod mode;
pub mod rng;
pub mod time;
pub mod transport;
pub mod upstream;
pub mod uri;
