use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use millgate_events::{Event, StepCommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::saga::{Saga, Step, instance::Progress};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Trip {
    name: String,
    #[serde(default)]
    car: Option<u32>,
}

macro_rules! command {
    ($name:ident, $step:literal) => {
        #[derive(Clone, Serialize, Deserialize)]
        struct $name {
            trip: String,
            #[serde(default)]
            car: Option<u32>,
        }
        impl StepCommand for $name {
            type Reply = Reserved;
            const TOPIC: &'static str = concat!("saga.trip.", $step, ".command");
            const DONE: &'static str = concat!("saga.trip.", $step, "-done.event");
            const FAILED: &'static str = concat!("saga.trip.", $step, "-failed.event");
        }
        impl From<&Trip> for $name {
            fn from(trip: &Trip) -> Self {
                Self { trip: trip.name.clone(), car: trip.car }
            }
        }
    };
}

command!(BookCar, "book-car");
command!(CancelCar, "cancel-car");
command!(BookHotel, "book-hotel");
command!(CancelHotel, "cancel-hotel");
command!(Pay, "pay");
command!(Refund, "refund");
command!(Mail, "mail");

#[derive(Serialize, Deserialize)]
struct Reserved {
    number: u32,
}

#[derive(Serialize, Deserialize)]
struct Over {
    trip: String,
    why: String,
}

impl Event for Over {
    const TYPE: &'static str = "trip.over";
    fn key(&self) -> String {
        self.trip.clone()
    }
}

fn step<C, D>(name: &'static str, undo: &'static str) -> Step<Trip, C>
where
    C: StepCommand + for<'a> From<&'a Trip>,
    D: StepCommand + for<'a> From<&'a Trip>,
{
    Step::command(name, |trip: &Trip| C::from(trip))
        .timeout(Duration::from_secs(5))
        .retries(1)
        .backoff(Duration::from_secs(1))
        .compensate(undo, |trip: &Trip| D::from(trip))
        .compensation_retries(1)
}

/// car, then hotel, then payment with a refund, then a mail that nothing takes back.
fn trip() -> Definition {
    Saga::<Trip>::named("trip")
        .step(
            step::<BookCar, CancelCar>("book-car", "cancel-car")
                .replied(|trip: &mut Trip, reply| trip.car = Some(reply.number)),
        )
        .step(step::<BookHotel, CancelHotel>("book-hotel", "cancel-hotel"))
        .step(step::<Pay, Refund>("pay", "refund").refunds())
        .step(Step::command("mail", |trip: &Trip| Mail::from(trip)).retries(0))
        .on_completed(|trip: &Trip| Over { trip: trip.name.clone(), why: "done".into() })
        .on_compensated(|trip: &Trip, cause| Over { trip: trip.name.clone(), why: cause.code.clone() })
        .build()
        .unwrap()
}

/// Car and hotel at the same time, then payment.
fn parallel() -> Definition {
    Saga::<Trip>::named("trip")
        .together(|steps| {
            steps
                .step(step::<BookCar, CancelCar>("book-car", "cancel-car"))
                .step(step::<BookHotel, CancelHotel>("book-hotel", "cancel-hotel"))
        })
        .step(step::<Pay, Refund>("pay", "refund"))
        .build()
        .unwrap()
}

/// A saga, with a clock and all that it sent.
struct Bench {
    definition: Definition,
    saga: Instance,
    now: DateTime<Utc>,
    sent: Vec<SagaCommand>,
    told: Vec<Lifecycle>,
    ended_in: Vec<Outgoing>,
    lines: Vec<TimelineEntry>,
}

impl Bench {
    fn new(definition: Definition) -> Self {
        let now = DateTime::UNIX_EPOCH;
        let instance = Instance {
            id: Uuid::nil(),
            saga: "trip".into(),
            version: 1,
            key: "t1".into(),
            status: SagaStatus::Running,
            state: json!({ "name": "t1" }),
            progress: Progress::default(),
            revision: 1,
            correlation_id: "c1".into(),
            causation_id: None,
            traceparent: None,
            started_at: now,
            ended_at: None,
        };
        let (saga, done) = definition.begin(instance, now);
        let mut bench = Self { definition, saga, now, sent: vec![], told: vec![], ended_in: vec![], lines: vec![] };
        bench.note(done);
        bench
    }

    fn note(&mut self, done: Transition) {
        self.sent.extend(done.commands.into_iter().map(|(_, command)| command));
        self.told.extend(done.told.iter().map(|(told, _)| *told));
        self.ended_in.extend(done.outcome);
        self.lines.extend(done.lines);
    }

    fn give(&mut self, input: Input) -> Result<(), Refused> {
        self.saga.revision += 1;
        let done = self.definition.advance(&mut self.saga, input, self.now)?;
        self.note(done);
        Ok(())
    }

    fn reply(&mut self, reply: SagaEvent) {
        self.give(Input::Reply(reply)).unwrap();
    }

    fn ok(&mut self, step: &str) {
        self.reply(ok(step));
    }

    fn fails(&mut self, step: &str, code: &str) {
        self.reply(failed(step, code));
    }

    /// Lets the first timer fire.
    fn wait(&mut self) {
        self.now = self.saga.due().expect("a timer");
        self.give(Input::Timer).unwrap();
    }

    fn names(&self) -> Vec<&str> {
        self.sent.iter().map(|command| command.step_name.as_str()).collect()
    }

    fn happened(&self, what: Happening) -> usize {
        self.lines.iter().filter(|line| line.what == what).count()
    }

    fn is(&self, status: SagaStatus) {
        assert_eq!(self.saga.status, status, "{:#?}", self.lines);
    }
}

fn ok(step: &str) -> SagaEvent {
    serde_json::from_value(
        json!({ "saga_id": Uuid::nil(), "step_name": step, "success": true, "data": { "number": 7 } }),
    )
    .unwrap()
}

fn failed(step: &str, code: &str) -> SagaEvent {
    serde_json::from_value(json!({
        "saga_id": Uuid::nil(), "step_name": step, "success": false, "error_code": code, "error_message": "no",
    }))
    .unwrap()
}

#[test]
fn steps_are_done_one_after_the_other_and_replies_reach_the_commands_behind_them() {
    let mut bench = Bench::new(trip());
    for step in ["book-car", "book-hotel", "pay", "mail"] {
        assert_eq!(bench.names().last(), Some(&step));
        bench.ok(step);
    }
    bench.is(SagaStatus::Completed);
    assert_eq!(bench.told, [Lifecycle::Started, Lifecycle::Completed]);
    assert_eq!(bench.ended_in[0].data, json!({ "trip": "t1", "why": "done" }));
    let hotel = &bench.sent[1];
    assert_eq!(hotel.data, json!({ "trip": "t1", "car": 7 }), "the car's reply is known to the hotel");
    assert_eq!((hotel.step_index, hotel.retry_count, hotel.max_retries), (1, 0, 1));
    assert_eq!(hotel.idempotency_key, format!("{}:book-hotel", Uuid::nil()));
    assert_eq!(hotel.timeout_at, bench.now + TimeDelta::seconds(5));
    assert_eq!((bench.saga.due(), bench.saga.ended_at), (None, Some(bench.now)));
}

#[test]
fn what_cannot_be_done_turns_back_all_that_was_in_reverse_order() {
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.ok("book-hotel");
    bench.ok("pay");
    bench.fails("mail", "not_found");
    bench.is(SagaStatus::Compensating);
    for undo in ["refund", "cancel-hotel", "cancel-car"] {
        assert_eq!(bench.names().last(), Some(&undo));
        assert!(bench.sent.last().unwrap().compensates);
        bench.ok(undo);
    }
    bench.is(SagaStatus::Compensated);
    let told = [Lifecycle::Started, Lifecycle::Failed, Lifecycle::Refunded, Lifecycle::Compensated];
    assert_eq!(bench.told, told);
    assert_eq!(bench.ended_in[0].data["why"], "not_found");
    assert_eq!(bench.saga.turned().unwrap().step.as_deref(), Some("mail"));
}

#[test]
fn a_failure_that_may_pass_is_tried_again_under_the_same_key_and_no_other_is() {
    let mut bench = Bench::new(trip());
    bench.fails("book-car", "unavailable");
    assert_eq!(bench.saga.due(), Some(bench.now + TimeDelta::seconds(1)));
    bench.wait();
    let [first, second] = &bench.sent[..] else { panic!("{:?}", bench.names()) };
    assert_eq!(first.idempotency_key, second.idempotency_key);
    assert_ne!(first.message_id, second.message_id);
    assert_eq!(second.retry_count, 1);
    // What the first try still has to say of its failure is nothing to the second.
    bench.reply(SagaEvent { retry_count: Some(0), ..failed("book-car", "unavailable") });
    assert_eq!(bench.saga.steps()[0].status, StepStatus::Sent);
    bench.fails("book-car", "unavailable");
    bench.is(SagaStatus::Compensated);
    let mut strict = Bench::new(trip());
    strict.fails("book-car", "validation_failed");
    strict.is(SagaStatus::Compensated);
    let mut told = Bench::new(trip());
    told.reply(SagaEvent { retryable: Some(false), ..failed("book-car", "sold_out") });
    told.is(SagaStatus::Compensated);
}

#[test]
fn what_is_silent_is_tried_again_and_then_given_up_and_its_late_success_is_taken_back() {
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.wait();
    assert_eq!(bench.saga.steps()[1].status, StepStatus::Retrying);
    bench.wait();
    bench.wait();
    assert_eq!(bench.saga.steps()[1].status, StepStatus::GivenUp);
    assert_eq!(bench.names(), ["book-car", "book-hotel", "book-hotel", "cancel-car"]);
    // While the car is being cancelled, the hotel says that it is booked.
    bench.ok("book-hotel");
    assert_eq!(bench.names().last(), Some(&"cancel-hotel"));
    bench.ok("cancel-hotel");
    bench.is(SagaStatus::Compensating);
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);
    assert_eq!(bench.happened(Happening::Late), 1);
}

