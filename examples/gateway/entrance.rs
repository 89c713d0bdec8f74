//! Where connections are taken, and what has to happen before they count: the handshakes of TLS and WebSocket, each with a time
//! limit and in a task of its own, and no more of them at once than there is room for.

use crate::{tls, websocket};
use sip_survivability::transport::Transport;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How long the handshakes of one connection may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many connections may be at their handshakes, and how many of one host's.
const AT_ONCE: usize = 512;
const AT_ONCE_OF_HOST: usize = 64;

/// What bytes come by.
pub(crate) trait Bytestream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytestream for T {}

/// A connection that is ready to carry SIP.
pub(crate) enum Ready {
    Bytes(Box<dyn Bytestream>),
    Messages(Box<WebSocketStream<Box<dyn Bytestream>>>),
}

/// One kind of connection, and where others reach it.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) transport: Transport,
    pub(crate) local: SocketAddr,
    /// For a transport that is secure.
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: WebSocketConfig,
}

impl Entrance {
    /// Whether a connection is ready as soon as it is there.
    pub(crate) const fn is_plain(&self) -> bool {
        matches!(self.transport, Transport::Tcp)
    }

    /// Does what the transport wants to be done first.
    pub(crate) async fn admit(&self, stream: TcpStream) -> io::Result<Ready> {
        let steps = async {
            stream.set_nodelay(true)?;
            let stream: Box<dyn Bytestream> = match &self.tls {
                Some(tls) if self.transport.is_secure() => Box::new(tls.accept(stream).await?),
                None if self.transport.is_secure() => return Err(io::ErrorKind::Unsupported.into()),
                Some(_) | None => Box::new(stream),
            };
            if self.transport.is_websocket() {
                Ok(Ready::Messages(Box::new(websocket::accept(stream, self.limits).await?)))
            } else {
                Ok(Ready::Bytes(stream))
            }
        };
        timeout(HANDSHAKE, steps).await.map_err(tls::failed)?
    }
}

/// How many connections of which hosts are at their handshakes.
#[derive(Clone, Default)]
pub(crate) struct Handshakes(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them, until it is dropped.
pub(crate) struct Handshake {
    all: Handshakes,
    host: IpAddr,
}

impl Handshakes {
    /// Room for one more of `host`, if there is any.
    pub(crate) fn begin(&self, host: IpAddr) -> Option<Handshake> {
        self.count(|counts| {
            let (all, of_host) = (counts.values().sum::<usize>(), counts.entry(host).or_default());
            let has_room = all < AT_ONCE && *of_host < AT_ONCE_OF_HOST;
            if has_room {
                *of_host += 1;
            } else if *of_host == 0 {
                counts.remove(&host);
            }
            has_room.then(|| Handshake { all: self.clone(), host })
        })
    }

    fn count<T>(&self, change: impl FnOnce(&mut HashMap<IpAddr, usize>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.count(|counts| {
            if let Some(count) = counts.get_mut(&self.host) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&self.host);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_takes_no_more_than_its_share_and_all_no_more_than_there_is() {
        let handshakes = Handshakes::default();
        let host = |number: u32| IpAddr::V4(number.into());
        let mut under_way = Vec::new();
        for number in 0..16 {
            let begun: Vec<_> = std::iter::from_fn(|| handshakes.begin(host(number))).collect();
            assert_eq!(begun.len(), if number < 8 { AT_ONCE_OF_HOST } else { 0 }, "{number}");
            under_way.extend(begun);
        }
        assert_eq!(under_way.len(), AT_ONCE);
        under_way.pop();
        assert!(handshakes.begin(host(99)).is_some());
        under_way.clear();
        assert!(handshakes.count(|counts| counts.is_empty()));
    }
}
