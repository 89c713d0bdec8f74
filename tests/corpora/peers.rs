//! What other projects' own tests take and refuse, and what they read. A row is that project's opinion; where it and the RFC
//! differ the RFC stands, in a table with its section.

use crate::peer_facts;
use crate::support::*;
use sip_survivability::headers::{HeaderName, field};
use sip_survivability::message::{Message, ParseLimits};
use sip_survivability::uri::Uri;
use std::fs;

/// One row.
pub(crate) struct Row {
    pub(crate) project: String,
    pub(crate) kind: String,
    verdict: String,
    input: Vec<u8>,
    pub(crate) facts: String,
}

/// What a row's input is.
pub(crate) enum Input {
    Uri,
    Params,
    /// A header field's value.
    Value(HeaderName),
    /// A whole line, of that header field or of any.
    Line(Option<HeaderName>),
    StatusLine,
    /// The empty line.
    Separator,
    Message,
    Unknown,
}

impl Row {
    /// The row as the tables of exceptions name it.
    fn name(&self) -> String {
        format!("{} {} {}", self.kind, self.verdict, String::from_utf8_lossy(&self.input))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.input).unwrap_or_default()
    }

    /// Whether the input column has the name of a test case instead of an input.
    fn is_unnamed(&self) -> bool {
        self.facts.starts_with(&format!("name={} ", self.text())) && !self.input.is_empty()
    }

    pub(crate) fn kind(&self) -> Input {
        let named = |name: &str| HeaderName::of(name.replace('_', "-").as_bytes());
        match self.kind.as_str() {
            "uri" | "fast_uri" | "url" | "generic_uri" => Input::Uri,
            "params" => Input::Params,
            "message" => Input::Message,
            "name-addr" => Input::Value(HeaderName::Contact),
            "header" => Input::Line(None),
            "header_address" | "header_address_fast" => Input::Value(HeaderName::From),
            "sip_status" => Input::StatusLine,
            "sip_separator" => Input::Separator,
            "challenge" => Input::Value(HeaderName::WwwAuthenticate),
            "uuid" => Input::Unknown,
            kind => match kind.split_once('_') {
                Some(("header", name)) => Input::Line(Some(named(name))),
                Some(("sip", name)) => Input::Value(named(name)),
                _ => Input::Value(named(kind)),
            },
        }
    }

    /// Whether we take the input.
    fn is_taken(&self) -> bool {
        let Ok(text) = str::from_utf8(&self.input) else {
            return false;
        };
        match self.kind() {
            Input::Uri => Uri::parse(text).is_ok(),
            Input::Params => is_value(HeaderName::From, &format!("<sip:h>{text}")),
            Input::Value(name) => is_value(name, text),
            Input::Line(name) => line(text).is_some_and(|(found, value)| {
                name.is_none_or(|name| name == found) && is_value(found, &value)
            }),
            Input::StatusLine => {
                matches!(Message::parse(format!("{text}\r\n\r\n")), Ok(Message::Response(_)))
            }
            Input::Separator => text.is_empty(),
            Input::Message => Message::parse(self.input.clone()).is_ok_and(|message| match message {
                Message::Request(request) => request.validate().is_ok(),
                Message::Response(response) => response.validate().is_ok(),
            }),
            Input::Unknown => false,
        }
    }
}

/// Whether the field's rule takes the value. What has no rule here is kept as it is.
fn is_value(name: HeaderName, value: &str) -> bool {
    field::canonical(name, value).is_none_or(|read| read.is_ok())
}

/// The header field that a line is, as the head index sees it.
pub(crate) fn line(line: &str) -> Option<(HeaderName, String)> {
    let limits = ParseLimits::default();
    let message = Message::parse_within(format!("OPTIONS sip:h SIP/2.0\r\n{line}\r\n\r\n"), &limits).ok()?;
    let header = message.head().headers().next()?;
    Some((header.id, header.value().to_owned()))
}

