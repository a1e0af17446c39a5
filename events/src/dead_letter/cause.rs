//! What letters died of: those of one fingerprint, and how often it happens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row};

use super::{DeadLetterError, DeadLetterStore, LetterFilter};

/// Letters that died of the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LetterCause {
    /// What they have in common.
    pub fingerprint: String,
    /// Why, in a word.
    pub code: String,
    /// Why, in the words of one of them.
    pub message: String,
    /// How many there are.
    pub letters: i64,
    /// When the first of them died.
    pub oldest: DateTime<Utc>,
    /// When the last of them died.
    pub newest: DateTime<Utc>,
    /// The types of the events and the kinds of the jobs; the first ten.
    pub what: Vec<String>,
    /// The topics that they come from; the first ten.
    pub topics: Vec<String>,
    /// The queues of the jobs; the first ten.
    pub queues: Vec<String>,
    /// How many died of it in each slot of the trend, the oldest first; also those that were dealt with since.
    pub trend: Vec<i64>,
}

/// The time that a trend is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trend {
    /// The last 24 hours.
    #[default]
    Day,
    /// The last seven days, by six hours.
    Week,
}

impl Trend {
    /// How many slots there are, and the seconds in one.
    pub fn slots(self) -> (usize, i32) {
        match self {
            Self::Day => (24, 3_600),
            Self::Week => (28, 21_600),
        }
    }
}

#[derive(sqlx::FromRow)]
struct CauseRow {
    fingerprint: String,
    code: String,
    message: String,
    letters: i64,
    oldest: DateTime<Utc>,
    newest: DateTime<Utc>,
    what: Vec<String>,
    topics: Vec<String>,
    queues: Vec<String>,
    slots: Vec<i32>,
    deaths: Vec<i64>,
}

/// Letters that are looked at for what they share.
const LOOKED_AT: i64 = 1_000;

/// What letters may share, and where it stands.
const SHARED: [(&str, &str); 11] = [
    ("kind", "kind"),
    ("message", "message"),
    ("topic", "topic"),
    ("partition", "record_partition::text"),
    ("consumer group", "consumer_group"),
    ("event type", "event_type"),
    ("event source", "event_source"),
    ("request", "correlation_id"),
    ("queue", "queue"),
    ("job kind", "job_kind"),
    ("key", "encode(key, 'escape')"),
];

impl DeadLetterStore {
    /// What the letters that a filter lets through died of, the most frequent cause first; at most `most` causes.
    pub async fn causes(
        &self,
        filter: &LetterFilter,
        trend: Trend,
        most: u32,
    ) -> Result<Vec<LetterCause>, DeadLetterError> {
        let (slots, seconds) = trend.slots();
        let few = |column: &str| {
            format!("COALESCE((array_agg(DISTINCT {column}) FILTER (WHERE {column} IS NOT NULL))[1:10], '{{}}')")
        };
        let mut query =
            QueryBuilder::new("WITH cause AS (SELECT fingerprint, min(code) AS code, min(message) AS message, ");
        query.push("count(*) AS letters, min(failed_at) AS oldest, max(failed_at) AS newest, ");
        query.push(few("COALESCE(job_kind, event_type)")).push(" AS what, ");
        query
            .push(few("topic"))
            .push(" AS topics, ")
            .push(few("queue"))
            .push(" AS queues FROM dead_letters WHERE TRUE");
        filter.push_where(&mut query);
        query.push(" GROUP BY fingerprint ORDER BY letters DESC, oldest LIMIT ").push_bind(i64::from(most));
        query.push("), death AS (SELECT fingerprint, GREATEST(floor(extract(epoch FROM now() - failed_at) / ");
        query.push_bind(seconds).push(")::int, 0) AS slot, count(*) AS deaths FROM dead_letters ");
        query.push(
            "WHERE fingerprint IN (SELECT fingerprint FROM cause) AND failed_at > now() - make_interval(secs => ",
        );
        query.push_bind(f64::from(seconds) * f64::from(u32::try_from(slots).unwrap_or(u32::MAX)));
        query.push(") GROUP BY 1, 2) SELECT cause.*, COALESCE(trend.slots, '{}') AS slots, ");
        query.push("COALESCE(trend.deaths, '{}') AS deaths FROM cause LEFT JOIN (SELECT fingerprint, ");
        query.push("array_agg(slot ORDER BY slot) AS slots, array_agg(deaths ORDER BY slot) AS deaths FROM death ");
        query.push("GROUP BY fingerprint) AS trend USING (fingerprint) ORDER BY letters DESC, oldest");
        let rows: Vec<CauseRow> = query.build_query_as().fetch_all(&self.database).await?;
        Ok(rows.into_iter().map(|row| row.with_slots(slots)).collect())
    }

    /// What the newest thousand of the letters that a filter lets through have in common: name and value.
    pub async fn shared(&self, filter: &LetterFilter) -> Result<Vec<(&'static str, String)>, DeadLetterError> {
        let columns = SHARED.map(|(_, column)| column).join(", ");
        let few = |number: usize| {
            let column = format!("c{number}");
            format!("CASE WHEN count(DISTINCT {column}) = 1 AND count({column}) = count(*) THEN min({column}) END")
        };
        let wanted: Vec<String> = (0..SHARED.len()).map(few).collect();
        let names: Vec<String> = (0..SHARED.len()).map(|number| format!("c{number}")).collect();
        let mut query = QueryBuilder::new(format!("SELECT {} FROM (SELECT {columns}", wanted.join(", ")));
        query.push(" FROM dead_letters WHERE TRUE");
        filter.push_where(&mut query);
        query.push(" ORDER BY failed_at DESC, id DESC LIMIT ").push_bind(LOOKED_AT);
        query.push(format!(") AS letter ({})", names.join(", ")));
        let row = query.build().fetch_one(&self.database).await?;
        let mut shared = Vec::new();
        for (number, (name, _)) in SHARED.into_iter().enumerate() {
            let value: Option<String> = row.try_get(number)?;
            shared.extend(value.map(|value| (name, value)));
        }
        Ok(shared)
    }
}

impl CauseRow {
    fn with_slots(self, slots: usize) -> LetterCause {
        let mut trend = vec![0; slots];
        for (ago, deaths) in self.slots.iter().zip(&self.deaths) {
            let place = usize::try_from(*ago).ok().and_then(|ago| slots.checked_sub(1 + ago));
            if let Some(place) = place {
                trend[place] += deaths;
            }
        }
        let Self { fingerprint, code, message, letters, oldest, newest, what, topics, queues, .. } = self;
        LetterCause { fingerprint, code, message, letters, oldest, newest, what, topics, queues, trend }
    }
}
