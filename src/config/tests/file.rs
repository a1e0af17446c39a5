//! The file: how it is found, and what is said about what stands in it.

use super::{Folder, Loaded, load, load_beside, missing, origin, seconds, variables, wrong};
use crate::config::NoSettings;

#[test]
fn a_file_is_found_by_argument_then_by_variable_then_by_name() {
    let folder = Folder::new();
    folder.write("millgate.toml", "[kafka]\nclient_id = \"by-name\"\n");
    let variable = folder.write("v.toml", "[kafka]\nclient_id = \"by-variable\"\n");
    let argument = folder.write("a.toml", "[kafka]\nclient_id = \"by-argument\"\n");
    let env = [("MILLGATE_CONFIG", variable.to_str().unwrap())];
    let client_id = |loaded: Result<Loaded<NoSettings>, _>| loaded.unwrap().config.kafka.client_id;

    let all = load_beside(&folder.0, "", Some(&argument), variables(&env));
    assert_eq!(client_id(all), "by-argument");
    let both = load_beside(&folder.0, "", None, variables(&env));
    assert_eq!(client_id(both), "by-variable");
    let one = load_beside(&folder.0, "", None, variables(&[]));
    assert_eq!(client_id(one), "by-name");
    let empty = variables(&[("MILLGATE_CONFIG", "")]);
    assert_eq!(
        client_id(load_beside(&folder.0, "", None, empty)),
        "by-name"
    );
}

#[test]
fn a_named_file_must_be_there() {
    let folder = Folder::new();
    let path = folder.0.join("gone.toml");
    let named = load_beside::<NoSettings>(&folder.0, "", Some(&path), variables(&[]));
    let error = named.unwrap_err().to_string();
    assert!(error.starts_with(&missing(&path)), "{error}");

    // What is wrong elsewhere is told all the same.
    let env = [
        ("MILLGATE_CONFIG", path.to_str().unwrap()),
        ("KAFKA_BATCH_SIZE", "x"),
    ];
    let named = load_beside::<NoSettings>(&folder.0, "", None, variables(&env));
    let error = named.unwrap_err();
    assert!(error.to_string().starts_with(&missing(&path)), "{error}");
    assert_eq!(error.problems().len(), 2);
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = Folder::new();
    // A folder where a file should be.
    let loaded = load_beside::<NoSettings>(&folder.0, "", Some(&folder.0), variables(&[]));
    let error = loaded.unwrap_err().to_string();
    assert!(
        error.contains("cannot read the configuration file"),
        "{error}"
    );

    std::fs::write(
        folder.0.join("millgate.toml"),
        b"[kafka]\nbrokers = \"\xff\"",
    )
    .unwrap();
    let loaded = load_beside::<NoSettings>(&folder.0, "", None, variables(&[]));
    let error = loaded.unwrap_err().to_string();
    assert!(error.contains("UTF-8"), "{error}");
}

#[test]
fn a_broken_file_gives_its_lines() {
    let lines = wrong("[kafka]\nbrokers = \n\n[redis\nurl = 3\n", &[]);
    assert!(lines.len() >= 2, "{lines:?}");
    assert!(
        lines[0].starts_with("millgate.toml:2: not valid TOML: "),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("millgate.toml:4: not valid TOML: "),
        "{lines:?}"
    );

    let lines = wrong("[kafka]\nlinger_ms = 1\nlinger_ms = 2\n", &[]);
    assert_eq!(lines, ["millgate.toml:3: not valid TOML: duplicate key"]);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    for (text, told) in [
        (
            "\n[kafka]\nbroker = \"x\"",
            "millgate.toml:3: unknown key kafka.broker; did you mean kafka.brokers?",
        ),
        (
            "[kafak]\nbrokers = \"x\"",
            "millgate.toml:1: unknown key kafak; did you mean kafka?",
        ),
        (
            "redis.urll = \"x\"",
            "millgate.toml:1: unknown key redis.urll; did you mean redis.url?",
        ),
        // In the wrong section, or in none.
        (
            "[bridge]\r\n# comment\r\nconcurrency = 3",
            "millgate.toml:3: unknown key bridge.concurrency; did you mean worker.concurrency?",
        ),
        (
            "brokers = \"x\"",
            "millgate.toml:1: unknown key brokers; did you mean kafka.brokers?",
        ),
        (
            "[log]\ncolour = true",
            "millgate.toml:2: unknown key log.colour; there are: level, format",
        ),
        (
            "[shop]\nreminder-delay = \"1h\"",
            "millgate.toml:2: unknown key shop.reminder-delay; did you mean shop.reminder_delay?",
        ),
        (
            "[shop.mail]\ncopis = 1",
            "millgate.toml:2: unknown key shop.mail.copis; did you mean shop.mail.copies?",
        ),
        (
            "[shop]\nmotos = 1",
            "millgate.toml:2: unknown key shop.motos; did you mean shop.motto?",
        ),
        (
            "[topics]\npartitons = 3",
            "millgate.toml:2: unknown key topics.partitons; did you mean topics.partitions?",
        ),
        (
            "[topics.\"order.created\"]\nretenton = \"1h\"",
            "millgate.toml:2: unknown key topics.\"order.created\".retenton; did you mean \
             topics.\"order.created\".retention?",
        ),
        (
            "[topics.order.created]\npartitions = 3",
            "millgate.toml:1: unknown key topics.order.created; a name with a dot in it stands in \
             quotes: [topics.\"order.created\"]",
        ),
    ] {
        assert_eq!(wrong(text, &[]), [told], "{text}");
    }
}

