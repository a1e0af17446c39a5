//! The fold against a plain reference, with a store in memory: batches of any size, keys that are forgotten, restarts.

#[path = "../../tests/windows/reference.rs"]
mod reference;

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use self::reference::{Happened, Kind, Reader, results};
use super::{
    cell::{Cell, windows},
    fold::{Fold, Folding, NEVER, Rules},
    shape::Shape,
};

struct CountAndSum;

impl Folding for CountAndSum {
    type Partial = (i64, i64);

    fn begin(&self) -> (i64, i64) {
        (0, 0)
    }

    fn merge(&self, into: &mut (i64, i64), later: (i64, i64)) {
        *into = (into.0 + later.0, into.1 + later.1);
    }
}

/// What is stored of a partition.
type Stored = BTreeMap<(String, i64), Cell<(i64, i64)>>;

fn store(fold: &mut Fold<(i64, i64)>, stored: &mut Stored, before: i64, most: usize) {
    let unknown: Vec<String> = fold.unknown().into_iter().map(str::to_owned).collect();
    let (shape, after) = (fold.rules().shape, fold.asked_from(before));
    for key in unknown {
        let of_key =
            stored.iter().filter(|((name, _), cell)| *name == key && shape.ends(cell.start, cell.last) > after);
        let cells = of_key.map(|(_, cell)| cell.clone()).collect();
        fold.adopt(&key, cells, &CountAndSum);
    }
    for change in fold.changes() {
        for start in change.gone {
            assert!(stored.remove(&(change.key.to_owned(), *start)).is_some(), "nothing is stored under {start}");
        }
        for cell in change.cells {
            stored.insert((change.key.to_owned(), cell.start), cell.clone());
        }
    }
    fold.stored(most);
}

fn shape(kind: Kind) -> Shape {
    let millis = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap());
    match kind {
        Kind::Hopping { size, every } => Shape::aligned(millis(size), millis(every)),
        Kind::Session { gap } => Shape::session(millis(gap)),
    }
}

#[test]
fn whatever_is_forgotten_and_wherever_a_batch_ends_all_events_count_once() {
    let kinds = [
        Kind::Hopping { size: 50, every: 50 },
        Kind::Hopping { size: 60, every: 20 },
        Kind::Hopping { size: 70, every: 30 },
        Kind::Session { gap: 15 },
        Kind::Session { gap: 60 },
    ];
    for seed in 0..400 {
        let mut random = SmallRng::seed_from_u64(seed);
        let kind = kinds[random.random_range(0..kinds.len())];
        let (lateness, disorder) = (random.random_range(0..40), random.random_range(0..40));
        let rules = Rules { shape: shape(kind), lateness, disorder };
        let (mut cells, mut counted, mut late) = (BTreeMap::<String, Vec<_>>::new(), Vec::new(), 0);
        for _ in 0..3 {
            let mut reader = Reader { kind, lateness, disorder, watermark: NEVER, counted: Vec::new(), late: 0 };
            let (mut stored, mut fold, mut clock) = (Stored::new(), Fold::new(rules, NEVER, NEVER, NEVER), 0);
            for _ in 0..random.random_range(1..30) {
                let before = fold.watermark();
                for _ in 0..random.random_range(1..12) {
                    clock += random.random_range(0..20);
                    let time = clock - random.random_range(0..100_i64) * i64::from(random.random_bool(0.4));
                    let key = format!("k{}", random.random_range(0..4));
                    let event = Happened { key, time, amount: random.random_range(0..100) };
                    reader.read(&event);
                    let is_late = fold.is_late(time);
                    fold.saw(time);
                    if !is_late {
                        fold.add(&event.key, time, &CountAndSum, |(count, sum)| {
                            *count += 1;
                            *sum += event.amount;
                        });
                    }
                }
                assert_eq!(fold.watermark(), reader.watermark);
                store(&mut fold, &mut stored, before, random.random_range(1..20));
                if random.random_bool(0.2) {
                    fold = Fold::new(rules, fold.watermark(), fold.newest(), NEVER);
                }
            }
            for ((key, _), cell) in stored {
                cells.entry(key).or_default().push(cell);
            }
            counted.extend(reader.counted);
            late += reader.late;
        }
        let found = cells.iter().flat_map(|(key, cells)| {
            let all = windows(rules.shape, cells, |into, other| CountAndSum.merge(into, other));
            all.into_iter().map(|(whole, _)| {
                assert_eq!(whole.events, whole.partial.0);
                ((key.clone(), whole.start), (whole.end, whole.partial.0, whole.partial.1))
            })
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), results(kind, &counted), "seed {seed}, {kind:?}, {late} late");
    }
}

#[test]
fn a_late_event_makes_one_session_of_two() {
    let rules = Rules { shape: Shape::Session { gap: 10 }, lateness: 0, disorder: 100 };
    let mut fold = Fold::new(rules, NEVER, NEVER, NEVER);
    for time in [0, 20, 5, 15] {
        fold.add("k", time, &CountAndSum, |(count, _)| *count += 1);
    }
    let changes = fold.changes();
    let cells: Vec<_> = changes[0].cells.iter().map(|cell| (cell.start, cell.last, cell.events)).collect();
    assert_eq!(cells, [(0, 20, 4)]);
}

#[test]
fn more_cells_than_may_be_open_are_forgotten_and_those_that_are_closed_first() {
    let rules = Rules { shape: Shape::Aligned { size: 10, every: 10, slice: 10 }, lateness: 0, disorder: 0 };
    let mut fold = Fold::new(rules, NEVER, NEVER, NEVER);
    for number in 0..100 {
        fold.add(&number.to_string(), 5, &CountAndSum, |(count, _)| *count += 1);
    }
    assert_eq!(fold.open(), 100);
    assert_eq!(fold.stored(50).len(), 100, "all of them have changed");
    assert_eq!(fold.open(), 25);
    fold.advance(10);
    fold.stored(50);
    assert_eq!(fold.open(), 0);
}
