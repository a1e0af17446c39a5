//! What is recorded, and how it is read.

use std::{fmt, sync::Arc};

use millgate_events::Value;

use super::{
    AUDIT,
    rule::{AuditEvent, Rule},
    stage::Recorder,
};
use crate::Stream;

/// Hides what nobody is shown in an event of a type, or in a job of a kind that goes back to one; says whether there was something.
pub type Hide = Arc<dyn Fn(Option<&str>, Option<&str>, &mut Value) -> bool + Send + Sync>;

/// What an application knows that the audit needs.
#[derive(Clone)]
pub struct AuditSettings {
    /// What Kafka's topic names begin with.
    pub topic_prefix: String,
    /// Topics of the events that are known, without the prefix.
    pub topics: Vec<String>,
    /// Topics of dead letters, without the prefix.
    pub dead_letter_topics: Vec<String>,
    /// What is kept out of the table.
    pub hide: Hide,
}

/// What is recorded, and where its parts come from.
///
/// ```
/// use millgate_streams::Audit;
///
/// Audit::default().topics(["order.created", "user.registered"]).user("customer_id").resource_by(|event| {
///     Some(format!("order/{}", event.payload.get("order_id")?.as_str()?))
/// });
/// ```
#[derive(Default)]
pub struct Audit {
    topics: Vec<String>,
    pub(super) user: Vec<Rule>,
    pub(super) resource: Vec<Rule>,
    pub(super) action: Vec<Rule>,
    pub(super) error: Vec<Rule>,
}

impl Audit {
    /// Topics to record, without the prefix, beside those named before. If none are named: those of all events that the application
    /// knows. Dead letters are recorded in any case.
    #[must_use]
    pub fn topics(mut self, topics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.topics.extend(topics.into_iter().map(Into::into));
        self
    }

    /// Where in a payload it stands who did it: `customer.id`. Several can be named; the first one that is there counts. The headers
    /// `audit-user` and `ce_authid` go before it.
    #[must_use]
    pub fn user(mut self, path: &str) -> Self {
        self.user.push(Rule::path(path));
        self
    }

    /// The same by a function.
    #[must_use]
    pub fn user_by(mut self, by: impl Fn(&AuditEvent<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.user.push(Rule::Function(Box::new(by)));
        self
    }

    /// Where in a payload it stands what it was done to. The header `audit-resource` goes before it; where there is nothing, it is the
    /// event's subject (`ce_subject`), which is its key if nobody says otherwise.
    #[must_use]
    pub fn resource(mut self, path: &str) -> Self {
        self.resource.push(Rule::path(path));
        self
    }

    /// The same by a function.
    #[must_use]
    pub fn resource_by(mut self, by: impl Fn(&AuditEvent<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.resource.push(Rule::Function(Box::new(by)));
        self
    }

    /// Where in a payload it stands what was done. The header `audit-action` goes before it; where there is nothing, it is the last part
    /// of the event's type: `created`.
    #[must_use]
    pub fn action(mut self, path: &str) -> Self {
        self.action.push(Rule::path(path));
        self
    }

    /// Says what went wrong, if something did. Beside that, an event is an error if its type has a word like `failed` or `error` in it.
    #[must_use]
    pub fn error_by(mut self, by: impl Fn(&AuditEvent<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.error.push(Rule::Function(Box::new(by)));
        self
    }

    /// The stream that records it.
    pub fn stream(self: Arc<Self>, settings: AuditSettings) -> Stream {
        let mut topics = if self.topics.is_empty() { settings.topics.clone() } else { self.topics.clone() };
        topics.extend(settings.dead_letter_topics.iter().cloned());
        topics.sort_unstable();
        topics.dedup();
        Stream::new(AUDIT, topics, Recorder::new(self, settings))
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("topics", &self.topics).finish_non_exhaustive()
    }
}
