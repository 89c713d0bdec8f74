//! The way to the public network: takes a call to any number, rings, answers. It does not register.

use super::net::{Io, Node};
use super::user_agent::UserAgent;
use bytes::Bytes;
use sip_survivability::time::Instant;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

#[derive(Debug)]
pub struct PstnGateway(UserAgent);

impl Deref for PstnGateway {
    type Target = UserAgent;

    fn deref(&self) -> &UserAgent {
        &self.0
    }
}

impl DerefMut for PstnGateway {
    fn deref_mut(&mut self) -> &mut UserAgent {
        &mut self.0
    }
}

impl PstnGateway {
    /// A gateway that hands calls from outside to `proxy`.
    pub fn new(address: SocketAddr, proxy: SocketAddr) -> Self {
        let mut agent = UserAgent::new("pstn", &address.ip().to_string(), address, proxy);
        agent.any_number = true;
        Self(agent)
    }

    /// The numbers that were dialled through it: the Request-URI's user as it came, nothing stripped.
    pub fn dialled(&self) -> Vec<&str> {
        self.calls.iter().map(|call| call.number.as_str()).collect()
    }
}

impl Node for PstnGateway {
    fn receive(&mut self, io: &mut Io<'_>, from: SocketAddr, data: Bytes) {
        self.0.receive(io, from, data);
    }

    fn unreachable(&mut self, io: &mut Io<'_>, to: SocketAddr) {
        self.0.unreachable(io, to);
    }

    fn tick(&mut self, io: &mut Io<'_>) {
        self.0.tick(io);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.0.next_timeout()
    }
}
