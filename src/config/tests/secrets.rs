//! No secret leaves by a message, a listing or a debug print.

use super::{Shop, load};
use crate::config::{Loaded, to_text};

const SECRET: &str = "hunter2";

fn loaded() -> Loaded<Shop> {
    load(
        "[kafka]\npassword = \"hunter2\"\n[shop]\napi_token = \"hunter2\"\n",
        &[
            ("MILLGATE_REDIS_URL", "redis://:hunter2@cache:6379/0"),
            ("MILLGATE_SMTP_URL", "smtp://u:hunter2@mail:25"),
            ("MILLGATE_POSTGRES_URL", "postgres://u:hunter2@db/shop"),
        ],
    )
    .unwrap()
}

#[test]
fn secrets_are_in_force_but_not_shown() {
    let loaded = loaded();
    assert_eq!(loaded.config.kafka.password, SECRET);
    assert_eq!(loaded.config.postgres.url, "postgres://u:hunter2@db/shop");
    assert_eq!(loaded.app.api_token.as_deref(), Some(SECRET));

    let text = to_text(&loaded.settings);
    for line in [
        "kafka.password = \"***\" ",
        "redis.url = \"redis://:***@cache:6379/0\" ",
        "smtp.url = \"smtp://u:***@mail:25\" ",
        "postgres.url = \"postgres://u:***@db/shop\" ",
        "shop.api_token = \"***\" ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json = serde_json::to_string(&loaded.settings).unwrap();
    for shown in [
        text,
        json,
        format!("{loaded:?}"),
        format!("{:?}", loaded.config),
        format!("{:?}", loaded.settings),
    ] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn secrets_are_not_in_errors() {
    for (text, env) in [
        ("[kafka]\npassword = [\"hunter2\"]", vec![]),
        ("[kafka]\npasword = \"hunter2\"", vec![]),
        ("[redis]\nurl = [\"redis://:hunter2@cache\"]", vec![]),
        ("[redis]\nurl = \"http://:hunter2@cache\"", vec![]),
        ("[redis]\nurl = \"redis:hunter2@cache\"", vec![]),
        ("password = \"hunter2\"", vec![]),
        (
            "kafka = { password = \"hunter2\", linger_ms = \"x\" }",
            vec![],
        ),
        ("[[kafka]]\npassword = \"hunter2\"", vec![]),
        ("[kafka]\npassword = \"hunter2", vec![]),
        ("[kafka]\npassword = hunter2", vec![]),
        ("[shop]\nreminder_delay = \"http://u:hunter2@h\"", vec![]),
        ("", vec![("MILLGATE_KAFKA_PASWORD", "hunter2")]),
        ("", vec![("MILLGATE_REDIS_URL", "hunter2")]),
        (
            "",
            vec![
                ("KAFKA_PASSWORD", "hunter2"),
                ("MILLGATE_KAFKA_PASSWORD", "hunter22"),
            ],
        ),
        (
            "",
            vec![("MILLGATE_WORKER_CONCURRENCY", "redis://:hunter2@cache")],
        ),
    ] {
        let error = load(text, &env).unwrap_err();
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            format!("{error:#?}"),
        ] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}

/// A type whose own messages quote the value.
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Gossip {
    token: Option<Loud>,
    url: Option<Loud>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
struct Loud(String);

impl TryFrom<String> for Loud {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("I do not like {text:?}"))
    }
}

#[test]
fn secrets_quoted_by_the_applications_type_are_cut_out() {
    let folder = super::Folder::new();
    folder.write(
        "millgate.toml",
        "[shop]\ntoken = \"hunter2\"\nurl = \"http://u:hunter2@h\"\n",
    );
    let loaded = super::load_beside::<Gossip>(&folder.0, "shop", None, super::variables(&[]));
    let error = loaded.map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(":2: shop.token: I do not like \"***\""),
        "{text}"
    );
    assert!(
        text.contains(":3: shop.url: I do not like \"http://u:***@h\""),
        "{text}"
    );
    assert!(!format!("{error:?}").contains(SECRET));
}
