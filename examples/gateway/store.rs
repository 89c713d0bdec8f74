//! The store on disk, `[store] file = ".."`: what outlives a restart of the gateway, which is the bindings and a secret of our own.
//!
//! It is a database of the `redb` library: a commit is there wholly or not at all, whenever the process or the power ends, and room that
//! is given up is used again. Calls never wait for it. Changes go to a thread of its own, which gathers them for [`GATHER`] and commits
//! them together with a sync. So the end of the process, or of the power, takes what has changed since the last commit: that time, and
//! what the disk takes for a commit. Phones refresh it soon, by the short lifetimes of an outage.
//!
//! * `bindings`: what a [`Record`] is called, and under it when it was made, in milliseconds since 1970 by the wall clock, eight
//!   bytes, the lowest first, and the record. What is gone is taken out, so that the file is bounded by the database of registered users.
//! * `secrets`: `flow`, what flow tokens are signed with where `sas.flow_secret` does not say it.
//!
//! A disk that is full, or broken, is told, and tried again each [`RETRY`]; meanwhile the latest of each binding waits. Where too much
//! waits, it is given up, and the whole database is written instead once the disk works.

use crate::feed::{News, Reporter};
use redb::{Database, DatabaseError, ReadableTable as _, TableDefinition, TableHandle as _};
use sip_survivability::config::Secret;
use sip_survivability::registrar::Record;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BINDINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("bindings");
const SECRETS: TableDefinition<'_, &str, &str> = TableDefinition::new("secrets");
const FLOW_SECRET: &str = "flow";

/// How long changes are gathered before they are committed together.
const GATHER: Duration = Duration::from_millis(200);

/// Changes that may wait for the thread.
const WAITING: usize = 50_000;

/// Bindings whose latest may wait for a disk that does not work.
const MOST_UNWRITTEN: usize = 200_000;

/// From one try of a disk that does not work to the next.
const RETRY: Duration = Duration::from_secs(5);

/// What a disk that works is looked at for.
const IDLE: Duration = Duration::from_secs(3600);

/// How long the last commit may take at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Milliseconds since 1970, by a clock that may be wrong.
type Millis = u64;

/// A store that has been opened and read.
pub(crate) struct Opened {
    path: PathBuf,
    database: Database,
    pub(crate) content: Content,
}

/// What was in it.
pub(crate) struct Content {
    pub(crate) secret: Secret,
    /// What may still be of use, and how long ago it was made.
    pub(crate) records: Vec<(Record, Duration)>,
    /// How many were past their lifetime, and have been taken out.
    pub(crate) expired: usize,
    /// How many cannot be read. They stay where they are.
    pub(crate) damaged: usize,
}

