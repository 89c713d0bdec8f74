//! What was expected, and what came: the table at the end.

use crate::paint::{Paint, Shade};
use std::fmt::Write as _;
use std::time::Duration;

/// One expectation of the story.
#[derive(Debug)]
pub(crate) struct Check {
    /// The section of the diagram that it is about.
    pub(crate) section: usize,
    pub(crate) what: &'static str,
    /// It must come within this; zero for what must simply hold.
    pub(crate) limit: Duration,
    /// How long it took; `None` if it never came.
    pub(crate) took: Option<Duration>,
}

impl Check {
    pub(crate) fn is_ok(&self) -> bool {
        self.took.is_some_and(|took| took <= self.limit)
    }
}

pub(crate) fn table(checks: &[Check], paint: &Paint) -> String {
    let mut text = paint.shade(Shade::Bold, "What was expected");
    let _ = writeln!(text, "{:62}{:>12}{:>12}", "", "at most", "took");
    for check in checks {
        let limit = if check.limit.is_zero() { String::new() } else { seconds(check.limit) };
        let took = match check.took {
            Some(_) if check.limit.is_zero() => String::new(),
            Some(took) => seconds(took),
            None => "never".to_owned(),
        };
        let verdict =
            if check.is_ok() { paint.shade(Shade::Green, "ok") } else { paint.shade(Shade::Red, "FAILED") };
        let _ = writeln!(text, "  {:>2}  {:73}{limit:>12}{took:>12}  {verdict}", check.section, check.what);
    }
    let failed = checks.iter().filter(|check| !check.is_ok()).count();
    let sum = match failed {
        0 => paint.shade(Shade::Green, &format!("All {} as expected.", checks.len())),
        _ => paint.shade(Shade::Red, &format!("{failed} of {} FAILED.", checks.len())),
    };
    let _ = write!(text, "\n{sum}");
    text
}

fn seconds(span: Duration) -> String {
    format!("{:.3} s", span.as_secs_f64())
}
