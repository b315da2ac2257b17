//! What a project token may do: Hop's bit numbers (`docs/PROTOCOL.md`, HTTP; `docs/PROTOCOL.md`, Permissions).

use std::fmt;

/// One thing that a project token may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// List the project's members.
    GetProjectMembers,
    /// Create project tokens.
    CreateProjectToken,
    /// Delete project tokens.
    DeleteProjectToken,
    /// List project tokens.
    ReadProjectTokens,
    /// Delete channels.
    DeleteChannels,
    /// Replace and patch channel state, and a channel's settings.
    UpdateChannelState,
    /// Read channels, their state, stats and presence.
    ReadChannels,
    /// Publish to channels.
    PublishChannelMessages,
    /// Subscribe and unsubscribe tokens.
    ManageChannelSubscribers,
    /// Create leap tokens.
    CreateLeapToken,
    /// Read and list leap tokens.
    ReadLeapTokens,
    /// Change and delete leap tokens.
    UpdateLeapToken,
    /// Send direct messages.
    MessageToken,
    /// Create channels.
    CreateChannel,
    /// Create webhooks.
    CreateWebhook,
    /// Delete webhooks.
    DeleteWebhook,
    /// Change webhooks and make them new secrets.
    UpdateWebhook,
    /// List webhooks.
    ReadWebhooks,
}

impl Permission {
    /// Every permission that a route of ours asks for.
    pub const ALL: [Self; 18] = [
        Self::GetProjectMembers,
        Self::CreateProjectToken,
        Self::DeleteProjectToken,
        Self::ReadProjectTokens,
        Self::DeleteChannels,
        Self::UpdateChannelState,
        Self::ReadChannels,
        Self::PublishChannelMessages,
        Self::ManageChannelSubscribers,
        Self::CreateLeapToken,
        Self::ReadLeapTokens,
        Self::UpdateLeapToken,
        Self::MessageToken,
        Self::CreateChannel,
        Self::CreateWebhook,
        Self::DeleteWebhook,
        Self::UpdateWebhook,
        Self::ReadWebhooks,
    ];

    /// Hop's bit number.
    pub const fn bit(self) -> u32 {
        match self {
            Self::GetProjectMembers => 2,
            Self::CreateProjectToken => 15,
            Self::DeleteProjectToken => 16,
            Self::ReadProjectTokens => 17,
            Self::CreateChannel => 39,
            Self::DeleteChannels => 27,
            Self::UpdateChannelState => 28,
            Self::ReadChannels => 29,
            Self::PublishChannelMessages => 30,
            Self::ManageChannelSubscribers => 31,
            Self::CreateLeapToken => 35,
            Self::ReadLeapTokens => 36,
            Self::UpdateLeapToken => 37,
            Self::MessageToken => 38,
            Self::CreateWebhook => 47,
            Self::DeleteWebhook => 48,
            Self::UpdateWebhook => 49,
            Self::ReadWebhooks => 50,
        }
    }

    /// Hop's name of the flag, which an error shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetProjectMembers => "get_project_members",
            Self::CreateProjectToken => "create_project_token",
            Self::DeleteProjectToken => "delete_project_token",
            Self::ReadProjectTokens => "read_project_tokens",
            Self::CreateChannel => "create_channel",
            Self::DeleteChannels => "delete_channels",
            Self::UpdateChannelState => "update_channel_state",
            Self::ReadChannels => "read_channels",
            Self::PublishChannelMessages => "publish_channel_messages",
            Self::ManageChannelSubscribers => "manage_channel_subscribers",
            Self::CreateLeapToken => "create_leap_token",
            Self::ReadLeapTokens => "read_leap_tokens",
            Self::UpdateLeapToken => "update_leap_token",
            Self::MessageToken => "message_token",
            Self::CreateWebhook => "create_webhook",
            Self::DeleteWebhook => "delete_webhook",
            Self::UpdateWebhook => "update_webhook",
            Self::ReadWebhooks => "read_webhooks",
        }
    }
}

