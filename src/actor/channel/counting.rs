//! How many are on a channel, told so that several servers' numbers can be added.

use super::super::online::Online;
use super::ChannelActor;
use crate::num;
use actix::prelude::*;
use std::sync::Arc;

/// Sent by the supervisor: how many sessions are here.
#[derive(actix::Message)]
#[rtype(result = "SessionCounts")]
pub struct CountSessions {
    /// Tokens whose sessions other servers may have as well.
    pub shared: Online,
}

/// How many sessions are on a channel.
#[derive(actix::MessageResponse, Default)]
pub struct SessionCounts {
    /// Those that are subscribed.
    pub subscribed: u64,
    /// Those that are connected.
    pub online: u64,
    /// Those that are in, also in a grace.
    pub present: u64,
    /// Those among them that others may count too.
    pub shared: Vec<SharedSession>,
}

/// A session that others may count too.
pub struct SharedSession {
    /// Who it is to others, which is the same everywhere.
    pub member: Arc<str>,
    /// Whether it is connected.
    pub is_online: bool,
    /// Whether it is in.
    pub is_present: bool,
}

impl Handler<CountSessions> for ChannelActor {
    type Result = SessionCounts;

    fn handle(
        &mut self,
        CountSessions { shared }: CountSessions,
        _: &mut Context<Self>,
    ) -> SessionCounts {
        let subscribers = self.machine.subscribers();
        let all = if shared.is_empty() { None } else { Some(subscribers.standings()) };
        let twice = all
            .into_iter()
            .flatten()
            .filter(|(member, ..)| member.token.as_ref().is_some_and(|token| shared.holds(token)));
        SessionCounts {
            subscribed: num::counter(subscribers.count()),
            online: num::counter(subscribers.online_count()),
            present: num::counter(subscribers.present_count()),
            shared: twice
                .map(|(member, is_online, is_present)| SharedSession {
                    member: Arc::clone(&member.id),
                    is_online,
                    is_present,
                })
                .collect(),
        }
    }
}
