use super::*;
use crate::config::{
    Alternative, BindingMode, EnteringEmergency, ManipulationRule, NumberMapping, Redundancy, RequestKind,
    Route, SurvivabilityMode,
};
use proptest::prelude::*;
use std::time::Duration;

fn imported(ini: &str) -> Imported {
    Settings::from_audiocodes_ini(ini).unwrap_or_else(|error| panic!("{error}"))
}

fn settings(ini: &str) -> Settings {
    let Imported { settings, unmapped, .. } = imported(ini);
    assert_eq!(unmapped, [], "{ini}");
    settings
}

fn unmapped(ini: &str) -> Vec<String> {
    imported(ini).unmapped.iter().map(ToString::to_string).collect()
}

fn refused(ini: &str) -> String {
    Settings::from_audiocodes_ini(ini).unwrap_err().to_string()
}

const PROXY: &str = "FORMAT ProxyIp_Index = ProxyIp_IpAddress, ProxyIp_TransportType, ProxyIp_ProxySetId;\n";
const ROUTING: &str = "FORMAT IP2IPRouting_Index = IP2IPRouting_DestUsernamePrefix, IP2IPRouting_DestType, \
                       IP2IPRouting_DestAddress, IP2IPRouting_AltRouteOptions;\n";

#[test]
fn every_parameter_reaches_its_setting() {
    let Imported { settings, listen, unmapped, .. } = imported(
        "\u{feff}[ SIP Params ]\r\n\
         ENABLESAS = 1\r\n\
         SASLocalSIPUDPPort=5090\r\n\
         SASLocalSIPTCPPort = 5091 ; beside it\r\n\
         SASLocalSIPTLSPort = 5092\r\n\
         ; a comment\r\n\
         SASDefaultGatewayIP = '192.0.2.9:5062'\r\n\
         SASRegistrationTime = 30\r\n\
         SASSurvivabilityMode = 3\r\n\
         SASEnteringEmergencyMode = 0\r\n\
         SASBindingMode = 1\r\n\
         SASEmergencyNumbers = \"911, 112\"\r\n\
         SASEmergencyPrefix = \"9\"\r\n\
         SASBlockUnRegUsers = 1\r\n\
         SASSubscribeResponse = 200\r\n\
         SASEnableRecordRoute = 0\r\n\
         SASConnectionReuse = 0\r\n\
         SASEnableContactReplace = 0\r\n\
         SASEnableENUM = 0\r\n\
         SASInboundManipulationMode = 0\r\n\
         SASProxySet = 0\r\n\
         RedundantSASProxySet = -1\r\n\
         SASShortNumberLength = 0\r\n\
         EnableProxyKeepAlive = 1\r\n\
         ProxyKeepAliveTime = 60\r\n",
    );
    assert_eq!(unmapped, []);
    assert_eq!((listen.udp, listen.tcp, listen.tls), (5090, 5091, 5092));
    let mut expected = Settings::default();
    expected.proxy_set.keepalive_interval = Duration::from_mins(1);
    expected.proxy_set.keepalive_interval_down = Duration::from_mins(1);
    let sas = &mut expected.sas;
    sas.default_gateway = vec!["sip:192.0.2.9:5062".parse().unwrap()];
    sas.registration_time = Duration::from_secs(30);
    sas.survivability_mode = SurvivabilityMode::AutoAnswerRegister;
    sas.entering_emergency = EnteringEmergency::KeepAlive;
    sas.binding_mode = BindingMode::UserPart;
    sas.emergency_numbers = vec!["911".into(), "112".into()];
    sas.emergency_prefix = "9".into();
    sas.block_unregistered = true;
    sas.subscribe_response = 200;
    (sas.record_route, sas.connection_reuse) = (false, false);
    assert_eq!(settings, expected);
}

/// sas.md 13.1: one manual prints "Always Emergency (2)".
#[test]
fn survivability_modes_go_by_their_number() {
    use SurvivabilityMode as Mode;
    let modes = [
        Mode::Standard,
        Mode::AlwaysEmergency,
        Mode::IgnoreRegister,
        Mode::AutoAnswerRegister,
        Mode::TableInNormal,
    ];
    for (number, mode) in modes.into_iter().enumerate() {
        assert_eq!(settings(&format!("SASSurvivabilityMode = {number}")).sas.survivability_mode, mode);
    }
    assert_eq!(
        unmapped("SASSurvivabilityMode = 5"),
        ["line 1: SASSurvivabilityMode = 5: must be a number from 0 to 4"]
    );
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let Imported { settings, listen, unmapped, .. } = imported("");
    assert_eq!((settings, listen, unmapped), (Settings::default(), ListenPorts::default(), vec![]));
}

