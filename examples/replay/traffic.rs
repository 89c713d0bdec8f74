//! The messages of a life, out of what the core was told and what it did.

use bytes::Bytes;
use sip_survivability::journal::Told;
use sip_survivability::message::{ConnectionEnd, Frame, FrameLimits, Framer, Message};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Received,
    Sent,
}

/// A message, and who is at the other end.
pub(crate) struct Passed {
    pub(crate) at: Instant,
    pub(crate) way: Way,
    pub(crate) peer: SocketAddr,
    pub(crate) message: Message,
}

/// What is known of connections.
#[derive(Default)]
pub(crate) struct Traffic {
    flows: HashMap<FlowId, Connection>,
}

struct Connection {
    remote: SocketAddr,
    /// None for a WebSocket, which frames by itself, and for a stream that nobody can read any more.
    framer: Option<Framer>,
    is_websocket: bool,
}

impl Traffic {
    /// The messages of one step, in their order. What is none is left out.
    pub(crate) fn messages(&mut self, at: Instant, told: &Told<'_>, actions: &Actions) -> Vec<Passed> {
        let mut passed = Vec::new();
        let mut note = |way, peer, text: Bytes| {
            if let Ok(message) = Message::parse(text) {
                passed.push(Passed { at, way, peer, message });
            }
        };
        match told {
            Told::Event(Event::FlowOpened { flow, transport, remote: Some(remote), .. }) => {
                let is_websocket = matches!(transport, Transport::Ws | Transport::Wss);
                let framer = Framer::new(ConnectionEnd::Accepted, FrameLimits::default());
                let framer = Some(framer).filter(|_| !is_websocket);
                self.flows.insert(*flow, Connection { remote: *remote, framer, is_websocket });
            }
            Told::Event(Event::FlowClosed { flow }) => drop(self.flows.remove(flow)),
            Told::Event(Event::Datagram { from, data, .. }) => note(Way::Received, *from, data.clone()),
            Told::Event(Event::Stream { flow, data }) => {
                if let Some(connection) = self.flows.get_mut(flow) {
                    connection
                        .read(data)
                        .into_iter()
                        .for_each(|text| note(Way::Received, connection.remote, text));
                }
            }
            _ => {}
        }
        for action in actions {
            if let Action::Send { to, payload, .. } = action {
                note(Way::Sent, *to, payload.clone());
            }
        }
        passed
    }
}

impl Connection {
    fn read(&mut self, data: &Bytes) -> Vec<Bytes> {
        if self.is_websocket {
            return vec![data.clone()];
        }
        let mut texts = Vec::new();
        if let Some(framer) = &mut self.framer {
            framer.push(data.clone());
            loop {
                match framer.next_frame() {
                    Ok(Some(Frame::Message(text))) => texts.push(text),
                    Ok(Some(_keep_alive)) => {}
                    Ok(None) => break,
                    Err(_) => {
                        self.framer = None;
                        break;
                    }
                }
            }
        }
        texts
    }
}
