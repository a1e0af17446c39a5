//! A trip, and a bench to try its sagas on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_events::{Event, Lifecycle, SagaCommand, SagaEvent, StepCommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::saga::{
    Definition, Happening, Input, Instance, Outgoing, Refused, Saga, SagaStatus, Step, TimelineEntry, Transition,
    instance::Progress,
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Trip {
    pub(super) name: String,
    #[serde(default)]
    pub(super) car: Option<u32>,
}

macro_rules! command {
    ($name:ident, $step:literal) => {
        #[derive(Clone, Serialize, Deserialize)]
        pub(super) struct $name {
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
pub(super) struct Reserved {
    pub(super) number: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) trip: String,
    pub(super) why: String,
}

impl Event for Over {
    const TYPE: &'static str = "trip.over";
    fn key(&self) -> String {
        self.trip.clone()
    }
}

pub(super) fn step<C, D>(name: &'static str, undo: &'static str) -> Step<Trip, C>
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
pub(super) fn trip() -> Definition {
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
pub(super) fn parallel() -> Definition {
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
pub(super) struct Bench {
    pub(super) definition: Definition,
    pub(super) saga: Instance,
    pub(super) now: DateTime<Utc>,
    pub(super) sent: Vec<SagaCommand>,
    pub(super) told: Vec<Lifecycle>,
    pub(super) ended_in: Vec<Outgoing>,
    pub(super) lines: Vec<TimelineEntry>,
}

impl Bench {
    pub(super) fn new(definition: Definition) -> Self {
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

    pub(super) fn note(&mut self, done: Transition) {
        self.sent.extend(done.commands.into_iter().map(|(_, command)| command));
        self.told.extend(done.told.iter().map(|(told, _)| *told));
        self.ended_in.extend(done.outcome);
        self.lines.extend(done.lines);
    }

    pub(super) fn give(&mut self, input: Input) -> Result<(), Refused> {
        self.saga.revision += 1;
        let done = self.definition.advance(&mut self.saga, input, self.now)?;
        self.note(done);
        Ok(())
    }

    pub(super) fn reply(&mut self, reply: SagaEvent) {
        self.give(Input::Reply(reply)).unwrap();
    }

    pub(super) fn ok(&mut self, step: &str) {
        self.reply(ok(step));
    }

    pub(super) fn fails(&mut self, step: &str, code: &str) {
        self.reply(failed(step, code));
    }

    /// Lets the first timer fire.
    pub(super) fn wait(&mut self) {
        self.now = self.saga.due().expect("a timer");
        self.give(Input::Timer).unwrap();
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.sent.iter().map(|command| command.step_name.as_str()).collect()
    }

    pub(super) fn happened(&self, what: Happening) -> usize {
        self.lines.iter().filter(|line| line.what == what).count()
    }

    pub(super) fn is(&self, status: SagaStatus) {
        assert_eq!(self.saga.status, status, "{:#?}", self.lines);
    }
}

pub(super) fn ok(step: &str) -> SagaEvent {
    serde_json::from_value(
        json!({ "saga_id": Uuid::nil(), "step_name": step, "success": true, "data": { "number": 7 } }),
    )
    .unwrap()
}

pub(super) fn failed(step: &str, code: &str) -> SagaEvent {
    serde_json::from_value(json!({
        "saga_id": Uuid::nil(), "step_name": step, "success": false, "error_code": code, "error_message": "no",
    }))
    .unwrap()
}
