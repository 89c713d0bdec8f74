//! A message as a person wants to read it: who to whom, by which way, and what is wrong with it, where.

use crate::output::{Finding, Place};
use crate::paint::{Paint, Shade};
use crate::report::{Contact, Outcome, Party, Report, Rport, Via, unfolded};
use sip_survivability::headers::field;
use sip_survivability::message::Message;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Where what follows a label starts.
const INDENT: usize = 12;

/// How much of a line is shown on each side of its fault.
const CONTEXT: usize = 50;

/// One message.
pub(crate) fn page(finding: &Finding<'_>, report: &Report<'_>, paint: Paint) -> String {
    let place = match finding.place {
        Place::Stream { offset } => format!(", from byte {offset}"),
        Place::File {} | Place::Capture(_) => String::new(),
    };
    let mut page = Page { text: String::new(), paint };
    page.line(Shade::Dim, &format!("{}{place}", finding.file));
    if let Some(title) = title(report) {
        page.line(title_shade(report), &title);
    }
    for (label, party) in [("from", &report.from), ("to", &report.to)] {
        page.rows(label, party.iter().map(party_text));
    }
    page.rows("via", report.via.iter().flatten().map(via_text));
    let uris = |uris: &Option<Vec<&str>>| uris.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
    page.rows("route", uris(&report.routes));
    page.rows("recorded", uris(&report.record_routes));
    page.rows("path", uris(&report.paths));
    page.rows("contact", report.contacts.iter().flatten().map(contact_text));
    page.rows("contact", (report.contact_star == Some(true)).then(|| "* (all bindings)".to_owned()));
    page.rows("expires", report.expires.map(|seconds| format!("{seconds} s")));
    page.rows("call", call_text(report));
    page.rows("body", body_text(finding, report));
    page.rows("wrong", faults(finding, report));
    match &finding.message {
        Ok(message) => page.unreadable(message),
        Err(refusal) => {
            if let Some((line, offset)) = refusal.at.and_then(|at| line_at(&finding.text, at)) {
                page.excerpt("", line, offset, "here");
            }
        }
    }
    page.text.push('\n');
    page.text
}

/// What is wrong, in a line each, most important first.
pub(crate) fn faults(finding: &Finding<'_>, report: &Report<'_>) -> impl Iterator<Item = String> {
    let fault = report.error.as_ref().map(|error| match (&finding.message, report.answer) {
        (Err(_), _) => format!("no message: {error}"),
        (Ok(_), Some(status)) => format!("a proxy answers {status} {error}"),
        (Ok(_), None) => format!("to be discarded: {error}"),
    });
    let trailing = report.trailing_bytes.filter(|&bytes| bytes > 0);
    let trailing = trailing.map(|bytes| format!("{bytes} bytes behind the body, to be ignored"));
    fault.into_iter().chain(trailing)
}

/// `INVITE sip:bob@biloxi.example`, `200 OK`.
fn title(report: &Report<'_>) -> Option<String> {
    match report.outcome {
        Outcome::Request => Some(format!("{} {}", report.method?, report.request_uri?)),
        Outcome::Response => Some(format!("{} {}", report.status?, report.reason.unwrap_or_default())),
        Outcome::Refused => None,
    }
}

const fn title_shade(report: &Report<'_>) -> Shade {
    match report.status {
        Some(200..300) => Shade::Green,
        Some(300..) => Shade::Yellow,
        Some(_) | None => Shade::Bold,
    }
}

fn party_text(party: &Party<'_>) -> String {
    let tag = party.tag.map_or_else(String::new, |tag| format!(", tag {tag}"));
    format!("{}{tag}", address_text(party.display.as_deref(), party.uri))
}

fn address_text(display: Option<&str>, uri: &str) -> String {
    display.map_or_else(|| uri.to_owned(), |display| format!("{display} <{uri}>"))
}

fn via_text(via: &Via<'_>) -> String {
    let mut text = format!("{} {}", via.transport, via.host);
    // Writing to a String cannot fail.
    if let Some(port) = via.port {
        let _ = write!(text, ":{port}");
    }
    if let Some(branch) = via.branch {
        let _ = write!(text, ", branch {branch}");
    }
    if let Some(address) = via.received {
        let _ = write!(text, ", came from {address}");
    }
    match via.rport {
        Some(Rport::Port(port)) => {
            let _ = write!(text, ", answer to port {port}");
        }
        Some(Rport::Asked(_)) => text.push_str(", answer to its source port"),
        None => {}
    }
    text
}

