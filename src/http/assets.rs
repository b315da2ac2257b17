//! The quick-start page, the console, the book and the API's description: files that are part of the binary, under a policy
//! that lets them load nothing else.

mod files;

use super::error::{ApiError, mime};
use super::front::front;
use super::observed::RoutePattern;
use crate::metrics::Label;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use files::FILES;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// The pages of the book, which `build.rs` renders out of `docs`: where each is, and its bytes.
static BOOK: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/book.rs"));

/// What the page may load and do: its own script, style, images and connections, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file.
struct Asset {
    /// Its content type.
    kind: &'static str,
    /// Its bytes.
    bytes: &'static [u8],
    /// Its strong entity tag.
    tag: HeaderValue,
}

/// The files by where they are.
static ASSETS: LazyLock<HashMap<&'static str, Asset>> = LazyLock::new(|| {
    let tagged = |&(path, bytes): &(&'static str, _)| {
        (path, Asset { kind: kind_of(path), bytes, tag: tag_of(bytes) })
    };
    FILES.iter().chain(BOOK).map(tagged).collect()
});

/// The pages that have a path of their own.
pub(super) const PAGES: [&str; 5] = ["/", "/console", "/docs", "/openapi.json", "/asyncapi.json"];
/// Where the book's other pages are, as it is counted and told.
pub(super) const CHAPTER: &str = "/docs/{chapter}";
/// Where what belongs to pages is.
pub(super) const PART: &str = "/static/{file}";

/// Mounts the pages, those of the book below `/docs`, and everything that belongs to them below `/static`.
pub(crate) fn mount(config: &mut ServiceConfig) {
    for page in PAGES {
        let show = move |request: HttpRequest| async move { found(page, &request) };
        let resource = web::resource(page).app_data(RoutePattern(Label::Word(page)));
        config.service(resource.wrap(from_fn(front)).route(web::get().to(show)));
    }
    let chapter = |request: HttpRequest| async move { found_chapter(&request) };
    let chapters = web::resource("/docs/{chapter:.*}").app_data(RoutePattern(Label::Word(CHAPTER)));
    config.service(chapters.wrap(from_fn(front)).route(web::get().to(chapter)));
    let part = |request: HttpRequest| async move {
        found(&format!("/static/{}", request.match_info().query("file")), &request)
    };
    let parts = web::resource("/static/{file:.+}").app_data(RoutePattern(Label::Word(PART)));
    config.service(parts.wrap(from_fn(front)).route(web::get().to(part)));
}

/// The chapter that is there. With a slash behind it, everything that its page leads to would be somewhere else.
fn found_chapter(request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = format!("/docs/{}", request.match_info().query("chapter"));
    match path.strip_suffix('/').filter(|bare| ASSETS.contains_key(bare)) {
        Some(bare) => {
            let name = bare.rsplit('/').next().unwrap_or_default();
            let place = (header::LOCATION, format!("../{name}"));
            Ok(HttpResponse::PermanentRedirect().insert_header(place).finish())
        }
        None => found(&path, request),
    }
}

/// The file that is there, if there is one.
fn found(path: &str, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let asset = ASSETS.get(path).ok_or(ApiError::NoSuchPath)?;
    Ok(asset.serve(request))
}

