//! The example `route` as its user meets it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/program.rs"]
#[expect(unreachable_pub, reason = "other tests use it too")]
mod program;

use std::path::Path;
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(program::example("route")).args(args).output().unwrap()
}

#[track_caller]
fn said(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("route-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const CONFIG: &str = r#"
listen.udp = ["10.0.0.1:5080"]
[proxy_set]
targets = ["sip:192.0.2.1"]
[sas]
default_gateway = "sip:192.0.2.9"
emergency_numbers = ["911"]
block_unregistered = true
"#;

#[test]
fn a_newcomer_sees_a_table_of_a_built_in_branch() {
    let text = said(&[]);
    for expected in [
        "emergency number: 10.0.0.2:5060",
        "proxy: pbx.example.com:5060",
        "database: 10.0.1.11:5060",
        "routing table: trunk.example.net:5060 (+1)",
        "603, routing table",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn a_call_is_explained_step_by_step() {
    let config = file("explained.toml", CONFIG);
    assert_eq!(
        said(&["--config", &config, "--from", "1001", "--to", "5550123", "--state", "emergency"]),
        "1001 calls 5550123, emergency\n  \
         - the proxy set is lost: the rules of the emergency state apply\n  \
         - the caller is registered\n  \
         - nobody is registered by that name\n  \
         - there is a default gateway\n  \
         - the caller is trusted enough to call out (known)\n  \
         = to the default gateway\n    \
         1. sip:5550123@192.0.2.9 at 192.0.2.9:5060 by udp\n\n"
    );
    let everywhere = said(&["--config", &config, "--from", "9999", "--to", "911"]);
    assert_eq!(everywhere.matches("1. sip:911@192.0.2.9 at 192.0.2.9:5060").count(), 3, "{everywhere}");
    let blocked = said(&["--config", &config, "--from", "9999", "--to", "5550123"]);
    assert_eq!(blocked.matches("= refused: the caller is not registered: 403").count(), 3, "{blocked}");
}

#[test]
fn the_level_of_trust_and_the_verdict_are_steps_of_the_chain() {
    let config = file("trust.toml", &CONFIG.replace("block_unregistered = true", ""));
    let call = |trust: &str| {
        said(&["--config", &config, "--to", "5550123", "--state", "emergency", "--trust", trust])
    };
    let refused = call("unknown");
    assert!(refused.contains("  - the caller is not trusted enough to call out (unknown)\n"), "{refused}");
    assert!(refused.contains("  = refused: the caller is not trusted enough: 403\n"), "{refused}");
    assert!(call("pool").contains("  - the caller is trusted enough to call out (pool)\n"));
    // Whoever calls an emergency number is not asked.
    let emergency = said(&["--config", &config, "--to", "911", "--state", "emergency", "--trust", "unknown"]);
    assert!(emergency.contains("sip:911@192.0.2.9") && !emergency.contains("trusted"), "{emergency}");
}

#[test]
fn a_table_is_over_all_states_and_by_the_file_of_who_is_registered() {
    let (config, numbers) = (file("table.toml", CONFIG), file("numbers", "911\n2001   # the boss\n"));
    let registered = file("registered", "1001\n2001 sip:2001@10.9.9.9:5070\n");
    let text = said(&["--config", &config, "--numbers", &numbers, "--registered", &registered]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let words: Vec<&str> = lines.first().unwrap().split_whitespace().collect();
    assert_eq!(words, ["1001", "calls", "normal", "suspect", "emergency"]);
    let boss = lines.last().unwrap();
    assert_eq!(boss.matches("database: 10.9.9.9:5070").count(), 2, "{text}");
    assert!(boss.contains("proxy: 192.0.2.1:5060"));
}

#[test]
fn a_difference_shows_only_what_changes() {
    let old = file("old.toml", CONFIG);
    let new = file(
        "new.toml",
        &format!("{CONFIG}[[route]]\ndestination_user = \"555\"\nto = \"sip:192.0.2.30\"\n"),
    );
    let numbers = file("diff-numbers", "911\n5550123\n");
    assert_eq!(
        said(&["--config", &old, "--numbers", &numbers, "--diff", &new, "--state", "emergency"]),
        "1001 calls 5550123, emergency\n  \
         before  default gateway: 192.0.2.9:5060\n  \
         after   routing table: 192.0.2.30:5060\n"
    );
    assert_eq!(
        said(&["--config", &old, "--numbers", &numbers, "--diff", &old]),
        "No call goes another way.\n"
    );
}

#[test]
fn what_is_wrong_is_one_line() {
    let broken = file("broken.toml", &CONFIG.replace("192.0.2.9", "192.0.2.9:0"));
    let unrouted = file("unrouted.toml", &CONFIG.replace("default_gateway", "# default_gateway"));
    let row =
        file("row.toml", &format!("{CONFIG}[[route]]\ndestination_user = \"[9-10]\"\nto = \"users\"\n"));
    for (args, expected) in [
        (vec!["--wat"], "route: unknown argument \"--wat\""),
        (vec!["--to"], "route: --to needs a value"),
        (vec!["--state", "odd"], "route: --state \"odd\": must be normal, suspect or emergency"),
        (vec!["--trust", "odd"], "route: --trust \"odd\": must be unknown, pool, known or verified"),
        (vec!["--to", "1", "--to", "2"], "route: --to stands there twice"),
        (vec!["--to", "1", "--numbers", "x"], "route: --to or --numbers, not both"),
        (vec!["--to", "sip:a b"], "route: \"1001\" calls \"sip:a b\": must be"),
        (vec!["--config", "/no/such/file"], "route: /no/such/file: "),
        (vec!["--config", &broken], "sas.default_gateway = sip:192.0.2.9:0: must not have"),
        (vec!["--config", &unrouted], "sas.emergency_numbers = 911: has no route in the emergency state"),
        (vec!["--config", &row], "route.destination_user = \"[9-10]\": both ends of a range"),
    ] {
        let error = refused(&args);
        assert!(error.contains(expected), "{error}, expected {expected}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
