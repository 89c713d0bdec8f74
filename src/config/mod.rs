//! What a site decides: plain data in [`Settings`], and a [`Config`] that only validation can make.
//!
//! Every field has the default that its documentation states, so a site sets what it needs and leaves the rest:
//!
//! ```
//! use sip_survivability::config::{Config, Settings};
//! let mut settings = Settings::default();
//! settings.proxy_set.targets = vec!["sip:192.0.2.1:5060".parse()?];
//! settings.sas.default_gateway = vec!["sip:192.0.2.9".parse()?];
//! let config: Config = settings.validate()?;
//!
//! let mut settings = Settings::default();
//! settings.proxy_set.targets = vec!["sip:192.0.2.1".parse()?];
//! settings.proxy_set.down_after = 0;
//! let error = settings.validate().unwrap_err();
//! assert_eq!(error.to_string(), "proxy_set.down_after = 0: must be at least 1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `serde`, [`Settings`] are read and written with these keys: durations as `"250ms"`, `"4s"`, `"5m"` or `"1h"`, URIs and patterns
//! as their text, rows as the tables `inbound_manipulation_rule` and `route`. An unknown key is an error. A [`Secret`] is read and not
//! written; [`Settings::auth`] is neither, since users come from where passwords are kept.

pub mod audiocodes;
mod authentication;
mod change;
mod contradictions;
mod dial_plan;
#[cfg(feature = "serde")]
mod forms;
mod proxy_set;
mod secret;
mod table;
mod trust;
mod validate;

use crate::uri::UriBuf;
use std::time::Duration;

pub use authentication::{Authentication, Keyring, User};
pub use dial_plan::{
    Alternative, ChangedUri, Columns, ManipulationRule, RegistrationManipulation, RequestKind, Route,
    RouteTo, RouteToError,
};
pub use proxy_set::{Balancing, ProxySet, Redundancy};
pub use secret::{Secret, SecretError};
pub(crate) use table::{Call, Group, Row, RowTo};
pub use trust::{Network, NetworkError, Trust, TrustPolicy};
pub use validate::{Config, ConfigError, Target, UNRESOLVED};
pub(crate) use validate::{Place, TargetRef};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Settings {
    /// Hosts besides our own addresses and the proxies' whose users are this branch's. Default: none.
    pub domains: Vec<String>,
    /// SIP URIs that lead to us by name, each with its port: what else than our addresses a Route or a Request-URI may call us by.
    /// Default: none.
    pub names: Vec<UriBuf>,
    /// The central proxies and how they are watched.
    pub proxy_set: ProxySet,
    /// The survivability rules.
    pub sas: Survivability,
    /// The database of registered users.
    pub registrar: Registrar,
    /// Who has to prove who they are. Default: nobody.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub auth: Option<Authentication>,
    /// How far those are trusted that the branch serves itself.
    pub trust: TrustPolicy,
    /// What of a user's number others may call it by as well. Default: nothing.
    pub registration_manipulation: RegistrationManipulation,
    /// What becomes of a called number in the emergency state, where [`Survivability::inbound_manipulation`] says so; the first
    /// rule that matches counts. Default: none.
    #[cfg_attr(feature = "serde", serde(rename = "inbound_manipulation_rule"))]
    pub inbound_manipulation_rules: Vec<ManipulationRule>,
    /// The routing table; the first row that matches counts. It is in force in the emergency state, or with
    /// [`SurvivabilityMode::TableInNormal`] in the normal one. Default: none.
    #[cfg_attr(feature = "serde", serde(rename = "route"))]
    pub routes: Vec<Route>,
    /// What bounds memory and work.
    pub limits: Limits,
}

/// How the branch survives (`SASSurvivabilityMode` of the product).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SurvivabilityMode {
    /// Mode 0: forward while the proxy is there, serve when it is lost.
    #[default]
    Standard,
    /// Mode 1: always registrar and proxy of the branch; no keep-alive.
    AlwaysEmergency,
    /// Mode 2: while the proxy is there, a REGISTER gets no answer at all, so that phones that have the proxy for their first server
    /// and us for their second go home.
    IgnoreRegister,
    /// Mode 3: a REGISTER is answered here in the normal state too, and never relayed.
    AutoAnswerRegister,
    /// Mode 4: the routing table decides in the normal state, and not in the emergency state.
    TableInNormal,
}

