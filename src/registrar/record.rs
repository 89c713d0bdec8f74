//! A REGISTER that the proxy has answered 2xx: what it granted is recorded (`sas.md` 2.1).

use super::Registrar;
use super::binding::{Binding, Changes, Home, Origin};
use super::plan::{Rules, Verdict, plan};
use super::refusal::Refusal;
use super::request::{Asked, Register, Terms};
use crate::config::Trust;
use crate::headers::{Contact, HeaderName, NameAddr};
use crate::message::{Essentials, Request, Response};
use crate::time::Instant;
use crate::transport::Peer;
use crate::uri::{HomeHosts, Uri, unescape};
use std::borrow::Cow;
use std::time::Duration;

/// What neither the 2xx nor the request says: RFC 3261 10.2.
const DEFAULT_EXPIRES: Duration = Duration::from_hours(1);

/// What is kept of a GRUU of the proxy's at most, in bytes.
const MAX_GRUU: usize = 512;

/// A 2xx comes at most 64*T1 after its request (RFC 3261 17.1.2.2, timer F). A lower CSeq that comes later than that after
/// the last change cannot be an older request whose answer was slow.
const SLOWEST_ANSWER: Duration = Duration::from_secs(32);

impl Registrar {
    /// Records what the proxy's `response` grants to `request`, the user's own REGISTER as it came to us `from` there.
    /// Anything but a 2xx changes nothing.
    ///
    /// * A 2xx grants all contacts that were asked for, since a registrar processes a request completely or not at all
    ///   (RFC 3261 10.3). Its Contact list only says for how long: the `expires` of the contact that is equivalent, or has the
    ///   same user, host and port. Without that parameter Expires of the response counts, then what was asked for, then an hour.
    /// * A contact that is not in the list, since proxies rewrite contacts, gets the longest `expires` listed, but no more than
    ///   was asked for.
    /// * A lifetime of zero and `*` remove.
    /// * A request with a lower CSeq than a binding of the same Call-ID is ignored for 32 s after the binding's last change: its
    ///   answer was slow. After that the device has rebooted, and the proxy has accepted it.
    /// * If the same REGISTER was answered here meanwhile, the later end of life counts: the proxy has the binding
    ///   for that long, and the phone refreshes it after the short time that it was told.
    ///
    /// # Errors
    /// [`Refusal`] says why the binding that the proxy has granted is not stored; nothing has changed then.
    pub fn record(
        &mut self,
        now: Instant,
        request: &Request,
        response: &Response,
        from: Peer,
        hosts: &HomeHosts,
    ) -> Result<Changes, Refusal> {
        if !response.is_success() {
            return Ok(Changes::default());
        }
        // RFC 5626 6: "the registrar MUST include the outbound option-tag in a Require header field value in its response" where
        // it has bound a flow.
        let has_flows = || Ok(response.lists(HeaderName::Require, "outbound"));
        let read = Essentials::of(request);
        let register = Register::read(request, &read, from, hosts, self.max_contacts, has_flows)?;
        if self.is_reserved(&register.key) {
            return Err(Refusal::Reserved);
        }
        let edits = plan(&self.table, &register, &mut Granted { register: &register, response, now })?;
        self.commit(now, &register.key, edits)
    }
}

/// The rules for an answer of the proxy.
struct Granted<'r> {
    register: &'r Register<'r>,
    response: &'r Response,
    now: Instant,
}

impl Rules for Granted<'_> {
    fn judge(&self, binding: &Binding, _: Option<&Asked<'_>>) -> Result<Verdict, Refusal> {
        let slow = binding.call_id() == self.register.call_id
            && self.register.cseq < binding.cseq
            && self.now - binding.updated_at <= SLOWEST_ANSWER;
        Ok(if slow { Verdict::Leave } else { Verdict::Apply })
    }

    fn grant(&mut self, asked: &Asked<'_>, existing: Option<&Binding>) -> Option<Binding> {
        let granted = if asked.is_removal() { Duration::ZERO } else { self.lifetime(asked) };
        if granted.is_zero() {
            return None;
        }
        let answered_here = existing.filter(|binding| {
            binding.origin == Origin::Local
                && binding.call_id() == self.register.call_id
                && binding.cseq == self.register.cseq
        });
        let told = answered_here.map_or(Instant::ZERO, |binding| binding.expires_at);
        let expires_at = told.max(self.now + granted);
        let listed = asked.instance.and_then(|_| self.listed_for(asked));
        let [public, temporary] = gruus_of(listed.as_ref());
        let terms = Terms {
            now: self.now,
            expires_at,
            origin: Origin::Proxy,
            // sas.md 7.6.
            trust: Trust::Known,
            home: Home::Confirmed,
            gruus: [&public, &temporary],
        };
        Some(self.register.binding(asked, existing, terms))
    }
}

impl Granted<'_> {
    fn lifetime(&self, asked: &Asked<'_>) -> Duration {
        let wanted = asked.expires.unwrap_or(DEFAULT_EXPIRES);
        let unlisted = || self.response.expires().unwrap_or(wanted);
        match self.listed_for(asked) {
            Some(listed) => listed.expires().unwrap_or_else(unlisted),
            None => match self.listed().filter_map(|listed| listed.expires()).max() {
                Some(longest) => longest.min(wanted),
                None => unlisted(),
            },
        }
    }

    /// What the answer lists of `asked`. Flows are told apart by instance and reg-id, whatever their URIs (RFC 5626 6).
    fn listed_for(&self, asked: &Asked<'_>) -> Option<NameAddr<'_>> {
        let is_flow = |listed: &NameAddr<'_>| {
            asked.reg_id.is_some() && listed.reg_id() == asked.reg_id && listed.instance() == asked.instance
        };
        let find =
            |same: fn(&Uri<'_>, &Uri<'_>) -> bool| self.listed().find(|listed| same(&listed.uri, &asked.uri));
        self.listed().find(is_flow).or_else(|| find(|a, b| a.equivalent(b))).or_else(|| find(is_same_place))
    }

    fn listed(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.response.contacts().filter_map(|contact| match contact {
            Ok(Contact::Address(address)) => Some(address),
            Ok(Contact::Star) | Err(_) => None,
        })
    }
}

/// The GRUUs that the proxy has made for a contact (RFC 5627 5.2), as far as they can be kept.
fn gruus_of<'a>(listed: Option<&NameAddr<'a>>) -> [Cow<'a, str>; 2] {
    let kept = |gruu: Option<Cow<'a, str>>| {
        let is_uri = |gruu: &Cow<'a, str>| gruu.len() <= MAX_GRUU && Uri::parse(gruu).is_ok();
        gruu.filter(is_uri).unwrap_or_default()
    };
    [kept(listed.and_then(NameAddr::pub_gruu)), kept(listed.and_then(NameAddr::temp_gruu))]
}

/// Same user, host and port, whatever the parameters, which some registrars drop or add.
fn is_same_place(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let user = |uri: &Uri<'_>| uri.user().map(|user| unescape(user).into_owned());
    let port = |uri: &Uri<'_>| uri.port().unwrap_or(5060);
    a.host().is_some() && a.host() == b.host() && port(a) == port(b) && user(a) == user(b)
}
