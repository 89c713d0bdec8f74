//! The gateway as its user meets it: a process with a command line, signals, standard output and sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at what it does not expect"
)]
#![expect(clippy::disallowed_methods, reason = "phones have sockets")]

#[path = "peers/baresip.rs"]
mod baresip;
#[path = "gateway/connections.rs"]
mod connections;
#[cfg(unix)]
#[path = "gateway/journal.rs"]
mod journal;
#[path = "gateway/line.rs"]
mod line;
#[path = "gateway/names.rs"]
mod names;
#[path = "peers/peer.rs"]
mod peer;
#[path = "gateway/phone.rs"]
mod phone;
#[path = "gateway/process.rs"]
mod process;
#[path = "support/program.rs"]
#[expect(unreachable_pub, reason = "other tests use it too")]
mod program;
#[cfg(unix)]
#[path = "gateway/reload.rs"]
mod reload;
#[cfg(target_os = "linux")]
#[path = "peers/scenarios.rs"]
mod scenarios;
#[path = "gateway/secure.rs"]
mod secure;
#[path = "peers/sipsak.rs"]
mod sipsak;
#[cfg(unix)]
#[path = "gateway/store.rs"]
mod store;
#[path = "gateway/websocket.rs"]
mod websocket;

use phone::{Phone, call};
use process::{Gateway, file, refusal, run};
use sip_survivability::auth::{Algorithm, Ha1, Session};
use sip_survivability::headers::Auth;
use sip_survivability::rng::Token;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;

/// Of `1001:branch.example:secret`.
const MD5_OF_1001: &str = "cc6a4ecc594e08d9027abf693ba832ef";

// The command line and the configuration

