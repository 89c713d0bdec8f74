//! SIGHUP: the file is read again, and who is registered or talks notices nothing.

use crate::phone::{Phone, hang_up, talk};
use crate::process::{Gateway, file};
use sip_survivability::config::{Config, Settings, SurvivabilityMode};
use sip_survivability::journal::{Reader, Told};
use sip_survivability::{Action, Notice, Sas};
use std::path::Path;

const LISTEN: &str = "listen.udp = [\"127.0.0.1:0\"]\n";
const ALWAYS: &str = "sas.survivability_mode = \"always-emergency\"\n";

fn gateway(name: &str, text: &str) -> Gateway {
    Gateway::start(name, &format!("{LISTEN}{ALWAYS}{text}"))
}

/// Another file in the place of the one that it was started with, which it is told to read.
fn reload(gateway: &Gateway, name: &str, text: &str) {
    file(name, text);
    gateway.signal("-HUP");
}

/// Whether a call of `phone` to `number` comes to `other`.
fn reaches(phone: &mut Phone, number: &str, other: &mut Phone) {
    let target = format!("sip:{number}@{}", phone.gateway);
    let invite = phone.request("INVITE", &target, &format!("<{target}>"), "");
    phone.send(phone.gateway, &invite);
    let invite = other.expect("INVITE ");
    other.answer(&invite, "486 Busy Here");
    phone.expect("SIP/2.0 486");
    let invite = phone.request("ACK", &target, &format!("<{target}>"), "");
    phone.send(phone.gateway, &invite);
    phone.cseq += 1;
}

#[test]
fn a_registered_phone_and_a_call_outlive_a_reload_and_the_new_file_is_in_force() {
    let gateway = gateway("reload", "");
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    alice.register();
    bob.register();
    let dialog = talk(&mut alice, &mut bob);

    let mut trunk = Phone::new("trunk", &gateway);
    let text = format!("{LISTEN}{ALWAYS}sas.default_gateway = \"sip:{}\"\n", trunk.host());
    reload(&gateway, "reload", &format!("{text}listen.domains = [\"branch.example\"]\n"));
    gateway.notice("reconfigured");

    hang_up(&mut alice, &mut bob, &dialog);
    let mut carol = Phone::new("1003", &gateway);
    reaches(&mut carol, "1002", &mut bob);
    reaches(&mut carol, "5550100", &mut trunk);
}