impl SurvivabilityMode {
    /// Whether there is no normal state.
    #[must_use]
    pub const fn is_always_emergency(self) -> bool {
        matches!(self, Self::AlwaysEmergency)
    }
}

/// When a request has come round a ring of SASes (`sas.md` section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum CascadeLoop {
    /// When we are in its Via: it goes to our own gateway.
    #[default]
    OwnVia,
    /// Also when the redundant SAS that is next is in its Via.
    OwnOrNextVia,
}

/// What becomes, in the emergency state, of a request outside a dialog that is no INVITE and is for nobody who is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum OutOfDialogMiss {
    /// It is answered 404.
    #[default]
    NotFound,
    /// It goes to the default gateway.
    DefaultGateway,
}

/// What tells users apart (`SASBindingMode` of the product).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum BindingMode {
    /// User and host; numbers, and users of the branch's own hosts, by the user alone.
    #[default]
    Uri,
    /// The user alone.
    UserPart,
}

/// When the rules of inbound manipulation apply (`SASInboundManipulationMode` of the product).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum InboundManipulation {
    /// Never.
    #[default]
    None,
    /// In the emergency state.
    Emergency,
}

/// What takes us into the emergency state (`SASEnteringEmergencyMode` of the product).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum EnteringEmergency {
    /// Unanswered keep-alives and unanswered requests, which are rescued.
    #[default]
    Requests,
    /// Unanswered keep-alives only; an unanswered request ends by its own timers.
    #[cfg_attr(feature = "serde", serde(rename = "keepalive"))]
    KeepAlive,
}

/// How ENUM (RFC 6116) is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct NumberMapping {
    /// The domain that the numbers are in: `e164.arpa`, or one of the site's own.
    pub suffix: String,
    /// How long a call waits for the DNS: 10 ms to 10 s. One that fell silent, as it does with the line, is not waited for again
    /// for half a minute. Default: 2 s.
    #[cfg_attr(feature = "serde", serde(default = "NumberMapping::usual_timeout", with = "forms::span"))]
    pub timeout: Duration,
}

impl NumberMapping {
    /// The numbers of that domain.
    #[must_use]
    pub const fn new(suffix: String) -> Self {
        Self { suffix, timeout: Self::usual_timeout() }
    }

    const fn usual_timeout() -> Duration {
        Duration::from_secs(2)
    }
}

/// How a phone that keeps registering with us is sent home to its first server, with [`SurvivabilityMode::IgnoreRegister`] while the
/// proxy can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum HomingLever {
    /// By no answer at all, as in the product: the phone finds out by its own timers, 32 s for most.
    #[default]
    Silence,
    /// By 503 with Retry-After (RFC 3261 21.5.4): a phone that goes by that tries its other server at once. Some take the 503 for the
    /// answer of both. While the proxy is doubted there is silence.
    RetryAfter,
}

