//! The registrar against its rules written plainly over a list: 256 random lives, or as many as are asked for.
//!
//! ```text
//! PROPTEST_CASES=100000 cargo test --test registrar model
//! ```

use super::support::*;
use proptest::prelude::*;
use sip_survivability::registrar::{BindingChange, ChangeKind, Home, Origin};
use std::collections::BTreeMap;
use std::time::Duration;

const MAX_USERS: usize = 2;
const MAX_CONTACTS: usize = 3;

/// A binding in the model. Contacts are small numbers of which no two are equivalent.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    user: u8,
    contact: u8,
    q: u16,
    instance: Option<u8>,
    call_id: u8,
    cseq: u32,
    host: u8,
    origin: Origin,
    ends: u64,
    updated: u64,
}

#[derive(Clone, Debug)]
struct Asked {
    contact: u8,
    expires: Option<u64>,
    q: u16,
    instance: Option<u8>,
}

#[derive(Clone, Debug)]
enum Body {
    Query,
    Star,
    These(Vec<Asked>),
}

#[derive(Clone, Debug)]
struct Register {
    user: u8,
    call_id: u8,
    cseq: u32,
    host: u8,
    body: Body,
    /// What the proxy grants; `None`: we answer.
    proxy: Option<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Register(Register),
    Wait(u64),
    Expire { grace: u64, limit: usize },
}

fn asked() -> impl Strategy<Value = Asked> {
    let expires = prop_oneof![Just(None), Just(Some(0)), Just(Some(7)), Just(Some(3600))];
    let instance = prop_oneof![2 => Just(None), 1 => (0_u8..2).prop_map(Some)];
    (0_u8..4, expires, prop_oneof![Just(1000_u16), Just(500)], instance)
        .prop_map(|(contact, expires, q, instance)| Asked { contact, expires, q, instance })
}

fn step() -> impl Strategy<Value = Step> {
    let body = prop_oneof![
        1 => Just(Body::Query),
        1 => Just(Body::Star),
        6 => prop::collection::vec(asked(), 1..4).prop_map(Body::These),
    ];
    let proxy = prop_oneof![2 => Just(None), 1 => prop_oneof![Just(0_u64), Just(5), Just(60)].prop_map(Some)];
    let register = (0_u8..3, 0_u8..2, 0_u32..6, 0_u8..2, body, proxy);
    prop_oneof![
        6 => register.prop_map(|(user, call_id, cseq, host, body, proxy)| {
            Step::Register(Register { user, call_id, cseq, host, body, proxy })
        }),
        2 => prop_oneof![1_u64..40, 31_u64..34].prop_map(Step::Wait),
        1 => (prop_oneof![Just(0_u64), Just(15)], 0_usize..4).prop_map(|(grace, limit)| Step::Expire { grace, limit }),
    ]
}

impl Register {
    fn sent(&self) -> Sent {
        let call_id = if self.call_id == 0 { "x" } else { "y" };
        let mut sent = reg(&format!("sip:u{}@192.0.2.1", self.user), self.cseq)
            .call_id(call_id)
            .from(&format!("10.0.0.{}:5060", self.host));
        match &self.body {
            Body::Query => {}
            Body::Star => sent = sent.contact("*").line("Expires: 0"),
            Body::These(all) => {
                for asked in all {
                    let expires = asked.expires.map_or(String::new(), |e| format!(";expires={e}"));
                    let instance =
                        asked.instance.map_or(String::new(), |i| format!(";+sip.instance=\"<{i}>\""));
                    let q = f64::from(asked.q) / 1000.0;
                    sent = sent.contact(&format!("<sip:c{}@h>;q={q}{expires}{instance}", asked.contact));
                }
            }
        }
        sent
    }

    /// Whether the request counts against `row`. `Err`: all of it fails.
    fn counts(&self, row: &Row, instance: Option<u8>, now: u64) -> Result<bool, u16> {
        if row.call_id != self.call_id || self.cseq > row.cseq {
            return Ok(true);
        }
        if self.proxy.is_some() {
            return Ok(self.cseq == row.cseq || now > row.updated + 32);
        }
        let same_device = row.host == self.host || (instance.is_some() && instance == row.instance);
        match (same_device, self.cseq == row.cseq && row.ends > now) {
            (false, _) => Err(500),
            (true, repeated) => Ok(!repeated),
        }
    }

    fn grant(&self, asked: &Asked, old: Option<&Row>, now: u64) -> Option<Row> {
        let (span, origin) = match self.proxy {
            None => (asked.expires.unwrap_or(20).min(20), Origin::Local),
            Some(granted) => (if asked.expires == Some(0) { 0 } else { granted }, Origin::Proxy),
        };
        if span == 0 {
            return None;
        }
        let told = old.filter(|old| {
            origin == Origin::Proxy
                && old.origin == Origin::Local
                && (old.call_id, old.cseq) == (self.call_id, self.cseq)
        });
        Some(Row {
            user: self.user,
            contact: asked.contact,
            q: asked.q,
            instance: asked.instance,
            call_id: self.call_id,
            cseq: self.cseq,
            host: self.host,
            origin,
            ends: told.map_or(0, |old| old.ends).max(now + span),
            updated: now,
        })
    }
}