/// A store that is written.
pub(crate) struct Store {
    changes: SyncSender<Told>,
    shared: Arc<Shared>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

/// What both threads know.
#[derive(Default)]
struct Shared {
    /// Changes were given up: the file lacks them.
    has_lost: AtomicBool,
    /// So the whole is to be told, since there is a disk for it again.
    wants_all: AtomicBool,
}

/// What the thread is told.
enum Told {
    Change(Millis, Box<Record>),
    /// The whole, in the place of all before.
    All(Millis, Vec<Record>),
}

/// Opens the store of `path`, or makes one. `grace`: how long past its lifetime a binding may be of use. Says why it cannot be used.
pub(crate) fn open(path: &Path, grace: Duration) -> Result<Opened, String> {
    let database = create(path)?;
    let content = read(&database, wall_clock(), grace).map_err(|error| broken(&error))?;
    let content = content.ok_or("is a database of something else than this gateway")?;
    Ok(Opened { path: path.to_owned(), database, content })
}

/// Reads all, takes out what is over, and makes a secret where there is none. None: it is the database of something else.
fn read(database: &Database, now: Millis, grace: Duration) -> Result<Option<Content>, redb::Error> {
    let transaction = database.begin_write()?;
    let tables: Vec<_> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    if !tables.is_empty() && !tables.iter().any(|table| table == BINDINGS.name()) {
        return Ok(None);
    }
    let (mut records, mut past, mut damaged) = (Vec::new(), Vec::new(), 0);
    let secret = {
        let mut bindings = transaction.open_table(BINDINGS)?;
        for entry in bindings.iter()? {
            let (name, value) = entry?;
            let Some((made, record)) = entry_of(value.value()) else {
                damaged += 1;
                continue;
            };
            // A clock that was set back counts as one that stood still.
            let age = Duration::from_millis(now.saturating_sub(made));
            if age > record.left().saturating_add(grace) {
                past.push(name.value().to_owned());
            } else {
                records.push((record, age));
            }
        }
        for name in &past {
            bindings.remove(name.as_str())?;
        }
        let mut secrets = transaction.open_table(SECRETS)?;
        let kept = secrets.get(FLOW_SECRET)?.and_then(|secret| secret.value().parse::<Secret>().ok());
        match kept {
            Some(secret) => secret,
            None => {
                let (text, secret) = new_secret()?;
                secrets.insert(FLOW_SECRET, text.as_str())?;
                secret
            }
        }
    };
    transaction.commit()?;
    Ok(Some(Content { secret, records, expired: past.len(), damaged }))
}

fn create(path: &Path) -> Result<Database, String> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // It has the secret, and who is where.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let database = Database::builder().set_check_integrity_on_open(true).create(path);
    database.map_err(|error| {
        let is_in_use = matches!(error, DatabaseError::DatabaseAlreadyOpen);
        if is_in_use { "is in use by another gateway".to_owned() } else { broken(&error) }
    })
}

fn broken(error: &dyn std::error::Error) -> String {
    format!("is no store of this gateway, or a damaged one: {error}; moved away, a new one is begun")
}

fn new_secret() -> Result<(String, Secret), io::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = text.parse().map_err(io::Error::other)?;
    Ok((text, secret))
}

fn wall_clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(Millis::MAX)
}

fn value_of(made: Millis, record: &Record) -> Vec<u8> {
    [made.to_le_bytes().as_slice(), &record.to_bytes()].concat()
}

fn entry_of(value: &[u8]) -> Option<(Millis, Record)> {
    let (made, record) = value.split_first_chunk::<8>()?;
    Some((Millis::from_le_bytes(*made), Record::from_bytes(record).ok()?))
}

impl Opened {
    /// Begins to write. What has been read is to be taken out before.
    pub(crate) fn start(self, facts: Reporter) -> Store {
        let (changes, waiting) = sync_channel(WAITING);
        let (ending, ended) = channel();
        let shared = Arc::new(Shared::default());
        let disk = Disk {
            path: self.path,
            database: Some(self.database),
            unwritten: HashMap::new(),
            replaces: false,
            failing: None,
            shared: Arc::clone(&shared),
            facts,
        };
        std::thread::spawn(move || {
            let facts = disk.facts.clone();
            // A database that is damaged under our hands may be more than its library can bear.
            if catch_unwind(AssertUnwindSafe(|| write(disk, &waiting))).is_err() {
                tracing::error!("the store has ended, calls go on");
                facts.tell(&News::StoreFailed("its thread has ended".to_owned()));
            }
            drop(ending);
        });
        Store { changes, shared, ended }
    }
}

impl Store {
    /// Keeps this. Nothing waits for it.
    pub(crate) fn keep(&self, record: Box<Record>) {
        if let Err(TrySendError::Full(_)) = self.changes.try_send(Told::Change(wall_clock(), record)) {
            self.shared.has_lost.store(true, Ordering::Relaxed);
        }
    }

