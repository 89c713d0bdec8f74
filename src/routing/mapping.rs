//! Where ENUM leads (`sas.md` 4.4 step 8).

use super::initial::database_groups;
use super::{Hop, Outcome, Query, Target, View, as_request_uri};
use crate::dialplan::{Number, number_of};
use crate::headers::Method;
use crate::transport::Transport;
use crate::uri::{Uri, UriBuf};
use std::net::SocketAddr;

/// What ENUM says of a number.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Mapping<'a> {
    /// It was not asked: a decision that needs it is [`Outcome::Ask`].
    #[default]
    Unasked,
    /// It has no URI for the number, or did not answer in time.
    None,
    /// It has one.
    To(&'a MappedNumber),
}

/// The URI that ENUM makes of a number, and where its host is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MappedNumber {
    /// A SIP URI.
    pub uri: UriBuf,
    /// By RFC 3263, in this order; empty for a user of the branch, or if nobody knows.
    pub places: Vec<(Transport, SocketAddr)>,
}

impl MappedNumber {
    /// A URI, and where its host is.
    #[must_use]
    pub const fn new(uri: UriBuf, places: Vec<(Transport, SocketAddr)>) -> Self {
        Self { uri, places }
    }
}

/// The question, where `uri` is called, ENUM is on, knows such numbers, and was not asked. Who may not call out asks nothing.
pub(super) fn question(query: &Query<'_>, view: &View<'_>, uri: &Uri<'_>) -> Option<Outcome> {
    let may_call_out = !query.asks_trust() || query.trust >= view.config.trust.call_out;
    let is_unasked = matches!(query.mapping, Mapping::Unasked);
    let is_open = is_unasked && may_call_out && view.config.sas.number_mapping.is_some();
    let number = Some(uri).filter(|_| is_open && query.request.method() == Method::Invite).map(number_of)?;
    Number::of(&number).map(Outcome::Ask)
}

/// "Database with the result first, then its host". It leads neither to us nor back to where the request came from.
pub(super) fn targets(query: &Query<'_>, view: &View<'_>) -> Vec<Vec<Target>> {
    let Mapping::To(mapped) = query.mapping else {
        return Vec::new();
    };
    let uri = mapped.uri.as_uri();
    let mut groups = database_groups(view, &uri);
    let places =
        mapped.places.iter().filter(|place| !view.flows.is_local(place.1) && !query.is_from(place.1));
    groups.extend(places.map(|&(transport, address)| {
        vec![Target {
            uri: Some(as_request_uri(&uri)),
            hop: Hop::Route,
            ..Target::address(address, transport)
        }]
    }));
    groups
}
