//! The addresses, and the lines between them: everything is late, some of it is lost, and a line that is cut swallows all.
//!
//! ```text
//!  phones 10.16.0.0 + n --+
//!                         +-- SAS 10.0.0.1:5080 ---- WAN ---- PBX 192.0.2.1, in some scenarios also 192.0.2.2
//!  PSTN gateway 10.0.0.9 -+
//! ```

use super::queue::{Job, Queue};
use bytes::Bytes;
use sip_survivability::rng::Rng;
use sip_survivability::time::Instant;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub const DOMAIN: &str = "office.example";
pub const SAS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5080);
pub const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 5060);
/// The PBX has two addresses, of which most scenarios use the first alone.
pub const PBXS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5060),
];

const FIRST_PHONE: u32 = 0x0a10_0000;

/// Who lives at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Sas,
    Gateway,
    Pbx(u8),
    Phone(u32),
}

/// Where a phone lives.
pub fn phone_address(index: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(FIRST_PHONE + index), 5060))
}

pub fn place_of(address: SocketAddr) -> Option<Place> {
    if address == SAS {
        return Some(Place::Sas);
    }
    if address == GATEWAY {
        return Some(Place::Gateway);
    }
    if let Some(index) = PBXS.iter().position(|pbx| *pbx == address) {
        return Some(Place::Pbx(index as u8));
    }
    match address.ip() {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(FIRST_PHONE).map(Place::Phone),
        IpAddr::V6(_) => None,
    }
}

/// A line, the same both ways.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub latency: Duration,
    /// Up to so much more, evenly spread: packets overtake each other.
    pub jitter: Duration,
    /// The share of packets that is lost.
    pub loss: f64,
}

impl Line {
    pub const fn lan(loss: f64) -> Self {
        Self { latency: Duration::from_micros(500), jitter: Duration::from_micros(500), loss }
    }

    pub const fn wan(loss: f64) -> Self {
        Self { latency: Duration::from_millis(20), jitter: Duration::from_millis(5), loss }
    }
}

/// A packet on its way.
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub data: Bytes,
}

pub struct Net {
    pub queue: Queue,
    pub rng: Rng,
    pub lan: Line,
    pub wan: Line,
    /// The lines to the PBXs that are cut.
    pub cut: [bool; 2],
    /// The PBXs whose hosts say that nobody listens.
    pub closed: [bool; 2],
    /// Packets that were sent.
    pub sent: u64,
    packets: Vec<Option<Packet>>,
    free: Vec<u32>,
}

impl Net {
    pub fn new(rng: Rng, loss: f64) -> Self {
        Self {
            queue: Queue::default(),
            rng,
            lan: Line::lan(loss),
            wan: Line::wan(loss),
            cut: [false; 2],
            closed: [false; 2],
            sent: 0,
            packets: Vec::new(),
            free: Vec::new(),
        }
    }

    /// An even chance of `share`.
    pub fn chance(&mut self, share: f64) -> bool {
        ((self.rng.bits() >> 11) as f64) < share * (1_u64 << 53) as f64
    }

    /// Something between `low` and `high`.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        self.rng.between(low, high)
    }

    /// The time to the next of events that come at random, `mean` apart.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        let uniform = ((self.rng.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        mean.mul_f64(-uniform.ln())
    }

    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, data: Bytes) {
        self.sent += 1;
        let pbx_at = |address| PBXS.iter().position(|pbx| *pbx == address);
        let line = match pbx_at(to).or_else(|| pbx_at(from)) {
            Some(pbx) if self.cut[pbx] => return,
            Some(_) => self.wan,
            None => self.lan,
        };
        if self.chance(line.loss) {
            return;
        }
        let delay = line.latency + self.rng.between(Duration::ZERO, line.jitter);
        match pbx_at(to) {
            // ICMP port unreachable: SAS hears of it. Phones do not listen to that.
            Some(pbx) if self.closed[pbx] => {
                if from == SAS {
                    self.queue.push(now + 2 * delay, Job::Refused(pbx as u8));
                }
            }
            _ => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.packets.push(None);
                    self.packets.len() as u32 - 1
                });
                self.packets[slot as usize] = Some(Packet { from, to, data });
                self.queue.push(now + delay, Job::Deliver(slot));
            }
        }
    }

    pub fn take(&mut self, slot: u32) -> Option<Packet> {
        self.free.push(slot);
        self.packets[slot as usize].take()
    }
}
