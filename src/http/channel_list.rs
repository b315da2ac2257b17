//! `GET /channels`: one page, a step of a walk, or all of them in pieces, so that the list of any project fits into memory.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::existing;
use super::client::Client;
use super::error::ApiError;
use super::pieces;
use super::query::{self, Step};
use super::views::ChannelView;
use crate::actor::{AskError, Persistence};
use crate::domain::{Channel, ChannelId, Project};
use crate::store::{ChannelCursor, ChannelPage, Thing};
use bytes::Bytes;
use serde::Serialize;
use std::io::Write as _;

/// How many channels are held at once while all of them are listed.
const PIECE: u64 = 500;

/// `{channels, page_size, total_count}`: one client parses nothing without the counts, and asks on until it has them.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the wire's")]
struct Page<'a> {
    /// The channels of this page.
    channels: Vec<ChannelView<'a>>,
    /// How many a page has.
    page_size: u64,
    /// How many all pages have.
    total_count: u64,
}

/// `{channels, page_size, next}`: one step of a walk.
#[derive(Serialize)]
struct Stepped<'a> {
    /// The channels of this step.
    channels: Vec<ChannelView<'a>>,
    /// How many a step has at most.
    page_size: u64,
    /// The cursor of the next step; null behind the last channel.
    next: Option<String>,
}

/// `GET /channels`.
pub(crate) async fn list(call: Call) -> Answer {
    let (page, step) = query::page_or_step(call.request.query_string())?;
    let id = call.project().await?;
    let project = call.load_project(id).await?;
    let is_bare = Client::of(&call.request) == Client::HopCrate;
    let persistence = call.app.persistence.clone();
    if let Some(page) = page {
        return paged(&persistence, &project, page, is_bare).await;
    }
    let walk = Walk { persistence, project, is_bare, cursor: None, count: 0, is_over: false };
    if let Some(step) = step {
        return stepped(walk, step).await;
    }
    let start: &[u8] = if is_bare {
        br#"{"success":true,"data":["#
    } else {
        br#"{"success":true,"data":{"channels":["#
    };
    pieces::whole(start, walk).await
}

/// One page; past the end, an empty one.
async fn paged(
    persistence: &Persistence,
    project: &Project,
    page: ChannelPage,
    is_bare: bool,
) -> Answer {
    let id = project.id.clone();
    let (channels, total_count) = persistence
        .read(move |store| Ok((store.page_channels(&id, page)?, store.count_channels(&id)?)))
        .await?;
    let channels: Vec<_> = channels.iter().map(|c| ChannelView::new(c, project)).collect();
    if is_bare {
        return answer::data(channels);
    }
    answer::data(Page { channels, page_size: page.limit, total_count })
}

/// One step of a walk in creation order, which goes on behind the channel that the last one ended with.
async fn stepped(mut walk: Walk, step: Step) -> Answer {
    let Step { behind, limit } = step;
    // Only compared with: what no channel is called stands between two that are.
    walk.cursor =
        behind.map(|(created_at, id)| ChannelCursor { created_at, id: ChannelId::trusted(&id) });
    let mut found = walk.read(limit.saturating_add(1)).await?;
    let next = query::next(&mut found, limit, |last| (last.created_at, last.key.id.as_str()));
    let views = found.iter().map(|channel| ChannelView::new(channel, &walk.project));
    answer::data(Stepped { channels: views.collect(), page_size: limit, next })
}

/// A walk through all channels of a project.
struct Walk {
    /// Where they are read.
    persistence: Persistence,
    /// Whose they are.
    project: Project,
    /// Whether the answer is the bare array.
    is_bare: bool,
    /// The last channel written.
    cursor: Option<ChannelCursor>,
    /// How many were written.
    count: u64,
    /// Whether the last one and what follows it are written.
    is_over: bool,
}

impl pieces::Walk for Walk {
    fn is_over(&self) -> bool {
        self.is_over
    }

    async fn piece(&mut self) -> Result<Bytes, ApiError> {
        let channels = self.read(PIECE).await?;
        let mut text = Vec::new();
        for channel in &channels {
            if self.count > 0 {
                text.push(b',');
            }
            self.count += 1;
            serde_json::to_writer(&mut text, &ChannelView::new(channel, &self.project))
                .map_err(|error| ApiError::internal(&error))?;
        }
        if let Some(last) = channels.last() {
            let (created_at, id) = (last.created_at, last.key.id.clone());
            self.cursor = Some(ChannelCursor { created_at, id });
        }
        let is_full = u64::try_from(channels.len()).is_ok_and(|found| found >= PIECE);
        if !is_full {
            self.is_over = true;
            self.end(&mut text)?;
        }
        Ok(text.into())
    }
}

impl Walk {
    /// Reads the next channels, so many at most.
    async fn read(&self, limit: u64) -> Result<Vec<Channel>, AskError> {
        let (id, cursor) = (self.project.id.clone(), self.cursor.clone());
        self.persistence
            .read(move |store| {
                existing(store.find_project(&id)?, Thing::Project)?;
                store.channels_after(&id, cursor.as_ref(), limit)
            })
            .await
    }

    /// Writes what follows the last channel: the counts are those of what was written.
    fn end(&self, text: &mut Vec<u8>) -> Result<(), ApiError> {
        let count = self.count;
        let written = if self.is_bare {
            text.write_all(b"]}")
        } else {
            write!(text, r#"],"page_size":{count},"total_count":{count}}}}}"#)
        };
        written.map_err(|error| ApiError::internal(&error))
    }
}
