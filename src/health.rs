//! Whether a role does its work, in words.
//!
//! **Alive** is a role whose loops go round; one that does not is helped by a restart. A server that is away is no reason to
//! restart, so it does not count here. **Ready** is a role that can reach what it needs, and is not about to stop.

use std::{
    collections::BTreeMap,
    fmt::Display,
    time::{Duration, Instant},
};

use millgate_bridge::{Bridge, saga::Orchestrator};
use millgate_dashboard::Reader;
use millgate_events::{KafkaConfig, ProjectionRunner, ProjectionStatus};
use millgate_jobs::{Claiming, Queues, Scheduler};
use millgate_streams::StreamRunner;
use millgate_workers::Worker;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{group::MAIN, lag, servers::Servers};

/// A loop that has not gone round for so long stands still. Committing, seeking and leaving take their time where a broker is
/// away; none takes that long.
const STANDS_STILL: Duration = Duration::from_secs(90);
/// Servers are asked this often,
const ASKED_EVERY: Duration = Duration::from_secs(4);
/// and have so long to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A server that has not answered for so long is away.
const AWAY: Duration = Duration::from_secs(15);

/// The part that says whether it is stopping.
const ROLE: &str = "role";

/// How it is, or what is wrong.
type Finding = Result<String, String>;
type Check = Box<dyn Fn(Instant) -> Finding + Send + Sync>;

/// The parts of a role.
pub(crate) struct Health {
    alive: Vec<(String, Check)>,
    ready: Vec<(String, Check)>,
    stop: CancellationToken,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// All of it is well.
    pub(crate) ok: bool,
    parts: BTreeMap<String, Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    ok: bool,
    detail: String,
}

impl Health {
    /// Of a role that needs Redis.
    pub(crate) fn new(servers: &Servers, stop: CancellationToken) -> Self {
        let mut health = Self::of_role(stop);
        health.needs("redis", "Redis", Probe::redis(&servers.queues));
        health
    }

    /// Of any role, which is ready no more once `stop` fires.
    pub(crate) fn of_role(stop: CancellationToken) -> Self {
        let stopping = stop.clone();
        let ready = move |_| if stopping.is_cancelled() { Err("it is stopping".into()) } else { Ok("it runs".into()) };
        Self { alive: Vec::new(), ready: vec![(ROLE.into(), Box::new(ready))], stop }
    }

    /// What the bridge of a group needs, and does.
    pub(crate) fn of_bridge(&mut self, bridge: &Bridge, reader: &Reader) {
        let part = |part: &str| match reader.name {
            MAIN => part.to_owned(),
            group => format!("{part} of {group}"),
        };
        let holdings = bridge.holdings();
        self.turns(&part("kafka-poll"), "polled", bridge.polled());
        let lags = lag::follow(&reader.kafka, holdings.clone(), reader.routes.topics().next());
        self.needs(&part("kafka"), "Kafka", lags);
        self.says(&part("partitions"), move || match holdings.list().len() {
            0 => "none is ours yet, or the others of the group have them all".into(),
            count => format!("{count} are ours"),
        });
    }

    /// What a stream needs, and does.
    pub(crate) fn of_stream(&mut self, stream: &StreamRunner, kafka: &KafkaConfig, topic: Option<&str>) {
        let part = |part: &str| format!("{part} of {}", stream.name());
        let kafka = KafkaConfig { consumer_group: stream.group().to_owned(), ..kafka.clone() };
        let holdings = stream.holdings();
        self.turns(&part("kafka-poll"), "polled", stream.polled());
        self.needs(&part("kafka"), "Kafka", lag::follow(&kafka, holdings.clone(), topic));
        self.says(&part("partitions"), move || match holdings.list().len() {
            0 => "none is ours yet, or the others of the group have them all".into(),
            count => format!("{count} are ours"),
        });
    }

    /// What a worker does.
    pub(crate) fn of_worker(&mut self, worker: &Worker) {
        for (queue, hands) in worker.hands() {
            self.claims(&queue, hands.claiming());
        }
    }

    /// What a scheduler does.
    pub(crate) fn of_scheduler(&mut self, scheduler: &Scheduler) {
        self.turns("schedules", "looked", scheduler.turned());
    }

    /// What projections do.
    pub(crate) fn of_projections(&mut self, runner: &ProjectionRunner, database: Probe) {
        for (name, turned) in runner.turned() {
            self.turns(&format!("projection {name}"), "looked", turned);
        }
        self.needs("postgres", "PostgreSQL", database);
        let statuses = runner.statuses();
        self.ready.push(("projections".into(), Box::new(move |_| following(&statuses.borrow()))));
    }

