//! `examples/import` as a program: an ini file in, TOML out that the gateway's reader takes for the same settings.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/program.rs"]
#[expect(unreachable_pub, reason = "other tests share it")]
mod program;
#[path = "../examples/import/sample.rs"]
mod sample;
#[path = "../examples/gateway/section.rs"]
mod section;
#[path = "../examples/gateway/settings.rs"]
mod settings;
#[path = "../examples/gateway/site_file.rs"]
#[expect(dead_code, reason = "the examples use the rest")]
mod site_file;
#[path = "../examples/gateway/users.rs"]
mod users;

use sip_survivability::config::Settings;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(program::example("import")).args(args).output().unwrap()
}

fn file(name: &str, text: impl AsRef<[u8]>) -> String {
    let path: PathBuf = std::env::temp_dir().join(format!("import-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Standard output, standard error and the exit status.
fn imported(name: &str, ini: &str) -> (String, String, Option<i32>) {
    let path = file(name, ini);
    let output = run(&[&path]);
    std::fs::remove_file(&path).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr).replace(&path, "FILE"), output.status.code())
}

/// What the gateway's reader makes of it.
fn read_back(toml: &str) -> (Settings, Vec<SocketAddr>) {
    let read = site_file::parse(toml, Path::new(""), |table, folder| {
        site_file::settings(table, folder, &[], |listen, _| {
            let (mut udp, mut tcp) = (Vec::new(), Vec::<SocketAddr>::new());
            listen.set("udp", &mut udp)?;
            listen.set("tcp", &mut tcp)?;
            udp.extend(tcp);
            Ok(udp)
        })
    });
    read.unwrap_or_else(|wrong| panic!("{wrong}\n{toml}"))
}

/// Each setting that an ini file can change.
const ALL: &str = r#"
SASLocalSIPUDPPort = 5090
SASLocalSIPTCPPort = 5091
SASDefaultGatewayIP = 192.0.2.9:5062
SASRegistrationTime = 90
SASSurvivabilityMode = 4
SASEnteringEmergencyMode = 0
SASBindingMode = 1
SASEmergencyNumbers = '911, 112'
SASEmergencyPrefix = 9
SASBlockUnRegUsers = 1
SASSubscribeResponse = 405
SASEnableRecordRoute = 0
SASEnableENUM = 1
SASConnectionReuse = 0
SASInboundManipulationMode = 1
SASProxySet = 2
RedundantSASProxySet = 1
FORMAT ProxySet_Index = EnableProxyKeepAlive, ProxyKeepAliveTime, KeepAliveFailureResp, SuccessDetectionRetries;
ProxySet 2 = 1, 5400, "407,404", 3;
FORMAT ProxyIp_Index = ProxyIp_IpAddress, ProxyIp_TransportType, ProxyIp_ProxySetId;
ProxyIp 0 = pbx.example, 0, 2;
ProxyIp 1 = 2001:db8::1, 1, 2;
ProxyIp 2 = 192.0.2.20:5080, 0, 1;
FORMAT SASRegistrationManipulation_Index = RemoveFromRight, LeaveFromRight;
SASRegistrationManipulation 0 = 1, 4;
FORMAT IPInboundManipulation_Index = SrcUsernamePrefix, DestUsernamePrefix, DestHost, ManipulatedURI, RemoveFromLeft, RemoveFromRight, LeaveFromRight, Prefix2Add, Suffix2Add;
IPInboundManipulation 0 = 10, "(23[4,5,6])", branch.example, 1, 1, 2, 3, "7", "8";
FORMAT IP2IPRouting_Index = SrcHost, DestUsernamePrefix, RequestType, DestType, DestAddress, DestPort, DestTransportType, AltRouteOptions;
IP2IPRouting 0 = branch.example, "[2-4,7]x#", 1, 1, 192.0.2.30, 5070, 1, 0;
IP2IPRouting 1 = *, *, 0, 2, , 0, -1, 1;
IP2IPRouting 2 = *, 5, 4, 8, , 0, -1, 2;
IP2IPRouting 3 = *, 6, 6, 10, , 0, -1, 4;
IP2IPRouting 4 = *, *, 0, 3, , 0, -1, 0;
"#;

#[test]
fn the_gateway_reads_the_same_settings_out_of_the_toml() {
    for (name, ini) in [("all", ALL), ("sample", sample::INI)] {
        let (toml, complaint, status) = imported(name, ini);
        assert_eq!((complaint.as_str(), status), ("", Some(0)), "{toml}");
        let expected = Settings::from_audiocodes_ini(ini).unwrap();
        let (settings, listen) = read_back(&toml);
        assert_eq!(settings, expected.settings, "{toml}");
        let ports: Vec<_> = listen.iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [expected.listen.udp, expected.listen.tcp]);
    }
    assert_eq!(Settings::from_audiocodes_ini(ALL).unwrap().unmapped, []);
}

#[test]
fn what_has_its_default_is_not_written() {
    let (toml, _, _) = imported("short", "SASSurvivabilityMode = 1\nSASRegistrationTime = 20\n");
    let lines: Vec<_> = toml.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let expected = [
        "[listen]",
        "udp = [\"0.0.0.0:5080\"]",
        "tcp = [\"0.0.0.0:5080\"]",
        "[sas]",
        "survivability_mode = \"always-emergency\"",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn without_a_file_it_shows_one_that_is_built_in() {
    let output = run(&[]);
    assert!(output.status.success());
    let toml = String::from_utf8(output.stdout).unwrap();
    let wanted = "# line 3: EnableSyslog: no parameter of survivability\n# line 16: SASShortNumberLength = 4: obsolete: SASRegistrationManipulation says it since firmware 5.8\n";
    assert!(toml.ends_with(wanted), "{toml}");
}

#[test]
fn what_the_gateway_would_refuse_is_written_and_named() {
    let (toml, complaint, status) = imported("unfinished", "SASEmergencyNumbers = 911\n");
    assert!(toml.contains("emergency_numbers = [\"911\"]"), "{toml}");
    let expected =
        "import: FILE: the gateway takes this when it is mended: proxy_set.targets = []: must name a proxy";
    assert!(complaint.starts_with(expected), "{complaint}");
    assert_eq!((complaint.lines().count(), status), (1, Some(1)));
}

#[test]
fn what_is_wrong_is_one_line() {
    let row = "FORMAT ProxyIp_Index = A, B;\nProxyIp 0 = 1;\n";
    let (toml, complaint, status) = imported("row", row);
    assert_eq!((toml.as_str(), status), ("", Some(2)));
    assert_eq!(
        complaint,
        "import: FILE: line 2: the FORMAT line names 2 columns, and the row has 1 values\n"
    );

    let binary = file("binary", b"a = b\n\xff\xfe");
    for (args, expected) in [
        (vec!["--wat"], "import: unknown argument \"--wat\"; --help lists what there is\n"),
        (vec!["a", "b"], "import: FILE stands there twice\n"),
        (vec!["/no/such/file"], "import: /no/such/file: No such file"),
        (
            vec![binary.as_str()],
            ": line 2: this is not UTF-8 text; an encoded ini file has to be decoded first\n",
        ),
    ] {
        let output = run(&args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expected), "{error}, expected {expected}");
        assert_eq!((error.lines().count(), output.status.code()), (1, Some(2)), "{error}");
    }
    assert!(String::from_utf8(run(&["--help"]).stdout).unwrap().contains("Usage: import"));
}