#[test]
fn a_success_that_comes_when_all_is_over_opens_the_saga_again_and_is_taken_back() {
    let mut bench = Bench::new(trip());
    bench.wait();
    bench.wait();
    bench.wait();
    bench.is(SagaStatus::Compensated);
    bench.ok("book-car");
    bench.is(SagaStatus::Compensating);
    assert_eq!(bench.saga.ended_at, None);
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);
    // It ends twice, and says so once.
    assert_eq!(bench.told.iter().filter(|told| **told == Lifecycle::Compensated).count(), 1);
    assert_eq!(bench.ended_in.len(), 1);
}

#[test]
fn what_was_said_before_changes_nothing() {
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    let before = (bench.saga.progress.clone(), bench.sent.len());
    bench.ok("book-car");
    bench.fails("book-car", "unavailable");
    bench.ok("fly");
    assert_eq!((bench.saga.progress.clone(), bench.sent.len()), before);
    assert_eq!(bench.happened(Happening::Ignored), 3);
}

#[test]
fn a_reply_that_comes_before_its_command_is_kept_until_then() {
    let mut bench = Bench::new(trip());
    bench.ok("book-hotel");
    bench.is(SagaStatus::Running);
    assert_eq!(bench.names(), ["book-car"]);
    bench.ok("book-car");
    // The command is sent for the record, and the saga goes on at once.
    assert_eq!(bench.names(), ["book-car", "book-hotel", "pay"]);
    let mut back = Bench::new(trip());
    back.ok("book-hotel");
    back.fails("book-car", "not_found");
    assert_eq!(back.names(), ["book-car", "cancel-hotel"], "it is done, although nobody told it to");
}

