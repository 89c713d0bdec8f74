//! What comes back: responses and their absence (RFC 3261 16.7 to 16.9).

use super::best::{self, Final};
use super::cancel::{ELSEWHERE, cancel_all, cancel_branch};
use super::context::{BranchState, Cancel, ResponseContext};
use super::{ContextId, Due, Proxy, Silence, SilenceKind, TIMER_C, forward, refuse, start_branch};
use crate::headers::Method;
use crate::message::Response;
use crate::routing::Target;
use crate::time::Instant;
use crate::transaction::{ClientId, Transactions, Unanswered};
use crate::transport::Ctx;

impl Proxy {
    /// RFC 3261 16.7: a response to one of the branches. `redirect`: the targets that a 3xx names and that are to be tried.
    pub(crate) fn on_response(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        id: ContextId,
        client: ClientId,
        response: &Response,
        redirect: Vec<Vec<Target>>,
    ) -> Option<Silence> {
        // What a target that was given up says late is no sign of life of those that were tried instead.
        if self.is_live(id, client) {
            self.on_taken(ctx.now, id);
        }
        let context = self.contexts.get_mut(id.0)?;
        let is_invite = context.request.method() == Method::Invite;
        let status = response.status();
        let branch = context.branch_mut(client)?;
        match status {
            100..=199 => {
                branch.state = branch.state.on_provisional();
                if branch.cancel != Cancel::Unwanted {
                    cancel_branch(ctx, transactions, branch, "");
                }
                // RFC 4320 4.1: a non-INVITE gets no provisional response but 100.
                let counts = !branch.is_abandoned && !context.is_answered && is_invite;
                // 16.7 step 2: Timer C starts again with each provisional response but 100.
                if status > 100 && counts {
                    if let Some(timer) = context.timer_c.take() {
                        self.timers.cancel(timer);
                        context.timer_c = Some(self.timers.arm(ctx.now + TIMER_C, Due::TimerC(id)));
                    }
                    // 16.7 step 5: all but 100 are forwarded at once.
                    if let Some(bytes) = forward::upstream_response(response) {
                        transactions.respond(ctx, context.server, status, bytes);
                    }
                }
                None
            }
            200..=299 => {
                branch.state = BranchState::Done;
                // 16.7 step 5: each 2xx to an INVITE is forwarded, also of a branch that was given up.
                if is_invite || !context.is_answered {
                    context.is_accepted |= is_invite;
                    match forward::upstream_response(response) {
                        Some(bytes) => transactions.respond(ctx, context.server, status, bytes),
                        // 16.7 step 3: it has no Via that leads to the caller, who has to hear something all the same.
                        None if !context.is_answered => refuse(ctx, transactions, context, 502),
                        None => {}
                    }
                    context.is_answered = true;
                }
                context.groups.clear();
                cancel_all(ctx, transactions, context, ELSEWHERE);
                self.reap(ctx.now, id);
                None
            }
            _ => {
                branch.state = BranchState::Done;
                let hop = branch.hop();
                // RFC 5626 7: "a final response from a branch other than a 408 (Request Timeout) or a 430 (Flow Failed)" is the
                // instance's own.
                if matches!(status, 408 | 430) && self.try_other_flow(ctx, transactions, id, client) {
                    return None;
                }
                let context = self.contexts.get_mut(id.0)?;
                let branch = context.branch(client)?;
                // 16.7 step 4: a 3xx that is followed is no candidate for the best response.
                let follows = !branch.is_abandoned && context.follow(redirect);
                let branch = context.branch(client)?;
                if !branch.is_abandoned && !follows {
                    best::keep(context, response);
                    if status >= 600 {
                        // 16.7 step 5: a 6xx ends the search, by other flows of an instance as well.
                        context.groups.clear();
                        context.branches.iter_mut().for_each(|branch| branch.target.others.clear());
                        cancel_all(ctx, transactions, context, &format!("SIP;cause={status}"));
                    }
                }
                self.settle(ctx, transactions, id, follows || best::tries_next(hop, status))
            }
        }
    }

    /// The target shows that it has the request: nothing is to be tried instead because it were silent.
    pub(crate) fn on_taken(&mut self, now: Instant, id: ContextId) {
        self.arm_patience(now, id, None);
        self.waiting.remove(&id);
    }

    /// A request of ours ended without a final response.
    pub(crate) fn on_unanswered(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        unanswered: Unanswered,
        kind: SilenceKind,
    ) -> Option<Silence> {
        let id = ContextId::from(unanswered.owner?);
        let context = self.contexts.get_mut(id.0)?;
        let branch = context.branch_mut(unanswered.client)?;
        let (hop, before) = (branch.hop(), std::mem::replace(&mut branch.state, BranchState::Done));
        if branch.is_abandoned {
            // Its silence was noted when it was given up, and what was tried instead goes on.
            self.reap(ctx.now, id);
            return None;
        }
        // RFC 3261 18.1.1: "SHOULD retry the request, using UDP".
        if kind == SilenceKind::TransportFailed
            && let (true, BranchState::Calling, Cancel::Unwanted) = (branch.by_udp, before, &branch.cancel)
        {
            let (mut target, breadth) = (branch.target.clone(), branch.breadth);
            target.is_listening = false;
            start_branch(ctx, transactions, context, id, target, breadth);
            if context.is_pending() {
                return None;
            }
        }
        if before == BranchState::Calling && self.try_other_flow(ctx, transactions, id, unanswered.client) {
            return None;
        }
        let context = self.contexts.get_mut(id.0)?;
        context.is_timed_out |= kind == SilenceKind::TimedOut;
        if before == BranchState::Proceeding {
            // It has taken the request on, so it is not silent: the same as its own 408 (16.7, 16.8).
            return self.settle(ctx, transactions, id, best::tries_next(hop, 408));
        }
        Some(Silence { context: id, proxy: hop.proxy(), kind })
    }

    /// Whether a branch that counts has yet to end.
    pub(crate) fn is_pending(&self, id: ContextId) -> bool {
        self.contexts.get(id.0).is_some_and(ResponseContext::is_pending)
    }

    /// If nothing that counts is under way: the next group if `try_next`, else the best response.
    pub(crate) fn settle(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        id: ContextId,
        try_next: bool,
    ) -> Option<Silence> {
        let context = self.contexts.get_mut(id.0)?;
        if !context.is_answered && !context.is_pending() {
            if try_next && !context.is_cancelled() && !context.groups.is_empty() {
                return self.advance(ctx, transactions, id);
            }
            context.is_answered = true;
            context.groups.clear();
            match best::final_response(context) {
                Final::Best(status, response) => transactions.respond(ctx, context.server, status, response),
                Final::Silent => transactions.abandon(context.server),
                Final::Refused(status) => refuse(ctx, transactions, context, status),
            }
        }
        self.reap(ctx.now, id);
        None
    }
}
