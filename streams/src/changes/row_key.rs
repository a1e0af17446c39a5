//! What tells a row from others.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::StageError;

/// The columns of a row's key, usually the primary key, by name.
///
/// Written as text it is the one column's value, or those of several with colons between them, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RowKey(BTreeMap<String, Value>);

impl RowKey {
    pub(super) fn of(columns: Map<String, Value>) -> Self {
        Self(columns.into_iter().collect())
    }

    /// As it was written by [`json`](Self::json).
    pub(super) fn parse(text: &str) -> Result<Self, StageError> {
        let columns = serde_json::from_str(text);
        columns
            .map(Self)
            .map_err(|error| StageError::Other(format!("change_rows has a key that is none: {text}: {error}")))
    }

    /// The same text for the same key.
    pub(super) fn json(&self) -> String {
        // Of texts and values, which can always be written.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    pub(super) fn digest(key: &str) -> Vec<u8> {
        Sha256::digest(key).to_vec()
    }

    /// A column of it.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.get(column)
    }

    /// The key as a type of one's own: that of the column, if there is but one, or a struct with fields named as the columns.
    pub fn read<K: DeserializeOwned>(&self) -> Result<K, StageError> {
        let whole = || serde_json::from_value(self.0.clone().into_iter().collect());
        let read = match self.0.values().next() {
            Some(value) if self.0.len() == 1 => {
                serde_json::from_value(value.clone()).or_else(|error| whole().map_err(|_| error))
            }
            _ => whole(),
        };
        read.map_err(|error| StageError::Other(format!("the key {} is not of the expected type: {error}", self.json())))
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, value) in self.0.values().enumerate() {
            if number > 0 {
                f.write_str(":")?;
            }
            match value {
                Value::String(text) => f.write_str(text)?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}
