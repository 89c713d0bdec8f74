//! The steps of a decision, and why each was taken or passed over.
//!
//! Invariant: a chain is a value of fixed size. Nothing is formatted or allocated before somebody reads it.

use crate::config::Trust;
use std::fmt;
use std::ops::Deref;

/// Enums that notices carry: each value has a name in snake case, and a sentence.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident $(($number:ty))? => $text:literal, $sentence:literal;)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant $(($number))?,)+
        }

        impl $name {
            /// In snake case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $text,)+
                }
            }

            /// As a person says it, the number of a row and the level of trust left out.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $sentence,)+
                }
            }
        }
    };
}

named! {
    /// The step of `sas.md` 4.2-4.4 and section 9 that decided.
    Step {
        /// The Request-URI's user is an emergency number.
        EmergencyNumber => "emergency_number", "to whatever carries an emergency call";
        /// To the proxy set.
        Proxy => "proxy", "to the proxy set";
        /// To a registered user.
        Database => "database", "to the registered user";
        /// To the gateway of last resort.
        DefaultGateway => "default_gateway", "to the default gateway";
        /// By the Request-URI.
        RequestUri => "request_uri", "where the Request-URI says";
        /// By the route set of its dialog.
        RouteSet => "route_set", "along the route set";
        /// By its dialog, leaving out the hop that is dead (`sas.md` section 9).
        DeadHopSkipped => "dead_hop_skipped", "along the route set, past the hop that is dead";
        /// It ends here.
        Ourselves => "ourselves", "answered here";
        /// By the routing table.
        RoutingTable => "routing_table", "by the routing table";
        /// Where ENUM says.
        Enum => "enum", "where ENUM says";
        /// To the redundant SAS.
        RedundantSas => "redundant_sas", "to the redundant SAS";
        /// Refused, since its sender is not registered.
        Blocked => "blocked", "refused: the caller is not registered";
        /// Refused, since its sender is not trusted enough (`sas.md` 7.6).
        Untrusted => "untrusted", "refused: the caller is not trusted enough";
        /// No route.
        NoRoute => "no_route", "refused: no route";
    }
}

named! {
    /// Why a step was taken or passed over.
    Reason {
        /// The proxy set is believed reachable.
        NormalState => "normal_state", "the proxy set is believed reachable: the rules of the normal state apply";
        /// The proxy set is lost.
        EmergencyState => "emergency_state", "the proxy set is lost: the rules of the emergency state apply";
        /// The proxy set left this request unanswered.
        ProxyDidNotAnswer => "proxy_did_not_answer", "the proxy set left this request unanswered: the rules of the emergency state apply";
        /// It comes from a proxy.
        CameFromProxy => "came_from_proxy", "it comes from a proxy";
        /// It comes from a gateway, and never goes back there.
        CameFromGateway => "came_from_gateway", "it comes from a gateway, and never goes back there";
        /// The number is an emergency number.
        IsEmergencyNumber => "is_emergency_number", "the number is an emergency number, which goes before all else";
        /// No default gateway is configured.
        NoGateway => "no_gateway", "there is no default gateway";
        /// A default gateway is configured.
        GatewayConfigured => "gateway_configured", "there is a default gateway";
        /// The user is in the database.
        UserRegistered => "user_registered", "the user is registered";
        /// The Request-URI is a registered contact.
        ContactRegistered => "contact_registered", "the Request-URI is a registered contact";
        /// The Request-URI is the GRUU of an instance that is registered (RFC 5627).
        InstanceRegistered => "instance_registered", "the Request-URI is the GRUU of a device that is registered";
        /// The Request-URI is a GRUU of nobody's.
        GruuUnknown => "gruu_unknown", "the Request-URI is a GRUU of nobody's";
        /// The user is in the database, and no contact can be reached.
        UserUnreachable => "user_unreachable", "the user was registered, and no contact can be reached";
        /// The user is not in the database.
        UserNotRegistered => "user_not_registered", "nobody is registered by that name";
        /// The Request-URI names us.
        NamesUs => "names_us", "the Request-URI names us";
        /// The Request-URI names an address.
        NamesAddress => "names_address", "the Request-URI names an address";
        /// The Request-URI names a host that only the proxy could resolve.
        NamesUnknownHost => "names_unknown_host", "the Request-URI names a host that only the proxy could resolve";
        /// A Route of ours names the flow to take (RFC 5626 5.3.1).
        FlowNamed => "flow_named", "a Route of ours names the flow to take";
        /// A Route of ours names a flow that is gone.
        FlowGone => "flow_gone", "a Route of ours names a flow that is gone";
        /// A Route with our name names a flow as we never did.
        FlowForged => "flow_forged", "a Route with our name names a flow as we never did";
        /// A Route leads there.
        RouteLeadsThere => "route_leads_there", "a Route leads there";
        /// The next hop of the route set is a proxy that is lost.
        NextHopDead => "next_hop_dead", "the next hop of the route set is a proxy that is lost";
        /// The remote target is the gateway.
        TargetIsGateway => "target_is_gateway", "the remote target is the gateway";
        /// The remote target is the lost proxy itself.
        TargetIsDead => "target_is_dead", "the remote target is the lost proxy itself";
        /// The remote target is nobody that we know.
        TargetUnknown => "target_unknown", "the remote target is nobody that we know";
        /// The sender is nobody that we know, and so is the target.
        SenderUnknown => "sender_unknown", "the sender is nobody that we know, and so is the target";
        /// Only INVITE goes to the gateway.
        NotACall => "not_a_call", "only calls go to the gateway";
        /// Subscriptions are not served without the proxy.
        SubscriptionsNotServed => "subscriptions_not_served", "subscriptions are not served without the proxy";
        /// The sender is not registered (`block_unregistered`).
        CallerNotRegistered => "caller_not_registered", "the caller is not registered, and such are blocked";
        /// The sender is registered (`block_unregistered`).
        CallerRegistered => "caller_registered", "the caller is registered";
        /// The rule of this number has changed the number that is called.
        NumberManipulated(u16) => "number_manipulated", "inbound manipulation changes the number";
        /// The row of the routing table of this number, from 1, matches.
        RowMatches(u16) => "row_matches", "the routing table: the first row that matches";
        /// The row of this number matches, and what it leads to is not there, or is where the request came from.
        RowLeadsNowhere(u16) => "row_leads_nowhere", "the routing table: the row that matches leads nowhere at present, passed over";
        /// No row of the routing table matches.
        NoRowMatches => "no_row_matches", "the routing table: no row matches";
        /// The routing table counts in the other state only.
        TableNotInForce => "table_not_in_force", "the routing table is for the other state";
        /// ENUM has a URI for the number.
        NumberMapped => "number_mapped", "ENUM has a URI for the number";
        /// ENUM has none for the number, or has not answered in time.
        NumberNotMapped => "number_not_mapped", "ENUM has no URI for the number, or has not answered in time";
        /// There is a redundant SAS.
        RedundantSasConfigured => "redundant_sas_configured", "there is a redundant SAS";
        /// It comes from a redundant SAS, or from an address in the routing table, and never goes back there.
        CameFromPeer => "came_from_peer", "it comes from another SAS or trunk, and never goes back there";
        /// It has come round a ring of SASes.
        CameRound => "came_round", "it has come round the ring of SASes: the redundant SAS is passed over";
        /// The emergency prefix was put before the number.
        PrefixAdded => "prefix_added", "the emergency prefix is put before the number";
        /// The sender, who is trusted so far, may call registered users.
        MayCallUsers(Trust) => "may_call_users", "the caller is trusted enough to call users";
        /// The sender may not.
        MayNotCallUsers(Trust) => "may_not_call_users", "the caller is not trusted enough to call users";
        /// The sender, who is trusted so far, may call out of the branch.
        MayCallOut(Trust) => "may_call_out", "the caller is trusted enough to call out";
        /// The sender may not.
        MayNotCallOut(Trust) => "may_not_call_out", "the caller is not trusted enough to call out";
    }
}