#[test]
fn a_wrong_type_is_refused_in_plain_words() {
    const SPAN: &str = "expected a duration such as \"500ms\", \"30s\", \"5m\" or \"7days\"";
    for (text, told) in [
        (
            "[worker]\nconcurrency = 2.5",
            "worker.concurrency: expected a whole number, found 2.5",
        ),
        (
            "[kafka]\nbatch_size = -1",
            "kafka.batch_size: expected a whole number from 0 to 4294967295, found -1",
        ),
        (
            "[kafka]\nsasl_enabled = 1",
            "kafka.sasl_enabled: expected true or false, found 1",
        ),
        (
            "[kafka]\nclient_id = 7",
            "kafka.client_id: expected a text in quotes, found 7",
        ),
        (
            "[kafka]\nsession_timeout = 30",
            &format!("kafka.session_timeout: {SPAN}, found 30"),
        ),
        (
            "[topics]\nretention = \"7 dyas\"",
            &format!("topics.retention: {SPAN}, found \"7 dyas\""),
        ),
        (
            "[topics.a]\nretention = \"a\"",
            &format!("topics.a.retention: {SPAN}, found \"a\""),
        ),
        (
            "[topics.a]\ncompaction = \"yes\"",
            "topics.a.compaction: expected true or false, found \"yes\"",
        ),
        (
            "[worker]\nqueues = \"a\"",
            "worker.queues: expected a list of texts, found \"a\"",
        ),
        (
            "[worker]\nqueues = [1]",
            "worker.queues: expected a list of texts, found [1]",
        ),
        (
            "[log]\nformat = \"xml\"",
            "log.format: expected one of human, json, found \"xml\"",
        ),
        (
            "[shop]\ndiscount = \"x\"",
            "shop.discount: expected a number, found \"x\"",
        ),
        (
            "[shop]\nmotto = 3",
            "shop.motto: expected a text in quotes, found 3",
        ),
        (
            "[shop.mail]\ncopies = 256",
            "shop.mail.copies: expected a whole number from 0 to 255, found 256",
        ),
        (
            "[shop]\nlimits.a = true",
            "shop.limits.a: expected a whole number, found true",
        ),
        (
            "[kafka]\nlinger_ms = 0xffff_ffff_ffff_ffff",
            "kafka.linger_ms: a number in it is too large; use one below 2^63",
        ),
    ] {
        assert_eq!(
            wrong(text, &[]),
            [format!("millgate.toml:2: {told}")],
            "{text}"
        );
    }
    assert_eq!(
        wrong("kafka = 3", &[]),
        ["millgate.toml:1: kafka: expected a table, found 3"]
    );
    assert_eq!(
        wrong("[[kafka]]\nlinger_ms = 3", &[]),
        ["millgate.toml:1: kafka: expected a table, found [{ linger_ms = 3 }]"]
    );
}

#[test]
fn numbers_may_be_written_in_every_way_of_toml() {
    let text = "[bridge]\nbuffer_bytes = 1_000\nbatch_size = 0x10\n[shop]\ndiscount = 1\n";
    let loaded = load(text, &[]).unwrap();
    assert_eq!(loaded.config.bridge.buffer_bytes, 1000);
    assert_eq!(loaded.config.bridge.batch_size, 16);
    assert!((loaded.app.discount - 1.0).abs() < f64::EPSILON);
}

#[test]
fn topics_have_tables_of_their_own() {
    let text = "[topics]\npartitions = 3\n[topics.\"order.created\"]\npartitions = 24\n\
                retention = \"30days\"\n[topics.\"user.registered\"]\n";
    let loaded = load(text, &[]).unwrap();
    let topics = &loaded.config.topics;
    assert_eq!(topics.by_name.len(), 2);
    let order = topics.settings_of("order.created");
    assert_eq!(order.partitions, 24);
    assert_eq!(order.retention, seconds(30 * 24 * 60 * 60));
    assert_eq!(topics.settings_of("user.registered").partitions, 3);
    assert_eq!(
        origin(&loaded, "topics.\"order.created\".partitions"),
        "millgate.toml:4"
    );
}
