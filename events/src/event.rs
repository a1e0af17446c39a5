//! The trait every domain event implements.

use schemars::Schema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Something that happened, by name. Usually derived:
/// `#[derive(Event)] #[event(type = "order.created", key = "order_id")]`.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type's name as CloudEvents has it: `order.created`.
    const TYPE: &'static str;
    /// Version of the payload's shape, counted from 1.
    const VERSION: u32 = 1;
    /// The topic it is published on.
    const TOPIC: &'static str = Self::TYPE;
    /// Fields that nobody is shown, by name or path: neither in events nor in jobs that come from them.
    const SENSITIVE: &'static [&'static str] = &[];

    /// The entity it is about. Events with the same key stay in order.
    fn key(&self) -> String;

    /// Lifts a payload of version `from` (lower than [`Self::VERSION`]) to the current shape.
    ///
    /// The error is a sentence for whoever reads the dead letter.
    fn upcast(from: u32, data: Value) -> Result<Value, String> {
        let _ = data;
        Err(format!("{} has no upcast from version {from} to {}", Self::TYPE, Self::VERSION))
    }

    /// The JSON Schema of what is read as this event; `None` where it has none. Written by the derive macro:
    /// `#[event(…, schema)]`.
    fn schema() -> Option<Schema> {
        None
    }
}
