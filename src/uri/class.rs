//! Classes of bytes.

/// Which bytes are of a class, to be looked up: the grammar of RFC 3261 25.1 is a grammar of bytes.
pub(crate) struct Class([bool; 256]);

/// `CTL = %x00-1F / %x7F` (RFC 2234 6.1)
pub(crate) const CONTROL: &[u8] = b"\0\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\
    \x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f";

/// `alphanum = ALPHA / DIGIT`
const ALPHANUM: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `mark = "-" / "_" / "." / "!" / "~" / "*" / "'" / "(" / ")"`
const MARK: &[u8] = b"-_.!~*'()";

impl Class {
    /// `members` alone.
    pub(crate) const fn of(members: &[u8]) -> Self {
        Self(with([false; 256], members, true))
    }

    /// Letters, digits and `others`.
    pub(crate) const fn alphanum(others: &[u8]) -> Self {
        Self::of(ALPHANUM).also(others)
    }

    /// `unreserved = alphanum / mark`, and `others`.
    pub(crate) const fn unreserved(others: &[u8]) -> Self {
        Self::alphanum(MARK).also(others)
    }

    /// All but control characters and `others`.
    pub(crate) const fn without(others: &[u8]) -> Self {
        Self(with(with([true; 256], CONTROL, false), others, false))
    }

    /// This class and `others`.
    pub(crate) const fn also(self, others: &[u8]) -> Self {
        Self(with(self.0, others, true))
    }

    /// How many bytes at the front of `bytes` are members.
    pub(crate) fn run(&self, bytes: &[u8]) -> usize {
        self.until(bytes, false)
    }

    /// Where the first member is.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<usize> {
        let at = self.until(bytes, true);
        (at < bytes.len()).then_some(at)
    }

    /// How many bytes stand before the first one that is a member or not, as `wanted` says. Four at a time: a branch less for each.
    #[inline]
    fn until(&self, bytes: &[u8], wanted: bool) -> usize {
        let (fours, rest) = bytes.as_chunks::<4>();
        let is_wanted = |byte: &u8| self.has(*byte) == wanted;
        for (n, four) in fours.iter().enumerate() {
            if let Some(at) = four.iter().position(is_wanted) {
                return n * 4 + at;
            }
        }
        fours.len() * 4 + rest.iter().position(is_wanted).unwrap_or(rest.len())
    }

    /// Whether `byte` is a member.
    #[inline]
    pub(crate) fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }
}

#[expect(clippy::indexing_slicing, reason = "constant evaluation; a byte is a valid index of 256 entries")]
const fn with(mut table: [bool; 256], mut bytes: &[u8], is_member: bool) -> [bool; 256] {
    while let [byte, rest @ ..] = bytes {
        table[*byte as usize] = is_member;
        bytes = rest;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_they_do_byte_by_byte() {
        let digits = Class::of(b"0123456789");
        for len in 0..13 {
            for at in 0..=len {
                let (mut run, mut found) = (vec![b'7'; len], vec![b'x'; len]);
                if let (Some(end), Some(first)) = (run.get_mut(at), found.get_mut(at)) {
                    (*end, *first) = (b'x', b'7');
                }
                assert_eq!(digits.run(&run), at);
                assert_eq!(digits.find(&found), Some(at).filter(|at| *at < len));
            }
        }
    }
}
