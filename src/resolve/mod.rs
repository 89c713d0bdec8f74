//! From a SIP URI to the servers to try: transport, address and port (RFC 3263, with the weights of RFC 2782 and the transports of
//! RFC 7118).
//!
//! Pure: [`Resolver::resolve`] says at once what is known, or which [`Question`]s the caller has to ask the DNS;
//! [`Resolver::on_answer`] takes the answers in. What is over the size of a datagram, and so wants another transport (RFC 3261
//! 18.1.1), is for those to decide who send.
//!
//! * `destination`: what is to be resolved, and what we can send by.
//! * `select`: the steps of RFC 3263 section 4, as a function of what is known. `weight`: the order among SRV records.
//! * `record`, `known`: answers as they come, and what is kept of them.
//! * `cache`: for how long; used past that while the DNS is away.
//! * `resolver`: who waits for what.
//! * `mapping`: the URI that ENUM makes of a number (RFC 6116), by the `substitution` that a record has.
//!
//! Every answer is taken for hostile: records and names are limited in number and length, the depth of a resolution is fixed, what
//! is no name of a host leads nowhere, times to live are bounded both ways.

mod cache;
mod destination;
mod known;
mod mapping;
mod name;
mod record;
mod resolver;
mod select;
mod substitution;
mod weight;

pub use destination::{Destination, Means, Transports};
pub(crate) use mapping::uri_of;
pub use name::Name;
pub use record::{Answer, Naptr, Question, Record, RecordKind, Srv};
pub use resolver::{QueryId, Resolution, ResolutionId, Resolved, Resolver, ResolverAction};
pub use select::{Server, Unresolved};
