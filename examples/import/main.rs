//! An AudioCodes gateway's ini file as the gateway's TOML file, and what of it has no place there.
//!
//! ```text
//! cargo run --example import                                  # a small ini file that is built in
//! cargo run --example import -- branch.ini > branch.toml
//! cargo run --release --example gateway -- --config branch.toml
//! ```
//!
//! - `sample`: the ini file for those who have none at hand
//! - `written`: settings as TOML

mod sample;
mod written;

use sip_survivability::config::Settings;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Makes the gateway's TOML file of an AudioCodes gateway's ini file.

Usage: import [FILE]

  FILE   the ini file, not encoded; without it: a small one that is built in

Standard output: the TOML file; at its end, as comments, what the ini file says and the TOML does not, with line and reason.
Exit status: 0; 1 if something in the TOML has to be changed before the gateway takes it, which standard error names;
2 if the command line or the file is wrong.
";

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Wish::Help) => say(HELP, ExitCode::SUCCESS),
        Ok(Wish::Import(path)) => import(path.as_deref()),
        Err(error) => complain(&error, ExitCode::from(2)),
    }
}

enum Wish {
    Help,
    Import(Option<PathBuf>),
}

/// Understands the arguments, the program's name not included, or says in one line why not.
fn parse(args: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let mut path = None;
    for arg in args {
        let text = arg.to_string_lossy();
        if matches!(&*text, "--help" | "-h") {
            return Ok(Wish::Help);
        }
        if text.starts_with('-') {
            return Err(format!("unknown argument {text:?}; --help lists what there is"));
        }
        if path.replace(PathBuf::from(&arg)).is_some() {
            return Err("FILE stands there twice".to_owned());
        }
    }
    Ok(Wish::Import(path))
}

fn import(path: Option<&Path>) -> ExitCode {
    let name = path.map_or_else(|| "built-in".to_owned(), |path| path.display().to_string());
    let text = match path {
        Some(path) => read(path),
        None => Ok(sample::INI.to_owned()),
    };
    let imported =
        text.and_then(|text| Settings::from_audiocodes_ini(&text).map_err(|error| error.to_string()));
    let imported = match imported {
        Ok(imported) => imported,
        Err(error) => return complain(&format!("{name}: {error}"), ExitCode::from(2)),
    };
    say(&written::toml(&imported), ExitCode::SUCCESS);
    match imported.settings.validate() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{name}: the gateway takes this when it is mended: {error}"), ExitCode::FAILURE)
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        format!("line {line}: this is not UTF-8 text; an encoded ini file has to be decoded first")
    })
}

fn say(text: &str, status: ExitCode) -> ExitCode {
    // A reader who has gone away has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    status
}

fn complain(error: &str, status: ExitCode) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "import: {error}");
    status
}
