//! The file: TOML, read with its line numbers, and checked name by name against what there is.

use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::draft::Draft;
use super::key::{Key, nearest};
use super::problem::{Problem, hint};
use super::secret;
use super::setting::{Origin, literal};
use super::shape::Shape;

/// Lays the file over the draft.
pub(super) fn overlay(draft: &mut Draft, path: &Path) {
    match std::fs::read_to_string(path) {
        Ok(text) => overlay_text(draft, path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            draft.tell(Problem::FileMissing {
                path: path.to_owned(),
            });
        }
        Err(source) => draft.tell(Problem::FileUnreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn overlay_text(draft: &mut Draft, path: &Path, text: &str) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path,
        text,
        draft,
        leaf_names: Vec::new(),
    };
    for error in &errors {
        let start = error.span().map_or(0, |span| span.start);
        let problem = Problem::Syntax {
            place: reader.place(start),
            message: error.message().to_owned(),
        };
        reader.draft.tell(problem);
    }
    // What the parser made of a broken file would only yield problems that are none.
    if errors.is_empty() {
        reader.leaf_names = reader.draft.leaves().into_iter().map(|l| l.key).collect();
        let shape = reader.draft.shape().clone();
        reader.table(&Key::default(), &shape, table.get_ref(), false);
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    draft: &'a mut Draft,
    /// Every key there is, to find the section that a misplaced one belongs to.
    leaf_names: Vec<Key>,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> Origin {
        let before = self.text.bytes().take(offset);
        Origin::File {
            path: self.path.to_owned(),
            line: 1 + before.filter(|&byte| byte == b'\n').count(),
        }
    }

    /// `free`: this table's own name was not one of ours but the user's, such as a topic's.
    fn table(&mut self, key: &Key, shape: &Shape, table: &DeTable<'_>, free: bool) {
        let Shape::Table { fields, other } = shape else {
            return;
        };
        for (name, value) in table {
            let key = key.child(name.get_ref());
            let place = self.place(name.span().start);
            let value = value.get_ref();
            let field = fields.iter().find(|(field, _)| field == name.get_ref());
            if let Some((_, shape)) = field {
                self.value(&key, shape, value, place, false);
            } else if let Some(shape) = other
                // Beside the tables of the topics, a lone value is a misspelt field.
                && (value.is_table() || !matches!(**shape, Shape::Table { .. }))
            {
                self.value(&key, shape, value, place, true);
            } else {
                let hint = if free && value.is_table() {
                    quotes(&key)
                } else {
                    self.hint(&key, fields)
                };
                self.draft.tell(Problem::UnknownKey { place, key, hint });
            }
        }
    }

    fn value(&mut self, key: &Key, shape: &Shape, value: &DeValue<'_>, place: Origin, free: bool) {
        if let (Shape::Table { .. }, DeValue::Table(table)) = (shape, value) {
            self.draft.open(key);
            self.table(key, shape, table, free);
            return;
        }
        let Some(value) = plain(value) else {
            self.draft.tell(Problem::Senseless {
                place,
                key: key.clone(),
                message: "a number in it is too large; use one below 2^63".to_owned(),
            });
            return;
        };
        if shape.takes(&value) && !matches!(shape, Shape::Table { .. }) {
            self.draft.set(key, value, place);
        } else {
            self.draft.tell(Problem::WrongType {
                place,
                key: key.clone(),
                expected: shape.expected(Some(&value)),
                found: literal(&secret::mask(key, &value)),
            });
        }
    }

    fn hint(&self, key: &Key, fields: &[(String, Shape)]) -> String {
        let names: Vec<String> = fields.iter().map(|(name, _)| name.clone()).collect();
        let parent = key.parent();
        let near = nearest(key.last(), names.iter().map(String::as_str))
            .map(|name| parent.child(name))
            .or_else(|| self.elsewhere(key.last()));
        hint(near.map(|key| key.to_string()).as_deref(), &names)
    }

    /// The one key of this very name in another section.
    fn elsewhere(&self, name: &str) -> Option<Key> {
        let mut same = self.leaf_names.iter().filter(|key| key.last() == name);
        match (same.next(), same.next()) {
            (Some(key), None) => Some(key.clone()),
            _ => None,
        }
    }
}

/// `[topics.order.created]` is TOML for a topic `order` with a table `created`.
fn quotes(key: &Key) -> String {
    let name = match key.segments() {
        [_, name @ ..] => name.join("."),
        [] => String::new(),
    };
    let section = key.segments().first().map_or("", String::as_str);
    let meant = Key::section(section).child(&name);
    format!("a name with a dot in it stands in quotes: [{meant}]")
}

/// The value without its places in the file. `None` if it has a number TOML does not promise.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            Value::from(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => Value::from(number.as_str().parse::<f64>().ok()?),
        DeValue::Boolean(switch) => Value::from(*switch),
        DeValue::Datetime(time) => Value::from(*time),
        DeValue::Array(items) => items
            .iter()
            .map(|item| plain(item.get_ref()))
            .collect::<Option<Vec<_>>>()?
            .into(),
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(name, value)| Some((name.get_ref().to_string(), plain(value.get_ref())?)))
                .collect::<Option<toml::Table>>()?,
        ),
    })
}
