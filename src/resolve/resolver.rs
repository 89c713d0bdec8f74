//! Resolutions under way: who waits for which question, and what became of it.
//!
//! Invariants: a question is under way once, whoever waits for it; every question and every resolution ends by its own time;
//! at most [`MAX_OPEN`] questions and [`MAX_WAITING`] resolutions are under way.

use super::cache::Cache;
use super::known::Known;
use super::select::{Finding, Step, next_step};
use super::{Answer, Destination, Means, Question, Server, Unresolved};
use crate::rng::Rng;
use crate::time::{Instant, TimerId, Timers};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Names a question that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// Names a resolution that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolutionId(u64);

/// How long an answer is welcome. Resolvers ask their servers twice or three times in it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a resolution waits in all. An answer that comes later serves the next one.
const PATIENCE: Duration = Duration::from_secs(4);

/// From one look to the next while a question is under way.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

const MAX_OPEN: usize = 500;
const MAX_WAITING: usize = 1_000;
const CAPACITY: usize = 2_000;

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolverAction {
    /// Ask the DNS, and tell [`Resolver::on_answer`].
    Ask {
        /// What to tell it by.
        query: QueryId,
        /// What to ask.
        question: Question,
    },
    /// A resolution has ended.
    Resolved {
        /// Which.
        resolution: ResolutionId,
        /// What came of it.
        resolved: Resolved,
    },
}

/// What came of a resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The servers to try, in this order, or why there are none.
    pub outcome: Result<Vec<Server>, Unresolved>,
    /// When it is worth to resolve again: the answers have come to nine tenths of their time, or a question is under way.
    pub again_at: Instant,
}

/// What [`Resolver::resolve`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "known or not")]
pub enum Resolution {
    /// All is known.
    Done(Resolved),
    /// [`ResolverAction::Resolved`] will tell.
    Waiting(ResolutionId),
}

#[derive(Debug)]
struct Waiting {
    destination: Destination,
    means: Means,
    deadline: TimerId,
    /// What it has waited for so far.
    asked: Vec<Question>,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Question(QueryId),
    Resolution(ResolutionId),
}

/// Resolves destinations by questions that the caller asks, and keeps the answers.
///
/// ```
/// use sip_survivability::resolve::{Answer, Destination, Means, Record, Resolution, Resolver, ResolverAction};
/// use sip_survivability::rng::Rng;
/// use sip_survivability::time::Instant;
/// use sip_survivability::transport::Transport;
/// use sip_survivability::uri::Uri;
/// use std::time::Duration;
/// let (mut resolver, mut rng, mut out) = (Resolver::default(), Rng::new([7; 32]), Vec::new());
/// let means = Means { transports: [Transport::Udp].into_iter().collect(), v4: true, v6: false };
/// let there = Destination::of_uri(&Uri::parse("sip:pbx.example.com:5070")?)?;
///
/// let Resolution::Waiting(waiting) = resolver.resolve(Instant::ZERO, &there, means, &mut rng, &mut out) else {
///     panic!("nothing is known yet");
/// };
/// let [ResolverAction::Ask { query, question }] = &out[..] else { panic!("one question") };
/// assert_eq!(question.to_string(), "pbx.example.com A");
/// let (query, mut out) = (*query, Vec::new());
/// let answer = Answer::Found { records: vec![Record::A([192, 0, 2, 1].into())], ttl: Duration::from_secs(300) };
/// resolver.on_answer(Instant::ZERO, query, &answer, &mut rng, &mut out);
/// let [ResolverAction::Resolved { resolution, resolved }] = &out[..] else { panic!("done") };
/// assert_eq!((*resolution, resolved.outcome.as_ref().unwrap()[0].address), (waiting, "192.0.2.1:5070".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Resolver {
    cache: Cache,
    open: BTreeMap<QueryId, (Question, TimerId)>,
    waiting: BTreeMap<ResolutionId, Waiting>,
    by_question: BTreeMap<Question, BTreeSet<ResolutionId>>,
    timers: Timers<Due>,
    serial: u64,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            cache: Cache::new(CAPACITY),
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            by_question: BTreeMap::new(),
            timers: Timers::default(),
            serial: 0,
        }
    }
}

