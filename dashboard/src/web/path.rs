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

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn nothing_leaves_its_part() {
        assert_eq!(part("order 7/../?x=ü"), "order%207%2F..%2F%3Fx%3D%C3%BC");
    }
}
