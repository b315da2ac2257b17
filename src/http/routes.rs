//! Mounts every resource's routes under `/v1`.

use super::front::front;
use super::items::ItemRoutes;
use super::mounted::Mounted;
use super::observed::RoutePattern;
use super::{
    App, authorizer, batch, channel_list, channels, connections, deliveries, history, inspect,
    jwt_keys, jwt_revocations, mails, members, messages, pats, presence, project_changes,
    project_tokens, projects, settings, state, state_log, subscribers, token_list, tokens, users,
    webhooks,
};
use crate::metrics::Label;
use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::{Route, web};
use indexmap::IndexMap;

/// Every route. Those with a fixed word come before those that would take the word for an id.
fn all() -> Vec<Mounted> {
    let resources = [
        tokens::routes(),
        token_list::routes(),
        connections::routes(),
        presence::routes(),
        channels::routes(),
        channel_list::routes(),
        state::routes(),
        state_log::routes(),
        messages::routes(),
        mails::routes(),
        batch::routes(),
        history::routes(),
        subscribers::routes(),
        projects::routes(),
        settings::routes(),
        members::routes(),
        project_tokens::routes(),
        webhooks::routes(),
        deliveries::routes(),
        authorizer::routes(),
        jwt_keys::routes(),
        jwt_revocations::routes(),
        users::routes(),
        pats::routes(),
        project_changes::routes(),
        inspect::routes(),
    ];
    resources.into_iter().flatten().collect()
}

/// The API's scope.
pub(crate) fn api(app: web::Data<App>) -> impl HttpServiceFactory + 'static {
    let mut patterns: IndexMap<&'static str, Vec<Route>> = IndexMap::new();
    let mut items = ItemRoutes::default();
    for mounted in all() {
        items.add(mounted.pattern, mounted.method, mounted.item);
        patterns.entry(mounted.pattern).or_default().push(mounted.route);
    }
    let scope = patterns.into_iter().fold(web::scope("/v1"), |scope, (pattern, routes)| {
        let resource = web::resource(format!("/{pattern}"));
        let resource = resource.app_data(RoutePattern(Label::Below(pattern)));
        scope.service(routes.into_iter().fold(resource, actix_web::Resource::route))
    });
    scope.app_data(app).app_data(web::Data::new(items)).wrap(from_fn(front))
}

/// Every route, by its method and its pattern.
#[cfg(test)]
pub(super) fn names() -> Vec<String> {
    all().iter().map(|mounted| format!("{} {}", mounted.method, mounted.pattern)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::permissions;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_has_its_row_in_the_table_and_every_row_its_route() {
        let mounted = names();
        let listed: Vec<String> = permissions::TABLE
            .iter()
            .map(|(method, pattern, _)| format!("{method} {pattern}"))
            .collect();
        let set = |rows: &[String]| rows.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(set(&mounted), set(&listed));
        assert_eq!(mounted.len(), set(&mounted).len(), "a route is mounted twice");
        assert_eq!(listed.len(), set(&listed).len(), "a row is there twice");
    }
}
