//! What other projects read of an input, by their own names for it.

use crate::peers::{Input, Row, line};
use sip_survivability::headers::field::{self, Field};
use sip_survivability::headers::{HeaderName, NameAddr, Params, Refresher, Via};
use sip_survivability::message::Message;
use sip_survivability::uri::{Uri, unescape};
use std::collections::BTreeMap;

/// What we read, by a name for each thing; lists have several of each.
#[derive(Default)]
struct Known(BTreeMap<String, Vec<String>>);

/// Their names, and ours. What is not here is an inner matter of theirs.
const NAMES: &[(&str, &[(&str, &str)])] = &[
    (
        "belle-sip",
        &[
            ("uri_get_host", "host"),
            ("uri_get_user", "user"),
            ("uri_get_port", "port"),
            ("uri_get_user_password", "password"),
            ("uri_get_transport_param", "transport"),
            ("uri_get_maddr_param", "maddr"),
            ("uri_get_user_param", "user-param"),
            ("uri_get_ttl_param", "ttl"),
            ("uri_get_method_param", "method"),
            ("uri_has_lr_param", "loose"),
            ("uri_is_secure", "secure"),
            ("uri_get_header", "header"),
            ("belle_generic_uri_get_scheme", "scheme"),
            ("belle_generic_uri_get_opaque_part", "opaque"),
            ("parameters_get_parameter", "param"),
            ("header_address_get_displayname", "display"),
            ("header_contact_get_expires", "expires"),
            ("header_from_get_tag", "tag"),
            ("header_to_get_tag", "tag"),
            ("header_via_get_protocol", "protocol"),
            ("header_via_get_transport", "transport"),
            ("header_via_get_host", "host"),
            ("header_via_get_port", "port"),
            ("header_via_get_received", "received"),
            ("header_via_get_rport", "rport"),
            ("header_via_get_branch", "branch"),
            ("header_call_id_get_call_id", "value"),
            ("header_get_unparsed_value", "value"),
            ("header_allow_get_method", "value"),
            ("header_cseq_get_seq_number", "number"),
            ("header_cseq_get_method", "method"),
            ("header_content_type_get_type", "type"),
            ("header_content_type_get_subtype", "subtype"),
            ("header_accept_get_type", "type"),
            ("header_accept_get_subtype", "subtype"),
            ("header_expires_get_expires", "value"),
            ("header_session_expires_get_delta", "seconds"),
            ("header_subscription_state_get_state", "word"),
            ("header_subscription_state_get_expires", "expires"),
            ("header_replaces_get_call_id", "call-id"),
            ("header_replaces_get_from_tag", "from-tag"),
            ("header_replaces_get_to_tag", "to-tag"),
            ("header_event_get_package_name", "word"),
            ("header_event_get_id", "id"),
            ("header_reason_get_cause", "cause"),
            ("header_authentication_info_get_nonce_count", "nonce-count"),
        ],
    ),
    (
        "gosip-jart",
        &[
            ("Scheme", "scheme"),
            ("User", "user"),
            ("Pass", "password"),
            ("Host", "host"),
            ("Port", "port"),
            ("Display", "display"),
            ("Name", "param"),
            ("Value", "param-value"),
        ],
    ),
    (
        "opensips",
        &[
            ("u.user", "user"),
            ("u.host", "host"),
            ("u.transport_val", "transport"),
            ("u.user_param_val", "user-param"),
            ("u.maddr_val", "maddr"),
            ("u.gr_val", "gr"),
            ("u.pn_provider_val", "pn-provider"),
            ("u.pn_prid_val", "pn-prid"),
            ("u.pn_param_val", "pn-param"),
            ("u.pn_purr_val", "pn-purr"),
        ],
    ),
    ("pjsip", &[("compact", "compact")]),
    (
        "sofia-sip",
        &[
            ("re_protocol", "word"),
            ("re_cause", "cause"),
            ("re_text", "quoted-text"),
            ("ra_response", "response"),
            ("ra_cseq", "number"),
            ("ra_method_name", "method"),
            ("rs_response", "value"),
            ("ac_type", "media"),
            ("ac_subtype", "subtype"),
            ("ac_q", "q"),
            ("aa_value", "word"),
            ("cd_type", "word"),
            ("cd_handling", "handling"),
            ("c_type", "media"),
            ("c_subtype", "subtype"),
            ("x_delta", "seconds"),
            ("x_refresher", "refresher"),
            ("min_delta", "seconds"),
            ("af_delta", "seconds"),
            ("af_duration", "duration"),
            ("af_comment", "comment"),
            ("r_display", "display"),
            ("b_display", "display"),
            ("o_type", "word"),
            ("o_id", "id"),
            ("ss_substate", "word"),
            ("ss_reason", "reason"),
            ("ss_expires", "expires"),
            ("ss_retry_after", "retry-after"),
            ("ci_purpose", "purpose"),
            ("w_code", "code"),
            ("w_text", "text"),
            ("v_ttl", "ttl"),
            ("v_maddr", "maddr"),
            ("v_branch", "branch"),
            ("v_rport", "rport"),
            ("v_comp", "comp"),
            ("au_scheme", "word"),
            ("a_tag", "tag"),
            ("url_user", "user"),
            ("url_host", "host"),
            ("url_port", "port"),
        ],
    ),
];

