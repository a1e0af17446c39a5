//! How far each queue is in each partition: to be looked at, and to be set by people.
//!
//! A bridge goes by what lies in Redis, whether it runs or not: one that waits sees within seconds what was set, and one
//! that finds less than it expected reads Kafka again from there.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use millgate_events::{KafkaConfig, KafkaError, Lag, Logs};
use millgate_jobs::{Expected, HandedOff, Portion, QueueError, Queues, Watermark};

use crate::{Routes, expectations::Expectations, partition::source};

/// For an answer of Kafka.
const QUESTION: Duration = Duration::from_secs(10);

/// The watermarks of all queues that routes fill.
pub struct Watermarks {
    queues: Queues,
    logs: Logs,
    group: String,
    topic_prefix: String,
    topics: Vec<&'static str>,
    names: Vec<String>,
}

/// Which are meant: all, if nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Those of this queue.
    pub queue: Option<String>,
    /// Those of this topic, with the prefix or without.
    pub topic: Option<String>,
}

/// A queue and a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkState {
    /// The queue.
    pub queue: String,
    /// The topic, as Kafka names it.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Where Kafka's log of it begins and ends.
    pub log: (i64, i64),
    /// The last record that the bridge has noted as handed off.
    pub expected: Option<i64>,
    /// The last one that the queue knows of.
    pub stored: Option<Watermark>,
    /// How these go together.
    pub finding: Finding,
}

/// What is to be said of a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Well,
    /// Redis went back in time; the bridge hands off again what is missing.
    Behind,
    /// Redis went back to a time that Kafka has not kept.
    Gone,
    /// Redis lost its data.
    Empty,
    /// Kafka's log ends before it: the topic was made anew.
    Another,
}

impl Finding {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Behind => "behind",
            Self::Gone => "gone",
            Self::Empty => "empty",
            Self::Another => "another",
        }
    }
}

