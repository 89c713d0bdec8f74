//! What every layer asks of a request, read once and handed down: the Request-URI and the header fields without which there is
//! no request (RFC 3261 8.1.1).

use super::{FieldError, Header, Request};
use crate::headers::{CSeq, Contact, HeaderName, NameAddr, ValueError, Via, first_value_len, trim};
use crate::uri::{Uri, UriError};

/// Readings, good or bad. Each error is told by the layer whose business it is.
#[derive(Debug)]
pub(crate) struct Essentials<'m> {
    /// The topmost one.
    pub(crate) via: Result<Via<'m>, FieldError>,
    pub(crate) from: Result<NameAddr<'m>, FieldError>,
    pub(crate) to: Result<NameAddr<'m>, FieldError>,
    pub(crate) call_id: Result<&'m str, FieldError>,
    pub(crate) cseq: Result<CSeq<'m>, FieldError>,
    pub(crate) uri: Result<Uri<'m>, UriError>,
    pub(crate) max_forwards: Result<Option<u8>, FieldError>,
    contact: Result<Option<Contact<'m>>, FieldError>,
    /// What was read, as it stands there.
    pub(super) written: Written<'m>,
    text: Text<'m>,
    has_one_via: bool,
}

impl<'m> Essentials<'m> {
    pub(crate) fn of(request: &'m Request) -> Self {
        let head = request.bytes().get(..request.head_end()).unwrap_or_default();
        // One look at all of it instead of one at each value.
        let text = Text { request, whole: std::str::from_utf8(head).ok() };
        let (via, from, to) =
            (text.field(HeaderName::Via), text.field(HeaderName::From), text.field(HeaderName::To));
        let (call_id, cseq) = (text.field(HeaderName::CallId), text.field(HeaderName::CSeq));
        let first_via = via.first_value(Via::parse);
        let has_one_via = first_via.is_whole && !request.repeats(HeaderName::Via);
        let read_to = to.read(NameAddr::parse);
        let beside = |value: &'m str| match &read_to {
            Ok(read) => NameAddr::parse_beside(value, read, to.text()),
            Err(_) => NameAddr::parse(value),
        };
        Self {
            written: Written { via: via.text(), from: from.text(), to: to.text(), cseq: cseq.text() },
            via: first_via.value,
            from: from.read(beside),
            to: read_to,
            call_id: call_id.read(|text| if text.is_empty() { Err(ValueError::syntax(0)) } else { Ok(text) }),
            cseq: cseq.read(CSeq::parse),
            uri: text.uri(),
            max_forwards: request.max_forwards(),
            contact: text.only_contact(),
            text,
            has_one_via,
        }
    }

    /// The topmost Via, if there is no other one below it.
    pub(crate) fn only_via(&self) -> Option<&Via<'m>> {
        self.via.as_ref().ok().filter(|_| self.has_one_via)
    }

    /// The Contact, if there is exactly one.
    pub(crate) const fn only_contact(&self) -> Result<Option<&Contact<'m>>, FieldError> {
        match &self.contact {
            Ok(contact) => Ok(contact.as_ref()),
            Err(error) => Err(*error),
        }
    }

    /// The values of the header fields `name` as written; empty where they are no text.
    pub(super) fn written_all(&self, name: HeaderName) -> impl Iterator<Item = &'m str> {
        self.text.request.all(name).map(|header| self.text.of(&header).unwrap_or_default())
    }

    /// The value of the first header field `name` as written; empty where it is no text, or is not there.
    pub(crate) fn text(&self, name: HeaderName) -> &'m str {
        self.text.field(name).text()
    }

    /// Whether there is more than one header field `name`.
    pub(super) fn repeats(&self, name: HeaderName) -> bool {
        self.text.request.repeats(name)
    }

    /// Whether what is copied of it is one line each.
    pub(super) fn is_plain(&self) -> bool {
        self.text.request.is_plain()
    }

    /// Whether there is a header field `name`.
    pub(crate) fn has(&self, name: HeaderName) -> bool {
        self.text.request.has(name)
    }
}

/// Header fields as they stand in the request, for those who copy them; empty where they are no text, or are not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'m> {
    pub(super) via: &'m str,
    pub(super) from: &'m str,
    pub(super) to: &'m str,
    pub(super) cseq: &'m str,
}

/// The first value of a header field.
struct First<T> {
    /// Whether there is no other one behind it.
    is_whole: bool,
    value: Result<T, FieldError>,
}

/// The head as text, if all of it is.
#[derive(Debug)]
struct Text<'m> {
    request: &'m Request,
    whole: Option<&'m str>,
}

