//! What is too old among the messages that are kept, and what has lost its channel or token, is deleted now and then, in
//! small steps.

use super::clock;
use super::persistence::Persistence;
use super::small_steps::in_steps;
use crate::ask::AskError;
use crate::domain::{Epoch, HistoryBounds};
use crate::metrics;
use crate::store::PruneStep;
use std::time::Duration;

/// How often it is looked for such messages.
const LOOK: Duration = Duration::from_mins(1);
/// How many lines are looked for at a time.
const LINES: u64 = 16;
/// How many messages go in one write.
const STEP: u64 = 256;

impl Persistence {
    /// Deletes messages that are not kept any more, now and then, as long as the process runs.
    pub fn launch_history_pruning(&self, bounds: HistoryBounds) {
        const TROUBLE: &str = "messages that are too old could not be deleted";
        self.launch_look(LOOK, TROUBLE, move |persistence| async move {
            persistence.prune_history(bounds).await
        });
    }

    /// Deletes all that is to go now. Where there is nothing, nothing is written.
    async fn prune_history(&self, bounds: HistoryBounds) -> Result<(), AskError> {
        loop {
            let due = self.read(|store| store.due_lines(clock::now(), LINES)).await?;
            if due.is_empty() {
                return Ok(());
            }
            for epoch in due {
                self.prune_line(epoch, bounds).await?;
            }
        }
    }

    /// Lets go of mails whose time is over, now and then, and of those that nobody can ask about any more, as long as the
    /// process runs.
    pub fn launch_mailbox_pruning(&self) {
        const TROUBLE: &str = "mails whose time is over could not be deleted";
        self.launch_look(
            LOOK,
            TROUBLE,
            |persistence| async move { persistence.prune_mail().await },
        );
    }

    /// Lets go of all mails that are to go now. Where there is nothing, nothing is written.
    async fn prune_mail(&self) -> Result<(), AskError> {
        if !self.read(|store| store.is_mail_due(clock::now())).await? {
            return Ok(());
        }
        in_steps(|| {
            let now = clock::now();
            self.write(move |store| store.prune_mail(now, STEP))
        })
        .await
    }

