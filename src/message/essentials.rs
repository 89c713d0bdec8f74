//! What every layer asks of a request, read once and handed down: the Request-URI and the header fields without which there is
//! no request (RFC 3261 8.1.1).

use super::{FieldError, Header, Request};
use crate::headers::{CSeq, Contact, HeaderName, NameAddr, ValueError, Via, first_value_len, trim};
use crate::uri::{Uri, UriError};

/// Readings, good or bad. Each error is told by the layer whose business it is.
#[derive(Debug)]
pub(crate) struct Essentials<'m> {
    text: Text<'m>,
    /// What was read, as it stands there.
    pub(super) written: Written<'m>,
    via: Result<Via<'m>, ValueError>,
    from: Result<NameAddr<'m>, ValueError>,
    to: Result<NameAddr<'m>, ValueError>,
    cseq: Result<CSeq<'m>, ValueError>,
    pub(crate) uri: Result<Uri<'m>, UriError>,
    contact: Result<Contact<'m>, ValueError>,
    has_one_via: bool,
    has_one_contact: bool,
}

impl<'m> Essentials<'m> {
    pub(crate) fn of(request: &'m Request) -> Self {
        let head = request.bytes().get(..request.head_end()).unwrap_or_default();
        // One look at all of it instead of one at each value.
        let text = Text { request, whole: std::str::from_utf8(head).ok() };
        let written = Written {
            via: text.field(HeaderName::Via),
            from: text.field(HeaderName::From),
            to: text.field(HeaderName::To),
            call_id: text.field(HeaderName::CallId),
            cseq: text.field(HeaderName::CSeq),
            contact: text.field(HeaderName::Contact),
        };
        let to = NameAddr::parse(written.to);
        let from = match &to {
            Ok(to) => NameAddr::parse_beside(written.from, to, written.to),
            Err(_) => NameAddr::parse(written.from),
        };
        let (via, is_only_via) = first_value(written.via, Via::parse);
        let (contact, is_only_contact) = first_value(written.contact, Contact::parse);
        Self {
            via,
            from,
            to,
            cseq: CSeq::parse(written.cseq),
            uri: text.uri(),
            contact,
            has_one_via: is_only_via && !request.repeats(HeaderName::Via),
            has_one_contact: is_only_contact
                && request.has(HeaderName::Contact)
                && !request.repeats(HeaderName::Contact),
            text,
            written,
        }
    }

    /// The topmost Via.
    pub(crate) fn via(&self) -> Result<&Via<'m>, FieldError> {
        self.via.as_ref().map_err(|error| self.text.error(HeaderName::Via, *error))
    }

    pub(crate) fn from(&self) -> Result<&NameAddr<'m>, FieldError> {
        self.from.as_ref().map_err(|error| self.text.error(HeaderName::From, *error))
    }

    pub(crate) fn to(&self) -> Result<&NameAddr<'m>, FieldError> {
        self.to.as_ref().map_err(|error| self.text.error(HeaderName::To, *error))
    }

    pub(crate) fn call_id(&self) -> Result<&'m str, FieldError> {
        match self.written.call_id {
            "" => Err(self.text.error(HeaderName::CallId, ValueError::syntax(0))),
            call_id => Ok(call_id),
        }
    }

    pub(crate) fn cseq(&self) -> Result<&CSeq<'m>, FieldError> {
        self.cseq.as_ref().map_err(|error| self.text.error(HeaderName::CSeq, *error))
    }

    /// The topmost Via, if there is no other one below it.
    pub(crate) fn only_via(&self) -> Option<&Via<'m>> {
        self.via.as_ref().ok().filter(|_| self.has_one_via)
    }

    /// The Contact, if there is exactly one.
    pub(crate) fn only_contact(&self) -> Result<Option<&Contact<'m>>, FieldError> {
        match &self.contact {
            _ if !self.has_one_contact => Ok(None),
            Ok(contact) => Ok(Some(contact)),
            Err(error) => Err(self.text.error(HeaderName::Contact, *error)),
        }
    }

    /// The values of the header fields `name` as written; empty where they are no text.
    pub(super) fn written_all(&self, name: HeaderName) -> impl Iterator<Item = &'m str> {
        self.text.request.all(name).map(|header| self.text.of(&header).unwrap_or_default())
    }

    /// The value of the first header field `name` as written; empty where it is no text, or is not there.
    pub(crate) fn text(&self, name: HeaderName) -> &'m str {
        self.text.field(name)
    }

    /// Whether there is more than one header field `name`.
    pub(super) fn repeats(&self, name: HeaderName) -> bool {
        self.text.request.repeats(name)
    }

    /// Whether there is a header field `name`.
    pub(crate) fn has(&self, name: HeaderName) -> bool {
        self.text.request.has(name)
    }

    /// Whether what is copied of it is one line each.
    pub(super) const fn is_plain(&self) -> bool {
        self.text.request.head.is_plain()
    }
}

/// Header fields as they stand in the request, for those who copy them; empty where they are no text, or are not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'m> {
    pub(super) via: &'m str,
    pub(super) from: &'m str,
    pub(super) to: &'m str,
    pub(super) call_id: &'m str,
    pub(super) cseq: &'m str,
    contact: &'m str,
}

/// The first value of a header field, and whether there is no other one behind it.
#[inline]
fn first_value<'m, T>(
    text: &'m str,
    parse: impl Fn(&'m str) -> Result<T, ValueError>,
) -> (Result<T, ValueError>, bool) {
    // What can be read to its end has no comma that would end it before.
    let value = parse(text);
    if value.is_ok() {
        return (value, true);
    }
    let len = first_value_len(text);
    (parse(trim(text.get(..len).unwrap_or(text))), len == text.len())
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

    /// The value of the first header field `name`; empty where it is no text, or is not there.
    #[inline]
    fn field(&self, name: HeaderName) -> &'m str {
        match self.request.first(name) {
            Some(header) => self.of(&header).unwrap_or_default(),
            None => "",
        }
    }

    /// What is wrong with the first header field `name`, whose text cannot be read for `error`.
    #[cold]
    fn error(&self, name: HeaderName, error: ValueError) -> FieldError {
        match self.request.first(name).map(|header| header.text()) {
            None => FieldError::Missing(name),
            Some(Ok(_)) => FieldError::Malformed { name, error },
            Some(Err(error)) => error,
        }
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
            assert_eq!(read.via().copied(), request.top_via(), "{request:?}");
            assert_eq!(read.only_via().is_some(), request.vias().count() == 1 && request.top_via().is_ok());
            assert_eq!((read.from().copied(), read.to().copied()), (request.from(), request.to()));
            assert_eq!(
                (read.call_id(), read.cseq().copied(), read.uri),
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
