//! Requests outside a dialog (`sas.md` 4.2-4.4).

use super::flow::{self, ByToken};
use super::{Decision, Outcome, Query, Reason, Source, Step, Target, View, address_of, own_routes};
use crate::headers::{HeaderName, Method};
use crate::registrar::{Binding, Named, Standing};
use crate::uri::{AorKey, Uri};

pub(super) fn decide(query: &Query<'_>, view: &View<'_>) -> Decision {
    let mut reasons = vec![if query.rescue {
        Reason::ProxyDidNotAnswer
    } else if query.is_emergency() {
        Reason::EmergencyState
    } else {
        Reason::NormalState
    }];
    let Ok(uri) = query.request.uri() else {
        return decision(Outcome::Answer(400), Step::NoRoute, reasons, 0);
    };
    // 4.2 step 1, 4.4 step 2: before the mode, before everything.
    if query.request.method() == Method::Invite
        && let Some(number) = view.config.emergency_number(&uri)
    {
        return emergency_call(query, view, &uri, number, reasons);
    }
    match flow::decide(query, view) {
        ByToken::Silent => {}
        ByToken::Decided(decision) => return decision,
        ByToken::Gone => return flow::gone(),
    }
    // 2.1: phones ask us whether we are there. With a user in it the question may be for somebody else.
    if query.request.method() == Method::Options && asks_us(query, view, &uri) {
        reasons.push(Reason::NamesUs);
        return decision(Outcome::Answer(200), Step::Ourselves, reasons, 0);
    }
    let is_ours = || uri.user().is_none() && view.is_own(&uri);
    if let Some(status) = status_of_ours(query.request.method())
        && (query.is_emergency() || query.source == Source::Proxy)
        && is_ours()
    {
        reasons.push(Reason::NamesUs);
        return decision(Outcome::Answer(status), Step::Ourselves, reasons, 0);
    }
    if let Some(next_door) = next_door(query, view, &uri, &mut reasons) {
        return next_door;
    }
    if query.is_emergency() {
        return serve(query, view, &uri, reasons);
    }
    match query.source {
        Source::Proxy => from_proxy(query, view, &uri, reasons),
        Source::User | Source::Gateway => to_proxies(query, view, reasons),
    }
}

/// Whether an OPTIONS is for us. While the proxy is away, we answer for the domain too, which is named "similar to the way a
/// Request-URI is set for a REGISTER" (RFC 3261 11).
fn asks_us(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>) -> bool {
    let is_domain = || uri.host().is_some_and(|host| view.home.contains(host));
    if uri.user().is_none() {
        view.is_own(uri) || (query.is_emergency() && is_domain())
    } else {
        query.is_emergency() && view.is_own(uri) && find(view, uri).0.is_empty()
    }
}

/// The answer to a request for ourselves, whom nobody calls: there is no dialog with us (RFC 3261 15.1.2, RFC 3262 3, RFC 3311 5.2, RFC
/// 6086 4.2.2, RFC 6665 4.1.3), and an unknown method is no more known here (RFC 3261 21.5.2).
const fn status_of_ours(method: Method) -> Option<u16> {
    match method {
        Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify => Some(481),
        Method::Other => Some(501),
        Method::Invite
        | Method::Ack
        | Method::Cancel
        | Method::Register
        | Method::Options
        | Method::Subscribe
        | Method::Publish
        | Method::Refer
        | Method::Message => None,
    }
}

/// A Route (RFC 3261 16.6 step 7) or `maddr` (16.5) by which one of the branch asks for a host that phones have registered from is
/// followed as it stands. What else they lead to is the proxy's to follow, or out of reach without it.
fn next_door(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    reasons: &mut Vec<Reason>,
) -> Option<Decision> {
    let own = own_routes(query.request, view);
    let route = query.request.addresses(HeaderName::Route).nth(own).and_then(Result::ok);
    let (next, reason) = match &route {
        Some(route) => (&route.uri, Reason::RouteLeadsThere),
        None => (Some(uri).filter(|uri| uri.param("maddr").is_some())?, Reason::NamesAddress),
    };
    let address = view.phone_address(next).filter(|_| query.known)?;
    reasons.push(reason);
    let step = if route.is_some() { Step::RouteSet } else { Step::RequestUri };
    let target = view.target_at(next, address);
    Some(decision(Outcome::Forward(vec![vec![target]]), step, std::mem::take(reasons), own))
}

fn decision(outcome: Outcome, step: Step, reasons: Vec<Reason>, drop_routes: usize) -> Decision {
    Decision { outcome, step, reasons, drop_routes }
}

