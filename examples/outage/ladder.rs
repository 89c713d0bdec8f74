//! The ladder diagram: a lifeline for each party, an arrow for each message, the branch's state in the margin.

use crate::paint::{Paint, Shade};
use sip_survivability::time::Instant;
use std::fmt::Write as _;

/// Where the first lifeline stands, and how far apart they are.
const FIRST: usize = 22;
const GAP: usize = 20;
/// Behind the last column.
const WIDTH: usize = 118;

/// What the margin says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Margin {
    Unknown,
    Normal,
    Suspect,
    Emergency,
}

impl Margin {
    const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "starting",
            Self::Normal => "normal",
            Self::Suspect => "SUSPECT?",
            Self::Emergency => "EMERGENCY",
        }
    }

    const fn shade(self) -> Shade {
        match self {
            Self::Unknown => Shade::Dim,
            Self::Normal => Shade::Green,
            Self::Suspect => Shade::Yellow,
            Self::Emergency => Shade::Red,
        }
    }
}

/// How an arrow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Arrives,
    /// On the way: lost, or the line is cut.
    Nowhere,
}

#[derive(Clone, Debug)]
pub(crate) enum Row {
    Title(String),
    Arrow {
        at: Instant,
        margin: Margin,
        from: usize,
        to: usize,
        label: String,
        end: End,
        faint: bool,
    },
    /// Something that a party says or that happens to it; without a time it belongs to the row above.
    Remark {
        at: Option<Instant>,
        margin: Margin,
        column: usize,
        text: String,
    },
    /// The state changed.
    Banner {
        at: Instant,
        margin: Margin,
        text: String,
    },
}

const LEGEND: &str = "\
A branch office through an outage of its PBX, in virtual time. Left: seconds since the start, and the branch's state.

   ───>  arrives          ×3           sent three times            ├ what the core says of it: its route (and why)
   ──╳   is lost          OPTIONS/200  keep-alive, answered        100 Trying is shown only where it is all there is
";

pub(crate) fn draw(parties: &[&str], rows: &[Row], paint: &Paint) -> String {
    let mut text = LEGEND.to_owned();
    for row in rows {
        match row {
            Row::Title(title) => {
                let _ = writeln!(text, "\n{}", paint.shade(Shade::Bold, title));
                let _ = writeln!(text, "{}", heads(parties));
            }
            Row::Arrow { at, margin, from, to, label, end, faint } => {
                let line = arrow(parties.len(), *from, *to, label, *end);
                let line = if *faint { paint.shade(Shade::Dim, &line) } else { line };
                let _ = writeln!(text, "{}{line}", left(Some(*at), Some(*margin), paint));
            }
            Row::Remark { at, margin, column, text: remark } => {
                for (number, line) in remark_lines(parties.len(), *column, remark).iter().enumerate() {
                    let first = number == 0 && at.is_some();
                    let margin = first.then_some(*margin);
                    let at = at.filter(|_| number == 0);
                    let _ = writeln!(text, "{}{line}", left(at, margin, paint));
                }
            }
            Row::Banner { at, margin, text: banner } => {
                let bar = format!("{banner:═^width$}", width = WIDTH - FIRST);
                let bar = paint.shade(margin.shade(), &bar);
                let _ = writeln!(text, "{}{bar}", left(Some(*at), Some(*margin), paint));
            }
        }
    }
    text
}

/// Time and state, up to the first lifeline.
fn left(at: Option<Instant>, margin: Option<Margin>, paint: &Paint) -> String {
    let time = at.map_or_else(String::new, |at| format!("{:.3}", at.as_micros() as f64 / 1e6));
    let word = margin.map_or("", Margin::word);
    let word = margin.map_or_else(
        || format!("{word:<11}"),
        |margin| paint.shade(margin.shade(), word) + &" ".repeat(11 - word.len()),
    );
    format!("{time:>9}  {word}")
}

const fn column(party: usize) -> usize {
    FIRST + party * GAP
}

/// The parties' names, each over its lifeline.
fn heads(parties: &[&str]) -> String {
    let mut line = Canvas::blank();
    for (party, name) in parties.iter().enumerate() {
        line.write(column(party).saturating_sub(name.chars().count() / 2), name);
    }
    line.text(0)
}

fn arrow(parties: usize, from: usize, to: usize, label: &str, end: End) -> String {
    let mut line = Canvas::with_lifelines(parties);
    let (start, tip) = (column(from), column(to));
    let rightwards = tip > start;
    let (low, high) = (start.min(tip) + 1, start.max(tip) - 1);
    for at in low..=high {
        let crossing = (at - FIRST).is_multiple_of(GAP);
        line.put(at, if crossing { '┼' } else { '─' });
    }
    // The label stands next to the sender.
    let label = format!(" {label} ");
    let length = label.chars().count();
    let at = if rightwards { start + 2 } else { (start - 1).saturating_sub(length).max(low + 1) };
    line.write(at, &label);
    match (end, rightwards) {
        (End::Arrives, true) => line.put(high, '>'),
        (End::Arrives, false) => line.put(low, '<'),
        // It ends within the last gap.
        (End::Nowhere, true) => line.break_off(high - 2..=high, high - 2),
        (End::Nowhere, false) => line.break_off(low..=low + 2, low + 2),
    }
    line.text(FIRST)
}

/// A remark hangs on a lifeline and runs to the right edge, in as many lines as it needs.
fn remark_lines(parties: usize, party: usize, remark: &str) -> Vec<String> {
    let start = column(party) + 2;
    let mut lines: Vec<String> = vec![String::new()];
    for word in remark.split(' ') {
        let last = lines.last_mut().unwrap();
        if !last.is_empty() && start + last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    let hang = |(number, text): (usize, &String)| {
        let mut line = Canvas::with_lifelines(parties);
        line.put(column(party), if number == 0 { '├' } else { '│' });
        line.write(start, &format!("{text} "));
        line.text(FIRST)
    };
    lines.iter().enumerate().map(hang).collect()
}

/// One line of characters.
struct Canvas(Vec<char>);

impl Canvas {
    fn blank() -> Self {
        Self(vec![' '; WIDTH + 10])
    }

    fn with_lifelines(parties: usize) -> Self {
        let mut canvas = Self::blank();
        for party in 0..parties {
            canvas.put(column(party), '│');
        }
        canvas
    }

    fn put(&mut self, at: usize, c: char) {
        if let Some(place) = self.0.get_mut(at) {
            *place = c;
        }
    }

    fn write(&mut self, at: usize, text: &str) {
        for (offset, c) in text.chars().enumerate() {
            self.put(at + offset, c);
        }
    }

    /// Ends a shaft at `tip`, and leaves nothing of it in `gap`.
    fn break_off(&mut self, gap: std::ops::RangeInclusive<usize>, tip: usize) {
        for at in gap {
            self.put(at, ' ');
        }
        self.put(tip, '╳');
    }

    fn text(&self, from: usize) -> String {
        self.0.iter().skip(from).collect::<String>().trim_end().to_owned()
    }
}
