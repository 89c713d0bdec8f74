//! Messages that must be refused, and messages that must not.

use crate::element::{Role, outcome};
use crate::support::*;
use std::fs;

/// A torture suite whose index says what must be refused.
const MALFORMED: &Exceptions = &[
    (&["024.sip"], "the file's CSeq does match its method"),
    (&["376.sip"], "a Date that nobody uses is no reason to refuse, RFC 4475 3.1.2.12"),
    (&["364.sip"], "the file holds `<hex>20</hex>` where it means a space"),
];

#[test]
fn the_malformed_messages() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("malformed/jain-torture");
    let mut verdicts = Vec::new();
    for row in rows(&folder.join("INDEX.tsv")) {
        let [name, expectation, why, ..] = &row[..] else { panic!("{row:?}") };
        let got = outcome(&fs::read(folder.join(name)).unwrap(), Role::Proxy);
        // What parses need not be fine: the suite's other messages are partly those of RFC 2543.
        let agrees = if expectation == "should-parse" { got != "refused" } else { got != "fine" };
        verdicts.push((name.clone(), format!("{expectation} {why}: {got}"), agrees));
    }
    let agree = judge(&verdicts, MALFORMED);
    say(&format!("malformed: {agree} of {} as expected", verdicts.len()));
}
