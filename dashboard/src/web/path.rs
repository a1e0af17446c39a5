//! Addresses of pages.

use std::fmt::Write;

/// A text as one part of a path, or as a value in a query.
pub(crate) fn part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => part.push(char::from(byte)),
            // A String takes all that is written to it.
            byte => _ = write!(part, "%{byte:02X}"),
        }
    }
    part
}

/// Names and values behind a question mark, without those that say nothing.
pub(crate) fn query(parts: &[(&str, &String)]) -> String {
    let said = parts.iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| format!("{name}={}", part(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::{part, query};

    #[test]
    fn nothing_leaves_its_part() {
        assert_eq!(part("order 7/../?x=ü"), "order%207%2F..%2F%3Fx%3D%C3%BC");
    }

    #[test]
    fn what_says_nothing_is_left_out_of_a_query() {
        assert_eq!(query(&[("a", &"x y".to_owned()), ("b", &String::new()), ("c", &"1".to_owned())]), "a=x%20y&c=1");
    }
}
