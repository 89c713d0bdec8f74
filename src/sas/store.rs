//! Bindings that outlive a core, on their way out and back in (`sas.md` 7.7).

use super::{Action, Actions, Notice, Sas, World};
use crate::registrar::{Binding, BindingChange, Origin, Record};
use crate::time::Instant;
use crate::transport::FlowId;
use std::time::Duration;

impl World {
    /// Tells whoever watches of `changes`, and whoever keeps them.
    pub(super) fn tell_changes(&mut self, changes: &[BindingChange], out: &mut Actions) {
        out.extend(changes.iter().map(Notice::changed));
        self.ledger.on_changes(changes);
        self.store_changes(changes, out);
    }

    /// Tells whoever keeps them, if anybody does.
    pub(super) fn store_changes(&self, changes: &[BindingChange], out: &mut Actions) {
        if self.config.registrar.store {
            for change in changes {
                let flow = change.binding.flow.and_then(|flow| self.flows.find(flow));
                out.push(Action::Store(Box::new(Record::of_change(change, self.now, flow))));
            }
        }
    }

    /// The flow that a record's binding is reached by: sockets are known by their addresses, connections have ended.
    fn flow_again(&self, record: &Record) -> Option<FlowId> {
        let (transport, local) = record.local()?;
        if transport.is_reliable() {
            return None;
        }
        self.flows.packets_at(local).or_else(|| self.flows.toward(record.source(), None))
    }
}

impl Sas {
    /// The whole database as it stands at `now`, in order of registration: each is for [`Event::Restored`](super::Event::Restored), in this
    /// order or any other. Who keeps it also keeps when it was made. What is not used any more is left out.
    pub fn snapshot(&self, now: Instant) -> impl Iterator<Item = Record> {
        let now = now.max(self.world.now);
        let grace =
            |binding: &Binding| if binding.origin == Origin::Proxy { self.grace() } else { Duration::ZERO };
        let alive = self.registrar.iter().filter(move |binding| binding.expires_at + grace(binding) > now);
        alive.map(move |binding| {
            let flow = binding.flow.and_then(|flow| self.world.flows.find(flow));
            Record::of(binding, now, flow)
        })
    }

    pub(super) fn on_restored(&mut self, record: &Record, age: Duration, out: &mut Actions) {
        let (flow, grace) = (self.world.flow_again(record), self.grace());
        match self.registrar.restore(self.world.now, record, age, flow, grace) {
            // Whoever has told us keeps it already.
            Ok(changes) => out.extend(changes.iter().map(Notice::changed)),
            Err(refusal) if refusal.is_database_full() => {
                out.push(Notice::DatabaseFull { aor: record.aor().into() }.into());
            }
            Err(_) => {}
        }
    }
}
