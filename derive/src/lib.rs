//! `#[derive(Event)]` and `#[derive(Job)]`.
//!
//! They earn their keep by what the compiler then refuses: a key that is not a field, a time that
//! cannot be read, a word that is misspelt.

mod attribute;
mod backoff;
mod event;
mod event_set;
mod field;
mod job;
mod sensitive;
mod time;
mod upcast;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `millgate::Event`.
///
/// ```text
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(type = "order.created", version = 2, key = "order_id", upcast = "from_v1")]
/// struct OrderCreated { order_id: Uuid }
/// ```
///
/// - `type`: the event's type; required.
/// - `key`: the field that says which entity the event is about; required. Events with the same key
///   stay in order.
/// - `version`: of the payload's shape; 1 if left out.
/// - `topic`: where it is published; its type if left out.
/// - `upcast(1 = "one_to_two", 2 = "two_to_three")`: a chain of `fn(serde_json::Value) -> Result<serde_json::Value, String>`,
///   each of which lifts a payload by one version. A chain with a gap does not compile.
/// - `upcast = "path"`: instead, one `fn(u32, serde_json::Value) -> Result<serde_json::Value, String>` that lifts the
///   payload of any older version to this one.
/// - `schema`: alone; `Event::schema()` gives the JSON Schema, for which the type derives `schemars::JsonSchema`, too.
///
/// A field with `#[event(sensitive)]` is shown to nobody: neither in events nor in the jobs that come from them.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    event::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Implements `millgate::EventSet` for an enum whose variants hold one event each, and `From` for each of them.
///
/// ```text
/// #[derive(EventSet)]
/// enum AccountEvent { Opened(Opened), Deposited(Deposited) }
/// ```
#[proc_macro_derive(EventSet)]
pub fn event_set(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    event_set::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Implements `millgate::Job`.
///
/// ```text
/// #[derive(Job, Serialize, Deserialize)]
/// #[job(queue = "email", max_attempts = 8, timeout = "30s")]
/// struct SendConfirmationEmail { order_id: Uuid, to: String }
/// ```
///
/// - `queue`: where it waits; required.
/// - `kind`: its name in Redis; the type's name in kebab-case if left out.
/// - `version`: of the payload's shape; 1 if left out.
/// - `max_attempts`: runs before it is dead; 4 if left out.
/// - `timeout`: of one attempt, in `ms`, `s`, `m` or `h`; 30 s if left out.
/// - `priority`: 0 (first) to 9 (last); 5 if left out.
/// - `backoff`: how pauses before retries grow: `"exponential 1s 10m"` (the first, the longest), `"linear 5s 1m"` (the step,
///   the longest), `"fixed 30s"`, or `"own path"` of a `fn(attempt: u32) -> Duration`; as the worker is set up if left out.
/// - `index`: fields that a job can be found by, as `"order_id, customer"`; their values are written by `Display`.
/// - `index_kind`: alone; jobs can be found by their kind, too.
/// - `ordered_by`: a field; jobs with the same value run one at a time and in the order they came, unless options name
///   another lane: the same as `JobOptions::ordered_by(&job.field)`.
/// - `lane`: path of a `fn(&Self) -> Option<Lane>`, which says what else it has to wait for, unless options name a lane.
///
/// A field with `#[job(sensitive)]` is shown to nobody.
#[proc_macro_derive(Job, attributes(job))]
pub fn job(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    job::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
