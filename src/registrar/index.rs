//! Where the bindings of a name are: keyed hashes of names in order, so that no index holds a text that a binding holds.
//!
//! A name has a coarse part and a fine one: a host and port with the user there, an IP address with the port, the user of an
//! address of record with the whole of it. Either the coarse part is looked for, or both. Hashes may agree where names do
//! not: whoever looks compares. Nobody who does not know the secret can make them agree.
//!
//! A hash table whose buckets are cache lines, so that nearly every look-up is one miss; the few entries that find their bucket full
//! are in a sorted tree beside it, and so are the many that share a name, such as those on one flow. It grows and shrinks by a bucket
//! (linear hashing, Litwin 1980), never all at once.

use siphasher::sip::SipHasher13;
use std::collections::BTreeSet;
use std::hash::Hasher as _;
use std::ops::RangeInclusive;

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
/// Each is one number, its entry: 24 bits of the coarse part's hash, 22 of the fine part's, 10 of rank, 44 of the serial number, 28
/// of the slot and one. The bits of the coarse part, the first one lowest, choose the bucket: so the entries of a bucket are next to
/// each other in the tree as well.
///
/// Invariant: a bucket is full where the tree has entries of it, and is marked then.
#[derive(Debug, Default)]
pub(super) struct Index {
    pages: Vec<Page>,
    /// How many buckets are in use.
    buckets: u32,
    /// How many entries are in them.
    held: usize,
    rest: BTreeSet<u128>,
}

/// Entries in their order, behind zeros for those that are free.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket([u128; WIDTH]);

/// Entries of a bucket.
const WIDTH: usize = 4;

#[derive(Debug)]
struct Page {
    buckets: Box<[Bucket]>,
    /// A bit for each bucket of which the tree has entries.
    spilled: u64,
}

/// Buckets of a page.
const PAGE: u32 = u64::BITS;

/// A bucket is added where there are more than five entries for two, and taken away where there is less than one for each.
const fn are_crowded(held: usize, buckets: u32) -> bool {
    held * 2 > buckets as usize * 5
}

/// Slots that an index can name.
pub(super) const MAX_SLOTS: usize = (1 << SLOT) - 1;

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
            | low(u64::from(self.slot) + 1, SLOT)
    }
}

/// The bucket that `number` is split from: the same bits but for the first.
const fn partner(number: u32) -> u32 {
    match number.checked_ilog2() {
        Some(bits) => number - (1 << bits),
        None => 0,
    }
}

impl Index {
    pub(super) fn insert(&mut self, name: Name, entry: Entry) {
        if self.buckets == 0 || (are_crowded(self.held + 1, self.buckets) && self.buckets < 1 << COARSE) {
            self.add_bucket();
        }
        self.put(entry.under(name));
    }

    pub(super) fn remove(&mut self, name: Name, entry: Entry) {
        let entry = entry.under(name);
        let number = self.number(entry);
        if self.bucket_mut(number).is_some_and(|bucket| bucket.replace(entry, 0)) {
            self.held -= 1;
        } else {
            self.rest.remove(&entry);
        }
        self.refill(number);
        if self.held < self.buckets as usize {
            self.drop_bucket();
        }
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
        let is_alike = move |entry: &u128| (*entry ^ first) >> bits == 0;
        let number = self.number(first);
        let page = self.page(number);
        let bucket = page.and_then(|page| page.buckets.get((number % PAGE) as usize)).copied();
        let here =
            bucket.unwrap_or_default().0.into_iter().filter(move |entry| *entry != 0 && is_alike(entry));
        let is_spilled = page.is_some_and(|page| page.spilled & bit(number) != 0);
        let rest = is_spilled.then(|| self.rest.range(first..).copied().take_while(is_alike));
        let (mut here, mut rest) = (here.peekable(), rest.into_iter().flatten().peekable());
        std::iter::from_fn(move || {
            let next = match (here.peek(), rest.peek()) {
                (Some(a), Some(b)) if b < a => rest.next(),
                (Some(_), _) => here.next(),
                (None, _) => rest.next(),
            };
            next.map(|entry| (entry & ((1 << SLOT) - 1)) as u32 - 1)
        })
    }

