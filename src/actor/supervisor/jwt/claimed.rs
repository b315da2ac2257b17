//! What a token's claims bring about: its subject's leap token, the state, the channels.

use super::super::super::clock;
use super::super::super::session::{Connect, TokenEnded};
use super::super::{Connected, Supervisor, unknown_token};
use super::{NotAdmitted, refused};
use crate::ask::AskError;
use crate::domain::presence::fits_token;
use crate::domain::{
    ChannelId, ChannelKey, EventKind, HookEvent, LeapToken, LeapTokenId, ProjectId, RawJson,
    Subject,
};
use crate::jwt::{Claims, JwtRefusal};
use crate::protocol::Close;
use crate::store::{StoreError, Thing, TokenUpdate};
use std::collections::HashSet;

/// How often a subject's leap token is made again that goes just when it is needed.
const ATTEMPTS: usize = 2;

impl Supervisor {
    /// Brings a connection into its subject's session, once all is as its token claims.
    pub(super) async fn enter_as(
        &self,
        project: &ProjectId,
        claims: &Claims,
        connect: Connect,
    ) -> Result<Connected, Close> {
        let (token, knows) =
            (LeapTokenId::of_subject(project, &claims.subject), connect.knows_expiry());
        for _ in 0..ATTEMPTS {
            self.bring_about(project, &token, claims).await.map_err(|why| why.close(knows))?;
            let entered = self.connect_with_token(&token, connect.clone(), &mut None).await?;
            if let Some(mut entered) = entered {
                entered.subject = Some(token);
                return Ok(entered);
            }
            // Somebody has just deleted the leap token: it is made anew.
        }
        Err(unknown_token())
    }

    /// Sees to it that a subject has its leap token, the state that was claimed and the channels. What is there already
    /// costs a look.
    pub(super) async fn bring_about(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        claims: &Claims,
    ) -> Result<(), NotAdmitted> {
        let most = self.settings().state_bytes;
        if claims.state.as_ref().is_some_and(|state| !fits_token(state, most)) {
            return Err(refused(JwtRefusal::Claims("state is too large, or too much is public")));
        }
        let wanted = token.clone();
        let read = self.0.persistence.read(move |store| {
            let Some(found) = store.find_token(&wanted)? else { return Ok(None) };
            Ok(Some((found, store.subscriptions_of(&wanted)?)))
        });
        let mut held = HashSet::new();
        match read.await? {
            None => self.make_token(project, token, claims).await?,
            Some((found, subscriptions)) => {
                held.extend(subscriptions.into_iter().map(|one| one.channel));
                if let Some(state) = claims.state.clone().filter(|state| *state != found.state) {
                    self.change_token(project, token, state).await?;
                }
            }
        }
        self.subscribe_as_claimed(project, token, claims, held).await?;
        Ok(())
    }

    /// Makes the leap token of a subject that comes for the first time.
    async fn make_token(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        claims: &Claims,
    ) -> Result<(), AskError> {
        let made = LeapToken {
            id: token.clone(),
            project: project.clone(),
            state: claims.state.clone().unwrap_or_else(|| RawJson::trusted("{}")),
            expires_at: None,
            created_at: clock::now(),
        };
        let kind = EventKind::TokenCreated;
        let is_wanted = self.0.persistence.hooks().wants(project, kind);
        let make = self.0.persistence.write_causing(
            is_wanted,
            move |store| store.create_token(&made, &[]).map(|()| made),
            move |made| vec![HookEvent::token(clock::stamp(), kind, made)],
        );
        match make.await {
            // Another connection of the subject came at the same time.
            Err(AskError::Store(StoreError::Exists(Thing::Token))) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives a subject's leap token another state.
    async fn change_token(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        state: RawJson,
    ) -> Result<(), AskError> {
        let update = TokenUpdate { state: Some(state), expires_at: None };
        let (of, id) = (project.clone(), token.clone());
        let written =
            self.0.persistence.write(move |store| store.update_token(&of, &id, &update)).await;
        match written {
            // One that was just deleted is made anew before the connection enters.
            Err(AskError::Store(StoreError::NotFound(Thing::Token))) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => self.token_changed(token).await,
        }
    }

    /// Subscribes a subject to what its token claims and it does not hold. A channel that does not exist is left out: it
    /// may have been deleted since, and nobody is to be kept out by that.
    async fn subscribe_as_claimed(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        claims: &Claims,
        mut held: HashSet<ChannelId>,
    ) -> Result<(), AskError> {
        if claims.channels.iter().any(|(_, is_ephemeral)| *is_ephemeral) {
            let live = self.ephemeral_subscriptions(token).await?;
            let live = live.into_iter().map(|one| one.channel);
            let is_enough =
                |id: &ChannelId| claims.channels.iter().any(|(of, eph)| of == id && *eph);
            held.extend(live.filter(is_enough));
        }
        for (id, is_ephemeral) in claims.channels.iter().filter(|(id, _)| !held.contains(id)) {
            let key = ChannelKey { project: project.clone(), id: id.clone() };
            match self.subscribe(&key, token, *is_ephemeral, None).await {
                Err(AskError::Store(StoreError::NotFound(_))) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the connections of a subject that was revoked in the store; those that come later are refused by that.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn subject_revoked(
        &self,
        project: &ProjectId,
        subject: &Subject,
    ) -> Result<(), AskError> {
        let token = LeapTokenId::of_subject(project, subject);
        self.token_revoked_here(&token).await?;
        self.token_revoked_elsewhere(&token).await
    }

    /// The same, of this server's session.
    pub(in super::super) async fn token_revoked_here(
        &self,
        token: &LeapTokenId,
    ) -> Result<(), AskError> {
        if let Some(live) = self.find_session(token).await? {
            // One that ends just now has no connections any more.
            let _ = live.send(TokenEnded("the token was revoked")).await;
        }
        Ok(())
    }
}
