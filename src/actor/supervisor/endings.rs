//! What ends when a project or one of its tokens was deleted from the store.

use super::super::guesses::Guess;
use super::super::shard::{EndProject, NoteSessions};
use super::Supervisor;
use crate::ask::AskError;
use crate::delivery::fanout::{Order, Owner};
use crate::domain::project::SecretHash;
use crate::domain::{AllowedOrigins, ProjectId, Register};
use crate::protocol::{Close, CloseCode};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::PoisonError;
use tokio::time::Instant;

/// The most projects remembered as existing; past it the memory starts anew.
const MAX_KNOWN: usize = 10_000;

/// The projects that are known to exist, so that a connection does not ask the store for its own.
#[derive(Default)]
pub(super) struct KnownProjects {
    /// Their ids, and from which pages their sockets may be opened.
    known: HashMap<ProjectId, AllowedOrigins>,
    /// Rises with every deletion, so that a look-up which began before one is not remembered after it.
    generation: u64,
}

impl KnownProjects {
    /// The pages of a project that is known; if it is not, the mark to give to [`Self::learn`] after asking the store.
    pub(super) fn check(&self, project: &ProjectId) -> Result<AllowedOrigins, u64> {
        self.known.get(project).cloned().ok_or(self.generation)
    }

    /// Remembers a project that the store has, unless one was deleted or changed since the mark.
    pub(super) fn learn(&mut self, project: ProjectId, origins: AllowedOrigins, mark: u64) {
        if mark != self.generation {
            return;
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(project, origins);
    }

    /// Forgets all of them.
    fn forget_all(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.known.clear();
    }

    /// Forgets a project that was deleted or changed.
    fn forget(&mut self, project: &ProjectId) {
        self.generation = self.generation.wrapping_add(1);
        self.known.remove(project);
    }
}

impl Supervisor {
    /// From which pages a project's sockets may be opened has changed in the store: who comes from now on is looked at by that.
    pub async fn project_changed(&self, project: &ProjectId) {
        self.project_changed_here(project);
        self.project_changed_elsewhere(project).await;
    }

    /// The same, of what this server remembers.
    pub(super) fn project_changed_here(&self, project: &ProjectId) {
        self.0.projects.write().unwrap_or_else(PoisonError::into_inner).forget(project);
    }

    /// All projects may have changed in the store.
    pub(super) fn all_projects_changed(&self) {
        self.0.projects.write().unwrap_or_else(PoisonError::into_inner).forget_all();
    }

    /// Ends what lives of a project that was deleted from the store: its connections close with 4001, its sessions and
    /// channels stop. Nobody enters it any more when this returns.
    /// Whether other servers have done so too; else they do when they hear again.
    pub async fn project_deleted(&self, project: &ProjectId) -> bool {
        self.project_deleted_here(project).await;
        self.project_deleted_elsewhere(project).await
    }

    /// The same, on this server.
    pub(super) async fn project_deleted_here(&self, project: &ProjectId) {
        self.0.projects.write().unwrap_or_else(PoisonError::into_inner).forget(project);
        self.close_of(&Owner::Project(project.clone()), "the project was deleted").await;
        for shard in &self.0.shards {
            // One that cannot be asked has nobody.
            let _ = shard.ask(|| EndProject(project.clone())).await;
        }
        self.0.recorder.forget(project);
    }

    /// A project's webhooks are others in the store: from now on they hear of what they want, on all servers.
    pub async fn webhooks_changed(&self, project: &ProjectId) {
        self.webhooks_changed_here(project).await;
        self.webhooks_changed_elsewhere(project).await;
    }

    /// The same, on this server.
    pub(super) async fn webhooks_changed_here(&self, project: &ProjectId) {
        self.persistence().refresh_hooks(project).await;
        self.note_sessions(project).await;
    }

    /// Sees to it that the event log knows who stands in the registers that a project's webhooks want to hear of; to be
    /// called after every change of them.
    async fn note_sessions(&self, project: &ProjectId) {
        let hooks = self.0.persistence.hooks();
        if Register::ALL.into_iter().any(|register| hooks.wants_register(project, register)) {
            for shard in &self.0.shards {
                // One that cannot be asked has nobody.
                let _ = shard.ask(|| NoteSessions(project.clone())).await;
            }
        }
    }

    /// Closes the connections that identified with a token of a project's or an operator's which was deleted from the store, and
    /// has other servers do so and forget it. Whether they have; else they do when they hear again.
    pub async fn key_deleted(&self, hash: &SecretHash) -> bool {
        self.key_deleted_here(hash).await;
        self.key_deleted_elsewhere(hash).await
    }

    /// The same, on this server.
    pub(super) async fn key_deleted_here(&self, hash: &SecretHash) {
        self.close_of(&Owner::Key(*hash), "the token was deleted").await;
    }

    /// Closes the connections of one owner, on all threads, with 4001.
    async fn close_of(&self, owner: &Owner, reason: &str) {
        let fanouts = self.0.fanouts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for fanout in fanouts {
            let close = Close::new(CloseCode::InvalidAuth, reason);
            fanout.send(Order::CloseOf { owner: owner.clone(), close }).await;
        }
    }

    /// Refuses a project that does not exist. Those are bounded for each address, together with wrong tokens.
    pub(super) async fn check_project(
        &self,
        project: &ProjectId,
        address: Option<IpAddr>,
    ) -> Result<AllowedOrigins, Close> {
        let known = self.0.projects.read().unwrap_or_else(PoisonError::into_inner).check(project);
        let mark = match known {
            Ok(origins) => return Ok(origins),
            Err(mark) => mark,
        };
        let unknown = || Close::new(CloseCode::InvalidAuth, "unknown project");
        let (guess, asked) = (Guess::project(project), Instant::now());
        if self.0.guesses.is_refused(&guess, asked) {
            return Err(unknown());
        }
        let is_over = self.0.guesses.is_over(address, asked);
        let turn = if is_over { Some(self.turn().await?) } else { None };
        let wanted = project.clone();
        let found = self.0.persistence.read(move |store| store.find_project(&wanted)).await;
        let Some(found) = found.map_err(|error: AskError| error.close())? else {
            self.0.guesses.note(guess, address, Instant::now());
            if let Some(turn) = turn {
                turn.pass().await;
            }
            return Err(unknown());
        };
        let mut known = self.0.projects.write().unwrap_or_else(PoisonError::into_inner);
        known.learn(project.clone(), found.allowed_origins.clone(), mark);
        Ok(found.allowed_origins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_that_a_deletion_overtook_is_not_remembered() {
        let (mut known, project) = (KnownProjects::default(), ProjectId::from("project_a"));
        let mark = known.check(&project).unwrap_err();
        known.forget(&project);
        let origins = AllowedOrigins::new(&["https://a.example"]).unwrap();
        known.learn(project.clone(), AllowedOrigins::default(), mark);
        assert!(known.check(&project).is_err());
        known.learn(project.clone(), origins.clone(), mark + 1);
        assert_eq!(known.check(&project), Ok(origins));
        known.forget(&project);
        assert!(known.check(&project).is_err());
    }
}
