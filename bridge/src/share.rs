//! What of a batch goes into one queue.

use millgate_events::Record;
use millgate_jobs::{Cancel, NewJob, Portion, Watermark};

/// Jobs by record, in the order of the records, and cancels.
#[derive(Default)]
pub(crate) struct Share {
    portions: Vec<Portion>,
    pub(crate) cancels: Vec<Cancel>,
}

impl Share {
    pub(crate) fn enqueue(&mut self, record: &Record, job: NewJob) {
        self.portion(record).jobs.push(job);
    }

    /// A cancel moves the watermark, too: else a Redis that lost nothing but cancels would not be noticed.
    pub(crate) fn cancel(&mut self, record: &Record, cancel: Cancel) {
        self.portion(record);
        self.cancels.push(cancel);
    }

    /// What is not known to be handed off.
    pub(crate) fn after(&self, offset: Option<i64>) -> &[Portion] {
        let known = self.portions.partition_point(|portion| Some(portion.mark.offset) <= offset);
        &self.portions[known..]
    }

    /// Jobs of records up to an offset.
    pub(crate) fn jobs_up_to(&self, offset: Option<i64>) -> usize {
        let known = self.portions.iter().take_while(|portion| Some(portion.mark.offset) <= offset);
        known.map(|portion| portion.jobs.len()).sum()
    }

    /// Whether some of it is known to be handed off.
    pub(crate) fn begins_before(&self, offset: Option<i64>) -> bool {
        self.portions.first().is_some_and(|portion| Some(portion.mark.offset) <= offset)
    }

    fn portion(&mut self, record: &Record) -> &mut Portion {
        if self.portions.last().is_none_or(|last| last.mark.offset != record.offset) {
            let mark = Watermark { offset: record.offset, timestamp: record.timestamp.unwrap_or(-1) };
            self.portions.push(Portion { mark, jobs: Vec::new() });
        }
        let last = self.portions.len() - 1;
        &mut self.portions[last]
    }
}
