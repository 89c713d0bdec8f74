//! RFC 5118: IPv6 in every place, and every fact about it.

use crate::element::{Role, outcome};
use crate::facts;
use crate::support::*;
use std::fs;

/// RFC 5118, where our answer is not the one that the table asks for.
const IPV6: &Exceptions = &[];

#[test]
fn the_ipv6_messages_are_judged_and_every_fact_is_read() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("rfc5118");
    let (mut verdicts, mut facts) = (Vec::new(), 0);
    for row in rows(&folder.join("expected.tsv")) {
        let [archived, _, class, grammar, _, told] = &row[..] else { panic!("{row:?}") };
        let name = archived.replace(".dat", ".sip");
        let bytes = fs::read(folder.join(&name)).unwrap();
        let crlf = outcome(&bytes, Role::Proxy);
        // The archive has its lines end in LF, which changes nothing but the length of the body.
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lf = format!("{}\n\n{body}", head.replace("\r\n", "\n"));
        let agrees = match (class.as_str(), grammar.as_str()) {
            (_, "may accept") => true,
            ("invalid", "reject") => crlf.starts_with("400"),
            ("valid" | "robustness", "accept") => crlf == "fine",
            other => panic!("{other:?}"),
        };
        verdicts.push((
            name.clone(),
            format!("{grammar}: {crlf}"),
            agrees && crlf == outcome(lf.as_bytes(), Role::Proxy),
        ));
        facts += facts::check(&name, &bytes, told);
    }
    let agree = judge(&verdicts, IPV6);
    say(&format!("rfc5118: {agree} of {} as expected, {facts} facts", verdicts.len()));
}