/// The survivability rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Survivability {
    /// Default: standard.
    pub survivability_mode: SurvivabilityMode,
    /// Default: requests.
    pub entering_emergency: EnteringEmergency,
    /// How long a request to the proxy may stay without any response before it is rescued. Default: 2 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub request_patience: Duration,
    /// The same while the proxy is suspect. Default: 500 ms.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub suspect_patience: Duration,
    /// The least time in the emergency state before the first return; each flip within 10 minutes doubles it.
    /// Default: 10 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub minimum_dwell: Duration,
    /// What doubling stops at. Default: 5 min.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub maximum_dwell: Duration,
    /// The expiry granted in the emergency state, less a random part of up to a quarter, so that refreshes spread.
    /// 0: what was asked for. Default: 20 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub registration_time: Duration,
    /// REGISTER requests a second toward the proxy after its return. Default: 50.
    pub return_rate: u32,
    /// Whether a proxy that is back is told again of the bindings that it had granted for longer than `registration_time`,
    /// since it may have forgotten them. Default: true.
    pub restore_registrations: bool,
    /// How long past its lifetime a binding that the proxy granted is used while the proxy is away. Default: 1 h.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub stale_binding_grace: Duration,
    /// SIP URIs of the gateways of last resort, tried in order. Names are resolved like those of the proxies. Default: none.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "forms::one_or_more"))]
    pub default_gateway: Vec<UriBuf>,
    /// How long a gateway may stay without any response before the next one is tried. Default: 4 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub gateway_patience: Duration,
    /// How long the phones of a user may stay without any response before those of a lower q are tried. Default: 4 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub phone_patience: Duration,
    /// How long they may ring before those of a lower q are tried. Default: 20 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub ring_time: Duration,
    /// SIP URI of another SAS, which gets the calls in the emergency state that are for nobody here (`sas.md` section 8). Default:
    /// none.
    pub redundant_sas: Option<UriBuf>,
    /// When such a call has come round. Default: when we are in its Via.
    pub cascade_loop: CascadeLoop,
    /// Users of a Request-URI that go to the default gateway in every state, or else to whatever carries them. A configuration in
    /// which some state has no route for one of them is refused. Of a phone that calls `urn:service:sos`, or one of its kinds (RFC
    /// 5031), the gateway gets the first number. Default: none.
    pub emergency_numbers: Vec<String>,
    /// Where the URIs of numbers are asked for (ENUM, RFC 6116): in the emergency state of what is for nobody here, before it goes to the
    /// default gateway, and wherever a row of the routing table says so. Default: nowhere.
    #[cfg_attr(feature = "serde", serde(rename = "enum"))]
    pub number_mapping: Option<NumberMapping>,
    /// Put before the number, in the emergency state, of what goes out by the table or to the default gateway. Default: nothing.
    pub emergency_prefix: String,
    /// Whether emergency numbers get the prefix too, as in the product. Default: false.
    pub prefix_emergency_numbers: bool,
    /// Whether phones that are not registered are refused with 403. They may call emergency numbers. Default: false.
    pub block_unregistered: bool,
    /// Default: 404.
    pub out_of_dialog_miss: OutOfDialogMiss,
    /// With [`SurvivabilityMode::IgnoreRegister`]: whether nothing that phones begin is answered in the normal state, rather than
    /// REGISTER alone. Emergency calls are, and what belongs to a call that is up. Default: false.
    pub ignore_all_in_normal: bool,
    /// With [`SurvivabilityMode::IgnoreRegister`]: how phones are sent home. Default: by silence.
    pub homing_lever: HomingLever,
    /// With [`HomingLever::RetryAfter`]: how long a phone is asked to leave us alone, in whole seconds, up to a minute. One that does
    /// so calls nobody through us in that time, emergency numbers included, should the proxy be lost just then: so let it be no longer than
    /// such a loss takes to be noticed. Default: 5 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub homing_retry_after: Duration,
    /// Default: user and host.
    pub binding_mode: BindingMode,
    /// Default: never.
    pub inbound_manipulation: InboundManipulation,
    /// What a SUBSCRIBE gets in the emergency state: 200..=699. Default: 489.
    pub subscribe_response: u16,
    /// Whether calls pass us for their whole life (RFC 3261 16.6 step 4). Default: true.
    pub record_route: bool,
    /// Whether a TCP connection whose requests say `alias` in their Via (RFC 5923) is used for requests to the host and port in that
    /// Via, if that is the host it comes from. A TLS connection always is. Default: true.
    pub connection_reuse: bool,
    /// Whether a 3xx of a phone's that names others of the branch is followed (RFC 3261 16.7 step 4) rather than passed to the
    /// caller. Default: false.
    pub follow_redirects: bool,
    /// Whether a forwarded REGISTER gets our Path (RFC 3327). Default: true.
    pub path: bool,
    /// What the flow tokens in our Path are signed with (RFC 5626 5.2). With it, those of UDP flows stay good over a restart, and
    /// those of connections are known to be of flows that are gone. Without, a secret is made of the seed, and all tokens of an
    /// earlier run are refused as forged, until the phones have registered again. It also keys the temporary GRUUs (RFC 5627), which so
    /// outlive a restart with their bindings. Default: none.
    #[cfg_attr(feature = "serde", serde(skip_serializing))]
    pub flow_secret: Option<Secret>,
}

