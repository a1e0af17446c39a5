//! The summary of a day, by mail.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use millgate_jobs::NewJob;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::{Ctx, Done, Job, JobError, JobOptions, Queues, email::NotificationEmail};

/// Mails what the shop did the day before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
// Twenty attempts are two hours with the default backoff, in which a database comes back.
#[job(queue = "maintenance", max_attempts = 20)]
pub(super) struct MailSummary {
    /// Whom to.
    pub(super) to: String,
    /// Whose day it is: an IANA name.
    pub(super) time_zone: String,
}

/// Does [`MailSummary`]: finds out what to say, and leaves the sending to the queue of mails.
pub(super) async fn mail_summary(job: MailSummary, ctx: Ctx) -> Result<Done, JobError> {
    let MailSummary { to, time_zone } = job;
    let zone: Tz =
        time_zone.parse().map_err(|_| JobError::dead("no_such_zone", format!("{time_zone:?} is no zone")))?;
    let day = day_before(ctx.tick.unwrap_or(ctx.time), zone);
    let summary = Summary::read(ctx.state::<PgPool>()?, day, zone).await?;
    let mail = NotificationEmail {
        to,
        subject: format!("The shop on {day}"),
        body: summary.to_string(),
        template: None,
        locale: None,
        attachments: Vec::new(),
    };
    // A run that is repeated finds its mail in the queue.
    let mail = NewJob::of(&mail, JobOptions::default())?.with_id(format!("{}:mail", ctx.job_id));
    ctx.state::<Queues>()?.queue(NotificationEmail::QUEUE).push(mail).await?;
    Ok(Done)
}

fn day_before(time: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let today = time.with_timezone(&zone).date_naive();
    today.pred_opt().unwrap_or(today)
}

/// What is said of a day.
struct Summary {
    paid: i64,
    canceled: i64,
    rejected: i64,
    /// By currency.
    revenue: Vec<(String, i64)>,
    /// By code, the most frequent first.
    dead: Vec<(String, i64)>,
}

impl Summary {
    async fn read(database: &PgPool, day: NaiveDate, zone: Tz) -> Result<Self, sqlx::Error> {
        // A day begins and ends at midnight of its zone, whatever the clock does in between.
        macro_rules! on_day {
            ($select:literal, $column:literal, $rest:literal) => {
                sqlx::query_as(concat!(
                    $select,
                    " WHERE ",
                    $column,
                    " >= $1::date::timestamp AT TIME ZONE $2 AND ",
                    $column,
                    " < ($1::date + 1)::timestamp AT TIME ZONE $2 ",
                    $rest
                ))
                .bind(day)
                .bind(zone.name())
            };
        }
        let (paid, canceled) = on_day!(
            "SELECT COUNT(*) FILTER (WHERE outcome = 'paid'), COUNT(*) FILTER (WHERE outcome = 'canceled') \
             FROM closed_orders",
            "closed_at",
            ""
        )
        .fetch_one(database)
        .await?;
        let (rejected,) = on_day!("SELECT COUNT(*) FROM reservations", "changed_at", "AND status = 'rejected'")
            .fetch_one(database)
            .await?;
        let revenue = on_day!(
            "SELECT currency, SUM(amount_cents)::bigint FROM closed_orders",
            "closed_at",
            "AND amount_cents IS NOT NULL AND currency IS NOT NULL GROUP BY currency ORDER BY currency"
        )
        .fetch_all(database)
        .await?;
        let dead = on_day!(
            "SELECT code, COUNT(*) FROM dead_letters",
            "failed_at",
            "GROUP BY code ORDER BY COUNT(*) DESC, code"
        )
        .fetch_all(database)
        .await?;
        Ok(Self { paid, canceled, rejected, revenue, dead })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { paid, canceled, rejected, revenue, dead } = self;
        writeln!(f, "Orders: {paid} paid, {canceled} canceled, {rejected} out of stock")?;
        let revenue: Vec<_> =
            revenue.iter().map(|(currency, cents)| format!("{}.{:02} {currency}", cents / 100, cents % 100)).collect();
        writeln!(f, "Revenue: {}", if revenue.is_empty() { "none".to_owned() } else { revenue.join(", ") })?;
        let codes: Vec<_> = dead.iter().map(|(code, count)| format!("{count} {code}")).collect();
        writeln!(f, "Dead letters: {}", if codes.is_empty() { "none".to_owned() } else { codes.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_before_is_that_of_the_zone() {
        let time = "2026-03-01T01:00:00Z".parse().unwrap();
        assert_eq!(day_before(time, Tz::Europe__Vienna).to_string(), "2026-02-28");
        assert_eq!(day_before(time, Tz::America__New_York).to_string(), "2026-02-27");
    }

    #[test]
    fn a_quiet_day_is_said_to_be_one() {
        let quiet = Summary { paid: 0, canceled: 0, rejected: 0, revenue: Vec::new(), dead: Vec::new() };
        let text = "Orders: 0 paid, 0 canceled, 0 out of stock\nRevenue: none\nDead letters: none\n";
        assert_eq!(quiet.to_string(), text);
    }
}
