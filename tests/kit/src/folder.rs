//! Folders that go away.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::unique;

/// A new folder, removed with everything in it when this value is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A folder whose name begins with `name`.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(unique(&format!("millgate-{name}")));
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover in the folder for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
