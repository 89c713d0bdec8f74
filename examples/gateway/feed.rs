//! Standard output, written by a thread of its own.
//!
//! A pipe whose reader has stopped reading blocks who writes to it. That must not be the thread that carries calls,
//! so notices go through a bounded channel; what does not fit is dropped and counted.

use crate::drops::Drops;
use crate::json::Line;
use sip_survivability::Notice;
use sip_survivability::time::Instant;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Notices that may wait for a slow reader.
const WAITING: usize = 10_000;

/// How long notices are gathered before they are written together: to wake the writer and to write are two system calls, which a
/// busy gateway should not make for each notice.
const GATHER: Duration = Duration::from_millis(5);

/// How long the last ones may take at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is told there.
#[derive(Debug)]
pub(crate) enum News {
    /// By the core.
    Core(Notice),
    /// The configuration file was read again and refused, for this reason.
    Refused(String),
    /// It was taken, but for these keys.
    NeedsRestart(Vec<String>),
    /// What the store had at the start.
    StoreOpened { bindings: usize, expired: usize, damaged: usize },
    /// The store cannot be written, for this reason. It is tried again.
    StoreFailed(String),
    /// The store is written again, and lacks nothing.
    StoreWorks,
}

/// Tells news from another thread.
#[derive(Clone)]
pub(crate) struct Reporter {
    news: SyncSender<(Instant, News)>,
    start: std::time::Instant,
}

impl Reporter {
    pub(crate) fn tell(&self, news: News) {
        // Where nobody reads, the log has it.
        let _ = self.news.try_send((Instant::ZERO + self.start.elapsed(), news));
    }
}

pub(crate) struct Feed {
    notices: SyncSender<(Instant, News)>,
    /// Closed when the writer has ended.
    ended: Receiver<()>,
    drops: Drops,
}

impl Feed {
    pub(crate) fn to_stdout() -> Self {
        let (notices, waiting) = sync_channel(WAITING);
        let (ending, ended) = sync_channel(0);
        std::thread::spawn(move || {
            // Nobody reads any more: calls go on.
            if let Err(error) = write_lines(&waiting, &mut io::stdout().lock()) {
                tracing::warn!("standard output is closed, no more notices there: {error}");
            }
            drop(ending);
        });
        Self { notices, ended, drops: Drops::default() }
    }

    /// For another thread. `start`: when the core's time began.
    pub(crate) fn reporter(&self, start: std::time::Instant) -> Reporter {
        Reporter { news: self.notices.clone(), start }
    }

    pub(crate) fn publish(&mut self, at: Instant, news: News) {
        match self.notices.try_send((at, news)) {
            // The writer has said why it ended.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.drops
                    .count(|count| tracing::warn!("standard output is not read; notices dropped: {count}"));
            }
        }
    }

    /// Gives the writer time for the notices that wait.
    pub(crate) fn finish(self) {
        drop(self.notices);
        // An error either way: the end of the writer, or of our patience.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Writes each notice as a line, soon, until there are no more or nobody reads them.
fn write_lines(waiting: &Receiver<(Instant, News)>, out: &mut impl Write) -> io::Result<()> {
    let mut text = Vec::new();
    while let Ok(first) = waiting.recv() {
        std::thread::sleep(GATHER);
        for (at, news) in std::iter::once(first).chain(waiting.try_iter()).take(WAITING) {
            serde_json::to_writer(&mut text, &Line { at, news: &news })?;
            text.push(b'\n');
        }
        out.write_all(&text)?;
        out.flush()?;
        text.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notice_is_a_line() {
        let (notices, waiting) = sync_channel(3);
        for number in ["911", "112", "999"] {
            let notice = Notice::EmergencyCallFailed { from: "sip:a@h".into(), number: number.into() };
            notices.send((Instant::ZERO, News::Core(notice))).unwrap();
        }
        drop(notices);
        let mut out = Vec::new();
        write_lines(&waiting, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let numbers: Vec<_> = text.lines().map(|line| line.split('"').nth_back(1).unwrap()).collect();
        assert_eq!(numbers, ["911", "112", "999"]);
    }
}
