//! Server transactions (RFC 3261 17.2, RFC 6026 8.3).
//!
//! ```text
//!  INVITE   Proceeding --2xx----> Accepted                non-INVITE   Trying --1xx--> Proceeding
//!                     \-300-699-> Completed --ACK--> Confirmed              \____|__200-699__> Completed
//! ```
//! Completed of an INVITE resends the response (Timer G) until the ACK comes or Timer H gives up; Confirmed absorbs ACKs
//! (I), Accepted absorbs INVITEs while its user sends each 2xx (L); Completed of a non-INVITE answers retransmissions (J).

use super::way::Way;
use super::{Armed, Key, LIFETIME, T1, T2};
use crate::headers::Method;
use bytes::Bytes;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) key: Key,
    pub(super) way: Way,
    pub(super) machine: ServerMachine,
    pub(super) armed: Armed,
}

#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(InviteServer),
    NonInvite(NonInviteServer),
}

#[derive(Debug)]
pub(super) enum InviteServer {
    Proceeding { response: Option<Bytes> },
    Completed { response: Bytes, interval: Duration },
    Confirmed,
    Accepted,
}

#[derive(Debug)]
pub(super) enum NonInviteServer {
    Trying,
    Proceeding { response: Bytes },
    Completed { response: Bytes },
}

/// What the user's answer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RespondStep {
    /// It comes too late.
    Ignore,
    /// It is sent.
    Send,
    /// It is sent, and again by Timer G if `resend`; the transaction ends after `end`.
    SendAndEndAfter { resend: bool, end: Duration },
}

/// What an ACK leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckStep {
    Confirmed,
    Absorb,
    PassOn,
}

impl ServerMachine {
    pub(super) const fn new(method: Method) -> Self {
        if matches!(method, Method::Invite) {
            Self::Invite(InviteServer::Proceeding { response: None })
        } else {
            Self::NonInvite(NonInviteServer::Trying)
        }
    }

    /// Whether it is no INVITE, and answered.
    pub(super) const fn is_completed(&self) -> bool {
        matches!(self, Self::NonInvite(NonInviteServer::Completed { .. }))
    }

    /// The request came again: what to answer.
    pub(super) const fn on_retransmission(&self) -> Option<&Bytes> {
        match self {
            Self::Invite(InviteServer::Proceeding { response }) => response.as_ref(),
            Self::Invite(InviteServer::Completed { response, .. })
            | Self::NonInvite(
                NonInviteServer::Proceeding { response } | NonInviteServer::Completed { response },
            ) => Some(response),
            // RFC 6026 8.3: absorbed in Accepted; the 2xx is sent again by whoever made it.
            Self::Invite(InviteServer::Accepted | InviteServer::Confirmed)
            | Self::NonInvite(NonInviteServer::Trying) => None,
        }
    }

    /// The latest provisional response to an INVITE that has had no other.
    pub(super) const fn provisional(&self) -> Option<&Bytes> {
        match self {
            Self::Invite(InviteServer::Proceeding { response }) => response.as_ref(),
            Self::Invite(
                InviteServer::Completed { .. } | InviteServer::Confirmed | InviteServer::Accepted,
            )
            | Self::NonInvite(
                NonInviteServer::Trying
                | NonInviteServer::Proceeding { .. }
                | NonInviteServer::Completed { .. },
            ) => None,
        }
    }

    /// The refusal of an INVITE that waits for its ACK.
    pub(super) const fn refusal(&self) -> Option<&Bytes> {
        match self {
            Self::Invite(InviteServer::Completed { response, .. }) => Some(response),
            Self::Invite(
                InviteServer::Proceeding { .. } | InviteServer::Confirmed | InviteServer::Accepted,
            )
            | Self::NonInvite(
                NonInviteServer::Trying
                | NonInviteServer::Proceeding { .. }
                | NonInviteServer::Completed { .. },
            ) => None,
        }
    }

    pub(super) fn on_ack(&mut self) -> AckStep {
        match self {
            Self::Invite(state @ InviteServer::Completed { .. }) => {
                *state = InviteServer::Confirmed;
                AckStep::Confirmed
            }
            Self::Invite(InviteServer::Confirmed | InviteServer::Proceeding { .. }) => AckStep::Absorb,
            // RFC 6026 7.1: the ACK of a 2xx goes to the transaction's user.
            Self::Invite(InviteServer::Accepted) => AckStep::PassOn,
            Self::NonInvite(
                NonInviteServer::Trying
                | NonInviteServer::Proceeding { .. }
                | NonInviteServer::Completed { .. },
            ) => AckStep::Absorb,
        }
    }

    pub(super) fn on_respond(&mut self, status: u16, answer: &Bytes) -> RespondStep {
        match self {
            Self::Invite(state) => match (&state, status) {
                (InviteServer::Proceeding { .. }, 100..=199) => {
                    *state = InviteServer::Proceeding { response: Some(answer.clone()) };
                    RespondStep::Send
                }
                (InviteServer::Proceeding { .. }, 200..=299) => {
                    *state = InviteServer::Accepted;
                    RespondStep::SendAndEndAfter { resend: false, end: LIFETIME }
                }
                (InviteServer::Proceeding { .. }, _) => {
                    *state = InviteServer::Completed { response: answer.clone(), interval: T1 };
                    RespondStep::SendAndEndAfter { resend: true, end: LIFETIME }
                }
                // RFC 6026 8.3: each 2xx is passed on.
                (InviteServer::Accepted, 200..=299) => RespondStep::Send,
                (InviteServer::Accepted | InviteServer::Completed { .. } | InviteServer::Confirmed, _) => {
                    RespondStep::Ignore
                }
            },
            Self::NonInvite(state) => match (&state, status) {
                (NonInviteServer::Trying | NonInviteServer::Proceeding { .. }, 100..=199) => {
                    *state = NonInviteServer::Proceeding { response: answer.clone() };
                    RespondStep::Send
                }
                (NonInviteServer::Trying | NonInviteServer::Proceeding { .. }, _) => {
                    *state = NonInviteServer::Completed { response: answer.clone() };
                    RespondStep::SendAndEndAfter { resend: false, end: LIFETIME }
                }
                (NonInviteServer::Completed { .. }, _) => RespondStep::Ignore,
            },
        }
    }

    /// Timer G fired: what to send again, and after how long again (MIN(2*Timer G, T2)).
    pub(super) fn on_resend(&mut self) -> Option<(Bytes, Duration)> {
        match self {
            Self::Invite(InviteServer::Completed { response, interval }) => {
                *interval = (*interval * 2).min(T2);
                Some((response.clone(), *interval))
            }
            Self::Invite(
                InviteServer::Proceeding { .. } | InviteServer::Confirmed | InviteServer::Accepted,
            )
            | Self::NonInvite(
                NonInviteServer::Trying
                | NonInviteServer::Proceeding { .. }
                | NonInviteServer::Completed { .. },
            ) => None,
        }
    }
}
