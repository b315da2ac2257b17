//! The one table of what each route needs. A route that is not in it answers nobody.

use super::auth::Caller;
use super::error::ApiError;
use crate::domain::{Permission, Permissions};
use actix_web::http::Method;

/// What a caller needs for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// This flag; admins have all.
    Flag(Permission),
    /// All of these flags, told of in this order; admins have all.
    All(&'static [Permission]),
    /// Any valid token.
    AnyToken,
    /// An admin token.
    AdminOnly,
}

use Need::{AdminOnly, All, AnyToken, Flag};
use Permission::{
    CreateChannel, CreateLeapToken, CreateProjectToken, CreateWebhook, DeleteChannels,
    DeleteProjectToken, DeleteWebhook, GetProjectMembers, ManageChannelSubscribers, MessageToken,
    PublishChannelMessages, ReadChannels, ReadLeapTokens, ReadProjectTokens, ReadWebhooks,
    UpdateChannelState, UpdateLeapToken, UpdateWebhook,
};

/// What it takes to name who decides about subscriptions: it is shown channels, states and the tokens of those who ask,
/// and it grants.
const DECIDES: &[Permission] =
    &[CreateWebhook, ReadChannels, ReadLeapTokens, ManageChannelSubscribers];

/// What it takes to look at what is recorded: it shows what is said, and to whom. It is shown the tokens of clients, which
/// are their secrets.
const LOOKS: &[Permission] = &[ReadChannels, ReadLeapTokens];

/// What it takes to say under which keys tokens are taken: whoever has the key's other half makes clients of any name from
/// then on, gives them states and subscribes them.
const LETS_IN: &[Permission] =
    &[CreateProjectToken, CreateLeapToken, UpdateLeapToken, ManageChannelSubscribers];

