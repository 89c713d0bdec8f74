//! What forwarding changes in a message (RFC 3261 16.6 steps 1 to 8, 16.7 step 3), and loop detection (16.3 step 4).

use super::context::Plan;
use crate::headers::field::{MaxBreadth, Privacy};
use crate::headers::{Auth, HeaderName, NameAddr, push_decimal};
use crate::message::{Edits, Request, Response};
use crate::rng::Token;
use crate::routing::{Hop, Source, Target, address_of, as_request_uri};
use crate::transport::{Ctx, Flow, FlowId, Flows, Peer, Transport};
use bytes::Bytes;
use siphasher::sip::SipHasher13;
use std::borrow::Cow;
use std::hash::Hasher as _;

/// A request as it goes out.
#[derive(Debug)]
pub(crate) struct Forwarded {
    pub(crate) branch: String,
    pub(crate) bytes: Bytes,
    pub(crate) peer: Peer,
    /// It goes by TCP though the target asks for UDP, since it is so large.
    pub(crate) is_switched: bool,
}

/// The magic cookie of RFC 3261 8.1.1.7. Behind it our branches have 16 digits that are unique and 16 that are the hash of
/// what decided the request's way.
const COOKIE: &str = "z9hG4bK";
const BRANCH_LEN: usize = COOKIE.len() + 32;

/// What a request without Max-Breadth gets, and the most that one may have: "RECOMMENDED to be 60" (RFC 5393 5.3.3).
const MAX_BREADTH: u32 = 60;

/// The copy of `request` for `target`. None if no flow reaches it.
pub(crate) fn forward(
    ctx: &mut Ctx<'_>,
    request: &Request,
    source: Peer,
    plan: &Plan,
    target: &Target,
    breadth: u32,
) -> Option<Forwarded> {
    let flow = match target.flow {
        Some(flow) => flow,
        None => ctx.reach(target.transport, target.address, Some(source.flow))?,
    };
    let sent = forward_by(ctx, flow, request, source, plan, target, breadth)?;
    // RFC 3261 18.1.1: what is too large for a datagram "MUST be sent using an RFC 2914 congestion controlled transport protocol".
    let is_too_large = sent.bytes.len() > ctx.config.limits.max_udp_request;
    let may_switch = plan.may_switch && target.is_listening && target.transport == Transport::Udp;
    if is_too_large
        && may_switch
        && ctx.flows.may_take_tcp(ctx.now, target.address)
        && let Some(flow) = ctx.reach(Transport::Tcp, target.address, None)
        && let Some(sent) = forward_by(ctx, flow, request, source, plan, target, breadth)
    {
        return Some(Forwarded { is_switched: true, ..sent });
    }
    Some(sent)
}

fn forward_by(
    ctx: &mut Ctx<'_>,
    flow: FlowId,
    request: &Request,
    source: Peer,
    plan: &Plan,
    target: &Target,
    breadth: u32,
) -> Option<Forwarded> {
    let local = *ctx.flows.find(flow)?;
    let branch = [COOKIE, ctx.rng.token().as_str(), loop_hash(request, plan.source).as_str()].concat();
    let mut edits = Edits::new(request);
    // Step 3.
    let hops = request.max_forwards().ok().flatten().map_or(70, |hops| hops.saturating_sub(1));
    edits.set_with(HeaderName::MaxForwards, |text| push_decimal(text, hops.into()));
    // RFC 5393 5.3.3: "a single Max-Breadth header field value".
    if request.all(HeaderName::MaxBreadth).nth(1).is_some() {
        edits.remove_all(HeaderName::MaxBreadth).append(HeaderName::MaxBreadth, breadth);
    } else {
        edits.set_with(HeaderName::MaxBreadth, |text| push_decimal(text, breadth.into()));
    }
    route(&mut edits, request, plan.drop_routes, target);
    // Step 8, with RFC 3581; the sender's own Via is stamped here (18.2.1).
    edits.insert_first_with(HeaderName::Via, |text| local.via(&branch).push_to(text));
    if let Ok(via) = request.top_via()
        && let Cow::Owned(stamped) = via.stamped(source.address)
    {
        edits.replace(via.as_str(), stamped);
    }
    // RFC 5626 5.3.1: a dialog that is formed by a request with a Path of ours stays on its flow.
    if plan.record_route || target.flow_token.is_some() {
        let caller = caller_flow(ctx.flows, request, source, plan);
        let tokens = (caller.as_deref(), target.flow_token.as_deref());
        record_route(&mut edits, ctx.flows.find(source.flow), &local, tokens, is_sips(request, target));
    }
    if target.hop.proxy().is_none()
        && let Some(keyring) = ctx.config.keyring()
    {
        consume_credentials(&mut edits, request, keyring.policy().realm.as_str());
    }
    if !may_assert(request, plan.source, target.hop) {
        edits.remove_all(HeaderName::PAssertedIdentity);
    }
    if plan.path {
        let token = if is_flow(request) { ctx.flows.token_of(source) } else { None };
        let uri = local.uri(false).with_token(token.as_deref()).outbound();
        edits.insert_first_with(HeaderName::Path, |text| uri.push_bracketed(text));
    }
    let address = local.remote.unwrap_or(target.address);
    Some(Forwarded { branch, bytes: edits.finish(), peer: Peer { flow, address }, is_switched: false })
}

