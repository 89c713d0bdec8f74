//! The response context as RFC 3261 16.7 to 16.10 have it, with RFC 4320 for what is no INVITE: which messages have to follow an event.

use std::collections::{BTreeSet, VecDeque};

const LIFETIME: u64 = 32_000;
const TIMER_C: u64 = 185_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Calling,
    Proceeding,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    Unwanted,
    Wanted,
    SentAt(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// Which contact it is.
    pub(crate) contact: usize,
    pub(crate) state: State,
    started: u64,
    cancel: Cancel,
    /// The final response that came.
    pub(crate) status: Option<u16>,
    heard: BTreeSet<u16>,
    /// When that was.
    ended: u64,
}

/// What has to be sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expected {
    /// A copy of the request to this contact.
    Copy(usize),
    Ack(usize),
    Cancel(usize),
    /// This response of this contact's, to the caller.
    Relayed(usize, u16),
    /// One final response to the caller, with one of these.
    Final(Vec<u16>),
}

#[derive(Debug)]
pub(crate) struct Context {
    is_invite: bool,
    groups: VecDeque<Vec<usize>>,
    breadth: usize,
    pub(crate) branches: Vec<Branch>,
    has_6xx: bool,
    timed_out: bool,
    is_cancelled: bool,
    pub(crate) is_answered: bool,
    timer_c: Option<u64>,
    now: u64,
    out: Vec<Expected>,
}

impl Context {
    /// `groups`: the contacts in the order of q, those of the same q together.
    pub(crate) fn new(is_invite: bool, groups: Vec<Vec<usize>>, breadth: u32, now: u64) -> Self {
        let mut context = Self {
            is_invite,
            groups: groups.into(),
            breadth: breadth as usize,
            branches: Vec::new(),
            has_6xx: false,
            timed_out: false,
            is_cancelled: false,
            is_answered: false,
            timer_c: None,
            now,
            out: Vec::new(),
        };
        context.next_group();
        context
    }

    pub(crate) fn take(&mut self) -> Vec<Expected> {
        let mut out = std::mem::take(&mut self.out);
        out.sort();
        out
    }

    fn next_group(&mut self) {
        let Some(mut group) = self.groups.pop_front() else { return };
        let later = group.split_off(group.len().min(self.breadth));
        if !later.is_empty() {
            self.groups.push_front(later);
        }
        for contact in group {
            self.out.push(Expected::Copy(contact));
            self.branches.push(Branch {
                contact,
                state: State::Calling,
                started: self.now,
                cancel: Cancel::Unwanted,
                status: None,
                heard: BTreeSet::new(),
                ended: 0,
            });
        }
        self.timer_c = self.is_invite.then_some(self.now + TIMER_C);
    }

    /// 16.7 step 10, and 9.1.
    fn cancel_all(&mut self) {
        for branch in &mut self.branches {
            if self.is_invite && branch.state != State::Done && branch.cancel == Cancel::Unwanted {
                branch.cancel = Cancel::Wanted;
            }
            send_cancel(branch, self.now, &mut self.out);
        }
    }

    /// The caller hangs up (16.10).
    pub(crate) fn cancel(&mut self) {
        if !self.is_answered {
            self.is_cancelled = true;
            self.groups.clear();
            self.cancel_all();
        }
    }

