//! Requests that come back to the edge with a flow token of ours in Route (RFC 5626 5.3).

use super::{Decision, Outcome, Query, Reason, Reasons, Source, Step, Target, View, own_routes};
use crate::headers::HeaderName;
use crate::transport::{FlowTokens, TokenError};

/// What a token in Route says of a request.
pub(super) enum ByToken {
    /// Nothing: it has none, or that of the sender's own flow, which makes it an "outgoing" request (5.3.2).
    Silent,
    /// It decides.
    Decided(Decision),
    /// The flow is gone, and the request may have been for whoever was there.
    Gone,
}

/// Looks at the Routes on top that are ours, of which one side of a dialog has each its own.
pub(super) fn decide(query: &Query<'_>, view: &View<'_>) -> ByToken {
    // Nearly no request has one.
    if !query.request.all(HeaderName::Route).any(|route| FlowTokens::may_be_in(route.value())) {
        return ByToken::Silent;
    }
    let (own, _) = own_routes(query.request, view);
    for route in query.request.addresses(HeaderName::Route).take(own).flatten() {
        let Some(token) = route.uri.user().filter(|user| FlowTokens::is_token(user)) else {
            continue;
        };
        match view.flows.by_token(token) {
            Ok(peer) if peer == query.from => {}
            Ok(peer) => {
                let Some(flow) = view.flows.find(peer.flow) else { return ByToken::Gone };
                let mut target = Target::at_flow(peer, flow.transport);
                // 5.3.1: with `ob` it is a Path that became a Route, and the dialog is to stay on the flow.
                target.flow_token = route.uri.param("ob").map(|_| token.into());
                return ByToken::Decided(Decision {
                    outcome: Outcome::Forward(vec![vec![target]]),
                    step: Step::RouteSet,
                    reasons: Reasons::from([Reason::FlowNamed]),
                    drop_routes: own,
                });
            }
            // A phone that comes by a new flow may still have the token of its last one.
            Err(TokenError::Gone) if query.source == Source::User => {}
            Err(TokenError::Gone) => return ByToken::Gone,
            // 5.3.1: "If the flow token has been tampered with, the proxy SHOULD send a 403 (Forbidden) response."
            Err(TokenError::Forged) => return ByToken::Decided(answer(403, Reason::FlowForged)),
        }
    }
    ByToken::Silent
}

/// 5.3.1: "If the flow no longer exists, the proxy SHOULD send a 430 (Flow Failed) response to the request."
pub(super) fn gone() -> Decision {
    answer(430, Reason::FlowGone)
}

fn answer(status: u16, reason: Reason) -> Decision {
    Decision {
        outcome: Outcome::Answer(status),
        step: Step::RouteSet,
        reasons: Reasons::from([reason]),
        drop_routes: 0,
    }
}
