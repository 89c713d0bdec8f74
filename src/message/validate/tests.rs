use super::*;
use crate::headers::HeaderName;
use crate::message::{Message, ParseLimits};

const GOOD: &str = "OPTIONS sip:h SIP/2.0\r\n\
    Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
    Max-Forwards: 70\r\n\
    From: <sip:a@h>;tag=1\r\n\
    To: <sip:b@h>\r\n\
    Call-ID: x\r\n\
    CSeq: 1 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

const FINE: &str = "fine";

fn request(text: &str) -> Request {
    let Ok(Message::Request(request)) = Message::parse(text.to_owned()) else { panic!("{text}") };
    request
}

/// The verdict of `rules` on the good request with header fields added.
fn verdict(rules: &Rules<'_>, text: &str) -> String {
    let Err(fault) = request(text).validate_as(rules) else {
        return FINE.to_owned();
    };
    let fields = fault.fields().map(|(name, value)| format!(" / {name}: {value}"));
    format!("{fault}{}", fields.collect::<String>())
}

fn with(field: &str) -> String {
    GOOD.replace("Call-ID: x", &format!("Call-ID: x\r\n{field}"))
}

fn with_body(field: &str, body: &str) -> String {
    format!("{}{body}", with(field).replace("Content-Length: 0", &format!("Content-Length: {}", body.len())))
}

fn proxy(from: &str, to: &str) -> String {
    verdict(&Rules::proxy(), &GOOD.replace(from, to))
}

#[test]
fn a_good_request_passes_everywhere() {
    assert_eq!(proxy("", ""), FINE);
    assert_eq!(verdict(&Rules::user_agent(), GOOD), FINE);
    assert_eq!(verdict(&Rules::registrar(), &GOOD.replace("OPTIONS", "REGISTER")), FINE);
}

