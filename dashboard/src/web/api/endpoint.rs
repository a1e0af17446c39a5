//! What the API has: one table makes the routes and describes them, so that the description misses none.

use std::sync::Arc;

use axum::{Router, routing::MethodRouter};
use serde_json::{Map, Value, json};

use super::super::Web;
use crate::act::Action;

/// A path of the API.
pub(super) struct Endpoint {
    path: &'static str,
    methods: MethodRouter<Arc<Web>>,
    operations: Vec<Operation>,
}

struct Operation {
    method: &'static str,
    summary: &'static str,
    /// Names and what they say.
    query: &'static [(&'static str, &'static str)],
    /// What is sent, as an example.
    body: Option<Value>,
}

impl Endpoint {
    /// One that is looked at.
    pub(super) fn get(path: &'static str, methods: MethodRouter<Arc<Web>>, summary: &'static str) -> Self {
        let operations = vec![Operation { method: "get", summary, query: &[], body: None }];
        Self { path, methods, operations }
    }

    /// One that something is sent to.
    pub(super) fn post(
        path: &'static str,
        methods: MethodRouter<Arc<Web>>,
        summary: &'static str,
        body: Value,
    ) -> Self {
        let operations = vec![Operation { method: "post", summary, query: &[], body: Some(body) }];
        Self { path, methods, operations }
    }

    /// What may stand behind the question mark.
    pub(super) fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.operations.iter_mut().for_each(|operation| operation.query = query);
        self
    }

    /// The same path by another method.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.methods = self.methods.merge(other.methods);
        self.operations.extend(other.operations);
        self
    }
}

/// The routes of a table.
pub(super) fn router(endpoints: Vec<Endpoint>) -> Router<Arc<Web>> {
    endpoints.into_iter().fold(Router::new(), |router, endpoint| router.route(endpoint.path, endpoint.methods))
}

/// The table in the format of the `OpenAPI` specification 3.1; paths begin with `base`.
pub(super) fn document(endpoints: &[Endpoint], base: &str) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints {
        let operations = endpoint.operations.iter().map(|operation| {
            let described = described(endpoint.path, operation);
            (operation.method.to_owned(), described)
        });
        paths.insert(endpoint.path.to_owned(), Value::Object(operations.collect()));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "millgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the dashboard shows and does. What changes something carries the token of its session in the header \
                            x-csrf-token, where there is access control.",
        },
        "servers": [{ "url": format!("{base}/api") }],
        "paths": paths,
        "components": { "schemas": { "Error": {
            "type": "object", "required": ["error"],
            "properties": { "error": { "type": "string", "description": "What is wrong, and what to do about it" } },
        } } },
    })
}

fn described(path: &str, operation: &Operation) -> Value {
    let text = || json!({ "type": "string" });
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text() }))
        .chain(operation.query.iter().map(
            |(name, description)| json!({ "name": name, "in": "query", "description": description, "schema": text() }),
        ))
        .collect();
    let error = json!({ "$ref": "#/components/schemas/Error" });
    let mut described = json!({
        "summary": operation.summary,
        "operationId": format!("{} {path}", operation.method),
        "responses": {
            "200": { "description": "As it is", "content": { "application/json": { "schema": {} } } },
            "default": { "description": "Why not", "content": { "application/json": { "schema": error } } },
        },
    });
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = &operation.body {
        let content = json!({ "application/json": { "schema": { "type": "object" }, "example": body } });
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

/// Every action there is, by name: as the type itself says it.
pub(super) fn actions() -> String {
    let unknown = serde_json::from_value::<Action>(json!({ "do": "" }));
    let said = unknown.err().map(|error| error.to_string()).unwrap_or_default();
    let names: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_named_by_their_type() {
        let actions = actions();
        for name in ["pause-queue", "retry-jobs", "redrive-letters", "stop-process"] {
            assert!(actions.split(", ").any(|known| known == name), "{name}: {actions}");
        }
    }
}
