//! Answers that are written piece by piece, so that one of any length fits into memory.

use super::answer::Answer;
use super::error::{ApiError, mime};
use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

/// A walk through something that writes down what it meets.
pub(crate) trait WriteWalk: 'static {
    /// What stands before the first piece.
    fn start(&self) -> Bytes;

    /// Reads and writes what comes next; behind the last of it, the end of the answer.
    async fn piece(&mut self) -> Result<Bytes, ApiError>;

    /// Whether the end is written.
    fn is_over(&self) -> bool;
}

/// How many bytes are gathered before an answer begins: what is shorter is sent whole, with its length.
const SHORT_BYTES: usize = 128 << 10;

/// Answers with all that a walk writes. The first pieces are read before the answer begins, so that what fails at once is
/// answered as it should be; what fails later cuts the answer off, which no client can mistake for a whole list.
pub(crate) async fn whole(mut walk: impl WriteWalk) -> Answer {
    let mut first = Vec::from(walk.start());
    while first.len() < SHORT_BYTES && !walk.is_over() {
        first.extend_from_slice(&walk.piece().await?);
    }
    if walk.is_over() {
        return Ok(HttpResponse::Ok().content_type(mime()).body(first));
    }
    let head = stream::iter([Ok(first.into())]);
    let tail = stream::try_unfold(walk, |mut walk| async move {
        while !walk.is_over() {
            let piece = walk.piece().await?;
            // An empty one would end the answer.
            if !piece.is_empty() {
                return Ok::<_, ApiError>(Some((piece, walk)));
            }
        }
        Ok(None)
    });
    Ok(HttpResponse::Ok().content_type(mime()).streaming(head.chain(tail)))
}
