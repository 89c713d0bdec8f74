//! A REGISTER that we answer ourselves: RFC 3261 10.3 steps 5 to 8, with the product's leniency for phones that have
//! rebooted (`sas.md` 7.3).

use super::Registrar;
use super::binding::{Binding, Changes, Home, Origin};
use super::gruu::{self, Issue};
use super::outbound;
use super::plan::{Rules, Verdict, plan};
use super::refusal::Refusal;
use super::request::{Asked, Register, Terms};
use super::texts::Texts;
use crate::config::Trust;
use crate::headers::{HeaderName, push_decimal};
use crate::message::{Essentials, Request, ResponseBuilder};
use crate::time::Instant;
use crate::transport::Peer;
use crate::uri::HomeHosts;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What a 200 of ours says, and what has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// All current contacts of the address of record: highest q first, then in order of registration.
    pub contacts: Vec<CurrentContact>,
    /// The Path to echo (RFC 3327 5.3); empty unless the user agent says that it knows Path.
    pub path: Vec<Box<str>>,
    /// The contact is a flow, and its sender is to know that (RFC 5626 6).
    pub is_outbound: bool,
    /// What has changed.
    pub changes: Changes,
}

impl Registered {
    /// Adds the Contact, Path and Require header fields of the 200 to `response` (RFC 3261 10.3 step 8, RFC 3327 5.3, RFC 5626 6).
    pub fn write_to(&self, mut response: ResponseBuilder) -> ResponseBuilder {
        if self.is_outbound {
            response = response.header(HeaderName::Require, "outbound");
        }
        for value in &self.path {
            response = response.header(HeaderName::Path, value);
        }
        self.contacts.iter().fold(response, |response, contact| contact.write_to(response))
    }
}

/// The same while it lies in the database and in the request, of which nothing is copied.
#[derive(Debug)]
pub(crate) struct Accepted<'r> {
    registrar: &'r Registrar,
    request: &'r Request,
    key: Cow<'r, str>,
    now: Instant,
    pub(crate) is_outbound: bool,
    /// If GRUUs are to be told.
    issue: Option<Issue>,
    pub(crate) changes: Changes,
}

impl<'r> Accepted<'r> {
    fn contacts(&self) -> impl Iterator<Item = CurrentContact> {
        let now = self.now;
        let (only, all) = match self.changes.only_one() {
            Some(binding) => (Some(binding), None),
            None => (None, Some(self.registrar.table.of_user(&self.key).map(|(_, binding)| binding))),
        };
        let bindings = only.into_iter().chain(all.into_iter().flatten());
        bindings.filter(move |binding| binding.expires_at > now).map(move |binding| match self.issue {
            Some(issue) => self.registrar.with_gruus(issue, binding, now),
            None => CurrentContact::of(binding, now),
        })
    }

    fn path(&self) -> impl Iterator<Item = &'r str> {
        let knows_path = self.request.first(HeaderName::Path).is_some()
            && self.request.lists(HeaderName::Supported, "path");
        Some(self.request)
            .filter(|_| knows_path)
            .into_iter()
            .flat_map(|request| request.values(HeaderName::Path))
    }

    pub(crate) fn write_to(&self, mut response: ResponseBuilder) -> ResponseBuilder {
        if self.is_outbound {
            response = response.header(HeaderName::Require, "outbound");
        }
        for value in self.path() {
            response = response.header(HeaderName::Path, value);
        }
        self.contacts().fold(response, |response, contact| contact.write_to(response))
    }
}

impl From<Accepted<'_>> for Registered {
    fn from(accepted: Accepted<'_>) -> Self {
        Self {
            contacts: accepted.contacts().collect(),
            path: accepted.path().map(Box::from).collect(),
            is_outbound: accepted.is_outbound,
            changes: accepted.changes,
        }
    }
}