/// RFC 3261 10.3 over a list in order of registration.
fn process(rows: &[Row], register: &Register, now: u64) -> Result<Vec<Row>, u16> {
    let mine = |row: &&Row| row.user == register.user;
    let mut after = rows.to_vec();
    let all_asked = match &register.body {
        Body::Query => return Ok(after),
        Body::Star => {
            for row in rows.iter().filter(mine) {
                if register.counts(row, None, now)? {
                    after.retain(|kept| kept != row);
                }
            }
            return Ok(after);
        }
        Body::These(all) => {
            let mut first: Vec<&Asked> = Vec::new();
            for asked in all {
                if first.iter().all(|earlier| earlier.contact != asked.contact) {
                    first.push(asked);
                }
            }
            first
        }
    };
    let mut claimed: Vec<u8> = all_asked.iter().map(|asked| asked.contact).collect();
    let same_device = |row: &Row, asked: &Asked| {
        asked.instance.is_some()
            && row.instance == asked.instance
            && (row.call_id, row.cseq) != (register.call_id, register.cseq)
    };
    let mut pairs = Vec::new();
    for asked in all_asked {
        let mut old = rows.iter().filter(mine).find(|row| row.contact == asked.contact);
        if old.is_none() {
            // An older contact of the same device: the first by q.
            let mut others: Vec<_> = rows
                .iter()
                .filter(mine)
                .filter(|row| same_device(row, asked) && !claimed.contains(&row.contact))
                .collect();
            others.sort_by_key(|row| std::cmp::Reverse(row.q));
            old = others.first().copied();
            claimed.extend(old.map(|row| row.contact));
        }
        pairs.push((asked, old));
    }
    for (asked, old) in pairs {
        if let Some(old) = old
            && !register.counts(old, asked.instance, now)?
        {
            continue;
        }
        let new = register.grant(asked, old, now);
        match (old.and_then(|old| after.iter().position(|row| row == old)), new) {
            (Some(at), Some(new)) if after[at].contact == new.contact => after[at] = new,
            (Some(at), new) => {
                after.remove(at);
                after.extend(new);
            }
            (None, new) => after.extend(new),
        }
        if asked.expires != Some(0) {
            let gone = |row: &Row| {
                row.user == register.user && same_device(row, asked) && !claimed.contains(&row.contact)
            };
            after.retain(|row| !gone(row));
        }
    }
    make_room(rows, after, register.user, now)
}

fn make_room(before: &[Row], mut after: Vec<Row>, user: u8, now: u64) -> Result<Vec<Row>, u16> {
    let is_new = |row: &Row| !before.iter().any(|old| (old.user, old.contact) == (row.user, row.contact));
    if !after.iter().any(is_new) {
        return Ok(after);
    }
    let mut users: Vec<_> = before.iter().map(|row| row.user).collect();
    users.sort_unstable();
    users.dedup();
    if !users.contains(&user) && users.len() >= MAX_USERS {
        return Err(503);
    }
    while after.iter().filter(|row| row.user == user).count() > MAX_CONTACTS {
        let past = after.iter().filter(|row| row.user == user && row.ends <= now && before.contains(row));
        let (oldest, contact) = past
            .map(|row| (row.ends, row.contact))
            .min_by_key(|(ends, contact)| {
                let row = before.iter().find(|row| row.user == user && row.contact == *contact).unwrap();
                let turn = before.iter().position(|other| other == row).unwrap();
                (*ends, turn)
            })
            .ok_or(503_u16)?;
        after.retain(|row| (row.user, row.contact, row.ends) != (user, contact, oldest));
    }
    Ok(after)
}

fn rows_of(branch: &Branch) -> Vec<Row> {
    let digit = |text: &str, at: usize| text.as_bytes()[at] - b'0';
    let row = |b: &sip_survivability::registrar::Binding| Row {
        user: digit(b.aor(), 5),
        contact: digit(b.contact().as_str(), 5),
        q: b.q,
        instance: b.instance().map(|text| digit(text, 0)),
        call_id: u8::from(b.call_id() == "y"),
        cseq: b.cseq,
        host: digit(&b.source.ip().to_string(), 7),
        origin: b.origin,
        ends: b.expires_at.as_micros() / 1_000_000,
        updated: b.updated_at.as_micros() / 1_000_000,
    };
    branch.registrar.iter().map(row).collect()
}

/// A copy kept from the changes alone.
type Mirror = BTreeMap<(String, String), u64>;

