//! What windows should come to, written as plainly as can be: all events in a list, and no thought of speed.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Hopping { size: i64, every: i64 },
    Session { gap: i64 },
}

#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) key: String,
    pub(crate) time: i64,
    pub(crate) amount: i64,
}

/// One partition's events as they are taken: which of them count.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) kind: Kind,
    pub(crate) lateness: i64,
    pub(crate) disorder: i64,
    pub(crate) watermark: i64,
    pub(crate) counted: Vec<Happened>,
    pub(crate) late: usize,
}

impl Reader {
    pub(crate) fn read(&mut self, event: &Happened) {
        let closes = match self.kind {
            // The least time that all windows begin and end by.
            Kind::Hopping { size, every } => {
                let slice = (1..=every).rev().find(|slice| size % slice == 0 && every % slice == 0).unwrap();
                (event.time.div_euclid(slice) + 1) * slice
            }
            Kind::Session { .. } => event.time,
        };
        if closes + self.lateness <= self.watermark {
            self.late += 1;
        } else {
            self.counted.push(event.clone());
        }
        self.watermark = self.watermark.max(event.time - self.disorder);
    }
}

/// Key and start of a window; its end, its count, its sum.
pub(crate) type Results = BTreeMap<(String, i64), (i64, i64, i64)>;

pub(crate) fn results(kind: Kind, events: &[Happened]) -> Results {
    let mut results = Results::new();
    match kind {
        Kind::Hopping { size, every } => {
            for event in events {
                let mut start = event.time.div_euclid(every) * every;
                while event.time < start + size {
                    let (_, count, sum) = results.entry((event.key.clone(), start)).or_insert((start + size, 0, 0));
                    *count += 1;
                    *sum += event.amount;
                    start -= every;
                }
            }
        }
        Kind::Session { gap } => {
            let mut sorted: Vec<&Happened> = events.iter().collect();
            sorted.sort_by_key(|event| (event.key.clone(), event.time));
            let mut current: Option<(String, i64)> = None;
            for event in sorted {
                let goes_on = current.as_ref().filter(|at| at.0 == event.key && event.time <= results[*at].0);
                let at = goes_on.cloned().unwrap_or((event.key.clone(), event.time));
                let (end, count, sum) = results.entry(at.clone()).or_insert((0, 0, 0));
                (*end, *count, *sum) = (event.time + gap, *count + 1, *sum + event.amount);
                current = Some(at);
            }
        }
    }
    results
}
