//! What every database must do: one test per claim, written against the traits alone.
//!
//! A database proves itself by `run_contract_on!(fixture)`, where `fixture` makes an empty one, or none where it cannot run.

pub(crate) mod admin_tokens;
pub(crate) mod answers;
pub(crate) mod authorizers;
pub(crate) mod channels;
pub(crate) mod groups;
pub(crate) mod history;
pub(crate) mod jwt;
pub(crate) mod mailboxes;
pub(crate) mod outbox;
pub(crate) mod pages;
pub(crate) mod projects;
pub(crate) mod properties;
pub(crate) mod registers;
pub(crate) mod state_log;
pub(crate) mod subscriptions;
pub(crate) mod tokens;
pub(crate) mod unheard;
pub(crate) mod webhooks;

use super::{Database, GroupStore, ReadStore, StoreResult, WriteStore};
use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, LeapToken, LeapTokenId, Permissions, Project,
    ProjectId, ProjectToken, ProjectTokenId, RawJson, State, Timestamp, Version, Visibility,
    Webhook, WebhookId,
};

/// A database of its own for one test.
pub(crate) trait Fixture {
    /// Opens it; also again, after all that was opened before has been dropped.
    fn open(&self) -> Box<dyn Database>;
    /// From now on, every commit that adds a channel called `bomb` fails.
    fn arm_bomb(&self);
}

/// A test's place of work: an open database and its writer.
pub(crate) struct Bench {
    /// The readers; dropped before the fixture is opened again.
    database: Option<Box<dyn Database>>,
    /// The writer.
    writer: Option<Box<dyn GroupStore>>,
    /// What they were opened from; dropped last.
    fixture: Box<dyn Fixture>,
}

impl Bench {
    /// Opens a fixture that holds the projects `a` and `b`.
    pub(crate) fn new(fixture: Box<dyn Fixture>) -> Self {
        let mut bench = Self { database: None, writer: None, fixture };
        bench.reopen();
        for name in ["a", "b"] {
            bench.write(|store| store.create_project(&project(name, 1))).unwrap();
        }
        bench
    }

    /// Closes everything and opens it again, as a restart does.
    fn reopen(&mut self) {
        self.writer = None;
        self.database = None;
        let database = self.fixture.open();
        self.writer = Some(database.writer().unwrap());
        self.database = Some(database);
    }

    /// Runs one group.
    fn group(&mut self, mut run: impl FnMut(&mut dyn WriteStore)) -> StoreResult<()> {
        self.writer.as_mut().unwrap().group(&mut run)
    }

    /// Runs one write in a group of its own.
    fn write<T>(
        &mut self,
        mut run: impl FnMut(&mut dyn WriteStore) -> StoreResult<T>,
    ) -> StoreResult<T> {
        let mut outcome = None;
        self.group(|store| outcome = Some(run(store)))?;
        outcome.expect("the group ran")
    }

    /// Runs one read, which must succeed.
    fn read<T>(&self, mut run: impl FnMut(&mut dyn ReadStore) -> StoreResult<T>) -> T {
        let mut outcome = None;
        let database = self.database.as_ref().unwrap();
        database.read(&mut |store| outcome = Some(run(store))).unwrap();
        outcome.expect("the read ran").unwrap()
    }

    /// The ids of a project's channels, oldest first.
    fn channel_ids(&self, project: &str) -> Vec<String> {
        let channels = self.read(|store| store.channels_after(&project_id(project), None, 1000));
        channels.iter().map(|channel| channel.key.id.as_str().to_owned()).collect()
    }

    /// The channels that a token is subscribed to, oldest subscription first.
    fn subscribed(&self, token: &str) -> Vec<String> {
        let all = self.read(|store| store.subscriptions_of(&LeapTokenId::from(token)));
        all.iter().map(|subscription| subscription.channel.as_str().to_owned()).collect()
    }
}

/// A project's id.
fn project_id(name: &str) -> ProjectId {
    ProjectId::from(name)
}

/// A project whose namespace is its id.
fn project(name: &str, created_at: i64) -> Project {
    Project {
        id: project_id(name),
        name: format!("Project {name}"),
        namespace: name.to_owned(),
        allowed_origins: crate::domain::AllowedOrigins::default(),
        created_at: Timestamp(created_at),
    }
}

/// A project token.
fn project_token(project: &str, id: &str, created_at: i64) -> ProjectToken {
    ProjectToken {
        id: ProjectTokenId::from(id),
        project: project_id(project),
        permissions: Permissions::OWNER,
        hint: "ptk_abcd".to_owned(),
        created_at: Timestamp(created_at),
    }
}

/// A channel's key.
fn key(project: &str, id: &str) -> ChannelKey {
    ChannelKey { project: project_id(project), id: ChannelId::parse(id).unwrap() }
}

/// A private channel with an empty state.
fn channel(project: &str, id: &str, created_at: i64) -> Channel {
    Channel {
        key: key(project, id),
        visibility: Visibility::Private,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: Timestamp(created_at),
    }
}

