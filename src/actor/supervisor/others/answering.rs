//! What this server answers others.

use super::super::{Supervisor, SupervisorInner};
use super::Forgotten;
use super::question::{
    ChangedSubscription, ForgottenThing, HeldChannel, MemberElsewhere, ServerAnswer,
    ServerQuestion, SharedMember,
};
use crate::actor::channel::{CountSessions, SessionCounts};
use crate::actor::session::listing;
use crate::actor::session::shared::{BeShared, FollowStore, FollowSubscription, Share};
use crate::actor::shard::arriving::{Arrival, Depart, FoundHere, HasArrived};
use crate::actor::shard::{FindChannel, ListSessions};
use crate::actor::tell::tell;
use crate::ask::AskError;
use crate::bus::others::Answering;
use crate::domain::{ChannelId, ChannelKey, LeapTokenId, ProjectId, Subscription, Timestamp};
use crate::store::Start;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How many tokens are named in one question.
const TOLD_AT_ONCE: usize = 1000;
/// How many sessions read the store at a time, when all have to.
const FOLLOWING_AT_ONCE: usize = 64;
/// How long after that failed for some they try again.
const FOLLOWED_AGAIN: Duration = Duration::from_secs(1);

/// Answers other servers for as long as this one runs.
pub struct AnsweringServer(Weak<SupervisorInner>);

impl AnsweringServer {
    /// The one that answers for this server.
    pub fn new(supervisor: &Supervisor) -> Arc<Self> {
        Arc::new(Self(Arc::downgrade(&supervisor.0)))
    }
}

impl Answering for AnsweringServer {
    fn answer(&self, question: String) -> BoxFuture<'static, String> {
        let supervisor = self.0.upgrade().map(Supervisor);
        async move {
            let answer = match (supervisor, serde_json::from_str(&question)) {
                (Some(supervisor), Ok(question)) => {
                    supervisor.answer(question).await.unwrap_or_else(|error| {
                        tracing::warn!(%error, "another server could not be answered");
                        ServerAnswer::Failed
                    })
                }
                // One that ends has nobody; what a newer server asks, this one knows nothing of.
                _ => ServerAnswer::Unknown,
            };
            // Nothing in an answer fails to be written.
            serde_json::to_string(&answer).unwrap_or_default()
        }
        .boxed()
    }

    fn missed(&self) {
        if let Some(supervisor) = self.0.upgrade().map(Supervisor) {
            tokio::spawn(async move { supervisor.read_all_again().await });
        }
    }
}

/// The token of that name.
fn named(token: &str) -> LeapTokenId {
    LeapTokenId::from(token)
}

/// The full name of a channel.
fn key(project: &str, channel: &str) -> ChannelKey {
    ChannelKey { project: ProjectId::from(project), id: ChannelId::trusted(channel) }
}

impl Supervisor {
    /// Answers another server.
    async fn answer(&self, question: ServerQuestion) -> Result<ServerAnswer, AskError> {
        match question {
            ServerQuestion::Arrived(token) => return self.share(&named(&token)).await,
            ServerQuestion::HasArrived(token) => {
                let token = named(&token);
                self.shard(&token).ask(|| HasArrived(token.clone())).await?;
            }
            ServerQuestion::AlsoHere(tokens) => self.share_all(tokens).await?,
            ServerQuestion::Subscription(changed) => return self.follow(changed).await,
            ServerQuestion::TokenChanged(token) => self.token_changed_here(&named(&token)).await?,
            ServerQuestion::TokenDeleted(token) => self.token_deleted_here(&named(&token)).await?,
            ServerQuestion::TokenRevoked(token) => self.token_revoked_here(&named(&token)).await?,
            ServerQuestion::Mail(token) => self.mail_waits_here(&named(&token)).await?,
            ServerQuestion::Forget(thing) => self.forget(thing).await,
            ServerQuestion::Online(tokens) => {
                let holds = |token: &String| self.online().holds(&named(token));
                return Ok(ServerAnswer::Each(tokens.iter().map(holds).collect()));
            }
            ServerQuestion::Ephemeral(token) => {
                let held = self.ephemeral_here(&named(&token)).await?;
                return Ok(ServerAnswer::Ephemeral(held.iter().map(HeldChannel::from).collect()));
            }
            ServerQuestion::Direct { project, token, message } => {
                let (project, message) = (ProjectId::from(project.as_str()), message.message());
                let handed = self.direct_here(&project, &named(&token), &message).await?;
                return Ok(ServerAnswer::Is(handed == Some(Ok(()))));
            }
            ServerQuestion::ToConnection { project, cid, message } => {
                let (project, cid) = (project.as_str().into(), cid.as_str().into());
                let handed = self.message_here(&project, &cid, message.message()).await;
                return handed.map(ServerAnswer::Is);
            }
            ServerQuestion::CloseConnection { project, cid } => {
                let (project, cid) = (project.as_str().into(), cid.as_str().into());
                return self.close_here(&project, &cid).await.map(ServerAnswer::Is);
            }
            ServerQuestion::Count { project, channel } => {
                let counts = self.counts_here(&key(&project, &channel)).await?;
                let shared = counts.shared.iter().map(SharedMember::from).collect();
                let SessionCounts { subscribed, online, present, .. } = counts;
                return Ok(ServerAnswer::Count { subscribed, online, present, shared });
            }
            ServerQuestion::Present { project, channel, behind, limit } => {
                return self.present_here(&key(&project, &channel), behind, limit).await;
            }
        }
        Ok(ServerAnswer::Done)
    }

