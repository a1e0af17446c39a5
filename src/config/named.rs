//! Tables whose names people choose: topics, and the domains that mail goes to. What can be said in one is said here by
//! an example, since their fields have no defaults that could show it.

use toml::Table;

use super::{key::Key, topics};

/// Whether tables of any name may stand here.
pub(super) fn is_open(table: &[String]) -> bool {
    let names: Vec<&str> = table.iter().map(String::as_str).collect();
    matches!(names[..], ["topics"] | ["smtp", "domains"])
}

/// All that a table in this one can say.
pub(super) fn example(table: &Key) -> Table {
    match table.last() {
        "domains" => domain(),
        _ => topics::example(),
    }
}

fn domain() -> Table {
    toml::toml! {
        most = 4
        interval = "50ms"
    }
}