#[test]
fn proxies_are_those_of_the_proxy_set_in_the_order_of_their_rows() {
    let ini = format!(
        "[ ProxyIp ]\n{PROXY}\
         ProxyIp 3 = '192.0.2.3:5070', -1, 2;\n\
         ProxyIp 1 = \"pbx.example\", 0, 2;\n\
         ProxyIp 2 = 2001:db8::1, 2, 2;\n\
         ProxyIp 4 = 192.0.2.4, 1, 0;\n\
         ProxyIp 5 = 192.0.2.20:5080, 0, 1;\n\
         ProxyIp 6 = 192.0.2.21, 0, 1;\n\
         [ \\ProxyIp ]\nSASProxySet = 2\nRedundantSASProxySet = 1\n"
    );
    let Imported { settings, unmapped, .. } = imported(&ini);
    let targets: Vec<_> = settings.proxy_set.targets.iter().map(UriBuf::as_str).collect();
    assert_eq!(
        targets,
        ["sip:pbx.example;transport=udp", "sip:[2001:db8::1];transport=tls", "sip:192.0.2.3:5070"]
    );
    assert_eq!(settings.sas.redundant_sas, Some("sip:192.0.2.20:5080".parse().unwrap()));
    let unmapped: Vec<_> = unmapped.iter().map(ToString::to_string).collect();
    assert_eq!(
        unmapped,
        [
            "line 6: ProxyIp 4 = 192.0.2.4, 1, 0;: survivability does not use its proxy set",
            "line 8: ProxyIp 6 = 192.0.2.21, 0, 1;: there is one redundant SAS, the first of its proxy set",
        ]
    );
    assert_eq!(
        self::unmapped("RedundantSASProxySet = 3"),
        ["line 1: RedundantSASProxySet = 3: no row of ProxyIp belongs to it"]
    );
}

/// As firmware 7 writes them: other columns, in another order, sets by name.
#[test]
fn columns_count_by_their_name_and_sets_by_name_or_number() {
    let ini = "[ProxySet]\n\
        FORMAT ProxySet_Index = ProxySet_ProxyName, ProxySet_EnableProxyKeepAlive, ProxySet_ProxyKeepAliveTime, \
        ProxySet_ProxyLoadBalancingMethod, ProxySet_SRDName, ProxySet_KeepAliveFailureResp, ProxySet_SuccessDetectionRetries, \
        ProxySet_SuccessDetectionInterval;\n\
        ProxySet 0 = \"PBX\", 1, 30, 0, \"DefaultSRD\", \"407,404\", 3, 10;\n\
        ProxySet 1 = \"Other\", 0, 60, 0, \"\", \"\", 1, 10;\n\
        [ \\ProxySet ]\n\
        [ proxyip ]\n\
        format proxyip_index = PROXYIP_ProxySetId, ProxyIp_ProxyIpIndex, ProxyIp_IpAddress, ProxyIp_TransportType;\n\
        ProxyIP 0 = \"pbx\", 0, \"192.0.2.1\", 0;\n\
        ProxyIp 1 = \"Nowhere\", 0, \"192.0.2.2\", 0;\n";
    let Imported { settings, unmapped, .. } = imported(ini);
    let set = &settings.proxy_set;
    assert_eq!(set.targets, ["sip:192.0.2.1".parse().unwrap()]);
    assert_eq!((set.keepalive, set.keepalive_interval), (true, Duration::from_secs(30)));
    assert_eq!((set.failure_responses.as_slice(), set.up_after), (&[407, 404][..], 3));
    let unmapped: Vec<_> = unmapped.iter().map(ToString::to_string).collect();
    assert_eq!(unmapped.len(), 3, "{unmapped:#?}");
    assert_eq!(unmapped[0], "line 3: ProxySet 0 SRDName = DefaultSRD: there is nothing like it here");
    assert!(unmapped[1].ends_with("SASProxySet is another one"), "{}", unmapped[1]);
    assert!(unmapped[2].ends_with("there is no such proxy set"), "{}", unmapped[2]);
}

