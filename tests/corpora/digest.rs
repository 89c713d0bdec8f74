//! Digests that others made of known parts.

use crate::support::{corpora, rows, say};
use sip_survivability::auth::{Algorithm, Ha1, Proof, Protection};

/// `response`, made again from what each row says went into it.
#[test]
fn digests_are_what_others_made_of_the_same() {
    let Some(corpora) = corpora() else { return };
    let rows = rows(&corpora.join("digest/vectors.tsv"));
    for row in &rows {
        let [
            id,
            _,
            algorithm,
            user,
            realm,
            password,
            method,
            uri,
            nonce,
            nc,
            cnonce,
            qop,
            body,
            ha1,
            _,
            expected,
            _,
        ] = &row[..]
        else {
            panic!("{row:?}")
        };
        let (algorithm, is_session) = Algorithm::parse_variant(algorithm).unwrap();
        let secret = Ha1::new(algorithm, user, realm, password);
        // The row of a session has the session's own.
        assert!(is_session || Ha1::parse(algorithm, ha1) == Some(secret), "{id}");
        let body = (qop == "auth-int").then_some(body.as_bytes());
        let counted = Protection::Counted { qop, nc, cnonce, body, is_session };
        let protection = if qop.is_empty() { Protection::Plain } else { counted };
        let proof = Proof { method, uri, nonce, protection };
        assert_eq!(proof.response(&secret).as_str(), expected, "{id}");
    }
    say(&format!("digest: {0} of {0} agree", rows.len()));
}