impl Asset {
    /// The file, or 304 for who has it already.
    fn serve(&self, request: &HttpRequest) -> HttpResponse {
        let mut answer = if is_known(request.headers(), &self.tag) {
            HttpResponse::NotModified().finish()
        } else {
            HttpResponse::Ok().content_type(self.kind).body(Bytes::from_static(self.bytes))
        };
        let headers = answer.headers_mut();
        headers.insert(header::ETAG, self.tag.clone());
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

/// The content type of a path; what has no ending is a page.
fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "json")) => mime(),
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "txt")) => "text/plain; charset=utf-8",
        _ => "text/html; charset=utf-8",
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
    use crate::http::error::FailureCode;
    use crate::http::explained::CodeLink;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, http::StatusCode};
    use std::path::{Path, PathBuf};
    use url::Url;

    /// What stands in a folder of the repository, files in folders included.
    fn names_in(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let names = |path: PathBuf| {
            if path.is_dir() { names_in(&path) } else { vec![path.display().to_string()] }
        };
        entries.flat_map(names).collect()
    }

    #[actix_rt::test]
    async fn files_are_served_under_their_policy_and_revalidated() {
        let app = init_service(App::new().configure(mount)).await;
        for (path, _) in FILES.iter().chain(BOOK) {
            let request = TestRequest::with_uri(path).to_request();
            let response = call_service(&app, request).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap(), POLICY);
            let tag = response.headers().get(header::ETAG).unwrap().clone();
            let again = TestRequest::with_uri(path).insert_header((header::IF_NONE_MATCH, tag));
            let response = call_service(&app, again.to_request()).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{path}");
        }
    }

    #[test]
    fn every_error_leads_to_its_paragraph_in_the_page_that_is_served() {
        for code in FailureCode::ALL {
            let link = CodeLink(code.word()).to_string();
            let (path, id) = link.split_once('#').unwrap();
            let page = str::from_utf8(ASSETS.get(path).unwrap().bytes).unwrap();
            assert!(page.contains(&format!("<h3 id=\"{id}\">")), "{link}");
        }
    }

    /// A page without what stands in it as code, which may look like a link.
    fn without_code(page: &str) -> String {
        let mut pieces = page.split("<code>");
        let first = pieces.next().unwrap_or_default();
        let rest = pieces.map(|piece| piece.split_once("</code>").unwrap().1);
        first.to_owned() + &rest.collect::<String>()
    }

    /// What stands between two texts, each time.
    fn between<'a>(page: &'a str, before: &str, behind: char) -> impl Iterator<Item = &'a str> {
        page.split(before).skip(1).filter_map(move |rest| rest.split(behind).next())
    }

    /// Whether a module exports this name: where it stands, or in a list.
    fn is_exported(module: &str, name: &str) -> bool {
        let words = ["const", "class", "function", "function*", "async function"];
        let is_here = |line: &str| {
            words.iter().any(|word| {
                let rest = line.strip_prefix(&format!("export {word} {name}"));
                rest.is_some_and(|rest| rest.starts_with([' ', '(']))
            })
        };
        let mut lists = between(module, "export {", '}').chain(between(module, "export{", '}'));
        module.lines().any(is_here)
            || lists.any(|list| list.split([',', ' ']).any(|word| word == name))
    }

    /// A page whose modules do not fit together shows nothing at all.
    #[test]
    fn what_the_modules_of_the_pages_import_is_exported() {
        let mut imports = 0;
        for (path, bytes) in FILES.iter().filter(|(path, _)| path.rsplit('.').next() == Some("js"))
        {
            let base = Url::parse(&format!("http://server{path}")).unwrap();
            let text = str::from_utf8(bytes).unwrap();
            for line in text.lines().filter_map(|line| line.strip_prefix("import {")) {
                let (names, module) = line.split_once("} from '").unwrap();
                let module = base.join(module.trim_end_matches("';")).unwrap();
                let asset = ASSETS.get(module.path());
                let asset = asset.unwrap_or_else(|| panic!("{path}: {module} is not served"));
                let exporting = str::from_utf8(asset.bytes).unwrap();
                for name in names.split(',').filter_map(|name| name.split_whitespace().next()) {
                    assert!(is_exported(exporting, name), "{path}: {name} of {module}");
                    imports += 1;
                }
            }
        }
        assert!(imports > 300, "{imports}");
    }

    #[test]
    fn every_link_of_the_book_leads_to_something_that_is_served() {
        let mut links = 0;
        for (path, bytes) in BOOK {
            let page = &without_code(str::from_utf8(bytes).unwrap());
            let base = Url::parse(&format!("http://server/realtime{path}")).unwrap();
            for link in between(page, "href=\"", '"').chain(between(page, "src=\"", '"')) {
                let url = base.join(link).unwrap();
                if url.host_str() != Some("server") {
                    continue;
                }
                let target = url
                    .path()
                    .strip_prefix("/realtime")
                    .unwrap_or_else(|| panic!("{path}: {link}"));
                let asset = ASSETS.get(target).unwrap_or_else(|| panic!("{path}: {link}"));
                if let Some(id) = url.fragment() {
                    let target = str::from_utf8(asset.bytes).unwrap();
                    assert!(target.contains(&format!("id=\"{id}\"")), "{path}: {link}");
                }
                links += 1;
            }
        }
        assert!(links > 500, "{links}");
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
        for name in names_in(&root) {
            let bytes = std::fs::read(&name).unwrap();
            let is_page = name.ends_with("README.md");
            assert!(is_page || FILES.iter().any(|(_, served)| *served == bytes), "{name}");
        }
    }

    #[test]
    fn what_is_other_peoples_is_what_its_list_says() {
        let list = include_str!("../../static/vendor/README.md");
        for (path, bytes) in FILES
            .iter()
            .filter(|(path, _)| path.contains("/vendor/") && !path.contains(".LICENSE."))
        {
            let hash = Sha256::digest(bytes)
                .iter()
                .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            assert!(list.contains(&hash), "{path} is {hash}");
        }
    }

    #[actix_rt::test]
    async fn a_page_of_the_book_with_a_slash_behind_it_leads_to_the_page() {
        let app = init_service(App::new().configure(mount)).await;
        for (path, to) in [("/docs/", "../docs"), ("/docs/errors/", "../errors")] {
            let response = call_service(&app, TestRequest::with_uri(path).to_request()).await;
            assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT, "{path}");
            assert_eq!(response.headers().get(header::LOCATION).unwrap(), to, "{path}");
        }
    }

    #[actix_rt::test]
    async fn other_methods_and_files_are_refused_in_the_envelope() {
        let app = init_service(App::new().configure(mount)).await;
        for path in ["/", "/console", "/docs", "/docs/errors", "/static/app.js"] {
            let response = call_service(&app, TestRequest::post().uri(path).to_request()).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/json");
        }
        let request = TestRequest::get().uri("/static/nowhere.js").to_request();
        assert_eq!(call_service(&app, request).await.status(), StatusCode::NOT_FOUND);
    }
}