    /// What an orchestrator of sagas needs, and does.
    pub(crate) fn of_orchestrator(&mut self, orchestrator: &Orchestrator, servers: &Servers) {
        self.turns("saga-poll", "polled", orchestrator.polled());
        self.turns("saga-timers", "looked", orchestrator.looked());
        self.needs("postgres", "PostgreSQL", Probe::postgres(&servers.database));
        let holdings = orchestrator.holdings();
        if let Some(reader) = servers.orchestrators() {
            let topic = reader.topics.first().map(String::as_str);
            self.needs("saga-kafka", "Kafka", lag::follow(&reader.kafka, holdings.clone(), topic));
        }
        self.says("saga partitions", move || match holdings.list().len() {
            0 => "none is ours yet, or other orchestrators have them all".into(),
            count => format!("{count} are ours"),
        });
    }

    /// A loop that says when it goes round; `does` is what it does then.
    fn turns(&mut self, part: &str, does: &'static str, last: watch::Receiver<Instant>) {
        let stop = self.stop.clone();
        let check = move |now| turning(&last, does, now, stop.is_cancelled());
        self.alive.push((part.into(), Box::new(check)));
    }

    /// The part of a worker that takes jobs from a queue.
    fn claims(&mut self, queue: &str, claiming: watch::Receiver<Claiming>) {
        let stop = self.stop.clone();
        let check = move |now| asking(&claiming, now, stop.is_cancelled());
        self.alive.push((format!("queue {queue}"), Box::new(check)));
    }

    /// A server that is needed.
    fn needs(&mut self, part: &str, server: &'static str, probe: Probe) {
        self.ready.push((part.into(), Box::new(move |now| probe.finding(server, now))));
    }

    /// Something that is worth to be said.
    fn says(&mut self, part: &str, says: impl Fn() -> String + Send + Sync + 'static) {
        self.ready.push((part.into(), Box::new(move |_| Ok(says()))));
    }

    /// Whether it would do no good to restart it.
    pub(crate) fn alive(&self) -> Report {
        Report::of(&self.alive)
    }

    /// What is wrong, part by part; that it is stopping is not.
    pub(crate) fn wrong(&self) -> Vec<(String, String)> {
        let parts = self.ready().parts.into_iter();
        parts.filter(|(name, part)| !part.ok && name != ROLE).map(|(name, part)| (name, part.detail)).collect()
    }

    /// Whether it does its work.
    pub(crate) fn ready(&self) -> Report {
        let mut report = Report::of(&self.ready);
        let alive = self.alive();
        report.ok &= alive.ok;
        report.parts.extend(alive.parts);
        report
    }
}

impl Report {
    fn of(checks: &[(String, Check)]) -> Self {
        let now = Instant::now();
        let parts = checks.iter().map(|(part, check)| {
            let (ok, detail) = match check(now) {
                Ok(detail) => (true, detail),
                Err(detail) => (false, detail),
            };
            (part.clone(), Part { ok, detail })
        });
        let parts: BTreeMap<_, _> = parts.collect();
        Self { ok: parts.values().all(|part| part.ok), parts }
    }
}

fn turning(last: &watch::Receiver<Instant>, does: &str, now: Instant, stopping: bool) -> Finding {
    let age = now.saturating_duration_since(*last.borrow());
    match last.has_changed() {
        Err(_) if !stopping => Err("it has ended".into()),
        _ if age > STANDS_STILL && !stopping => Err(format!("it stands still: it {does} {} s ago", age.as_secs())),
        _ => Ok(format!("it {does} {:.1} s ago", age.as_secs_f64())),
    }
}

/// Whether all go on.
fn following(all: &[ProjectionStatus]) -> Finding {
    let errors: Vec<&str> = all.iter().filter_map(|status| status.error.as_deref()).collect();
    if !errors.is_empty() {
        return Err(errors.join("; "));
    }
    let behind: Vec<String> = all.iter().map(|status| format!("{} is {} behind", status.name, status.lag)).collect();
    Ok(if behind.is_empty() { "there is none yet".into() } else { behind.join(", ") })
}

fn asking(claiming: &watch::Receiver<Claiming>, now: Instant, stopping: bool) -> Finding {
    let state = *claiming.borrow();
    match (claiming.has_changed(), state) {
        (Err(_), _) if !stopping => Err("nobody takes jobs from it any more".into()),
        (_, Claiming::Asking(since)) if now.saturating_duration_since(since) > STANDS_STILL => {
            let age = now.saturating_duration_since(since).as_secs();
            Err(format!("it stands still: Redis was asked for jobs {age} s ago"))
        }
        (_, Claiming::Asking(_)) => Ok("asking for jobs".into()),
        (_, Claiming::Resting) => Ok("waiting for jobs, or for jobs in hand to end".into()),
    }
}

