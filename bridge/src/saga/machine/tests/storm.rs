//! Every order of messages, with repetitions and delays.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use millgate_events::{SagaCommand, SagaEvent};
use uuid::Uuid;

use super::bench::{Bench, failed, ok, parallel, trip};
use crate::saga::{Happening, Input, SagaStatus};

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
