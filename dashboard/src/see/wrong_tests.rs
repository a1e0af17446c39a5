use std::collections::BTreeMap;

use chrono::TimeDelta;
use millgate_jobs::{BridgedGroup, KindCounts, Limits, Point, QueueStats, Span, Trouble, WorkedQueue};

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn queue(waiting: u64, oldest: i64) -> QueueView {
    let mut stats = QueueStats::default();
    stats.waiting = waiting;
    stats.oldest = (waiting > 0).then(|| ago(oldest));
    let mut counts = KindCounts::default();
    counts.enqueued = waiting;
    stats.kinds = BTreeMap::from([("greet".to_owned(), counts)]);
    QueueView { name: "email".into(), stats, oldest_age_seconds: None, now: now() }
}

/// A bridge, a worker and a scheduler in one.
fn process() -> Process {
    let queue = WorkedQueue { name: "email".into(), concurrency: 4, in_hand: 1, utilisation: 0.5, last_fetch: None };
    let partitions = BTreeMap::from([("order.created".to_owned(), vec![0, 1])]);
    Process {
        id: "a1b2".into(),
        roles: vec!["bridge".into(), "worker".into()],
        application: "shop".into(),
        host: "host-1".into(),
        pid: 7,
        version: "1".into(),
        started_at: ago(100),
        reported_at: ago(1),
        quiet: false,
        order: None,
        queues: vec![queue],
        kinds: BTreeMap::from([("greet".to_owned(), 1)]),
        groups: vec![BridgedGroup { group: "shop".into(), partitions, handed_off: 1, stream: None }],
        troubles: Vec::new(),
        more_troubles: 0,
    }
}

fn group() -> Group {
    let queues = BTreeSet::from(["email".to_owned()]);
    Group { name: "main", of_kafka: "shop".into(), topics: vec!["order.created"], queues }
}

fn lag(records: u64) -> Arc<[PartitionLag]> {
    let topic = "order.created".to_owned();
    Arc::new([PartitionLag { reader: "main".into(), topic, partition: 0, records, seconds: Some(5) }])
}

fn schedule() -> ScheduleView {
    ScheduleView {
        name: "nightly".into(),
        cron: "@daily".into(),
        zone: "UTC".into(),
        kind: "greet".into(),
        queue: "email".into(),
        catch_up: millgate_jobs::CatchUp::One,
        jitter_seconds: 0.0,
        last: None,
        next: None,
        overdue: None,
        paused: false,
        application: Some("shop".into()),
        left: false,
        defined: None,
    }
}

/// All that there is to see; each test changes what it is about.
struct Scene {
    groups: Vec<Group>,
    streams: Vec<Follower>,
    processes: Vec<Process>,
    queues: Vec<QueueView>,
    hour: Option<History>,
    schedules: Vec<ScheduleView>,
    lags: Last<Arc<[PartitionLag]>>,
    stream_lags: Last<Arc<[PartitionLag]>>,
    policy: Last<String>,
    letters: Last<()>,
    sagas: Last<Arc<[Census]>>,
}

impl Scene {
    fn well() -> Self {
        Self {
            groups: vec![group()],
            streams: Vec::new(),
            processes: vec![process()],
            queues: vec![queue(1, 1)],
            hour: None,
            schedules: vec![schedule()],
            lags: Some(Ok(lag(0))),
            stream_lags: Some(Ok(Arc::new([]))),
            policy: Some(Ok("noeviction".into())),
            letters: Some(Ok(())),
            sagas: None,
        }
    }

    fn wrong(&self) -> Vec<Wrong> {
        all(&Seen {
            now: now(),
            groups: &self.groups,
            streams: &self.streams,
            processes: &self.processes,
            queues: &self.queues,
            hour: self.hour.as_ref(),
            schedules: &self.schedules,
            lags: &self.lags,
            stream_lags: &self.stream_lags,
            policy: &self.policy,
            letters: &self.letters,
            sagas: &self.sagas,
        })
    }

    /// The one thing that is wrong.
    #[track_caller]
    fn one(&self, severity: Gravity, text: &str, page: &str) -> Wrong {
        let wrong = self.wrong();
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        let wrong = wrong.into_iter().next().unwrap();
        assert!(wrong.text.contains(text), "{}", wrong.text);
        assert_eq!((wrong.severity, wrong.page.join("/").as_str()), (severity, page));
        wrong
    }
}

