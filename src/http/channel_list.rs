//! `GET /channels`.

use super::answer::Answer;
use super::call::Call;
use super::channels::existing;
use super::error::ApiError;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor, ListRange};
use super::views::ChannelView;
use crate::actor::Persistence;
use crate::domain::{Channel, ChannelId, Project};
use crate::store::{ChannelCursor, ChannelPage, ChannelSort, Start, Thing};
use actix_web::http::Method;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, "channels", list)]
}

/// `GET /channels`.
async fn list(call: Call) -> Answer {
    let wanted = query::wanted_sorted(call.request.query_string())?;
    let id = call.project().await?;
    let project = call.load_project(id).await?;
    let (sort, is_descending) = match &wanted {
        ListRange::Page(page) => (page.sort, page.is_descending),
        ListRange::All | ListRange::Step(_) => (ChannelSort::CreatedAt, false),
    };
    let persistence = call.app.persistence.clone();
    let channels = Channels { persistence, project, sort, is_descending };
    list::answer_bare(&call, channels, wanted).await
}

/// The channels of a project.
struct Channels {
    /// Where they are read.
    persistence: Persistence,
    /// Whose they are.
    project: Project,
    /// By what a page of them is sorted.
    sort: ChannelSort,
    /// Whether it runs backwards.
    is_descending: bool,
}

impl List for Channels {
    type Item = Channel;

    fn name(&self) -> &'static str {
        "channels"
    }

    /// One client parses nothing without the counts, and asks on until it has them.
    fn counts(&self) -> &'static [&'static str] {
        &["page_size", "total_count"]
    }

    async fn read(&self, start: &Start<ListCursor>, limit: u64) -> Result<Vec<Channel>, ApiError> {
        let (id, start) = (self.project.id.clone(), start.clone());
        let (sort, is_descending) = (self.sort, self.is_descending);
        let read = self.persistence.read(move |store| {
            existing(store.find_project(&id)?, Thing::Project)?;
            match start {
                Start::Skip(offset) => {
                    store.page_channels(&id, ChannelPage { sort, is_descending, offset, limit })
                }
                Start::Behind(place) => {
                    // Only compared with: what no channel is called stands between two that are.
                    let cursor = ChannelCursor {
                        created_at: place.time(),
                        id: ChannelId::trusted(&place.id),
                    };
                    store.channels_after(&id, Some(&cursor), limit)
                }
            }
        });
        Ok(read.await?)
    }

    async fn total(&self) -> Result<u64, ApiError> {
        let id = self.project.id.clone();
        Ok(self.persistence.read(move |store| store.count_channels(&id)).await?)
    }

    fn place(channel: &Channel) -> ListCursor {
        ListCursor::at(channel.created_at, channel.key.id.as_str())
    }

    fn write(&self, channel: &Channel, _: bool, text: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(text, &ChannelView::new(channel, &self.project))
    }
}
