//! The one source of randomness: a ChaCha stream that the caller seeds.
//!
//! Tags, branches and Call-IDs must not be guessed (RFC 3261 19.3 asks for 32 bits of cryptographic randomness),
//! and the same seed must give the same actions. A seeded stream cipher does both.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::time::Duration;

/// A seeded stream of unguessable numbers.
#[derive(Debug, Clone)]
pub struct Rng(ChaCha12Rng);

impl Rng {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 256 random bits: a secret, to key a hash with.
    pub fn secret(&mut self) -> [u8; 32] {
        let mut secret = [0; 32];
        self.0.fill_bytes(&mut secret);
        secret
    }

    /// 64 random bits as 16 lower-case hexadecimal digits: a tag, a Call-ID, the unique part of a branch.
    pub fn token(&mut self) -> Token {
        Token::of(self.bits())
    }

    /// A duration between `low` and `high`, evenly spread; `low` if the range is empty.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let width = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX);
        if width == 0 {
            return low;
        }
        // The bias of the remainder is below 2^-20 for any span that SIP knows.
        low + Duration::from_micros(self.bits() % width.saturating_add(1))
    }
}

/// Which of `weights` the random bits `lot` choose, as RFC 2782 has it: "choose a uniform random number between 0 and the sum computed
/// (inclusive), and select the RR whose running sum value is the first in the selected order which is greater than or equal to the random
/// number selected." The first if there are none.
pub(crate) fn by_weight(weights: impl Iterator<Item = u64> + Clone, lot: u64) -> usize {
    let lot = lot % (weights.clone().sum::<u64>() + 1);
    let mut running = 0;
    let reaches = |weight| {
        running += weight;
        running >= lot
    };
    weights.map(reaches).position(|reached| reached).unwrap_or_default()
}

/// Sixteen hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

/// The two digits of each byte.
static HEXADECIMAL: [[u8; 2]; 256] = {
    let mut all = [[0; 2]; 256];
    let mut byte = 0;
    #[expect(
        clippy::indexing_slicing,
        reason = "constant evaluation; a byte and half of one are valid indexes"
    )]
    while byte < 256 {
        let digits = b"0123456789abcdef";
        all[byte] = [digits[byte >> 4], digits[byte & 0xf]];
        byte += 1;
    }
    all
};

impl Token {
    /// The digits of `bits`.
    #[must_use]
    pub fn of(bits: u64) -> Self {
        let mut digits = [b'0'; 16];
        for (two, byte) in digits.as_chunks_mut().0.iter_mut().zip(bits.to_be_bytes()) {
            *two = HEXADECIMAL.get(usize::from(byte)).copied().unwrap_or_default();
        }
        Self(digits)
    }

    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut a, mut b) = (Rng::new([7; 32]), Rng::new([7; 32]));
        assert_eq!([a.bits(), a.bits()], [b.bits(), b.bits()]);
        assert_ne!(Rng::new([7; 32]).bits(), Rng::new([8; 32]).bits());
    }

    #[test]
    fn a_token_is_the_number_in_hexadecimal() {
        assert_eq!(Token::of(0x0123_4567_89ab_cdef).as_str(), "0123456789abcdef");
    }

    #[test]
    fn between_stays_between() {
        let mut rng = Rng::new([1; 32]);
        let (low, high) = (Duration::from_secs(15), Duration::from_secs(20));
        assert!((0..1000).map(|_| rng.between(low, high)).all(|d| low <= d && d <= high));
        assert_eq!(rng.between(high, low), high);
    }
}
