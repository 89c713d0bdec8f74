//! The tables of the dial plan (`sas.md` section 6).

use super::parse::{Fields, Ini, Table};
use super::proxies::ProxySets;
use super::{Draft, Reason, number, target};
use crate::config::{Alternative, Columns, ManipulationRule, RequestKind, Route, RouteTo};
use crate::dialplan::{HostPattern, Pattern};

/// The tables that are read.
pub(super) const WANTED: [&str; 6] = [
    "ProxySet",
    "ProxyIp",
    "SASRegistrationManipulation",
    "IPInboundManipulation",
    "IP2IPRouting",
    "IPGroup",
];

/// Takes all of them. The parameters, which say what proxy set is used, have been taken before.
pub(super) fn apply(draft: &mut Draft, ini: &Ini<'_>) {
    let table = |name: &str| ini.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name));
    let mut proxy_sets = ProxySets::default();
    if let Some(table) = table("ProxySet") {
        proxy_sets.add_sets(draft, table);
    }
    if let Some(table) = table("ProxyIp") {
        proxy_sets.add_addresses(draft, table);
    }
    proxy_sets.add_redundant_sas(draft);
    if let Some(table) = table("IPGroup") {
        proxy_sets.add_groups(draft, table);
    }
    if let Some(table) = table("SASRegistrationManipulation") {
        registration_manipulation(draft, table);
    }
    if let Some(table) = table("IPInboundManipulation") {
        inbound_manipulation(draft, table);
    }
    if let Some(table) = table("IP2IPRouting") {
        routing(draft, table, &mut proxy_sets);
    }
    proxy_sets.list_unused(draft);
}

/// Lists the columns of a row that nobody took and that say something.
pub(super) fn list_rest(draft: &mut Draft, table: &Table<'_>, index: u32, fields: &Fields<'_, '_>) {
    let said = fields.rest().filter(|(_, value)| !is_neutral(value));
    for (column, value) in said.collect::<Vec<_>>() {
        let name = format!("{} {index} {column}", table.name);
        draft.leave_out(fields.row.line, name, Some(value), "there is nothing like it here");
    }
}

/// Whether a value stands for none, or for any.
fn is_neutral(value: &str) -> bool {
    let word = |word: &str| value.eq_ignore_ascii_case(word);
    matches!(value, "" | "$$" | "-1" | "0" | "*") || word("any") || word("none")
}

fn registration_manipulation(draft: &mut Draft, table: &Table<'_>) {
    for (nth, (index, mut fields)) in table.fields().enumerate() {
        if nth > 0 {
            draft.leave_out_row(table, index, fields.row, "the table has one row, the first");
            continue;
        }
        let counts = count(&mut fields, "RemoveFromRight").and_then(|remove| {
            let leave = count(&mut fields, "LeaveFromRight")?;
            Ok((remove, leave))
        });
        match counts {
            Ok((remove, leave)) => {
                let manipulation = &mut draft.settings.registration_manipulation;
                (manipulation.remove_from_right, manipulation.leave_from_right) = (remove, leave);
                list_rest(draft, table, index, &fields);
            }
            Err(reason) => draft.leave_out_row(table, index, fields.row, reason),
        }
    }
}

/// A count of characters. 255 to leave is what the product writes for all, which is 0 here.
fn count(fields: &mut Fields<'_, '_>, column: &'static str) -> Result<u8, Reason> {
    match fields.take(column) {
        None => Ok(0),
        Some("255") if column == "LeaveFromRight" => Ok(0),
        Some(value) => number(value, 0..=30).map_err(|reason| format!("{column} {reason}").into()),
    }
}

/// The columns that two tables have in common.
fn columns(fields: &mut Fields<'_, '_>) -> Result<Columns, Reason> {
    let source_user = pattern(fields, "SrcUsernamePrefix")?;
    let source_host = host(fields, "SrcHost")?;
    let destination_user = pattern(fields, "DestUsernamePrefix")?;
    let destination_host = host(fields, "DestHost")?;
    Ok(Columns { source_user, source_host, destination_user, destination_host })
}

fn pattern(fields: &mut Fields<'_, '_>, column: &str) -> Result<Pattern, Reason> {
    let Some(text) = fields.take(column) else { return Ok(Pattern::any()) };
    text.parse().map_err(|error| format!("{column}: {error}").into())
}

