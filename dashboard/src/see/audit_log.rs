//! The audit log as one sees it: what happened to the application's things, by its events.

use millgate_events::Value;
use millgate_streams::{AuditFilter, AuditLog, AuditLogs, AuditPlace, StreamError};
use serde::{Deserialize, Serialize};

use super::{Mask, SeeError, When, letters::said, payload};
use crate::Site;

/// Entries on a page, if nothing is said; and at most.
const ENTRIES: u32 = 50;
const MOST_ENTRIES: u32 = 1_000;

/// Which entries one wants to see. What is empty lets every entry through.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AuditChoice {
    /// Done by this user.
    #[serde(deserialize_with = "said")]
    pub user: Option<String>,
    /// Done to this.
    #[serde(deserialize_with = "said")]
    pub resource: Option<String>,
    /// Of this event type; `order.*`: of every type that begins with `order.`.
    #[serde(rename = "type", deserialize_with = "said")]
    pub event_type: Option<String>,
    /// Of this topic, with the prefix or without.
    #[serde(deserialize_with = "said")]
    pub topic: Option<String>,
    /// Of this action.
    #[serde(deserialize_with = "said")]
    pub action: Option<String>,
    /// Set off by this request.
    #[serde(deserialize_with = "said")]
    pub correlation: Option<String>,
    /// Only what went wrong.
    #[serde(deserialize_with = "said")]
    pub errors: Option<bool>,
    /// That happened then or later.
    #[serde(deserialize_with = "said")]
    pub since: Option<When>,
    /// That happened before.
    #[serde(deserialize_with = "said")]
    pub until: Option<When>,
    /// Behind this place.
    #[serde(deserialize_with = "said")]
    pub after: Option<AuditPlace>,
    /// At most so many.
    #[serde(deserialize_with = "said")]
    pub limit: Option<u32>,
}

/// An entry, as far as it may be shown.
#[derive(Debug, Clone, Serialize)]
pub struct AuditView {
    /// All but its value.
    #[serde(flatten)]
    pub entry: AuditLog,
    /// Its value: JSON, else text, else `{"hex": …}`.
    pub payload: Option<Value>,
}

/// Entries, what happened last first.
#[derive(Debug, Serialize)]
pub struct AuditPage {
    /// These.
    pub entries: Vec<AuditView>,
    /// Behind this place there are more.
    pub more_after: Option<AuditPlace>,
}

impl From<StreamError> for SeeError {
    fn from(error: StreamError) -> Self {
        Self::Away(error.to_string())
    }
}

/// Says that there is no audit log, and what to do.
pub fn no_audit_log() -> String {
    "this application keeps no audit log of its events; add App::audit(…), and run `millgate migrate` and `millgate streams run`; what \
     operators did is at `millgate audit list`"
        .to_owned()
}

fn logs(site: &Site) -> Result<&AuditLogs, SeeError> {
    site.audit_logs.as_ref().ok_or_else(|| SeeError::Missing(no_audit_log()))
}

/// Entries, a page of them.
pub async fn audit_logs(site: &Site, choice: &AuditChoice, mask: Mask<'_>) -> Result<AuditPage, SeeError> {
    let logs = logs(site)?;
    let now = logs.now().await?;
    let prefix = site.kafka().topic_prefix;
    let filter = AuditFilter {
        user: choice.user.clone(),
        resource: choice.resource.clone(),
        event_type: choice.event_type.clone(),
        topics: choice.topic.iter().flat_map(|topic| [topic.clone(), format!("{prefix}{topic}")]).collect(),
        action: choice.action.clone(),
        correlation_id: choice.correlation.clone(),
        errors: choice.errors.unwrap_or_default(),
        since: choice.since.map(|when| when.before(now)),
        until: choice.until.map(|when| when.before(now)),
        after: choice.after,
    };
    let most = choice.limit.unwrap_or(ENTRIES).clamp(1, MOST_ENTRIES);
    // One more, to know whether there are.
    let mut entries = logs.search(&filter, most + 1).await?;
    let has_more = entries.len() > most as usize;
    entries.truncate(most as usize);
    let more_after = entries.last().filter(|_| has_more).map(AuditPlace::of);
    Ok(AuditPage { entries: entries.into_iter().map(|entry| shown(entry, mask)).collect(), more_after })
}

/// One entry, by its chain and its number.
pub async fn audit_log(site: &Site, chain: i32, number: i64, mask: Mask<'_>) -> Result<Option<AuditView>, SeeError> {
    Ok(logs(site)?.get(chain, number).await?.map(|entry| shown(entry, mask)))
}

fn shown(entry: AuditLog, mask: Mask<'_>) -> AuditView {
    let payload = entry.value().map(|bytes| payload(&entry.event_type, bytes, mask));
    AuditView { entry, payload }
}
