//! A short list of splices, without an allocation as long as it is short.

use super::Span;

/// Some old text, and the new text that stands there instead.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Splice {
    /// What goes, as a place in the message; empty for an insertion.
    pub(super) old: Span,
    /// What comes, as a place in the new text.
    pub(super) new: Span,
}

/// So many a hop needs at most as a rule.
const FEW: usize = 12;

/// Splices in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Splices {
    few: [Splice; FEW],
    count: usize,
    /// All of them, once they are more than a few.
    many: Vec<Splice>,
}

impl Splices {
    pub(super) fn push(&mut self, splice: Splice) {
        match self.few.get_mut(self.count) {
            Some(place) => *place = splice,
            None => {
                if self.many.is_empty() {
                    self.many.extend_from_slice(&self.few);
                }
                self.many.push(splice);
            }
        }
        self.count += 1;
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [Splice] {
        if self.many.is_empty() { self.few.get_mut(..self.count).unwrap_or_default() } else { &mut self.many }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_keep_their_order() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 100] {
            let mut splices = Splices::default();
            for at in 0..count {
                splices.push(Splice { old: Span::new(at, at), new: Span::default() });
            }
            let starts = splices.as_mut_slice().iter().map(|splice| splice.old.start as usize);
            assert!(starts.eq(0..count), "{count}");
        }
    }
}
