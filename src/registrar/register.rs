//! A REGISTER that we answer ourselves: RFC 3261 10.3 steps 5 to 8, with the product's leniency for phones that have
//! rebooted (`sas.md` 7.3).

use super::Registrar;
use super::binding::{Binding, BindingChange, Home, Origin};
use super::plan::{Rules, Verdict, plan};
use super::refusal::Refusal;
use super::request::{Asked, Register};
use crate::headers::HeaderName;
use crate::message::{Request, ResponseBuilder};
use crate::time::Instant;
use crate::transport::Peer;
use crate::uri::{AorKey, HomeHosts, UriBuf};
use std::fmt;
use std::time::Duration;

/// What a 200 of ours says, and what has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// What the user is looked up by.
    pub key: AorKey,
    /// All current contacts of the address of record: highest q first, then in order of registration.
    pub contacts: Vec<CurrentContact>,
    /// The Path to echo (RFC 3327 5.3); empty unless the user agent says that it knows Path.
    pub path: Box<[Box<str>]>,
    /// What has changed.
    pub changes: Vec<BindingChange>,
}

impl Registered {
    /// Adds the Contact and Path header fields of the 200 to `response` (RFC 3261 10.3 step 8, RFC 3327 5.3).
    pub fn write_to(&self, mut response: ResponseBuilder) -> ResponseBuilder {
        for value in &self.path {
            response = response.header(HeaderName::Path, value);
        }
        for contact in &self.contacts {
            response = response.header(HeaderName::Contact, contact);
        }
        response
    }
}

/// A contact with the lifetime that it has left. Displays as a value of Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentContact {
    /// Where the user can be reached.
    pub uri: UriBuf,
    /// The lifetime left, in whole seconds, rounded down but never to zero, which would mean removed.
    pub expires: u32,
    /// The preference in thousandths, 0..=1000.
    pub q: u16,
    /// The device (RFC 5626 4.1).
    pub instance: Option<Box<str>>,
    /// Its flow (RFC 5626 4.2).
    pub reg_id: Option<u32>,
}

impl CurrentContact {
    /// `binding` as it stands at `now`.
    #[must_use]
    pub fn of(binding: &Binding, now: Instant) -> Self {
        let left = (binding.expires_at - now).as_secs();
        Self {
            uri: binding.contact.clone(),
            expires: u32::try_from(left).unwrap_or(u32::MAX).max(1),
            q: binding.q,
            instance: binding.instance.clone(),
            reg_id: binding.reg_id,
        }
    }
}

impl fmt::Display for CurrentContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.uri)?;
        if self.q < 1000 {
            write!(f, ";q=0.{:03}", self.q)?;
        }
        if let Some(instance) = &self.instance {
            write!(f, ";+sip.instance=\"{instance}\"")?;
        }
        if let Some(reg_id) = self.reg_id {
            write!(f, ";reg-id={reg_id}")?;
        }
        write!(f, ";expires={}", self.expires)
    }
}

impl Registrar {
    /// Processes a REGISTER that is to be answered here (RFC 3261 10.3 steps 5 to 8).
    ///
    /// * `home` is the ledger's entry of what is granted: [`Home::LocalOnly`], or [`Home::Pending`] while the same REGISTER is
    ///   under way to the proxy.
    /// * `grant` decides each lifetime from the one asked for, which is `None` where the request names none. It is not
    ///   asked for removals. What it gives counts in whole seconds, and as one second at least.
    ///
    /// A contact is that of a binding if the URIs are equivalent, or if both name the same instance and `reg-id`. A binding with
    /// the same Call-ID and no lower CSeq fails the request, except from the same device, which is the same instance or the
    /// same IP address: a lower CSeq is its reboot, and an equal one leaves the binding as it is.
    ///
    /// # Errors
    /// [`Refusal`], which has the status to answer with. Nothing has changed then.
    pub fn register(
        &mut self,
        now: Instant,
        request: &Request,
        from: Peer,
        hosts: &HomeHosts,
        home: Home,
        grant: impl FnMut(Option<Duration>) -> Duration,
    ) -> Result<Registered, Refusal> {
        let register = Register::read(request, from, hosts, self.max_contacts)?;
        if self.is_reserved(&register.key) {
            return Err(Refusal::Reserved);
        }
        let mut rules = Local { register: &register, now, home, grant };
        let edits = plan(&self.table, &register, &mut rules)?;
        let changes = self.commit(now, &register.key, edits)?;
        let current = self.table.of_user(&register.key).filter(|(_, binding)| binding.expires_at > now);
        let contacts = current.map(|(_, binding)| CurrentContact::of(binding, now)).collect();
        let knows_path = request.lists(HeaderName::Supported, "path");
        let path = if knows_path { register.path } else { Box::default() };
        Ok(Registered { key: register.key, contacts, path, changes })
    }
}

/// The rules for an answer of ours.
struct Local<'r, G> {
    register: &'r Register<'r>,
    now: Instant,
    home: Home,
    grant: G,
}

impl<G: FnMut(Option<Duration>) -> Duration> Rules for Local<'_, G> {
    fn judge(&self, binding: &Binding, asked: Option<&Asked<'_>>) -> Result<Verdict, Refusal> {
        let (register, from) = (self.register, self.register.from);
        // RFC 3261 10.3 steps 6 and 7.
        if *binding.call_id != *register.call_id || register.cseq > binding.cseq {
            return Ok(Verdict::Apply);
        }
        let same_device = match asked {
            Some(asked) => asked.is_device_of(binding, from),
            None => from.address.ip() == binding.source.ip(),
        };
        if !same_device {
            return Err(Refusal::OutOfOrder);
        }
        // sas.md 7.3: service before strictness. A request that is repeated beyond its transaction changes nothing.
        let repeated = register.cseq == binding.cseq && binding.expires_at > self.now;
        Ok(if repeated { Verdict::Leave } else { Verdict::Apply })
    }

    fn grant(&mut self, asked: &Asked<'_>, _: Option<&Binding>) -> Option<Binding> {
        if asked.is_removal() {
            return None;
        }
        // The phone is told whole seconds, so it gets whole seconds.
        let granted = Duration::from_secs((self.grant)(asked.expires).as_secs().max(1));
        Some(self.register.binding(asked, self.now, self.now + granted, Origin::Local, self.home))
    }
}
