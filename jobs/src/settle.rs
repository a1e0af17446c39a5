//! Saying what became of leased jobs.

use std::{collections::HashSet, fmt::Write, time::Duration};

use crate::{Queue, QueueError, Verdict, lease::Hold, new_job::millis};

/// A verdict on a leased job.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    /// The run's number in its worker.
    pub(crate) run: u64,
    pub(crate) hold: Hold,
    pub(crate) verdict: Verdict,
}

/// Most items in one call: each takes Redis some 10 µs, be it one job or a run of many that are done.
const STEP: usize = 100;

/// Jobs of one claim and kind with one verdict, as the script wants them.
struct Group<'a> {
    first: &'a Settlement,
    items: String,
    count: usize,
    /// The run of places in a block that the items end with: block, first place, the one after the last.
    open: Option<(&'a str, usize, usize)>,
}

impl<'a> Group<'a> {
    fn new(first: &'a Settlement) -> Self {
        let mut group = Self { first, items: String::new(), count: 0, open: None };
        group.add(&first.hold);
        group
    }

    /// Done jobs of a claim and kind can share a group.
    fn takes(&self, settlement: &Settlement) -> bool {
        self.count < STEP
            && word(self.first) == word(settlement)
            && self.first.verdict == Verdict::Done
            && self.first.hold.token() == settlement.hold.token()
            && self.first.hold.kind() == settlement.hold.kind()
    }

    fn add(&mut self, hold: &'a Hold) {
        match (&mut self.open, hold.place()) {
            (Some((block, _, end)), Some(place)) if **block == *place.block && *end == place.number => *end += 1,
            (_, Some(place)) => {
                self.close_run();
                self.count += 1;
                self.open = Some((&place.block, place.number, place.number + 1));
            }
            (_, None) => {
                self.close_run();
                self.space();
                self.count += 1;
                self.items.push_str(hold.id().as_str());
            }
        }
    }

    fn space(&mut self) {
        if !self.items.is_empty() {
            self.items.push(' ');
        }
    }

    fn close_run(&mut self) {
        if let Some((block, first, end)) = self.open.take() {
            self.space();
            // A String takes all that is written to it.
            let _ = write!(self.items, "{block}:{first}-{end}");
        }
    }
}

/// The script's word for a verdict.
fn word(settlement: &Settlement) -> &'static str {
    match &settlement.verdict {
        Verdict::Done if settlement.hold.is_noted() => "noted",
        Verdict::Done => "done",
        Verdict::Cancel { .. } => "cancel",
        Verdict::Snooze { .. } => "snooze",
        Verdict::HandBack { .. } => "back",
        Verdict::Retry { .. } => "retry",
        Verdict::Dead { .. } => "dead",
    }
}

impl Queue {
    /// Says what became of leased jobs; sorts them. Gives how many did not count, as their leases were lost.
    pub(crate) async fn settle(&self, settlements: &mut [Settlement]) -> Result<usize, QueueError> {
        // In the order in which they were claimed; then runs of a block come together, and mostly are the whole claim.
        settlements.sort_by(|a, b| {
            let of = |s: &Settlement| (s.hold.place().is_none(), s.hold.id());
            a.hold.token().cmp(b.hold.token()).then_with(|| of(a).cmp(&of(b)))
        });
        let mut groups: Vec<Group<'_>> = Vec::new();
        for settlement in settlements.iter() {
            match groups.last_mut() {
                Some(group) if group.takes(settlement) => group.add(&settlement.hold),
                _ => groups.push(Group::new(settlement)),
            }
        }
        let (mut late, mut rest) = (0, &mut groups[..]);
        while !rest.is_empty() {
            let mut items = 0;
            let fits = |group: &&Group<'_>| {
                items += group.count;
                items <= STEP
            };
            let many = rest.iter().take_while(fits).count().max(1);
            let (some, others) = rest.split_at_mut(many);
            late += self.settle_groups(some).await?;
            rest = others;
        }
        Ok(late)
    }

    async fn settle_groups(&self, groups: &mut [Group<'_>]) -> Result<usize, QueueError> {
        let mut call = self.prepare(&self.queues.scripts.settle);
        for group in groups {
            group.close_run();
            let (delay, code, message) = match &group.first.verdict {
                Verdict::Done | Verdict::Cancel { .. } => (Duration::ZERO, "", ""),
                Verdict::Snooze { after } | Verdict::HandBack { after } => (*after, "", ""),
                Verdict::Retry { after, failure } => (*after, failure.code.as_str(), failure.message.as_str()),
                Verdict::Dead { failure } => (Duration::ZERO, failure.code.as_str(), failure.message.as_str()),
            };
            call.arg(group.first.hold.token()).arg(word(group.first)).arg(group.first.hold.kind());
            call.arg(group.items.as_str()).arg(millis(delay)).arg(code).arg(message);
        }
        let late: String = self.run(&call).await?;
        Ok(late.split_ascii_whitespace().count())
    }

    /// Makes leases last another `lease`. Gives the tokens of those that are lost, and the ids of running jobs that
    /// are to be cancelled. `link` may belong to another runtime.
    pub(crate) async fn renew(
        &self,
        link: &crate::link::Link,
        tokens: &HashSet<std::sync::Arc<str>>,
        lease: Duration,
    ) -> Result<(Vec<String>, Vec<String>), QueueError> {
        let mut call = self.prepare(&self.queues.scripts.renew);
        call.arg(millis(lease));
        for token in tokens {
            call.arg(&**token);
        }
        let (lost, stopped): (String, Vec<String>) = self.run_on(link, &call).await?;
        Ok((lost.split_ascii_whitespace().map(str::to_owned).collect(), stopped))
    }
}
