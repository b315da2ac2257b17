//! What clients that name positions were given of the session's line, so that it is known what one of them has read.
//!
//! Nobody says who comes back: who names a place is one of those who were there when that was said. What all of these were
//! given, up to that place, it has read.

use std::collections::VecDeque;

/// How many that have gone are remembered.
const MOST: usize = 16;

/// What a client that keeps positions was given on one connection.
pub(super) struct Given {
    /// Everything behind this offset,
    pub(super) from: u64,
    /// but for what stands at these, in order: that was said again since.
    pub(super) left_out: Vec<u64>,
}

impl Given {
    /// Behind which offset it was given everything up to that one; none if it came only later.
    fn all_behind(&self, upto: u64) -> Option<u64> {
        let left_out = self.left_out.iter().copied().take_while(|at| *at <= upto).last();
        (self.from <= upto).then(|| left_out.unwrap_or(self.from))
    }
}

/// A connection of a client that keeps positions, which has gone.
struct GoneResumer {
    /// What it was given.
    given: Given,
    /// Where the line stood when it went.
    upto: u64,
}

/// Those who have gone.
pub(super) struct Resumers {
    /// Them, who went first first.
    gone: VecDeque<GoneResumer>,
    /// Up to where the line stood when the last of those went that are not remembered.
    forgotten: Option<u64>,
}

/// What a client has read that names a place.
pub(super) struct ReadStretch {
    /// Behind this offset; none where nothing is known.
    from: Option<u64>,
    /// Up to this one.
    upto: u64,
}

impl ReadStretch {
    /// Nothing.
    pub(super) const NOTHING: Self = Self { from: None, upto: 0 };

    /// Whether what was said there is among it.
    pub(super) fn has(&self, offset: u64) -> bool {
        self.from.is_some_and(|from| from < offset && offset <= self.upto)
    }
}

impl Resumers {
    /// Nobody.
    pub(super) const fn new() -> Self {
        Self { gone: VecDeque::new(), forgotten: None }
    }

    /// One has gone that was given this, and the line stands here.
    pub(super) fn note(&mut self, given: Given, upto: u64) {
        self.gone.push_back(GoneResumer { given, upto });
        if self.gone.len() > MOST
            && let Some(oldest) = self.gone.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(oldest.upto));
        }
    }

    /// What a client has read that names this offset; `here` is what those were given who have not gone.
    pub(super) fn read<'a>(
        &'a self,
        upto: u64,
        here: impl Iterator<Item = &'a Given>,
    ) -> ReadStretch {
        if self.forgotten.is_some_and(|forgotten| upto <= forgotten) {
            return ReadStretch::NOTHING;
        }
        let gone = self.gone.iter().filter(|gone| upto <= gone.upto).map(|gone| &gone.given);
        let from = gone.chain(here).filter_map(|given| given.all_behind(upto)).max();
        ReadStretch { from, upto }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything behind an offset, but for these.
    fn given(from: u64, left_out: &[u64]) -> Given {
        Given { from, left_out: left_out.to_vec() }
    }

    /// Whether a client that names an offset has read what stands at another one.
    fn has_read(resumers: &Resumers, upto: u64, here: &[Given], offset: u64) -> bool {
        resumers.read(upto, here.iter()).has(offset)
    }

    #[test]
    fn only_what_all_were_given_who_were_there_was_read() {
        let mut resumers = Resumers::new();
        assert!(!has_read(&resumers, 9, &[], 5), "nobody was there");
        resumers.note(given(3, &[]), 10);
        let one = [2, 3, 4, 9, 10].map(|offset| has_read(&resumers, 9, &[], offset));
        assert_eq!(one, [false, false, true, true, false]);
        // Another came later, and may be the one.
        let later = [given(6, &[])];
        assert!(!has_read(&resumers, 9, &later, 5) && has_read(&resumers, 9, &later, 7));
        // But not where it came only behind that.
        assert!(has_read(&resumers, 9, &[given(10, &[])], 5));
        // Nor one that had gone before.
        assert!(!has_read(&resumers, 11, &[], 5));
    }

    #[test]
    fn what_was_left_out_was_not_read_and_nothing_before_it_is_known_to_be() {
        let mut resumers = Resumers::new();
        // It was given all behind 3, has read as far as 13, and comes back: what stands at 14 was said again at 24, and that at 29.
        resumers.note(given(3, &[]), 23);
        resumers.note(given(13, &[14, 24]), 33);
        assert!(!has_read(&resumers, 19, &[], 14) && has_read(&resumers, 19, &[], 19));
        assert!(!has_read(&resumers, 29, &[], 24) && has_read(&resumers, 29, &[], 29));
    }

    #[test]
    fn what_is_forgotten_is_not_guessed() {
        let mut resumers = Resumers::new();
        for number in 0..=16 {
            resumers.note(given(number, &[]), 100 + number);
        }
        assert!(!has_read(&resumers, 100, &[], 50));
        assert!(has_read(&resumers, 101, &[], 50));
    }
}
