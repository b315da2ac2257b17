//! Mails: direct messages that are stored until they were heard.

use super::super::clock;
use super::super::receipt::Receipt;
use super::super::session;
use super::Supervisor;
use crate::ask::AskError;
use crate::domain::{LeapTokenId, MailId, Message, ProjectId};
use crate::store::{NewMail, WriteStore};
use std::time::Duration;

impl Supervisor {
    /// Puts a mail into a token's mailbox, which its connections hear, or the next one does; done when it is durable.
    ///
    /// It is carried through though nobody waits for it any more.
    ///
    /// # Errors
    /// `NotFound(Token)` (also for another project's), `MailboxFull`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn mail(
        &self,
        project: ProjectId,
        token: LeapTokenId,
        message: Message,
        ttl: Duration,
        receipt: Option<Receipt<MailId>>,
    ) -> Result<MailId, AskError> {
        let publishing = self.publishing()?;
        let (bounds, at, addressee) = (self.settings().mailbox, clock::now(), token.clone());
        let new = NewMail { message, at, expires_at: at.later(ttl), epoch: clock::epoch() };
        let put =
            move |store: &mut dyn WriteStore| store.put_mail(&project, &addressee, &new, &bounds);
        let put = self.persistence().write_once(receipt, put);
        let supervisor = self.clone();
        let posted = tokio::spawn(async move {
            let _publishing = publishing;
            let id = put.await?;
            // Where nobody can be told now, the session that comes next looks by itself.
            let _ = supervisor.mail_waits_here(&token).await;
            if let Err(error) = supervisor.mail_elsewhere(&token).await {
                tracing::warn!(%error, "other servers were not told of a mail");
            }
            Ok(id)
        });
        posted.await.unwrap_or(Err(AskError::Closed))
    }

    /// Has a token's session on this server look into its mailbox.
    pub(super) async fn mail_waits_here(&self, token: &LeapTokenId) -> Result<(), AskError> {
        if let Some(live) = self.find_session(token).await? {
            let _ = live.send(session::MailWaits).await;
        }
        Ok(())
    }
}
