//! A file that holds a message, and each field of what is said of it.

use super::{FIELDS, Folder, OPTIONS, complaint, line, lines, run, run_with, text, values};
use serde_json::{Value, json};

/// One that has everything.
const REGISTER: &[u8] = b"REGISTER sip:registrar.biloxi.example SIP/2.0\r\n\
    v: SIP / 2.0/UDP [2001:DB8::9:1]:5070;rport=5080;branch=z9hG4bK1;received=192.0.2.7, SIP/2.0/TLS pc33.example;rport\r\n\
    t: \"Bob \\\"the\\\" Builder\" <sip:bob@biloxi.example>\r\n\
    From: Bob <sip:bob@biloxi.example>;tag=456248\r\n\
    i: 843817637684230@998sdasdh09\r\n\
    CSeq: 0001826 REGISTER\r\n\
    Max-Forwards: 70\r\n\
    Contact: <sip:bob@192.0.2.4>;q=0.7;Expires=60;flag, sip:bob@192.0.2.5\r\n\
    Route: Edge <sip:edge.example;lr>;x=1, <sip:core.example;lr>\r\n\
    Path: <sip:p1.example;lr>\r\n\
    Record-Route: <sip:r1.example;lr>\r\n\
    Expires: 7200\r\n\
    Subject:  a \t\r\n \t b\r\n\xff c \r\n\
    l: 4\r\n\r\nbodytail";

#[test]
fn a_request_is_told_field_by_field_in_order() {
    let folder = Folder::new("fields");
    let message = String::from_utf8_lossy(REGISTER).replace("\u{fffd} c", " c").into_bytes();
    let path = folder.file("all.sip", message);
    let expected = format!(
        concat!(
            r#"{{"file":"{}","outcome":"request","error":null,"answer":null,"method":"REGISTER","#,
            r#""request_uri":"sip:registrar.biloxi.example","status":null,"reason":null,"via":["#,
            r#"{{"transport":"UDP","host":"[2001:db8::9:1]","port":5070,"branch":"z9hG4bK1","received":"192.0.2.7","rport":5080}},"#,
            r#"{{"transport":"TLS","host":"pc33.example","port":null,"branch":null,"received":null,"rport":true}}],"#,
            r#""from":{{"display":"Bob","uri":"sip:bob@biloxi.example","tag":"456248"}},"#,
            r#""to":{{"display":"Bob \"the\" Builder","uri":"sip:bob@biloxi.example","tag":null}},"#,
            r#""call_id":"843817637684230@998sdasdh09","cseq":{{"number":1826,"method":"REGISTER"}},"max_forwards":70,"contacts":["#,
            r#"{{"display":null,"uri":"sip:bob@192.0.2.4","q":0.7,"expires":60,"params":{{"q":"0.7","Expires":"60","flag":null}}}},"#,
            r#"{{"display":null,"uri":"sip:bob@192.0.2.5","q":null,"expires":null,"params":{{}}}}],"contact_star":false,"#,
            r#""routes":["sip:edge.example;lr","sip:core.example;lr"],"record_routes":["sip:r1.example;lr"],"#,
            r#""paths":["sip:p1.example;lr"],"expires":7200,"content_length":4,"body_bytes":4,"trailing_bytes":4,"headers":["#,
        ),
        path
    );
    let printed = text(run(&[&path]));
    assert!(printed.starts_with(&expected), "{printed}\n{expected}");
    let line: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), FIELDS);
}

#[test]
fn header_fields_keep_their_names_and_lose_their_folds() {
    let line = line("headers", REGISTER);
    let headers = line["headers"].as_array().unwrap();
    assert_eq!(headers[4], json!(["CSeq", "0001826 REGISTER"]));
    assert_eq!(headers[1], json!(["t", "\"Bob \\\"the\\\" Builder\" <sip:bob@biloxi.example>"]));
    // The line that starts with no white space is no fold, nor a header field.
    assert_eq!(headers[11], json!(["Subject", "a b"]));
    assert_eq!(headers[12], json!(["l", "4"]));
    assert_eq!((&line["answer"], &line["error"]), (&json!(400), &json!("Bad Header Field")));
}

