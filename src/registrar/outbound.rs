//! Which REGISTERs are processed by RFC 5626 section 6: their bindings are between an address of record and a flow, which is
//! named by an instance and a `reg-id`, and not by the contact's URI.

use super::refusal::Refusal;
use super::request::Asked;
use crate::headers::HeaderName;
use crate::message::{Essentials, Request};

/// The option tag.
const OUTBOUND: &str = "outbound";

/// Whether the sender knows RFC 5626.
pub(super) fn is_supported(request: &Request) -> bool {
    request.lists(HeaderName::Supported, OUTBOUND)
}

/// Whether the `reg-id`s of a REGISTER that is answered here count.
///
/// # Errors
/// 439: the sender wants it, and the first hop cannot do it.
pub(super) fn applies(request: &Request, read: &Essentials<'_>) -> Result<bool, Refusal> {
    // 6: "the registrar MUST check from its Via header field if the registrar is the first hop or not. If the registrar is not the
    // first hop, it MUST examine the Path header of the request."
    if read.only_via().is_some() || first_hop_keeps_flows(request) {
        return Ok(true);
    }
    if is_supported(request) { Err(Refusal::FirstHopLacksOutbound) } else { Ok(false) }
}

/// Whether the Path starts with an edge proxy that keeps the flow to the user agent: 5.1 lets nobody but the first hop write `ob`,
/// and the first hop's value is the last one, since each hop puts its own on top (RFC 3327 5.2).
fn first_hop_keeps_flows(request: &Request) -> bool {
    let first = request.addresses(HeaderName::Path).last();
    first.is_some_and(|hop| hop.is_ok_and(|hop| hop.uri.param("ob").is_some()))
}

/// 6: "if the Contact header field contains more than one header field value with a non-zero expiration and any of these header
/// field values contain a "reg-id" Contact header field parameter, the entire registration SHOULD be rejected".
pub(super) fn check(asked: &[Asked<'_>]) -> Result<(), Refusal> {
    let made = || asked.iter().filter(|asked| !asked.is_removal());
    if made().nth(1).is_some() && made().any(|asked| asked.reg_id.is_some()) {
        return Err(Refusal::SeveralFlows);
    }
    Ok(())
}