fn host(fields: &mut Fields<'_, '_>, column: &str) -> Result<HostPattern, Reason> {
    let Some(text) = fields.take(column) else { return Ok(HostPattern::default()) };
    text.parse().map_err(|error| format!("{column} {error}").into())
}

fn request(fields: &mut Fields<'_, '_>) -> Result<RequestKind, Reason> {
    let kind = number(fields.take("RequestType").unwrap_or("0"), 0..=6);
    Ok(match kind.map_err(|reason| format!("RequestType {reason}"))? {
        0 => RequestKind::All,
        1 => RequestKind::Invite,
        2 => RequestKind::Register,
        3 => RequestKind::Subscribe,
        4 => RequestKind::InviteRegister,
        5 => RequestKind::InviteSubscribe,
        _ => RequestKind::Options,
    })
}

/// Refuses a row with a value in one of `columns` that makes it match less, which nothing here could say.
fn refuse_conditions(fields: &mut Fields<'_, '_>, columns: &[&str]) -> Result<(), Reason> {
    for column in columns {
        if fields.take(column).is_some_and(|value| !is_neutral(value)) {
            return Err(format!("there is no column for its condition {column}").into());
        }
    }
    Ok(())
}

fn inbound_manipulation(draft: &mut Draft, table: &Table<'_>) {
    for (index, mut fields) in table.fields() {
        match manipulation_rule(draft, &mut fields) {
            Ok(rule) => {
                draft.settings.inbound_manipulation_rules.push(rule);
                list_rest(draft, table, index, &fields);
            }
            Err(reason) => draft.leave_out_row(table, index, fields.row, reason),
        }
    }
}

fn manipulation_rule(draft: &Draft, fields: &mut Fields<'_, '_>) -> Result<ManipulationRule, Reason> {
    if draft.manipulates.is_none() {
        return Err("SASInboundManipulationMode is not 1: the row is not in use".into());
    }
    fields.take("ManipulationName");
    if fields.take("IsAdditionalManipulation").is_some_and(|value| value != "0") {
        return Err(
            "a rule in addition to the one above it: the first that matches is the only one here".into()
        );
    }
    if fields.take("ManipulationPurpose").is_some_and(|value| value != "0") {
        return Err("its ManipulationPurpose is not 0: what is changed here does go out".into());
    }
    refuse_conditions(fields, &["SrcIpGroup", "SrcIPGroupID", "SrcIPGroupName"])?;
    // The product manipulates INVITEs alone.
    if !matches!(
        request(fields)?,
        RequestKind::All | RequestKind::Invite | RequestKind::InviteRegister | RequestKind::InviteSubscribe
    ) {
        return Err("its RequestType is not that of calls, which alone are manipulated".into());
    }
    if fields.take("ManipulatedURI") != Some("1") {
        return Err("it changes the source, and a proxy leaves From as it is (RFC 3261 16.6)".into());
    }
    let mut rule = ManipulationRule { columns: columns(fields)?, ..ManipulationRule::default() };
    rule.manipulation.remove_from_left = count(fields, "RemoveFromLeft")?;
    rule.manipulation.remove_from_right = count(fields, "RemoveFromRight")?;
    rule.manipulation.leave_from_right = count(fields, "LeaveFromRight")?;
    let mut affix = |column| fields.take(column).unwrap_or_default().to_owned();
    (rule.manipulation.prefix, rule.manipulation.suffix) = (affix("Prefix2Add"), affix("Suffix2Add"));
    Ok(rule)
}

fn routing(draft: &mut Draft, table: &Table<'_>, proxy_sets: &mut ProxySets<'_, '_>) {
    // Whether the row that alternatives back up, and the one that members ring with, are there.
    let (mut has_row, mut has_group) = (false, false);
    for (index, mut fields) in table.fields() {
        let place = Place::of(&mut fields);
        let is_under_another = match place {
            Ok(Place::Alternative { .. }) => !has_row,
            Ok(Place::Member { .. }) => !has_group,
            Ok(Place::Row) | Err(_) => false,
        };
        let route = place.clone().and_then(|place| {
            if is_under_another {
                return Err("the row that it belongs to is not there".into());
            }
            route(&mut fields, &place, proxy_sets, draft)
        });
        match place {
            Ok(Place::Alternative { .. }) => has_group = route.is_ok(),
            Ok(Place::Row) | Err(_) => (has_row, has_group) = (route.is_ok(), route.is_ok()),
            Ok(Place::Member { .. }) => {}
        }
        match route {
            Ok(route) => {
                draft.settings.routes.push(route);
                list_rest(draft, table, index, &fields);
            }
            Err(reason) => draft.leave_out_row(table, index, fields.row, reason),
        }
    }
}