/// Why watermarks could not be shown or set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatermarkError {
    /// Kafka cannot be asked.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Redis cannot be asked.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A bridge was quicker.
    #[error("the watermark of queue {queue} for {topic}/{partition} moves just now; stop the bridge, or try again")]
    Moved {
        /// The queue.
        queue: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

impl Watermarks {
    /// Those of the queues and topics of these routes.
    pub fn new(kafka: &KafkaConfig, routes: &Routes, queues: Queues) -> Self {
        Self {
            queues,
            logs: Logs::new(kafka, QUESTION),
            group: kafka.consumer_group.clone(),
            topic_prefix: kafka.topic_prefix.clone(),
            topics: routes.topics().collect(),
            names: routes.queues().into_iter().collect(),
        }
    }

    /// All that are noted or stored.
    pub async fn list(&self, choice: &Choice) -> Result<Vec<WatermarkState>, WatermarkError> {
        let mut stored = BTreeMap::new();
        for name in self.names.iter().filter(|name| choice.queue.as_deref().is_none_or(|queue| queue == name.as_str()))
        {
            stored.insert(name.as_str(), self.queues.queue(name).watermarks().await?);
        }
        let is_chosen = |topic: &&str| {
            let chosen = choice.topic.as_deref();
            chosen.is_none_or(|chosen| chosen.strip_prefix(self.topic_prefix.as_str()).unwrap_or(chosen) == *topic)
        };
        let topics: Vec<&str> = self.topics.iter().copied().filter(is_chosen).collect();
        let mut states = Vec::new();
        for Lag { topic, partition, note, begin, end, .. } in self.logs.standings(&topics).await? {
            let (expectations, log) = (Expectations::read(&note), (begin, end));
            for (queue, marks) in &stored {
                let stored = marks.get(&source(&self.group, &topic, partition)).copied();
                let expected = expectations.queues.get(*queue).copied();
                if expected.is_some() || stored.is_some() {
                    let finding = find(log, expected, stored.map(|stored| stored.offset));
                    let (queue, topic) = ((*queue).to_owned(), topic.to_string());
                    states.push(WatermarkState { queue, topic, partition, log, expected, stored, finding });
                }
            }
        }
        states.sort_by(|a, b| (&a.queue, &a.topic, a.partition).cmp(&(&b.queue, &b.topic, b.partition)));
        Ok(states)
    }

    /// Gives up what cannot be had again, and lets the bridge go on behind it: a queue that knows nothing is taken to have
    /// got all that was noted, and one that Kafka has not kept enough for to have got all up to what it kept. Others
    /// stay as they are. Gives those that were set.
    pub async fn go_on(&self, choice: &Choice) -> Result<Vec<WatermarkState>, WatermarkError> {
        let mut set = Vec::new();
        for state in self.list(choice).await? {
            let to = match (state.finding, state.expected) {
                (Finding::Empty, Some(expected)) => expected,
                (Finding::Gone, _) => state.log.0 - 1,
                _ => continue,
            };
            set.push(self.set(state, to).await?);
        }
        Ok(set)
    }

    /// Lets the events since `from` be handed off again, or all that Kafka has. A queue that is not as far as that stays as it
    /// is. Gives those that were set.
    pub async fn rewind(
        &self,
        choice: &Choice,
        from: Option<DateTime<Utc>>,
    ) -> Result<Vec<WatermarkState>, WatermarkError> {
        let mut set = Vec::new();
        for state in self.list(choice).await? {
            let to = match from {
                Some(time) => self.logs.offset_at(&state.topic, state.partition, time).await? - 1,
                None => state.log.0 - 1,
            };
            if state.stored.is_none_or(|stored| to < stored.offset) {
                set.push(self.set(state, to).await?);
            }
        }
        Ok(set)
    }

    async fn set(&self, state: WatermarkState, to: i64) -> Result<WatermarkState, WatermarkError> {
        let WatermarkState { queue, topic, partition, log, .. } = &state;
        let is_there = log.0 <= to && to < log.1;
        let found = if is_there { self.logs.record_at(topic, *partition, to).await? } else { None };
        let timestamp = found.filter(|found| found.offset == to).and_then(|found| found.timestamp).unwrap_or(-1);
        let mark = Watermark { offset: to, timestamp };
        let expected = state.stored.map_or(Expected::Nothing, |stored| Expected::At(stored.offset));
        let portion = Portion { mark, jobs: Vec::new() };
        let source = source(&self.group, topic, *partition);
        match self.queues.queue(queue).hand_off(&source, expected, &[portion]).await? {
            HandedOff::Done(_) => Ok(WatermarkState { stored: Some(mark), ..state }),
            HandedOff::Elsewhere(_) => {
                let WatermarkState { queue, topic, partition, .. } = state;
                Err(WatermarkError::Moved { queue, topic, partition })
            }
        }
    }
}

fn find((begins, ends): (i64, i64), expected: Option<i64>, stored: Option<i64>) -> Finding {
    match (expected, stored) {
        (_, Some(stored)) if ends <= stored => Finding::Another,
        (Some(expected), Some(stored)) if stored < expected && begins > stored + 1 => Finding::Gone,
        (Some(expected), Some(stored)) if stored < expected => Finding::Behind,
        (Some(_), None) => Finding::Empty,
        _ => Finding::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_compared_with_the_note_and_the_log() {
        for (log, expected, stored, finding) in [
            ((0, 10), Some(9), Some(9), Finding::Well),
            ((0, 10), None, Some(9), Finding::Well),
            ((0, 10), Some(5), Some(9), Finding::Well),
            ((0, 10), Some(9), Some(5), Finding::Behind),
            ((0, 10), Some(9), Some(-1), Finding::Behind),
            ((6, 10), Some(9), Some(5), Finding::Behind),
            ((7, 10), Some(9), Some(5), Finding::Gone),
            ((7, 10), Some(5), Some(5), Finding::Well),
            ((0, 10), Some(9), None, Finding::Empty),
            ((0, 10), None, Some(10), Finding::Another),
        ] {
            assert_eq!(find(log, expected, stored), finding, "{log:?} {expected:?} {stored:?}");
        }
    }
}
