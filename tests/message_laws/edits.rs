//! The laws of edits.

use super::lines::{Lines, name_of};
use super::made::{Made, made};
use proptest::prelude::*;
use proptest::sample::select;
use sip_survivability::headers::HeaderName;
use sip_survivability::message::{Edits, Message};

#[derive(Clone, Debug, PartialEq)]
enum Edit {
    SetUri(&'static str),
    Set(HeaderName, &'static str),
    Append(HeaderName, &'static str),
    InsertFirst(HeaderName, &'static str),
    RemoveAll(HeaderName),
    RemoveValues(HeaderName, usize),
}

const NAMES: &[HeaderName] = &[
    HeaderName::Via,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Contact,
    HeaderName::Subject,
    HeaderName::MaxForwards,
    HeaderName::Reason,
];

fn edit() -> impl Strategy<Value = Edit> {
    let (name, value) = (select(NAMES), select(&["<sip:new@h;lr>", "7", "a, b"][..]));
    prop_oneof![
        select(&["sip:new@h", "tel:+1"][..]).prop_map(Edit::SetUri),
        (name.clone(), value.clone()).prop_map(|(name, value)| Edit::Set(name, value)),
        (name.clone(), value.clone()).prop_map(|(name, value)| Edit::Append(name, value)),
        (name.clone(), value).prop_map(|(name, value)| Edit::InsertFirst(name, value)),
        name.clone().prop_map(Edit::RemoveAll),
        (name, 0..5_usize).prop_map(|(name, count)| Edit::RemoveValues(name, count)),
    ]
}

fn edited<'a>(message: &Message, edits: impl IntoIterator<Item = &'a Edit>) -> String {
    let mut list = Edits::new(message.head());
    for edit in edits {
        match (edit, message) {
            (Edit::SetUri(uri), Message::Request(request)) => list.set_uri(request, uri),
            (Edit::SetUri(_), Message::Response(_)) => &mut list,
            (Edit::Set(name, value), _) => list.set(*name, value),
            (Edit::Append(name, value), _) => list.append(*name, value),
            (Edit::InsertFirst(name, value), _) => list.insert_first(*name, value),
            (Edit::RemoveAll(name), _) => list.remove_all(*name),
            (Edit::RemoveValues(name, count), _) => list.remove_values(*name, *count),
        };
    }
    String::from_utf8(list.finish().to_vec()).unwrap()
}

/// The message by lines, and as it is read. What follows the body is no part of it.
fn both(made: &Made) -> (Lines, Message) {
    let message = Message::parse(made.text()).unwrap();
    let body = String::from_utf8(message.head().body().to_vec()).unwrap();
    let start = format!("{}{}", made.start, made.end);
    (Lines { start, fields: made.fields.clone(), rest: format!("{}{body}", made.end) }, message)
}

fn plainly(lines: &mut Lines, message: &Message, edit: &Edit) {
    match *edit {
        Edit::SetUri(uri) if matches!(message, Message::Request(_)) => lines.set_uri(uri),
        Edit::SetUri(_) => {}
        Edit::Set(name, value) => lines.set(name, value),
        Edit::Append(name, value) => lines.append(name, value),
        Edit::InsertFirst(name, value) => lines.insert_first(name, value),
        Edit::RemoveAll(name) => lines.remove_all(name),
        Edit::RemoveValues(name, count) => lines.remove_values(name, count),
    }
}

/// What an edit is about. Two edits of different places do not meet: a header field that is not there is added where others
/// would be.
fn place(lines: &Lines, edit: &Edit) -> Option<HeaderName> {
    let there = |name| lines.fields.iter().any(|field| name_of(field) == name).then_some(name);
    match *edit {
        Edit::SetUri(_) => Some(HeaderName::Other),
        Edit::Append(..) => None,
        Edit::Set(name, _) | Edit::InsertFirst(name, _) => there(name),
        Edit::RemoveAll(name) | Edit::RemoveValues(name, _) => Some(name),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn without_edits_every_byte_stays(made in made()) {
        let (lines, message) = both(&made);
        prop_assert_eq!(edited(&message, []), lines.text());
    }

    #[test]
    fn an_edit_changes_its_own_bytes_alone(made in made(), edit in edit()) {
        let (mut lines, message) = both(&made);
        let found = edited(&message, [&edit]);
        plainly(&mut lines, &message, &edit);
        prop_assert_eq!(found, lines.text());
    }

    #[test]
    fn edits_of_different_places_come_in_any_order(made in made(), edits in prop::collection::vec(edit(), 2..6)) {
        let (mut lines, message) = both(&made);
        let mut places = Vec::new();
        let apart: Vec<_> = edits
            .into_iter()
            .filter(|edit| place(&lines, edit).is_some_and(|at| !places.contains(&at) && { places.push(at); true }))
            .collect();
        let found = edited(&message, &apart);
        prop_assert_eq!(&edited(&message, apart.iter().rev()), &found);
        apart.iter().for_each(|edit| plainly(&mut lines, &message, edit));
        prop_assert_eq!(found, lines.text());
    }
}
