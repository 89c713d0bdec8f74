//! What there is to report of a life: gathered step by step, of those steps that are asked for.

use crate::calls::Calls;
use crate::traffic::{Passed, Traffic, Way};
use sip_survivability::journal::Told;
use sip_survivability::message::Message;
use sip_survivability::mode::State;
use sip_survivability::registrar::Origin;
use sip_survivability::time::Instant;
use sip_survivability::{Action, Actions, Notice};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// From when to when, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// A keep-alive probe of ours.
pub(crate) struct Probe {
    pub(crate) at: Instant,
    pub(crate) is_answered: bool,
}

/// A change of the state; the first one is the state at the start, without a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Instant,
    pub(crate) state: State,
    pub(crate) cause: Option<&'static str>,
}

/// An address of record, and what was heard of it.
#[derive(Default)]
pub(crate) struct User {
    contacts: BTreeSet<String>,
    /// Whether the latest grant was ours, so that the proxy may not know of it.
    is_away: bool,
    /// When the proxy granted it a contact.
    pub(crate) at_proxy: Vec<Instant>,
}

pub(crate) struct Facts {
    pub(crate) window: Window,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    pub(crate) events: usize,
    pub(crate) changes: Vec<Change>,
    pub(crate) calls: Calls,
    pub(crate) users: BTreeMap<String, User>,
    /// At each return of the proxy: how many users were registered, and who of them by us.
    pub(crate) returning: Vec<(Instant, usize, Vec<String>)>,
    /// `INVITE`, `INVITE 200`: how many in the normal state, and in emergency.
    pub(crate) received: BTreeMap<String, [u64; 2]>,
    pub(crate) sent: BTreeMap<String, [u64; 2]>,
    pub(crate) dropped: [u64; 2],
    /// When another configuration came into force.
    pub(crate) reloads: Vec<Instant>,
    /// Emergency calls that no route could take.
    pub(crate) failed: Vec<(Instant, String)>,
    probes: HashMap<String, Probe>,
    emergency_numbers: Vec<String>,
    traffic: Traffic,
}

impl Facts {
    pub(crate) fn new(start: Instant, state: State, emergency_numbers: &[String], window: Window) -> Self {
        Self {
            window,
            start,
            end: start,
            events: 0,
            changes: vec![Change { at: start.max(window.from), state, cause: None }],
            calls: Calls::default(),
            users: BTreeMap::new(),
            returning: Vec::new(),
            received: BTreeMap::new(),
            sent: BTreeMap::new(),
            dropped: [0; 2],
            reloads: Vec::new(),
            failed: Vec::new(),
            probes: HashMap::new(),
            emergency_numbers: emergency_numbers.to_vec(),
            traffic: Traffic::default(),
        }
    }

    pub(crate) fn probes(&self) -> impl Iterator<Item = &Probe> {
        self.probes.values()
    }

    /// From now on these are the emergency numbers.
    pub(crate) fn set_emergency_numbers(&mut self, numbers: &[String]) {
        self.emergency_numbers = numbers.to_vec();
    }

    /// The next step; `state` is that behind it. Gives the messages that are in the window.
    pub(crate) fn note(
        &mut self,
        at: Instant,
        told: &Told<'_>,
        actions: &Actions,
        state: State,
    ) -> Vec<Passed> {
        // What comes before the window still tells how streams go on, what state it begins with, and who is registered.
        let passed = self.traffic.messages(at, told, actions);
        if at < self.window.from {
            self.changes = vec![Change { at: self.window.from, state, cause: None }];
            self.notices(at, actions, state, false);
            return Vec::new();
        }
        if at > self.window.to {
            return Vec::new();
        }
        (self.end, self.events) = (at, self.events + 1);
        for message in &passed {
            self.count(message, state);
            self.calls.note(message, state, &self.emergency_numbers);
        }
        self.notices(at, actions, state, true);
        passed
    }

    fn count(&mut self, passed: &Passed, state: State) {
        let head = passed.message.head();
        let column = usize::from(state == State::Emergency);
        let add = |rows: &mut BTreeMap<String, [u64; 2]>, label: String| {
            if let Some(count) = rows.entry(label).or_default().get_mut(column) {
                *count += 1;
            }
        };
        match (&passed.message, passed.way) {
            (Message::Request(request), Way::Received) => {
                add(&mut self.received, request.method_str().to_owned())
            }
            (Message::Response(response), Way::Sent) => {
                let method = head.cseq().map_or("", |cseq| cseq.method);
                add(&mut self.sent, format!("{method} {}", response.status()));
            }
            // Ours is what has passed nobody before: a single Via.
            (Message::Request(request), Way::Sent) => {
                if request.method_str() == "OPTIONS" && head.vias().count() == 1 {
                    let branch = head.top_branch().unwrap_or_default().to_owned();
                    self.probes.entry(branch).or_insert(Probe { at: passed.at, is_answered: false });
                }
            }
            (Message::Response(_), Way::Received) => {
                if let Some(probe) = head.top_branch().and_then(|branch| self.probes.get_mut(branch)) {
                    probe.is_answered = true;
                }
            }
        }
    }

    fn notices(&mut self, at: Instant, actions: &Actions, state: State, is_inside: bool) {
        for action in actions {
            let Action::Notify(notice) = action else { continue };
            match notice {
                Notice::UserBound(user) | Notice::UserRefreshed(user) => {
                    let known = self.users.entry(user.aor().to_owned()).or_default();
                    known.contacts.insert(user.contact().to_owned());
                    known.is_away = user.origin() == Origin::Local;
                    if user.origin() == Origin::Proxy {
                        known.at_proxy.push(at);
                    }
                }
                Notice::UserUnbound(user) | Notice::UserExpired(user) => {
                    if let Some(known) = self.users.get_mut(user.aor()) {
                        known.contacts.remove(user.contact());
                    }
                }
                Notice::StateChanged { to, cause, .. } if is_inside => {
                    self.changes.push(Change { at, state: *to, cause: Some(cause.as_str()) });
                    if *to == State::Normal {
                        let bound = self.users.iter().filter(|(_, user)| !user.contacts.is_empty());
                        let away = bound.clone().filter(|(_, user)| user.is_away);
                        let away = away.map(|(aor, _)| aor.clone()).collect();
                        self.returning.push((at, bound.count(), away));
                    }
                }
                Notice::MessagesDropped { count, .. } if is_inside => {
                    let column = usize::from(state == State::Emergency);
                    if let Some(dropped) = self.dropped.get_mut(column) {
                        *dropped += count;
                    }
                }
                Notice::Reconfigured if is_inside => self.reloads.push(at),
                Notice::EmergencyCallFailed { from, number } if is_inside => {
                    self.failed.push((at, format!("{from} dials {number}")));
                }
                _ => {}
            }
        }
    }
}
