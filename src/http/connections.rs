//! Live connections: list them, end one.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::must_exist;
use super::error::ApiError;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor, ListRange};
use super::tokens;
use crate::actor::Supervisor;
use crate::actor::channel::ConnectionPart;
use crate::actor::supervisor::describe;
use crate::ask::AskError;
use crate::delivery::ConnectionInfo;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{ChannelKey, LeapTokenId, ProjectId, Timestamp};
use crate::num;
use crate::store::Start;
use actix_web::http::Method;
use serde::Serialize;
use std::net::IpAddr;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "channels/tokens/{token}/connections", of_token),
        on(Method::GET, "channels/{channel}/connections", of_channel),
        on(Method::DELETE, "channels/connections/{cid}", close),
    ]
}

/// A live connection.
#[derive(Serialize)]
struct ConnectionView {
    /// Its public id, as INIT told its client.
    cid: String,
    /// What carries it: `websocket` or `sse`.
    transport: &'static str,
    /// When it came.
    since: Timestamp,
    /// Where it comes from.
    address: Option<IpAddr>,
    /// What its client calls itself.
    user_agent: Option<String>,
    /// What waits to be written to it, bytes.
    queue_bytes: usize,
    /// The channels that it hears.
    channels: Vec<String>,
}

impl From<ConnectionInfo> for ConnectionView {
    fn from(info: ConnectionInfo) -> Self {
        Self {
            cid: info.cid.to_string(),
            transport: info.profile.wire.encoding.transport(),
            since: info.origin.since,
            address: info.origin.address,
            user_agent: info.origin.user_agent.map(String::from),
            queue_bytes: info.queue_bytes,
            channels: info.channels.iter().map(|id| id.as_str().to_owned()).collect(),
        }
    }
}

/// `GET /channels/tokens/:token/connections`.
async fn of_token(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let token = tokens::find(&call).await?;
    listed(&call, ConnectionSource::Token(token.project, token.id), wanted).await
}

/// `GET /channels/:id/connections`.
async fn of_channel(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let key = call.channel().await?;
    must_exist(&call, &key).await?;
    listed(&call, ConnectionSource::Channel(key), wanted).await
}

/// What is wanted of one of the two.
async fn listed(call: &Call, source: ConnectionSource, wanted: ListRange) -> Answer {
    list::answer(ConnectionList { supervisor: call.app.supervisor.clone(), source }, wanted).await
}

/// Whose connections are listed.
enum ConnectionSource {
    /// A token's.
    Token(ProjectId, LeapTokenId),
    /// Those that hear a channel.
    Channel(ChannelKey),
}

/// Live connections, oldest first.
struct ConnectionList {
    /// Who asks for them.
    supervisor: Supervisor,
    /// Whose they are.
    source: ConnectionSource,
}

impl ConnectionList {
    /// Asks for a part of them.
    async fn part(
        &self,
        start: Start<ConnectionUid>,
        limit: u64,
    ) -> Result<ConnectionPart, AskError> {
        match &self.source {
            ConnectionSource::Token(project, token) => {
                self.supervisor.token_connections(project, token, start, limit).await
            }
            ConnectionSource::Channel(key) => {
                self.supervisor.channel_connections(key, start, limit).await
            }
        }
    }
}

impl List for ConnectionList {
    /// A connection, and what is known of it unless it has gone meanwhile.
    type Item = (ConnectionUid, Option<ConnectionView>);

    fn name(&self) -> &'static str {
        "connections"
    }

    async fn read(
        &self,
        start: &Start<ListCursor>,
        limit: u64,
    ) -> Result<Vec<Self::Item>, ApiError> {
        let start = start.map(|place| ConnectionUid::from_number(place.rank.cast_unsigned()));
        let part = self.part(start, limit).await?.connections;
        let uids: Vec<_> = part.iter().map(|connection| connection.uid).collect();
        let mut described = describe(part).await;
        let view = |uid| (uid, described.remove(&uid).map(ConnectionView::from));
        Ok(uids.into_iter().map(view).collect())
    }

    async fn total(&self) -> Result<u64, ApiError> {
        let total = self.part(Start::Skip(0), 0).await?.total;
        Ok(num::counter(total))
    }

    /// By its number, which rises with each that comes.
    fn place((uid, _): &Self::Item) -> ListCursor {
        ListCursor { rank: uid.number().cast_signed(), id: String::new() }
    }

    fn write(
        &self,
        (_, connection): &Self::Item,
        _: bool,
        text: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        connection.as_ref().map_or(Ok(()), |view| serde_json::to_writer(text, view))
    }
}

/// `DELETE /channels/connections/:cid`: the client is told 4000 and may come back.
async fn close(call: Call) -> Answer {
    let project = call.project().await?;
    if call.app.supervisor.close_connection(&project, &call.parts.connection()).await? {
        Ok(answer::done())
    } else {
        Err(ApiError::NoSuchConnection)
    }
}