fn contact_text(contact: &Contact<'_>) -> String {
    let mut text = address_text(contact.display.as_deref(), contact.uri);
    for (name, value) in contact.params.iter() {
        let _ = write!(text, ", {name}");
        if let Some(value) = value {
            let _ = write!(text, " {value}");
        }
    }
    text
}

fn call_text(report: &Report<'_>) -> Option<String> {
    let id = report.call_id.map(ToOwned::to_owned);
    let cseq = report.cseq.as_ref().map(|cseq| format!("CSeq {} {}", cseq.number, cseq.method));
    let hops = report.max_forwards.map(|hops| format!("{hops} hops left"));
    let parts: Vec<_> = [id, cseq, hops].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn body_text(finding: &Finding<'_>, report: &Report<'_>) -> Option<String> {
    let bytes = report.body_bytes.filter(|&bytes| bytes > 0)?;
    let kind = finding.message.as_ref().ok()?.head().typed::<field::ContentType>();
    Some(kind.map_or_else(|_| format!("{bytes} bytes"), |kind| format!("{bytes} bytes of {kind}")))
}

/// The line of `text` that byte `at` is in, and where in it.
fn line_at(text: &[u8], at: usize) -> Option<(&str, usize)> {
    let (before, behind) = text.split_at_checked(at)?;
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let end = at + behind.iter().position(|&byte| byte == b'\n').unwrap_or(behind.len());
    let line = std::str::from_utf8(text.get(start..end)?).ok()?;
    (!line.is_empty()).then_some((line, at - start))
}

/// Text that moves no cursor and rings no bell, whatever a message has in it.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    Cow::Owned(text.chars().map(shown).collect())
}

struct Page {
    text: String,
    paint: Paint,
}

impl Page {
    fn line(&mut self, shade: Shade, text: &str) {
        self.text.push_str(&self.paint.shade(shade, &plain(text)));
        self.text.push('\n');
    }

    /// Values under one label.
    fn rows(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        for (number, value) in values.into_iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let shade = if label == "wrong" { Shade::Red } else { Shade::Dim };
            let label = self.paint.shade(shade, &format!("{:INDENT$}", format!("  {label}")));
            let value = unfolded(value.as_bytes());
            let _ = writeln!(self.text, "{label}{}", plain(&value));
        }
    }

    /// The values that are not what stands before them promises, also those that a proxy has no business with.
    fn unreadable(&mut self, message: &Message) {
        if let Message::Request(request) = message
            && let Err(error) = request.uri()
        {
            self.excerpt(
                &format!("{} ", request.method_str()),
                request.uri_str(),
                error.offset,
                &error.kind.to_string(),
            );
        }
        for header in message.head().headers() {
            if let Some(Err(error)) = field::canonical(header.id, header.value()) {
                self.excerpt(
                    &format!("{}: ", header.name()),
                    header.value(),
                    error.offset,
                    &error.kind.to_string(),
                );
            }
        }
    }

    /// What surrounds the byte at `offset`, with a mark under it.
    fn excerpt(&mut self, label: &str, text: &str, offset: usize, fault: &str) {
        let shown = |c: char| if c.is_control() { '·' } else { c };
        let (before, behind) = text.split_at_checked(offset).unwrap_or((text, ""));
        let before: Vec<char> = before.chars().map(shown).collect();
        let behind: Vec<char> = behind.chars().map(shown).collect();
        let cut = before.len().saturating_sub(CONTEXT);
        let mut excerpt = format!("{label}{}", if cut > 0 { "…" } else { "" });
        excerpt.extend(before.iter().skip(cut));
        let mark = format!("{:indent$}^ {fault}", "", indent = excerpt.chars().count());
        excerpt.extend(behind.iter().take(CONTEXT));
        if behind.len() > CONTEXT {
            excerpt.push('…');
        }
        for line in [excerpt, self.paint.shade(Shade::Red, &mark)] {
            let _ = writeln!(self.text, "{:INDENT$}{line}", "");
        }
    }
}
