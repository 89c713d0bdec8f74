//! What ICMP says about datagrams that we sent (Linux: `IP_RECVERR`, see ip(7) and recvmsg(2)).
//!
//! A closed port, or a router without a route, answers a datagram with an ICMP message. An ordinary UDP socket that is
//! not connected never hears of it. With `IP_RECVERR` the kernel keeps each such message in the socket's error queue,
//! together with the address that the datagram was meant for. So a proxy whose process has died is known to be gone
//! after one round trip and not after a row of timeouts.
//!
//! The price: an error that waits also makes the next send or receive on the socket fail, without having done
//! anything. `udp.rs` empties the queue and does it again.

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

/// Has the kernel keep errors from now on.
pub(crate) fn enable(socket: &impl AsFd, is_ipv4: bool) -> io::Result<()> {
    if is_ipv4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

/// One entry of the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// What was sent there did not arrive.
    Undeliverable(SocketAddr),
    /// Nothing that says that the other side is away.
    Harmless,
}

/// Takes the oldest entry; none if the queue is empty.
pub(crate) fn take(socket: &impl AsRawFd) -> Option<Entry> {
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    // No room for the payload: it is only the start of what we sent.
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut [], Some(&mut control), flags).ok()?;

    let error = message.cmsgs().ok()?.find_map(|control| {
        if let ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) =
            control
        {
            Some(error)
        } else {
            None
        }
    });
    // A router that wants smaller packets speaks of the packet, not of the other side; the kernel has noted the size.
    let too_big = error.is_none_or(|error| i32::try_from(error.ee_errno) == Ok(Errno::EMSGSIZE as i32));
    // The address of this message is, unlike that of any other, the one that the datagram was sent to.
    match message.address.as_ref().and_then(address_of) {
        Some(to) if !too_big => Some(Entry::Undeliverable(to)),
        _ => Some(Entry::Harmless),
    }
}

/// The address as the rest of the gateway has it.
pub(crate) fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().copied().map(|v4: SockaddrIn| SocketAddr::from(v4));
    v4.or_else(|| address.as_sockaddr_in6().copied().map(|v6: SockaddrIn6| SocketAddr::from(v6)))
}
