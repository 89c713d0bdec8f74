//! What a REGISTER asks for (RFC 3261 10.2), read once for both ways into the database.

use super::binding::{Binding, Home, Origin, Past};
use super::refusal::Refusal;
use super::texts::{Parts, Texts};
use crate::config::Trust;
use crate::headers::{Contact, HeaderName, NameAddr, delta_seconds};
use crate::message::{Essentials, Request};
use crate::time::Instant;
use crate::transport::Peer;
use crate::uri::{AorKey, Class, HomeHosts, Host, Scheme, Uri};
use std::borrow::Cow;
use std::time::Duration;

/// Text that is kept for one binding at most, in bytes; with the limits on users and contacts it bounds memory.
const MAX_TEXT: usize = 4096;
/// What is kept of User-Agent at most, in bytes.
const MAX_USER_AGENT: usize = 256;

/// A REGISTER, taken apart.
#[derive(Debug)]
pub(super) struct Register<'m> {
    pub(super) key: Cow<'m, str>,
    pub(super) call_id: &'m str,
    pub(super) cseq: u32,
    pub(super) from: Peer,
    pub(super) contacts: Contacts<'m>,
    aor: Cow<'m, str>,
    /// The values of Path with commas between them.
    path: Cow<'m, str>,
    user_agent: &'m str,
}

/// The Contact header fields of a REGISTER.
#[derive(Debug)]
pub(super) enum Contacts<'m> {
    /// None: the sender asks what is there.
    Query,
    /// `*`: all are to be removed.
    Star,
    /// These, of which no two are equivalent.
    These(These<'m>),
}

/// One contact or several: nearly always one.
#[derive(Debug)]
pub(super) enum These<'m> {
    One(Asked<'m>),
    Several(Vec<Asked<'m>>),
}

impl<'m> These<'m> {
    pub(super) fn as_slice(&self) -> &[Asked<'m>] {
        match self {
            Self::One(asked) => std::slice::from_ref(asked),
            Self::Several(all) => all,
        }
    }
}

/// One contact of a REGISTER.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'m> {
    pub(super) uri: Uri<'m>,
    /// The lifetime that is asked for. Zero removes.
    pub(super) expires: Option<Duration>,
    q: u16,
    pub(super) instance: Option<&'m str>,
    /// One of several flows of the instance, where RFC 5626 applies: then the two name the binding.
    pub(super) reg_id: Option<u32>,
}

/// What a binding is granted with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'g> {
    pub(super) now: Instant,
    pub(super) expires_at: Instant,
    pub(super) origin: Origin,
    pub(super) trust: Trust,
    pub(super) home: Home,
    /// The public and the temporary GRUU that the proxy has made with it; empty where it has made none.
    pub(super) gruus: [&'g str; 2],
}

impl Asked<'_> {
    pub(super) fn is_removal(&self) -> bool {
        self.expires == Some(Duration::ZERO)
    }

    /// RFC 3261 10.3 step 7: "greater than zero AND smaller than one hour AND less than a registrar-configured minimum".
    fn is_too_brief(&self, least: Duration) -> bool {
        self.expires.is_some_and(|asked| !asked.is_zero() && asked < least && asked < Duration::from_hours(1))
    }

    /// Whether it stands for many (RFC 6140).
    fn is_bulk(&self) -> bool {
        // A look at the letters comes first: nearly all have parameters, and none of them is it.
        static LETTERS: Class = Class::of(b"bB%");
        LETTERS.find(self.uri.params_str().as_bytes()).is_some() && self.uri.param("bnc").is_some()
    }

    /// Whether `binding` says to be of the same device.
    pub(super) fn is_instance_of(&self, binding: &Binding) -> bool {
        self.instance.is_some() && self.instance == binding.instance()
    }

    /// Whether `binding` is the same flow of the same device (RFC 5626 6).
    pub(super) fn is_flow_of(&self, binding: &Binding) -> bool {
        self.reg_id.is_some() && self.reg_id == binding.reg_id && self.is_instance_of(binding)
    }

    /// Whether it takes the place of `binding` without being it: the same device at another address, before it had several flows,
    /// or since it has only one; or what is a flow now and was a contact without an instance. Flows stand side by side.
    pub(super) fn supersedes(&self, binding: &Binding) -> bool {
        if self.reg_id.is_none() || binding.reg_id.is_none() {
            let was_nameless = || {
                self.reg_id.is_some()
                    && binding.instance().is_none()
                    && binding.contact().equivalent(&self.uri)
            };
            return self.is_instance_of(binding) || was_nameless();
        }
        false
    }

    /// Whether both would be one binding.
    fn is_same_as(&self, other: &Self) -> bool {
        match (self.reg_id, other.reg_id) {
            (None, None) => self.uri.equivalent(&other.uri),
            (a, b) => a == b && self.instance == other.instance,
        }
    }

    /// Whether `binding` is of the same device, by what it says of itself or by its IP address. The port does not
    /// count: after a reboot or a new NAT mapping it is another one.
    pub(super) fn is_device_of(&self, binding: &Binding, from: Peer) -> bool {
        self.is_instance_of(binding) || from.address.ip() == binding.source.ip()
    }
}

