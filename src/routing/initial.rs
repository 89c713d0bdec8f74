//! Requests outside a dialog (`sas.md` 4.2-4.4).

use super::affinity::affinity;
use super::flow::{self, ByToken};
use super::{
    Decision, Hop, Mapping, Outcome, Query, Reason, Reasons, Source, Step, Target, View, address_of,
    own_routes,
};
use super::{mapping, table};
use crate::config::{CascadeLoop, InboundManipulation, OutOfDialogMiss};
use crate::dialplan::number_of;
use crate::headers::{HeaderName, Method};
use crate::registrar::{Binding, Named, Standing};
use crate::uri::{AorKey, Component, Uri, escape};

pub(super) fn decide(query: &Query<'_>, view: &View<'_>) -> Decision {
    let mut reasons = Reasons::from([if query.rescue {
        Reason::ProxyDidNotAnswer
    } else if query.is_emergency() {
        Reason::EmergencyState
    } else {
        Reason::NormalState
    }]);
    let Ok(uri) = query.request.uri() else {
        return decision(Outcome::Answer(400), Step::NoRoute, reasons, 0);
    };
    // 4.2 step 1, 4.4 step 2: before the mode, before everything.
    if query.request.method() == Method::Invite
        && let Some(number) = view.config.emergency_number(&uri)
    {
        return emergency_call(query, view, &uri, number, true, reasons);
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
    // 4.2 step 2, 4.4 step 3.
    if is_blocked(query, view, &mut reasons) {
        return decision(Outcome::Answer(403), Step::Blocked, reasons, 0);
    }
    if let Some(next_door) = next_door(query, view, &uri, &mut reasons) {
        return next_door;
    }
    if query.is_emergency() {
        return serve(query, view, &uri, reasons);
    }
    match query.source {
        Source::Proxy => from_proxy(query, view, &uri, reasons),
        Source::User | Source::Gateway => {
            // 4.2 step 3.
            table::look_up(query, view, &uri, &mut reasons)
                .unwrap_or_else(|| to_proxies(query, view, reasons))
        }
        // Another SAS, whose proxy may be lost, has not found the user (section 8).
        Source::Peer => {
            reasons.push(Reason::CameFromPeer);
            table::look_up(query, view, &uri, &mut reasons)
                .or_else(|| database(query, view, &uri, &mut reasons))
                .unwrap_or_else(|| to_proxies(query, view, reasons))
        }
    }
}

/// `block_unregistered`: phones that are in the database neither by From nor by where they are.
fn is_blocked(query: &Query<'_>, view: &View<'_>, reasons: &mut Reasons) -> bool {
    if !view.config.sas.block_unregistered || query.source != Source::User {
        return false;
    }
    let is_registered = query
        .request
        .from()
        .is_ok_and(|from| view.registrar.is_registered(&from.uri, query.from.address, view.home));
    reasons.push(if is_registered { Reason::CallerRegistered } else { Reason::CallerNotRegistered });
    !is_registered
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
fn next_door(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, reasons: &mut Reasons) -> Option<Decision> {
    let (own, route) = own_routes(query.request, view);
    let (next, reason) = match &route {
        Some(route) => (&route.uri, Reason::RouteLeadsThere),
        None => (Some(uri).filter(|uri| uri.param("maddr").is_some())?, Reason::NamesAddress),
    };
    let address = view.phone_address(next).filter(|_| query.known)?;
    reasons.push(reason);
    let step = if route.is_some() { Step::RouteSet } else { Step::RequestUri };
    let target = view.target_at(next, address);
    Some(decision(Outcome::Forward(vec![vec![target]]), step, *reasons, own))
}

fn decision(outcome: Outcome, step: Step, reasons: Reasons, drop_routes: usize) -> Decision {
    Decision { outcome, step, reasons, drop_routes }
}

/// All Routes go: the request is routed by us, and what they lead to is out of reach or passed over.
pub(super) fn all_routes(query: &Query<'_>) -> usize {
    query.request.values(HeaderName::Route).count()
}

/// To the gateways in their order, then to what the routing table, the redundant SAS and, if `to_proxies`, the proxies are: an emergency
/// call takes any route that exists. The last one is a proxy that is believed lost: the belief may be wrong, and nothing else is left.
fn emergency_call(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    number: &str,
    to_proxies: bool,
    mut reasons: Reasons,
) -> Decision {
    reasons.push(Reason::IsEmergencyNumber);
    // The gateway gets the bare number, however it was written. A prefixed one is dangerous, and only where the site wants it.
    let sas = &view.config.sas;
    let prefix = sas.emergency_prefix.as_str();
    let prefix = if query.is_emergency() && sas.prefix_emergency_numbers { prefix } else { "" };
    let plain = format!("sip:{prefix}{number}@gateway.invalid");
    let plain = Uri::parse(&plain).ok().filter(|plain| uri.user() != plain.user());
    let plain = plain.as_ref().unwrap_or(uri);
    let mut groups = gateways(query, view, plain, &mut reasons);
    let by_table = table::emergency_hops(query, view, number, plain);
    let (by_table, at_last) =
        if table::in_force(query, view) { (by_table, Vec::new()) } else { (Vec::new(), by_table) };
    groups.extend(by_table);
    groups.extend(redundant_sas(query, view, plain, &mut reasons));
    let proxies = if query.source != Source::Proxy && to_proxies { view.config.proxies().len() } else { 0 };
    let reachable: Vec<_> = view.upstream.candidates().map(|id| id.0).filter(|id| *id < proxies).collect();
    let lost = (0..proxies).filter(|id| !reachable.contains(id));
    groups.extend(reachable.iter().flat_map(|id| Target::proxy(*id, uri, view)));
    groups.extend(at_last);
    groups.extend(lost.flat_map(|id| Target::proxy(id, uri, view)));
    if groups.is_empty() {
        return decision(Outcome::Answer(404), Step::EmergencyNumber, reasons, 0);
    }
    decision(Outcome::Forward(groups), Step::EmergencyNumber, reasons, all_routes(query))
}

/// 4.4 step 7: the redundant SAS, unless it is the source or the call has come round.
fn redundant_sas(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    reasons: &mut Reasons,
) -> Vec<Vec<Target>> {
    let Some(peer) = view.config.redundant_sas() else {
        return Vec::new();
    };
    if came_round(query, view) {
        reasons.push(Reason::CameRound);
        return Vec::new();
    }
    if query.came_from(peer) {
        reasons.push(Reason::CameFromPeer);
        return Vec::new();
    }
    reasons.push(Reason::RedundantSasConfigured);
    Target::other(Hop::Peer, peer, uri).collect()
}

/// 4.4 step 1 and section 8: our own address is in a Via, or, if the site says so, that of the next SAS.
fn came_round(query: &Query<'_>, view: &View<'_>) -> bool {
    let next =
        view.config.redundant_sas().filter(|_| view.config.sas.cascade_loop == CascadeLoop::OwnOrNextVia);
    query.request.vias().flatten().any(|via| {
        let sent_by = via.sent_by.socket_addr(5060);
        sent_by.is_some_and(|at| view.flows.is_local(at) || next.is_some_and(|next| next.is_at(at)))
    })
}

pub(super) fn gateways(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    reasons: &mut Reasons,
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
pub(super) fn to_proxies(query: &Query<'_>, view: &View<'_>, reasons: Reasons) -> Decision {
    let Ok(uri) = query.request.uri() else {
        return decision(Outcome::Answer(400), Step::NoRoute, reasons, 0);
    };
    let (own, _) = own_routes(query.request, view);
    let groups = proxies(query, view, &uri);
    if groups.is_empty() {
        return decision(Outcome::Answer(480), Step::NoRoute, reasons, 0);
    }
    decision(Outcome::Forward(groups), Step::Proxy, reasons, own)
}

/// The proxies in the order of their health, that of the sender first where the load is balanced; all of them where none is believed
/// reachable. Without hot swap the first address is the only one.
pub(super) fn proxies(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>) -> Vec<Vec<Target>> {
    let mut order: Vec<usize> = match affinity(query.request, query.source, view) {
        Some(who) => view.upstream.candidates_for(who).map(|id| id.0).collect(),
        None => view.upstream.candidates().map(|id| id.0).collect(),
    };
    if order.is_empty() {
        order = (0..view.config.proxies().len()).collect();
    }
    let most = if view.config.proxy_set.hot_swap { usize::MAX } else { 1 };
    order.into_iter().flat_map(|index| Target::proxy(index, uri, view)).take(most).collect()
}

/// 4.3: the routing table, the database, else by Route or Request-URI.
fn from_proxy(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, mut reasons: Reasons) -> Decision {
    reasons.push(Reason::CameFromProxy);
    // 4.3 step 1.
    if let Some(decided) = table::look_up(query, view, uri, &mut reasons) {
        return decided;
    }
    let (own, route) = own_routes(query.request, view);
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
        Some(gateway) => Target::hop(Hop::Gateway, gateway),
        None => view.target_at(uri, address),
    }
}

/// 4.4 from step 4: manipulation, the database, the routing table, the redundant SAS, the default gateway.
fn serve(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, mut reasons: Reasons) -> Decision {
    let method = query.request.method();
    if method == Method::Subscribe {
        reasons.push(Reason::SubscriptionsNotServed);
        let status = view.config.sas.subscribe_response;
        return decision(Outcome::Answer(status), Step::Ourselves, reasons, 0);
    }
    let manipulated = manipulated(query, view, uri, &mut reasons);
    let uri = manipulated.as_deref().and_then(|text| Uri::parse(text).ok()).unwrap_or(*uri);
    // Who dials 9 911 calls 911: no prefix again, and no row that rejects. The proxies have been asked, or are lost.
    if manipulated.is_some()
        && method == Method::Invite
        && let Some(number) = view.config.emergency_number(&uri)
    {
        return emergency_call(query, view, &uri, number, false, reasons);
    }
    if let Some(found) = database(query, view, &uri, &mut reasons) {
        return found;
    }
    // Never for registered users, also where they cannot be reached.
    let known = reasons.contains(&Reason::UserUnreachable);
    let prefix = view.config.sas.emergency_prefix.as_str();
    let prefixed = Some(prefix).filter(|prefix| !known && !prefix.is_empty());
    let prefixed = prefixed.map(|prefix| with_number(&uri, &format!("{prefix}{}", number_of(&uri))));
    let prefixed = prefixed.as_deref().and_then(|text| Uri::parse(text).ok());
    if let Some(decided) = table::look_up_with(query, view, &uri, prefixed.as_ref(), &mut reasons) {
        return decided;
    }
    let to_gateway = match view.config.sas.out_of_dialog_miss {
        OutOfDialogMiss::NotFound => method == Method::Invite,
        OutOfDialogMiss::DefaultGateway => true,
    };
    let peers =
        if method == Method::Invite { redundant_sas(query, view, &uri, &mut reasons) } else { Vec::new() };
    if !to_gateway {
        reasons.push(Reason::NotACall);
    }
    // 4.4 step 8. Of a user who is known here ENUM knows no more.
    let is_mapped = !known && method == Method::Invite;
    if is_mapped && let Some(outcome) = mapping::question(query, view, &uri) {
        return decision(outcome, Step::Enum, reasons, 0);
    }
    let mapped = if is_mapped { mapping::targets(query, view) } else { Vec::new() };
    if view.config.sas.number_mapping.is_some() && !matches!(query.mapping, Mapping::Unasked) {
        reasons.push(if mapped.is_empty() { Reason::NumberNotMapped } else { Reason::NumberMapped });
    }
    let step = match (peers.is_empty(), mapped.is_empty()) {
        (false, _) => Step::RedundantSas,
        (true, false) => Step::Enum,
        (true, true) => Step::DefaultGateway,
    };
    let mut groups = peers;
    groups.extend(mapped);
    if to_gateway {
        let to = gateways(query, view, prefixed.as_ref().unwrap_or(&uri), &mut reasons);
        if prefixed.is_some() && !to.is_empty() {
            reasons.push(Reason::PrefixAdded);
        }
        groups.extend(to);
    }
    if !groups.is_empty() {
        return decision(Outcome::Forward(groups), step, reasons, all_routes(query));
    }
    // 4.4 step 10: 404 unknown user, 480 known but unreachable.
    decision(Outcome::Answer(if known { 480 } else { 404 }), Step::NoRoute, reasons, 0)
}

/// 4.4 step 4: the Request-URI with the number that the first rule that matches makes of it.
fn manipulated(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, reasons: &mut Reasons) -> Option<String> {
    if view.config.sas.inbound_manipulation != InboundManipulation::Emergency {
        return None;
    }
    let number = number_of(uri);
    let (rule, place) = table::with_call(query, uri, |call| {
        let mut rules = view.config.inbound_manipulation_rules.iter().zip(1u16..);
        rules.find(|(rule, _)| rule.columns.match_call(call))
    })?;
    reasons.push(Reason::NumberManipulated(place));
    let changed = rule.manipulation.apply(&number);
    (*changed != *number).then(|| with_number(uri, &changed))
}

/// `uri` with another number. A `tel:` URI becomes a SIP URI, whose host whoever sends it on replaces.
fn with_number(uri: &Uri<'_>, number: &str) -> String {
    let user = escape(number.as_bytes(), Component::User);
    let at = if user.is_empty() { "" } else { "@" };
    let scheme = uri.as_str().split(':').next().unwrap_or_default();
    match uri.host_port().filter(|_| uri.is_sip()) {
        Some(host_port) => format!("{scheme}:{user}{at}{host_port}{}", uri.params_str()),
        None => format!("sip:{user}{at}gateway.invalid;user=phone"),
    }
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

/// The targets that the database has for `uri`.
pub(super) fn database_groups(view: &View<'_>, uri: &Uri<'_>) -> Vec<Vec<Target>> {
    by_preference(&find(view, uri).0, view)
}

/// The targets that the database has for `uri`. None, and the reason, where it has none that can be reached.
fn database(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, reasons: &mut Reasons) -> Option<Decision> {
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
    let reasons = *reasons;
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