#[test]
fn the_routing_table_keeps_its_columns_alternatives_and_groups() {
    let ini = "FORMAT IP2IPRouting_Index = IP2IPRouting_SrcIPGroupID, IP2IPRouting_SrcUsernamePrefix, IP2IPRouting_SrcHost, \
        IP2IPRouting_DestUsernamePrefix, IP2IPRouting_DestHost, IP2IPRouting_RequestType, IP2IPRouting_DestType, \
        IP2IPRouting_DestIPGroupID, IP2IPRouting_DestAddress, IP2IPRouting_DestPort, IP2IPRouting_DestTransportType, \
        IP2IPRouting_AltRouteOptions;\n\
        IP2IPRouting 9 = 2, 10, branch.example, [2-4]xx#, *, 1, 1, -1, 192.0.2.30, 5070, 1, 0;\n\
        IP2IPRouting 10 = -1, 11, *, *, *, 0, 2, -1, , 0, -1, 1;\n\
        IP2IPRouting 11 = -1, *, *, 5, 192.0.2.10, 5, 10, -1, $$, 0, -1, 2;\n\
        IP2IPRouting 12 = -1, 7, *, 7, *, 3, 8, -1, , 0, -1, 3;\n\
        IP2IPRouting 13 = -1, 7, *, *, *, 6, 0, -2, , 0, -1, 4;\n";
    let row = |to: &str| Route::new(to.parse().unwrap());
    let mut first = row("sip:192.0.2.30:5070;transport=tcp");
    first.columns.source_user = "10".parse().unwrap();
    first.columns.source_host = "branch.example".parse().unwrap();
    first.columns.destination_user = "[2-4]xx#".parse().unwrap();
    first.request = RequestKind::Invite;
    let mut backup = row("request-uri");
    backup.columns.source_user = "11".parse().unwrap();
    backup.alternative = Alternative::IgnoreInputs;
    let mut second = row("users");
    second.columns.destination_user = "5".parse().unwrap();
    second.columns.destination_host = "192.0.2.10".parse().unwrap();
    second.request = RequestKind::InviteSubscribe;
    second.alternative = Alternative::ConsiderInputs;
    let any_member = Route { is_member: true, ..row("default-gateway") };
    let mut member = Route { is_member: true, ..row("users") };
    member.columns.source_user = "7".parse().unwrap();
    member.request = RequestKind::Options;
    assert_eq!(settings(ini).routes, [first, backup, second, any_member, member]);
}

/// Half of a row would match more calls, and an alternative would back up a row that it was not meant for.
#[test]
fn a_row_that_can_only_be_had_in_part_is_left_out_with_those_under_it() {
    let ini = format!(
        "{ROUTING}\
         IP2IPRouting 1 = 1, 1, 192.0.2.1, 0;\n\
         IP2IPRouting 2 = 2, 3, , 0;\n\
         IP2IPRouting 3 = 2, 1, 192.0.2.2, 1;\n\
         IP2IPRouting 4 = 2, 1, 192.0.2.3, 3;\n\
         IP2IPRouting 5 = 3, 1, 192.0.2.4, 0;\n\
         IP2IPRouting 6 = 3, 5, , 2;\n\
         IP2IPRouting 7 = 3, 1, 192.0.2.5, 4;\n\
         IP2IPRouting 8 = 3, 1, 192.0.2.6, 1;\n"
    );
    let Imported { settings, unmapped, .. } = imported(&ini);
    let to: Vec<_> = settings.routes.iter().map(|route| route.to.to_string()).collect();
    assert_eq!(to, ["sip:192.0.2.1", "sip:192.0.2.4", "sip:192.0.2.6"]);
    let rows: Vec<_> = unmapped.iter().map(|unmapped| (unmapped.line, unmapped.reason.as_ref())).collect();
    let gone = "the row that it belongs to is not there";
    assert_eq!(
        rows,
        [
            (3, "it leads to ENUM, and SASEnableENUM is not 1"),
            (4, gone),
            (5, gone),
            (7, "there is no destination like its DestType 5"),
            (8, gone),
        ]
    );
}

