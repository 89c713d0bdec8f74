//! ENUM (`sas.md` 4.4 step 8): calls that wait until it is known what the DNS says of their number.
//!
//! Each number is asked for once, however many calls wait; no call waits longer than the site allows; and while the DNS is away,
//! as it is with the line, none waits at all, so that calls to the PSTN do not pay for it one by one.

use super::relay::Arrival;
use super::{Action, Actions, Sas};
use crate::config::Config;
use crate::dialplan::Number;
use crate::proxy::{ContextId, SilenceKind};
use crate::resolve::{Answer, Name, QueryId, RecordKind, Resolution, ResolutionId, Resolved, uri_of};
use crate::routing::{MappedNumber, Mapping};
use crate::time::Instant;
use crate::transaction::ServerId;
use crate::transport::Peer;
use std::collections::BTreeMap;
use std::time::Duration;

/// Numbers that are kept, or asked for, at most. Others have no URI for the time being.
const MAX_NUMBERS: usize = 1_000;

/// For how long nothing is asked after the DNS has failed or fallen silent.
const QUIET: Duration = Duration::from_secs(30);

/// How long a question may go without an answer.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long an answer is good, whatever it says of that.
const KEPT: [Duration; 2] = [Duration::from_secs(30), Duration::from_hours(1)];

/// Marks the names of our questions among those of the resolver, which counts its own from 1.
const OURS: u64 = 1 << 63;

#[derive(Debug, Default)]
pub(super) struct Mappings {
    numbers: BTreeMap<Number, Known>,
    /// By when they have waited long enough, then in the order in which they came.
    waiting: BTreeMap<Key, Waiting>,
    serial: u64,
    /// Nothing is asked before that.
    quiet_until: Instant,
}

#[derive(Debug)]
enum Known {
    /// The NAPTR records of its domain are asked for.
    Asked(QueryId, Instant),
    /// The host of its URI is looked for.
    Located(ResolutionId, MappedNumber, Instant),
    /// This, until then.
    Answered(Option<MappedNumber>, Instant),
}

impl Known {
    const fn until(&self) -> Instant {
        match self {
            Self::Asked(_, until) | Self::Located(_, _, until) | Self::Answered(_, until) => *until,
        }
    }
}

type Key = (Instant, u64);

#[derive(Debug)]
struct Waiting {
    number: Number,
    call: Call,
}

/// A call that waits.
#[derive(Debug)]
enum Call {
    New(Box<Arrival>),
    /// One that the proxy has left unanswered.
    Rescued(ContextId, SilenceKind),
}

impl Mappings {
    /// When the first call has waited long enough.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((until, _), _)| *until)
    }

    /// Whether an answer to `query` is for us.
    pub(super) const fn has_asked(query: QueryId) -> bool {
        query.0 & OURS != 0
    }

    /// Who sent the INVITE `server`, if it waits.
    pub(super) fn source_of(&self, server: ServerId) -> Option<Peer> {
        self.arrivals().find(|(_, arrival)| arrival.server == server).map(|(_, arrival)| arrival.from)
    }

    /// The INVITE `server`, if it waits, and does no more.
    pub(super) fn take(&mut self, server: ServerId) -> Option<Arrival> {
        let key = self.arrivals().find(|(_, arrival)| arrival.server == server)?.0;
        match self.waiting.remove(&key)?.call {
            Call::New(arrival) => Some(*arrival),
            Call::Rescued(..) => None,
        }
    }

    fn arrivals(&self) -> impl Iterator<Item = (Key, &Arrival)> {
        self.waiting.iter().filter_map(|(key, waiting)| match &waiting.call {
            Call::New(arrival) => Some((*key, &**arrival)),
            Call::Rescued(..) => None,
        })
    }

    /// The calls that wait for `number`, in their order, and wait no more.
    fn take_all(&mut self, number: &Number) -> Vec<Call> {
        let of_it = self.waiting.extract_if(.., |_, waiting| waiting.number == *number);
        of_it.map(|(_, waiting)| waiting.call).collect()
    }

    /// Makes room for one more number: the answer that is good for the shortest time goes. Whether there is any.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.numbers.len() >= MAX_NUMBERS {
            self.numbers.retain(|_, known| known.until() > now);
        }
        if self.numbers.len() >= MAX_NUMBERS {
            let answered = self.numbers.iter().filter(|(_, known)| matches!(known, Known::Answered(..)));
            let first = answered.min_by_key(|(_, known)| known.until()).map(|(number, _)| number.clone());
            first.and_then(|number| self.numbers.remove(&number));
        }
        self.numbers.len() < MAX_NUMBERS
    }

    /// Whether the DNS may be asked, and waited for.
    fn may_ask(&self, now: Instant) -> bool {
        self.quiet_until <= now
    }
}

