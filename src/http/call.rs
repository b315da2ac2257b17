//! A request that is authenticated and allowed, and what it is about.
//!
//! Nothing of the body is read before: who may not ask cannot make the server hold bytes.

use super::auth::{Caller, secret_of};
use super::call_head::CallHead;
use super::error::ApiError;
use super::idempotency::{self, ClaimedKey, EarlyAnswer, RunningCall};
use super::path::PathParts;
use super::permissions::{self, Need};
use super::rates::{count_address, count_credential};
use super::recorded::RecordedCall;
use super::text::{self, Text};
use super::{App, query};
use crate::actor::Receipt;
use crate::domain::{
    ChannelKey, Digest, EventKind, KeptAnswer, LeapTokenId, Permission, Project, ProjectId,
};
use crate::store::Thing;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use std::cell::Cell;
use std::sync::Arc;

/// What every handler below `/v1` is given first.
pub(crate) struct Call {
    /// The server.
    pub(crate) app: web::Data<App>,
    /// Who asks.
    pub(crate) caller: Caller,
    /// The handle of its token.
    pub(crate) by: Arc<str>,
    /// Its headers and query.
    pub(crate) request: CallHead,
    /// The parts of its path.
    pub(crate) parts: PathParts,
    /// Its body, which was read before because it has a key; none where it was not.
    came: Cell<Option<Text>>,
    /// Its key; none where it has none.
    key: Option<ClaimedKey>,
}

impl FromRequest for Call {
    type Error = EarlyAnswer;
    type Future = LocalBoxFuture<'static, Result<Self, EarlyAnswer>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        if !idempotency::is_keyed(request.head()) {
            return async { Ok(Self::of(request).await?) }.boxed_local();
        }
        let payload = payload.take();
        async move {
            let call = Self::of(request.clone()).await?;
            let key = idempotency::key_of(request.headers())?;
            let body = text::whole(&call.app, &call.caller, &request, payload).await?;
            let (call, running) = call.under(key, body).await?;
            request.extensions_mut().insert(running);
            Ok(call)
        }
        .boxed_local()
    }
}

impl Call {
    /// Counts it, authenticates, checks the route's row in the table, decodes the path.
    async fn of(request: HttpRequest) -> Result<Self, ApiError> {
        let app = request.app_data::<web::Data<App>>().cloned();
        let app = app.ok_or_else(|| ApiError::internal(&"the API is mounted without its state"))?;
        count_address(&app, &request)?;
        let secret = secret_of(request.headers()).ok_or(ApiError::InvalidAuth)?;
        let address = || {
            let peer = request.peer_addr()?.ip();
            Some(app.proxies.client_of(peer, request.headers()))
        };
        let named = app.auth.identify_by_name(secret, address).await?;
        let (caller, by) = named.ok_or(ApiError::InvalidAuth)?;
        count_credential(&app, &request, secret)?;
        let pattern = request.match_pattern().unwrap_or_default();
        let need = permissions::need_of(request.method(), &pattern);
        let need = need.ok_or_else(|| {
            ApiError::internal(&format!("{pattern} is missing in the table of permissions"))
        })?;
        need.check(&caller)?;
        let parts = PathParts::of(request.match_info())?;
        let head = CallHead::Request(request.clone());
        let call = Self { app, caller, by, request: head, parts, came: Cell::default(), key: None };
        if let Some(recorded) = call.record(&pattern) {
            request.extensions_mut().insert(recorded);
        }
        Ok(call)
    }

    /// An item of this call, which is a batch: its own route's row in the table is checked, as for a request.
    pub(super) fn item(
        &self,
        request: CallHead,
        pattern: &str,
        parts: PathParts,
    ) -> Result<Self, ApiError> {
        let need = permissions::need_of(request.method(), pattern).ok_or(ApiError::NotInBatch)?;
        need.check(&self.caller)?;
        let (app, caller, by) = (self.app.clone(), self.caller.clone(), Arc::clone(&self.by));
        Ok(Self { app, caller, by, request, parts, came: Cell::default(), key: None })
    }

    /// What will be recorded of this call, if anything is; `pattern` is that of its path.
    pub(super) fn record(&self, pattern: &str) -> Option<RecordedCall> {
        if !self.app.supervisor.recorder().is_in_use() {
            return None;
        }
        let project = self.named_project().ok()??;
        RecordedCall::begin(&self.app, &project, (pattern, &self.parts), &self.by)
    }

    /// This call with its body.
    pub(super) fn with(self, body: Text) -> Self {
        self.came.set(Some(body));
        self
    }

    /// This call under a key, which is under way from now on.
    ///
    /// The body comes first and whole: of one that breaks off, nothing is noted.
    pub(super) async fn under(
        self,
        key: Digest,
        body: Text,
    ) -> Result<(Self, RunningCall), EarlyAnswer> {
        let (app, caller) = (&self.app, &self.caller);
        let (body, running) =
            idempotency::enter(app, caller, self.request.head(), key, body).await?;
        let key = Some(running.key());
        Ok((Self { key, ..self.with(body) }, running))
    }

    /// The key of this call, if it has one.
    pub(super) fn key(&self) -> Option<Digest> {
        self.key.as_ref().map(ClaimedKey::digest)
    }

    /// The same with its call.
    pub(super) fn claimed_key(&self) -> Option<ClaimedKey> {
        self.key.clone()
    }

