//! The routing table made ready: rows grouped into what is tried together and one after the other, and the static check that an emergency
//! call has somewhere to go.
//!
//! Invariant: each alternative and each member of a forking group stands under the row that it belongs to; a row that rejects stands
//! alone; an address that a row names is one of `hops`.

use super::validate::{Target, ensure, targets};
use super::{Alternative, Columns, ConfigError, RequestKind, Route, RouteTo, Settings, SurvivabilityMode};
use crate::headers::Method;
use crate::uri::{Host, UriBuf};

/// More rows are not taken.
const MAX_ROWS: usize = 10_000;

/// What the columns of a row are held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) source_user: &'a str,
    pub(crate) source_host: Option<Host<'a>>,
    pub(crate) destination_user: &'a str,
    pub(crate) destination_host: Option<Host<'a>>,
}

impl Columns {
    /// Whether all columns match. Allocates nothing.
    pub(crate) fn match_call(&self, call: &Call<'_>) -> bool {
        self.destination_user.matches(call.destination_user)
            && self.source_user.matches(call.source_user)
            && self.source_host.matches(call.source_host)
            && self.destination_host.matches(call.destination_host)
    }

    /// Whether every call to `number` matches, whoever makes it.
    fn match_all_to(&self, number: &str) -> bool {
        self.destination_user.matches(number)
            && self.source_user.is_any()
            && self.source_host.is_any()
            && self.destination_host.is_any()
    }
}

/// Where a row leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowTo {
    /// To the hop of this number.
    Hop(usize),
    RequestUri,
    Enum,
    Users,
    ProxySet,
    DefaultGateway,
    Reject(u16),
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its place in the table, from 1.
    pub(crate) number: u16,
    columns: Columns,
    request: RequestKind,
    pub(crate) to: RowTo,
}

impl Row {
    pub(crate) fn matches(&self, method: Method, call: &Call<'_>) -> bool {
        self.request.covers(method) && self.columns.match_call(call)
    }
}

/// A row, and those that ring together with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) first: Row,
    members: Vec<Row>,
    /// As an alternative: whether its columns count.
    considers_inputs: bool,
}

impl Group {
    /// The rows of the group that ring for `call`: the first, and the members whose own columns match.
    pub(crate) fn rows(&self, method: Method, call: &Call<'_>) -> impl Iterator<Item = &Row> {
        let members = self.members.iter().filter(move |row| row.matches(method, call));
        std::iter::once(&self.first).chain(members)
    }
}

/// A row that is matched from the top, with what rings together and what backs it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) group: Group,
    alternatives: Vec<Group>,
}

impl Entry {
    /// The group itself, then the alternatives that are for `call`.
    pub(crate) fn groups(&self, method: Method, call: &Call<'_>) -> impl Iterator<Item = &Group> {
        let usable = move |group: &&Group| !group.considers_inputs || group.first.matches(method, call);
        std::iter::once(&self.group).chain(self.alternatives.iter().filter(usable))
    }

    /// Whether each INVITE to `number` comes to an address by this entry.
    fn carries_all_to(&self, number: &str) -> bool {
        let is_for_all = |row: &Row| row.request.covers(Method::Invite) && row.columns.match_all_to(number);
        let leads_out = |row: &Row| matches!(row.to, RowTo::Hop(_));
        let usable = |group: &&Group| !group.considers_inputs || is_for_all(&group.first);
        let by_group = |group: &Group| {
            leads_out(&group.first) || group.members.iter().any(|row| leads_out(row) && is_for_all(row))
        };
        is_for_all(&self.group.first)
            && (by_group(&self.group) || self.alternatives.iter().filter(usable).any(by_group))
    }
}

/// The table, and the addresses that its rows name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    pub(crate) hops: Vec<Target>,
}

