//! Secrets: which values are, and how they are kept out of everything that is shown.
//!
//! When in doubt, more is hidden than need be. A URL shown with too many stars costs a glance at the file; a
//! password in a log costs a new password.

use toml::Value;

use super::key::Key;

const HIDDEN: &str = "***";

/// A name that ends in one of these is a secret's.
const ENDINGS: [&str; 5] = ["password", "secret", "secrets", "token", "_key"];

/// The value, fit to be shown.
pub(super) fn mask(key: &Key, value: &Value) -> Value {
    let name = key.last().to_lowercase();
    match value {
        // That a secret is missing is no secret, and often what one is looking for.
        Value::String(text) if text.is_empty() => value.clone(),
        Value::Array(items) if items.is_empty() => value.clone(),
        _ if ENDINGS.iter().any(|ending| name.ends_with(ending)) => Value::from(HIDDEN),
        Value::String(text) => Value::from(hide_in_text(text)),
        Value::Array(items) => items.iter().map(|item| mask(key, item)).collect::<Vec<_>>().into(),
        Value::Table(table) => {
            Value::Table(table.iter().map(|(name, value)| (name.clone(), mask(&key.child(name), value))).collect())
        }
        _ => value.clone(),
    }
}

/// What a type says about a value; it may quote it, so nothing of it if there is a secret in the value.
pub(super) fn said(message: &str, key: &Key, value: &Value) -> String {
    if mask(key, value) == *value {
        message.to_owned()
    } else {
        "this value is not accepted (why is not shown, as it may quote the secret)".to_owned()
    }
}

/// The text, without the password of a URL in it: neither `//user:password@` nor `?password=`.
pub(crate) fn hide_in_text(text: &str) -> String {
    hide_parameter(&hide_user_info(text))
}

fn hide_user_info(text: &str) -> String {
    let hidden = || {
        let (scheme, rest) = text.split_once("//")?;
        // The last `@`, wherever it stands: a password with an unescaped `/` or `@` is a mistake, and mistakes are
        // what gets printed.
        let (user_info, host) = rest.rsplit_once('@')?;
        let (user, _) = user_info.split_once(':')?;
        Some(format!("{scheme}//{user}:{HIDDEN}@{host}"))
    };
    hidden().unwrap_or_else(|| text.to_owned())
}

fn hide_parameter(text: &str) -> String {
    let Some((before, from)) = text.split_once("password=") else { return text.to_owned() };
    let rest = from.find('&').map_or("", |end| &from[end..]);
    format!("{before}password={HIDDEN}{}", hide_parameter(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_url_is_hidden() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://:pw@cache:6379", "redis://:***@cache:6379"),
            ("redis+cluster://:pw@one:7000,two:7000", "redis+cluster://:***@one:7000,two:7000"),
            (
                "redis+sentinel://u:pw@one,two/m?sentinel_password=p",
                "redis+sentinel://u:***@one,two/m?sentinel_password=***",
            ),
            ("smtp://shop:p%40w@mail:25", "smtp://shop:***@mail:25"),
            // Unescaped `@` and `/`: no URL, but still a password.
            ("postgres://u:p@/w@db/shop", "postgres://u:***@db/shop"),
            ("redis://:a@one,redis://:b@two", "redis://:***@two"),
            ("postgres://db/x?user=u&password=pw&a=1", "postgres://db/x?user=u&password=***&a=1"),
            ("https://user@host/", "https://user@host/"),
            ("Shop <shop@example.org>", "Shop <shop@example.org>"),
        ] {
            assert_eq!(hide_in_text(url), shown);
        }
    }

    #[test]
    fn secrets_are_known_by_their_names_also_within_tables_and_lists() {
        let text =
            "DB_PASSWORD = 12345\npassword = \"\"\nurls = [\"http://u:pw@h\"]\ntoken_ttl = 1\n[a]\ntoken = \"t\"";
        let shown = mask(&Key::of("shop"), &Value::Table(toml::from_str(text).unwrap()));
        let hidden =
            "DB_PASSWORD = \"***\"\npassword = \"\"\nurls = [\"http://u:***@h\"]\ntoken_ttl = 1\n[a]\ntoken = \"***\"";
        assert_eq!(shown, Value::Table(toml::from_str(hidden).unwrap()));
    }

    #[test]
    fn what_a_type_says_of_a_secret_is_not_repeated() {
        let told = |key: &str, value: &str| said("I do not like pw", &Key::of(key), &Value::from(value));
        assert_eq!(told("shop.motto", "pw"), "I do not like pw");
        for told in [told("shop.token", "pw"), told("shop.url", "http://u:pw@h")] {
            assert!(told.starts_with("this value is not accepted"), "{told}");
        }
    }
}