/// A state of which the text matters.
fn state(text: &str) -> State {
    State::new(RawJson::parse(text).unwrap(), usize::MAX).unwrap()
}

/// A leap token that never expires.
fn token(project: &str, id: &str, created_at: i64) -> LeapToken {
    LeapToken {
        id: LeapTokenId::from(id),
        project: project_id(project),
        state: RawJson::parse(r#"{"name":"ann"}"#).unwrap(),
        expires_at: None,
        created_at: Timestamp(created_at),
    }
}

/// A webhook that hears of two events.
fn webhook(project: &str, id: &str, created_at: i64) -> Webhook {
    Webhook {
        id: WebhookId::from(id),
        project: project_id(project),
        url: "https://example.com/hook".to_owned(),
        events: vec!["channel.created".to_owned(), "token.deleted".to_owned()],
        secret: "whsec_1".to_owned(),
        previous: None,
        disabled_at: None,
        created_at: Timestamp(created_at),
    }
}

/// Makes a test of each claim, run on what `$fixture` returns. A claim that is not named here is dead code.
macro_rules! run_contract_on {
    ($fixture:path) => {
        $crate::store::contract::run_contract_on! { $fixture =>
            projects::projects_are_found_and_listed_oldest_first,
            projects::a_walk_through_projects_meets_each_that_stays,
            projects::a_used_project_id_or_namespace_is_refused,
            projects::a_project_token_is_found_by_its_hash,
            projects::project_tokens_are_listed_by_project_oldest_first,
            projects::a_project_token_needs_its_project,
            projects::a_used_secret_or_handle_is_refused,
            projects::a_deleted_project_token_returns_its_hash,
            projects::a_project_token_is_deleted_by_its_project_only,
            projects::a_renamed_project_keeps_all_else,
            projects::a_project_names_the_pages_that_may_come_and_any_again,
            projects::a_deleted_project_takes_everything_along_and_nothing_else,
            channels::a_channel_comes_back_as_it_was,
            channels::a_channel_needs_its_project,
            channels::a_used_channel_id_is_refused,
            channels::one_id_in_two_projects_is_two_channels,
            channels::two_projects_with_a_channel_are_enough,
            channels::an_update_changes_visibility_and_capabilities_only,
            channels::a_missing_channel_is_not_updated,
            channels::a_state_follows_the_version_before,
            channels::a_state_of_another_version_is_refused,
            channels::a_state_needs_its_channel,
            channels::a_state_is_kept_byte_for_byte,
            channels::a_large_state_is_kept,
            channels::a_deleted_channel_takes_its_subscriptions_along,
            channels::a_missing_channel_is_not_deleted,
            channels::a_mark_stays_until_its_channel_goes,
            channels::marks_are_read_in_pages,
            pages::pages_come_in_all_four_orders,
            pages::pages_are_cut_by_offset_and_limit,
            pages::a_count_is_of_one_project,
            pages::a_walk_of_any_step_meets_each_channel_once,
            pages::a_walk_goes_on_behind_a_deleted_channel,
            pages::ids_are_ordered_by_their_bytes,
            tokens::a_token_comes_back_as_it_was,
            tokens::tokens_are_listed_by_project_oldest_first,
            tokens::a_token_needs_its_project,
            tokens::a_used_token_id_is_refused,
            tokens::default_channels_are_subscribed,
            tokens::a_missing_default_channel_leaves_no_token,
            tokens::another_projects_channel_is_no_default,
            tokens::an_update_changes_only_what_it_names,
            tokens::another_projects_token_is_not_updated,
            tokens::a_deleted_token_takes_its_subscriptions_along,
            tokens::another_projects_token_is_not_deleted,
            subscriptions::a_subscription_is_new_once,
            subscriptions::a_subscription_needs_token_and_channel,
            subscriptions::subscriptions_do_not_cross_projects,
            subscriptions::a_subscription_is_removed_alone,
            subscriptions::a_walk_through_a_channels_tokens_meets_each_once,
            subscriptions::a_tokens_channels_come_by_age_of_subscription,
            mailboxes::mails_wait_in_their_order_also_over_a_restart,
            mailboxes::what_was_delivered_waits_no_more_and_is_remembered,
            mailboxes::a_mailbox_takes_no_more_than_its_bounds_and_what_left_makes_room,
            mailboxes::what_is_over_expires_and_is_forgotten_in_small_steps,
            mailboxes::only_the_newest_that_have_ended_are_remembered,
            mailboxes::a_mailbox_is_its_tokens_and_goes_with_it,
            mailboxes::a_deleted_project_takes_its_mailboxes_along_and_no_other,
            webhooks::a_webhook_comes_back_as_it_was,
            webhooks::webhooks_are_listed_by_project_oldest_first,
            webhooks::a_webhook_needs_its_project_and_a_new_id,
            webhooks::a_webhook_update_changes_only_what_it_names,
            webhooks::another_projects_webhook_is_out_of_reach,
            webhooks::a_deleted_webhook_is_gone,
            webhooks::a_replaced_secret_is_kept_for_a_while,
            outbox::an_event_is_stored_for_each_webhook_that_names_it,
            outbox::numbers_rise_with_each_event_of_a_project,
            outbox::an_event_stored_again_stays_what_it_was,
            outbox::an_event_stands_and_falls_with_its_cause,
            outbox::what_is_due_comes_by_webhook_and_time,
            outbox::a_delivery_is_settled,
            outbox::what_is_claimed_is_what_is_due,
            outbox::retries_and_first_attempts_take_turns,
            outbox::what_waits_for_a_clock_that_was_set_back_is_brought_back,
            outbox::an_endpoint_that_is_gone_hears_nothing_until_it_is_changed,
            outbox::a_delivery_can_be_sent_again,
            outbox::deliveries_are_listed_newest_first,
            outbox::a_delivery_is_found_with_what_is_posted,
            outbox::a_walk_through_deliveries_goes_on_behind_one_that_was_forgotten,
            outbox::finished_deliveries_are_forgotten_after_a_while,
            outbox::a_deleted_webhook_takes_its_deliveries_along,
            outbox::an_event_is_told_as_long_as_one_delivery_is_left,
            outbox::what_is_owed_is_there_after_a_restart,
            answers::an_answer_comes_back_as_it_was_after_a_restart,
            answers::a_key_stands_for_one_call_until_it_is_too_old_or_freed,
            answers::an_answer_stands_and_falls_with_what_was_done,
            answers::past_the_bounds_the_oldest_answers_go,
            answers::old_answers_are_forgotten_in_small_steps,
            answers::a_deleted_project_takes_its_answers_along,
            history::a_line_goes_on_where_it_was_after_a_restart,
            history::a_channel_that_keeps_nothing_has_no_line,
            history::kept_messages_come_in_pages_both_ways,
            history::what_is_beyond_the_bounds_is_gone_before_it_is_deleted,
            history::a_channel_narrows_what_it_keeps,
            history::what_is_gone_is_deleted_in_small_steps,
            history::a_line_says_when_it_has_much_too_much,
            history::lines_are_due_when_their_oldest_message_is_too_old,
            history::what_was_trimmed_is_gone_at_once,
            history::messages_go_with_their_channel_and_their_project,
            history::a_line_that_is_closed_and_opened_begins_anew,
            history::a_message_stands_and_falls_with_its_group,
            state_log::every_version_comes_back_as_it_was,
            properties::whatever_changes_and_comes_back_each_version_is_read_as_it_was,
            state_log::versions_are_listed_newest_first_in_parts,
            state_log::a_version_is_found_by_the_time_at_which_it_was_in_force,
            state_log::versions_beyond_the_bounds_are_gone_before_they_are_deleted,
            state_log::versions_are_deleted_in_small_steps_with_none_missing_behind,
            state_log::a_log_is_due_when_its_oldest_version_is_too_old,
            state_log::versions_go_with_their_channel_and_their_project,
            state_log::a_version_stands_and_falls_with_its_state,
            authorizers::a_project_has_one_authorizer_or_none,
            jwt::keys_come_back_as_they_were_oldest_first,
            jwt::a_key_is_of_one_project_and_goes_with_it,
            jwt::a_revocation_stands_and_never_goes_back,
            jwt::revocations_are_walked_through_in_the_order_of_subjects,
            registers::registers_are_found_in_order_after_a_restart,
            registers::a_register_goes_with_the_project_and_not_with_the_channel,
            registers::ephemeral_subscriptions_go_with_their_channel_and_who_is_online_does_not,
            unheard::what_a_stop_left_is_taken_once,
            groups::an_empty_group_commits,
            groups::a_group_sees_its_own_writes,
            groups::readers_see_a_group_as_soon_as_it_returns_and_not_before,
            groups::a_refused_write_leaves_the_others,
            groups::a_write_refused_half_way_leaves_nothing_of_itself,
            groups::a_failing_commit_gives_none,
            groups::a_panicking_group_gives_none,
            groups::a_panicking_read_costs_no_connection,
            groups::everything_is_there_after_a_restart,
            admin_tokens::an_admin_token_is_found_by_its_hash,
            admin_tokens::admin_tokens_are_listed_oldest_first,
            admin_tokens::a_used_admin_secret_or_handle_is_refused,
            admin_tokens::a_deleted_admin_token_returns_its_hash,
        }
    };
    ($fixture:path => $($module:ident::$claim:ident,)+) => {
        $(
            #[test]
            fn $claim() {
                use $crate::store::contract::{Bench, $module};
                if let Some(fixture) = $fixture() {
                    $module::$claim(&mut Bench::new(Box::new(fixture)));
                }
            }
        )+
    };
}
pub(crate) use run_contract_on;
