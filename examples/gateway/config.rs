//! What the gateway takes out of the configuration file, and what it does without one.

use crate::entrance::Entrance;
use crate::listen::Listen;
use crate::section::{Section, Wrong};
use crate::{local, site_file, store, websocket};
use sip_survivability::config::{Config, Secret, Settings, SurvivabilityMode};
use sip_survivability::transport::Transport;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use toml::Table;

/// What is served without a file.
const DEFAULT_PORT: u16 = 5080;

/// What to do with a gateway that nobody has configured.
pub(crate) const HOW_TO_CALL: &str = "\
No --config FILE, so this serves the phones of this machine on 127.0.0.1:5080: no proxy, always in emergency.
To call at once, give two soft phones these accounts (any user, no password, UDP or TCP):

    sip:1001@127.0.0.1:5080
    sip:1002@127.0.0.1:5080

let both register, and dial 1002 from the first. --help shows a configuration for more than that.

";

/// A configuration that can work.
pub(crate) struct Site {
    pub(crate) listen: Listen,
    /// Name servers; none: those of the system.
    pub(crate) dns: Vec<SocketAddr>,
    pub(crate) config: Config,
    /// Where all that the core is told is written down.
    pub(crate) journal: Option<PathBuf>,
    /// Where bindings outlive a restart.
    pub(crate) store: Option<PathBuf>,
    /// The secret that is kept there, once it is open.
    pub(crate) kept_secret: Option<Secret>,
    /// The file as the journal shows it: see [`without_secrets`].
    pub(crate) about: String,
    /// The file; none where this is built in.
    pub(crate) path: Option<PathBuf>,
    /// What of the file is read at the start only.
    pub(crate) fixed: Table,
}

impl Site {
    /// The address that others reach a socket at that is bound there.
    pub(crate) fn local_address(&self, bound: SocketAddr) -> SocketAddr {
        let resolved = self.config.targets().filter(|target| target.is_resolved());
        let peers: Vec<_> = resolved.map(|target| target.address).collect();
        local::reachable_at(bound, self.listen.advertise, &peers)
    }

    /// The one for connections by `transport` to a socket that is bound there.
    pub(crate) fn entrance(&self, transport: Transport, bound: SocketAddr) -> Entrance {
        Entrance {
            transport,
            local: self.local_address(bound),
            tls: self.listen.identity.clone(),
            limits: websocket::limits(self.config.limits.max_message),
        }
    }

    /// Whether proxies, gateways or others that requests go to have names, or numbers are looked for there.
    pub(crate) fn asks_dns(&self) -> bool {
        self.config.sas.number_mapping.is_some() || self.config.targets().any(|target| !target.is_resolved())
    }

    /// The one line about something wrong in the file.
    pub(crate) fn wrong(&self, wrong: &dyn std::fmt::Display) -> String {
        match &self.path {
            Some(path) => format!("{}: {wrong}", path.display()),
            None => wrong.to_string(),
        }
    }

    /// Opens the store, if there is to be one. Says in one line why it cannot be.
    pub(crate) fn open_store(&mut self) -> Result<Option<store::Opened>, String> {
        let Some(path) = &self.store else { return Ok(None) };
        let opened = store::open(path, self.config.sas.stale_binding_grace).map_err(|reason| {
            self.wrong(&Wrong { key: "store.file".into(), value: format!("{path:?}"), reason })
        })?;
        self.go_on_with(Some(opened.content.secret.clone()))?;
        Ok(Some(opened))
    }

    /// A store is there, or none, whatever the file says by now, and has kept this secret, which counts where the file has none.
    pub(crate) fn go_on_with(&mut self, kept_secret: Option<Secret>) -> Result<(), String> {
        let mut settings = Settings::clone(&self.config);
        settings.registrar.store = kept_secret.is_some();
        if settings.sas.flow_secret.is_none() {
            settings.sas.flow_secret.clone_from(&kept_secret);
        }
        self.config = settings.validate().map_err(|error| self.wrong(&error))?;
        self.kept_secret = kept_secret;
        Ok(())
    }