#[test]
fn steps_together_are_waited_for_together_forward_and_back() {
    let mut bench = Bench::new(parallel());
    assert_eq!(bench.names(), ["book-car", "book-hotel"]);
    bench.ok("book-hotel");
    assert_eq!(bench.names().len(), 2);
    bench.ok("book-car");
    bench.fails("pay", "forbidden");
    assert_eq!(bench.names(), ["book-car", "book-hotel", "pay", "cancel-car", "cancel-hotel"]);
    bench.ok("cancel-hotel");
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);

    // One fails while the other is under way: nobody knows yet what that will be.
    let mut bench = Bench::new(parallel());
    bench.fails("book-car", "not_found");
    bench.is(SagaStatus::Compensating);
    assert_eq!(bench.names().len(), 2);
    bench.ok("book-hotel");
    assert_eq!(bench.names().last(), Some(&"cancel-hotel"));
    bench.ok("cancel-hotel");
    bench.is(SagaStatus::Compensated);
    // Or it is never heard of again.
    let mut bench = Bench::new(parallel());
    bench.fails("book-car", "not_found");
    bench.wait();
    bench.is(SagaStatus::Compensated);
}

#[test]
fn what_cannot_be_taken_back_waits_for_people() {
    let stuck = || {
        let mut bench = Bench::new(trip());
        bench.ok("book-car");
        bench.ok("book-hotel");
        bench.fails("pay", "forbidden");
        bench.fails("cancel-hotel", "unavailable");
        bench.wait();
        bench.fails("cancel-hotel", "unavailable");
        bench.is(SagaStatus::Stuck);
        assert_eq!(bench.saga.due(), None);
        bench
    };
    let mut retried = stuck();
    retried.give(Input::Retry).unwrap();
    retried.is(SagaStatus::Compensating);
    retried.ok("cancel-hotel");
    assert_eq!(retried.names().last(), Some(&"cancel-car"));
    retried.ok("cancel-car");
    retried.is(SagaStatus::Compensated);

    let mut resolved = stuck();
    let by_hand = |step: Option<&str>| Input::Resolve { step: step.map(str::to_owned), reason: "called them".into() };
    assert!(resolved.give(by_hand(Some("pay"))).unwrap_err().0.contains("pay is not stuck"));
    resolved.give(by_hand(Some("cancel-hotel"))).unwrap();
    assert_eq!(resolved.names().last(), Some(&"cancel-car"));
    resolved.ok("cancel-car");
    resolved.is(SagaStatus::Compensated);
    assert!(resolved.give(by_hand(None)).unwrap_err().0.contains("nothing of it is stuck"));

    // It was only slow.
    let mut late = stuck();
    late.ok("cancel-hotel");
    late.ok("cancel-car");
    late.is(SagaStatus::Compensated);
    // No other try can mend that.
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.fails("book-hotel", "not_found");
    bench.fails("cancel-car", "not_found");
    bench.is(SagaStatus::Stuck);
}

