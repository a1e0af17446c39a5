//! Dead letters as one sees them.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use millgate_events::{
    DeadLetterStore, LetterCause, LetterFilter, LetterKind, LetterStatus, PastAction, Position, StoredLetter, Trend,
    readable,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Mask, SeeError, When, payload};
use crate::Site;

/// Causes that anybody reads.
const MOST_CAUSES: u32 = 100;
/// Letters on a page, if nothing is said; and at most.
const LETTERS: u32 = 50;
const MOST_LETTERS: u32 = 1_000;

/// Which letters one wants to see. What is empty lets every letter through.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LetterChoice {
    /// Events or jobs.
    #[serde(deserialize_with = "said")]
    pub kind: Option<LetterKind>,
    /// Of records of this topic, with the prefix or without, or of jobs that go back to them.
    #[serde(deserialize_with = "said")]
    pub topic: Option<String>,
    /// Of events of this type, or of jobs that go back to them.
    #[serde(rename = "type", deserialize_with = "said")]
    pub event_type: Option<String>,
    /// Of jobs of this queue.
    #[serde(deserialize_with = "said")]
    pub queue: Option<String>,
    /// Of jobs of this kind.
    #[serde(rename = "job", deserialize_with = "said")]
    pub job_kind: Option<String>,
    /// Of this error code.
    #[serde(deserialize_with = "said")]
    pub code: Option<String>,
    /// Of this error fingerprint.
    #[serde(deserialize_with = "said")]
    pub fingerprint: Option<String>,
    /// That died then or later.
    #[serde(deserialize_with = "said")]
    pub since: Option<When>,
    /// That died before.
    #[serde(deserialize_with = "said")]
    pub until: Option<When>,
    /// In these states, with commas between; those that something is still to be done about, if nothing is said.
    #[serde(deserialize_with = "said")]
    pub status: Option<String>,
    /// Behind this letter.
    #[serde(deserialize_with = "said")]
    pub after: Option<Uuid>,
    /// At most so many.
    #[serde(deserialize_with = "said")]
    pub limit: Option<u32>,
    /// The time of the trend.
    #[serde(deserialize_with = "said")]
    pub trend: Option<TrendName>,
}

/// `day` or `week`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrendName(pub Trend);

impl FromStr for TrendName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "day" => Ok(Self(Trend::Day)),
            "week" => Ok(Self(Trend::Week)),
            _ => Err(format!("`{text}` is neither day nor week")),
        }
    }
}

/// Fields that a form leaves empty say nothing.
pub(super) fn said<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(from)?;
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

impl LetterChoice {
    /// As the table wants it.
    pub fn filter(&self, site: &Site, now: DateTime<Utc>) -> Result<LetterFilter, SeeError> {
        let prefix = site.kafka().topic_prefix;
        let mut topics: Vec<String> = self.topic.iter().cloned().collect();
        if !prefix.is_empty() {
            topics.extend(self.topic.iter().map(|topic| format!("{prefix}{topic}")));
        }
        let statuses = match self.status.as_deref() {
            None => vec![LetterStatus::Dead, LetterStatus::Redriving],
            Some("all") => Vec::new(),
            Some(words) => {
                words.split(',').map(str::parse).collect::<Result<_, String>>().map_err(SeeError::Misunderstood)?
            }
        };
        Ok(LetterFilter {
            statuses,
            kind: self.kind,
            topics,
            event_type: self.event_type.clone(),
            queue: self.queue.clone(),
            job_kind: self.job_kind.clone(),
            code: self.code.clone(),
            fingerprint: self.fingerprint.clone(),
            since: self.since.map(|when| when.before(now)),
            until: self.until.map(|when| when.before(now)),
            ..LetterFilter::default()
        })
    }

    fn most(&self) -> u32 {
        self.limit.unwrap_or(LETTERS).clamp(1, MOST_LETTERS)
    }
}

/// Letters in the order of their deaths, without what may be large.
#[derive(Debug, Serialize)]
pub struct LetterPage {
    /// These.
    pub letters: Vec<StoredLetter>,
    /// Behind this letter there are more.
    pub more_after: Option<Uuid>,
    /// When that was, by the table's clock.
    #[serde(skip)]
    pub now: DateTime<Utc>,
}