    /// The one line about a DNS that cannot be asked.
    pub(crate) fn wrong_dns(&self, error: &str) -> String {
        let reason = format!("names of hosts cannot be asked for: {error}");
        let wrong = Wrong { key: "dns.servers".into(), value: format!("{:?}", self.dns), reason };
        self.wrong(&wrong)
    }

    /// The one line about an address that could not be opened.
    pub(crate) fn wrong_address(&self, key: &str, address: SocketAddr, error: &io::Error) -> String {
        let reason = format!("cannot be listened on: {error}");
        let wrong = Wrong { key: key.into(), value: address.to_string(), reason };
        self.wrong(&wrong)
    }
}

/// Two soft phones and nothing else.
pub(crate) fn built_in() -> Result<Site, String> {
    let mut settings = Settings::default();
    settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    let here = vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()];
    Ok(Site {
        listen: Listen { udp: here.clone(), tcp: here, ..Listen::default() },
        dns: Vec::new(),
        config: settings.validate().map_err(|error| error.to_string())?,
        journal: None,
        store: None,
        kept_secret: None,
        about: String::new(),
        path: None,
        fixed: Table::new(),
    })
}

/// Reads the file, or says in one line what is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Site, String> {
    let site = site_file::read(path, site)?;
    Ok(Site { path: Some(path.to_owned()), ..site })
}

/// `folder`: the one that the file lies in, where the files that it names are.
fn site(table: Table, folder: &Path) -> Result<Site, Wrong> {
    let (about, fixed) = (without_secrets(table.clone()), fixed(&table));
    let (settings, (listen, dns, journal, store)) =
        site_file::settings(table, folder, &[], |listen, file| {
            let listen = Listen::read(listen, folder)?;

            let (mut keys, mut dns) = (file.section("dns")?, Vec::new());
            keys.set("servers", &mut dns)?;
            keys.finish()?;

            let [journal, store] = ["journal", "store"].map(|name| file_of(file.section(name), folder));
            Ok((listen, dns, journal?, store?))
        })?;
    let config = settings.validate()?;
    listen.check(&config)?;
    Ok(Site { listen, dns, config, journal, store, kept_secret: None, about, path: None, fixed })
}

/// The file that a section names, if it does.
fn file_of(keys: Result<Section, Wrong>, folder: &Path) -> Result<Option<PathBuf>, Wrong> {
    let (mut keys, mut path) = (keys?, String::new());
    keys.set("file", &mut path)?;
    keys.finish()?;
    Ok(Some(path).filter(|path| !path.is_empty()).map(|path| folder.join(path)))
}

/// What of the file is read at the start only: sockets and certificates, name servers, the journal, the store.
fn fixed(file: &Table) -> Table {
    let mut fixed = Table::new();
    for name in ["listen", "dns", "journal", "store"] {
        if let Some(section) = file.get(name) {
            fixed.insert(name.to_owned(), section.clone());
        }
    }
    if let Some(listen) = fixed.get_mut("listen").and_then(toml::Value::as_table_mut) {
        // Those are the core's.
        listen.remove("domains");
        listen.remove("names");
    }
    fixed
}

