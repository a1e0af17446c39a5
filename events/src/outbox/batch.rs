//! Events of one topic that go to Kafka together.

use std::collections::{BTreeMap, HashSet};

use super::row::Row;
use crate::{KafkaError, Producer};

/// Rows of one topic, in their order.
pub(super) struct Batch {
    pub(super) topic: String,
    rows: Vec<Row>,
}

/// What became of a batch.
pub(super) struct Settled {
    pub(super) topic: String,
    /// Positions of rows that are on Kafka, and may go.
    pub(super) published: Vec<i64>,
    /// Whether one of these had been refused before.
    pub(super) recovered: bool,
    /// Rows that Kafka cannot take as they are, and why.
    pub(super) refused: Vec<(Row, String)>,
    /// Why the topic takes nothing at all for now.
    pub(super) trouble: Option<KafkaError>,
}

impl Batch {
    /// Sorts rows by topic. Leaves out those behind a row whose ack they have to wait for.
    pub(super) fn group(rows: Vec<Row>) -> Vec<Self> {
        let mut topics: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        let mut held = HashSet::new();
        for row in rows {
            let lane = (row.topic.clone(), row.key.clone());
            if held.contains(&lane) {
                continue;
            }
            if row.goes_first() {
                held.insert(lane);
            }
            topics.entry(row.topic.clone()).or_default().push(row);
        }
        topics.into_iter().map(|(topic, rows)| Self { topic, rows }).collect()
    }

    /// Publishes all, and waits for all.
    pub(super) async fn publish(self, producer: Producer) -> Settled {
        let mut settled =
            Settled { topic: self.topic, published: Vec::new(), recovered: false, refused: Vec::new(), trouble: None };
        // Keys of which something did not go. What lies behind it stays too, even if it is on Kafka by then: it is
        // published again, so that the last that Kafka has of a key is the last that there is.
        let mut held = HashSet::new();
        let (mut rows, mut records) = (Vec::with_capacity(self.rows.len()), Vec::with_capacity(self.rows.len()));
        for mut row in self.rows {
            if held.contains(&row.key) {
                continue;
            }
            match row.record(producer.source()) {
                Ok(record) => {
                    records.push(record);
                    rows.push(row);
                }
                Err(reason) => {
                    held.insert(row.key.clone());
                    settled.refused.push((row, reason));
                }
            }
        }
        for (row, answer) in rows.into_iter().zip(producer.publish_records(records).await) {
            if answer.is_ok() && !held.contains(&row.key) {
                settled.published.push(row.position);
                settled.recovered |= row.tries.is_some();
                continue;
            }
            let Err(error) = answer else { continue };
            if held.insert(row.key.clone()) && error.is_about_the_record() {
                settled.refused.push((row, error.to_string()));
            } else if !error.is_about_the_record() {
                settled.trouble = Some(error);
            }
        }
        settled
    }
}