/// Compares what the row tells with what we read. Gives how many facts there are, and those that do not hold. `next` is the next
/// row's input, at which this row's facts end where they are a plain list.
pub(crate) fn check(row: &Row, next: Option<&str>) -> (usize, Vec<String>) {
    if matches!(row.kind(), Input::Params) {
        return check_params(row, next);
    }
    let Some((_, names)) = NAMES.iter().find(|(project, _)| *project == row.project) else {
        return (0, Vec::new());
    };
    // A test that sets a value and looks again tells both: one of them is that of the input.
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in row.facts.split(" ; ").filter_map(|fact| fact.split_once('=')) {
        let key = key.rsplit("->").next().unwrap_or_default();
        if let Some((_, ours)) = names.iter().find(|(theirs, _)| *theirs == key)
            && !matches!(value, "NULL" | "")
        {
            told.entry(ours).or_default().push(value);
        }
    }
    let known = read(row);
    let holds = |(ours, values): &(&&str, &Vec<&str>)| {
        let got = known.0.get(**ours);
        got.is_some_and(|got| values.iter().any(|value| got.iter().any(|got| got == value)))
    };
    let wrong = told.iter().filter(|fact| !holds(fact));
    let wrong = wrong.map(|(ours, values)| format!("{ours} is {:?}, not {values:?}", known.0.get(*ours)));
    (told.len(), wrong.collect())
}

/// Names and values in turn, a name alone where it has no value.
fn check_params(row: &Row, next: Option<&str>) -> (usize, Vec<String>) {
    let (Some(told), Some(next)) = (row.facts.strip_prefix("values: "), next) else {
        return (0, Vec::new());
    };
    let told: Vec<&str> = told.split(" | ").take_while(|item| *item != next).collect();
    let text = format!("<sip:h>{}", row.text());
    let Ok(address) = NameAddr::parse(&text) else {
        return (told.len(), Vec::new());
    };
    // Quotes are part of the value in some of their tests, and not in others.
    let read = |unquoted: bool| -> Vec<String> {
        let params = address.params.iter().flat_map(|(name, value)| {
            let text = || address.params.text(name).map(|value| value.into_owned());
            let value = if unquoted { text() } else { value.map(str::to_owned) };
            std::iter::once(name.to_owned()).chain(value)
        });
        params.collect()
    };
    let wrong =
        (read(true) != told && read(false) != told).then(|| format!("{:?}, not {told:?}", read(true)));
    (told.len(), wrong.into_iter().collect())
}

