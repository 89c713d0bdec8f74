//! The configuration file, for whoever reads it: the gateway all of it, the other examples what they need.

use crate::section::{Section, Wrong};
use crate::settings;
use sip_survivability::config::Settings;
use std::path::Path;
use toml::Table;

/// Makes of the file what `with` makes of its tables, or says in one line what is wrong with it. `with` gets the folder of the file too,
/// where the files are that it names.
pub(crate) fn read<T>(path: &Path, with: impl FnOnce(Table, &Path) -> Result<T, Wrong>) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    parse(&text, folder, with).map_err(|wrong| format!("{}: {wrong}", path.display()))
}

/// The same for a text.
pub(crate) fn parse<T>(
    text: &str,
    folder: &Path,
    with: impl FnOnce(Table, &Path) -> Result<T, Wrong>,
) -> Result<T, String> {
    let table = text.parse::<Table>().map_err(|error| syntax_error(text, &error))?;
    with(table, folder).map_err(|wrong| wrong.to_string())
}

fn syntax_error(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

/// The library's settings, and what `own` takes beside them: out of `[listen]`, which it gets first, and out of other sections of the file.
/// Nothing may be left over but in the sections `left_out`.
pub(crate) fn settings<T>(
    table: Table,
    folder: &Path,
    left_out: &[&'static str],
    own: impl FnOnce(&mut Section, &mut Section) -> Result<T, Wrong>,
) -> Result<(Settings, T), Wrong> {
    let mut file = Section::file(table);
    let mut settings = Settings::default();
    let mut listen = file.section("listen")?;
    let own = own(&mut listen, &mut file)?;
    listen.set("domains", &mut settings.domains)?;
    listen.set("names", &mut settings.names)?;
    if !left_out.contains(&"listen") {
        listen.finish()?;
    }
    for name in left_out {
        file.section(name)?;
    }
    settings::read(&mut file, folder, &mut settings)?;
    file.finish()?;
    Ok((settings, own))
}
