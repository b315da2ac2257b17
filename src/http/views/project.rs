//! Projects and their tokens.

use crate::domain::{Project, ProjectId, ProjectToken, ProjectTokenId, Timestamp};
use serde::Serialize;

/// A project's share of machines; Warren has none, clients want the numbers.
#[derive(Serialize, Default)]
struct Quota {
    /// Cores.
    vcpu: u8,
    /// Bytes of memory.
    ram: u8,
    /// Bytes of disk.
    volume: u8,
}

/// `{}`.
#[derive(Serialize)]
struct EmptyObject {}

/// A project.
#[derive(Serialize)]
pub(crate) struct ProjectView<'a> {
    /// `project_…`.
    id: &'a ProjectId,
    /// What people call it.
    name: &'a str,
    /// Its word for command lines.
    namespace: &'a str,
    /// When it was created.
    created_at: Timestamp,
    /// Always `null`.
    icon: Option<&'a str>,
    /// Always `regular`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Always `paid`.
    tier: &'static str,
    /// Zeros.
    default_quotas: Quota,
    /// `{}`: the Go client takes integers only.
    quota_overrides: EmptyObject,
    /// Zeros.
    quota_usage: Quota,
}

impl<'a> From<&'a Project> for ProjectView<'a> {
    fn from(project: &'a Project) -> Self {
        Self {
            id: &project.id,
            name: &project.name,
            namespace: &project.namespace,
            created_at: project.created_at,
            icon: None,
            kind: "regular",
            tier: "paid",
            default_quotas: Quota::default(),
            quota_overrides: EmptyObject {},
            quota_usage: Quota::default(),
        }
    }
}

/// A project token.
#[derive(Serialize)]
pub(crate) struct ProjectTokenView<'a> {
    /// `ptkid_…`.
    id: &'a ProjectTokenId,
    /// The secret, whole at creation and masked ever after.
    token: &'a str,
    /// What it may do, as a number that JavaScript holds exactly.
    flags: u64,
    /// The groups among those that the `hop` crate knows which it holds wholly.
    permissions: Vec<&'static str>,
    /// Its project.
    project_id: &'a ProjectId,
    /// Its project, whole.
    project: ProjectView<'a>,
    /// When it was created.
    created_at: Timestamp,
}

impl<'a> ProjectTokenView<'a> {
    /// Shows a token of this project with as much of its secret as `shown`.
    pub(crate) fn new(token: &'a ProjectToken, project: &'a Project, shown: &'a str) -> Self {
        Self {
            id: &token.id,
            token: shown,
            flags: token.permissions.bits(),
            permissions: token.permissions.groups(),
            project_id: &token.project,
            project: project.into(),
            created_at: token.created_at,
        }
    }
}
