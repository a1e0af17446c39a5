//! References: what a record says about a value that lies elsewhere.
//!
//! `ce_dataref` is CloudEvents' own extension for this
//! (<https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md>), here always relative to the store;
//! hash and length are ours.

use std::fmt;

use bytes::Bytes;
use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::BadClaim;
use crate::Headers;

pub(super) const REFERENCE: &str = "ce_dataref";
const HASH: &str = "ce_datarefsha256";
const LENGTH: &str = "ce_datareflength";

/// Where a value is, and what it must be: `2026-03-01/` and the SHA-256 in hexadecimal digits.
///
/// There is no other way to write one, so what has been read as a reference cannot lead anywhere but into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(super) day: NaiveDate,
    hash: String,
    pub(super) bytes: u64,
}

impl Reference {
    /// A reference to this value, kept under that day.
    pub(super) async fn to(value: Bytes, day: NaiveDate) -> Self {
        let bytes = value.len() as u64;
        Self { day, hash: hash(value).await, bytes }
    }

    /// The reference of that name, if it is one; its length is not known yet.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (day, hash) = parse(name)?;
        Some(Self { day, hash: hash.to_owned(), bytes: 0 })
    }

    /// The reference in a record's headers.
    pub(super) fn of(headers: &Headers) -> Result<Self, BadClaim> {
        let text = |name| headers.text(name).ok_or_else(|| BadClaim::Refused(format!("{name} is missing")));
        let name = text(REFERENCE)?;
        let (day, hash) = parse(name).ok_or_else(|| {
            // Whoever wrote it can write anything, and this goes to logs.
            let start: String = name.chars().take(100).collect();
            BadClaim::Refused(format!("{REFERENCE} is {start:?}"))
        })?;
        if text(HASH)? != hash {
            return Err(BadClaim::Refused(format!("{HASH} is not the hash in {REFERENCE}")));
        }
        let bytes = text(LENGTH)?.parse().map_err(|_| BadClaim::Refused(format!("{LENGTH} is no number")))?;
        Ok(Self { day, hash: hash.to_owned(), bytes })
    }

    /// The headers with this reference, and no other.
    pub(super) fn add_to(&self, headers: &Headers) -> Headers {
        // In front: of a record with long headers a dead letter keeps the first.
        let mut added = Headers::new();
        added.push(REFERENCE, self.to_string());
        added.push(HASH, self.hash.clone());
        added.push(LENGTH, self.bytes.to_string());
        for (name, value) in headers.iter().filter(|(name, _)| ![REFERENCE, HASH, LENGTH].contains(name)) {
            added.push_raw(name.to_owned(), value.cloned());
        }
        added
    }

    /// Whether this is the value that is meant.
    pub(super) async fn is_of(&self, value: Bytes) -> bool {
        value.len() as u64 == self.bytes && hash(value).await == self.hash
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.day, self.hash)
    }
}

/// The day and the hash in a name, if it is one of ours.
pub(super) fn parse(name: &str) -> Option<(NaiveDate, &str)> {
    let (day, hash) = name.split_once('/')?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    Some((parse_day(day)?, hash)).filter(|_| is_hash)
}

/// The day that a folder is for. There is one way to write a day.
pub(super) fn parse_day(text: &str) -> Option<NaiveDate> {
    text.parse().ok().filter(|day: &NaiveDate| text.len() == 10 && day.to_string() == text)
}

/// On a thread that may be busy: this takes milliseconds a megabyte.
async fn hash(value: Bytes) -> String {
    let hash = tokio::task::spawn_blocking(move || Bytes::copy_from_slice(&Sha256::digest(&value))).await;
    // A runtime that ends lets nobody know the answer, and no hash is empty.
    hash.map(|hash| format!("{hash:x}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "2026-03-01/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[tokio::test]
    async fn a_reference_survives_the_headers_and_stands_first() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        let reference = Reference::to(Bytes::from_static(b"abc"), day).await;
        assert_eq!(reference.to_string(), NAME, "the hash of `abc` in FIPS 180-4");
        let before: Headers = [("ce_id", "1"), ("ce_dataref", "old"), ("own", "kept")].into_iter().collect();
        let headers = reference.add_to(&before);
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [REFERENCE, HASH, LENGTH, "ce_id", "own"]);
        assert_eq!(Reference::of(&headers).unwrap(), reference);
        assert!(reference.is_of(Bytes::from_static(b"abc")).await);
        assert!(!reference.is_of(Bytes::from_static(b"abd")).await);
    }

    #[test]
    fn only_names_of_the_store_itself_are_references() {
        assert!(parse(NAME).is_some());
        let hash = &NAME[11..];
        for name in [
            "",
            "/etc/passwd",
            "../../etc/passwd",
            "file:///etc/passwd",
            "https://elsewhere.example/x",
            "s3://bucket/x",
            hash,
            &format!("/{NAME}"),
            &format!("x/{NAME}"),
            &format!("{NAME}/.."),
            &format!("{NAME}?a"),
            &format!("2026-03-01/../2026-03-01/{hash}"),
            &format!("2026-03-01%2F{hash}"),
            &format!("2026-3-1/{hash}"),
            &format!("2026-02-30/{hash}"),
            &format!("+12026-03-01/{hash}"),
            &format!("2026-03-01/{}", hash.to_uppercase()),
            &format!("2026-03-01/{}", &hash[1..]),
            &format!("2026-03-01\\{hash}"),
            &format!("2026-03-01/{}\0", &hash[1..]),
        ] {
            assert!(parse(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn hash_and_length_must_be_there_and_agree() {
        let hash = &NAME[11..];
        let other = hash.replace('b', "c");
        for (headers, told) in [
            (vec![(REFERENCE, NAME)], "ce_datarefsha256 is missing"),
            (vec![(REFERENCE, NAME), (HASH, &other), (LENGTH, "3")], "is not the hash"),
            (vec![(REFERENCE, NAME), (HASH, hash)], "ce_datareflength is missing"),
            (vec![(REFERENCE, NAME), (HASH, hash), (LENGTH, "-3")], "is no number"),
        ] {
            let bad = Reference::of(&headers.into_iter().collect()).unwrap_err();
            assert!(bad.code() == "claim_refused" && bad.to_string().contains(told), "{bad}");
        }
    }
}
