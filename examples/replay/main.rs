//! An outage lived through again: reads the journal of a gateway and reports what happened.
//!
//! ```text
//! cargo run --example replay                                   # a small journal that is made up
//! cargo run --example replay -- outage.journal                 # the outage report
//! cargo run --example replay -- outage.journal --ladder --from 60 --to 75
//! cargo run --example replay -- outage.journal --with OTHER_CONFIG
//! ```
//!
//! - `made_up`: the journal for those who have none yet
//! - `site`: the configuration, out of a file or of the journal
//! - `traffic`: the messages; `calls`, `facts`: what there is to know of them; `report`, `ladder`: how it is said
//! - `compare`: the same events with another configuration, and what that can say

#![expect(clippy::wildcard_enum_match_arm, reason = "a report passes over what it does not tell")]

mod args;
mod calls;
mod compare;
mod facts;
mod ladder;
#[path = "../inspect/lifelines.rs"]
mod lifelines;
mod made_up;
mod report;
#[path = "../gateway/section.rs"]
mod section;
#[path = "../gateway/settings.rs"]
mod settings;
mod site;
#[path = "../gateway/site_file.rs"]
mod site_file;
mod traffic;
#[path = "../gateway/users.rs"]
mod users;
mod words;

use args::Wish;
use compare::Other;
use facts::{Facts, Window};
use ladder::Ladder;
use sip_survivability::Sas;
use sip_survivability::config::Config;
use sip_survivability::journal::{JournalError, JournalErrorKind, Reader, Told};
use sip_survivability::time::Instant;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let wish = match args::parse(std::env::args_os().skip(1)) {
        Ok(Some(wish)) => wish,
        Ok(None) => return say(args::HELP, ExitCode::SUCCESS),
        Err(error) => return refuse(&error),
    };
    match replay(&wish) {
        Ok((text, error)) => {
            let mut status = ExitCode::SUCCESS;
            if let Some(error) = error {
                complain(&format!("{error}; what stands before it is reported"));
                if error.kind != JournalErrorKind::Torn {
                    status = ExitCode::FAILURE;
                }
            }
            say(&text, status)
        }
        Err(error) => refuse(&error),
    }
}

fn say(text: &str, status: ExitCode) -> ExitCode {
    // A reader who has gone away has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    status
}

fn refuse(error: &str) -> ExitCode {
    complain(error);
    ExitCode::from(2)
}

/// One line on standard error, whatever the message has in it.
fn complain(error: &str) {
    let _ = writeln!(std::io::stderr(), "replay: {}", words::plain(error));
}

/// The report, and why the journal could not be read to its end.
fn replay(wish: &Wish) -> Result<(String, Option<JournalError>), String> {
    let mut text = String::new();
    let bytes = match &wish.journal {
        Some(path) => std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => {
            text.push_str(
                "No FILE, so this is a small journal that is made up; --help shows what else there is.\n\n",
            );
            made_up::journal()?
        }
    };
    let named = wish.journal.as_deref().unwrap_or_else(|| Path::new("the journal"));
    let reader = Reader::open(&bytes).map_err(|error| format!("{}: {error}", named.display()))?;
    let config = configuration(wish, &reader, named)?;
    let other = wish.with.as_deref().map(site::read).transpose()?;

    let start = reader.start();
    let latest = Instant::from_micros(u64::MAX);
    let window = Window {
        from: wish.from.map_or(start, |from| start + from),
        to: wish.to.map_or(latest, |to| start + to),
    };
    let mut other = other.map(|config| Other::new(config, &reader, window));
    let numbers = config.sas.emergency_numbers.clone();
    let (first, folder) = (config.clone(), folder_of(named));
    let next = |about: &str| site::next(about, folder, &first).ok();
    let mut life = Sas::replay_with(config, reader, next);
    let mut facts = Facts::new(start, life.sas().state(), &numbers, window);
    let mut ladder = Ladder::default();
    let mut broken = None;
    loop {
        let deadline = life.sas().next_timeout();
        let step = match life.next() {
            Some(Ok(step)) => step,
            Some(Err(error)) => {
                broken = Some(error);
                break;
            }
            None => break,
        };
        if matches!(step.told, Told::Reconfigured(_)) {
            facts.set_emergency_numbers(&life.sas().config().sas.emergency_numbers);
        }
        for passed in facts.note(step.at, &step.told, &step.actions, life.sas().state()) {
            if wish.has_ladder {
                ladder.add(&passed);
            }
        }
        if let Some(other) = &mut other {
            other.follow(&step, deadline);
        }
    }
    text.push_str(&report::of(&facts));
    if let Some(other) = &other {
        text.push_str(&other.report(&facts));
    }
    if wish.has_ladder {
        text.push('\n');
        text.push_str(&ladder.draw(start));
    }
    Ok((text, broken))
}

/// Where the files are that a configuration names.
fn folder_of(journal: &Path) -> &Path {
    journal.parent().unwrap_or_else(|| Path::new(""))
}

/// That of the life of then.
fn configuration(wish: &Wish, reader: &Reader<'_>, journal: &Path) -> Result<Config, String> {
    if let Some(path) = &wish.config {
        return site::read(path);
    }
    site::parse(reader.about(), folder_of(journal)).map_err(|wrong| {
        format!(
            "{}: the configuration in it cannot be used, --config names another: {wrong}",
            journal.display()
        )
    })
}
