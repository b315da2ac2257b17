//! Mailboxes: what waits for tokens, and what has become of it.

use super::StoreResult;
use crate::domain::{
    Epoch, LeapTokenId, MailId, MailPiece, MailStatus, MailboxBounds, Message, ProjectId, Timestamp,
};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long it can be asked what has become of a mail that has ended.
pub const REMEMBERED: Duration = Duration::from_hours(24);
/// How many of the newest mails of a token that holds for at most.
pub const REMEMBERED_MAILS: u64 = 10_000;

/// A mail that is to wait.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// What it says.
    pub message: Message,
    /// When it is posted.
    pub at: Timestamp,
    /// When its time is over.
    pub expires_at: Timestamp,
    /// What the mailbox is called from now on, if this is its first mail; no other may have had that.
    pub epoch: Epoch,
}

/// A part of what waits.
#[derive(Clone, Copy, Debug)]
pub struct MailPage {
    /// Only what has a greater number.
    pub after: u64,
    /// The most mails.
    pub limit: u64,
    /// The most bytes, roughly; one mail may be larger.
    pub bytes: u64,
    /// The time now.
    pub now: Timestamp,
}

/// What only reads, as [`ReadStore`](super::ReadStore) fails.
#[expect(clippy::missing_errors_doc, reason = "the same errors everywhere, named there")]
pub trait ReadMailbox {
    /// Whether anything waits for a token.
    fn has_mail(&mut self, token: &LeapTokenId) -> StoreResult<bool>;
    /// Some of what waits for a token, oldest first. What has waited for too long is passed over.
    fn waiting_mail(&mut self, token: &LeapTokenId, page: &MailPage) -> StoreResult<MailPiece>;
    /// What has become of a token's mail; none where it has no such one, or it was forgotten.
    fn find_mail(
        &mut self,
        token: &LeapTokenId,
        id: MailId,
        now: Timestamp,
    ) -> StoreResult<Option<MailStatus>>;
    /// Whether [`WriteMailbox::prune_mail`] has anything to do.
    fn is_mail_due(&mut self, now: Timestamp) -> StoreResult<bool>;
}

/// What writes, as [`WriteStore`](super::WriteStore) fails.
#[expect(clippy::missing_errors_doc, reason = "each method names its refusals in its own sentence")]
pub trait WriteMailbox {
    /// Puts a mail into a token's mailbox. Errors: `NotFound(Token)`, also for another project's; `MailboxFull`.
    fn put_mail(
        &mut self,
        project: &ProjectId,
        token: &LeapTokenId,
        new: &NewMail,
        bounds: &MailboxBounds,
    ) -> StoreResult<MailId>;
    /// Those of these mails that still wait were delivered.
    fn deliver_mail(
        &mut self,
        epoch: Epoch,
        numbers: &RangeInclusive<u64>,
        now: Timestamp,
    ) -> StoreResult<()>;
    /// Lets some mails go whose time is over, forgets some that have ended, and deletes some that have lost their token: at
    /// most `limit` in all; whether there may be more.
    fn prune_mail(&mut self, now: Timestamp, limit: u64) -> StoreResult<bool>;
}
