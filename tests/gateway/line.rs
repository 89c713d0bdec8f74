//! What a phone is plugged into.

use crate::phone::Message;
use crate::process::PATIENCE;
use std::io::{BufRead as _, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Utf8Bytes, WebSocket};

/// Bytes there and back.
pub(crate) trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) enum Line {
    Udp(UdpSocket),
    Stream(Ends, BufReader<Box<dyn Duplex>>),
    WebSocket(Ends, Box<WebSocket<Box<dyn Duplex>>>),
}

/// What a connection is, and between whom.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    transport: &'static str,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Ends {
    pub(crate) fn of(transport: &'static str, stream: &TcpStream) -> Self {
        Self { transport, local: stream.local_addr().unwrap(), remote: stream.peer_addr().unwrap() }
    }
}

/// A connection whose reads do not wait for ever.
pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// TLS on a connection to a server that `config` believes.
pub(crate) fn secure(config: &Arc<ClientConfig>, stream: TcpStream) -> TlsStream {
    let name = stream.peer_addr().unwrap().ip().into();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream)
}

/// The handshake of a WebSocket that asks for this subprotocol.
pub(crate) fn upgrade(
    stream: Box<dyn Duplex>,
    to: SocketAddr,
    subprotocol: Option<&'static str>,
) -> Result<WebSocket<Box<dyn Duplex>>, tungstenite::Error> {
    let mut request = format!("ws://{to}/").into_client_request()?;
    if let Some(name) = subprotocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", name.parse().unwrap());
    }
    match tungstenite::client::client(request, stream) {
        Ok((socket, response)) => {
            assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
            Ok(socket)
        }
        Err(tungstenite::HandshakeError::Failure(error)) => Err(error),
        Err(tungstenite::HandshakeError::Interrupted(_)) => Err(Error::from(ErrorKind::TimedOut).into()),
    }
}

impl Line {
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::Stream(Ends::of("TCP", &stream), BufReader::new(Box::new(stream)))
    }

    pub(crate) fn tls(config: &Arc<ClientConfig>, stream: TcpStream) -> Self {
        Self::Stream(Ends::of("TLS", &stream), BufReader::new(Box::new(secure(config, stream))))
    }

    /// The other end of TLS.
    pub(crate) fn accepted(stream: &TcpStream, secured: impl Duplex + 'static) -> Self {
        Self::Stream(Ends::of("TLS", stream), BufReader::new(Box::new(secured)))
    }

    pub(crate) fn ws(stream: TcpStream) -> Self {
        let ends = Ends::of("WS", &stream);
        Self::WebSocket(ends, Box::new(upgrade(Box::new(stream), ends.remote, Some("sip")).unwrap()))
    }

    pub(crate) fn wss(config: &Arc<ClientConfig>, stream: TcpStream) -> Self {
        let ends = Ends::of("WSS", &stream);
        let stream = Box::new(secure(config, stream));
        Self::WebSocket(ends, Box::new(upgrade(stream, ends.remote, Some("mqtt, sip")).unwrap()))
    }

    pub(crate) const fn transport(&self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Stream(ends, _) | Self::WebSocket(ends, _) => ends.transport,
        }
    }

    pub(crate) const fn is_websocket(&self) -> bool {
        matches!(self, Self::WebSocket(..))
    }

    pub(crate) fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap(),
            Self::Stream(ends, _) | Self::WebSocket(ends, _) => ends.local,
        }
    }

    pub(crate) fn send(&mut self, to: SocketAddr, message: &str) {
        match self {
            Self::Udp(socket) => drop(socket.send_to(message.as_bytes(), to).unwrap()),
            Self::Stream(_, stream) => {
                stream.get_mut().write_all(message.as_bytes()).unwrap();
                stream.get_mut().flush().unwrap();
            }
            Self::WebSocket(_, socket) => {
                socket.send(tungstenite::Message::Text(Utf8Bytes::from(message))).unwrap();
            }
        }
    }

    pub(crate) fn receive(&mut self) -> std::io::Result<Message> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; 65_535];
                let (length, from) = socket.recv_from(&mut buffer)?;
                Ok(Message { text: str::from_utf8(&buffer[..length]).unwrap().to_owned(), from })
            }
            Self::Stream(ends, stream) => {
                let mut text = String::new();
                // None of what comes here has a body.
                while !text.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut text)? == 0 {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                assert!(text.contains("\r\nContent-Length: 0\r\n"), "{text}");
                Ok(Message { text, from: ends.remote })
            }
            Self::WebSocket(ends, socket) => {
                let message = socket.read().map_err(Error::other)?;
                Ok(Message { text: message.into_text().unwrap().to_string(), from: ends.remote })
            }
        }
    }
}
