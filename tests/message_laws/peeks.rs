//! The laws of peeks: where the whole of a header field can be read, they find what reading finds.

use proptest::prelude::*;
use proptest::sample::select;
use sip_survivability::message::Message;

const PARAMS: &[&str] = &[
    ";branch=z9hG4bK1",
    ";BRANCH=b",
    " ;\t branch = c ",
    ";branch=\"d\"",
    ";branch",
    ";branches=e",
    ";tag=1",
    ";TAG=2",
    "; tag\r\n =3",
    ";tag",
    ";tags=4",
    ";x=\"a;tag=no;branch=no,\\\" <\"",
    ";x=[::1]",
    ";rport",
    ";",
    ";tag=",
    ",",
];

fn params() -> impl Strategy<Value = String> {
    prop::collection::vec(select(PARAMS), 0..5).prop_map(|params| params.concat())
}

fn vias() -> impl Strategy<Value = String> {
    let via = (select(&["SIP/2.0/UDP h", "SIP / 2.0 / TCP [::1] : 5", "SIP/2.0/UDP h:1"][..]), params());
    let via = via.prop_map(|(sent_by, params)| format!("{sent_by}{params}"));
    prop::collection::vec(via, 1..4).prop_map(|vias| vias.join(" , "))
}

fn address() -> impl Strategy<Value = String> {
    let uris = [
        "<sip:a@h>",
        "<sip:a@h;tag=no>",
        "A B <sip:h>",
        "\"a>b;tag=no\" <sip:h>",
        "\"\\\";tag=no\"<sip:h>",
        "sip:a@h",
        "\r\n <sip:h>",
    ];
    (select(uris.to_vec()), params()).prop_map(|(uri, params)| format!("{uri}{params}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn a_peek_finds_what_reading_finds(vias in vias(), from in address(), to in address()) {
        let text = format!("OPTIONS sip:h SIP/2.0\r\nVia: {vias}\r\nf:{from}\r\nTo : {to}\r\n\r\n");
        let message = Message::parse(text.clone()).unwrap();
        let head = message.head();
        if let Ok(via) = head.top_via() {
            prop_assert_eq!(head.top_branch(), via.branch(), "{}", &text);
        }
        if let Ok(from) = head.from() {
            prop_assert_eq!(head.from_tag(), from.tag(), "{}", &text);
        }
        if let Ok(to) = head.to() {
            prop_assert_eq!(head.to_tag(), to.tag(), "{}", &text);
        }
    }
}
