//! The response context (RFC 3261 16.7): one request, its branches, and the best answer so far.

use crate::message::{Request, Response};
use crate::routing::{Hop, Source, Target};
use crate::time::{Instant, TimerId};
use crate::transaction::{ClientId, ServerId};
use crate::transport::Peer;
use crate::upstream::{Moved, TargetId};
use std::collections::VecDeque;
use std::time::Duration;

/// How a request is relayed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Tried one group after the other, all targets of a group at once.
    pub(crate) groups: Vec<Vec<Target>>,
    /// How many Route values it leaves behind.
    pub(crate) drop_routes: usize,
    /// Who sent it; part of what decides its way, and so of loop detection.
    pub(crate) source: Source,
    /// Whether to stay on the path of its dialog.
    pub(crate) record_route: bool,
    /// Whether to add our Path (RFC 3327).
    pub(crate) path: bool,
    /// Whether a large request may go by TCP instead of UDP (RFC 3261 18.1.1).
    pub(crate) may_switch: bool,
    pub(crate) patience: Patience,
}

/// How long a target may take for its first response before the layer above is asked; none: its transaction's own time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    pub(crate) proxy: Option<Duration>,
    /// The same while there is another address to try (hot swap).
    pub(crate) swap: Option<Duration>,
    pub(crate) gateway: Option<Duration>,
    pub(crate) other: Option<Duration>,
    /// What a user's phones may take while there are others of a lower q.
    pub(crate) phone: Option<Duration>,
    /// How long those may ring.
    pub(crate) ring: Option<Duration>,
}

impl Patience {
    /// `is_last`: there is no other group to try.
    pub(super) fn of(&self, hop: Hop, is_last: bool) -> Option<Duration> {
        match hop {
            // Whichever is over first.
            Hop::Proxy(_) => self.proxy.into_iter().chain(self.swap.filter(|_| !is_last)).min(),
            Hop::Gateway | Hop::Peer | Hop::Route => self.gateway,
            Hop::User => self.other.or_else(|| self.phone.filter(|_| !is_last)),
            Hop::Address => self.other,
        }
    }
}

/// No 3xx is followed after so many branches.
const MAX_REDIRECTED: usize = 20;

#[derive(Debug)]
pub(super) struct ResponseContext {
    pub(super) server: ServerId,
    pub(super) request: Request,
    pub(super) source: Peer,
    pub(super) plan: Plan,
    /// What is left of the plan's groups.
    pub(super) groups: VecDeque<Vec<Target>>,
    pub(super) branches: Vec<Branch>,
    pub(super) best: Option<Response>,
    /// All that are 401 or 407.
    pub(super) challenges: Vec<Response>,
    /// When the latest group was started.
    pub(super) sent_at: Instant,
    pub(super) is_answered: bool,
    /// Answered with a 2xx to an INVITE.
    pub(super) is_accepted: bool,
    /// Cancelled by the caller, who may have said why.
    pub(super) cancelled: Option<Reason>,
    /// Some branch ended without a final response.
    pub(super) is_timed_out: bool,
    /// When a non-INVITE gets its 100.
    pub(super) trying: Option<TimerId>,
    pub(super) patience: Option<TimerId>,
    pub(super) ring: Option<TimerId>,
    pub(super) timer_c: Option<TimerId>,
    pub(super) end: Option<TimerId>,
}

impl ResponseContext {
    pub(super) fn new(server: ServerId, request: Request, source: Peer, mut plan: Plan) -> Self {
        Self {
            server,
            request,
            source,
            groups: std::mem::take(&mut plan.groups).into(),
            plan,
            branches: Vec::new(),
            best: None,
            challenges: Vec::new(),
            sent_at: Instant::ZERO,
            is_answered: false,
            is_accepted: false,
            cancelled: None,
            is_timed_out: false,
            trying: None,
            patience: None,
            ring: None,
            timer_c: None,
            end: None,
        }
    }

