//! Confluent's wire format: a zero byte, the schema's id in four bytes, and the value.

/// The byte that such a value begins with. No JSON does.
const MAGIC: u8 = 0;

/// Whether a value is in the wire format, as far as its first byte tells.
pub(crate) fn is_wire(value: &[u8]) -> bool {
    value.first() == Some(&MAGIC)
}

/// The id of a value's schema and what comes after it; `None` if it is too short to have one.
pub(crate) fn split(value: &[u8]) -> Option<(u32, &[u8])> {
    let (id, body) = value.strip_prefix(&[MAGIC])?.split_first_chunk()?;
    Some((u32::from_be_bytes(*id), body))
}

/// A value of that schema.
#[cfg(feature = "schema-registry")]
pub(super) fn join(schema: u32, body: &[u8]) -> Vec<u8> {
    [&[MAGIC], schema.to_be_bytes().as_slice(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_four_bytes_with_the_highest_first() {
        assert_eq!(split(b"\0\x01\x02\x03\x04rest"), Some((0x0102_0304, b"rest".as_slice())));
        assert_eq!(split(b"\0\0\0\0\x11"), Some((17, b"".as_slice())));
        assert_eq!(split(b"\0\0\0\0"), None, "too short");
        assert_eq!(split(b"{\"a\":1}"), None);
        assert!(is_wire(b"\0") && !is_wire(b"") && !is_wire(b" {}"));
    }
}
