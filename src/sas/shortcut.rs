//! Calls that ring when the proxy is lost (`sas.md` section 9).
//!
//! A call from phone to phone by way of the proxy passes us twice, and what the callee answers goes back through the proxy, which is
//! dead: one would pick up and the other hear it ring for ever. So the answer to an INVITE is taken past the proxy, from the Via of
//! our second passage to that of our first, as requests in a dialog are taken past dead hops of their route; and so is the caller's
//! CANCEL, the other way. What was answered or cancelled in the seconds before the loss was known, and that the proxy has not heard
//! any more, goes that way as soon as it is.

use super::{Actions, Sas};
use crate::headers::HeaderName;
use crate::message::{Edits, Message, ParseLimits, Response};
use crate::mode::State;
use crate::transaction::ServerId;

/// So many passages of one call are taken past dead proxies: two phones, and a few diversions. Who makes up more Vias has a response of
/// its own read no more often than that.
pub(super) const MOST_PASSAGES: usize = 4;

impl Sas {
    /// `response`, which came for our second passage, as it would come back from the proxy for our first; none if there is none, it has
    /// its answer, or the proxy may yet do this itself. `own`: how many Vias of our second passage it has, 1 as it came and 0 as it
    /// went on.
    pub(super) fn past_dead_proxy(&self, response: &Response, own: usize) -> Option<Response> {
        let may_be = self.mode.state() == State::Emergency && !self.world.config.proxies().is_empty();
        if !may_be || response.status() <= 100 {
            return None;
        }
        if response.cseq().ok()?.method != "INVITE" {
            return None;
        }
        let flows = &self.world.flows;
        let is_ours = |address| flows.is_local(address);
        let mut vias = response.vias().skip(own);
        // Next comes whom we had the INVITE from: the proxy.
        let proxy = vias.next()?.ok()?;
        let address = proxy.sent_by.socket_addr(5060)?;
        if !self.world.config.proxies().iter().any(|known| known.is_at(address)) {
            return None;
        }
        // Behind it there may be more hops of its own before we come again.
        let mut between = own;
        let ours = vias.find_map(|via| {
            between += 1;
            let via = via.ok()?;
            via.sent_by.socket_addr(5060).is_some_and(is_ours).then_some(via)
        })?;
        let branch = ours.branch()?;
        if !self.transactions.hears_invite(branch) {
            return None;
        }
        // The proxy may have sent the call to several phones: of those the others may yet answer (RFC 3261 16.7 step 6).
        if response.status() >= 300 && self.proxy.open_behind(branch, flows).next().is_some() {
            return None;
        }
        let mut edits = Edits::new(response);
        edits.remove_values(HeaderName::Via, between);
        match Message::parse(edits.finish()) {
            Ok(Message::Response(response)) => Some(response),
            Ok(Message::Request(_)) | Err(_) => None,
        }
    }

    /// What became of the calls of this event: refusals that a dead proxy would have to pass on. Each ends a call that waits, and may so
    /// lead to the next one.
    pub(super) fn pass_refusals(&mut self, out: &mut Actions) {
        if self.mode.state() != State::Emergency {
            return self.transactions.forget_refused();
        }
        let limits = ParseLimits::new(usize::MAX, usize::MAX);
        while let Some((refusal, proxy)) = self.transactions.next_refused() {
            if let Ok(Message::Response(refusal)) = Message::parse_within(refusal, &limits)
                && let Some(shortened) = self.past_dead_proxy(&refusal, 0)
            {
                self.on_response(&shortened, 0, proxy, out);
            }
        }
    }

    /// The proxy is lost, and has been for some time: what it was told last it may never have heard. A 2xx is repeated until its ACK
    /// comes (RFC 3261 13.3.1.4), a refusal and a CANCEL are not.
    pub(super) fn catch_up_past_dead_proxy(&mut self, out: &mut Actions) {
        self.transactions.recall_refused();
        let cancelled = self.proxy.cancelled().map(|(invite, reason)| (invite, reason.to_owned()));
        for (invite, reason) in cancelled.collect::<Vec<_>>() {
            self.cancel_past_dead_proxy(invite, &reason, out);
        }
    }

    /// The INVITE `invite` is cancelled, for this `reason` if it is not empty. No dead proxy passes that on, and those that it has sent
    /// the call to would ring on.
    pub(super) fn cancel_past_dead_proxy(&mut self, invite: ServerId, reason: &str, out: &mut Actions) {
        if self.mode.state() != State::Emergency {
            return;
        }
        for sent in self.proxy.invites_to_proxies(invite, &self.transactions) {
            let branch = sent.top_branch().unwrap_or_default();
            let behind: Vec<_> = self.proxy.open_behind(branch, &self.world.flows).collect();
            for server in behind {
                self.proxy.cancel(&mut self.world.ctx(out), &mut self.transactions, server, reason);
            }
        }
    }
}
