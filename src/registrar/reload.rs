//! Another configuration at run time: who is registered stays, whatever becomes of the limits and of the keys.
//!
//! A key depends on `domains`, on the proxies' hosts and on `binding_mode`. Where those change, the bindings get the keys that their
//! REGISTERs would have now, in order of registration.

use super::binding::{Binding, BindingChange, ChangeKind};
use super::table::BindingId;
use super::{Registrar, infrastructure, reserved};
use crate::config::Config;
use crate::time::Instant;
use crate::uri::{AorKey, HomeHosts, Uri};
use std::collections::{BTreeMap, BTreeSet};

impl Registrar {
    /// Goes on with `config` at `now`; the hosts whose users are ours were `before`, and are `after`. Nobody is thrown out. Gives what a
    /// store has to know: of each binding that gets another key, that it is gone under the one that it had, and that it is there under the
    /// new one. The work grows with the number of bindings, and only where keys or associations change.
    ///
    /// Where several addresses of record come to be one, that one gets `max_contacts` bindings at most, and none twice. What is beyond
    /// keeps the key that it has until its phone registers again or its lifetime ends.
    pub(crate) fn reconfigure(
        &mut self,
        now: Instant,
        config: &Config,
        before: &HomeHosts,
        after: &HomeHosts,
    ) -> Vec<BindingChange> {
        let settings = &config.registrar;
        (self.max_users, self.max_contacts) = (settings.max_users, settings.max_contacts);
        (self.min_expires, self.max_expires) = (settings.min_expires, settings.max_expires);
        self.former.set_max(settings.max_users);
        self.graves.set_max(if settings.store { settings.max_users } else { 0 });
        (self.reserved, self.infrastructure) = (reserved(config), infrastructure(config));
        let moved = if before.is_same_as(after) { Vec::new() } else { self.moves(before, after) };
        let mut changes = Vec::with_capacity(2 * moved.len());
        for (id, key) in moved {
            let Some((was, is)) = self.table.rekey(id, &key) else { continue };
            self.former.remove(self.table.hash(is.key()));
            // No older record brings it back under the key that it had.
            self.bury(now, &was, ChangeKind::Expired);
            changes.push(BindingChange::new(ChangeKind::Expired, was));
            changes.push(BindingChange::new(ChangeKind::Restored, is));
        }
        self.table.set_manipulation(config.registration_manipulation);
        changes
    }

    /// Which bindings get which keys.
    fn moves(&self, before: &HomeHosts, after: &HomeHosts) -> Vec<(BindingId, String)> {
        let mut moving = Vec::new();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (id, binding) in self.table.in_turn() {
            match key_of(binding, before, after) {
                Some(key) if key != binding.key() => moving.push((id, binding, key)),
                _ => {
                    *counts.entry(binding.key().to_owned()).or_default() += 1;
                    names.insert(binding.name());
                }
            }
        }
        let mut moved = Vec::new();
        for (id, binding, key) in moving {
            let count = counts.entry(key.clone()).or_default();
            if *count < self.max_contacts && names.insert(binding.name_under(&key)) {
                *count += 1;
                moved.push((id, key));
            }
        }
        moved
    }
}

/// The key that the address of record of `binding` has where the hosts `after` are ours.
fn key_of(binding: &Binding, before: &HomeHosts, after: &HomeHosts) -> Option<String> {
    let aor = Uri::parse(binding.aor()).ok()?;
    let key = |uri: &Uri<'_>, hosts: &HomeHosts| AorKey::text(uri, hosts).map(String::from);
    // `user=phone` is not kept. Who has the key of a number, though the host would have been part of a name's, is a number.
    if aor.is_sip() && key(&aor, before).as_deref() != Some(binding.key()) {
        let number = format!("{};user=phone", binding.aor());
        let number = Uri::parse(&number).ok().and_then(|number| key(&number, before));
        if number.as_deref() == Some(binding.key()) {
            return number;
        }
    }
    key(&aor, after)
}
