//! Records of topics once more, to a destination of one's own. The command `millgate replay` has routes, topics and files.

pub use millgate_events::{
    Chosen, Destination, IntoFile, IntoTopic, Logs, OffsetRange, Progress, Replay, ReplayError, Selection, Span, Taken,
    Tally, TypeTally,
};
