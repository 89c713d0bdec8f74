//! Who has not come home after a return (`sas.md` 3.4), for the notice that names them, and for whoever asks.
//!
//! Of who is bound here the registrar keeps the ledger: local only, pending, confirmed. A user whose binding ended before the proxy had
//! confirmed it is in no such ledger any more, and is remembered here. In mode 2 phones go home without a word to us, and it is
//! those that stay who are seen: whoever still registers here when all should have gone.

use super::{Actions, Notice, Sas};
use crate::config::{Config, SurvivabilityMode};
use crate::message::{Essentials, Request};
use crate::registrar::{BindingChange, ChangeKind, Home};
use crate::time::Instant;
use crate::uri::AorKey;
use std::collections::BTreeMap;
use std::time::Duration;

/// A little for the slow, behind the last lifetime that was granted.
pub(super) const SLACK: Duration = Duration::from_secs(10);

/// How long a phone asks us that gets no answer: timer F (RFC 3261 17.1.2.2).
const TIMER_F: Duration = Duration::from_secs(32);

/// In mode 2, how long it is watched who has stayed.
const LINGERING: Duration = Duration::from_mins(1);

/// Users that are remembered at most.
const MOST_STRAYS: usize = 10_000;

/// The longest address of record that is remembered, in bytes.
const LONGEST: usize = 512;

/// Users that one notice names at most.
const MOST_NAMED: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    watch: Option<Watch>,
    /// Who is not bound here any more and has not come home: keys with their addresses of record.
    strays: BTreeMap<Box<str>, Box<str>>,
}

/// A return is waited out.
#[derive(Clone, Copy, Debug)]
struct Watch {
    /// Whether phones go home by themselves, and from when on those count that still come.
    lingering: Option<Instant>,
    /// When the others are named.
    due: Instant,
}

impl Ledger {
    /// The proxy is back at `now`. `pace`: how long it takes until everybody has had a turn.
    pub(super) fn on_return(&mut self, now: Instant, config: &Config, pace: Duration) {
        self.strays.clear();
        let sas = &config.sas;
        // 0: what was asked for has been granted, up to the longest.
        let granted = sas.registration_time.min(config.registrar.max_expires);
        let lifetime = if granted.is_zero() { config.registrar.max_expires } else { granted };
        self.watch = match sas.survivability_mode {
            SurvivabilityMode::Standard | SurvivabilityMode::TableInNormal => {
                // Twice: those whose turn has not come ask again, and some of what is sent is lost.
                Some(Watch { lingering: None, due: now + lifetime + pace * 2 + SLACK })
            }
            SurvivabilityMode::IgnoreRegister => {
                let from = now + lifetime + TIMER_F + SLACK;
                Some(Watch { lingering: Some(from), due: from + LINGERING })
            }
            // Nobody goes home.
            SurvivabilityMode::AutoAnswerRegister | SurvivabilityMode::AlwaysEmergency => None,
        };
    }

    /// The configuration has changed, perhaps to one in which nobody goes home.
    pub(super) fn reconfigure(&mut self, mode: SurvivabilityMode) {
        let lingering = self.watch.map(|watch| watch.lingering.is_some());
        let lingers = mode == SurvivabilityMode::IgnoreRegister;
        let goes_home =
            !matches!(mode, SurvivabilityMode::AutoAnswerRegister | SurvivabilityMode::AlwaysEmergency);
        if !goes_home || lingering.is_some_and(|lingering| lingering != lingers) {
            self.on_loss();
        }
    }

    /// Users have other keys now: of those who are not bound any more nobody knows which.
    pub(super) fn on_rekeyed(&mut self) {
        self.strays.clear();
    }

    /// The proxy is lost: who has not come home need not.
    pub(super) fn on_loss(&mut self) {
        *self = Self::default();
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.watch.map(|watch| watch.due)
    }

    pub(super) fn on_changes(&mut self, changes: &[BindingChange]) {
        if self.watch.is_none_or(|watch| watch.lingering.is_some()) {
            return;
        }
        for BindingChange { kind, binding, .. } in changes {
            if *kind == ChangeKind::Expired && binding.home != Home::Confirmed {
                self.add(binding.key(), binding.aor());
            }
        }
    }

    fn is_lingering(&self, now: Instant) -> bool {
        self.watch.and_then(|watch| watch.lingering).is_some_and(|from| from <= now)
    }

    fn add(&mut self, key: &str, aor: &str) {
        if self.strays.len() < MOST_STRAYS && aor.len() <= LONGEST {
            self.strays.insert(key.into(), aor.into());
        }
    }
}

impl Sas {
    /// The addresses of record that have not come home: the proxy has not confirmed a binding of theirs, or it had not when the last one
    /// ended, since the return. In the emergency state that is whoever has registered in it; where nothing is relayed
    /// ([`AutoAnswerRegister`](SurvivabilityMode::AutoAnswerRegister)), everyone. With
    /// [`IgnoreRegister`](SurvivabilityMode::IgnoreRegister) nobody sees who goes home, and in the normal state it is who was still
    /// registering here a minute and a half after his last lifetime. Each once; it looks at all bindings.
    pub fn not_home(&self) -> impl Iterator<Item = &str> {
        let strays = self.world.ledger.strays.iter().map(|(key, aor)| (&**key, &**aor));
        let strays = strays.filter(|(key, _)| !self.registrar.is_confirmed(key));
        let bound = self.registrar.not_confirmed().map(|binding| (binding.key(), binding.aor()));
        strays.chain(bound).collect::<BTreeMap<_, _>>().into_values()
    }

    /// Names those who have not come home, if it is time.
    pub(super) fn tell_ledger(&mut self, out: &mut Actions) {
        let now = self.world.now;
        if self.world.ledger.next_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.world.ledger.watch = None;
        let (mut users, mut total) = (Vec::new(), 0);
        for aor in self.not_home() {
            total += 1;
            if users.len() < MOST_NAMED {
                users.push(aor.into());
            }
        }
        if total > 0 {
            out.push(Notice::UsersNotHome { users, total }.into());
        }
    }

    /// A REGISTER has been sent home, once more perhaps.
    pub(super) fn note_lingering(&mut self, request: &Request, read: &Essentials<'_>) {
        // Who takes his leave, or asks whether we are there, does not want to stay.
        let wants_to_stay = request.expires().is_none_or(|expires| !expires.is_zero());
        if let Ok(to) = read.to()
            && wants_to_stay
            && self.world.ledger.is_lingering(self.world.now)
            && let Some(key) = AorKey::of(&to.uri, &self.world.home)
        {
            self.world.ledger.add(key.as_str(), to.uri.as_str());
        }
    }
}
