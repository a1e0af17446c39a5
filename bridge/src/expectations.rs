//! How far each queue is to be, as it travels with a partition's offset.

use std::collections::BTreeMap;

use tracing::warn;

/// The version of the note's form.
const VERSION: &str = "1";
/// Kafka takes notes of 4,096 bytes (`offset.metadata.max.bytes`).
const MOST: usize = 4_000;

/// What was handed off of a partition: written beside its offset, and read by whoever has it next.
///
/// `1;email=499;stock=480`: by queue the last record that was handed off; `=499` without a queue: up to there poison lies on
/// the dead-letter topic, where the offset is below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expectations {
    pub(crate) queues: BTreeMap<String, i64>,
    pub(crate) buried: Option<i64>,
}

impl Expectations {
    /// Reads a note. One of another form says nothing.
    pub(crate) fn read(note: &str) -> Self {
        let mut expectations = Self::default();
        let Some(rest) = note.strip_prefix(VERSION).filter(|rest| rest.is_empty() || rest.starts_with(';')) else {
            if !note.is_empty() {
                warn!(note, "another program, or another version, has noted something here that is not understood");
            }
            return expectations;
        };
        for (name, offset) in rest.split(';').filter_map(|entry| entry.rsplit_once('=')) {
            let Ok(offset) = offset.parse() else { continue };
            if name.is_empty() {
                expectations.buried = Some(offset);
            } else {
                expectations.queues.insert(unescape(name), offset);
            }
        }
        expectations
    }

    /// The note that goes with the offset `next`.
    pub(crate) fn note(&self, next: i64) -> String {
        // Below the offset all is buried, and need not be said.
        let buried = self.buried.filter(|buried| *buried >= next);
        let mut note = buried.map_or_else(|| VERSION.to_owned(), |buried| format!("{VERSION};={buried}"));
        for (queue, offset) in &self.queues {
            let entry = format!(";{}={offset}", escape(queue));
            if note.len() + entry.len() > MOST {
                warn!(
                    queue,
                    "too many queues for Kafka to note how far each is; of the rest a loss is only seen while we run"
                );
                break;
            }
            note.push_str(&entry);
        }
        note
    }
}

fn escape(name: &str) -> String {
    name.replace('%', "%25").replace(';', "%3B")
}

fn unescape(name: &str) -> String {
    name.replace("%3B", ";").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let queues = [("email", 499), ("a;b=%3B", -1), ("stock", 0)].map(|(name, offset)| (name.to_owned(), offset));
        let all = Expectations { queues: BTreeMap::from(queues), buried: Some(70) };
        assert_eq!(Expectations::read(&all.note(50)), all);
        assert_eq!(Expectations::read(&all.note(71)).buried, None, "all below the offset is buried");
        let one = Expectations { queues: BTreeMap::from([("email".to_owned(), 499)]), buried: None };
        assert_eq!(one.note(500), "1;email=499");
    }

    #[test]
    fn a_note_of_another_form_says_nothing() {
        for note in ["", "1", "2;email=3", "10;email=3", "AgAAAA==", "1;email", "1;email=many"] {
            assert_eq!(Expectations::read(note), Expectations::default(), "{note}");
        }
    }

    #[test]
    fn a_note_is_never_longer_than_kafka_takes() {
        let queues = (0..1_000).map(|n| (format!("queue-{n:04}"), i64::MAX)).collect();
        let note = Expectations { queues, buried: None }.note(0);
        assert!((3_900..=4_000).contains(&note.len()), "{}", note.len());
        assert_eq!(Expectations::read(&note).queues["queue-0000"], i64::MAX);
    }
}