impl<'m> Text<'m> {
    #[inline]
    fn of(&self, header: &Header<'m>) -> Result<&'m str, FieldError> {
        match self.whole.and_then(|whole| whole.get(header.value_range())) {
            Some(text) => Ok(text),
            None => header.text(),
        }
    }

    fn uri(&self) -> Result<Uri<'m>, UriError> {
        let text = self.whole.and_then(|whole| whole.get(self.request.uri.range()));
        Uri::parse(text.unwrap_or_else(|| self.request.uri_str()))
    }

    /// The Contact, if there is one header field with one value.
    fn only_contact(&self) -> Result<Option<Contact<'m>>, FieldError> {
        let name = HeaderName::Contact;
        if !self.request.has(name) || self.request.repeats(name) {
            return Ok(None);
        }
        match self.field(name).first_value(Contact::parse) {
            First { is_whole: true, value: Ok(contact) } => Ok(Some(contact)),
            First { is_whole: true, value: Err(error) } => Err(error),
            First { is_whole: false, .. } => Ok(None),
        }
    }

    /// The first header field `name`.
    #[inline]
    fn field(&self, name: HeaderName) -> FirstField<'m> {
        let text = match self.request.first(name) {
            Some(header) => self.of(&header),
            None => Err(FieldError::Missing(name)),
        };
        FirstField { name, text }
    }
}

/// The first header field of a name: its value as text.
struct FirstField<'m> {
    name: HeaderName,
    text: Result<&'m str, FieldError>,
}

impl<'m> FirstField<'m> {
    fn text(&self) -> &'m str {
        self.text.unwrap_or_default()
    }

    #[inline]
    fn read<T>(&self, parse: impl FnOnce(&'m str) -> Result<T, ValueError>) -> Result<T, FieldError> {
        match parse(self.text?) {
            Ok(value) => Ok(value),
            Err(error) => Err(FieldError::Malformed { name: self.name, error }),
        }
    }

    #[inline]
    fn first_value<T>(&self, parse: fn(&'m str) -> Result<T, ValueError>) -> First<T> {
        // What can be read to its end has no comma that would end it before.
        match self.read(parse) {
            Ok(value) => First { is_whole: true, value: Ok(value) },
            Err(_) => self.first_of_list(parse),
        }
    }

    #[cold]
    fn first_of_list<T>(&self, parse: fn(&'m str) -> Result<T, ValueError>) -> First<T> {
        let text = self.text();
        let len = first_value_len(text);
        let value = self.read(|text| parse(trim(text.get(..len).unwrap_or(text))));
        First { is_whole: len == text.len(), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn request(text: impl Into<Vec<u8>>) -> Request {
        match Message::parse(text.into()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn they_are_what_the_fields_say_one_by_one() {
        let good = "REGISTER sip:h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=b\r\nf: <sip:a@h>;tag=1\r\nt: <sip:a@h>\r\n\
                    i: 1\r\nCSeq: 1 REGISTER\r\nm: <sip:a@c>\r\n\r\n";
        let mut texts: Vec<Vec<u8>> = [
            ("", ""),
            ("v: SIP/2.0/UDP a;branch=b", "v: SIP/2.0/UDP a;branch=b, SIP/2.0/UDP c"),
            ("v: SIP/2.0/UDP a;branch=b", "v: SIP/2.0/UDP a;branch=b\r\nv: SIP/2.0/UDP c"),
            ("v: SIP", "v: PIS"),
            ("v: SIP/2.0/UDP a;branch=b", "v:"),
            ("m: <sip:a@c>", "m: *"),
            ("m: <sip:a@c>", "m: <sip:a@c>, <sip:b@c>"),
            ("m: <sip:a@c>", "m: <sip:a@c>\r\nm: <sip:b@c>"),
            ("m: <sip:a@c>", "Subject: \u{e9}"),
            ("<sip:a@h>;tag=1", "sip"),
            ("i: 1", "i:"),
            ("CSeq: 1 REGISTER", "CSeq: x"),
            ("sip:h SIP", "h SIP"),
        ]
        .map(|(from, to)| good.replace(from, to).into())
        .into();
        texts.push([good.as_bytes(), b"body\xff"].concat());
        texts.push(good.as_bytes().iter().map(|byte| if *byte == b'c' { 0xff } else { *byte }).collect());
        for text in texts {
            let request = request(text);
            let read = Essentials::of(&request);
            assert_eq!(read.via, request.top_via(), "{request:?}");
            assert_eq!(read.only_via().is_some(), request.vias().count() == 1 && request.top_via().is_ok());
            assert_eq!((read.from, read.to), (request.from(), request.to()));
            assert_eq!(
                (read.call_id, read.cseq, read.uri),
                (request.call_id(), request.cseq(), request.uri())
            );
            let only = request.contacts().count() == 1;
            match read.only_contact() {
                Ok(Some(contact)) => assert!(only && request.contact() == Ok(Some(*contact))),
                Ok(None) => assert!(!only || request.contact().is_err()),
                Err(error) => assert_eq!(request.contact(), Err(error)),
            }
        }
    }
}
