//! What was answered, and for how long it is good.
//!
//! An answer is asked for again when nine tenths of its time are over, and stays in use until there is a new one: what the DNS said
//! last is better than nothing while it is away (RFC 8767). Invariants: at most `capacity` entries, or as many as have a question
//! under way; the one that was used longest ago goes first.

use super::known::Known;
use super::{Answer, QueryId, Question};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// A TTL of zero would have every request wait for its own questions; one of 68 years outlives whatever was wrong (RFC 8767 section 4
/// has one of a week at most).
const MIN_TTL: Duration = Duration::from_secs(5);
const MAX_TTL: Duration = Duration::from_hours(24);

/// RFC 2308 5 has up to hours; phones call again sooner.
const MAX_NEGATIVE_TTL: Duration = Duration::from_mins(1);

/// After a question without an answer, so long goes by before the next. RFC 8767 section 5: "SHOULD NOT be more frequent than every
/// 30 seconds" is for resolvers of many; 10 s are enough for one branch.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How long past its time an answer is used. RFC 8767 section 5 suggests days; a line may be cut for longer than a weekend.
const MAX_STALE: Duration = Duration::from_hours(7 * 24);

#[derive(Debug)]
struct Entry {
    known: Option<Known>,
    /// From then on it is to be asked for again.
    ask_at: Instant,
    /// From then on `known` is of no use.
    dead_at: Instant,
    query: Option<QueryId>,
    used: u64,
}

/// One answer as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) known: Option<&'a Known>,
    /// It is time to ask again.
    pub(super) is_due: bool,
    /// A question is under way.
    pub(super) is_asked: bool,
    pub(super) ask_at: Instant,
}

#[derive(Debug)]
pub(super) struct Cache {
    entries: BTreeMap<Question, Entry>,
    /// By when they were used last.
    by_use: BTreeMap<u64, Question>,
    uses: u64,
    capacity: usize,
}

impl Cache {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { entries: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0, capacity }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn view(&self, question: &Question, now: Instant) -> Option<View<'_>> {
        let entry = self.entries.get(question)?;
        Some(View {
            known: entry.known.as_ref().filter(|_| now < entry.dead_at),
            is_due: now >= entry.ask_at,
            is_asked: entry.query.is_some(),
            ask_at: entry.ask_at,
        })
    }

    /// Notes that the answer to `question` is in use.
    pub(super) fn touch(&mut self, question: &Question) {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(question) {
            self.by_use.remove(&entry.used);
            entry.used = self.uses;
            self.by_use.insert(self.uses, question.clone());
        }
    }

    /// Notes that `question` is under way.
    pub(super) fn asked(&mut self, question: &Question, query: QueryId, now: Instant) {
        self.entries
            .entry(question.clone())
            .or_insert_with(|| Entry { known: None, ask_at: now, dead_at: now, query: None, used: 0 })
            .query = Some(query);
        self.touch(question);
        self.make_room();
    }

    /// Notes what became of it.
    pub(super) fn answered(&mut self, question: &Question, answer: &Answer, now: Instant) {
        let Some(entry) = self.entries.get_mut(question) else {
            return;
        };
        entry.query = None;
        let (known, ttl) = match answer {
            Answer::Found { records, ttl } => {
                let known = Known::of(question.kind, records);
                let longest = if known == Known::Nothing { MAX_NEGATIVE_TTL } else { MAX_TTL };
                (known, (*ttl).clamp(MIN_TTL, longest))
            }
            Answer::NotFound { ttl } => (Known::Nothing, (*ttl).clamp(MIN_TTL, MAX_NEGATIVE_TTL)),
            Answer::Failed => {
                // What was known stays.
                entry.ask_at = now + RETRY_AFTER;
                return;
            }
        };
        entry.known = Some(known);
        entry.ask_at = now + ttl * 9 / 10;
        entry.dead_at = now + ttl + MAX_STALE;
    }

    fn make_room(&mut self) {
        let excess = self.entries.len().saturating_sub(self.capacity);
        let is_idle =
            |question: &&Question| self.entries.get(*question).is_some_and(|entry| entry.query.is_none());
        let oldest: Vec<Question> = self.by_use.values().filter(is_idle).take(excess).cloned().collect();
        for question in oldest {
            if let Some(entry) = self.entries.remove(&question) {
                self.by_use.remove(&entry.used);
            }
        }
    }
}
