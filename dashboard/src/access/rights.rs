//! What somebody may do, by what the configuration says of them and of their groups.

use std::collections::BTreeMap;

use super::{AccessError, Role};
use crate::DashboardConfig;

/// What somebody may do: everywhere, and in some queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) role: Role,
    pub(super) queues: BTreeMap<String, Role>,
}

impl Rights {
    /// A role everywhere; or in these queues, and elsewhere that of one who looks.
    pub(super) fn new(role: Role, queues: &[String]) -> Self {
        let everywhere = if queues.is_empty() { role } else { Role::Viewer };
        Self { role: everywhere, queues: queues.iter().map(|queue| (queue.clone(), role)).collect() }
    }

    /// What one may who has both.
    fn and(mut self, other: Self) -> Self {
        self.role = self.role.max(other.role);
        for (queue, role) in other.queues {
            let own = self.queues.entry(queue).or_insert(role);
            *own = role.max(*own);
        }
        self
    }

    /// Those of a user; nothing if there is none of that name.
    pub(super) fn of_user(config: &DashboardConfig, name: &str) -> Option<Self> {
        config.users.get(name).map(|user| Self::new(user.role, &user.queues))
    }

    /// Those of somebody in these groups; nothing if they may not even look.
    pub(super) fn of_groups(config: &DashboardConfig, groups: &[String]) -> Option<Self> {
        let known = groups.iter().filter_map(|group| config.groups.get(group));
        let of_groups = known.map(|group| Self::new(group.role, &group.queues)).reduce(Self::and);
        of_groups.or_else(|| Some(Self::new(default_role(config).ok()??, &[])))
    }
}

/// What those may do who are in no group.
pub(super) fn default_role(config: &DashboardConfig) -> Result<Option<Role>, AccessError> {
    match config.default_role.as_str() {
        "" => Ok(None),
        "viewer" => Ok(Some(Role::Viewer)),
        "operator" => Ok(Some(Role::Operator)),
        "admin" => Ok(Some(Role::Admin)),
        other => Err(AccessError::Role(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GroupConfig;

    #[test]
    fn who_is_in_several_groups_may_what_each_of_them_may() {
        let mut config = DashboardConfig::default();
        let mut group = |name: &str, role, queues: &[&str]| {
            let queues = queues.iter().map(|&queue| queue.to_owned()).collect();
            config.groups.insert(name.into(), GroupConfig { role, queues });
        };
        group("mail", Role::Operator, &["email", "crm.*"]);
        group("crm", Role::Admin, &["crm.*"]);
        group("sre", Role::Operator, &[]);
        let rights = |groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
            Rights::of_groups(&config, &groups)
        };
        let both = rights(&["crm", "unknown", "mail"]).unwrap();
        let queues = [("crm.*".to_owned(), Role::Admin), ("email".to_owned(), Role::Operator)];
        assert_eq!((both.role, both.queues), (Role::Viewer, queues.into()));
        assert_eq!(rights(&["mail", "sre"]).unwrap().role, Role::Operator);
        assert_eq!(rights(&["unknown"]), None);
        config.default_role = "viewer".into();
        assert_eq!(Rights::of_groups(&config, &[]).unwrap().role, Role::Viewer);
    }
}
