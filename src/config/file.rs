//! The file: TOML, read with its line numbers, and checked name by name against what can be set.

use std::{borrow::Cow, path::Path};

use serde::Deserialize;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    draft::Draft,
    key::{Key, nearest},
    named,
    problem::{ConfigError, Problem},
    setting::Origin,
    written_route::{ROUTES, WrittenRoute, key},
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

/// The routes of a file alone, for when it has changed. Whatever else is in it has no effect on them.
pub(super) fn routes(path: &Path, text: &str) -> Result<Vec<WrittenRoute>, ConfigError> {
    let mut draft = Draft::new(Table::new());
    Reader { path, text, draft: &mut draft }.read_routes();
    let routes = draft.take_routes();
    draft.finish().map(|_| routes)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    draft: &'a mut Draft,
}

impl<'a> Reader<'a> {
    fn read(mut self) {
        if let Some(table) = self.parse() {
            let shape = self.draft.shape().clone();
            self.table(&Key::default(), &shape, &table);
        }
    }

    fn read_routes(mut self) {
        if let Some((name, routes)) = self.parse().as_ref().and_then(|table| table.get_key_value(ROUTES)) {
            self.routes(routes, &self.origin(name.span().start));
        }
    }

    /// What the parser made of a broken file would only yield problems that are none.
    fn parse(&mut self) -> Option<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let origin = self.origin(error.span().map_or(0, |span| span.start));
            self.draft.tell(Problem::at(origin, format!("not valid TOML: {}", error.message())));
        }
        errors.is_empty().then(|| table.into_inner())
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
                (None, DeValue::Table(values)) if named::is_open(table.names()) => {
                    let example = named::example(table);
                    self.draft.open(&key, example.clone());
                    self.table(&key, &example, values);
                }
                (None, _) if *table == Key::default() && name == ROUTES => self.routes(value, &origin),
                (None, value) => {
                    let hint = hint(table, name, shape, value);
                    self.draft.tell(Problem::at(origin, format!("unknown key {key}; {hint}")));
                }
            }
        }
    }

    /// All `[[routes]]`.
    fn routes(&mut self, routes: &Spanned<DeValue<'_>>, origin: &Origin) {
        let items = routes.get_ref().as_array().into_iter().flatten();
        let tables: Vec<_> = items.filter_map(|item| Some((item.span().start, item.get_ref().as_table()?))).collect();
        if tables.len() != routes.get_ref().as_array().map_or(usize::MAX, |items| items.len()) {
            let message = "each route is a table of its own, that begins with [[routes]]";
            return self.draft.tell(Problem::at(origin.clone(), message.to_owned()));
        }
        for (start, table) in tables {
            let mut route = WrittenRoute::new(self.origin(start));
            for (name, value) in table {
                self.part_of_route(&mut route, name, value);
            }
            self.draft.add_route(route);
        }
    }

    fn part_of_route(&mut self, route: &mut WrittenRoute, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let (origin, name) = (self.origin(name.span().start), name.get_ref().as_ref());
        let Some(read) = read(value) else { return self.too_large(key(name), origin) };
        if let Err(problem) = route.set(name, &read, origin) {
            return self.draft.tell(problem);
        }
        match value.get_ref() {
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    route.place(format!("{name}.{index}"), self.origin(item.span().start));
                }
            }
            DeValue::Table(fields) => {
                for field in fields.keys() {
                    route.place(format!("{name}.{}", field.get_ref()), self.origin(field.span().start));
                }
            }
            _ => {}
        }
    }

    fn value(&mut self, key: Key, like: &Value, value: &Spanned<DeValue<'_>>, origin: Origin) {
        match read(value) {
            Some(value) => self.draft.set(key, like, value, origin),
            None => self.too_large(key, origin),
        }
    }

    fn too_large(&mut self, key: Key, origin: Origin) {
        self.draft.tell(Problem::value(origin, key, "a number in it is too large".to_owned()));
    }
}

/// The value, unless a number in it is too large.
fn read(value: &Spanned<DeValue<'_>>) -> Option<Value> {
    Value::deserialize(ValueDeserializer::from(value.clone())).ok()
}

/// The way out of a name nobody knows.
fn hint(table: &Key, name: &str, shape: &Table, value: &DeValue<'_>) -> String {
    let routes = Some(ROUTES).filter(|_| *table == Key::default());
    let names: Vec<&str> = shape.keys().map(String::as_str).chain(routes).collect();
    match (table.names(), nearest(name, names.iter().copied())) {
        // `[topics.order.created]` is TOML for a topic `order` with a table `created`.
        ([tables @ .., first], _) if named::is_open(tables) && value.is_table() => {
            format!("a name with a dot in it stands in quotes: [{}.\"{first}.{name}\"]", tables.join("."))
        }
        (_, Some(near)) => format!("did you mean {}?", table.child(near)),
        _ if names.is_empty() => "nothing can be set here; remove it".to_owned(),
        _ => format!("there are: {}", names.join(", ")),
    }
}
