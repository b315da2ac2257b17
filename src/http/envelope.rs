//! The envelope around every answer.

use super::explained::CodeLink;
use crate::domain::Version;
use serde::Serialize;

/// `{"success":true,"data":…}`.
#[derive(Serialize)]
pub(crate) struct Success<T> {
    /// Always true.
    success: bool,
    /// What was asked for.
    data: T,
}

impl<T> Success<T> {
    /// Wraps an answer's data.
    pub(crate) const fn new(data: T) -> Self {
        Self { success: true, data }
    }
}

/// `{"success":false,"error":…}`.
#[derive(Serialize)]
struct Failure<'a> {
    /// Always false.
    success: bool,
    /// What went wrong.
    error: ErrorBody<'a>,
}

/// What went wrong, for programs and for people.
#[derive(Serialize)]
struct ErrorBody<'a> {
    /// By which programs branch.
    code: &'a str,
    /// For people.
    message: &'a str,
    /// What else is known.
    #[serde(flatten)]
    details: Details<'a>,
    /// Where the code is explained.
    docs: CodeLink<'a>,
}

/// What an error says beside code and message; absent where it does not apply.
#[derive(Serialize, Default)]
pub(crate) struct Details<'a> {
    /// The field of the body or the query that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<&'a str>,
    /// The flag that the token lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permission: Option<&'a str>,
    /// The version in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Version>,
    /// The oldest version that is kept.
    #[serde(rename = "oldest", skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_version: Option<Version>,
    /// The bound that was exceeded, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
    /// By what, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<usize>,
    /// The oldest position from which on nothing is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest: Option<&'a str>,
    /// What is wrong with the server.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) reasons: &'a [HealthReason],
    /// Where the log says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
}

/// Something that is wrong with the server, or will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HealthReason {
    /// A word for programs.
    pub(crate) reason: &'static str,
    /// A sentence for people.
    pub(crate) message: String,
}

/// The text of an error's envelope.
pub(crate) fn failure(code: &str, message: &str, details: Details<'_>) -> String {
    let error = ErrorBody { code, message, details, docs: CodeLink(code) };
    let failure = Failure { success: false, error };
    // Strings, numbers and nothing else: writing them cannot fail.
    serde_json::to_string(&failure).unwrap_or_default()
}
