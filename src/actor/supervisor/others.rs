//! Other servers of the same database: what is asked of all of them, and told to all (`docs/adr/0035-servers-ask-each-other.md`).
//!
//! Where this server is alone, nobody is asked, and nothing is waited for.

mod answering;
mod lists;
mod packing;
mod question;

pub use answering::AnsweringServer;

use super::Supervisor;
use crate::actor::clock;
use crate::actor::session::Elsewhere;
use crate::ask::AskError;
use crate::bus::others::Needed;
use crate::domain::project::SecretHash;
use crate::domain::{
    ChannelId, ConnectionId, LeapTokenId, Message, ProjectId, SessionId, Subscription, Timestamp,
};
use crate::session::MovedSession;
use crate::store::Thing;
use question::{
    ChangedSubscription, ForgottenThing, HeldElsewhere, PackedMessage, ServerAnswer, ServerQuestion,
};

/// Something that a memory outside the actors has to let go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// What is known of a project.
    Project(ProjectId),
    /// Whose secret this is, by its hash.
    Key(SecretHash),
    /// All: something may have been missed.
    Everything,
}

/// Whether a server says yes.
const fn is_yes(answer: &ServerAnswer) -> bool {
    matches!(answer, ServerAnswer::Is(true))
}

impl Supervisor {
    /// Asks the other servers that hear it, if there may be any, and returns what they answer.
    async fn ask_others(&self, question: &ServerQuestion) -> Result<Vec<ServerAnswer>, AskError> {
        self.ask_those(question, Needed::AllThatHear).await
    }

    /// The same of those of whom it is needed.
    async fn ask_those(
        &self,
        question: &ServerQuestion,
        needed: Needed,
    ) -> Result<Vec<ServerAnswer>, AskError> {
        Ok(self.ask_whoever(question, needed).await?.0)
    }

    /// The same, and whether one that counts as living has not heard it.
    async fn ask_whoever(
        &self,
        question: &ServerQuestion,
        needed: Needed,
    ) -> Result<(Vec<ServerAnswer>, bool), AskError> {
        let Some(bus) = self.bus() else { return Ok((Vec::new(), false)) };
        // Nothing in a question fails to be written.
        let question = serde_json::to_string(question).ok().ok_or(AskError::Closed)?;
        let answers = bus.ask_others(question, needed).await?;
        let read = |text: String| serde_json::from_str(&text).unwrap_or(ServerAnswer::Unknown);
        let is_one_missing = answers.is_one_missing;
        let answers: Vec<_> = answers.said.into_iter().map(read).collect();
        if answers.iter().any(|answer| matches!(answer, ServerAnswer::Failed)) {
            return Err(AskError::Overloaded);
        }
        Ok((answers, is_one_missing))
    }

    /// Tells all other servers something, which they have done when this returns.
    async fn tell_others(&self, told: &ServerQuestion) -> Result<(), AskError> {
        self.ask_those(told, Needed::AllThatLive).await.map(|_| ())
    }

