//! A dialog as a user agent keeps it (RFC 3261 section 12), and the requests within it.

use bytes::Bytes;
use sip_survivability::headers::{Contact, HeaderName, NameAddr};
use sip_survivability::message::{Head, Request, RequestBuilder, Response, ResponseBuilder};
use sip_survivability::uri::{Uri, UriBuf};
use std::net::SocketAddr;

pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// A Via whose branch bears a number.
pub fn via(from: SocketAddr, branch: u64) -> String {
    format!("SIP/2.0/UDP {from};rport;branch=z9hG4bK{branch:016x}")
}

/// The address of a URI whose host is one.
pub fn address_of(uri: &Uri<'_>) -> Option<SocketAddr> {
    Some(SocketAddr::new(uri.host()?.ip()?, uri.port().unwrap_or(5060)))
}

#[derive(Debug)]
pub struct Dialog {
    call_id: String,
    local: String,
    pub local_tag: String,
    remote: String,
    /// The next hop first.
    routes: Vec<String>,
    target: UriBuf,
    cseq: u32,
    /// Where requests go: the first of the route set, else the remote target (12.2.1.1).
    pub hop: SocketAddr,
}

fn routes_of(head: &Head) -> Vec<String> {
    head.values(HeaderName::RecordRoute).map(str::to_owned).collect()
}

fn target_of(head: &Head) -> Option<UriBuf> {
    match head.contacts().next()?.ok()? {
        Contact::Address(address) => Some(address.uri.to_buf()),
        _ => None,
    }
}

fn hop_of(routes: &[String], target: &UriBuf) -> Option<SocketAddr> {
    match routes.first() {
        Some(route) => address_of(&NameAddr::parse(route).ok()?.uri),
        None => address_of(&target.as_uri()),
    }
}

impl Dialog {
    /// The caller's, from the 2xx (12.1.2): the Record-Routes run the other way round.
    pub fn of_caller(ok: &Response) -> Option<Self> {
        let mut routes = routes_of(ok);
        routes.reverse();
        let target = target_of(ok)?;
        Some(Self {
            call_id: ok.call_id().ok()?.to_owned(),
            local: ok.value_of(HeaderName::From)?.to_owned(),
            local_tag: ok.from_tag()?.to_owned(),
            remote: ok.value_of(HeaderName::To)?.to_owned(),
            hop: hop_of(&routes, &target)?,
            routes,
            target,
            cseq: ok.cseq().ok()?.number,
        })
    }

    /// The callee's, from the INVITE that it answers with `tag` (12.1.1).
    pub fn of_callee(invite: &Request, tag: &str) -> Option<Self> {
        let (routes, target) = (routes_of(invite), target_of(invite)?);
        Some(Self {
            call_id: invite.call_id().ok()?.to_owned(),
            local: format!("{};tag={tag}", invite.value_of(HeaderName::To)?),
            local_tag: tag.to_owned(),
            remote: invite.value_of(HeaderName::From)?.to_owned(),
            hop: hop_of(&routes, &target)?,
            routes,
            target,
            cseq: 0,
        })
    }

    /// A response that starts this dialog repeats the way that its INVITE came by (12.1.1).
    pub fn record_routes(&self, response: ResponseBuilder) -> ResponseBuilder {
        self.routes.iter().fold(response, |response, route| response.header(HeaderName::RecordRoute, route))
    }

    /// A request within the dialog (12.2.1.1): the next one, or the ACK of the INVITE with number `cseq` (13.2.2.4).
    pub fn request(
        &mut self,
        branch: u64,
        method: &str,
        cseq: Option<u32>,
        from: SocketAddr,
        contact: &str,
    ) -> Bytes {
        if cseq.is_none() {
            self.cseq += 1;
        }
        let number = cseq.unwrap_or(self.cseq);
        let mut request =
            RequestBuilder::new(method, &self.target).header(HeaderName::Via, via(from, branch));
        for route in &self.routes {
            request = request.header(HeaderName::Route, route);
        }
        let request = request
            .header(HeaderName::From, &self.local)
            .header(HeaderName::To, &self.remote)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, format_args!("{number} {method}"));
        if method == "INVITE" {
            let request = request.header(HeaderName::Contact, contact);
            return request.with_body("application/sdp", SDP).expect("a valid INVITE");
        }
        request.finish().expect("a valid request")
    }
}
