//! The client's side: answering a challenge (RFC 7616 3.4, RFC 8760 2.4).

use super::{Algorithm, Ha1, Proof, Protection};
use crate::headers::{Auth, AuthParams, Quoted, unquoted};
use crate::rng::Token;
use std::fmt::Write as _;

/// An authentication session: it begins with a challenge, and lasts until the next one (RFC 7616 3.6).
#[derive(Clone, Debug)]
pub struct Session {
    user: String,
    ha1: Ha1,
    realm: String,
    nonce: String,
    /// "The values of the opaque and algorithm fields must be those supplied" (RFC 7616 3.4): as written.
    opaque: Option<String>,
    algorithm: Option<String>,
    is_session: bool,
    qop: Qop,
    /// The same for the whole session, on which the session variants depend (RFC 7616 3.4.2).
    cnonce: Token,
    count: u32,
}

/// The protection that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Qop {
    /// The server speaks RFC 2069.
    None,
    Auth,
    AuthInt,
}

impl Qop {
    /// The one to use of those offered. `auth` first: on their way, bodies are changed by more than by attackers.
    fn of(challenge: &Auth<'_>) -> Option<Self> {
        let offers = |name: &str| challenge.qop().any(|word| word.eq_ignore_ascii_case(name));
        match (offers("auth"), offers("auth-int")) {
            (true, _) => Some(Self::Auth),
            (false, true) => Some(Self::AuthInt),
            // RFC 7616 3.3: "Unrecognized options MUST be ignored".
            (false, false) => challenge.qop().next().is_none().then_some(Self::None),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

impl Session {
    /// Takes the topmost of `challenges` that can be answered (RFC 8760 2.4). `ha1_of` has the passwords, by realm; `cnonce` must
    /// not be guessed.
    ///
    /// Where credentials have just been rejected, a challenge is worth an answer only if it
    /// [is stale](Auth::is_stale) (RFC 3261 22.1).
    pub fn open<'a>(
        challenges: impl IntoIterator<Item = Auth<'a>>,
        user: &str,
        ha1_of: impl Fn(&str, Algorithm) -> Option<Ha1>,
        cnonce: Token,
    ) -> Option<Self> {
        challenges.into_iter().find_map(|challenge| Self::answering(&challenge, user, &ha1_of, cnonce))
    }

    fn answering(
        challenge: &Auth<'_>,
        user: &str,
        ha1_of: &impl Fn(&str, Algorithm) -> Option<Ha1>,
        cnonce: Token,
    ) -> Option<Self> {
        if !challenge.is_digest() {
            return None;
        }
        let (realm, nonce) = (challenge.realm()?, challenge.nonce()?);
        let (algorithm, is_session) = Algorithm::parse_variant(&challenge.algorithm())?;
        let qop = Qop::of(challenge)?;
        if is_session && qop == Qop::None {
            return None;
        }
        Some(Self {
            ha1: ha1_of(&realm, algorithm).filter(|ha1| ha1.algorithm() == algorithm)?,
            user: user.to_owned(),
            realm: realm.into_owned(),
            nonce: nonce.into_owned(),
            opaque: challenge.params.find("opaque").map(|text| unquoted(text).into_owned()),
            algorithm: challenge.params.find("algorithm").map(|text| unquoted(text).into_owned()),
            is_session,
            qop,
            cnonce,
            count: 0,
        })
    }

    /// The credentials for one more request: the value of Authorization or Proxy-Authorization.
    pub fn answer(&mut self, method: &str, uri: &str, body: &[u8]) -> String {
        self.count = self.count.saturating_add(1);
        let nc = self.nc();
        let response = self.proof(method, uri, body, &nc).response(&self.ha1);
        let mut text = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            Quoted(&self.user),
            Quoted(&self.realm),
            Quoted(&self.nonce),
            Quoted(uri),
        );
        // Writing to a String cannot fail. What RFC 7616 3.4 wants without quotes has none.
        if let Some(algorithm) = &self.algorithm {
            let _ = write!(text, ", algorithm={algorithm}");
        }
        if self.qop != Qop::None {
            let _ = write!(text, ", qop={}, nc={nc}, cnonce=\"{}\"", self.qop.name(), self.cnonce);
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(text, ", opaque={}", Quoted(opaque));
        }
        text
    }

    /// Takes in the Authentication-Info of the 2xx with `body` to the request for `uri` that was answered for last. Whether the
    /// server has proved to know the password. A next nonce is taken, unless the proof is wrong.
    pub fn on_info(&mut self, info: &AuthParams<'_>, uri: &str, body: &[u8]) -> bool {
        let expected = self.proof("", uri, body, &self.nc()).rspauth(&self.ha1);
        let given = info.text("rspauth");
        let proved = given.as_ref().is_some_and(|given| {
            super::Hex::parse(self.ha1.algorithm(), given).is_some_and(|given| given == expected)
        });
        if let Some(next) = info.text("nextnonce").filter(|_| proved || given.is_none()) {
            self.nonce = next.into_owned();
            self.count = 0;
        }
        proved
    }

    fn nc(&self) -> String {
        format!("{:08x}", self.count)
    }

    fn proof<'p>(&'p self, method: &'p str, uri: &'p str, body: &'p [u8], nc: &'p str) -> Proof<'p> {
        let counted = Protection::Counted {
            qop: self.qop.name(),
            nc,
            cnonce: self.cnonce.as_str(),
            body: (self.qop == Qop::AuthInt).then_some(body),
            is_session: self.is_session,
        };
        let protection = if self.qop == Qop::None { Protection::Plain } else { counted };
        Proof { method, uri, nonce: &self.nonce, protection }
    }
}
