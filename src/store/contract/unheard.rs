//! Claims about what an orderly stop leaves for the next start.

use super::Bench;
use crate::domain::{LeapTokenId, MISSED_UNKNOWN};
use crate::store::Unheard;

/// Takes what was left.
fn take(bench: &mut Bench) -> Unheard {
    let mut left = bench.write(|store| store.take_unheard()).unwrap();
    left.tokens.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
    left
}

pub(crate) fn what_a_stop_left_is_taken_once(bench: &mut Bench) {
    assert_eq!(take(bench), Unheard::default());
    assert_eq!(Unheard::default().others, MISSED_UNKNOWN, "who was killed knows nothing");
    let token = |n: u64| LeapTokenId::from(format!("t{n:04}").as_str());
    let many = (0..1201).map(|n| (token(n), if n == 7 { MISSED_UNKNOWN } else { n })).collect();
    let left = Unheard { others: 0, tokens: many };
    bench.write(|store| store.keep_unheard(&left)).unwrap();
    bench.reopen();
    assert_eq!(take(bench), left);
    assert_eq!(take(bench), Unheard::default());
    // The later one counts.
    bench.write(|store| store.keep_unheard(&left)).unwrap();
    let other = Unheard { others: MISSED_UNKNOWN, tokens: vec![(token(1), 0)] };
    bench.write(|store| store.keep_unheard(&other)).unwrap();
    assert_eq!(take(bench), other);
}
