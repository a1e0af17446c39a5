//! What is there, as plain data: pages, API and command line show the same.

mod error;
mod event_line;
mod groups;
mod letters;
mod payload;
mod queue;
mod records;
mod routes;
mod sample;
mod topics;

pub use error::SeeError;
pub use event_line::EventLine;
pub use groups::{GroupView, PartitionLag, WatermarkView, group, groups, lags, reader};
pub use letters::{
    CauseView, LetterChoice, LetterPage, LetterView, TrendName, When, cause, causes, letter, letters, no_letter, no_letters,
    what_died,
};
pub use payload::Payload;
pub use queue::{QueueView, queues};
pub use records::{EventBrief, RecordChoice, RecordPage, RecordView, record, records};
pub use routes::{EventRoutes, Tried, plans, routes, try_routes};
pub use topics::{TopicList, TopicRole, TopicView, topic, topics};
