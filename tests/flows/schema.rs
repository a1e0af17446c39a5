//! What is exported of events' shapes, and what is said of changes to them.

use std::path::Path;

use millgate_testkit::{Binary, Folder};
use serde_json::{Value, json};

use crate::shop::{PATIENCE, order};

async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    // In a folder without a configuration, and without any server.
    let folder = Folder::new("schema");
    let child =
        Binary::new(env!("CARGO_BIN_EXE_millgate")).folder(folder.path()).args(arguments.iter().copied()).spawn();
    (child.wait_exit(PATIENCE).await.code(), child.output())
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_describes_what_is_published() {
    let folder = Folder::new("schema");
    let to = folder.path().to_str().unwrap();
    let (code, said) = run(&["schema", "export", "--dir", to]).await;
    assert!(code == Some(0) && said.ends_with(&format!("files in {to}")), "{said}");
    assert!(!said.contains("without a schema"), "the shop's events all have one: {said}");
    let schema = read(&folder.path().join("order.created/v2.json"));
    let is_valid = jsonschema::validator_for(&schema).unwrap();
    let line: Value = serde_json::from_str(&order(1)).unwrap();
    assert!(is_valid.is_valid(&line["data"]));
    assert!(!is_valid.is_valid(&json!({ "order_id": "order-1" })));

    // The newest version alone; what was exported before stays.
    std::fs::write(folder.path().join("order.created/v1.json"), "{}").unwrap();
    run(&["schema", "export", "--dir", to]).await;
    assert_eq!(read(&folder.path().join("order.created/v1.json")), json!({}));
    let (_, whole) = run(&["schema", "export"]).await;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["order.created/v2.json"], schema);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asyncapi_document_is_one_by_asyncapis_own_schema() {
    let (code, text) = run(&["schema", "export", "--format", "asyncapi", "--release", "4.2.0"]).await;
    assert_eq!(code, Some(0), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    let specification = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/asyncapi-3.0.0.json"));
    let is_valid = jsonschema::validator_for(&specification).unwrap();
    let wrong: Vec<String> =
        is_valid.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut broken = document.clone();
    broken["operations"]["main.receive.order.created"]["action"] = json!("read");
    assert!(!is_valid.is_valid(&broken), "it would see");

    assert_eq!(document["info"], json!({ "title": "shop", "version": "4.2.0" }));
    let channel = &document["channels"]["order.created"];
    assert_eq!(channel["bindings"]["kafka"]["topicConfiguration"]["retention.ms"], 604_800_000);
    let crm = &document["operations"]["crm.receive.user.registered"];
    assert_eq!(crm["bindings"]["kafka"]["groupId"]["enum"][0].as_str().unwrap().rsplit_once('.').unwrap().1, "crm");
    assert!(crm["summary"].as_str().unwrap().contains("user.registered enqueues upsert-contact"), "{crm}");
    let payload = &document["components"]["messages"]["order.created"]["payload"]["$ref"];
    assert_eq!(payload, "#/components/schemas/order.created.v2");
    // Every reference leads somewhere.
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaking_change_ends_a_pipeline_with_its_reason() {
    let (old, new) = (Folder::new("schema"), Folder::new("schema"));
    let (before, after) = (old.path().to_str().unwrap(), new.path().to_str().unwrap());
    run(&["schema", "export", "--dir", before]).await;
    run(&["schema", "export", "--dir", after]).await;
    let (code, said) = run(&["schema", "check", "--mode", "full", before, after]).await;
    assert!(code == Some(0) && said.ends_with("compatible"), "{said}");

    let file = new.path().join("order.created/v2.json");
    let mut schema = read(&file);
    schema["properties"]["shop"] = json!({ "type": "string" });
    schema["required"].as_array_mut().unwrap().push(json!("shop"));
    schema["$defs"]["Item"]["properties"]["quantity"]["format"] = json!("uint8");
    std::fs::write(&file, schema.to_string()).unwrap();
    std::fs::remove_dir_all(new.path().join("payment.updated")).unwrap();
    let (code, said) = run(&["schema", "check", before, after]).await;
    assert_eq!(code, Some(1));
    let lines = [
        "order.created v2",
        "  shop: a required field is new; older documents lack it",
        "  items[].quantity: the range went from -2147483648 to 2147483647 to 0 to 255; older documents may not fit",
        "payment.updated",
        "  the event is gone; those on its topic are unknown",
    ];
    for line in lines {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(said.ends_with("3 breaking changes"), "{said}");
    let (code, report) = run(&["schema", "check", "--json", before, after]).await;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (code, &report["compatible"], report["breaking"].as_array().unwrap().len()),
        (Some(1), &json!(false), 3)
    );
    let (code, said) = run(&["schema", "check", "--mode", "forward", before, after]).await;
    assert!(code == Some(0), "a new field is nothing to older readers: {said}");

    // As a new version it is fine, for those who read; those who do not know it refuse it.
    std::fs::rename(&file, new.path().join("order.created/v3.json")).unwrap();
    std::fs::create_dir(new.path().join("payment.updated")).unwrap();
    std::fs::copy(old.path().join("payment.updated/v1.json"), new.path().join("payment.updated/v1.json")).unwrap();
    let (code, said) = run(&["schema", "check", before, after]).await;
    assert!(code == Some(0) && said.contains("version 3 is new; update its readers before its writers"), "{said}");
    let (code, said) = run(&["schema", "check", "--mode", "forward", before, after]).await;
    assert!(code == Some(1) && said.contains("version 3 is new; readers that know 2 refuse it"), "{said}");

    let (code, said) =
        run(&["schema", "check", before, file.parent().unwrap().join("v3.json").to_str().unwrap()]).await;
    assert!(code == Some(2) && said.contains("two schemas or two folders"), "{said}");
    let empty = Folder::new("schema");
    let (code, said) = run(&["schema", "check", before, empty.path().to_str().unwrap()]).await;
    assert!(code == Some(2) && said.contains("has no schemas"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_schema_is_neither_compatible_nor_breaking() {
    let folder = Folder::new("schema");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file(
        "good.json",
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}"##,
    );
    let (code, said) = run(&["schema", "check", &good, &good]).await;
    assert_eq!(code, Some(0), "{said}");
    for (name, text, told) in [
        ("text.json", "{\"type\"", "text.json is not JSON"),
        ("list.json", "[]", "list.json is no JSON Schema: #: expected a schema"),
        (
            "properties.json",
            r#"{"type":"object","properties":5}"#,
            "properties.json is no JSON Schema: #/properties: expected an object with a schema for each name; found 5",
        ),
        ("type.json", r#"{"type":"strin"}"#, "type.json is no JSON Schema: #/type: expected a type"),
        (
            "reference.json",
            r##"{"properties":{"a":{"$ref":"#/nope"}}}"##,
            "reference.json is no JSON Schema: #/properties/a/$ref: `#/nope` leads nowhere in this document",
        ),
    ] {
        let bad = file(name, text);
        for pair in [[&good, &bad], [&bad, &good], [&bad, &bad]] {
            let (code, said) = run(&["schema", "check", pair[0], pair[1]]).await;
            assert!(code == Some(2) && said.contains(told), "{name}: {code:?}: {said}");
        }
    }
    let nowhere = folder.path().join("nope.json");
    let (code, said) = run(&["schema", "check", &good, nowhere.to_str().unwrap()]).await;
    assert!(code == Some(2) && said.contains("nope.json is not there"), "{said}");
}
