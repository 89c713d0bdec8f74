//! A sans-IO core that keeps a branch office's SIP phones calling while their central proxy is away.
//!
//! Phones register and call through it. While the central proxy is there, it forwards, records who the proxy registered,
//! and probes the proxy with OPTIONS. When the proxy is lost, it is registrar and proxy of the branch: phone to phone, and
//! to the telephone network through a gateway. When the proxy answers again, it hands the phones back at a pace that the
//! proxy can take. This is what AudioCodes gateways call Stand-Alone Survivability.
//!
//! There is no socket, clock, thread or source of randomness inside. Bytes and time come in as an [`Event`], bytes and
//! facts go out as [`Action`]s, and the same events give the same actions on any machine.
//!
//! # The run loop
//!
//! 1. Make a [`Config`](config::Config) and a [`Sas`].
//! 2. Open the sockets, and tell each as [`Event::FlowOpened`]; where connections are taken, tell [`Event::Listening`].
//! 3. Wait for whatever comes first: a datagram, a delivery error, a connection, what comes by one or its end, or
//!    [`Sas::next_timeout`].
//! 4. Tell it with the time that it is now: [`Event::Datagram`], [`Event::SendFailed`], [`Event::FlowOpened`], [`Event::Stream`],
//!    [`Event::FlowClosed`], [`Event::Tick`].
//! 5. Carry out the actions in their order, and go back to 3. Who only has UDP meets no [`Action::Connect`] and no [`Action::Close`].
//!
//! Bindings outlive a restart where [`registrar.store`](config::Registrar::store) is set: keep each [`Action::Store`], and tell them as
//! [`Event::Restored`] behind step 2.
//!
//! The configuration may change at run time, by [`Sas::reconfigure`]: no registration and no call is lost for it.
//!
//! # The way home
//!
//! After an outage phones go home by the short lifetime that they were granted in it, at the pace of
//! [`return_rate`](config::Survivability::return_rate); the proxy is told of those that had a long one. Phones that have the proxy for
//! their first server and us for their second ([`IgnoreRegister`](config::SurvivabilityMode::IgnoreRegister)) are sent home by silence, or
//! by 503 with Retry-After ([`homing_lever`](config::Survivability::homing_lever)). [`Notice::UsersNotHome`] names those that have not
//! come, once for each return; [`Sas::not_home`] tells at any time.
//!
//! TLS and WebSocket handshakes are the caller's: the core sees what is inside.
//!
//! ```
//! use bytes::Bytes;
//! use sip_survivability::config::Settings;
//! use sip_survivability::time::Instant;
//! use sip_survivability::transport::{FlowId, Transport};
//! use sip_survivability::{Action, Event, Sas};
//!
//! // 1.
//! let mut settings = Settings::default();
//! settings.proxy_set.targets = vec!["sip:192.0.2.1:5060".parse()?];
//! settings.sas.default_gateway = vec!["sip:192.0.2.9".parse()?];
//! settings.sas.emergency_numbers = vec!["911".to_owned()];
//! let start = Instant::ZERO;
//! let mut sas = Sas::new(settings.validate()?, [7; 32], start);
//!
//! // 2.
//! let (flow, transport) = (FlowId(0), Transport::Udp);
//! let _listening = sas.handle(start, Event::FlowOpened { flow, transport, local: "10.0.0.1:5080".parse()?, remote: None });
//!
//! // 3. and 4.: an emergency call goes to the gateway in every state, also from a phone that nobody knows.
//! let invite = Bytes::from(
//!     "INVITE sip:911@10.0.0.1:5080 SIP/2.0\r\n\
//!      Via: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK74bf9\r\n\
//!      Max-Forwards: 70\r\n\
//!      From: <sip:alice@10.0.0.1>;tag=9fxced76sl\r\n\
//!      To: <sip:911@10.0.0.1>\r\n\
//!      Call-ID: 3848276298220188511@10.0.0.7\r\n\
//!      CSeq: 1 INVITE\r\n\
//!      Contact: <sip:alice@10.0.0.7>\r\n\
//!      Content-Length: 0\r\n\r\n",
//! );
//! let now = start + std::time::Duration::from_secs(3);
//! let actions = sas.handle(now, Event::Datagram { flow, from: "10.0.0.7:5060".parse()?, data: invite });
//!
//! // 5.
//! let sent: Vec<String> = actions
//!     .iter()
//!     .filter_map(|action| match action {
//!         Action::Send { to, payload, .. } => {
//!             Some(format!("{to}: {}", String::from_utf8_lossy(payload).lines().next().unwrap_or_default()))
//!         }
//!         _ => None,
//!     })
//!     .collect();
//! assert_eq!(sent, ["10.0.0.7:5060: SIP/2.0 100 Trying", "192.0.2.9:5060: INVITE sip:911@192.0.2.9 SIP/2.0"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The layers
//!
//! Each is of use alone, and has the same shape: values in, values out.
//!
//! | module | what |
//! |---|---|
//! | [`message`], [`headers`], [`uri`] | parse, edit, build and validate SIP |
//! | [`registrar`] | the database of registered users, RFC 3261 section 10 |
//! | [`dialplan`] | number patterns and manipulation, in the product's notation |
//! | [`routing`] | where a request goes, with the chain of reasons |
//! | [`auth`] | digest authentication: challenge, check, answer |
//! | [`mode`] | normal and emergency, and the way between them |
//! | [`upstream`] | the health of the central proxies |
//! | [`resolve`] | from a URI to the servers to try, RFC 3263 |
//! | [`config`], [`time`], [`rng`], [`transport`] | what the others are given |
//!
//! # Features
//!
//! None is on unless it is asked for, and none changes what is done.
//!
//! | feature | what |
//! |---|---|
//! | `serde` | `Serialize` and `Deserialize` for [`config::Settings`], in the keys and forms of a configuration file |
//!
//! # What it follows
//!
//! | RFC | what of it |
//! |---|---|
//! | 3261 | section 10 (registrar), 16 (stateful proxy), 17 (transactions), 18 (transport) over UDP, TCP, TLS and WebSocket; 19.1 URIs |
//! | 3263, 2782 | NAPTR, SRV with weights, A and AAAA, in [`resolve`] |
//! | 3327 | our Path in relayed REGISTERs, others' Path kept with the binding |
//! | 3581 | `rport` and `received`, both ways |
//! | 3680 | the changes of contacts as data: event, state, id, durations; no subscriptions, no XML |
//! | 3966 | telephone numbers as URIs, and as users of SIP URIs |
//! | 6140 | not served: 420 for `gin`, 400 for `bnc` |
//! | 3261, 5393 | 8.2, 10.3, 16.3: validation for user agents, registrars and proxies; 440 for a request without breadth |
//! | 4320 | no 408 for requests other than INVITE |
//! | 5626 | 5: flow tokens in our Path, requests that come back with them; CRLF and STUN keep-alives are answered; 6: the registrar's rules, 439; 7: one flow of an instance at a time |
//! | 5627 | 5: public and temporary GRUUs, 6: requests to them and Record-Route; the central proxy's own GRUUs in an outage |
//! | 5658 | Record-Route on both sides where they differ in address or transport |
//! | 5922 | the domain that a TLS connection has to prove to be, in [`Action::Connect`] |
//! | 5923 | `alias`: others' connections are used for requests to them |
//! | 6026 | the Accepted states |
//! | 7118 | SIP over WebSocket; its transports in URIs and in the DNS |
//! | 7616, 8760 | digest with MD5, SHA-256 and SHA-512-256, `auth` and `auth-int`; the RFC 2069 form is taken too (3261 section 22) |
//! | 3262, 3323, 3325, 3326, 3515, 3608, 3841, 3891, 3892, 3903, 3911, 4028, 4412, 5393, 5626, 5627, 5806, 6442, 6665, 6809, 7044, 7315, 7433, 7616, 7989, 8224, 8898 | their header fields, read and written by [`headers::field`] |

pub mod auth;
mod codec;
pub mod config;
pub mod dialplan;
pub mod headers;
pub mod message;
pub mod mode;
mod proxy;
pub mod registrar;
pub mod resolve;
pub mod rng;
pub mod routing;
mod sas;
mod slab;
pub mod time;
mod transaction;
pub mod transport;
pub mod upstream;
pub mod uri;

pub use sas::journal;
pub use sas::{Action, Actions, BoundContact, Event, Notice, Sas};
