//! Forwarding as a list of edits over the original (RFC 3261 16.6): what is not named stays byte for byte.
//!
//! All edits are splices: a span of the original, and the text that stands there instead. They are collected in any
//! order and carried out in one pass. Two allocations in all: the new text, and the result.

use super::fold::one_value;
use super::head::Entry;
use super::splices::{Splice, Splices};
use super::{Head, Header, Request, Span};
use crate::headers::{HeaderName, first_value_len};
use bytes::Bytes;
use std::fmt::{self, Write as _};

/// Edits to come, over one message.
///
/// Values are written as they are given, but for a line end that folds nothing and what follows it: no value can add a line to a head,
/// or end it. A Request-URI ends at white space. [`HeaderName::Other`] is no name to write, so a field of that name is not inserted.
#[derive(Debug)]
pub struct Edits<'m> {
    head: &'m Head,
    splices: Splices,
    text: String,
}

impl<'m> Edits<'m> {
    /// No edits yet.
    #[must_use]
    pub fn new(head: &'m Head) -> Self {
        Self { head, splices: Splices::default(), text: String::new() }
    }

    /// The text from `start` to `end` makes place for what was written behind `before`.
    fn splice(&mut self, start: usize, end: usize, before: usize) {
        self.splices.push(Splice { old: Span::new(start, end), new: Span::new(before, self.text.len()) });
    }

    /// Where the new text ends so far. It is to have more: then one allocation does for all that a hop writes.
    fn text_end(&mut self) -> usize {
        if self.text.capacity() == 0 {
            self.text.reserve(256);
        }
        self.text.len()
    }

    /// Writes a value, up to what would start a line of its own.
    fn write_value(&mut self, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.text.truncate(start + one_value(self.text.get(start..).unwrap_or_default()));
    }

    /// Inserts a header field at `at`, where a line starts.
    fn insert(&mut self, at: usize, name: HeaderName, write: impl FnOnce(&mut String)) -> &mut Self {
        if name == HeaderName::Other {
            return self;
        }
        let before = self.text_end();
        self.text.push_str(name.as_str());
        self.text.push_str(": ");
        self.write_value(write);
        self.text.push_str("\r\n");
        self.splice(at, at, before);
        self
    }

    /// Puts a value where the text from `start` to `end` is.
    fn replace_span(&mut self, start: usize, end: usize, write: impl FnOnce(&mut String)) -> &mut Self {
        let before = self.text_end();
        self.write_value(write);
        self.splice(start, end, before);
        self
    }

    /// Takes out the text from `start` to `end`.
    fn cut(&mut self, start: usize, end: usize) {
        self.splice(start, end, self.text.len());
    }

    /// Replaces the Request-URI.
    pub fn set_uri(&mut self, request: &Request, uri: impl fmt::Display) -> &mut Self {
        let before = self.text_end();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{uri}");
        // RFC 3261 25.1: Request-Line = Method SP Request-URI SP SIP-Version CRLF
        let written = self.text.get(before..).unwrap_or_default();
        if let Some(len) = written.bytes().position(|byte| byte <= b' ') {
            self.text.truncate(before + len);
        }
        self.splice(request.uri.start as usize, request.uri.end as usize, before);
        self
    }

    /// Inserts a header field above the first one of its name; where there is none, below the leading Vias. Several
    /// come in the order of the calls.
    pub fn insert_first(&mut self, name: HeaderName, value: impl fmt::Display) -> &mut Self {
        self.insert_first_with(name, displayed(value))
    }

    /// The same with a value that `write` puts behind a text.
    pub(crate) fn insert_first_with(
        &mut self,
        name: HeaderName,
        write: impl FnOnce(&mut String),
    ) -> &mut Self {
        let entries = self.head.entries();
        let place = entries
            .iter()
            .find(|entry| entry.id == name)
            .or_else(|| entries.iter().find(|entry| entry.id != HeaderName::Via));
        let at = place.map_or_else(|| self.fields_end(), |entry| entry.name.start as usize);
        self.insert(at, name, write)
    }

