//! The credentials of Authorization and Proxy-Authorization, read strictly (RFC 7616 3.4).

use super::replay::Use;
use super::{Algorithm, Hex, Proof, Protection};
use crate::headers::{AuthParams, unquoted};
use std::borrow::Cow;

/// What is improper about credentials: "the proper response is a 4xx error code" (RFC 7616 3.4), which was 400 in RFC 2617 3.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Improper {
    /// A parameter that has to be there is not.
    #[error("Credentials Without {0}")]
    Missing(&'static str),
    /// A parameter stands there twice. Whoever reads the other one would see other credentials.
    #[error("Credentials With Two {0}")]
    Repeated(&'static str),
    /// A parameter has a value that it cannot have.
    #[error("Credentials With Bad {0}")]
    Malformed(&'static str),
    /// They were made for another Request-URI (RFC 7616 3.4.6: "the server SHOULD return a 400").
    #[error("Credentials For Another URI")]
    OtherUri,
}

/// The parameters that count, in the order in which [`Credentials::read`] takes them apart. `realm` is here for its repetition.
const NAMES: [&str; 10] =
    ["realm", "username", "username*", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce"];

/// Credentials that can be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials<'a> {
    pub(super) user: Cow<'a, str>,
    pub(super) nonce: Cow<'a, str>,
    pub(super) uri: Cow<'a, str>,
    pub(super) response: Hex,
    pub(super) algorithm: Algorithm,
    pub(super) is_session: bool,
    pub(super) counted: Option<Counted<'a>>,
}

/// What `qop` brings with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted<'a> {
    pub(super) qop: Cow<'a, str>,
    pub(super) is_integrity: bool,
    pub(super) nc: Cow<'a, str>,
    pub(super) count: u32,
    pub(super) cnonce: Cow<'a, str>,
}

impl<'a> Credentials<'a> {
    /// Reads the parameters. None where there is nothing to check: an algorithm that we do not have, or the empty values of a
    /// client that "has not yet received a challenge" (RFC 8760 2.7).
    pub(super) fn read(params: &AuthParams<'a>) -> Result<Option<Self>, Improper> {
        let mut values = [None; NAMES.len()];
        for (name, value) in params.iter() {
            let known = NAMES.iter().zip(&mut values).find(|(known, _)| known.eq_ignore_ascii_case(name));
            if let Some((known, place)) = known
                && place.replace(value).is_some()
            {
                return Err(Improper::Repeated(known));
            }
        }
        let values = values.map(|value| value.map(unquoted));
        let [_, user, extended, nonce, uri, response, algorithm, qop, nc, cnonce] = values;
        if user.is_some() && extended.is_some() {
            // RFC 7616 3.4: sending both "MUST be treated as an error". SIP needs no `username*`: its quotes hold UTF-8.
            return Err(Improper::Repeated("username"));
        }
        let user = user.ok_or(Improper::Missing("username"))?;
        let nonce = nonce.ok_or(Improper::Missing("nonce"))?;
        let uri = uri.ok_or(Improper::Missing("uri"))?;
        let response = response.ok_or(Improper::Missing("response"))?;
        // RFC 7616 3.3: "If this is not present, it is assumed to be MD5".
        let known = algorithm.map_or(Some((Algorithm::Md5, false)), |name| Algorithm::parse_variant(&name));
        let Some((algorithm, is_session)) = known.filter(|_| !nonce.is_empty() && !response.is_empty())
        else {
            return Ok(None);
        };
        let response = Hex::parse(algorithm, &response).ok_or(Improper::Malformed("response"))?;
        let counted = qop.map(|qop| Counted::read(qop, nc, cnonce)).transpose()?;
        if is_session && counted.is_none() {
            // RFC 3261 22.4 item 8: what depends on the cnonce "require[s] that the qop directive be sent".
            return Err(Improper::Missing("qop"));
        }
        Ok(Some(Self { user, nonce, uri, response, algorithm, is_session, counted }))
    }

    /// What the response was made of, for a request with `method` and `body`.
    pub(super) fn proof<'p>(&'p self, method: &'p str, body: &'p [u8]) -> Proof<'p> {
        let protection = self.counted.as_ref().map_or(Protection::Plain, |counted| Protection::Counted {
            qop: &counted.qop,
            nc: &counted.nc,
            cnonce: &counted.cnonce,
            body: counted.is_integrity.then_some(body),
            is_session: self.is_session,
        });
        Proof { method, uri: &self.uri, nonce: &self.nonce, protection }
    }

    pub(super) fn nonce_use(&self) -> Use {
        self.counted.as_ref().map_or(Use::Once, |counted| Use::Counted(counted.count))
    }
}