impl Default for Survivability {
    fn default() -> Self {
        Self {
            survivability_mode: SurvivabilityMode::Standard,
            entering_emergency: EnteringEmergency::Requests,
            request_patience: Duration::from_secs(2),
            suspect_patience: Duration::from_millis(500),
            minimum_dwell: Duration::from_secs(10),
            maximum_dwell: Duration::from_mins(5),
            registration_time: Duration::from_secs(20),
            return_rate: 50,
            restore_registrations: true,
            stale_binding_grace: Duration::from_hours(1),
            default_gateway: Vec::new(),
            gateway_patience: Duration::from_secs(4),
            phone_patience: Duration::from_secs(4),
            ring_time: Duration::from_secs(20),
            redundant_sas: None,
            cascade_loop: CascadeLoop::OwnVia,
            emergency_numbers: Vec::new(),
            number_mapping: None,
            emergency_prefix: String::new(),
            prefix_emergency_numbers: false,
            block_unregistered: false,
            out_of_dialog_miss: OutOfDialogMiss::NotFound,
            ignore_all_in_normal: false,
            homing_lever: HomingLever::Silence,
            homing_retry_after: Duration::from_secs(5),
            binding_mode: BindingMode::Uri,
            inbound_manipulation: InboundManipulation::None,
            subscribe_response: 489,
            record_route: true,
            connection_reuse: true,
            follow_redirects: false,
            path: true,
            flow_secret: None,
        }
    }
}

/// The database of registered users.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Registrar {
    /// Addresses of record at most. Default: 100,000.
    pub max_users: usize,
    /// Contacts of one address of record at most. Default: 10.
    pub max_contacts: usize,
    /// The shortest lifetime that may be asked for: what is shorter, and no removal, is answered 423 with Min-Expires (RFC 3261 10.3
    /// step 7). It says nothing of what is granted, which `sas.registration_time` makes as short as the way home needs it. Whole
    /// seconds, at most an hour, above which nothing asked for may be refused. Default: 1 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub min_expires: Duration,
    /// The longest lifetime that is granted here, whatever is asked for. Whole seconds. Default: 1 h.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub max_expires: Duration,
    /// The Flow-Timer of RFC 5626 that a phone with a connection to us is told: how long it may leave the connection without a
    /// keep-alive, at most. Nothing is closed for it here. Whole seconds; 0: none is told. Default: 2 min.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub flow_timer: Duration,
    /// Users, besides the emergency numbers, that nobody may register as. Default: none.
    pub reserved_users: Vec<String>,
    /// Whether each change of a binding is told as [`Action::Store`](crate::Action::Store), to be restored by
    /// [`Event::Restored`](crate::Event::Restored) after a restart. Who is gone is remembered then, so that no older record brings them
    /// back. Default: no.
    pub store: bool,
}

impl Default for Registrar {
    fn default() -> Self {
        Self {
            max_users: 100_000,
            max_contacts: 10,
            min_expires: Duration::from_secs(1),
            max_expires: Duration::from_hours(1),
            flow_timer: Duration::from_mins(2),
            reserved_users: Vec::new(),
            store: false,
        }
    }
}

/// What bounds memory and work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message, in bytes. Default: 65,535.
    pub max_message: usize,
    /// Header fields of one message at most. Default: 256.
    pub max_headers: usize,
    /// Live transactions at most. Default: 100,000.
    pub max_transactions: usize,
    /// Transactions beyond that limit that calls to emergency numbers may still use. Default: 1,000.
    pub emergency_reserve: usize,
    /// REGISTERs a second at most from one address, of IPv6 from one /64; what is beyond gets 503, or nothing. Many phones may share one
    /// address. 0: any number. Default: 0.
    pub register_rate_per_source: u32,
    /// The largest request, in bytes, that goes by UDP to who may take TCP, where we take TCP ourselves (RFC 3261 18.1.1).
    /// Default: 1,300.
    pub max_udp_request: usize,
    /// Connections at most, those that we opened among them. Default: 10,000.
    pub max_connections: usize,
    /// Connections from one host at most. Default: 1,000.
    pub max_connections_of_host: usize,
    /// Connections that we open at most. Default: 1,000.
    pub max_dialled: usize,
    /// Bytes of unfinished messages in all connections together. Default: 64 MiB.
    pub max_buffered: usize,
    /// How long a connection that we want may take to come about: less than `sas.request_patience`, so that what is too large for UDP
    /// and finds no TCP can be tried by UDP in time. Default: 1.5 s.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub connect_time: Duration,
    /// How long a connection that no binding needs may go without a message. Default: 10 min.
    #[cfg_attr(feature = "serde", serde(with = "forms::span"))]
    pub connection_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 65_535,
            max_headers: 256,
            max_transactions: 100_000,
            emergency_reserve: 1_000,
            register_rate_per_source: 0,
            max_udp_request: 1_300,
            max_connections: 10_000,
            max_connections_of_host: 1_000,
            max_dialled: 1_000,
            max_buffered: 64 << 20,
            connect_time: Duration::from_millis(1_500),
            connection_idle: Duration::from_mins(10),
        }
    }
}
