//! Claims about webhooks.

use super::{Bench, project_id, webhook};
use crate::domain::{Timestamp, Webhook, WebhookId};
use crate::store::{StoreError, Thing, WebhookUpdate};

/// Adds a webhook.
fn create(bench: &mut Bench, webhook: &Webhook) {
    bench.write(|store| store.create_webhook(webhook)).unwrap();
}

/// Reads a webhook of a project.
fn find(bench: &Bench, project: &str, id: &str) -> Option<Webhook> {
    bench.read(|store| store.find_webhook(&project_id(project), &WebhookId::from(id)))
}

pub(crate) fn a_webhook_comes_back_as_it_was(bench: &mut Bench) {
    let odd = vec!["a \"b\", 'c' \\ é\n".to_owned(), String::new()];
    for (id, events) in [("1", Vec::new()), ("2", odd)] {
        let new = Webhook { events, ..webhook("a", id, 1) };
        create(bench, &new);
        assert_eq!(find(bench, "a", id), Some(new));
    }
    assert_eq!(find(bench, "a", "3"), None);
}

pub(crate) fn webhooks_are_listed_by_project_oldest_first(bench: &mut Bench) {
    for (project, id, at) in [("a", "x", 5), ("a", "y", 3), ("b", "z", 1), ("a", "k", 5)] {
        create(bench, &webhook(project, id, at));
    }
    let of_a = bench.read(|store| store.list_webhooks(&project_id("a")));
    assert_eq!(of_a, [("y", 3), ("k", 5), ("x", 5)].map(|(id, at)| webhook("a", id, at)));
    assert!(bench.read(|store| store.list_webhooks(&project_id("c"))).is_empty());
}

pub(crate) fn a_webhook_needs_its_project_and_a_new_id(bench: &mut Bench) {
    let refused = bench.write(|store| store.create_webhook(&webhook("c", "1", 1)));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Project)));
    create(bench, &webhook("a", "1", 1));
    let refused = bench.write(|store| store.create_webhook(&webhook("b", "1", 2)));
    assert_eq!(refused, Err(StoreError::Exists(Thing::Webhook)));
    assert_eq!(find(bench, "a", "1"), Some(webhook("a", "1", 1)));
}

pub(crate) fn a_webhook_update_changes_only_what_it_names(bench: &mut Bench) {
    create(bench, &webhook("a", "1", 1));
    create(bench, &webhook("a", "2", 1));
    let mut expected = webhook("a", "1", 1);
    let mut check = |update: WebhookUpdate, change: fn(&mut Webhook)| {
        change(&mut expected);
        let id = WebhookId::from("1");
        let now = bench.write(|store| store.update_webhook(&project_id("a"), &id, &update));
        assert_eq!(now.as_ref(), Ok(&expected));
        assert_eq!(find(bench, "a", "1").as_ref(), Some(&expected));
    };
    let none = WebhookUpdate::default();
    check(WebhookUpdate { url: Some("u".to_owned()), ..none.clone() }, |hook| {
        hook.url = "u".into();
    });
    check(WebhookUpdate { events: Some(Vec::new()), ..none.clone() }, |hook| hook.events.clear());
    check(WebhookUpdate { secret: Some("s".to_owned()), ..none.clone() }, |hook| {
        hook.secret = "s".into();
    });
    check(none, |_| {});
    assert_eq!(find(bench, "a", "2"), Some(webhook("a", "2", 1)));
}

pub(crate) fn another_projects_webhook_is_out_of_reach(bench: &mut Bench) {
    create(bench, &webhook("a", "1", 1));
    let (id, stranger) = (WebhookId::from("1"), project_id("b"));
    let change = WebhookUpdate { url: Some("u".to_owned()), ..WebhookUpdate::default() };
    assert_eq!(find(bench, "b", "1"), None);
    for update in [change, WebhookUpdate::default()] {
        let refused = bench.write(|store| store.update_webhook(&stranger, &id, &update));
        assert_eq!(refused, Err(StoreError::NotFound(Thing::Webhook)));
    }
    let refused = bench.write(|store| store.delete_webhook(&stranger, &id));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Webhook)));
    assert_eq!(find(bench, "a", "1"), Some(webhook("a", "1", 1)));
}

pub(crate) fn a_deleted_webhook_is_gone(bench: &mut Bench) {
    create(bench, &webhook("a", "1", 1));
    create(bench, &webhook("a", "2", 1));
    let id = WebhookId::from("1");
    bench.write(|store| store.delete_webhook(&project_id("a"), &id)).unwrap();
    assert_eq!(find(bench, "a", "1"), None);
    assert!(find(bench, "a", "2").is_some());
    let again = bench.write(|store| store.delete_webhook(&project_id("a"), &id));
    assert_eq!(again, Err(StoreError::NotFound(Thing::Webhook)));
}

pub(crate) fn a_replaced_secret_is_kept_for_a_while(bench: &mut Bench) {
    create(bench, &webhook("a", "1", 1));
    let mut replace = |secret: &str, until: Option<i64>| {
        let update = WebhookUpdate {
            secret: Some(secret.to_owned()),
            keep_previous_until: until.map(Timestamp),
            ..WebhookUpdate::default()
        };
        let id = WebhookId::from("1");
        bench.write(|store| store.update_webhook(&project_id("a"), &id, &update)).unwrap()
    };
    let secrets = |webhook: &Webhook, at: i64| {
        webhook.secrets(Timestamp(at)).iter().map(|&it| it.to_owned()).collect::<Vec<_>>()
    };
    let second = replace("second", Some(10));
    assert_eq!(secrets(&second, 9), ["second", "whsec_1"]);
    assert_eq!(secrets(&second, 10), ["second"]);
    let third = replace("third", Some(20));
    assert_eq!(secrets(&third, 9), ["third", "second"]);
    assert_eq!(secrets(&replace("fourth", None), 9), ["fourth"]);
}
