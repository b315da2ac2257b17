//! A shop's service with Warren in it: its own routes and its own login in front of Warren's API, publishing and making
//! tokens from its handlers. Try it: `cargo run --example embed`, then `curl -d 'two teas' http://127.0.0.1:8080/orders`.

#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Parser;
use serde_json::{Value, json};
use std::error::Error;
use warren::Warren;
use warren::config::{Config, ServeArgs};
use warren::domain::{Capabilities, ChannelKey, Visibility};
use warren::http::{ApiError, NewToken};
use warren::store::Thing;

/// What the service's own login gives a user; a real one would look into its sessions.
const LOGIN: &str = "ptk_employee_of_the_shop";

/// The service's command line: the settings of `warren`.
#[derive(Parser)]
struct Settings {
    /// The settings.
    #[command(flatten)]
    serve: ServeArgs,
}

/// What the handlers work with.
#[derive(Clone)]
struct Shop {
    /// Realtime.
    warren: Warren,
    /// The channel that the customers' screens show.
    orders: ChannelKey,
    /// Warren's own token, which never leaves the service.
    project_token: String,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Settings come from where the service has its own: here, from the flags and variables that `warren` has too.
    let mut config = Config::load(Settings::parse().serve)?;
    let project = config.first_run.project.get_or_insert("project_shop".to_owned()).clone();
    let token = "ptk_change_me_change_me_change_me".to_owned();
    let project_token = config.first_run.project_token.get_or_insert(token).clone();
    let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();

    let warren = Warren::open(config).await?;
    let orders = Warren::channel(&project, "orders")?;
    match warren.create_channel(&orders, Visibility::Unprotected, Capabilities::default()).await {
        Ok(_) | Err(ApiError::Exists(Thing::Channel)) => {}
        Err(error) => return Err(error.into()),
    }

    let shop = Shop { warren: warren.clone(), orders, project_token };
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(shop.clone()))
            .route("/orders", web::post().to(order))
            .route("/login", web::post().to(login))
            .service(
                web::scope("/realtime").wrap(from_fn(logged_in)).configure(shop.warren.configure()),
            )
    });
    // Small frames must not wait for each other.
    let server = server.disable_signals().tcp_nodelay(true);
    let server = listen.iter().try_fold(server, HttpServer::bind)?;
    for address in server.addrs() {
        println!("ready: http://{address}");
    }
    let server = server.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    stopped().await?;
    // Warren first: the HTTP server would wait for the sockets.
    warren.shutdown().await;
    handle.stop(true).await;
    Ok(serving.await??)
}

/// Waits until the service is told to stop.
async fn stopped() -> std::io::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = actix_web::rt::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

/// `POST /orders`: counts in the channel's state and tells who watches.
async fn order(shop: Data<Shop>, text: String) -> Result<HttpResponse, ApiError> {
    let state = shop.warren.state(&shop.orders);
    let current = state.read().await?;
    let last: Value = serde_json::from_str(current.state.json().as_str()).unwrap_or_default();
    let number = last.get("last").and_then(Value::as_u64).unwrap_or_default() + 1;
    // Somebody who ordered in between is told so instead of being overwritten.
    state.at(current.version).patch(&json!({ "last": number })).await?;
    shop.warren.publish(&shop.orders, "ORDER", &json!({ "number": number, "text": text })).await?;
    Ok(HttpResponse::Ok().body(format!("order {number}")))
}

/// `POST /login`: a leap token for a customer's page.
async fn login(shop: Data<Shop>) -> Result<HttpResponse, ApiError> {
    let tokens = shop.warren.tokens(shop.orders.project.as_str());
    let token = tokens.create(NewToken::default()).await?;
    Ok(HttpResponse::Ok().body(token.id.as_str().to_owned()))
}

/// Lets nobody to Warren's API but who has logged in to the service; sockets and the page are open.
async fn logged_in(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if request.path().starts_with("/realtime/v1/") {
        if request.headers().get(AUTHORIZATION) != Some(&HeaderValue::from_static(LOGIN)) {
            let refusal = HttpResponse::Unauthorized().body("log in first");
            return Ok(request.into_response(refusal));
        }
        let Some(shop) = request.app_data::<Data<Shop>>().cloned() else {
            return Err(actix_web::error::ErrorInternalServerError("no shop"));
        };
        let token = HeaderValue::from_str(&shop.project_token)?;
        request.headers_mut().insert(AUTHORIZATION, token);
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