#[test]
fn rows_that_nothing_here_could_say_are_left_out() {
    let with = |column: &str, value: &str| {
        let ini = format!(
            "FORMAT IP2IPRouting_Index = DestType, DestAddress, {column};\nIP2IPRouting 0 = 1, 192.0.2.1, {value};"
        );
        let imported = imported(&ini);
        assert!(imported.settings.routes.is_empty() || column == "CostGroup", "{ini}");
        imported.unmapped[0].reason.to_string()
    };
    assert_eq!(with("MessageCondition", "2"), "there is no column for its condition MessageCondition");
    assert_eq!(with("Trigger", "1"), "there is no column for its condition Trigger");
    assert_eq!(with("RequestType", "2"), "it is for REGISTER alone, which never goes by the table");
    assert_eq!(with("RequestType", "7"), "RequestType must be a number from 0 to 6");
    assert_eq!(with("AltRouteOptions", "1"), "the row that it belongs to is not there");
    assert_eq!(with("DestPort", "70000"), "DestPort must be a number from 1 to 65535");
    assert_eq!(with("DestTransportType", "3"), "DestAddress must have a transport from -1 to 2");
    assert!(with("DestUsernamePrefix", "[1").starts_with("DestUsernamePrefix: a bracket without"));
    assert!(with("DestHost", "a b").starts_with("DestHost must be a host name"));
    assert_eq!(with("CostGroup", "cheap"), "there is nothing like it here");
}

#[test]
fn rows_lead_where_ip_groups_do() {
    let ini = format!(
        "{PROXY}ProxyIp 0 = 192.0.2.1, 0, 0;\nProxyIp 1 = 192.0.2.2, 0, 1;\nProxyIp 2 = 192.0.2.3, 0, 2;\nProxyIp 3 = 192.0.2.4, 0, 2;\n\
         FORMAT IPGroup_Index = IPGroup_Type, IPGroup_Name, IPGroup_ProxySetId, IPGroup_Password;\n\
         IPGroup 1 = 0, PBX, 0, secret;\nIPGroup 2 = 0, Trunk, 1, secret;\nIPGroup 3 = 1, Phones, -1, secret;\nIPGroup 4 = 0, Two, 2, x;\n\
         FORMAT IP2IPRouting_Index = IP2IPRouting_DestIPGroupName;\n\
         IP2IPRouting 1 = pbx;\nIP2IPRouting 2 = 2;\nIP2IPRouting 3 = Phones;\nIP2IPRouting 4 = Two;\nIP2IPRouting 5 = 9;\n"
    );
    let Imported { settings, unmapped, .. } = imported(&ini);
    let to: Vec<_> = settings.routes.iter().map(|route| route.to.to_string()).collect();
    assert_eq!(to, ["proxy-set", "sip:192.0.2.2", "users"]);
    let lines: Vec<_> = unmapped.iter().map(|unmapped| unmapped.line).collect();
    // Two addresses of a set that nothing leads to, the table of groups, and two rows.
    assert_eq!(lines, [4, 5, 6, 15, 16], "{unmapped:#?}");
    assert!(!format!("{unmapped:?}").contains("secret"));
}

const INBOUND: &str = "FORMAT IPInboundManipulation_Index = IPInboundManipulation_IsAdditionalManipulation, \
    IPInboundManipulation_ManipulatedURI, IPInboundManipulation_ManipulationPurpose, IPInboundManipulation_SrcIPGroupID, \
    IPInboundManipulation_SrcUsernamePrefix, IPInboundManipulation_SrcHost, IPInboundManipulation_DestUsernamePrefix, \
    IPInboundManipulation_DestHost, IPInboundManipulation_RequestType, IPInboundManipulation_RemoveFromLeft, \
    IPInboundManipulation_RemoveFromRight, IPInboundManipulation_LeaveFromRight, IPInboundManipulation_Prefix2Add, \
    IPInboundManipulation_Suffix2Add;\n";

