//! Where the bindings of a name are: keyed hashes of names in order, so that no index holds a text that a binding holds.
//!
//! A name has a coarse part and a fine one: a host and port with the user there, an IP address with the port, the user of an
//! address of record with the whole of it. Either the coarse part is looked for, or both. Hashes may agree where names do
//! not: whoever looks compares. Nobody who does not know the secret can make them agree.
//!
//! A sorted tree rather than a hash table: it grows and shrinks by a node, never all at once.

use siphasher::sip::SipHasher13;
use std::collections::BTreeSet;
use std::hash::Hasher as _;

/// A name, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    coarse: u64,
    fine: u64,
}

impl Name {
    pub(super) const fn new(coarse: u64, fine: u64) -> Self {
        Self { coarse, fine }
    }

    /// A fine part that is a number, and needs no hash.
    pub(super) const fn with_number(coarse: u64, number: u16) -> Self {
        Self { coarse, fine: (number as u64) << COARSE }
    }

    /// As much of each part as an index looks at, and more.
    pub(super) const fn parts(self) -> (u32, u64) {
        (self.coarse as u32, self.fine)
    }

    pub(super) const fn coarse(self) -> u64 {
        self.coarse
    }
}

/// Makes names with a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names([u64; 2]);

impl Names {
    pub(super) const fn new(secret: [u64; 2]) -> Self {
        Self(secret)
    }

    pub(super) fn of(&self, coarse: &[u8], fine: &[u8]) -> Name {
        let hash = self.hash(fine);
        // A name without a host is both parts.
        Name { coarse: if coarse == fine { hash } else { self.hash(coarse) }, fine: hash }
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hash = self.hasher();
        hash.write(bytes);
        hash.finish()
    }

    /// For a name of several parts.
    pub(super) fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0[0], self.0[1])
    }
}

/// The bindings of names: by name, then by rank, then by serial number.
///
/// Each is one number: 24 bits of the coarse part's hash, 22 of the fine part's, 10 of rank, 44 of the serial number, 28 of the
/// slot.
#[derive(Debug, Default)]
pub(super) struct Index(BTreeSet<u128>);

/// Slots that an index can name.
pub(super) const MAX_SLOTS: usize = 1 << SLOT;

const SLOT: u32 = 28;
const SERIAL: u32 = 44;
const RANK: u32 = 10;
const FINE: u32 = 22;
const COARSE: u32 = u128::BITS - FINE - RANK - SERIAL - SLOT;
/// Bits behind the coarse part, and behind the fine one.
const BEHIND_COARSE: u32 = BEHIND_FINE + FINE;
const BEHIND_FINE: u32 = RANK + SERIAL + SLOT;

const fn low(bits: u64, count: u32) -> u128 {
    (bits & ((1 << count) - 1)) as u128
}

const fn start(name: Name) -> u128 {
    // Where one hash is both parts, its upper bits are the fine one.
    low(name.coarse, COARSE) << BEHIND_COARSE | low(name.fine >> COARSE, FINE) << BEHIND_FINE
}

/// One binding's place in an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) rank: u16,
    pub(super) serial: u64,
    pub(super) slot: u32,
}

impl Entry {
    fn under(self, name: Name) -> u128 {
        start(name)
            | low(self.rank.into(), RANK) << (SERIAL + SLOT)
            | low(self.serial, SERIAL) << SLOT
            | low(self.slot.into(), SLOT)
    }
}

impl Index {
    pub(super) fn insert(&mut self, name: Name, entry: Entry) {
        self.0.insert(entry.under(name));
    }

    pub(super) fn remove(&mut self, name: Name, entry: Entry) {
        self.0.remove(&entry.under(name));
    }

    /// The slots of the bindings that may have `name`: lowest rank first, then in order of registration.
    pub(super) fn named(&self, name: Name) -> impl Iterator<Item = u32> {
        self.slots(start(name), BEHIND_FINE)
    }

    /// The slots of the bindings that may have the coarse part `bytes` hashes to, those of one name next to each other.
    pub(super) fn alike(&self, coarse: u64) -> impl Iterator<Item = u32> {
        self.slots(start(Name { coarse, fine: 0 }), BEHIND_COARSE)
    }

    /// Those from `first` on that have all but the last `bits` in common.
    fn slots(&self, first: u128, bits: u32) -> impl Iterator<Item = u32> {
        let same = self.0.range(first..).take_while(move |entry| (**entry ^ first) >> bits == 0);
        same.map(|entry| (entry & ((1 << SLOT) - 1)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_or_by_their_coarse_part() {
        let names = Names::new([1, 2]);
        let mut index = Index::default();
        let entry = |rank, serial, slot| Entry { rank, serial, slot };
        index.insert(names.of(b"h", b"a"), entry(0, 9, 1));
        index.insert(names.of(b"h", b"a"), entry(0, 8, 2));
        index.insert(names.of(b"h", b"a"), entry(1, 7, 3));
        index.insert(names.of(b"h", b"b"), entry(0, 6, MAX_SLOTS as u32 - 1));
        index.insert(names.of(b"i", b"a"), entry(0, 5, 5));
        let named = |coarse, fine| index.named(names.of(coarse, fine)).collect::<Vec<_>>();
        assert_eq!(named(b"h", b"a"), [2, 1, 3]);
        assert_eq!(named(b"h", b"b"), [MAX_SLOTS as u32 - 1]);
        assert!(named(b"i", b"b").is_empty());
        assert_eq!(index.alike(names.hash(b"h")).count(), 4);
        index.remove(names.of(b"h", b"a"), entry(0, 8, 2));
        assert_eq!(index.alike(names.hash(b"h")).count(), 3);
    }
}
