//! What a check found.

use serde::Serialize;
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Fine,
    /// It works, but not under all circumstances.
    Warning,
    /// It does not work, or what was stored is in danger.
    Problem,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in one word.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Severity,
    /// What was found.
    pub found: String,
    /// What to do about it; none where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub(super) fn fine(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Severity::Fine, found: found.into(), remedy: None }
    }

    /// Something that will be a problem under some circumstances.
    pub(super) fn warning(
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { check, verdict: Severity::Warning, found: found.into(), remedy }
    }

    /// Something that is one.
    pub(super) fn problem(
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { check, verdict: Severity::Problem, found: found.into(), remedy }
    }
}

impl fmt::Display for Finding {
    /// One line, and a second one with what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Severity::Fine => "ok",
            Severity::Warning => "warning",
            Severity::Problem => "PROBLEM",
        };
        writeln!(f, "{verdict:8} {:9} {}", self.check, self.found)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| writeln!(f, "{:18} → {remedy}", ""))
    }
}
