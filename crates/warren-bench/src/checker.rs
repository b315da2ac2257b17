//! What one connection heard: nothing lost, nothing twice, each publisher's messages in its order.

/// What a delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next one, or one further.
    Fine,
    /// It came after a later one of the same publisher.
    Late,
    /// It had come before.
    Twice,
}

/// How far one publisher's messages have come.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// The sequence number that comes next.
    next: u32,
    /// Whether one has come.
    is_open: bool,
}

/// Sequence numbers of one publisher that have not come though later ones have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    /// The publisher.
    publisher: u16,
    /// The first of them.
    from: u32,
    /// The one behind the last.
    to: u32,
}

/// What one connection heard so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Checker {
    /// By publisher.
    streams: Vec<Stream>,
    /// What is missing.
    holes: Vec<Hole>,
}

impl Checker {
    /// Begins to listen when the publishers are about to send these numbers: what was sent before may still come, what
    /// is sent from now on must.
    pub(super) fn begin(next: impl Iterator<Item = u32>) -> Self {
        let mut streams: Vec<_> = next.map(|next| Stream { next, is_open: false }).collect();
        // Most begin before anything is sent, and many never hear most of the publishers.
        while streams.last().is_some_and(|stream| stream.next == 0) {
            streams.pop();
        }
        streams.shrink_to_fit();
        Self { streams, holes: Vec::new() }
    }

    /// Takes a delivery.
    pub(super) fn take(&mut self, publisher: u16, sequence: u32) -> Verdict {
        let at = usize::from(publisher);
        if at >= self.streams.len() {
            self.streams.resize(at + 1, Stream::default());
        }
        let Some(stream) = self.streams.get_mut(at) else { return Verdict::Fine };
        if sequence == stream.next || (!stream.is_open && sequence < stream.next) {
            *stream = Stream { next: sequence.wrapping_add(1), is_open: true };
            return Verdict::Fine;
        }
        if sequence > stream.next {
            self.holes.push(Hole { publisher, from: stream.next, to: sequence });
            *stream = Stream { next: sequence.wrapping_add(1), is_open: true };
            return Verdict::Fine;
        }
        self.fill(publisher, sequence)
    }

    /// Takes a delivery that is older than the last one.
    fn fill(&mut self, publisher: u16, sequence: u32) -> Verdict {
        let is_it =
            |hole: &Hole| hole.publisher == publisher && (hole.from..hole.to).contains(&sequence);
        let Some(at) = self.holes.iter().position(is_it) else { return Verdict::Twice };
        let hole = self.holes.swap_remove(at);
        let below = Hole { to: sequence, ..hole };
        let above = Hole { from: sequence + 1, ..hole };
        self.holes.extend([below, above].into_iter().filter(|hole| hole.from < hole.to));
        Verdict::Late
    }

    /// What never came, for a connection that left: nothing is asked of what was still on its way.
    pub(super) fn lost_so_far(&self, is_void: impl Fn(u16, u32) -> bool) -> u64 {
        let missing = self
            .holes
            .iter()
            .flat_map(|hole| (hole.from..hole.to).map(|sequence| (hole.publisher, sequence)));
        count(missing, is_void)
    }

    /// What never came, for a connection that heard everything to the end, where the publishers had sent these numbers.
    /// What the server refused is void.
    pub(super) fn lost(
        &self,
        sent: impl Iterator<Item = (u16, u32)>,
        is_void: impl Fn(u16, u32) -> bool,
    ) -> u64 {
        let tail = sent.flat_map(|(publisher, sent)| {
            let stream = self.streams.get(usize::from(publisher)).copied().unwrap_or_default();
            (stream.next..sent).map(move |sequence| (publisher, sequence))
        });
        count(tail, &is_void) + self.lost_so_far(&is_void)
    }
}

/// How many of them count.
fn count(missing: impl Iterator<Item = (u16, u32)>, is_void: impl Fn(u16, u32) -> bool) -> u64 {
    let missing = missing.filter(|(publisher, sequence)| !is_void(*publisher, *sequence));
    u64::try_from(missing.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Fine, Late, Twice};

    /// Nothing was refused.
    fn none(_: u16, _: u32) -> bool {
        false
    }

    /// Takes a stream of one publisher and returns what was said.
    fn hear(checker: &mut Checker, sequences: &[u32]) -> Vec<Verdict> {
        sequences.iter().map(|sequence| checker.take(0, *sequence)).collect()
    }

    #[test]
    fn all_in_order_is_fine() {
        let mut checker = Checker::default();
        assert_eq!(hear(&mut checker, &[0, 1, 2]), [Fine; 3]);
        assert_eq!(checker.lost([(0, 3)].into_iter(), none), 0);
    }

    #[test]
    fn what_is_missing_is_lost() {
        let mut checker = Checker::default();
        hear(&mut checker, &[1, 2, 5]);
        assert_eq!(checker.lost_so_far(none), 3);
        assert_eq!(checker.lost([(0, 8)].into_iter(), none), 5);
        assert_eq!(checker.lost([(0, 8)].into_iter(), |_, it| it == 3 || it == 7), 3);
        assert_eq!(Checker::default().lost([(0, 2), (9, 4)].into_iter(), none), 6);
    }

    #[test]
    fn what_comes_again_is_twice() {
        let mut checker = Checker::default();
        assert_eq!(hear(&mut checker, &[0, 1, 1, 0, 2]), [Fine, Fine, Twice, Twice, Fine]);
        assert_eq!(checker.lost([(0, 3)].into_iter(), none), 0);
    }

    #[test]
    fn what_comes_behind_a_later_one_is_late_but_not_lost() {
        let mut checker = Checker::default();
        assert_eq!(hear(&mut checker, &[0, 4, 2, 2, 1]), [Fine, Fine, Late, Twice, Late]);
        assert_eq!(checker.lost([(0, 5)].into_iter(), none), 1);
        assert_eq!(hear(&mut checker, &[3]), [Late]);
        assert_eq!(checker.lost([(0, 5)].into_iter(), none), 0);
    }

    #[test]
    fn publishers_have_each_their_own_order() {
        let mut checker = Checker::default();
        for (publisher, sequence) in [(3, 0), (1, 0), (3, 1), (1, 1)] {
            assert_eq!(checker.take(publisher, sequence), Fine);
        }
        assert_eq!(checker.lost([(1, 2), (3, 2)].into_iter(), none), 0);
    }

    #[test]
    fn who_comes_later_need_not_have_heard_what_was_before() {
        let mut checker = Checker::begin([10, 0].into_iter());
        assert_eq!(checker.lost([(0, 10)].into_iter(), none), 0);
        // One that was on its way when it began.
        assert_eq!(hear(&mut checker, &[8, 9, 10]), [Fine; 3]);
        assert_eq!(checker.lost([(0, 11)].into_iter(), none), 0);
        let mut late = Checker::begin([10].into_iter());
        assert_eq!(hear(&mut late, &[12]), [Fine]);
        assert_eq!(late.lost([(0, 13)].into_iter(), none), 2);
    }
}
