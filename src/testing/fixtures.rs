//! Stored payloads of every version that was ever published.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::App;

/// Reads every fixture of every event that `app` knows as its records are read, upcasts and all, and panics with a list of
/// what is wrong.
///
/// A fixture is the payload of one version: `{folder}/{type}/v{version}.json`; of a version that came in several shapes,
/// there may be more, `v1.gift.json`. Each has to decode. Each version older than the newest needs one; of the newest there
/// may be some, and it is best to store one the day that it is published. A folder of a type that the application does not
/// know is an error, as is a version from the future: either is a typing error, or an event that can no longer be read.
///
/// The folder is found from where the test runs: for Cargo that is the package.
///
/// ```no_run
/// # use millgate::App;
/// # fn app() -> App { App::new("shop") }
/// #[test]
/// fn everything_that_was_ever_published_can_be_read() {
///     millgate::testing::assert_fixtures(app(), "fixtures");
/// }
/// ```
pub fn assert_fixtures(app: App, folder: impl AsRef<Path>) {
    let wrong = problems(app, folder.as_ref());
    assert!(wrong.is_empty(), "fixtures in {}:\n  {}", folder.as_ref().display(), wrong.join("\n  "));
}

fn problems(app: App, folder: &Path) -> Vec<String> {
    // An empty file: what is configured for this machine is not for its tests.
    let (app, _) = match app.load(Some(Path::new("/dev/null")), std::iter::empty()) {
        Ok(loaded) => loaded,
        Err(error) => return vec![error.to_string()],
    };
    let mut wrong = Vec::new();
    let types = entries(folder, &mut wrong);
    for (path, name) in &types {
        if app.events.find(name).is_none() {
            wrong.push(format!("{}: no event of the application has the type {name}", path.display()));
        }
    }
    for (name, event) in app.events.iter() {
        let mut found = BTreeSet::new();
        let own = types.iter().find(|(_, of)| of == name);
        for (path, file) in own.map(|(path, _)| entries(path, &mut wrong)).unwrap_or_default() {
            let Some(version) = version(&file) else {
                wrong.push(format!("{}: a fixture is named v1.json, or v1.some-words.json", path.display()));
                continue;
            };
            found.insert(version);
            if let Err(reason) = read(&path, |data| (event.read)(version, data)) {
                wrong.push(format!("{}: {reason}", path.display()));
            }
        }
        let missing = (1..event.version).filter(|version| !found.contains(version));
        wrong.extend(missing.map(|version| {
            let file = folder.join(name).join(format!("v{version}.json"));
            format!("{} is missing: store a payload of {name} as version {version} had it", file.display())
        }));
    }
    wrong
}

/// What is in a folder, by name and in order. A folder that is not there has nothing in it.
fn entries(folder: &Path, wrong: &mut Vec<String>) -> Vec<(PathBuf, String)> {
    if !folder.exists() {
        return Vec::new();
    }
    let read = std::fs::read_dir(folder).and_then(|entries| {
        let named = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
        };
        entries.map(named).collect::<Result<Vec<_>, _>>()
    });
    match read {
        Ok(mut entries) => {
            entries.sort();
            entries
        }
        Err(error) => {
            wrong.push(format!("{} cannot be read: {error}", folder.display()));
            Vec::new()
        }
    }
}

/// `v12.json` and `v12.anything.json` are of version 12.
fn version(file: &str) -> Option<u32> {
    file.strip_prefix('v')?.strip_suffix(".json")?.split('.').next()?.parse().ok()
}

fn read(
    path: &Path,
    decode: impl FnOnce(serde_json::Value) -> Result<(), millgate_events::DecodeError>,
) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let data = serde_json::from_slice(&text).map_err(|error| format!("it is not JSON: {error}"))?;
    decode(data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use millgate_derive::Event;
    use millgate_testkit::Folder;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    use super::*;

    /// Version 1 had `who`, 2 had `name`, 3 has `first` and `last`.
    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "guest.came", version = 3, key = "first", upcast(1 = "one_to_two", 2 = "two_to_three"))]
    struct GuestCame {
        first: String,
        last: String,
    }

    fn one_to_two(mut data: Value) -> Result<Value, String> {
        let who = data.get_mut("who").map(Value::take).ok_or("there is no `who`")?;
        Ok(json!({ "name": who }))
    }

    #[expect(clippy::needless_pass_by_value, reason = "a step takes what it lifts")]
    fn two_to_three(data: Value) -> Result<Value, String> {
        let (first, last) = data["name"].as_str().and_then(|name| name.split_once(' ')).ok_or("one name is no name")?;
        Ok(json!({ "first": first, "last": last }))
    }

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let folder = Folder::new("fixtures");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let found = problems(App::new("inn").event::<GuestCame>(), folder.path());
        let root = format!("{}/", folder.path().display());
        found.into_iter().map(|problem| problem.replace(&root, "")).collect()
    }

    const ONE: (&str, &str) = ("guest.came/v1.json", r#"{"who":"Ada Lovelace"}"#);
    const TWO: (&str, &str) = ("guest.came/v2.json", r#"{"name":"Ada Lovelace"}"#);

    #[test]
    fn each_version_goes_the_rest_of_the_chain() {
        let three = ("guest.came/v3.json", r#"{"first":"Ada","last":"Lovelace"}"#);
        assert_eq!(found(&[ONE, TWO, three, ("guest.came/v1.plain.json", r#"{"who":"Al Khwarizmi"}"#)]), [""; 0]);
        assert_eq!(found(&[ONE, TWO]), [""; 0], "the newest needs none");
    }

    #[test]
    fn a_version_without_a_fixture_is_told() {
        let missing = "guest.came/v2.json is missing: store a payload of guest.came as version 2 had it";
        assert_eq!(found(&[ONE]), [missing]);
        assert_eq!(found(&[]).len(), 2, "no folder, no fixtures");
    }

    #[test]
    fn what_no_longer_decodes_is_told_with_its_step() {
        let broken = ("guest.came/v1.json", r#"{"who":"Ada"}"#);
        let upcast =
            "guest.came/v1.json: event guest.came of version 1 could not be upcast: from 2 to 3: one name is no name";
        assert_eq!(found(&[broken, TWO]), [upcast]);
        let broken = ("guest.came/v1.json", r#"{"whom":"Ada"}"#);
        assert!(found(&[broken, TWO])[0].ends_with("from 1 to 2: there is no `who`"));
        let shape = found(&[ONE, TWO, ("guest.came/v3.json", r#"{"first":"Ada"}"#)]);
        assert!(shape[0].contains("missing field `last`"), "{shape:?}");
        let future = found(&[ONE, TWO, ("guest.came/v4.json", "{}")]);
        assert!(future[0].contains("has version 4; this program knows versions up to 3"), "{future:?}");
        assert!(found(&[ONE, TWO, ("guest.came/v3.json", "{")])[0].contains("it is not JSON"));
        assert!(found(&[ONE, TWO, ("guest.came/3.json", "{}")])[0].contains("a fixture is named v1.json"));
        assert!(
            found(&[ONE, TWO, ("guest.cam/v1.json", "{}")])[0].contains("no event of the application has the type")
        );
    }
}
