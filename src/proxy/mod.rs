//! A stateful proxy (RFC 3261 section 16): forwarding, forking, the response context, CANCEL, Timer C.
//!
//! Where requests go is decided elsewhere; this layer sends them there and brings one final response back. When a target
//! stays silent it says so ([`Silence`]) and lets the layer above choose: the next group, other targets, or an answer.
//!
//! Invariants: each context answers its server transaction exactly once with a final response (or never, where RFC 4320
//! forbids a late one); each branch ends, by its transaction's timers, by Timer C, or by the CANCEL that follows it.

mod best;
mod cancel;
mod context;
mod forward;
mod response;

use crate::headers::Method;
use crate::message::{Fault, Request, ResponseBuilder};
use crate::routing::{Hop, Source, Target};
use crate::time::{Instant, Timers};
use crate::transaction::{ClientId, LIFETIME, Outgoing, Owner, ServerId, Slab, SlabId, Transactions};
use crate::transport::{Ctx, Flows, Peer};
use crate::upstream::{Moved, TargetId};
use bytes::Bytes;
use cancel::{cancel_all, cancel_branch};
use context::{Branch, BranchState, ResponseContext};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) use context::{Patience, Plan};
use forward::own_branches;
pub(crate) use forward::{breadth_of, forward, is_loop, own_branch};

/// Timer C: above three minutes (RFC 3261 16.6 step 11).
const TIMER_C: Duration = Duration::from_secs(185);

/// When a non-INVITE without an answer gets a 100: the time that Timer E takes to reach T2, neither before nor after (RFC 4320
/// 4.1). That is T1 + 2*T1 + 4*T1.
const TRYING: Duration = Duration::from_millis(3500);

/// Names a response context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ContextId(SlabId);

impl From<Owner> for ContextId {
    fn from(owner: Owner) -> Self {
        Self(owner.0)
    }
}

/// A target that gave no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) context: ContextId,
    /// Which proxy of the set it is, if it is one.
    pub(crate) proxy: Option<TargetId>,
    pub(crate) kind: SilenceKind,
}

/// How a target's silence was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SilenceKind {
    /// Patience ran out; the transaction goes on.
    Impatient,
    /// The transaction gave up by its own timers.
    TimedOut,
    /// The transport could not deliver.
    TransportFailed,
}

/// What the layer above has to know of a request that is being relayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed<'a> {
    pub(crate) request: &'a Request,
    pub(crate) source: Peer,
    pub(crate) source_kind: Source,
    pub(crate) is_cancelled: bool,
    pub(crate) is_answered: bool,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Trying(ContextId),
    Patience(ContextId),
    Rang(ContextId),
    TimerC(ContextId),
    End(ContextId),
}

/// All response contexts.
#[derive(Debug, Default)]
pub(crate) struct Proxy {
    contexts: Slab<ResponseContext>,
    by_server: BTreeMap<ServerId, ContextId>,
    /// Contexts that a proxy of the set has left without a response so far.
    waiting: BTreeSet<ContextId>,
    timers: Timers<Due>,
}

