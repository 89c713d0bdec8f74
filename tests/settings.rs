//! The settings by serde: the keys and forms of a configuration file, both ways.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sip_survivability::config::{NumberMapping, Route, Settings};
use std::time::Duration;
use toml::Table;

/// Every key that has a default, with it.
const DEFAULTS: &str = r#"
domains = []
names = []
inbound_manipulation_rule = []
route = []

[proxy_set]
targets = []
keepalive = true
keepalive_interval = "4s"
keepalive_interval_down = "4s"
reprobe_interval = "250ms"
down_after = 8
up_after = 2
failure_responses = []
hot_swap = true
hot_swap_retransmissions = 3
redundancy = "homing"
balancing = "none"
weights = []

[sas]
survivability_mode = "standard"
entering_emergency = "requests"
request_patience = "2s"
suspect_patience = "500ms"
minimum_dwell = "10s"
maximum_dwell = "5m"
registration_time = "20s"
return_rate = 50
restore_registrations = true
stale_binding_grace = "1h"
default_gateway = []
gateway_patience = "4s"
phone_patience = "4s"
ring_time = "20s"
cascade_loop = "own-via"
emergency_numbers = []
emergency_prefix = ""
prefix_emergency_numbers = false
block_unregistered = false
out_of_dialog_miss = "not-found"
ignore_all_in_normal = false
homing_lever = "silence"
homing_retry_after = "5s"
binding_mode = "uri"
inbound_manipulation = "none"
subscribe_response = 489
record_route = true
connection_reuse = true
follow_redirects = false
path = true

[registrar]
max_users = 100000
max_contacts = 10
min_expires = "1s"
max_expires = "1h"
flow_timer = "2m"
reserved_users = []
store = false

[trust]
networks = ["private"]
register = "unknown"
call_users = "unknown"
call_out = "pool"

[registration_manipulation]
remove_from_right = 0
leave_from_right = 0

[limits]
max_message = 65535
max_headers = 256
max_transactions = 100000
emergency_reserve = 1000
register_rate_per_source = 0
max_udp_request = 1300
max_connections = 10000
max_connections_of_host = 1000
max_dialled = 1000
max_buffered = 67108864
connect_time = "1500ms"
connection_idle = "10m"
"#;

fn refused(text: &str) -> String {
    toml::from_str::<Settings>(text).unwrap_err().message().to_owned()
}

#[test]
fn every_key_and_its_default_is_read_and_written() {
    let table: Table = DEFAULTS.parse().unwrap();
    assert_eq!(table.clone().try_into::<Settings>().unwrap(), Settings::default());
    assert_eq!(Table::try_from(Settings::default()).unwrap(), table);
    assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
}

#[test]
fn what_has_no_default_and_rows_of_tables_come_back_as_they_went() {
    let text = r#"
        [proxy_set]
        targets = ["sip:pbx.example.com", "sip:192.0.2.2:5062;transport=tcp"]
        [sas]
        redundant_sas = "sip:192.0.2.20:5080"
        enum = { suffix = "e164.arpa" }
        default_gateway = "sip:192.0.2.9"
        [[inbound_manipulation_rule]]
        destination_user = "[2-4]xx#"
        destination_host = "branch.example"
        remove_from_left = 1
        prefix = "9"
        [[route]]
        source_user = "10"
        to = "reject:603"
        [[route]]
        to = "users"
        request = "invite-subscribe"
        group = "member"
        [[route]]
        to = "sip:192.0.2.30"
        alternative = "ignore-inputs"
    "#;
    let settings: Settings = toml::from_str(text).unwrap();
    assert_eq!(settings.sas.default_gateway, ["sip:192.0.2.9".parse().unwrap()]);
    assert_eq!(settings.sas.number_mapping, Some(NumberMapping::new("e164.arpa".into())));
    assert_eq!(settings.inbound_manipulation_rules[0].manipulation.prefix, "9");
    assert_eq!(settings.routes[1], {
        let mut member = Route::new("users".parse().unwrap());
        (member.is_member, member.request) = (true, settings.routes[1].request);
        member
    });
    let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
    assert_eq!(again, settings);
    let json = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
}

#[test]
fn a_duration_is_written_in_the_largest_unit_that_it_is_whole_in() {
    for (millis, written) in [(0, "0s"), (1, "1ms"), (1_500, "1500ms"), (90_000, "90s"), (7_200_000, "2h")] {
        let mut settings = Settings::default();
        settings.sas.ring_time = Duration::from_millis(millis);
        let table = Table::try_from(&settings).unwrap();
        assert_eq!(table["sas"]["ring_time"].as_str(), Some(written));
        assert_eq!(table.try_into::<Settings>().unwrap(), settings);
    }
    for wrong in [
        "4",
        "s",
        "4 s",
        "-4s",
        "1.5s",
        "4sec",
        "1h30m",
        "99999999999999999999h",
        "9999999999999999999999999999999999999999h",
    ] {
        let error = refused(&format!("sas.ring_time = \"{wrong}\""));
        assert!(error.contains("a whole number and a unit"), "{error}");
    }
}

#[test]
fn a_secret_is_read_and_never_written() {
    let settings: Settings = toml::from_str("sas.flow_secret = \"a secret of this branch\"").unwrap();
    assert!(settings.sas.flow_secret.is_some());
    let written = toml::to_string(&settings).unwrap();
    assert!(!written.contains("secret"), "{written}");
    let error = refused("sas.flow_secret = \"short one\"");
    assert!(error.contains("at least 16") && !error.contains("short"), "{error}");
}

#[test]
fn what_is_unknown_or_wrong_is_refused() {
    for (text, expected) in [
        ("sas.pathh = true", "unknown field `pathh`"),
        ("sass = {}", "unknown field `sass`"),
        ("[[route]]\ngroup = \"no\"", "missing field `to`"),
        ("[[route]]\nto = \"users\"\nway = 1", "unknown field `way`"),
        ("[[route]]\nto = \"nobody\"", "must be a SIP URI, \"request-uri\""),
        ("[[route]]\nto = \"users\"\ndestination_user = \"[1\"", "a bracket without its other half"),
        ("sas.survivability_mode = \"odd\"", "unknown variant `odd`, expected one of `standard`"),
        ("proxy_set.targets = [\"pbx\"]", ""),
    ] {
        let error = refused(text);
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
}