/// What a row is to the one above it.
#[derive(Clone)]
enum Place {
    Row,
    Alternative { considers_inputs: bool },
    Member { considers_inputs: bool },
}

impl Place {
    fn of(fields: &mut Fields<'_, '_>) -> Result<Self, Reason> {
        let place = number(fields.take("AltRouteOptions").unwrap_or("0"), 0..=4);
        Ok(match place.map_err(|reason| format!("AltRouteOptions {reason}"))? {
            0 => Self::Row,
            1 => Self::Alternative { considers_inputs: false },
            2 => Self::Alternative { considers_inputs: true },
            3 => Self::Member { considers_inputs: false },
            _ => Self::Member { considers_inputs: true },
        })
    }
}

fn route(
    fields: &mut Fields<'_, '_>,
    place: &Place,
    proxy_sets: &mut ProxySets<'_, '_>,
    draft: &Draft,
) -> Result<Route, Reason> {
    // Names for people; and the source IP group, which survivability does not look at.
    for label in ["RouteName", "RoutingPolicyName", "SrcIPGroupID", "SrcIPGroupName"] {
        fields.take(label);
    }
    refuse_conditions(
        fields,
        &[
            "MessageCondition",
            "MessageConditionName",
            "ReRouteIPGroupID",
            "ReRouteIPGroupName",
            "Trigger",
            "CallSetupRulesSetId",
            "SrcTags",
            "DestTags",
        ],
    )?;
    let mut route = Route::new(destination(fields, proxy_sets, draft)?);
    let (columns, request) = (columns(fields)?, request(fields)?);
    if request == RequestKind::Register {
        return Err("it is for REGISTER alone, which never goes by the table".into());
    }
    // A member that ignores the inputs is one that matches anything.
    if !matches!(place, Place::Member { considers_inputs: false }) {
        (route.columns, route.request) = (columns, request);
    }
    match place {
        Place::Row => {}
        Place::Alternative { considers_inputs: false } => route.alternative = Alternative::IgnoreInputs,
        Place::Alternative { considers_inputs: true } => route.alternative = Alternative::ConsiderInputs,
        Place::Member { .. } => route.is_member = true,
    }
    Ok(route)
}

fn destination(
    fields: &mut Fields<'_, '_>,
    proxy_sets: &mut ProxySets<'_, '_>,
    draft: &Draft,
) -> Result<RouteTo, Reason> {
    let kind = fields.take("DestType").unwrap_or("0");
    let (id, name) = (fields.take("DestIPGroupID"), fields.take("DestIPGroupName"));
    let (address, port) = (fields.take("DestAddress"), fields.take("DestPort"));
    let transport = fields.take("DestTransportType");
    match kind {
        "0" => {
            let group = name.or(id).filter(|group| *group != "-1").ok_or("it leads to no IP group")?;
            proxy_sets.of_group(group, draft.proxy_set)
        }
        "1" => {
            let host = address.ok_or("it leads to no address")?;
            let port = match port {
                None | Some("0") => None,
                Some(port) => {
                    Some(number::<u16>(port, 1..=65_535).map_err(|reason| format!("DestPort {reason}"))?)
                }
            };
            let host = match (host.parse::<std::net::Ipv6Addr>(), port) {
                (Ok(ip), Some(port)) => format!("[{ip}]:{port}"),
                (_, Some(port)) => format!("{host}:{port}"),
                (_, None) => host.to_owned(),
            };
            target(&host, transport)
                .map(RouteTo::Uri)
                .map_err(|reason| format!("DestAddress {reason}").into())
        }
        "2" => Ok(RouteTo::RequestUri),
        "3" => match &draft.settings.sas.number_mapping {
            None => Err("it leads to ENUM, and SASEnableENUM is not 1".into()),
            Some(mapping) if address.is_some_and(|domain| domain != mapping.suffix) => {
                Err("it asks ENUM in a domain of its own".into())
            }
            Some(_) => Ok(RouteTo::Enum),
        },
        // The gateway on the same box.
        "8" => Ok(RouteTo::DefaultGateway),
        "10" => Ok(RouteTo::Users),
        other => Err(format!("there is no destination like its DestType {other}").into()),
    }
}
