//! Which topic a dead letter goes to.

use std::collections::BTreeMap;

/// A topic for dead letters, and others for those of some domains. All without the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterTopics {
    default: String,
    by_domain: BTreeMap<String, String>,
}

impl From<&str> for DeadLetterTopics {
    fn from(default: &str) -> Self {
        Self { default: default.to_owned(), by_domain: BTreeMap::new() }
    }
}

impl DeadLetterTopics {
    /// Reads what differs from the default: `order=orders-dlq`. Gives the text that cannot be meant, if one cannot.
    pub fn read<'a>(default: &str, domains: &'a [String]) -> Result<Self, &'a str> {
        let mut topics = Self::from(default);
        for text in domains {
            let (domain, topic) =
                text.split_once('=').map(|(domain, topic)| (domain.trim(), topic.trim())).ok_or(text.as_str())?;
            let is_new = topics.by_domain.insert(domain.to_owned(), topic.to_owned()).is_none();
            if domain.is_empty() || domain.contains('.') || topic.is_empty() || !is_new {
                return Err(text);
            }
        }
        Ok(topics)
    }

    /// All of them, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.by_domain.values().chain([&self.default]).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// That of a domain: the part of an event's type before its first dot, or the queue of a job without an event.
    pub(super) fn topic_of(&self, domain: &str) -> &str {
        self.by_domain.get(domain).unwrap_or(&self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(domains: &[&str]) -> Result<DeadLetterTopics, String> {
        let domains: Vec<String> = domains.iter().map(|text| (*text).to_owned()).collect();
        DeadLetterTopics::read("dlq", &domains).map_err(str::to_owned)
    }

    #[test]
    fn a_domain_may_have_a_topic_of_its_own() {
        let topics = read(&["order=orders-dlq", " user = people-dlq"]).unwrap();
        assert_eq!(
            (topics.topic_of("order"), topics.topic_of("user"), topics.topic_of("")),
            ("orders-dlq", "people-dlq", "dlq")
        );
        assert_eq!(topics.names(), ["dlq", "orders-dlq", "people-dlq"]);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for wrong in ["order", "=dlq", "order=", "order.created=dlq"] {
            assert_eq!(read(&["a=b", wrong]).unwrap_err(), wrong);
        }
        assert_eq!(read(&["a=b", "a=c"]).unwrap_err(), "a=c");
    }
}
