//! What a REGISTER asks for (RFC 3261 10.2), read once for both ways into the database.

use super::binding::{Binding, Home, Origin};
use super::refusal::Refusal;
use crate::headers::{Contact, HeaderName, NameAddr};
use crate::message::Request;
use crate::time::Instant;
use crate::transport::Peer;
use crate::uri::{AorKey, HomeHosts, Scheme, Uri, UriBuf};
use std::time::Duration;

/// Text that is kept for one binding at most, in bytes; with the limits on users and contacts it bounds memory.
const MAX_TEXT: usize = 4096;
/// What is kept of User-Agent at most, in bytes.
const MAX_USER_AGENT: usize = 256;

/// A REGISTER, taken apart.
#[derive(Debug)]
pub(super) struct Register<'m> {
    pub(super) key: AorKey,
    pub(super) call_id: &'m str,
    pub(super) cseq: u32,
    pub(super) from: Peer,
    pub(super) contacts: Contacts<'m>,
    pub(super) path: Box<[Box<str>]>,
    aor: UriBuf,
    user_agent: Option<&'m str>,
}

/// The Contact header fields of a REGISTER.
#[derive(Debug)]
pub(super) enum Contacts<'m> {
    /// None: the sender asks what is there.
    Query,
    /// `*`: all are to be removed.
    Star,
    /// These, of which no two are equivalent.
    These(Vec<Asked<'m>>),
}

/// One contact of a REGISTER.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'m> {
    pub(super) uri: Uri<'m>,
    /// The lifetime that is asked for. Zero removes.
    pub(super) expires: Option<Duration>,
    q: u16,
    instance: Option<&'m str>,
    reg_id: Option<u32>,
}

impl Asked<'_> {
    pub(super) fn is_removal(&self) -> bool {
        self.expires == Some(Duration::ZERO)
    }

    /// Whether `binding` says to be the same flow of the same device.
    pub(super) fn is_instance_of(&self, binding: &Binding) -> bool {
        self.instance.is_some()
            && self.instance == binding.instance.as_deref()
            && self.reg_id == binding.reg_id
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
    /// Atomic as RFC 3261 10.3 wants it: one contact that cannot be read or kept fails them all.
    pub(super) fn read(
        request: &'m Request,
        from: Peer,
        home: &HomeHosts,
        max_contacts: usize,
    ) -> Result<Self, Refusal> {
        let to = request.to()?.uri;
        // RFC 3261 10.3 step 5.
        if !to.is_sip() && to.scheme() != Scheme::Tel {
            return Err(Refusal::NoSuchUser);
        }
        let key = AorKey::of(&to, home).ok_or(Refusal::NoSuchUser)?;
        let path = request.addresses(HeaderName::Path).zip(request.values(HeaderName::Path));
        let register = Self {
            key,
            aor: address_of_record(&to).ok_or(Refusal::NoSuchUser)?,
            call_id: request.call_id()?,
            cseq: request.cseq()?.number,
            from,
            contacts: Contacts::read(request, max_contacts)?,
            path: path.map(|(checked, text)| checked.map(|_| text.into())).collect::<Result<_, _>>()?,
            user_agent: request.value_of(HeaderName::UserAgent),
        };
        if register.longest_text() > MAX_TEXT {
            return Err(Refusal::TooLarge);
        }
        Ok(register)
    }

    fn longest_text(&self) -> usize {
        let contact = match &self.contacts {
            Contacts::These(asked) => asked.iter().map(Asked::text_len).max().unwrap_or(0),
            Contacts::Query | Contacts::Star => 0,
        };
        let path: usize = self.path.iter().map(|value| value.len()).sum();
        self.aor.as_str().len() + self.call_id.len() + path + contact
    }

    /// The binding that `asked` makes when it is granted until `expires_at`.
    pub(super) fn binding(
        &self,
        asked: &Asked<'_>,
        now: Instant,
        expires_at: Instant,
        origin: Origin,
        home: Home,
    ) -> Binding {
        Binding {
            key: self.key.clone(),
            aor: self.aor.clone(),
            contact: asked.uri.to_buf(),
            q: asked.q,
            expires_at,
            updated_at: now,
            call_id: self.call_id.into(),
            cseq: self.cseq,
            instance: asked.instance.map(Into::into),
            reg_id: asked.reg_id,
            path: self.path.clone(),
            source: self.from.address,
            flow: Some(self.from.flow),
            origin,
            home,
            user_agent: self.user_agent.map(|text| start_of(text, MAX_USER_AGENT).into()),
        }
    }
}

impl<'m> Contacts<'m> {
    fn read(request: &'m Request, max_contacts: usize) -> Result<Self, Refusal> {
        let expires = request.expires();
        let mut these: Vec<Asked<'m>> = Vec::new();
        let mut star = false;
        for contact in request.contacts() {
            match contact? {
                Contact::Star if star => return Err(Refusal::Star),
                Contact::Star => star = true,
                Contact::Address(address) => {
                    let asked = Asked::of(&address, expires);
                    // Of two that mean the same the first counts: by then the second is no newer than the binding.
                    if these.iter().any(|earlier| earlier.uri.equivalent(&asked.uri)) {
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
            (false, false) => Ok(Self::These(these)),
            // RFC 3261 10.3 step 6.
            (true, true) if expires == Some(Duration::ZERO) => Ok(Self::Star),
            (true, _) => Err(Refusal::Star),
        }
    }
}

impl<'m> Asked<'m> {
    fn of(address: &NameAddr<'m>, expires: Option<Duration>) -> Self {
        let quoted = address.params.value("+sip.instance");
        let instance = quoted.and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
        // It is written into quotes again in our 200.
        let instance = instance.filter(|text| !text.is_empty() && !text.contains(['\r', '\n', '\\']));
        // RFC 5626 6: a reg-id without an instance is ignored.
        let reg_id = instance.and_then(|_| address.params.value("reg-id")?.parse().ok());
        // RFC 3261 10.3 step 7: the contact's own parameter counts before the header field.
        Self { uri: address.uri, expires: address.expires().or(expires), q: address.q(), instance, reg_id }
    }

    fn text_len(&self) -> usize {
        self.uri.as_str().len() + self.instance.map_or(0, str::len)
    }
}

/// To's URI without parameters, headers and password.
fn address_of_record(to: &Uri<'_>) -> Option<UriBuf> {
    let user = to.user()?;
    let (scheme, _) = to.as_str().split_once(':')?;
    let text = match to.host_port() {
        Some(host) => format!("{scheme}:{user}@{host}"),
        None => format!("{scheme}:{user}"),
    };
    UriBuf::parse(&text).ok()
}

/// At most `max` bytes from the start of `text`, cut between characters.
fn start_of(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
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
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(start_of("aé", 2), "a");
        assert_eq!(start_of("aé", 3), "aé");
        assert_eq!(start_of("aé", 9), "aé");
    }
}