/// The file's keys and values as text, without the flow secret and without comments, in which one may stand as well.
fn without_secrets(mut table: Table) -> String {
    if let Some(sas) = table.get_mut("sas").and_then(toml::Value::as_table_mut) {
        sas.remove("flow_secret");
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_survivability::auth::DigestUri;
    use sip_survivability::config::{
        Alternative, Balancing, BindingMode, CascadeLoop, InboundManipulation, ManipulationRule,
        NumberMapping, OutOfDialogMiss, Redundancy, RequestKind, Route, Trust,
    };
    use std::time::Duration;

    fn read_text(text: &str) -> Result<Site, String> {
        site(text.parse().unwrap(), Path::new("")).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_file_that_only_listens_has_the_librarys_defaults() {
        let text = "listen.udp = [\"127.0.0.1:5080\"]\nproxy_set.targets = [\"sip:192.0.2.1\"]";
        let site = read_text(text).unwrap_or_else(|wrong| panic!("{wrong}"));
        let mut expected = Settings::default();
        expected.proxy_set.targets = vec!["sip:192.0.2.1".parse().unwrap()];
        assert_eq!(site.config, expected.validate().unwrap());
    }

    /// All keys but those of `[auth]`, with values that are no defaults.
    const EVERY_KEY: &str = r#"
        [listen]
        udp = ["127.0.0.1:5080", "[::1]:5080"]
        tcp = ["127.0.0.1:5081"]
        ws = ["127.0.0.1:5082", "[::1]:5082"]
        advertise = "203.0.113.5"
        domains = ["branch.example"]
        names = ["sip:sas.branch.example:5080"]
        [journal]
        file = "outage.journal"
        [store]
        file = "bindings.redb"
        [proxy_set]
        targets = ["sip:192.0.2.1", "sip:192.0.2.2:5062"]
        keepalive = false
        keepalive_interval = "5s"
        keepalive_interval_down = "6s"
        reprobe_interval = "300ms"
        down_after = 7
        up_after = 3
        failure_responses = [503, 404]
        hot_swap = true
        hot_swap_retransmissions = 2
        redundancy = "parking"
        balancing = "srv-weight"
        weights = [60, 40]
        [sas]
        survivability_mode = "standard"
        entering_emergency = "requests"
        request_patience = "1s"
        suspect_patience = "400ms"
        minimum_dwell = "11s"
        maximum_dwell = "6m"
        registration_time = "1m"
        return_rate = 49
        restore_registrations = false
        stale_binding_grace = "2h"
        default_gateway = ["sip:192.0.2.9", "sip:192.0.2.10"]
        gateway_patience = "3s"
        phone_patience = "2s"
        ring_time = "15s"
        emergency_numbers = ["911", "112"]
        subscribe_response = 405
        record_route = false
        connection_reuse = false
        follow_redirects = true
        path = false
        flow_secret = "a secret of this branch"
        redundant_sas = "sip:192.0.2.20:5080"
        cascade_loop = "own-or-next-via"
        enum = { suffix = "e164.example", timeout = "1s" }
        emergency_prefix = "9"
        prefix_emergency_numbers = true
        block_unregistered = true
        out_of_dialog_miss = "default-gateway"
        homing_retry_after = "7s"
        binding_mode = "user-part"
        inbound_manipulation = "emergency"
        [trust]
        networks = ["private", "198.51.100.0/24", "2001:db8::7"]
        register = "pool"
        call_users = "pool"
        call_out = "known"
        [registration_manipulation]
        remove_from_right = 1
        leave_from_right = 4
        [[inbound_manipulation_rule]]
        source_user = "10"
        source_host = "branch.example"
        destination_user = "555(1)"
        destination_host = "192.0.2.10"
        change = "destination"
        remove_from_left = 1
        remove_from_right = 2
        leave_from_right = 3
        prefix = "7"
        suffix = "8"
        [[route]]
        source_user = "10"
        source_host = "branch.example"
        destination_user = "9x#"
        destination_host = "192.0.2.10"
        request = "invite"
        to = "sip:192.0.2.30"
        [[route]]
        to = "users"
        group = "member"
        [[route]]
        to = "default-gateway"
        alternative = "consider-inputs"
        [registrar]
        max_users = 99
        max_contacts = 9
        min_expires = "30s"
        max_expires = "2h"
        flow_timer = "90s"
        reserved_users = ["operator"]
        [limits]
        max_message = 4096
        max_headers = 64
        max_transactions = 1000
        emergency_reserve = 10
        register_rate_per_source = 40
        max_udp_request = 1400
        max_connections = 50
        max_connections_of_host = 20
        max_dialled = 5
        max_buffered = 100000
        connect_time = "1s"
        connection_idle = "5m"
        "#;

    #[test]
    fn every_key_reaches_its_setting() {
        let site = read_text(EVERY_KEY);
        let site = site.unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!((site.listen.udp.len(), site.listen.streams().count()), (2, 3));
        assert_eq!(site.local_address(site.listen.udp[0]), "203.0.113.5:5080".parse().unwrap());

        assert_eq!(site.journal.as_deref(), Some(Path::new("outage.journal")));
        assert_eq!(site.store.as_deref(), Some(Path::new("bindings.redb")));
        // What the journal says is the same configuration, but for the secret.
        assert!(site.about.contains("redundant_sas") && !site.about.contains("secret"), "{}", site.about);
        assert!(read_text(&site.about).is_ok());

        let mut expected = Settings::default();
        expected.domains = vec!["branch.example".into()];
        expected.names = vec!["sip:sas.branch.example:5080".parse().unwrap()];
        let set = &mut expected.proxy_set;
        set.targets = vec!["sip:192.0.2.1".parse().unwrap(), "sip:192.0.2.2:5062".parse().unwrap()];
        set.keepalive = false;
        set.keepalive_interval = Duration::from_secs(5);
        set.keepalive_interval_down = Duration::from_secs(6);
        set.reprobe_interval = Duration::from_millis(300);
        (set.down_after, set.up_after) = (7, 3);
        set.failure_responses = vec![503, 404];
        set.hot_swap_retransmissions = 2;
        (set.redundancy, set.balancing) = (Redundancy::Parking, Balancing::SrvWeight);
        set.weights = vec![60, 40];
        let sas = &mut expected.sas;
        sas.request_patience = Duration::from_secs(1);
        sas.suspect_patience = Duration::from_millis(400);
        sas.minimum_dwell = Duration::from_secs(11);
        sas.maximum_dwell = Duration::from_mins(6);
        sas.registration_time = Duration::from_mins(1);
        sas.return_rate = 49;
        sas.restore_registrations = false;
        sas.stale_binding_grace = Duration::from_hours(2);
        sas.default_gateway = vec!["sip:192.0.2.9".parse().unwrap(), "sip:192.0.2.10".parse().unwrap()];
        sas.gateway_patience = Duration::from_secs(3);
        sas.phone_patience = Duration::from_secs(2);
        sas.ring_time = Duration::from_secs(15);
        sas.emergency_numbers = vec!["911".into(), "112".into()];
        sas.subscribe_response = 405;
        (sas.record_route, sas.follow_redirects, sas.path) = (false, true, false);
        sas.connection_reuse = false;
        sas.redundant_sas = Some("sip:192.0.2.20:5080".parse().unwrap());
        sas.cascade_loop = CascadeLoop::OwnOrNextVia;
        let mut mapping = NumberMapping::new("e164.example".into());
        mapping.timeout = Duration::from_secs(1);
        sas.number_mapping = Some(mapping);
        sas.emergency_prefix = "9".into();
        (sas.prefix_emergency_numbers, sas.block_unregistered) = (true, true);
        sas.out_of_dialog_miss = OutOfDialogMiss::DefaultGateway;
        sas.binding_mode = BindingMode::UserPart;
        sas.inbound_manipulation = InboundManipulation::Emergency;
        expected.trust.networks =
            ["private", "198.51.100.0/24", "2001:db8::7"].map(|network| network.parse().unwrap()).into();
        (expected.trust.register, expected.trust.call_users) = (Trust::Pool, Trust::Pool);
        expected.trust.call_out = Trust::Known;
        expected.registration_manipulation.remove_from_right = 1;
        expected.registration_manipulation.leave_from_right = 4;
        let mut rule = ManipulationRule::default();
        rule.columns.source_user = "10".parse().unwrap();
        rule.columns.source_host = "branch.example".parse().unwrap();
        rule.columns.destination_user = "555(1)".parse().unwrap();
        rule.columns.destination_host = "192.0.2.10".parse().unwrap();
        let made = &mut rule.manipulation;
        (made.remove_from_left, made.remove_from_right, made.leave_from_right) = (1, 2, 3);
        (made.prefix, made.suffix) = ("7".into(), "8".into());
        let mut row = Route::new("sip:192.0.2.30".parse().unwrap());
        row.columns = rule.columns.clone();
        row.columns.destination_user = "9x#".parse().unwrap();
        row.request = RequestKind::Invite;
        let mut member = Route::new("users".parse().unwrap());
        member.is_member = true;
        let mut backup = Route::new("default-gateway".parse().unwrap());
        backup.alternative = Alternative::ConsiderInputs;
        expected.inbound_manipulation_rules = vec![rule];
        expected.routes = vec![row, member, backup];
        expected.registrar.max_users = 99;
        expected.registrar.max_contacts = 9;
        expected.registrar.min_expires = Duration::from_secs(30);
        expected.registrar.max_expires = Duration::from_hours(2);
        expected.registrar.flow_timer = Duration::from_secs(90);
        expected.sas.homing_retry_after = Duration::from_secs(7);
        expected.sas.flow_secret = Some("a secret of this branch".parse().unwrap());
        expected.registrar.reserved_users = vec!["operator".into()];
        expected.limits.max_message = 4096;
        expected.limits.max_headers = 64;
        expected.limits.max_transactions = 1000;
        expected.limits.emergency_reserve = 10;
        expected.limits.register_rate_per_source = 40;
        expected.limits.max_udp_request = 1400;
        (expected.limits.max_connections, expected.limits.max_dialled) = (50, 5);
        expected.limits.max_connections_of_host = 20;
        expected.limits.max_buffered = 100_000;
        expected.limits.connect_time = Duration::from_secs(1);
        expected.limits.connection_idle = Duration::from_mins(5);
        assert_eq!(as_serde_reads(EVERY_KEY), expected);
        assert_eq!(site.config, expected.validate().unwrap());
    }

    /// The library's own reading of the same keys: it knows no `[listen]`, and no sections that are the gateway's.
    fn as_serde_reads(text: &str) -> Settings {
        let mut table: Table = text.parse().unwrap();
        table.remove("journal");
        table.remove("store");
        let listen = table.remove("listen").unwrap();
        for key in ["domains", "names"] {
            table.insert(key.to_owned(), listen[key].clone());
        }
        table.try_into().unwrap()
    }

    #[test]
    fn users_are_read_from_a_file_beside_this_one() {
        let folder = std::env::temp_dir();
        let name = format!("gateway-users-{}", std::process::id());
        let path = folder.join(&name);
        std::fs::write(&path, "bob:branch.example:12af60467a33e8518da5c68bbff12b11\n").unwrap();
        let text = format!(
            r#"
            listen.udp = ["127.0.0.1:0"]
            sas.survivability_mode = "always-emergency"
            [auth]
            users = "{name}"
            realm = "branch.example"
            own_name_only = false
            nonce_lifetime = "1m"
            max_nonces = 10
            require_qop = true
            digest_uri = "equivalent"
            "#
        );
        let site = site(text.parse().unwrap(), &folder);
        std::fs::remove_file(path).unwrap();
        let site = site.unwrap_or_else(|wrong| panic!("{wrong}"));
        let auth = site.config.auth.as_ref().unwrap();
        assert_eq!((&*auth.users[0].name, auth.realm.as_str()), ("bob", "branch.example"));
        assert_eq!((auth.own_name_only, auth.require_qop, auth.max_nonces), (false, true, 10));
        assert_eq!((auth.nonce_lifetime, auth.digest_uri), (Duration::from_mins(1), DigestUri::Equivalent));
    }

    #[test]
    fn one_gateway_needs_no_brackets() {
        let site = read_text(
            r#"
            listen.udp = ["127.0.0.1:0"]
            sas.survivability_mode = "always-emergency"
            sas.default_gateway = "sip:192.0.2.9"
            "#,
        );
        let site = site.unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(site.config.gateways().len(), 1);
    }
}
