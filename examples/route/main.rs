//! Where a branch's calls go, and why: the routing decision of the library, asked without a network.
//!
//! ```text
//! cargo run --example route                                          # a built-in branch
//! cargo run --example route -- --to 911                              # ... and the chain of reasons of one call
//! cargo run --example route -- --config FILE --from 1001 --to 911 --state emergency
//! cargo run --example route -- --config FILE --numbers FILE          # a table over all states
//! cargo run --example route -- --config FILE --numbers FILE --diff OTHER_CONFIG
//! ```

mod args;
mod branch;
#[path = "../gateway/section.rs"]
mod section;
#[path = "../gateway/settings.rs"]
mod settings;
mod site;
#[path = "../gateway/site_file.rs"]
mod site_file;
#[path = "../gateway/users.rs"]
mod users;

use args::{Question, Situation};
use branch::Branch;
use sip_survivability::config::Trust;
use site::Site;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Whom a newcomer sees called, and who is registered then.
const NUMBERS: [&str; 5] = ["911", "1002", "12015550123", "19005550123", "5550123"];
const REGISTERED: &str = "1001\n1002\n";

fn main() -> ExitCode {
    let answer = match args::parse(std::env::args_os().skip(1)) {
        Ok(None) => Ok(args::HELP.to_owned()),
        Ok(Some(question)) => answer(&question),
        Err(error) => Err(error),
    };
    match answer {
        Ok(text) => {
            // A reader who has gone away has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "route: {error}");
            ExitCode::from(2)
        }
    }
}

fn answer(question: &Question) -> Result<String, String> {
    let registered = match &question.registered {
        Some(path) => file(path)?,
        None => REGISTERED.to_owned(),
    };
    let branch = branch(question.config.as_deref(), &registered, question.trust)?;
    let other = match &question.diff {
        Some(path) => Some(branch_of(Site::read(path)?, &registered, question.trust)?),
        None => None,
    };
    let numbers = match (&question.to, &question.numbers) {
        (Some(to), _) => vec![to.clone()],
        (None, Some(path)) => lines(&file(path)?).map(str::to_owned).collect(),
        (None, None) => NUMBERS.map(str::to_owned).to_vec(),
    };
    let from = question.from.as_deref().unwrap_or("1001");
    let states = question.state.map_or_else(|| Situation::ALL.to_vec(), |state| vec![state]);
    match other {
        Some(other) => difference(&branch, &other, from, &numbers, &states),
        None if question.to.is_some() => chains(&branch, from, &numbers, &states),
        None => {
            let mut text = String::new();
            if question.config.is_none() {
                text.push_str(
                    "No --config FILE, so this is a built-in branch, where 1001 and 1002 are registered:\n\n",
                );
                site::BUILT_IN.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
                text.push('\n');
            }
            text.push_str(&table(&branch, from, &numbers, &states)?);
            Ok(text)
        }
    }
}

fn file(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The lines that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
}

fn branch(config: Option<&Path>, registered: &str, trust: Option<Trust>) -> Result<Branch, String> {
    let site = match config {
        Some(path) => Site::read(path)?,
        None => Site::built_in()?,
    };
    branch_of(site, registered, trust)
}

fn branch_of(site: Site, registered: &str, trust: Option<Trust>) -> Result<Branch, String> {
    let mut branch = Branch::new(site, trust);
    for line in lines(registered) {
        let mut words = line.split_whitespace();
        let user = words.next().unwrap_or_default();
        branch.register(user, words.next())?;
    }
    Ok(branch)
}

fn chains(branch: &Branch, from: &str, numbers: &[String], states: &[Situation]) -> Result<String, String> {
    let mut text = String::new();
    for number in numbers {
        for state in states {
            let decision = branch.decide(from, number, *state)?;
            text.push_str(&format!(
                "{from} calls {number}, {}\n{}\n",
                state.as_str(),
                branch.chain(&decision)
            ));
        }
    }
    Ok(text)
}

fn table(branch: &Branch, from: &str, numbers: &[String], states: &[Situation]) -> Result<String, String> {
    let heading = states.iter().map(|state| state.as_str().to_owned());
    let mut rows = vec![std::iter::once(format!("{from} calls")).chain(heading).collect::<Vec<_>>()];
    for number in numbers {
        let mut row = vec![number.clone()];
        for state in states {
            row.push(branch.brief(&branch.decide(from, number, *state)?));
        }
        rows.push(row);
    }
    Ok(aligned(&rows))
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn difference(
    branch: &Branch,
    other: &Branch,
    from: &str,
    numbers: &[String],
    states: &[Situation],
) -> Result<String, String> {
    let mut text = String::new();
    for number in numbers {
        for state in states {
            let decisions = (branch.decide(from, number, *state)?, other.decide(from, number, *state)?);
            let told = (branch.chain(&decisions.0), other.chain(&decisions.1));
            // What only the reasons differ in goes the same way.
            let ways = |chain: &str| chain.split_once("  = ").map(|(_, way)| way.to_owned());
            if ways(&told.0) != ways(&told.1) {
                let (old, new) = (branch.brief(&decisions.0), other.brief(&decisions.1));
                text.push_str(&format!(
                    "{from} calls {number}, {}\n  before  {old}\n  after   {new}\n",
                    state.as_str()
                ));
            }
        }
    }
    if text.is_empty() {
        text.push_str("No call goes another way.\n");
    }
    Ok(text)
}
