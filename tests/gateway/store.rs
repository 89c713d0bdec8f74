//! What outlives a gateway that is killed.

use crate::peer;
use crate::phone::{Phone, call};
use crate::process::{Gateway, PATIENCE, file, refusal};
use redb::{Database, ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition};
use sip_survivability::Event;
use sip_survivability::journal::{Reader, Told};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const BINDINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("bindings");

/// An address that no other test listens on, so that the second gateway gets the port of the first.
const HOST: &str = "127.0.0.78";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}-{name}.redb", std::process::id()))
}

/// In an outage: nobody listens where the proxy was.
fn in_outage(name: &str, listen: &str, store: &Path) -> Gateway {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Gateway::start(
        name,
        &format!(
            "listen.udp = [\"{listen}\"]\nstore.file = {store:?}\nproxy_set.targets = [\"sip:{nobody}\"]\n\
             sas.registration_time = \"10m\"\nregistrar.max_contacts = 5\n"
        ),
    )
}

/// How many bindings a copy of the file has, if it can be read now.
fn stored(store: &Path) -> Option<u64> {
    let copy = store.with_extension("copy");
    std::fs::copy(store, &copy).ok()?;
    let count = || {
        let database = Database::builder().set_check_integrity_on_open(true).open(&copy).ok()?;
        database.begin_read().ok()?.open_table(BINDINGS).ok()?.len().ok()
    };
    let count = count();
    let _ = std::fs::remove_file(&copy);
    count
}

fn wait_until_stored(store: &Path, bindings: u64) {
    let end = Instant::now() + PATIENCE;
    while stored(store) != Some(bindings) {
        assert!(Instant::now() < end, "{:?} instead of {bindings}", stored(store));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn two_hundred_phones_can_be_called_at_once_after_a_gateway_was_killed_in_an_outage() {
    let store = path("killed");
    let mut gateway = in_outage("killed", &format!("{HOST}:0"), &store);
    assert_eq!(gateway.notice("store_opened")["bindings"], 0);
    assert_eq!(gateway.notice("state_changed")["to"], "emergency");
    let mut phones: Vec<_> = (0..200).map(|user| Phone::new(format!("u{user}").leak(), &gateway)).collect();
    phones.iter_mut().for_each(Phone::register);

    // A call that is up, whose caller wants its requests by the flow of the call (RFC 5626 4.3).
    let [alice, bob, carol, ..] = &mut phones[..] else { panic!("two hundred") };
    let target = format!("sip:{}@{}", bob.user, bob.gateway);
    let invite = alice.request("INVITE", &target, &format!("<{target}>"), "");
    alice.send(alice.gateway, &invite.replace(&format!("<sip:{}>", alice.contact()), &ob(alice)));
    let invite = bob.expect("INVITE ");
    bob.answer(&invite, "200 OK");
    alice.expect("SIP/2.0 200");
    let routes: String = invite.values("Record-Route").map(|uri| format!("Route: {uri}\r\n")).collect();
    assert!(routes.contains("sip:ft."), "{routes}");

    wait_until_stored(&store, 200);
    gateway.process.kill().unwrap();
    gateway.process.wait().unwrap();
    let address = gateway.address;
    let gateway = in_outage("again", &address.to_string(), &store);
    let opened = gateway.notice("store_opened");
    assert_eq!(
        (&opened["bindings"], &opened["expired"], &opened["damaged"]),
        (&200.into(), &0.into(), &0.into())
    );

    // Nobody has registered again.
    call(carol, bob);
    bob.cseq += 100;
    let remote = format!("sip:{};ob", alice.contact());
    let bye = bob.request("BYE", &remote, &format!("<sip:u0@{address}>;tag=u0"), &routes);
    bob.send(address, &bye);
    let bye = alice.expect("BYE ");
    alice.answer(&bye, "200 OK");
    assert!(bob.expect("SIP/2.0 200").value("CSeq").ends_with("BYE"));
    drop(gateway);
    std::fs::remove_file(&store).unwrap();
}

/// The Contact of a phone that has flows, for a call.
fn ob(phone: &Phone) -> String {
    format!("<sip:{};ob>", phone.contact())
}

#[test]
fn what_the_store_knows_is_in_the_journal_as_well() {
    let (store, journal) = (path("journaled"), path("journal"));
    let start = |name: &str| {
        Gateway::start(
            name,
            &format!(
                "listen.udp = [\"127.0.0.1:0\"]\nstore.file = {store:?}\njournal.file = {journal:?}\n\
                 sas.survivability_mode = \"always-emergency\"\n"
            ),
        )
    };
    let mut gateway = start("journaled");
    // The secret that the store has kept is no change.
    gateway.signal("-HUP");
    gateway.notice("reconfigured");
    Phone::new("1001", &gateway).register();
    gateway.signal("-TERM");
    assert_eq!(gateway.wait(), Some(0));
    std::fs::remove_file(&journal).unwrap();
    let mut gateway = start("journaled-again");
    assert_eq!(gateway.notice("user_bound")["aor"].as_str().map(|aor| aor.contains("1001")), Some(true));
    gateway.signal("-TERM");
    assert_eq!(gateway.wait(), Some(0));
    let file = std::fs::read(&journal).unwrap();
    let restored = |told: Told<'_>| matches!(told, Told::Event(Event::Restored { record, .. }) if record.key() == "1001");
    let told = Reader::open(&file).unwrap().map(|record| record.unwrap().1);
    assert_eq!(told.filter(|told| restored(told.clone())).count(), 1);
    [store, journal].iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[test]
fn a_store_that_cannot_be_used_is_named() {
    let store = path("foreign");
    std::fs::write(&store, "something else").unwrap();
    for (store, reason) in
        [(store.as_path(), "is no store"), (Path::new("/no/such/store"), "cannot be opened")]
    {
        let text = format!(
            "listen.udp = [\"127.0.0.1:0\"]\nstore.file = {store:?}\nsas.survivability_mode = \"always-emergency\"\n"
        );
        let config = file("foreign", &text);
        let line = refusal(&["--config", &config]);
        assert!(line.starts_with(&format!("gateway: {config}: store.file = {store:?}: {reason}")), "{line}");
    }
    std::fs::remove_file(&store).unwrap();
}

/// A disk that is full for a while, as far as the process can see: it may write no further into a file.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_calls_go_on_and_nothing_is_missing_once_there_is_room() {
    if peer::is_missing("prlimit") {
        return peer::skip("prlimit");
    }
    let store = path("full");
    let gateway = Gateway::start_ignoring(
        "XFSZ",
        "full",
        &format!(
            "listen.udp = [\"127.0.0.1:0\"]\nstore.file = {store:?}\nsas.survivability_mode = \"always-emergency\"\n\
             sas.registration_time = \"10m\"\n"
        ),
    );
    let limit = |bytes: &str| {
        let limited = Command::new("prlimit")
            .args([&format!("--pid={}", gateway.process.id()), &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(limited.unwrap().success());
    };
    limit("4096");
    let (mut alice, mut bob) = (Phone::new("1001", &gateway), Phone::new("1002", &gateway));
    alice.register();
    assert!(gateway.notice("store_failed")["reason"].is_string());
    bob.register();
    call(&mut alice, &mut bob);
    limit("unlimited");
    gateway.notice("store_works");
    wait_until_stored(&store, 2);
    drop(gateway);
    std::fs::remove_file(&store).unwrap();
}
