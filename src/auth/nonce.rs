//! Nonces that the server need not remember: each says when it was issued, and a keyed hash says that we issued it, in this
//! realm and to this source (RFC 7616 3.3: a time stamp with a hash over it and "secret-data", "data known only to the server").

use super::algorithm::write_hex;
use crate::time::Instant;
use ctutils::CtEq as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::net::IpAddr;

/// A nonce: 16 hexadecimal digits for the time, 8 for the serial number, 32 for the keyed hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; LEN]);

const LEN: usize = 16 + 8 + 32;

impl Nonce {
    /// Its text, which needs no escapes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What tells one nonce of ours from another. Older ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Issue {
    pub(super) at: Instant,
    /// Nonces of the same microsecond differ in it.
    pub(super) serial: u32,
}

/// Makes nonces, and knows them again.
#[derive(Debug)]
pub(super) struct Mint {
    /// Keyed, and with the realm in it.
    mac: Hmac<Sha256>,
    serial: u32,
}

impl Mint {
    pub(super) fn new(secret: [u8; 32], realm: &str) -> Self {
        // HMAC fills its key up to a block with zeros (RFC 2104 section 2).
        let mut key = [0; 64];
        for (byte, secret) in key.iter_mut().zip(secret) {
            *byte = secret;
        }
        let mac = Hmac::new(&key.into()).chain_update(realm);
        Self { mac, serial: 0 }
    }

    pub(super) fn issue(&mut self, now: Instant, source: IpAddr) -> Nonce {
        self.serial = self.serial.wrapping_add(1);
        self.nonce(Issue { at: now, serial: self.serial }, source)
    }

    /// When `text` was issued, if it was issued to `source`.
    pub(super) fn read(&self, text: &str, source: IpAddr) -> Option<Issue> {
        let at = u64::from_str_radix(text.get(..16)?, 16).ok()?;
        let serial = u32::from_str_radix(text.get(16..24)?, 16).ok()?;
        let issue = Issue { at: Instant::from_micros(at), serial };
        // Comparing whole texts leaves each nonce one way to be written.
        let ours = self.nonce(issue, source).0.as_slice().ct_eq(text.as_bytes()).to_bool();
        ours.then_some(issue)
    }

    fn nonce(&self, issue: Issue, source: IpAddr) -> Nonce {
        let (at, serial) = (issue.at.as_micros().to_be_bytes(), issue.serial.to_be_bytes());
        let source = match source.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        // The realm is the same each time and all else has a fixed length: no two inputs run into each other.
        let mac = self.mac.clone().chain_update(source.octets()).chain_update(at).chain_update(serial);
        // Half of the hash, which is as much as can be without loss (RFC 2104 section 5).
        let mac = mac.finalize().into_bytes().into_iter().take(16);
        let mut digits = [0; LEN];
        write_hex(at.into_iter().chain(serial).chain(mac), &mut digits);
        Nonce(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(1000);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_nonce_is_known_again_by_its_maker_for_its_realm_and_source() {
        let mut mint = Mint::new([1; 32], "a.example");
        let nonce = mint.issue(NOW, ip("192.0.2.1"));
        assert_eq!(nonce.as_str().len(), LEN);
        assert_eq!(mint.read(nonce.as_str(), ip("192.0.2.1")), Some(Issue { at: NOW, serial: 1 }));
        assert!(mint.read(nonce.as_str(), ip("::ffff:192.0.2.1")).is_some(), "the same address");
        assert_eq!(mint.read(nonce.as_str(), ip("192.0.2.2")), None);
        assert_eq!(Mint::new([1; 32], "b.example").read(nonce.as_str(), ip("192.0.2.1")), None);
        assert_eq!(Mint::new([2; 32], "a.example").read(nonce.as_str(), ip("192.0.2.1")), None);
    }

    #[test]
    fn no_other_text_is_a_nonce() {
        let mut mint = Mint::new([1; 32], "a.example");
        let nonce = mint.issue(NOW, ip("192.0.2.1"));
        for at in 0..LEN {
            let mut forged = nonce.as_str().as_bytes().to_vec();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(mint.read(&forged, ip("192.0.2.1")), None, "{forged}");
        }
        let text = nonce.as_str();
        for bad in
            ["", "é", &text[1..], &format!("{text}0"), &text.to_uppercase(), &format!("+{}", &text[1..])]
        {
            assert_eq!(mint.read(bad, ip("192.0.2.1")), None, "{bad}");
        }
    }

    #[test]
    fn nonces_differ_within_one_microsecond() {
        let mut mint = Mint::new([1; 32], "a.example");
        assert_ne!(mint.issue(NOW, ip("192.0.2.1")), mint.issue(NOW, ip("192.0.2.1")));
    }
}