impl Reason {
    /// The number of the row or rule that it speaks of, from 1.
    #[must_use]
    pub const fn row(self) -> Option<u16> {
        if let Self::NumberManipulated(row) | Self::RowMatches(row) | Self::RowLeadsNowhere(row) = self {
            Some(row)
        } else {
            None
        }
    }
}

impl Reason {
    /// How far the sender is trusted, if it speaks of that.
    #[must_use]
    pub const fn trust(self) -> Option<Trust> {
        if let Self::MayCallUsers(trust)
        | Self::MayNotCallUsers(trust)
        | Self::MayCallOut(trust)
        | Self::MayNotCallOut(trust) = self
        {
            Some(trust)
        } else {
            None
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The sentence, with the number of the row or the level of trust.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row(), self.trust()) {
            (Some(row), _) => write!(f, "{} (row {row})", self.sentence()),
            (None, Some(trust)) => write!(f, "{} ({trust})", self.sentence()),
            (None, None) => f.write_str(self.sentence()),
        }
    }
}

/// Steps of one decision at most.
const LONGEST: usize = 12;

/// The chain of reasons, in their order.
#[derive(Clone, Copy)]
pub struct Reasons {
    chain: [Reason; LONGEST],
    len: usize,
}

impl Reasons {
    /// The next reason.
    pub(super) fn push(&mut self, reason: Reason) {
        debug_assert!(self.len < LONGEST, "no decision has so many steps");
        if let Some(place) = self.chain.get_mut(self.len) {
            *place = reason;
            self.len += 1;
        }
    }
}

impl Default for Reasons {
    fn default() -> Self {
        Self { chain: [Reason::NormalState; LONGEST], len: 0 }
    }
}

impl<const N: usize> From<[Reason; N]> for Reasons {
    fn from(reasons: [Reason; N]) -> Self {
        let mut chain = Self::default();
        reasons.into_iter().for_each(|reason| chain.push(reason));
        chain
    }
}

impl Deref for Reasons {
    type Target = [Reason];

    fn deref(&self) -> &[Reason] {
        self.chain.get(..self.len).unwrap_or_default()
    }
}

impl PartialEq for Reasons {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Reasons {}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
