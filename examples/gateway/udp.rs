//! A UDP socket that never blocks and that knows what could not be delivered.

use crate::batch::{Batch, Datagram, LONGEST_PAYLOAD};
use crate::drops::Drops;
#[cfg(target_os = "linux")]
use crate::error_queue;
use bytes::Bytes;
use sip_survivability::Event;
use sip_survivability::transport::FlowId;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::Poll;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// What the kernel should hold while we are busy. It gives what it allows, which will do.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Unreachable destinations that may wait to be told.
const MAX_UNDELIVERABLE: usize = 1024;

/// How often one send or receive is tried, since errors of earlier sends come between.
const ATTEMPTS: usize = 4;

/// What wakes us. An error that comes alone (ICMP about what we sent) counts on Linux, where there is a queue to read.
const WAKE: Interest =
    if cfg!(target_os = "linux") { Interest::READABLE.add(Interest::ERROR) } else { Interest::READABLE };

/// An open socket, as one flow of the core.
pub(crate) struct Port {
    flow: FlowId,
    bound: SocketAddr,
    socket: UdpSocket,
    batch: Batch,
    /// What has come and has not been told to the core yet.
    received: VecDeque<Datagram>,
    /// What waits for [`send_gathered`](Port::send_gathered).
    gathered: Vec<Datagram>,
    /// Who could not be reached and has not been told to the core yet, each once.
    undeliverable: VecDeque<SocketAddr>,
    drops: Drops,
}

impl Port {
    pub(crate) async fn bind(flow: FlowId, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // Else [::] would take IPv4 as well, under addresses that no other party ever wrote.
            socket.set_only_v6(true)?;
        }
        // Not to be had on every system, and no reason to stay away.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        #[cfg(target_os = "linux")]
        error_queue::enable(&socket, address.is_ipv4())?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;

        let socket = UdpSocket::from_std(socket.into())?;
        // Before the first poll tokio takes every socket for one that would block, and the first probe would be lost.
        socket.writable().await?;
        Ok(Self {
            flow,
            bound: socket.local_addr()?,
            socket,
            batch: Batch::new(),
            received: VecDeque::new(),
            gathered: Vec::new(),
            undeliverable: VecDeque::new(),
            drops: Drops::default(),
        })
    }

    pub(crate) const fn flow(&self) -> FlowId {
        self.flow
    }

    /// Where the socket is bound, with the port that the system chose if it was asked to.
    pub(crate) const fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Keeps a datagram until [`send_gathered`](Self::send_gathered).
    pub(crate) fn gather(&mut self, to: SocketAddr, payload: Bytes) {
        if payload.len() > LONGEST_PAYLOAD {
            // Not a failure of `to`, so none is reported.
            self.drops
                .count(|count| tracing::warn!("too long for UDP, the latest to {to}; dropped: {count}"));
        } else {
            self.gathered.push(Datagram { peer: to, payload });
        }
    }

    /// Sends what was gathered, now or not at all. What cannot be sent comes back from [`receive`](Self::receive) as a failure.
    pub(crate) fn send_gathered(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        let (mut rest, mut attempts) = (gathered.as_slice(), 0);
        while let Some(Datagram { peer, .. }) = rest.first() {
            match self.batch.send(&self.socket, rest) {
                Ok(count) => {
                    rest = rest.get(count.max(1)..).unwrap_or_default();
                    attempts = 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // SIP sends again what matters; waiting here would make every other call late.
                    for Datagram { peer, .. } in rest {
                        self.drops.count(|count| {
                            tracing::warn!("send buffer full, the latest to {peer}; dropped: {count}");
                        });
                    }
                    break;
                }
                // Perhaps the error of an earlier datagram: then this one has not been tried. If its own, it comes again.
                Err(error) => {
                    tracing::debug!("sending to {peer}: {error}");
                    self.take_errors();
                    attempts += 1;
                    if attempts == ATTEMPTS {
                        self.cannot_reach(*peer);
                        rest = rest.get(1..).unwrap_or_default();
                        attempts = 0;
                    }
                }
            }
        }
        // Its room is used again.
        self.gathered = gathered;
        self.gathered.clear();
    }

    /// The next thing that happened here, if any.
    pub(crate) fn receive(&mut self) -> Option<Event> {
        for _ in 0..ATTEMPTS {
            if let Some(to) = self.undeliverable.pop_front() {
                return Some(Event::SendFailed { flow: self.flow, to });
            }
            if let Some(Datagram { peer, payload }) = self.received.pop_front() {
                return Some(Event::Datagram { flow: self.flow, from: peer, data: payload });
            }
            self.take_announced_errors();
            match self.batch.receive(&self.socket, &mut self.received) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.undeliverable.is_empty() {
                        return None;
                    }
                }
                // The error of an earlier send, which is in the queue as well.
                Err(_) => self.take_errors(),
            }
        }
        None
    }

    /// Waits until [`receive`](Self::receive) may have something.
    async fn ready(&self) {
        let has_some = !self.undeliverable.is_empty() || !self.received.is_empty();
        if !has_some && self.socket.ready(WAKE).await.is_err() {
            // The runtime is ending, and we with it.
            pending().await
        }
    }

    fn cannot_reach(&mut self, to: SocketAddr) {
        if self.undeliverable.len() < MAX_UNDELIVERABLE && !self.undeliverable.contains(&to) {
            self.undeliverable.push_back(to);
        }
    }
}

