//! The programs that servers of a test's own are made of.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).expect("tests/kit lies two levels below the root").to_owned()
    });
    &ROOT
}

/// A program by its name in `.services/tools.env`, which `make test-tools` writes. A variable of
/// the same name comes first.
///
/// # Panics
/// If neither is there.
pub fn tool(name: &str) -> String {
    if let Ok(path) = env::var(name) {
        return path;
    }
    let list = root().join(".services/tools.env");
    let text = fs::read_to_string(&list).unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{name} is not known: run `make test-tools`")).to_owned()
}

/// Kafka's jars, as a Java class path.
pub(crate) fn kafka_jars() -> String {
    let jars = root().join(".services/kafka/libs");
    assert!(jars.join("pom.xml").exists(), "Kafka's jars are not there: run `make test-tools`");
    format!("{}/*", jars.display())
}

/// Apicurio's registry, a jar that says where the others are.
pub(crate) fn apicurio_jar() -> String {
    let jars = root().join(".services/apicurio/libs");
    let of = |entry: std::io::Result<fs::DirEntry>| entry.ok().map(|entry| entry.path().display().to_string());
    let found = fs::read_dir(jars).into_iter().flatten().filter_map(of).find(|path| path.ends_with("-runner.jar"));
    found.expect("Apicurio's jars are not there: run `make test-tools`")
}

/// Those of Kafka Connect with Debezium, likewise.
pub(crate) fn debezium_jars() -> String {
    let jars = root().join(".services/debezium/libs");
    assert!(jars.join("pom.xml").exists(), "Debezium's jars are not there: run `make test-tools`");
    format!("{}/*", jars.display())
}