#[test]
fn nothing_is_wrong_where_all_is_well() {
    assert_eq!(Scene::well().wrong(), []);
    // Nor before the servers have said anything.
    assert_eq!(Scene { lags: None, policy: None, letters: None, ..Scene::well() }.wrong(), []);
}

#[test]
fn a_bridge_that_is_missing_is_bad_once_events_wait() {
    let mut scene = Scene::well();
    scene.processes[0].groups.clear();
    scene.one(Gravity::Warn, "no bridge runs for group shop: events of order.created would wait", "workers");
    scene.lags = Some(Ok(lag(12)));
    scene.one(Gravity::Bad, "12 events wait on order.created", "workers");
}

/// A stream of the application, and how far it is behind.
fn stream(records: u64, seconds: u64) -> Scene {
    let kafka = millgate_events::KafkaConfig { consumer_group: "shop.audit".into(), ..Default::default() };
    let stream = Follower { name: "audit".into(), topics: vec!["order.created".into()], kafka };
    let topic = "order.created".to_owned();
    let lag = PartitionLag { reader: "audit".into(), topic, partition: 0, records, seconds: Some(seconds) };
    Scene { streams: vec![stream], stream_lags: Some(Ok(Arc::new([lag]))), ..Scene::well() }
}

fn folds(scene: &mut Scene) {
    let (group, stream) = ("shop.audit".into(), Some("audit".into()));
    scene.processes[0].groups.push(BridgedGroup { group, partitions: BTreeMap::new(), handed_off: 0, stream });
}

#[test]
fn a_stream_that_nobody_folds_is_told_until_somebody_does() {
    let mut scene = stream(0, 0);
    let page = "groups/shop.audit";
    scene.one(Gravity::Warn, "no process runs stream audit: records of order.created would wait", page);
    scene = stream(7, 3);
    scene.one(Gravity::Bad, "no process runs stream audit: 7 records wait; `millgate streams run`", page);
    folds(&mut scene);
    assert_eq!(scene.wrong(), []);
}

#[test]
fn a_stream_that_does_not_keep_up_or_stands_still_is_told() {
    let mut scene = stream(7_000, 300);
    folds(&mut scene);
    let behind = "stream audit is behind: 7000 records wait, the oldest on order.created for 5m";
    scene.one(Gravity::Warn, behind, "groups/shop.audit");
    scene.stream_lags = Some(Err("no broker answers".into()));
    let away = "Kafka does not say how far the streams are behind: no broker answers";
    scene.one(Gravity::Bad, away, "topics");
    scene.stream_lags = None;
    let (topic, group) = (Some("order.created".to_owned()), Some("shop.audit".to_owned()));
    let text = "relation audit_logs does not exist".to_owned();
    scene.processes[0].troubles.push(Trouble { topic, partition: Some(1), group, since: ago(9), text });
    let waits = "partition 1 of order.created waits in stream audit: relation audit_logs does not exist";
    scene.one(Gravity::Bad, waits, "workers/a1b2");
}

#[test]
fn what_a_process_says_is_told_with_where_and_since_when() {
    let mut scene = Scene::well();
    let text = "the dead-letter topic is missing".to_owned();
    let trouble =
        Trouble { topic: Some("order.created".into()), partition: Some(1), group: None, since: ago(120), text };
    scene.processes[0].troubles.push(trouble);
    let wanted = "bridge, worker on host-1: partition 1 of order.created waits: the dead-letter topic is missing";
    let wrong = scene.one(Gravity::Bad, wanted, "workers/a1b2");
    assert_eq!(wrong.since, Some(ago(120)));
    scene.processes[0].more_troubles = 3;
    assert!(scene.wrong().iter().any(|wrong| wrong.text.contains("3 more things")));
}

#[test]
fn a_queue_that_nobody_works_on_does_not_look_idle() {
    let mut scene = Scene::well();
    scene.queues = vec![queue(5, 3_600)];
    scene.one(Gravity::Warn, "has waited for 1h", "queues/email");
    scene.processes[0].quiet = true;
    scene.one(Gravity::Bad, "every worker of queue email is quiet, and 5 jobs wait", "workers");
    scene.processes[0].queues.clear();
    scene.one(Gravity::Bad, "no worker serves queue email, and 5 jobs wait", "queues/email");
    scene.queues = vec![queue(0, 0)];
    assert_eq!(scene.wrong(), [], "nothing waits for one");
}

