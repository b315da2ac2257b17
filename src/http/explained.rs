//! Where a code of a failure is explained: the page of the book that has a heading for each.

use serde::{Serialize, Serializer};
use std::fmt;

/// The page, below the address at which Warren is mounted.
const PAGE: &str = "/docs/errors";

/// The way to the paragraph on a code.
pub(crate) struct CodeLink<'a>(pub(crate) &'a str);

impl fmt::Display for CodeLink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PAGE}#{}", self.0)
    }
}

impl Serialize for CodeLink<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::FailureCode;
    use std::collections::BTreeSet;

    /// The page.
    const TEXT: &str = include_str!("../../docs/errors.md");
    /// Where the close codes are.
    const CLOSES: &str = include_str!("../../crates/warren-leap/src/protocol/close.rs");
    /// Where the codes of `ERROR` are.
    const REFUSALS: &str = include_str!("../../crates/warren-leap/src/protocol/refusal.rs");
    /// Where the words of `UNAVAILABLE` are.
    const EVENTS: &str = include_str!("../../crates/warren-leap/src/protocol/encoded_event.rs");

    /// The headings below one of the page's, without the marks of code.
    fn headings(part: &str) -> BTreeSet<String> {
        let (_, rest) = TEXT.split_once(&format!("\n## {part}\n")).unwrap();
        let rest = rest.split("\n## ").next().unwrap();
        let mut found = BTreeSet::new();
        for section in rest.split("\n### ").skip(1) {
            let (heading, text) = section.split_once('\n').unwrap();
            assert!(found.insert(heading.replace('`', "")), "{heading} stands there twice");
            for wanted in ["**Means**", "**Why**", "**Do**"] {
                assert!(text.contains(wanted), "{heading} does not say {wanted}");
            }
        }
        found
    }

    /// What the arms of a match in that function are worth: numbers, or words in quotes.
    fn arms(source: &str, function: &str, prefix: &str) -> BTreeSet<String> {
        let (_, body) = source.split_once(&format!("fn {function}(")).unwrap();
        let body = body.split("\n    }\n").next().unwrap();
        let worth = body.lines().filter_map(|line| line.split_once(" => "));
        let words = worth.map(|(_, worth)| worth.trim_matches([',', '"']).to_owned());
        let found: BTreeSet<_> =
            words.filter(|word| word != "number").map(|word| format!("{prefix}{word}")).collect();
        assert!(found.len() > 1, "{function}: {body}");
        found
    }

    #[test]
    fn every_code_of_http_has_its_paragraph_and_no_other_word_has_one() {
        let codes = FailureCode::ALL.iter().map(|code| code.word().to_owned());
        assert_eq!(headings("HTTP"), codes.collect());
    }

    #[test]
    fn every_refusal_of_the_socket_has_its_paragraph_and_no_other_word_has_one() {
        let mut words = arms(REFUSALS, "code", "ERROR ");
        words.extend(arms(EVENTS, "as_str", "UNAVAILABLE "));
        assert_eq!(headings("Refusals on the socket"), words);
    }

    #[test]
    fn every_close_code_has_its_paragraph_and_no_other_number_has_one() {
        let mut known = arms(CLOSES, "number", "Close ");
        // Hop's, which clients know whether or not anything here sends it.
        known.insert("Close 4006".to_owned());
        assert_eq!(headings("Close codes"), known);
    }

    #[test]
    fn a_link_leads_to_the_heading_of_its_code() {
        assert_eq!(CodeLink(FailureCode::InvalidId.word()).to_string(), "/docs/errors#invalid_id");
    }
}
