//! What an operator may say of a queue, while it runs.

use std::{fmt::Display, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Queue, QueueError, new_job::millis};

/// Limits of one queue, for all workers together. They lie in Redis, and hold from the next claim on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The queue takes no more jobs while it holds so many that are not done or dead.
    pub max_jobs: Option<u64>,
    /// At most so many run at a time.
    pub concurrency: Option<u64>,
    /// At most so many start within a time, and then all at once if they are there.
    pub rate: Option<Rate>,
    /// One step of priority is worth so much age; a minute if not said.
    #[serde(with = "humantime_serde")]
    pub ageing: Option<Duration>,
    /// So many done jobs are kept to be looked at; none if neither this nor `keep_done_for` is said.
    pub keep_done: Option<u64>,
    /// For so long they are kept, as far as `keep_done` allows. Looked after whenever jobs are done.
    #[serde(with = "humantime_serde")]
    pub keep_done_for: Option<Duration>,
    /// Of dead jobs that are on no dead-letter topic yet only so many are kept; all if not said.
    pub dead_keep: Option<u64>,
    /// And for so long.
    #[serde(with = "humantime_serde")]
    pub dead_keep_for: Option<Duration>,
}

/// So many jobs in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub jobs: u32,
    /// In which time.
    #[serde(with = "humantime_serde")]
    pub per: Duration,
}

impl Limits {
    /// Every setting by its name in Redis; an empty text is none.
    fn settings(&self) -> [(&'static str, String); 9] {
        fn text(value: Option<impl Display>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        [
            ("max_jobs", text(self.max_jobs)),
            ("concurrency", text(self.concurrency)),
            ("rate", text(self.rate.map(|rate| rate.jobs.max(1)))),
            ("rate_ms", text(self.rate.map(|rate| millis(rate.per).max(1)))),
            ("ageing_ms", text(self.ageing.map(millis))),
            ("keep_done", text(self.keep_done)),
            ("keep_done_ms", text(self.keep_done_for.map(millis))),
            ("dead_keep", text(self.dead_keep)),
            ("dead_keep_ms", text(self.dead_keep_for.map(millis))),
        ]
    }

    /// Takes one setting over from Redis.
    pub(crate) fn read(&mut self, setting: &str, value: &str) {
        let Ok(number) = value.parse::<u64>() else { return };
        let time = Some(Duration::from_millis(number));
        let rate = self.rate.get_or_insert(Rate { jobs: 0, per: Duration::ZERO });
        match setting {
            "rate" => rate.jobs = u32::try_from(number).unwrap_or(u32::MAX),
            "rate_ms" => rate.per = Duration::from_millis(number),
            _ => {}
        }
        if rate.jobs == 0 && rate.per.is_zero() {
            self.rate = None;
        }
        match setting {
            "max_jobs" => self.max_jobs = Some(number),
            "concurrency" => self.concurrency = Some(number),
            "ageing_ms" => self.ageing = time,
            "keep_done" => self.keep_done = Some(number),
            "keep_done_ms" => self.keep_done_for = time,
            "dead_keep" => self.dead_keep = Some(number),
            "dead_keep_ms" => self.dead_keep_for = time,
            _ => {}
        }
    }
}

impl Queue {
    /// Sets all limits.
    pub async fn limit(&self, limits: &Limits) -> Result<(), QueueError> {
        let settings = limits.settings();
        self.set(settings.iter().map(|(name, value)| (*name, value.as_str()))).await
    }

    /// Workers take no jobs from it until it is resumed; what runs may finish.
    pub async fn pause(&self) -> Result<(), QueueError> {
        self.set([("paused", "1")]).await
    }

    /// It takes no more jobs until it is resumed; what is there is done.
    pub async fn drain(&self) -> Result<(), QueueError> {
        self.set([("draining", "1")]).await
    }

    /// Ends a pause and a drain.
    pub async fn resume(&self) -> Result<(), QueueError> {
        self.set([("paused", ""), ("draining", "")]).await
    }

    /// Wakes one idle worker.
    pub(crate) async fn wake(&self) -> Result<(), QueueError> {
        self.set([]).await
    }

    async fn set(&self, settings: impl IntoIterator<Item = (&str, &str)>) -> Result<(), QueueError> {
        let mut call = self.prepare(&self.queues.scripts.set);
        for (name, value) in settings {
            call.arg(name).arg(value);
        }
        self.run(&call).await
    }
}
