//! Settings that mean nothing without each other, or against each other.

use super::validate::{Millis, Target, ensure, targets};
use super::{
    CascadeLoop, ChangedUri, ConfigError, HomingLever, InboundManipulation, ManipulationRule, Settings,
    SurvivabilityMode,
};
use crate::dialplan::Manipulation;

impl Settings {
    /// Settings that mean nothing without each other.
    pub(super) fn check_modes(&self) -> Result<(), ConfigError> {
        let sas = &self.sas;
        let mode = sas.survivability_mode;
        ensure(
            !sas.ignore_all_in_normal || mode == SurvivabilityMode::IgnoreRegister,
            "sas.ignore_all_in_normal",
            &"true",
            "needs sas.survivability_mode = \"ignore-register\"",
        )?;
        ensure(
            sas.homing_lever == HomingLever::Silence || mode == SurvivabilityMode::IgnoreRegister,
            "sas.homing_lever",
            &"retry-after",
            "needs sas.survivability_mode = \"ignore-register\"",
        )?;
        let retry_after = sas.homing_retry_after;
        ensure(
            (1..=60).contains(&retry_after.as_secs()) && retry_after.subsec_nanos() == 0,
            "sas.homing_retry_after",
            &Millis(retry_after),
            "must be whole seconds, from 1s to 60s",
        )?;
        ensure(
            mode != SurvivabilityMode::TableInNormal || !self.routes.is_empty(),
            "sas.survivability_mode",
            &"table-in-normal",
            "needs a [[route]]",
        )?;
        check_affix("sas.emergency_prefix", &sas.emergency_prefix)?;
        ensure(
            !sas.prefix_emergency_numbers || !sas.emergency_prefix.is_empty(),
            "sas.prefix_emergency_numbers",
            &"true",
            "needs sas.emergency_prefix",
        )
    }

    pub(super) fn check_redundant_sas(
        &self,
        proxies: &[Target],
        gateways: &[Target],
    ) -> Result<Option<Target>, ConfigError> {
        let key = "sas.redundant_sas";
        let Some(uri) = &self.sas.redundant_sas else {
            ensure(
                self.sas.cascade_loop == CascadeLoop::OwnVia,
                "sas.cascade_loop",
                &"own-or-next-via",
                "needs sas.redundant_sas",
            )?;
            return Ok(None);
        };
        let view = uri.as_uri();
        ensure(view.user().is_none(), key, uri, "must be a SIP URI without a user")?;
        let is_other = !proxies.iter().chain(gateways).any(|target| target.is_host_of(&view));
        ensure(is_other, key, uri, "is a proxy or a gateway already")?;
        Ok(targets(key, std::slice::from_ref(uri))?.pop())
    }

    pub(super) fn check_manipulation(&self) -> Result<(), ConfigError> {
        let registration = self.registration_manipulation;
        check_count("registration_manipulation.remove_from_right", registration.remove_from_right)?;
        check_count("registration_manipulation.leave_from_right", registration.leave_from_right)?;
        let (rules, applies) = (
            &self.inbound_manipulation_rules,
            self.sas.inbound_manipulation == InboundManipulation::Emergency,
        );
        ensure(
            !applies || !rules.is_empty(),
            "sas.inbound_manipulation",
            &"emergency",
            "needs an [[inbound_manipulation_rule]]",
        )?;
        ensure(
            applies || rules.is_empty(),
            "sas.inbound_manipulation",
            &"none",
            "must be \"emergency\" where there are rules",
        )?;
        for ManipulationRule { change, manipulation, .. } in rules {
            ensure(
                *change == ChangedUri::Destination,
                "inbound_manipulation_rule.change",
                &"source",
                "is not supported: a proxy leaves From as it is (RFC 3261 16.6)",
            )?;
            let Manipulation { remove_from_left, remove_from_right, leave_from_right, prefix, suffix } =
                manipulation;
            check_count("inbound_manipulation_rule.remove_from_left", *remove_from_left)?;
            check_count("inbound_manipulation_rule.remove_from_right", *remove_from_right)?;
            check_count("inbound_manipulation_rule.leave_from_right", *leave_from_right)?;
            check_affix("inbound_manipulation_rule.prefix", prefix)?;
            check_affix("inbound_manipulation_rule.suffix", suffix)?;
        }
        Ok(())
    }
}

fn check_count(key: &'static str, count: u8) -> Result<(), ConfigError> {
    ensure(count <= 30, key, &count, "must be from 0 to 30")
}

/// What is put before or behind a number.
fn check_affix(key: &'static str, affix: &str) -> Result<(), ConfigError> {
    let usable = affix.len() <= 64 && affix.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
    ensure(usable, key, &affix, "must be 64 letters, digits or signs at most, such as \"9\"")
}

