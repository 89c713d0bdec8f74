//! The registrar against its rules written plainly over a list: 256 random lives, or as many as are asked for.
//!
//! ```text
//! PROPTEST_CASES=100000 cargo test --test registrar model
//! ```

use super::support::*;
use proptest::prelude::*;
use sip_survivability::registrar::{Binding, BindingChange, ChangeKind, ContactEvent, Home, Origin};
use std::collections::BTreeMap;
use std::time::Duration;

const MAX_USERS: usize = 2;
const MAX_CONTACTS: usize = 3;
/// The shortest lifetime that may be asked for.
const LEAST: u64 = 5;

/// A binding in the model. Contacts are small numbers of which no two are equivalent.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    user: u8,
    contact: u8,
    q: u16,
    instance: Option<u8>,
    reg_id: Option<u8>,
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
    reg_id: Option<u8>,
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
    /// What came before us: nobody, or a first hop that keeps flows, or one that does not.
    hop: Hop,
    /// Whether the sender knows RFC 5626.
    supports: bool,
    /// What the proxy grants; `None`: we answer.
    proxy: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Hop {
    None,
    Keeping,
    Other,
}

#[derive(Clone, Debug)]
enum Step {
    Register(Register),
    Wait(u64),
    Expire { grace: u64, limit: usize },
}

fn asked() -> impl Strategy<Value = Asked> {
    let expires = prop_oneof![
        8 => Just(None), 8 => Just(Some(0)), 8 => Just(Some(7)), 8 => Just(Some(3600)), 1 => Just(Some(LEAST - 1))
    ];
    let instance = prop_oneof![2 => Just(None), 2 => (0_u8..2).prop_map(Some)];
    let reg_id = prop_oneof![2 => Just(None), 1 => (1_u8..4).prop_map(Some)];
    (0_u8..4, expires, prop_oneof![Just(1000_u16), Just(500)], instance, reg_id)
        .prop_map(|(contact, expires, q, instance, reg_id)| Asked { contact, expires, q, instance, reg_id })
}