impl Sas {
    /// An INVITE whose way depends on what ENUM says of `number`.
    pub(super) fn map_arrival(&mut self, number: Number, arrival: Arrival, out: &mut Actions) {
        self.map(number, Call::New(Box::new(arrival)), out);
    }

    /// The same for one that the proxy has left unanswered.
    pub(super) fn map_rescued(
        &mut self,
        number: Number,
        context: ContextId,
        kind: SilenceKind,
        out: &mut Actions,
    ) {
        // It is this that it waits for now, and for nothing twice.
        self.proxy.on_taken(self.world.now, context);
        let is_it = |call: &Call| matches!(call, Call::Rescued(other, _) if *other == context);
        self.mappings.waiting.retain(|_, waiting| !is_it(&waiting.call));
        self.map(number, Call::Rescued(context, kind), out);
    }

    fn map(&mut self, number: Number, call: Call, out: &mut Actions) {
        let now = self.world.now;
        let known = self.mappings.numbers.get(&number).filter(|known| known.until() > now);
        if let Some(Known::Answered(mapped, _)) = known {
            let mapped = mapped.clone();
            self.on_mapped(call, mapped.as_ref(), out);
        } else if (known.is_some() && self.mappings.may_ask(now)) || self.ask_for(&number, out) {
            self.wait(number, call, out);
        } else {
            self.on_mapped(call, None, out);
        }
    }

    /// Asks the DNS for `number`. Whether an answer may come.
    fn ask_for(&mut self, number: &Number, out: &mut Actions) -> bool {
        let now = self.world.now;
        let mapping = self.world.config.sas.number_mapping.as_ref();
        let name = mapping.and_then(|mapping| Name::parse(&number.domain(&mapping.suffix)));
        let (Some(name), true) = (name, self.mappings.may_ask(now) && self.mappings.has_room(now)) else {
            return false;
        };
        self.mappings.serial += 1;
        let query = QueryId(OURS | self.mappings.serial);
        self.mappings.numbers.insert(number.clone(), Known::Asked(query, now + QUESTION_TIMEOUT));
        out.push(Action::Resolve { query, name, kind: RecordKind::Naptr });
        true
    }

    fn wait(&mut self, number: Number, call: Call, out: &mut Actions) {
        let patience = self.world.config.sas.number_mapping.as_ref().map(|mapping| mapping.timeout);
        let until = self.world.now + patience.unwrap_or_default();
        if let Call::New(arrival) = &call
            && let Some(trying) = &arrival.trying
        {
            // RFC 3261 17.2.1: it may take longer than 200 ms.
            self.transactions.respond(&mut self.world.ctx(out), arrival.server, 100, trying.clone());
        }
        self.mappings.serial += 1;
        self.mappings.waiting.insert((until, self.mappings.serial), Waiting { number, call });
    }

    /// Another configuration is in force. Where numbers are asked for elsewhere now, what is known of them means nothing any more, and
    /// those who wait for it go on without. Where other hosts are ours, their places are looked for again.
    pub(super) fn remap(&mut self, old: &Config, is_home_same: bool, out: &mut Actions) {
        let suffix =
            |config: &Config| config.sas.number_mapping.as_ref().map(|mapping| mapping.suffix.clone());
        if suffix(old) == suffix(&self.world.config) {
            let is_good = |known: &Known| is_home_same || !matches!(known, Known::Answered(..));
            return self.mappings.numbers.retain(|_, known| is_good(known));
        }
        self.mappings.numbers.clear();
        self.mappings.quiet_until = self.world.now;
        for (_, Waiting { call, .. }) in std::mem::take(&mut self.mappings.waiting) {
            self.on_mapped(call, None, out);
        }
    }

