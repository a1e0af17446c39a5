//! Where records are replayed to.

use std::future::Future;

use super::{Chosen, Progress, ReplayError, Tally};

/// What became of records that a destination was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has them for good.
    All,
    /// It has lost what it had before, and has set the progress back: these, and what was before them, come again.
    Again,
}

/// What takes records, each once, over whatever may happen.
///
/// It gets them in the order of each partition. After an error, or when the process was killed, it is begun again with the
/// progress that was noted last, which is never further than what it has.
pub trait Destination: Send {
    /// Before the first records, and again after each error: it finds out where it really is, and may set `progress` to
    /// that.
    fn begin(&mut self, progress: &mut Progress) -> impl Future<Output = Result<(), ReplayError>> + Send;

    /// Takes records over. `progress` is where it will be when it has them; its notes are the destination's own.
    fn take(
        &mut self,
        records: &[Chosen],
        progress: &mut Progress,
        tally: &mut Tally,
    ) -> impl Future<Output = Result<Taken, ReplayError>> + Send;

    /// When all is taken: whether it is still there.
    fn end(&mut self, _progress: &mut Progress) -> impl Future<Output = Result<Taken, ReplayError>> + Send {
        async { Ok(Taken::All) }
    }

    /// When it is noted that all is done: removes what it needed to go on.
    fn clear(&mut self, _progress: &Progress) -> impl Future<Output = Result<(), ReplayError>> + Send {
        async { Ok(()) }
    }
}
