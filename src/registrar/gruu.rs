//! Globally routable user agent URIs (RFC 5627): names for one instance of an address of record.
//!
//! A public one is the address of record with `gr` and the instance (appendix A.1): nothing is kept for it. A temporary one is
//! opaque: a user part that only we can read, which leads to the address of record and to the era of the instance. The era is a
//! number that each binding of the instance has; it ends when the last of them does, or when a REGISTER of the instance comes
//! with another Call-ID (5.1), and with it all temporary GRUUs that were ever made in it, however many (5.3, appendix A.2).

use super::binding::Binding;
use crate::transport::{from_base64, push_base64};
use crate::uri::{Component, Uri, escape};
use ctutils::CtEq as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;

/// What the user part of a temporary GRUU starts with.
const MARK: &str = "tgruu.";
/// In bytes: what makes each one different, what it says, what signs it.
const SALT: usize = 12;
const SAYS: usize = 20;
const MAC: usize = 10;

/// What a temporary GRUU of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Temporary {
    /// The key of the address of record, hashed in two parts.
    pub(super) coarse: u32,
    pub(super) fine: u64,
    /// The era of the instance.
    pub(super) era: u64,
}

/// Makes temporary GRUUs, and reads them.
///
/// The text is encrypted by adding what HMAC-SHA-256 makes of a salt that is new each time, and signed by another one. So two of them
/// do not tell whether they are of one instance (5.1), and none can be made by others.
pub(super) struct Mint {
    cipher: Hmac<Sha256>,
    signer: Hmac<Sha256>,
    salter: Hmac<Sha256>,
    serial: u64,
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mint({})", self.serial)
    }
}

/// Which time GRUUs were made: all of one instance in one answer are the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issue(u64);

impl Mint {
    pub(super) fn new(secret: [u64; 2]) -> Self {
        let mut block = [0; 64];
        let secret = secret.iter().flat_map(|part| part.to_be_bytes());
        for (byte, secret) in block.iter_mut().zip(secret) {
            *byte = secret;
        }
        let of = |use_: &str| Hmac::<Sha256>::new(&block.into()).chain_update(use_);
        Self { cipher: of("gruu cipher"), signer: of("gruu signer"), salter: of("gruu salter"), serial: 0 }
    }

    /// For the answer to another REGISTER.
    pub(super) const fn issue(&mut self) -> Issue {
        self.serial += 1;
        Issue(self.serial)
    }

    /// The user part of a temporary GRUU.
    pub(super) fn temporary(&self, issue: Issue, says: Temporary) -> String {
        let salter =
            self.salter.clone().chain_update(issue.0.to_be_bytes()).chain_update(says.era.to_be_bytes());
        let mut sealed: Vec<u8> = salter.finalize().into_bytes().iter().copied().take(SALT).collect();
        let mut plain = Vec::with_capacity(SAYS);
        plain.extend(says.coarse.to_be_bytes());
        plain.extend(says.fine.to_be_bytes());
        plain.extend(says.era.to_be_bytes());
        let crypt = self.crypt(&sealed, &plain);
        sealed.extend(crypt);
        let mac = self.signer.clone().chain_update(&sealed).finalize().into_bytes();
        sealed.extend(mac.iter().take(MAC));
        let mut text = String::from(MARK);
        push_base64(&mut text, &sealed);
        text
    }

    /// What the user part `user` says, if we have made it.
    pub(super) fn read(&self, user: &str) -> Option<Temporary> {
        let sealed =
            from_base64(user.strip_prefix(MARK)?).filter(|sealed| sealed.len() == SALT + SAYS + MAC)?;
        let (content, mac) = sealed.split_at_checked(SALT + SAYS)?;
        let ours = self.signer.clone().chain_update(content).finalize().into_bytes();
        if !ours.get(..MAC)?.ct_eq(mac).to_bool() {
            return None;
        }
        let (salt, crypt) = content.split_at_checked(SALT)?;
        let plain = self.crypt(salt, crypt);
        Some(Temporary {
            coarse: u32::from_be_bytes(plain.get(..4)?.try_into().ok()?),
            fine: u64::from_be_bytes(plain.get(4..12)?.try_into().ok()?),
            era: u64::from_be_bytes(plain.get(12..20)?.try_into().ok()?),
        })
    }

    fn crypt(&self, salt: &[u8], text: &[u8]) -> Vec<u8> {
        let stream = self.cipher.clone().chain_update(salt).finalize().into_bytes();
        text.iter().zip(stream).map(|(byte, mask)| byte ^ mask).collect()
    }
}

/// The public GRUU of `binding`: "adding the "gr" URI parameter, with a value, to the AOR" (RFC 5627 5.1). None where it has no instance,
/// or an address of record that is no SIP URI.
pub(super) fn public(binding: &Binding) -> Option<String> {
    let instance = binding.instance()?;
    sip_aor(binding)?;
    Some(format!("{};gr={}", binding.aor(), escape(instance.as_bytes(), Component::Param)))
}

/// The temporary GRUU of `binding` whose user part is `user`: in the domain of the address of record.
pub(super) fn with_user(binding: &Binding, user: &str) -> Option<String> {
    let (scheme, host) = sip_aor(binding)?;
    Some(format!("{scheme}:{user}@{host};gr"))
}

/// The scheme and the host of an address of record that is a SIP URI.
fn sip_aor(binding: &Binding) -> Option<(&str, &str)> {
    let (scheme, rest) = binding.aor().split_once(':')?;
    let is_sip = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    let (_, host) = rest.rsplit_once('@').filter(|_| is_sip)?;
    Some((scheme, host))
}

/// Whether `uri` may be a GRUU (RFC 5627 3.1), and the value of its `gr`: none for a temporary one.
pub(super) fn gr<'u>(uri: &Uri<'u>) -> Option<Option<&'u str>> {
    if !uri.is_sip() || uri.params_str().is_empty() { None } else { uri.param("gr") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAYS_THIS: Temporary = Temporary { coarse: 7, fine: 1 << 60 | 5, era: 3 };

    /// RFC 5627 5.1: "Given a pair of GRUUs, it MUST be computationally infeasible to determine whether they were issued for the same AOR
    /// or instance ID".
    #[test]
    fn each_time_it_looks_different_and_says_the_same() {
        let mut mint = Mint::new([1, 2]);
        let (a, b) = (mint.issue(), mint.issue());
        let (a, b) = (mint.temporary(a, SAYS_THIS), mint.temporary(b, SAYS_THIS));
        let same = a.bytes().zip(b.bytes()).skip(MARK.len()).filter(|(a, b)| a == b).count();
        assert!(a.len() == 62 && same < 12, "{a} {b}");
        assert_eq!((mint.read(&a), mint.read(&b)), (Some(SAYS_THIS), Some(SAYS_THIS)));
        assert_eq!(Mint::new([1, 3]).read(&a), None);
    }

    #[test]
    fn none_can_be_made_of_another() {
        let mut mint = Mint::new([1, 2]);
        let issue = mint.issue();
        let user = mint.temporary(issue, SAYS_THIS);
        for at in 0..user.len() {
            let mut forged = user.clone();
            let other = if &user[at..=at] == "A" { "B" } else { "A" };
            forged.replace_range(at..=at, other);
            assert_eq!(mint.read(&forged), None, "{forged}");
            assert_eq!(mint.read(&user[..at]), None);
        }
        assert_eq!(mint.read(&format!("{user}AAAA")), None);
        assert_eq!(mint.read("tgruu."), None);
    }
}