/// A contact with the lifetime that it has left. Displays as a value of Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentContact {
    texts: Texts,
    /// The lifetime left, in whole seconds, rounded down but never to zero, which would mean removed.
    pub expires: u32,
    /// The preference in thousandths, 0..=1000.
    pub q: u16,
    /// The flow of its device (RFC 5626 4.2).
    pub reg_id: Option<u32>,
    /// Its public and its temporary GRUU, for who knows RFC 5627.
    pub gruus: Option<[Box<str>; 2]>,
}

impl CurrentContact {
    /// `binding` as it stands at `now`.
    #[must_use]
    pub fn of(binding: &Binding, now: Instant) -> Self {
        let left = (binding.expires_at - now).as_secs();
        Self {
            texts: binding.texts.clone(),
            expires: u32::try_from(left).unwrap_or(u32::MAX).max(1),
            q: binding.q,
            reg_id: binding.reg_id,
            gruus: None,
        }
    }

    /// Where the user can be reached.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.texts.contact()
    }

    /// The URN of the device (RFC 5626 4.1).
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        Some(self.texts.instance()).filter(|urn| !urn.is_empty())
    }

    fn write_to(&self, response: ResponseBuilder) -> ResponseBuilder {
        response.header_with(HeaderName::Contact, |text| self.push_to(text))
    }

    fn push_to(&self, text: &mut String) {
        for part in ["<", self.uri(), ">"] {
            text.push_str(part);
        }
        if self.q < 1000 {
            text.push_str(";q=0.");
            for digit in [self.q / 100, self.q / 10 % 10, self.q % 10] {
                push_decimal(text, digit.into());
            }
        }
        if let Some(urn) = self.instance() {
            for part in [";+sip.instance=\"<", urn, ">\""] {
                text.push_str(part);
            }
        }
        if let Some(reg_id) = self.reg_id {
            text.push_str(";reg-id=");
            push_decimal(text, reg_id.into());
        }
        // RFC 5627 7: quoted strings, in which no URI has anything to escape.
        if let Some([public, temporary]) = &self.gruus {
            for part in [";pub-gruu=\"", public, "\";temp-gruu=\"", temporary, "\""] {
                text.push_str(part);
            }
        }
        text.push_str(";expires=");
        push_decimal(text, self.expires.into());
    }
}

