//! Client transactions (RFC 3261 17.1, RFC 6026 8.4).
//!
//! ```text
//!  INVITE   Calling --1xx--> Proceeding          non-INVITE   Trying --1xx--> Proceeding
//!     |  \______|____2xx___> Accepted                 \___________|__200-699__> Completed
//!     |_________|__300-699_> Completed
//! ```
//! Calling and Trying resend (Timers A, E) and give up (B, F); Proceeding of a non-INVITE does so too. Completed absorbs
//! retransmitted responses (D, K), Accepted passes each 2xx on (M).

use super::{Armed, Key, LIFETIME, Owner, T1, T2, T4, TIMER_D};
use crate::headers::Method;
use crate::message::{Message, ParseLimits, Request, RequestBuilder, Response};
use crate::transport::{Peer, Transport};
use bytes::Bytes;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) key: Key,
    pub(super) peer: Peer,
    pub(super) transport: Transport,
    pub(super) owner: Option<Owner>,
    pub(super) request: Bytes,
    pub(super) machine: ClientMachine,
    pub(super) armed: Armed,
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

#[derive(Debug)]
pub(super) enum InviteClient {
    Calling { interval: Duration },
    Proceeding,
    Completed { ack: Option<Bytes> },
    Accepted,
}

#[derive(Debug)]
pub(super) enum NonInviteClient {
    Trying { interval: Duration },
    Proceeding,
    Completed,
}

/// What a response leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResponseStep {
    /// Nothing.
    Absorb,
    /// This ACK again.
    SendAck(Bytes),
    /// Its starter sees it.
    Pass,
    /// Its starter sees it, and the transaction waits without a timer.
    StopResending,
    /// Its starter sees it, the ACK goes out, and the transaction ends later.
    EndAfter { ack: Option<Bytes>, end: Duration },
}

impl ClientMachine {
    pub(super) const fn new(method: Method) -> Self {
        if matches!(method, Method::Invite) {
            Self::Invite(InviteClient::Calling { interval: T1 })
        } else {
            Self::NonInvite(NonInviteClient::Trying { interval: T1 })
        }
    }

    /// Whether no final response has come.
    pub(super) const fn is_pending(&self) -> bool {
        match self {
            Self::Invite(InviteClient::Calling { .. } | InviteClient::Proceeding)
            | Self::NonInvite(NonInviteClient::Trying { .. } | NonInviteClient::Proceeding) => true,
            Self::Invite(InviteClient::Completed { .. } | InviteClient::Accepted)
            | Self::NonInvite(NonInviteClient::Completed) => false,
        }
    }

    /// Whether a final response other than a 2xx to an INVITE has come.
    pub(super) const fn is_completed(&self) -> bool {
        matches!(
            self,
            Self::Invite(InviteClient::Completed { .. }) | Self::NonInvite(NonInviteClient::Completed)
        )
    }

    /// Timer A or E fired: send again, and again after what is returned.
    pub(super) fn on_resend(&mut self) -> Option<Duration> {
        match self {
            Self::Invite(InviteClient::Calling { interval }) => {
                // 17.1.1.2: Timer A doubles without a bound of its own.
                *interval *= 2;
                Some(*interval)
            }
            Self::NonInvite(NonInviteClient::Trying { interval }) => {
                // 17.1.2.2: MIN(2*Timer E, T2)
                *interval = (*interval * 2).min(T2);
                Some(*interval)
            }
            Self::NonInvite(NonInviteClient::Proceeding) => Some(T2),
            Self::Invite(
                InviteClient::Proceeding | InviteClient::Completed { .. } | InviteClient::Accepted,
            )
            | Self::NonInvite(NonInviteClient::Completed) => None,
        }
    }
}

impl Client {
    /// The request as it was sent, if it is an INVITE.
    pub(super) fn invite(&self) -> Option<Request> {
        invite_of(&self.request)
    }

    pub(super) fn on_response(&mut self, response: &Response) -> ResponseStep {
        let step = self.step(response);
        // What is answered so is neither sent nor acknowledged again.
        let is_done = matches!(
            self.machine,
            ClientMachine::Invite(InviteClient::Accepted)
                | ClientMachine::NonInvite(NonInviteClient::Completed)
        );
        if is_done {
            self.request = Bytes::new();
        }
        step
    }

    fn step(&mut self, response: &Response) -> ResponseStep {
        match &mut self.machine {
            ClientMachine::Invite(state) => match (&state, response.status()) {
                (InviteClient::Calling { .. }, 100..=199) => {
                    *state = InviteClient::Proceeding;
                    ResponseStep::StopResending
                }
                (InviteClient::Proceeding, 100..=199) => ResponseStep::Pass,
                // RFC 6026 8.4: a 2xx leads to Accepted, with Timer M.
                (InviteClient::Calling { .. } | InviteClient::Proceeding, 200..=299) => {
                    *state = InviteClient::Accepted;
                    ResponseStep::EndAfter { ack: None, end: LIFETIME }
                }
                (InviteClient::Calling { .. } | InviteClient::Proceeding, _) => {
                    let ack = invite_of(&self.request)
                        .and_then(|invite| RequestBuilder::ack(&invite, response).ok());
                    *state = InviteClient::Completed { ack: ack.clone() };
                    ResponseStep::EndAfter { ack, end: TIMER_D }
                }
                (InviteClient::Accepted, 200..=299) => ResponseStep::Pass,
                (InviteClient::Completed { ack: Some(ack) }, 300..) => ResponseStep::SendAck(ack.clone()),
                (InviteClient::Accepted | InviteClient::Completed { .. }, _) => ResponseStep::Absorb,
            },
            ClientMachine::NonInvite(state) => match (&state, response.status()) {
                (NonInviteClient::Trying { .. }, 100..=199) => {
                    *state = NonInviteClient::Proceeding;
                    ResponseStep::Pass
                }
                (NonInviteClient::Proceeding, 100..=199) => ResponseStep::Pass,
                (NonInviteClient::Trying { .. } | NonInviteClient::Proceeding, _) => {
                    *state = NonInviteClient::Completed;
                    ResponseStep::EndAfter { ack: None, end: T4 }
                }
                (NonInviteClient::Completed, _) => ResponseStep::Absorb,
            },
        }
    }
}

/// The request as it was sent, if it is an INVITE.
fn invite_of(request: &Bytes) -> Option<Request> {
    match Message::parse_within(request.clone(), &ParseLimits::new(usize::MAX, usize::MAX)) {
        Ok(Message::Request(request)) => Some(request).filter(|request| request.method() == Method::Invite),
        Ok(Message::Response(_)) | Err(_) => None,
    }
}
