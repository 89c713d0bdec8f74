//! The tables ProxySet and ProxyIp: the proxies, the redundant SAS, and where an IP group leads.

use super::parameters::not_yet;
use super::parse::{Fields, Row, Table};
use super::tables::list_rest;
use super::{Draft, Reason, flag, number, target};
use crate::config::{Balancing, ProxySet, Redundancy, RouteTo};
use crate::uri::UriBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Takes the parameter or column `name`, in small letters, of the proxy set that is used. None if it is no such parameter.
pub(super) fn set(into: &mut ProxySet, name: &str, value: &str) -> Option<Result<(), Reason>> {
    let seconds = |value: &str| number(value, 5..=2_000_000).map(Duration::from_secs);
    Some(match name {
        "enableproxykeepalive" => number(value, 0..=3).and_then(|how| {
            into.keepalive = how != 0;
            if how > 1 { Err("proxies are probed by OPTIONS, and by nothing else".into()) } else { Ok(()) }
        }),
        "proxykeepalivetime" => seconds(value).map(|interval| {
            into.keepalive_interval = interval;
            into.keepalive_interval_down = interval;
        }),
        "keepalivefailureresp" => codes(value).map(|codes| into.failure_responses = codes),
        "successdetectionretries" => number(value, 1..=100).map(|answers| into.up_after = answers),
        // 10 s, the default of the product, says nothing.
        "successdetectioninterval" => not_yet(value == "10"),
        "isproxyhotswap" => flag(value).map(|does| into.hot_swap = does),
        "hotswaprtx" | "proxyhotswaprtx" => {
            number(value, 1..=30).map(|sends| into.hot_swap_retransmissions = sends)
        }
        // -1: as the gateway does in general, which is to go home.
        "proxyredundancymode" => match value {
            "0" => Ok(Redundancy::Parking),
            "1" | "-1" => Ok(Redundancy::Homing),
            _ => Err("must be -1, 0 or 1".into()),
        }
        .map(|redundancy| into.redundancy = redundancy),
        "proxyloadbalancingmethod" => number(value, 0..=2).map(|method| {
            into.balancing = match method {
                0 => Balancing::None,
                1 => Balancing::RoundRobin,
                _ => Balancing::SrvWeight,
            };
        }),
        _ => return None,
    })
}

/// `407,404`
fn codes(value: &str) -> Result<Vec<u16>, Reason> {
    value.split(',').map(|code| number(code.trim(), 300..=699)).collect()
}

/// The proxy sets and IP groups, by what other tables call them.
#[derive(Default)]
pub(super) struct ProxySets<'r, 't> {
    /// By names in small letters, which newer firmware writes in the place of numbers.
    ids: BTreeMap<String, u32>,
    addresses: BTreeMap<u32, Vec<Address<'r, 't>>>,
    groups: BTreeMap<u32, Group<'t>>,
    /// Likewise.
    group_ids: BTreeMap<String, u32>,
    /// Those that something leads to.
    used: BTreeSet<u32>,
}

/// A row of ProxyIp.
struct Address<'r, 't> {
    table: &'r Table<'t>,
    index: u32,
    row: &'r Row<'t>,
    uri: UriBuf,
}

struct Group<'t> {
    is_of_users: bool,
    proxy_set: Option<&'t str>,
}

impl<'r, 't> ProxySets<'r, 't> {
    /// Takes the keep-alive and the like of the set that is used.
    pub(super) fn add_sets(&mut self, draft: &mut Draft, table: &Table<'t>) {
        for (index, mut fields) in table.fields() {
            if let Some(name) = fields.take("ProxyName") {
                self.ids.insert(name.to_ascii_lowercase(), index);
            }
            if index != draft.proxy_set {
                draft.leave_out_row(table, index, fields.row, "SASProxySet is another one");
                continue;
            }
            let given: Vec<_> = fields.rest().filter(|(_, value)| !matches!(*value, "" | "$$")).collect();
            for (column, value) in given {
                let Some(outcome) = set(&mut draft.settings.proxy_set, &column.to_ascii_lowercase(), value)
                else {
                    continue;
                };
                fields.take(column);
                if let Err(reason) = outcome {
                    let name = format!("{} {index} {column}", table.name);
                    draft.leave_out(fields.row.line, name, Some(value), reason);
                }
            }
            list_rest(draft, table, index, &fields);
        }
    }

