//! The mails that were heard last. A server that is killed right after one was heard may not have noted that, and says it
//! again at another position; by its id it is known again.

use std::collections::VecDeque;
use std::sync::Arc;

/// How many are remembered: more than a server says before the first of them is noted as delivered.
const MOST: usize = 1000;

/// The ids of the mails that were heard last, in their order.
#[derive(Debug, Default)]
pub(crate) struct Mails(VecDeque<Arc<str>>);

impl Mails {
    /// Whether one was heard; if so, it is now the one that was heard last.
    pub(crate) fn know(&mut self, id: &str) -> bool {
        let Some(at) = self.0.iter().rposition(|known| **known == *id) else { return false };
        if let Some(known) = self.0.remove(at) {
            self.0.push_back(known);
        }
        true
    }

    /// One was heard.
    pub(crate) fn note(&mut self, id: Arc<str>) {
        self.0.push_back(id);
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// All that are remembered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_are_known_and_one_that_comes_again_stays() {
        let mut mails = Mails::default();
        for number in 0..MOST {
            mails.note(number.to_string().into());
        }
        assert!(mails.know("0") && mails.know("999") && !mails.know("1000"));
        mails.note("1000".into());
        assert!(mails.know("0") && !mails.know("1") && mails.know("2"));
        assert_eq!(mails.iter().count(), MOST);
    }
}
