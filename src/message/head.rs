//! What requests and responses share: the indexed header fields, their typed views, and the body.

use super::Span;
use crate::headers::field::{self, Field};
use crate::headers::{
    CSeq, Contact, HeaderName, List, NameAddr, ValueError, ValueErrorKind, Via, first_value_len, number, trim,
};
use bytes::Bytes;
use std::time::Duration;

/// One header field's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: HeaderName,
    pub(super) name: Span,
    pub(super) value: Span,
}

/// The header fields' places in their order, and what is asked of them by name, which is a dozen times at a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entries {
    all: Vec<Entry>,
    by_name: [Named; HeaderName::COUNT],
}

/// The header fields of one name: one more than the index of the first, or 0 if there is none; and a bit that is set if there are
/// several. The last index stands for all behind it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Named(u8);

impl Named {
    const SEVERAL: u8 = 1 << 7;
    const LAST: u8 = Self::SEVERAL - 1;

    const fn first_index(self) -> Option<usize> {
        match self.0 & Self::LAST {
            0 => None,
            first => Some(first as usize - 1),
        }
    }
}

impl Entries {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { all: Vec::with_capacity(capacity), by_name: [Named::default(); HeaderName::COUNT] }
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry) {
        self.all.push(entry);
        if let Some(Named(named)) = self.by_name.get_mut(entry.id as usize) {
            *named = match *named {
                0 => u8::try_from(self.all.len()).map_or(Named::LAST, |len| len.min(Named::LAST)),
                first => first | Named::SEVERAL,
            };
        }
    }

    #[inline]
    fn named(&self, name: HeaderName) -> Named {
        self.by_name.get(name as usize).copied().unwrap_or_default()
    }

    fn repeats(&self, name: HeaderName) -> bool {
        self.named(name).0 & Named::SEVERAL != 0
    }

    /// The index of the first `name`, if there is one.
    #[inline]
    fn first_index(&self, name: HeaderName) -> Option<usize> {
        self.named(name).first_index()
    }

    /// The first `name`.
    #[inline]
    fn first_named(&self, name: HeaderName) -> Option<&Entry> {
        let entry = self.all.get(self.first_index(name)?)?;
        if entry.id == name { Some(entry) } else { self.all.iter().find(|entry| entry.id == name) }
    }

    /// The entries from the first `name` on, and its index.
    fn since_first(&self, name: HeaderName) -> (usize, &[Entry]) {
        match self.first_index(name) {
            None => (self.all.len(), &[]),
            Some(index) => (index, self.all.get(index..).unwrap_or_default()),
        }
    }
}

impl std::ops::Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.all
    }
}

/// A header field that is missing or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The message has no such header field.
    #[error("no {0} header field")]
    Missing(HeaderName),
    /// It cannot be read.
    #[error("{name}: {error}")]
    Malformed {
        /// Which.
        name: HeaderName,
        /// Why.
        error: ValueError,
    },
}

/// The indexed head of a message, and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: Bytes,
    start: u32,
    entries: Entries,
    /// Where the head ends, behind the empty line.
    end: u32,
    /// Where the body ends: by Content-Length, else with the bytes.
    body_end: u32,
    /// Whether the bytes end before the body should.
    body_cut: bool,
    /// Whether Content-Length is no number.
    bad_length: bool,
    lines: Lines,
}

/// What is known of the lines of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// All are printable ASCII, and each header field is one.
    pub(super) are_plain: bool,
    /// Where one stands that is no header field.
    pub(super) malformed: Option<u32>,
}

/// One header field as it stands in the message.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    head: &'a Head,
    /// Its name, if it is a known one.
    pub id: HeaderName,
    pub(super) index: usize,
    entry: Entry,
}

