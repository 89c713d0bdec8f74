//! Settings as the gateway's TOML file. What has its default is not written.

use sip_survivability::config::audiocodes::Imported;
use sip_survivability::config::{ManipulationRule, Route, RouteTo, Settings};
use std::fmt::Write;
use toml::{Table, Value};

/// The file, and at its end what could not be put in it.
pub(crate) fn toml(imported: &Imported) -> String {
    let (udp, tcp, tls) = (imported.listen.udp, imported.listen.tcp, imported.listen.tls);
    let mut text = format!(
        "# Written by examples/import. What does not stand here has its default.\n\
         \n\
         [listen]\n\
         udp = [\"0.0.0.0:{udp}\"]\n\
         tcp = [\"0.0.0.0:{tcp}\"]\n\
         # tls = [\"0.0.0.0:{tls}\"]            # needs certificate and key\n\
         \n"
    );
    let settings = changed(of(&imported.settings), &of(&Settings::default()));
    text.push_str(&settings.to_string());
    if !imported.unmapped.is_empty() {
        text.push_str("\n# What the ini file says beside this:\n#\n");
    }
    for unmapped in &imported.unmapped {
        let _ = writeln!(text, "# {unmapped}");
    }
    text
}

/// The keys of `settings`, as serde names them.
fn of(settings: &impl serde::Serialize) -> Table {
    // All of them are strings, numbers, lists and tables.
    Table::try_from(settings).unwrap_or_default()
}

/// What of `table` is not `usual`.
fn changed(table: Table, usual: &Table) -> Table {
    let mut changed = Table::new();
    for (key, value) in table {
        let value = match (value, usual.get(&key)) {
            (value, Some(usual)) if value == *usual => continue,
            (Value::Table(section), Some(Value::Table(usual))) => Value::Table(self::changed(section, usual)),
            (Value::Array(rows), _) => {
                Value::Array(rows.into_iter().map(|row| changed_row(&key, row)).collect())
            }
            (value, _) => value,
        };
        changed.insert(key, value);
    }
    changed
}

/// A row of the table `name` without the columns that have their default.
fn changed_row(name: &str, row: Value) -> Value {
    let Value::Table(row) = row else { return row };
    let mut usual = match name {
        "route" => of(&Route::new(RouteTo::Users)),
        _ => of(&ManipulationRule::default()),
    };
    // Each row has to say where it leads.
    usual.remove("to");
    Value::Table(changed(row, &usual))
}
