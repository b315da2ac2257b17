//! Versions of states that are kept no longer go in small steps, off everybody's way.

use super::clock;
use super::persistence::Persistence;
use super::small_steps::in_steps;
use crate::ask::AskError;
use crate::domain::StateLogBounds;
use std::time::Duration;

/// How often it is looked for versions that are too old or too many.
const LOOK: Duration = Duration::from_secs(1);
/// How many logs are looked at a time.
const LOGS: u64 = 64;
/// How many versions go in one write.
const STEP: u64 = 128;

impl Persistence {
    /// Deletes versions that are kept no longer, now and then, as long as the process runs.
    pub fn launch_state_log_pruning(&self, bounds: StateLogBounds) {
        const TROUBLE: &str = "versions of states that are kept no longer could not be deleted";
        self.launch_look(LOOK, TROUBLE, move |persistence| async move {
            persistence.prune_state_logs(bounds).await
        });
    }

    /// Deletes all versions that are kept no longer now. Where there are none, nothing is written.
    async fn prune_state_logs(&self, bounds: StateLogBounds) -> Result<(), AskError> {
        loop {
            let now = clock::now();
            let due = self.read(move |store| store.due_state_logs(now, LOGS)).await?;
            if due.is_empty() {
                return Ok(());
            }
            for log in due {
                in_steps(|| {
                    self.write(move |store| store.prune_state_log(log, &bounds, now, STEP))
                })
                .await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Capabilities, Channel, ChannelId, ChannelKey, NewVersion, Project, ProjectId, State,
        Timestamp, Version, Visibility,
    };
    use crate::store::diesel::SqliteDatabase;
    use crate::store::{FoundVersion, WantedVersion};
    use std::sync::Arc;

    #[actix_rt::test]
    async fn what_is_too_much_goes_in_steps_and_what_is_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
        let persistence = Persistence::start(Arc::new(database)).unwrap();
        let bounds = StateLogBounds { versions: 100, ..StateLogBounds::default() };
        let (project, now) = (ProjectId::from("project_a"), clock::now());
        let key = ChannelKey { project: project.clone(), id: ChannelId::trusted("room") };
        let channel = Channel {
            key: key.clone(),
            visibility: Visibility::Public,
            capabilities: Capabilities::STATE_HISTORY,
            state: State::empty(),
            version: Version::FIRST,
            created_at: now,
        };
        let made = Project {
            id: project,
            name: "A".to_owned(),
            namespace: "a".to_owned(),
            allowed_origins: crate::domain::AllowedOrigins::default(),
            created_at: Timestamp(1),
        };
        persistence
            .write(move |store| {
                store.create_project(&made)?;
                store.create_channel(&channel)?;
                let mut before = State::empty();
                for number in 1..=1000 {
                    let state = State::trusted(&format!("{{\"n\":{number}}}"));
                    let new = NewVersion::first(state.clone(), Version(number), now, None);
                    store.keep_version(&channel.key, &new.after(&before), &bounds)?;
                    before = state;
                }
                Ok(())
            })
            .await
            .unwrap();
        persistence.prune_state_logs(bounds).await.unwrap();
        // What is kept does not hang on the bounds that somebody reads with: the rest has gone.
        let wide = StateLogBounds { versions: 10_000, ..bounds };
        let find = |number: i64| {
            let (key, wanted) = (key.clone(), WantedVersion::Number(Version(number)));
            persistence.read(move |store| store.find_version(&key, wanted, &wide, now))
        };
        for number in [901, 950, 1000] {
            let Some(FoundVersion::Kept(version, stored)) = find(number).await.unwrap() else {
                panic!("{number} has gone")
            };
            assert_eq!(version, Version(number));
            assert_eq!(stored.rebuilt().unwrap().json().as_str(), format!("{{\"n\":{number}}}"));
        }
        for number in [1, 700, 850] {
            let found = find(number).await.unwrap();
            assert!(matches!(found, Some(FoundVersion::Gone(_))), "{number}");
        }
        let due = persistence.read(move |store| store.due_state_logs(now, 10)).await.unwrap();
        assert!(due.is_empty());
    }
}
