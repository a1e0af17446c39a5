//! The file: how it is found, and what is said about what stands in it.

use std::path::Path;

use millgate_testkit::Folder;

use super::{Duration, load, origin, wrong};
use crate::config::{self, ConfigError, NoSettings};

/// The client id by this argument and this variable. (That `millgate.toml` is found by its name, the tests of the
/// program show, which have a working directory of their own.)
fn client_id(argument: Option<&Path>, variable: &Path) -> Result<String, ConfigError> {
    let env = [("MILLGATE_CONFIG".to_owned(), variable.to_str().unwrap().to_owned())];
    config::load::<NoSettings>("", argument, env.into_iter()).map(|loaded| loaded.config.kafka.client_id)
}

#[test]
fn a_file_is_found_by_argument_then_by_variable() {
    let folder = Folder::new("config");
    let write = |name: &str, text: &[u8]| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let variable = write("variable.toml", b"kafka.client_id = \"by-variable\"");
    let argument = write("argument.toml", b"kafka.client_id = \"by-argument\"");
    assert_eq!(client_id(Some(&argument), &variable).unwrap(), "by-argument");
    assert_eq!(client_id(None, &variable).unwrap(), "by-variable");
    assert_eq!(client_id(None, Path::new("")).unwrap(), "millgate", "empty counts as unset");

    for (path, told) in [
        (folder.path().join("gone.toml"), "cannot read this configuration file: No such file"),
        (folder.path().to_owned(), "cannot read this configuration file"),
        (write("latin.toml", b"kafka.client_id = \"\xff\""), "UTF-8"),
    ] {
        let error = client_id(Some(&path), &variable).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()) && error.contains(told), "{error}");
    }
}

#[test]
fn a_broken_file_gives_its_lines() {
    let lines = wrong("[kafka]\nbrokers = \n\n[redis\nurl = 3\n", &[]);
    assert!(lines[0].starts_with("millgate.toml:2: not valid TOML: "), "{lines:?}");
    assert!(lines[1].starts_with("millgate.toml:4: not valid TOML: "), "{lines:?}");
    let lines = wrong("[kafka]\nlinger_ms = 1\nlinger_ms = 2\n", &[]);
    assert_eq!(lines, ["millgate.toml:3: not valid TOML: duplicate key"]);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    for (text, told) in [
        ("\n[kafka]\nbroker = \"x\"", "3: unknown key kafka.broker; did you mean kafka.brokers?"),
        ("[kafak]\nbrokers = \"x\"", "1: unknown key kafak; did you mean kafka?"),
        ("redis.urll = \"x\"", "1: unknown key redis.urll; did you mean redis.url?"),
        ("[log]\r\n# \r\ncolour = true", "3: unknown key log.colour; there are: level, format"),
        ("[shop]\nreminder-delay = 1", "2: unknown key shop.reminder-delay; did you mean shop.reminder_delay?"),
        ("[shop.mail]\ncopis = 1", "2: unknown key shop.mail.copis; did you mean shop.mail.copies?"),
        ("[topics]\npartitons = 3", "2: unknown key topics.partitons; did you mean topics.partitions?"),
        (
            "[topics.\"a.b\"]\nretenton = \"1h\"",
            "2: unknown key topics.\"a.b\".retenton; did you mean topics.\"a.b\".retention?",
        ),
        (
            "[topics.order.created]\npartitions = 3",
            "1: unknown key topics.order.created; a name with a dot in it stands in quotes: [topics.\"order.created\"]",
        ),
    ] {
        assert_eq!(wrong(text, &[]), [format!("millgate.toml:{told}")], "{text}");
    }
}

#[test]
fn a_wrong_type_is_refused_in_plain_words() {
    const SPAN: &str = "expected a duration such as \"500ms\", \"30s\", \"5m\" or \"7days\", found";
    for (text, told) in [
        ("[worker]\nconcurrency = 2.5", "worker.concurrency: expected a whole number, found 2.5"),
        ("[kafka]\nsasl_enabled = 1", "kafka.sasl_enabled: expected true or false, found 1"),
        ("[kafka]\nclient_id = 7", "kafka.client_id: expected a text in quotes, found 7"),
        ("[kafka]\nsession_timeout = 30", &format!("kafka.session_timeout: {SPAN} 30")),
        ("[topics.a]\nretention = 7", &format!("topics.a.retention: {SPAN} 7")),
        ("[topics]\nretention = \"soon\"", &format!("topics.retention: {SPAN} \"soon\"")),
        ("[topics.a]\nretention = \"soon\"", &format!("topics.a.retention: {SPAN} \"soon\"")),
        ("[audit]\nkeep = \"13 moons\"", &format!("audit.keep: {SPAN} \"13 moons\"")),
        ("[topics.a]\ncompaction = \"yes\"", "topics.a.compaction: expected true or false, found \"yes\""),
        ("[worker]\nqueues = \"a\"", "worker.queues: expected a list, found \"a\""),
        ("[shop]\nmail = 3", "shop.mail: expected a table, found 3"),
        // In the words of the section's type.
        ("[kafka]\nbatch_size = -1", "kafka.batch_size: invalid value: integer `-1`, expected u32"),
        ("[worker]\nqueues = [1]", "worker.queues: invalid type: integer `1`, expected a string"),
        ("[log]\nformat = \"xml\"", "log.format: unknown variant `xml`, expected `human` or `json`"),
        ("[shop.mail]\ncopies = 256", "shop.mail.copies: invalid value: integer `256`, expected u8"),
    ] {
        assert_eq!(wrong(text, &[]), [format!("millgate.toml:2: {told}")], "{text}");
    }
    let told = wrong("[[kafka]]\nlinger_ms = 3", &[]);
    assert_eq!(told, ["millgate.toml:1: kafka: expected a table, found [{ linger_ms = 3 }]"]);
    let told = wrong("kafka.linger_ms = 99999999999999999999", &[]);
    assert_eq!(told, ["millgate.toml:1: kafka.linger_ms: a number in it is too large"]);
}

#[test]
fn topics_have_tables_of_their_own() {
    let text = "bridge.batch_size = 0x10\n[topics]\npartitions = 3\n[topics.\"order.created\"]\npartitions = 24\n\
                retention = \"30days\"\n[topics.\"user.registered\"]\n";
    let loaded = load(text, &[]).unwrap();
    assert_eq!(loaded.config.bridge.batch_size, 16);
    let order = loaded.config.topics.settings_of("order.created");
    assert_eq!((order.partitions, order.retention), (24, Some(Duration::from_hours(30 * 24))));
    let user = loaded.config.topics.settings_of("user.registered");
    assert_eq!((user.partitions, user.replication, user.compaction), (3, 1, false));
    assert_eq!(origin(&loaded, "topics.\"order.created\".partitions"), "millgate.toml:5");
}

#[test]
fn records_can_be_kept_forever() {
    let text = "[topics.\"order.created\"]\nretention = \"30days\"\n";
    let loaded = load(text, &[("MILLGATE_TOPICS_RETENTION", "forever")]).unwrap();
    assert_eq!(loaded.config.topics.settings_of("order.created").retention, Some(Duration::from_hours(30 * 24)));
    assert_eq!(loaded.config.topics.settings_of("user.registered").retention, None);
    let loaded = load("[topics.a]\nretention = \"forever\"\n", &[]).unwrap();
    assert_eq!(loaded.config.topics.settings_of("a").retention, None);
    let told = wrong("[topics]\nretention = \"10ms\"\n", &[]);
    assert!(told[0].contains("`10ms` is no retention") && told[0].contains("or forever"), "{told:?}");
}