impl<'a> Header<'a> {
    /// The name as written.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.head.str_at(self.entry.name)
    }

    /// The value as written, folds included; empty if it is no UTF-8.
    #[must_use]
    pub fn value(&self) -> &'a str {
        self.head.str_at(self.entry.value)
    }

    pub(super) const fn head(&self) -> &'a Head {
        self.head
    }

    /// The value's bytes.
    #[must_use]
    pub fn value_bytes(&self) -> &'a [u8] {
        self.head.bytes.get(self.entry.value.range()).unwrap_or_default()
    }

    /// The header field from its name to the next one's, its line ends included.
    pub(super) fn line(&self) -> &'a [u8] {
        let next = self.head.entries.get(self.index + 1).map_or(self.head.end, |next| next.name.start);
        self.head.bytes.get(self.entry.name.start as usize..next as usize).unwrap_or_default()
    }

    pub(super) const fn value_range(&self) -> std::ops::Range<usize> {
        self.entry.value.range()
    }

    pub(super) fn text(&self) -> Result<&'a str, FieldError> {
        std::str::from_utf8(self.value_bytes())
            .map_err(|error| self.malformed(ValueError::new(ValueErrorKind::Utf8, error.valid_up_to())))
    }

    pub(super) const fn malformed(&self, error: ValueError) -> FieldError {
        FieldError::Malformed { name: self.id, error }
    }
}

impl Head {
    pub(super) fn new(bytes: Bytes, start: usize, end: usize, entries: Entries, lines: Lines) -> Self {
        let (start, span) = (start as u32, Span::new(end, bytes.len()));
        let (mut body_end, mut body_cut, mut bad_length) = (span.end, false, false);
        // RFC 3261 18.3: a datagram's body ends by Content-Length; what follows is discarded, and what lacks is an error.
        if let Some(length) = entries.first_named(HeaderName::ContentLength) {
            match number::trimmed_digits(bytes.get(length.value.range()).unwrap_or_default()) {
                Some(length) => {
                    let available = u64::from(span.end - span.start);
                    body_cut = length > available;
                    body_end = span.start + u32::try_from(length.min(available)).unwrap_or(0);
                }
                None => bad_length = true,
            }
        }
        Self { bytes, start, entries, end: span.start, body_end, body_cut, bad_length, lines }
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether there is a header field `name`.
    #[inline]
    pub(super) fn has(&self, name: HeaderName) -> bool {
        self.entries.first_index(name).is_some()
    }

    /// Whether there is more than one header field `name`.
    pub(super) fn repeats(&self, name: HeaderName) -> bool {
        self.entries.repeats(name)
    }

    /// Whether the header fields `name` have more than one value.
    pub(crate) fn has_several(&self, name: HeaderName) -> bool {
        self.repeats(name) || self.values(name).nth(1).is_some()
    }

    /// The bytes of the longest header field, name and value.
    pub(super) fn longest_field(&self) -> usize {
        let longest = self.entries.iter().map(|entry| entry.name.len() + entry.value.len()).max();
        longest.unwrap_or(0) as usize
    }

    /// All lines from the first header field to the empty line.
    pub(super) fn field_lines(&self) -> &[u8] {
        let first = self.entries.first().map_or(self.end, |first| first.name.start);
        self.bytes.get(first as usize..self.head_end()).unwrap_or_default()
    }

    pub(super) const fn start(&self) -> usize {
        self.start as usize
    }

    pub(super) const fn head_end(&self) -> usize {
        self.end as usize
    }

    pub(super) const fn body_end(&self) -> usize {
        self.body_end as usize
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.body_cut
    }

    pub(super) const fn has_bad_length(&self) -> bool {
        self.bad_length
    }

    pub(super) const fn malformed_line(&self) -> Option<u32> {
        self.lines.malformed
    }

    /// Whether all of it is printable ASCII, and each header field is one line.
    pub(super) const fn is_plain(&self) -> bool {
        self.lines.are_plain
    }

    pub(super) fn str_at(&self, span: Span) -> &str {
        self.bytes.get(span.range()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.bytes.slice(self.head_end()..self.body_end())
    }

    /// What stands behind the body: in a datagram, bytes that Content-Length does not count are to be discarded (RFC 3261
    /// 18.3).
    #[must_use]
    pub fn trailing(&self) -> Bytes {
        self.bytes.slice(self.body_end()..)
    }

    /// All header fields, in their order.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = Header<'_>> {
        self.entries.iter().enumerate().map(|(index, entry)| Header {
            head: self,
            id: entry.id,
            index,
            entry: *entry,
        })
    }

    /// The header fields `name`, in their order.
    pub fn all(&self, name: HeaderName) -> impl DoubleEndedIterator<Item = Header<'_>> {
        let (start, entries) = self.entries.since_first(name);
        let named = entries.iter().enumerate().filter(move |(_, entry)| entry.id == name);
        named.map(move |(at, entry)| Header { head: self, id: name, index: start + at, entry: *entry })
    }

