//! Parts of lists.

/// Where a part of a list begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<C> {
    /// Behind so many things: at the first, if none.
    Skip(u64),
    /// Behind this one, also when it has gone.
    Behind(C),
}

impl<C> Start<C> {
    /// The same start, said in other words.
    pub fn map<'a, D>(&'a self, say: impl FnOnce(&'a C) -> D) -> Start<D> {
        match self {
            Self::Skip(count) => Start::Skip(*count),
            Self::Behind(cursor) => Start::Behind(say(cursor)),
        }
    }

    /// The part of a list in any order that begins here and has so many things at most, in order; the others are looked at
    /// once each and not sorted.
    pub fn part<T: Copy>(
        &self,
        all: impl Iterator<Item = T>,
        place: impl Fn(T) -> C,
        limit: u64,
    ) -> Vec<T>
    where
        C: Ord,
    {
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let (mut part, skipped) = match self {
            Self::Skip(count) => (all.collect::<Vec<T>>(), size(*count)),
            Self::Behind(cursor) => (all.filter(|one| place(*one) > *cursor).collect(), 0),
        };
        let end = skipped.saturating_add(size(limit));
        if end < part.len() {
            part.select_nth_unstable_by_key(end, |one| place(*one));
            part.truncate(end);
        }
        part.sort_unstable_by_key(|one| place(*one));
        part.drain(..skipped.min(part.len()));
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of the numbers 0 to 9 in some order.
    fn part(start: Start<u32>, limit: u64) -> Vec<u32> {
        start.part([7, 2, 9, 0, 4, 1, 8, 3, 6, 5].into_iter(), |number| number, limit)
    }

    #[test]
    fn a_part_is_in_order_and_no_longer_than_wanted() {
        assert_eq!(part(Start::Skip(0), 3), [0, 1, 2]);
        assert_eq!(part(Start::Skip(8), 3), [8, 9]);
        assert_eq!(part(Start::Skip(10), 3), [0; 0]);
        assert_eq!(part(Start::Skip(u64::MAX), u64::MAX), [0; 0]);
        assert_eq!(part(Start::Skip(0), 0), [0; 0]);
        assert_eq!(part(Start::Behind(3), 2), [4, 5]);
        assert_eq!(part(Start::Behind(9), 2), [0; 0]);
        assert_eq!(part(Start::Skip(0), 99), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_walk_of_any_step_meets_each_once() {
        for step in 1..=11 {
            let (mut met, mut start) = (Vec::new(), Start::Skip(0));
            for _ in 0..11 {
                let next = part(start, step);
                start = next.last().map_or(start, |last| Start::Behind(*last));
                met.extend(next);
            }
            assert_eq!(met, (0..10).collect::<Vec<_>>(), "step {step}");
        }
    }
}
