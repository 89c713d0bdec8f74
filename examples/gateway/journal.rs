//! The journal on disk, `[journal] file = ".."`: all that the core is told, written by a thread of its own.
//!
//! Calls never wait for a disk. Records are gathered for a turn and handed over; what waits is bounded by [`MOST_WAITING`], and
//! where the disk is full or slower than that, the journal ends there with one warning. What is in it stays good: a journal that
//! ends early, or within a record, is read up to there.
//!
//! A file that is there already is an outage that somebody may want to look at, so it is never written over: the new one is
//! `outage.journal.1`, `outage.journal.2` and so on. As messages are kept as they came, only its owner may read it.

use sip_survivability::Event;
use sip_survivability::journal::Writer;
use sip_survivability::time::Instant;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Bytes that may wait for the disk.
const MOST_WAITING: usize = 64 * 1024 * 1024;

/// What a turn's records take besides themselves while they wait.
const OVERHEAD: usize = 128;

/// Files of one name, so that restarts without end do not look for a free number for ever.
const MOST_FILES: usize = 10_000;

/// How long records are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(5);

/// How long the last ones may take at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A journal under way.
pub(crate) struct Journal {
    writer: Writer,
    /// The records of this turn.
    gathered: Vec<u8>,
    disk: Disk,
}

/// The thread that writes.
struct Disk {
    records: Sender<Vec<u8>>,
    /// How many bytes wait there.
    waiting: Arc<AtomicUsize>,
    most: usize,
    /// Closed when it has ended.
    ended: Receiver<()>,
}

impl Journal {
    /// Begins one for a core that is made with `seed` at `now`. Without a file there is none, and calls go on: the reason is logged.
    pub(crate) fn start(path: &Path, about: &str, seed: [u8; 32], now: Instant) -> Option<Self> {
        match create(path) {
            Ok((file, path)) => {
                tracing::info!("the journal is {}", path.display());
                Some(Self::to(file, about, seed, now, MOST_WAITING))
            }
            Err(error) => {
                tracing::warn!("no journal, {} cannot be created: {error}", path.display());
                None
            }
        }
    }

    fn to(out: impl Write + Send + 'static, about: &str, seed: [u8; 32], now: Instant, most: usize) -> Self {
        let mut gathered = Vec::new();
        let writer = Writer::start(seed, about, now, &mut gathered);
        Self { writer, gathered, disk: Disk::start(out, most) }
    }

    /// The core is about to be told this.
    pub(crate) fn append(&mut self, now: Instant, event: &Event) {
        self.writer.append(now, event, &mut self.gathered);
    }

    /// The core goes on with another configuration.
    pub(crate) fn reconfigured(&mut self, now: Instant, about: &str) {
        self.writer.reconfigured(now, about, &mut self.gathered);
    }

    /// The end of a turn: hands over what was gathered. None: the journal has ended.
    pub(crate) fn end_turn(mut self) -> Option<Self> {
        let records = std::mem::take(&mut self.gathered);
        if records.is_empty() || self.disk.take(records) { Some(self) } else { None }
    }

    /// Gives the disk time for what waits.
    pub(crate) fn finish(self) {
        if let Some(Self { disk: Disk { records, ended, .. }, .. }) = self.end_turn() {
            drop(records);
            // An error either way: the end of the thread, or of our patience.
            let _ = ended.recv_timeout(PATIENCE);
        }
    }
}

impl Disk {
    fn start(mut out: impl Write + Send + 'static, most: usize) -> Self {
        let (records, arriving) = channel();
        let (ending, ended) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&waiting);
        std::thread::spawn(move || {
            if let Err(error) = write(&arriving, &counter, &mut out) {
                tracing::warn!("the journal ends here, it cannot be written: {error}");
            }
            // In this order: who sees the end finds nobody who takes records.
            drop(arriving);
            drop(ending);
        });
        Self { records, waiting, most, ended }
    }

    /// Whether there was room for these, and somebody to write them.
    fn take(&self, records: Vec<u8>) -> bool {
        let len = records.len() + OVERHEAD;
        if self.waiting.fetch_add(len, Ordering::Relaxed) + len > self.most {
            tracing::warn!("the journal ends here: the disk is too slow for it");
            return false;
        }
        // Where nobody writes any more, that has been said.
        self.records.send(records).is_ok()
    }
}