impl<'m> Register<'m> {
    /// Reads `request`.
    ///
    /// Atomic as RFC 3261 10.3 wants it: one contact that cannot be read or kept fails them all. `has_flows` says whether a `reg-id`
    /// counts, and is asked where there is one.
    pub(super) fn read(
        request: &'m Request,
        read: &Essentials<'m>,
        from: Peer,
        home: &HomeHosts,
        max_contacts: usize,
        has_flows: impl FnMut() -> Result<bool, Refusal>,
    ) -> Result<Self, Refusal> {
        let to = read.to()?.uri;
        // RFC 3261 10.3 step 5.
        if !to.is_sip() && to.scheme() != Scheme::Tel {
            return Err(Refusal::NoSuchUser);
        }
        let key = AorKey::text(&to, home).ok_or(Refusal::NoSuchUser)?;
        let register = Self {
            key,
            aor: address_of_record(&to).ok_or(Refusal::NoSuchUser)?,
            call_id: read.call_id()?,
            cseq: read.cseq()?.number,
            from,
            contacts: Contacts::read(request, read, max_contacts, has_flows)?,
            path: if read.has(HeaderName::Path) { path(request)? } else { "".into() },
            user_agent: start_of(read.text(HeaderName::UserAgent), MAX_USER_AGENT),
        };
        if register.longest_text() > MAX_TEXT {
            return Err(Refusal::TooLarge);
        }
        if register.asked().iter().any(Asked::is_bulk) {
            return Err(Refusal::BulkContact);
        }
        Ok(register)
    }

    /// The contacts that it names.
    pub(super) fn asked(&self) -> &[Asked<'m>] {
        match &self.contacts {
            Contacts::These(asked) => asked.as_slice(),
            Contacts::Query | Contacts::Star => &[],
        }
    }

    /// Whether `contact` is the address of record itself.
    pub(super) fn is_aor(&self, contact: &Uri<'_>) -> bool {
        Uri::parse(&self.aor).is_ok_and(|aor| aor.equivalent(contact))
    }

    /// Whether one of its contacts is a flow of a device.
    pub(super) fn has_flow(&self) -> bool {
        self.asked().iter().any(|asked| asked.reg_id.is_some())
    }

    /// Refuses a lifetime that is shorter than `least`.
    pub(super) fn check_lifetimes(&self, least: Duration) -> Result<(), Refusal> {
        let is_too_brief = self.asked().iter().any(|asked| asked.is_too_brief(least));
        if is_too_brief { Err(Refusal::TooBrief(least)) } else { Ok(()) }
    }

    fn longest_text(&self) -> usize {
        let contact = self.asked().iter().map(Asked::text_len).max().unwrap_or(0);
        self.aor.len() + self.call_id.len() + self.path.len() + contact
    }

    /// The binding that `asked` makes on `terms` in the place of `existing`, whose text it shares if nothing of it has changed.
    pub(super) fn binding(&self, asked: &Asked<'_>, existing: Option<&Binding>, terms: Terms<'_>) -> Binding {
        // RFC 5627 5.1: GRUUs are of the instance; temporary ones of its Call-ID, for as long as it is registered.
        let before = existing.filter(|existing| asked.is_instance_of(existing));
        let lasting = before.filter(|b| b.call_id() == self.call_id && b.expires_at > terms.now);
        let [pub_gruu, temp_gruu] = terms.gruus;
        let parts = Parts {
            key: &self.key,
            aor: &self.aor,
            contact: asked.uri.as_str(),
            call_id: self.call_id,
            instance: asked.instance.unwrap_or_default(),
            user_agent: self.user_agent,
            path: &self.path,
            pub_gruu: first_of(pub_gruu, before.and_then(Binding::pub_gruu)),
            temp_gruu: first_of(temp_gruu, lasting.and_then(Binding::temp_gruu)),
        };
        let same = existing.map(|existing| &existing.texts).filter(|texts| texts.are(&parts));
        Binding {
            texts: same.cloned().unwrap_or_else(|| Texts::new(parts)),
            layout: asked.uri.layout(),
            q: asked.q,
            expires_at: terms.expires_at,
            registered_at: terms.now,
            updated_at: terms.now,
            cseq: self.cseq,
            reg_id: asked.reg_id,
            past: Past::default(),
            era: lasting.map_or(0, |lasting| lasting.era),
            source: self.from.address,
            flow: Some(self.from.flow),
            origin: terms.origin,
            trust: terms.trust,
            home: terms.home,
        }
    }
}