    /// Deletes all that is to go of one line.
    pub(super) async fn prune_line(
        &self,
        epoch: Epoch,
        bounds: HistoryBounds,
    ) -> Result<(), AskError> {
        in_steps(|| {
            let now = clock::now();
            let written = self.write(move |store| store.prune_line(epoch, &bounds, now, STEP));
            async move {
                let PruneStep { deleted, has_more } = written.await?;
                if deleted > 0 {
                    metrics::count(|cells| cells.tallies.history_prunes.add(1));
                }
                Ok(has_more)
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Capabilities, Channel, ChannelId, ChannelKey, HistoryLimits, LeapToken, LeapTokenId,
        MailId, MailState, MailboxBounds, Message, Position, Project, ProjectId, RawJson, State,
        Timestamp, Version, Visibility,
    };
    use crate::store::diesel::SqliteDatabase;
    use crate::store::{HistoryPage, NewMail, NewMessage, WriteStore};
    use std::sync::Arc;

    /// A channel that keeps its messages.
    fn channel(id: &str) -> Channel {
        Channel {
            key: ChannelKey { project: ProjectId::from("p"), id: ChannelId::trusted(id) },
            visibility: Visibility::Private,
            capabilities: Capabilities::HISTORY,
            state: State::empty(),
            version: Version::FIRST,
            created_at: Timestamp(1),
        }
    }

    /// Makes such a channel with so many messages of that time.
    fn fill(store: &mut dyn WriteStore, id: &str, epoch: u64, count: u64, at: Timestamp) {
        let channel = channel(id);
        store.create_channel(&channel).unwrap();
        store.open_line(&channel.key, Epoch(epoch), HistoryLimits::default()).unwrap();
        for _ in 0..count {
            let message = Message { event: "m".into(), data: RawJson::null() };
            let new = NewMessage { message, from: None, at };
            store.append_message(&channel.key, &new, &HistoryBounds::default()).unwrap();
        }
    }

    #[actix_rt::test]
    async fn mails_whose_time_is_over_expire_and_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
        let persistence = Persistence::start(Arc::new(database)).unwrap();
        let now = clock::now();
        let (project, id) = (ProjectId::from("p"), LeapTokenId::from("t"));
        let posted = persistence.write(move |store| {
            let (name, namespace) = (String::new(), "p".to_owned());
            store.create_project(&Project {
                id: project.clone(),
                name,
                namespace,
                allowed_origins: crate::domain::AllowedOrigins::default(),
                created_at: now,
            })?;
            let state = RawJson::null();
            let (owner, expires_at) = (project.clone(), None);
            let token =
                LeapToken { id: id.clone(), project: owner, state, expires_at, created_at: now };
            store.create_token(&token, &[])?;
            let message = Message { event: "m".into(), data: RawJson::null() };
            let over = now.earlier(Duration::from_secs(1));
            let new = NewMail { message, at: over, expires_at: over, epoch: Epoch(1) };
            for _ in 0..STEP + 10 {
                store.put_mail(&project, &id, &new, &MailboxBounds::default())?;
            }
            let last = NewMail { expires_at: now.later(Duration::from_mins(1)), ..new };
            store.put_mail(&project, &id, &last, &MailboxBounds::default())
        });
        let last = posted.await.unwrap();
        persistence.prune_mail().await.unwrap();
        let state = |id: MailId| {
            let read = persistence
                .read(move |store| store.find_mail(&LeapTokenId::from("t"), id, clock::now()));
            async move { read.await.unwrap().map(|status| status.state) }
        };
        let first = MailId(Position { offset: 1, ..last.0 });
        assert_eq!(state(first).await, Some(MailState::Expired));
        assert_eq!(state(last).await, Some(MailState::Queued));
        assert!(!persistence.read(|store| store.is_mail_due(clock::now())).await.unwrap());
    }

    #[actix_rt::test]
    async fn what_is_too_old_or_has_no_channel_is_deleted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
        let persistence = Persistence::start(Arc::new(database)).unwrap();
        let bounds = HistoryBounds { age: Duration::from_secs(100), ..HistoryBounds::default() };
        let now = clock::now();
        let project = Project {
            id: ProjectId::from("p"),
            name: String::new(),
            namespace: "p".to_owned(),
            allowed_origins: crate::domain::AllowedOrigins::default(),
            created_at: now,
        };
        let filled = persistence.write(move |store| {
            store.create_project(&project)?;
            fill(store, "old", 1, 2 * STEP + 10, now.earlier(Duration::from_secs(200)));
            fill(store, "gone", 2, STEP + 10, now);
            fill(store, "new", 3, 5, now);
            store.delete_channel(&channel("gone").key)?;
            // The first message says when the line is due: a day later, as it was kept.
            store.narrow_line(&channel("old").key, HistoryLimits::default())?;
            // This one is looked at too, and has nothing to delete.
            store.narrow_line(&channel("new").key, HistoryLimits::default())
        });
        filled.await.unwrap();
        let counted = || metrics::here().tallies.history_prunes.get();
        let before = counted();
        persistence.prune_history(bounds).await.unwrap();
        // Three for what is too old, two for what has no channel, and none for what stays.
        assert_eq!(counted() - before, 5);
        let wide = HistoryBounds::default();
        let left = |id: &'static str| {
            persistence.read(move |store| {
                let (after, before, is_descending) = (None, None, false);
                let (limit, bytes) = (1000, 1 << 20);
                let page =
                    HistoryPage { after, before, is_descending, limit, bytes, bounds: wide, now };
                store.kept_messages(&channel(id).key, &page)
            })
        };
        assert_eq!(left("old").await.unwrap().unwrap().messages.len(), 0);
        assert_eq!(left("new").await.unwrap().unwrap().messages.len(), 5);
        let epochs = persistence.read(|store| store.due_lines(Timestamp(i64::MAX - 1), 10));
        assert_eq!(epochs.await.unwrap(), [Epoch(3)]);
    }
}
