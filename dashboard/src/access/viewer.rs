//! Somebody who looks, and what they may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What somebody may do. Each may do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Acts on jobs, queues, schedules and dead letters.
    Operator,
    /// Also stops processes, and does what cannot be undone for many.
    Admin,
}

/// Somebody who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Who it is, as the audit says.
    pub name: String,
    /// What they may do everywhere.
    pub role: Role,
    /// What they may do in some queues, by name; `crm.*` is every queue that begins with `crm.`.
    pub queues: BTreeMap<String, Role>,
    /// The token that their forms carry.
    pub csrf: String,
    /// Whether they logged in here, and so can log out.
    pub can_leave: bool,
}

impl Viewer {
    /// Somebody who may do everything: on the command line, or where nobody asks.
    pub fn everything(name: impl Into<String>) -> Self {
        Self { name: name.into(), role: Role::Admin, queues: BTreeMap::new(), csrf: String::new(), can_leave: false }
    }

    /// Whether they may do what needs this role, to a queue or to what belongs to none.
    pub fn may(&self, needs: Role, queue: Option<&str>) -> bool {
        let in_queue = |queue: &str| {
            let fits = |pattern: &str| match pattern.strip_suffix('*') {
                Some(begin) => queue.starts_with(begin),
                None => pattern == queue,
            };
            self.queues.iter().any(|(pattern, role)| *role >= needs && fits(pattern))
        };
        self.role >= needs || queue.is_some_and(in_queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_those_of_the_role_and_of_the_queue() {
        let mut viewer = Viewer { role: Role::Viewer, ..Viewer::everything("ann") };
        viewer.queues.insert("crm.*".into(), Role::Operator);
        assert!(viewer.may(Role::Viewer, None) && viewer.may(Role::Operator, Some("crm.sync")));
        assert!(!viewer.may(Role::Operator, Some("crm")) && !viewer.may(Role::Operator, None));
        assert!(!viewer.may(Role::Admin, Some("crm.sync")));
    }
}