#[test]
fn people_can_cancel_what_runs_and_take_back_what_is_done() {
    let cancel = || Input::Cancel { reason: "changed my mind".into() };
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.give(cancel()).unwrap();
    bench.is(SagaStatus::Compensating);
    // The hotel may be booked or not; its answer is waited for.
    assert_eq!(bench.names(), ["book-car", "book-hotel"]);
    assert!(bench.give(cancel()).unwrap_err().0.contains("compensating already"));
    bench.ok("book-hotel");
    bench.ok("cancel-hotel");
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);
    assert!(bench.told.contains(&Lifecycle::Canceled) && !bench.told.contains(&Lifecycle::Failed));

    let mut bench = Bench::new(trip());
    for step in ["book-car", "book-hotel", "pay", "mail"] {
        bench.ok(step);
    }
    assert!(bench.give(cancel()).unwrap_err().0.contains("millgate saga compensate"));
    bench.give(Input::Compensate { reason: "they returned it".into() }).unwrap();
    for undo in ["refund", "cancel-hotel", "cancel-car"] {
        bench.ok(undo);
    }
    bench.is(SagaStatus::Compensated);
}

#[test]
fn an_application_that_panics_or_cannot_read_a_reply_fails_its_step() {
    let definition = Saga::<Trip>::named("trip")
        .step(
            step::<BookCar, CancelCar>("book-car", "cancel-car")
                .replied(|trip: &mut Trip, r| trip.car = Some(r.number)),
        )
        .step(Step::command("pay", |trip: &Trip| -> Pay { panic!("no price for {}", trip.name) }))
        .build()
        .unwrap();
    let mut bench = Bench::new(definition.clone());
    bench.ok("book-car");
    bench.is(SagaStatus::Compensating);
    assert!(bench.saga.turned().unwrap().message.contains("no price for t1"), "{:?}", bench.saga.turned());
    let mut bench = Bench::new(definition);
    bench.reply(SagaEvent { data: json!("?"), ..ok("book-car") });
    assert_eq!(bench.saga.turned().unwrap().code, "undecodable_reply");
    assert_eq!(bench.names().last(), Some(&"cancel-car"), "it is done, whatever the reply says");
}

