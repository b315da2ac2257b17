//! The pairs of maps, whose keys must differ: Erlang refuses a map that has one twice, JSON does not.

use std::collections::HashSet;

/// Up to so many pairs, equal keys are looked for by comparing each with each.
const FEW_PAIRS: usize = 12;

/// A pair of a map.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    /// Where its key begins.
    pub(super) start: usize,
    /// Where its key ends and its value begins.
    pub(super) key_end: usize,
}

impl Pair {
    /// The bytes of its key.
    fn key<'a>(&self, out: &'a [u8]) -> &'a [u8] {
        out.get(self.start..self.key_end).unwrap_or_default()
    }
}

/// Leaves of the pairs at the end of a term those that no later one with the same key overrules, as readers of JSON
/// do; returns how many there are.
pub(super) fn drop_overruled(out: &mut Vec<u8>, pairs: &[Pair]) -> usize {
    let Some(first) = pairs.first().filter(|_| has_equal_keys(out, pairs)) else {
        return pairs.len();
    };
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    let mut end = out.len();
    for pair in pairs.iter().rev() {
        if seen.insert(pair.key(out)) {
            kept.push(out.get(pair.start..end).unwrap_or_default());
        }
        end = pair.start;
    }
    let count = kept.len();
    kept.reverse();
    let kept = kept.concat();
    out.truncate(first.start);
    out.extend_from_slice(&kept);
    count
}

/// Whether a key stands twice among these pairs.
fn has_equal_keys(out: &[u8], pairs: &[Pair]) -> bool {
    if pairs.len() > FEW_PAIRS {
        let mut seen = HashSet::with_capacity(pairs.len());
        return !pairs.iter().all(|pair| seen.insert(pair.key(out)));
    }
    let mut rest = pairs;
    while let Some((one, others)) = rest.split_first() {
        if others.iter().any(|other| other.key(out) == one.key(out)) {
            return true;
        }
        rest = others;
    }
    false
}
