//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Lives through an outage again: reads the journal of a gateway and reports what happened.

Usage: replay [FILE] [--ladder] [--from SECONDS] [--to SECONDS] [--config CONFIG] [--with CONFIG]

  FILE             the journal; without it: a small one that is made up
  --ladder         print the messages too, as a ladder diagram for each call
  --from SECONDS   report only what happened from then on, counted from the journal's start
  --to SECONDS     report only what happened until then
  --config CONFIG  the gateway's TOML file; without it: the configuration that the journal tells
  --with CONFIG    what would have been different with this one, from the start to the end

Where the gateway has read its file again, the configuration that it found there is in the journal too, and is in force from there on.
A journal has no flow_secret and no file of users. Where there was a flow_secret, --config gives it, or tokens that phones
hold are taken for forged, as they are where a store had made one. The file of users is looked for beside the journal.

Exit status: 0; 1 if the journal is damaged; 2 if the command line or a file is wrong.
";

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) journal: Option<PathBuf>,
    pub(crate) has_ladder: bool,
    pub(crate) from: Option<Duration>,
    pub(crate) to: Option<Duration>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) with: Option<PathBuf>,
}

/// Understands the arguments, the program's name not included. None: the user wants help.
pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Wish>, String> {
    let mut wish = Wish::default();
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy().into_owned();
        let (name, given) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
            _ => (text.as_str(), None),
        };
        let mut value =
            || given.clone().or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"));
        let is_twice = match name {
            "--help" | "-h" => return Ok(None),
            "--ladder" if given.is_none() => std::mem::replace(&mut wish.has_ladder, true),
            "--from" => wish.from.replace(seconds(name, &value()?)?).is_some(),
            "--to" => wish.to.replace(seconds(name, &value()?)?).is_some(),
            "--config" => wish.config.replace(value()?.into()).is_some(),
            "--with" => wish.with.replace(value()?.into()).is_some(),
            _ if text.starts_with('-') => {
                return Err(format!("unknown argument {text:?}; --help lists what there is"));
            }
            _ => wish.journal.replace(arg.into()).is_some(),
        };
        if is_twice {
            let what = if text.starts_with('-') { name } else { "FILE" };
            return Err(format!("{what} stands there twice"));
        }
    }
    if wish.journal.is_none() && wish.config.is_some() {
        return Err("--config without FILE: the journal that is made up has its own".to_owned());
    }
    Ok(Some(wish))
}

fn seconds(name: &str, value: &OsString) -> Result<Duration, String> {
    let seconds = value.to_str().and_then(|text| text.parse().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{name} {value:?}: must be seconds, such as 12.5"))
}
