//! The section `[listen]`: where the gateway is reached, and what it proves itself by.

use crate::section::{Refused, Section, Wrong};
use crate::tls::{self, WrongIdentity};
use sip_survivability::config::Config;
use sip_survivability::transport::Transport;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Where the gateway is reached. What is not there is not listened for.
#[derive(Default)]
pub(crate) struct Listen {
    pub(crate) udp: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) tls: Vec<SocketAddr>,
    pub(crate) ws: Vec<SocketAddr>,
    pub(crate) wss: Vec<SocketAddr>,
    pub(crate) advertise: Option<IpAddr>,
    /// Our certificate and its key.
    pub(crate) identity: Option<TlsAcceptor>,
    /// Who vouches for the servers that we connect to.
    pub(crate) authorities: Option<TlsConnector>,
}

impl Listen {
    /// Takes the keys that are ours. `folder`: where the files are that they name.
    pub(crate) fn read(keys: &mut Section, folder: &Path) -> Result<Self, Wrong> {
        let mut listen = Self::default();
        keys.set("udp", &mut listen.udp)?;
        keys.set("tcp", &mut listen.tcp)?;
        keys.set("tls", &mut listen.tls)?;
        keys.set("ws", &mut listen.ws)?;
        keys.set("wss", &mut listen.wss)?;
        keys.set("advertise", &mut listen.advertise)?;
        if listen.udp.is_empty() {
            let nothing = toml::Value::Array(Vec::new());
            let reason = "must name an address to listen on, such as \"0.0.0.0:5080\"";
            return Err(Refused::new(&nothing, reason).at(keys.path("udp")));
        }
        let (mut certificate, mut key, mut authorities) = (String::new(), String::new(), String::new());
        keys.set("certificate", &mut certificate)?;
        keys.set("key", &mut key)?;
        keys.set("authorities", &mut authorities)?;
        let wrong = |name: &str, value: &str, reason: String| {
            Refused::new(&toml::Value::from(value), reason).at(keys.path(name))
        };

        let is_secure = !listen.tls.is_empty() || !listen.wss.is_empty();
        if is_secure || !certificate.is_empty() || !key.is_empty() {
            for (name, value, what) in [
                ("certificate", &certificate, "the file of our certificate"),
                ("key", &key, "that of its key"),
            ] {
                if value.is_empty() {
                    return Err(wrong(name, value, format!("must name {what}, which TLS needs")));
                }
            }
            let identity = tls::acceptor(&folder.join(&certificate), &folder.join(&key));
            listen.identity = Some(identity.map_err(|error| match error {
                WrongIdentity::Certificate(reason) => wrong("certificate", &certificate, reason),
                WrongIdentity::Key(reason) => wrong("key", &key, reason),
            })?);
        }
        if !authorities.is_empty() {
            let connector = tls::connector(&folder.join(&authorities));
            listen.authorities =
                Some(connector.map_err(|reason| wrong("authorities", &authorities, reason))?);
        }
        Ok(listen)
    }

    /// Whether all that `config` wants to be connected to can be.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Wrong> {
        for target in config.proxies().iter().chain(config.gateways()) {
            let transport = target.transport;
            let (key, value, reason) = if transport == Transport::Tcp && self.tcp.is_empty() {
                ("listen.tcp", "[]", "must name an address")
            } else if transport == Transport::Tls && self.tls.is_empty() {
                ("listen.tls", "[]", "must name an address")
            } else if transport == Transport::Tls && self.authorities.is_none() {
                ("listen.authorities", "\"\"", "must name the file of those who vouch for servers")
            } else {
                continue;
            };
            let reason = format!("{reason}, since {} is to be connected to", target.uri);
            return Err(Wrong { key: key.into(), value: value.into(), reason });
        }
        Ok(())
    }

    /// Each address where connections are taken, with its transport and its key.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (Transport, &'static str, SocketAddr)> {
        [
            (Transport::Tcp, "listen.tcp", &self.tcp),
            (Transport::Tls, "listen.tls", &self.tls),
            (Transport::Ws, "listen.ws", &self.ws),
            (Transport::Wss, "listen.wss", &self.wss),
        ]
        .into_iter()
        .flat_map(|(transport, key, addresses)| {
            addresses.iter().map(move |&address| (transport, key, address))
        })
    }
}
