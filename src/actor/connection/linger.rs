//! How long a connection that was closed waits for its peer to take the rest and end the stream.

/// How many looks in a row at a peer that takes nothing are enough, while there is something to take.
const PATIENCE: u32 = 4;

/// Watches how much is left, from look to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linger {
    /// What was left at the last look, bytes.
    left: u64,
    /// How many looks in a row have found that nothing was taken.
    idle: u32,
}

impl Linger {
    /// So much is left.
    pub(super) const fn new(left: u64) -> Self {
        Self { left, idle: 0 }
    }

    /// Whether to wait for another look, now that so much is left: however slow a peer is, as long as it takes
    /// something. Once it has all, one more look is time enough to end the stream.
    pub(super) const fn goes_on(&mut self, left: u64) -> bool {
        self.idle = if left < self.left { 0 } else { self.idle.saturating_add(1) };
        self.left = left;
        self.idle < if left == 0 { 1 } else { PATIENCE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_takes_something_is_waited_for() {
        let mut linger = Linger::new(100);
        assert!((0..100).rev().all(|left| linger.goes_on(left)));
        assert!(!linger.goes_on(0), "it has everything and does not end");
    }

    #[test]
    fn a_peer_that_takes_nothing_is_not() {
        let mut linger = Linger::new(100);
        let looks = (0..99).take_while(|_| linger.goes_on(100)).count();
        assert_eq!(looks, 3);
        let mut linger = Linger::new(100);
        assert!([100, 100, 99, 99, 99, 99].map(|left| linger.goes_on(left))[..5] == [true; 5]);
        assert!(!linger.goes_on(99));
    }

    #[test]
    fn nothing_left_is_one_look() {
        assert!(!Linger::new(0).goes_on(0));
    }
}
