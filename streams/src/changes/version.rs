//! Which of two changes of a row is the later one.

/// Where a change is in the source's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) lsn: Option<i64>,
    pub(super) snapshot: bool,
}

impl Version {
    /// Whether this one, which came later, is known to be no later than `held` one: it is older, or the same again.
    ///
    /// A row is locked by who changes it until that commits, so its changes have places in the log in their order. A snapshot has
    /// the place where it was taken, and knows nothing of transactions that were open then: their changes may have lower places,
    /// and are later all the same. In doubt what comes later counts.
    pub(super) fn is_past(self, held: Self) -> bool {
        let (Some(new), Some(known)) = (self.lsn, held.lsn) else { return false };
        match (self.snapshot, held.snapshot) {
            (false, false) => new <= known,
            (true, _) => new < known,
            (false, true) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_be_past_is_past() {
        let streamed = |lsn| Version { lsn: Some(lsn), snapshot: false };
        let read = |lsn| Version { lsn: Some(lsn), snapshot: true };
        let nowhere = Version { lsn: None, snapshot: false };
        for (new, held, is_past, why) in [
            (streamed(7), streamed(8), true, "older"),
            (streamed(8), streamed(8), true, "the same again"),
            (streamed(9), streamed(8), false, "later"),
            (read(7), streamed(8), true, "a snapshot from before the change"),
            (read(8), streamed(8), false, "a snapshot right behind it"),
            (read(9), streamed(8), false, "a snapshot after it"),
            (read(7), read(8), true, "an older snapshot"),
            (read(8), read(8), false, "the same snapshot: it comes to the same"),
            (streamed(9), read(8), false, "changed after the snapshot"),
            (streamed(8), read(8), false, "the first change after the snapshot"),
            (streamed(7), read(8), false, "of a transaction that was open when the snapshot was taken"),
            (nowhere, streamed(8), false, "in doubt"),
            (streamed(8), nowhere, false, "in doubt"),
        ] {
            assert_eq!(new.is_past(held), is_past, "{why}");
        }
    }
}
