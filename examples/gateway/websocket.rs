//! WebSockets (RFC 6455) that carry SIP (RFC 7118): how one begins, and how its messages are read and written.

use crate::connections::{Arrival, FAREWELL, PATIENCE, tell};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use sip_survivability::Event;
use sip_survivability::transport::FlowId;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

/// The subprotocol (RFC 7118 4).
const SIP: &str = "sip";

/// What may wait to be written besides one message: answers to pings.
const SLACK: usize = 65_536;

/// What is read at once.
const CHUNK: usize = 4096;

/// To whoever does not ask for a WebSocket (RFC 9110 15.5.22, RFC 6455 4.4).
const NO_UPGRADE: &[u8] =
    b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\
    Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n";

/// Limits for messages of so many bytes.
pub(crate) fn limits(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(CHUNK)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * max_message + SLACK)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// The server's side of the handshake, with the subprotocol `sip` demanded.
pub(crate) async fn accept<S>(mut stream: S, limits: WebSocketConfig) -> io::Result<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let begun = accept_hdr_async_with_config(&mut stream, subprotocol, Some(limits)).await.map(drop);
    match begun {
        // Nothing has been read beyond the request: a client sends no more before it has the answer (RFC 6455 4.1).
        Ok(()) => Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await),
        Err(error) => {
            if matches!(error, Error::Protocol(_) | Error::HttpFormat(_)) {
                stream.write_all(NO_UPGRADE).await?;
            }
            stream.shutdown().await?;
            Err(crate::tls::failed(error))
        }
    }
}

/// RFC 7118 4: the client MUST offer `sip`, and the server says that it takes it.
#[expect(clippy::result_large_err, reason = "the handshake wants it so")]
fn subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    const NAME: &str = "Sec-WebSocket-Protocol";
    let offers = request.headers().get_all(NAME).iter().filter_map(|offer| offer.to_str().ok());
    let mut names = offers.flat_map(|offer| offer.split(',')).map(str::trim);
    if names.any(|name| name.eq_ignore_ascii_case(SIP)) {
        response.headers_mut().insert(NAME, HeaderValue::from_static(SIP));
        return Ok(response);
    }
    let reason = "Sec-WebSocket-Protocol must offer sip\n";
    let mut refusal = ErrorResponse::new(Some(reason.to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    let headers = refusal.headers_mut();
    headers.insert("Content-Length", HeaderValue::from(reason.len()));
    headers.insert("Content-Type", HeaderValue::from_static("text/plain"));
    headers.insert("Connection", HeaderValue::from_static("close"));
    Err(refusal)
}

/// Reads and writes messages until either end has enough, and says farewell (RFC 6455 7).
pub(crate) async fn serve<S>(
    flow: FlowId,
    socket: WebSocketStream<S>,
    mut output: Receiver<Bytes>,
    arrivals: &Sender<Arrival>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut writer, mut reader) = socket.split();
    let farewell = tokio::select! {
        farewell = read(flow, &mut reader, arrivals) => farewell,
        () = write(&mut writer, &mut output) => Some(CloseCode::Normal),
    };
    let Some(code) = farewell else { return };
    let _ = timeout(FAREWELL, async {
        writer.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await?;
        while reader.next().await.transpose()?.is_some() {}
        Ok::<_, Error>(())
    })
    .await;
}

/// Reads to the end. With which code we are to close, if the other end has not. Pings are answered below.
async fn read<S>(
    flow: FlowId,
    reader: &mut SplitStream<WebSocketStream<S>>,
    arrivals: &Sender<Arrival>,
) -> Option<CloseCode>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        // RFC 7118 5: text or binary alike.
        let data = match reader.next().await? {
            Ok(Message::Text(text)) => text.into(),
            Ok(Message::Binary(data)) => data,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => continue,
            Err(error) => {
                tracing::debug!("a WebSocket: {error}");
                return close_code(&error);
            }
        };
        tell(arrivals, Event::Stream { flow, data }).await;
    }
}

/// RFC 6455 7.4.1.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other errors are those of the connection")]
const fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        _ => None,
    }
}

async fn write<S>(writer: &mut SplitSink<WebSocketStream<S>, Message>, output: &mut Receiver<Bytes>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(payload) = output.recv().await {
        // A text frame has to be UTF-8 (RFC 6455 5.6), which a body need not be.
        let text = Utf8Bytes::try_from(payload.clone());
        let message = text.map_or(Message::Binary(payload), Message::Text);
        if !matches!(timeout(PATIENCE, writer.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
}