    /// Replaces the value of the first header field `name`, or adds the field at the end.
    pub fn set(&mut self, name: HeaderName, value: impl fmt::Display) -> &mut Self {
        self.set_with(name, displayed(value))
    }

    /// The same with a value that `write` puts behind a text.
    pub(crate) fn set_with(&mut self, name: HeaderName, write: impl FnOnce(&mut String)) -> &mut Self {
        match self.head.first(name).and_then(|header| self.entry(&header)) {
            Some(entry) => self.replace_span(entry.value.start as usize, entry.value.end as usize, write),
            None => self.insert(self.fields_end(), name, write),
        }
    }

    /// Adds a header field below all others.
    pub fn append(&mut self, name: HeaderName, value: impl fmt::Display) -> &mut Self {
        let end = self.fields_end();
        self.insert(end, name, displayed(value))
    }

    /// Inserts a header field above `other`, a field of this message.
    pub fn insert_before(
        &mut self,
        other: &Header<'_>,
        name: HeaderName,
        value: impl fmt::Display,
    ) -> &mut Self {
        let at = self.entry(other).map_or_else(|| self.fields_end(), |entry| entry.name.start as usize);
        self.insert(at, name, displayed(value))
    }

    /// Inserts a header field below `other`, a field of this message.
    pub fn insert_after(
        &mut self,
        other: &Header<'_>,
        name: HeaderName,
        value: impl fmt::Display,
    ) -> &mut Self {
        let at = self.entry(other).map_or_else(|| self.fields_end(), |entry| self.field_end(entry.value));
        self.insert(at, name, displayed(value))
    }

    /// Replaces the value of `field`, a field of this message.
    pub fn replace_value(&mut self, field: &Header<'_>, value: impl fmt::Display) -> &mut Self {
        if let Some(entry) = self.entry(field) {
            self.replace_span(entry.value.start as usize, entry.value.end as usize, displayed(value));
        }
        self
    }

    /// Removes `field`, a field of this message: `head.all(name).nth(n)` finds the one that is meant.
    pub fn remove(&mut self, field: &Header<'_>) -> &mut Self {
        if let Some(entry) = self.entry(field) {
            let end = self.field_end(entry.value);
            self.cut(entry.name.start as usize, end);
        }
        self
    }

    /// The place of a header field of this message; none for one of another.
    fn entry(&self, field: &Header<'_>) -> Option<Entry> {
        if std::ptr::eq(field.head(), self.head) {
            self.head.entries().get(field.index).copied()
        } else {
            None
        }
    }

    /// Replaces `part`, a piece of the message.
    pub(crate) fn replace(&mut self, part: &str, text: impl fmt::Display) -> &mut Self {
        if let Some(span) = self.span_of(part) {
            self.replace_span(span.start as usize, span.end as usize, displayed(text));
        }
        self
    }

    /// Removes the first `count` values of the header fields `name`, and the fields that become empty.
    pub fn remove_values(&mut self, name: HeaderName, mut count: usize) -> &mut Self {
        for index in 0..self.head.entries().len() {
            let Some(entry) = self.head.entries().get(index).copied().filter(|entry| entry.id == name) else {
                continue;
            };
            if count == 0 {
                break;
            }
            let value = self.head.str_at(entry.value);
            let mut cut = 0;
            while count > 0 && cut < value.len() {
                cut += first_value_len(value.get(cut..).unwrap_or_default()) + 1;
                count -= 1;
            }
            if cut >= value.len() {
                let end = self.field_end(entry.value);
                self.cut(entry.name.start as usize, end);
            } else {
                let start = entry.value.start as usize;
                self.cut(start, start + cut);
            }
        }
        self
    }

    /// Removes all header fields `name`.
    pub fn remove_all(&mut self, name: HeaderName) -> &mut Self {
        self.remove_values(name, usize::MAX)
    }