/// How a resolution is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// What is past its time serves as well.
    Lenient,
    /// "There is nothing" does not, past its time, while it can be asked again.
    Strict,
    /// Whatever is not known by now has failed.
    Final,
}

/// What a look has touched.
#[derive(Debug, Default)]
struct Touched {
    questions: Vec<Question>,
    /// Past their time, and not under way.
    due: Vec<Question>,
    again_at: Option<Instant>,
}

impl Resolver {
    /// The servers of `destination` that can be reached by `means`.
    pub fn resolve(
        &mut self,
        now: Instant,
        destination: &Destination,
        means: Means,
        rng: &mut Rng,
        out: &mut Vec<ResolverAction>,
    ) -> Resolution {
        let overloaded =
            Resolved { outcome: Err(Unresolved::Overloaded), again_at: now + super::cache::RETRY_AFTER };
        match self.look(now, destination, means, rng, out) {
            Ok(resolved) => Resolution::Done(resolved),
            Err(_) if self.waiting.len() >= MAX_WAITING => Resolution::Done(overloaded),
            Err(questions) => {
                let id = ResolutionId(self.next_serial());
                let deadline = self.timers.arm(now + PATIENCE, Due::Resolution(id));
                let destination = destination.clone();
                self.waiting.insert(id, Waiting { destination, means, deadline, asked: Vec::new() });
                if self.ask_all(now, id, &questions, out) {
                    return Resolution::Waiting(id);
                }
                self.forget(id);
                Resolution::Done(overloaded)
            }
        }
    }

    /// The DNS has answered, or never will. An answer to a question that is not under way is ignored.
    pub fn on_answer(
        &mut self,
        now: Instant,
        query: QueryId,
        answer: &Answer,
        rng: &mut Rng,
        out: &mut Vec<ResolverAction>,
    ) {
        let Some((question, timer)) = self.open.remove(&query) else {
            return;
        };
        self.timers.cancel(timer);
        self.cache.answered(&question, answer, now);
        for id in self.by_question.remove(&question).unwrap_or_default() {
            self.go_on(now, id, rng, out);
        }
    }

    /// Nobody waits for `resolution` any more.
    pub fn forget(&mut self, resolution: ResolutionId) {
        if let Some(waiting) = self.waiting.remove(&resolution) {
            self.timers.cancel(waiting.deadline);
            for question in &waiting.asked {
                if let Some(ids) = self.by_question.get_mut(question) {
                    ids.remove(&resolution);
                    if ids.is_empty() {
                        self.by_question.remove(question);
                    }
                }
            }
        }
    }

