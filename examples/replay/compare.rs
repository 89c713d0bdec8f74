//! The same events told to a core with another configuration.
//!
//! What this can say: what the other core does first that the one of then did not do, to the byte. What it cannot: how the
//! others would have gone on from there. They say in both lives what they said then, so an answer to a request that the other core
//! has not sent, or not by the same name, is to it an answer to nothing. The further behind the first difference, the less a
//! figure means.
//!
//! The other configuration is in force from the start to the end: what the journal tells of a change of the configuration is not told to
//! the other core.
//!
//! Deadlines are the exception: where the two cores have different ones, the other is told of its own when they come.

use crate::facts::{Change, Facts, Window};
use crate::report::counts;
use crate::words::{self, action, plain, seconds};
use sip_survivability::config::Config;
use sip_survivability::journal::{Reader, Step, Told};
use sip_survivability::time::Instant;
use sip_survivability::{Action, Actions, Event, Sas};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Deadlines of the other core that are told between two events of the journal, so that this ends.
const MOST_DEADLINES: usize = 1_000_000;

/// The other life, beside the one of then.
pub(crate) struct Other {
    sas: Sas,
    facts: Facts,
    first: Option<Difference>,
}

/// Where the two part.
struct Difference {
    at: Instant,
    event: String,
    then: String,
    with: String,
}

impl Other {
    pub(crate) fn new(config: Config, journal: &Reader<'_>, window: Window) -> Self {
        let numbers = config.sas.emergency_numbers.clone();
        let sas = Sas::new(config, journal.seed(), journal.start());
        let facts = Facts::new(journal.start(), sas.state(), &numbers, window);
        Self { sas, facts, first: None }
    }

    /// A step of the life of then. `deadline`: the one that it had before this step.
    pub(crate) fn follow(&mut self, step: &Step<'_>, deadline: Option<Instant>) {
        for _ in 0..MOST_DEADLINES {
            let own = self.sas.next_timeout().filter(|own| *own < step.at && Some(*own) != deadline);
            let Some(own) = own else { break };
            self.tell(own, &Told::Event(Event::Tick), &Actions::new());
        }
        self.tell(step.at, &step.told, &step.actions);
    }

    /// `then`: what the core of then did.
    fn tell(&mut self, at: Instant, told: &Told<'_>, then: &Actions) {
        let actions = match told {
            Told::Event(event) => self.sas.handle(at, event.clone()),
            Told::Reconfigured(_) => Actions::new(),
        };
        self.facts.note(at, told, &actions, self.sas.state());
        self.compare(at, told, then, &actions);
    }

    fn compare(&mut self, at: Instant, told: &Told<'_>, then: &Actions, with: &Actions) {
        if self.first.is_some() || then == with {
            return;
        }
        let most = then.len().max(with.len());
        let pairs = (0..most).map(|index| (then.iter().nth(index), with.iter().nth(index)));
        let (then, with) = pairs.into_iter().find(|(then, with)| then != with).unwrap_or_default();
        let (mut said, mut other) = (action(then), action(with));
        if said == other {
            let (then, with) = inside(then, with);
            said = format!("{said}, with {then}");
            other = format!("{other}, with {with}");
        }
        self.first = Some(Difference { at, event: words::told(told), then: said, with: other });
    }

    /// What would have been different from `then`.
    pub(crate) fn report(&self, then: &Facts) -> String {
        let mut text = String::from("\nWith the other configuration\n");
        let Some(first) = &self.first else {
            text.push_str("  nothing is different: every action is the same, byte for byte\n");
            return text;
        };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "  first difference at {}, upon {}", seconds(then.start, first.at), first.event);
        let _ = writeln!(text, "    then   {}\n    with   {}", first.then, first.with);
        text.push_str("  The others say in both what they said then: the further behind this, the less a figure means.\n");
        let _ = writeln!(text, "\n{:<34}with", "States then");
        let (left, right) = (states(then), states(&self.facts));
        for number in 0..left.len().max(right.len()) {
            let cell = |list: &[String]| list.get(number).cloned().unwrap_or_default();
            let line = format!("  {:<32}{}", cell(&left), cell(&right));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let _ = writeln!(text, "\n{:<28}{:>10}{:>10}", "Messages", "then", "with");
        let mut rows: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        counts(then)
            .into_iter()
            .for_each(|(label, count)| rows.entry(label).or_default()[0] = count.iter().sum());
        counts(&self.facts)
            .into_iter()
            .for_each(|(label, count)| rows.entry(label).or_default()[1] = count.iter().sum());
        for (label, [then, with]) in rows {
            let _ =
                writeln!(text, "  {label:<26}{then:>10}{with:>10}{}", if then == with { "" } else { "  *" });
        }
        text
    }
}

fn states(facts: &Facts) -> Vec<String> {
    let line = |change: &Change| format!("{:>10}  {}", seconds(facts.start, change.at), change.state);
    facts.changes.iter().map(line).collect()
}

/// The first line in which two messages that begin alike differ.
fn inside(then: Option<&Action>, with: Option<&Action>) -> (String, String) {
    let text = |action: Option<&Action>| match action {
        Some(Action::Send { payload, .. }) => String::from_utf8_lossy(payload).into_owned(),
        other => format!("{other:?}"),
    };
    let (then, with) = (text(then), text(with));
    let lines = then.lines().map(Some).chain(std::iter::repeat(None));
    let others = with.lines().map(Some).chain(std::iter::repeat(None));
    let pair = lines.zip(others).take_while(|pair| *pair != (None, None)).find(|(then, with)| then != with);
    let (then, with) = pair.unwrap_or_default();
    (plain(then.unwrap_or("nothing")), plain(with.unwrap_or("nothing")))
}
