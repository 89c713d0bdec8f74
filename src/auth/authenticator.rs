//! The server's side: challenge, check, confirm.

use super::challenge::{Challenge, Realm, Role};
use super::credentials::{Counted, Credentials, Improper};
use super::nonce::{Issue, Mint};
use super::replay::Replay;
use super::{Algorithm, Ha1};
use crate::headers::{Auth, Quoted};
use crate::message::Request;
use crate::time::Instant;
use crate::uri::{AorKey, HomeHosts, Uri};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// What an [`Authenticator`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// The protection domain.
    pub realm: Realm,
    /// What is offered, in this order, and taken. A client may take any, so each user needs an [`Ha1`] of each.
    /// Default: SHA-256 and MD5. None: nobody gets in.
    pub algorithms: BTreeSet<Algorithm>,
    /// How long a nonce is good for. Default: 5 min.
    pub nonce_lifetime: Duration,
    /// How many used nonces are remembered at most, some 50 bytes each. Default: 100,000.
    pub max_nonces: usize,
    /// Whether credentials without `qop`, as RFC 2069 has them, are refused. "SIP servers [...] MUST ensure they are backwards
    /// compatible" (RFC 3261 22.4), so the default is false; since nothing counts their requests, each needs a nonce of its own.
    pub require_qop: bool,
    /// How the parameter `uri` has to agree with the Request-URI. Default: a user in it has to be the same.
    pub digest_uri: DigestUri,
}

impl Policy {
    /// The defaults, for `realm`.
    #[must_use]
    pub fn new(realm: Realm) -> Self {
        Self {
            realm,
            algorithms: [Algorithm::Sha256, Algorithm::Md5].into(),
            nonce_lifetime: Duration::from_mins(5),
            max_nonces: 100_000,
            require_qop: false,
            digest_uri: DigestUri::SameUser,
        }
    }
}

/// How the parameter `uri` of credentials has to agree with the Request-URI.
///
/// RFC 3261 22.4 item 6 and RFC 8760 2.6 item 6: proxies rewrite the Request-URI, so that the two need not be equivalent; but what
/// stands there has to be something that the server is willing to serve, or credentials for one call would do for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestUri {
    /// A user that it names is that of the Request-URI. Host, port and parameters may differ, since one server has many names;
    /// and some clients name the server alone, whomever they call.
    #[default]
    SameUser,
    /// They are equivalent (RFC 3261 19.1.4).
    Equivalent,
    /// Whatever it is, only the response is checked.
    Any,
}

impl DigestUri {
    fn agrees(self, digest: &str, request: &str) -> bool {
        if self == Self::Any || digest == request {
            return true;
        }
        let (Ok(digest), Ok(request)) = (Uri::parse(digest), Uri::parse(request)) else {
            return false;
        };
        match self {
            Self::Any => true,
            Self::Equivalent => digest.equivalent(&request),
            Self::SameUser => {
                let key = |uri| AorKey::of(uri, &HomeHosts::default());
                let (named, asked) = (key(&digest), key(&request));
                named.is_none_or(|named| asked.is_some_and(|asked| asked.user() == named.user()))
            }
        }
    }
}

/// What a request's credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "in, once more, or no")]
#[expect(
    clippy::large_enum_variant,
    reason = "made once, looked at where it lies, and most often the large one"
)]
pub enum Verdict<'r> {
    /// The password is right, and the request is no replay.
    Accepted(Accepted<'r>),
    /// Answer with [`Role::status`] and [`Authenticator::challenges`].
    Challenge(Unproven),
    /// Answer 400.
    Refused(Improper),
}

/// Why a request is challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the standard knows these")]
pub enum Unproven {
    /// There are no credentials for our realm that could be checked.
    Missing,
    /// The user is unknown or the password wrong; nobody is told which. A failure to be logged (RFC 7616 3.4).
    Wrong,
    /// The password is right, but the nonce is too old, used already, or none of ours for this source. The client tries
    /// again by itself, "without re-prompting the user" (RFC 7616 3.3). So do clients that come from another server of
    /// the same realm.
    Stale,
}