    /// The bucket of `entry`: with the bits of the last doubling if that one is there already.
    fn number(&self, entry: u128) -> u32 {
        let bits = ((entry >> BEHIND_COARSE) as u32).reverse_bits() >> (u32::BITS - COARSE);
        let all = self.buckets.next_power_of_two() - 1;
        if bits & all < self.buckets { bits & all } else { bits & (all >> 1) }
    }

    /// The entries that are those of the bucket.
    fn range(&self, number: u32) -> RangeInclusive<u128> {
        let half = self.buckets.next_power_of_two() / 2;
        // Those of the last doubling, and those that they were split from, are told by one bit more.
        let is_split = number >= half || number + half < self.buckets;
        let bits = half.checked_ilog2().map_or(0, |bits| bits + u32::from(is_split));
        let first = u128::from(number.reverse_bits()) << (u128::BITS - u32::BITS);
        first..=first | u128::MAX.checked_shr(bits).unwrap_or(0)
    }

    fn page(&self, number: u32) -> Option<&Page> {
        self.pages.get((number / PAGE) as usize)
    }

    fn page_mut(&mut self, number: u32) -> Option<&mut Page> {
        self.pages.get_mut((number / PAGE) as usize)
    }

    fn bucket_mut(&mut self, number: u32) -> Option<&mut Bucket> {
        self.page_mut(number)?.buckets.get_mut((number % PAGE) as usize)
    }

    fn put(&mut self, entry: u128) {
        let number = self.number(entry);
        if self.bucket_mut(number).is_some_and(|bucket| bucket.replace(0, entry)) {
            self.held += 1;
        } else {
            self.rest.insert(entry);
            self.mark(number, true);
        }
    }

    fn mark(&mut self, number: u32, is_spilled: bool) {
        if let Some(page) = self.page_mut(number) {
            page.spilled = page.spilled & !bit(number) | if is_spilled { bit(number) } else { 0 };
        }
    }

    /// Takes entries from the tree for which there is room in their bucket now.
    fn refill(&mut self, number: u32) {
        if self.page(number).is_none_or(|page| page.spilled & bit(number) == 0) {
            return;
        }
        while let Some(entry) = self.rest.range(self.range(number)).next().copied() {
            if !self.bucket_mut(number).is_some_and(|bucket| bucket.replace(0, entry)) {
                return;
            }
            self.held += 1;
            self.rest.remove(&entry);
        }
        self.mark(number, false);
    }

    /// Empties a bucket: gives what was in it, and whether there is more in the tree.
    fn take(&mut self, number: u32) -> (Bucket, bool) {
        let bucket = self.bucket_mut(number).map(std::mem::take).unwrap_or_default();
        self.held -= bucket.0.iter().filter(|entry| **entry != 0).count();
        let is_spilled = self.page(number).is_some_and(|page| page.spilled & bit(number) != 0);
        self.mark(number, false);
        (bucket, is_spilled)
    }

    /// One bucket more, which shares the entries of another.
    fn add_bucket(&mut self) {
        let (new, old) = (self.buckets, partner(self.buckets));
        if new.is_multiple_of(PAGE) {
            self.pages.push(Page { buckets: vec![Bucket::default(); PAGE as usize].into(), spilled: 0 });
        }
        let (entries, is_spilled) = self.take(old);
        self.buckets += 1;
        entries.0.into_iter().filter(|entry| *entry != 0).for_each(|entry| self.put(entry));
        for number in [old, new] {
            self.mark(number, is_spilled);
            self.refill(number);
        }
    }

    /// One bucket less; the one that it was split from takes what it has.
    fn drop_bucket(&mut self) {
        let last = self.buckets - 1;
        let (entries, is_spilled) = self.take(last);
        self.buckets = last;
        if last.is_multiple_of(PAGE) {
            self.pages.pop();
            if self.pages.len() <= self.pages.capacity() / 4 {
                self.pages.shrink_to(self.pages.len() * 2);
            }
        }
        if last == 0 {
            return;
        }
        let into = partner(last);
        if is_spilled {
            self.mark(into, true);
        }
        entries.0.into_iter().filter(|entry| *entry != 0).for_each(|entry| self.put(entry));
        self.refill(into);
    }
}