/// All Routes go: the request is routed by us, and what they lead to is out of reach or passed over.
fn all_routes(query: &Query<'_>) -> usize {
    query.request.values(HeaderName::Route).count()
}

/// To the gateways in their order, then to the proxies: an emergency call takes any route that exists.
fn emergency_call(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    number: &str,
    mut reasons: Vec<Reason>,
) -> Decision {
    reasons.push(Reason::IsEmergencyNumber);
    // The gateway gets the bare number, however it was written.
    let plain = format!("sip:{number}@gateway.invalid");
    let plain = Uri::parse(&plain).ok().filter(|_| uri.user() != Some(number));
    let mut groups = gateways(query, view, plain.as_ref().unwrap_or(uri), &mut reasons);
    if query.source != Source::Proxy {
        let proxies = view.config.proxies().len();
        let reachable: Vec<usize> = view.upstream.candidates().map(|id| id.0).collect();
        // A proxy that is believed lost is still a route where there is no other.
        let order =
            if groups.is_empty() && reachable.is_empty() { (0..proxies).collect() } else { reachable };
        groups.extend(order.into_iter().flat_map(|index| Target::proxy(index, uri, view)));
    }
    if groups.is_empty() {
        return decision(Outcome::Answer(404), Step::EmergencyNumber, reasons, 0);
    }
    decision(Outcome::Forward(groups), Step::EmergencyNumber, reasons, all_routes(query))
}

fn gateways(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    reasons: &mut Vec<Reason>,
) -> Vec<Vec<Target>> {
    let configured = view.config.gateways().len();
    if query.source == Source::Gateway {
        // 4.4 step 10: never back to the gateway it came from.
        reasons.push(Reason::CameFromGateway);
        return Vec::new();
    }
    reasons.push(if configured == 0 { Reason::NoGateway } else { Reason::GatewayConfigured });
    (0..configured).flat_map(|index| Target::gateway(index, uri, view)).collect()
}

/// 4.2 steps 4 and 5: the proxies in their order, each a group, so that the next is tried when one does not answer. A Route
/// of the sender's own that leads elsewhere is the proxy's to follow: we carry nothing to addresses of a stranger's choice.
pub(super) fn to_proxies(query: &Query<'_>, view: &View<'_>, reasons: Vec<Reason>) -> Decision {
    let Ok(uri) = query.request.uri() else {
        return decision(Outcome::Answer(400), Step::NoRoute, reasons, 0);
    };
    let own = own_routes(query.request, view);
    let mut order: Vec<usize> = view.upstream.candidates().map(|id| id.0).collect();
    if order.is_empty() {
        order = (0..view.config.proxies().len()).collect();
    }
    let groups: Vec<_> = order.into_iter().flat_map(|index| Target::proxy(index, &uri, view)).collect();
    if groups.is_empty() {
        return decision(Outcome::Answer(480), Step::NoRoute, reasons, 0);
    }
    decision(Outcome::Forward(groups), Step::Proxy, reasons, own)
}

/// 4.3: the database, else by Route or Request-URI.
fn from_proxy(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, mut reasons: Vec<Reason>) -> Decision {
    reasons.push(Reason::CameFromProxy);
    let own = own_routes(query.request, view);
    let route = query.request.addresses(HeaderName::Route).nth(own).and_then(Result::ok);
    if let Some((route, address)) = route.and_then(|route| Some((route.uri, address_of(&route.uri)?))) {
        reasons.push(Reason::RouteLeadsThere);
        let target = view.target_at(&route, address);
        return decision(Outcome::Forward(vec![vec![target]]), Step::RouteSet, reasons, own);
    }
    if let Some(found) = database(query, view, uri, &mut reasons) {
        return Decision { drop_routes: own, ..found };
    }
    if view.is_own(uri) {
        reasons.push(Reason::NamesUs);
        return decision(Outcome::Answer(404), Step::NoRoute, reasons, 0);
    }
    match address_of(uri) {
        Some(address) => {
            reasons.push(Reason::NamesAddress);
            let target = gateway_or_address(view, uri, address);
            decision(Outcome::Forward(vec![vec![target]]), Step::RequestUri, reasons, own)
        }
        None => {
            reasons.push(Reason::NamesUnknownHost);
            decision(Outcome::Answer(404), Step::NoRoute, reasons, 0)
        }
    }
}

fn gateway_or_address(view: &View<'_>, uri: &Uri<'_>, address: std::net::SocketAddr) -> Target {
    let gateway = view.gateway_at(uri).and_then(|index| view.config.gateways().get(index));
    match gateway {
        Some(gateway) => Target::hop(super::Hop::Gateway, gateway),
        None => view.target_at(uri, address),
    }
}

