//! Programs that others have written, and which may not be installed.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Whether there is no such program.
pub(crate) fn is_missing(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("-h").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
}

/// To standard error itself: the test harness would hold back what is printed.
pub(crate) fn skip(program: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
}