    /// Who is in a channel here.
    async fn present_here(
        &self,
        key: &ChannelKey,
        behind: Option<(i64, String)>,
        limit: u64,
    ) -> Result<ServerAnswer, AskError> {
        let start = match behind {
            Some((since, id)) => Start::Behind((Timestamp(since), Arc::from(id))),
            None => Start::Skip(0),
        };
        // Where the channel is not in use here, nobody is in.
        let is_used = self.shard(key).ask(|| FindChannel(key.clone())).await?.is_some();
        let part = if is_used { self.presence_here(key, &start, limit).await? } else { None };
        let packed = |members: Vec<_>| members.iter().map(MemberElsewhere::from).collect();
        Ok(ServerAnswer::Members(part.map(|part| packed(part.members))))
    }

    /// Sessions of these tokens are at the asker, of which those here may not know.
    async fn share_all(&self, tokens: Vec<String>) -> Result<(), AskError> {
        for token in tokens {
            let token = named(&token);
            let found = self.shard(&token).ask(|| Arrival(token.clone())).await?;
            if let FoundHere::Live(live) = found {
                tell(&live, BeShared);
            }
        }
        Ok(())
    }

    /// A token is subscribed otherwise by now.
    async fn follow(&self, changed: ChangedSubscription) -> Result<ServerAnswer, AskError> {
        let Some(live) = self.find_session(&changed.token()).await? else {
            return Ok(ServerAnswer::Done);
        };
        let (channel, is_ephemeral) = (changed.channel(), changed.is_ephemeral);
        Ok(match live.send(FollowSubscription { channel, is_ephemeral }).await {
            Ok(false) => ServerAnswer::Failed,
            // One that ends just now reads the store anew.
            Ok(true) | Err(_) => ServerAnswer::Done,
        })
    }

    /// A token's session begins elsewhere.
    async fn share(&self, token: &LeapTokenId) -> Result<ServerAnswer, AskError> {
        Ok(match self.shard(token).ask(|| Arrival(token.clone())).await? {
            FoundHere::Nothing => ServerAnswer::Is(false),
            FoundHere::Unsettled => ServerAnswer::Is(true),
            FoundHere::Departed(sharing) => ServerAnswer::Held(sharing.into()),
            FoundHere::Live(live) => match live.send(Share).await {
                Ok(sharing) => {
                    if sharing.moved.is_some() {
                        // The answer may be lost on its way.
                        let kept = || Depart(token.clone(), sharing.clone());
                        self.shard(token).ask(kept).await?;
                    }
                    ServerAnswer::Held(sharing.into())
                }
                // It ended just now.
                Err(_) => ServerAnswer::Is(false),
            },
        })
    }

    /// What is remembered of something is not true any more.
    async fn forget(&self, thing: ForgottenThing) {
        match thing {
            ForgottenThing::Project(id) => self.project_changed_here(&ProjectId::from(id.as_str())),
            ForgottenThing::DeletedProject(id) => {
                let project = ProjectId::from(id.as_str());
                self.have_forgotten(&Forgotten::Project(project.clone()));
                self.persistence().refresh_hooks(&project).await;
                self.project_deleted_here(&project).await;
            }
            ForgottenThing::Key(hash) => {
                self.have_forgotten(&Forgotten::Key(hash));
                self.key_deleted_here(&hash).await;
            }
            ForgottenThing::Webhooks(id) => {
                self.webhooks_changed_here(&ProjectId::from(id.as_str())).await;
            }
        }
    }

    /// Others may have told something that was not heard: everything is as the store says.
    async fn read_all_again(&self) {
        self.have_forgotten(&Forgotten::Everything);
        self.all_projects_changed();
        if let Err(error) = self.persistence().load_hooks().await {
            tracing::warn!(%error, "what webhooks want was not read again");
        }
        let mut all = Vec::new();
        for shard in &self.0.shards {
            // One that cannot be asked has nobody.
            all.extend(shard.ask(|| ListSessions).await.unwrap_or_default());
        }
        for some in all.chunks(TOLD_AT_ONCE) {
            let tokens = some.iter().map(|(token, _)| token.as_str().to_owned()).collect();
            if let Err(error) = self.ask_others(&ServerQuestion::AlsoHere(tokens)).await {
                // It is lost again, and this is begun anew behind it.
                tracing::warn!(%error, "other servers were not told of sessions");
            }
        }
        let mut left: Vec<_> = all.into_iter().map(|(_, live)| live).collect();
        while !left.is_empty() {
            let followed = stream::iter(left).map(|live| async move {
                // One that has ended reads the store when it begins.
                let is_so = live.send(FollowStore).await.unwrap_or(true);
                (!is_so).then_some(live)
            });
            left = followed
                .buffer_unordered(FOLLOWING_AT_ONCE)
                .filter_map(|left| async { left })
                .collect()
                .await;
            if !left.is_empty() {
                tracing::warn!(sessions = left.len(), "what was missed is read again");
                tokio::time::sleep(FOLLOWED_AGAIN).await;
            }
        }
    }

    /// How many sessions of a channel this server has.
    pub(in super::super) async fn counts_here(
        &self,
        key: &ChannelKey,
    ) -> Result<SessionCounts, AskError> {
        let Some(address) = self.shard(key).ask(|| FindChannel(key.clone())).await? else {
            return Ok(SessionCounts::default());
        };
        let shared = self.shared_tokens().clone();
        // One that ends just now has nobody any more.
        Ok(address.send(CountSessions { shared }).await.unwrap_or_default())
    }

    /// The ephemeral subscriptions that a token has here.
    pub(in super::super) async fn ephemeral_here(
        &self,
        token: &LeapTokenId,
    ) -> Result<Vec<Subscription>, AskError> {
        match self.find_session(token).await? {
            // One that ends just now takes them along.
            Some(live) => Ok(live.send(listing::ListEphemeral).await.unwrap_or_default()),
            None => Ok(Vec::new()),
        }
    }
}
