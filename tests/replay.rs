//! The example `replay` as its user meets it, on journals of lives in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may")]

#[path = "support/program.rs"]
#[expect(unreachable_pub, reason = "other tests use it too")]
mod program;
mod support;

use sip_survivability::journal::Writer;
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;
use support::branch::sas_seed;
use support::*;

/// The configuration of the usual branch, as the gateway's file has it.
const CONFIG: &str = r#"
listen.udp = ["10.1.0.1:5080"]
listen.domains = ["office.example"]
proxy_set.targets = ["sip:192.0.2.1:5060"]
[sas]
default_gateway = "sip:10.1.0.9:5060"
emergency_numbers = ["911", "112"]
"#;

const SEED: u64 = 3;

/// What there is to know of a life, from the life itself.
struct Lived {
    journal: Vec<u8>,
    changes: Vec<(Instant, State)>,
}

/// Two calls up at the cut, one of which ends in the outage; a call and an emergency call in it; both come home.
static LIFE: LazyLock<Lived> = LazyLock::new(|| {
    let mut branch = Branch::with(SEED, 4, |_| {});
    let (alice, bob, carol) = (branch.phones[0], branch.phones[1], branch.phones[2]);
    branch.register_all();
    let ends = branch.talk(alice, "bob");
    branch.talk(carol, "dave");
    branch.net.run_for(secs(1));
    branch.cut();
    branch.until_state(State::Emergency, secs(20));
    branch.net.run_for(secs(1));
    branch.hang_up(alice, ends);
    for phone in [alice, bob] {
        branch.net.act(phone, |phone, io| phone.register(io));
    }
    branch.net.run_for(secs(2));
    let local = branch.talk(alice, "bob");
    branch.net.run_for(secs(2));
    branch.hang_up(alice, local);
    branch.net.run_for(secs(2));
    branch.talk(bob, "911");
    branch.mend();
    branch.until_state(State::Normal, secs(600));
    branch.net.run_for(secs(120));
    let sas = branch.net.node(branch.sas);
    Lived { journal: journal(sas), changes: sas.changes() }
});

fn journal(sas: &SasNode) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::start(sas_seed(SEED), CONFIG, Instant::ZERO, &mut file);
    for (place, handled) in sas.journal.as_ref().unwrap().iter().enumerate() {
        for reload in sas.reloads.iter().filter(|reload| reload.behind == place) {
            writer.reconfigured(reload.now, &format!("{CONFIG}{NEXT}"), &mut file);
        }
        writer.append(handled.now, &handled.event, &mut file);
    }
    file
}

/// What a reload adds to the configuration.
const NEXT: &str = "subscribe_response = 405\n";

/// A SUBSCRIBE in an outage, before the configuration has changed and behind that.
fn reloaded() -> Vec<u8> {
    let mut branch = Branch::with(SEED, 2, |_| {});
    branch.register_all();
    branch.cut();
    branch.until_state(State::Emergency, secs(20));
    let (alice, sas) = (branch.phones[0], branch.sas);
    let ask = |branch: &mut Branch| {
        branch.net.act(alice, |phone, io| phone.ask(io, "SUBSCRIBE", "sip:bob@office.example"));
        branch.net.run_for(secs(1));
    };
    ask(&mut branch);
    let mut settings = branch::settings();
    settings.sas.subscribe_response = 405;
    branch.net.act(sas, |sas, io| sas.reconfigure(io, settings.validate().unwrap()));
    ask(&mut branch);
    journal(branch.net.node(sas))
}