    /// The message with all edits made. An edit that overlaps an earlier one of the message is left out rather than tearing it.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let splices = self.splices.as_mut_slice();
        // Stable: insertions at one place keep their order.
        splices.sort_by_key(|splice| (splice.old.start, splice.old.end));
        let (bytes, text) = (self.head.bytes(), self.text.as_bytes());
        let (start, end) = (self.head.start(), self.head.body_end());
        let (mut at, mut len) = (start, end - start);
        for splice in splices.iter_mut() {
            let old = splice.old.range();
            if old.start < at {
                (splice.old, splice.new) = (Span::new(at, at), Span::default());
                continue;
            }
            at = old.end;
            len = len + splice.new.range().len() - old.len();
        }
        // To the byte: a buffer with room to spare would cost `Bytes` another allocation.
        let mut result = Vec::with_capacity(len);
        let mut at = start;
        for splice in splices {
            let old = splice.old.range();
            result.extend_from_slice(bytes.get(at..old.start).unwrap_or_default());
            result.extend_from_slice(text.get(splice.new.range()).unwrap_or_default());
            at = old.end;
        }
        result.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        result.into()
    }

    /// Where the empty line starts that ends the head.
    fn fields_end(&self) -> usize {
        let (bytes, end) = (self.head.bytes(), self.head.head_end());
        let head = bytes.get(..end).unwrap_or_default();
        let line = head.strip_suffix(b"\n").unwrap_or(head);
        line.strip_suffix(b"\r").unwrap_or(line).len()
    }

    /// Where the next line starts after the header field of `value`: what follows need not be a header field.
    fn field_end(&self, value: Span) -> usize {
        let (start, end) = (value.end as usize, self.fields_end());
        let behind = self.head.bytes().get(start..end).unwrap_or_default();
        let is_last = |at: &usize| !matches!(behind.get(at + 1), Some(b' ' | b'\t'));
        memchr::memchr_iter(b'\n', behind).find(is_last).map_or(end, |at| start + at + 1)
    }

    /// The place of a slice of this message's text.
    fn span_of(&self, part: &str) -> Option<Span> {
        let base = self.head.bytes().as_ptr() as usize;
        let start = (part.as_ptr() as usize).checked_sub(base)?;
        (start + part.len() <= self.head.bytes().len()).then(|| Span::new(start, start + part.len()))
    }
}

