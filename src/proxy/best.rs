//! The best response of a context (RFC 3261 16.7 steps 6 and 7), and when a refusal leads to the next group.

use super::context::ResponseContext;
use super::forward::upstream_response_with;
use crate::headers::Method;
use crate::message::Response;
use crate::routing::{Hop, Source};
use bytes::Bytes;

/// Takes a final response into account for the one that is sent in the end.
pub(super) fn keep(context: &mut ResponseContext, response: &Response) {
    // RFC 4320 4.2: no 408 to a non-INVITE, whoever made it.
    if response.status() == 408 && context.request.method() != Method::Invite {
        return;
    }
    keep_better(&mut context.best, response);
    if is_challenge(response.status()) {
        context.challenges.push(response.clone());
    }
}

const fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

/// Keeps the better one: 6xx above all, else the lowest class, and within 4xx what tells the caller how to try again.
fn keep_better(best: &mut Option<Response>, response: &Response) {
    let better = best.as_ref().is_none_or(|best| rank(response.status()) < rank(best.status()));
    if better {
        *best = Some(response.clone());
    }
}

const fn rank(status: u16) -> u16 {
    match status {
        600.. => 0,
        401 | 407 | 415 | 420 | 484 => 390,
        // 503 speaks of one server only, and is passed on as 500 if nothing else came.
        503 => 599,
        other => other,
    }
}

/// Whether `status` from a target of this kind leads to the group after it.
pub(super) const fn tries_next(hop: Hop, status: u16) -> bool {
    match hop {
        // The next contact by q (16.7 step 4, serial forking).
        Hop::User => status < 600,
        // RFC 3261 16.7 step 4 with RFC 3263 4.3: a server that cannot serve. What else a proxy says is the answer.
        Hop::Proxy(_) => status == 503,
        // The line is no use; another gateway's may be. The same goes for rows of the routing table and their alternatives.
        Hop::Gateway | Hop::Peer | Hop::Route => matches!(status, 408 | 500..=599),
        Hop::Address => false,
    }
}

/// How a context ends.
#[derive(Debug)]
pub(super) enum Final {
    /// With the best response that came.
    Best(u16, Bytes),
    /// With a refusal of our own.
    Refused(u16),
    /// Without a word: a non-INVITE that nobody answered. A 408 would come too late to be of use, and RFC 4320 4.2 forbids
    /// it.
    Silent,
}

/// The final response of `context`.
pub(super) fn final_response(context: &ResponseContext) -> Final {
    let is_invite = context.request.method() == Method::Invite;
    match &context.best {
        // 16.8: a branch that timed out counts as a 408, and 4xx goes before 5xx.
        Some(best) if best.status() / 100 == 5 && is_invite && context.is_timed_out => Final::Refused(408),
        // 16.7 step 6: a 503 speaks of one server, and is not passed on.
        Some(best) if best.status() == 503 => Final::Refused(500),
        // RFC 5626 11.5: "Endpoints should never receive a 430 response"; a proxy knows what to do with it.
        Some(best) if best.status() == 430 && context.plan.source != Source::Proxy => Final::Refused(480),
        Some(best) => {
            // Step 7: the caller hears of all challenges at once, or would be asked again for each of them.
            let others =
                context.challenges.iter().filter(|other| is_challenge(best.status()) && *other != best);
            let bytes = upstream_response_with(best, others);
            bytes.map_or(Final::Refused(500), |bytes| Final::Best(best.status(), bytes))
        }
        None if context.is_cancelled() => Final::Refused(487),
        None if is_invite => Final::Refused(408),
        None => Final::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn best_of(statuses: &[u16]) -> u16 {
        let mut best = None;
        for status in statuses {
            let Ok(Message::Response(response)) = Message::parse(format!("SIP/2.0 {status} x\r\n\r\n"))
            else {
                panic!("a response")
            };
            keep_better(&mut best, &response);
        }
        best.unwrap().status()
    }

    #[test]
    fn the_best_response_is_chosen_by_16_7_step_6() {
        assert_eq!(best_of(&[404, 603, 302]), 603);
        assert_eq!(best_of(&[500, 404, 302]), 302);
        assert_eq!(best_of(&[404, 407, 486]), 407);
        assert_eq!(best_of(&[503, 504]), 504);
        assert_eq!(best_of(&[486, 480]), 480);
    }
}