/// Step 4. Where the request leaves by another address or transport than it came, both sides get what they can reach (RFC 5658); the
/// same where each side has a flow that later requests have to take. `tokens`: those of the caller and of the callee.
fn record_route(
    edits: &mut Edits<'_>,
    inner: Option<&Flow>,
    outer: &Flow,
    tokens: (Option<&str>, Option<&str>),
    is_sips: bool,
) {
    let (caller, callee) = tokens;
    let is_other = |inner: &&Flow| {
        (inner.transport, inner.local) != (outer.transport, outer.local)
            || (caller.is_some() && callee.is_some())
    };
    let inner = inner.filter(is_other);
    let outer_token = if inner.is_none() { callee.or(caller) } else { callee };
    let outer = outer.uri(is_sips).with_token(outer_token);
    edits.insert_first_with(HeaderName::RecordRoute, |text| outer.push_bracketed(text));
    if let Some(inner) = inner {
        let inner = inner.uri(is_sips).with_token(caller);
        edits.insert_first_with(HeaderName::RecordRoute, |text| inner.push_bracketed(text));
    }
}

/// Whether a REGISTER is for a flow that comes straight to us: "The edge proxy can determine if it is the first hop by examining the
/// Via header field" (RFC 5626 5.1).
fn is_flow(request: &Request) -> bool {
    let is_first_hop = !request.has_several(HeaderName::Via);
    let mut contacts = request.contacts().flatten();
    is_first_hop
        && contacts.any(|contact| contact.address().is_some_and(|address| address.reg_id().is_some()))
}

/// The token of the caller's flow, if the caller asks by `ob` for later requests to come by it (RFC 5626 4.3, 5.3.2).
fn caller_flow(flows: &Flows, request: &Request, source: Peer, plan: &Plan) -> Option<String> {
    let is_first_hop = plan.source == Source::User && !request.has_several(HeaderName::Via);
    let contact = request.contact().ok().flatten().filter(|_| is_first_hop)?;
    contact.address()?.uri.param("ob")?;
    flows.token_of(source)
}

/// Whether the request goes out with a `sips:` URI.
fn is_sips(request: &Request, target: &Target) -> bool {
    let uri = target.uri.as_deref().map_or_else(|| request.uri_bytes(), str::as_bytes);
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
}

/// Request-URI and Route (16.6 steps 2 and 6). `left_behind`: how many Routes do not go along, by 16.4 or because they lead to
/// a dead hop.
fn route(edits: &mut Edits<'_>, request: &Request, left_behind: usize, target: &Target) {
    let pushed = target.routes.iter().map(AsRef::as_ref);
    let mut routes = pushed.chain(request.values(HeaderName::Route).skip(left_behind));
    let first = routes.next().and_then(|first| NameAddr::parse(first).ok());
    let is_strict =
        |first: &NameAddr<'_>| !first.uri.is_loose_router() && address_of(&first.uri) == Some(target.address);
    if let Some(router) = first.filter(is_strict) {
        // A strict router finds itself in the Request-URI, and the target behind all Routes.
        edits.remove_all(HeaderName::Route);
        for route in routes {
            edits.append(HeaderName::Route, route);
        }
        let uri = target.uri.as_deref().unwrap_or_else(|| request.uri_str());
        edits.append(HeaderName::Route, format_args!("<{uri}>"));
        edits.set_uri(request, as_request_uri(&router.uri));
        return;
    }
    if let Some(uri) = &target.uri {
        edits.set_uri(request, uri);
    }
    if left_behind > 0 {
        edits.remove_values(HeaderName::Route, left_behind);
    }
    // RFC 3327 5.3: "preserving the order as indicated in the Path header field values".
    for route in &target.routes {
        edits.insert_first(HeaderName::Route, route);
    }
}

/// How many branches `request` may have at once, here and further on (RFC 5393 5.3.3).
pub(crate) fn breadth_of(request: &Request) -> u32 {
    let asked = request.typed::<MaxBreadth>().ok().and_then(|breadth| u32::try_from(breadth.get()).ok());
    // An emergency call goes out whatever it asks; all else with no breadth has been refused.
    asked.unwrap_or(MAX_BREADTH).clamp(1, MAX_BREADTH)
}

