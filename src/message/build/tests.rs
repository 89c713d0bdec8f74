use super::*;

fn invite() -> Request {
    let text = "INVITE sip:bob@h SIP/2.0\r\n\
        v: SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
        Via: SIP/2.0/UDP c;branch=z9hG4bK3\r\n\
        Route: <sip:p;lr>\r\n\
        f: <sip:alice@h>;tag=1\r\n\
        t: <sip:bob@h>\r\n\
        i: x\r\n\
        CSeq: 7 INVITE\r\n\r\n";
    let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
    request
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_response_has_what_8_2_6_asks_for() {
    let source = "192.0.2.1:4000".parse().unwrap();
    let response = ResponseBuilder::new(&invite(), source, 404, "t1").reason("Nobody").finish().unwrap();
    assert_eq!(
        text(&response),
        "SIP/2.0 404 Nobody\r\n\
         Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport=4000;received=192.0.2.1, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
         Via: SIP/2.0/UDP c;branch=z9hG4bK3\r\n\
         From: <sip:alice@h>;tag=1\r\n\
         To: <sip:bob@h>;tag=t1\r\n\
         Call-ID: x\r\n\
         CSeq: 7 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let trying = ResponseBuilder::new(&invite(), source, 100, "t1").finish().unwrap();
    assert!(!text(&trying).contains("t1"));
}

#[test]
fn ack_and_cancel_are_of_the_same_transaction() {
    let response = "SIP/2.0 486 Busy\r\nTo: <sip:bob@h>;tag=2\r\n\r\n";
    let Ok(Message::Response(response)) = Message::parse(response) else { panic!("a response") };
    assert_eq!(
        text(&RequestBuilder::ack(&invite(), &response).unwrap()),
        "ACK sip:bob@h SIP/2.0\r\n\
         Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\n\
         Max-Forwards: 70\r\n\
         Route: <sip:p;lr>\r\n\
         From: <sip:alice@h>;tag=1\r\n\
         To: <sip:bob@h>;tag=2\r\n\
         Call-ID: x\r\n\
         CSeq: 7 ACK\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let cancel = RequestBuilder::cancel(&invite()).unwrap();
    assert!(text(&cancel).starts_with("CANCEL sip:bob@h") && text(&cancel).contains("CSeq: 7 CANCEL"));
}

#[test]
fn ack_and_cancel_are_of_what_has_them() {
    let [ok, busy] = ["200 OK", "486 Busy"].map(|status| {
        let text = format!("SIP/2.0 {status}\r\nTo: <sip:bob@h>;tag=2\r\n\r\n");
        let Ok(Message::Response(response)) = Message::parse(text) else { panic!("a response") };
        response
    });
    let request = |from: &str, to: &str| {
        let text = String::from_utf8(invite().bytes().to_vec()).unwrap().replace(from, to);
        let Ok(Message::Request(request)) = Message::parse(text) else { panic!("a request") };
        request
    };
    assert_eq!(RequestBuilder::ack(&invite(), &ok), Err(BuildError::Kind));
    assert_eq!(RequestBuilder::ack(&request("INVITE", "INFO"), &busy), Err(BuildError::Kind));
    assert_eq!(RequestBuilder::cancel(&request("INVITE", "ACK")), Err(BuildError::Kind));
    let broken = |name| BuildError::Defect(Defect::Malformed(name));
    assert_eq!(
        RequestBuilder::cancel(&request("sip:bob@h SIP", "sip:b o b SIP")),
        Err(BuildError::Defect(Defect::RequestUri))
    );
    assert_eq!(RequestBuilder::cancel(&request("sip:p;lr", "p")), Err(broken(HeaderName::Route)));
    assert_eq!(RequestBuilder::cancel(&request("f: ", "f: \0")), Err(broken(HeaderName::From)));
    assert_eq!(RequestBuilder::ack(&request("<sip:alice@h>", "<"), &busy), Err(broken(HeaderName::From)));
}

fn options() -> RequestBuilder {
    RequestBuilder::new("OPTIONS", "sip:h")
        .header(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1")
        .header(HeaderName::From, "<sip:a@h>;tag=1")
        .header(HeaderName::To, "<sip:b@h>")
        .header(HeaderName::CallId, "x")
        .header(HeaderName::CSeq, "1 OPTIONS")
}

fn error(builder: RequestBuilder) -> String {
    builder.finish().unwrap_err().to_string()
}

#[test]
fn a_request_has_all_that_8_1_1_asks_for() {
    assert_eq!(
        text(&options().with_body("text/plain", "hi").unwrap()),
        "OPTIONS sip:h SIP/2.0\r\n\
         Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
         From: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>\r\n\
         Call-ID: x\r\n\
         CSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\n\
         Content-Type: text/plain\r\n\
         Content-Length: 2\r\n\r\nhi"
    );
    let (method, uri) = ("OPTIONS", Uri::parse("sip:h").unwrap());
    assert_eq!(error(RequestBuilder::new(method, uri)), "Missing Via Header Field");
    let via = |via: &str| RequestBuilder::new(method, uri).header(HeaderName::Via, via);
    let from = |from: &str| via("SIP/2.0/UDP a;branch=z9hG4bK1").header(HeaderName::From, from);
    assert_eq!(error(from("<sip:a@h>")), "Missing To Header Field");
    let rest = |builder: RequestBuilder, method: &str| {
        let builder = builder.header(HeaderName::To, "<sip:b@h>").header(HeaderName::CallId, "x");
        error(builder.header(HeaderName::CSeq, format_args!("1 {method}")))
    };
    assert_eq!(rest(from("<sip:a@h>"), method), "no tag in From");
    assert_eq!(rest(from("<sip:a@h>;tag=1"), "INFO"), "CSeq Method Differs From Request");
    assert_eq!(
        rest(via("SIP/2.0/UDP a;branch=1").header(HeaderName::From, "<sip:a@h>;tag=1"), method),
        "no branch of RFC 3261 in Via"
    );
}

#[test]
fn a_request_line_is_made_of_a_token_and_a_uri() {
    for method in ["", "IN VITE", "INVITE\r\n", "a/b", "é", "\0"] {
        assert_eq!(RequestBuilder::new(method, "sip:h").finish(), Err(BuildError::Method), "{method:?}");
    }
    for uri in ["", "h", "sip:a b@h", "sip:h\r\nEvil: x", "sip:h\0", "<sip:h>"] {
        let built = RequestBuilder::new("OPTIONS", uri).finish();
        assert!(matches!(built, Err(BuildError::Uri(_))), "{uri:?} {built:?}");
    }
}

#[test]
fn a_value_is_one_that_its_header_field_may_have() {
    for value in
        ["a\r\nEvil: x", "a\rEvil: x", "a\nEvil: x", "a\r\n", "a\r\n\r\n b", "a\r\r\n b", "a\0b", "\x7f"]
    {
        let named = options().header_named("X-Any", value).finish();
        assert!(named.is_err(), "{value:?}");
        assert_eq!(
            error(options().header(HeaderName::Subject, value)).get(..8),
            Some("Subject:"),
            "{value:?}"
        );
    }
    for (name, value) in [
        (HeaderName::Contact, "<sip:a@h"),
        (HeaderName::Supported, "a b"),
        (HeaderName::Route, ""),
        (HeaderName::MaxForwards, "256"),
        (HeaderName::Warning, "399 h \"\0\""),
    ] {
        assert!(error(options().header(name, value)).starts_with(name.as_str()), "{name}: {value}");
    }
    for name in ["", "X Any", "X-Any:", "X-Any\r\n", "é"] {
        assert_eq!(options().header_named(name, "x").finish(), Err(BuildError::Name), "{name:?}");
    }
    assert_eq!(options().header(HeaderName::Other, "x").finish(), Err(BuildError::Name));
    assert!(options().with_body("text", "hi").is_err());
}

#[test]
fn a_fold_means_a_space() {
    let built = options()
        .header(HeaderName::Subject, " a\r\n  b ")
        .header_named("x-any", "\"\n \" c")
        .finish()
        .unwrap();
    assert!(text(&built).contains("\r\nSubject: a  b\r\nx-any: \" \" c\r\n"), "{built:?}");
}

#[test]
fn what_stands_once_is_written_once() {
    let once = [(HeaderName::To, "<sip:c@h>"), (HeaderName::CSeq, "2 OPTIONS"), (HeaderName::CallId, "y")];
    for (name, value) in once {
        assert_eq!(options().header(name, value).finish(), Err(BuildError::Defect(Defect::Repeated(name))));
    }
    assert!(options().header_named("subject", "a").header_named("s", "b").finish().is_err());
    assert!(options().header(HeaderName::ContentType, "a/b").with_body("a/b", "c").is_err());
    let length = HeaderName::ContentLength;
    assert_eq!(options().header(length, 0).finish(), Err(BuildError::NotYours(length)));
    assert_eq!(options().header_named("L", 0).finish(), Err(BuildError::NotYours(length)));
    let credentials = "Digest username=\"a\"";
    let twice = options()
        .header(HeaderName::Authorization, credentials)
        .header(HeaderName::Authorization, credentials);
    assert!(twice.header(HeaderName::Route, "<sip:a>").header(HeaderName::Route, "<sip:b>").finish().is_ok());
}

#[test]
fn a_response_cannot_be_spoilt() {
    let source = "192.0.2.1:4000".parse().unwrap();
    let response = |status| ResponseBuilder::new(&invite(), source, status, "t1");
    for status in [0, 99, 700, u16::MAX] {
        assert_eq!(response(status).reason("é").finish(), Err(BuildError::Status(status)));
    }
    for phrase in ["No\r\nway: x", "No\rway", "\0"] {
        assert_eq!(response(404).reason(phrase).finish(), Err(BuildError::Reason), "{phrase:?}");
    }
    for tag in ["", "a b", "a;b", "a\r\nEvil: x"] {
        assert!(ResponseBuilder::new(&invite(), source, 404, tag).finish().is_err(), "{tag:?}");
    }
    for name in [HeaderName::Via, HeaderName::To, HeaderName::CSeq, HeaderName::ContentLength] {
        assert_eq!(response(200).header(name, "1").finish(), Err(BuildError::NotYours(name)));
    }
    assert!(text(&response(200).reason("").with_body("a/b", "c").unwrap()).starts_with("SIP/2.0 200 \r\n"));
    let spoilt = response(200).reason("Sure").header(HeaderName::Contact, "<").finish_or_500();
    let expected = response(500).finish().unwrap();
    assert_eq!(spoilt, expected);
}

#[test]
fn what_is_copied_cannot_end_the_head() {
    for value in ["a\r\n ", "a\r\n \r\n\t", "a\n\t\n", "a\n \n\nb", "a\rEvil: x", "a\r\r\n b"] {
        let mut head = Draft::new(["OPTIONS", "sip:h", "SIP/2.0"], 0);
        head.copy(HeaderName::Subject, value);
        assert_eq!(head.text, "OPTIONS sip:h SIP/2.0\r\nSubject: a\r\n", "{value:?}");
    }
}