/// The bit of a bucket in its page.
const fn bit(number: u32) -> u64 {
    1 << (number % PAGE)
}

impl Bucket {
    /// Puts `new` into a place of `old`, if there is one.
    fn replace(&mut self, old: u128, new: u128) -> bool {
        let place = self.0.iter_mut().find(|entry| **entry == old);
        let is_there = place.is_some();
        if let Some(place) = place {
            *place = new;
            self.0.sort_unstable();
        }
        is_there
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

    /// What an index holds, by what it says and by looking at its parts.
    fn check(index: &Index, model: &BTreeSet<u128>, probes: &[Name]) {
        let slot = |entry: &u128| (entry & ((1 << SLOT) - 1)) as u32 - 1;
        for name in probes {
            let all = |bits: u32| {
                let first = start(*name) >> bits << bits;
                model.range(first..).take_while(move |entry| (**entry ^ first) >> bits == 0).map(slot)
            };
            assert!(index.named(*name).eq(all(BEHIND_FINE)));
            assert!(index.alike(name.coarse).eq(all(BEHIND_COARSE)));
        }
        assert_eq!(index.held + index.rest.len(), model.len());
        assert_eq!(index.pages.len(), index.buckets.div_ceil(PAGE) as usize);
        for number in 0..index.buckets {
            let page = index.page(number).unwrap();
            let is_full = page.buckets[(number % PAGE) as usize].0.iter().all(|entry| *entry != 0);
            let is_spilled = index.rest.range(index.range(number)).next().is_some();
            assert_eq!(page.spilled & bit(number) != 0, is_spilled);
            assert!(is_full || !is_spilled);
        }
    }

    #[test]
    fn it_finds_what_a_sorted_set_finds_however_it_grows_and_shrinks() {
        let names = Names::new([3, 4]);
        // Many that are alone, many alike, many of one name.
        let name = |n: u64| match n % 4 {
            0 => names.of(b"one", b"name"),
            1 => names.of(b"one", &n.to_be_bytes()),
            _ => names.of(&n.to_be_bytes(), &n.to_be_bytes()),
        };
        let probes: Vec<_> = (0..40).map(name).collect();
        let (mut index, mut model, mut there) = (Index::default(), BTreeSet::new(), Vec::new());
        let mut bits = 1_u64;
        let mut random = |below: usize| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (bits >> 33) as usize % below
        };
        for (count, growth) in [(4000, 8), (4000, 5), (12_000, 2), (4000, 9), (20_000, 1)] {
            for step in 0..count {
                if random(10) < growth {
                    let n = random(5000) as u64;
                    let entry =
                        Entry { rank: random(1001) as u16, serial: random(50) as u64, slot: n as u32 };
                    if model.insert(entry.under(name(n))) {
                        index.insert(name(n), entry);
                        there.push((n, entry));
                    }
                } else if !there.is_empty() {
                    let (n, entry) = there.swap_remove(random(there.len()));
                    model.remove(&entry.under(name(n)));
                    index.remove(name(n), entry);
                }
                if step % 500 == 0 {
                    check(&index, &model, &probes);
                }
            }
            check(&index, &model, &probes);
        }
        for (n, entry) in there {
            index.remove(name(n), entry);
        }
        assert_eq!((index.buckets, index.held, index.rest.len()), (0, 0, 0));
        assert!(index.pages.is_empty());
    }

    #[test]
    fn those_of_one_name_take_no_buckets() {
        let (names, mut index) = (Names::new([5, 6]), Index::default());
        for slot in 0..10_000 {
            index.insert(names.of(b"flow", b""), Entry { rank: 0, serial: u64::from(slot), slot });
        }
        assert!(index.named(names.of(b"flow", b"")).eq(0..10_000));
        assert!(index.buckets <= 4);
    }
}
