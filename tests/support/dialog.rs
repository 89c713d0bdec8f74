//! A dialog as a user agent keeps it (RFC 3261 section 12), and the requests within it.

use super::net::Io;
use bytes::Bytes;
use sip_survivability::headers::{Contact, HeaderName, NameAddr};
use sip_survivability::message::{Head, Request, RequestBuilder, Response};
use sip_survivability::uri::{Uri, UriBuf};
use std::net::SocketAddr;

#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    /// From as we write it, with our tag.
    local: String,
    /// To as we write it, with the peer's tag.
    remote: String,
    local_tag: String,
    remote_tag: String,
    /// The values of our Route header fields, the next hop first.
    pub route_set: Vec<String>,
    pub remote_target: UriBuf,
    cseq: u32,
}

fn tag(party: &NameAddr<'_>) -> String {
    party.tag().unwrap_or_default().to_owned()
}

fn contact(head: &Head) -> Option<UriBuf> {
    match head.contacts().next()?.ok()? {
        Contact::Address(address) => Some(address.uri.to_buf()),
        _ => None,
    }
}

fn record_routes(head: &Head) -> Vec<String> {
    head.values(HeaderName::RecordRoute).map(str::to_owned).collect()
}

impl Dialog {
    /// The caller's, from the 2xx to its INVITE (12.1.2): the Record-Routes run the other way round.
    pub fn of_caller(response: &Response) -> Option<Self> {
        let mut route_set = record_routes(response);
        route_set.reverse();
        Some(Self {
            call_id: response.call_id().ok()?.to_owned(),
            local: response.value_of(HeaderName::From)?.to_owned(),
            remote: response.value_of(HeaderName::To)?.to_owned(),
            local_tag: tag(&response.from().ok()?),
            remote_tag: tag(&response.to().ok()?),
            route_set,
            remote_target: contact(response)?,
            cseq: response.cseq().ok()?.number,
        })
    }

    /// The callee's, from the INVITE that it answers with `local_tag` (12.1.1): the Record-Routes as they stand.
    pub fn of_callee(invite: &Request, local_tag: &str) -> Option<Self> {
        Some(Self {
            call_id: invite.call_id().ok()?.to_owned(),
            local: format!("{};tag={local_tag}", invite.value_of(HeaderName::To)?),
            remote: invite.value_of(HeaderName::From)?.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: tag(&invite.from().ok()?),
            route_set: record_routes(invite),
            remote_target: contact(invite)?,
            cseq: 0,
        })
    }

    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Whether both are one dialog, by their tags.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.local_tag, &self.remote_tag) == (&other.local_tag, &other.remote_tag)
    }

    /// Whether a request that came in belongs to this dialog (12.2.2).
    pub fn has(&self, request: &Request) -> bool {
        let ours = |party: Result<NameAddr<'_>, _>, expected: &str| {
            party.is_ok_and(|party| party.tag().unwrap_or_default() == expected)
        };
        request.call_id() == Ok(&self.call_id)
            && ours(request.to(), &self.local_tag)
            && ours(request.from(), &self.remote_tag)
    }

    /// Where its requests go: the first of the route set, else the remote target (12.2.1.1). `None` if that is a name.
    pub fn next_hop(&self) -> Option<SocketAddr> {
        let Some(first) = self.route_set.first() else { return address_of(&self.remote_target.as_uri()) };
        let route = NameAddr::parse(first).ok()?;
        assert!(route.uri.is_loose_router(), "the parties here speak to loose routers only: {first}");
        address_of(&route.uri)
    }

    /// A new request within the dialog (12.2.1.1).
    pub fn request(&mut self, io: &mut Io<'_>, method: &str, from: SocketAddr, contact: &str) -> Bytes {
        self.cseq += 1;
        let builder = self.builder(io, method, self.cseq, from);
        if method == "INVITE" {
            builder.header(HeaderName::Contact, contact).finish().expect("a valid INVITE")
        } else {
            builder.finish().expect("a valid request")
        }
    }

    /// The ACK of a 2xx: a request of its own, with the number of its INVITE (13.2.2.4).
    pub fn ack(&self, io: &mut Io<'_>, cseq: u32, from: SocketAddr) -> Bytes {
        self.builder(io, "ACK", cseq, from).finish().expect("a valid ACK")
    }

    fn builder(&self, io: &mut Io<'_>, method: &str, cseq: u32, from: SocketAddr) -> RequestBuilder {
        let mut builder = RequestBuilder::new(method, &self.remote_target)
            .header(HeaderName::Via, fresh_via(io, from))
            .header(HeaderName::MaxForwards, 70);
        for route in &self.route_set {
            builder = builder.header(HeaderName::Route, route);
        }
        builder
            .header(HeaderName::From, &self.local)
            .header(HeaderName::To, &self.remote)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, format_args!("{cseq} {method}"))
    }
}

/// A Via of `from` with a branch of its own, which asks for `rport`.
pub fn fresh_via(io: &mut Io<'_>, from: SocketAddr) -> String {
    format!("SIP/2.0/UDP {from};rport;branch=z9hG4bK{}", io.rng.token())
}

/// The address of a URI whose host is one.
pub fn address_of(uri: &Uri<'_>) -> Option<SocketAddr> {
    let ip = uri.host()?.ip()?;
    Some(SocketAddr::new(ip, uri.port().unwrap_or(5060)))
}
