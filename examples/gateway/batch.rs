//! Many datagrams by one system call (Linux: recvmmsg(2), sendmmsg(2)). What a call costs besides the datagrams is then paid once for
//! all that have come, and a peer that is woken by the first one finds the others there. Elsewhere: one call for each.

use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// No UDP datagram has a longer payload: 65,535 less the headers of IP and UDP.
pub(crate) const LONGEST_PAYLOAD: usize = 65_507;

/// A datagram, and the other end: who sent it, or who is to get it.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) peer: SocketAddr,
    pub(crate) payload: Bytes,
}

#[cfg(target_os = "linux")]
pub(crate) use many::Batch;
#[cfg(not(target_os = "linux"))]
pub(crate) use one::Batch;

#[cfg(target_os = "linux")]
mod many {
    use super::{Bytes, Datagram, LONGEST_PAYLOAD, SocketAddr, UdpSocket, VecDeque, io};
    use crate::error_queue::address_of;
    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
    use std::io::{IoSlice, IoSliceMut};
    use std::os::fd::AsRawFd;
    use tokio::io::Interest;

    /// Datagrams of one call.
    const MOST: usize = 32;

    /// From one buffer to the next: no multiple of a page, so that the starts of all of them find room in the first cache.
    const STRIDE: usize = LONGEST_PAYLOAD.next_multiple_of(4096) + 1024;

    /// What the calls need, made once. The system gives memory to buffers as far as datagrams have filled them.
    pub(crate) struct Batch {
        buffers: Box<[u8]>,
        received: MultiHeaders<SockaddrStorage>,
        sent: MultiHeaders<SockaddrStorage>,
    }

    impl Batch {
        pub(crate) fn new() -> Self {
            Self {
                buffers: vec![0; MOST * STRIDE].into(),
                received: MultiHeaders::preallocate(MOST, None),
                sent: MultiHeaders::preallocate(MOST, None),
            }
        }

        /// Takes some of what has come, at least one.
        pub(crate) fn receive(
            &mut self,
            socket: &UdpSocket,
            into: &mut VecDeque<Datagram>,
        ) -> io::Result<()> {
            let (buffers, headers) = (&mut self.buffers, &mut self.received);
            socket.try_io(Interest::READABLE, || {
                let mut buffers = buffers.chunks_exact_mut(STRIDE);
                let mut slices: [[IoSliceMut<'_>; 1]; MOST] =
                    std::array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
                let messages =
                    recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
                into.extend(messages.filter_map(|message| {
                    let payload = Bytes::copy_from_slice(message.iovs().next().unwrap_or_default());
                    Some(Datagram { peer: address_of(&message.address?)?, payload })
                }));
                Ok(())
            })
        }

        /// Sends the first of `datagrams`, and says how many. An error is that of the first one.
        pub(crate) fn send(&mut self, socket: &UdpSocket, datagrams: &[Datagram]) -> io::Result<usize> {
            let some = datagrams.get(..MOST).unwrap_or(datagrams);
            let headers = &mut self.sent;
            socket.try_io(Interest::WRITABLE, || {
                let slices: Vec<_> = some.iter().map(|datagram| [IoSlice::new(&datagram.payload)]).collect();
                let addresses: Vec<Option<SockaddrStorage>> =
                    some.iter().map(|datagram| Some(SocketAddr::into(datagram.peer))).collect();
                let flags = MsgFlags::MSG_DONTWAIT;
                Ok(sendmmsg(socket.as_raw_fd(), headers, &slices, addresses, [], flags)?.count())
            })
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod one {
    use super::{Bytes, Datagram, LONGEST_PAYLOAD, UdpSocket, VecDeque, io};

    /// Room for a datagram.
    pub(crate) struct Batch(Box<[u8]>);

    impl Batch {
        pub(crate) fn new() -> Self {
            Self(vec![0; LONGEST_PAYLOAD].into())
        }

        /// Takes one of what has come.
        pub(crate) fn receive(
            &mut self,
            socket: &UdpSocket,
            into: &mut VecDeque<Datagram>,
        ) -> io::Result<()> {
            let (length, peer) = socket.try_recv_from(&mut self.0)?;
            let payload = Bytes::copy_from_slice(self.0.get(..length).unwrap_or_default());
            into.push_back(Datagram { peer, payload });
            Ok(())
        }

        /// Sends the first of `datagrams`, and says how many that were.
        pub(crate) fn send(&self, socket: &UdpSocket, datagrams: &[Datagram]) -> io::Result<usize> {
            match datagrams.first() {
                Some(Datagram { peer, payload }) => socket.try_send_to(payload, *peer).map(|_| 1),
                None => Ok(0),
            }
        }
    }
}
