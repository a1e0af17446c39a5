//! No secret leaves by a message, a listing or a debug print.

use super::load;
use crate::config::to_text;

#[test]
fn secrets_are_in_force_but_not_shown() {
    let loaded = load(
        "[kafka]\npassword = \"hunter2\"\n[shop]\napi_token = \"hunter2\"\n\
         [dashboard.users.ann]\npassword = \"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$aHVudGVyMmh1bnRlcjI\"\nrole = \"admin\"\n",
        &[
            ("MILLGATE_REDIS_URL", "redis://:hunter2@cache:6379/0"),
            ("MILLGATE_SMTP_URL", "smtp://u:hunter2@mail:25"),
            ("MILLGATE_POSTGRES_URL", "postgres://u:hunter2@db/shop"),
            ("MILLGATE_DASHBOARD_SECRET", "hunter2hunter2hunter2hunter2hunter2"),
            ("MILLGATE_DASHBOARD_OIDC_CLIENT_SECRET", "hunter2"),
            ("MILLGATE_WEBHOOK_SECRETS", "erp=whsec_hunter2hunter2hunter2hunter2abcd"),
        ],
    )
    .unwrap();
    assert_eq!((loaded.config.kafka.password.as_str(), loaded.app.api_token.as_str()), ("hunter2", "hunter2"));
    assert_eq!(loaded.config.webhook.secrets, ["erp=whsec_hunter2hunter2hunter2hunter2abcd"]);

    let text = to_text(&loaded.settings);
    for shown in [
        "password = \"***\"",
        "redis://:***@cache:6379/0",
        "postgres://u:***@db/shop",
        "token = \"***\"",
        "secrets = \"***\"",
        "dashboard.secret = \"***\"",
        "dashboard.users.ann.password = \"***\"",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let json = serde_json::to_string(&loaded.settings).unwrap();
    for shown in [text, json, format!("{loaded:?}"), format!("{:?}", loaded.config)] {
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMmh1bnRlcjI"), "{shown}");
    }
}

#[test]
fn secrets_are_not_in_errors() {
    for text in [
        "[kafka]\npassword = [\"hunter2\"]",
        "[redis]\nurl = [\"redis://:hunter2@cache\"]",
        "[redis]\nurl = \"http://:hunter2@cache\"",
        "[redis]\nurl = \"redis:hunter2@cache\"",
        "password = \"hunter2\"",
        "[webhook]\nsecrets = [\"erp=hunter2\"]",
        "[dashboard]\nsecret = \"hunter2\"",
        "[dashboard.users.ann]\npassword = \"hunter2\"\nrole = \"admin\"",
        "[dashboard.users.ann]\npassword = [\"hunter2\"]\nrole = \"boss\"",
        "[webhook]\nsecrets = \"erp=hunter2\"",
        "kafka = { password = \"hunter2\", linger_ms = \"x\" }",
        "[[kafka]]\npassword = \"hunter2\"",
        "[kafka]\npassword = \"hunter2",
        "[kafka]\npassword = hunter2",
        "[shop]\nreminder_delay = \"http://u:hunter2@h\"",
    ] {
        let error = load(text, &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    for (name, value) in [
        ("MILLGATE_KAFKA_PASWORD", "hunter2"),
        ("MILLGATE_REDIS_URL", "hunter2"),
        ("MILLGATE_KAFKA_PASSWORD", "hunter22"),
        ("MILLGATE_WORKER_CONCURRENCY", "redis://:hunter2@cache"),
    ] {
        let error = load("", &[(name, value), ("KAFKA_PASSWORD", "hunter2")]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
