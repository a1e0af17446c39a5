//! `millgate claims`: the store of values that are too large for Kafka.

use std::time::Duration;

use chrono::{DateTime, Utc};
use humantime::format_duration;
use millgate_events::{ClaimDay, ClaimError, ClaimSweep, Claims};
use serde_json::json;

use super::{Call, Outcome, moment};
use crate::claim_expiry;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Set the store up, once: a folder or bucket without its mark is taken for one that is away
    Init,
    /// Count what is there, by the day it came in
    Stats,
    /// Take away what is old; bridges do so, too
    Expire {
        /// Only count it
        #[arg(long)]
        dry_run: bool,
        /// How old; else `claim_check.expire`
        #[arg(long, value_name = "TIME", value_parser = moment::duration)]
        older_than: Option<Duration>,
    },
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let claims = servers.producer.claims();
    let done = match command {
        Command::Init => init(claims, &servers.config.claim_check.store, json).await,
        Command::Stats => stats(claims, json).await,
        Command::Expire { dry_run, older_than } => {
            let age = older_than.unwrap_or(servers.config.claim_check.expire);
            let outlived = servers.topics_that_outlive(age);
            if !outlived.is_empty() {
                eprintln!("warning: {}", claim_expiry::warning(&outlived, age));
            }
            expire(claims, age, dry_run, json).await
        }
    };
    match done {
        Ok(()) => Ok(Outcome::Well),
        Err(error @ ClaimError::Off) => Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

async fn init(claims: &Claims, store: &str, json: bool) -> Result<(), ClaimError> {
    claims.init().await?;
    if json {
        println!("{}", json!({ "store": store }));
    } else {
        println!("{store} is a claim store");
    }
    Ok(())
}

async fn stats(claims: &Claims, json: bool) -> Result<(), ClaimError> {
    let days = claims.days().await?;
    let sum = |part: fn(&ClaimDay) -> u64| days.iter().map(part).sum::<u64>();
    let (values, bytes) = (sum(|day| day.values), sum(|day| day.bytes));
    if json {
        let days: Vec<_> = days.iter().map(|d| json!({ "day": d.day, "values": d.values, "bytes": d.bytes })).collect();
        println!("{:#}", json!({ "values": values, "bytes": bytes, "days": days }));
        return Ok(());
    }
    for day in &days {
        println!("{}  {:>9} values  {:>15} bytes", day.day, day.values, day.bytes);
    }
    println!("{values} values, {bytes} bytes");
    Ok(())
}

async fn expire(claims: &Claims, age: Duration, dry_run: bool, json: bool) -> Result<(), ClaimError> {
    let now = now();
    let ClaimSweep { values, bytes, .. } =
        if dry_run { claims.expired(now, age).await? } else { claim_expiry::sweep(claims, now, age).await? };
    if json {
        println!("{}", json!({ "values": values, "bytes": bytes, "removed": !dry_run }));
    } else {
        let done = if dry_run { "would be" } else { "are" };
        println!("{values} values ({bytes} bytes) of days that ended {} ago {done} gone", format_duration(age));
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "how old a value is, is a question of now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
