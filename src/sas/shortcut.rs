//! Calls that ring when the proxy is lost (`sas.md` section 9).
//!
//! A call from phone to phone by way of the proxy passes us twice, and what the callee answers goes back through the proxy, which is
//! dead: one would pick up and the other hear it ring for ever. So the answer to an INVITE is taken past the proxy, from the Via of
//! our second passage to that of our first, as requests in a dialog are taken past dead hops of their route.

use super::Sas;
use crate::headers::HeaderName;
use crate::message::{Edits, Message, Response};
use crate::mode::State;

impl Sas {
    /// `response`, which came for our second passage, as it would come back from the proxy for our first; none if there is none, it has
    /// its answer, or the proxy may yet do this itself.
    pub(super) fn past_dead_proxy(&self, response: &Response) -> Option<Response> {
        let may_be = self.mode.state() == State::Emergency && !self.world.config.proxies().is_empty();
        if !may_be || response.status() <= 100 {
            return None;
        }
        if response.cseq().ok()?.method != "INVITE" {
            return None;
        }
        let flows = &self.world.flows;
        let is_ours = |address| flows.is_local(address);
        let mut vias = response.vias().skip(1);
        // Next comes whom we had the INVITE from: the proxy.
        let proxy = vias.next()?.ok()?;
        let address = proxy.sent_by.socket_addr(5060)?;
        if !self.world.config.proxies().iter().any(|known| known.is_at(address)) {
            return None;
        }
        // Behind it there may be more hops of its own before we come again.
        let mut between = 1;
        let ours = vias.find_map(|via| {
            between += 1;
            let via = via.ok()?;
            via.sent_by.socket_addr(5060).is_some_and(is_ours).then_some(via)
        })?;
        if !self.transactions.hears_invite(ours.branch()?) {
            return None;
        }
        let mut edits = Edits::new(response);
        edits.remove_values(HeaderName::Via, between);
        match Message::parse(edits.finish()) {
            Ok(Message::Response(response)) => Some(response),
            Ok(Message::Request(_)) | Err(_) => None,
        }
    }
}