    /// The first header field `name`.
    #[inline]
    #[must_use]
    pub fn first(&self, name: HeaderName) -> Option<Header<'_>> {
        let index = self.entries.first_index(name)?;
        match self.entries.get(index).filter(|entry| entry.id == name) {
            Some(entry) => Some(Header { head: self, id: name, index, entry: *entry }),
            None => self.all(name).next(),
        }
    }

    /// The value of the first header field `name`.
    #[must_use]
    pub fn value_of(&self, name: HeaderName) -> Option<&str> {
        self.first(name).map(|header| header.value())
    }

    /// The comma-separated values of all header fields `name`, in their order.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(|header| List::new(header.value()))
    }

    /// Whether a list of tokens such as Supported or Require names `token`.
    #[must_use]
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    fn read<'a, T>(
        &'a self,
        name: HeaderName,
        parse: impl FnOnce(&'a str) -> Result<T, ValueError>,
    ) -> Result<T, FieldError> {
        let header = self.first(name).ok_or(FieldError::Missing(name))?;
        parse(header.text()?).map_err(|error| header.malformed(error))
    }

    /// The first value of the first header field `name`, which may hold several.
    fn first_value<'a, T>(
        &'a self,
        name: HeaderName,
        parse: fn(&'a str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, FieldError> {
        let Some(header) = self.first(name) else { return Ok(None) };
        let text = header.text()?;
        // What can be read to its end has no comma that would end it before.
        if let Ok(value) = parse(text) {
            return Ok(Some(value));
        }
        parse(trim(text.get(..first_value_len(text)).unwrap_or(text)))
            .map(Some)
            .map_err(|error| header.malformed(error))
    }

    fn read_all<'a, T: 'a>(
        &'a self,
        name: HeaderName,
        parse: fn(&'a str) -> Result<T, ValueError>,
    ) -> impl Iterator<Item = Result<T, FieldError>> + 'a {
        let mut fields = self.all(name);
        let mut current: Option<(Header<'a>, List<'a>)> = None;
        std::iter::from_fn(move || {
            loop {
                if let Some((header, list)) = &mut current
                    && let Some(text) = list.next()
                {
                    return Some(parse(text).map_err(|error| header.malformed(error)));
                }
                let header = fields.next()?;
                match header.text() {
                    Ok(text) => current = Some((header, List::new(text))),
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// The value of the header field `F`, the first one where there are several.
    ///
    /// ```
    /// use sip_survivability::headers::field;
    /// use sip_survivability::message::Message;
    ///
    /// let message = Message::parse(
    ///     "NOTIFY sip:alice@192.0.2.4 SIP/2.0\r\no: presence;id=7\r\nk: 100rel, timer\r\n\r\n",
    /// )?;
    /// let head = message.head();
    /// assert_eq!(head.typed::<field::Event>()?.id(), Some("7"));
    /// assert_eq!(head.find::<field::SessionExpires>()?, None);
    /// assert!(head.each::<field::Supported>().any(|tag| tag.is_ok_and(|tag| tag.is("timer"))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// None, or one that cannot be read.
    pub fn typed<F: Field>(&self) -> Result<F::View<'_>, FieldError> {
        self.find::<F>()?.ok_or(FieldError::Missing(F::NAME))
    }

    /// The same, where the header field need not be there.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn find<F: Field>(&self) -> Result<Option<F::View<'_>>, FieldError> {
        self.each::<F>().next().transpose()
    }

    /// All values of all header fields `F`, in their order.
    pub fn each<F: Field>(&self) -> impl Iterator<Item = Result<F::View<'_>, FieldError>> {
        self.all(F::NAME).flat_map(|header| {
            let (text, broken) = match header.text() {
                Ok(text) => (Some(text), None),
                Err(error) => (None, Some(Err(error))),
            };
            let values = text.into_iter().flat_map(field::values::<F>);
            broken.into_iter().chain(values.map(move |value| value.map_err(|error| header.malformed(error))))
        })
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// None, or one that cannot be read.
    pub fn top_via(&self) -> Result<Via<'_>, FieldError> {
        self.first_value(HeaderName::Via, Via::parse)?.ok_or(FieldError::Missing(HeaderName::Via))
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, FieldError>> {
        self.read_all(HeaderName::Via, Via::parse)
    }

    /// From.
    ///
    /// # Errors
    /// None, or one that cannot be read.
    pub fn from(&self) -> Result<NameAddr<'_>, FieldError> {
        self.read(HeaderName::From, NameAddr::parse)
    }

    /// To.
    ///
    /// # Errors
    /// None, or one that cannot be read.
    pub fn to(&self) -> Result<NameAddr<'_>, FieldError> {
        self.read(HeaderName::To, NameAddr::parse)
    }

    /// The branch of the topmost Via, found without reading the rest of it: a peek for those who only match transactions. A
    /// Via that cannot be read may have one; see [`Head::top_via`].
    #[must_use]
    pub fn top_branch(&self) -> Option<&str> {
        Via::peek_branch(self.first(HeaderName::Via)?.value_bytes())
    }

    /// The tag of From, found like [`Head::top_branch`].
    #[must_use]
    pub fn from_tag(&self) -> Option<&str> {
        NameAddr::peek_tag(self.first(HeaderName::From)?.value_bytes())
    }

    /// The tag of To, found like [`Head::top_branch`].
    #[must_use]
    pub fn to_tag(&self) -> Option<&str> {
        NameAddr::peek_tag(self.first(HeaderName::To)?.value_bytes())
    }

    /// Call-ID, whatever it is made of. To hold it to `callid = word [ "@" word ]`, ask for a [`field::CallId`].
    ///
    /// # Errors
    /// None, or an empty one.
    pub fn call_id<'a>(&'a self) -> Result<&'a str, FieldError> {
        let checked = |text: &'a str| if text.is_empty() { Err(ValueError::syntax(0)) } else { Ok(text) };
        self.read(HeaderName::CallId, checked)
    }

    /// CSeq.
    ///
    /// # Errors
    /// None, or one that cannot be read.
    pub fn cseq(&self) -> Result<CSeq<'_>, FieldError> {
        self.read(HeaderName::CSeq, CSeq::parse)
    }

    /// The first Contact, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn contact(&self) -> Result<Option<Contact<'_>>, FieldError> {
        self.first_value(HeaderName::Contact, Contact::parse)
    }

    /// All Contacts.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'_>, FieldError>> {
        self.read_all(HeaderName::Contact, Contact::parse)
    }

    /// The addresses of all header fields `name`: Route, Record-Route or Path.
    pub fn addresses(&self, name: HeaderName) -> impl Iterator<Item = Result<NameAddr<'_>, FieldError>> {
        self.read_all(name, NameAddr::parse)
    }

    /// The topmost Route, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn top_route(&self) -> Result<Option<NameAddr<'_>>, FieldError> {
        self.first_value(HeaderName::Route, NameAddr::parse)
    }

    /// Max-Forwards, if it is there.
    ///
    /// # Errors
    /// It is no number from 0 to 255 (RFC 3261 20.22).
    pub fn max_forwards(&self) -> Result<Option<u8>, FieldError> {
        let Some(header) = self.first(HeaderName::MaxForwards) else { return Ok(None) };
        let malformed = |kind| header.malformed(ValueError::new(kind, 0));
        let number =
            number::trimmed_digits(header.value_bytes()).ok_or_else(|| malformed(ValueErrorKind::Syntax))?;
        u8::try_from(number).map(Some).map_err(|_| malformed(ValueErrorKind::Range))
    }

    /// Expires, if it is there. A malformed one counts as an hour (RFC 3261 10.2.1.1: 3600).
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        let value = self.value_of(HeaderName::Expires)?;
        Some(crate::headers::delta_seconds(value).unwrap_or(Duration::from_hours(1)))
    }
}