    /// The DNS has answered one of our questions.
    pub(super) fn on_number_answered(&mut self, query: QueryId, answer: &Answer, out: &mut Actions) {
        let is_it = |known: &Known| matches!(known, Known::Asked(asked, _) if *asked == query);
        let number =
            self.mappings.numbers.iter().find(|(_, known)| is_it(known)).map(|(number, _)| number.clone());
        let Some(number) = number else { return };
        let (uri, ttl) = match answer {
            Answer::Found { records, ttl } => (uri_of(&number.to_string(), records), *ttl),
            Answer::NotFound { ttl } => (None, *ttl),
            Answer::Failed => {
                self.mappings.quiet_until = self.world.now + QUIET;
                (None, Duration::ZERO)
            }
        };
        let until = self.world.now + ttl.clamp(KEPT[0], KEPT[1]);
        let Some(uri) = uri else {
            return self.settle_number(number, None, until, out);
        };
        let mapped = MappedNumber::new(uri, Vec::new());
        let is_ours = mapped.uri.as_uri().host().is_some_and(|host| self.world.home.contains(host));
        if is_ours {
            return self.settle_number(number, Some(mapped), until, out);
        }
        match self.locate(&mapped.uri.as_uri(), out) {
            Some(Resolution::Waiting(resolution)) => {
                self.mappings.numbers.insert(number, Known::Located(resolution, mapped, until));
            }
            Some(Resolution::Done(resolved)) => self.on_located(number, mapped, &resolved, until, out),
            None => self.settle_number(number, Some(mapped), until, out),
        }
    }

    /// The host of a URI was looked for.
    pub(super) fn on_number_located(&mut self, id: ResolutionId, resolved: &Resolved, out: &mut Actions) {
        let mut numbers = self.mappings.numbers.iter();
        let found = numbers.find_map(|(number, known)| match known {
            Known::Located(resolution, mapped, until) if *resolution == id => {
                Some((number.clone(), mapped.clone(), *until))
            }
            Known::Located(..) | Known::Asked(..) | Known::Answered(..) => None,
        });
        if let Some((number, mapped, until)) = found {
            self.on_located(number, mapped, resolved, until, out);
        }
    }

    fn on_located(
        &mut self,
        number: Number,
        mut mapped: MappedNumber,
        resolved: &Resolved,
        until: Instant,
        out: &mut Actions,
    ) {
        let servers = resolved.outcome.iter().flatten();
        mapped.places = servers.map(|server| (server.transport, server.address)).collect();
        self.settle_number(number, Some(mapped), until.min(resolved.again_at), out);
    }

    fn settle_number(
        &mut self,
        number: Number,
        mapped: Option<MappedNumber>,
        until: Instant,
        out: &mut Actions,
    ) {
        let calls = self.mappings.take_all(&number);
        self.mappings.numbers.insert(number, Known::Answered(mapped.clone(), until));
        for call in calls {
            self.on_mapped(call, mapped.as_ref(), out);
        }
    }

    /// Those who have waited long enough go on without an answer.
    pub(super) fn tell_mappings(&mut self, out: &mut Actions) {
        let now = self.world.now;
        while let Some(first) = self.mappings.waiting.first_entry().filter(|first| first.key().0 <= now) {
            let call = first.remove().call;
            self.mappings.quiet_until = now + QUIET;
            self.on_mapped(call, None, out);
        }
    }

    fn on_mapped(&mut self, call: Call, mapped: Option<&MappedNumber>, out: &mut Actions) {
        let mapping = mapped.map_or(Mapping::None, Mapping::To);
        match call {
            Call::New(arrival) => self.relay_mapped(*arrival, mapping, out),
            // The proxy has taken it on meanwhile.
            Call::Rescued(context, _) if self.proxy.has_begun(context) => {}
            Call::Rescued(context, kind) => {
                if let Some(silence) = self.rescue_mapped(context, kind, mapping, out) {
                    self.on_silence(silence, out);
                }
            }
        }
    }
}
