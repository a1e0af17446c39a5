//! Where a key lies in a cluster.

/// A cluster has so many slots.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key, by the Redis Cluster specification: CRC16 (XMODEM) of its hash tag, if it has one, else of all of it.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    hashed.bytes().fold(0, crc16) % SLOTS
}

fn crc16(crc: u16, byte: u8) -> u16 {
    (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        // The specification's own check value.
        assert_eq!("123456789".bytes().fold(0, crc16), 0x31C3);
        // By `CLUSTER KEYSLOT`.
        assert_eq!((slot("foo"), slot("bar")), (12_182, 5_061));
        assert_eq!(slot("{foo}:wait"), slot("foo"));
        assert_eq!(slot("x{foo}{bar}"), slot("foo"));
        assert_ne!(slot("{}foo"), slot("foo"));
        assert_eq!(slot("{millgate:email}:jobs"), slot("{millgate:email}:wake"));
    }
}
