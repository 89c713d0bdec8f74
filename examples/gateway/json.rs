//! Notices as lines of JSON: `at` in seconds since the start, `notice` in snake case, then the fields of that notice, in the order in
//! which a reader wants to see them.
//!
//! There is a line for each REGISTER, so it goes into the buffer piece by piece, without anything that is made for it.

use crate::feed::News;
use serde::Serialize;
use sip_survivability::routing::Reason;
use sip_survivability::time::Instant;
use sip_survivability::{BoundContact, Notice};
use std::borrow::Cow;
use std::fmt::Display;

/// Appends the line of what was told at `at`.
pub(crate) fn write_line(out: &mut Vec<u8>, at: Instant, news: &News) {
    let line = Line { out };
    match news {
        News::Core(notice) => line.notice(at, notice),
        News::Refused(reason) => line.start(at, "configuration_refused").text("reason", reason),
        News::NeedsRestart(keys) => line.start(at, "needs_restart").texts("keys", keys.iter()),
        News::StoreOpened { bindings, expired, damaged } => line
            .start(at, "store_opened")
            .count("bindings", *bindings)
            .count("expired", *expired)
            .count("damaged", *damaged),
        News::StoreFailed(reason) => line.start(at, "store_failed").text("reason", reason),
        News::StoreWorks => line.start(at, "store_works"),
    }
    .end();
}
/// A reason with the row or the trust that it speaks of.
fn named(reason: &Reason) -> Cow<'static, str> {
    match (reason.row(), reason.trust()) {
        (Some(row), _) => format!("{}:{row}", reason.as_str()).into(),
        (None, Some(trust)) => format!("{}:{trust}", reason.as_str()).into(),
        (None, None) => reason.as_str().into(),
    }
}

/// A line that is being written.
struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    fn notice(self, at: Instant, notice: &Notice) -> Self {
        match notice {
            Notice::Listening { transport, address } => {
                self.start(at, "listening").shown("transport", transport).shown("address", address)
            }
            Notice::Reconfigured => self.start(at, "reconfigured"),
            Notice::StateChanged { from, to, cause } => self
                .start(at, "state_changed")
                .text("from", from.as_str())
                .text("to", to.as_str())
                .text("cause", cause.as_str()),
            Notice::ProxyStatus { target, status, cause } => self
                .start(at, "proxy_status")
                .text("target", target)
                .text("status", status.as_str())
                .text("cause", cause.as_str()),
            Notice::NameResolved { target, addresses } => self
                .start(at, "name_resolved")
                .text("target", target)
                .texts("addresses", addresses.iter().map(ToString::to_string)),
            Notice::NameUnresolved { target, reason } => {
                self.start(at, "name_unresolved").text("target", target).shown("reason", reason)
            }
            Notice::UserBound(user) => self.start(at, "user_bound").user(user),
            Notice::UserRefreshed(user) => self.start(at, "user_refreshed").user(user),
            Notice::UserUnbound(user) => self.start(at, "user_unbound").user(user),
            Notice::UserExpired(user) => self.start(at, "user_expired").user(user),
            Notice::DatabaseFull { aor } => self.start(at, "database_full").text("aor", aor),
            Notice::RequestRouted { method, from, to, step, reasons } => self
                .start(at, "request_routed")
                .text("method", method)
                .text("from", from)
                .text("to", to)
                .text("step", step.as_str())
                .texts("reasons", reasons.iter().map(named)),
            Notice::RequestRejected { method, from, status, reason } => self
                .start(at, "request_rejected")
                .text("method", method)
                .text("from", from)
                .number("status", (*status).into())
                .text("reason", reason),
            Notice::EmergencyCallFailed { from, number } => {
                self.start(at, "emergency_call_failed").text("from", from).text("number", number)
            }
            Notice::UsersNotHome { users, total } => {
                self.start(at, "users_not_home").number("total", *total).texts("users", users.iter())
            }
            Notice::MessagesDropped { from, count } => {
                self.start(at, "messages_dropped").shown("from", from).number("count", *count)
            }
            // A notice that is newer than this file is better told roughly than not at all.
            newer => self.start(at, "other").text("text", &format!("{newer:?}")),
        }
    }

    fn start(self, at: Instant, notice: &'static str) -> Self {
        self.out.extend_from_slice(b"{\"at\":");
        // Microseconds in a double are exact for 285 years.
        self.json(at.as_micros() as f64 / 1e6).text("notice", notice)
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(self, name: &'static str) -> Self {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    fn json(self, value: impl Serialize) -> Self {
        // Neither a number nor a text can fail, and memory takes whatever is written.
        let _ = serde_json::to_writer(&mut *self.out, &value);
        self
    }

    fn value(self, text: &str) -> Self {
        // All of it is looked at, which goes faster than a look for the first byte that JSON has to escape.
        let is_plain = text.bytes().fold(true, |plain, b| plain & (b >= b' ') & (b != b'"') & (b != b'\\'));
        if !is_plain {
            return self.json(text);
        }
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
        self
    }

    fn text(self, name: &'static str, text: &str) -> Self {
        self.name(name).value(text)
    }

    fn number(self, name: &'static str, number: u64) -> Self {
        self.name(name).json(number)
    }

    fn count(self, name: &'static str, count: usize) -> Self {
        self.name(name).json(count)
    }

    /// What can be shown as a text.
    fn shown(self, name: &'static str, value: impl Display) -> Self {
        self.text(name, &value.to_string())
    }

    fn texts(self, name: &'static str, texts: impl Iterator<Item = impl AsRef<str>>) -> Self {
        let mut line = self.name(name);
        line.out.push(b'[');
        for (index, text) in texts.enumerate() {
            if index > 0 {
                line.out.push(b',');
            }
            line = line.value(text.as_ref());
        }
        line.out.push(b']');
        line
    }

    fn user(self, user: &BoundContact) -> Self {
        self.text("aor", user.aor()).text("contact", user.contact()).text("origin", user.origin().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_survivability::transport::Transport;

    fn line(at: Instant, notice: Notice) -> String {
        let mut out = Vec::new();
        write_line(&mut out, at, &News::Core(notice));
        String::from_utf8(out).unwrap().strip_suffix('\n').unwrap().to_owned()
    }

    #[test]
    fn a_line_is_the_time_the_name_and_the_fields() {
        let listening =
            Notice::Listening { transport: Transport::Udp, address: "127.0.0.1:5080".parse().unwrap() };
        assert_eq!(
            line(Instant::from_micros(1_500_001), listening),
            r#"{"at":1.500001,"notice":"listening","transport":"udp","address":"127.0.0.1:5080"}"#
        );
        let rejected = Notice::RequestRejected {
            method: "INVITE".into(),
            from: "sip:1001@branch.example".into(),
            status: 404,
            reason: "no such user, \"1009\"".into(),
        };
        assert_eq!(
            line(Instant::ZERO, rejected),
            r#"{"at":0.0,"notice":"request_rejected","method":"INVITE","from":"sip:1001@branch.example","status":404,"reason":"no such user, \"1009\""}"#
        );
        for (addresses, list) in [(vec![], ""), (vec![1, 2], r#""192.0.2.1:1","192.0.2.1:2""#)] {
            let addresses = addresses.into_iter().map(|port| ([192, 0, 2, 1], port).into()).collect();
            let resolved = Notice::NameResolved { target: "sip:\u{1}é".into(), addresses };
            assert_eq!(
                line(Instant::from_secs(1), resolved),
                format!(
                    r#"{{"at":1.0,"notice":"name_resolved","target":"sip:\u0001é","addresses":[{list}]}}"#
                )
            );
        }
    }
}
