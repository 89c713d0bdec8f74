//! The settings as serde knows them: the keys and forms of a configuration file, so that TOML and JSON read alike.
//!
//! Durations are a whole number and a unit, URIs and patterns their text. Rows of tables have their columns side by side. A secret is read
//! and never written.

use super::{
    Alternative, ChangedUri, Columns, ManipulationRule, Network, RequestKind, Route, RouteTo, Secret,
};
use crate::dialplan::{HostPattern, Manipulation, Pattern};
use crate::uri::UriBuf;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration: `"250ms"`, `"4s"`, `"5m"`, `"1h"`.
pub(super) mod span {
    use super::{Deserialize, Deserializer, Error, Serializer, Unexpected};
    use std::time::Duration;

    /// In milliseconds, the largest first.
    const UNITS: [(&str, u128); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    /// In the largest unit that it is whole in.
    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        let millis = span.as_millis();
        let whole = UNITS.iter().find(|(_, unit)| millis != 0 && millis.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&("s", 1_000));
        to.collect_str(&format_args!("{}{name}", millis / unit))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || {
            D::Error::invalid_value(
                Unexpected::Str(&text),
                &"a whole number and a unit (ms, s, m, h), such as \"4s\"",
            )
        };
        let (number, name) = text
            .find(|c: char| !c.is_ascii_digit())
            .and_then(|at| text.split_at_checked(at))
            .ok_or_else(wrong)?;
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name).ok_or_else(wrong)?;
        let millis = number.parse::<u128>().ok().and_then(|number| number.checked_mul(*unit));
        let millis = millis.and_then(|millis| u64::try_from(millis).ok()).ok_or_else(wrong)?;
        Ok(Duration::from_millis(millis))
    }
}

/// A list that may be written without brackets if it has one member.
pub(super) fn one_or_more<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore<T> {
        More(Vec<T>),
        One(T),
    }
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::More(members) => members,
        OneOrMore::One(member) => vec![member],
    })
}

/// Types that are a text of their own.
macro_rules! texts {
    ($($text:ty),+) => {$(
        impl<'de> Deserialize<'de> for $text {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

macro_rules! written_texts {
    ($($text:ty),+) => {$(
        impl Serialize for $text {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    )+};
}

texts!(UriBuf, Pattern, HostPattern, RouteTo, Network, Secret);
written_texts!(UriBuf, Pattern, HostPattern, RouteTo, Network);

/// The keys of a row of inbound manipulation.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RuleKeys {
    source_user: Pattern,
    source_host: HostPattern,
    destination_user: Pattern,
    destination_host: HostPattern,
    change: ChangedUri,
    remove_from_left: u8,
    remove_from_right: u8,
    leave_from_right: u8,
    prefix: String,
    suffix: String,
}

impl From<RuleKeys> for ManipulationRule {
    fn from(keys: RuleKeys) -> Self {
        let RuleKeys { source_user, source_host, destination_user, destination_host, change, .. } = keys;
        let RuleKeys { remove_from_left, remove_from_right, leave_from_right, prefix, suffix, .. } = keys;
        let columns = Columns { source_user, source_host, destination_user, destination_host };
        let manipulation =
            Manipulation { remove_from_left, remove_from_right, leave_from_right, prefix, suffix };
        Self { columns, change, manipulation }
    }
}

impl From<ManipulationRule> for RuleKeys {
    fn from(rule: ManipulationRule) -> Self {
        let ManipulationRule { columns, change, manipulation } = rule;
        let Columns { source_user, source_host, destination_user, destination_host } = columns;
        let Manipulation { remove_from_left, remove_from_right, leave_from_right, prefix, suffix } =
            manipulation;
        Self {
            source_user,
            source_host,
            destination_user,
            destination_host,
            change,
            remove_from_left,
            remove_from_right,
            leave_from_right,
            prefix,
            suffix,
        }
    }
}

/// The keys of a row of the routing table. `to` must be there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteKeys {
    #[serde(default)]
    source_user: Pattern,
    #[serde(default)]
    source_host: HostPattern,
    #[serde(default)]
    destination_user: Pattern,
    #[serde(default)]
    destination_host: HostPattern,
    #[serde(default)]
    request: RequestKind,
    to: RouteTo,
    #[serde(default)]
    alternative: Alternative,
    #[serde(default)]
    group: Group,
}

/// Whether a row rings with the one above it.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Group {
    #[default]
    No,
    Member,
}

impl From<RouteKeys> for Route {
    fn from(keys: RouteKeys) -> Self {
        let RouteKeys { source_user, source_host, destination_user, destination_host, .. } = keys;
        let RouteKeys { request, to, alternative, group, .. } = keys;
        let columns = Columns { source_user, source_host, destination_user, destination_host };
        Self { columns, request, to, alternative, is_member: matches!(group, Group::Member) }
    }
}

impl From<Route> for RouteKeys {
    fn from(route: Route) -> Self {
        let Route { columns, request, to, alternative, is_member } = route;
        let Columns { source_user, source_host, destination_user, destination_host } = columns;
        let group = if is_member { Group::Member } else { Group::No };
        Self { source_user, source_host, destination_user, destination_host, request, to, alternative, group }
    }
}