fn step() -> impl Strategy<Value = Step> {
    let body = prop_oneof![
        1 => Just(Body::Query),
        1 => Just(Body::Star),
        6 => prop::collection::vec(asked(), 1..4).prop_map(Body::These),
    ];
    let proxy = prop_oneof![2 => Just(None), 1 => prop_oneof![Just(0_u64), Just(5), Just(60)].prop_map(Some)];
    let hop = prop_oneof![4 => Just(Hop::None), 1 => Just(Hop::Keeping), 1 => Just(Hop::Other)];
    let register = (0_u8..3, 0_u8..2, 0_u32..6, 0_u8..2, body, proxy, hop, any::<bool>());
    prop_oneof![
        6 => register.prop_map(|(user, call_id, cseq, host, body, proxy, hop, supports)| {
            Step::Register(Register { user, call_id, cseq, host, body, proxy, hop, supports })
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
        if self.hop != Hop::None {
            let ob = if self.hop == Hop::Keeping { ";ob" } else { "" };
            sent = sent.line("Via: SIP/2.0/UDP edge").line(&format!("Path: <sip:edge;lr{ob}>"));
        }
        if self.supports {
            sent = sent.line("Supported: path, outbound");
        }
        match &self.body {
            Body::Query => {}
            Body::Star => sent = sent.contact("*").line("Expires: 0"),
            Body::These(all) => {
                for asked in all {
                    let expires = asked.expires.map_or(String::new(), |e| format!(";expires={e}"));
                    let instance =
                        asked.instance.map_or(String::new(), |i| format!(";+sip.instance=\"<{i}>\""));
                    let reg_id = asked.reg_id.map_or(String::new(), |id| format!(";reg-id={id}"));
                    let instance = format!("{instance}{reg_id}");
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
            reg_id: asked.reg_id,
            call_id: self.call_id,
            cseq: self.cseq,
            host: self.host,
            origin,
            ends: told.map_or(0, |old| old.ends).max(now + span),
            updated: now,
        })
    }
}

/// RFC 5626 6: what of the request is left when the reg-ids that do not count are gone.
fn by_outbound(register: &Register) -> Result<Register, u16> {
    let mut register = register.clone();
    let (hop, supports, answered_here) = (register.hop, register.supports, register.proxy.is_none());
    let Body::These(all) = &mut register.body else { return Ok(register) };
    for asked in all.iter_mut() {
        asked.reg_id = asked.reg_id.filter(|_| asked.instance.is_some());
    }
    let counts = if answered_here { hop != Hop::Other } else { supports };
    if answered_here && !counts && supports && all.iter().any(|asked| asked.reg_id.is_some()) {
        return Err(439);
    }
    for asked in all.iter_mut() {
        asked.reg_id = asked.reg_id.filter(|_| counts);
    }
    let mut first: Vec<Asked> = Vec::new();
    for asked in all.drain(..) {
        if !first.iter().any(|earlier| name_of_asked(earlier) == name_of_asked(&asked)) {
            first.push(asked);
        }
    }
    if answered_here {
        // RFC 3261 10.3 step 7.
        if first.iter().any(|asked| asked.expires.is_some_and(|asked| asked > 0 && asked < LEAST)) {
            return Err(423);
        }
        let made: Vec<_> = first.iter().filter(|asked| asked.expires != Some(0)).collect();
        if made.len() > 1 && made.iter().any(|asked| asked.reg_id.is_some()) {
            return Err(400);
        }
    }
    *all = first;
    Ok(register)
}

/// What names a binding: a flow of an instance, or a contact.
type Name = (Option<(Option<u8>, u8)>, u8);

fn name_of_asked(asked: &Asked) -> Name {
    match asked.reg_id {
        Some(id) => (Some((asked.instance, id)), 0),
        None => (None, asked.contact),
    }
}

fn name_of(row: &Row) -> Name {
    match row.reg_id {
        Some(id) => (Some((row.instance, id)), 0),
        None => (None, row.contact),
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
        Body::These(all) => all,
    };
    // sas.md 7.3: another contact of the same device, which has flows or one contact; or a flow that was a contact without a name.
    let supersedes = |asked: &Asked, row: &Row| {
        (asked.reg_id.is_none() || row.reg_id.is_none())
            && ((asked.instance.is_some() && row.instance == asked.instance)
                || (asked.reg_id.is_some() && row.instance.is_none() && row.contact == asked.contact))
            && (row.call_id, row.cseq) != (register.call_id, register.cseq)
    };
    let mut claimed: Vec<Name> = all_asked.iter().map(name_of_asked).collect();
    let mut pairs = Vec::new();
    for asked in all_asked {
        let mut old = rows.iter().filter(mine).find(|row| name_of(row) == name_of_asked(asked));
        if old.is_none() {
            // The first by q.
            let mut others: Vec<_> = rows
                .iter()
                .filter(mine)
                .filter(|row| supersedes(asked, row) && !claimed.contains(&name_of(row)))
                .collect();
            others.sort_by_key(|row| std::cmp::Reverse(row.q));
            old = others.first().copied();
            claimed.extend(old.map(name_of));
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
            (Some(at), Some(new)) if name_of(&after[at]) == name_of(&new) => after[at] = new,
            (Some(at), new) => {
                after.remove(at);
                after.extend(new);
            }
            (None, new) => after.extend(new),
        }
        if asked.expires != Some(0) {
            let gone = |row: &Row| {
                row.user == register.user && supersedes(asked, row) && !claimed.contains(&name_of(row))
            };
            after.retain(|row| !gone(row));
        }
    }
    make_room(rows, after, register.user, now)
}

fn make_room(before: &[Row], mut after: Vec<Row>, user: u8, now: u64) -> Result<Vec<Row>, u16> {
    let is_new = |row: &Row| !before.iter().any(|old| (old.user, name_of(old)) == (row.user, name_of(row)));
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
        let oldest = past
            .min_by_key(|row| (row.ends, before.iter().position(|other| other == *row)))
            .cloned()
            .ok_or(503_u16)?;
        after.retain(|row| *row != oldest);
    }
    Ok(after)
}

fn rows_of(branch: &Branch) -> Vec<Row> {
    let digit = |text: &str, at: usize| text.as_bytes()[at] - b'0';
    let row = |b: &Binding| Row {
        user: digit(b.aor(), 5),
        contact: digit(b.contact().as_str(), 5),
        q: b.q,
        instance: b.instance().map(|text| digit(text, 0)),
        reg_id: b.reg_id.map(|id| id as u8),
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

/// The name under which a copy is kept, as [`Binding::is_same_as`] has it.
fn mirrored(binding: &Binding) -> (String, String) {
    let name = match binding.reg_id {
        Some(id) => format!("{:?} {id}", binding.instance()),
        None => binding.contact().to_string(),
    };
    (binding.key().to_owned(), name)
}

fn follow(mirror: &mut Mirror, changes: &[BindingChange]) {
    for change in changes {
        let binding = &change.binding;
        let key = mirrored(binding);
        match change.kind {
            ChangeKind::Bound => assert_eq!(mirror.insert(key, binding.expires_at.as_micros()), None),
            ChangeKind::Refreshed => {
                let before = mirror.insert(key, binding.expires_at.as_micros());
                assert_eq!(before, change.ended_at.map(|at| at.as_micros()));
                let is_shorter = change.event() == ContactEvent::Shortened;
                assert_eq!(is_shorter, before.unwrap() > binding.expires_at.as_micros());
            }
            ChangeKind::Unbound | ChangeKind::Expired | _ => assert!(mirror.remove(&key).is_some()),
        }
    }
}

fn run(steps: &[Step]) {
    let mut branch = Branch::with(|settings| {
        settings.registrar.max_users = MAX_USERS;
        settings.registrar.max_contacts = MAX_CONTACTS;
        settings.registrar.min_expires = secs(LEAST);
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
                            && c.binding.reg_id.map(|id| id as u8) == row.reg_id
                            && c.binding.instance().map(str::to_owned) == row.instance.map(|i| i.to_string())
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
                    Some(granted) => {
                        let outbound = if register.supports { "Require: outbound" } else { "Subject: x" };
                        (branch.record(&sent, 200, &[&format!("Expires: {granted}"), outbound]), None)
                    }
                };
                let model = by_outbound(register).and_then(|register| process(&rows, &register, now));
                match (model, changes) {
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
        let copy: Mirror = kept.map(|b| (mirrored(b), b.expires_at.as_micros())).collect();
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
