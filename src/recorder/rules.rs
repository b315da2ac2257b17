//! What is not to be kept, and what is not to be shown.

use crate::domain::{ChannelId, RawJson};
use serde_json::Value;

/// What stands where something was.
const REDACTED: &str = "[redacted]";
/// The most rules of one kind.
const MAX_RULES: usize = 256;
/// The most bytes of one.
const MAX_RULE: usize = 256;

/// A rule that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Empty, or a path with an empty part.
    #[error("{0:?} is empty, or a part of it is")]
    Empty(String),
    /// Too long.
    #[error("a rule has at most {MAX_RULE} bytes")]
    TooLong,
    /// Too many.
    #[error("there are at most {MAX_RULES} rules")]
    TooMany,
}

/// What is not to be kept, and what is not to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordRules {
    /// The channels whose bodies are not kept, as patterns.
    hidden: Vec<String>,
    /// The members of JSON objects whose values are not shown, as the last parts of their paths.
    redacted: Vec<Vec<String>>,
}

impl RecordRules {
    /// None.
    pub const fn none() -> Self {
        Self { hidden: Vec::new(), redacted: Vec::new() }
    }

    /// Channels whose bodies are not kept, as patterns in which `*` is anything, and members whose values are not shown, as
    /// `name` or `name.name` at any depth, where `*` is any member or item.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn new(hidden: Vec<String>, redacted: &[String]) -> Result<Self, RuleError> {
        for rules in [hidden.as_slice(), redacted] {
            if rules.len() > MAX_RULES {
                return Err(RuleError::TooMany);
            }
            if rules.iter().any(|rule| rule.len() > MAX_RULE) {
                return Err(RuleError::TooLong);
            }
        }
        let parts = |path: &String| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let redacted: Vec<_> = redacted.iter().map(parts).collect();
        if let Some(empty) = hidden.iter().find(|pattern| pattern.is_empty()) {
            return Err(RuleError::Empty(empty.clone()));
        }
        if let Some(empty) = redacted.iter().find(|path| path.iter().any(String::is_empty)) {
            return Err(RuleError::Empty(empty.join(".")));
        }
        Ok(Self { hidden, redacted })
    }

    /// The channels whose bodies are not kept.
    pub fn hidden(&self) -> Vec<String> {
        self.hidden.clone()
    }

    /// The members whose values are not shown.
    pub fn redacted(&self) -> Vec<String> {
        self.redacted.iter().map(|path| path.join(".")).collect()
    }

    /// Whether bodies of this channel are not kept; without one, of what is on no channel: that is hidden where everything is.
    pub fn hides(&self, channel: Option<&ChannelId>) -> bool {
        self.hidden.iter().any(|pattern| match channel {
            Some(id) => fits(pattern, id.as_str()),
            None => pattern == "*",
        })
    }

    /// Whether some channels are hidden: then what may be about several is hidden too.
    pub const fn hides_some(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Whether something is not shown.
    pub const fn redacts(&self) -> bool {
        !self.redacted.is_empty()
    }

    /// A text as it is shown.
    pub fn shown(&self, json: &RawJson) -> RawJson {
        if !self.redacts() {
            return json.clone();
        }
        let Ok(mut value) = serde_json::from_str::<Value>(json.as_str()) else {
            // It was checked when it came; what cannot be read all the same is not shown.
            return RawJson::trusted(format!("\"{REDACTED}\""));
        };
        if self.redact(&mut value, &mut Vec::new()) {
            RawJson::trusted(value.to_string())
        } else {
            json.clone()
        }
    }

    /// Replaces what is not shown; whether there was anything.
    fn redact<'a>(&self, value: &'a mut Value, path: &mut Vec<&'a str>) -> bool {
        let mut is_changed = false;
        match value {
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    path.push(name);
                    is_changed |= self.replace(member, path);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for item in items {
                    path.push("*");
                    is_changed |= self.replace(item, path);
                    path.pop();
                }
            }
            _ => {}
        }
        is_changed
    }

    /// The same of one member.
    fn replace<'a>(&self, member: &'a mut Value, path: &mut Vec<&'a str>) -> bool {
        if self.redacted.iter().any(|rule| is_end_of(rule, path)) {
            *member = Value::String(REDACTED.to_owned());
            return true;
        }
        self.redact(member, path)
    }
}

/// Whether a path ends with a rule.
fn is_end_of(rule: &[String], path: &[&str]) -> bool {
    let Some(skipped) = path.len().checked_sub(rule.len()) else { return false };
    let parts = path.iter().skip(skipped);
    rule.iter().zip(parts).all(|(wanted, part)| wanted == "*" || wanted == part)
}

/// Whether a text fits a pattern in which `*` is anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules for these members.
    fn redacting(paths: &[&str]) -> RecordRules {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        RecordRules::new(Vec::new(), &paths).unwrap()
    }

    /// A text as it is shown.
    fn shown(rules: &RecordRules, text: &str) -> String {
        rules.shown(&RawJson::parse(text).unwrap()).as_str().to_owned()
    }

    #[test]
    fn members_are_redacted_at_any_depth_and_nothing_else_is_changed() {
        let rules = redacting(&["password", "card.number", "people.*.mail"]);
        assert_eq!(
            shown(&rules, r#"{"d":{"password":{"a":1},"card":{"number":4,"x":1.50}},"number":2}"#),
            r#"{"d":{"password":"[redacted]","card":{"number":"[redacted]","x":1.50}},"number":2}"#
        );
        assert_eq!(
            shown(&rules, r#"[{"people":[{"mail":"a","n":1},{"mail":"b"}],"mail":"c"}]"#),
            r#"[{"people":[{"mail":"[redacted]","n":1},{"mail":"[redacted]"}],"mail":"c"}]"#
        );
        let untouched = r#"{ "a" : 9007199254740993 }"#;
        assert_eq!(shown(&rules, untouched), untouched, "byte for byte");
        assert_eq!(shown(&RecordRules::none(), r#"{"password":1}"#), r#"{"password":1}"#);
    }

    #[test]
    fn channels_are_hidden_by_patterns() {
        let hiding = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            RecordRules::new(patterns, &[]).unwrap()
        };
        let channel = |id: &str| ChannelId::trusted(id);
        let rules = hiding(&["secret", "dm:*", "*-private", "a*b*c"]);
        for (id, is_hidden) in [
            ("secret", true),
            ("secrets", false),
            ("dm:", true),
            ("dm:a:b", true),
            ("xdm:a", false),
            ("x-private", true),
            ("private", false),
            ("abc", true),
            ("a1b2b3c", true),
            ("ac", false),
            ("abcx", false),
        ] {
            assert_eq!(rules.hides(Some(&channel(id))), is_hidden, "{id}");
        }
        assert!(!rules.hides(None) && rules.hides_some());
        assert!(hiding(&["*"]).hides(None) && hiding(&["*"]).hides(Some(&channel("x"))));
        assert!(!hiding(&["aa*aa"]).hides(Some(&channel("aaa"))), "nothing counts twice");
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
        for wrong in ["", "a..b", ".a", "a."] {
            let refused = RecordRules::new(Vec::new(), &[wrong.to_owned()]);
            assert!(matches!(refused, Err(RuleError::Empty(_))), "{wrong}");
        }
        assert!(RecordRules::new(vec![String::new()], &[]).is_err());
        assert_eq!(RecordRules::new(vec!["x".repeat(257)], &[]), Err(RuleError::TooLong));
        assert_eq!(RecordRules::new(vec!["x".into(); 257], &[]), Err(RuleError::TooMany));
    }
}
