//! The environment: which variables there are, and what each sets.

use toml::Value;

use super::{
    FILE_VARIABLE,
    draft::Draft,
    key::{Key, nearest},
    kind,
    problem::Problem,
    setting::Origin,
};

/// What every variable of ours begins with, but for the fixed ones.
const PREFIX: &str = "MILLGATE_";

/// Variables without the prefix, since deployments have long used them. Durations in these may be bare numbers of
/// milliseconds.
pub const FIXED_NAMES: [&str; 12] = [
    "KAFKA_BROKERS",
    "KAFKA_CLIENT_ID",
    "KAFKA_BATCH_SIZE",
    "KAFKA_LINGER_MS",
    "KAFKA_MAX_RETRIES",
    "KAFKA_RETRY_INTERVAL",
    "KAFKA_CONSUMER_GROUP",
    "KAFKA_SESSION_TIMEOUT",
    "KAFKA_REBALANCE_TIMEOUT",
    "KAFKA_SASL_ENABLED",
    "KAFKA_USERNAME",
    "KAFKA_PASSWORD",
];

/// The environment of this process, for [`load`](super::load).
///
/// Unlike [`std::env::vars`] it does not panic over a variable that is not UTF-8; such a byte becomes `U+FFFD`.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Lays the environment over the draft.
pub(super) fn overlay(draft: &mut Draft, env: &[(String, String)]) {
    let leaves: Vec<(String, Key, Value)> =
        draft.leaves().into_iter().map(|(key, like)| (key.variable(), key, like)).collect();
    for (name, text) in env {
        let is_fixed = FIXED_NAMES.contains(&name.as_str());
        let full = if is_fixed { format!("{PREFIX}{name}") } else { name.clone() };
        if !full.starts_with(PREFIX) || name == FILE_VARIABLE {
            continue;
        }
        let meant: Vec<_> = leaves.iter().filter(|(variable, ..)| *variable == full).collect();
        let message = match meant[..] {
            [(_, key, like)] => {
                set(draft, key, like, name, text, is_fixed);
                continue;
            }
            [] if is_service_link(name, text) => continue,
            [] => {
                let names = leaves.iter().map(|(variable, ..)| variable.as_str());
                format!("no setting has this name; {}", hint(name, names.chain([FILE_VARIABLE])))
            }
            _ => {
                let keys: Vec<String> = meant.iter().map(|(_, key, _)| key.to_string()).collect();
                format!("it could mean {}; set these in the file", keys.join(" or "))
            }
        };
        draft.tell(Problem::at(Origin::Variable(name.clone()), message));
    }
}

fn set(draft: &mut Draft, key: &Key, like: &Value, name: &str, text: &str, is_fixed: bool) {
    let origin = Origin::Variable(name.to_owned());
    let is_bare = is_fixed && kind::is_duration(like) && text.trim().parse::<u64>().is_ok();
    let text = if is_bare { format!("{}ms", text.trim()) } else { text.to_owned() };
    match (kind::parse(like, &text), draft.get(key)) {
        (None, _) => draft.tell(Problem::wrong_type(origin, key.clone(), like, &text.into())),
        (Some(value), Some((first, Origin::Variable(other)))) => {
            if value != *first {
                let message = format!("{other} sets it to another value; unset one of the two");
                draft.tell(Problem::value(origin, key.clone(), message));
            }
        }
        (Some(value), _) => draft.set(key.clone(), like, value, origin),
    }
}

fn hint<'a>(name: &'a str, known: impl Iterator<Item = &'a str>) -> String {
    // Without what all have in common, which would make everything look alike.
    let short = |name: &'a str| name.trim_start_matches(PREFIX);
    match nearest(short(name), known.map(short)) {
        Some(near) => format!("did you mean {PREFIX}{near}?"),
        None => "`millgate config` lists all settings; unset it".to_owned(),
    }
}

/// Kubernetes sets these in every pod that runs beside a service called `millgate` or `millgate-..`; nobody meant
/// them for us.
fn is_service_link(name: &str, value: &str) -> bool {
    ["_SERVICE_HOST", "_SERVICE_PORT", "_TCP", "_UDP"].iter().any(|part| name.contains(part))
        || (name.ends_with("_PORT") && value.contains("://"))
}
