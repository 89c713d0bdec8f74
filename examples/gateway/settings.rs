//! The sections of the configuration file that are the library's own settings.

use crate::section::{OneOrMore, Refused, Section, Wrong};
use crate::users;
use sip_survivability::config::{
    Authentication, Columns, Limits, ManipulationRule, NumberMapping, ProxySet, Registrar,
    RegistrationManipulation, Route, RouteTo, Settings, Survivability, TrustPolicy,
};
use std::path::Path;

/// Takes them out of `file`. `folder`: the one that the file lies in.
pub(crate) fn read(file: &mut Section, folder: &Path, into: &mut Settings) -> Result<(), Wrong> {
    proxy_set(file.section("proxy_set")?, &mut into.proxy_set)?;
    survivability(file.section("sas")?, &mut into.sas)?;
    registrar(file.section("registrar")?, &mut into.registrar)?;
    if file.has("auth") {
        into.auth = Some(authentication(file.section("auth")?, folder)?);
    }
    trust(file.section("trust")?, &mut into.trust)?;
    registration_manipulation(
        file.section("registration_manipulation")?,
        &mut into.registration_manipulation,
    )?;
    let rules = file.tables("inbound_manipulation_rule")?;
    into.inbound_manipulation_rules = rules.into_iter().map(manipulation_rule).collect::<Result<_, _>>()?;
    let routes = file.tables("route")?;
    into.routes = routes.into_iter().map(route).collect::<Result<_, _>>()?;
    limits(file.section("limits")?, &mut into.limits)
}

fn registration_manipulation(mut keys: Section, into: &mut RegistrationManipulation) -> Result<(), Wrong> {
    keys.set("remove_from_right", &mut into.remove_from_right)?;
    keys.set("leave_from_right", &mut into.leave_from_right)?;
    keys.finish()
}

fn columns(keys: &mut Section, into: &mut Columns) -> Result<(), Wrong> {
    keys.set("source_user", &mut into.source_user)?;
    keys.set("source_host", &mut into.source_host)?;
    keys.set("destination_user", &mut into.destination_user)?;
    keys.set("destination_host", &mut into.destination_host)
}

fn manipulation_rule(mut keys: Section) -> Result<ManipulationRule, Wrong> {
    let mut rule = ManipulationRule::default();
    columns(&mut keys, &mut rule.columns)?;
    keys.set("change", &mut rule.change)?;
    let made = &mut rule.manipulation;
    keys.set("remove_from_left", &mut made.remove_from_left)?;
    keys.set("remove_from_right", &mut made.remove_from_right)?;
    keys.set("leave_from_right", &mut made.leave_from_right)?;
    keys.set("prefix", &mut made.prefix)?;
    keys.set("suffix", &mut made.suffix)?;
    keys.finish()?;
    Ok(rule)
}

fn route(mut keys: Section) -> Result<Route, Wrong> {
    let mut to = None;
    keys.set("to", &mut to)?;
    let Some(to) = to else {
        let (key, value) = (keys.path("to"), "nothing".to_owned());
        return Err(Wrong { key, value, reason: "each row must say where it leads".to_owned() });
    };
    let mut route: Route = Route::new(RouteTo::clone(&to));
    columns(&mut keys, &mut route.columns)?;
    keys.set("request", &mut route.request)?;
    keys.set("alternative", &mut route.alternative)?;
    keys.set_named("group", &[("no", false), ("member", true)], &mut route.is_member)?;
    keys.finish()?;
    Ok(route)
}

fn proxy_set(mut keys: Section, into: &mut ProxySet) -> Result<(), Wrong> {
    keys.set("targets", &mut into.targets)?;
    keys.set("keepalive", &mut into.keepalive)?;
    keys.set("keepalive_interval", &mut into.keepalive_interval)?;
    keys.set("keepalive_interval_down", &mut into.keepalive_interval_down)?;
    keys.set("reprobe_interval", &mut into.reprobe_interval)?;
    keys.set("down_after", &mut into.down_after)?;
    keys.set("up_after", &mut into.up_after)?;
    keys.set("failure_responses", &mut into.failure_responses)?;
    keys.set("hot_swap", &mut into.hot_swap)?;
    keys.set("hot_swap_retransmissions", &mut into.hot_swap_retransmissions)?;
    keys.set("redundancy", &mut into.redundancy)?;
    keys.set("balancing", &mut into.balancing)?;
    keys.set("weights", &mut into.weights)?;
    keys.finish()
}

