//! What a user agent server and a registrar look at before they act: RFC 3261 8.2.1 to 8.2.4, and 10.3.

use super::{Check, Defect, Fault};
use crate::headers::field::{
    Accept, ContentDisposition, ContentEncoding, ContentType, Field, ProxyRequire, Require, Supported,
};
use crate::headers::{HeaderName, MediaType, Method, Token};
use crate::uri::Scheme;
use memchr::memmem;

/// 8.2.1: 405 for a method that is known and not supported, 501 for one that is not known at all (21.5.2). Nothing answers an
/// ACK.
pub(super) fn method(check: &Check<'_>) -> Result<(), Fault> {
    let (request, rules) = (check.request, check.rules);
    if request.method() == Method::Ack
        || rules.methods.iter().any(|known| known.as_bytes() == request.method_bytes())
    {
        return Ok(());
    }
    let status = if request.method() == Method::Other { 501 } else { 405 };
    Err(Fault::new(status).with(HeaderName::Allow, rules.methods.join(", ")))
}

/// 8.2.2.2: a request that came by another branch of a fork already. Within a dialog that cannot be.
pub(super) fn merged(check: &Check<'_>) -> Result<(), Fault> {
    let merged = check.rules.seen_before.filter(|_| !check.request.is_in_dialog());
    if merged.is_some_and(|test| test(check.request)) { Err(Fault::new(482)) } else { Ok(()) }
}

/// 8.2.2.3.
pub(super) fn extensions(check: &Check<'_>) -> Result<(), Fault> {
    unknown_tags::<Require>(check)
}

/// 420 with those tags of `F` that are not known.
pub(super) fn unknown_tags<F>(check: &Check<'_>) -> Result<(), Fault>
where
    F: for<'a> Field<View<'a> = Token<'a>>,
{
    let (request, rules) = (check.request, check.rules);
    let Some(known) = rules.extensions.filter(|_| check.asks_by(F::NAME)) else {
        return Ok(());
    };
    let mut unknown = String::new();
    for tag in request.each::<F>() {
        let tag = tag?;
        if !known.iter().any(|known| tag.is(known)) {
            unknown.push_str(if unknown.is_empty() { "" } else { ", " });
            unknown.push_str(tag.as_str());
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(Fault::new(420).with(HeaderName::Unsupported, unknown)) }
}

/// 10.2: the address of record in To is a SIP or SIPS URI. Telephone numbers are taken for one, as phones do.
pub(super) fn address_of_record(check: &Check<'_>) -> Result<(), Fault> {
    let to = check.read.to()?.uri;
    let is_address = to.is_sip() || to.scheme() == Scheme::Tel;
    if is_address { Ok(()) } else { Err(Fault::because(400, "To Is No Address Of Record")) }
}

/// 8.2.3. A body that may be ignored is.
pub(super) fn content(check: &Check<'_>) -> Result<(), Fault> {
    let (request, rules) = (check.request, check.rules);
    if request.body_end() == request.head_end() {
        return Ok(());
    }
    let disposition = request.find::<ContentDisposition>()?;
    if disposition.is_some_and(|disposition| disposition.is_optional()) {
        return Ok(());
    }
    let takes_all = rules.media.contains(&"*/*");
    let Some(media) = request.find::<ContentType>()? else {
        // 7.4.1: a body has a type.
        return if takes_all { Ok(()) } else { Err(Defect::Missing(HeaderName::ContentType).into()) };
    };
    if !rules.has_keys && is_encrypted(&media) && !takes_all {
        // 23.2.
        return Err(Fault::new(493));
    }
    if !rules.media.iter().any(|range| takes_in(range, &media)) {
        return Err(Fault::new(415).with(HeaderName::Accept, rules.media.join(", ")));
    }
    for encoding in request.each::<ContentEncoding>() {
        let encoding = encoding?;
        let known = encoding.is("identity") || rules.encodings.iter().any(|known| encoding.is(known));
        if !known && !takes_all {
            let known = [&["identity"], rules.encodings].concat().join(", ");
            return Err(Fault::new(415).with(HeaderName::AcceptEncoding, known));
        }
    }
    if is_broken_multipart(&media, &request.body()) { Err(Defect::Multipart.into()) } else { Ok(()) }
}

/// 21.4.7. Whoever names no types takes what the method has.
pub(super) fn answer(check: &Check<'_>) -> Result<(), Fault> {
    let answers = check.rules.answers;
    if answers.is_empty() || !check.read.has(HeaderName::Accept) {
        return Ok(());
    }
    for range in check.request.each::<Accept>() {
        let range = range?;
        let taken = |kind: &&str| kind.split_once('/').is_some_and(|(kind, sub)| range.includes(kind, sub));
        if answers.iter().any(taken) {
            return Ok(());
        }
    }
    Err(Fault::new(406))
}

/// 8.2.4 and 21.4.16: what the sender has to support and does not.
pub(super) fn needs(check: &Check<'_>) -> Result<(), Fault> {
    let request = check.request;
    if check.rules.needs.is_empty() || matches!(request.method(), Method::Ack | Method::Cancel) {
        return Ok(());
    }
    let says = |tag: &str| {
        let mut supported = request.each::<Supported>().chain(request.each::<Require>());
        supported.any(|known| known.is_ok_and(|known| known.is(tag)))
            || request.each::<ProxyRequire>().any(|known| known.is_ok_and(|known| known.is(tag)))
    };
    let missing: Vec<&str> = check.rules.needs.iter().copied().filter(|tag| !says(tag)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault::new(421).with(HeaderName::Require, missing.join(", ")))
}

fn takes_in(range: &str, media: &MediaType<'_>) -> bool {
    MediaType::parse(range).is_ok_and(|range| range.includes(media.kind, media.subtype))
}

/// RFC 8551 3.2.2: what is not signed or compressed only is enveloped.
fn is_encrypted(media: &MediaType<'_>) -> bool {
    let open = ["signed-data", "compressed-data", "certs-only"];
    let is_open = |kind: &str| open.iter().any(|open| open.eq_ignore_ascii_case(kind));
    media.is("application", "pkcs7-mime")
        && !media.params.text("smime-type").is_some_and(|kind| is_open(&kind))
}

/// RFC 2046 5.1.1: parts are told apart by a boundary of 1 to 70 characters, and the last one ends with it.
fn is_broken_multipart(media: &MediaType<'_>, body: &[u8]) -> bool {
    if !media.kind.eq_ignore_ascii_case("multipart") {
        return false;
    }
    let boundary = media.params.text("boundary").unwrap_or_default();
    !(1..=70).contains(&boundary.len()) || memmem::find(body, format!("--{boundary}--").as_bytes()).is_none()
}
