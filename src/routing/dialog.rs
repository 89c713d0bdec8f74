//! Requests in a dialog: by the route set they were born with, leaving out hops that are dead (`sas.md` section 9).

use super::flow::{self, ByToken};
use super::{Decision, Hop, Outcome, Query, Reason, Reasons, Step, Target, View, address_of, own_routes};
use crate::headers::{HeaderName, Method, NameAddr};
use crate::registrar::Named;
use crate::upstream::{ProxyStatus, TargetId};
use crate::uri::Uri;

pub(super) fn decide(query: &Query<'_>, view: &View<'_>) -> Decision {
    match flow::decide(query, view) {
        ByToken::Silent => {}
        ByToken::Decided(decision) => return decision,
        ByToken::Gone => return past_lost_flow(query, view),
    }
    let is_dead = query.is_emergency();
    // Nothing answers an ACK, so it cannot be rescued later: it goes past a proxy that is merely suspect, if there is
    // another way.
    if !is_dead && query.suspect && query.request.method() == Method::Ack {
        let past = follow(query, view, true);
        if matches!(past.outcome, Outcome::Forward(_)) {
            return past;
        }
    }
    follow(query, view, is_dead)
}

/// A call that is up goes on where the phone has come back by another flow, and the database knows that.
fn past_lost_flow(query: &Query<'_>, view: &View<'_>) -> Decision {
    let mut reasons = Reasons::from([Reason::FlowGone]);
    let target = query.request.uri().ok().and_then(|uri| known_target(view, &uri, &mut reasons));
    match target {
        Some(target) => forward(target, Step::RouteSet, reasons, own_routes(query.request, view).0),
        None => flow::gone(),
    }
}

/// By the route set or the remote target. `is_dead`: whether the proxies are.
fn follow(query: &Query<'_>, view: &View<'_>, is_dead: bool) -> Decision {
    let Ok(uri) = query.request.uri() else {
        return answer(400, Step::NoRoute, Reasons::default());
    };
    let (own, next) = own_routes(query.request, view);
    match next {
        Some(route) => by_route(query, view, &uri, &route, own, is_dead),
        None => by_remote_target(query, view, &uri, own, is_dead),
    }
}

const fn answer(status: u16, step: Step, reasons: Reasons) -> Decision {
    Decision { outcome: Outcome::Answer(status), step, reasons, drop_routes: 0 }
}

fn forward(target: Target, step: Step, reasons: Reasons, drop_routes: usize) -> Decision {
    Decision { outcome: Outcome::Forward(vec![vec![target]]), step, reasons, drop_routes }
}

fn by_route(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    route: &NameAddr<'_>,
    own: usize,
    is_dead: bool,
) -> Decision {
    if let Some(index) = view.proxy_at(&route.uri) {
        if is_dead {
            return skip_dead_hops(query, view, uri, own);
        }
        // One of several is gone: what can be delivered without it is.
        if is_gone(query, view, index) {
            let past = skip_dead_hops(query, view, uri, own);
            if matches!(past.outcome, Outcome::Forward(_)) {
                return past;
            }
        }
        return to_proxy(view, index, own);
    }
    if let Some(address) = address_of(&route.uri) {
        let target = view.target_at(&route.uri, address);
        return to_address(query, view, target, Step::RouteSet, [Reason::RouteLeadsThere].into(), own);
    }
    // A host by name: the proxy's to resolve, or to be.
    match view.upstream.candidates().next() {
        Some(TargetId(index)) if !is_dead => to_proxy(view, index, own),
        _ => skip_dead_hops(query, view, uri, own),
    }
}

/// Whether this proxy is, though another one may serve. For an ACK, which nobody would rescue later, a doubt will do.
fn is_gone(query: &Query<'_>, view: &View<'_>, index: usize) -> bool {
    match view.upstream.status(TargetId(index)) {
        ProxyStatus::Offline => true,
        ProxyStatus::Suspect => query.request.method() == Method::Ack,
        ProxyStatus::Unknown | ProxyStatus::Online | ProxyStatus::Overloaded => false,
    }
}

/// To an address that the request names. A stranger's request is not carried to one that nobody else names: we would be its open
/// relay. In a ring each SAS knows the next one only (`sas.md` section 8), so that what the one before sends comes from a stranger.
fn to_address(
    query: &Query<'_>,
    view: &View<'_>,
    target: Target,
    step: Step,
    mut reasons: Reasons,
    drop_routes: usize,
) -> Decision {
    let is_configured = || view.config.targets().any(|other| other.is_at(target.address));
    if query.known || is_configured() {
        return forward(target, step, reasons, drop_routes);
    }
    reasons.push(Reason::SenderUnknown);
    answer(481, Step::NoRoute, reasons)
}

