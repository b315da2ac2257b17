//! Bounds the bytes of all request bodies that are held at once, and each project's share of them.

use super::auth::Caller;
use super::error::ApiError;
use crate::domain::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bodies below this many bytes do not count.
const FREE_BYTES: usize = 64 << 10;

/// The count; cheap to clone, one for all workers.
#[derive(Clone)]
pub(crate) struct BodyBudget {
    /// The bound on all bodies.
    limit: usize,
    /// The bound on those of one project.
    share: usize,
    /// The bytes held.
    held: Arc<Mutex<Bytes>>,
}

/// Bytes that are held.
#[derive(Default)]
struct Bytes {
    /// All of them.
    all: usize,
    /// By project; one that holds none has no entry.
    projects: HashMap<ProjectId, usize>,
}

/// What one body holds; given back when dropped.
pub(super) struct BodyHold {
    /// Where it counts.
    budget: BodyBudget,
    /// Under which project; the operator has no share.
    project: Option<ProjectId>,
    /// How many bytes.
    bytes: usize,
}

impl BodyHold {
    /// Whose body it is; none for the operator.
    pub(super) const fn owner(&self) -> Option<&ProjectId> {
        self.project.as_ref()
    }
}

impl BodyBudget {
    /// A budget for so many bytes, and so many of one project.
    pub(crate) fn new(limit: usize, share: usize) -> Self {
        Self { limit, share, held: Arc::default() }
    }

    /// A body of which nothing has come.
    pub(super) fn hold(&self, caller: &Caller) -> BodyHold {
        let project = match caller {
            Caller::Project { project, .. } => Some(project.clone()),
            Caller::Admin => None,
        };
        BodyHold { budget: self.clone(), project, bytes: 0 }
    }

    /// The bytes held. A panic elsewhere leaves nothing half-done in them.
    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyHold {
    /// Nothing, for the same project.
    pub(super) fn nothing(&self) -> Self {
        Self { budget: self.budget.clone(), project: self.project.clone(), bytes: 0 }
    }

    /// Holds `size` bytes from now on. They are counted as they arrive, not as they are announced: to announce costs a
    /// client nothing.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] when the project has its share, or all have all there is.
    pub(super) fn cover(&mut self, size: usize) -> Result<(), ApiError> {
        if size < FREE_BYTES {
            return Ok(());
        }
        let more = size.saturating_sub(self.bytes);
        let mut bytes = self.budget.bytes();
        let own = self.project.as_ref().map_or(0, |project| bytes.of(project));
        if bytes.all + more > self.budget.limit || own + more > self.budget.share {
            return Err(ApiError::Overloaded);
        }
        bytes.all += more;
        if let Some(project) = &self.project {
            *bytes.projects.entry(project.clone()).or_default() += more;
        }
        self.bytes += more;
        Ok(())
    }
}

impl Bytes {
    /// What a project holds.
    fn of(&self, project: &ProjectId) -> usize {
        self.projects.get(project).copied().unwrap_or_default()
    }
}

impl Drop for BodyHold {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut bytes = self.budget.bytes();
        bytes.all -= self.bytes;
        let Some(project) = &self.project else { return };
        let left = bytes.of(project) - self.bytes;
        if left == 0 {
            bytes.projects.remove(project);
        } else {
            bytes.projects.insert(project.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Permissions;

    /// A caller of this project.
    fn of(project: &str) -> Caller {
        Caller::Project { project: ProjectId::from(project), permissions: Permissions::OWNER }
    }

    #[test]
    fn large_bodies_alone_count_and_give_back() {
        let budget = BodyBudget::new(256 << 10, 256 << 10);
        let (mut small, mut first, mut second) =
            (budget.hold(&of("a")), budget.hold(&of("a")), budget.hold(&Caller::Admin));
        first.cover(100 << 10).unwrap();
        first.cover(200 << 10).unwrap();
        assert_eq!(second.cover(100 << 10), Err(ApiError::Overloaded));
        small.cover(FREE_BYTES - 1).unwrap();
        drop(first);
        second.cover(256 << 10).unwrap();
        drop(second);
        let left = budget.bytes();
        assert_eq!((left.all, left.projects.len()), (0, 0));
    }

    #[test]
    fn a_project_with_its_share_leaves_the_rest_to_others() {
        let budget = BodyBudget::new(400 << 10, 200 << 10);
        let (mut first, mut second) = (budget.hold(&of("a")), budget.hold(&of("a")));
        first.cover(150 << 10).unwrap();
        assert_eq!(second.cover(100 << 10), Err(ApiError::Overloaded));
        budget.hold(&of("b")).cover(200 << 10).unwrap();
        second.cover(FREE_BYTES - 1).unwrap();
        drop(first);
        second.cover(200 << 10).unwrap();
    }
}