/// A set of permissions: Hop's `flags`, 51 bits wide, so that JavaScript can hold it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Permissions(u64);

impl Permissions {
    /// Hop's role "owner": all of bits 0 to 50.
    pub const OWNER: Self = Self(2_251_799_805_280_247);
    /// Every bit that exists; what lies above is refused.
    const KNOWN: u64 = (1 << 51) - 1;
    /// Hop's group `MANAGE_CHANNELS`, which oddly holds bit 25 too.
    const MANAGE_CHANNELS: u64 = 1_069_362_970_624;
    /// Hop's group `MANAGE_WEBHOOKS`.
    const MANAGE_WEBHOOKS: u64 = 2_111_062_325_329_920;
    /// Bits 0 to 2 and 15 to 17: members and project tokens.
    const MANAGE_MEMBERS: u64 = 0b11_1000_0000_0000_0111;

    /// A set from its number.
    ///
    /// # Errors
    /// The unknown bits, when there are any.
    pub const fn from_bits(bits: u64) -> Result<Self, u64> {
        if bits & !Self::KNOWN == 0 { Ok(Self(bits)) } else { Err(bits & !Self::KNOWN) }
    }

    /// The set that a group's name stands for; groups of products that Warren does not have are empty.
    pub fn from_group(name: &str) -> Option<Self> {
        match name {
            "MANAGE_CHANNELS" => Some(Self(Self::MANAGE_CHANNELS)),
            "MANAGE_WEBHOOKS" => Some(Self(Self::MANAGE_WEBHOOKS)),
            "MANAGE_MEMBERS" => Some(Self(Self::MANAGE_MEMBERS)),
            "MANAGE_DEPLOYMENTS" | "MANAGE_REGISTRY" | "MANAGE_PIPE" => Some(Self(0)),
            _ => None,
        }
    }

    /// The names among `MANAGE_DEPLOYMENTS MANAGE_REGISTRY MANAGE_MEMBERS MANAGE_CHANNELS` that are wholly held.
    ///
    /// Only these four: the `hop` crate refuses an answer with any other (`docs/CLIENTS.md`, HTTP).
    pub fn groups(self) -> Vec<&'static str> {
        [("MANAGE_MEMBERS", Self::MANAGE_MEMBERS), ("MANAGE_CHANNELS", Self::MANAGE_CHANNELS)]
            .into_iter()
            .filter(|(_, bits)| self.0 & bits == *bits)
            .map(|(name, _)| name)
            .collect()
    }

    /// The number.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the permission is in the set.
    pub const fn allows(self, permission: Permission) -> bool {
        self.0 & (1 << permission.bit()) != 0
    }
}

impl From<Permission> for Permissions {
    fn from(permission: Permission) -> Self {
        Self(1 << permission.bit())
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_may_do_everything() {
        assert!(Permission::ALL.into_iter().all(|p| Permissions::OWNER.allows(p)));
    }

    #[test]
    fn managing_channels_is_hops_number() {
        let group = Permissions::from_group("MANAGE_CHANNELS").unwrap();
        assert!(group.allows(Permission::CreateChannel) && group.allows(Permission::MessageToken));
        assert!(
            !group.allows(Permission::CreateWebhook)
                && !group.allows(Permission::CreateProjectToken)
        );
        assert_eq!(group.groups(), ["MANAGE_CHANNELS"]);
    }

    #[test]
    fn one_flag_allows_one_thing() {
        for held in Permission::ALL {
            let set = Permissions::from(held);
            assert!(Permission::ALL.into_iter().all(|p| set.allows(p) == (p == held)));
        }
    }

    #[test]
    fn unknown_bits_and_groups_are_refused() {
        assert_eq!(Permissions::from_bits(1 << 51), Err(1 << 51));
        assert_eq!(Permissions::from_group("MANAGE_EVERYTHING"), None);
    }
}
