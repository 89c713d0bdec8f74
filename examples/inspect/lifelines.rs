//! Lifelines beside one another, and the arrows between them, as text.

/// Lifelines that fit beside one another.
pub(crate) const MAX_LIFELINES: usize = 6;

/// How far apart lifelines are at least, and where the first one stands.
const MIN_GAP: usize = 34;
pub(crate) const MARGIN: usize = 18;

/// Parallel lines that arrows go between.
pub(crate) struct Lifelines {
    count: usize,
    gap: usize,
}

impl Lifelines {
    /// Those that these names stand over; none where they are too many.
    pub(crate) fn under(names: &[String]) -> Option<Self> {
        let longest = names.iter().map(String::len).max().unwrap_or_default();
        (names.len() <= MAX_LIFELINES).then(|| Self { count: names.len(), gap: MIN_GAP.max(longest + 4) })
    }

    /// The names, each over its line.
    pub(crate) fn heads(&self, names: &[String]) -> String {
        let mut line = vec![' '; MARGIN];
        for (number, name) in names.iter().enumerate() {
            put(&mut line, MARGIN + number * self.gap - name.len().min(MARGIN) / 2, name);
        }
        line.iter().collect()
    }

    pub(crate) fn arrow(&self, from: usize, to: usize, label: &str) -> String {
        let mut line = Vec::new();
        for number in 0..self.count {
            put(&mut line, number * self.gap, "│");
        }
        let (low, high) = (from.min(to) * self.gap, from.max(to) * self.gap);
        if low == high {
            put(&mut line, low + 2, &format!("↺ {label} "));
            return line.iter().collect();
        }
        for place in line.iter_mut().take(high).skip(low + 1) {
            *place = if *place == '│' { '┼' } else { '─' };
        }
        // The label stands next to the sender.
        let room = high - low - 7;
        let is_cut = label.chars().count() > room;
        let label: String = label.chars().take(room).collect();
        let label = format!(" {label}{}", if is_cut { "… " } else { " " });
        let at = if from < to { low + 2 } else { high - 1 - label.chars().count() };
        put(&mut line, at, &label);
        if from < to {
            put(&mut line, high - 1, ">")
        } else {
            put(&mut line, low + 1, "<")
        }
        line.iter().collect()
    }
}

/// Writes over what stands in `line`, and on behind its end.
fn put(line: &mut Vec<char>, at: usize, text: &str) {
    line.resize(line.len().max(at + text.chars().count()), ' ');
    for (place, c) in line.iter_mut().skip(at).zip(text.chars()) {
        *place = c;
    }
}