/// Whole files, each with how its one line goes on after `gateway: FILE: `.
const WRONG_FILES: &[(&str, &str)] = &[
    ("", "listen.udp = []: must name an address"),
    ("listen.udp = []", "listen.udp = []: must name an address"),
    (r#"listen.udp = "127.0.0.1:0""#, r#"listen.udp = "127.0.0.1:0": must be a list"#),
    ("listen.udp = [5080]", "listen.udp = 5080: must be a string"),
    (r#"listen.udp = ["localhost"]"#, r#"listen.udp = "localhost": must be an IP address and a port"#),
    ("listen = 5080", "listen = 5080: must be one section: [listen]"),
    (r#"listen.udp = ["127.0.0.1:0"]"#, "proxy_set.targets = []: must name a proxy"),
    ("[listen]\nudp = [\"127.0.0.1:0\"\n[sas]\npath = true", "line 3: "),
    ("[sas]\npath = true\npath = true", "line 3: "),
    ("[listen]\n\nudp =", "line 3: "),
];

/// A file that would do but for one more line.
const RIGHT: &str = "listen.udp = [\"127.0.0.1:0\"]\nproxy_set.targets = [\"sip:192.0.2.1\"]\n";

/// That line, and how the answer goes on.
const WRONG_LINES: &[(&str, &str)] = &[
    ("listen.port = 5080", "listen.port = 5080: unknown key"),
    (r#"listen.tcp = "127.0.0.1:0""#, r#"listen.tcp = "127.0.0.1:0": must be a list"#),
    (r#"listen.ws = ["here"]"#, r#"listen.ws = "here": must be an IP address and a port"#),
    (r#"listen.tls = ["127.0.0.1:0"]"#, r#"listen.certificate = "": must name the file of our certificate"#),
    (r#"listen.wss = ["127.0.0.1:0"]"#, r#"listen.certificate = "": must name the file of our certificate"#),
    (r#"listen.certificate = "cert.pem""#, r#"listen.key = "": must name that of its key"#),
    (r#"listen.authorities = "/no/such/file""#, r#"listen.authorities = "/no/such/file": No such file"#),
    (
        r#"sas.default_gateway = "sip:192.0.2.9;transport=tcp""#,
        "listen.tcp = []: must name an address, since sip:192.0.2.9;transport=tcp is to be connected to",
    ),
    (
        r#"sas.default_gateway = "sip:192.0.2.9;transport=tls""#,
        "listen.tls = []: must name an address, since sip:192.0.2.9;transport=tls is to be connected to",
    ),
    (r#"listen.advertise = "0.0.0.0""#, r#"listen.advertise = "0.0.0.0": must be the IP address"#),
    (r#"listen.domains = ["a b"]"#, "listen.domains = a b: neither a host name nor"),
    (r#"proxy_set.keepalive = "yes""#, r#"proxy_set.keepalive = "yes": must be true or false"#),
    (
        "proxy_set.keepalive_interval = 4",
        "proxy_set.keepalive_interval = 4: must be a whole number and a unit",
    ),
    (r#"proxy_set.reprobe_interval = "1ms""#, "proxy_set.reprobe_interval = 1ms: must be from 10ms to 60s"),
    ("proxy_set.down_after = 0", "proxy_set.down_after = 0: must be at least 1"),
    ("proxy_set.up_after = -1", "proxy_set.up_after = -1: must be a whole number from 0 to 4294967295"),
    ("proxy_set.failure_responses = [200]", "proxy_set.failure_responses = 200: must be from 300"),
    ("proxy_set.retries = 3", "proxy_set.retries = 3: unknown key"),
    (
        r#"sas.survivability_mode = "maybe""#,
        r#"sas.survivability_mode = "maybe": must be "standard", "always-emergency", "ignore-register","#,
    ),
    ("sas.entering_emergency = 1", r#"sas.entering_emergency = 1: must be "requests" or "keepalive""#),
    (r#"sas.default_gateway = "gw""#, r#"sas.default_gateway = "gw": must be a SIP URI: no scheme"#),
    (r#"sas.default_gateway = ["sip:192.0.2.9", 9]"#, "sas.default_gateway = 9: must be a string"),
    (
        r#"sas.default_gateway = "sip:gw.example:0""#,
        "sas.default_gateway = sip:gw.example:0: must not have 0.0.0.0 or [::] for its host",
    ),
    (r#"sas.emergency_numbers = ["9\n1"]"#, r"sas.emergency_numbers = 9\n1: must be a user part"),
    (
        r#"sas.emergency_numbers = ["911"]"#,
        "sas.emergency_numbers = 911: has no route in the emergency state",
    ),
    (
        r#"sas.cascade_loop = "own-or-next-via""#,
        "sas.cascade_loop = own-or-next-via: needs sas.redundant_sas",
    ),
    ("[route]\nto = \"users\"", "route = { to = \"users\" }: must be tables, each under [[route]]"),
    ("[[route]]\ngroup = \"no\"", "route.to = nothing: each row must say where it leads"),
    ("[[route]]\nto = \"enum\"", "route.to = enum (row 1): needs sas.enum"),
    ("sas.enum = { suffix = \"a b\" }", "sas.enum.suffix = a b: must be the name of a domain"),
    ("sas.enum = { sufix = \"a\" }", "sas.enum.sufix = \"a\": unknown key"),
    ("[[route]]\nto = \"users\"\nway = 1", "route.way = 1: unknown key"),
    (
        "[[route]]\nto = \"users\"\ndestination_user = \"[1\"",
        "route.destination_user = \"[1\": a bracket without",
    ),
    (r#"sas.homing_lever = "shout""#, r#"sas.homing_lever = "shout": must be "silence" or "retry-after""#),
    (r#"sas.homing_lever = "retry-after""#, "sas.homing_lever = retry-after: needs sas.survivability_mode"),
    ("sas.subscribe_response = 100", "sas.subscribe_response = 100: must be from 200 to 699"),
    ("[[sas]]\npath = true", "sas = [{ path = true }]: must be one section"),
    ("[sass]\npath = true", "sass = { path = true }: unknown key"),
    ("registrar.max_users = \"\"\"a\nb\"\"\"", r#"registrar.max_users = "a\nb": must be a whole number"#),
    ("[auth]", r#"auth.users = "": must name the file of users"#),
    (r#"auth.users = "/no/such/users""#, r#"auth.users = "/no/such/users": "#),
    (r#"auth.realm = "a\"b""#, r#"auth.realm = "a\"b": must be text without quotes"#),
    (r#"dns.servers = ["ns.example"]"#, r#"dns.servers = "ns.example": must be"#),
    ("dns.server = []", "dns.server = []: unknown key"),
    ("limits.max_message = 1.5", "limits.max_message = 1.5: must be a whole number"),
];

#[test]
fn a_wrong_configuration_is_one_line_with_key_value_and_reason() {
    let files = WRONG_FILES.iter().map(|&(text, expected)| (text.to_owned(), expected));
    let lines = WRONG_LINES.iter().map(|&(line, expected)| (format!("{RIGHT}{line}"), expected));
    for (number, (text, expected)) in files.chain(lines).enumerate() {
        let path = file(&format!("wrong-{number}"), &text);
        let line = refusal(&["--config", &path]);
        assert!(line.starts_with(&format!("gateway: {path}: {expected}")), "{line}\n  instead of {expected}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let line = refusal(&["--config", "/no/such/file.toml"]);
    assert!(line.starts_with("gateway: /no/such/file.toml: "), "{line}");
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let taken = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (udp, stream) = (taken.0.local_addr().unwrap(), taken.1.local_addr().unwrap());
    let nobodys = "192.0.2.77:5080".parse().unwrap();
    for (key, address) in [("udp", udp), ("udp", nobodys), ("tcp", stream), ("ws", stream), ("ws", nobodys)] {
        let udp = if key == "udp" { "" } else { "udp = [\"127.0.0.1:0\"]\n" };
        let text = format!(
            "[listen]\n{udp}{key} = [\"{address}\"]\n[sas]\nsurvivability_mode = \"always-emergency\""
        );
        let line = refusal(&["--config", &file(&format!("taken-{key}-{}", address.port()), &text)]);
        assert!(line.contains(&format!("listen.{key} = {address}: cannot be listened on: ")), "{line}");
    }
}

#[test]
fn unknown_arguments_are_refused() {
    assert!(refusal(&["--listen"]).contains("\"--listen\""));
    assert!(refusal(&["file.toml"]).contains("\"file.toml\""));
    assert!(refusal(&["--config"]).contains("--config needs a file"));
    assert!(refusal(&["--config=a", "--config=b"]).contains("twice"));
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (arg, expected) in [("--help", "Usage: gateway"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = run(&[arg]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected));
        assert!(output.stderr.is_empty());
    }
}

// A running gateway

#[test]
fn it_says_where_it_listens() {
    let gateway = Gateway::always_emergency("listens");
    assert!(gateway.address.ip().is_loopback());
    assert_ne!(gateway.address.port(), 0);
}

#[test]
fn each_socket_is_announced_with_what_it_advertises() {
    let gateway = Gateway::start(
        "advertises",
        "listen.udp = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\nlisten.advertise = \"203.0.113.5\"\n\
         sas.survivability_mode = \"always-emergency\"\n",
    );
    assert_eq!(gateway.address.ip().to_string(), "203.0.113.5");
    let second = gateway.notice("listening");
    assert!(second["address"].as_str().unwrap().starts_with("203.0.113.5:"));
}

#[cfg(unix)]
#[test]
fn it_ends_cleanly_when_it_is_told_to() {
    for signal in ["-TERM", "-INT"] {
        let mut gateway = Gateway::always_emergency(&format!("ends{signal}"));
        gateway.signal(signal);
        assert_eq!(gateway.wait(), Some(0), "{signal}");
        assert!(gateway.log().contains("stopping"));
    }
}

#[test]
fn two_phones_register_and_call_each_other() {
    let gateway = Gateway::always_emergency("call");
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    for phone in [&mut alice, &mut bob] {
        phone.register();
        let bound = gateway.notice("user_bound");
        assert!(bound["aor"].as_str().unwrap().contains(phone.user), "{bound}");
        assert!(bound["contact"].as_str().unwrap().contains(&phone.contact()), "{bound}");
        assert!(bound["origin"].is_string());
    }
    call(&mut alice, &mut bob);
    let routed = gateway.notice("request_routed");
    assert_eq!(routed["method"], "INVITE");
    assert_eq!(routed["step"], "database", "{routed}");
    assert!(routed["to"].as_str().unwrap().contains(&bob.contact()), "{routed}");
    assert!(routed["reasons"].is_array());
    call(&mut bob, &mut alice);
}

#[test]
fn a_phone_needs_its_password_where_there_is_a_file_of_users() {
    // The second line is wrong, then it is mended.
    let ha1 = Ha1::new(Algorithm::Md5, "1001", "branch.example", "secret");
    let users = |second: &str| file("users", &format!("1001:branch.example:{MD5_OF_1001}\n{second}\n"));
    let config = |users: &str| {
        format!(
            "listen.udp = [\"127.0.0.1:0\"]\nsas.survivability_mode = \"always-emergency\"\nauth.users = {users:?}\n"
        )
    };
    let wrong = users("1002:secret");
    let line = refusal(&["--config", &file("locked", &config(&wrong))]);
    assert!(
        line.ends_with(&format!(
            "auth.users = {wrong:?}: line 2: must be user:realm:HA1 or user:realm:algorithm:HA1"
        )),
        "{line}"
    );

    let gateway = Gateway::start("locked", &config(&users("")));
    let mut phone = Phone::new("1001", &gateway);
    let (aor, uri) = (format!("<sip:1001@{}>", gateway.address), format!("sip:{}", gateway.address));
    phone.send(gateway.address, &phone.request("REGISTER", &uri, &aor, ""));
    let challenge = phone.expect("SIP/2.0 401");
    let challenges = Auth::parse(challenge.value("WWW-Authenticate"));
    let mut session = Session::open(challenges, "1001", |_, _| Some(ha1), Token::of(1)).unwrap();
    phone.cseq += 1;
    let credentials = format!("Authorization: {}\r\n", session.answer("REGISTER", &uri, b""));
    phone.send(gateway.address, &phone.request("REGISTER", &uri, &aor, &credentials));
    phone.expect("SIP/2.0 200");
    assert_eq!(gateway.notice("user_bound")["aor"], format!("sip:1001@{}", gateway.address));
}

/// SIPp hashes by code of its own. It knows MD5, and gives up where another algorithm stands first.
#[test]
fn another_implementation_knows_how_to_answer_our_challenges() {
    if peer::is_missing("sipp") {
        return peer::skip("sipp");
    }
    let users = file("sipp-users", &format!("1001:branch.example:{MD5_OF_1001}\n"));
    let gateway = Gateway::always_emergency_with(
        "sipp",
        &format!("tcp = [\"127.0.0.1:0\"]\ndomains = [\"branch.example\"]\n[auth]\nusers = {users:?}"),
    );
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/credentials.xml");
    for (transport, at) in [("u1", gateway.address), ("t1", gateway.listening("tcp"))] {
        let output = Command::new("sipp")
            .args([
                &at.to_string(),
                "-t",
                transport,
                "-i",
                "127.0.0.1",
                "-m",
                "1",
                "-timeout",
                "10",
                "-nostdin",
            ])
            .arg("-sf")
            .arg(&scenario)
            .output()
            .unwrap();
        assert!(output.status.success(), "{transport}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_reader_that_has_gone_ends_no_call() {
    let mut gateway = Gateway::always_emergency("reader");
    let (sender, notices) = channel();
    drop(sender);
    // The thread that reads ends at its next line, and with it the pipe.
    gateway.notices = notices;
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    alice.register();
    bob.register();
    call(&mut alice, &mut bob);
    assert_eq!(gateway.process.try_wait().unwrap(), None);
}
