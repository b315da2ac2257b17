//! Live connections: list them, end one.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::must_exist;
use super::error::ApiError;
use super::routes::{Mounted, on};
use super::tokens;
use crate::delivery::ConnectionInfo;
use crate::domain::Timestamp;
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

/// `{connections}`.
#[derive(Serialize)]
struct Connections {
    /// Oldest first.
    connections: Vec<ConnectionView>,
}

/// A live connection.
#[derive(Serialize)]
struct ConnectionView {
    /// Its public id, as INIT told its client.
    cid: String,
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
            since: info.origin.since,
            address: info.origin.address,
            user_agent: info.origin.user_agent.map(String::from),
            queue_bytes: info.queue_bytes,
            channels: info.channels.iter().map(|id| id.as_str().to_owned()).collect(),
        }
    }
}

/// Shows connections, oldest first.
fn shown(connections: Vec<ConnectionInfo>) -> Answer {
    let mut connections: Vec<_> = connections.into_iter().map(ConnectionView::from).collect();
    connections.sort_by(|a, b| (a.since, &a.cid).cmp(&(b.since, &b.cid)));
    answer::data(Connections { connections })
}

/// `GET /channels/tokens/:token/connections`.
async fn of_token(call: Call) -> Answer {
    let token = tokens::find(&call).await?;
    shown(call.app.supervisor.token_connections(&token.project, &token.id).await?)
}

/// `GET /channels/:id/connections`.
async fn of_channel(call: Call) -> Answer {
    let key = call.channel().await?;
    must_exist(&call, &key).await?;
    shown(call.app.supervisor.channel_connections(&key).await?)
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