#[test]
fn a_configuration_that_changed_is_in_force_from_there_on() {
    let journal = file("reloaded", &reloaded());
    let text = said(&[&journal]);
    let row = |status: u16| {
        let label = format!("sent SUBSCRIBE {status}");
        let line =
            text.lines().find(|line| line.contains(&label)).unwrap_or_else(|| panic!("{label} in\n{text}"));
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!([row(489), row(405)], ["1", "1"]);
    assert_eq!(text.matches("  another configuration\n").count(), 1, "{text}");
    // Another one is in force to the end.
    let text = said(&[&journal, "--with", &file("first.toml", CONFIG.as_bytes())]);
    holds(&text, &["first difference at ", ", upon another configuration\n", "with   nothing\n"]);
    let rows: Vec<_> =
        text.lines().filter(|line| line.contains("sent SUBSCRIBE") && line.ends_with('*')).collect();
    assert_eq!(rows.len(), 2, "{text}");
}

fn file(name: &str, content: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn run(args: &[&str]) -> Output {
    Command::new(program::example("replay")).args(args).output().unwrap()
}

#[track_caller]
fn said(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(args: &[&str]) -> String {
    let output = run(args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty());
    assert_eq!(error.matches('\n').count(), 1, "{error}");
    error
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

fn seconds(at: Instant) -> String {
    format!("{:.3}", at.as_micros() as f64 / 1e6)
}

#[test]
fn the_report_has_the_figures_of_the_life() {
    let text = said(&[&file("figures", &LIFE.journal)]);
    let [.., (cut, State::Emergency), (back, State::Normal)] = LIFE.changes[..] else {
        panic!("{:?}", LIFE.changes)
    };
    let length = (back - cut).as_secs_f64();
    holds(
        &text,
        &[
            &format!("{:>12}  emergency  keepalive unanswered", seconds(cut)),
            &format!("{:>12}  normal     proxy answered", seconds(back)),
            &format!("Outage 1: {} to {}, {length:.3} s\n", seconds(cut), seconds(back)),
            "calls up at the cut: 2; kept: 1, lost: 0, nothing more heard: 1\n",
            "alice to bob  kept: hung up at ",
            "carol to dave  nothing more heard\n",
            "calls made: 2; answered: 2, refused: 0, without an end: 0\n",
            "users at the return: 4; registered by us alone: 2, of whom home again: 2\n",
            "Emergency calls: 1; no route took it: 0\n",
            "bob to 911  answered after ",
        ],
    );
    assert!(!text.contains("Outage 2"));
    // Each phone's way home is named with how long it took.
    assert_eq!(text.matches("@office.example  after ").count(), 2, "{text}");
}

/// What is lost and what is not: the probes of the outage before the line is mended.
#[test]
fn lost_probes_are_counted() {
    let text = said(&[&file("probes", &LIFE.journal)]);
    let figures = |what: &str| -> [u64; 2] {
        let line = text.lines().find(|line| line.contains(what)).unwrap();
        let figures = line.split(|c: char| !c.is_ascii_digit()).filter_map(|figure| figure.parse().ok());
        figures.collect::<Vec<_>>().try_into().unwrap()
    };
    let ([all, all_lost], [sent, lost]) = (figures("probes of the proxies: "), figures("probes sent: "));
    // Some in it are lost, and those before it that it was known by.
    assert!(0 < lost && lost < sent && sent < all && lost < all_lost, "{text}");
}

#[test]
fn a_part_of_it_is_reported_alone() {
    let journal = file("part", &LIFE.journal);
    let (cut, _) = LIFE.changes[LIFE.changes.len() - 2];
    let text = said(&[&journal, "--to", &seconds(Instant::from_micros(cut.as_micros() - 1_000))]);
    assert!(!text.contains("Outage"), "{text}");
    let text = said(&[&journal, "--from", &seconds(cut + secs(1))]);
    holds(&text, &["calls made: 2;", "registered by us alone: 2, of whom home again: 2"]);
    assert!(!text.contains("keepalive unanswered"), "{text}");
}

#[test]
fn a_ladder_shows_each_call() {
    let text = said(&[&file("ladder", &LIFE.journal), "--ladder"]);
    holds(&text, &["10.1.0.11:5060", " INVITE bob ", " 200 OK (INVITE) ", " BYE bob ", "│", ">", "<"]);
    assert!(!text.contains("OPTIONS ping"), "{text}");
}

#[test]
fn the_same_configuration_changes_nothing() {
    let text = said(&[&file("same", &LIFE.journal), "--with", &file("same.toml", CONFIG.as_bytes())]);
    holds(&text, &["nothing is different: every action is the same, byte for byte"]);
}

#[test]
fn another_configuration_shows_where_it_parts() {
    let other = format!("{CONFIG}redundant_sas = \"sip:10.1.0.20:5080\"\nsubscribe_response = 405\n");
    let other = other.replace("emergency_numbers = [\"911\", \"112\"]", "emergency_numbers = [\"112\"]");
    let journal = file("other", &LIFE.journal);
    let text = said(&[&journal, "--with", &file("other.toml", other.as_bytes())]);
    holds(
        &text,
        &[
            "With the other configuration",
            "first difference at ",
            "    then   ",
            "    with   ",
            "States then",
        ],
    );

    // Fewer unanswered probes: the same loss is known sooner.
    let sooner = CONFIG.replace("[sas]", "proxy_set.down_after = 2\n[sas]");
    let text = said(&[&journal, "--with", &file("sooner.toml", sooner.as_bytes())]);
    let (cut, _) = LIFE.changes[LIFE.changes.len() - 2];
    let (_, states) = text.split_once("States then").unwrap();
    let row = states.lines().find(|line| line.contains("emergency")).unwrap();
    let times: Vec<f64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(format!("{:.3}", times[0]), seconds(cut));
    assert!(times[1] < times[0] - 0.5, "{row}");
}

#[test]
fn a_journal_that_was_cut_off_is_used_up_to_there() {
    let whole = &LIFE.journal;
    let torn = file("torn", &whole[..whole.len() - 3]);
    let output = run(&[&torn]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.starts_with("replay: the last record is cut off at byte "), "{error}");
    assert_eq!(error.matches('\n').count(), 1, "{error}");
    holds(&String::from_utf8(output.stdout).unwrap(), &["Outage 1: ", "Emergency calls: 1"]);

    // What is damaged is no accident of the end.
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let output = run(&[&file("damaged", &damaged)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stdout.is_empty());
}

#[test]
fn a_newcomer_sees_an_outage_at_once() {
    let text = said(&[]);
    holds(
        &text,
        &[
            "made up",
            "Outage 1: ",
            "Emergency calls: 1; no route took it: 0",
            "registered by us alone: 2, of whom home again: 2",
        ],
    );
    assert!(said(&["--help"]).contains("Usage: replay"));
}

#[test]
fn what_cannot_be_is_said_in_one_line() {
    let journal = file("refused", &LIFE.journal);
    assert!(refused(&["--what"]).contains("unknown argument \"--what\""));
    assert!(refused(&[&journal, &journal]).contains("FILE stands there twice"));
    assert!(refused(&[&journal, "--from"]).contains("--from needs a value"));
    assert!(refused(&[&journal, "--to", "soon"]).contains("must be seconds"));
    assert!(refused(&[&journal, "--to", "-1"]).contains("must be seconds"));
    assert!(refused(&["--config", "any.toml"]).contains("without FILE"));
    assert!(refused(&["/no/such/outage.journal"]).contains("/no/such/outage.journal: "));
    assert!(refused(&[&file("no-journal", b"SIP/2.0 200 OK")]).contains("this is no journal"));
    let wrong = file("wrong.toml", b"sas.path = 7");
    assert!(refused(&[&journal, "--with", &wrong]).contains("sas.path = 7: must be true or false"));
}
