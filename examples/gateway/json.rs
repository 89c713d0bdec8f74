//! Notices as JSON: `at` in seconds since the start, `notice` in snake case, then the fields of that notice.

use serde_json::{Value, json};
use sip_survivability::Notice;
use sip_survivability::time::Instant;

/// One notice, in the order in which a reader wants to see it.
pub(crate) fn line(at: Instant, notice: &Notice) -> Value {
    let (name, fields) = name_and_fields(notice);
    // Microseconds in a double are exact for 285 years.
    let mut line = json!({ "at": at.as_micros() as f64 / 1e6, "notice": name });
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    line
}

fn name_and_fields(notice: &Notice) -> (&'static str, Value) {
    match notice {
        Notice::Listening { transport, address } => {
            ("listening", json!({ "transport": transport.to_string(), "address": address }))
        }
        Notice::StateChanged { from, to, cause } => {
            let fields = json!({ "from": from.as_str(), "to": to.as_str(), "cause": cause.as_str() });
            ("state_changed", fields)
        }
        Notice::ProxyStatus { target, status, cause } => {
            let fields = json!({ "target": target, "status": status.as_str(), "cause": cause.as_str() });
            ("proxy_status", fields)
        }
        Notice::UserBound(user) => {
            ("user_bound", user_fields(&user.aor, &user.contact, user.origin.as_str()))
        }
        Notice::UserRefreshed(user) => {
            ("user_refreshed", user_fields(&user.aor, &user.contact, user.origin.as_str()))
        }
        Notice::UserUnbound(user) => {
            ("user_unbound", user_fields(&user.aor, &user.contact, user.origin.as_str()))
        }
        Notice::UserExpired(user) => {
            ("user_expired", user_fields(&user.aor, &user.contact, user.origin.as_str()))
        }
        Notice::DatabaseFull { aor } => ("database_full", json!({ "aor": aor })),
        Notice::RequestRouted { method, from, to, step, reasons } => {
            let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
            let fields = json!({
                "method": method, "from": from, "to": to, "step": step.as_str(), "reasons": reasons,
            });
            ("request_routed", fields)
        }
        Notice::RequestRejected { method, from, status, reason } => {
            let fields = json!({ "method": method, "from": from, "status": status, "reason": reason });
            ("request_rejected", fields)
        }
        Notice::EmergencyCallFailed { from, number } => {
            ("emergency_call_failed", json!({ "from": from, "number": number }))
        }
        Notice::GarbageDropped { from, count } => {
            ("garbage_dropped", json!({ "from": from, "count": count }))
        }
        // A notice that is newer than this file is better told roughly than not at all.
        newer => ("other", json!({ "text": format!("{newer:?}") })),
    }
}

fn user_fields(aor: &str, contact: &str, origin: &str) -> Value {
    json!({ "aor": aor, "contact": contact, "origin": origin })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_survivability::transport::Transport;

    #[test]
    fn a_line_is_the_time_the_name_and_the_fields() {
        let listening =
            Notice::Listening { transport: Transport::Udp, address: "127.0.0.1:5080".parse().unwrap() };
        assert_eq!(
            line(Instant::from_micros(1_500_001), &listening).to_string(),
            r#"{"at":1.500001,"notice":"listening","transport":"udp","address":"127.0.0.1:5080"}"#
        );
        let rejected = Notice::RequestRejected {
            method: "INVITE".into(),
            from: "sip:1001@branch.example".into(),
            status: 404,
            reason: "no such user, \"1009\"".into(),
        };
        assert_eq!(
            line(Instant::ZERO, &rejected).to_string(),
            r#"{"at":0.0,"notice":"request_rejected","method":"INVITE","from":"sip:1001@branch.example","status":404,"reason":"no such user, \"1009\""}"#
        );
    }
}
