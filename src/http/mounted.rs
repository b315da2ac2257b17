//! A route as a resource declares it.

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route, web};

/// One route: what it takes and who answers.
pub(crate) struct Mounted {
    /// The method.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the table of permissions"))]
    pub(crate) method: Method,
    /// The pattern, below `/v1/`.
    pub(crate) pattern: &'static str,
    /// The handler, guarded by the method.
    pub(crate) route: Route,
}

/// A route for one handler.
pub(crate) fn on<F, Args>(method: Method, pattern: &'static str, handler: F) -> Mounted
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = web::method(method.clone()).to(handler);
    Mounted { method, pattern, route }
}
