//! What a REGISTER would change: made whole before anything is changed, so that it happens completely or not at all
//! (RFC 3261 10.3).

use super::Registrar;
use super::binding::{Binding, BindingChange, ChangeKind, Changes};
use super::refusal::Refusal;
use super::request::{Asked, Contacts, Register};
use super::table::{BindingId, Table};
use crate::time::Instant;
use std::collections::BTreeSet;

/// One step of a plan.
#[derive(Debug)]
pub(super) enum Edit {
    Bind(Binding),
    /// With when it would have ended.
    Refresh(BindingId, Binding, Instant),
    Unbind(BindingId),
}

/// What a request changes: nearly always one binding.
#[derive(Debug)]
pub(super) enum Plan {
    /// The only binding of its address of record gets a new lifetime.
    Renew(BindingId, Binding, Instant),
    Any(Vec<Edit>),
}

impl Default for Plan {
    fn default() -> Self {
        Self::Any(Vec::new())
    }
}

impl From<Vec<Edit>> for Plan {
    fn from(edits: Vec<Edit>) -> Self {
        Self::Any(edits)
    }
}

/// What the order of requests says of a binding and of a request that would change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request is newer: it counts.
    Apply,
    /// The binding stays as it is; the request is good all the same.
    Leave,
}

/// How the two ways into the database differ.
pub(super) trait Rules {
    /// Whether a request that names `binding` comes after the one that made it. `asked` is `None` for `*`.
    ///
    /// # Errors
    /// The whole request is out of order.
    fn judge(&self, binding: &Binding, asked: Option<&Asked<'_>>) -> Result<Verdict, Refusal>;

    /// The binding that `asked` gets, in the place of `existing` if there is one; `None` if it is to be removed.
    fn grant(&mut self, asked: &Asked<'_>, existing: Option<&Binding>) -> Option<Binding>;
}

/// Plans `register` under `rules`.
pub(super) fn plan(table: &Table, register: &Register<'_>, rules: &mut impl Rules) -> Result<Plan, Refusal> {
    let mut edits = Vec::new();
    let all_asked = match &register.contacts {
        Contacts::Query => return Ok(edits.into()),
        Contacts::Star => {
            for (id, binding) in table.of_user(&register.key) {
                if rules.judge(binding, None)? == Verdict::Apply {
                    edits.push(Edit::Unbind(id));
                }
            }
            return Ok(edits.into());
        }
        Contacts::These(all_asked) => all_asked.as_slice(),
    };
    let mut of_user = table.of_user(&register.key);
    let (first, second) = (of_user.next(), of_user.next());
    if let ([asked], Some((id, binding)), None) = (all_asked, first, second)
        && is_ordinary_refresh(binding, asked)
    {
        if rules.judge(binding, Some(asked))? == Verdict::Leave {
            return Ok(Plan::default());
        }
        return Ok(match rules.grant(asked, Some(binding)) {
            None => vec![Edit::Unbind(id)].into(),
            Some(new) => Plan::Renew(id, new.renewing(binding), binding.expires_at),
        });
    }
    let stored: Vec<_> = first.into_iter().chain(second).chain(of_user).collect();

    // Matches by what names a binding come first for all contacts, so that none takes another's binding for that of an older
    // address of the same device.
    let mut taken = BTreeSet::new();
    let mut matches: Vec<_> =
        all_asked.iter().map(|asked| (asked, take_own(&stored, asked, &mut taken))).collect();
    let of_this_request = |b: &Binding| b.call_id() == register.call_id && b.cseq == register.cseq;
    let older_address =
        |asked: &Asked<'_>, binding: &Binding| asked.supersedes(binding) && !of_this_request(binding);
    for (asked, found) in &mut matches {
        if found.is_none() {
            *found = stored.iter().copied().find(|(id, b)| !taken.contains(id) && older_address(asked, b));
            taken.extend(found.map(|(id, _)| id));
        }
    }

    for (asked, found) in matches {
        if let Some((_, binding)) = found
            && rules.judge(binding, Some(asked))? == Verdict::Leave
        {
            continue;
        }
        match (rules.grant(asked, found.map(|(_, binding)| binding)), found) {
            (None, None) => {}
            (None, Some((id, _))) => edits.push(Edit::Unbind(id)),
            (Some(new), None) => edits.push(Edit::Bind(new)),
            (Some(new), Some((id, old))) if new.is_same_as(old) => {
                edits.push(Edit::Refresh(id, new.renewing(old), old.expires_at));
            }
            // The same device at a new address: for whoever keeps a copy, one contact goes and another comes.
            (Some(new), Some((id, _))) => edits.extend([Edit::Unbind(id), Edit::Bind(new)]),
        }
        // sas.md 7.3: a device has one contact, whatever it had before.
        for (id, binding) in &stored {
            if !asked.is_removal() && older_address(asked, binding) && taken.insert(*id) {
                edits.push(Edit::Unbind(*id));
            }
        }
    }
    Ok(edits.into())
}

/// Whether `asked`, the only contact of its request, names the only binding of its user by the same text, so that it can have nothing to
/// do with any other one: nearly all REGISTERs are of this kind, and the work above is not for them.
fn is_ordinary_refresh(binding: &Binding, asked: &Asked<'_>) -> bool {
    binding.contact() == asked.uri
        && binding.reg_id == asked.reg_id
        && (asked.reg_id.is_none() || asked.is_instance_of(binding))
}

/// The stored binding that `asked` names. A flow does so by instance and reg-id (RFC 5626 6), any other contact by its URI: the same
/// text rather than one that only means the same, since several may mean the same (RFC 3261 19.1.4 is not transitive).
fn take_own<'t>(
    stored: &[(BindingId, &'t Binding)],
    asked: &Asked<'_>,
    taken: &mut BTreeSet<BindingId>,
) -> Option<(BindingId, &'t Binding)> {
    let free = || stored.iter().copied().filter(|(id, _)| !taken.contains(id));
    let found = if asked.reg_id.is_some() {
        free().find(|(_, b)| asked.is_flow_of(b))?
    } else {
        let plain = || free().filter(|(_, b)| b.reg_id.is_none());
        plain()
            .find(|(_, b)| b.contact() == asked.uri)
            .or_else(|| plain().find(|(_, b)| b.contact().equivalent(&asked.uri)))?
    };
    taken.insert(found.0);
    Some(found)
}

impl Registrar {
    /// Carries out a plan, all of it or nothing. Removals come first.
    pub(super) fn commit(&mut self, now: Instant, key: &str, plan: Plan) -> Result<Changes, Refusal> {
        let mut edits = match plan {
            Plan::Renew(id, mut binding, before) => {
                self.settle_era(now, key, &mut binding);
                self.table.replace(id, binding.clone());
                return Ok(Changes::renewed(binding, before));
            }
            Plan::Any(edits) => edits,
        };
        let mut changes = Vec::with_capacity(edits.len());
        let in_the_way = self.make_room(now, key, &edits)?;
        for edit in &mut edits {
            if let Edit::Bind(binding) | Edit::Refresh(_, binding, _) = edit {
                self.settle_era(now, key, binding);
            }
        }
        for id in in_the_way {
            changes.extend(self.drop_binding(now, id, ChangeKind::Expired));
        }
        edits.sort_by_key(|edit| !matches!(edit, Edit::Unbind(_)));
        changes.extend(edits.into_iter().filter_map(|edit| self.carry_out(now, edit)));
        Ok(changes.into())
    }

    /// Gives the temporary GRUUs of `binding`, which is about to be stored, their era (RFC 5627 5.1).
    pub(super) fn settle_era(&mut self, now: Instant, key: &str, binding: &mut Binding) {
        let Some(instance) = binding.instance().filter(|_| binding.era == 0) else {
            return;
        };
        let of_instance = |other: &Binding| other.instance() == Some(instance) && other.expires_at > now;
        let others = || self.table.of_user(key).filter(|(_, other)| of_instance(other));
        // "the registrar checks for any existing contacts registered to the same AOR, instance ID, and if the contact in the REGISTER
        // request is registering a flow, reg-id. If there is at least one, the registrar finds the one that was most recently
        // registered, and examines the Call-ID"
        let before = others().filter(|(_, other)| binding.reg_id.is_none() || other.reg_id == binding.reg_id);
        let before = before.max_by_key(|(_, other)| other.updated_at).map(|(_, other)| other);
        let lasts = before.is_none_or(|before| {
            before.call_id() == binding.call_id()
                // Another contact of the same request has been here.
                || (before.cseq == binding.cseq && before.updated_at == binding.updated_at)
        });
        let era = others().map(|(_, other)| other.era).find(|era| *era != 0).filter(|_| lasts);
        let ids: Vec<_> = if era.is_some() { Vec::new() } else { others().map(|(id, _)| id).collect() };
        let era = era.unwrap_or_else(|| self.table.next_era());
        ids.into_iter().for_each(|id| self.table.set_era(id, era));
        binding.era = era;
    }

    fn carry_out(&mut self, now: Instant, edit: Edit) -> Option<BindingChange> {
        match edit {
            Edit::Unbind(id) => self.drop_binding(now, id, ChangeKind::Unbound),
            Edit::Refresh(id, binding, before) => {
                self.table.replace(id, binding.clone());
                Some(BindingChange::refreshed(binding, before))
            }
            Edit::Bind(binding) => {
                self.former.remove(self.table.hash(binding.key()));
                self.table.insert(binding.clone());
                Some(BindingChange::new(ChangeKind::Bound, binding))
            }
        }
    }

    /// What has to go before `edits` fit: of the same user only, and only what is past its lifetime and kept because the
    /// proxy is away, or a flow that is closed. What is alive is never pushed out.
    pub(super) fn make_room(
        &self,
        now: Instant,
        key: &str,
        edits: &[Edit],
    ) -> Result<Vec<BindingId>, Refusal> {
        let (mut bound, mut unbound, mut edited) = (0_usize, 0_usize, BTreeSet::new());
        for edit in edits {
            match edit {
                Edit::Bind(_) => bound += 1,
                Edit::Refresh(id, ..) => drop(edited.insert(*id)),
                Edit::Unbind(id) => {
                    unbound += 1;
                    edited.insert(*id);
                }
            }
        }
        if bound == 0 {
            return Ok(Vec::new());
        }
        // sas.md 7.5: a new user is refused, who is there stays.
        let is_full = self.table.users() >= self.max_users || self.table.is_full();
        if is_full && !self.table.contains(key) {
            return Err(Refusal::TooManyUsers);
        }
        let after = self.table.of_user(key).count().saturating_sub(unbound) + bound;
        let excess = after.saturating_sub(self.max_contacts);
        if excess == 0 {
            return Ok(Vec::new());
        }
        let mut past: Vec<_> = self
            .table
            .of_user(key)
            .filter(|(_, binding)| binding.expires_at <= now || binding.is_lost_flow())
            .filter(|(id, _)| !edited.contains(id))
            .map(|(id, binding)| (binding.expires_at, id))
            .collect();
        if past.len() < excess {
            return Err(Refusal::TooManyContacts);
        }
        past.sort_unstable_by_key(|(at, id)| (*at, self.table.turn(*id)));
        Ok(past.into_iter().take(excess).map(|(_, id)| id).collect())
    }

    pub(super) fn drop_binding(
        &mut self,
        now: Instant,
        id: BindingId,
        kind: ChangeKind,
    ) -> Option<BindingChange> {
        let change = self.take_out(id, kind)?;
        self.bury(now, &change.binding, kind);
        Some(change)
    }

    pub(super) fn take_out(&mut self, id: BindingId, kind: ChangeKind) -> Option<BindingChange> {
        let binding = self.table.remove(id)?;
        if !self.table.contains(binding.key()) {
            self.former.insert(self.table.hash(binding.key()));
        }
        Some(BindingChange::new(kind, binding))
    }
}