#[test]
fn a_kind_that_no_worker_knows_is_told_only_while_it_has_jobs() {
    let mut scene = Scene::well();
    scene.processes[0].kinds.clear();
    scene.one(Gravity::Bad, "no worker of queue email knows greet", "queues/email");
    scene.queues = vec![queue(0, 0)];
    assert_eq!(scene.wrong(), []);
}

#[test]
fn what_operators_stopped_is_told() {
    let mut scene = Scene::well();
    scene.queues[0].stats.draining = true;
    scene.one(Gravity::Warn, "queue email is draining", "queues/email");
    scene.queues[0].stats.paused = true;
    scene.queues[0].stats.oldest = Some(ago(3_600));
    scene.one(Gravity::Warn, "queue email is paused: no worker takes jobs from it, and 1 job waits", "queues/email");
}

#[test]
fn a_queue_at_its_limit_keeps_the_bridge_waiting() {
    let mut scene = Scene::well();
    scene.queues[0].stats.limits = Limits { max_jobs: Some(1), ..Limits::default() };
    scene.one(Gravity::Bad, "takes no more than 1 jobs and holds 1", "queues/email");
}

#[test]
fn jobs_that_die_are_told_for_ten_minutes() {
    let mut scene = Scene::well();
    let mut points = vec![Point::default(); 60];
    points[49].dead = 7;
    let mut hour = History { span: Span::Hour, now: now(), points };
    scene.hour = Some(hour.clone());
    assert_eq!(scene.wrong(), []);
    hour.points[50].dead = 7;
    scene.hour = Some(hour);
    scene.one(Gravity::Warn, "7 jobs died in the last 10 minutes", "dead");
    scene.hour = None;
    scene.queues[0].stats.unburied = 2;
    scene.one(Gravity::Warn, "2 dead jobs are not on the dead-letter topic yet", "queues");
}

#[test]
fn schedules_that_do_not_fire_are_told() {
    let mut scene = Scene::well();
    scene.schedules[0].overdue = Some(ago(10));
    assert_eq!(scene.wrong(), [], "somebody may be about to fire it");
    scene.schedules[0].overdue = Some(ago(60));
    assert_eq!(scene.one(Gravity::Bad, "nobody fires schedule nightly", "schedules/nightly").since, Some(ago(60)));
    scene.schedules[0] = ScheduleView { left: true, ..schedule() };
    scene.one(Gravity::Warn, "schedule nightly has left the code", "schedules/nightly");
}

#[test]
fn servers_that_are_away_or_set_up_wrongly_are_told() {
    let mut scene = Scene { lags: Some(Err("no broker".into())), ..Scene::well() };
    scene.one(Gravity::Bad, "Kafka does not say how far the bridge is behind: no broker", "topics");
    scene = Scene { letters: Some(Err("no table".into())), ..Scene::well() };
    scene.one(Gravity::Bad, "the dead letters cannot be read: no table", "dead");
    scene = Scene { policy: Some(Ok("allkeys-lru".into())), ..Scene::well() };
    scene.one(Gravity::Bad, "CONFIG SET maxmemory-policy noeviction", "queues");
}

#[test]
fn the_worst_comes_first_and_long_lists_are_cut() {
    let mut scene = Scene::well();
    scene.schedules[0].left = true;
    scene.processes.clear();
    let severities: Vec<Gravity> = scene.wrong().iter().map(|wrong| wrong.severity).collect();
    assert!(severities.is_sorted() && severities.contains(&Gravity::Bad), "{severities:?}");
    assert_eq!(some(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
}

#[test]
fn sagas_that_stand_still_are_told() {
    let some = |status: &str| Census {
        saga: "order".into(),
        status: status.into(),
        version: 1,
        count: 2,
        oldest: ago(60),
        due: None,
    };
    let mut scene = Scene { sagas: Some(Ok(Arc::new([some("running")]))), ..Scene::well() };
    scene.one(
        Gravity::Bad,
        "2 sagas have not ended, and no orchestrator runs: start one by `millgate saga run`",
        "sagas",
    );
    scene.processes[0].roles.push("saga".into());
    assert_eq!(scene.wrong(), []);
    scene.sagas = Some(Ok(Arc::new([some("stuck")])));
    let told = scene.one(
        Gravity::Bad,
        "2 sagas order are stuck: what was done cannot be taken back, and waits for people",
        "sagas",
    );
    assert_eq!(told.since, Some(ago(60)));
}