#[test]
fn inbound_manipulation_is_taken_where_it_is_on() {
    let row = "IPInboundManipulation 1 = 0, 1, 0, -1, *, abc, 55, *, 0, 3, 2, 255, 9, ;\n";
    let settings = settings(&format!("SASInboundManipulationMode = 1\n{INBOUND}{row}"));
    let mut rule = ManipulationRule::default();
    rule.columns.source_host = "abc".parse().unwrap();
    rule.columns.destination_user = "55".parse().unwrap();
    (rule.manipulation.remove_from_left, rule.manipulation.remove_from_right) = (3, 2);
    rule.manipulation.prefix = "9".into();
    assert_eq!(settings.inbound_manipulation_rules, [rule]);
    assert_eq!(settings.sas.inbound_manipulation, InboundManipulation::Emergency);

    // Off: the rows are not in use, and what is left validates.
    let off = imported(&format!("{INBOUND}{row}"));
    assert_eq!(off.unmapped[0].reason, "SASInboundManipulationMode is not 1: the row is not in use");
    assert_eq!(off.settings, Settings::default());
    // On without rows likewise.
    assert_eq!(imported("SASInboundManipulationMode = 1").settings, Settings::default());
    assert_eq!(unmapped("SASInboundManipulationMode = 1").len(), 1);
}

#[test]
fn manipulation_that_is_not_ours_is_left_out() {
    for (row, expected) in [
        ("1, 1, 0, -1, *, *, *, *, 0, 0, 0, 255, , ;", "a rule in addition"),
        ("0, 0, 0, -1, *, *, *, *, 0, 0, 0, 255, , ;", "it changes the source"),
        ("0, 1, 1, -1, *, *, *, *, 0, 0, 0, 255, , ;", "its ManipulationPurpose is not 0"),
        ("0, 1, 0, 4, *, *, *, *, 0, 0, 0, 255, , ;", "there is no column for its condition SrcIPGroupID"),
        ("0, 1, 0, -1, *, *, *, *, 3, 0, 0, 255, , ;", "its RequestType is not that of calls"),
        ("0, 1, 0, -1, *, *, *, *, 0, 31, 0, 255, , ;", "RemoveFromLeft must be a number from 0 to 30"),
    ] {
        let ini = format!("SASInboundManipulationMode = 1\n{INBOUND}IPInboundManipulation 0 = {row}\n");
        let said = unmapped(&ini);
        assert!(said.iter().any(|line| line.contains(expected)), "{said:?}, expected {expected}");
        assert!(imported(&ini).settings.validate().is_err_and(|error| error.key == "proxy_set.targets"));
    }
}

#[test]
fn enum_is_asked_where_it_is_on() {
    let rows = format!("{ROUTING}IP2IPRouting 1 = *, 3, , 0;\nIP2IPRouting 2 = *, 3, enum.example, 0;\n");
    let Imported { settings, unmapped, .. } = imported(&format!("SASEnableENUM = 1\n{rows}"));
    assert_eq!(settings.sas.number_mapping, Some(NumberMapping::new("e164.arpa".into())));
    assert_eq!(settings.routes, [Route::new("enum".parse().unwrap())]);
    assert_eq!(unmapped[0].reason, "it asks ENUM in a domain of its own");
}

/// The vector of sas.md 6.1.
#[test]
fn registration_manipulation_has_one_row() {
    let format = "FORMAT SASRegistrationManipulation_Index = SASRegistrationManipulation_RemoveFromRight, \
        SASRegistrationManipulation_LeaveFromRight;\n";
    let taken = settings(&format!("{format}SASRegistrationManipulation 0 = 0, 4;")).registration_manipulation;
    assert_eq!((taken.remove_from_right, taken.leave_from_right), (0, 4));
    let two =
        format!("{format}SASRegistrationManipulation 0 = 1, 255;\nSASRegistrationManipulation 1 = 2, 3;");
    assert_eq!(unmapped(&two).len(), 1);
    assert_eq!(imported(&two).settings.registration_manipulation.remove_from_right, 1);
}

#[test]
fn what_has_no_key_yet_is_listed_only_if_it_asks_for_something_else() {
    let not_yet = "there is no key for it yet";
    for (line, is_listed) in [
        ("SASEnableContactReplace = 1", true),
        ("SASEnableContactReplace = 0", false),
        ("SuccessDetectionInterval = 10", false),
        ("SuccessDetectionInterval = 20", true),
    ] {
        let expected = if is_listed { vec![format!("line 1: {line}: {not_yet}")] } else { vec![] };
        assert_eq!(unmapped(line), expected);
    }
}