impl fmt::Display for CurrentContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_to(&mut text);
        f.write_str(&text)
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
    /// A contact is that of a binding if the URIs are equivalent or, where RFC 5626 applies, if both name the same instance and
    /// `reg-id`. One that is no flow replaces all others of its instance. A binding with
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
        let (read, trust) = (Essentials::of(request), Trust::Unknown);
        self.accept(now, request, &read, from, hosts, home, trust, grant).map(Registered::from)
    }

    /// The same for who has `read` the request already, knows how far its sender is trusted, and writes the answer at once.
    #[expect(clippy::too_many_arguments, reason = "those of `register`, and what has been read")]
    pub(crate) fn accept<'r>(
        &'r mut self,
        now: Instant,
        request: &'r Request,
        read: &Essentials<'r>,
        from: Peer,
        hosts: &HomeHosts,
        home: Home,
        trust: Trust,
        grant: impl FnMut(Option<Duration>) -> Duration,
    ) -> Result<Accepted<'r>, Refusal> {
        let register = self.read(request, read, from, hosts)?;
        if self.is_reserved(&register.key) {
            return Err(Refusal::Reserved);
        }
        register.check_lifetimes(self.min_expires)?;
        outbound::check(register.asked())?;
        self.check_instances(&register)?;
        let is_outbound = register.has_flow() && outbound::is_supported(request);
        let max_expires = self.max_expires;
        let mut grant = grant;
        let grant = |asked| grant(asked).min(max_expires);
        let plan = plan(&self.table, &register, &mut Local { register: &register, now, home, trust, grant })?;
        let changes = self.commit(now, &register.key, plan)?;
        let issue = self.issue_for(&register, request);
        Ok(Accepted { registrar: self, request, key: register.key, now, is_outbound, issue, changes })
    }

    /// The answer to a REGISTER that was accepted and has come again: what is there now. Nothing changes, since what came after it may
    /// have changed more.
    pub(crate) fn repeat<'r>(
        &'r mut self,
        now: Instant,
        request: &'r Request,
        read: &Essentials<'r>,
        from: Peer,
        hosts: &HomeHosts,
    ) -> Result<Accepted<'r>, Refusal> {
        let register = self.read(request, read, from, hosts)?;
        let is_outbound = register.has_flow() && outbound::is_supported(request);
        let issue = self.issue_for(&register, request);
        let (key, changes) = (register.key, Changes::default());
        Ok(Accepted { registrar: self, request, key, now, is_outbound, issue, changes })
    }

    /// What `request` asks for.
    fn read<'r>(
        &self,
        request: &'r Request,
        read: &Essentials<'r>,
        from: Peer,
        hosts: &HomeHosts,
    ) -> Result<Register<'r>, Refusal> {
        let has_flows = || outbound::applies(request, read);
        Register::read(request, read, from, hosts, self.max_contacts, has_flows)
    }

    /// GRUUs for the answer, for those who say that they know them (RFC 5627 5.2).
    fn issue_for(&mut self, register: &Register<'_>, request: &Request) -> Option<Issue> {
        let is_query = register.asked().is_empty();
        let has_instance = register.asked().iter().any(|asked| asked.instance.is_some());
        let wants = (has_instance || is_query) && request.lists(HeaderName::Supported, "gruu");
        wants.then(|| self.mint.issue())
    }

    /// RFC 5627 5.1, for contacts with an instance: one that is the address of record or a GRUU of it "would cause a routing loop".
    fn check_instances(&self, register: &Register<'_>) -> Result<(), Refusal> {
        for asked in register.asked().iter().filter(|asked| asked.instance.is_some() && !asked.is_removal()) {
            let is_gruu = || {
                let says = asked.uri.user().and_then(|user| self.mint.read(user));
                says.is_some_and(|says| self.table.is_named(&register.key, says))
            };
            if !asked.uri.is_sip() || register.is_aor(&asked.uri) || is_gruu() {
                return Err(Refusal::LoopingContact);
            }
        }
        Ok(())
    }

    /// `binding` as it stands at `now`, with the GRUUs of its instance.
    fn with_gruus(&self, issue: Issue, binding: &Binding, now: Instant) -> CurrentContact {
        let gruus = || {
            let user = self.mint.temporary(issue, self.table.says(binding)?);
            Some([gruu::public(binding)?.into(), gruu::with_user(binding, &user)?.into()])
        };
        CurrentContact { gruus: gruus(), ..CurrentContact::of(binding, now) }
    }
}

/// The rules for an answer of ours.
struct Local<'r, G> {
    register: &'r Register<'r>,
    now: Instant,
    home: Home,
    trust: Trust,
    grant: G,
}

impl<G: FnMut(Option<Duration>) -> Duration> Rules for Local<'_, G> {
    fn judge(&self, binding: &Binding, asked: Option<&Asked<'_>>) -> Result<Verdict, Refusal> {
        let (register, from) = (self.register, self.register.from);
        // RFC 3261 10.3 steps 6 and 7.
        if binding.call_id() != register.call_id || register.cseq > binding.cseq {
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

    fn grant(&mut self, asked: &Asked<'_>, existing: Option<&Binding>) -> Option<Binding> {
        if asked.is_removal() {
            return None;
        }
        // The phone is told whole seconds, so it gets whole seconds.
        let granted = Duration::from_secs((self.grant)(asked.expires).as_secs().max(1));
        let expires_at = self.now + granted;
        // sas.md 7.6: a device that the proxy had granted a binding keeps its trust.
        let before = existing.filter(|existing| asked.is_device_of(existing, self.register.from));
        // An address is worth what it is worth each time.
        let proven = if self.trust >= Trust::Known { self.trust } else { Trust::Unknown };
        let terms = Terms {
            now: self.now,
            expires_at,
            origin: Origin::Local,
            trust: before.map_or(Trust::Unknown, |before| before.trust).max(proven),
            home: self.home,
            gruus: [""; 2],
        };
        Some(self.register.binding(asked, existing, terms))
    }
}
