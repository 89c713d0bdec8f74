//! The configuration that the core had: the gateway's file, of which a journal has the text.

use crate::section::Wrong;
use crate::site_file;
use sip_survivability::config::{Config, SurvivabilityMode};
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

fn config(table: Table, folder: &Path) -> Result<Config, Wrong> {
    let is_empty = table.is_empty();
    // The journal tells what was listened on, and what the DNS answered.
    let left_out = ["listen", "dns", "journal"];
    let (mut settings, ()) = site_file::settings(table, folder, &left_out, |_, _| Ok(()))?;
    if is_empty {
        // A gateway without a file.
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    }
    Ok(settings.validate()?)
}
