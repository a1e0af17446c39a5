//! The stage that writes entries: a batch of a partition in one transaction, each entry tied to the one before it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use millgate_events::{Holding, Record};
use sqlx::PgConnection;

use super::{
    Audit, AuditLog, AuditSettings,
    chain::{Anchor, Chain},
    hash::hash,
    insert::insert,
    month::{self, Month},
    reading::Reading,
};
use crate::{Stage, StageError};

pub(super) struct Recorder {
    audit: Arc<Audit>,
    settings: AuditSettings,
}

/// What is remembered of a partition.
#[derive(Default)]
pub(super) struct Held {
    /// The month whose partition, and the next one's, is known to be there.
    month: Option<Month>,
    /// Whether what Kafka gives again was found to be what is recorded.
    is_same: bool,
}

impl Recorder {
    pub(super) fn new(audit: Arc<Audit>, settings: AuditSettings) -> Self {
        Self { audit, settings }
    }

    fn entries(&self, records: &[Record], chain: &mut Chain) -> Vec<AuditLog> {
        let reading = Reading { audit: &self.audit, settings: &self.settings };
        let entry = |record: &Record| {
            chain.number += 1;
            let (number, recorded_at) = (chain.number, chain.recorded_at);
            let mut entry = AuditLog { chain: chain.id, number, recorded_at, ..reading.entry(record) };
            entry.hash = hash(&chain.hash, &entry).to_vec();
            chain.hash.clone_from(&entry.hash);
            chain.record_offset = record.offset;
            entry
        };
        records.iter().map(entry).collect()
    }
}

impl Stage for Recorder {
    type State = Held;

    async fn open(&self, _: &Holding, _: &mut PgConnection) -> Result<Held, StageError> {
        Ok(Held::default())
    }

    async fn take(&self, held: &mut Held, records: &[Record], database: &mut PgConnection) -> Result<(), StageError> {
        let Some(first) = records.first() else { return Ok(()) };
        let mut chain = Chain::lock(&first.topic, first.partition, database).await?;
        let mut begin = records.partition_point(|record| record.offset <= chain.record_offset);
        // Only after a `streams reset`: the position is moved with the chain.
        if begin > 0 && !held.is_same {
            held.is_same = is_same(first, &chain, database).await?;
            if !held.is_same {
                chain = chain.anew(database).await?;
                begin = 0;
            }
        }
        let fresh = &records[begin..];
        if fresh.is_empty() {
            return Ok(());
        }
        let month = Month::of(chain.recorded_at);
        if held.month != Some(month) {
            month::make(chain.recorded_at, database).await?;
            held.month = Some(month);
        }
        insert(&self.entries(fresh, &mut chain), database).await?;
        Ok(chain.advance(database).await?)
    }
}

/// Whether a record at an offset that the chain is past is the one that was recorded there. If not, its topic was made anew.
async fn is_same(record: &Record, chain: &Chain, database: &mut PgConnection) -> Result<bool, StageError> {
    let time = record.timestamp.and_then(DateTime::from_timestamp_millis);
    let read = "SELECT record_offset, record_time FROM audit_logs WHERE chain = $1 AND number = $2";
    let anchor = Anchor::of(chain.id, database).await?;
    let (mut from, mut to) = (anchor.map_or(0, |anchor| anchor.number) + 1, chain.number);
    // The first entry that is not before it: offsets grow with numbers.
    let mut found: Option<(i64, Option<DateTime<Utc>>)> = None;
    while from <= to {
        let middle = from + (to - from) / 2;
        let row: Option<(i64, Option<DateTime<Utc>>)> =
            sqlx::query_as(read).bind(chain.id).bind(middle).fetch_optional(&mut *database).await?;
        match row {
            Some((offset, _)) if offset < record.offset => from = middle + 1,
            Some(row) => {
                found = Some(row);
                to = middle - 1;
            }
            // Somebody took it away, which `verify` tells. Nothing more can be known here.
            None => return Ok(false),
        }
    }
    Ok(match found {
        Some((offset, recorded)) if offset == record.offset => recorded == time,
        // Its month is gone, or it never came: it is older than what comes after it, unless it is another log's.
        Some((_, recorded)) => time <= recorded,
        // All months are gone.
        None => time < Some(chain.recorded_at),
    })
}
