//! What happens to every request before it is routed and to every answer before it leaves.

use super::cors::PageAccess;
use super::error::ApiError;
use super::observed::{self, ObservedCall};
use super::rates::Meter;
use super::visit::{UnderWay, Visit, announce_end};
use super::{App, cors, guard, idempotency, path, recorded};
use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, rt, web};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

/// Marks a request that has passed [`front()`]: it may stand around the app and around the API's scope in it.
struct Fronted;

/// The middleware: straightens paths, answers preflights, lets `HEAD` use the routes of `GET`, catches crashes, and
/// sees to it that every answer carries the CORS headers and every error the envelope. While the server stops, each is
/// the last of its connection.
///
/// # Errors
/// What the services behind it leave unanswered, and [`ApiError::Internal`] after a crash: the request is lost then,
/// and only an error can still be answered.
pub async fn front<B>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    if request.extensions_mut().insert(Fronted).is_some() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let app = request.app_data::<web::Data<App>>().cloned();
    let under_way = Visit::of(&request).map(UnderWay::begin);
    let asked = request.head().connection_type();
    let observed = ObservedCall::of(&request);
    request.extensions_mut().insert(observed.id().clone());
    let answered = answered(request, next).await;
    let mut response = answered.inspect_err(|_| observed.lost())?;
    observed.answered(observed::route_of(response.request()), response.status());
    recorded::answered(&response, &observed);
    let is_last = app.as_ref().is_some_and(|app| app.supervisor.is_stopping());
    if app.is_some_and(|app| app.rates.limits().is_some()) {
        tell_what_is_left(&mut response);
    }
    observed.name(response.headers_mut());
    announce_end(response.response_mut(), asked, is_last);
    Ok(match under_way {
        Some(under_way) => under_way.answer(response),
        None => response,
    })
}

/// Says what the request's senders have left.
fn tell_what_is_left(response: &mut ServiceResponse<BoxBody>) {
    let meter = response.request().extensions_mut().remove::<Meter>();
    if let Some(meter) = meter {
        meter.tell(response.headers_mut());
    }
}

/// The answer to a request, straightened before and completed behind.
async fn answered<B>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    path::straighten(&mut request);
    let app = request.app_data::<web::Data<App>>();
    let access = app.map_or(PageAccess::Any, |app| app.pages.access(request.headers()));
    if request.method() == Method::OPTIONS {
        let answer = cors::preflight(request.headers(), access);
        return Ok(request.into_response(answer));
    }
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let reads = request.method() == Method::GET;
    let answered = if idempotency::is_keyed(request.head()) {
        carried_through(request, next).await
    } else {
        let answer = async move { Ok(next.call(request).await?.map_into_boxed_body()) };
        AssertUnwindSafe(answer).catch_unwind().await
    };
    let outcome = answered.map_err(|crash| ApiError::internal(&words_of(&*crash)))?;
    let mut response = guard::guard(outcome?);
    cors::allow_page(response.headers_mut(), access);
    // Nothing of the API is kept unless its route says how: answers hold secrets, and the next may differ.
    if !response.headers().contains_key(header::CACHE_CONTROL) && reads {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(if is_head { without_body(response) } else { response })
}

/// Carries out a call that has a key, also if its connection ends meanwhile: who repeats it then finds its answer, and does
/// not find a key that is free while what it stands for is being done.
async fn carried_through<B>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<Result<ServiceResponse<BoxBody>, Error>, Box<dyn Any + Send>>
where
    B: MessageBody + 'static,
{
    let carried = rt::spawn(async move {
        let response = next.call(request).await?.map_into_boxed_body();
        Ok(idempotency::settle(guard::guard(response)))
    });
    carried
        .await
        .map_err(|end| end.try_into_panic().unwrap_or_else(|end| Box::new(end.to_string())))
}

