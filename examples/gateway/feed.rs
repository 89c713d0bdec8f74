//! Standard output, written by a thread of its own.
//!
//! A pipe whose reader has stopped reading blocks who writes to it. That must not be the thread that carries calls, so that one
//! only leaves its lines in a buffer, which the writer takes away as a whole. The buffer is bounded; what does not fit is dropped
//! and counted.

use crate::drops::Drops;
use crate::json;
use sip_survivability::Notice;
use sip_survivability::time::Instant;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait for a slow reader: some tens of thousands of notices.
const MOST_WAITING: usize = 4 << 20;

/// How long notices are gathered before they are written together: to wake the writer and to write are system calls, which a busy
/// gateway should not make for each notice.
const GATHER: Duration = Duration::from_millis(20);

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
    buffer: Arc<Buffer>,
    start: std::time::Instant,
}

impl Reporter {
    pub(crate) fn tell(&self, news: &News) {
        // Where nobody reads, the log has it.
        let _ = self.buffer.append(Instant::ZERO + self.start.elapsed(), news);
    }
}

pub(crate) struct Feed {
    buffer: Arc<Buffer>,
    /// Closed when the writer has ended.
    ended: Receiver<()>,
    drops: Drops,
}

/// Between the two threads.
#[derive(Default)]
struct Buffer {
    lines: Mutex<Lines>,
    /// There are some, or there will be none any more.
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// One of the two sides has ended.
    is_closed: bool,
}

impl Feed {
    pub(crate) fn to_stdout() -> Self {
        let buffer = Arc::new(Buffer::default());
        let (ending, ended) = sync_channel(0);
        let shared = Arc::clone(&buffer);
        std::thread::spawn(move || {
            // Nobody reads any more: calls go on.
            if let Err(error) = shared.write_to(&mut io::stdout()) {
                tracing::warn!("standard output is closed, no more notices there: {error}");
            }
            shared.close();
            drop(ending);
        });
        Self { buffer, ended, drops: Drops::default() }
    }

    /// For another thread. `start`: when the core's time began.
    pub(crate) fn reporter(&self, start: std::time::Instant) -> Reporter {
        Reporter { buffer: Arc::clone(&self.buffer), start }
    }

    pub(crate) fn publish(&mut self, at: Instant, news: &News) {
        if !self.buffer.append(at, news) {
            self.drops.count(|count| tracing::warn!("standard output is not read; notices dropped: {count}"));
        }
    }

    /// Gives the writer time for the notices that wait.
    pub(crate) fn finish(self) {
        self.buffer.close();
        // An error either way: the end of the writer, or of our patience.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// The writer ends with who has told it.
impl Drop for Feed {
    fn drop(&mut self) {
        self.buffer.close();
    }
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room for it.
    fn append(&self, at: Instant, news: &News) -> bool {
        let mut lines = self.lock();
        let waiting = lines.text.len();
        if lines.is_closed {
            // The writer has said why it ended.
            return true;
        }
        if waiting >= MOST_WAITING {
            return false;
        }
        json::write_line(&mut lines.text, at, news);
        drop(lines);
        if waiting == 0 {
            self.changed.notify_one();
        }
        true
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Writes lines soon after they have come, until there will be no more or nobody reads them.
    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        loop {
            let has_none = |lines: &mut Lines| lines.text.is_empty() && !lines.is_closed;
            let lines =
                self.changed.wait_while(self.lock(), has_none).unwrap_or_else(PoisonError::into_inner);
            let is_closed = lines.is_closed;
            drop(lines);
            if !is_closed {
                std::thread::sleep(GATHER);
            }
            // Two buffers that take turns.
            std::mem::swap(&mut text, &mut self.lock().text);
            out.write_all(&text)?;
            out.flush()?;
            text.clear();
            if is_closed {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(number: &str) -> News {
        News::Core(Notice::EmergencyCallFailed { from: "sip:a@h".into(), number: number.into() })
    }

    fn written(buffer: &Buffer) -> String {
        let mut out = Vec::new();
        buffer.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_notice_is_a_line() {
        let buffer = Buffer::default();
        assert!(["911", "112", "999"].iter().all(|number| buffer.append(Instant::ZERO, &failed(number))));
        buffer.close();
        let text = written(&buffer);
        let numbers: Vec<_> = text.lines().map(|line| line.split('"').nth_back(1).unwrap()).collect();
        assert_eq!(numbers, ["911", "112", "999"]);
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let (buffer, notice) = (Buffer::default(), failed(&"1".repeat(100_000)));
        let taken = (0..1000).filter(|_| buffer.append(Instant::ZERO, &notice)).count();
        assert!(taken < 50, "{taken}");
        buffer.close();
        assert_eq!(written(&buffer).lines().count(), taken);
        // Nobody is told of what comes after the end.
        assert!(buffer.append(Instant::ZERO, &notice) && buffer.lock().text.is_empty());
    }
}
