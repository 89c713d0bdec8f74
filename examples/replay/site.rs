//! The configuration that the core had: the gateway's file, of which a journal has the text.

use crate::section::{Section, Wrong};
use crate::settings;
use sip_survivability::config::{Config, Settings, SurvivabilityMode};
use std::path::Path;
use toml::Table;

/// Reads the file, or says in one line what is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    parse(&text, folder).map_err(|wrong| format!("{}: {wrong}", path.display()))
}

/// Reads a text. `folder`: where the files are that it names.
pub(crate) fn parse(text: &str, folder: &Path) -> Result<Config, String> {
    let table =
        text.parse::<Table>().map_err(|error| error.message().lines().collect::<Vec<_>>().join(", "))?;
    config(table, folder).map_err(|wrong| wrong.to_string())
}

fn config(table: Table, folder: &Path) -> Result<Config, Wrong> {
    let mut settings = Settings::default();
    if table.is_empty() {
        // A gateway without a file.
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
    }
    let mut file = Section::file(table);
    // The journal tells what was listened on, and what the DNS answered.
    let mut keys = file.section("listen")?;
    keys.set("domains", &mut settings.domains)?;
    keys.set("names", &mut settings.names)?;
    let _ = file.section("dns")?;
    let _ = file.section("journal")?;
    settings::read(&mut file, folder, &mut settings)?;
    file.finish()?;
    Ok(settings.validate()?)
}