    /// 16.7: a response on a branch.
    pub(crate) fn response(&mut self, index: usize, status: u16) {
        let (now, is_invite, is_answered) = (self.now, self.is_invite, self.is_answered);
        let branch = &mut self.branches[index];
        let contact = branch.contact;
        let is_new = branch.heard.insert(status);
        match (status, branch.state, branch.status) {
            (100..=199, State::Calling | State::Proceeding, _) => {
                branch.state = State::Proceeding;
                send_cancel(branch, now, &mut self.out);
                // Steps 2 and 5, RFC 4320 4.1.
                if is_invite && status > 100 && !is_answered {
                    if self.timer_c.is_some() {
                        self.timer_c = Some(now + TIMER_C);
                    }
                    if is_new {
                        self.out.push(Expected::Relayed(contact, status));
                    }
                }
            }
            (200..=299, State::Calling | State::Proceeding, _) => {
                (branch.state, branch.status, branch.ended) = (State::Done, Some(status), now);
                if is_invite || !is_answered {
                    self.out.push(Expected::Relayed(contact, status));
                }
                self.is_answered = true;
                self.groups.clear();
                self.cancel_all();
            }
            // RFC 6026: each 2xx of a branch that has accepted, until Timer M.
            (200..=299, State::Done, Some(200..=299))
                if is_invite && is_new && now < branch.ended + LIFETIME =>
            {
                self.out.push(Expected::Relayed(contact, status));
            }
            (300.., State::Calling | State::Proceeding, _) => {
                (branch.state, branch.status, branch.ended) = (State::Done, Some(status), now);
                if is_invite {
                    self.out.push(Expected::Ack(contact));
                }
                if status >= 600 {
                    self.has_6xx = true;
                    self.groups.clear();
                    self.cancel_all();
                }
                self.settle();
            }
            _ => {}
        }
    }

    fn settle(&mut self) {
        if self.is_answered || self.branches.iter().any(|branch| branch.state != State::Done) {
            return;
        }
        if !self.groups.is_empty() {
            return self.next_group();
        }
        self.is_answered = true;
        let finals = self.allowed();
        if !finals.is_empty() {
            self.out.push(Expected::Final(finals));
        }
    }

    /// Step 6: what the best response may be.
    fn allowed(&self) -> Vec<u16> {
        // RFC 4320 4.2: no 408 to what is no INVITE.
        let counts = |status: &u16| self.is_invite || *status != 408;
        let mut finals: Vec<u16> = self.branches.iter().filter_map(|b| b.status).filter(counts).collect();
        // 16.8: a branch that has timed out is one that answered 408.
        if self.is_invite && self.timed_out {
            finals.push(408);
        }
        let class = |status: &u16| if *status >= 600 { 0 } else { status / 100 };
        let best = finals.iter().map(class).min();
        let mut allowed: Vec<u16> = finals.into_iter().filter(|status| Some(class(status)) == best).collect();
        let preferred = [401, 407, 415, 420, 484];
        if best == Some(4) && allowed.iter().any(|status| preferred.contains(status)) {
            allowed.retain(|status| preferred.contains(status));
        }
        // A 503 is no answer of the proxy's.
        for status in &mut allowed {
            if *status == 503 {
                *status = 500;
            }
        }
        // Who has hung up may hear that of a branch that has said nothing.
        if self.is_cancelled && self.timed_out {
            allowed.push(487);
        }
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }

    /// When a branch gives up: Timers B and F, or 64*T1 behind its CANCEL.
    fn gives_up(&self, branch: &Branch) -> Option<u64> {
        match (branch.state, branch.cancel) {
            (State::Done, _) => None,
            (State::Proceeding, Cancel::SentAt(at)) => Some(at + LIFETIME),
            (State::Proceeding, _) if self.is_invite => None,
            _ => Some(branch.started + LIFETIME),
        }
    }

    pub(crate) fn wait(&mut self, span: u64) {
        let end = self.now + span;
        loop {
            let ends =
                self.branches.iter().enumerate().filter_map(|(i, b)| Some((self.gives_up(b)?, Some(i))));
            let next = ends.chain(self.timer_c.map(|at| (at, None))).min();
            let Some((at, branch)) = next.filter(|(at, _)| *at <= end) else { break };
            self.now = at;
            match branch {
                Some(index) => {
                    self.branches[index].state = State::Done;
                    self.timed_out = true;
                    self.settle();
                }
                // 16.8.
                None => {
                    self.timer_c = None;
                    self.cancel_all();
                }
            }
        }
        self.now = end;
    }
}

fn send_cancel(branch: &mut Branch, now: u64, out: &mut Vec<Expected>) {
    if branch.cancel == Cancel::Wanted && branch.state == State::Proceeding {
        branch.cancel = Cancel::SentAt(now);
        out.push(Expected::Cancel(branch.contact));
    }
}
