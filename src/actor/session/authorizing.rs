//! A token asks for a private channel that it was not granted: the project's back end may grant it now.

use super::super::clock;
use super::SessionActor;
use super::planning::{SubscribeAsker, SubscribeError, SubscriptionPlan};
use crate::actor::webhook::Ask;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::RawJson;
use crate::domain::presence::fits_token;
use crate::store::TokenUpdate;
use crate::webhook::authorize::Verdict;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The most questions under way for one connection: a project's back end has places for four such.
const QUESTIONS: usize = 16;

impl SessionActor {
    /// What is needed to ask for a connection; only a token's session can.
    pub(super) fn asker(
        &mut self,
        connection: ConnectionUid,
        since: Instant,
    ) -> Option<SubscribeAsker> {
        let (cid, address) = self.machine.client(connection)?;
        let (token, cid) = (self.machine.token()?.clone(), cid.clone());
        let places = self.places.entry(connection);
        let places = places.or_insert_with(|| Arc::new(Semaphore::new(QUESTIONS)));
        Some(SubscribeAsker { token, cid, address, since, places: Arc::clone(places) })
    }
}

impl SubscriptionPlan {
    /// Asks the project's back end, if it has somebody to be asked; a yes may make the subscription ephemeral or
    /// permanent, and may give the token a new state.
    pub(super) async fn authorised(&mut self) -> Result<(), SubscribeError> {
        let Some(asker) = self.asker.take() else { return Err(SubscribeError::NotGranted) };
        let SubscribeAsker { token, cid, address, since, places } = asker;
        let _place = places.acquire_owned().await;
        let (key, persistence) = (self.key.clone(), self.supervisor.persistence().clone());
        let found = persistence.read(move |store| {
            let Some(authorizer) = store.find_authorizer(&key.project)? else { return Ok(None) };
            Ok(store.find_channel(&key)?.map(|channel| (authorizer, channel)))
        });
        let Some((authorizer, channel)) = found.await? else {
            return Err(SubscribeError::NotGranted);
        };
        let ask = Ask { authorizer, channel, token: token.clone(), cid, address, since };
        let Verdict::Granted { is_ephemeral, state } = persistence.hooks().ask(ask).await else {
            return Err(SubscribeError::NotGranted);
        };
        self.is_ephemeral = is_ephemeral.unwrap_or(self.is_ephemeral);
        self.token = (!self.is_ephemeral).then(|| token.id.clone());
        self.who = None;
        let Some(state) = state.map(|state| self.checked(state)).transpose()? else {
            return Ok(());
        };
        let update = TokenUpdate { state: Some(state), ..TokenUpdate::default() };
        let (project, id) = (token.project.clone(), token.id.clone());
        let write = persistence.write(move |store| store.update_token(&project, &id, &update));
        write.await?;
        // The session that asks here hears of it as of any change, before it joins the channel.
        Ok(self.supervisor.token_changed(&token.id).await?)
    }

    /// A state for the token, within the bounds that hold for every state; a larger one is no proper answer.
    fn checked(&self, state: RawJson) -> Result<RawJson, SubscribeError> {
        let is_fine = fits_token(&state, self.supervisor.settings().state_bytes);
        if !is_fine {
            tracing::warn!(project = %self.key.project, at = %clock::now(), "an authorise webhook \
                granted with a state that is too large");
        }
        is_fine.then_some(state).ok_or(SubscribeError::NotGranted)
    }
}
