//! The command line.

use crate::world::Plan;
use crate::world::scenario::Scenario;
use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Lets a branch live through an outage in virtual time, and reports what came of it.

Usage: simulate [--phones N] [--hours H] [--loss SHARE] [--seed N] [--scenario NAME] [--calls N] [--json] [--plot FILE]

  --phones N        phones in the branch, 2 to 50000; default 500
  --hours H         hours that pass, 1 to 168, fractions allowed; default 4
  --loss SHARE      share of packets that each line loses each way, 0 to 0.2; default 0.02
  --seed N          where all chance comes from; default 7
  --scenario NAME   what goes wrong; default wan-cut
  --calls N         calls an hour in the whole branch; default one for four phones, and at least 120
  --json            one JSON object instead of the report
  --plot FILE       draw the curves, as SVG
  --help            print this

Scenarios:
";

/// What the user wants.
pub enum Wish {
    Say(String),
    Run { plan: Plan, json: bool, plot: Option<PathBuf> },
}

/// Understands the arguments, the program's name not included, or says in one line why not.
pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut plan = Plan {
        phones: 500,
        span: Duration::from_secs(4 * 3_600),
        loss: 0.02,
        seed: 7,
        scenario: Scenario::WanCut,
        calls: 0,
    };
    let (mut json, mut plot) = (false, None);
    while let Some(arg) = args.next() {
        let (name, given) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Wish::Say(help())),
            "--json" if given.is_none() => {
                json = true;
                continue;
            }
            "--phones" | "--hours" | "--loss" | "--seed" | "--scenario" | "--calls" | "--plot" => {}
            _ => return Err(format!("unknown argument {name:?}; --help lists what there is")),
        }
        let value = given.or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--phones" => plan.phones = number(&name, &value, 2.0, 50_000.0)? as u32,
            "--hours" => plan.span = Duration::from_secs_f64(number(&name, &value, 1.0, 168.0)? * 3_600.0),
            "--loss" => plan.loss = number(&name, &value, 0.0, 0.2)?,
            "--seed" => {
                plan.seed = value.parse().map_err(|_| format!("--seed {value}: must be a whole number"))?;
            }
            "--scenario" => plan.scenario = scenario(&value)?,
            "--calls" => plan.calls = number(&name, &value, 1.0, 1_000_000.0)? as u32,
            _ => plot = Some(PathBuf::from(value)),
        }
    }
    if plan.calls == 0 {
        plan.calls = Plan::usual_calls(plan.phones);
    }
    Ok(Wish::Run { plan, json, plot })
}

fn number(name: &str, value: &str, low: f64, high: f64) -> Result<f64, String> {
    let number: Option<f64> = value.parse().ok().filter(|number| (low..=high).contains(number));
    let whole = matches!(name, "--phones" | "--calls");
    let number = number.filter(|number| !whole || number.fract() == 0.0);
    let kind = if whole { "a whole number" } else { "a number" };
    number.ok_or_else(|| format!("{name} {value}: must be {kind} from {low} to {high}"))
}

fn scenario(name: &str) -> Result<Scenario, String> {
    let known = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
    let names = Scenario::ALL.map(Scenario::name).join(", ");
    known.ok_or_else(|| format!("--scenario {name}: must be one of {names}"))
}

fn help() -> String {
    let lines = Scenario::ALL.map(|scenario| format!("  {:17} {}\n", scenario.name(), scenario.story()));
    format!("{HELP}{}", lines.concat())
}
