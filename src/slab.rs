//! A store whose ids carry a generation, so that an id of something gone finds nothing, even in a slot used again.
//!
//! It grows and shrinks by pages: no entry ever moves, one event adds one page at most, and a page without entries is given
//! back. The lowest free slot is taken first, so that pages at the end run empty.

use std::collections::BTreeSet;

/// Names an entry of a [`Slab`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlabId {
    slot: u32,
    generation: u32,
}

impl SlabId {
    /// Not above any id.
    pub(crate) const FIRST: Self = Self { slot: 0, generation: 0 };
    /// Not below any id.
    pub(crate) const LAST: Self = Self { slot: u32::MAX, generation: u32::MAX };

    /// The place, which another entry may have later.
    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }
}

/// Slots of a page, one for each bit of `Page::free`.
const PAGE: u32 = u64::BITS;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Option<T>,
}

#[derive(Debug)]
struct Page<T> {
    slots: Box<[Slot<T>]>,
    /// A bit for each slot without an entry.
    free: u64,
}

impl<T> Page<T> {
    fn new() -> Self {
        let slots = (0..PAGE).map(|_| Slot { generation: 0, entry: None }).collect();
        Self { slots, free: u64::MAX }
    }
}

/// Entries by id.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Vec<Option<Page<T>>>,
    /// The pages that have a free slot.
    open: BTreeSet<u32>,
    len: usize,
    /// How many entries there have been: no two entries of a slot have the same generation, whatever became of its page.
    generation: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), open: BTreeSet::new(), len: 0, generation: 0 }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, entry: T) -> SlabId {
        let number = self.open.first().copied().unwrap_or_else(|| self.add_page());
        self.generation = self.generation.wrapping_add(1);
        self.len += 1;
        let mut id = SlabId { slot: number * PAGE, generation: self.generation };
        if let Some(page) = self.pages.get_mut(number as usize) {
            let page = page.get_or_insert_with(Page::new);
            let free = page.free.trailing_zeros();
            id.slot += free;
            page.free &= page.free.wrapping_sub(1);
            if let Some(slot) = page.slots.get_mut(free as usize) {
                *slot = Slot { generation: id.generation, entry: Some(entry) };
            }
            if page.free == 0 {
                self.open.remove(&number);
            }
        }
        id
    }

    fn add_page(&mut self) -> u32 {
        let number = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        self.pages.push(None);
        self.open.insert(number);
        number
    }

    fn slot(&self, slot: u32) -> Option<&Slot<T>> {
        self.pages.get((slot / PAGE) as usize)?.as_ref()?.slots.get((slot % PAGE) as usize)
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        self.pages.get_mut((slot / PAGE) as usize)?.as_mut()?.slots.get_mut((slot % PAGE) as usize)
    }

    pub(crate) fn get(&self, id: SlabId) -> Option<&T> {
        let slot = self.slot(id.slot)?;
        slot.entry.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: SlabId) -> Option<&mut T> {
        let slot = self.slot_mut(id.slot)?;
        if slot.generation == id.generation { slot.entry.as_mut() } else { None }
    }

    /// The entry that has `slot` now, and its id.
    pub(crate) fn at(&self, slot: u32) -> Option<(SlabId, &T)> {
        let place = self.slot(slot)?;
        Some((SlabId { slot, generation: place.generation }, place.entry.as_ref()?))
    }

    /// The entry that has `slot` now.
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slot_mut(slot)?.entry.as_mut()
    }

    pub(crate) fn remove(&mut self, id: SlabId) -> Option<T> {
        let slot = self.slot_mut(id.slot)?;
        if slot.generation != id.generation {
            return None;
        }
        let entry = slot.entry.take()?;
        self.len -= 1;
        let number = id.slot / PAGE;
        let page = self.pages.get_mut(number as usize)?;
        if let Some(full) = page {
            if full.free == 0 {
                self.open.insert(number);
            }
            full.free |= 1 << (id.slot % PAGE);
            // The first one stays: most lives are short.
            if full.free == u64::MAX && number > 0 {
                *page = None;
                self.drop_last_pages();
            }
        }
        Some(entry)
    }

    fn drop_last_pages(&mut self) {
        while let Some(None) = self.pages.last() {
            self.pages.pop();
            self.open.pop_last();
        }
        if self.pages.len() < self.pages.capacity() / 4 {
            self.pages.shrink_to(self.pages.len() * 2);
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// All entries, in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlabId, &T)> {
        self.since(0)
    }

    /// All entries, to be changed, in the order of their slots.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let slots = self.pages.iter_mut().flatten().flat_map(|page| page.slots.iter_mut());
        slots.filter_map(|place| place.entry.as_mut())
    }

    /// The entries in `slot` and behind it.
    pub(crate) fn since(&self, slot: u32) -> impl Iterator<Item = (SlabId, &T)> {
        let pages = self.pages.iter().zip(0_u32..).skip((slot / PAGE) as usize);
        let slots = pages
            .filter_map(|(page, number)| Some((page.as_ref()?, number)))
            .flat_map(|(page, number)| page.slots.iter().zip(number * PAGE..));
        slots.filter(move |(_, at)| *at >= slot).filter_map(|(place, slot)| {
            Some((SlabId { slot, generation: place.generation }, place.entry.as_ref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_something_gone_finds_nothing() {
        let mut slab = Slab::default();
        let old = slab.insert("a");
        assert_eq!(slab.remove(old), Some("a"));
        let new = slab.insert("b");
        assert_eq!((old.slot(), slab.get(old), slab.get(new)), (new.slot(), None, Some(&"b")));
        assert_eq!(slab.remove(old), None);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn pages_without_entries_are_given_back_and_their_ids_stay_dead() {
        let mut slab = Slab::default();
        let ids: Vec<_> = (0..1000).map(|n| slab.insert(n)).collect();
        assert_eq!(slab.pages.len(), 16);
        // The second page runs empty between others, then all behind the first.
        let (second, rest) = ids.split_at(128);
        assert!(second[64..].iter().all(|id| slab.remove(*id).is_some()));
        assert!(slab.pages[1].is_none());
        assert_eq!(slab.insert(-1).slot(), 64);
        assert!(rest.iter().all(|id| slab.remove(*id).is_some()));
        assert_eq!((slab.pages.len(), slab.len()), (2, 65));
        assert!(ids[64..].iter().all(|id| slab.get(*id).is_none()));
        assert_eq!(slab.iter().map(|(_, n)| *n).last(), Some(-1));
        assert_eq!(slab.since(60).count(), 5);
    }
}