/// 4.4 from step 5: the database, then the default gateway.
fn serve(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, mut reasons: Vec<Reason>) -> Decision {
    if query.request.method() == Method::Subscribe {
        reasons.push(Reason::SubscriptionsNotServed);
        let status = view.config.sas.subscribe_response;
        return decision(Outcome::Answer(status), Step::Ourselves, reasons, 0);
    }
    if let Some(found) = database(query, view, uri, &mut reasons) {
        return found;
    }
    let known = reasons.contains(&Reason::UserUnreachable);
    if query.request.method() == Method::Invite {
        let groups = gateways(query, view, uri, &mut reasons);
        if !groups.is_empty() {
            return decision(Outcome::Forward(groups), Step::DefaultGateway, reasons, all_routes(query));
        }
    } else {
        reasons.push(Reason::NotACall);
    }
    // 4.4 step 10: 404 unknown user, 480 known but unreachable.
    decision(Outcome::Answer(if known { 480 } else { 404 }), Step::NoRoute, reasons, 0)
}

/// The contacts of the user, or the contact itself, that `uri` names.
pub(super) fn find<'a>(view: &View<'a>, uri: &Uri<'_>) -> (Vec<&'a Binding>, Reason) {
    // A Request-URI that is a registered Contact, port and all, is that contact: a proxy that forks has named each one.
    // Everything else is an address of record (sas.md 7.2).
    let is_contact = |binding: &&Binding| {
        let contact = binding.contact();
        contact.equivalent(uri) || (contact.user() == uri.user() && contact.host_port() == uri.host_port())
    };
    match view.registrar.by_contact(uri).filter(|binding| !view.is_own(uri) && is_contact(binding)) {
        Some(binding) => (view.registrar.flows_of(binding), Reason::ContactRegistered),
        None => (view.registrar.bindings(uri, view.home).collect(), Reason::UserRegistered),
    }
}

/// The targets that the database has for `uri`. None, and the reason, where it has none that can be reached.
fn database(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    reasons: &mut Vec<Reason>,
) -> Option<Decision> {
    match view.registrar.by_gruu(uri, view.home) {
        Named::Else => {}
        // RFC 5627 6.1: a GRUU is not forwarded to anybody else.
        Named::Nobody => {
            reasons.push(Reason::GruuUnknown);
            return Some(decision(Outcome::Answer(404), Step::Database, std::mem::take(reasons), 0));
        }
        Named::Instance(bindings) => {
            let target = Target::instance(bindings.into_iter(), view);
            reasons.push(if target.is_some() { Reason::InstanceRegistered } else { Reason::UserUnreachable });
            let outcome = target.map_or(Outcome::Answer(480), |target| Outcome::Forward(vec![vec![target]]));
            return Some(decision(outcome, Step::Database, std::mem::take(reasons), all_routes(query)));
        }
    }
    let (found, reason) = find(view, uri);
    let groups = by_preference(&found, view);
    if groups.is_empty() {
        let key = AorKey::of(uri, view.home);
        let known = key.is_some_and(|key| view.registrar.standing(&key) != Standing::Unknown);
        reasons.push(if known { Reason::UserUnreachable } else { Reason::UserNotRegistered });
        return None;
    }
    reasons.push(reason);
    let reasons = std::mem::take(reasons);
    Some(Decision {
        outcome: Outcome::Forward(groups),
        step: Step::Database,
        reasons,
        drop_routes: all_routes(query),
    })
}

/// `sas.md` 7.3: in the order of q, equal q at once, but of one instance never more than one at a time (RFC 5626 7).
pub(super) fn by_preference(bindings: &[&Binding], view: &View<'_>) -> Vec<Vec<Target>> {
    let same_q = |a: &&Binding, b: &&Binding| a.q == b.q;
    let mut seen: Vec<&str> = Vec::new();
    let mut groups = Vec::new();
    for same in bindings.chunk_by(same_q) {
        let mut group = Vec::new();
        for &binding in same {
            group.extend(match binding.instance() {
                None => Target::user(binding, view),
                Some(instance) if seen.contains(&instance) => None,
                Some(instance) => {
                    seen.push(instance);
                    let ways = bindings.iter().copied().filter(|other| other.instance() == Some(instance));
                    Target::instance(ways, view)
                }
            });
        }
        groups.push(group);
    }
    groups.retain(|group| !group.is_empty());
    groups
}