/// Asks a server once in a while, and knows when it last answered.
#[derive(Clone)]
pub(crate) struct Probe(watch::Receiver<Answers>);

#[derive(Default)]
struct Answers {
    last: Option<Instant>,
    /// What went wrong since then.
    wrong: Option<String>,
}

impl Probe {
    /// Asks for as long as anybody wants to know.
    pub(crate) fn start<F, E>(ask: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send,
        E: Display,
    {
        let (sender, answers) = watch::channel(Answers::default());
        tokio::spawn(async move {
            while !sender.is_closed() {
                let answer = match tokio::time::timeout(PATIENCE, ask()).await {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
                };
                sender.send_modify(|answers| {
                    if answer.is_none() {
                        answers.last = Some(Instant::now());
                    }
                    answers.wrong = answer;
                });
                tokio::time::sleep(ASKED_EVERY).await;
            }
        });
        Self(answers)
    }

    /// Whether Redis answers.
    pub(crate) fn redis(queues: &Queues) -> Self {
        let queues = queues.clone();
        Self::start(move || {
            let queues = queues.clone();
            async move { queues.info().await.map(drop) }
        })
    }

    /// Whether PostgreSQL answers.
    pub(crate) fn postgres(database: &PgPool) -> Self {
        let database = database.clone();
        Self::start(move || {
            let database = database.clone();
            async move { sqlx::query("SELECT 1").execute(&database).await.map(drop) }
        })
    }

    fn finding(&self, server: &str, now: Instant) -> Finding {
        let Answers { last, wrong } = &*self.0.borrow();
        let said = wrong.as_ref().map(|wrong| format!(": {wrong}")).unwrap_or_default();
        match last.map(|last| now.saturating_duration_since(last)) {
            None => Err(format!("{server} has not answered yet{said}")),
            Some(age) if age > AWAY => Err(format!("{server} last answered {} s ago{said}", age.as_secs())),
            Some(age) => Ok(format!("{server} answered {:.1} s ago", age.as_secs_f64())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(91);

    #[test]
    fn a_loop_that_stands_still_or_has_ended_is_not_alive() {
        let began = Instant::now();
        let (turned, last) = watch::channel(began);
        assert!(turning(&last, "polled", began, false).is_ok());
        let wrong = turning(&last, "polled", began + LONG, false).unwrap_err();
        assert_eq!(wrong, "it stands still: it polled 91 s ago");
        turned.send_replace(began + LONG);
        assert!(turning(&last, "polled", began + LONG, false).is_ok());
        drop(turned);
        assert_eq!(turning(&last, "polled", began + LONG, false).unwrap_err(), "it has ended");
        assert!(turning(&last, "polled", began + LONG, true).is_ok(), "it was told to");
    }

    #[test]
    fn who_waits_for_jobs_is_alive_for_however_long_and_who_waits_for_an_answer_is_not() {
        let began = Instant::now();
        let (claiming, state) = watch::channel(Claiming::Resting);
        assert!(asking(&state, began + LONG * 1_000, false).is_ok());
        claiming.send_replace(Claiming::Asking(began));
        assert!(asking(&state, began, false).is_ok());
        assert!(asking(&state, began + LONG, false).unwrap_err().contains("91 s ago"));
        claiming.send_replace(Claiming::Resting);
        assert!(asking(&state, began + LONG, false).is_ok());
        drop(claiming);
        assert!(asking(&state, began, false).is_err());
    }

    #[test]
    fn a_server_is_away_that_has_not_answered_for_a_while() {
        let began = Instant::now();
        let (answers, receiver) = watch::channel(Answers::default());
        let probe = Probe(receiver);
        assert_eq!(probe.finding("Redis", began).unwrap_err(), "Redis has not answered yet");
        answers.send_replace(Answers { last: Some(began), wrong: None });
        assert!(probe.finding("Redis", began).is_ok());
        answers.send_replace(Answers { last: Some(began), wrong: Some("refused".into()) });
        assert!(probe.finding("Redis", began).is_ok(), "once is nothing");
        let wrong = probe.finding("Redis", began + LONG).unwrap_err();
        assert_eq!(wrong, "Redis last answered 91 s ago: refused");
    }
}