    /// The end of a turn: `all` gives the whole database, if the store has to be told it.
    pub(crate) fn end_turn<R: Iterator<Item = Record>>(&self, all: impl FnOnce() -> R) {
        if self.shared.wants_all.load(Ordering::Relaxed) {
            self.shared.wants_all.store(false, Ordering::Relaxed);
            if let Err(TrySendError::Full(_)) =
                self.changes.try_send(Told::All(wall_clock(), all().collect()))
            {
                self.shared.has_lost.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Gives the disk time for what waits.
    pub(crate) fn finish(self) {
        drop(self.changes);
        // An error either way: the end of the thread, or of our patience.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// What the thread works on.
struct Disk {
    path: PathBuf,
    /// None where it has failed: a database is not used again after an error.
    database: Option<Database>,
    /// The latest of each binding; none where it is gone.
    unwritten: HashMap<String, Option<Vec<u8>>>,
    /// Whether what is in the file does not count any more.
    replaces: bool,
    /// When it is tried again, if the last try has failed.
    failing: Option<Instant>,
    shared: Arc<Shared>,
    facts: Reporter,
}

fn write(mut disk: Disk, waiting: &Receiver<Told>) {
    loop {
        let pause = disk.failing.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
        match waiting.recv_timeout(pause) {
            Ok(first) => {
                disk.note(first);
                std::thread::sleep(GATHER);
                waiting.try_iter().take(WAITING).for_each(|told| disk.note(told));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if disk.failing.is_none_or(|at| at <= Instant::now()) {
            disk.commit();
        }
    }
    disk.commit();
}

impl Disk {
    fn note(&mut self, told: Told) {
        match told {
            Told::Change(made, record) => {
                if self.unwritten.len() >= MOST_UNWRITTEN {
                    self.unwritten.clear();
                    self.replaces = false;
                    self.shared.has_lost.store(true, Ordering::Relaxed);
                }
                let value = (!record.is_removal()).then(|| value_of(made, &record));
                self.unwritten.insert(record.name(), value);
            }
            Told::All(made, records) => {
                let entry = |record: &Record| (record.name(), Some(value_of(made, record)));
                self.unwritten = records.iter().map(entry).collect();
                self.replaces = true;
            }
        }
    }

    fn commit(&mut self) {
        if self.unwritten.is_empty() && !self.replaces && self.failing.is_none() {
            return;
        }
        match self.try_commit() {
            Ok(()) => {
                self.unwritten.clear();
                self.replaces = false;
                if self.failing.take().is_some() {
                    tracing::info!("the store is written again");
                    self.facts.tell(&News::StoreWorks);
                }
                if self.shared.has_lost.swap(false, Ordering::Relaxed) {
                    self.shared.wants_all.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                if self.failing.is_none() {
                    tracing::warn!("the store cannot be written, calls go on: {error}");
                    self.facts.tell(&News::StoreFailed(error.to_string()));
                }
                self.failing = Some(Instant::now() + RETRY);
            }
        }
    }

    fn try_commit(&mut self) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => Database::builder().set_check_integrity_on_open(true).open(&self.path)?,
        };
        let transaction = database.begin_write()?;
        if self.replaces {
            transaction.delete_table(BINDINGS)?;
        }
        {
            let mut bindings = transaction.open_table(BINDINGS)?;
            for (name, value) in &self.unwritten {
                match value {
                    Some(value) => drop(bindings.insert(name.as_str(), value.as_slice())?),
                    None => drop(bindings.remove(name.as_str())?),
                }
            }
        }
        transaction.commit()?;
        self.database = Some(database);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Feed;
    use sip_survivability::config::{Settings, SurvivabilityMode};
    use sip_survivability::time::Instant as Moment;
    use sip_survivability::transport::{FlowId, Transport};
    use sip_survivability::{Action, Event, Sas};

    const HOUR: Duration = Duration::from_secs(3600);

    /// What a core tells of so many users who register, and of the first ones who leave again.
    fn told(users: u32, leave: u32) -> Vec<Record> {
        let mut settings = Settings::default();
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.sas.registration_time = Duration::from_secs(600);
        settings.registrar.store = true;
        let mut sas = Sas::new(settings.validate().unwrap(), [1; 32], Moment::ZERO);
        let (flow, local) = (FlowId(0), "192.0.2.10:5080".parse().unwrap());
        let open = Event::FlowOpened { flow, transport: Transport::Udp, local, remote: None };
        assert!(!sas.handle(Moment::ZERO, open).is_empty());
        let register = |user: u32, cseq: u32, expires: u32| {
            let text = format!(
                "REGISTER sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{user}-{cseq}\r\n\
                 From: <sip:u{user}@192.0.2.10>;tag=1\r\nTo: <sip:u{user}@192.0.2.10>\r\nCall-ID: {user}\r\n\
                 CSeq: {cseq} REGISTER\r\nContact: <sip:u{user}@10.0.0.1>\r\nExpires: {expires}\r\n\r\n"
            );
            Event::Datagram { flow, from: "10.0.0.1:5060".parse().unwrap(), data: text.into() }
        };
        let come = (0..users).map(|user| register(user, 1, 600));
        let go = (0..leave).map(|user| register(user, 2, 0));
        let actions = come.chain(go).flat_map(|event| sas.handle(Moment::ZERO, event));
        let stored = actions.filter_map(|action| {
            let Action::Store(record) = action else { return None };
            Some(*record)
        });
        stored.collect()
    }

    /// A folder of its own, gone at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("gateway-store-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("bindings.redb")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn start(path: &Path) -> Store {
        let opened = open(path, HOUR).unwrap();
        opened.start(Feed::to_stdout().reporter(Instant::now()))
    }

    /// The end, without a limit of time.
    fn end(store: Store) {
        drop(store.changes);
        assert!(store.ended.recv().is_err());
    }

    fn names(content: &Content) -> Vec<String> {
        let mut names: Vec<_> = content.records.iter().map(|(record, _)| record.name()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_kept_is_there_again_and_who_has_left_is_not() {
        let folder = Folder::new("kept");
        let store = start(&folder.file());
        let told = told(5, 2);
        told.iter().for_each(|record| store.keep(Box::new(record.clone())));
        end(store);
        let first = open(&folder.file(), HOUR).unwrap();
        let expected: Vec<_> = told[2..5].iter().map(Record::name).collect();
        assert_eq!(names(&first.content), expected);
        assert!(first.content.records.iter().all(|(record, _)| told[2..5].contains(record)));
        let secret = first.content.secret.clone();
        assert!(open(&folder.file(), HOUR).err().unwrap().contains("in use by another gateway"));
        drop(first);
        assert!(open(&folder.file(), HOUR).unwrap().content.secret == secret, "the same secret");
        let other = Folder::new("other");
        assert!(open(&other.file(), HOUR).unwrap().content.secret != secret, "one of its own");
    }

    #[test]
    fn a_clock_that_was_set_back_stood_still_and_what_is_past_its_lifetime_is_taken_out() {
        let folder = Folder::new("clock");
        let store = start(&folder.file());
        told(3, 0).into_iter().for_each(|record| store.keep(Box::new(record)));
        end(store);
        let database = create(&folder.file()).unwrap();
        let read = |now| read(&database, now, HOUR).unwrap().unwrap();
        let back = read(1_000);
        assert_eq!((back.records.len(), back.expired), (3, 0));
        assert!(back.records.iter().all(|(_, age)| age.is_zero()));
        let made = wall_clock();
        let later = |seconds: u64| read(made + seconds * 1000);
        assert_eq!((later(4_000).records.len(), later(4_000).expired), (3, 0), "within the grace");
        assert_eq!((later(4_300).records.len(), later(4_300).expired), (0, 0), "taken out once");
    }

    #[test]
    fn the_whole_takes_the_place_of_what_was_given_up() {
        let folder = Folder::new("whole");
        let store = start(&folder.file());
        let told = told(6, 0);
        store.keep(Box::new(told[0].clone()));
        store.shared.has_lost.store(true, Ordering::Relaxed);
        while !store.shared.wants_all.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        store.end_turn(|| told[1..4].iter().cloned());
        store.end_turn(|| -> std::vec::IntoIter<Record> { panic!("told twice") });
        store.keep(Box::new(told[5].clone()));
        end(store);
        let expected: Vec<_> = [1, 2, 3, 5].map(|at: usize| told[at].name()).to_vec();
        assert_eq!(names(&open(&folder.file(), HOUR).unwrap().content), expected);
    }

    #[test]
    fn refreshes_without_end_do_not_make_the_file_grow() {
        let folder = Folder::new("size");
        let opened = open(&folder.file(), HOUR).unwrap();
        let Opened { path, database, .. } = opened;
        let mut disk = Disk {
            path,
            database: Some(database),
            unwritten: HashMap::new(),
            replaces: false,
            failing: None,
            shared: Arc::default(),
            facts: Feed::to_stdout().reporter(Instant::now()),
        };
        let (told, mut sizes) = (told(200, 0), Vec::new());
        for round in 0..60 {
            told.iter().for_each(|record| disk.note(Told::Change(round, Box::new(record.clone()))));
            disk.commit();
            assert!(disk.unwritten.is_empty() && disk.failing.is_none());
            sizes.push(std::fs::metadata(&disk.path).unwrap().len());
        }
        assert!(sizes[59] <= sizes[9], "{sizes:?}");
    }

    /// Wherever a byte of it has changed, what comes out is what went in, or a reason.
    #[test]
    fn damage_is_found_and_never_believed() {
        let folder = Folder::new("damage");
        let store = start(&folder.file());
        let told = told(30, 0);
        told.iter().for_each(|record| store.keep(Box::new(record.clone())));
        end(store);
        let good = std::fs::read(folder.file()).unwrap();
        let content = open(&folder.file(), HOUR).unwrap().content;
        let (expected, secret) = (names(&content), content.secret);
        let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).collect();
        let (mut found, path) = (0, folder.0.join("bad.redb"));
        for at in used.iter().step_by(used.len() / 150) {
            let mut bad = good.clone();
            bad[*at] ^= 0x55;
            std::fs::write(&path, &bad).unwrap();
            match open(&path, HOUR) {
                Ok(opened) => {
                    let content = opened.content;
                    let is_same = names(&content) == expected && content.secret == secret;
                    assert!(is_same || content.damaged > 0, "byte {at}");
                }
                Err(reason) => {
                    assert!(reason.starts_with("is no store"), "{reason}");
                    found += 1;
                }
            }
        }
        assert!(found > 10, "{found}");
        // Cut off.
        for len in [1, 100, 4096, good.len() / 2, good.len() - 1] {
            std::fs::write(&path, &good[..len]).unwrap();
            assert!(open(&path, HOUR).is_err(), "{len}");
        }
    }

    #[test]
    fn what_is_something_elses_is_left_alone() {
        let folder = Folder::new("foreign");
        std::fs::write(folder.file(), "[store]\nfile = \"this\"\n").unwrap();
        assert!(open(&folder.file(), HOUR).err().unwrap().starts_with("is no store"));
        assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), "[store]\nfile = \"this\"\n");
        assert!(open(&folder.0.join("no/such"), HOUR).err().unwrap().starts_with("cannot be opened"));

        let other = folder.0.join("other.redb");
        let database = Database::create(&other).unwrap();
        let transaction = database.begin_write().unwrap();
        drop(transaction.open_table(TableDefinition::<&str, u64>::new("others")).unwrap());
        transaction.commit().unwrap();
        drop(database);
        assert!(open(&other, HOUR).err().unwrap().contains("something else"));
    }
}
