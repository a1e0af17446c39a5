//! The application's own section: any name that is free, any type with defaults.

use serde::{Deserialize, Serialize};

use super::problem::{ConfigError, Problem};

/// The settings of an application that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Refuses a section name that the file or the environment could not express.
pub(super) fn check_name(name: &str, taken: &[&str]) -> Result<(), ConfigError> {
    let reason = if taken.contains(&name) {
        "millgate has a section of that name; choose another".to_owned()
    } else if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    {
        "use only letters, digits, `_` and `-`, so that it can stand in `[..]` and in the name of \
         an environment variable"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(ConfigError::from(Problem::Application {
        section: name.to_owned(),
        reason,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_name_is_accepted_and_a_taken_one_is_not() {
        assert!(check_name("shop", &["kafka"]).is_ok());
        assert!(check_name("my-shop_2", &["kafka"]).is_ok());

        let text = |name| check_name(name, &["kafka"]).map_err(|error| error.to_string());
        assert!(text("kafka").is_err_and(|text| text.contains("choose another")));
        assert!(text("my.shop").is_err_and(|text| text.contains("only letters")));
    }
}
