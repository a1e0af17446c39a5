//! `millgate queues limit`.

use std::{str::FromStr, time::Duration};

use millgate_jobs::{Limits, Rate};

use crate::cli::rate;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    pub(super) name: String,
    /// Takes no more jobs while it holds so many
    #[arg(long, value_name = "N")]
    max_jobs: Option<Setting<u64>>,
    /// Runs at most so many at a time, on all workers together
    #[arg(long, value_name = "N")]
    concurrency: Option<Setting<u64>>,
    /// Starts at most so many in a time: 10/1s
    #[arg(long, value_name = "N/TIME")]
    rate: Option<Setting<Rate>>,
    /// What a step of priority is worth in age; a minute if unset
    #[arg(long, value_name = "TIME")]
    ageing: Option<Setting<Duration>>,
    /// Keeps so many done jobs to be looked at
    #[arg(long, value_name = "N")]
    keep_done: Option<Setting<u64>>,
    /// And for no longer than that
    #[arg(long, value_name = "TIME")]
    keep_done_for: Option<Setting<Duration>>,
    /// Keeps no more dead jobs than that, where they go to no dead-letter topic
    #[arg(long, value_name = "N")]
    dead_keep: Option<Setting<u64>>,
    /// And for no longer than that
    #[arg(long, value_name = "TIME")]
    dead_keep_for: Option<Setting<Duration>>,
}

/// A value for a limit, or `none`.
#[derive(Clone, Copy)]
struct Setting<T>(Option<T>);

/// What can be a limit.
trait Limit: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Limit for u64 {
    fn read(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| format!("`{text}` is no number from 1 on, nor `none`"))
    }
}

impl Limit for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
        time.ok_or_else(|| format!("`{text}` is no time such as 30s, 1h or 7d, nor `none`"))
    }
}

impl Limit for Rate {
    fn read(text: &str) -> Result<Self, String> {
        rate::read(text).ok_or_else(|| format!("`{text}` is no rate such as 10/1s, nor `none`"))
    }
}

impl<T: Limit> FromStr for Setting<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { T::read(text).map(|value| Self(Some(value))) }
    }
}

impl Args {
    /// The limits with what was given put in, or why they make no sense.
    pub(super) fn applied_to(&self, mut limits: Limits) -> Result<Limits, String> {
        fn set<T: Copy>(limit: &mut Option<T>, setting: Option<Setting<T>>) {
            if let Some(Setting(value)) = setting {
                *limit = value;
            }
        }
        set(&mut limits.max_jobs, self.max_jobs);
        set(&mut limits.concurrency, self.concurrency);
        set(&mut limits.rate, self.rate);
        set(&mut limits.ageing, self.ageing);
        set(&mut limits.keep_done, self.keep_done);
        set(&mut limits.keep_done_for, self.keep_done_for);
        set(&mut limits.dead_keep, self.dead_keep);
        set(&mut limits.dead_keep_for, self.dead_keep_for);
        match limits.problem() {
            Some(problem) => Err(problem.to_owned()),
            None => Ok(limits),
        }
    }
}
