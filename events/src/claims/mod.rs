//! Claim checks: a value too large for Kafka lies in a store, and its record says where.
//!
//! [`Claims`] is the way to the store. A producer checks a value in before its record is sent; whoever reads the record
//! redeems the claim before anything is decoded. Expiry takes away what is old, a day at a time.

mod config;
mod error;
mod expiry;
mod reference;
#[cfg(feature = "s3")]
mod s3;
mod size;
mod store;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tracing::debug;

use crate::{OutRecord, Record};

pub use config::ClaimConfig;
pub use error::{BadClaim, ClaimError};
pub use expiry::{ClaimDay, ClaimSweep};
pub use reference::Reference;
pub use size::Size;

use store::Store;

/// Values that are in memory at a time, in a process: eight times `claim_check.max` at most.
const AT_ONCE: usize = 8;

/// The way to the claim store, or its absence. Cheap to clone; all clones share one client.
#[derive(Clone, Default)]
pub struct Claims(Option<Arc<Inner>>);

struct Inner {
    store: Store,
    config: ClaimConfig,
    places: Semaphore,
}

/// A record with the value that it claims, which counts as in memory until this is dropped.
#[derive(Debug)]
pub struct Redeemed<'a> {
    /// The record, with its value in place.
    pub record: Record,
    _place: tokio::sync::SemaphorePermit<'a>,
}

impl Claims {
    /// The store that the configuration names, connected when first used. Off, if it names none.
    pub fn open(config: &ClaimConfig) -> Result<Self, ClaimError> {
        if config.store.is_empty() {
            return Ok(Self::default());
        }
        let (store, places) = (Store::open(&config.store)?, Semaphore::new(AT_ONCE));
        Ok(Self(Some(Arc::new(Inner { store, config: config.clone(), places }))))
    }

    /// Whether there is a store.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Marks the store as one of claims, and creates it if it is a folder. Once is enough, and for ever.
    pub async fn init(&self) -> Result<(), ClaimError> {
        self.inner()?.store.init().await
    }

    /// Whether the store can be reached, and is one.
    pub async fn check(&self) -> Result<(), ClaimError> {
        self.inner()?.store.check().await
    }

    /// Whether a record has no value of its own, but a reference to one.
    ///
    /// A value of no bytes is no tombstone, which has none at all; and a value beside a reference is the one that counts.
    pub fn is_claim(record: &Record) -> bool {
        record.value.as_ref().is_some_and(Bytes::is_empty) && record.headers.text(reference::REFERENCE).is_some()
    }

    /// Puts a value over the limit into the store, and its reference into the record. `now` is the day it is kept under.
    ///
    /// Any other record is left as it is.
    pub async fn check_in(&self, record: OutRecord, now: DateTime<Utc>) -> Result<OutRecord, ClaimError> {
        let (Some(inner), Some(value)) = (&self.0, record.value.clone()) else { return Ok(record) };
        let bytes = value.len() as u64;
        if bytes <= inner.config.limit.bytes() {
            return Ok(record);
        }
        if bytes > inner.config.max.bytes() {
            return Err(ClaimError::TooLarge { bytes, max: inner.config.max });
        }
        let reference = Reference::to(value.clone(), now.date_naive()).await;
        if inner.store.put(&reference, value).await? {
            debug!(%reference, bytes, "value is in the claim store");
        }
        let headers = reference.add_to(&record.headers);
        Ok(OutRecord { value: Some(Bytes::new()), headers, ..record })
    }

    /// The record with its value, which is what was checked in, byte for byte. For records that
    /// [are claims](Self::is_claim).
    ///
    /// The outer error is the store's, and may be gone later; the inner one is the record's, and stays. What is to be
    /// read is told by the record and the configuration only: a name that the store itself would not have given is
    /// refused, whoever wrote it.
    pub async fn redeem(&self, record: &Record) -> Result<Result<Redeemed<'_>, BadClaim>, ClaimError> {
        let Some(inner) = &self.0 else { return Ok(Err(BadClaim::Off)) };
        let reference = match Reference::of(&record.headers) {
            Ok(reference) => reference,
            Err(bad) => return Ok(Err(bad)),
        };
        let (bytes, max) = (reference.bytes, inner.config.max);
        if bytes > max.bytes() {
            return Ok(Err(BadClaim::TooLarge { bytes, max }));
        }
        // Never closed, so there is always a place sometime.
        let Ok(place) = inner.places.acquire().await else { return Ok(Err(BadClaim::Off)) };
        let value = match inner.store.get(&reference).await? {
            Ok(value) => value,
            Err(bad) => return Ok(Err(bad)),
        };
        if !reference.is_of(value.clone()).await {
            return Ok(Err(BadClaim::Corrupt { reference }));
        }
        Ok(Ok(Redeemed { record: Record { value: Some(value), ..record.clone() }, _place: place }))
    }

    /// Puts a value into the store by itself, of any size up to `claim_check.max`, and gives the name that
    /// [`fetch`](Self::fetch) knows it by: a document that a mail is to bring along. `now` is the day it is kept under.
    pub async fn keep(&self, value: Bytes, now: DateTime<Utc>) -> Result<Reference, ClaimError> {
        let inner = self.inner()?;
        let (bytes, max) = (value.len() as u64, inner.config.max);
        if bytes > max.bytes() {
            return Err(ClaimError::TooLarge { bytes, max });
        }
        let reference = Reference::to(value.clone(), now.date_naive()).await;
        inner.store.put(&reference, value).await?;
        Ok(reference)
    }

    /// The value of that name, if it has no more than `most` bytes. As with [`redeem`](Self::redeem) the outer error may be
    /// gone later and the inner one stays, and no name leads out of the store.
    pub async fn fetch(&self, name: &str, most: Size) -> Result<Result<Bytes, BadClaim>, ClaimError> {
        let inner = self.inner()?;
        let Some(mut reference) = Reference::named(name) else {
            let start: String = name.chars().take(100).collect();
            return Ok(Err(BadClaim::Refused(format!("the name is {start:?}"))));
        };
        let bytes = match inner.store.size(&reference).await? {
            Ok(bytes) => bytes,
            Err(bad) => return Ok(Err(bad)),
        };
        if bytes > most.bytes() {
            return Ok(Err(BadClaim::TooLarge { bytes, max: most }));
        }
        reference.bytes = bytes;
        let value = match inner.store.get(&reference).await? {
            Ok(value) => value,
            Err(bad) => return Ok(Err(bad)),
        };
        Ok(if reference.is_of(value.clone()).await { Ok(value) } else { Err(BadClaim::Corrupt { reference }) })
    }

    fn inner(&self) -> Result<&Inner, ClaimError> {
        self.0.as_deref().ok_or(ClaimError::Off)
    }
}
