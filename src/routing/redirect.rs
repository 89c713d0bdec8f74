//! Where a 3xx leads (RFC 3261 16.5 and 16.7 step 4): to users of the branch and to hosts that phones have registered from. A
//! Contact that names anybody else leaves the whole response to the caller, who may be allowed more than we may do for him.

use super::initial::{by_preference, find};
use super::{Target, View, as_request_uri};
use crate::headers::NameAddr;
use crate::message::Response;
use crate::uri::Uri;

/// The targets that `response` names, in the order of their q. None unless all are of the branch.
pub(crate) fn redirect(response: &Response, view: &View<'_>) -> Vec<Vec<Target>> {
    let mut contacts: Vec<NameAddr<'_>> = Vec::new();
    for contact in response.contacts() {
        match contact.ok().and_then(|contact| contact.address().copied()) {
            Some(contact) => contacts.push(contact),
            None => return Vec::new(),
        }
    }
    contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q()));
    let mut groups = Vec::new();
    for contact in &contacts {
        let found = of_the_branch(&contact.uri, view);
        if found.is_empty() {
            return Vec::new();
        }
        groups.extend(found);
    }
    groups
}

fn of_the_branch(uri: &Uri<'_>, view: &View<'_>) -> Vec<Vec<Target>> {
    let found = by_preference(&find(view, uri).0, view);
    if !found.is_empty() {
        return found;
    }
    let target = |address| Target { uri: Some(as_request_uri(uri)), ..view.target_at(uri, address) };
    view.phone_address(uri).map(|address| vec![vec![target(address)]]).unwrap_or_default()
}
