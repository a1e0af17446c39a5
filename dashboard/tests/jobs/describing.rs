//! The API says itself what it has.

use serde_json::Value;

use crate::desk::Desk;

#[tokio::test]
async fn every_path_that_is_described_answers_in_json() {
    let desk = Desk::open().await;
    let document = desk.api("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20, "{:?}", paths.keys());
    for (path, operations) in paths.iter().filter(|(_, operations)| operations.get("get").is_some()) {
        assert!(operations["get"]["summary"].as_str().is_some_and(|summary| summary.len() > 3), "{path}");
        // Nothing is called so: what names something says that it is not there, or that a server is away.
        let asked = path.replace('{', "no-").replace('}', "");
        let answer = desk.get(&format!("/api{asked}")).await;
        let json: Value =
            serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text));
        assert!(answer.status == 200 || json["error"].is_string(), "{path}: {} {json}", answer.status);
    }
    let actions = document["paths"]["/actions"]["post"]["description"].as_str().unwrap();
    assert!(actions.contains("pause-queue") && actions.contains("redrive-letters"), "{actions}");
}