    /// When to call [`on_tick`](Self::on_tick).
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Ends what has taken too long.
    pub fn on_tick(&mut self, now: Instant, rng: &mut Rng, out: &mut Vec<ResolverAction>) {
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Question(query) => self.on_answer(now, query, &Answer::Failed, rng, out),
                Due::Resolution(id) => {
                    if let Some(waiting) = self.waiting.get(&id) {
                        let (step, touched) =
                            self.step(now, &waiting.destination, waiting.means, Look::Final, rng);
                        self.forget(id);
                        let resolved = self.resolved(now, step, touched, out);
                        out.push(ResolverAction::Resolved { resolution: id, resolved });
                    }
                }
            }
        }
    }

    /// How many questions are under way, how many resolutions wait, and how many answers are kept.
    #[must_use]
    pub fn load(&self) -> (usize, usize, usize) {
        (self.open.len(), self.waiting.len(), self.cache.len())
    }

    const fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A question of `id` was answered.
    fn go_on(&mut self, now: Instant, id: ResolutionId, rng: &mut Rng, out: &mut Vec<ResolverAction>) {
        let Some(Waiting { destination, means, .. }) = self.waiting.get(&id) else {
            return;
        };
        let (destination, means) = (destination.clone(), *means);
        let resolved = match self.look(now, &destination, means, rng, out) {
            Ok(resolved) => resolved,
            Err(questions) if self.ask_all(now, id, &questions, out) => return,
            Err(_) => {
                Resolved { outcome: Err(Unresolved::Overloaded), again_at: now + super::cache::RETRY_AFTER }
            }
        };
        self.forget(id);
        out.push(ResolverAction::Resolved { resolution: id, resolved });
    }

    /// What `destination` comes to by what is known, or what has to be asked.
    fn look(
        &mut self,
        now: Instant,
        destination: &Destination,
        means: Means,
        rng: &mut Rng,
        out: &mut Vec<ResolverAction>,
    ) -> Result<Resolved, Vec<Question>> {
        let (mut step, mut touched) = self.step(now, destination, means, Look::Lenient, rng);
        if matches!(step, Step::Nowhere(_)) {
            (step, touched) = self.step(now, destination, means, Look::Strict, rng);
        }
        match step {
            Step::Ask(questions) => Err(questions),
            Step::Done(_) | Step::Nowhere(_) => Ok(self.resolved(now, step, touched, out)),
        }
    }

    fn resolved(
        &mut self,
        now: Instant,
        step: Step,
        touched: Touched,
        out: &mut Vec<ResolverAction>,
    ) -> Resolved {
        let outcome = match step {
            Step::Done(servers) => Ok(servers),
            Step::Nowhere(reason) => Err(reason),
            Step::Ask(_) => Err(Unresolved::Failed),
        };
        for question in &touched.questions {
            self.cache.touch(question);
        }
        let is_refreshed = !touched.due.is_empty();
        for question in touched.due {
            // Where there is no room it is asked for the next time.
            let _ = self.ask(now, question, out);
        }
        let idle = now + super::cache::RETRY_AFTER;
        let again_at = if is_refreshed {
            now + LOOK_AGAIN
        } else {
            touched.again_at.unwrap_or(idle).max(now + LOOK_AGAIN)
        };
        Resolved { outcome, again_at }
    }

    fn step(
        &self,
        now: Instant,
        destination: &Destination,
        means: Means,
        look: Look,
        rng: &mut Rng,
    ) -> (Step, Touched) {
        let touched = RefCell::new(Touched::default());
        let known = |question: &Question| -> Finding<'_> {
            let Some(view) = self.cache.view(question, now) else {
                return if look == Look::Final { Finding::Failed } else { Finding::Open };
            };
            let mut touched = touched.borrow_mut();
            let is_due = view.is_due && !view.is_asked;
            if view.known.is_some() && is_due && !touched.due.contains(question) {
                touched.due.push(question.clone());
            }
            let again_at = if view.is_asked { now + LOOK_AGAIN } else { view.ask_at };
            touched.again_at = Some(touched.again_at.map_or(again_at, |other| other.min(again_at)));
            touched.questions.push(question.clone());
            let can_wait = look != Look::Final && (view.is_asked || view.is_due);
            match view.known {
                Some(Known::Nothing | Known::Unavailable) if look == Look::Strict && can_wait => {
                    Finding::Open
                }
                Some(known) => Finding::Known(known),
                None if can_wait => Finding::Open,
                None => Finding::Failed,
            }
        };
        let step = next_step(destination, means, &known, rng);
        (step, touched.into_inner())
    }

    /// Asks all that is not under way yet, for `id`. Whether there was room.
    fn ask_all(
        &mut self,
        now: Instant,
        id: ResolutionId,
        questions: &[Question],
        out: &mut Vec<ResolverAction>,
    ) -> bool {
        let Self { waiting, by_question, .. } = self;
        let Some(waiting) = waiting.get_mut(&id) else {
            return false;
        };
        for question in questions {
            if by_question.entry(question.clone()).or_default().insert(id) {
                waiting.asked.push(question.clone());
            }
        }
        questions.iter().all(|question| self.ask(now, question.clone(), out))
    }

    /// Asks, unless it is under way. Whether there was room.
    fn ask(&mut self, now: Instant, question: Question, out: &mut Vec<ResolverAction>) -> bool {
        if self.cache.view(&question, now).is_some_and(|view| view.is_asked) {
            return true;
        }
        if self.open.len() >= MAX_OPEN {
            return false;
        }
        let query = QueryId(self.next_serial());
        let timer = self.timers.arm(now + QUESTION_TIMEOUT, Due::Question(query));
        self.cache.asked(&question, query, now);
        out.push(ResolverAction::Ask { query, question: question.clone() });
        self.open.insert(query, (question, timer));
        true
    }
}