/// Writes `value` behind a text.
fn displayed(value: impl fmt::Display) -> impl FnOnce(&mut String) {
    move |text| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    const INVITE: &str = "INVITE sip:bob@h SIP/2.0\r\n\
        Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        Max-Forwards:  70\r\n\
        Route: <sip:us;lr> , <sip:p;lr>\r\n\
        Route: <sip:q;lr>\r\n\
        x-Odd : kept  as\r\n it is\r\n\
        Content-Length: 2\r\n\r\nhi";

    fn edited(text: &str, edit: impl FnOnce(&Request, &mut Edits<'_>)) -> String {
        let Ok(Message::Request(request)) = Message::parse(text.to_owned()) else { panic!("{text}") };
        let mut edits = Edits::new(&request);
        edit(&request, &mut edits);
        String::from_utf8(edits.finish().to_vec()).unwrap()
    }

    #[test]
    fn without_edits_the_message_stays_byte_for_byte() {
        assert_eq!(edited(INVITE, |_, _| {}), INVITE);
    }

    #[test]
    fn fields_are_named_by_where_they_stand() {
        let text = edited(INVITE, |request, edits| {
            let routes: Vec<_> = request.all(HeaderName::Route).collect();
            let odd = request.headers().find(|header| header.name() == "x-Odd").unwrap();
            edits
                .remove(&routes[1])
                .insert_before(&routes[0], HeaderName::Subject, "above")
                .insert_after(&odd, HeaderName::Subject, "below")
                .replace_value(&routes[0], "<sip:r;lr>");
        });
        let expected = INVITE
            .replace("Route: <sip:q;lr>\r\n", "")
            .replace("<sip:us;lr> , <sip:p;lr>", "<sip:r;lr>")
            .replace("Route: ", "Subject: above\r\nRoute: ")
            .replace("it is\r\n", "it is\r\nSubject: below\r\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn a_field_of_another_message_is_none_of_this_one() {
        let Ok(Message::Request(other)) = Message::parse(INVITE) else { panic!("a request") };
        let field = other.first(HeaderName::Route).unwrap();
        let text = edited(INVITE, |_, edits| {
            edits.remove(&field).replace_value(&field, "x");
        });
        assert_eq!(text, INVITE);
    }

    #[test]
    fn all_that_forwarding_changes_changes_and_nothing_else() {
        let forwarded = edited(INVITE, |request, edits| {
            edits
                .set(HeaderName::MaxForwards, 69)
                .set_uri(request, "sip:bob@there")
                .insert_first(HeaderName::Via, "SIP/2.0/UDP us;branch=z9hG4bK2")
                .insert_first(HeaderName::RecordRoute, "<sip:us;lr>")
                .remove_values(HeaderName::Route, 1)
                .append(HeaderName::Reason, "SIP");
        });
        assert_eq!(
            forwarded,
            "INVITE sip:bob@there SIP/2.0\r\n\
             Via: SIP/2.0/UDP us;branch=z9hG4bK2\r\n\
             Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
             Record-Route: <sip:us;lr>\r\n\
             Max-Forwards:  69\r\n\
             Route:  <sip:p;lr>\r\n\
             Route: <sip:q;lr>\r\n\
             x-Odd : kept  as\r\n it is\r\n\
             Content-Length: 2\r\n\
             Reason: SIP\r\n\r\nhi"
        );
    }

    #[test]
    fn values_are_removed_across_header_fields() {
        let rest = |count| {
            edited(INVITE, |_, edits| {
                edits.remove_values(HeaderName::Route, count);
            })
        };
        assert!(
            !rest(2).contains("us;lr") && !rest(2).contains("sip:p") && rest(2).contains("Route: <sip:q;lr>")
        );
        assert!(!rest(3).contains("Route") && !rest(9).contains("Route"));
    }

    #[test]
    fn a_line_that_is_no_header_field_is_not_removed_with_its_neighbour() {
        let text = "OPTIONS sip:h SIP/2.0\r\nRoute: <sip:a>\r\n \r\nno colon\r\nRoute: <sip:b>\r\n\r\n";
        let removed = edited(text, |_, edits| {
            edits.remove_all(HeaderName::Route);
        });
        assert_eq!(removed, "OPTIONS sip:h SIP/2.0\r\nno colon\r\n\r\n");
    }

    #[test]
    fn no_value_adds_a_line() {
        let text = edited(INVITE, |request, edits| {
            edits
                .set_uri(request, "sip:x@h SIP/2.0\r\nSmuggled: a")
                .set(HeaderName::MaxForwards, "7\r\nSmuggled: b")
                .append(HeaderName::Subject, "s\r\n folded\rSmuggled: c")
                .insert_first(HeaderName::Via, "SIP/2.0/UDP us\r\n\r\nSmuggled: d");
        });
        let expected = INVITE
            .replace("sip:bob@h", "sip:x@h")
            .replace(" 70", " 7")
            .replace("Via:", "Via: SIP/2.0/UDP us\r\nVia:")
            .replace("\r\n\r\nhi", "\r\nSubject: s\r\n folded\r\n\r\nhi");
        assert_eq!(text, expected);
    }

    #[test]
    fn what_follows_the_body_is_not_forwarded() {
        assert!(edited(&INVITE.replace("hi", "hixyz"), |_, _| {}).ends_with("\r\n\r\nhi"));
    }

    #[test]
    fn a_head_without_its_empty_line_gets_one() {
        let text = "OPTIONS sip:h SIP/2.0\r\nSubject: a";
        let full = edited(text, |_, edits| {
            edits.append(HeaderName::MaxForwards, 70);
        });
        assert_eq!(full, "OPTIONS sip:h SIP/2.0\r\nSubject: a\r\nMax-Forwards: 70\r\n\r\n");
    }
}
