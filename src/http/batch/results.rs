//! What became of the items of a batch, as it is answered.

use crate::domain::KeptAnswer;
use crate::http::cors::EXPOSED_HEADERS;
use crate::http::error::mime;
use actix_web::HttpResponse;
use actix_web::body::MessageBody as _;
use actix_web::http::header;
use bytes::Bytes;
use serde::Serialize;
use serde::ser::SerializeMap;

/// How many bytes of bodies an answer holds; past it, large ones are left out.
const ANSWER_BYTES: usize = 8 << 20;
/// A body of so many bytes is never left out: every error is shorter.
const SMALL_BYTES: usize = 1 << 10;

/// The answer to one item.
pub(super) struct ItemResult {
    /// Its status.
    status: u16,
    /// Those of its headers that say something of what was done.
    headers: Vec<(String, String)>,
    /// Its body; empty for none.
    body: Bytes,
}

impl From<HttpResponse> for ItemResult {
    fn from(response: HttpResponse) -> Self {
        let told = EXPOSED_HEADERS.split(',').filter_map(|name| {
            let value = response.headers().get(name.trim())?.to_str().ok()?;
            Some((name.trim().to_owned(), value.to_owned()))
        });
        let (status, headers) = (response.status().as_u16(), told.collect());
        // What is written in pieces is no answer to a write.
        let body = response.into_body().try_into_bytes().unwrap_or_default();
        Self { status, headers, body }
    }
}

impl ItemResult {
    /// How large it is, bytes.
    pub(super) fn len_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether it is the last word: the same item may be answered in another way when it is sent again.
    fn is_final(&self) -> bool {
        let is_to_come = self.headers.iter().any(|(name, _)| name == header::RETRY_AFTER.as_str());
        !is_to_come && KeptAnswer::is_kept(self.status)
    }

    /// Writes all but the body.
    fn write_head(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(format!("{{\"status\":{}", self.status).as_bytes());
        if !self.headers.is_empty() {
            text.extend_from_slice(b",\"headers\":");
            // Strings alone: writing them cannot fail.
            let _ = serde_json::to_writer(text, &HeaderObject(&self.headers));
        }
    }
}

/// Headers as an object.
struct HeaderObject<'h>(&'h [(String, String)]);

impl Serialize for HeaderObject<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            object.serialize_entry(name, value)?;
        }
        object.end()
    }
}

/// `{results}`. Where an item is to be sent again, so may be the whole: then the answer says when, and is not kept.
pub(super) fn answer(results: &[ItemResult]) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if !results.iter().all(ItemResult::is_final) {
        answer.insert_header((header::RETRY_AFTER, "1"));
    }
    answer.content_type(mime()).body(text(results, ANSWER_BYTES))
}

/// The text of an answer that holds so many bytes of bodies, and of the small ones all.
fn text(results: &[ItemResult], most: usize) -> Vec<u8> {
    let mut text = Vec::from(&b"{\"success\":true,\"data\":{\"results\":["[..]);
    let mut left = most;
    for (number, result) in results.iter().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        result.write_head(&mut text);
        let size = result.len_bytes();
        if size <= SMALL_BYTES || size <= left {
            left = left.saturating_sub(size);
            text.extend_from_slice(b",\"body\":");
            text.extend_from_slice(if size == 0 { b"null" } else { &result.body });
            text.push(b'}');
        } else {
            left = 0;
            text.extend_from_slice(format!(",\"body\":null,\"omitted\":{size}}}").as_bytes());
        }
    }
    text.extend_from_slice(b"]}}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::ApiError;
    use actix_web::ResponseError as _;
    use serde_json::{Value, json};

    /// A result with a body of so many bytes.
    fn sized(size: usize) -> ItemResult {
        let body = Bytes::from(format!("\"{}\"", "x".repeat(size - 2)));
        ItemResult { status: 200, headers: vec![("etag".into(), "\"a.2\"".into())], body }
    }

    /// The results in a text.
    fn read(text: &[u8]) -> Value {
        serde_json::from_slice::<Value>(text).unwrap()["data"]["results"].take()
    }

    #[test]
    fn an_answer_shows_status_body_and_what_else_there_is_to_know() {
        let refused = ItemResult::from(ApiError::NotInBatch.error_response());
        let done = ItemResult::from(HttpResponse::NoContent().finish());
        let shown = read(&text(&[refused, done, sized(5)], 100));
        assert_eq!(shown[0]["status"], 400);
        assert_eq!(shown[0]["body"]["error"]["code"], "not_in_batch");
        assert_eq!(shown[1], json!({"status": 204, "body": null}));
        let last = json!({"status": 200, "headers": {"etag": "\"a.2\""}, "body": "xxx"});
        assert_eq!(shown[2], last);
        assert_eq!(read(&text(&[], 100)), json!([]));
    }

    #[test]
    fn past_the_bound_large_bodies_are_left_out_and_small_ones_stay() {
        let large = SMALL_BYTES + 1;
        let sizes = [large, large, 10, large, SMALL_BYTES];
        let results: Vec<_> = sizes.into_iter().map(sized).collect();
        let shown = read(&text(&results, large));
        let omitted = |at: usize| shown[at]["omitted"].as_u64();
        let all: Vec<_> = (0..sizes.len()).map(omitted).collect();
        let left_out = u64::try_from(large).ok();
        assert_eq!(all, [None, left_out, None, left_out, None]);
        assert!(shown[1]["body"].is_null() && shown[1]["headers"]["etag"] == "\"a.2\"");
        assert_eq!(shown[4]["body"].as_str().unwrap().len(), SMALL_BYTES - 2);
    }

    #[test]
    fn what_is_to_be_sent_again_is_said() {
        let again = |error: ApiError| {
            let all = [sized(5), ItemResult::from(error.error_response())];
            answer(&all).headers().contains_key(header::RETRY_AFTER)
        };
        assert!(again(ApiError::Overloaded) && again(ApiError::IdempotencyInProgress));
        assert!(again(ApiError::internal(&"planted")));
        assert!(!again(ApiError::NotInBatch));
    }
}