#[test]
fn bytes_that_are_no_text_are_shown_as_such() {
    let message = OPTIONS.replace("Call-ID: a84b4c76e66710", "Call-ID: \u{fffe}");
    let mut message = message.into_bytes();
    let at = message.windows(3).position(|bytes| bytes == "\u{fffe}".as_bytes()).unwrap();
    message[at] = b'a';
    let line = line("lossy", message);
    assert_eq!(line["call_id"], Value::Null);
    assert_eq!(line["headers"][4], json!(["Call-ID", "a\u{fffd}\u{fffd}"]));
    assert_eq!(line["answer"], 400);
    let latin = |name, text: &str| {
        self::line(name, text.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(latin("reason", "SIP/2.0 404 Non trouvé\r\n\r\n")["reason"], Value::Null);
    assert_eq!(latin("id", "OPTIONS sip:h SIP/2.0\r\nCall-ID: a\r\n b\r\n\r\n")["call_id"], Value::Null);
    assert_eq!(latin("uri", "OPTIONS sip:é SIP/2.0\r\n\r\n")["request_uri"], Value::Null);
}

#[test]
fn preferences_are_those_of_the_grammar() {
    let contacts = "Contact: <sip:h>;q=0.333, <sip:h>;q=1.0, <sip:h>;q=.5, <sip:h>;q=1e-1, <sip:h>;q=0.1234, <sip:h>;q=2";
    let line = line("q", OPTIONS.replace("Call-ID", &format!("{contacts}\r\nCall-ID")));
    let q: Vec<_> = line["contacts"].as_array().unwrap().iter().map(|contact| &contact["q"]).collect();
    assert_eq!(q, [&json!(0.333), &json!(1.0), &Value::Null, &Value::Null, &Value::Null, &Value::Null]);
}

#[test]
fn a_response_has_a_status_and_a_reason() {
    let ringing = OPTIONS.replace("OPTIONS sip:bob@biloxi.example SIP/2.0", "SIP/2.0 180 Ringing");
    let told = line("response", &ringing);
    assert_eq!(told["outcome"], "response");
    assert_eq!((&told["status"], &told["reason"]), (&json!(180), &json!("Ringing")));
    assert_eq!((&told["method"], &told["request_uri"]), (&Value::Null, &Value::Null));
    assert_eq!((&told["error"], &told["answer"]), (&Value::Null, &Value::Null));
    assert_eq!(line("no-reason", ringing.replace(" Ringing", " "))["reason"], "");
}

#[test]
fn a_response_that_must_be_discarded_says_why() {
    let response = OPTIONS.replace("OPTIONS sip:bob@biloxi.example SIP/2.0", "SIP/2.0 200 OK");
    let error = |name, from, to| {
        let line = line(name, response.replace(from, to));
        assert_eq!((&line["outcome"], &line["answer"]), (&json!("response"), &Value::Null));
        line["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(error("cseq", "63104", "9292394834772304023312"), "Bad CSeq Header Field");
    assert_eq!(error("via", "Via", "Vib"), "Missing Via Header Field");
    assert_eq!(error("twice", "Call-ID: ", "i: x\r\nCall-ID: "), "Repeated Call-ID Header Field");
    assert_eq!(error("short", "Length: 0", "Length: 1"), "Body Shorter Than Content-Length");
    assert_eq!(error("length", "Length: 0", "Length: x"), "Bad Content-Length Header Field");
}

#[test]
fn what_is_no_message_is_refused_and_has_no_fields() {
    let line = line("refused", "GET / HTTP/1.1\r\n\r\n");
    assert_eq!((&line["outcome"], &line["error"]), (&json!("refused"), &json!("no start line at byte 0")));
    let fields = line.as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), FIELDS);
    assert!(fields.iter().skip(3).all(|(_, value)| value.is_null()), "{line}");
    let large = Folder::new("large");
    let path = large.file("large.sip", OPTIONS.replace("\r\n\r\n", "\r\n\r\nx").repeat(200_000));
    assert_eq!(lines(&[&path])[0]["error"], "message too large at byte 65535");
}

#[test]
fn what_is_absent_or_unreadable_is_null() {
    let bare = line("absent", "OPTIONS sip:h SIP/2.0\r\n\r\n");
    for field in [
        "via",
        "from",
        "to",
        "call_id",
        "cseq",
        "max_forwards",
        "contacts",
        "routes",
        "expires",
        "content_length",
    ] {
        assert_eq!(bare[field], Value::Null, "{field}");
    }
    assert_eq!(
        (&bare["contact_star"], &bare["body_bytes"], &bare["headers"]),
        (&json!(false), &json!(0), &json!([]))
    );
    assert_eq!((&bare["answer"], &bare["error"]), (&json!(400), &json!("Missing Via Header Field")));

    let broken = line(
        "broken",
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a, SIP/2.0/UDP\r\nFrom: \"x <sip:a@h>\r\nTo: <sip:b@h\r\nCSeq: x\r\n\
         Max-Forwards: -1\r\nContact: <sip:a@h>, <a>\r\nRoute: <sip:a>, b\r\nExpires: soon\r\nContent-Length: 1x\r\n\r\nbody",
    );
    for field in
        ["via", "from", "to", "cseq", "max_forwards", "contacts", "routes", "expires", "content_length"]
    {
        assert_eq!(broken[field], Value::Null, "{field}");
    }
    assert_eq!(broken["body_bytes"], 4);
}

#[test]
fn numbers_out_of_range_are_told_as_they_stand_there() {
    let changed = OPTIONS.replace("Max-Forwards: 70", "Max-Forwards: 300\r\nExpires: 99999999999");
    let line = line("numbers", changed);
    assert_eq!((&line["max_forwards"], &line["expires"]), (&json!(300), &json!(99_999_999_999_u64)));
    assert_eq!(line["answer"], 400);
}

#[test]
fn a_star_is_no_address() {
    let line = line("star", OPTIONS.replace("Max-Forwards", "Contact: *\r\nMax-Forwards"));
    assert_eq!((&line["contact_star"], &line["contacts"]), (&json!(true), &json!([])));
}

#[test]
fn folders_are_walked_by_name_and_standard_input_is_read() {
    let folder = Folder::new("walk");
    for name in ["b.sip", "a/z.sip", "a/y/x.sip", "c.sip"] {
        folder.file(name, OPTIONS);
    }
    let root = folder.0.to_str().unwrap();
    let names: Vec<_> = lines(&[root, &format!("{root}/b.sip")])
        .iter()
        .map(|line| line["file"].as_str().unwrap().strip_prefix(root).unwrap().to_owned())
        .collect();
    assert_eq!(names, ["/a/y/x.sip", "/a/z.sip", "/b.sip", "/c.sip", "/b.sip"]);

    let piped = values(&text(run_with(&["-"], OPTIONS.as_bytes())));
    assert_eq!((&piped[0]["file"], &piped[0]["method"]), (&json!("-"), &json!("OPTIONS")));
}

#[test]
fn a_path_that_cannot_be_read_is_told_and_the_others_are_read() {
    let folder = Folder::new("missing");
    let (here, missing) = (folder.file("here.sip", OPTIONS), format!("{}/missing", folder.0.display()));
    let output = run(&[&missing, &here]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(values(&String::from_utf8(output.stdout).unwrap()).len(), 1);
    assert_eq!(
        complaint(&[&missing]),
        (format!("inspect: {missing}: No such file or directory (os error 2)"), Some(1))
    );
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    let wrong = |args: &[&str]| {
        let (text, status) = complaint(args);
        assert_eq!(status, Some(2));
        text
    };
    assert_eq!(wrong(&[]), "inspect: nothing to inspect: name a file or a folder; --help tells more");
    assert_eq!(wrong(&["--jsno", "x"]), "inspect: unknown argument \"--jsno\"; --help lists what there is");
    assert_eq!(wrong(&["--pcap", "--stream", "x"]), "inspect: a file is a stream or a capture, not both");
    assert!(text(run(&["--help"])).contains("\nUsage: inspect "));
    assert!(text(run(&["--version"])).starts_with("inspect "));
}
