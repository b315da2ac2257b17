//! Lists that are answered piece by piece, so that one of any length fits into memory.

use super::answer::Answer;
use super::error::{ApiError, mime};
use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

/// A walk through a list that writes down what it meets.
pub(crate) trait Walk: 'static {
    /// Reads and writes what comes next; behind the last of it, the end of the answer.
    async fn piece(&mut self) -> Result<Bytes, ApiError>;

    /// Whether the end is written.
    fn is_over(&self) -> bool;
}

/// Answers with `start` and all that a walk writes. The first piece is read before the answer begins, so that what fails
/// at once is answered as it should be; what fails later cuts the answer off, which no client can mistake for a whole
/// list.
pub(crate) async fn whole(start: &'static [u8], mut walk: impl Walk) -> Answer {
    let start = Bytes::from_static(start);
    let first = walk.piece().await?;
    if walk.is_over() {
        return Ok(HttpResponse::Ok().content_type(mime()).body([start, first].concat()));
    }
    let head = stream::iter([Ok(start), Ok(first)]);
    let tail = stream::try_unfold(walk, |mut walk| async move {
        if walk.is_over() {
            return Ok::<_, ApiError>(None);
        }
        let piece = walk.piece().await?;
        Ok(Some((piece, walk)))
    });
    Ok(HttpResponse::Ok().content_type(mime()).streaming(head.chain(tail)))
}