impl Table {
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let routes = &settings.routes;
        ensure(routes.len() <= MAX_ROWS, "route", &routes.len(), "must be 10000 rows at most")?;
        let mut table = Self::default();
        let mut uris: Vec<UriBuf> = Vec::new();
        for (route, number) in routes.iter().zip(1u16..) {
            let row = row(settings, route, number, &mut uris)?;
            table.add(route, row)?;
        }
        for uri in &uris {
            table.hops.extend(targets("route.to", std::slice::from_ref(uri))?);
        }
        Ok(table)
    }

    /// Puts `row` where it belongs.
    fn add(&mut self, route: &Route, row: Row) -> Result<(), ConfigError> {
        let at = |value: &str| format!("{value} (row {})", row.number);
        let rejects = matches!(row.to, RowTo::Reject(_));
        let is_alternative = route.alternative != Alternative::No;
        if route.is_member {
            let key = "route.group";
            ensure(!is_alternative, key, &at("member"), "is no alternative: it belongs to the row above it")?;
            ensure(!rejects, key, &at("member"), "cannot reject while others ring")?;
        } else if is_alternative {
            ensure(!rejects, "route.alternative", &at(&route.to.to_string()), "must lead somewhere")?;
        }
        let considers_inputs = route.alternative == Alternative::ConsiderInputs;
        let above = self.entries.last_mut();
        if !route.is_member && !is_alternative {
            let group = Group { first: row, members: Vec::new(), considers_inputs };
            self.entries.push(Entry { group, alternatives: Vec::new() });
            return Ok(());
        }
        let key = if route.is_member { "route.group" } else { "route.alternative" };
        let Some(above) = above else {
            return ensure(false, key, &at("row"), "needs a row above it");
        };
        let stands_alone = matches!(above.group.first.to, RowTo::Reject(_));
        ensure(!stands_alone, key, &at("row"), "cannot belong to a row that rejects")?;
        if route.is_member {
            above.alternatives.last_mut().unwrap_or(&mut above.group).members.push(row);
        } else {
            above.alternatives.push(Group { first: row, members: Vec::new(), considers_inputs });
        }
        Ok(())
    }
}

fn row(settings: &Settings, route: &Route, number: u16, uris: &mut Vec<UriBuf>) -> Result<Row, ConfigError> {
    let value = format!("{} (row {number})", route.to);
    let check = |holds, reason| ensure(holds, "route.to", &value, reason);
    ensure(
        route.request != RequestKind::Register,
        "route.request",
        &format!("register (row {number})"),
        "REGISTER goes to the proxies or is answered here, never by the table",
    )?;
    let to = match &route.to {
        RouteTo::Uri(uri) => {
            check(
                uri.as_uri().user().is_none(),
                "must be a SIP URI without a user: that of the request stays",
            )?;
            let known = uris.iter().position(|other| other == uri);
            RowTo::Hop(known.unwrap_or_else(|| {
                uris.push(uri.clone());
                uris.len() - 1
            }))
        }
        RouteTo::RequestUri => RowTo::RequestUri,
        RouteTo::Enum => {
            check(settings.sas.number_mapping.is_some(), "needs sas.enum")?;
            RowTo::Enum
        }
        RouteTo::Users => RowTo::Users,
        RouteTo::ProxySet => {
            check(!settings.proxy_set.targets.is_empty(), "needs proxy_set.targets")?;
            RowTo::ProxySet
        }
        RouteTo::DefaultGateway => {
            check(!settings.sas.default_gateway.is_empty(), "needs sas.default_gateway")?;
            RowTo::DefaultGateway
        }
        RouteTo::Reject(code) => {
            check((400..=699).contains(code), "must reject with 400 to 699")?;
            RowTo::Reject(*code)
        }
    };
    Ok(Row { number, columns: route.columns.clone(), request: route.request, to })
}

/// A configuration in which some state has no route for a listed emergency number is refused.
///
/// A default gateway is a route in every state. Without one, the proxies are in the normal state, but the emergency state is there for
/// their absence: what carries the number then is a row of the table that is in force, is for everybody who calls it, and leads, itself
/// or by an alternative, to an address. A redundant SAS is tried as well, and is no route: it may have none either, or think that we are
/// its own.
pub(super) fn check_emergency_routes(
    settings: &Settings,
    gateways: &[Target],
    table: &Table,
) -> Result<(), ConfigError> {
    let is_in_force = settings.sas.survivability_mode != SurvivabilityMode::TableInNormal;
    for number in &settings.sas.emergency_numbers {
        let by_table = || is_in_force && table.entries.iter().any(|entry| entry.carries_all_to(number));
        ensure(
            !gateways.is_empty() || by_table(),
            "sas.emergency_numbers",
            number,
            "has no route in the emergency state: needs sas.default_gateway, or a [[route]] for everybody to a SIP URI",
        )?;
    }
    Ok(())
}
