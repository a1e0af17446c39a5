//! Secrets: which values are, and how they are kept out of everything that is shown.
//!
//! When in doubt, more is hidden than need be. A URL shown with too many stars costs a glance at
//! the file; a password in a log costs a new password.

use toml::Value;

use super::key::Key;

const HIDDEN: &str = "***";

/// A name that is one of these, or ends in `_` and one of these, is a secret's.
const SECRET_NAMES: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "private_key",
    "secret_key",
];

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SECRET_NAMES.iter().any(|secret| {
        name.strip_suffix(secret)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    })
}

/// The value, fit to be shown.
pub(super) fn mask(key: &Key, value: &Value) -> Value {
    if is_secret(key.last()) {
        return match value {
            // That a secret is missing is no secret, and often what one is looking for.
            Value::String(text) if text.is_empty() => value.clone(),
            _ => Value::from(HIDDEN),
        };
    }
    match value {
        Value::String(text) => Value::from(hide_in_text(text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| mask(key, item)).collect()),
        Value::Table(table) => Value::Table(
            table
                .iter()
                .map(|(name, value)| (name.clone(), mask(&key.child(name), value)))
                .collect(),
        ),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.clone()
        }
    }
}

/// The text, without the password of a URL in it: neither `//user:password@` nor `?password=`.
pub(crate) fn hide_in_text(text: &str) -> String {
    hide_parameter(&hide_user_info(text))
}

fn hide_user_info(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // The last `@`, wherever it stands: a password with an unescaped `/` or `@` is a mistake, and
    // mistakes are what gets printed.
    let Some((user_info, host)) = rest.rsplit_once('@') else {
        return text.to_owned();
    };
    match user_info.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{HIDDEN}@{host}"),
        None => text.to_owned(),
    }
}

/// `password=..` up to the end of the parameter, also in `sslpassword=..`.
fn hide_parameter(text: &str) -> String {
    const NAME: &str = "password=";
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.to_ascii_lowercase().find(NAME) {
        let (before, from) = rest.split_at(start + NAME.len());
        let end = from
            .find(|c: char| c == '&' || c.is_whitespace())
            .unwrap_or(from.len());
        shown.push_str(before);
        if end > 0 {
            shown.push_str(HIDDEN);
        }
        rest = &from[end..];
    }
    shown.push_str(rest);
    shown
}

/// The message, in which somebody else may have quoted a secret that stands in `value`.
pub(super) fn scrub(message: &str, key: &Key, value: &Value) -> String {
    let masked = mask(key, value);
    match (value, &masked) {
        (Value::Table(fields), Value::Table(_)) => fields
            .iter()
            .fold(message.to_owned(), |message, (name, value)| {
                scrub(&message, &key.child(name), value)
            }),
        (Value::Array(items), Value::Array(_)) => {
            items.iter().fold(message.to_owned(), |message, item| {
                scrub(&message, key, item)
            })
        }
        (Value::Array(_) | Value::Table(_), _) => {
            // A secret that is a list or a table: no telling which part was quoted.
            "the value is not accepted (why is not shown, as it may quote the secret)".to_owned()
        }
        (value, masked) if value == masked => message.to_owned(),
        (Value::String(text), masked) => {
            let masked = masked.as_str().unwrap_or(HIDDEN);
            let quoted = format!("{text:?}");
            let escaped = quoted.trim_matches('"');
            let message = message.replace(text, masked).replace(escaped, masked);
            match password_of(text) {
                Some(password) => message.replace(password, HIDDEN),
                None => message,
            }
        }
        (value, _) => message.replace(&value.to_string(), HIDDEN),
    }
}

/// The password in a URL.
fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (user_info, _) = rest.rsplit_once('@')?;
    let (_, password) = user_info.split_once(':')?;
    (!password.is_empty()).then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_url_is_hidden() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://:pw@cache:6379", "redis://:***@cache:6379"),
            ("smtp://shop:p%40w@mail:25", "smtp://shop:***@mail:25"),
            // Unescaped `@` and `/`: no URL, but still a password.
            ("postgres://u:p@/w@db/shop", "postgres://u:***@db/shop"),
            ("redis://:a@one,redis://:b@two", "redis://:***@two"),
            (
                "postgres://db/shop?user=u&password=pw&x=1",
                "postgres://db/shop?user=u&password=***&x=1",
            ),
            ("host=db PASSWORD=pw user=u", "host=db PASSWORD=*** user=u"),
            ("https://user@host/", "https://user@host/"),
            ("Shop <shop@example.org>", "Shop <shop@example.org>"),
        ] {
            assert_eq!(hide_in_text(url), shown);
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["password", "db_password", "api-key", "TOKEN", "jwt_secret"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["username", "token_ttl", "secretary", "key", "passwords"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_found_within_tables_and_lists() {
        let value: toml::Table = toml::from_str(
            "password = 12345\nempty.password = \"\"\nurls = [\"http://u:pw@h\"]\n[a]\ntoken = \"t\"",
        )
        .unwrap_or_default();
        let shown = mask(&Key::section("shop"), &Value::Table(value)).to_string();
        for secret in ["12345", "pw", "\"t\""] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("password = \"\""), "{shown}");
    }

    #[test]
    fn a_message_is_scrubbed_of_quoted_secrets() {
        let key = Key::from(&["shop", "password"][..]);
        let message = "invalid value: string \"hunter\\\"2\", expected more";
        assert_eq!(
            scrub(message, &key, &Value::from("hunter\"2")),
            "invalid value: string \"***\", expected more"
        );
        let key = Key::from(&["shop", "url"][..]);
        assert_eq!(
            scrub("bad password `pw1`", &key, &Value::from("http://u:pw1@h")),
            "bad password `***`"
        );
    }
}