/// Rows that we judge otherwise.
const VERDICTS: &Exceptions = &[
    (
        &[
            "generic_uri accept /index.html",
            "url accept error",
            "url accept *;param=foo?query=bar",
            "url accept #foo",
        ],
        "a reference without scheme is no URI of SIP, RFC 3261 25.1",
    ),
    (
        &["header_to accept To: sip:linphone.org?header=interdit"],
        "a URI with a question mark stands in angle brackets, RFC 3261 20",
    ),
    (
        &[
            "header_from accept f:<sip:123jeff;transport=tcp>;tag=dlfjklcn6545614XX",
            "header_from accept f:<sip:12345678987;transport=tcp>;tag=dlfjklcn6545614XX",
        ],
        "a toplabel starts with a letter, RFC 3261 25.1",
    ),
    (
        &["header_to accept t : < sip:titi.com;transport=tcp> ; tag = dlfjklcn6545614XX"],
        "no space within the angle brackets, RFC 4475 3.1.2.14",
    ),
    (&["header_date accept Date: "], "a Date has one, RFC 3261 20.17"),
    (
        &[
            "params accept ;foo=",
            "params accept ;foo=bar;baz=",
            "params accept ;foo=bar;baz=;a",
            "params accept ;foo=;baz=boop",
            "params accept ;foo=;baz=bob;a",
        ],
        "a gen-value is not empty, RFC 3261 25.1",
    ),
    (
        &["params reject ;foo", "params reject ;foo=bar;baz", "params reject ;foo;bar=baz"],
        "a generic-param needs no value, RFC 3261 25.1",
    ),
    (
        &[
            "params accept ;foo=\"bar",
            "params accept ;foo=bar\"",
            "params accept ;\"foo\"=bar",
            "params accept ;foo\"=bar",
            "params accept ;\"foo=bar",
        ],
        "quotes come in pairs, around a value, RFC 3261 25.1",
    ),
    (
        &[
            "params accept $foo=bar",
            "params accept $foo",
            "params accept $foo=bar!hello",
            "params accept $foo#hello",
            "params accept $foo=bar!h;,!o",
            "params accept $foo!h;l!,",
            "params accept $foo=bar,baz=boop",
            "params accept $foo=bar;baz",
            "params accept $foo=bar,baz=boop!lol",
            "params accept $foo=bar,baz",
            "params accept $foo=,baz",
            "params accept $foo,baz=boop",
            "params accept $foo=bar,baz=boop,a=b",
            "params accept $foo,baz=boop,a=b",
            "params accept $foo=bar,baz,a=b",
            "params accept $foo=bar,baz=boop,a",
            "params accept $foo=bar,baz=,a=b",
        ],
        "parameters stand behind semicolons, RFC 3261 25.1",
    ),
    (&["uri accept sip:%@atlanta.org", "uri accept sip:%4`@atlanta.org"], "a broken escape, RFC 3261 25.1"),
    (
        &[
            "uri reject sip:alice@atlanta.org;pn-prid=",
            "uri reject sip:alice@atlanta.org;pn-prid",
            "uri reject sip:alice@atlanta.org;pn-prid;foo=bar",
            "uri reject sip:alice@atlanta.org;pn-param=",
            "uri reject sip:alice@atlanta.org;pn-param",
            "uri reject sip:alice@atlanta.org;pn-param;foo=bar",
            "uri reject sip:alice@atlanta.org;pn-purr=",
            "uri reject sip:alice@atlanta.org;pn-purr",
            "uri reject sip:alice@atlanta.org;pn-purr;foo=bar",
        ],
        "parameters that are not known here are kept as data, RFC 3261 19.1.1",
    ),
    (
        &[
            "uri accept sip:localhost;pvalue=\"hello world\"",
            "header accept Contact: <sip:host;][/:&+$=][/:&+$;p1=\";\">;p0=a;p1=\"ab:;cd\";p2=ab%3acd;p3",
            "header accept Contact: <sip:host;][/:&+$=][/:&+$;p1=\";\">;q=0",
            "header accept Contact: <sip:host;][/:&+$=][/:&+$;p1=\";\">;q=0.5",
            "header accept Contact: <sip:host;][/:&+$=][/:&+$;p1=\";\">;q=1",
            "header accept Contact: <sip:host;][/:&+$=][/:&+$;p1=\";\">;q=1.0",
            "header accept Contact: <sip:host;][/:&+$=][/:&+$;p1=\";\">;q=1.15",
            "header accept From: <sip:host;][/:&+$=][/:&+$;p1=\";\">;p0=a;p1=\"ab:;cd\";p2=ab%3acd;p3",
            "header accept Record-Route: <sip:host;][/:&+$=][/:&+$;p1=\";\">;p0=a;p1=\"ab:;cd\";p2=ab%3acd;p3",
            "header accept To: <sip:host;][/:&+$=][/:&+$;p1=\";\">;p0=a;p1=\"ab:;cd\";p2=ab%3acd;p3",
        ],
        "quotes and spaces of a URI are escaped, RFC 3261 25.1",
    ),
    (
        &[
            "name-addr accept \"\u{fffd}\u{fffd}\" <sip:localhost>",
            "name-addr accept \u{fffd}\u{fffd} <sip:localhost>",
            "header accept Subject: \u{fffd}\u{fffd}",
        ],
        "bytes that are no UTF-8, RFC 3261 7 and 25.1",
    ),
    (
        &[
            "header accept Supported: ,outbound",
            "header accept Supported: outbound,",
            "header accept Supported: ,,,outbound,path",
            "header accept Supported: outbound,,,path",
            "sip_accept accept image / jpeg ; q = 0.6,, image/png, image/*, */*  ",
            "sip_accept_encoding accept ,",
            "sip_accept_language accept ,",
        ],
        "elements of a list are not empty, RFC 3261 25.1",
    ),
    (
        &["via accept SIP /  3.0 \r\n / UDP [1:ab::FF]:6060 ;\r\n  BRanch=1234;Param1=Foo;paRAM2;param3=Bar"],
        "a hop of another version than SIP/2.0, RFC 3261 7.1",
    ),
    (&["uuid accept f6e15cd0-17ed-11e4-8c21-0800200c9a66"], "a UUID is no rule of SIP, RFC 3261 25.1"),
    (
        &[
            "sip_from accept sip:joe@bar (foo)",
            "sip_from accept <sip:joe@bar;tag=bar> (joe)",
            "sip_via accept SIP/2.0/UDP bar.com:50600 ;hidden;rport=50601;comp=sigcomp;branch=1;ttl=15 ; maddr=[::227.0.0.1] (This is a comment) ",
        ],
        "comments stand in few header fields, RFC 3261 25.1",
    ),
    (&["sip_expires accept Thu, 25 Mar 2004 14:49:29 GMT"], "Expires is in seconds, RFC 3261 20.19"),
    (
        &[
            "sip_accept_contact accept sip:127.0.0.1:5060;video;audio",
            "sip_accept_contact accept Joe the Luser <sip:127.0.0.1:5060>;video;audio",
            "sip_accept_contact accept video = foo ;audio;explicit",
            "sip_accept_contact accept video = \"bar\" ;audio;explicit",
        ],
        "parameters stand behind an asterisk, RFC 3841 10",
    ),
    (
        &["sip_privacy accept header,media", "sip_privacy accept ;header;media"],
        "semicolons stand between values, RFC 3323 4.2",
    ),
];