#[test]
fn a_definition_that_changed_without_another_version_is_refused() {
    let mut bench = Bench::new(trip());
    bench.definition = parallel();
    let refused = bench.give(Input::Reply(ok("book-car"))).unwrap_err();
    assert!(refused.0.contains("give what changed another version"), "{refused}");
}

#[test]
fn definitions_that_cannot_work_are_refused() {
    let none = Saga::<Trip>::named("trip").build();
    assert!(none.err().unwrap().contains("no steps"));
    let twice = Saga::<Trip>::named("trip").step(step::<BookCar, CancelCar>("car", "cancel-car")).step(step::<
        BookHotel,
        CancelHotel,
    >(
        "hotel",
        "cancel-car",
    ));
    assert!(twice.build().err().unwrap().contains("two commands named `cancel-car`"));
}

/// Numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn of(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Workers that do each key once, and a network that loses nothing for good, but delays, repeats and reorders.
struct World {
    dice: Dice,
    mail: VecDeque<(SagaCommand, u32)>,
    replies: Vec<SagaEvent>,
    done: BTreeSet<String>,
}

impl World {
    fn work(&mut self) {
        let Some((command, _)) = self.mail.pop_front() else { return };
        let refuses = self.dice.of(if command.compensates { 40 } else { 6 }) == 0;
        let passes = self.dice.of(3) == 0;
        let is_done = self.done.contains(&command.idempotency_key);
        let mut reply = if is_done || !(refuses || passes) {
            self.done.insert(command.idempotency_key.clone());
            ok(&command.step_name)
        } else {
            failed(&command.step_name, if refuses { "not_found" } else { "unavailable" })
        };
        reply.retry_count = Some(command.retry_count);
        for _ in 0..=u64::from(self.dice.of(4) == 0) {
            self.replies.push(reply.clone());
        }
    }
}

#[test]
fn however_messages_are_delayed_repeated_and_reordered_all_is_done_or_nothing_is() {
    let mut ends: BTreeMap<SagaStatus, usize> = BTreeMap::new();
    let mut late = 0;
    for seed in 0..3_000 {
        let definition = if seed % 2 == 0 { trip() } else { parallel() };
        let steps: Vec<(&str, Option<&str>)> = (0..definition.steps.len()).map(|at| definition.names(at)).collect();
        let mut bench = Bench::new(definition);
        let mut world = World { dice: Dice(seed), mail: VecDeque::new(), replies: vec![], done: BTreeSet::new() };
        let mut taken = 0;
        for _ in 0..10_000 {
            for command in &bench.sent[taken..] {
                world.mail.push_back((command.clone(), 0));
            }
            taken = bench.sent.len();
            match world.dice.of(10) {
                0..=3 => world.work(),
                4..=7 if !world.replies.is_empty() => {
                    let at = usize::try_from(world.dice.of(world.replies.len() as u64)).unwrap();
                    let reply = world.replies.swap_remove(at);
                    bench.reply(reply);
                }
                8 if bench.saga.due().is_some() => bench.wait(),
                9 if world.dice.of(60) == 0 => _ = bench.give(Input::Cancel { reason: String::new() }),
                _ if bench.saga.status == SagaStatus::Stuck => _ = bench.give(Input::Retry),
                _ => {}
            }
            let is_quiet = world.mail.is_empty() && world.replies.is_empty() && taken == bench.sent.len();
            if is_quiet && bench.saga.status.has_ended() {
                break;
            }
        }
        let has = |name: &str| world.done.contains(&format!("{}:{name}", Uuid::nil()));
        match bench.saga.status {
            SagaStatus::Completed => assert!(steps.iter().all(|(step, _)| has(step)), "seed {seed}"),
            SagaStatus::Compensated => {
                for (step, undo) in &steps {
                    let Some(undo) = undo else { continue };
                    assert_eq!(has(step), has(undo), "seed {seed}: {step}: {:#?}", bench.lines);
                }
            }
            status => panic!("seed {seed} ends {status}: {:#?}", bench.lines),
        }
        assert_eq!(bench.ended_in.len(), usize::from(steps.len() == 4), "seed {seed}: it ends in one event");
        *ends.entry(bench.saga.status).or_default() += 1;
        late += bench.happened(Happening::Late);
    }
    assert!(ends.values().all(|count| *count > 300) && ends.len() == 2 && late > 100, "{ends:?}, {late} late");
}
