//! The journal that a gateway leaves behind: the same life again, byte for byte.

use crate::phone::{Phone, call};
use crate::process::Gateway;
use sip_survivability::config::{Settings, SurvivabilityMode};
use sip_survivability::journal::Reader;
use sip_survivability::{Action, Sas};
use std::path::{Path, PathBuf};

const EMERGENCY: &str = "sas.survivability_mode = \"always-emergency\"\n";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}-{name}", std::process::id()))
}

fn start(name: &str, journal: &Path, more: &str) -> Gateway {
    let listen = "listen.udp = [\"127.0.0.1:0\"]\n";
    Gateway::start(name, &format!("{listen}journal.file = {journal:?}\n{EMERGENCY}{more}"))
}

fn stop(mut gateway: Gateway) {
    gateway.signal("-TERM");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn what_a_journal_tells_is_what_the_phones_saw() {
    let journal = path("outage.journal");
    let gateway = start("journal", &journal, "");
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    alice.register();
    bob.register();
    call(&mut alice, &mut bob);
    stop(gateway);

    let file = std::fs::read(&journal).unwrap();
    std::fs::remove_file(&journal).unwrap();
    let mut settings = Settings::default();
    settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    let steps: Result<Vec<_>, _> =
        Sas::replay(settings.validate().unwrap(), Reader::open(&file).unwrap()).collect();
    let sent: Vec<String> = steps
        .unwrap()
        .iter()
        .flat_map(|step| step.actions.iter())
        .filter_map(|action| {
            let Action::Send { payload, .. } = action else { return None };
            Some(String::from_utf8(payload.to_vec()).unwrap())
        })
        .collect();
    // Two REGISTERs, the INVITE and the BYE.
    assert_eq!(sent.iter().filter(|text| text.starts_with("SIP/2.0 200")).count(), 4);
    for seen in alice.seen.iter().chain(&bob.seen) {
        assert!(sent.contains(seen), "not in the journal:\n{seen}");
    }
}

#[test]
fn a_journal_has_the_configuration_without_its_secret_and_overwrites_none() {
    let journal = path("kept.journal");
    let second = path("kept.journal.1");
    std::fs::write(&journal, "of another life").unwrap();
    let secret = "sas.flow_secret = \"what nobody else may know\" # what nobody else may know\n";
    stop(start("journal-kept", &journal, secret));

    assert_eq!(std::fs::read(&journal).unwrap(), b"of another life");
    let file = std::fs::read(&second).unwrap();
    std::fs::remove_file(&journal).unwrap();
    std::fs::remove_file(&second).unwrap();
    let reader = Reader::open(&file).unwrap();
    assert!(reader.about().contains("always-emergency"), "{}", reader.about());
    assert!(!String::from_utf8_lossy(&file).contains("what nobody else may know"));
    assert!(reader.count() >= 1);
}

/// Calls go on where no journal can be kept.
#[test]
fn a_gateway_without_a_place_for_its_journal_serves() {
    let mut gateway = start("journal-nowhere", Path::new("/no/such/folder/outage.journal"), "");
    Phone::new("1001", &gateway).register();
    gateway.signal("-TERM");
    assert_eq!(gateway.wait(), Some(0));
    let log = gateway.log();
    assert_eq!(log.matches("no journal").count(), 1, "{log}");
}
