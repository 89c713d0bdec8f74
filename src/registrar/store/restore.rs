//! The way back of a record into the database: the last writer wins, so that neither order nor duplicates matter.

use super::graves::Stamp;
use super::{Record, name};
use crate::registrar::Registrar;
use crate::registrar::binding::{Binding, BindingChange, ChangeKind, Origin, Past};
use crate::registrar::plan::Edit;
use crate::registrar::refusal::Refusal;
use crate::time::Instant;
use crate::transport::FlowId;
use std::time::Duration;

/// A moment that may lie before the epoch, in microseconds.
type Moment = i64;

fn moment(at: Instant) -> Moment {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

fn micros(span: Duration) -> Moment {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The instant of `moment`, or the epoch and for how many milliseconds it had not come then.
fn instant(moment: Moment) -> (Instant, u32) {
    match u64::try_from(moment) {
        Ok(since) => (Instant::from_micros(since), 0),
        Err(_) => (Instant::ZERO, u32::try_from(moment.unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX)),
    }
}

fn stamp(at: Instant, past: u32, cseq: u32) -> Stamp {
    let millis = if past > 0 { -i64::from(past) } else { moment(at).div_euclid(1000) };
    Stamp { millis, cseq }
}

impl Binding {
    fn stamp(&self) -> Stamp {
        stamp(self.updated_at, self.past.updated, self.cseq)
    }

    pub(in crate::registrar) fn name(&self) -> String {
        self.name_under(self.key())
    }

    /// Its name, if `key` were its key.
    pub(in crate::registrar) fn name_under(&self, key: &str) -> String {
        name(key, self.contact().as_str(), self.texts.instance(), self.reg_id)
    }

    /// Which of two that were touched at the same time counts: any of them, but always the same one.
    fn rank(&self) -> impl Ord + '_ {
        let texts = (self.contact().as_str(), self.call_id(), self.texts.instance(), self.user_agent());
        (self.expires_at, self.home, self.origin, self.q, self.source, texts)
    }
}

impl Registrar {
    /// Takes in `record`, made `age` ago, whose REGISTER came by `flow` if that is there again. What the proxy granted is used for
    /// `grace` past its lifetime.
    ///
    /// Of two records of one binding the one counts that was made by the later REGISTER: by time, in milliseconds, and by CSeq where
    /// that is the same; a removal counts before what it removed. So any order of the same records, however often each
    /// of them comes, leads to the same database, as long as it is not full and remembers who is gone
    /// ([`store`](crate::config::Registrar::store)). Time decides and not Call-ID and CSeq alone, since phones that have rebooted count
    /// anew: the database that made the record has judged by those already.
    ///
    /// # Errors
    /// [`Refusal`] says why it is not stored.
    pub fn restore(
        &mut self,
        now: Instant,
        record: &Record,
        age: Duration,
        flow: Option<FlowId>,
        grace: Duration,
    ) -> Result<Vec<BindingChange>, Refusal> {
        if self.is_reserved(record.key()) {
            return Err(Refusal::Reserved);
        }
        let made = moment(now).saturating_sub(micros(age));
        let since = |ago: Duration| made.saturating_sub(micros(ago));
        let (registered_at, registered) = instant(since(record.registered));
        let (updated_at, updated) = instant(since(record.updated));
        // What ended before the epoch counts as ended there.
        let (expires_at, _) = instant(since(record.lapsed).saturating_add(micros(record.left)));
        let binding = Binding {
            texts: record.texts.clone(),
            layout: record.layout,
            q: record.q,
            expires_at,
            registered_at,
            updated_at,
            cseq: record.cseq,
            reg_id: record.reg_id,
            past: Past { registered, updated },
            era: record.era,
            source: record.source,
            flow,
            origin: record.origin,
            trust: record.trust,
            home: record.home,
        };
        let (stamp, name) = (binding.stamp(), self.table.hash(&binding.name()));
        let is_it = |(_, other): &(_, &Binding)| other.is_same_as(&binding);
        let before = self.table.of_user(record.key()).find(is_it).map(|(id, other)| (id, other.clone()));
        let is_older = |other: &Binding| {
            let is_as_late = || !record.is_removal && other.rank() >= binding.rank();
            other.stamp() > stamp || (other.stamp() == stamp && is_as_late())
        };
        if self.graves.hold(name, stamp) || before.as_ref().is_some_and(|(_, other)| is_older(other)) {
            return Ok(Vec::new());
        }
        let grace = if record.origin == Origin::Proxy { grace } else { Duration::ZERO };
        let is_past = record.left.saturating_add(grace) <= age.saturating_add(record.lapsed);
        if record.is_removal || is_past {
            let kind = if record.is_removal { ChangeKind::Unbound } else { ChangeKind::Expired };
            let gone = before.and_then(|(id, _)| self.take_out(id, kind));
            self.graves.insert(name, stamp);
            return Ok(gone.into_iter().collect());
        }
        self.rebind(now, binding, before)
    }

    /// `binding` takes the place of the one `before`, or gets one.
    fn rebind(
        &mut self,
        now: Instant,
        mut binding: Binding,
        before: Option<(crate::registrar::BindingId, Binding)>,
    ) -> Result<Vec<BindingChange>, Refusal> {
        let mut changes = Vec::new();
        let key = binding.key().to_owned();
        let change = match before {
            Some((id, old)) => {
                self.table.remove(id);
                BindingChange::refreshed(binding.clone(), old.expires_at)
            }
            None => {
                let edit = Edit::Bind(binding.clone());
                for id in self.make_room(now, &key, &[edit])? {
                    changes.extend(self.drop_binding(now, id, ChangeKind::Expired));
                }
                BindingChange::new(ChangeKind::Restored, binding.clone())
            }
        };
        self.settle_era(now, &key, &mut binding);
        self.join_era(&key, &mut binding);
        self.former.remove(self.table.hash(&key));
        self.table.restore(binding);
        changes.push(change);
        Ok(changes)
    }

    /// All bindings of an instance are of the era of the one that was touched last, whichever of them is restored first.
    fn join_era(&mut self, key: &str, binding: &mut Binding) {
        let Some(instance) = binding.instance() else { return };
        self.table.pass_era(binding.era);
        let others = || self.table.of_user(key).filter(|(_, other)| other.instance() == Some(instance));
        let latest = others().map(|(_, other)| (other.stamp(), other.era)).max();
        if let Some((_, era)) = latest.filter(|latest| *latest > (binding.stamp(), binding.era)) {
            binding.era = era;
            return;
        }
        let ids: Vec<_> = others().map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| self.table.set_era(id, binding.era));
    }

    /// `binding` has just gone: an older record of it does not count from now on.
    pub(in crate::registrar) fn bury(&mut self, now: Instant, binding: &Binding, kind: ChangeKind) {
        if self.graves.is_off() {
            return;
        }
        let is_removed = kind == ChangeKind::Unbound;
        let stamp = if is_removed { stamp(now, 0, binding.cseq) } else { binding.stamp() };
        self.graves.insert(self.table.hash(&binding.name()), stamp);
    }
}