#[cfg(test)]
mod tests {
    use super::super::table::Entry;
    use super::super::validate::tests::{refused, standard};
    use super::super::{Alternative, Balancing, Call, NumberMapping, RequestKind, Route};
    use super::*;
    use std::time::Duration;

    /// How a refusal begins, and what leads to it.
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Settings));

    fn row(to: &str) -> Route {
        Route::new(to.parse().unwrap())
    }

    fn backup(to: &str) -> Route {
        Route { alternative: Alternative::IgnoreInputs, ..row(to) }
    }

    fn member(to: &str) -> Route {
        Route { is_member: true, ..row(to) }
    }

    fn for_number(to: &str, number: &str) -> Route {
        let mut row = row(to);
        row.columns.destination_user = number.parse().unwrap();
        row
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused_with_their_key() {
        use SurvivabilityMode as Mode;
        let cases: [Case<'_>; 22] = [
            ("sas.ignore_all_in_normal = true: needs", &|s| s.sas.ignore_all_in_normal = true),
            ("sas.homing_lever = retry-after: needs", &|s| s.sas.homing_lever = HomingLever::RetryAfter),
            ("sas.homing_retry_after = 61s: must be", &|s| {
                s.sas.homing_retry_after = Duration::from_secs(61);
            }),
            ("sas.survivability_mode = table-in-normal: needs a [[route]]", &|s| {
                s.sas.survivability_mode = Mode::TableInNormal;
            }),
            ("sas.prefix_emergency_numbers = true: needs sas.emergency_prefix", &|s| {
                s.sas.prefix_emergency_numbers = true;
            }),
            ("sas.emergency_prefix = 9 9: must be", &|s| s.sas.emergency_prefix = "9 9".into()),
            ("sas.cascade_loop = own-or-next-via: needs", &|s| {
                s.sas.cascade_loop = CascadeLoop::OwnOrNextVia;
            }),
            ("sas.redundant_sas = sip:192.0.2.1: is a proxy or a gateway", &|s| {
                s.sas.redundant_sas = Some("sip:192.0.2.1".parse().unwrap());
            }),
            ("sas.inbound_manipulation = emergency: needs", &|s| {
                s.sas.inbound_manipulation = InboundManipulation::Emergency;
            }),
            ("sas.inbound_manipulation = none: must be", &|s| {
                s.inbound_manipulation_rules = vec![ManipulationRule::default()];
            }),
            ("inbound_manipulation_rule.change = source: is not supported", &|s| {
                s.sas.inbound_manipulation = InboundManipulation::Emergency;
                let rule = ManipulationRule { change: ChangedUri::Source, ..ManipulationRule::default() };
                s.inbound_manipulation_rules = vec![rule];
            }),
            ("registration_manipulation.leave_from_right = 31: must be from 0 to 30", &|s| {
                s.registration_manipulation.leave_from_right = 31;
            }),
            ("sas.enum.suffix = 192.0.2.1: must be", &|s| {
                s.sas.number_mapping = Some(NumberMapping::new("192.0.2.1".into()));
            }),
            ("sas.enum.timeout = 0s: must be from 10ms to 10s", &|s| {
                let timeout = Duration::ZERO;
                s.sas.number_mapping =
                    Some(NumberMapping { timeout, ..NumberMapping::new("e164.arpa".into()) });
            }),
            ("proxy_set.hot_swap_retransmissions = 0: must be from 1 to 30", &|s| {
                s.proxy_set.hot_swap_retransmissions = 0;
            }),
            ("proxy_set.hot_swap_retransmissions = 4: needs proxy_set.hot_swap", &|s| {
                (s.proxy_set.hot_swap, s.proxy_set.hot_swap_retransmissions) = (false, 4);
            }),
            ("proxy_set.balancing = round-robin: needs two", &|s| {
                s.proxy_set.balancing = Balancing::RoundRobin;
            }),
            ("proxy_set.weights = [1]: needs proxy_set.balancing", &|s| s.proxy_set.weights = vec![1]),
            ("proxy_set.weights = [1]: must be one for each", &|s| {
                s.proxy_set.targets.push("sip:192.0.2.2".parse().unwrap());
                (s.proxy_set.balancing, s.proxy_set.weights) = (Balancing::SrvWeight, vec![1]);
            }),
            ("proxy_set.balancing = srv-weight: needs two", &|s| {
                s.proxy_set.balancing = Balancing::SrvWeight;
            }),
            ("proxy_set.keepalive = false: is needed with", &|s| {
                s.sas.survivability_mode = Mode::IgnoreRegister;
                s.proxy_set.keepalive = false;
            }),
            ("proxy_set.targets = []: must name a proxy", &|s| {
                s.sas.survivability_mode = Mode::AutoAnswerRegister;
                s.proxy_set.targets.clear();
            }),
        ];
        for (expected, change) in cases {
            let error = refused(change);
            assert!(error.starts_with(expected), "{error}, expected {expected}");
        }
    }

    #[test]
    fn rows_that_could_not_work_are_refused_with_their_number() {
        let cases = [
            ("route.to = enum (row 1): needs sas.enum", vec![row("enum")]),
            ("route.to = default-gateway (row 1): needs", vec![row("default-gateway")]),
            ("route.to = reject:302 (row 1): must reject with", vec![row("reject:302")]),
            ("route.to = sip:bob@192.0.2.30 (row 2): must be", vec![row("users"), row("sip:bob@192.0.2.30")]),
            ("route.alternative = row (row 1): needs a row above", vec![backup("users")]),
            ("route.group = row (row 1): needs a row above", vec![member("users")]),
            ("route.group = row (row 2): cannot belong", vec![row("reject:403"), member("users")]),
            ("route.alternative = reject:403 (row 2): must lead", vec![row("users"), backup("reject:403")]),
            (
                "route.request = register (row 1): REGISTER goes",
                vec![Route { request: RequestKind::Register, ..row("users") }],
            ),
        ];
        for (expected, routes) in cases {
            let error = refused(|s| s.routes = routes);
            assert!(error.starts_with(expected), "{error}, expected {expected}");
        }
    }

    #[test]
    fn rows_are_grouped_under_the_row_that_they_belong_to() {
        let mut settings = standard();
        settings.routes = vec![
            row("sip:192.0.2.30"),
            member("users"),
            backup("sip:192.0.2.31"),
            member("sip:192.0.2.30"),
            row("proxy-set"),
        ];
        let config = settings.validate().unwrap();
        assert_eq!(config.hops().len(), 2);
        let call = Call { source_user: "", source_host: None, destination_user: "1", destination_host: None };
        let method = crate::headers::Method::Invite;
        let of = |entry: &Entry| {
            let groups = entry.groups(method, &call);
            groups
                .map(|group| group.rows(method, &call).map(|row| row.number).collect())
                .collect::<Vec<Vec<_>>>()
        };
        let numbers: Vec<_> = config.routing_table().iter().map(of).collect();
        assert_eq!(numbers, [vec![vec![1, 2], vec![3, 4]], vec![vec![5]]]);
    }

    /// The static emergency check: which configurations give 911 a route in each state.
    #[test]
    fn an_emergency_number_without_a_route_in_some_state_is_refused() {
        let refusal = "sas.emergency_numbers = 911: has no route in the emergency state";
        let with = |routes: Vec<Route>, change: &dyn Fn(&mut Settings)| {
            let mut settings = standard();
            settings.sas.emergency_numbers = vec!["911".into()];
            settings.routes = routes;
            change(&mut settings);
            settings.validate().map(drop).map_err(|error| error.to_string())
        };
        let plain = |routes| with(routes, &|_| {});
        let is_refused = |result: Result<(), String>| result.unwrap_err().starts_with(refusal);
        let gateway = |s: &mut Settings| s.sas.default_gateway = vec!["sip:192.0.2.9".parse().unwrap()];

        // The proxy alone is no route when it is lost.
        assert!(is_refused(plain(vec![])));
        assert_eq!(with(vec![], &gateway), Ok(()));
        // A row that carries it.
        assert_eq!(plain(vec![for_number("sip:192.0.2.30", "911#")]), Ok(()));
        assert_eq!(plain(vec![row("users"), row("sip:192.0.2.30")]), Ok(()));
        // By an alternative, or by a member of its group.
        assert_eq!(plain(vec![row("proxy-set"), backup("sip:192.0.2.30")]), Ok(()));
        assert_eq!(plain(vec![row("users"), member("sip:192.0.2.30")]), Ok(()));
        // Rows that do not: another number, no way out, not for everybody, not for calls.
        assert!(is_refused(plain(vec![for_number("sip:192.0.2.30", "912")])));
        for to in ["users", "request-uri", "proxy-set", "reject:403"] {
            assert!(is_refused(plain(vec![row(to)])), "{to}");
        }
        let mut some = row("sip:192.0.2.30");
        some.columns.source_user = "10".parse().unwrap();
        assert!(is_refused(plain(vec![some])));
        assert!(is_refused(plain(vec![Route { request: RequestKind::Options, ..row("sip:192.0.2.30") }])));
        // The table is not in force in the emergency state of mode 4.
        let mode_4 = |s: &mut Settings| s.sas.survivability_mode = SurvivabilityMode::TableInNormal;
        assert!(is_refused(with(vec![row("sip:192.0.2.30")], &mode_4)));
        // A redundant SAS may have no gateway either.
        let peer = |s: &mut Settings| s.sas.redundant_sas = Some("sip:192.0.2.20".parse().unwrap());
        assert!(is_refused(with(vec![], &peer)));
        let always = |s: &mut Settings| s.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        assert!(is_refused(with(vec![], &always)));
    }
}