#[test]
fn the_proxies_are_used_as_they_were() {
    let two = "SASProxySet = 0\nFORMAT ProxyIp_Index = ProxyIp_IpAddress, ProxyIp_TransportType, ProxyIp_ProxySetId;\n\
        ProxyIp 0 = 192.0.2.1, 0, 0;\nProxyIp 1 = 192.0.2.2, 0, 0;\n";
    let set = |lines: &str| settings(&format!("{two}{lines}")).proxy_set;
    assert_eq!((set("").redundancy, set("").balancing), (Redundancy::Homing, Balancing::None));
    assert_eq!(set("ProxyRedundancyMode = 0").redundancy, Redundancy::Parking);
    assert_eq!(set("ProxyRedundancyMode = -1").redundancy, Redundancy::Homing);
    assert_eq!(set("ProxyLoadBalancingMethod = 1").balancing, Balancing::RoundRobin);
    assert_eq!(set("ProxyLoadBalancingMethod = 2").balancing, Balancing::SrvWeight);
    assert_eq!(settings("ProxyLoadBalancingMethod = 1").proxy_set.balancing, Balancing::None, "over one");
    assert_eq!(set("IsProxyHotSwap = 1\nHotSwapRtx = 5").hot_swap_retransmissions, 5);
    let without = set("IsProxyHotSwap = 0\nHotSwapRtx = 5");
    assert_eq!((without.hot_swap, without.hot_swap_retransmissions), (false, 3), "it swaps nothing");
    assert_eq!(unmapped("ProxyRedundancyMode = 2"), ["line 1: ProxyRedundancyMode = 2: must be -1, 0 or 1"]);
}

#[test]
fn what_is_unknown_or_wrong_is_listed_and_no_password_with_it() {
    for (ini, expected) in [
        ("AdminPassword = 'hunter2'", "line 1: AdminPassword: no parameter of survivability"),
        (
            "FORMAT Account_Index = Account_Password;\nAccount 0 = hunter2;",
            "line 1: Account: no table of survivability",
        ),
        ("https://example/?hunter2", "line 1: ..: neither a parameter nor a row of a table"),
        ("Hunter two = 3", "line 1: Hunter: neither a parameter nor a row of a table"),
        ("SASBlockUnRegUsers = yes", "line 1: SASBlockUnRegUsers = yes: must be 0 or 1"),
        ("SASEmergencyPrefix = '9", "line 1: SASEmergencyPrefix = '9: a quote without its end"),
        (
            "EnableSAS = 0",
            "line 1: EnableSAS = 0: survivability was off there, and is on with these settings",
        ),
        (
            "SASDefaultGatewayIP = ''",
            "line 1: SASDefaultGatewayIP = '': the gateway in the product itself: sas.default_gateway has to name it",
        ),
        (
            "SASDefaultGatewayIP = 192.0.2.9/32:5060",
            "line 1: SASDefaultGatewayIP = 192.0.2.9/32:5060: must be an IP address or a host name, with a port or without",
        ),
        (
            "SASRegistrationTime = 10\nSASREGISTRATIONTIME = 20",
            "line 1: SASRegistrationTime: stands there again in line 2, and that counts",
        ),
        (
            "EnableProxyKeepAlive = 2",
            "line 1: EnableProxyKeepAlive = 2: proxies are probed by OPTIONS, and by nothing else",
        ),
    ] {
        assert_eq!(unmapped(ini), [expected]);
    }
}

