//! Tables whose names people choose: topics, the domains that mail goes to, and who may look at the dashboard. What can be said in one is said here by
//! an example, since their fields have no defaults that could show it.

use toml::Table;

use super::{key::Key, topics};

/// Whether tables of any name may stand here.
pub(super) fn is_open(table: &[String]) -> bool {
    let names: Vec<&str> = table.iter().map(String::as_str).collect();
    matches!(names[..], ["topics"] | ["smtp", "domains"] | ["dashboard", "users" | "groups"])
}

/// All that a table in this one can say.
pub(super) fn example(table: &Key) -> Table {
    match table.last() {
        "domains" => domain(),
        "users" => user(),
        "groups" => group(),
        _ => topics::example(),
    }
}

fn user() -> Table {
    toml::toml! {
        password = ""
        role = "viewer"
        queues = []
    }
}

fn group() -> Table {
    toml::toml! {
        role = "viewer"
        queues = []
    }
}

fn domain() -> Table {
    toml::toml! {
        most = 4
        interval = "50ms"
    }
}
