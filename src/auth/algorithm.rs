//! The hash functions of digest, and what they make: hexadecimal digits that are compared in constant time.

use ctutils::CtEq as _;
use md5::Md5;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};
use std::fmt;

/// A hash function of the registry "Hash Algorithms for HTTP Digest Authentication" (RFC 7616 6.1), the most preferred
/// first: in the order of RFC 7616 3.7, where SHA-256 must be there, SHA-512/256 is its backup, and MD5 is for old clients.
///
/// The session variant of each, `-sess`, is a matter of what is hashed: see [`Protection::Counted`](super::Protection).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
    /// MD5, which is broken as a hash, and the one that every phone knows.
    Md5,
}

/// What the name of a session variant ends with.
const SESSION: &str = "-sess";

impl Algorithm {
    /// All of them, the most preferred first.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512_256, Self::Md5];

    /// The one of this name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// The same, and whether the name is that of the session variant.
    #[must_use]
    pub fn parse_variant(name: &str) -> Option<(Self, bool)> {
        let (base, end) = name.split_at_checked(name.len().saturating_sub(SESSION.len()))?;
        let is_session = end.eq_ignore_ascii_case(SESSION);
        Some((Self::parse(if is_session { base } else { name })?, is_session))
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
            Self::Md5 => "MD5",
        }
    }

    /// How many hexadecimal digits it makes (RFC 8760 2.2).
    #[must_use]
    pub const fn digits(self) -> u8 {
        match self {
            Self::Sha256 | Self::Sha512_256 => 64,
            Self::Md5 => 32,
        }
    }

    /// The hash of `parts` with colons between them.
    pub(super) fn hash(self, parts: &[&[u8]]) -> Hex {
        let digits = match self {
            Self::Sha256 => joined::<Sha256>(parts),
            Self::Sha512_256 => joined::<Sha512_256>(parts),
            Self::Md5 => joined::<Md5>(parts),
        };
        Hex { digits, len: self.digits() }
    }
}

/// The digits of a hash, and zeros behind them.
fn joined<D: Digest>(parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    let mut digits = [0; 64];
    write_hex(hash.finalize(), &mut digits);
    digits
}

/// Writes each byte as two hexadecimal digits, as far as there is room.
pub(super) fn write_hex(bytes: impl IntoIterator<Item = u8>, digits: &mut [u8]) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hash in lower-case hexadecimal digits (RFC 7616 3.1.3). Comparing two takes the same time wherever they differ.
#[derive(Clone, Copy, Eq)]
pub struct Hex {
    digits: [u8; 64],
    len: u8,
}

impl Hex {
    /// The digits of `algorithm` that `text` has. RFC 3261 25.1 writes them in lower case (`LHEX`); some clients do not, and
    /// mean the same number.
    #[must_use]
    pub fn parse(algorithm: Algorithm, text: &str) -> Option<Self> {
        let mut digits = [0; 64];
        let len = algorithm.digits();
        let matches = text.len() == usize::from(len) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (digit, byte) in digits.iter_mut().zip(text.bytes()) {
            *digit = byte.to_ascii_lowercase();
        }
        matches.then_some(Self { digits, len })
    }

    /// As long as a hash of `algorithm`, and different from each.
    pub(super) const fn none(algorithm: Algorithm) -> Self {
        Self { digits: [0; 64], len: algorithm.digits() }
    }

    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.digits
            .get(..usize::from(self.len))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .unwrap_or_default()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl PartialEq for Hex {
    fn eq(&self, other: &Self) -> bool {
        // What lies behind the digits is zero in both.
        self.digits.ct_eq(&other.digits).to_bool()
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_with_their_session_variant() {
        for algorithm in Algorithm::ALL {
            let name = algorithm.as_str();
            assert_eq!(Algorithm::parse(&name.to_lowercase()), Some(algorithm));
            assert_eq!(Algorithm::parse_variant(name), Some((algorithm, false)));
            assert_eq!(Algorithm::parse_variant(&format!("{name}-SESS")), Some((algorithm, true)));
        }
        for unknown in ["", "-sess", "SHA", "SHA-1", "SHA-256-", "MD5-sess-sess", "é-sesé"] {
            assert_eq!(Algorithm::parse_variant(unknown), None, "{unknown}");
        }
    }

    /// RFC 8760 2.6 (7), RFC 3261 22.4 (7); the third is of FIPS 180-4's function.
    #[test]
    fn the_hash_of_nothing_is_what_the_standards_say() {
        let nothing = |algorithm: Algorithm| algorithm.hash(&[b""]).to_string();
        assert_eq!(
            nothing(Algorithm::Sha256),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(nothing(Algorithm::Md5), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            nothing(Algorithm::Sha512_256),
            "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"
        );
    }

    #[test]
    fn digits_are_a_number_in_any_case_and_of_one_length() {
        let lower = "d41d8cd98f00b204e9800998ecf8427e";
        let of = |text: &str| Hex::parse(Algorithm::Md5, text);
        assert_eq!(of(&lower.to_uppercase()), of(lower));
        assert!(of(lower).is_some());
        for bad in ["", "d41d", &lower[1..], &format!("{lower}0"), &lower.replace('d', "g")] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_ne!(of(lower), of(&lower.replacen('d', "c", 1)));
    }
}
