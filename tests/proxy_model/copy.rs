//! RFC 3261 16.6: what a copy of a request has to look like.

use crate::rig::*;

/// What a request goes to.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub(crate) phone: String,
    /// As it was registered.
    pub(crate) uri: String,
    /// As it may stand in a Request-URI.
    pub(crate) request_uri: String,
    pub(crate) q: u16,
    /// The hop of its Path, if it has one.
    pub(crate) path: Option<String>,
}

impl Contact {
    /// Where a request for it goes.
    pub(crate) fn next_hop(&self) -> &str {
        self.path.as_ref().unwrap_or(&self.phone)
    }
}

const CHANGED: [&str; 5] = ["Via", "Max-Forwards", "Max-Breadth", "Record-Route", "Route"];

/// The header fields that no proxy has any business with, and the body.
fn untouched(text: &str) -> (Vec<&str>, &str) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let is_changed = |line: &&str| CHANGED.iter().any(|name| line.starts_with(&format!("{name}: ")));
    (head.split("\r\n").skip(1).filter(|line| !is_changed(line)).collect(), body)
}

fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let head = text.split("\r\n\r\n").next().unwrap();
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| *field == name).map(|(_, value)| value).collect()
}

/// Holds `sent`, a copy of `request` that came from `source`, against steps 1 to 10.
pub(crate) fn check(request: &str, source: &str, sent: &Sent, contact: &Contact, breadth: u32) {
    // Step 1: all else is as it came, in its order.
    assert_eq!(untouched(&sent.text), untouched(request));
    // Step 2.
    assert_eq!(sent.uri(), contact.request_uri);
    assert_eq!(sent.line().split(' ').next(), request.split(' ').next());
    // Step 3.
    let before: Option<u32> = values(request, "Max-Forwards").first().map(|hops| hops.parse().unwrap());
    assert_eq!(sent.all("Max-Forwards"), [before.map_or(70, |hops| hops - 1).to_string()]);
    // Step 4.
    let starts =
        ["INVITE ", "SUBSCRIBE ", "REFER ", "NOTIFY "].iter().any(|method| request.starts_with(method));
    let mut routes = values(request, "Record-Route");
    let own = format!("<sip:{SAS};lr>");
    if starts {
        routes.insert(0, &own);
    }
    assert_eq!(sent.all("Record-Route"), routes);
    // Step 5, RFC 5393: the share of the breadth.
    let share: u32 = sent.header("Max-Breadth").parse().unwrap();
    assert!((1..=breadth).contains(&share), "{share} of {breadth}");
    // Steps 6 and 7.
    let path: Vec<String> = contact.path.iter().map(|hop| format!("<sip:{hop};lr>")).collect();
    assert_eq!(sent.all("Route"), path);
    assert_eq!(sent.to, address(contact.next_hop()));
    // Step 8, and 18.2.1 with RFC 3581.
    let (vias, before) = (sent.all("Via"), values(request, "Via"));
    assert!(vias[0].starts_with(&format!("SIP/2.0/UDP {SAS};branch=z9hG4bK")), "{vias:?}");
    assert_eq!(vias.len(), before.len() + 1);
    assert_eq!(vias[2..], before[1..]);
    let source = address(source);
    assert!(vias[1].starts_with(before[0].split(";rport").next().unwrap()), "{vias:?}");
    let is_asked = before[0].ends_with(";rport");
    let received = format!(";received={}", source.ip());
    let claims_source = before[0].contains(&format!("UDP {}", source.ip()));
    assert_eq!(vias[1].contains(&received), is_asked || !claims_source, "{vias:?}");
    assert_eq!(vias[1].contains(&format!(";rport={}", source.port())), is_asked, "{vias:?}");
}
