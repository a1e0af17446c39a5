//! Names that nobody else uses.

use uuid::Uuid;

/// `name` with something behind it that makes it one of a kind, in this run and in all others.
///
/// Only lower-case letters, digits and `-`, so that it can be a topic, a key, a folder, and in
/// quotes a schema.
pub fn unique(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let name: String = name.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect();
    let random = Uuid::new_v4().simple().to_string();
    format!("{name}-{}", &random[..10])
}
