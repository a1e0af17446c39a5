//! What is there, as plain data: pages, API and command line show the same.

mod queue;

pub use queue::{QueueView, queues};
