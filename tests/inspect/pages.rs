//! What people read.

use super::{Folder, OPTIONS, run, text, wire};

#[test]
fn a_message_is_a_page_with_a_mark_under_each_fault() {
    let folder = Folder::new("page");
    let message =
        OPTIONS.replace("To: <sip:bob@biloxi.example>", "To: \"Bob <sip:bob@biloxi.example>").replace(
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nContact: <sip:alice@192.0.2.1>;q=0.5\r\nDate: tomorrow",
        );
    let path = folder.file("page.sip", message);
    let expected = format!(
        "{path}
OPTIONS sip:bob@biloxi.example
  from      Alice <sip:alice@atlanta.example>, tag 1928301774
  via       UDP pc33.atlanta.example, branch z9hG4bKhjhs8ass877
  contact   sip:alice@192.0.2.1, q 0.5
  call      a84b4c76e66710, CSeq 63104 OPTIONS, 70 hops left
  wrong     a proxy answers 400 Bad To Header Field
            Date: tomorrow
                  ^ bad syntax
            To: \"Bob <sip:bob@biloxi.example>
                ^ bad syntax

"
    );
    assert_eq!(text(run(&["--pretty", &path])), expected);
}

#[test]
fn what_is_no_message_is_shown_where_it_goes_wrong() {
    let folder = Folder::new("refused-page");
    let path = folder.file("x.sip", "SIP/2.0 4294967301 better not\r\n\r\n");
    let page = text(run(&["--pretty", &path]));
    assert!(page.contains("wrong     no message: bad status code at byte 8\n"), "{page}");
    assert!(
        page.contains("            SIP/2.0 4294967301 better not·\n                    ^ here\n"),
        "{page}"
    );
}

#[test]
fn nothing_in_a_message_reaches_the_terminal_as_a_command() {
    let folder = Folder::new("escape");
    let nasty = OPTIONS.replace("Alice", "\"\x1b[2J\x07\"").replace("a84b4c76e66710", "\x1b[31m");
    for page in [
        text(run(&["--pretty", &folder.file("nasty.sip", &nasty)])),
        text(run(&["--pretty", "--pcap", &folder.file("nasty.pcap", wire::datagrams(&[nasty.as_bytes()]))])),
    ] {
        assert!(!page.contains(['\x1b', '\x07']), "{page:?}");
    }
}

#[test]
fn a_capture_is_a_ladder_for_each_call() {
    let folder = Folder::new("ladder");
    let ringing = OPTIONS.replace("OPTIONS sip:bob@biloxi.example SIP/2.0", "SIP/2.0 180 Ringing");
    let packets = [
        (0, wire::udp_packet("192.0.2.1:5060", "192.0.2.2:5060", OPTIONS.as_bytes())),
        (1_500_000, wire::udp_packet("192.0.2.2:5060", "192.0.2.1:5060", ringing.as_bytes())),
        (
            2_000_000,
            wire::udp_packet("192.0.2.2:5060", "192.0.2.3:5060", OPTIONS.replace("Via", "Vib").as_bytes()),
        ),
    ];
    let page = text(run(&["--pretty", "--pcap", &folder.file("call.pcap", wire::pcap(&packets))]));
    let expected = "\
Call a84b4c76e66710
           192.0.2.1:5060                    192.0.2.2:5060                    192.0.2.3:5060
1970-01-01
00:00:00.000000   │─ OPTIONS bob ──────────────────>│                                 │
00:00:01.500000   │<──────── 180 Ringing (OPTIONS) ─│                                 │
00:00:02.000000   │                                 │─ OPTIONS bob ──────────────────>│
                    ! a proxy answers 400 Missing Via Header Field

";
    assert_eq!(page, expected);
}
