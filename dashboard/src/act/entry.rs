//! The audit: who did what, when, and what came of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::{ActError, Action, Actor, Performed};
use crate::Site;

/// So many reasons are written down.
const REFUSED: usize = 10;

/// By which way an action came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The dashboard's pages.
    Page,
    /// Its API.
    Api,
    /// The command line.
    CommandLine,
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id, which the log gives.
    #[serde(default)]
    pub id: String,
    /// When it was done, by the clock of Redis; its id says so.
    #[serde(default)]
    pub at: DateTime<Utc>,
    /// Who did it.
    pub who: String,
    /// How they came.
    pub via: Via,
    /// What they wanted.
    pub action: Action,
    /// What came of it.
    pub text: String,
    /// To how many jobs or letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What it was not done to, and why: the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// What undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Action>,
    /// The entry that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Who undid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
}

/// Writes down what was done, also to the log, which reaches further than Redis.
pub(super) async fn write(
    site: &Site,
    actor: &Actor,
    action: &Action,
    performed: Performed,
    undoes: Option<&str>,
) -> Result<Performed, ActError> {
    let who = actor.viewer.name.clone();
    info!(who, via = ?actor.via, action = action.sentence(), count = performed.count, "{}", performed.text);
    let entry = Entry {
        id: String::new(),
        at: DateTime::UNIX_EPOCH,
        who,
        via: actor.via,
        action: action.clone(),
        text: performed.text.clone(),
        count: performed.count,
        refused: performed.refused.iter().take(REFUSED).cloned().collect(),
        undo: performed.undo.clone(),
        undoes: undoes.map(str::to_owned),
        undone_by: None,
    };
    let id = site.queues.action_log().append(&entry).await?;
    Ok(Performed { id, ..performed })
}

/// Up to `most` entries, the newest first, those before `before` if it is given.
pub async fn entries(site: &Site, before: Option<&str>, most: usize) -> Result<Vec<Entry>, ActError> {
    let log = site.queues.action_log();
    if let Some(wrong) = before.filter(|id| !is_id(id)) {
        return Err(ActError::Refused(format!(
            "`{wrong}` is no id of an entry; `millgate audit` shows those that there are"
        )));
    }
    let page: Vec<(String, Entry)> = log.page(before, most).await?;
    let ids: Vec<&str> = page.iter().map(|(id, _)| id.as_str()).collect();
    let mut undone = log.undone(&ids).await?;
    Ok(page.into_iter().map(|(id, entry)| entry.read(undone.remove(&id), id)).collect())
}

/// What is none Redis would call an error: milliseconds since 1970, and mostly a hyphen and a number.
fn is_id(text: &str) -> bool {
    let (ms, number) = text.split_once('-').unwrap_or((text, "0"));
    ms.parse::<u64>().is_ok() && number.parse::<u64>().is_ok()
}

/// One entry.
pub async fn entry(site: &Site, id: &str) -> Result<Option<Entry>, ActError> {
    let log = site.queues.action_log();
    if !is_id(id) {
        return Ok(None);
    }
    let Some(entry) = log.get::<Entry>(id).await? else { return Ok(None) };
    let undone_by = log.undone(&[id]).await?.remove(id);
    Ok(Some(entry.read(undone_by, id.to_owned())))
}

impl Entry {
    /// With what only the log knows. An id is milliseconds since 1970, a hyphen and a number.
    fn read(self, undone_by: Option<String>, id: String) -> Self {
        let ms = id.split('-').next().and_then(|ms| ms.parse().ok());
        Self { at: ms.and_then(DateTime::from_timestamp_millis).unwrap_or_default(), id, undone_by, ..self }
    }
}