/// Every route below `/v1`, with what it needs (`docs/PROTOCOL.md`, HTTP).
///
/// Listing a channel's tokens shows their secrets, so it needs `read_leap_tokens`.
pub const TABLE: &[(Method, &str, Need)] = &[
    (Method::POST, "channels/tokens", Flag(CreateLeapToken)),
    (Method::GET, "channels/tokens", Flag(ReadLeapTokens)),
    (Method::GET, "channels/tokens/{token}", Flag(ReadLeapTokens)),
    (Method::PATCH, "channels/tokens/{token}", Flag(UpdateLeapToken)),
    (Method::DELETE, "channels/tokens/{token}", Flag(UpdateLeapToken)),
    (Method::GET, "channels/tokens/{token}/subscriptions", Flag(ReadLeapTokens)),
    (Method::POST, "channels/tokens/{token}/messages", Flag(MessageToken)),
    (Method::POST, "channels/tokens/{token}/message", Flag(MessageToken)),
    (Method::GET, "channels/tokens/{token}/messages/{message}", Flag(MessageToken)),
    (Method::POST, "channels", Flag(CreateChannel)),
    (Method::GET, "channels", Flag(ReadChannels)),
    (Method::PUT, "channels/{channel}", Flag(CreateChannel)),
    (Method::GET, "channels/{channel}", Flag(ReadChannels)),
    (Method::PATCH, "channels/{channel}", Flag(UpdateChannelState)),
    (Method::DELETE, "channels/{channel}", Flag(DeleteChannels)),
    (Method::GET, "channels/{channel}/stats", Flag(ReadChannels)),
    (Method::GET, "channels/{channel}/state", Flag(ReadChannels)),
    (Method::GET, "channels/{channel}/state/history", Flag(ReadChannels)),
    (Method::POST, "channels/{channel}/state/restore", Flag(UpdateChannelState)),
    (Method::PUT, "channels/{channel}/state", Flag(UpdateChannelState)),
    (Method::PATCH, "channels/{channel}/state", Flag(UpdateChannelState)),
    (Method::POST, "channels/{channel}/messages", Flag(PublishChannelMessages)),
    (Method::GET, "channels/{channel}/messages", Flag(ReadChannels)),
    (Method::DELETE, "channels/{channel}/messages", Flag(DeleteChannels)),
    (Method::POST, "channels/{channel}/publish", Flag(PublishChannelMessages)),
    (Method::POST, "channels/{channel}/subscribers", Flag(ManageChannelSubscribers)),
    (Method::PUT, "channels/{channel}/subscribers/{token}", Flag(ManageChannelSubscribers)),
    (Method::DELETE, "channels/{channel}/subscribers/{token}", Flag(ManageChannelSubscribers)),
    (Method::GET, "channels/{channel}/tokens", Flag(ReadLeapTokens)),
    (Method::POST, "channels/{channel}/tokens/{token}", Flag(ManageChannelSubscribers)),
    (Method::DELETE, "channels/{channel}/tokens/{token}", Flag(ManageChannelSubscribers)),
    (Method::GET, "channels/{channel}/presence", Flag(ReadChannels)),
    (Method::GET, "channels/{channel}/connections", Flag(ReadChannels)),
    (Method::GET, "channels/tokens/{token}/connections", Flag(ReadLeapTokens)),
    (Method::POST, "channels/connections/{cid}/messages", Flag(MessageToken)),
    (Method::DELETE, "channels/connections/{cid}", Flag(UpdateLeapToken)),
    (Method::POST, "batch", AnyToken),
    (Method::GET, "projects", AdminOnly),
    (Method::POST, "projects", AdminOnly),
    (Method::GET, "projects/{project}", AnyToken),
    (Method::GET, "projects/{project}/members", Flag(GetProjectMembers)),
    (Method::GET, "projects/{project}/members/@me", AnyToken),
    (Method::GET, "projects/{project}/tokens", Flag(ReadProjectTokens)),
    (Method::POST, "projects/{project}/tokens", Flag(CreateProjectToken)),
    (Method::DELETE, "projects/{project}/tokens/{token}", Flag(DeleteProjectToken)),
    (Method::GET, "projects/{project}/webhooks", Flag(ReadWebhooks)),
    (Method::POST, "projects/{project}/webhooks", Flag(CreateWebhook)),
    (Method::PATCH, "projects/{project}/webhooks/{webhook}", Flag(UpdateWebhook)),
    (Method::DELETE, "projects/{project}/webhooks/{webhook}", Flag(DeleteWebhook)),
    (Method::POST, "projects/{project}/webhooks/{webhook}/regenerate", Flag(UpdateWebhook)),
    (Method::POST, "projects/{project}/webhooks/{webhook}/regenerate_secret", Flag(UpdateWebhook)),
    (Method::POST, "projects/{project}/webhooks/{webhook}/test", Flag(UpdateWebhook)),
    (Method::GET, "projects/{project}/webhooks/{webhook}/deliveries", Flag(ReadWebhooks)),
    (
        Method::GET,
        "projects/{project}/webhooks/{webhook}/deliveries/{delivery}",
        Flag(ReadWebhooks),
    ),
    (
        Method::POST,
        "projects/{project}/webhooks/{webhook}/deliveries/{delivery}/resend",
        Flag(UpdateWebhook),
    ),
    (Method::GET, "projects/{project}/channel-authorizer", Flag(ReadWebhooks)),
    (Method::PUT, "projects/{project}/channel-authorizer", All(DECIDES)),
    (Method::DELETE, "projects/{project}/channel-authorizer", Flag(DeleteWebhook)),
    (Method::POST, "projects/{project}/channel-authorizer/test", All(DECIDES)),
    (Method::GET, "projects/{project}/jwt/keys", Flag(ReadProjectTokens)),
    (Method::POST, "projects/{project}/jwt/keys", All(LETS_IN)),
    (Method::DELETE, "projects/{project}/jwt/keys/{key}", Flag(DeleteProjectToken)),
    (Method::GET, "projects/{project}/jwt/revocations", Flag(ReadLeapTokens)),
    (Method::POST, "projects/{project}/jwt/revocations", Flag(UpdateLeapToken)),
    (Method::DELETE, "projects/{project}/jwt/revocations/{subject}", Flag(UpdateLeapToken)),
    (Method::GET, "projects/{project}/inspect", All(LOOKS)),
    (Method::GET, "settings", AdminOnly),
    (Method::GET, "users/@me", AnyToken),
    (Method::GET, "users/@me/pats", AdminOnly),
    (Method::POST, "users/@me/pats", AdminOnly),
    (Method::DELETE, "users/@me/pats/{token}", AdminOnly),
    (Method::PATCH, "projects/{project}", AdminOnly),
    (Method::DELETE, "projects/{project}", AdminOnly),
];