/// Whether what `request` asserts of its sender goes along to `hop` (RFC 3325): proxies and gateways are trusted, phones are not. What
/// a phone asserts is nobody's to believe (section 5), and what is to be kept from phones is (section 7).
fn may_assert(request: &Request, source: Source, hop: Hop) -> bool {
    let is_told = || hop == Hop::User || hop == Hop::Address;
    request.first(HeaderName::PAssertedIdentity).is_none()
        || (source != Source::User
            && !(is_told()
                && request.find::<Privacy>().ok().flatten().is_some_and(|privacy| privacy.asks_for("id"))))
}

/// Takes the credentials for `realm`, which is ours, out of what goes to a phone or a gateway (RFC 3261 22.3: they apply "only to
/// the proxy whose realm is identified"): whoever has a digest can try passwords on it (RFC 7616 5.1). The central proxy,
/// whose realm may be the same, gets them as they came.
fn consume_credentials(edits: &mut Edits<'_>, request: &Request, realm: &str) {
    const FIELD: HeaderName = HeaderName::ProxyAuthorization;
    let is_ours =
        |value: &str| Auth::parse(value).is_ok_and(|auth| auth.realm().is_some_and(|other| other == realm));
    if !request.all(FIELD).any(|header| is_ours(header.value())) {
        return;
    }
    edits.remove_all(FIELD);
    for other in request.all(FIELD).filter(|header| !is_ours(header.value())) {
        edits.append(FIELD, other.value());
    }
}

/// A response without its topmost Via, which is ours (16.7 step 3). None if there is no other: it was for us.
pub(super) fn upstream_response(response: &Response) -> Option<Bytes> {
    upstream_response_with(response, std::iter::empty())
}

/// The same, with the challenges of `others` below its own (16.7 step 7: "without modification").
pub(super) fn upstream_response_with<'a>(
    response: &Response,
    others: impl Iterator<Item = &'a Response>,
) -> Option<Bytes> {
    // Its Vias have been read (RFC 3261 16.7 step 2), or it would not be here.
    if !response.has_several(HeaderName::Via) {
        return None;
    }
    let mut edits = Edits::new(response);
    edits.remove_values(HeaderName::Via, 1);
    for other in others {
        for name in [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate] {
            for challenge in other.all(name) {
                edits.append(name, challenge.value());
            }
        }
    }
    Some(edits.finish())
}

/// What decides where a request goes, as 16 digits (16.6 step 8: "all fields affecting the routing"). Who sent it is part
/// of that: a call that the proxy sends back to us for a phone of ours is a spiral, and no loop.
pub(crate) fn loop_hash(request: &Request, source: Source) -> Token {
    // No secret: whoever forges a loop has only stopped a request of its own.
    let mut hash = SipHasher13::new();
    hash.write_u8(source as u8);
    hash.write_u32(request.cseq().map_or(0, |cseq| cseq.number));
    let mut part = |text: &[u8]| {
        hash.write_usize(text.len());
        hash.write(text);
    };
    part(request.uri_bytes());
    part(request.from_tag().unwrap_or_default().as_bytes());
    part(request.to_tag().unwrap_or_default().as_bytes());
    part(request.first(HeaderName::CallId).map(|header| header.value_bytes()).unwrap_or_default());
    for name in [HeaderName::Route, HeaderName::ProxyRequire] {
        for header in request.all(name) {
            part(header.value_bytes());
        }
    }
    Token::of(hash.finish())
}

/// The branches of the Vias that we once added to `request`, latest first.
pub(super) fn own_branches<'a>(request: &'a Request, flows: &Flows) -> impl Iterator<Item = &'a str> {
    request.vias().skip(1).flatten().filter_map(|via| {
        let ours = via.sent_by.socket_addr(5060).is_some_and(|address| flows.is_local(address));
        via.branch().filter(|branch| ours && branch.len() == BRANCH_LEN)
    })
}

/// The latest of them.
pub(crate) fn own_branch<'a>(request: &'a Request, flows: &Flows) -> Option<&'a str> {
    own_branches(request, flows).next()
}

/// Whether `request` was here before, and the same decision was made as would be made now (16.3 step 4).
pub(crate) fn is_loop(request: &Request, source: Source, flows: &Flows) -> bool {
    let mut own = own_branches(request, flows).peekable();
    if own.peek().is_none() {
        return false;
    }
    let hash = loop_hash(request, source);
    own.any(|branch| branch.ends_with(hash.as_str()))
}
