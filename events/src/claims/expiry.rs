//! Expiry: values are kept by the day they came in, and go by it.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};

use super::{ClaimError, Claims};

/// What one step of expiry did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClaimSweep {
    /// Values that are gone.
    pub values: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether there may be more.
    pub more: bool,
}

/// What came in on one day and is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimDay {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// Values.
    pub values: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Claims {
    /// Takes away values that came in on days that had ended `age` before `now`: none younger than that, and none older by
    /// more than a day is left. At most `most` of them; see [`ClaimSweep::more`].
    pub async fn expire(&self, now: DateTime<Utc>, age: Duration, most: usize) -> Result<ClaimSweep, ClaimError> {
        let store = &self.inner()?.store;
        let mut sweep = ClaimSweep::default();
        for day in self.expired_days(now, age).await? {
            let room = most - usize::try_from(sweep.values).unwrap_or(most);
            if room == 0 {
                sweep.more = true;
                break;
            }
            let values: Vec<_> = store.of_day(day).take(room).try_collect().await?;
            let is_all = values.len() < room;
            sweep.values += values.len() as u64;
            sweep.bytes += values.iter().map(|value| value.bytes).sum::<u64>();
            store.remove(values).await?;
            if is_all {
                store.remove_day(day).await?;
            } else {
                sweep.more = true;
                break;
            }
        }
        Ok(sweep)
    }

    /// What [`expire`](Self::expire) would take away, without a limit.
    pub async fn expired(&self, now: DateTime<Utc>, age: Duration) -> Result<ClaimSweep, ClaimError> {
        let mut sweep = ClaimSweep::default();
        for day in self.expired_days(now, age).await? {
            let ClaimDay { values, bytes, .. } = self.count(day).await?;
            sweep.values += values;
            sweep.bytes += bytes;
        }
        Ok(sweep)
    }

    /// What is there, day by day, the earliest first.
    pub async fn days(&self) -> Result<Vec<ClaimDay>, ClaimError> {
        let days = self.inner()?.store.days().await?;
        futures::stream::iter(days).then(|day| self.count(day)).try_collect().await
    }

    async fn expired_days(&self, now: DateTime<Utc>, age: Duration) -> Result<Vec<NaiveDate>, ClaimError> {
        // An age beyond all calendars is one that nothing has.
        let first_kept = TimeDelta::from_std(age).ok().and_then(|age| now.checked_sub_signed(age));
        let Some(first_kept) = first_kept else { return Ok(Vec::new()) };
        let mut days = self.inner()?.store.days().await?;
        days.retain(|day| *day < first_kept.date_naive());
        Ok(days)
    }

    async fn count(&self, day: NaiveDate) -> Result<ClaimDay, ClaimError> {
        let none = ClaimDay { day, values: 0, bytes: 0 };
        let add = async |sum: ClaimDay, value: super::store::Listed| {
            Ok(ClaimDay { day: value.day, values: sum.values + 1, bytes: sum.bytes + value.bytes })
        };
        self.inner()?.store.of_day(day).try_fold(none, add).await
    }
}
