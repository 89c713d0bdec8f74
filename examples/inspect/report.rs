//! What there is to say of a message. Serialized, it is a JSON line: the fields in this order, and under these names.

use crate::verdict;
use serde::{Serialize, Serializer};
use sip_survivability::headers::{self, HeaderName, NameAddr};
use sip_survivability::message::{Head, Message};
use std::borrow::Cow;
use std::net::IpAddr;

#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Request,
    Response,
    /// No message at all.
    #[default]
    Refused,
}

/// A field that is absent from the message, or cannot be read, is `None`; so is a list of which a part cannot be read.
#[derive(Default, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<String>,
    pub(crate) answer: Option<u16>,
    pub(crate) method: Option<&'a str>,
    pub(crate) request_uri: Option<&'a str>,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) via: Option<Vec<Via<'a>>>,
    pub(crate) from: Option<Party<'a>>,
    pub(crate) to: Option<Party<'a>>,
    pub(crate) call_id: Option<&'a str>,
    pub(crate) cseq: Option<CSeq<'a>>,
    pub(crate) max_forwards: Option<u64>,
    /// Without the star, so empty where there is nothing else.
    pub(crate) contacts: Option<Vec<Contact<'a>>>,
    pub(crate) contact_star: Option<bool>,
    pub(crate) routes: Option<Vec<&'a str>>,
    pub(crate) record_routes: Option<Vec<&'a str>>,
    pub(crate) paths: Option<Vec<&'a str>>,
    pub(crate) expires: Option<u64>,
    pub(crate) content_length: Option<u64>,
    pub(crate) body_bytes: Option<usize>,
    pub(crate) trailing_bytes: Option<usize>,
    /// Name as written and value without folds, in the order of the message.
    pub(crate) headers: Option<Vec<(&'a str, Cow<'a, str>)>>,
}

#[derive(Serialize)]
pub(crate) struct Via<'a> {
    pub(crate) transport: &'a str,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) branch: Option<&'a str>,
    pub(crate) received: Option<IpAddr>,
    pub(crate) rport: Option<Rport>,
}

/// RFC 3581: asked for (`true`), or stated.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Rport {
    Asked(bool),
    Port(u16),
}

/// From or To.
#[derive(Serialize)]
pub(crate) struct Party<'a> {
    pub(crate) display: Option<Cow<'a, str>>,
    pub(crate) uri: &'a str,
    pub(crate) tag: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct CSeq<'a> {
    pub(crate) number: u32,
    pub(crate) method: &'a str,
}

#[derive(Serialize)]
pub(crate) struct Contact<'a> {
    pub(crate) display: Option<Cow<'a, str>>,
    pub(crate) uri: &'a str,
    pub(crate) q: Option<f64>,
    pub(crate) expires: Option<u64>,
    /// All of them, by name, as written.
    #[serde(serialize_with = "by_name")]
    pub(crate) params: headers::Params<'a>,
}