/// A letter with its whole story.
#[derive(Debug, Serialize)]
pub struct LetterView {
    /// All that is known of it.
    #[serde(flatten)]
    pub letter: StoredLetter,
    /// Its record's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// Its record's value, or its job's arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// What goes instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Value>,
    /// What was done about it.
    pub actions: Vec<PastAction>,
    /// When that was, by the table's clock.
    #[serde(skip)]
    pub now: DateTime<Utc>,
}

/// Letters that died of the same.
#[derive(Debug, Serialize)]
pub struct CauseView {
    /// What they died of.
    #[serde(flatten)]
    pub cause: LetterCause,
    /// What the newest of them have in common.
    pub shared: Vec<(&'static str, String)>,
}

/// Says that there is no table, and what to do.
pub fn no_letters(site: &Site) -> String {
    let topics = site.dead_letter_topics.join(", ");
    format!(
        "this application has no database, and its dead letters are only on their topic ({topics}); set postgres.url \
         (MILLGATE_POSTGRES_URL) for all its programs, and create the table with `millgate migrate`"
    )
}

/// Says that somebody is missing.
pub fn no_letter(id: Uuid) -> String {
    format!("there is no letter {id}; `millgate dlq list` shows them")
}

/// What died, in a word: the event's type, or the job's kind.
pub fn what_died(letter: &StoredLetter) -> &str {
    let what = match letter.kind {
        LetterKind::Event => &letter.event_type,
        LetterKind::Job => &letter.job_kind,
    };
    what.as_deref().unwrap_or("?")
}

fn store(site: &Site) -> Result<&DeadLetterStore, SeeError> {
    site.letters.as_ref().ok_or_else(|| SeeError::Missing(no_letters(site)))
}

/// What letters died of, the most frequent cause first.
pub async fn causes(site: &Site, choice: &LetterChoice) -> Result<Vec<LetterCause>, SeeError> {
    let store = store(site)?;
    let filter = choice.filter(site, store.now().await?)?;
    Ok(store.causes(&filter, choice.trend.map_or(Trend::Day, |trend| trend.0), MOST_CAUSES).await?)
}

/// One cause, if letters died of it.
pub async fn cause(site: &Site, choice: &LetterChoice) -> Result<Option<CauseView>, SeeError> {
    let store = store(site)?;
    let filter = choice.filter(site, store.now().await?)?;
    let trend = choice.trend.map_or(Trend::Day, |trend| trend.0);
    let (causes, shared) = tokio::try_join!(store.causes(&filter, trend, 1), store.shared(&filter))?;
    Ok(causes.into_iter().next().map(|cause| CauseView { cause, shared }))
}

/// Letters, a page of them.
pub async fn letters(site: &Site, choice: &LetterChoice) -> Result<LetterPage, SeeError> {
    let store = store(site)?;
    let now = store.now().await?;
    let after = match choice.after {
        None => Position::START,
        Some(id) => {
            let letter = store.get(id).await?;
            Position::after(&letter.ok_or_else(|| SeeError::Misunderstood(no_letter(id)))?)
        }
    };
    let most = choice.most();
    // One more, to know whether there are.
    let mut letters = store.page(&choice.filter(site, now)?, after, most + 1).await?;
    let has_more = letters.len() > most as usize;
    letters.truncate(most as usize);
    let more_after = letters.last().filter(|_| has_more).map(|letter| letter.id);
    Ok(LetterPage { letters, more_after, now })
}

/// One letter, if it is there, as far as it may be shown.
pub async fn letter(site: &Site, id: Uuid, mask: Mask<'_>) -> Result<Option<LetterView>, SeeError> {
    let store = store(site)?;
    let (letter, actions, now) = tokio::try_join!(store.get(id), store.actions(id), store.now())?;
    let Some(letter) = letter else { return Ok(None) };
    let opened = match letter.payload.as_deref() {
        Some(bytes) => site.values.shown(bytes).await,
        None => None,
    };
    let shown = |bytes: Option<&[u8]>| bytes.map(|bytes| payload(what_died(&letter), bytes, mask));
    let (payload, edited) = (shown(opened.as_deref().or(letter.payload.as_deref())), shown(letter.edited.as_deref()));
    let key = letter.key.as_deref().map(readable);
    Ok(Some(LetterView { letter, key, payload, edited, actions, now }))
}
