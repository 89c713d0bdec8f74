//! Whom the load of the proxies is balanced by: a user keeps to one of them (`sas.md` 3.1).

use super::{Source, View};
use crate::config::Balancing;
use crate::headers::Method;
use crate::message::Request;
use crate::upstream::Affinity;
use crate::uri::{AorKey, Uri};
use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

/// Whom `request` is for: the user that it registers, or who sends it; what comes from elsewhere is spread by calls. A user's REGISTERs and
/// calls have the same, and so has what is sent again with credentials, whose nonce is one proxy's. None without balancing.
pub(crate) fn affinity(request: &Request, source: Source, view: &View<'_>) -> Option<Affinity> {
    if view.config.proxy_set.balancing == Balancing::None {
        return None;
    }
    let user = match (request.method(), source) {
        (Method::Register, _) => request.to().ok(),
        (_, Source::User) => request.from().ok(),
        (_, Source::Proxy | Source::Gateway | Source::Peer) => None,
    };
    let of_call = || Affinity(hash(request.call_id().unwrap_or_default()));
    Some(user.and_then(|user| affinity_of_user(&user.uri, view)).unwrap_or_else(of_call))
}

/// That of the user whose address of record is `aor`. None without balancing, or if it names no user.
pub(crate) fn affinity_of_user(aor: &Uri<'_>, view: &View<'_>) -> Option<Affinity> {
    if view.config.proxy_set.balancing == Balancing::None {
        return None;
    }
    AorKey::of(aor, view.home).map(|key| Affinity(hash(key.as_str())))
}

/// No secret: whoever makes up a user that shares another's proxy has gained nothing.
fn hash(text: &str) -> u64 {
    let mut hash = SipHasher13::new();
    hash.write(text.as_bytes());
    hash.finish()
}
