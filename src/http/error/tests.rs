//! The mapping of failures to answers.

use super::*;
use actix_web::body::{BodySize, MessageBody as _, to_bytes};

/// The body of an error's answer.
async fn text(error: &ApiError) -> String {
    let body = error.error_response().into_body();
    assert!(matches!(body.size(), BodySize::Sized(_)));
    String::from_utf8(to_bytes(body).await.unwrap().to_vec()).unwrap()
}

#[actix_rt::test]
async fn failures_of_lower_layers_have_their_status_and_code() {
    let table: [(ApiError, u16, &str); 11] = [
        (AskError::not_found(Thing::Channel).into(), 404, "channel_not_found"),
        (AskError::not_found(Thing::Token).into(), 404, "token_not_found"),
        (AskError::not_found(Thing::ProjectToken).into(), 404, "token_not_found"),
        (AskError::not_found(Thing::Webhook).into(), 404, "webhook_not_found"),
        (StoreError::Exists(Thing::Channel).into(), 409, "channel_exists"),
        (StoreError::Exists(Thing::Webhook).into(), 500, "internal"),
        (StoreError::Unavailable(String::new()).into(), 503, "storage_unavailable"),
        (AskError::Closed.into(), 503, "overloaded"),
        (ChangeError::Stale(Version(7)).into(), 412, "version_conflict"),
        (ChangeError::Refused(JsonFault::NotAnObject.into()).into(), 400, "invalid_body"),
        (IdError::Empty.into(), 400, "invalid_id"),
    ];
    for (error, status, code) in table {
        assert_eq!(error.status_code().as_u16(), status, "{error:?}");
        assert!(text(&error).await.contains(&format!("\"code\":\"{code}\"")), "{error:?}");
    }
}

#[actix_rt::test]
async fn details_stand_beside_the_message() {
    let stale = text(&ApiError::VersionConflict { current: Some(Version(7)) }).await;
    assert!(stale.starts_with(r#"{"success":false,"error":{"code":"version_conflict""#));
    assert!(stale.contains(r#""version":7"#), "{stale}");
    let large = text(&ApiError::TooLarge { limit: 5, size: 9 }).await;
    assert!(large.contains(r#""limit":5,"size":9"#), "{large}");
    let field = text(&ApiError::field("e", "must be a string")).await;
    assert!(field.contains(r#""message":"`e` must be a string","field":"e""#), "{field}");
}

#[test]
fn a_refused_permission_is_named() {
    let error = ApiError::MissingPermission(Permission::ReadChannels);
    assert_eq!(error.to_string(), "this token lacks the permission read_channels");
}

#[test]
fn overload_says_when_to_come_back() {
    let answer = ApiError::Overloaded.error_response();
    assert_eq!(answer.headers().get(header::RETRY_AFTER).unwrap(), "1");
    assert_eq!(answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
}