impl Proxy {
    /// The next deadline.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How many requests are being relayed.
    pub(crate) fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Relays `request`, which waits for an answer as `server`, by `plan`. `trying`: its 100, if that is to be sent at once, unless an
    /// answer is sure to come within 200 ms (RFC 3261 17.2.1).
    #[expect(
        clippy::too_many_arguments,
        reason = "a request, where it came from, and what is to be done with it"
    )]
    pub(crate) fn relay(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        server: ServerId,
        request: Request,
        source: Peer,
        plan: Plan,
        trying: Option<Bytes>,
    ) -> Option<Silence> {
        let id = ContextId(self.contexts.insert(ResponseContext::new(server, request, source, plan)));
        self.by_server.insert(server, id);
        if let Some(trying) = trying {
            transactions.respond(ctx, server, 100, trying);
        } else if let Some(context) = self.contexts.get_mut(id.0) {
            context.trying = Some(self.timers.arm(ctx.now + TRYING, Due::Trying(id)));
        }
        self.advance(ctx, transactions, id)
    }

    fn respond_trying(&mut self, ctx: &mut Ctx<'_>, transactions: &mut Transactions, id: ContextId) {
        if let Some(context) = self.contexts.get_mut(id.0) {
            context.trying = None;
            let trying = ResponseBuilder::new(&context.request, context.source.address, 100, "");
            transactions.respond(ctx, context.server, 100, trying.finish_or_500());
        }
    }

    /// What is known of a context.
    pub(crate) fn relayed(&self, id: ContextId) -> Option<Relayed<'_>> {
        let context = self.contexts.get(id.0)?;
        Some(Relayed {
            request: &context.request,
            source: context.source,
            source_kind: context.plan.source,
            is_cancelled: context.is_cancelled(),
            is_answered: context.is_answered,
        })
    }

    /// Where the request of `client` went.
    pub(crate) fn hop_of(&self, id: ContextId, client: ClientId) -> Option<Hop> {
        self.contexts.get(id.0)?.branch(client).map(Branch::hop)
    }

    /// Whether `client` is a branch of `id` that still counts: not one that was given up for another.
    pub(crate) fn is_live(&self, id: ContextId, client: ClientId) -> bool {
        let branch = self.contexts.get(id.0).and_then(|context| context.branch(client));
        branch.is_some_and(|branch| !branch.is_abandoned)
    }

    /// The requests that wait for their final response, passed us before, as `branch`, and have come by a proxy of the set since.
    pub(crate) fn open_behind(&self, branch: &str, flows: &Flows) -> impl Iterator<Item = ServerId> {
        let comes_by_proxy =
            |context: &&ResponseContext| !context.is_answered && context.plan.source == Source::Proxy;
        let is_behind =
            move |context: &&ResponseContext| own_branches(&context.request, flows).any(|own| own == branch);
        let contexts = self.contexts.iter().map(|(_, context)| context);
        contexts.filter(comes_by_proxy).filter(is_behind).map(|context| context.server)
    }

    /// The INVITEs to proxies of the set that wait for their final responses on behalf of `server`.
    pub(crate) fn invites_to_proxies(&self, server: ServerId, transactions: &Transactions) -> Vec<Request> {
        let context = self.by_server.get(&server).and_then(|id| self.contexts.get(id.0));
        let branches = context.map(|context| context.branches.as_slice()).unwrap_or_default();
        let to_proxies = branches.iter().filter(|branch| branch.hop().proxy().is_some());
        let invites = to_proxies.filter_map(|branch| transactions.invite_request(branch.client));
        invites.map(|(invite, _)| invite).collect()
    }

    /// Whether a target that counts has the request, and works on it.
    pub(crate) fn has_begun(&self, id: ContextId) -> bool {
        let begun = |branch: &Branch| !branch.is_abandoned && branch.state == BranchState::Proceeding;
        self.contexts.get(id.0).is_some_and(|context| context.branches.iter().any(begun))
    }

    /// The INVITEs that their callers have cancelled and that wait for what comes of it, each with its Reason.
    pub(crate) fn cancelled(&self) -> impl Iterator<Item = (ServerId, &str)> {
        let open = self.contexts.iter().map(|(_, context)| context).filter(|context| !context.is_answered);
        open.filter_map(|context| Some((context.server, context.cancelled.as_deref()?)))
    }

    /// The contexts that a proxy of the set has left without a response so far.
    pub(crate) fn waiting(&self) -> Vec<ContextId> {
        self.waiting.iter().copied().collect()
    }

    /// A proxy of the set owes nothing more to this context, whatever becomes of it.
    pub(crate) fn wait_no_more(&mut self, id: ContextId) {
        self.waiting.remove(&id);
    }

    /// The proxy that this context was sent to may still answer it.
    pub(crate) fn wait_on(&mut self, id: ContextId) {
        if self.is_pending(id) {
            self.waiting.insert(id);
        }
    }

    /// The proxies of the set have `moved`.
    pub(crate) fn renumber(&mut self, moved: &Moved) {
        self.contexts.iter_mut().for_each(|context| context.renumber(moved));
    }

    /// Whether some target has refused the request already.
    pub(crate) fn has_answer(&self, id: ContextId) -> bool {
        self.contexts.get(id.0).is_some_and(|context| context.best.is_some())
    }

    /// Whether there is another group to try.
    pub(crate) fn has_alternative(&self, id: ContextId) -> bool {
        self.contexts.get(id.0).is_some_and(|context| {
            let mut silent = context.branches.iter().filter(|branch| branch.is_silent());
            let has_more =
                !context.groups.is_empty() || silent.any(|branch| !branch.target.others.is_empty());
            has_more && !context.is_cancelled()
        })
    }

    /// Goes on behind `client`, whose flow has failed: by another one of the same instance (RFC 5626 7), if there is one.
    fn try_other_flow(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        id: ContextId,
        client: ClientId,
    ) -> bool {
        let Some(context) = self.contexts.get_mut(id.0) else { return false };
        if context.is_answered || context.is_cancelled() {
            return false;
        }
        let branch = context.branch_mut(client).filter(|branch| !branch.is_abandoned);
        let Some((other, breadth)) =
            branch.and_then(|branch| Some((branch.target.take_other()?, branch.breadth)))
        else {
            return false;
        };
        let before = context.branches.len();
        start_branch(ctx, transactions, context, id, other, breadth);
        let Some(last) = context.branches.get(before) else { return false };
        let is_last = context.groups.is_empty() && last.target.others.is_empty();
        let patience = context.plan.patience.of(last.hop(), is_last);
        if let Some(timer) = context.timer_c.take() {
            // 16.6 step 11.
            self.timers.cancel(timer);
            context.timer_c = Some(self.timers.arm(ctx.now + TIMER_C, Due::TimerC(id)));
        }
        self.arm_patience(ctx.now, id, patience);
        true
    }

    /// Starts the next group; what was tried before is given up. Where none of its targets can be sent to, that is told
    /// as silence.
    pub(crate) fn advance(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        id: ContextId,
    ) -> Option<Silence> {
        let context = self.contexts.get_mut(id.0)?;
        // RFC 5626 7: where an instance has said nothing by one flow, it is asked by another before anybody else is.
        let silent = context.branches.iter_mut().filter(|branch| branch.is_silent());
        let others: Vec<_> = silent.filter_map(|branch| branch.target.take_other()).collect();
        if !others.is_empty() {
            context.groups.push_front(others);
        }
        self.abandon_branches(ctx, transactions, id);
        let context = self.contexts.get_mut(id.0)?;
        let mut group = context.groups.pop_front()?;
        let hop = group.first().map(|target| target.hop);
        // RFC 5393 5.3.3: the breadth is shared among those that are tried at once; who is left without one is tried later.
        let breadth = breadth_of(&context.request);
        let later = group.split_off(group.len().min(breadth as usize));
        if !later.is_empty() {
            context.groups.push_front(later);
        }
        let targets = u32::try_from(group.len()).unwrap_or(breadth);
        for (target, i) in group.into_iter().zip(0..) {
            let share = breadth / targets + u32::from(i < breadth % targets);
            start_branch(ctx, transactions, context, id, target, share);
        }
        let proxy = hop.and_then(Hop::proxy);
        if !context.is_pending() {
            return Some(Silence { context: id, proxy, kind: SilenceKind::TransportFailed });
        }
        if proxy.is_some() {
            self.waiting.insert(id);
        } else {
            self.waiting.remove(&id);
        }
        context.sent_at = ctx.now;
        if context.request.method() == Method::Invite {
            // 16.6 step 11: a Timer C for each client transaction, hence a new one for the branches of each group.
            if let Some(timer) = context.timer_c.take() {
                self.timers.cancel(timer);
            }
            context.timer_c = Some(self.timers.arm(ctx.now + TIMER_C, Due::TimerC(id)));
        }
        // Serial forking by q (16.7 step 4): phones that ring in vain do not keep the call from the next ones.
        let is_last = context.groups.is_empty();
        let rings = !is_last && hop == Some(Hop::User) && context.request.method() == Method::Invite;
        if let Some(timer) = context.ring.take() {
            self.timers.cancel(timer);
        }
        let mut live = context.branches.iter().filter(|branch| !branch.is_abandoned);
        let is_last = is_last && live.all(|branch| branch.target.others.is_empty());
        let ring = context.plan.patience.ring.filter(|_| rings);
        context.ring = ring.map(|ring| self.timers.arm(ctx.now + ring, Due::Rang(id)));
        let patience = hop.and_then(|hop| context.plan.patience.of(hop, is_last));
        self.arm_patience(ctx.now, id, patience);
        None
    }

    /// From now on `patience` is what a proxy of the set may take for its first response, counted from the sending.
    pub(crate) fn hurry(&mut self, now: Instant, id: ContextId, patience: Duration) {
        if let Some(context) = self.contexts.get_mut(id.0) {
            context.plan.patience.proxy = Some(patience);
            let due = (context.sent_at + patience).max(now);
            if context.patience.is_none_or(|timer| timer.at() > due) {
                self.arm_patience(now, id, Some(due - now));
            }
        }
    }

    fn arm_patience(&mut self, now: Instant, id: ContextId, patience: Option<Duration>) {
        if let Some(context) = self.contexts.get_mut(id.0) {
            if let Some(timer) = context.patience.take() {
                self.timers.cancel(timer);
            }
            context.patience = patience.map(|patience| self.timers.arm(now + patience, Due::Patience(id)));
        }
    }

    /// Sends the request to other targets instead of those that were planned.
    pub(crate) fn redirect(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        id: ContextId,
        groups: Vec<Vec<Target>>,
        drop_routes: usize,
    ) -> Option<Silence> {
        let context = self.contexts.get_mut(id.0)?;
        context.branches.iter_mut().for_each(|branch| branch.target.others.clear());
        context.groups = groups.into();
        context.plan.drop_routes = drop_routes;
        self.advance(ctx, transactions, id)
    }

    /// Like [`redirect`](Self::redirect), to the same targets without our Path, which `client` has just been refused for.
    pub(crate) fn retry_without_path(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        id: ContextId,
        client: ClientId,
        groups: Vec<Vec<Target>>,
    ) -> Option<Silence> {
        let context = self.contexts.get_mut(id.0)?;
        context.plan.path = false;
        if let Some(refused) = context.branch_mut(client) {
            refused.state = BranchState::Done;
        }
        let drop_routes = context.plan.drop_routes;
        self.redirect(ctx, transactions, id, groups, drop_routes)
    }

    /// Answers the request with `response` of our own, and gives up what was tried.
    pub(crate) fn answer(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        id: ContextId,
        status: u16,
        response: Bytes,
    ) {
        self.abandon_branches(ctx, transactions, id);
        if let Some(context) = self.contexts.get_mut(id.0)
            && !context.is_answered
        {
            context.is_answered = true;
            context.groups.clear();
            transactions.respond(ctx, context.server, status, response);
        }
        self.reap(ctx.now, id);
    }

    /// Who sent the request that waits for an answer as `server`.
    pub(crate) fn source_of(&self, server: ServerId) -> Option<Peer> {
        let id = self.by_server.get(&server)?;
        self.contexts.get(id.0).map(|context| context.source)
    }

    /// A CANCEL came for the INVITE `server` (RFC 3261 16.10), with `reason` as the value of its Reason field, if it is not empty.
    pub(crate) fn cancel(
        &mut self,
        ctx: &mut Ctx<'_>,
        transactions: &mut Transactions,
        server: ServerId,
        reason: &str,
    ) {
        let Some(&id) = self.by_server.get(&server) else {
            return;
        };
        if let Some(context) = self.contexts.get_mut(id.0)
            && !context.is_answered
        {
            context.cancelled = Some(reason.into());
            context.groups.clear();
            cancel_all(ctx, transactions, context, reason);
        }
    }

    /// What was tried so far counts no more; INVITEs among it are cancelled, and not sent again: one that reached a proxy
    /// only after its return would set up a call that has long been served.
    fn abandon_branches(&mut self, ctx: &mut Ctx<'_>, transactions: &mut Transactions, id: ContextId) {
        if let Some(context) = self.contexts.get_mut(id.0) {
            let is_invite = context.request.method() == Method::Invite;
            for branch in &mut context.branches {
                branch.is_abandoned = true;
                cancel_branch(ctx, transactions, branch, "");
                if is_invite {
                    transactions.stop_resending(branch.client);
                }
            }
        }
        self.waiting.remove(&id);
    }

    /// Carries out what is due, up to the first silence. Call it until it gives none.
    pub(crate) fn on_tick(&mut self, ctx: &mut Ctx<'_>, transactions: &mut Transactions) -> Option<Silence> {
        while let Some(due) = self.timers.pop_due(ctx.now) {
            match due {
                Due::Trying(id) => self.respond_trying(ctx, transactions, id),
                Due::Patience(id) => {
                    if let Some(context) = self.contexts.get_mut(id.0) {
                        context.patience = None;
                        let hop = context.branches.last().map(Branch::hop);
                        let proxy = hop.and_then(Hop::proxy);
                        return Some(Silence { context: id, proxy, kind: SilenceKind::Impatient });
                    }
                }
                Due::Rang(id) => {
                    if let Some(context) = self.contexts.get_mut(id.0) {
                        context.ring = None;
                        // None are left where the search has ended.
                        if !context.groups.is_empty() {
                            return Some(Silence { context: id, proxy: None, kind: SilenceKind::Impatient });
                        }
                    }
                }
                Due::TimerC(id) => {
                    // 16.8: CANCEL what has answered provisionally; the rest ends by its own timers.
                    if let Some(context) = self.contexts.get_mut(id.0) {
                        context.timer_c = None;
                        cancel_all(ctx, transactions, context, "");
                    }
                }
                Due::End(id) => self.remove(id),
            }
        }
        None
    }

    /// Forgets a context that has nothing more to do. One that accepted a call stays for the 2xx's retransmissions.
    fn reap(&mut self, now: Instant, id: ContextId) {
        let Some(context) = self.contexts.get_mut(id.0) else {
            return;
        };
        if !context.is_answered || !context.branches.iter().all(Branch::is_done) {
            return;
        }
        if !context.is_accepted {
            self.remove(id);
        } else if context.end.is_none() {
            context.end = Some(self.timers.arm(now + LIFETIME, Due::End(id)));
        }
    }

    fn remove(&mut self, id: ContextId) {
        if let Some(context) = self.contexts.remove(id.0) {
            self.by_server.remove(&context.server);
            self.waiting.remove(&id);
            for timer in [context.trying, context.patience, context.ring, context.timer_c, context.end]
                .into_iter()
                .flatten()
            {
                self.timers.cancel(timer);
            }
        }
    }
}

