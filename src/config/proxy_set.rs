//! The central proxies: which there are, how they are watched, and which of them a request goes to (`sas.md` 3.1).

use super::validate::{at_least_one, ensure, span};
use super::{ConfigError, EnteringEmergency, Settings, SurvivabilityMode};
use crate::uri::UriBuf;
use std::time::Duration;

/// Which proxy is in use once a better one is back (`ProxyRedundancyMode` of the product).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Redundancy {
    /// The first that is online; with balancing, each user's first one.
    #[default]
    Homing,
    /// The one in use until it is offline. Where it is suspect or overloaded, others serve only meanwhile.
    Parking,
}

/// How users are spread over the proxies that are online (`ProxyLoadBalancingMethod` of the product).
///
/// A user keeps its proxy: REGISTERs and calls go to the same one, which knows the nonce that it gave out, for as long as that is
/// online. What comes from elsewhere, such as a gateway, is spread by calls. Requests in a dialog follow their route set,
/// and emergency calls take the targets in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Balancing {
    /// All go to the first that is online.
    #[default]
    None,
    /// In turn.
    RoundRobin,
    /// By lot, in proportion to [`ProxySet::weights`].
    SrvWeight,
}

impl Balancing {
    /// As in the configuration file.
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RoundRobin => "round-robin",
            Self::SrvWeight => "srv-weight",
        }
    }
}

/// The central proxies and how they are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct ProxySet {
    /// SIP URIs in order of preference. Names are resolved by RFC 3263, and their last answer stays in use while the DNS is away.
    /// Default: none, which only
    /// [`SurvivabilityMode::AlwaysEmergency`](super::SurvivabilityMode::AlwaysEmergency) allows.
    pub targets: Vec<UriBuf>,
    /// Whether to probe by OPTIONS. Default: true.
    pub keepalive: bool,
    /// From one probe to the next while answers come. Default: 4 s.
    #[cfg_attr(feature = "serde", serde(with = "super::forms::span"))]
    pub keepalive_interval: Duration,
    /// From one probe to the next while the target is down. Default: 4 s.
    #[cfg_attr(feature = "serde", serde(with = "super::forms::span"))]
    pub keepalive_interval_down: Duration,
    /// How long a probe may stay unanswered before it is a miss, and the spacing of the probes that confirm a verdict.
    /// Never below twice the target's smoothed round-trip time. Default: 250 ms.
    #[cfg_attr(feature = "serde", serde(with = "super::forms::span"))]
    pub reprobe_interval: Duration,
    /// Misses in a row that make a target offline. Default: 8.
    pub down_after: u32,
    /// Answers in a row that make a target online again. Default: 2.
    pub up_after: u32,
    /// Status codes of a probe's answer that count as a miss; 200 is refused here. Default: none.
    pub failure_responses: Vec<u16>,
    /// Whether a request that one address leaves unanswered is sent to the next one of the set (hot swap), as is one that it answers
    /// with 503. Without, it is rescued at once, or ends by its own timers, as
    /// [`Survivability::entering_emergency`](super::Survivability::entering_emergency) says. Default: true.
    pub hot_swap: bool,
    /// How many sends of a request one address may leave without any response before the next address is tried, retransmissions by
    /// Timer A or E among them: 1..=30. The next one is tried when another retransmission would be due, after 3.5 s with 3 sends,
    /// or when [`Survivability::request_patience`](super::Survivability::request_patience) or
    /// [`suspect_patience`](super::Survivability::suspect_patience) is over, whichever comes first. By TCP, where nothing is sent again,
    /// it takes the same time. Default: 3.
    pub hot_swap_retransmissions: u32,
    /// Which proxy is in use once a better one is back. Default: homing.
    pub redundancy: Redundancy,
    /// How users are spread over the proxies that are online. Default: not at all.
    pub balancing: Balancing,
    /// With [`Balancing::SrvWeight`]: the weight of each target in its order, as an SRV record has it (RFC 2782). Default: all weigh
    /// the same.
    pub weights: Vec<u16>,
}