#[test]
fn what_is_no_ini_file_is_refused_with_its_line() {
    let row = |row: &str| format!("[ ProxyIp ]\n{PROXY}{row}");
    for (ini, expected) in [
        ("a = b\n\0\u{1}".into(), "line 2: this is not text; an encoded ini file has to be decoded first"),
        ("ProxyIp 0 = 1, 2, 3;".into(), "line 1: a row without the FORMAT line of its table above it"),
        (
            row("[ \\ProxyIp ]\nProxyIp 0 = 1, 2, 3;"),
            "line 4: a row without the FORMAT line of its table above it",
        ),
        (row("ProxyIp 0 = 1, 2;"), "line 3: the FORMAT line names 3 columns, and the row has 2 values"),
        (row("ProxyIp 0 = 1, 2, 3, 4"), "line 3: the FORMAT line names 3 columns, and the row has 4 values"),
        (
            row("ProxyIp x = a, 1, 2;"),
            "line 3: a row needs its index, such as 0, between the name of its table and the =",
        ),
        (
            row("ProxyIp 0 1 = a, 1, 2;"),
            "line 3: a row needs its index, such as 0, between the name of its table and the =",
        ),
        (row("ProxyIp 0 = \"a, 1, 2;"), "line 3: a quote without its end"),
        (
            row("ProxyIp 0 = \"a\"b, 1, 2;"),
            "line 3: something stands behind a quote that is no comma and no semicolon",
        ),
        (row("ProxyIp 0 = a, 1, 2;\nProxyIp 00 = b, 1, 2;"), "line 4: a row of this index stands above"),
        (row(&row("")), "line 4: this table stands above already"),
        (format!("FORMAT ProxyIp_Index = {};", "a,".repeat(200)), "line 1: more than 128 columns"),
        ("x".repeat(20_000), "line 1: the line has more than 16 KiB"),
        ("; \n".repeat(400_000), "line 1: the file has more than 1 MiB"),
    ] {
        assert_eq!(refused(&ini), expected);
    }
    let many: String = (0..1_001).map(|index| format!("ProxyIp {index} = a, 1, 2;\n")).collect();
    assert_eq!(refused(&row(&many)), "line 1003: the table has more than 1000 rows");
}

#[test]
fn a_configuration_is_validated() {
    let error = Config::from_audiocodes_ini("SASProxySet = 1").unwrap_err();
    assert!(error.to_string().starts_with("proxy_set.targets = []: must name a proxy"), "{error}");
    let error = Config::from_audiocodes_ini("ProxyIp 0 = 1;").unwrap_err();
    assert!(matches!(error, ImportError::Ini(IniError { line: 1, .. })), "{error}");
}

/// Lines such as the product writes, and such as it does not.
fn line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "SASSurvivabilityMode",
        "SASDefaultGatewayIP",
        "SASEmergencyNumbers",
        "SASProxySet",
        "RedundantSASProxySet",
        "SASRegistrationTime",
        "ProxyKeepAliveTime",
        "KeepAliveFailureResp",
        "SASEmergencyPrefix",
        "Other",
    ]);
    let table = prop::sample::select(vec![
        "ProxyIp",
        "ProxySet",
        "IP2IPRouting",
        "IPInboundManipulation",
        "IPGroup",
        "T",
    ]);
    let value = prop::sample::select(vec![
        "0",
        "1",
        "-1",
        "*",
        "$$",
        "",
        "192.0.2.1:5060",
        "\"a, b\"",
        "'",
        "[2-4]x#",
        "999999999999",
        "é",
    ]);
    let values = prop::collection::vec(value, 0..5).prop_map(|values| values.join(","));
    let columns = prop::collection::vec(
        prop::sample::select(vec![
            "IpAddress",
            "ProxySetId",
            "DestType",
            "DestAddress",
            "AltRouteOptions",
            "Type",
            "X",
        ]),
        0..5,
    );
    prop_oneof![
        (name, values.clone()).prop_map(|(name, values)| format!("{name} = {values}")),
        (table.clone(), columns)
            .prop_map(|(table, columns)| format!("FORMAT {table}_Index = {};", columns.join(", "))),
        (table, 0..4u8, values).prop_map(|(table, index, values)| format!("{table} {index} = {values};")),
        Just("[ \\X ]".to_owned()),
        "\\PC{0,20}",
    ]
}

proptest! {
    /// Whatever comes, it ends, and what it says of the file is of the file.
    #[test]
    fn any_text_is_read_or_refused(lines in prop::collection::vec(line(), 0..30)) {
        let text = lines.join("\n");
        match Settings::from_audiocodes_ini(&text) {
            Ok(Imported { settings, unmapped, .. }) => {
                prop_assert!(unmapped.is_sorted_by_key(|unmapped| unmapped.line));
                prop_assert!(unmapped.iter().all(|unmapped| (1..=lines.len()).contains(&unmapped.line)));
                let _ = settings.validate();
            }
            Err(error) => prop_assert!((1..=lines.len()).contains(&error.line)),
        }
    }
}