fn read(row: &Row) -> Known {
    let mut known = Known::default();
    match row.kind() {
        Input::Uri => {
            if let Ok(uri) = Uri::parse(row.text()) {
                known.uri(&uri);
            }
        }
        Input::Value(name) => known.value(name, row.text()),
        Input::Line(_) => {
            if let Some((name, value)) = line(row.text()) {
                known.value(name, &value);
                let compacts =
                    (b'a'..=b'z').map(|letter| [letter]).filter(|letter| HeaderName::of(letter) == name);
                compacts.for_each(|letter| known.put("compact", str::from_utf8(&letter).unwrap()));
            }
        }
        Input::Message => {
            let message = Message::parse(row.text().to_owned()).unwrap();
            for header in message.head().headers() {
                known.value(header.id, header.value());
            }
        }
        Input::Params | Input::StatusLine | Input::Separator | Input::Unknown => {}
    }
    known
}

impl Known {
    fn put(&mut self, name: &str, value: impl ToString) {
        self.0.entry(name.to_owned()).or_default().push(value.to_string());
    }

    fn maybe(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn uri(&mut self, uri: &Uri<'_>) {
        let (scheme, opaque) = uri.as_str().split_once(':').unwrap();
        self.put("scheme", scheme.to_ascii_lowercase());
        self.put("opaque", opaque);
        if !uri.is_sip() {
            // Some call a telephone number a host, some a user.
            self.put("host", opaque);
            self.put("user", opaque.split(';').next().unwrap());
        }
        if let Some(host) = uri.host() {
            self.put("host", host.to_string());
            self.put("host", host.to_string().trim_matches(['[', ']']).to_ascii_lowercase());
        }
        for user in [uri.user(), uri.user_name()].into_iter().flatten() {
            self.put("user", unescape(user));
        }
        self.maybe("password", uri.password().map(unescape));
        self.maybe("port", uri.port());
        self.put("secure", u8::from(scheme.eq_ignore_ascii_case("sips")));
        self.put("loose", u8::from(uri.is_loose_router()));
        for (name, value) in uri.params() {
            let name = unescape(name);
            self.param(
                if name == "user" { "user-param" } else { &name },
                &unescape(value.unwrap_or_default()),
            );
            self.put("param", name);
        }
        for (name, value) in uri.headers() {
            self.put("header", unescape(name));
            self.put("param", unescape(name));
            self.put("param-value", unescape(value));
        }
    }

    fn param(&mut self, name: &str, value: &str) {
        self.put(name, value);
        self.put("param-value", value);
    }

    fn params(&mut self, params: &Params<'_>) {
        for (name, _) in params.iter() {
            self.put("param", name);
            self.param(name, &params.text(name).unwrap_or_default());
        }
    }

    fn address(&mut self, address: &NameAddr<'_>) {
        self.maybe("display", address.display_name());
        self.uri(&address.uri);
        self.params(&address.params);
    }

    fn via(&mut self, via: &Via<'_>) {
        self.put("protocol", "SIP/2.0");
        self.put("transport", via.transport);
        self.put("host", via.sent_by.host.to_string().trim_matches(['[', ']']));
        self.maybe("port", via.sent_by.port);
        self.maybe("received", via.received());
        self.params(&via.params);
    }

    fn each<F: Field>(&mut self, text: &str, put: impl Fn(&mut Self, F::View<'_>)) {
        field::values::<F>(text).flatten().for_each(|view| put(self, view));
    }

    fn value(&mut self, name: HeaderName, text: &str) {
        self.put("value", text.trim());
        // The words that values start with: tokens before parameters.
        for value in text.split(',') {
            let word = value.split(';').next().unwrap_or_default().trim();
            self.put("word", word.split(' ').next().unwrap_or_default());
        }
        for (_, read) in READERS.iter().filter(|(names, _)| names.contains(&name)) {
            read(self, text);
        }
    }
}

/// What header fields of a shape tell.
type Reader = fn(&mut Known, &str);

const READERS: &[(&[HeaderName], Reader)] = &[
    (&[HeaderName::From], |known, text| known.each::<field::From>(text, |known, from| known.address(&from))),
    (&[HeaderName::To], |known, text| known.each::<field::To>(text, |known, to| known.address(&to))),
    (&[HeaderName::Contact], |known, text| {
        known.each::<field::Contact>(text, |known, contact| {
            contact.address().into_iter().for_each(|address| known.address(address));
        });
    }),
    (
        &[
            HeaderName::Route,
            HeaderName::RecordRoute,
            HeaderName::Path,
            HeaderName::ServiceRoute,
            HeaderName::PPreferredIdentity,
            HeaderName::PAssertedIdentity,
        ],
        |known, text| known.each::<field::Route>(text, |known, address| known.address(&address)),
    ),
    (&[HeaderName::ReferTo, HeaderName::ReferredBy], |known, text| {
        known.each::<field::ReferTo>(text, |known, address| known.address(&address));
    }),
    (&[HeaderName::Via], |known, text| known.each::<field::Via>(text, |known, via| known.via(&via))),
    (&[HeaderName::CSeq], |known, text| {
        known.each::<field::CSeq>(text, |known, cseq| {
            known.put("number", cseq.number);
            known.put("method", cseq.method);
        });
    }),
    (&[HeaderName::RAck], |known, text| {
        known.each::<field::RAck>(text, |known, rack| {
            known.put("response", rack.response);
            known.put("number", rack.cseq.number);
            known.put("method", rack.cseq.method);
        });
    }),
    (&[HeaderName::ContentType, HeaderName::Accept], |known, text| {
        known.each::<field::Accept>(text, |known, media| {
            known.put("type", media.kind);
            known.put("subtype", media.subtype);
            known.put("media", format_args!("{}/{}", media.kind, media.subtype));
            known.params(&media.params);
        });
    }),
    (&[HeaderName::SessionExpires, HeaderName::MinSe], |known, text| {
        known.each::<field::SessionExpires>(text, |known, session| {
            known.put("seconds", session.interval.0);
            let refresher = session.refresher().map(|who| if who == Refresher::Uac { "uac" } else { "uas" });
            known.maybe("refresher", refresher);
        });
    }),
    (&[HeaderName::RetryAfter], |known, text| {
        known.each::<field::RetryAfter>(text, |known, retry| {
            known.put("seconds", retry.after.0);
            known.maybe("duration", retry.duration().map(|duration| duration.as_secs()));
            known.maybe("comment", retry.comment.map(|comment| comment.trim_matches(['(', ')'])));
        });
    }),
    (&[HeaderName::SubscriptionState], |known, text| {
        known.each::<field::SubscriptionState>(text, |known, state| known.params(&state.params));
    }),
    (&[HeaderName::Event], |known, text| {
        known.each::<field::Event>(text, |known, event| known.params(&event.params));
    }),
    (&[HeaderName::ContentDisposition], |known, text| {
        known.each::<field::ContentDisposition>(text, |known, disposition| known.params(&disposition.params));
    }),
    (&[HeaderName::AcceptEncoding], |known, text| {
        known.each::<field::AcceptEncoding>(text, |known, encoding| known.params(&encoding.params));
    }),
    (&[HeaderName::CallInfo], |known, text| {
        known.each::<field::CallInfo>(text, |known, info| known.params(&info.params));
    }),
    (&[HeaderName::Reason], |known, text| {
        known.each::<field::Reason>(text, |known, reason| {
            known.maybe("cause", reason.cause());
            known.maybe("quoted-text", reason.text().map(|text| format!("\"{text}\"")));
        });
    }),
    (&[HeaderName::Replaces], |known, text| {
        known.each::<field::Replaces>(text, |known, dialog| {
            known.put("call-id", dialog.call_id.as_str());
            known.put("to-tag", dialog.to_tag);
            known.put("from-tag", dialog.from_tag);
        });
    }),
    (&[HeaderName::Warning], |known, text| {
        known.each::<field::Warning>(text, |known, warning| {
            known.put("code", warning.code);
            known.put("text", warning.text());
        });
    }),
    (&[HeaderName::AuthenticationInfo], |known, text| {
        known.each::<field::AuthenticationInfo>(text, |known, info| {
            known.maybe("nonce-count", info.nonce_count());
        });
    }),
];