impl<'a> Counted<'a> {
    fn read(
        qop: Cow<'a, str>,
        nc: Option<Cow<'a, str>>,
        cnonce: Option<Cow<'a, str>>,
    ) -> Result<Self, Improper> {
        // RFC 7616 3.4: qop "MUST be one of the alternatives" that the challenge offered, as a single token.
        let is_integrity = match &*qop {
            word if word.eq_ignore_ascii_case("auth") => false,
            word if word.eq_ignore_ascii_case("auth-int") => true,
            _ => return Err(Improper::Malformed("qop")),
        };
        let nc = nc.ok_or(Improper::Missing("nc"))?;
        let cnonce = cnonce.ok_or(Improper::Missing("cnonce"))?;
        // RFC 3261 25.1: `nc-value = 8LHEX`. from_str_radix alone would take a sign.
        let digits = nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count = u32::from_str_radix(&nc, 16).ok().filter(|_| digits);
        let count = count.ok_or(Improper::Malformed("nc"))?;
        Ok(Self { qop, is_integrity, nc, count, cnonce })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", \
        response=\"89eb0059246c02b2f6ee02c7961d5ea3\", qop=auth, nc=0000000A, cnonce=\"c\"";

    fn read(text: &str) -> Result<Option<Credentials<'_>>, Improper> {
        Credentials::read(&AuthParams::parse(text).unwrap())
    }

    #[test]
    fn values_are_read_with_and_without_quotes_and_escapes() {
        let credentials = read(GOOD).unwrap().unwrap();
        assert_eq!((credentials.algorithm, credentials.is_session), (Algorithm::Md5, false));
        assert_eq!(credentials.nonce_use(), Use::Counted(10));
        let loose = GOOD
            .replace("qop=auth", "QOP = \"auth\"")
            .replace("nc=0000000A", "nc=\"0000000A\"")
            .replace("\"sip:r\"", "sip:r")
            .replace("89eb", "89EB")
            .replace("\"bob\"", "\"b\\ob\"");
        assert_eq!(read(&loose).unwrap().unwrap(), credentials);
    }

    #[test]
    fn what_is_improper_is_named() {
        let improper = |from: &str, to: &str| read(&GOOD.replace(from, to)).unwrap_err();
        assert_eq!(improper("username=", "user="), Improper::Missing("username"));
        assert_eq!(improper("uri=", "url="), Improper::Missing("uri"));
        assert_eq!(improper("nonce=\"n\", ", ""), Improper::Missing("nonce"));
        assert_eq!(improper("response=", "answer="), Improper::Missing("response"));
        assert_eq!(improper("nc=0000000A, ", ""), Improper::Missing("nc"));
        assert_eq!(improper(", cnonce=\"c\"", ""), Improper::Missing("cnonce"));
        assert_eq!(improper("qop=auth, ", "algorithm=MD5-sess, "), Improper::Missing("qop"));
        assert_eq!(improper("qop=auth", "qop=auth, Realm=\"x\""), Improper::Repeated("realm"));
        assert_eq!(improper("qop=auth", "qop=auth, username*=UTF-8''bob"), Improper::Repeated("username"));
        assert_eq!(improper("qop=auth", "qop=auth-conf"), Improper::Malformed("qop"));
        assert_eq!(improper("nc=0000000A", "nc=+000000A"), Improper::Malformed("nc"));
        assert_eq!(improper("nc=0000000A", "nc=A"), Improper::Malformed("nc"));
        assert_eq!(improper("89eb", "89e"), Improper::Malformed("response"));
        assert_eq!(Improper::Missing("nc").to_string(), "Credentials Without nc");
    }

    #[test]
    fn there_may_be_nothing_to_check() {
        for (from, to) in [
            ("qop=auth", "qop=auth, algorithm=SHA-1"),
            ("\"89eb0059246c02b2f6ee02c7961d5ea3\"", "\"\""),
            ("nonce=\"n\"", "nonce=\"\""),
        ] {
            assert_eq!(read(&GOOD.replace(from, to)), Ok(None), "{to}");
        }
        let plain = GOOD.replace("qop=auth, ", "");
        assert_eq!(read(&plain).unwrap().unwrap().nonce_use(), Use::Once);
    }
}
