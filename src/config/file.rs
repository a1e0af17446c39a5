//! The file: TOML, read with its line numbers, and checked name by name against what can be set.

use std::path::Path;

use serde::Deserialize;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    draft::Draft,
    key::{Key, nearest},
    problem::Problem,
    setting::Origin,
    topics,
};

/// Lays the file over the draft.
pub(super) fn overlay(draft: &mut Draft, path: &Path) {
    match std::fs::read_to_string(path) {
        Ok(text) => Reader { path, text: &text, draft }.read(),
        Err(error) => {
            let message =
                format!("cannot read this configuration file: {error}; correct it, --config or MILLGATE_CONFIG");
            draft.tell(Problem::of(path.display(), message));
        }
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    draft: &'a mut Draft,
}

impl Reader<'_> {
    fn read(mut self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let origin = self.origin(error.span().map_or(0, |span| span.start));
            self.draft.tell(Problem::at(origin, format!("not valid TOML: {}", error.message())));
        }
        // What the parser made of a broken file would only yield problems that are none.
        if errors.is_empty() {
            let shape = self.draft.shape().clone();
            self.table(&Key::default(), &shape, table.get_ref());
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        let breaks = self.text.bytes().take(offset).filter(|&byte| byte == b'\n');
        Origin::File { path: self.path.to_owned(), line: 1 + breaks.count() }
    }

    fn table(&mut self, table: &Key, shape: &Table, values: &DeTable<'_>) {
        for (name, value) in values {
            let origin = self.origin(name.span().start);
            let name = name.get_ref().as_ref();
            let key = table.child(name);
            match (shape.get(name), value.get_ref()) {
                (Some(Value::Table(shape)), DeValue::Table(values)) => self.table(&key, shape, values),
                (Some(like), _) => self.value(key, like, value, origin),
                // Whatever its name, it is a topic's.
                (None, DeValue::Table(values)) if *table == Key::of("topics") => {
                    self.draft.open_topic(&key);
                    self.table(&key, &topics::example(), values);
                }
                (None, value) => {
                    let hint = hint(table, name, shape, value);
                    self.draft.tell(Problem::at(origin, format!("unknown key {key}; {hint}")));
                }
            }
        }
    }

    fn value(&mut self, key: Key, like: &Value, value: &Spanned<DeValue<'_>>, origin: Origin) {
        match Value::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(value) => self.draft.set(key, like, value, origin),
            Err(_) => self.draft.tell(Problem::value(origin, key, "a number in it is too large".to_owned())),
        }
    }
}

/// The way out of a name nobody knows.
fn hint(table: &Key, name: &str, shape: &Table, value: &DeValue<'_>) -> String {
    let names: Vec<&str> = shape.keys().map(String::as_str).collect();
    match (table.names(), nearest(name, names.iter().copied())) {
        // `[topics.order.created]` is TOML for a topic `order` with a table `created`.
        ([topics, first], _) if topics == "topics" && value.is_table() => {
            format!("a name with a dot in it stands in quotes: [topics.\"{first}.{name}\"]")
        }
        (_, Some(near)) => format!("did you mean {}?", table.child(near)),
        _ if names.is_empty() => "nothing can be set here; remove it".to_owned(),
        _ => format!("there are: {}", names.join(", ")),
    }
}
