//! SIGHUP: the configuration file is read again while calls go on.
//!
//! What the core is set up by changes at once; what is opened at the start only, such as sockets, stays as it is until the next one, and is
//! named. A file that could not work changes nothing.

use crate::Gateway;
use crate::config::{self, Site};
use crate::dns::{Answers, Dns};
use crate::feed::News;
use crate::listen::Listen;
use sip_survivability::config::Secret;
use std::collections::BTreeSet;
use std::path::PathBuf;
use toml::{Table, Value};

/// What the gateway goes on with whatever the file says.
pub(crate) struct Running {
    /// None where there is no file.
    path: Option<PathBuf>,
    listen: Listen,
    fixed: Table,
    /// Of the store, if there is one.
    kept_secret: Option<Secret>,
}

impl Running {
    pub(crate) fn new(
        path: Option<PathBuf>,
        listen: Listen,
        fixed: Table,
        kept_secret: Option<Secret>,
    ) -> Self {
        Self { path, listen, fixed, kept_secret }
    }

    /// Whether there is a file to be read again.
    pub(crate) const fn has_file(&self) -> bool {
        self.path.is_some()
    }

    /// What the file says now, if that can work with what is open.
    fn read(&self) -> Result<Site, String> {
        let path = self.path.as_deref().ok_or("there is no file to be read again")?;
        let mut site = config::read(path)?;
        site.go_on_with(self.kept_secret.clone())?;
        self.listen.check(&site.config).map_err(|wrong| site.wrong(&wrong))?;
        Ok(site)
    }

    /// The keys that differ, and count only after a restart.
    fn untaken(&self, next: &Table) -> Vec<String> {
        let sections: BTreeSet<&String> = self.fixed.keys().chain(next.keys()).collect();
        let nothing = Table::new();
        let mut keys = BTreeSet::new();
        for name in sections {
            let section = |file: &'_ Table| file.get(name).and_then(Value::as_table).cloned();
            let (old, new) = (section(&self.fixed), section(next));
            let (old, new) = (old.as_ref().unwrap_or(&nothing), new.as_ref().unwrap_or(&nothing));
            let differ = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key));
            keys.extend(differ.map(|key| format!("{name}.{key}")));
        }
        keys.into_iter().collect()
    }
}

impl Gateway {
    /// Reads the file again. Gives the answers of a DNS that had not been needed before.
    pub(crate) fn reload(&mut self) -> Option<Answers> {
        match self.try_reload() {
            Ok((untaken, answers)) => {
                for key in &untaken {
                    tracing::warn!("{key} needs a restart");
                }
                if !untaken.is_empty() {
                    self.feed.publish(self.now(), &News::NeedsRestart(untaken));
                }
                answers
            }
            Err(error) => {
                tracing::error!("the configuration stays as it was: {error}");
                self.feed.publish(self.now(), &News::Refused(error));
                None
            }
        }
    }

    fn try_reload(&mut self) -> Result<(Vec<String>, Option<Answers>), String> {
        let site = self.running.read()?;
        let untaken = self.running.untaken(&site.fixed);
        let starts = self.dns.is_none() && site.asks_dns();
        let dns = starts.then(|| start_dns(&site)).transpose().map_err(|error| site.wrong_dns(&error))?;
        let now = self.now();
        let reconfigured = self.sas.reconfigure(now, site.config.clone());
        let mut actions = reconfigured.map_err(|error| site.wrong(&error))?;
        let (dns, answers) = dns.unzip();
        self.dns = self.dns.take().or(dns);
        if let Some(journal) = &mut self.journal {
            journal.reconfigured(now, &site.about);
        }
        for action in actions.drain() {
            self.carry_out(now, action);
        }
        self.tell_events();
        Ok((untaken, answers))
    }
}

/// On a thread of its own, since it waits and this one must not.
fn start_dns(site: &Site) -> Result<(Dns, Answers), String> {
    let started = std::thread::scope(|scope| scope.spawn(|| Dns::start(&site.dns)).join());
    started.unwrap_or_else(|_| Err("the thread that asks has ended".to_owned()))
}
