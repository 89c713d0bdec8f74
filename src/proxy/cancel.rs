//! CANCEL of our own branches (RFC 3261 9.1, 16.7 step 10), and why (RFC 3326).

use super::context::{Branch, BranchState, Cancel, ResponseContext};
use crate::headers::{HeaderName, Method};
use crate::message::{Edits, Message, ParseLimits, Request, RequestBuilder};
use crate::transaction::{LIFETIME, Outgoing, Transactions};
use crate::transport::Ctx;
use bytes::Bytes;

/// What phones that rang in vain are told when another has answered (RFC 3326 2), so that they count no missed call.
pub(super) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// Cancels all branches, with `reason` as the value of a Reason field if it is not empty.
pub(super) fn cancel_all(
    ctx: &mut Ctx<'_>,
    transactions: &mut Transactions,
    context: &mut ResponseContext,
    reason: &str,
) {
    for branch in &mut context.branches {
        cancel_branch(ctx, transactions, branch, reason);
    }
}

/// Cancels a branch that is an INVITE: at once if it has had a provisional response, else as soon as one comes (RFC 3261
/// 9.1), for the first reason that there was. A transaction that was cancelled lives for another 64*T1 at most.
pub(super) fn cancel_branch(
    ctx: &mut Ctx<'_>,
    transactions: &mut Transactions,
    branch: &mut Branch,
    reason: &str,
) {
    if branch.cancel == Cancel::Unwanted {
        branch.cancel = Cancel::Wanted(reason.into());
    }
    if branch.state != BranchState::Proceeding {
        return;
    }
    let Cancel::Wanted(reason) = std::mem::replace(&mut branch.cancel, Cancel::Sent) else {
        return;
    };
    let Some((invite, peer)) = transactions.invite_request(branch.client) else {
        return;
    };
    // What has become of its connection is no reason to let it ring.
    let Some(peer) = ctx.again(peer, &invite) else {
        return;
    };
    let Some(cancel) = cancel(&invite, &reason) else {
        return;
    };
    let own = invite.top_branch().unwrap_or_default();
    let outgoing = Outgoing { method: Method::Cancel, name: "CANCEL", branch: own, bytes: cancel, peer };
    transactions.start(ctx, outgoing, None);
    transactions.expire(ctx.now + LIFETIME, branch.client);
}

/// The CANCEL of `invite` as it was sent (RFC 3261 9.1), with a Reason (RFC 3326) unless that is empty.
fn cancel(invite: &Request, reason: &str) -> Option<Bytes> {
    let cancel = RequestBuilder::cancel(invite).ok()?;
    if reason.is_empty() {
        return Some(cancel);
    }
    let cancel = Message::parse_within(cancel, &ParseLimits::new(usize::MAX, usize::MAX)).ok()?;
    let mut edits = Edits::new(cancel.head());
    edits.append(HeaderName::Reason, reason);
    Some(edits.finish())
}