#[test]
fn a_wrong_file_is_named_and_changes_nothing() {
    let mut gateway = gateway("reload-wrong", "");
    let mut bob = Phone::new("1002", &gateway);
    bob.register();
    for (text, reason) in [
        (
            format!("{LISTEN}{ALWAYS}sas.subscribe_response = 100\n"),
            "sas.subscribe_response = 100: must be from 200",
        ),
        (format!("{LISTEN}[sas\n"), "line 2: "),
        (format!("{LISTEN}{ALWAYS}sas.path = 7\n"), "sas.path = 7: must be true or false"),
        (
            format!("{LISTEN}{ALWAYS}sas.flow_secret = \"a secret of this branch\"\n"),
            "sas.flow_secret = (secret): cannot change at run time: needs a restart",
        ),
        // What the new file listens on is not open.
        (
            format!(
                "{LISTEN}{ALWAYS}listen.tcp = [\"127.0.0.1:0\"]\nsas.default_gateway = \"sip:192.0.2.9;transport=tcp\"\n"
            ),
            "listen.tcp = []: must name an address",
        ),
    ] {
        reload(&gateway, "reload-wrong", &text);
        let refused = gateway.notice("configuration_refused");
        let said = refused["reason"].as_str().unwrap();
        assert!(said.contains(&format!(".toml: {reason}")), "{said} instead of {reason}");
        assert!(!said.contains("a secret"), "{said}");
    }
    let mut carol = Phone::new("1003", &gateway);
    reaches(&mut carol, "1002", &mut bob);
    gateway.signal("-TERM");
    assert_eq!(gateway.wait(), Some(0));
    let log = gateway.log();
    assert_eq!(log.matches("the configuration stays as it was").count(), 5, "{log}");
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_counts() {
    let gateway = gateway("reload-restart", "dns.servers = [\"127.0.0.1:5353\"]\n");
    let mut trunk = Phone::new("trunk", &gateway);
    let text = format!(
        "listen.udp = [\"127.0.0.1:0\", \"127.0.0.1:5099\"]\nlisten.tcp = [\"127.0.0.1:0\"]\n{ALWAYS}\
         listen.domains = [\"branch.example\"]\njournal.file = \"any.journal\"\nsas.default_gateway = \"sip:{}\"\n",
        trunk.host()
    );
    reload(&gateway, "reload-restart", &text);
    gateway.notice("reconfigured");
    let keys = gateway.notice("needs_restart")["keys"].clone();
    assert_eq!(keys, serde_json::json!(["dns.servers", "journal.file", "listen.tcp", "listen.udp"]));
    let mut alice = Phone::new("1001", &gateway);
    alice.register();
    reaches(&mut alice, "5550100", &mut trunk);
}

#[test]
fn names_can_be_asked_for_though_there_were_none_at_the_start() {
    let gateway = gateway("reload-names", "");
    let text = format!(
        "{LISTEN}{ALWAYS}sas.default_gateway = \"sip:gw.invalid\"\ndns.servers = [\"127.0.0.1:1\"]\n"
    );
    reload(&gateway, "reload-names", &text);
    gateway.notice("reconfigured");
    assert_eq!(gateway.notice("name_unresolved")["target"], "sip:gw.invalid");
}

/// Who started it in a terminal and closed that wants no gateway that runs on.
#[test]
fn without_a_file_there_is_nothing_to_read_and_it_ends() {
    use std::process::{Command, Stdio};
    let mut command = Command::new(crate::program::example("gateway"));
    let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (_, notices) = std::sync::mpsc::channel();
    let mut gateway = Gateway { process, notices, address: ([127, 0, 0, 1], 5080).into() };
    let mut line = String::new();
    let stdout = gateway.process.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    if line.is_empty() {
        return eprintln!("skipped: port 5080 is taken");
    }
    gateway.signal("-HUP");
    assert_eq!(gateway.wait(), Some(0));
}

fn config(about: &str) -> Option<Config> {
    let mut settings = Settings::default();
    settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    if about.contains("subscribe_response = 405") {
        settings.sas.subscribe_response = 405;
    }
    settings.validate().ok()
}

#[test]
fn the_journal_of_a_gateway_that_was_reloaded_replays() {
    let journal =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}-reload.journal", std::process::id()));
    let text = format!("{LISTEN}{ALWAYS}journal.file = {journal:?}\n");
    let mut gateway = Gateway::start("reload-journal", &text);
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    alice.register();
    bob.register();
    reload(&gateway, "reload-journal", &format!("{text}sas.subscribe_response = 405\n"));
    gateway.notice("reconfigured");
    crate::call(&mut alice, &mut bob);
    gateway.signal("-TERM");
    assert_eq!(gateway.wait(), Some(0));

    let bytes = std::fs::read(&journal).unwrap();
    std::fs::remove_file(&journal).unwrap();
    let reader = Reader::open(&bytes).unwrap();
    let steps = Sas::replay_with(config(reader.about()).unwrap(), reader, config);
    let steps: Vec<_> = steps.collect::<Result<_, _>>().unwrap();
    let at = steps.iter().position(|step| matches!(step.told, Told::Reconfigured(_))).unwrap();
    assert_eq!(steps[at].actions.iter().next(), Some(&Action::Notify(Notice::Reconfigured)));
    let sent: Vec<String> = steps
        .iter()
        .flat_map(|step| step.actions.iter())
        .filter_map(|action| {
            let Action::Send { payload, .. } = action else { return None };
            Some(String::from_utf8(payload.to_vec()).unwrap())
        })
        .collect();
    for seen in alice.seen.iter().chain(&bob.seen) {
        assert!(sent.contains(seen), "not in the journal:\n{seen}");
    }
}