fn write(arriving: &Receiver<Vec<u8>>, waiting: &AtomicUsize, out: &mut impl Write) -> io::Result<()> {
    while let Ok(first) = arriving.recv() {
        std::thread::sleep(GATHER);
        let (mut records, mut count) = (first, 1);
        for more in arriving.try_iter() {
            records.extend_from_slice(&more);
            count += 1;
        }
        out.write_all(&records)?;
        waiting.fetch_sub(records.len() + count * OVERHEAD, Ordering::Relaxed);
    }
    out.flush()
}

/// A file that was not there before: `path`, or `path` with the lowest number behind it that is free.
fn create(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for number in 0..MOST_FILES {
        let mut name = path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        match options.open(&name) {
            Ok(file) => return Ok((file, name.into())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_survivability::journal::Reader;
    use std::sync::{Condvar, Mutex};

    /// A disk that writes when it is let, or never.
    #[derive(Clone, Default)]
    struct Gate(Arc<Paper>);

    #[derive(Default)]
    struct Paper {
        /// Whether it is open, and what was written.
        state: Mutex<(bool, Vec<u8>)>,
        opened: Condvar,
    }

    impl Gate {
        fn open(&self) {
            self.0.state.lock().unwrap().0 = true;
            self.0.opened.notify_all();
        }

        fn written(&self) -> Vec<u8> {
            self.0.state.lock().unwrap().1.clone()
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let closed = self.0.state.lock().unwrap();
            let mut state = self.0.opened.wait_while(closed, |(is_open, _)| !*is_open).unwrap();
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ticks(file: &[u8]) -> usize {
        Reader::open(file).unwrap().collect::<Result<Vec<_>, _>>().unwrap().len()
    }

    #[test]
    fn every_turn_is_on_disk_at_the_end() {
        let disk = Gate::default();
        disk.open();
        let mut journal = Journal::to(disk.clone(), "about", [1; 32], Instant::ZERO, MOST_WAITING);
        for second in 0..100 {
            journal.append(Instant::from_secs(second), &Event::Tick);
            journal = journal.end_turn().unwrap();
        }
        journal.append(Instant::from_secs(100), &Event::Tick);
        journal.finish();
        let file = disk.written();
        assert_eq!(ticks(&file), 101);
        assert_eq!(Reader::open(&file).unwrap().about(), "about");
    }

    /// It ends between two records, and nobody has waited for it.
    #[test]
    fn a_disk_that_does_not_keep_up_ends_the_journal() {
        let disk = Gate::default();
        let mut journal = Some(Journal::to(disk.clone(), "", [1; 32], Instant::ZERO, 10_000));
        let mut turns = 0;
        while let Some(mut open) = journal {
            open.append(Instant::from_secs(turns), &Event::Tick);
            turns += 1;
            assert!(turns < 10_000);
            journal = open.end_turn();
        }
        disk.open();
        // All that was handed over is there, whole.
        let handed_over = usize::try_from(turns).unwrap() - 1;
        while disk.written().is_empty() || ticks(&disk.written()) < handed_over {
            std::thread::yield_now();
        }
        assert!(handed_over > 10);
    }

    /// A disk that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_the_journal() {
        let mut journal = Journal::to(Full, "", [1; 32], Instant::ZERO, MOST_WAITING).end_turn().unwrap();
        // The thread is over, and with it the journal.
        assert!(journal.disk.ended.recv().is_err());
        journal.append(Instant::ZERO, &Event::Tick);
        assert!(journal.end_turn().is_none());
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("gateway-journal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("outage.journal");
        let names: Vec<_> = (0..3).map(|_| create(&path).unwrap().1).collect();
        std::fs::remove_dir_all(&folder).unwrap();
        let expected = ["outage.journal", "outage.journal.1", "outage.journal.2"];
        assert_eq!(names, expected.map(|name| folder.join(name)));
    }
}