/// Credentials that proved right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<'r> {
    credentials: Credentials<'r>,
    ha1: Ha1,
    issue: Issue,
}

impl Accepted<'_> {
    /// The user, as the credentials name it.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.credentials.user
    }

    /// What the password was proved with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.ha1.algorithm()
    }
}

/// How many credentials for our realm are looked at in one request: one for each challenge, and one to spare.
const MOST_CREDENTIALS: usize = 4;

/// Nonces forgotten at most with each request, and with each tick.
const FORGOTTEN_WITH_EACH: usize = 2;
const FORGOTTEN_AT_ONCE: usize = 1024;

/// From one tick to the next while there is more to forget.
const SWEEP_PAUSE: Duration = Duration::from_millis(100);

/// Challenges requests, and checks the credentials that come back.
#[derive(Debug)]
pub struct Authenticator {
    policy: Policy,
    mint: Mint,
    replay: Replay,
    sweep_again_at: Instant,
}

impl Authenticator {
    /// With a `secret` that nobody can guess: whoever knows it makes nonces.
    #[must_use]
    pub fn new(policy: Policy, secret: [u8; 32]) -> Self {
        Self {
            mint: Mint::new(secret, policy.realm.as_str()),
            replay: Replay::new(policy.max_nonces.max(1)),
            sweep_again_at: Instant::ZERO,
            policy,
        }
    }

    /// Asks for `policy` from now on, which is for the same realm. Nonces that were given out are good for as long as it says.
    pub(crate) fn set_policy(&mut self, policy: Policy) {
        self.replay.set_most(policy.max_nonces.max(1));
        self.policy = policy;
    }

    /// What is asked for.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Checks the credentials of `request`, which came from `source`.
    ///
    /// `ha1_of` knows the users of the realm. For one that it does not know, the same work is done and the same is answered. Of
    /// several credentials for our realm the first that is right counts (RFC 3261 22.3); those for others are left alone.
    pub fn check<'r>(
        &mut self,
        now: Instant,
        role: Role,
        request: &'r Request,
        source: IpAddr,
        ha1_of: impl Fn(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'r> {
        self.replay.forget(now, self.policy.nonce_lifetime, FORGOTTEN_WITH_EACH);
        let headers = request.all(role.credentials());
        let all = headers.filter_map(|header| Auth::parse(header.value()).ok());
        let realm = self.policy.realm.as_str();
        // Basic is not even read: RFC 3261 22 says that "servers MUST NOT accept" it.
        let ours = all.filter(|auth| auth.is_digest() && auth.realm().is_some_and(|other| other == realm));
        let mut best = Verdict::Challenge(Unproven::Missing);
        for auth in ours.take(MOST_CREDENTIALS).collect::<Vec<_>>() {
            let verdict = self.judge(now, &auth, request, source, &ha1_of);
            if matches!(verdict, Verdict::Accepted(_)) {
                return verdict;
            }
            if verdict.rank() > best.rank() {
                best = verdict;
            }
        }
        best
    }

    fn judge<'r>(
        &mut self,
        now: Instant,
        auth: &Auth<'r>,
        request: &Request,
        source: IpAddr,
        ha1_of: &impl Fn(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'r> {
        let credentials = match Credentials::read(&auth.params) {
            Ok(Some(credentials)) if self.has_offered(&credentials) => credentials,
            Ok(_) => return Verdict::Challenge(Unproven::Missing),
            Err(improper) => return Verdict::Refused(improper),
        };
        let algorithm = credentials.algorithm;
        let known = ha1_of(&credentials.user, algorithm).filter(|ha1| ha1.algorithm() == algorithm);
        // Strangers cost what users cost, so that time does not tell them apart.
        let nobody = Ha1::nobody(algorithm);
        let ha1 = known.unwrap_or(nobody);
        let body = request.body();
        let response = credentials.proof(request.method_str(), &body).response(&ha1);
        let issue = self.mint.read(&credentials.nonce, source);
        if (response != credentials.response) | known.is_none() {
            return Verdict::Challenge(Unproven::Wrong);
        }
        let Some(issue) = issue.filter(|issue| self.is_fresh(*issue, now)) else {
            return Verdict::Challenge(Unproven::Stale);
        };
        if !self.policy.digest_uri.agrees(&credentials.uri, request.uri_str()) {
            return Verdict::Refused(Improper::OtherUri);
        }
        // Last, so that nothing refused uses the count up.
        if !self.replay.admit(issue, credentials.nonce_use()) {
            return Verdict::Challenge(Unproven::Stale);
        }
        Verdict::Accepted(Accepted { credentials, ha1, issue })
    }

