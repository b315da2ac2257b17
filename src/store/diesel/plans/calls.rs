//! Every method of the store, called at least once on one small project.

use super::super::store::DieselStore;
use crate::domain::{
    AdminTokenId, Attempt, Authorizer, Capabilities, Channel, ChannelId, ChannelKey, DeliveryKey,
    DeliveryOutcome, Digest, Epoch, EventId, EventKind, FirstCall, HistoryBounds, HistoryLimits,
    HookEvent, JwtRevocation, KeptAnswer, KeyBounds, KeyScope, KeyedCall, LeapToken, LeapTokenId,
    Listed, MailId, MailboxBounds, Message, Permissions, Position, Project, ProjectId,
    ProjectToken, ProjectTokenId, RawJson, Register, SessionId, SessionRef, Stamp, State, Subject,
    Timestamp, Version, Visibility, Webhook, WebhookId,
};
use crate::store::{
    ChannelCursor, ChannelPage, ChannelSort, HistoryPage, MailPage, NewMail, NewMessage,
    ProjectCursor, ProjectTokenCursor, ReadAnswers as _, ReadHistory as _, ReadJwt as _,
    ReadMailbox as _, ReadOutbox as _, ReadStore as _, Start, TokenCursor, TokenUpdate,
    WebhookUpdate, WriteAnswers as _, WriteHistory as _, WriteJwt as _, WriteMailbox as _,
    WriteOutbox as _, WriteStore as _,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// The project of everything below.
fn project() -> ProjectId {
    ProjectId::from("p")
}

/// Its channel.
pub(super) fn key() -> ChannelKey {
    ChannelKey { project: project(), id: ChannelId::trusted("c") }
}

/// Its token.
pub(super) fn token() -> LeapTokenId {
    LeapTokenId::from("t")
}

/// Its webhook.
pub(super) fn hook() -> WebhookId {
    WebhookId::from("w")
}

/// Its channel, whole.
fn channel() -> Channel {
    Channel {
        key: key(),
        visibility: Visibility::Public,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: Timestamp(1),
    }
}

/// Its session, online on its channel.
fn listed() -> Listed {
    let session = SessionRef { id: SessionId::from("s"), token: Some(token()) };
    Listed { channel: key(), register: Register::Online, session: Arc::new(session) }
}

/// A call with a key.
fn call() -> KeyedCall {
    let call = FirstCall { asked: Digest::of(&[]), permissions: Permissions::OWNER };
    KeyedCall { scope: KeyScope::Project(project()), key: Digest::of(&[]), call }
}

/// Calls what adds rows.
pub(in super::super) fn create(store: &mut DieselStore<'_>) {
    let (id, created_at) = (project(), Timestamp(1));
    store
        .create_project(&Project {
            id: id.clone(),
            name: String::new(),
            namespace: String::new(),
            allowed_origins: crate::domain::AllowedOrigins::default(),
            created_at,
        })
        .unwrap();
    let project_token = ProjectToken {
        id: ProjectTokenId::from("k"),
        project: id.clone(),
        permissions: Permissions::OWNER,
        hint: String::new(),
        created_at,
    };
    store.create_project_token(&project_token, &[1; 32]).unwrap();
    store.create_channel(&channel()).unwrap();
    let state = RawJson::null();
    let token = LeapToken { id: token(), project: id.clone(), state, expires_at: None, created_at };
    store.create_token(&token, &[key().id]).unwrap();
    let webhook = Webhook {
        id: hook(),
        project: id.clone(),
        url: String::new(),
        events: vec![EventKind::ChannelCreated.name().to_owned()],
        secret: String::new(),
        previous: None,
        disabled_at: None,
        created_at,
    };
    store.create_webhook(&webhook).unwrap();
    store
        .set_authorizer(&Authorizer {
            project: id,
            url: String::new(),
            secret: String::new(),
            created_at,
        })
        .unwrap();
}

/// Calls what changes rows.
pub(in super::super) fn change(store: &mut DieselStore<'_>) {
    store.set_state(&key(), &State::empty(), Version(2)).unwrap();
    assert!(store.set_state(&key(), &State::empty(), Version(2)).is_err());
    store.update_channel(&key(), Visibility::Public, Capabilities::default()).unwrap();
    store.mark_subscribed(&key()).unwrap();
    let update = TokenUpdate { state: Some(RawJson::null()), expires_at: Some(None) };
    store.update_token(&project(), &token(), &update).unwrap();
    store.add_subscription(&key(), &token(), Timestamp(1)).unwrap();
    assert!(store.add_subscription(&key(), &LeapTokenId::from("gone"), Timestamp(1)).is_err());
    store.rename_project(&project(), "new").unwrap();
    store.allow_origins(&project(), &crate::domain::AllowedOrigins::default()).unwrap();
    let update = WebhookUpdate {
        url: Some(String::new()),
        secret: Some(String::new()),
        ..WebhookUpdate::default()
    };
    store.update_webhook(&project(), &hook(), &update).unwrap();
    let stamp = Stamp { id: EventId::from("e"), at: Timestamp(1) };
    let event = HookEvent::channel(stamp, EventKind::ChannelCreated, &channel());
    store.atomically(&mut |store| store.record_event(&event).map(drop)).unwrap();
    let delivery = DeliveryKey { webhook: hook(), event: EventId::from("e") };
    let gone =
        Attempt { at: Timestamp(1), status: None, error: None, outcome: DeliveryOutcome::Gone };
    store.settle_delivery(&delivery, &gone).unwrap();
    store.resend_delivery(&project(), &delivery, Timestamp(1)).unwrap();
    store.bring_back_deliveries(Timestamp(1), Duration::ZERO).unwrap();
    store.prune_deliveries(Timestamp(1)).unwrap();
    store.enlist(&listed()).unwrap();
    let answer = KeptAnswer { status: 204, headers: Vec::new(), body: Bytes::new() };
    store.claim_key(&call(), Timestamp(0)).unwrap();
    store.keep_answer(&call(), Timestamp(1), &answer, &KeyBounds::default()).unwrap();
    store.claim_key(&call(), Timestamp(1)).unwrap();
    store.keep_answer(&call(), Timestamp(2), &answer, &KeyBounds::default()).unwrap();
    let revoked = JwtRevocation { subject: Subject::trusted("anna"), at: Timestamp(1) };
    store.revoke_subject(&project(), &revoked).unwrap();
    store.forget_revocation(&project(), &revoked.subject).unwrap();
    keep_messages(store);
    post_mails(store);
}

/// Calls what shows deliveries.
fn read_deliveries(store: &mut DieselStore<'_>) {
    store.list_deliveries(&hook(), &Start::Skip(1), 1).unwrap();
    store.list_deliveries(&hook(), &Start::Behind(1), 1).unwrap();
    let delivery = DeliveryKey { webhook: hook(), event: EventId::from("e") };
    store.find_delivery(&project(), &delivery).unwrap();
    store.count_deliveries(&hook()).unwrap();
}

/// A mail whose time is over then.
pub(super) fn mail(expires_at: i64) -> NewMail {
    let (at, expires_at) = (Timestamp(1), Timestamp(expires_at));
    NewMail { message: message().message, at, expires_at, epoch: Epoch(5) }
}

/// Calls what puts mails into mailboxes, and what takes them out.
fn post_mails(store: &mut DieselStore<'_>) {
    let bounds = MailboxBounds { messages: 2, ..MailboxBounds::default() };
    for expires_at in [1, 9, 9, 9] {
        // The first makes room, the last finds none.
        let _ = store.put_mail(&project(), &token(), &mail(expires_at), &bounds);
    }
    store.deliver_mail(Epoch(5), &(1..=2), Timestamp(2)).unwrap();
    store.prune_mail(Timestamp(9), 9).unwrap();
    store.prune_mail(Timestamp(i64::MAX), 9).unwrap();
    store.put_mail(&project(), &token(), &mail(99), &bounds).unwrap();
}

/// A message that is to be kept.
pub(super) fn message() -> NewMessage {
    let message = Message { event: "e".into(), data: RawJson::null() };
    NewMessage { message, from: None, at: Timestamp(1) }
}

/// Calls what keeps messages.
fn keep_messages(store: &mut DieselStore<'_>) {
    let limits = HistoryLimits { count: Some(1), seconds: None };
    let (bounds, now) = (HistoryBounds::default(), Timestamp(1));
    store.open_line(&key(), Epoch(7), limits).unwrap();
    store.narrow_line(&key(), limits).unwrap();
    for _ in 0..3 {
        store.append_message(&key(), &message(), &bounds).unwrap();
    }
    store.take_place(&key()).unwrap();
    store.trim_line(&key(), Position { epoch: Epoch(7), offset: 1 }).unwrap();
    store.prune_line(Epoch(7), &bounds, now, 1).unwrap();
}

/// Calls what reads.
pub(super) fn read(store: &mut DieselStore<'_>) {
    let (project, now) = (project(), Timestamp(1));
    store.find_project(&project).unwrap();
    store.list_projects().unwrap();
    store.find_project_token(&[1; 32]).unwrap();
    let old = ProjectCursor { created_at: now, id: project.clone() };
    store.projects_after(&Start::Skip(1), 1).unwrap();
    store.projects_after(&Start::Behind(old), 1).unwrap();
    store.count_projects().unwrap();
    let old = ProjectTokenCursor { created_at: now, id: ProjectTokenId::from("k") };
    store.project_tokens_after(&project, &Start::Skip(1), 1).unwrap();
    store.project_tokens_after(&project, &Start::Behind(old), 1).unwrap();
    store.count_project_tokens(&project).unwrap();
    store.count_webhooks(&project).unwrap();
    store.find_admin_token(&[1; 32]).unwrap();
    store.list_admin_tokens().unwrap();
    store.find_channel(&key()).unwrap();
    store.find_visibility(&key()).unwrap();
    store.projects_with_channel(&key().id).unwrap();
    store.count_channels(&project).unwrap();
    for sort in [ChannelSort::CreatedAt, ChannelSort::Id] {
        for is_descending in [false, true] {
            let page = ChannelPage { sort, is_descending, offset: 1, limit: 1 };
            store.page_channels(&project, page).unwrap();
        }
    }
    let cursor = ChannelCursor { created_at: now, id: key().id };
    store.channels_after(&project, None, 1).unwrap();
    store.channels_after(&project, Some(&cursor), 1).unwrap();
    store.marked_channels_after(Some(&key()), 1).unwrap();
    store.find_token(&token()).unwrap();
    let behind = TokenCursor { created_at: now, id: token() };
    store.tokens_after(&project, &Start::Skip(1), 1).unwrap();
    store.tokens_after(&project, &Start::Behind(behind), 1).unwrap();
    store.count_tokens(&project).unwrap();
    store.tokens_of_channel(&key(), &Start::Skip(1), 100).unwrap();
    store.count_tokens_of_channel(&key()).unwrap();
    store.subscriptions_of(&token()).unwrap();
    store.list_webhooks(&project).unwrap();
    store.find_webhook(&project, &hook()).unwrap();
    store.due_webhooks(now).unwrap();
    store.due_deliveries(&hook(), now, 1).unwrap();
    store.next_due().unwrap();
    store.is_due_too_late(now, Duration::ZERO).unwrap();
    read_deliveries(store);
    store.find_authorizer(&project).unwrap();
    store.find_answer(&call().scope, &call().key).unwrap();
    store.next_answers(None).unwrap();
    store.next_answers(Some(&KeyScope::Operator)).unwrap();
    store.listed_after(None, 1).unwrap();
    store.listed_after(Some(&listed()), 1).unwrap();
    read_issuers(store);
    read_messages(store);
    let page = MailPage { after: 0, limit: 9, bytes: 1 << 20, now };
    store.has_mail(&token()).unwrap();
    store.waiting_mail(&token(), &page).unwrap();
    store.find_mail(&token(), MailId(Position { epoch: Epoch(5), offset: 1 }), now).unwrap();
    store.is_mail_due(now).unwrap();
}

/// Calls what reads of tokens that others sign.
fn read_issuers(store: &mut DieselStore<'_>) {
    let project = project();
    let (anna, last) = (Subject::trusted("anna"), Start::Behind(Subject::trusted("a")));
    store.jwt_keys(&project).unwrap();
    store.jwt_revocation(&project, &anna).unwrap();
    store.jwt_revocations_after(&project, &last, 1).unwrap();
    store.count_jwt_revocations(&project).unwrap();
}

/// Calls what reads messages.
fn read_messages(store: &mut DieselStore<'_>) {
    let now = Timestamp(1);
    store.find_line(&key()).unwrap();
    store.due_lines(now, 1).unwrap();
    for is_descending in [false, true] {
        let page = HistoryPage {
            after: Some(0),
            before: Some(9),
            is_descending,
            limit: 2,
            bytes: 1 << 20,
            bounds: HistoryBounds::default(),
            now,
        };
        store.kept_messages(&key(), &page).unwrap();
    }
}

/// Calls what removes rows.
pub(super) fn remove(store: &mut DieselStore<'_>) {
    store.free_key(&call()).unwrap();
    store.prune_answers(&call().scope, Timestamp(1), 1).unwrap();
    store.strike(&listed()).unwrap();
    store.strike_all(&project(), Register::Online).unwrap();
    store.remove_subscription(&key(), &token()).unwrap();
    store.delete_token(&project(), &token()).unwrap();
    store.prune_mail(Timestamp(1), 9).unwrap();
    store.close_line(&key()).unwrap();
    store.prune_line(Epoch(7), &HistoryBounds::default(), Timestamp(1), 9).unwrap();
    store.delete_channel(&key()).unwrap();
    store.delete_webhook(&project(), &hook()).unwrap();
    store.delete_authorizer(&project()).unwrap();
    store.delete_project_token(&project(), &ProjectTokenId::from("k")).unwrap();
    assert!(store.delete_admin_token(&AdminTokenId::from("a")).is_err());
    store.delete_project(&project()).unwrap();
}
