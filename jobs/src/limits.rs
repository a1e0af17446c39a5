//! What an operator may say of a queue, while it runs.

use std::{fmt::Display, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Queue, QueueError, Rate, new_job::millis};

/// Limits of one queue, for all workers together. They lie in Redis, and hold from the next claim on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The queue takes no more jobs while it holds so many that are not done or dead.
    #[serde(deserialize_with = "number")]
    pub max_jobs: Option<u64>,
    /// At most so many run at a time.
    #[serde(deserialize_with = "number")]
    pub concurrency: Option<u64>,
    /// So many may start at once, and then again one by one as the time goes on that so many have: within any such time
    /// never twice as many.
    pub rate: Option<Rate>,
    /// One step of priority is worth so much age; a minute if not said.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "time")]
    pub ageing: Option<Duration>,
    /// So many done jobs are kept to be looked at; none if neither this nor `keep_done_for` is said.
    #[serde(deserialize_with = "number")]
    pub keep_done: Option<u64>,
    /// For so long they are kept, as far as `keep_done` allows. Looked after whenever jobs are done.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "time")]
    pub keep_done_for: Option<Duration>,
    /// Of dead jobs that are on no dead-letter topic yet only so many are kept; all if not said.
    #[serde(deserialize_with = "number")]
    pub dead_keep: Option<u64>,
    /// And for so long.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "time")]
    pub dead_keep_for: Option<Duration>,
}

/// A number that can be a limit, as somebody has written it.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let wrong = |text: &str| de::Error::custom(format!("`{text}` is no number from 1 on"));
    Ok(match Option::<Written>::deserialize(deserializer)? {
        None => None,
        Some(Written::Number(number)) => Some(number),
        Some(Written::Text(text)) => Some(text.parse().map_err(|_| wrong(&text))?),
    })
}

/// A time that can be a limit, as somebody has written it.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let wrong = |text: &str| de::Error::custom(format!("`{text}` is no time such as 30s, 1h or 7d"));
    Ok(match Option::<Written>::deserialize(deserializer)? {
        None => None,
        Some(Written::Number(number)) => return Err(wrong(&number.to_string())),
        Some(Written::Text(text)) => Some(humantime::parse_duration(&text).map_err(|_| wrong(&text))?),
    })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl Limits {
    /// Why they make no sense, if they make none.
    pub fn problem(&self) -> Option<&'static str> {
        let numbers = [self.max_jobs, self.concurrency, self.keep_done, self.dead_keep];
        let times = [self.ageing, self.keep_done_for, self.dead_keep_for, self.rate.map(|rate| rate.per)];
        if numbers.contains(&Some(0)) || self.rate.is_some_and(|rate| rate.jobs == 0) {
            return Some("a limit is a number from 1 on; leave it out for none, and to stop a queue, pause it");
        }
        if times.contains(&Some(Duration::ZERO)) {
            return Some("a limit's time is longer than none, such as 30s, 1h or 7d; leave it out for none");
        }
        if self.keep_done.is_none() && self.keep_done_for.is_some() {
            return Some(
                "keep-done-for says for how long, and keep-done how many: without it none are kept; say both, or neither",
            );
        }
        None
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Limits, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_read_as_people_write_them() {
        let limits =
            read(r#"{"concurrency": "7", "max_jobs": 9, "rate": "10/s", "ageing": "2m", "keep_done": null}"#).unwrap();
        let rate = Rate { jobs: 10, per: Duration::from_secs(1) };
        let wanted = Limits {
            concurrency: Some(7),
            max_jobs: Some(9),
            rate: Some(rate),
            ageing: Some(Duration::from_mins(2)),
            ..Limits::default()
        };
        assert_eq!(limits, wanted);
        assert_eq!(read(&serde_json::to_string(&limits).unwrap()).unwrap(), wanted);
        for (json, why) in [
            (r#"{"concurrency": "many"}"#, "`many` is no number from 1 on"),
            (r#"{"ageing": 60}"#, "`60` is no time such as 30s"),
            (r#"{"rate": "often"}"#, "`often` is no rate such as 10/1s"),
        ] {
            let said = read(json).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn limits_that_make_no_sense_say_why() {
        let problem = |json| read(json).unwrap().problem();
        assert_eq!(problem(r#"{"concurrency": 1, "keep_done": 5, "keep_done_for": "1h"}"#), None);
        assert!(problem(r#"{"concurrency": 0}"#).unwrap().contains("pause it"));
        assert!(problem(r#"{"ageing": "0s"}"#).unwrap().contains("longer than none"));
        assert!(problem(r#"{"keep_done_for": "1h"}"#).unwrap().contains("say both"));
    }
}