    /// Takes the addresses.
    pub(super) fn add_addresses(&mut self, draft: &mut Draft, table: &'r Table<'t>) {
        for (index, mut fields) in table.fields() {
            let set = fields.take("ProxySetId").map_or(Some(0), |set| self.id(set));
            let set = set.ok_or_else(|| Reason::from("there is no such proxy set"));
            let row = fields.row;
            match set.and_then(|set| Ok((set, address(&mut fields)?))) {
                Ok((set, uri)) => {
                    // The order of the addresses is that of the rows.
                    fields.take("ProxyIpIndex");
                    list_rest(draft, table, index, &fields);
                    self.addresses.entry(set).or_default().push(Address { table, index, row, uri });
                }
                Err(reason) => draft.leave_out_row(table, index, row, reason),
            }
        }
        self.used.insert(draft.proxy_set);
        if let Some(addresses) = self.addresses.get(&draft.proxy_set) {
            draft.settings.proxy_set.targets = addresses.iter().map(|address| address.uri.clone()).collect();
        }
    }

    /// Takes the redundant SAS, which is a proxy set there.
    pub(super) fn add_redundant_sas(&mut self, draft: &mut Draft) {
        let Some((line, set)) = draft.redundant else { return };
        let Some((first, others)) = self.addresses.get(&set).and_then(|addresses| addresses.split_first())
        else {
            let (name, reason) = ("RedundantSASProxySet", "no row of ProxyIp belongs to it");
            return draft.leave_out(line, name, Some(&set.to_string()), reason);
        };
        draft.settings.sas.redundant_sas = Some(first.uri.clone());
        for Address { table, index, row, .. } in others {
            draft.leave_out_row(table, *index, row, "there is one redundant SAS, the first of its proxy set");
        }
        self.used.insert(set);
    }

    /// Takes what rows of the routing table may lead to.
    pub(super) fn add_groups(&mut self, draft: &mut Draft, table: &Table<'t>) {
        draft.leave_out(table.line, table.name, None, "taken only for where rows of IP2IPRouting lead");
        for (id, mut fields) in table.fields() {
            let is_of_users = fields.take("Type") == Some("1");
            let proxy_set = fields.take("ProxySetId").or_else(|| fields.take("ProxySetName"));
            self.groups.insert(id, Group { is_of_users, proxy_set });
            if let Some(name) = fields.take("Name") {
                self.group_ids.insert(name.to_ascii_lowercase(), id);
            }
        }
    }

    fn id(&self, name: &str) -> Option<u32> {
        by_name(&self.ids, name)
    }

    /// Where the IP group of a name or number leads. `used`: `SASProxySet`.
    pub(super) fn of_group(&mut self, name: &str, used: u32) -> Result<RouteTo, Reason> {
        if name == "-2" {
            // Any registered user.
            return Ok(RouteTo::Users);
        }
        let group = by_name(&self.group_ids, name).and_then(|id| self.groups.get(&id));
        let group = group.ok_or("it leads to an IP group that the file does not have")?;
        if group.is_of_users {
            return Ok(RouteTo::Users);
        }
        let set = group.proxy_set.and_then(|set| self.id(set));
        let set = set.ok_or("it leads to an IP group without a proxy set")?;
        match self.addresses.get(&set).map(Vec::as_slice) {
            _ if set == used => Ok(RouteTo::ProxySet),
            Some([only]) => {
                self.used.insert(set);
                Ok(RouteTo::Uri(only.uri.clone()))
            }
            _ => Err("it leads to a proxy set that has not just one address".into()),
        }
    }

    /// Lists the addresses that nothing leads to.
    pub(super) fn list_unused(&self, draft: &mut Draft) {
        let unused = self.addresses.iter().filter(|(set, _)| !self.used.contains(set));
        for Address { table, index, row, .. } in unused.flat_map(|(_, addresses)| addresses) {
            draft.leave_out_row(table, *index, row, "survivability does not use its proxy set");
        }
    }
}

fn by_name(ids: &BTreeMap<String, u32>, name: &str) -> Option<u32> {
    ids.get(&name.to_ascii_lowercase()).copied().or_else(|| name.parse().ok())
}

fn address(fields: &mut Fields<'_, '_>) -> Result<UriBuf, Reason> {
    let transport = fields.take("TransportType");
    let address = fields.take("IpAddress").ok_or("it has no address")?;
    target(address, transport).map_err(|reason| format!("IpAddress {reason}").into())
}
