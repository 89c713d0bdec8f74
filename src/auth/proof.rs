//! The digest itself: `response` and `rspauth` (RFC 7616 3.4.1 to 3.4.3 and 3.5), from H(A1) and what is sent in clear.

use super::{Algorithm, Hex};
use std::fmt;

/// H(A1), the hash of user, realm and password: all that a server needs, and all that a thief needs (RFC 7616 5.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: Hex,
}

impl Ha1 {
    /// Of a password: `A1 = unq(username) ":" unq(realm) ":" passwd` (RFC 7616 3.4.2).
    #[must_use]
    pub fn new(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Self {
        let parts = [user, realm, password].map(str::as_bytes);
        Self { algorithm, hex: algorithm.hash(&parts) }
    }

    /// From its digits, as `htdigest` writes them; none if they are not as many as `algorithm` has.
    #[must_use]
    pub fn parse(algorithm: Algorithm, digits: &str) -> Option<Self> {
        Some(Self { algorithm, hex: Hex::parse(algorithm, digits)? })
    }

    /// Nobody's: no password hashes to it.
    pub(super) const fn nobody(algorithm: Algorithm) -> Self {
        Self { algorithm, hex: Hex::none(algorithm) }
    }

    /// What it was made with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Without the digits, which are as good as the password.
impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({}, ..)", self.algorithm)
    }
}

/// What a response is made of besides [`Ha1`]. Each text as it is sent, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the RFC's formula has these terms")]
pub struct Proof<'a> {
    /// The method, as the request line has it.
    pub method: &'a str,
    /// The parameter `uri`.
    pub uri: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// What else goes in.
    pub protection: Protection<'a>,
}

/// How far a response protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "with qop or without is all there is")]
pub enum Protection<'a> {
    /// Without `qop`, as RFC 2069 has it. There is no session variant: it needs a cnonce (RFC 3261 22.4 item 8).
    Plain,
    /// With `qop`.
    Counted {
        /// `auth` or `auth-int`.
        qop: &'a str,
        /// The nonce count, eight hexadecimal digits.
        nc: &'a str,
        /// The client's nonce.
        cnonce: &'a str,
        /// The body, where `qop` is `auth-int`.
        body: Option<&'a [u8]>,
        /// Whether the algorithm is the session variant, `-sess`.
        is_session: bool,
    },
}

impl Proof<'_> {
    /// What proves that the client knows the password: the parameter `response` (RFC 7616 3.4.1).
    #[must_use]
    pub fn response(&self, ha1: &Ha1) -> Hex {
        self.digest(ha1, self.method)
    }

    /// What proves that the server does: `rspauth` of Authentication-Info, where A2 begins with the colon (RFC 7616 3.5).
    /// The body is that of the server's response then.
    #[must_use]
    pub fn rspauth(&self, ha1: &Ha1) -> Hex {
        self.digest(ha1, "")
    }

    fn digest(&self, ha1: &Ha1, method: &str) -> Hex {
        let algorithm = ha1.algorithm;
        let (method, uri, nonce) = (method.as_bytes(), self.uri.as_bytes(), self.nonce.as_bytes());
        match self.protection {
            // RFC 2617 3.2.2.1, "for compatibility with an older implementation of RFC 2069".
            Protection::Plain => {
                let ha2 = algorithm.hash(&[method, uri]);
                algorithm.hash(&[ha1.hex.as_bytes(), nonce, ha2.as_bytes()])
            }
            Protection::Counted { qop, nc, cnonce, body, is_session } => {
                let (qop, nc, cnonce) = (qop.as_bytes(), nc.as_bytes(), cnonce.as_bytes());
                // RFC 7616 3.4.2.
                let secret =
                    if is_session { algorithm.hash(&[ha1.hex.as_bytes(), nonce, cnonce]) } else { ha1.hex };
                // RFC 7616 3.4.3; a message without body has the hash of nothing (RFC 8760 2.6 item 7).
                let ha2 = match body {
                    Some(body) => algorithm.hash(&[method, uri, algorithm.hash(&[body]).as_bytes()]),
                    None => algorithm.hash(&[method, uri]),
                };
                algorithm.hash(&[secret.as_bytes(), nonce, nc, cnonce, qop, ha2.as_bytes()])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: Proof<'_> = Proof {
        method: "INVITE",
        uri: "sip:bob@biloxi.com",
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        protection: Protection::Counted {
            qop: "auth",
            nc: "00000001",
            cnonce: "0a4f113b",
            body: None,
            is_session: false,
        },
    };

    /// Made with another implementation, from the values of RFC 3261 22.2.
    #[test]
    fn a_response_is_that_of_the_formula() {
        let ha1 = |algorithm| Ha1::new(algorithm, "bob", "biloxi.com", "zanzibar");
        assert_eq!(PROOF.response(&ha1(Algorithm::Md5)).as_str(), "89eb0059246c02b2f6ee02c7961d5ea3");
        assert_eq!(
            PROOF.response(&ha1(Algorithm::Sha512_256)).as_str(),
            "7f1a09de0f19af0a1eac2b28d33e3f2fb89cca1ad8fb01bba5e1883b288bac14"
        );
        assert_ne!(PROOF.rspauth(&ha1(Algorithm::Md5)), PROOF.response(&ha1(Algorithm::Md5)));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let ha1 = Ha1::new(Algorithm::Md5, "bob", "biloxi.com", "zanzibar");
        assert_eq!(format!("{ha1:?}"), "Ha1(MD5, ..)");
        assert_eq!(Ha1::parse(Algorithm::Md5, "12AF60467A33E8518DA5C68BBFF12B11"), Some(ha1));
        assert_eq!(Ha1::parse(Algorithm::Sha256, "12af60467a33e8518da5c68bbff12b11"), None);
    }
}