/// The answer to `HEAD`: the headers that `GET` would have had, length included, and no body.
///
/// The codec leaves bodies out for `HEAD` too, but by the last request that it has read, which with pipelining is not
/// the one that is answered.
fn without_body(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let size = response.response().body().size();
    let nothing = BodyStream::new(stream::empty::<Result<Bytes, Infallible>>());
    let mut response = response.map_body(|_, _| BoxBody::new(nothing));
    response.response_mut().head_mut().no_chunking(true);
    if let BodySize::Sized(bytes) = size {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    response
}

/// What a crash said.
fn words_of(crash: &(dyn Any + Send)) -> String {
    let words = crash.downcast_ref::<&str>().copied();
    let words = words.or_else(|| crash.downcast_ref::<String>().map(String::as_str));
    format!("crashed: {}", words.unwrap_or("without words"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, FirstCall, KeyBounds, KeyScope, KeyedCall, Permissions};
    use crate::http::idempotency::CallKeys;
    use actix_web::http::StatusCode;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpRequest, HttpResponse, ResponseError as _, web};

    /// An app with one route that works, one that crashes and one that fails in plain text.
    fn app() -> App<
        impl actix_web::dev::ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        >,
    > {
        App::new()
            .wrap(from_fn(front))
            .route("/v1/channels/{id}", web::get().to(|| async { HttpResponse::Ok().body("yes") }))
            .route("/crash", web::get().to(crash))
            .route("/keyed", web::post().to(crash_under_key))
            .route("/text", web::get().to(|| async { HttpResponse::BadRequest().body("no") }))
    }

    /// A handler that crashes.
    async fn crash() -> HttpResponse {
        panic!("a rule was broken")
    }

    /// A handler that crashes while its key is under way.
    async fn crash_under_key(request: HttpRequest, keys: web::Data<CallKeys>) -> HttpResponse {
        match keys.claim(call()) {
            Ok(running) => drop(request.extensions_mut().insert(running)),
            Err(taken) => return taken.error_response(),
        }
        panic!("a rule was broken")
    }

    /// Some call.
    fn call() -> KeyedCall {
        let (key, permissions) = (Digest::of(&[]), Permissions::OWNER);
        let call = FirstCall { asked: Digest::of(&[]), permissions };
        KeyedCall { scope: KeyScope::Operator, key, call }
    }

    #[actix_rt::test]
    async fn a_crash_frees_the_key_of_its_call() {
        let keys = CallKeys::new(KeyBounds::default(), 1 << 20);
        let app = init_service(app().app_data(web::Data::new(keys.clone()))).await;
        for _ in 0..2 {
            let request = TestRequest::with_uri("/keyed").method(Method::POST);
            let request = request.insert_header(("Idempotency-Key", "k")).to_request();
            let error = actix_web::dev::Service::call(&app, request).await.unwrap_err();
            assert!(error.to_string().contains("fault_"), "{error}");
        }
        assert!(keys.claim(call()).is_ok());
    }

    #[actix_rt::test]
    async fn errors_get_the_envelope_and_cors() {
        let app = init_service(app()).await;
        for (method, path, status, code) in [
            (Method::GET, "/nowhere", 404, "not_found"),
            (Method::POST, "/nowhere", 404, "not_found"),
            (Method::GET, "/text", 400, "bad_request"),
        ] {
            let request = TestRequest::with_uri(path).method(method).to_request();
            let response = call_service(&app, request).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/json");
            assert_eq!(response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
            let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
            assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
        }
    }

    #[actix_rt::test]
    async fn a_crash_is_an_error_with_an_id() {
        let app = init_service(app()).await;
        let request = TestRequest::with_uri("/crash").to_request();
        let error = actix_web::dev::Service::call(&app, request).await.unwrap_err();
        let response = error.error_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(error.to_string().contains("fault_"));
    }

    #[actix_rt::test]
    async fn preflights_and_crooked_paths_are_answered() {
        let app = init_service(app()).await;
        let preflight = TestRequest::with_uri("/v1/anything").method(Method::OPTIONS).to_request();
        let response = call_service(&app, preflight).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert!(response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS));
        for path in ["//v1/channels/a", "/v1//channels///a", "/v1channels/a"] {
            let response = call_service(&app, TestRequest::with_uri(path).to_request()).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
        }
        let head = TestRequest::with_uri("/v1/channels/a").method(Method::HEAD).to_request();
        let response = call_service(&app, head).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().get(header::CONTENT_LENGTH).unwrap(), "3");
        assert!(read_body(response).await.is_empty());
    }
}
