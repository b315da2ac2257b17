//! Who is in a channel, by distinct session: one that is there on two nodes is one.

use super::answers::ScriptAnswer;
use super::connections::HELD;
use super::handle::RedisRegistry;
use super::incarnation::Incarnation;
use super::keys::{PresenceKeys, held_as};
use super::nodes::LivingNodes;
use super::outcomes::{JoinOutcome, MemberPage, PresenceNews};
use crate::bus::redis::{LineName, WireError};
use crate::domain::{RawJson, SessionId};

impl RedisRegistry {
    /// A session is in a channel, on that node, and is shown so. It may say so again. What it was to one that is gone but whose
    /// leaving nobody has been told of is no news.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn join(
        &self,
        channel: &LineName,
        session: &SessionId,
        node: Incarnation,
        member: &RawJson,
        living: &LivingNodes,
    ) -> Result<JoinOutcome, WireError> {
        let (part, presence) = (self.part(channel.partition()), PresenceKeys(channel));
        let mut call = self.scripts.join.key(part.ground());
        call.key(presence.sessions()).key(presence.counts());
        call.key(part.holders()).key(part.held(node));
        call.arg(session.as_str()).arg(node.to_string()).arg(member.as_str());
        call.arg(held_as(channel.name(), session.as_str())).arg(HELD).arg(living.words());
        let answer: Vec<String> = self.wire.call(&call).await?;
        let is_full = answer.first().is_some_and(|word| word == "full");
        if is_full { Ok(JoinOutcome::Full) } else { news(answer).map(JoinOutcome::In) }
    }

    /// A session is in a channel no more, on that node.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn leave(
        &self,
        channel: &LineName,
        session: &SessionId,
        node: Incarnation,
        living: &LivingNodes,
    ) -> Result<PresenceNews, WireError> {
        self.leave_as(node.to_string(), channel, session, node, living).await
    }

    /// An heir keeps the place of a session no more: its grace is over. If it has come back, this is no news.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn release(
        &self,
        channel: &LineName,
        session: &SessionId,
        heir: Incarnation,
        living: &LivingNodes,
    ) -> Result<PresenceNews, WireError> {
        self.leave_as(format!("-{heir}"), channel, session, heir, living).await
    }

    /// Either of them.
    async fn leave_as(
        &self,
        holder: String,
        channel: &LineName,
        session: &SessionId,
        node: Incarnation,
        living: &LivingNodes,
    ) -> Result<PresenceNews, WireError> {
        let (part, presence) = (self.part(channel.partition()), PresenceKeys(channel));
        let mut call = self.scripts.leave.key(part.ground());
        call.key(presence.sessions()).key(presence.counts());
        call.key(part.holders()).key(part.held(node));
        call.arg(session.as_str()).arg(holder).arg(node.to_string());
        call.arg(held_as(channel.name(), session.as_str())).arg(living.words());
        news(self.wire.call(&call).await?)
    }

    /// What a node that is gone held of a session's presence goes to an heir, who keeps its place for the grace and then
    /// [releases](Self::release) it: so it has left neither at once nor for ever. Whether there was anything.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn inherit(
        &self,
        channel: &LineName,
        session: &SessionId,
        dead: Incarnation,
        heir: Incarnation,
    ) -> Result<bool, WireError> {
        let (part, presence) = (self.part(channel.partition()), PresenceKeys(channel));
        let mut call = self.scripts.inherit.key(part.ground());
        call.key(presence.sessions()).key(presence.counts()).key(part.holders());
        call.key(part.held(dead)).key(part.held(heir));
        call.arg(session.as_str()).arg(dead.to_string()).arg(heir.to_string());
        call.arg(held_as(channel.name(), session.as_str()));
        let found: u8 = self.wire.call(&call).await?;
        Ok(found == 1)
    }

    /// Some of those who are in a channel, by nodes that live: about so many, from the beginning (0) or where a page says. Redis
    /// tells a small channel (512 sessions, of 64 bytes each) in one page whatever is asked for.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn members(
        &self,
        channel: &LineName,
        living: &LivingNodes,
        from: u64,
        about: usize,
    ) -> Result<MemberPage, WireError> {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(PresenceKeys(channel).sessions()).arg(from).arg("COUNT").arg(about);
        let (next, found): (u64, Vec<(String, String)>) = self.wire.ask(&scan).await?;
        let mut members = Vec::new();
        for (session, entry) in found {
            let (holders, member) = entry.split_once(' ').ok_or(WireError::Garbled)?;
            // With a dash in front it is no node: somebody keeps a place.
            let mut nodes = holders.split(',').filter_map(|holder| holder.parse().ok());
            if nodes.any(|node| living.shows(node)) {
                members.push((SessionId::from(session.as_str()), RawJson::trusted(member)));
            }
        }
        Ok(MemberPage { members, next: (next != 0).then_some(next) })
    }
}

/// Reads whether something was news, and the count.
fn news(answer: Vec<String>) -> Result<PresenceNews, WireError> {
    let mut answer = ScriptAnswer::new(answer);
    let is_news = answer.text()? == "news";
    Ok(PresenceNews { is_news, count: answer.value()? })
}