fn follow(mirror: &mut Mirror, changes: &[BindingChange]) {
    for change in changes {
        let binding = &change.binding;
        let key = (binding.key().to_owned(), binding.contact().to_string());
        match change.kind {
            ChangeKind::Bound => assert_eq!(mirror.insert(key, binding.expires_at.as_micros()), None),
            ChangeKind::Refreshed => assert!(mirror.insert(key, binding.expires_at.as_micros()).is_some()),
            ChangeKind::Unbound | ChangeKind::Expired | _ => assert!(mirror.remove(&key).is_some()),
        }
    }
}

fn run(steps: &[Step]) {
    let mut branch = Branch::with(|settings| {
        settings.registrar.max_users = MAX_USERS;
        settings.registrar.max_contacts = MAX_CONTACTS;
    });
    let (mut rows, mut mirror) = (Vec::<Row>::new(), Mirror::new());
    for step in steps {
        let now = branch.now.as_micros() / 1_000_000;
        match step {
            Step::Wait(seconds) => branch.wait(*seconds),
            Step::Expire { grace, limit } => {
                branch.grace = secs(*grace);
                let end = |row: &Row| row.ends + if row.origin == Origin::Proxy { *grace } else { 0 };
                let due = rows.iter().filter(|row| end(row) <= now).count();
                let changes = branch.registrar.expire(branch.now, branch.grace, *limit);
                assert_eq!(changes.len(), due.min(*limit));
                follow(&mut mirror, &changes);
                let ends: Vec<_> =
                    changes.iter().map(|change| change.binding.contact().to_string()).collect();
                rows.retain(|row| {
                    let gone = changes.iter().any(|c| {
                        c.binding.aor() == format!("sip:u{}@192.0.2.1", row.user)
                            && c.binding.contact().as_str() == format!("sip:c{}@h", row.contact)
                    });
                    assert!(!gone || end(row) <= now, "{ends:?}");
                    !gone
                });
                assert_eq!(
                    branch.registrar.next_expiry(branch.grace).map(|at| at.as_micros() / 1_000_000),
                    rows.iter().map(end).min()
                );
            }
            Step::Register(register) => {
                let sent = register.sent();
                let (changes, listed) = match register.proxy {
                    None => match branch.register(&sent) {
                        Ok(registered) => (Ok(registered.changes), Some(registered.contacts)),
                        Err(refusal) => (Err(refusal), None),
                    },
                    Some(granted) => (branch.record(&sent, 200, &[&format!("Expires: {granted}")]), None),
                };
                match (process(&rows, register, now), changes) {
                    (Ok(after), Ok(changes)) => {
                        rows = after;
                        follow(&mut mirror, &changes);
                    }
                    (Err(status), Err(refusal)) => assert_eq!(refusal.status(), status),
                    (model, real) => panic!("{model:?} but {real:?} for {register:?}"),
                }
                if let Some(listed) = listed {
                    let live = rows.iter().filter(|row| row.user == register.user && row.ends > now).count();
                    assert_eq!(listed.len(), live);
                }
            }
        }
        assert_eq!(rows_of(&branch), rows, "after {step:?}");
        check_views(&branch, &rows);
        let kept = branch.registrar.iter();
        let copy: Mirror =
            kept.map(|b| ((b.key().to_owned(), b.contact().to_string()), b.expires_at.as_micros())).collect();
        assert_eq!(mirror, copy);
    }
}

fn check_views(branch: &Branch, rows: &[Row]) {
    let now = branch.now.as_micros() / 1_000_000;
    let grace = branch.grace.as_secs();
    let seen = |row: &&Row| row.ends + if row.origin == Origin::Proxy { grace } else { 0 } > now;
    for user in 0..3 {
        let mut expected: Vec<_> = rows.iter().filter(|row| row.user == user).filter(seen).collect();
        expected.sort_by_key(|row| std::cmp::Reverse(row.q));
        let expected = join(expected.iter().map(|row| format!("sip:c{}@h", row.contact)));
        assert_eq!(branch.targets(&format!("sip:u{user}@192.0.2.1")), expected);
    }
    for contact in 0..4 {
        let expected = rows.iter().filter(seen).any(|row| row.contact == contact);
        let uri = format!("sip:c{contact}@h");
        assert_eq!(branch.by_contact(&uri).is_some_and(|found| found == uri), expected);
    }
    let unconfirmed = branch.registrar.iter().filter(|binding| binding.home != Home::Confirmed).count();
    assert_eq!(branch.registrar.unconfirmed(), unconfirmed);
    assert!(branch.registrar.len() <= MAX_USERS * MAX_CONTACTS);
    assert_eq!(
        branch.registrar.at(branch.now, Duration::ZERO).by_source("10.0.0.9:5060".parse().unwrap()),
        None
    );
}

proptest! {
    #[test]
    fn the_registrar_does_what_the_rules_say(steps in prop::collection::vec(step(), 1..40)) {
        run(&steps);
    }
}