/// Rows of which we read something else.
const FACTS: &Exceptions = &[
    (
        &[
            "params accept ;foo=bar!hello",
            "params accept ;foo!hello",
            "params accept ;foo=!hello",
            "params accept ;foo=bar!h;l!o",
            "params accept ;foo!h;l!o",
            "params accept ;foo=bar;baz=boop!lol",
        ],
        "an exclamation mark is part of a token, RFC 3261 25.1",
    ),
    (
        &[
            "sip_p_preferred_identity accept Jaska <sip:joe@example.com>, Helmi <tel:+3587808000>",
            "sip_subscription_state accept terminated ; reason=timeout",
            "sip_subscription_state accept terminated;retry-after=3600",
            "url accept wv:+12345678@imps.com",
        ],
        "facts of other inputs, which follow in the same test: none of them stands in this one, RFC 3325 9.2, RFC 6665 8.2.3",
    ),
    (
        &["url accept http://[::1]/test;ing?here"],
        "what is behind the scheme of others is data, RFC 3261 25.1",
    ),
];

fn all_rows() -> Option<Vec<Row>> {
    let folder = corpora()?.join("peers");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let project = file.file_stem().unwrap().to_string_lossy().into_owned();
        for row in rows_of_bytes(&file) {
            let [kind, verdict, input, facts, ..] = &row[..] else { panic!("{row:?}") };
            let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
            found.push(Row {
                project: project.clone(),
                kind: text(kind),
                verdict: text(verdict),
                input: input.clone(),
                facts: text(facts),
            });
        }
    }
    Some(found)
}

#[test]
fn every_row_is_judged_alike() {
    let Some(rows) = all_rows() else { return };
    let (unnamed, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(Row::is_unnamed);
    let verdicts: Vec<_> = rows
        .iter()
        .map(|row| (row.name(), row.project.clone(), (row.verdict == "accept") == row.is_taken()))
        .collect();
    let agree = judge(&verdicts, VERDICTS);
    say(&format!("peers: {agree} of {} judged alike, {} without their input", verdicts.len(), unnamed.len()));
}

#[test]
fn what_they_read_we_read() {
    let Some(rows) = all_rows() else { return };
    let mut verdicts = Vec::new();
    let mut count = 0;
    let next = rows.iter().skip(1).map(Some).chain([None]);
    for (row, next) in rows.iter().zip(next).filter(|(row, _)| row.verdict == "accept" && !row.is_unnamed()) {
        let next = next.filter(|next| next.project == row.project).map(Row::text);
        let (facts, wrong) = peer_facts::check(row, next);
        count += facts;
        if facts > 0 && row.is_taken() {
            verdicts.push((row.name(), wrong.join(", "), wrong.is_empty()));
        }
    }
    let agree = judge(&verdicts, FACTS);
    say(&format!("peers: {agree} of {} rows with {count} facts read alike", verdicts.len()));
}
