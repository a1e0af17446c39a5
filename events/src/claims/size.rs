//! Sizes as people write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The larger come first: a size is shown in the largest unit that leaves no fraction.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes, written `900kB` (thousands) or `32MiB` (of 1,024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// So many bytes.
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let text = text.trim();
            let (number, name) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
            let (_, unit) = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name.trim_start()))?;
            number.parse::<u64>().ok()?.checked_mul(*unit)
        };
        read().map(Self).ok_or_else(|| format!(r#"expected a size such as "900kB", "1MiB" or "20MB", found {text:?}"#))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_and_shown_with_its_unit() {
        for (text, bytes, shown) in [
            ("900kB", 900_000, "900kB"),
            (" 900 kb ", 900_000, "900kB"),
            ("32MiB", 33_554_432, "32MiB"),
            ("20MB", 20_000_000, "20MB"),
            ("1048577B", 1_048_577, "1048577B"),
            ("0B", 0, "0B"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(shown.parse(), Ok(size));
        }
        for wrong in ["", "900", "kB", "-1kB", "1.5MB", "1 stone", "99999999999999999999B", "18446744073709551615kB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
