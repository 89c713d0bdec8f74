//! A secret of the site's, which nobody reads in a log.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;

/// The least letters of a secret: what is shorter can be tried.
const LEAST: usize = 16;

/// A text that others must not know, of 16 bytes at least. Its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

/// A secret that is too short to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have at least 16 letters")]
#[non_exhaustive]
pub struct SecretError;

impl Secret {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A key that is made of it for `purpose`, and tells nothing of those for others.
    pub(crate) fn key_for(&self, purpose: &str) -> [u64; 2] {
        let mut block = [0; 64];
        for (byte, purpose) in block.iter_mut().zip(purpose.as_bytes()) {
            *byte = *purpose;
        }
        let mac = Hmac::<Sha256>::new(&block.into()).chain_update(self.as_str()).finalize().into_bytes();
        let part = |skip| mac.iter().skip(skip).take(8).fold(0, |part, byte| part << 8 | u64::from(*byte));
        [part(0), part(8)]
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        if text.len() < LEAST { Err(SecretError) } else { Ok(Self(text.into())) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_not_told() {
        assert_eq!("fifteen letters".parse::<Secret>(), Err(SecretError));
        let secret: Secret = "sixteen  letters".parse().unwrap();
        assert_ne!(secret.key_for("one"), secret.key_for("another"));
        assert_eq!(format!("{secret:?} {}", secret.as_str()), "Secret(..) sixteen  letters");
    }
}
