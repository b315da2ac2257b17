//! Roles of members.

use crate::domain::{Permission, Permissions};
use serde::Serialize;

/// A role's flags, a number for some clients and a string for others.
#[derive(Serialize)]
#[serde(untagged)]
enum Flags {
    /// For the `hop` crate in members.
    Number(u64),
    /// For the Go client everywhere, and for all in `/users/@me`.
    Text(String),
}

/// What somebody may do in a project.
#[derive(Serialize)]
pub(crate) struct RoleView {
    /// `role_…`.
    id: &'static str,
    /// `owner`, `editor` or `viewer`.
    name: &'static str,
    /// The permissions.
    flags: Flags,
}

impl RoleView {
    /// The role that comes nearest to these permissions.
    pub(crate) fn new(permissions: Permissions, is_flags_text: bool) -> Self {
        let is_editor = permissions.allows(Permission::UpdateChannelState);
        let (id, name) = match permissions {
            Permissions::OWNER => ("role_b3duZXI", "owner"),
            _ if is_editor => ("role_ZWRpdG9y", "editor"),
            _ => ("role_dmlld2Vy", "viewer"),
        };
        let bits = permissions.bits();
        let flags = if is_flags_text { Flags::Text(bits.to_string()) } else { Flags::Number(bits) };
        Self { id, name, flags }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_after_what_they_allow() {
        let text = |p, t| serde_json::to_string(&RoleView::new(p, t)).unwrap();
        assert!(text(Permissions::OWNER, true).contains(r#""flags":"2251799805280247""#));
        assert!(text(Permissions::OWNER, false).contains(r#""flags":2251799805280247"#));
        assert!(text(Permissions::default(), false).contains("viewer"));
        let channels = Permissions::from_group("MANAGE_CHANNELS").unwrap();
        assert!(text(channels, false).contains("editor"));
    }
}
