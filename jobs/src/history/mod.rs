//! What happened in the last hour, day and week, from counters that lie in Redis: by the minute, by ten minutes and by the
//! hour. `docs/decisions/014-history.md` has the why.

mod distribution;
mod keys;
mod point;
mod seen;

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use redis::Script;
use serde::{Deserialize, Serialize};

pub use distribution::{Distribution, Histogram};
pub use point::Point;
pub use seen::{Events, Ledger, Seen};

use crate::{Queue, QueueError, Queues, new_job::from_millis};
pub(crate) use keys::HistoryKeys;

static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/history.lua")));
static PAST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/past.lua")));

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// By the minute.
    Hour,
    /// By ten minutes.
    Day,
    /// By the hour.
    Week,
}

impl Span {
    /// How long a point of it lasts.
    pub fn step(self) -> Duration {
        match self {
            Self::Hour => Duration::from_mins(1),
            Self::Day => Duration::from_mins(10),
            Self::Week => Duration::from_hours(1),
        }
    }

    /// How many points it has.
    pub fn points(self) -> usize {
        match self {
            Self::Hour => 60,
            Self::Day => 6 * 24,
            Self::Week => 7 * 24,
        }
    }
}

/// What happened over a span of time, point by point without a gap. The last point is not over yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// How far back it goes.
    pub span: Span,
    /// When it was read, by the clock of Redis.
    pub now: DateTime<Utc>,
    /// The oldest first.
    pub points: Vec<Point>,
}

impl History {
    async fn read(queues: &Queues, keys: &HistoryKeys, span: Span) -> Result<Self, QueueError> {
        let key = keys.of(span);
        let step = i64::try_from(span.step().as_millis()).unwrap_or(i64::MAX);
        let mut call = PAST.prepare_invoke();
        call.key(key).arg(queues.clock_shift.millis()).arg(step).arg(span.points());
        let mut lent = queues.link.lend(key).await?;
        let answer = call.invoke_async::<(i64, Vec<Option<String>>)>(&mut lent.redis).await;
        let (now, buckets) = queues.link.heard(&lent, answer)?;
        let first = now / step - i64::try_from(buckets.len()).unwrap_or_default() + 1;
        let read = |(number, text): (i64, Option<String>)| {
            Point::read(from_millis(number * step), text.as_deref().unwrap_or_default())
        };
        Ok(Self { span, now: from_millis(now), points: (first..).zip(buckets).map(read).collect() })
    }

    /// Several of the same span as one: what happened in all of these queues.
    pub fn merge(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut all = all.into_iter();
        let first = all.next()?;
        let mut merged = Self { points: Vec::new(), ..first.clone() };
        // They may have been read to both sides of a minute's end.
        let mut points: BTreeMap<DateTime<Utc>, Point> = BTreeMap::new();
        for history in std::iter::once(first).chain(all) {
            merged.now = merged.now.max(history.now);
            for point in history.points {
                points.entry(point.at).and_modify(|here| here.add(&point)).or_insert(point);
            }
        }
        let skip = points.len().saturating_sub(merged.span.points());
        merged.points = points.into_values().skip(skip).collect();
        Some(merged)
    }

    /// All of it as one point.
    pub fn total(&self) -> Point {
        let mut points = self.points.iter();
        let first = points.next().copied().unwrap_or_default();
        points.fold(first, |mut total, point| {
            total.follow(point);
            total
        })
    }

    /// How many a second over all of it: `history.rate(|point| point.done)`. What is not over yet counts as far as it is.
    pub fn rate(&self, of: impl Fn(&Point) -> u64) -> f64 {
        self.rate_of(&self.points, of)
    }

    /// The same of late: in the last point that is over, and since.
    pub fn rate_now(&self, of: impl Fn(&Point) -> u64) -> f64 {
        self.rate_of(&self.points[self.points.len().saturating_sub(2)..], of)
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn rate_of(&self, points: &[Point], of: impl Fn(&Point) -> u64) -> f64 {
        let Some(first) = points.first() else { return 0.0 };
        // At the very beginning of a point it would be too little to divide by.
        let time = (self.now - first.at).max(TimeDelta::seconds(1));
        points.iter().map(of).sum::<u64>() as f64 / (time.num_milliseconds() as f64 / 1_000.0)
    }
}

impl Queue {
    /// What happened in it in the last hour, day or week.
    pub async fn history(&self, span: Span) -> Result<History, QueueError> {
        History::read(&self.queues, &HistoryKeys::of_queue(self), span).await
    }
}

impl Events {
    /// What the bridges of its group did with the topic in the last hour, day or week.
    pub async fn history(&self, span: Span) -> Result<History, QueueError> {
        History::read(&self.queues, &self.keys, span).await
    }
}
