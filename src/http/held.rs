//! Lists that are short by what they are: read whole, and answered in the same form as the long ones.

use super::error::ApiError;
use super::list::List;
use super::query::ListCursor;
use crate::num;
use crate::store::Start;
use serde::Serialize;

/// A thing as it is answered, and where it stands.
type Item = (ListCursor, Vec<u8>);

/// A list that is held whole, in order.
pub(crate) struct HeldList {
    /// What it is called in the answer.
    name: &'static str,
    /// The things.
    items: Vec<Item>,
}

impl HeldList {
    /// An empty list.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, items: Vec::new() }
    }

    /// Adds a thing, behind all whose place is before its.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when it cannot be written.
    pub(crate) fn add(&mut self, place: ListCursor, view: &impl Serialize) -> Result<(), ApiError> {
        let text = serde_json::to_vec(view).map_err(|error| ApiError::internal(&error))?;
        let at = self.items.partition_point(|(other, _)| *other <= place);
        self.items.insert(at, (place, text));
        Ok(())
    }
}

impl List for HeldList {
    type Item = Item;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn read(&self, start: &Start<ListCursor>, limit: u64) -> Result<Vec<Item>, ApiError> {
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let skipped = match start {
            Start::Skip(count) => size(*count),
            Start::Behind(place) => self.items.partition_point(|(other, _)| other <= place),
        };
        Ok(self.items.iter().skip(skipped).take(size(limit)).cloned().collect())
    }

    async fn total(&self) -> Result<u64, ApiError> {
        Ok(num::counter(self.items.len()))
    }

    fn place((place, _): &Item) -> ListCursor {
        place.clone()
    }

    fn write(&self, (_, view): &Item, _: bool, text: &mut Vec<u8>) -> serde_json::Result<()> {
        text.extend_from_slice(view);
        Ok(())
    }
}