#[test]
fn each_defect_has_its_status_and_says_what_is_wrong() {
    assert_eq!(proxy("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), "505 Version Not Supported");
    assert_eq!(proxy("Call-ID: x\r\n", ""), "400 Missing Call-ID Header Field");
    assert_eq!(proxy("Call-ID: x", "no colon here"), "400 Bad Header Field");
    for id in ["", "a b", "a\r\n b", "a\0"] {
        assert_eq!(proxy("Call-ID: x", &format!("Call-ID: {id}")), "400 Bad Call-ID Header Field", "{id:?}");
    }
    assert_eq!(proxy("Call-ID: x", "Call-ID:\r\n a=b,c;\u{e9}@@"), FINE);
    assert_eq!(proxy("Call-ID: x", "Call-ID: x\r\nSubject: a\r\n b"), FINE);
    assert_eq!(proxy("<sip:a@h>", "<sip:a@h"), "400 Bad From Header Field");
    assert_eq!(proxy("To: <sip:b@h>", "To: <sip:b@h>\r\nt: <sip:c@h>"), "400 Repeated To Header Field");
    assert_eq!(proxy("1 OPTIONS", "1 INVITE"), "400 CSeq Method Differs From Request");
    assert_eq!(proxy("Content-Length: 0", "Content-Length: 5"), "400 Body Shorter Than Content-Length");
    assert_eq!(proxy("Content-Length: 0", "Content-Length: -5"), "400 Bad Content-Length Header Field");
    assert_eq!(proxy("OPTIONS sip:h SIP", "OPTIONS sip:h; x SIP"), "400 Bad Request-URI");
    assert_eq!(proxy("OPTIONS sip:h", "OPTIONS nobody:h"), "416 Unsupported URI Scheme");
    for uri in ["http://h/a?b=c", "mailto:a@b?subject=c", "nobody:h;x;x", "urn:service:sos?+a"] {
        assert_eq!(proxy("OPTIONS sip:h", &format!("OPTIONS {uri}")), "416 Unsupported URI Scheme", "{uri}");
    }
    assert_eq!(proxy("Max-Forwards: 70", "Max-Forwards: 300"), "400 Bad Max-Forwards Header Field");
    assert_eq!(proxy("Via: SIP/2.0/UDP a", "Via: SIP/2.0/UDP"), "400 Bad Via Header Field");
    assert_eq!(proxy("Via", "Vib"), "400 Missing Via Header Field");
    assert_eq!(proxy("Max-Forwards: 70", "Route: <x"), "400 Bad Route Header Field");
}

#[test]
fn what_breaks_the_grammar_comes_before_what_cannot_be_done() {
    let (scheme, spent) = (("OPTIONS sip:h", "OPTIONS nobody:h"), ("Max-Forwards: 70", "Max-Forwards: 0"));
    let judge = |(from, to): (&str, &str), field: &str| {
        verdict(&Rules::proxy(), &with(field).replace(from, to).replace("OPTIONS", "INFO"))
    };
    assert_eq!(judge(scheme, "Proxy-Require: a b"), "400 Bad Proxy-Require Header Field");
    assert_eq!(judge(spent, "Proxy-Require: a b"), "400 Bad Proxy-Require Header Field");
    assert_eq!(judge(spent, "Max-Breadth: x"), "400 Bad Max-Breadth Header Field");
    assert_eq!(judge(spent, "Proxy-Require: a"), "483 Too Many Hops");
    let hops = with("").replace("Max-Forwards: 70", "Max-Forwards: x").replace("sip:h ", "nobody:h ");
    assert_eq!(
        verdict(&Rules::proxy(), &hops.replace("x\r\n\r\n", "x\r\n")),
        "400 Bad Max-Forwards Header Field"
    );
}

#[test]
fn control_characters_stand_in_quoted_pairs_or_nowhere() {
    let field = |field: &str| proxy("Call-ID: x", &format!("Call-ID: x\r\n{field}"));
    for control in ['\0', '\x07', '\x0b', '\x0c', '\x1b', '\x7f', '\r'] {
        // RFC 3261 25.1: header-value and TEXT-UTF8 have none of them.
        assert_eq!(field(&format!("Subject: a{control}b")), "400 Bad Subject Header Field", "{control:?}");
        assert_eq!(field(&format!("X-Any: a{control}b")), "400 Bad Header Field", "{control:?}");
        assert_eq!(field(&format!("Warning: 399 h \"a{control}b\"")), "400 Bad Warning Header Field");
        assert_eq!(proxy("<sip:a@h>", &format!("\"a{control}\" <sip:a@h>")), "400 Bad From Header Field");
        assert_eq!(proxy(";branch", &format!(";x=a{control};branch")), "400 Bad Via Header Field");
        if control != '\r' {
            assert_eq!(proxy("<sip:a@h>", &format!("\"a\\{control}\" <sip:a@h>")), FINE, "{control:?}");
        }
    }
    // A carriage return where white space is trimmed.
    assert_eq!(field("Subject: a\r"), "400 Bad Subject Header Field");
    assert_eq!(field("Subject:\r a"), "400 Bad Subject Header Field");
    for fine in ["Subject: a\r\n b", "Subject: a\n\tb", "Subject:\r\n a", "X-Any: é\t"] {
        assert_eq!(field(fine), FINE, "{fine:?}");
    }
}

#[test]
fn the_request_line_is_held_to_its_grammar() {
    assert_eq!(proxy("OPTIONS sip:h SIP/2.0", "OPTIONS  sip:h SIP/2.0"), "400 Bad Start Line");
    assert_eq!(proxy("OPTIONS sip:h SIP/2.0", "OPTIONS sip:h  SIP/2.0"), "400 Bad Start Line");
    assert_eq!(proxy("OPTIONS sip:h SIP/2.0", "OPTIONS sip:h SIP/2.0 "), "400 Bad Start Line");
    assert_eq!(proxy("OPTIONS sip:h SIP/2.0\r\n", "OPTIONS sip:h SIP/2.0\n"), FINE);
    assert_eq!(proxy("OPTIONS sip:h", "OPTIONS sip:h?Route=%3Csip:x%3E"), "400 Header Fields In Request-URI");
}

#[test]
fn a_parameter_of_the_request_uri_stands_once_and_they_are_few() {
    assert_eq!(proxy("OPTIONS sip:h", "OPTIONS sip:h;lr;a=1;b"), FINE);
    assert_eq!(proxy("OPTIONS sip:h", "OPTIONS sip:h;lr;a=1;LR=on"), "400 Repeated URI Parameter");
    assert_eq!(proxy("OPTIONS sip:h", "OPTIONS sip:h;lr;%6C%72"), "400 Repeated URI Parameter");
    let many: String = (0..65).map(|n| format!(";p{n}")).collect();
    assert_eq!(proxy("OPTIONS sip:h", &format!("OPTIONS sip:h{many}")), "400 Too Many URI Parameters");
}

#[test]
fn a_zone_is_no_business_of_others() {
    assert_eq!(proxy("OPTIONS sip:h", "OPTIONS sip:[fe80::1]"), FINE);
    assert_eq!(proxy("OPTIONS sip:h", "OPTIONS sip:[fe80::1%25eth0]"), "400 Bad Request-URI");
}

#[test]
fn limits_come_first() {
    let text = with_body("Subject: 0123456789", "body");
    assert_eq!(verdict(&Rules::proxy().max_fields(7), &text), "400 Too Many Header Fields");
    let [all, uri, field, body] = [text.len(), 5, 17, 4];
    let rules = Rules::user_agent().media_types(&["*/*"]);
    let exact = rules.max_message(all).max_uri(uri).max_field(34).max_body(body);
    assert_eq!(verdict(&exact, &text), FINE);
    assert_eq!(verdict(&rules.max_message(all - 1), &text), "513 Message Too Large");
    assert_eq!(verdict(&rules.max_uri(uri - 1), &text), "414 Request-URI Too Long");
    assert_eq!(verdict(&rules.max_field(field - 1), &text), "400 Header Field Too Long");
    assert_eq!(verdict(&rules.max_body(body - 1), &text), "413 Request Entity Too Large");
}

#[test]
fn no_hop_left_is_483_at_a_proxy_that_does_not_answer_options() {
    let spent = GOOD.replace("Max-Forwards: 70", "Max-Forwards: 0");
    for (rules, method, verdict_of_it) in [
        (Rules::proxy(), "OPTIONS", "483 Too Many Hops"),
        (Rules::proxy(), "INFO", "483 Too Many Hops"),
        (Rules::proxy().as_final_recipient(), "OPTIONS", FINE),
        (Rules::proxy().as_final_recipient(), "INFO", "483 Too Many Hops"),
    ] {
        assert_eq!(verdict(&rules, &spent.replace("OPTIONS", method)), verdict_of_it);
    }
    assert_eq!(verdict(&Rules::user_agent(), &spent), FINE);
}

#[test]
fn a_request_that_was_here_before_is_482() {
    let (seen, unseen) = (|_: &Request| true, |_: &Request| false);
    let in_dialog = GOOD.replace("<sip:b@h>", "<sip:b@h>;tag=2");
    let loops = Rules::proxy().seen_before(&seen);
    assert_eq!(verdict(&loops, GOOD), "482 Loop Detected");
    assert_eq!(verdict(&loops, &in_dialog), "482 Loop Detected");
    assert_eq!(verdict(&loops, &GOOD.replace("OPTIONS", "CANCEL")), FINE);
    assert_eq!(verdict(&Rules::proxy().seen_before(&unseen), GOOD), FINE);
    let merged = Rules::user_agent().seen_before(&seen);
    assert_eq!(verdict(&merged, GOOD), "482 Loop Detected");
    assert_eq!(verdict(&merged, &in_dialog), FINE);
}

#[test]
fn extensions_that_are_not_known_are_420_and_named() {
    let (require, proxy_require) =
        (with("Require: path, Timer, x"), with("Proxy-Require: a\r\nProxy-Require: b"));
    let server = Rules::user_agent().extensions(&["timer"]);
    assert_eq!(verdict(&server, &require), "420 Bad Extension / Unsupported: path, x");
    assert_eq!(verdict(&server, &proxy_require), FINE);
    assert_eq!(verdict(&Rules::proxy(), &require), FINE);
    assert_eq!(verdict(&Rules::proxy(), &proxy_require), "420 Bad Extension / Unsupported: a, b");
    assert_eq!(verdict(&Rules::proxy().extensions(&["a", "b"]), &proxy_require), FINE);
    assert_eq!(verdict(&Rules::proxy().lenient(), &proxy_require), FINE);
    assert_eq!(verdict(&Rules::proxy(), &proxy_require.replace("OPTIONS", "CANCEL")), FINE);
    assert_eq!(verdict(&server, &with("Require: a b")), "400 Bad Require Header Field");
}

#[test]
fn extensions_that_the_sender_lacks_are_421_and_named() {
    let rules = Rules::user_agent().needs(&["timer", "sec-agree"]);
    assert_eq!(verdict(&rules, GOOD), "421 Extension Required / Require: timer, sec-agree");
    assert_eq!(verdict(&rules, &with("k: 100rel, TIMER")), "421 Extension Required / Require: sec-agree");
    let knows = rules.extensions(&["sec-agree"]);
    assert_eq!(verdict(&knows, &with("k: timer\r\nRequire: sec-agree")), FINE);
}

#[test]
fn methods_are_405_or_501_with_allow() {
    let rules = Rules::user_agent().methods(&["INVITE", "ACK", "NEWMETHOD"]);
    assert_eq!(verdict(&rules, GOOD), "405 Method Not Allowed / Allow: INVITE, ACK, NEWMETHOD");
    let other = GOOD.replace("OPTIONS", "Invite");
    assert_eq!(verdict(&rules, &other), "501 Not Implemented / Allow: INVITE, ACK, NEWMETHOD");
    assert_eq!(verdict(&rules, &GOOD.replace("OPTIONS", "NEWMETHOD")), FINE);
    assert_eq!(verdict(&Rules::registrar(), GOOD), "405 Method Not Allowed / Allow: REGISTER");
    assert_eq!(verdict(&Rules::registrar(), &GOOD.replace("OPTIONS", "ACK")), FINE);
    assert_eq!(verdict(&Rules::proxy(), &other), FINE);
}

#[test]
fn bodies_have_a_type_and_an_encoding_that_is_understood() {
    let rules = Rules::user_agent().media_types(&["application/sdp", "text/*"]).encodings(&["gzip"]);
    let judge = |fields: &str| verdict(&rules, &with_body(fields, "body"));
    assert_eq!(judge("Content-Type: Application/SDP"), FINE);
    assert_eq!(judge("c: text/plain\r\ne: gzip, identity"), FINE);
    assert_eq!(judge("c: a/b"), "415 Unsupported Media Type / Accept: application/sdp, text/*");
    assert_eq!(
        judge("c: text/plain\r\ne: br"),
        "415 Unsupported Media Type / Accept-Encoding: identity, gzip"
    );
    assert_eq!(judge("c: a/b\r\nContent-Disposition: session;handling=optional"), FINE);
    assert_eq!(judge("Subject: x"), "400 Missing Content-Type Header Field");
    assert_eq!(judge("c: a"), "400 Bad Content-Type Header Field");
    assert_eq!(verdict(&rules, &with("c: a/b")), FINE);
    assert_eq!(verdict(&Rules::proxy(), &with_body("c: a/b", "body")), FINE);
}

#[test]
fn what_is_encrypted_is_493_without_keys() {
    let body = |kind: &str| with_body(&format!("c: application/pkcs7-mime{kind}"), "body");
    let rules = Rules::user_agent().media_types(&["application/pkcs7-mime"]);
    assert_eq!(verdict(&rules, &body("")), "493 Undecipherable");
    assert_eq!(verdict(&rules, &body(";smime-type=enveloped-data")), "493 Undecipherable");
    assert_eq!(verdict(&rules, &body(";smime-type=signed-data")), FINE);
    assert_eq!(verdict(&rules.with_keys(), &body("")), FINE);
}

#[test]
fn a_multipart_body_needs_its_boundary() {
    let rules = Rules::user_agent().media_types(&["multipart/mixed"]);
    let judge = |param: &str| {
        verdict(&rules, &with_body(&format!("c: multipart/mixed{param}"), "--b c\r\n\r\nx\r\n--b c--"))
    };
    assert_eq!(judge(";boundary=\"b c\""), FINE);
    for bad in ["", ";boundary", ";boundary=\"\"", ";boundary=other"] {
        assert_eq!(judge(bad), "400 Bad Multipart Body", "{bad}");
    }
}

#[test]
fn whoever_takes_no_answer_of_ours_gets_406() {
    let rules = Rules::user_agent().answers_with(&["application/sdp"]);
    assert_eq!(verdict(&rules, &with("Accept: text/html, application/*;q=0.5")), FINE);
    assert_eq!(verdict(&rules, GOOD), FINE);
    assert_eq!(verdict(&rules, &with("Accept: text/html")), "406 Not Acceptable");
}

#[test]
fn a_registration_is_of_an_address_of_record() {
    let register = GOOD.replace("OPTIONS", "REGISTER");
    let to = |uri: &str| verdict(&Rules::registrar(), &register.replace("<sip:b@h>", uri));
    assert_eq!(to("<tel:+1>"), FINE);
    assert_eq!(to("<isbn:2983792873>"), "400 To Is No Address Of Record");
}

#[test]
fn no_breadth_is_440_at_a_proxy() {
    let breadth = |number: &str| with(&format!("Max-Breadth: {number}"));
    assert_eq!(verdict(&Rules::proxy(), &breadth("0")), "440 Max-Breadth Exceeded");
    assert_eq!(verdict(&Rules::proxy(), &breadth("1")), FINE);
    assert_eq!(verdict(&Rules::proxy(), &breadth("x")), "400 Bad Max-Breadth Header Field");
    assert_eq!(verdict(&Rules::proxy().lenient(), &breadth("0")), FINE);
    assert_eq!(verdict(&Rules::user_agent(), &breadth("0")), FINE);
}

#[test]
fn the_answer_has_the_status_the_phrase_and_the_fields() {
    let request = request(&with("Proxy-Require: a, b"));
    let fault = request.validate().unwrap_err();
    let answer = fault.answer(&request, "192.0.2.1:5060".parse().unwrap(), "t").finish().unwrap();
    let text = String::from_utf8(answer.to_vec()).unwrap();
    assert!(text.starts_with("SIP/2.0 420 Bad Extension\r\n") && text.contains("\r\nUnsupported: a, b\r\n"));
}

#[test]
fn a_response_is_held_to_what_it_is_matched_by() {
    let good = GOOD.replace("OPTIONS sip:h SIP/2.0", "SIP/2.0 200 OK");
    let judge = |from: &str, to: &str| {
        let limits = ParseLimits::default();
        let Ok(Message::Response(response)) = Message::parse_within(good.replace(from, to), &limits) else {
            panic!("a response")
        };
        response.validate()
    };
    assert_eq!(judge("", ""), Ok(()));
    assert_eq!(judge("200 OK", "699 "), Ok(()));
    assert_eq!(judge("200 OK", "700 Far"), Err(Defect::StatusCode));
    assert_eq!(judge("SIP/2.0 200", "sip/2.0 200"), Ok(()));
    assert_eq!(judge("SIP/2.0 200", "SIP/3.0 200"), Err(Defect::Version));
    assert_eq!(judge("SIP/2.0 200", "SIP/2.00 200"), Err(Defect::Version));
    assert_eq!(judge("Via", "Vib"), Err(Defect::Missing(HeaderName::Via)));
    assert_eq!(judge("CSeq: 1", "CSeq: 9292394834772304023312"), Err(Defect::Malformed(HeaderName::CSeq)));
    assert_eq!(judge("Call-ID: x", "Call-ID: x\r\ni: y"), Err(Defect::Repeated(HeaderName::CallId)));
    assert_eq!(judge("Length: 0", "Length: 1"), Err(Defect::Cut));
    assert_eq!(judge("Length: 0", "Length: +0"), Err(Defect::Malformed(HeaderName::ContentLength)));
    assert_eq!(judge("Call-ID: x", "Call-ID: x\r\nnonsense"), Ok(()));
}