    /// The body, if it was read before.
    pub(super) fn take_body(&self) -> Option<Text> {
        self.came.take()
    }

    /// What a write leaves for who repeats this call, if that has a key: `spell` says how it is answered.
    pub(super) fn receipt<T: 'static>(
        &self,
        spell: impl Fn(&T) -> Result<KeptAnswer, ApiError> + Send + Sync + 'static,
    ) -> Option<Receipt<T>> {
        self.leave_to_store();
        self.receipt_if_stored(spell)
    }

    /// The same for a write of which it is known only later whether it is one: then the store keeps the answer, which
    /// [`Self::leave_to_store`] says.
    pub(super) fn receipt_if_stored<T: 'static>(
        &self,
        spell: impl Fn(&T) -> Result<KeptAnswer, ApiError> + Send + Sync + 'static,
    ) -> Option<Receipt<T>> {
        let key = self.key.as_ref()?;
        Some(Receipt::new(key.call(), self.app.limits.get().keys, move |value| spell(value).ok()))
    }

    /// The store keeps the answer to this call, if it does what it asks for.
    pub(super) fn leave_to_store(&self) {
        if let Some(key) = &self.key {
            key.leave_to_store();
        }
    }

    /// The same where the answer holds a secret that is kept nowhere: it is in memory alone, and in the store stands that
    /// the call was carried out.
    pub(super) fn receipt_without_secret<T: 'static>(&self) -> Option<Receipt<T>> {
        let call = self.key.as_ref()?.call();
        let spell = |_: &T| Some(idempotency::secret_not_kept());
        Some(Receipt::new(call, self.app.limits.get().keys, spell))
    }

    /// Asks for one flag more than the route needs.
    ///
    /// # Errors
    /// [`ApiError::MissingPermission`].
    pub(crate) fn require(&self, flag: Permission) -> Result<(), ApiError> {
        Need::Flag(flag).check(&self.caller)
    }

    /// Whether some webhook of the project wants to hear of this kind of event.
    pub(crate) fn wants(&self, project: &ProjectId, kind: EventKind) -> bool {
        self.app.persistence.hooks().wants(project, kind)
    }

    /// The project that the path or the query names; none when neither does or it says `@this`.
    fn named_project(&self) -> Result<Option<ProjectId>, ApiError> {
        let queried = query::project(self.request.query_string())?;
        let is_name = |name: &str| !name.is_empty() && name != "@this";
        let named = [Some(self.parts.project.as_str()), queried.as_deref()]
            .into_iter()
            .flatten()
            .filter(|name| is_name(name));
        if let Caller::Project { project, .. } = &self.caller {
            // Another's project is as unknown to a project token as one that does not exist.
            let is_own = |name: &str| name == project.as_str();
            return if named.clone().all(is_own) {
                Ok(Some(project.clone()))
            } else {
                Err(ApiError::NotFound(Thing::Project))
            };
        }
        Ok(named.clone().next().map(ProjectId::from))
    }

    /// The same, and for an admin checked to exist.
    pub(super) async fn known_project(&self) -> Result<Option<ProjectId>, ApiError> {
        let Some(id) = self.named_project()? else { return Ok(None) };
        if self.caller == Caller::Admin {
            self.load_project(id.clone()).await?;
        }
        Ok(Some(id))
    }

    /// The project that this is about.
    ///
    /// # Errors
    /// `NotFound(Project)`, also for a project token that names another's; [`ApiError::ProjectRequired`].
    pub(crate) async fn project(&self) -> Result<ProjectId, ApiError> {
        self.known_project().await?.ok_or(ApiError::ProjectRequired)
    }

    /// A project with all that is known of it.
    ///
    /// # Errors
    /// `NotFound(Project)`.
    pub(crate) async fn load_project(&self, id: ProjectId) -> Result<Project, ApiError> {
        let found = self.app.persistence.read(move |store| store.find_project(&id)).await?;
        found.ok_or(ApiError::NotFound(Thing::Project))
    }

    /// The channel that the path names. For an admin who names no project, the only one of that id on the server.
    ///
    /// # Errors
    /// As [`Self::project`]; [`ApiError::InvalidId`]; `NotFound(Channel)` for an admin where no project has one.
    pub(crate) async fn channel(&self) -> Result<ChannelKey, ApiError> {
        let id = self.parts.channel()?;
        if let Some(project) = self.known_project().await? {
            return Ok(ChannelKey { project, id });
        }
        let wanted = id.clone();
        let owners = self.app.persistence.read(move |s| s.projects_with_channel(&wanted)).await?;
        match owners.as_slice() {
            [] => Err(ApiError::NotFound(Thing::Channel)),
            [project] => Ok(ChannelKey { project: project.clone(), id }),
            _ => Err(ApiError::ProjectRequired),
        }
    }

    /// The leap token that the path names, and its project; for an admin who names none, the token's own.
    ///
    /// # Errors
    /// As [`Self::project`]; `NotFound(Token)` for an admin where there is no such token.
    pub(crate) async fn token(&self) -> Result<(ProjectId, LeapTokenId), ApiError> {
        let id = self.parts.token();
        if let Some(project) = self.known_project().await? {
            return Ok((project, id));
        }
        let wanted = id.clone();
        let found = self.app.persistence.read(move |store| store.find_token(&wanted)).await?;
        let project = found.ok_or(ApiError::NotFound(Thing::Token))?.project;
        Ok((project, id))
    }
}