impl<'a> Report<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        let verdict = verdict::of(message);
        let about = Self { error: verdict.error, answer: verdict.answer, ..Self::of_head(message.head()) };
        match message {
            Message::Request(request) => Self {
                outcome: Outcome::Request,
                method: Some(request.method_str()),
                // Empty where it is no UTF-8.
                request_uri: Some(request.uri_str()).filter(|uri| !uri.is_empty()),
                ..about
            },
            Message::Response(response) => Self {
                outcome: Outcome::Response,
                status: Some(response.status()),
                reason: std::str::from_utf8(response.reason_bytes()).ok(),
                ..about
            },
        }
    }

    /// Of something that is no message.
    pub(crate) fn refused(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    fn of_head(head: &'a Head) -> Self {
        let addresses = |name| {
            let uris = head.addresses(name).map(|address| address.map(|address| address.uri.as_str()));
            all(uris)
        };
        Self {
            via: all(head.vias().map(|via| via.map(Via::of))),
            from: head.from().ok().map(Party::of),
            to: head.to().ok().map(Party::of),
            call_id: head
                .call_id()
                .ok()
                .filter(|id| !id.contains(|c: char| c == ' ' || c.is_ascii_control())),
            cseq: head.cseq().ok().map(|cseq| CSeq { number: cseq.number, method: cseq.method }),
            max_forwards: number(head, HeaderName::MaxForwards),
            contacts: all(head.contacts()).map(|contacts| {
                contacts.iter().filter_map(|contact| contact.address()).map(Contact::of).collect()
            }),
            contact_star: Some(head.contacts().any(|contact| contact == Ok(headers::Contact::Star))),
            routes: addresses(HeaderName::Route),
            record_routes: addresses(HeaderName::RecordRoute),
            paths: addresses(HeaderName::Path),
            expires: number(head, HeaderName::Expires),
            content_length: number(head, HeaderName::ContentLength),
            body_bytes: Some(head.body().len()),
            trailing_bytes: Some(head.trailing().len()),
            headers: Some(
                head.headers().map(|header| (header.name(), unfolded(header.value_bytes()))).collect(),
            ),
            ..Self::default()
        }
    }
}

impl<'a> Via<'a> {
    fn of(via: headers::Via<'a>) -> Self {
        // A number that is no port is unreadable, which is not the same as none.
        let is_bare = via.params.find("rport") == Some(None);
        Self {
            transport: via.transport,
            host: via.sent_by.host.to_string(),
            port: via.sent_by.port,
            branch: via.branch(),
            received: via.received(),
            rport: match via.rport().flatten() {
                Some(port) => Some(Rport::Port(port)),
                None => is_bare.then_some(Rport::Asked(true)),
            },
        }
    }
}

impl<'a> Party<'a> {
    fn of(address: NameAddr<'a>) -> Self {
        Self { display: address.display_name(), uri: address.uri.as_str(), tag: address.tag() }
    }
}

impl<'a> Contact<'a> {
    fn of(address: &NameAddr<'a>) -> Self {
        let params = address.params;
        Self {
            display: address.display_name(),
            uri: address.uri.as_str(),
            q: params.value("q").and_then(|q| q.parse().ok()).filter(|q| is_q(*q, address)),
            expires: params.value("expires").and_then(digits),
            params,
        }
    }
}

/// Whether the library reads the same: to it, what breaks the grammar is 1.
fn is_q(q: f64, address: &NameAddr<'_>) -> bool {
    q == f64::from(address.q()) / 1000.0
}

/// All values of a list, or none if one of them is missing to its reader.
fn all<T, E>(values: impl Iterator<Item = Result<T, E>>) -> Option<Vec<T>> {
    values.collect::<Result<Vec<T>, E>>().ok().filter(|values| !values.is_empty())
}

/// The number in the first header field `name`, in the range of that field or not.
fn number(head: &Head, name: HeaderName) -> Option<u64> {
    head.value_of(name).and_then(digits)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A value with each fold, a line end and the white space around it, as one space (RFC 3261 7.3.1).
pub(crate) fn unfolded(value: &[u8]) -> Cow<'_, str> {
    if !value.contains(&b'\n') {
        return String::from_utf8_lossy(value);
    }
    let mut text = Vec::with_capacity(value.len());
    for (number, line) in value.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if number == 0 {
            text.extend_from_slice(line);
        } else {
            while text.pop_if(|byte| matches!(byte, b' ' | b'\t')).is_some() {}
            text.push(b' ');
            text.extend(line.iter().skip_while(|byte| matches!(byte, b' ' | b'\t')));
        }
    }
    Cow::Owned(String::from_utf8_lossy(&text).into_owned())
}

/// The first of each name.
fn by_name<S: Serializer>(params: &headers::Params<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serde_json::Map::new();
    for (name, value) in params.iter() {
        map.entry(name).or_insert_with(|| value.into());
    }
    map.serialize(serializer)
}