impl Default for ProxySet {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            keepalive: true,
            keepalive_interval: Duration::from_secs(4),
            keepalive_interval_down: Duration::from_secs(4),
            reprobe_interval: Duration::from_millis(250),
            down_after: 8,
            up_after: 2,
            failure_responses: Vec::new(),
            hot_swap: true,
            hot_swap_retransmissions: 3,
            redundancy: Redundancy::Homing,
            balancing: Balancing::None,
            weights: Vec::new(),
        }
    }
}

impl Settings {
    /// The proxies' own settings, and what of the mode they contradict.
    pub(super) fn check_proxy_set(&self) -> Result<(), ConfigError> {
        let Self { proxy_set, sas, .. } = self;
        let always_emergency = sas.survivability_mode.is_always_emergency();
        // sas.md 13.7: without a proxy only "always emergency" makes sense.
        ensure(
            !proxy_set.targets.is_empty() || always_emergency,
            "proxy_set.targets",
            &"[]",
            "must name a proxy unless sas.survivability_mode is \"always-emergency\"",
        )?;
        // sas.md 3.3 T7: neither probes nor requests would ever tell that the proxy is lost.
        ensure(
            proxy_set.keepalive || always_emergency || sas.entering_emergency == EnteringEmergency::Requests,
            "proxy_set.keepalive",
            &"false",
            "needs sas.entering_emergency = \"requests\", else a lost proxy would never be noticed",
        )?;
        // Phones of a redundant SAS ask the proxy first, and what does come is not relayed.
        ensure(
            proxy_set.keepalive || sas.survivability_mode != SurvivabilityMode::IgnoreRegister,
            "proxy_set.keepalive",
            &"false",
            "is needed with sas.survivability_mode = \"ignore-register\", else a lost proxy would never be noticed",
        )?;
        span("proxy_set.keepalive_interval", proxy_set.keepalive_interval, 100..=2_000_000_000)?;
        span("proxy_set.keepalive_interval_down", proxy_set.keepalive_interval_down, 100..=2_000_000_000)?;
        span("proxy_set.reprobe_interval", proxy_set.reprobe_interval, 10..=60_000)?;
        at_least_one("proxy_set.down_after", proxy_set.down_after as usize)?;
        at_least_one("proxy_set.up_after", proxy_set.up_after as usize)?;
        for &code in &proxy_set.failure_responses {
            let usable = (300..=699).contains(&code);
            ensure(usable, "proxy_set.failure_responses", &code, "must be from 300 to 699")?;
        }
        let sends = proxy_set.hot_swap_retransmissions;
        ensure(
            (1..=30).contains(&sends),
            "proxy_set.hot_swap_retransmissions",
            &sends,
            "must be from 1 to 30",
        )?;
        ensure(
            proxy_set.hot_swap || sends == ProxySet::default().hot_swap_retransmissions,
            "proxy_set.hot_swap_retransmissions",
            &sends,
            "needs proxy_set.hot_swap = true",
        )?;
        ensure(
            proxy_set.balancing == Balancing::None || proxy_set.targets.len() >= 2,
            "proxy_set.balancing",
            &proxy_set.balancing.as_str(),
            "needs two proxy_set.targets",
        )?;
        let weights = proxy_set.weights.len();
        ensure(
            weights == 0 || proxy_set.balancing == Balancing::SrvWeight,
            "proxy_set.weights",
            &format_args!("{:?}", proxy_set.weights),
            "needs proxy_set.balancing = \"srv-weight\"",
        )?;
        ensure(
            weights == 0 || weights == proxy_set.targets.len(),
            "proxy_set.weights",
            &format_args!("{:?}", proxy_set.weights),
            "must be one for each of proxy_set.targets",
        )
    }
}
