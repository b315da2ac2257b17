//! What came of the last questions to each project's channel authorizer, for those who set one up.
//!
//! In memory only: it serves to find out why nobody gets in, and the next question tells it again after a restart. It
//! holds neither whom a question was about nor what was answered beside the decision.

use crate::domain::{Authorizer, ProjectId, Timestamp};
use crate::num;
use crate::webhook::CallError;
use crate::webhook::authorize::{NoDecision, Verdict};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many are kept for a project; the oldest goes first.
const PER_PROJECT: usize = 20;
/// The most projects; past it the one that asked longest ago is forgotten.
const MAX_PROJECTS: usize = 1000;

/// What came of a question: the status, and what the answer means.
pub(super) type AuthorizerAnswer = Result<(u16, Result<Verdict, NoDecision>), CallError>;

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    /// The token may subscribe.
    Granted,
    /// The back end answered with anything else; where that was no decision, there is a reason.
    Refused,
    /// There was no answer, which refuses.
    Failed,
}

/// A question that was asked: `{at, outcome, status?, reason?, ms}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorizerCall {
    /// When.
    at: Timestamp,
    /// What came of it.
    outcome: Came,
    /// The status, where there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why there was none, or why it was no decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// How long it took, waiting for a place included.
    ms: u64,
}

impl AuthorizerCall {
    /// A question of that time which took so long.
    pub(super) fn new(at: Timestamp, took: Duration, answered: &AuthorizerAnswer) -> Self {
        let ms = num::counter(took.as_millis());
        let (outcome, status, reason) = match answered {
            Ok((status, Ok(Verdict::Granted { .. }))) => (Came::Granted, Some(*status), None),
            Ok((status, Ok(Verdict::Refused))) => (Came::Refused, Some(*status), None),
            Ok((status, Err(fault))) => (Came::Refused, Some(*status), Some(fault.reason())),
            Err(error) => (Came::Failed, None, Some(error.reason())),
        };
        Self { at, outcome, status, reason, ms }
    }
}

/// The last questions to one channel authorizer.
struct Last {
    /// When that one was set: another one of the project begins anew.
    set_at: Timestamp,
    /// Newest first.
    asked: VecDeque<AuthorizerCall>,
}

/// The last questions to all of them.
#[derive(Default)]
pub(in crate::actor) struct LastAsked(Mutex<HashMap<ProjectId, Last>>);

impl LastAsked {
    /// All of them.
    fn all(&self) -> MutexGuard<'_, HashMap<ProjectId, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a question.
    pub(in crate::actor) fn note(&self, authorizer: &Authorizer, asked: AuthorizerCall) {
        let mut all = self.all();
        let (project, set_at) = (&authorizer.project, authorizer.created_at);
        if all.len() >= MAX_PROJECTS && !all.contains_key(project) {
            let oldest = all.iter().min_by_key(|(_, last)| last.asked.front().map(|it| it.at));
            if let Some(oldest) = oldest.map(|(project, _)| project.clone()) {
                all.remove(&oldest);
            }
        }
        let begin = || Last { set_at, asked: VecDeque::with_capacity(PER_PROJECT) };
        let last = all.entry(project.clone()).or_insert_with(begin);
        if last.set_at != set_at {
            *last = begin();
        }
        last.asked.truncate(PER_PROJECT - 1);
        last.asked.push_front(asked);
    }

    /// The last questions to this one, newest first.
    pub(in crate::actor) fn of(&self, authorizer: &Authorizer) -> Vec<AuthorizerCall> {
        let all = self.all();
        let last = all.get(&authorizer.project);
        let last = last.filter(|last| last.set_at == authorizer.created_at);
        last.map(|last| last.asked.iter().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel authorizer of this project that was set then.
    fn authorizer(project: &str, set_at: i64) -> Authorizer {
        let (project, created_at) = (ProjectId::from(project), Timestamp(set_at));
        Authorizer { project, url: String::new(), secret: String::new(), created_at }
    }

    /// A question of this time.
    fn asked(at: i64) -> AuthorizerCall {
        AuthorizerCall::new(Timestamp(at), Duration::ZERO, &Ok((200, Ok(Verdict::Refused))))
    }

    #[test]
    fn the_last_twenty_of_one_authorizer_are_kept() {
        let (last, first, second) = (LastAsked::default(), authorizer("a", 1), authorizer("a", 2));
        for at in 0..25 {
            last.note(&first, asked(at));
        }
        let expected: Vec<AuthorizerCall> = (5..25).rev().map(asked).collect();
        assert_eq!(last.of(&first), expected);
        assert!(last.of(&second).is_empty());
        last.note(&second, asked(30));
        assert_eq!(last.of(&second), [asked(30)]);
        assert!(last.of(&authorizer("b", 2)).is_empty());
    }

    #[test]
    fn the_project_that_asked_longest_ago_makes_room() {
        let last = LastAsked::default();
        let named = |number: usize| authorizer(&format!("p{number}"), 1);
        for (number, at) in (0..MAX_PROJECTS).zip(10..) {
            last.note(&named(number), asked(at));
        }
        last.note(&named(0), asked(5000));
        last.note(&named(MAX_PROJECTS), asked(5001));
        assert_eq!(last.all().len(), MAX_PROJECTS);
        assert!(last.of(&named(1)).is_empty());
        assert_eq!(last.of(&named(0)).len(), 2);
        assert_eq!(last.of(&named(MAX_PROJECTS)).len(), 1);
    }
}
