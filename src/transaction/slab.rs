//! A store whose ids carry a generation, so that an id of something gone finds nothing, even in a slot used again.

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
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Option<T>,
}

/// Entries by id.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, entry: T) -> SlabId {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            place.entry = Some(entry);
            return SlabId { slot, generation: place.generation };
        }
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { generation: 0, entry: Some(entry) });
        SlabId { slot, generation: 0 }
    }

    pub(crate) fn get(&self, id: SlabId) -> Option<&T> {
        let place = self.slots.get(id.slot as usize)?;
        place.entry.as_ref().filter(|_| place.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: SlabId) -> Option<&mut T> {
        let place = self.slots.get_mut(id.slot as usize)?;
        place.entry.as_mut().filter(|_| place.generation == id.generation)
    }

    pub(crate) fn remove(&mut self, id: SlabId) -> Option<T> {
        let place = self.slots.get_mut(id.slot as usize)?;
        if place.generation != id.generation {
            return None;
        }
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(entry)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
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
        assert_eq!((slab.get(old), slab.get(new)), (None, Some(&"b")));
        assert_eq!(slab.remove(old), None);
        assert_eq!(slab.len(), 1);
    }
}
