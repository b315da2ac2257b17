//! `GET /channels`: one page, or all of them in pieces, so that the list of any project fits into memory.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::existing;
use super::client::Client;
use super::error::{ApiError, mime};
use super::query;
use super::views::ChannelView;
use crate::actor::{AskError, Persistence};
use crate::domain::{Channel, Project};
use crate::store::{ChannelCursor, ChannelPage, Thing};
use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::stream;
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

/// `GET /channels`.
pub(crate) async fn list(call: Call) -> Answer {
    let page = query::page(call.request.query_string())?;
    let id = call.project().await?;
    let project = call.load_project(id).await?;
    let is_bare = Client::of(&call.request) == Client::HopCrate;
    match page {
        Some(page) => paged(&call.app.persistence, &project, page, is_bare).await,
        None => whole(call.app.persistence.clone(), project, is_bare).await,
    }
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

/// All channels, oldest first. The first piece is read before the answer begins, so that what fails at once is
/// answered as it should be; what fails later cuts the answer off, which no client can mistake for a whole list.
async fn whole(persistence: Persistence, project: Project, is_bare: bool) -> Answer {
    let mut walk = Walk { persistence, project, is_bare, cursor: None, count: 0, is_over: false };
    let start = Bytes::from_static(if is_bare {
        br#"{"success":true,"data":["#
    } else {
        br#"{"success":true,"data":{"channels":["#
    });
    let first = walk.piece().await?;
    if walk.is_over {
        return Ok(HttpResponse::Ok().content_type(mime()).body([start, first].concat()));
    }
    let head = stream::iter([Ok(start), Ok(first)]);
    let tail = stream::try_unfold(walk, |mut walk| async move {
        if walk.is_over {
            return Ok::<_, ApiError>(None);
        }
        let piece = walk.piece().await?;
        Ok(Some((piece, walk)))
    });
    let body = futures_util::StreamExt::chain(head, tail);
    Ok(HttpResponse::Ok().content_type(mime()).streaming(body))
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

impl Walk {
    /// Reads and writes the next channels; behind the last ones, the counts and the end.
    async fn piece(&mut self) -> Result<Bytes, ApiError> {
        let channels = self.read().await?;
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

    /// Reads the next channels.
    async fn read(&self) -> Result<Vec<Channel>, AskError> {
        let (id, cursor) = (self.project.id.clone(), self.cursor.clone());
        self.persistence
            .read(move |store| {
                existing(store.find_project(&id)?, Thing::Project)?;
                store.channels_after(&id, cursor.as_ref(), PIECE)
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