    /// A token's session is about to begin here: what other servers have of it, which tell this one from now on what becomes of it.
    /// Of a token that does not exist nobody is asked.
    ///
    /// # Errors
    /// `NotFound(Token)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub(in crate::actor) async fn arrive(
        &self,
        token: &LeapTokenId,
    ) -> Result<Elsewhere, AskError> {
        if self.bus().is_none() {
            return Ok(Elsewhere::default());
        }
        let wanted = token.clone();
        let found = self.persistence().read(move |store| store.find_token(&wanted)).await?;
        found.ok_or(AskError::not_found(Thing::Token))?;
        let mut elsewhere = Elsewhere::default();
        let asked = ServerQuestion::Arrived(token.as_str().to_owned());
        let (answers, is_one_missing) = self.ask_whoever(&asked, Needed::AllThatHear).await?;
        elsewhere.broken = self.broken(is_one_missing);
        // One that does not hear may have it all the same.
        elsewhere.is_shared = is_one_missing || self.has_lost_one();
        for answer in answers {
            match answer {
                ServerAnswer::Held(HeldElsewhere { session, ephemeral, moved }) => {
                    // One that has moved here is nowhere else.
                    elsewhere.is_shared |= moved.is_none();
                    elsewhere.moved = elsewhere.moved.or_else(|| moved.map(MovedSession::from));
                    elsewhere.session = Some(SessionId::from(session.as_str()));
                    elsewhere.ephemeral.extend(ephemeral.into_iter().map(Subscription::from));
                }
                ServerAnswer::Is(true) => elsewhere.is_shared = true,
                _ => {}
            }
        }
        Ok(elsewhere)
    }

    /// Tells other servers that a session which has moved here is here.
    pub(in crate::actor) async fn tell_arrived(&self, token: &LeapTokenId) {
        let told = ServerQuestion::HasArrived(token.as_str().to_owned());
        if let Err(error) = self.ask_others(&told).await {
            // Where it was, it is forgotten when the grace is over.
            tracing::debug!(%error, "other servers were not told that a session has arrived");
        }
    }

    /// Whether another server has gone, or could not be heard, so short ago that its sessions may be anywhere.
    fn has_lost_one(&self) -> bool {
        let lost = self.bus().and_then(|bus| bus.lost_at());
        lost.is_some_and(|lost| lost.elapsed() < self.settings().session_grace)
    }

    /// Since when the sessions of a server may be gone, where that is so short ago that whoever was connected to it may be coming
    /// back.
    fn broken(&self, is_one_missing: bool) -> Option<Timestamp> {
        let is_broken = is_one_missing || self.has_lost_one();
        // It has been here, and not for long: its own sessions are gone, too.
        is_broken.then(clock::now).or_else(|| self.restart())
    }

    /// Tells other servers that a token's subscription is another.
    ///
    /// # Errors
    /// [`AskError::Overloaded`].
    pub(in crate::actor) async fn tell_subscription(
        &self,
        token: &LeapTokenId,
        channel: &ChannelId,
        is_ephemeral: bool,
    ) -> Result<(), AskError> {
        let (token, channel) = (token.as_str().to_owned(), channel.as_str().to_owned());
        let changed = ChangedSubscription { token, channel, is_ephemeral };
        self.tell_others(&ServerQuestion::Subscription(changed)).await
    }

    /// Hands a message for a token to the other servers; whether one of them has its session.
    pub(super) async fn direct_elsewhere(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        message: &Message,
    ) -> Result<bool, AskError> {
        if self.bus().is_none() {
            return Ok(false);
        }
        let (project, token) = (project.as_str().to_owned(), token.as_str().to_owned());
        let message = PackedMessage::new(message);
        // Of one that cannot be reached nobody knows whether the token is there.
        let asked = ServerQuestion::Direct { project, token, message };
        let answers = self.ask_those(&asked, Needed::AllThatLive).await?;
        Ok(answers.iter().any(is_yes))
    }

    /// Whether another server says yes.
    async fn is_anywhere(&self, question: &ServerQuestion) -> Result<bool, AskError> {
        let answers = self.ask_others(question).await?;
        Ok(answers.iter().any(is_yes))
    }

    /// Hands a message to a connection of another server; whether there is one.
    pub(super) async fn message_elsewhere(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
        message: &Message,
    ) -> Result<bool, AskError> {
        if self.bus().is_none() {
            return Ok(false);
        }
        self.is_anywhere(&ServerQuestion::to_connection(project, cid.as_str(), message)).await
    }

    /// Ends a connection of another server; whether there is one.
    pub(super) async fn close_elsewhere(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
    ) -> Result<bool, AskError> {
        let (project, cid) = (project.as_str().to_owned(), cid.as_str().to_owned());
        self.is_anywhere(&ServerQuestion::CloseConnection { project, cid }).await
    }

    /// Which of these tokens have a connection, on any server. While other servers cannot be asked, this one tells what it knows.
    pub async fn are_online(&self, tokens: &[LeapTokenId]) -> Vec<bool> {
        let mut online: Vec<_> = tokens.iter().map(|token| self.online().holds(token)).collect();
        if self.bus().is_none() || online.iter().all(|is_online| *is_online) {
            return online;
        }
        let named = tokens.iter().map(|token| token.as_str().to_owned()).collect();
        let answers = self.ask_others(&ServerQuestion::Online(named)).await.unwrap_or_default();
        for answer in answers {
            let ServerAnswer::Each(each) = answer else { continue };
            for (known, elsewhere) in online.iter_mut().zip(each) {
                *known |= elsewhere;
            }
        }
        online
    }

    /// Whether a token has a connection, on any server; likewise.
    pub async fn is_online(&self, token: &LeapTokenId) -> bool {
        self.are_online(std::slice::from_ref(token)).await.contains(&true)
    }

    /// The ephemeral subscriptions that a token has on other servers.
    pub(super) async fn ephemeral_elsewhere(
        &self,
        token: &LeapTokenId,
    ) -> Result<Vec<Subscription>, AskError> {
        let asked = ServerQuestion::Ephemeral(token.as_str().to_owned());
        let mut all = Vec::new();
        for answer in self.ask_others(&asked).await? {
            if let ServerAnswer::Ephemeral(held) = answer {
                all.extend(held.into_iter().map(Subscription::from));
            }
        }
        Ok(all)
    }

    /// Tells other servers of a token whose state or expiry is another.
    pub(super) async fn token_changed_elsewhere(
        &self,
        token: &LeapTokenId,
    ) -> Result<(), AskError> {
        self.tell_others(&ServerQuestion::TokenChanged(token.as_str().to_owned())).await
    }

    /// Tells other servers of a token whose subject was revoked.
    pub(super) async fn token_revoked_elsewhere(
        &self,
        token: &LeapTokenId,
    ) -> Result<(), AskError> {
        self.tell_others(&ServerQuestion::TokenRevoked(token.as_str().to_owned())).await
    }

    /// Tells other servers of a token that is deleted.
    pub(super) async fn token_deleted_elsewhere(
        &self,
        token: &LeapTokenId,
    ) -> Result<(), AskError> {
        self.tell_others(&ServerQuestion::TokenDeleted(token.as_str().to_owned())).await
    }

    /// Tells other servers that there is something new in a mailbox.
    pub(super) async fn mail_elsewhere(&self, token: &LeapTokenId) -> Result<(), AskError> {
        self.tell_others(&ServerQuestion::Mail(token.as_str().to_owned())).await
    }

    /// Has other servers forget something. What fails, they make up for when they hear again, and is not what the caller asked for.
    /// Whether all have.
    async fn forget_elsewhere(&self, thing: ForgottenThing) -> bool {
        let told = self.tell_others(&ServerQuestion::Forget(thing)).await;
        if let Err(error) = &told {
            tracing::warn!(%error, "other servers were not told of a change");
        }
        told.is_ok()
    }

    /// Has other servers look at a project again.
    pub(super) async fn project_changed_elsewhere(&self, project: &ProjectId) {
        self.forget_elsewhere(ForgottenThing::Project(project.as_str().to_owned())).await;
    }

    /// Has other servers end a project.
    pub(super) async fn project_deleted_elsewhere(&self, project: &ProjectId) -> bool {
        self.forget_elsewhere(ForgottenThing::DeletedProject(project.as_str().to_owned())).await
    }

    /// Has other servers read a project's webhooks again.
    pub(super) async fn webhooks_changed_elsewhere(&self, project: &ProjectId) {
        self.forget_elsewhere(ForgottenThing::Webhooks(project.as_str().to_owned())).await;
    }

    /// Has other servers forget whose secret this was.
    pub(super) async fn key_deleted_elsewhere(&self, hash: &SecretHash) -> bool {
        self.forget_elsewhere(ForgottenThing::Key(*hash)).await
    }
}
