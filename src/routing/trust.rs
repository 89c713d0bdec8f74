//! What a phone may do where the branch serves itself, by how far it is trusted (`sas.md` 7.6).

use super::{Decision, Hop, Outcome, Query, Reason, Step, Target, View};
use crate::config::Trust;

/// `decision` without the targets that its sender is not trusted enough for; where none is left, 403. Emergency calls pass.
pub(super) fn restrict(query: &Query<'_>, view: &View<'_>, mut decision: Decision) -> Decision {
    let is_asked = query.asks_trust() && decision.step != Step::EmergencyNumber;
    let Outcome::Forward(groups) = &mut decision.outcome else {
        return decision;
    };
    if !is_asked {
        return decision;
    }
    let (policy, step) = (&view.config.trust, decision.step);
    let (mut to_users, mut out) = (false, false);
    groups.retain_mut(|group| {
        group.retain(|target| {
            let leads_out = leads_out(target, step);
            to_users |= !leads_out;
            out |= leads_out;
            query.trust >= if leads_out { policy.call_out } else { policy.call_users }
        });
        !group.is_empty()
    });
    let is_refused = groups.is_empty();
    let trust = query.trust;
    // What takes no trust is no question.
    if to_users && policy.call_users > Trust::Unknown {
        let may = trust >= policy.call_users;
        decision.reasons.push(if may { Reason::MayCallUsers(trust) } else { Reason::MayNotCallUsers(trust) });
    }
    if out && policy.call_out > Trust::Unknown {
        let may = trust >= policy.call_out;
        decision.reasons.push(if may { Reason::MayCallOut(trust) } else { Reason::MayNotCallOut(trust) });
    }
    if is_refused {
        (decision.outcome, decision.step) = (Outcome::Answer(403), Step::Untrusted);
    }
    decision
}

/// Whether `target` is not in the branch. An address that neither the table nor the configuration names is that of a phone.
fn leads_out(target: &Target, step: Step) -> bool {
    match target.hop {
        Hop::User => false,
        Hop::Address => step == Step::RoutingTable,
        Hop::Proxy(_) | Hop::Gateway | Hop::Peer | Hop::Route => true,
    }
}
