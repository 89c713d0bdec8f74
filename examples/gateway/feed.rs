//! Standard output, written by a thread of its own.
//!
//! A pipe whose reader has stopped reading blocks who writes to it. That must not be the thread that carries calls,
//! so lines go through a bounded channel; what does not fit is dropped and counted.

use crate::drops::Drops;
use serde_json::Value;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait for a slow reader.
const WAITING_LINES: usize = 10_000;

/// How long the last lines may take at the end.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Feed {
    lines: SyncSender<Value>,
    /// Closed when the writer has ended.
    ended: Receiver<()>,
    drops: Drops,
}

impl Feed {
    pub(crate) fn to_stdout() -> Self {
        let (lines, waiting) = sync_channel(WAITING_LINES);
        let (ending, ended) = sync_channel(0);
        std::thread::spawn(move || {
            write_lines(&waiting);
            drop(ending);
        });
        Self { lines, ended, drops: Drops::default() }
    }

    pub(crate) fn publish(&mut self, line: Value) {
        match self.lines.try_send(line) {
            // Nobody reads any more: the writer has said so, and calls go on.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.drops
                    .count(|count| tracing::warn!("standard output is not read; notices dropped: {count}"));
            }
        }
    }

    /// Gives the writer time for the lines that wait.
    pub(crate) fn finish(self) {
        drop(self.lines);
        // An error either way: the end of the writer, or of our patience.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Writes each line whole and at once, until there are no more or nobody reads them.
fn write_lines(waiting: &Receiver<Value>) {
    let mut stdout = std::io::stdout().lock();
    for line in waiting {
        if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            tracing::warn!("standard output is closed, no more notices there: {error}");
            return;
        }
    }
}
