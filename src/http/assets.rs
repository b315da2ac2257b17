//! The console: files that are part of the binary, under a policy that lets them load nothing else.

use super::front::front;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// What the page may load and do: its own script, style, images and connections, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file.
struct Asset {
    /// Where it is.
    path: &'static str,
    /// Its content type.
    kind: &'static str,
    /// Its bytes.
    bytes: &'static [u8],
    /// Its strong entity tag.
    tag: LazyLock<HeaderValue>,
}

/// The files.
static ASSETS: [Asset; 5] = [
    Asset {
        path: "/",
        kind: "text/html; charset=utf-8",
        bytes: include_bytes!("../../static/index.html"),
        tag: LazyLock::new(|| tag_of(include_bytes!("../../static/index.html"))),
    },
    Asset {
        path: "/static/style.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../../static/style.css"),
        tag: LazyLock::new(|| tag_of(include_bytes!("../../static/style.css"))),
    },
    Asset {
        path: "/static/app.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../static/app.js"),
        tag: LazyLock::new(|| tag_of(include_bytes!("../../static/app.js"))),
    },
    Asset {
        path: "/static/leap.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../static/leap.js"),
        tag: LazyLock::new(|| tag_of(include_bytes!("../../static/leap.js"))),
    },
    Asset {
        path: "/static/icon.svg",
        kind: "image/svg+xml",
        bytes: include_bytes!("../../static/icon.svg"),
        tag: LazyLock::new(|| tag_of(include_bytes!("../../static/icon.svg"))),
    },
];

/// Mounts every file at its path.
pub(crate) fn mount(config: &mut ServiceConfig) {
    for asset in &ASSETS {
        let serve = move |request: HttpRequest| async move { asset.serve(&request) };
        config.service(web::resource(asset.path).wrap(from_fn(front)).route(web::get().to(serve)));
    }
}

impl Asset {
    /// The file, or 304 for who has it already.
    fn serve(&self, request: &HttpRequest) -> HttpResponse {
        let tag = LazyLock::force(&self.tag);
        let mut answer = if is_known(request.headers(), tag) {
            HttpResponse::NotModified().finish()
        } else {
            HttpResponse::Ok().content_type(self.kind).body(Bytes::from_static(self.bytes))
        };
        let headers = answer.headers_mut();
        headers.insert(header::ETAG, tag.clone());
        for (name, value) in [
            // Ask each time: the files change with the binary, and a 304 costs next to nothing.
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

/// Whether the browser has this very file.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.trim_start_matches("W/").as_bytes() == tag.as_bytes())
}

/// The tag of a content: the first half of its SHA-256.
fn tag_of(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let hex = digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    HeaderValue::from_str(&format!("\"{hex}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, http::StatusCode};

    #[actix_rt::test]
    async fn files_are_served_under_their_policy_and_revalidated() {
        let app = init_service(App::new().configure(mount)).await;
        for asset in &ASSETS {
            let request = TestRequest::with_uri(asset.path).to_request();
            let response = call_service(&app, request).await;
            assert_eq!(response.status(), StatusCode::OK, "{}", asset.path);
            assert_eq!(response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap(), POLICY);
            let tag = response.headers().get(header::ETAG).unwrap().clone();
            let again =
                TestRequest::with_uri(asset.path).insert_header((header::IF_NONE_MATCH, tag));
            let response = call_service(&app, again.to_request()).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{}", asset.path);
        }
    }

    #[actix_rt::test]
    async fn other_methods_are_refused_in_the_envelope() {
        let app = init_service(App::new().configure(mount)).await;
        let request = TestRequest::post().uri("/").to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/json");
    }
}
