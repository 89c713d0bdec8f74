//! The configuration that is asked about: the gateway's file, or a built-in one.

use crate::section::Wrong;
use crate::site_file;
use sip_survivability::config::{Config, RouteTo};
use sip_survivability::uri::{Host, UriBuf};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use toml::Table;

/// What a newcomer sees.
pub(crate) const BUILT_IN: &str = r#"[listen]
udp = ["10.0.0.1:5080"]
domains = ["branch.example"]

[proxy_set]
targets = ["sip:pbx.example.com"]

[sas]
default_gateway = "sip:10.0.0.2"
emergency_numbers = ["911"]
emergency_prefix = "9"

[[route]]                          # nobody calls these
destination_user = "1900"
to = "reject:603"

[[route]]                          # long distance: by the trunk, or else by the gateway
destination_user = "1xxxxxxxxxx#"
to = "sip:trunk.example.net"

[[route]]
to = "default-gateway"
alternative = "ignore-inputs"
"#;

/// A place for a name: out of the network for benchmarks (RFC 2544), which no branch has.
fn place_of(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xc612_0001 + u32::try_from(number).unwrap_or_default())
}

/// A configuration, and the names that stand-ins stand for.
pub(crate) struct Site {
    pub(crate) config: Config,
    /// Our own address.
    pub(crate) local: SocketAddr,
    names: Vec<String>,
}

impl Site {
    pub(crate) fn built_in() -> Result<Self, String> {
        site_file::parse(BUILT_IN, Path::new(""), Self::of).map_err(|wrong| format!("built-in: {wrong}"))
    }

    /// Reads the file, or says in one line what is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        site_file::read(path, Self::of)
    }

    fn of(table: Table, folder: &Path) -> Result<Self, Wrong> {
        // Of what the gateway listens on, only its address is of interest here.
        let left_out = ["listen", "dns", "journal", "store"];
        let (mut settings, (udp, advertise)) = site_file::settings(table, folder, &left_out, |listen, _| {
            let (mut udp, mut advertise) = (Vec::<SocketAddr>::new(), None::<IpAddr>);
            listen.set("udp", &mut udp)?;
            listen.set("advertise", &mut advertise)?;
            Ok((udp, advertise))
        })?;
        let mut local = udp.first().copied().unwrap_or_else(|| ([192, 0, 2, 10], 5080).into());
        if let Some(ip) = advertise.or_else(|| local.ip().is_unspecified().then(|| [192, 0, 2, 10].into())) {
            local.set_ip(ip);
        }
        // Checked as it stands, so that an error names what the file says.
        settings.clone().validate()?;
        let mut names = Vec::new();
        let sas = &mut settings.sas;
        let gateways = sas.default_gateway.iter_mut().chain(&mut sas.redundant_sas);
        let rows = settings
            .routes
            .iter_mut()
            .filter_map(|route| if let RouteTo::Uri(uri) = &mut route.to { Some(uri) } else { None });
        for uri in settings.proxy_set.targets.iter_mut().chain(gateways).chain(rows) {
            stand_in(uri, &mut names);
        }
        // A proxy's users are ours under its name too.
        settings.domains.extend(names.iter().take(settings.proxy_set.targets.len()).cloned());
        Ok(Self { config: settings.validate()?, local, names })
    }

    /// `text` with the names in the place of their stand-ins.
    pub(crate) fn with_names(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The highest first, since 198.18.0.1 begins 198.18.0.10.
        for (number, name) in self.names.iter().enumerate().rev() {
            text = text.replace(&place_of(number).to_string(), name);
        }
        text
    }
}

/// Gives a target that has a name an address.
fn stand_in(uri: &mut UriBuf, names: &mut Vec<String>) {
    let Some(Host::Name(name)) = uri.as_uri().host() else { return };
    let name = name.to_owned();
    let known = names.iter().position(|other| *other == name);
    let place = known.unwrap_or_else(|| {
        names.push(name.clone());
        names.len() - 1
    });
    let address = place_of(place).to_string();
    if let Ok(other) = uri.as_str().replacen(&name, &address, 1).parse() {
        *uri = other;
    }
}