impl<'m> Contacts<'m> {
    fn read(
        request: &'m Request,
        read: &Essentials<'m>,
        max_contacts: usize,
        mut has_flows: impl FnMut() -> Result<bool, Refusal>,
    ) -> Result<Self, Refusal> {
        let expires = if read.has(HeaderName::Expires) { request.expires() } else { None };
        if let Some(Contact::Address(address)) = read.only_contact()? {
            let mut asked = Asked::of(address, expires);
            if asked.reg_id.is_some() && !has_flows()? {
                asked.reg_id = None;
            }
            return Ok(Self::These(These::One(asked)));
        }
        // Said once for all contacts of a request.
        let mut known = None;
        let mut asked_of = |address: &NameAddr<'m>| {
            let mut asked = Asked::of(address, expires);
            if asked.reg_id.is_some() {
                let counts = match known {
                    Some(counts) => counts,
                    None => *known.insert(has_flows()?),
                };
                asked.reg_id = asked.reg_id.filter(|_| counts);
            }
            Ok::<_, Refusal>(asked)
        };
        let mut these: Vec<Asked<'m>> = Vec::new();
        let mut star = false;
        for contact in request.contacts() {
            match contact? {
                Contact::Star if star => return Err(Refusal::Star),
                Contact::Star => star = true,
                Contact::Address(address) => {
                    let asked = asked_of(&address)?;
                    // Of two that mean the same the first counts: by then the second is no newer than the binding.
                    if these.iter().any(|earlier| earlier.is_same_as(&asked)) {
                        continue;
                    }
                    // As many as can be there may be exchanged for as many others, and no more: work is bounded.
                    if these.len() >= max_contacts.saturating_mul(2) {
                        return Err(Refusal::TooManyContacts);
                    }
                    these.push(asked);
                }
            }
        }
        match (star, these.is_empty()) {
            (false, true) => Ok(Self::Query),
            (false, false) => Ok(Self::These(These::Several(these))),
            // RFC 3261 10.3 step 6.
            (true, true) if expires == Some(Duration::ZERO) => Ok(Self::Star),
            (true, _) => Err(Refusal::Star),
        }
    }
}

impl<'m> Asked<'m> {
    fn of(address: &NameAddr<'m>, expires: Option<Duration>) -> Self {
        let mut asked = Self { uri: address.uri, expires, q: 1000, instance: None, reg_id: None };
        for (name, value) in address.params.iter() {
            if name == "expires" || name.eq_ignore_ascii_case("expires") {
                // RFC 3261 10.3 step 7: the contact's own parameter counts before the header field.
                let seconds = value.map(|seconds| delta_seconds(seconds).unwrap_or(Duration::from_hours(1)));
                asked.expires = seconds.or(expires);
            } else if name.eq_ignore_ascii_case("q") {
                asked.q = address.q();
            } else if name.eq_ignore_ascii_case("+sip.instance") {
                // It is written into quotes again in our 200.
                asked.instance =
                    address.instance().filter(|urn| !urn.is_empty() && !urn.contains(['\r', '\n', '\\']));
            } else if name.eq_ignore_ascii_case("reg-id") {
                asked.reg_id = address.reg_id();
            }
        }
        // RFC 5626 6: a reg-id without an instance is ignored.
        asked.reg_id = asked.reg_id.filter(|_| asked.instance.is_some());
        asked
    }

    fn text_len(&self) -> usize {
        self.uri.as_str().len() + self.instance.map_or(0, str::len)
    }
}

/// The values of Path, each of which has to be an address.
fn path(request: &Request) -> Result<Cow<'_, str>, Refusal> {
    for address in request.addresses(HeaderName::Path) {
        address?;
    }
    Ok(request.values(HeaderName::Path).collect::<Vec<_>>().join(",").into())
}

/// To's URI without parameters, headers and password.
fn address_of_record<'u>(to: &Uri<'u>) -> Option<Cow<'u, str>> {
    let user = to.user()?;
    let text = to.as_str();
    match to.host() {
        // What is left of it stands there as it is.
        Some(Host::Name(_) | Host::V4(_)) if to.password().is_none() => {
            let end = text.len() - to.params_str().len() - to.headers_str().len();
            text.get(..end).map(Cow::Borrowed)
        }
        _ => {
            let (scheme, _) = text.split_once(':')?;
            let written = match to.host_port() {
                Some(host) => format!("{scheme}:{user}@{host}"),
                None => format!("{scheme}:{user}"),
            };
            Uri::parse(&written).is_ok().then(|| written.into())
        }
    }
}

/// `new`, or else `old`.
fn first_of<'t>(new: &'t str, old: Option<&'t str>) -> &'t str {
    if new.is_empty() { old.unwrap_or_default() } else { new }
}

/// At most `max` bytes from the start of `text`, cut between characters.
fn start_of(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|&end| text.is_char_boundary(end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_record_has_no_parameters_and_no_password() {
        let aor = |text| address_of_record(&Uri::parse(text).unwrap()).unwrap().to_string();
        assert_eq!(aor("sips:alice:secret@H.example:5071;x=y?a=b"), "sips:alice@H.example:5071");
        assert_eq!(aor("tel:+1-201;phone-context=x"), "tel:+1-201");
        assert_eq!(aor("sip:a@192.0.2.1;x?y=z"), "sip:a@192.0.2.1");
        assert_eq!(aor("sip:a:b@[2001:DB8::1]:5060"), "sip:a@[2001:db8::1]:5060");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(start_of("aé", 2), "a");
        assert_eq!(start_of("aé", 3), "aé");
        assert_eq!(start_of("aé", 9), "aé");
    }
}
