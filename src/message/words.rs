//! Looking for bytes eight at a time: names and values are too short for `memchr`.

const ONES: u64 = u64::MAX / 0xff;
const HIGH_BITS: u64 = ONES << 7;

/// Where the first byte is whose high bit `mark` sets in the word that it stands in. The marks of a word need be right up to the first
/// one only.
#[inline]
fn find(words: &[[u8; 8]], mark: impl Fn(u64) -> u64) -> Option<usize> {
    words.iter().enumerate().find_map(|(n, word)| {
        let marks = mark(u64::from_le_bytes(*word)) & HIGH_BITS;
        (marks != 0).then(|| n * 8 + marks.trailing_zeros() as usize / 8)
    })
}

/// The first `byte` in whole words of `bytes`; what is behind them is not looked at.
#[inline]
pub(super) fn find_byte(byte: u8, bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks();
    // Zero where the byte is.
    find(words, |word| {
        let word = word ^ (ONES * u64::from(byte));
        word.wrapping_sub(ONES) & !word
    })
}

/// How many bytes of printable ASCII, spaces included, are at the front of `bytes`.
#[inline]
pub(super) fn printable_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    // Above 0x7f, at 0x7f, or below a space. Carries and borrows come from such bytes only, and go up.
    let odd = |word: u64| word | word.wrapping_add(ONES) | word.wrapping_sub(ONES * u64::from(b' '));
    find(words, odd).unwrap_or_else(|| {
        let behind = rest.iter().position(|byte| !matches!(byte, b' '..=b'~'));
        words.len() * 8 + behind.unwrap_or(rest.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_byte_of_whole_words_is_found(
            bytes in prop::collection::vec(prop::sample::select(&b"aa:9;\xba\xb9\xbb\0\x01\xff\n"[..]), 0..40),
        ) {
            let words = bytes.get(..bytes.len() / 8 * 8).unwrap();
            prop_assert_eq!(find_byte(b':', &bytes), words.iter().position(|byte| *byte == b':'));
        }

        #[test]
        fn what_is_printable_ends_where_it_does_byte_by_byte(
            mut bytes in prop::collection::vec(b' '..=b'~', 0..40),
            odd in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            for (at, byte) in odd {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            let end = bytes.iter().position(|byte| !(b' '..=b'~').contains(byte));
            prop_assert_eq!(printable_len(&bytes), end.unwrap_or(bytes.len()));
        }
    }
}
