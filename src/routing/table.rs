//! The routing table (`sas.md` 6.3): the first row that matches, what rings with it, and what backs it up.

use super::initial::{all_routes, database_groups, gateways, proxies};
use super::{
    Decision, Hop, Outcome, Query, Reason, Reasons, Source, Step, Target, View, address_of, mapping,
};
use crate::config::{Call, Group, Row, RowTo, SurvivabilityMode};
use crate::dialplan::number_of;
use crate::headers::Method;
use crate::uri::Uri;

/// Whether the table counts now (`sas.md` 2.2).
pub(super) fn in_force(query: &Query<'_>, view: &View<'_>) -> bool {
    let in_normal = view.config.sas.survivability_mode == SurvivabilityMode::TableInNormal;
    in_normal != query.is_emergency()
}

/// Calls `then` with what the columns of rows are held against.
pub(super) fn with_call<T>(query: &Query<'_>, uri: &Uri<'_>, then: impl FnOnce(&Call<'_>) -> T) -> T {
    let from = query.request.from().ok();
    let source_user = from.as_ref().map(|from| number_of(&from.uri)).unwrap_or_default();
    let destination_user = number_of(uri);
    then(&Call {
        source_user: &source_user,
        source_host: from.as_ref().and_then(|from| from.uri.host()),
        destination_user: &destination_user,
        destination_host: uri.host(),
    })
}

/// What the table says of a request to `uri`. None: nothing, and the reason.
pub(super) fn look_up(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    reasons: &mut Reasons,
) -> Option<Decision> {
    look_up_with(query, view, uri, None, reasons)
}

/// The same; what goes out has the number of `prefixed`, if there is one.
pub(super) fn look_up_with(
    query: &Query<'_>,
    view: &View<'_>,
    uri: &Uri<'_>,
    prefixed: Option<&Uri<'_>>,
    reasons: &mut Reasons,
) -> Option<Decision> {
    let table = view.config.routing_table();
    if table.is_empty() {
        return None;
    }
    if !in_force(query, view) {
        reasons.push(Reason::TableNotInForce);
        return None;
    }
    let method = query.request.method();
    with_call(query, uri, |call| {
        let Some(entry) = table.iter().find(|entry| entry.group.first.matches(method, call)) else {
            reasons.push(Reason::NoRowMatches);
            return None;
        };
        let number = entry.group.first.number;
        if let RowTo::Reject(status) = entry.group.first.to {
            reasons.push(Reason::RowMatches(number));
            let (outcome, step, reasons) = (Outcome::Answer(status), Step::RoutingTable, *reasons);
            return Some(Decision { outcome, step, reasons, drop_routes: 0 });
        }
        let asks = |row: &Row| row.to == RowTo::Enum;
        if entry.groups(method, call).flat_map(|group| group.rows(method, call)).any(asks)
            && let Some(outcome) = mapping::question(query, view, uri)
        {
            reasons.push(Reason::RowMatches(number));
            return Some(Decision { outcome, step: Step::RoutingTable, reasons: *reasons, drop_routes: 0 });
        }
        let going_out = prefixed.unwrap_or(uri);
        let rows = Rows { query, view, uri, going_out };
        let groups: Vec<_> =
            entry.groups(method, call).flat_map(|group| rows.targets(group, method, call)).collect();
        if groups.is_empty() {
            reasons.push(Reason::RowLeadsNowhere(number));
            return None;
        }
        reasons.push(Reason::RowMatches(number));
        if prefixed.is_some() {
            reasons.push(Reason::PrefixAdded);
        }
        let (outcome, step, reasons) = (Outcome::Forward(groups), Step::RoutingTable, *reasons);
        Some(Decision { outcome, step, reasons, drop_routes: all_routes(query) })
    })
}

/// All addresses that rows have for an emergency call: it takes any route that exists, and that of a row for the other state at last.
///
/// `number`: as it is listed, which rows are held against; `uri`: what goes out.
pub(super) fn emergency_hops(
    query: &Query<'_>,
    view: &View<'_>,
    number: &str,
    uri: &Uri<'_>,
) -> Vec<Vec<Target>> {
    let table = view.config.routing_table();
    if table.is_empty() {
        return Vec::new();
    }
    let method = Method::Invite;
    with_call(query, uri, |call| {
        let call = &Call { destination_user: number, ..*call };
        let entries = table.iter().filter(|entry| entry.group.first.matches(method, call));
        let rows =
            entries.flat_map(|entry| entry.groups(method, call)).flat_map(|group| group.rows(method, call));
        let mut hops: Vec<usize> = Vec::new();
        for row in rows {
            if let RowTo::Hop(hop) = row.to
                && !hops.contains(&hop)
            {
                hops.push(hop);
            }
        }
        hops.into_iter().flat_map(|hop| hop_targets(query, view, hop, uri)).collect()
    })
}

/// The address of that number, unless the request came from there.
fn hop_targets(query: &Query<'_>, view: &View<'_>, hop: usize, uri: &Uri<'_>) -> Vec<Vec<Target>> {
    let hop = view.config.hops().get(hop).filter(|hop| !query.came_from(hop));
    hop.map(|hop| Target::other(Hop::Route, hop, uri).collect()).unwrap_or_default()
}

/// What the rows of an entry are worked out from.
struct Rows<'a> {
    query: &'a Query<'a>,
    view: &'a View<'a>,
    uri: &'a Uri<'a>,
    /// The same with the emergency prefix, for whoever is no registered user.
    going_out: &'a Uri<'a>,
}

impl Rows<'_> {
    /// The targets of `group`: the first of each row at once, then what else the rows have.
    fn targets(&self, group: &Group, method: Method, call: &Call<'_>) -> Vec<Vec<Target>> {
        let mut at_once = Vec::new();
        let mut later = Vec::new();
        for row in group.rows(method, call) {
            let mut targets = self.of_row(row.to).into_iter();
            at_once.extend(targets.next().into_iter().flatten());
            later.extend(targets);
        }
        if at_once.is_empty() {
            return later;
        }
        later.insert(0, at_once);
        later
    }

    fn of_row(&self, to: RowTo) -> Vec<Vec<Target>> {
        let Self { query, view, uri, going_out } = *self;
        match to {
            RowTo::Hop(hop) => hop_targets(query, view, hop, going_out),
            RowTo::RequestUri => self.by_request_uri(),
            RowTo::Enum => mapping::targets(query, view),
            RowTo::Users => database_groups(view, uri),
            RowTo::ProxySet if query.source == Source::Proxy => Vec::new(),
            RowTo::ProxySet => proxies(query, view, going_out),
            RowTo::DefaultGateway => gateways(query, view, going_out, &mut Reasons::default()),
            RowTo::Reject(_) => Vec::new(),
        }
    }

    /// A stranger's request is not carried to an address of its choice, nor any back to where it came from or to us.
    fn by_request_uri(&self) -> Vec<Vec<Target>> {
        let Self { query, view, going_out, .. } = *self;
        let address = address_of(going_out)
            .filter(|address| query.known && !view.flows.is_local(*address) && !query.is_from(*address));
        let target = |address| Target {
            uri: Some(super::as_request_uri(going_out)),
            ..view.target_at(going_out, address)
        };
        address.map(|address| vec![vec![target(address)]]).unwrap_or_default()
    }
}