/// The route set says so: the Request-URI stays, also where it names us.
fn to_proxy(view: &View<'_>, index: usize, own: usize) -> Decision {
    match view.config.proxies().get(index).filter(|proxy| proxy.is_resolved()) {
        Some(proxy) => {
            let target = Target::hop(Hop::Proxy(TargetId(index)), proxy);
            forward(target, Step::RouteSet, [Reason::RouteLeadsThere].into(), own)
        }
        None => answer(481, Step::NoRoute, Reasons::default()),
    }
}

/// `sas.md` section 9: past the dead proxies, and ourselves between them, to what comes next, or to the remote target.
fn skip_dead_hops(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, own: usize) -> Decision {
    let mut reasons = Reasons::from([Reason::NextHopDead]);
    let mut drop_routes = own;
    for route in query.request.addresses(HeaderName::Route).skip(own).flatten() {
        let address = address_of(&route.uri);
        if let Some(address) =
            address.filter(|_| !view.is_own(&route.uri) && view.proxy_at(&route.uri).is_none())
        {
            reasons.push(Reason::RouteLeadsThere);
            let target = view.target_at(&route.uri, address);
            return to_address(query, view, target, Step::DeadHopSkipped, reasons, drop_routes);
        }
        drop_routes += 1;
    }
    if let Some(target) = known_target(view, uri, &mut reasons) {
        return forward(target, Step::DeadHopSkipped, reasons, drop_routes);
    }
    unreachable_target(query, view, uri, reasons)
}

/// The remote target is nobody we could deliver to: answered at once, since nothing may wait 32 s.
fn unreachable_target(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>, mut reasons: Reasons) -> Decision {
    if view.proxy_at(uri).is_some() {
        reasons.push(Reason::TargetIsDead);
        // The other end of the dialog is the dead proxy itself: hanging up succeeds.
        if query.request.method() == Method::Bye {
            return answer(200, Step::Ourselves, reasons);
        }
    } else {
        reasons.push(Reason::TargetUnknown);
    }
    answer(481, Step::NoRoute, reasons)
}

/// A registered contact, or the gateway. We are neither.
fn known_target(view: &View<'_>, uri: &Uri<'_>, reasons: &mut Reasons) -> Option<Target> {
    // RFC 5627 6.1: "the Request-URI will be rewritten with the registered contacts, replacing the GRUU", in a dialog as well.
    if let Named::Instance(bindings) = view.registrar.by_gruu(uri, view.home) {
        let target = Target::instance(bindings.into_iter(), view)?;
        reasons.push(Reason::InstanceRegistered);
        return Some(target);
    }
    if view.is_own(uri) {
        return None;
    }
    let instance = view.registrar.by_contact(uri).map(|binding| view.registrar.flows_of(binding));
    if let Some(mut target) = instance.and_then(|flows| Target::instance(flows.into_iter(), view)) {
        reasons.push(Reason::ContactRegistered);
        // The dialog's remote target stays, also where it differs from the Contact that was registered.
        target.others.iter_mut().for_each(|other| other.uri = None);
        return Some(Target { uri: None, ..target });
    }
    let gateway = view.gateway_at(uri)?;
    let gateway = view.config.gateways().get(gateway).filter(|gateway| gateway.is_resolved())?;
    reasons.push(Reason::TargetIsGateway);
    Some(Target::hop(Hop::Gateway, gateway))
}

fn by_remote_target(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    own: usize,
    is_dead: bool,
) -> Decision {
    let mut reasons = Reasons::default();
    if let Some(target) = known_target(view, uri, &mut reasons) {
        return forward(target, Step::RouteSet, reasons, own);
    }
    if view.is_own(uri) {
        // We are nobody's remote target.
        reasons.push(Reason::NamesUs);
        return answer(481, Step::Ourselves, reasons);
    }
    if let Some(index) = view.proxy_at(uri) {
        if is_dead {
            return unreachable_target(query, view, uri, [Reason::NextHopDead].into());
        }
        return to_proxy(view, index, own);
    }
    match (address_of(uri), view.upstream.candidates().next()) {
        (Some(address), _) => {
            reasons.push(Reason::NamesAddress);
            to_address(query, view, view.target_at(uri, address), Step::RequestUri, reasons, own)
        }
        (None, Some(TargetId(index))) if !is_dead => to_proxy(view, index, own),
        (None, _) => unreachable_target(query, view, uri, reasons),
    }
}
