//! Connections, each a task of its own that reads, writes and ends. One bounded queue leads out of them all, so that who sends too
//! fast waits; a bounded queue leads into each, and who does not read what is sent loses the connection.
//!
//! A connection that is secured first is [`serve`]d like any other; a WebSocket has a module of its own.

use crate::drops::Drops;
use crate::entrance::{Bytestream, Entrance, Handshakes, Ready};
use crate::{tls, websocket};
use bytes::{Bytes, BytesMut};
use sip_survivability::Event;
use sip_survivability::transport::{FlowId, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// What may wait to be told to the core.
const ARRIVALS: usize = 1024;

/// Messages that may wait to be written to one connection.
const WAITING: usize = 64;

/// What is read at once.
const CHUNK: usize = 4096;

/// How long one write may take, and how long a connection may take to come about. The core gives up sooner.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long the other end may take to close what we have closed.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// After the system refused to give another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The name of the first connection that is taken; sockets have the names below.
const FIRST: u64 = 1 << 32;

/// What the tasks tell.
pub(crate) enum Arrival {
    /// Somebody has connected, and done all that comes before SIP.
    Accepted { connection: Ready, transport: Transport, local: SocketAddr, remote: SocketAddr },
    /// For the core.
    Event(Event),
}

/// The ways into the tasks.
pub(crate) struct Connections {
    outputs: HashMap<FlowId, Sender<Bytes>>,
    arrivals: Sender<Arrival>,
    handshakes: Handshakes,
    /// Which servers to believe.
    tls: Option<TlsConnector>,
    serial: u64,
}

/// Listens on `address`.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Else a restart would have to wait for the connections of before.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

impl Connections {
    /// With the queue that leads out of all. `tls`: by what to know the servers that are connected to, if any are.
    pub(crate) fn new(tls: Option<TlsConnector>) -> (Self, Receiver<Arrival>) {
        let (arrivals, queue) = channel(ARRIVALS);
        let handshakes = Handshakes::default();
        (Self { outputs: HashMap::new(), arrivals, handshakes, tls, serial: FIRST }, queue)
    }

    /// Takes connections from `listener`.
    pub(crate) fn take_from(&self, listener: TcpListener, entrance: Entrance) {
        let (arrivals, handshakes) = (self.arrivals.clone(), self.handshakes.clone());
        tokio::spawn(async move {
            let mut crowd = Drops::default();
            loop {
                let (stream, remote) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!("taking a connection: {error}");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                if entrance.is_plain() {
                    // Who sends connections too fast waits here.
                    admit(stream, remote, &entrance, &arrivals).await;
                } else if let Some(handshake) = handshakes.begin(remote.ip()) {
                    let (entrance, arrivals) = (entrance.clone(), arrivals.clone());
                    tokio::spawn(async move {
                        admit(stream, remote, &entrance, &arrivals).await;
                        drop(handshake);
                    });
                } else {
                    crowd.count(|count| {
                        tracing::warn!("too many handshakes, the latest from {remote}; closed: {count}");
                    });
                }
            }
        });
    }

    /// A name for a connection that was taken, and its task.
    pub(crate) fn accept(&mut self, connection: Ready) -> FlowId {
        let flow = FlowId(self.serial);
        self.serial += 1;
        let (output, arrivals) = (self.output_of(flow), self.arrivals.clone());
        tokio::spawn(async move {
            match connection {
                Ready::Bytes(stream) => serve(flow, stream, output, &arrivals).await,
                Ready::Messages(socket) => websocket::serve(flow, *socket, output, &arrivals).await,
            }
            tell(&arrivals, Event::FlowClosed { flow }).await;
        });
        flow
    }

    /// Opens the connection `flow`. What comes of it is told later.
    pub(crate) fn connect(&mut self, flow: FlowId, transport: Transport, to: SocketAddr, name: Option<&str>) {
        let (output, arrivals) = (self.output_of(flow), self.arrivals.clone());
        let tls = self.tls.clone();
        // RFC 5922 7.1: the certificate has to name what was asked for, the domain or else the address.
        let named = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let identity = named.unwrap_or_else(|| ServerName::from(to.ip()));
        tokio::spawn(async move {
            match timeout(PATIENCE, open(transport, to, identity, tls)).await {
                Ok(Ok((stream, local))) => {
                    let opened = Event::FlowOpened { flow, transport, local, remote: Some(to) };
                    tell(&arrivals, opened).await;
                    serve(flow, stream, output, &arrivals).await;
                }
                Ok(Err(error)) => tracing::debug!("connecting to {to}: {error}"),
                Err(_) => tracing::debug!("connecting to {to}: no answer"),
            }
            tell(&arrivals, Event::FlowClosed { flow }).await;
        });
    }

    fn output_of(&mut self, flow: FlowId) -> Receiver<Bytes> {
        let (sender, output) = channel(WAITING);
        self.outputs.insert(flow, sender);
        output
    }

    /// Queues `payload`. Whether there was room; if not, the connection is to be given up.
    pub(crate) fn send(&self, flow: FlowId, payload: Bytes) -> bool {
        // One that has ended has been told, or soon will be.
        self.outputs.get(&flow).is_none_or(|output| output.try_send(payload).is_ok())
    }

    /// Ends a connection after what waits to be written.
    pub(crate) fn close(&mut self, flow: FlowId) {
        self.outputs.remove(&flow);
    }
}

/// Does what comes before SIP, and tells.
async fn admit(stream: TcpStream, remote: SocketAddr, entrance: &Entrance, arrivals: &Sender<Arrival>) {
    let &Entrance { transport, local, .. } = entrance;
    match entrance.admit(stream).await {
        Ok(connection) => {
            // Nobody listens any more once the gateway ends.
            let _ = arrivals.send(Arrival::Accepted { connection, transport, local, remote }).await;
        }
        Err(error) => tracing::debug!("handshake with {remote}: {error}"),
    }
}

async fn open(
    transport: Transport,
    to: SocketAddr,
    identity: ServerName<'static>,
    tls: Option<TlsConnector>,
) -> io::Result<(Box<dyn Bytestream>, SocketAddr)> {
    let tls = match (transport, tls) {
        (Transport::Tcp, _) => None,
        (Transport::Tls, Some(tls)) => Some(tls),
        (Transport::Tls, None) => {
            return Err(tls::failed("without listen.authorities no server is believed"));
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    Ok((
        match tls {
            Some(tls) => Box::new(tls.connect(identity, stream).await?),
            None => Box::new(stream),
        },
        local,
    ))
}

/// Tells the core, after all that came before.
pub(crate) async fn tell(arrivals: &Sender<Arrival>, event: Event) {
    // Nobody listens any more once the gateway ends.
    let _ = arrivals.send(Arrival::Event(event)).await;
}

/// Reads and writes until either end has enough.
async fn serve(
    flow: FlowId,
    stream: impl AsyncRead + AsyncWrite,
    mut output: Receiver<Bytes>,
    arrivals: &Sender<Arrival>,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK);
            match reader.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => tell(arrivals, Event::Stream { flow, data: buffer.split().freeze() }).await,
            }
        }
    };
    let writing = async {
        while let Some(payload) = output.recv().await {
            let written = timeout(PATIENCE, writer.write_all(&payload)).await;
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
        let _ = timeout(PATIENCE, writer.shutdown()).await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    async fn next(queue: &mut Receiver<Arrival>) -> Arrival {
        timeout(SOON, queue.recv()).await.expect("nothing happened").expect("it is open")
    }

    async fn next_event(queue: &mut Receiver<Arrival>) -> Event {
        match next(queue).await {
            Arrival::Event(event) => event,
            Arrival::Accepted { .. } => panic!("somebody has connected"),
        }
    }

    fn plain(local: SocketAddr) -> Entrance {
        Entrance { transport: Transport::Tcp, local, tls: None, limits: websocket::limits(65_535) }
    }

    /// Two ends of one connection, opened by one and taken by the other.
    async fn pair() -> (Connections, Receiver<Arrival>, FlowId, FlowId) {
        let (mut connections, mut queue) = Connections::new(None);
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let local = listener.local_addr().unwrap();
        connections.take_from(listener, plain(local));
        let ours = FlowId(FlowId::DIALLED);
        connections.connect(ours, Transport::Tcp, local, None);
        let (mut theirs, mut is_open) = (None, false);
        while theirs.is_none() || !is_open {
            match next(&mut queue).await {
                Arrival::Accepted { connection, .. } => theirs = Some(connections.accept(connection)),
                Arrival::Event(event) => {
                    assert!(matches!(event, Event::FlowOpened { flow, .. } if flow == ours), "{event:?}");
                    is_open = true;
                }
            }
        }
        (connections, queue, ours, theirs.unwrap())
    }

    #[tokio::test]
    async fn what_is_sent_comes_in_order_and_then_the_end() {
        let (mut connections, mut queue, ours, theirs) = pair().await;
        assert!(connections.send(ours, Bytes::from("hel")) && connections.send(ours, Bytes::from("lo")));
        connections.close(ours);
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        while ends.len() < 2 {
            let event = next_event(&mut queue).await;
            if let Event::Stream { flow, data } = event {
                assert_eq!(flow, theirs);
                text.extend(data);
            } else if let Event::FlowClosed { flow } = event {
                ends.push(flow);
            } else {
                panic!("{event:?}");
            }
        }
        ends.sort_unstable();
        assert_eq!((text, ends), (b"hello".to_vec(), vec![theirs, ours]));
    }

    #[tokio::test]
    async fn a_queue_that_nobody_empties_is_full_at_last() {
        let (connections, _queue, ours, _) = pair().await;
        // No task runs in between.
        let sent = (0..2 * WAITING).take_while(|_| connections.send(ours, Bytes::from("x"))).count();
        assert_eq!(sent, WAITING);
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_is_told() {
        let (mut connections, mut queue) = Connections::new(None);
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (flow, other) = (FlowId(FlowId::DIALLED), FlowId(FlowId::DIALLED | 1));
        connections.connect(flow, Transport::Tcp, closed, None);
        assert_eq!(next_event(&mut queue).await, Event::FlowClosed { flow });
        connections.connect(other, Transport::Tls, closed, None);
        assert_eq!(next_event(&mut queue).await, Event::FlowClosed { flow: other });
    }
}
