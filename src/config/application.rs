//! The application's own section: any name that is free, any type whose default says what it takes.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{
    key::is_bare,
    problem::{ConfigError, Problem},
    written_route::ROUTES,
};

/// The settings of an application that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Adds the application's section to the defaults, if it has one.
pub(super) fn add<S: Serialize + Default>(section: &str, defaults: &mut Table) -> Result<(), ConfigError> {
    if section.is_empty() {
        return Ok(());
    }
    let message = if defaults.contains_key(section) || section == ROUTES {
        "millgate has a section of that name; choose another for the application".to_owned()
    } else if !section.chars().all(is_bare) {
        "use only letters, digits, `_` and `-`, so that it can stand in the name of an environment variable".to_owned()
    } else {
        match Table::try_from(S::default()) {
            Ok(table) => {
                defaults.insert(section.to_owned(), Value::Table(table));
                return Ok(());
            }
            Err(error) => format!("its type must be a struct that can be written as TOML: {error}"),
        }
    };
    Err(ConfigError::new(vec![Problem::of(format_args!("section [{section}]"), message)]))
}
