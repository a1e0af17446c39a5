//! Which of the records that were read are wanted.

use std::sync::Arc;

use super::{ReplayError, Selection, Tally};
use crate::{EventMeta, Incoming, Record, Values};

/// A record that is wanted.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// As it lies on its topic: one that is a claim has no value of its own.
    pub record: Record,
    /// Its attributes; nothing: it is a tombstone.
    pub meta: Option<Arc<EventMeta>>,
}

impl Chosen {
    /// `topic/partition/offset`.
    pub fn place(&self) -> String {
        place(&self.record)
    }
}

pub(super) fn place(record: &Record) -> String {
    format!("{}/{}/{}", record.topic, record.partition, record.offset)
}

/// What it takes to choose.
pub(super) struct Chooser<'a> {
    pub(super) selection: &'a Selection,
    pub(super) values: &'a Values,
    pub(super) topic_prefix: &'a str,
    pub(super) strict: bool,
}

impl Chooser<'_> {
    /// Those that are wanted. What cannot be read is counted, and left out.
    pub(super) async fn choose(&self, records: Vec<Record>, tally: &mut Tally) -> Result<Vec<Chosen>, ReplayError> {
        let mut chosen = Vec::with_capacity(records.len());
        for record in records {
            let topic = record.topic.clone();
            let topic = topic.strip_prefix(self.topic_prefix).unwrap_or(&topic);
            let meta = match self.meta(&record, topic).await? {
                Ok(meta) => meta,
                Err(reason) if self.strict => return Err(ReplayError::Unreadable { place: place(&record), reason }),
                Err(reason) => {
                    tally.skip(&place(&record), &reason);
                    continue;
                }
            };
            let is_wanted = match &meta {
                None => !self.selection.is_about_events(),
                Some(meta) => self.selection.wants(meta),
            };
            if is_wanted {
                let one = Chosen { record, meta };
                tally.select(&one, topic);
                chosen.push(one);
            }
        }
        Ok(chosen)
    }

    /// Its attributes, or why there are none.
    async fn meta(&self, record: &Record, topic: &str) -> Result<Result<Option<Arc<EventMeta>>, String>, ReplayError> {
        let read = |record: &Record| match Incoming::read(record, topic) {
            Ok(incoming) => Ok(incoming.map(|incoming| incoming.meta)),
            Err(error) => Err(error.to_string()),
        };
        // Most of them say in their headers what they are.
        if !Values::is_closed(record) || record.headers.text("ce_type").is_some() {
            return Ok(read(record));
        }
        let opened = self.values.open(record).await.map_err(|away| ReplayError::Away(away.to_string()))?;
        Ok(opened.map_err(|bad| bad.to_string()).and_then(|whole| read(&whole.record)))
    }
}
