//! What requests for event streams are read as.

use super::stream_request::{StreamRequest, names};
use crate::http::error::ApiError;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

/// What a request asks for, with these headers.
fn read(query: &str, headers: &[(&str, &str)]) -> Result<StreamRequest, ApiError> {
    let mut request = TestRequest::with_uri(&format!("/sse?{query}"));
    for header in headers {
        request = request.append_header(*header);
    }
    StreamRequest::of(request.to_http_request().head())
}

/// The IDENTIFY of a request.
fn identify(query: &str, headers: &[(&str, &str)]) -> Value {
    let frame: Value = serde_json::from_str(&read(query, headers).unwrap().identify()).unwrap();
    assert_eq!(frame["op"], 2);
    frame["d"].clone()
}

/// The parameter that a request is refused for.
fn refused(query: &str, headers: &[(&str, &str)]) -> &'static str {
    match read(query, headers).unwrap_err() {
        ApiError::InvalidQuery { field, .. } => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_says_what_identify_would() {
    let expected =
        json!({"project_id": "project_x", "token": null, "ext": ["resume"], "resume": null});
    assert_eq!(identify("project=project_x", &[]), expected);
    let who = identify("project=p&ext=version,presence&ext=errors&token=&_=12345", &[]);
    assert_eq!(who["ext"], json!(["version", "presence", "errors", "resume"]));
    assert_eq!(who["token"], Value::Null);
    for line in ["leap_token_a", "Bearer leap_token_a", "bearer leap_token_a"] {
        let who = identify("project=p", &[("Authorization", line)]);
        assert_eq!(who["token"], "leap_token_a");
    }
    assert_eq!(identify("project=p&token=leap_token_a", &[])["token"], "leap_token_a");
}

#[test]
fn what_it_remembers_counts_before_what_its_address_says() {
    let resume = |query: &str, headers: &[(&str, &str)]| identify(query, headers)["resume"].clone();
    let since = "project=p&channels=a&since=7-1";
    assert_eq!(resume(since, &[]), json!({"positions": {"a": "7-1"}, "direct": null}));
    let expected = json!({"positions": {"a": "7-2", "b c": "8-1"}, "direct": "9-0"});
    let id = "a=7-2&b%20c=8-1&=9-0";
    assert_eq!(resume(since, &[("Last-Event-ID", id)]), expected);
    let escaped = id.replace('%', "%25").replace('&', "%26");
    for name in ["last_event_id", "lastEventId"] {
        assert_eq!(resume(&format!("{since}&{name}={escaped}"), &[]), expected);
    }
    assert_eq!(resume(since, &[("Last-Event-ID", "")])["positions"]["a"], "7-1");
}

#[test]
fn every_parameter_that_is_told_of_is_read_and_no_other_is() {
    let plain = "project=p&channels=a";
    for name in names() {
        let (query, value) = match *name {
            "project" => ("channels=a", "q"),
            "ephemeral" => (plain, "false"),
            "last_event_id" | "lastEventId" => (plain, "a%3D7-1"),
            "channel" | "channels" => ("project=p", "b"),
            _ => (plain, "7"),
        };
        assert_ne!(read(&format!("{query}&{name}={value}"), &[]), read(plain, &[]), "{name}");
    }
    assert_eq!(read(&format!("{plain}&other=7"), &[]), read(plain, &[]));
    // Each has a line of its own where they are read.
    let source = include_str!("stream_request.rs");
    let body =
        source.split_once("match name.as_str() {").unwrap().1.split_once("_ => {}").unwrap().0;
    let arms = body.lines().filter(|line| line.starts_with("                \""));
    let read = arms.flat_map(|arm| arm.split_once(" => ").unwrap().0.split('|'));
    let mut read: Vec<_> = read.map(|name| name.trim().trim_matches('"')).collect();
    let mut told = names().to_vec();
    read.sort_unstable();
    told.sort_unstable();
    assert_eq!(read, told);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (query, field) in [
        ("", "project"),
        ("project=", "project"),
        ("project=p&project=q", "project"),
        ("project=p&token=a&token=b", "token"),
        ("project=p&channels=a,b&since=7-1", "since"),
        ("project=p&since=7-1", "since"),
        ("project=p&rewind=-1", "rewind"),
        ("project=p&rewind=many", "rewind"),
        ("project=p&ephemeral=1", "ephemeral"),
        ("project=p&last_event_id=12", "last_event_id"),
        ("project=p&last_event_id=a%3D1-1&lastEventId=a%3D1-1", "last_event_id"),
    ] {
        assert_eq!(refused(query, &[]), field, "{query}");
    }
    assert_eq!(refused("project=p", &[("Last-Event-ID", "\u{e9}")]), "last_event_id");
    assert_eq!(refused("project=p&token=a", &[("Authorization", "b")]), "token");
    let twice = read("project=p", &[("Authorization", "a"), ("Authorization", "b")]);
    assert_eq!(twice, Err(ApiError::InvalidAuth));
}