fn survivability(mut keys: Section, into: &mut Survivability) -> Result<(), Wrong> {
    keys.set("survivability_mode", &mut into.survivability_mode)?;
    keys.set("entering_emergency", &mut into.entering_emergency)?;
    keys.set("request_patience", &mut into.request_patience)?;
    keys.set("suspect_patience", &mut into.suspect_patience)?;
    keys.set("minimum_dwell", &mut into.minimum_dwell)?;
    keys.set("maximum_dwell", &mut into.maximum_dwell)?;
    keys.set("registration_time", &mut into.registration_time)?;
    keys.set("return_rate", &mut into.return_rate)?;
    keys.set("restore_registrations", &mut into.restore_registrations)?;
    keys.set("stale_binding_grace", &mut into.stale_binding_grace)?;
    let mut gateways = OneOrMore(Vec::new());
    keys.set("default_gateway", &mut gateways)?;
    into.default_gateway = gateways.0;
    keys.set("gateway_patience", &mut into.gateway_patience)?;
    keys.set("phone_patience", &mut into.phone_patience)?;
    keys.set("ring_time", &mut into.ring_time)?;
    keys.set("redundant_sas", &mut into.redundant_sas)?;
    keys.set("cascade_loop", &mut into.cascade_loop)?;
    keys.set("emergency_numbers", &mut into.emergency_numbers)?;
    if keys.has("enum") {
        into.number_mapping = Some(number_mapping(keys.section("enum")?)?);
    }
    keys.set("emergency_prefix", &mut into.emergency_prefix)?;
    keys.set("prefix_emergency_numbers", &mut into.prefix_emergency_numbers)?;
    keys.set("block_unregistered", &mut into.block_unregistered)?;
    keys.set("out_of_dialog_miss", &mut into.out_of_dialog_miss)?;
    keys.set("ignore_all_in_normal", &mut into.ignore_all_in_normal)?;
    keys.set("homing_lever", &mut into.homing_lever)?;
    keys.set("homing_retry_after", &mut into.homing_retry_after)?;
    keys.set("binding_mode", &mut into.binding_mode)?;
    keys.set("inbound_manipulation", &mut into.inbound_manipulation)?;
    keys.set("subscribe_response", &mut into.subscribe_response)?;
    keys.set("record_route", &mut into.record_route)?;
    keys.set("connection_reuse", &mut into.connection_reuse)?;
    keys.set("follow_redirects", &mut into.follow_redirects)?;
    keys.set("path", &mut into.path)?;
    keys.set("flow_secret", &mut into.flow_secret)?;
    keys.finish()
}

fn number_mapping(mut keys: Section) -> Result<NumberMapping, Wrong> {
    let mut suffix = String::new();
    keys.set("suffix", &mut suffix)?;
    let mut mapping = NumberMapping::new(suffix);
    keys.set("timeout", &mut mapping.timeout)?;
    keys.finish()?;
    Ok(mapping)
}

fn registrar(mut keys: Section, into: &mut Registrar) -> Result<(), Wrong> {
    keys.set("max_users", &mut into.max_users)?;
    keys.set("max_contacts", &mut into.max_contacts)?;
    keys.set("min_expires", &mut into.min_expires)?;
    keys.set("max_expires", &mut into.max_expires)?;
    keys.set("flow_timer", &mut into.flow_timer)?;
    keys.set("reserved_users", &mut into.reserved_users)?;
    keys.finish()
}

fn authentication(mut keys: Section, folder: &Path) -> Result<Authentication, Wrong> {
    let (mut path, mut realm) = (String::new(), None);
    keys.set("users", &mut path)?;
    keys.set("realm", &mut realm)?;
    let value = toml::Value::from(path.clone());
    let wrong = |reason: String| Refused::new(&value, reason).at(keys.path("users"));
    if path.is_empty() {
        return Err(wrong("must name the file of users".to_owned()));
    }
    let text = std::fs::read_to_string(folder.join(path)).map_err(|error| wrong(error.to_string()))?;
    let (realm, users) = users::parse(&text, realm).map_err(wrong)?;
    let mut auth = Authentication::new(realm, users);
    keys.set("own_name_only", &mut auth.own_name_only)?;
    keys.set("nonce_lifetime", &mut auth.nonce_lifetime)?;
    keys.set("max_nonces", &mut auth.max_nonces)?;
    keys.set("require_qop", &mut auth.require_qop)?;
    keys.set("digest_uri", &mut auth.digest_uri)?;
    keys.finish()?;
    Ok(auth)
}

fn trust(mut keys: Section, into: &mut TrustPolicy) -> Result<(), Wrong> {
    keys.set("networks", &mut into.networks)?;
    keys.set("register", &mut into.register)?;
    keys.set("call_users", &mut into.call_users)?;
    keys.set("call_out", &mut into.call_out)?;
    keys.finish()
}

fn limits(mut keys: Section, into: &mut Limits) -> Result<(), Wrong> {
    keys.set("max_message", &mut into.max_message)?;
    keys.set("max_headers", &mut into.max_headers)?;
    keys.set("max_transactions", &mut into.max_transactions)?;
    keys.set("emergency_reserve", &mut into.emergency_reserve)?;
    keys.set("register_rate_per_source", &mut into.register_rate_per_source)?;
    keys.set("max_udp_request", &mut into.max_udp_request)?;
    keys.set("max_connections", &mut into.max_connections)?;
    keys.set("max_connections_of_host", &mut into.max_connections_of_host)?;
    keys.set("max_dialled", &mut into.max_dialled)?;
    keys.set("max_buffered", &mut into.max_buffered)?;
    keys.set("connect_time", &mut into.connect_time)?;
    keys.set("connection_idle", &mut into.connection_idle)?;
    keys.finish()
}