/// Answers with a refusal of our own.
fn refuse(ctx: &mut Ctx<'_>, transactions: &mut Transactions, context: &ResponseContext, status: u16) {
    let (request, fault) = (&context.request, Fault::new(status));
    let tag = transactions.stateless_tag(request);
    let response = ResponseBuilder::new(request, context.source.address, status, tag.as_str());
    transactions.respond(ctx, context.server, status, response.finish_or_500());
    ctx.out.note_refusal(request, &fault);
}

/// RFC 3261 16.6 steps 8 to 10, for one target, or another way to the same instance if no flow reaches it. A target that no flow
/// reaches makes no branch.
fn start_branch(
    ctx: &mut Ctx<'_>,
    transactions: &mut Transactions,
    context: &mut ResponseContext,
    id: ContextId,
    mut target: Target,
    breadth: u32,
) {
    let sent = loop {
        match forward(ctx, &context.request, context.source, &context.plan, &target, breadth) {
            Some(sent) => break sent,
            None => match target.take_other() {
                Some(other) => target = other,
                None => return,
            },
        }
    };
    let (method, name) = (context.request.method(), context.request.method_str());
    let outgoing = Outgoing { method, name, branch: &sent.branch, bytes: sent.bytes, peer: sent.peer };
    let client = transactions.start(ctx, outgoing, Some(Owner(id.0)));
    context.branches.push(Branch { by_udp: sent.is_switched, ..Branch::new(client, target, breadth) });
}
