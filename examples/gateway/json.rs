//! Notices as JSON: `at` in seconds since the start, `notice` in snake case, then the fields of that notice.

use crate::feed::News;
use serde::ser::{Serialize, SerializeMap, Serializer};
use sip_survivability::Notice;
use sip_survivability::routing::Reason;
use sip_survivability::time::Instant;

/// A notice and when it came, to be written in the order in which a reader wants to see it.
pub(crate) struct Line<'a> {
    pub(crate) at: Instant,
    pub(crate) news: &'a News,
}

/// Fields of a notice: each with its name.
macro_rules! fields {
    ($map:ident, $name:literal, $($field:literal: $value:expr),* $(,)?) => {{
        $map.serialize_entry("notice", $name)?;
        $($map.serialize_entry($field, &$value)?;)*
    }};
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // Microseconds in a double are exact for 285 years.
        map.serialize_entry("at", &(self.at.as_micros() as f64 / 1e6))?;
        let notice = match self.news {
            News::Core(notice) => notice,
            News::Refused(reason) => {
                fields!(map, "configuration_refused", "reason": reason);
                return map.end();
            }
            News::NeedsRestart(keys) => {
                fields!(map, "needs_restart", "keys": keys);
                return map.end();
            }
            News::StoreOpened { bindings, expired, damaged } => {
                fields!(map, "store_opened", "bindings": bindings, "expired": expired, "damaged": damaged);
                return map.end();
            }
            News::StoreFailed(reason) => {
                fields!(map, "store_failed", "reason": reason);
                return map.end();
            }
            News::StoreWorks => {
                fields!(map, "store_works",);
                return map.end();
            }
        };
        match notice {
            Notice::Listening { transport, address } => {
                fields!(map, "listening", "transport": transport.to_string(), "address": address);
            }
            Notice::Reconfigured => fields!(map, "reconfigured",),
            Notice::StateChanged { from, to, cause } => {
                fields!(map, "state_changed", "from": from.as_str(), "to": to.as_str(), "cause": cause.as_str());
            }
            Notice::ProxyStatus { target, status, cause } => {
                let (status, cause) = (status.as_str(), cause.as_str());
                fields!(map, "proxy_status", "target": target, "status": status, "cause": cause);
            }
            Notice::NameResolved { target, addresses } => {
                fields!(map, "name_resolved", "target": target, "addresses": addresses);
            }
            Notice::NameUnresolved { target, reason } => {
                fields!(map, "name_unresolved", "target": target, "reason": reason.to_string());
            }
            Notice::UserBound(user) => {
                fields!(map, "user_bound", "aor": user.aor(), "contact": user.contact(), "origin": user.origin().as_str());
            }
            Notice::UserRefreshed(user) => {
                let origin = user.origin().as_str();
                fields!(map, "user_refreshed", "aor": user.aor(), "contact": user.contact(), "origin": origin);
            }
            Notice::UserUnbound(user) => {
                fields!(map, "user_unbound", "aor": user.aor(), "contact": user.contact(), "origin": user.origin().as_str());
            }
            Notice::UserExpired(user) => {
                fields!(map, "user_expired", "aor": user.aor(), "contact": user.contact(), "origin": user.origin().as_str());
            }
            Notice::DatabaseFull { aor } => fields!(map, "database_full", "aor": aor),
            Notice::RequestRouted { method, from, to, step, reasons } => {
                let named = |reason: &Reason| match (reason.row(), reason.trust()) {
                    (Some(row), _) => format!("{}:{row}", reason.as_str()),
                    (None, Some(trust)) => format!("{}:{trust}", reason.as_str()),
                    (None, None) => reason.as_str().to_owned(),
                };
                let reasons: Vec<_> = reasons.iter().map(named).collect();
                fields!(
                    map, "request_routed",
                    "method": method, "from": from, "to": to, "step": step.as_str(), "reasons": reasons,
                );
            }
            Notice::RequestRejected { method, from, status, reason } => {
                fields!(
                    map, "request_rejected",
                    "method": method, "from": from, "status": status, "reason": reason,
                );
            }
            Notice::EmergencyCallFailed { from, number } => {
                fields!(map, "emergency_call_failed", "from": from, "number": number);
            }
            Notice::UsersNotHome { users, total } => {
                fields!(map, "users_not_home", "total": total, "users": users);
            }
            Notice::MessagesDropped { from, count } => {
                fields!(map, "messages_dropped", "from": from, "count": count);
            }
            // A notice that is newer than this file is better told roughly than not at all.
            newer => fields!(map, "other", "text": format!("{newer:?}")),
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_survivability::transport::Transport;

    fn line(at: Instant, notice: Notice) -> String {
        serde_json::to_string(&Line { at, news: &News::Core(notice) }).unwrap()
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
    }
}
