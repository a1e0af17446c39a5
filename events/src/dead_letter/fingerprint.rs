//! What failures have in common: the same cause gives the same fingerprint, whatever order or customer it hit.

use uuid::Uuid;

/// Fingerprints are parts of version 5 UUIDs under this one.
const FINGERPRINTS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_6669_6e67_0001);

/// Shorter words of hexadecimal digits are as likely words: `dead`, `face`.
const LEAST_HEX: usize = 8;

/// Twelve hexadecimal digits that follow from the code and the message, without the numbers and ids in it.
pub(crate) fn fingerprint(code: &str, message: &str) -> String {
    let name = format!("{code}\n{}", without_particulars(message));
    let mut digits = Uuid::new_v5(&FINGERPRINTS, name.as_bytes()).simple().to_string();
    digits.truncate(12);
    digits
}

/// The message with `#` for each number, UUID and long hexadecimal word.
fn without_particulars(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        if !is_word(first) {
            out.push_str(part);
        } else if is_hex(part) {
            out.push('#');
        } else {
            push_without_digits(&mut out, part);
        }
        // A UUID is five such words with dashes; a decimal or a date, numbers with something between.
        while ["#-#", "#.#", "#:#"].iter().any(|pair| out.ends_with(pair)) {
            out.truncate(out.len() - 2);
        }
    }
    out
}

fn is_hex(word: &str) -> bool {
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    has_digit && word.len() >= LEAST_HEX && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `order17` is `order#`: a run of digits is one particular, wherever it stands.
fn push_without_digits(out: &mut String, word: &str) {
    let mut in_number = false;
    // Of a UUID also the parts that are too short for [`is_hex`] are particulars: those after another one.
    if out.ends_with("#-") && word.bytes().all(|b| b.is_ascii_hexdigit()) {
        return out.push('#');
    }
    for c in word.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !in_number {
            out.push('#');
        }
        in_number = c.is_ascii_digit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_cause_has_the_same_fingerprint() {
        for (one, other) in [
            ("6 of table wanted, 5 there", "17 of table wanted, 0 there"),
            (
                "no order 0192f0c4-7a5b-7cc0-b1a8-00dead00beef at all",
                "no order 5f1d8a30-dddd-4bcd-abcd-ffffffffffff at all",
            ),
            ("blob 4bf92f3577b34da6 is gone", "blob 00f067aa0ba902b7 is gone"),
            ("line 3 column 14: took 1.25s", "line 12 column 1: took 30.5s"),
            ("at 2026-01-02T03:04:05Z", "at 2027-11-12T13:14:15Z"),
            ("order17 of ada-1@mail.example", "order18 of ada-22@mail.example"),
        ] {
            assert_eq!(without_particulars(one), without_particulars(other));
            assert_eq!(fingerprint("code", one), fingerprint("code", other));
        }
    }

    #[test]
    fn another_cause_has_another_one() {
        let one = fingerprint("smtp_550", "no such user");
        assert_eq!(one.len(), 12);
        assert_ne!(one, fingerprint("smtp_554", "no such user"));
        assert_ne!(one, fingerprint("smtp_550", "no such domain"));
        assert_eq!(without_particulars("a face decade, ünï: déjà 7"), "a face decade, ünï: déjà #");
        // Stored beside letters for years, it must not change.
        assert_eq!(fingerprint("not_json", "the value is not JSON"), fingerprint("not_json", "the value is not JSON"));
    }
}
