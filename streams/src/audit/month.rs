//! Months, each of which is a partition of the table.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sqlx::PgConnection;

/// A month of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month {
    year: i32,
    month: u32,
}

impl Month {
    pub(super) fn of(time: DateTime<Utc>) -> Self {
        Self { year: time.year(), month: time.month() }
    }

    /// That of a partition: `audit_logs_2026_03`.
    pub(super) fn of_table(name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix("audit_logs_")?.split_once('_')?;
        let month = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        month.first().map(|_| month)
    }

    /// Its first day.
    pub(super) fn first(self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(self.year, self.month, 1)
    }

    /// When it is over.
    pub(super) fn end(self) -> Option<DateTime<Utc>> {
        let next = self.first()?.checked_add_months(chrono::Months::new(1))?;
        Some(next.and_hms_opt(0, 0, 0)?.and_utc())
    }
}

/// Makes the partitions for a time and for the month after it.
pub(super) async fn make(at: DateTime<Utc>, database: &mut PgConnection) -> Result<(), sqlx::Error> {
    let make = "SELECT audit_make_month($1), audit_make_month($1 + INTERVAL '1 month')";
    sqlx::query(make).bind(at).execute(database).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_that_of_its_table_and_ends_where_the_next_begins() {
        let of = |time: &str| Month::of(time.parse().unwrap());
        assert_eq!(Some(of("2026-12-31T23:59:59.999999Z")), Month::of_table("audit_logs_2026_12"));
        assert_eq!(of("2026-12-31T23:59:59Z").end().unwrap(), "2027-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
        assert!(of("2027-01-01T00:00:00Z") > of("2026-12-31T23:59:59Z"));
        for other in ["audit_logs", "audit_logs_2026_13", "audit_logs_old", "stock"] {
            assert_eq!(Month::of_table(other), None);
        }
    }
}
