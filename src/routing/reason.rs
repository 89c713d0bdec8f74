//! The steps of a decision, and why each was taken or passed over.

use std::fmt;

/// Enums that notices carry: each value has a name in snake case.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// In snake case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// The step of `sas.md` 4.2-4.4 and section 9 that decided.
    Step {
        /// The Request-URI's user is an emergency number.
        EmergencyNumber => "emergency_number",
        /// To the proxy set.
        Proxy => "proxy",
        /// To a registered user.
        Database => "database",
        /// To the gateway of last resort.
        DefaultGateway => "default_gateway",
        /// By the Request-URI.
        RequestUri => "request_uri",
        /// By the route set of its dialog.
        RouteSet => "route_set",
        /// By its dialog, leaving out the hop that is dead (`sas.md` section 9).
        DeadHopSkipped => "dead_hop_skipped",
        /// It ends here.
        Ourselves => "ourselves",
        /// No route.
        NoRoute => "no_route",
    }
}

named! {
    /// Why a step was taken or passed over.
    Reason {
        /// The proxy set is believed reachable.
        NormalState => "normal_state",
        /// The proxy set is lost.
        EmergencyState => "emergency_state",
        /// The proxy set left this request unanswered.
        ProxyDidNotAnswer => "proxy_did_not_answer",
        /// It comes from a proxy.
        CameFromProxy => "came_from_proxy",
        /// It comes from a gateway, and never goes back there.
        CameFromGateway => "came_from_gateway",
        /// The number is an emergency number.
        IsEmergencyNumber => "is_emergency_number",
        /// No default gateway is configured.
        NoGateway => "no_gateway",
        /// A default gateway is configured.
        GatewayConfigured => "gateway_configured",
        /// The user is in the database.
        UserRegistered => "user_registered",
        /// The Request-URI is a registered contact.
        ContactRegistered => "contact_registered",
        /// The Request-URI is the GRUU of an instance that is registered (RFC 5627).
        InstanceRegistered => "instance_registered",
        /// The Request-URI is a GRUU of nobody's.
        GruuUnknown => "gruu_unknown",
        /// The user is in the database, and no contact can be reached.
        UserUnreachable => "user_unreachable",
        /// The user is not in the database.
        UserNotRegistered => "user_not_registered",
        /// The Request-URI names us.
        NamesUs => "names_us",
        /// The Request-URI names an address.
        NamesAddress => "names_address",
        /// The Request-URI names a host that only the proxy could resolve.
        NamesUnknownHost => "names_unknown_host",
        /// A Route of ours names the flow to take (RFC 5626 5.3.1).
        FlowNamed => "flow_named",
        /// A Route of ours names a flow that is gone.
        FlowGone => "flow_gone",
        /// A Route with our name names a flow as we never did.
        FlowForged => "flow_forged",
        /// A Route leads there.
        RouteLeadsThere => "route_leads_there",
        /// The next hop of the route set is a proxy that is lost.
        NextHopDead => "next_hop_dead",
        /// The remote target is the gateway.
        TargetIsGateway => "target_is_gateway",
        /// The remote target is the lost proxy itself.
        TargetIsDead => "target_is_dead",
        /// The remote target is nobody that we know.
        TargetUnknown => "target_unknown",
        /// The sender is nobody that we know, and so is the target.
        SenderUnknown => "sender_unknown",
        /// Only INVITE goes to the gateway.
        NotACall => "not_a_call",
        /// Subscriptions are not served without the proxy.
        SubscriptionsNotServed => "subscriptions_not_served",
    }
}
