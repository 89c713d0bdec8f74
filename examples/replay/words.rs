//! How things are said.

use sip_survivability::journal::Told;
use sip_survivability::message::Message;
use sip_survivability::time::Instant;
use sip_survivability::{Action, Event};

/// Longest text of somebody else's on a line.
const MOST: usize = 160;

/// Seconds since the start of the journal.
pub(crate) fn seconds(start: Instant, at: Instant) -> String {
    format!("{:.3}", (at - start).as_secs_f64())
}

/// A text of somebody else's, on one line and without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let cut: String = text.chars().take(MOST).collect();
    cut.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// `sip:bob@office.example` as `bob`, where it has a user.
pub(crate) fn user(uri: &str) -> String {
    let name = uri.split_once('@').map_or(uri, |(user, _)| user);
    plain(name.split_once(':').map_or(name, |(_, user)| user))
}

/// `INVITE bob`, `200 OK (BYE)`.
pub(crate) fn label(message: &Message) -> String {
    match message {
        Message::Request(request) => plain(&format!("{} {}", request.method_str(), user(request.uri_str()))),
        Message::Response(response) => {
            let method = message.head().cseq().map_or("", |cseq| cseq.method);
            plain(&format!("{} {} ({method})", response.status(), response.reason()))
        }
    }
}

pub(crate) fn told(told: &Told<'_>) -> String {
    match told {
        Told::Event(Event::Datagram { from, data, .. }) => format!("{} from {from}", first_line(data)),
        Told::Event(Event::Stream { flow, data }) => format!("{} by connection {}", first_line(data), flow.0),
        Told::Event(Event::Tick) => "a deadline".to_owned(),
        Told::Event(other) => plain(&format!("{other:?}")),
        Told::Reconfigured(_) => "another configuration".to_owned(),
    }
}

pub(crate) fn action(action: Option<&Action>) -> String {
    match action {
        None => "nothing".to_owned(),
        Some(Action::Send { to, payload, .. }) => format!("sends {} to {to}", first_line(payload)),
        Some(Action::Notify(notice)) => format!("tells {}", plain(&format!("{notice:?}"))),
        Some(other) => plain(&format!("{other:?}")),
    }
}

fn first_line(data: &[u8]) -> String {
    plain(String::from_utf8_lossy(data).lines().next().unwrap_or_default())
}
