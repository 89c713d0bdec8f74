//! The command line.

use sip_survivability::config::Trust;
use sip_survivability::mode::State;
use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Says where a branch's calls go, and why.

Usage: route [--config FILE] [--from USER] [--to NUMBER] [--state STATE] [--registered FILE]
             [--numbers FILE] [--diff OTHER_CONFIG] [--trust LEVEL]

  --config FILE       the gateway's TOML file; without it: a built-in example
  --from USER         who calls: a user or a SIP URI; 1001 unless given
  --to NUMBER         whom: a number, a user or a URI; its chain of reasons is printed
  --state STATE       normal, suspect (the proxy leaves the call unanswered) or emergency; all three unless given
  --registered FILE   who is registered: a line for each, USER or USER CONTACT_URI; without it: 1001 and 1002
  --trust LEVEL       how far the caller is trusted: unknown, pool, known or verified; unless given: verified where there are
                      users with passwords, known for who is registered, else by the address
  --numbers FILE      a number a line: a table of where each goes in each state
  --diff FILE         another configuration: only what it changes is printed

Hosts that have names are not asked for: they are shown by name.
Exit status: 0, or 2 if the command line or a file is wrong.
";

/// The situation of the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    Normal,
    /// The proxy leaves the call unanswered, and nobody knows yet that it is lost.
    Suspect,
    Emergency,
}

impl Situation {
    pub(crate) const ALL: [Self; 3] = [Self::Normal, Self::Suspect, Self::Emergency];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Suspect => "suspect",
            Self::Emergency => "emergency",
        }
    }

    pub(crate) const fn state(self) -> State {
        match self {
            Self::Normal | Self::Suspect => State::Normal,
            Self::Emergency => State::Emergency,
        }
    }
}

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct Question {
    pub(crate) config: Option<PathBuf>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) state: Option<Situation>,
    pub(crate) registered: Option<PathBuf>,
    pub(crate) numbers: Option<PathBuf>,
    pub(crate) diff: Option<PathBuf>,
    pub(crate) trust: Option<Trust>,
}

/// Understands the arguments, the program's name not included. None: the user wants help.
pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Question>, String> {
    let mut question = Question::default();
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy().into_owned();
        let (name, given) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
            _ => (text.as_str(), None),
        };
        if matches!(name, "--help" | "-h") {
            return Ok(None);
        }
        let known =
            ["--config", "--from", "--to", "--state", "--registered", "--numbers", "--diff", "--trust"];
        if !known.contains(&name) {
            return Err(format!("unknown argument {name:?}; --help lists what there is"));
        }
        let value = given.or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"))?;
        let word = || value.to_str().map(str::to_owned).ok_or_else(|| format!("{name} is no text"));
        let is_twice = match name {
            "--config" => question.config.replace(value.into()).is_some(),
            "--registered" => question.registered.replace(value.into()).is_some(),
            "--numbers" => question.numbers.replace(value.into()).is_some(),
            "--diff" => question.diff.replace(value.into()).is_some(),
            "--from" => question.from.replace(word()?).is_some(),
            "--to" => question.to.replace(word()?).is_some(),
            "--trust" => question.trust.replace(trust(&word()?)?).is_some(),
            _ => question.state.replace(situation(&word()?)?).is_some(),
        };
        if is_twice {
            return Err(format!("{name} stands there twice"));
        }
    }
    if question.to.is_some() && question.numbers.is_some() {
        return Err("--to or --numbers, not both".to_owned());
    }
    Ok(Some(question))
}

fn situation(text: &str) -> Result<Situation, String> {
    let found = Situation::ALL.into_iter().find(|situation| situation.as_str() == text);
    found.ok_or_else(|| format!("--state {text:?}: must be normal, suspect or emergency"))
}

fn trust(text: &str) -> Result<Trust, String> {
    let levels = [Trust::Unknown, Trust::Pool, Trust::Known, Trust::Verified];
    let found = levels.into_iter().find(|level| level.as_str() == text);
    found.ok_or_else(|| format!("--trust {text:?}: must be unknown, pool, known or verified"))
}