    pub(super) const fn is_cancelled(&self) -> bool {
        self.cancelled.is_some()
    }

    pub(super) fn branch(&self, client: ClientId) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.client == client)
    }

    pub(super) fn branch_mut(&mut self, client: ClientId) -> Option<&mut Branch> {
        self.branches.iter_mut().find(|branch| branch.client == client)
    }

    /// Puts the targets that a 3xx names before those that are left, each but once (RFC 3261 16.5). Whether there are any.
    pub(super) fn follow(&mut self, mut redirect: Vec<Vec<Target>>) -> bool {
        if self.is_answered || self.is_cancelled() || self.branches.len() >= MAX_REDIRECTED {
            return false;
        }
        let known = |target: &Target| {
            let tried = self.branches.iter().map(|branch| &branch.target);
            tried.chain(self.groups.iter().flatten()).any(|other| other.uri == target.uri)
        };
        redirect.iter_mut().for_each(|group| group.retain(|target| !known(target)));
        redirect.retain(|group| !group.is_empty());
        let follows = !redirect.is_empty();
        redirect.into_iter().rev().for_each(|group| self.groups.push_front(group));
        follows
    }

    /// The proxies of the set have `moved`. What was sent to one that is not there any more goes on; what was to be sent is not.
    pub(super) fn renumber(&mut self, moved: &Moved) {
        for branch in &mut self.branches {
            if let Hop::Proxy(target) = branch.target.hop {
                branch.target.hop = Hop::Proxy(moved.of(target).unwrap_or(TargetId::GONE));
            }
        }
        let is_there = |target: &mut Target| match target.hop {
            Hop::Proxy(proxy) => moved.of(proxy).map(|proxy| target.hop = Hop::Proxy(proxy)).is_some(),
            Hop::Gateway | Hop::Peer | Hop::Route | Hop::User | Hop::Address => true,
        };
        self.groups.iter_mut().for_each(|group| group.retain_mut(is_there));
        self.groups.retain(|group| !group.is_empty());
    }

    /// Whether a branch that counts has yet to end.
    pub(super) fn is_pending(&self) -> bool {
        self.branches.iter().any(|branch| !branch.is_abandoned && !branch.is_done())
    }
}

/// One client transaction of a context.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) client: ClientId,
    pub(super) target: Target,
    pub(super) state: BranchState,
    /// Given up for others: only a 2xx still counts.
    pub(super) is_abandoned: bool,
    pub(super) cancel: Cancel,
    /// It went by TCP for its size, and can be tried by UDP.
    pub(super) by_udp: bool,
    /// What it has of Max-Breadth.
    pub(super) breadth: u32,
}

/// How far the CANCEL of a branch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    Unwanted,
    /// It waits for a provisional response (RFC 3261 9.1).
    Wanted(Reason),
    Sent,
}

/// Why a branch is cancelled: the value of a Reason field (RFC 3326), or nothing.
pub(super) type Reason = Box<str>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BranchState {
    /// Sent, no response.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A final response came, or none ever will.
    Done,
}

impl BranchState {
    pub(super) const fn on_provisional(self) -> Self {
        match self {
            Self::Calling | Self::Proceeding => Self::Proceeding,
            Self::Done => Self::Done,
        }
    }
}

impl Branch {
    pub(super) const fn new(client: ClientId, target: Target, breadth: u32) -> Self {
        Self {
            client,
            target,
            state: BranchState::Calling,
            is_abandoned: false,
            cancel: Cancel::Unwanted,
            by_udp: false,
            breadth,
        }
    }

    pub(super) const fn hop(&self) -> Hop {
        self.target.hop
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.state, BranchState::Done)
    }

    /// Whether it counts, and no response has come.
    pub(super) const fn is_silent(&self) -> bool {
        matches!(self.state, BranchState::Calling) && !self.is_abandoned
    }
}
