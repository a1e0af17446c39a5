//! How values get onto topics and off them.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    BadClaim, BadWire, ClaimError, Claims, Headers, KafkaError, OutRecord, Record, Redeemed, RegistryError,
    SchemaRegistry,
};

/// Where values lie that are too large for Kafka, and by which schemas they are written. Cheap to clone.
#[derive(Clone, Default)]
pub struct Values {
    claims: Claims,
    registry: SchemaRegistry,
}

/// A record with its value as it was published: JSON, if all went well.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The record.
    pub record: Record,
    _claimed: Option<Redeemed<'a>>,
}

/// A store or a registry that cannot be used, or not now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The claim store.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The schema registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why a record's value cannot be had, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadValue {
    /// It lies in a claim store.
    #[error(transparent)]
    Claim(#[from] BadClaim),
    /// It is in Confluent's wire format.
    #[error(transparent)]
    Wire(#[from] BadWire),
}

impl BadValue {
    /// A word for dashboards and headers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Claim(bad) => bad.code(),
            Self::Wire(bad) => bad.code(),
        }
    }
}

impl From<Claims> for Values {
    fn from(claims: Claims) -> Self {
        Self { claims, registry: SchemaRegistry::default() }
    }
}

impl Values {
    /// Values that go by this store and this registry, each of which may be off.
    pub fn new(claims: Claims, registry: SchemaRegistry) -> Self {
        Self { claims, registry }
    }

    /// Where large values go.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Where schemas are.
    pub fn registry(&self) -> &SchemaRegistry {
        &self.registry
    }

    /// Whether a record has to be [opened](Self::open) before it can be read: its value lies elsewhere, or is in the wire format.
    pub fn is_closed(record: &Record) -> bool {
        SchemaRegistry::is_wire(record) || Claims::is_claim(record)
    }

    /// The record with its value where it belongs, and as JSON. For records that [are closed](Self::is_closed).
    ///
    /// The outer error is that of a server, and may be gone later; the inner one is the record's, and stays.
    pub async fn open(&self, record: &Record) -> Result<Result<Opened<'_>, BadValue>, ValueError> {
        let (record, claimed) = if Claims::is_claim(record) {
            match self.claims.redeem(record).await? {
                Ok(redeemed) => (redeemed.record.clone(), Some(redeemed)),
                Err(bad) => return Ok(Err(bad.into())),
            }
        } else {
            (record.clone(), None)
        };
        if !SchemaRegistry::is_wire(&record) {
            return Ok(Ok(Opened { record, _claimed: claimed }));
        }
        let read = self.registry.read(&record).await?;
        Ok(read.map(|record| Opened { record, _claimed: claimed }).map_err(BadValue::from))
    }

    /// A value in the wire format as JSON, for those who look at it, if it can be read just now.
    pub async fn shown(&self, value: &[u8]) -> Option<Bytes> {
        let record = Record {
            topic: "".into(),
            partition: 0,
            offset: 0,
            timestamp: None,
            key: None,
            value: Some(Bytes::copy_from_slice(value)),
            headers: Headers::new(),
        };
        if !SchemaRegistry::is_wire(&record) {
            return None;
        }
        self.registry.read(&record).await.ok()?.ok()?.value
    }

    /// The record as it goes onto its topic: in the wire format if the topic is written so, and by the claim store if it is too large
    /// for Kafka. `now` is the day that it is kept under.
    pub(crate) async fn close(&self, record: OutRecord, now: DateTime<Utc>) -> Result<OutRecord, KafkaError> {
        let record = self.registry.write(record).await?;
        Ok(self.claims.check_in(record, now).await?)
    }

    /// Whether records can go as they are.
    pub(crate) fn are_plain(&self) -> bool {
        !self.claims.is_on() && !self.registry.is_on()
    }
}