#[cfg(target_os = "linux")]
impl Port {
    /// Empties the error queue.
    fn take_errors(&mut self) {
        while let Some(entry) = error_queue::take(&self.socket) {
            if let error_queue::Entry::Undeliverable(to) = entry {
                self.cannot_reach(to);
            }
        }
    }

    /// The same if the system says that there is something, after which it may say so again.
    fn take_announced_errors(&mut self) {
        while let Ok(entry) = self.socket.try_io(Interest::ERROR, || {
            error_queue::take(&self.socket).ok_or_else(|| ErrorKind::WouldBlock.into())
        }) {
            if let error_queue::Entry::Undeliverable(to) = entry {
                self.cannot_reach(to);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Port {
    /// No queue here: an error of a send belongs to that send.
    fn take_errors(&self) {}

    fn take_announced_errors(&self) {}
}

/// Waits until one of the ports has something.
pub(crate) async fn any_ready(ports: &[Port]) {
    let mut waits: Vec<_> = ports.iter().map(|port| Box::pin(port.ready())).collect();
    poll_fn(|context| {
        let ready = waits.iter_mut().any(|wait| wait.as_mut().poll(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(5);

    async fn port(address: &str) -> Port {
        Port::bind(FlowId(3), address.parse().unwrap()).await.unwrap()
    }

    fn send(port: &mut Port, to: SocketAddr, payload: &[u8]) {
        port.gather(to, Bytes::copy_from_slice(payload));
        port.send_gathered();
    }

    /// A port of this machine where nobody listens.
    fn closed(ip: &str) -> SocketAddr {
        std::net::UdpSocket::bind((ip.parse::<std::net::IpAddr>().unwrap(), 0)).unwrap().local_addr().unwrap()
    }

    async fn next(ports: &mut [Port]) -> Event {
        tokio::time::timeout(SOON, async {
            loop {
                any_ready(ports).await;
                if let Some(event) = ports.iter_mut().find_map(Port::receive) {
                    return event;
                }
            }
        })
        .await
        .expect("nothing happened")
    }

    #[tokio::test]
    async fn a_datagram_comes_whole_and_with_its_sender() {
        let mut ports = [port("127.0.0.1:0").await, port("127.0.0.1:0").await];
        let (to, from) = (ports[1].bound(), ports[0].bound());
        send(&mut ports[0], to, b"hello");
        let data = Bytes::from_static(b"hello");
        assert_eq!(next(&mut ports).await, Event::Datagram { flow: FlowId(3), from, data });
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_closed_port_is_told_without_anything_else_to_wake_us() {
        let mut ports = [port("127.0.0.1:0").await];
        for _ in 0..3 {
            let to = closed("127.0.0.1");
            send(&mut ports[0], to, b"OPTIONS");
            assert_eq!(next(&mut ports).await, Event::SendFailed { flow: FlowId(3), to });
            assert_eq!(ports[0].receive(), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_closed_port_is_told_over_ipv6() {
        let Ok(port) = Port::bind(FlowId(3), "[::1]:0".parse().unwrap()).await else {
            eprintln!("skipped: no IPv6 loopback");
            return;
        };
        let mut ports = [port];
        let to = closed("::1");
        send(&mut ports[0], to, b"OPTIONS");
        assert_eq!(next(&mut ports).await, Event::SendFailed { flow: FlowId(3), to });
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_closed_port_costs_nobody_else_a_datagram() {
        let mut ports = [port("127.0.0.1:0").await, port("127.0.0.1:0").await];
        let (open, shut) = (ports[1].bound(), closed("127.0.0.1"));
        for _ in 0..20 {
            send(&mut ports[0], shut, b"lost");
            send(&mut ports[0], open, b"kept");
        }
        any_ready(&ports[1..]).await;
        let received = std::iter::from_fn(|| ports[1].receive()).count();
        assert_eq!(received, 20);
        assert_eq!(ports[0].receive(), Some(Event::SendFailed { flow: FlowId(3), to: shut }));
    }

    #[tokio::test]
    async fn an_address_that_no_route_leads_to_is_told() {
        let mut ports = [port("127.0.0.1:0").await];
        // From the loopback address nothing leaves the machine.
        let to = "192.0.2.1:5060".parse().unwrap();
        send(&mut ports[0], to, b"OPTIONS");
        assert_eq!(next(&mut ports).await, Event::SendFailed { flow: FlowId(3), to });
    }

    #[tokio::test]
    async fn what_is_too_long_for_udp_says_nothing_about_its_destination() {
        let mut ports = [port("127.0.0.1:0").await, port("127.0.0.1:0").await];
        let to = ports[1].bound();
        send(&mut ports[0], to, &[b'x'; LONGEST_PAYLOAD + 1]);
        assert_eq!(ports[0].receive(), None);
        send(&mut ports[0], to, &[b'x'; LONGEST_PAYLOAD]);
        assert!(
            matches!(next(&mut ports).await, Event::Datagram { data, .. } if data.len() == LONGEST_PAYLOAD)
        );
    }
}
