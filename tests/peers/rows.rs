//! What the test holds the gateway to, row by row: each is printed with its measured figure, and all are looked at
//! before the test fails, so that one run tells the whole of it.

use std::io::Write;

/// The rows of one run.
#[derive(Debug)]
pub(crate) struct Rows {
    run: &'static str,
    failed: Vec<String>,
}

impl Rows {
    pub(crate) fn new(run: &'static str) -> Self {
        Self { run, failed: Vec::new() }
    }

    /// It came about, and in time. `None` is never.
    pub(crate) fn within(&mut self, limit: f64, row: &str, measured: Option<f64>) {
        let figure = measured.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.3} s"));
        let kept = measured.is_some_and(|seconds| seconds <= limit);
        self.print(kept, &format!("{row}: {figure} (at most {limit} s)"));
    }

    /// It came about; when is no requirement, but good to know.
    pub(crate) fn comes(&mut self, row: &str, measured: Option<f64>) {
        let figure = measured.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.3} s"));
        self.print(measured.is_some(), &format!("{row}: {figure}"));
    }

    /// It is so, and `found` is what there was.
    pub(crate) fn holds(&mut self, kept: bool, row: &str, found: &str) {
        self.print(kept, &format!("{row}: {found}"));
    }

    /// Something seen that no row is about.
    pub(crate) fn note(&self, text: &str) {
        say(&format!("[{}]     {text}", self.run));
    }

    fn print(&mut self, kept: bool, row: &str) {
        let verdict = if kept { "ok  " } else { "FAIL" };
        say(&format!("[{}] {verdict} {row}", self.run));
        if !kept {
            self.failed.push(row.to_owned());
        }
    }

    /// Ends the run: panics if a row was not kept.
    pub(crate) fn finish(self) {
        assert!(self.failed.is_empty(), "[{}] not kept:\n  {}", self.run, self.failed.join("\n  "));
    }
}

/// Prints on standard error even where the test harness holds back what a passing test prints.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