/// What a route needs; none when the table does not have it. `pattern` is actix-web's, of whatever scope around `/v1`.
pub(crate) fn need_of(method: &Method, pattern: &str) -> Option<Need> {
    let (_, route) = pattern.split_once("/v1/")?;
    TABLE.iter().find(|(m, p, _)| m == method && *p == route).map(|(_, _, need)| *need)
}

/// The methods that a route takes.
pub(crate) fn methods_of(pattern: &str) -> Vec<Method> {
    let Some((_, route)) = pattern.split_once("/v1/") else { return Vec::new() };
    TABLE.iter().filter(|(_, p, _)| *p == route).map(|(method, ..)| method.clone()).collect()
}

impl Need {
    /// Lets the caller through or says what it lacks.
    ///
    /// # Errors
    /// [`ApiError::MissingPermission`], [`ApiError::AdminOnly`].
    pub(crate) fn check(self, caller: &Caller) -> Result<(), ApiError> {
        match (self, caller) {
            (_, Caller::Admin) | (AnyToken, _) => Ok(()),
            (AdminOnly, Caller::Project { .. }) => Err(ApiError::AdminOnly),
            (Flag(flag), Caller::Project { permissions, .. }) => {
                first_missing(*permissions, &[flag])
            }
            (All(flags), Caller::Project { permissions, .. }) => first_missing(*permissions, flags),
        }
    }
}

/// Refuses with the first flag that is missing.
fn first_missing(held: Permissions, flags: &[Permission]) -> Result<(), ApiError> {
    let missing = flags.iter().find(|flag| !held.allows(**flag));
    missing.map_or(Ok(()), |flag| Err(ApiError::MissingPermission(*flag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProjectId;

    /// A project token with these permissions.
    fn token(permissions: Permissions) -> Caller {
        Caller::Project { project: ProjectId::from("project_x"), permissions }
    }

    #[test]
    fn every_flag_opens_its_routes_and_no_other() {
        for (method, pattern, need) in TABLE {
            assert_eq!(need_of(method, &format!("/v1/{pattern}")), Some(*need), "{pattern}");
            assert!(need.check(&Caller::Admin).is_ok());
            for flag in Permission::ALL {
                let is_open = need.check(&token(flag.into())).is_ok();
                assert_eq!(is_open, *need == Flag(flag) || *need == AnyToken, "{method} {pattern}");
            }
        }
    }

    #[test]
    fn several_flags_are_needed_together() {
        let all = DECIDES.iter().fold(Permissions::default(), |all, f| all.union((*f).into()));
        assert!(All(DECIDES).check(&token(all)).is_ok());
        for missing in DECIDES {
            let others = DECIDES.iter().filter(|flag| *flag != missing);
            let held = others.fold(Permissions::default(), |all, f| all.union((*f).into()));
            let refused = All(DECIDES).check(&token(held));
            assert_eq!(refused, Err(ApiError::MissingPermission(*missing)));
        }
    }

    #[test]
    fn every_flag_opens_something() {
        for flag in Permission::ALL {
            assert!(TABLE.iter().any(|(_, _, need)| *need == Flag(flag)), "{flag}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_needs_more_than_anybody_has() {
        assert_eq!(need_of(&Method::PUT, "/v1/projects/{project}"), None);
        assert_eq!(need_of(&Method::GET, "/v1/secrets"), None);
        assert_eq!(need_of(&Method::GET, "/channels"), None);
    }

    #[test]
    fn a_scope_around_the_api_changes_nothing() {
        assert_eq!(need_of(&Method::GET, "/realtime/v1/channels"), Some(Flag(ReadChannels)));
    }
}
