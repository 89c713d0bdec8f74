//! The configuration that the core had: the gateway's file, of which a journal has the text.

use crate::section::Wrong;
use crate::site_file;
use sip_survivability::config::{Config, Settings, SurvivabilityMode};
use std::path::Path;
use toml::Table;

/// Reads the file, or says in one line what is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Config, String> {
    site_file::read(path, config)
}

/// Reads a text. `folder`: where the files are that it names.
pub(crate) fn parse(text: &str, folder: &Path) -> Result<Config, String> {
    site_file::parse(text, folder, config)
}

/// Reads the text of a configuration that followed `first`. The secret is not in it, and was the same, or it could not have followed.
pub(crate) fn next(text: &str, folder: &Path, first: &Config) -> Result<Config, String> {
    site_file::parse(text, folder, |table, folder| {
        let mut settings = settings(table, folder)?;
        settings.sas.flow_secret.clone_from(&first.sas.flow_secret);
        Ok(settings.validate()?)
    })
}

fn config(table: Table, folder: &Path) -> Result<Config, Wrong> {
    Ok(settings(table, folder)?.validate()?)
}

fn settings(table: Table, folder: &Path) -> Result<Settings, Wrong> {
    let is_empty = table.is_empty();
    // Who is gone is remembered where there is a store.
    let has_store = table.get("store").is_some_and(|store| store.get("file").is_some());
    // The journal tells what was listened on, and what the DNS answered.
    let left_out = ["listen", "dns", "journal", "store"];
    let (mut settings, ()) = site_file::settings(table, folder, &left_out, |_, _| Ok(()))?;
    settings.registrar.store = has_store;
    if is_empty {
        // A gateway without a file.
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    }
    Ok(settings)
}