    /// RFC 7616 3.4: the algorithm "must be" that of the challenge. A session variant is never offered: checking it needs the
    /// first cnonce of the session (3.4.2), and so a memory of clients.
    fn has_offered(&self, credentials: &Credentials<'_>) -> bool {
        let protected = credentials.counted.is_some() || !self.policy.require_qop;
        self.policy.algorithms.contains(&credentials.algorithm) && !credentials.is_session && protected
    }

    /// One from the future is a sign of time that ran backwards, and as good as expired.
    fn is_fresh(&self, issue: Issue, now: Instant) -> bool {
        issue.at <= now && now < issue.at + self.policy.nonce_lifetime
    }

    /// The challenges for `source`, in the order in which they have to stand (RFC 8760 2.3), each in a header field of its own.
    pub fn challenges(
        &mut self,
        now: Instant,
        source: IpAddr,
        unproven: Unproven,
    ) -> impl Iterator<Item = Challenge<'_>> {
        let nonce = self.mint.issue(now, source);
        let Policy { realm, algorithms, .. } = &self.policy;
        let is_stale = unproven == Unproven::Stale;
        algorithms.iter().map(move |&algorithm| Challenge { realm, nonce, algorithm, is_stale })
    }

    /// Authentication-Info for a 2xx with `body` (RFC 7616 3.5): the proof that we know the password too, and, where the
    /// client's nonce is past half of its life, the next one. None for clients of RFC 2069, which do not know it (RFC 3261 22.4).
    pub fn confirm(
        &mut self,
        now: Instant,
        source: IpAddr,
        accepted: &Accepted<'_>,
        body: &[u8],
    ) -> Option<String> {
        let credentials = &accepted.credentials;
        let Counted { qop, nc, cnonce, .. } = credentials.counted.as_ref()?;
        let rspauth = credentials.proof("", body).rspauth(&accepted.ha1);
        let mut info = format!("qop={qop}, rspauth=\"{rspauth}\", cnonce={}, nc={nc}", Quoted(cnonce));
        if now.since(accepted.issue.at) >= self.policy.nonce_lifetime / 2 {
            info.push_str(", nextnonce=\"");
            info.push_str(self.mint.issue(now, source).as_str());
            info.push('"');
        }
        Some(info)
    }

    /// When to call [`on_tick`](Self::on_tick): there are used nonces to forget. A peek.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.replay.next_expiry(self.policy.nonce_lifetime).map(|expiry| expiry.max(self.sweep_again_at))
    }

    /// Forgets nonces that have expired.
    pub fn on_tick(&mut self, now: Instant) {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.replay.forget(now, self.policy.nonce_lifetime, FORGOTTEN_AT_ONCE);
            self.sweep_again_at = now + SWEEP_PAUSE;
        }
    }

    /// How many used nonces are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.replay.len()
    }
}

impl Verdict<'_> {
    /// Of several verdicts, the one that helps the client most.
    const fn rank(&self) -> u8 {
        match self {
            Self::Accepted(_) => 4,
            Self::Challenge(Unproven::Stale) => 3,
            Self::Refused(_) => 2,
            Self::Challenge(Unproven::Wrong) => 1,
            Self::Challenge(Unproven::Missing) => 0,
        }
    }
}
