//! Parts of addresses.

use std::fmt::Write;

/// A text as it stands in a path or behind a question mark.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            // A String takes all that is written to it.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

/// Names and values behind a question mark, without those that say nothing.
pub(crate) fn query(parts: &[(&str, &String)]) -> String {
    let said = parts.iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_mean_something_in_an_address_is_encoded() {
        assert_eq!(encoded("a/b?c=d&é .."), "a%2Fb%3Fc%3Dd%26%C3%A9%20..");
        assert_eq!(query(&[("a", &"x y".to_owned()), ("b", &String::new()), ("c", &"1".to_owned())]), "a=x%20y&c=1");
    }
}
