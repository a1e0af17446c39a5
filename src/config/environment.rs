//! The environment: which variables there are, and what each sets.

use std::collections::BTreeMap;

use toml::Value;

use super::FILE_VARIABLE;
use super::draft::{Draft, Leaf};
use super::key::{Key, nearest};
use super::problem::{Problem, hint};
use super::secret;
use super::setting::{Origin, literal};
use super::shape::{BareNumber, Shape};

/// What every variable of ours begins with, but for the fixed ones.
const PREFIX: &str = "MILLGATE_";

/// Variables that set a value under a name of their own, since deployments have long used them.
/// Durations in these may be bare numbers of milliseconds.
pub const FIXED_NAMES: [(&str, [&str; 2]); 12] = [
    ("KAFKA_BROKERS", ["kafka", "brokers"]),
    ("KAFKA_CLIENT_ID", ["kafka", "client_id"]),
    ("KAFKA_BATCH_SIZE", ["kafka", "batch_size"]),
    ("KAFKA_LINGER_MS", ["kafka", "linger_ms"]),
    ("KAFKA_MAX_RETRIES", ["kafka", "max_retries"]),
    ("KAFKA_RETRY_INTERVAL", ["kafka", "retry_interval"]),
    ("KAFKA_CONSUMER_GROUP", ["kafka", "consumer_group"]),
    ("KAFKA_SESSION_TIMEOUT", ["kafka", "session_timeout"]),
    ("KAFKA_REBALANCE_TIMEOUT", ["kafka", "rebalance_timeout"]),
    ("KAFKA_SASL_ENABLED", ["kafka", "sasl_enabled"]),
    ("KAFKA_USERNAME", ["kafka", "username"]),
    ("KAFKA_PASSWORD", ["kafka", "password"]),
];

/// The environment of this process, for [`load`](super::load).
///
/// Unlike [`std::env::vars`] it does not panic over a variable that is not UTF-8; such a byte
/// becomes `U+FFFD`.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        (text(name), text(value))
    })
}

/// A variable that sets a setting.
struct Override<'a> {
    name: &'a str,
    text: &'a str,
    bare: BareNumber,
}

/// Lays the environment over the draft.
pub(super) fn overlay(draft: &mut Draft, env: &[(String, String)]) {
    let leaves = draft.leaves();
    let mut by_variable: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, leaf) in leaves.iter().enumerate() {
        let indices = by_variable.entry(leaf.key.variable()).or_default();
        indices.push(index);
    }

    let mut overrides: BTreeMap<usize, Vec<Override<'_>>> = BTreeMap::new();
    for (name, text) in env {
        let fixed = FIXED_NAMES
            .iter()
            .find(|(fixed, _)| fixed == name)
            .map(|(_, key)| Key::from(&key[..]));
        if let Some(key) = fixed {
            if let Some(index) = leaves.iter().position(|leaf| leaf.key == key) {
                let bare = BareNumber::Milliseconds;
                let set = Override { name, text, bare };
                overrides.entry(index).or_default().push(set);
            }
            continue;
        }
        if !name.starts_with(PREFIX) || name == FILE_VARIABLE {
            continue;
        }
        match by_variable.get(name).map(Vec::as_slice) {
            Some([index]) => {
                let bare = BareNumber::Refused;
                let set = Override { name, text, bare };
                overrides.entry(*index).or_default().push(set);
            }
            Some(indices) => {
                let keys = indices.iter().filter_map(|&index| leaves.get(index));
                draft.tell(Problem::AmbiguousVariable {
                    name: name.clone(),
                    keys: keys.map(|leaf| leaf.key.clone()).collect(),
                });
            }
            None if is_service_link(name, text) => {}
            None => draft.tell(unknown(name, by_variable.keys())),
        }
    }

    for (index, overrides) in overrides {
        if let Some(leaf) = leaves.get(index) {
            apply(draft, leaf, &overrides);
        }
    }
}

/// Sets one setting from the variables that name it: at most a fixed and a generic one.
fn apply(draft: &mut Draft, leaf: &Leaf, overrides: &[Override<'_>]) {
    let mut accepted: Option<(&str, Value)> = None;
    for set in overrides {
        let Some(value) = parse(leaf, set) else {
            draft.tell(wrong_type(leaf, set));
            continue;
        };
        match &accepted {
            Some((first, other)) if !leaf.shape.same(other, &value) => {
                draft.tell(Problem::Conflict {
                    key: leaf.key.clone(),
                    first: (*first).to_owned(),
                    second: set.name.to_owned(),
                });
            }
            Some(_) => {}
            None => accepted = Some((set.name, value)),
        }
    }
    if let Some((name, value)) = accepted {
        draft.set(&leaf.key, value, Origin::Variable(name.to_owned()));
    }
}

fn parse(leaf: &Leaf, set: &Override<'_>) -> Option<Value> {
    // A type that takes anything is best served with what it already has.
    let like_now = match (&leaf.shape, &leaf.value) {
        (Shape::Any, Some(value)) => Shape::of(value).parse(set.text, set.bare),
        _ => None,
    };
    like_now.or_else(|| leaf.shape.parse(set.text, set.bare))
}

fn wrong_type(leaf: &Leaf, set: &Override<'_>) -> Problem {
    let number = set.text.trim().parse::<i64>().ok().map(Value::from);
    let found = Value::from(set.text);
    let by_file = match leaf.shape {
        Shape::Table { .. } => "; set it in the file",
        Shape::List(ref item) if matches!(**item, Shape::Table { .. }) => "; set it in the file",
        _ => "",
    };
    Problem::WrongType {
        place: Origin::Variable(set.name.to_owned()),
        key: leaf.key.clone(),
        expected: leaf.shape.expected(number.as_ref()) + by_file,
        found: literal(&secret::mask(&leaf.key, &found)),
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    // Without what all have in common, which would make everything look alike.
    let wanted = name.strip_prefix(PREFIX).unwrap_or(name);
    let candidates = known.filter_map(|known| known.strip_prefix(PREFIX));
    let near = nearest(wanted, candidates).map(|near| format!("{PREFIX}{near}"));
    let hint = match near {
        Some(near) => hint(Some(&near), &[]),
        None => "`millgate config` lists all settings; unset it".to_owned(),
    };
    Problem::UnknownVariable {
        name: name.to_owned(),
        hint,
    }
}

/// Kubernetes sets these in every pod that runs beside a service called `millgate` or
/// `millgate-..`; nobody meant them for us.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = value.starts_with("tcp://") || value.starts_with("udp://");
    let port = name.rsplit_once("_PORT_").map(|(_, port)| port);
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_address)
        || port.is_some_and(|port| {
            let number = port.split('_').next().unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_are_known_by_their_look() {
        for (name, value) in [
            ("MILLGATE_SERVICE_HOST", "10.0.0.1"),
            ("MILLGATE_SERVICE_PORT", "9464"),
            ("MILLGATE_SERVICE_PORT_METRICS", "9464"),
            ("MILLGATE_PORT", "tcp://10.0.0.1:9464"),
            ("MILLGATE_REDIS_PORT", "tcp://10.0.0.1:6379"),
            ("MILLGATE_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
            ("MILLGATE_PORT_9464_TCP_PROTO", "tcp"),
            ("MILLGATE_PORT_9464_TCP_PORT", "9464"),
            ("MILLGATE_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in [
            ("MILLGATE_REDIS_PORT", "6379"),
            ("MILLGATE_KAFKA_BROKER", "tcp://10.0.0.1:9092"),
            ("MILLGATE_PORT_RANGE", "1-2"),
        ] {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
