//! Alerts and dashboards: valid, tested, explained, and asking only for what a running process says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use millgate::{Event, Outbox};
use millgate_testkit::{Folder, tool, wait_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    http::{address, get, sum, wait_metric},
    shop::{PATIENCE, Shop, order},
};

type Labels = BTreeSet<String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Runs Prometheus' own program, which has to be content.
fn promtool(arguments: &[&str]) {
    let mut promtool = Command::new(tool("PROMTOOL"));
    let done = promtool.current_dir(root().join("ops/prometheus")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "promtool {arguments:?}: {said}");
}

/// Each metric of the documentation, as it is asked for, with its labels.
fn documented() -> BTreeMap<String, Labels> {
    let mut metrics = BTreeMap::new();
    for line in read("docs/metrics.md").lines() {
        let Some((series, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once('`')) else { continue };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels: Labels = labels.map(str::to_owned).collect();
        if rest.split('|').nth(1).unwrap().trim() == "histogram" {
            let mut with_le = labels.clone();
            with_le.insert("le".to_owned());
            metrics.insert(format!("{name}_bucket"), with_le);
            metrics.insert(format!("{name}_sum"), labels.clone());
            metrics.insert(format!("{name}_count"), labels);
        } else {
            metrics.insert(name.to_owned(), labels);
        }
    }
    metrics
}

/// What a line of YAML says under this key.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.trim_start().trim_start_matches("- ").strip_prefix(key)?.strip_prefix(": ")
}

/// Names of the alerts, each with its lines.
fn alerts() -> Vec<(String, String)> {
    let text = read("ops/prometheus/alerts.yml");
    let blocks = text.split("- alert: ").skip(1);
    blocks.map(|block| (block.lines().next().unwrap().to_owned(), block.to_owned())).collect()
}

/// The expressions of a file of rules; those that go over several lines as well.
fn expressions(rules: &str) -> Vec<String> {
    let lines: Vec<&str> = rules.lines().collect();
    let found = lines.iter().enumerate().filter_map(|(at, line)| {
        let first = value(line, "expr")?;
        if first != "|" {
            return Some(first.trim_matches('\'').to_owned());
        }
        Some(lines[at + 1..].iter().take_while(|line| !line.trim().is_empty()).copied().collect::<Vec<_>>().join(" "))
    });
    found.collect()
}

/// An expression without the texts in it, so that all words that are left are its own.
fn without_texts(expression: &str) -> String {
    expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).filter(|word| !word.is_empty())
}

/// What an expression asks for that is not there.
fn unknown(expression: &str, known: &BTreeMap<String, Labels>) -> Vec<String> {
    let text = without_texts(expression);
    let mut wrong = Vec::new();
    // What Prometheus adds.
    let mut all: Labels = ["job", "instance"].map(str::to_owned).into();
    let mut rest = text.as_str();
    while let Some(name) = words(rest).find(|word| {
        word.starts_with("millgate_") || word.starts_with("kafka_") || word.contains(':') || *word == "ALERTS"
    }) {
        rest = &rest[rest.find(name).unwrap() + name.len()..];
        let Some(labels) = known.get(name) else {
            wrong.push(format!("metric {name}"));
            continue;
        };
        all.extend(labels.iter().cloned());
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        for label in words(matchers) {
            if !labels.contains(label) && !["job", "instance"].contains(&label) {
                wrong.push(format!("label {label} of {name}"));
            }
        }
    }
    for keyword in ["by (", "on (", "without (", "ignoring ("] {
        for list in text.split(keyword).skip(1) {
            let labels = words(list.split(')').next().unwrap());
            wrong.extend(labels.filter(|label| !all.contains(*label)).map(|label| format!("label {label}")));
        }
    }
    wrong
}

/// What rules and dashboards may ask for: what processes say, what is recorded of it, and what Prometheus says itself.
fn known() -> BTreeMap<String, Labels> {
    let mut known = documented();
    let alert = ["alertname", "alertstate", "severity"].map(str::to_owned).into();
    known.insert("ALERTS".to_owned(), alert);
    for line in read("ops/prometheus/recording.yml").lines() {
        if let Some(name) = value(line, "record") {
            let level = name.split(':').next().unwrap().replace("group", "consumer-group");
            let labels = level.split('_').map(|label| label.replace('-', "_"));
            known.insert(name.to_owned(), labels.collect());
        }
    }
    known
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let files = fs::read_dir(root().join("ops/grafana/dashboards")).unwrap().map(|file| file.unwrap().path());
    let read = |path: PathBuf| {
        let dashboard = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path, dashboard)
    };
    files.map(read).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Every expression of a dashboard's panels.
fn asked(dashboard: &Value) -> Vec<String> {
    let targets = list(dashboard, "panels").iter().flat_map(|panel| list(panel, "targets"));
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rules_are_valid_and_pass_their_tests() {
    promtool(&["check", "rules", "recording.yml", "alerts.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["test", "rules", "alerts_test.yml", "recording_test.yml"]);
}

#[test]
fn every_alert_says_what_to_do_and_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let (runbook, tests) = (read("docs/monitoring.md"), read("ops/prometheus/alerts_test.yml"));
    let anchors: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    for (name, block) in &alerts {
        let of = |key| block.lines().find_map(|line| value(line, key)).unwrap_or_else(|| panic!("{name}: no {key}"));
        assert!(["{ severity: critical }", "{ severity: warning }"].contains(&of("labels")), "{name}");
        assert!(of("summary").len() > 20 && of("description").len() > 60, "{name}: {block}");
        let anchor = of("runbook_url").strip_prefix("docs/monitoring.md#").unwrap();
        assert_eq!(anchor, name.to_lowercase());
        assert!(anchors.contains(anchor), "docs/monitoring.md does not say what to do about {name}");
        let start = format!("  - name: {name}\n");
        let test = tests.split(&start).nth(1).unwrap_or_else(|| panic!("{name} has no test"));
        let test = test.split("\n  - name: ").next().unwrap();
        let (given, wanted) = test.split_once("promql_expr_test:").unwrap();
        assert!(given.contains("job=\"sick\"") && given.contains("job=\"well\""), "{name}: {given}");
        // All that fires is listed: who is well is not.
        assert!(wanted.contains(&format!("- expr: ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}")), "{wanted}");
        assert!(wanted.contains("job=\"sick\"") && !wanted.contains("job=\"well\""), "{name}: {wanted}");
    }
    let explained = anchors.iter().filter(|anchor| anchor.starts_with("millgate"));
    assert_eq!(explained.count(), alerts.len(), "docs/monitoring.md explains alerts that are none");
}

/// Neither an alert nor a panel is silent for a name that was misspelt.
#[test]
fn every_expression_asks_for_what_there_is() {
    let known = known();
    let mut wrong = Vec::new();
    for file in ["alerts.yml", "recording.yml"] {
        let rules = read(&format!("ops/prometheus/{file}"));
        let expressions = expressions(&rules);
        assert_eq!(expressions.len(), rules.matches("expr: ").count());
        for expression in expressions {
            wrong.extend(unknown(&expression, &known).into_iter().map(|what| format!("{file}: {what}: {expression}")));
        }
    }
    let mut shown = String::new();
    for (path, dashboard) in dashboards() {
        for expression in asked(&dashboard) {
            let unknown = unknown(&expression, &known);
            wrong.extend(unknown.into_iter().map(|what| format!("{}: {what}: {expression}", path.display())));
            shown += &expression;
            shown.push('\n');
        }
        for variable in list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query") {
            let query = variable["definition"].as_str().unwrap();
            let (series, label) = query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap();
            let label = label.trim_end_matches(')');
            let labels = &known[words(series).next().unwrap()];
            assert!(label == "job" || labels.contains(label), "{}: {query}", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // And everything that is said is shown somewhere, or is part of what is shown.
    let hidden = documented().into_keys().filter(|name| !words(&shown).any(|word| word == name));
    let hidden: Vec<String> = hidden.filter(|name| !name.ends_with("_sum") && !name.ends_with("_count")).collect();
    assert!(hidden.is_empty(), "no panel shows {hidden:?}");
    // The check itself sees what is wrong.
    let sees = |expression: &str| unknown(expression, &known);
    assert_eq!(sees("sum(kafka_consumer_lags)"), ["metric kafka_consumer_lags"]);
    assert_eq!(sees("max(kafka_consumer_lag{group=\"a\"})"), ["label group of kafka_consumer_lag"]);
    assert_eq!(sees("sum by (queue) (kafka_consumer_lag)"), ["label queue"]);
}

#[test]
fn dashboards_are_complete_and_their_expressions_valid() {
    let folder = Folder::new("panels");
    let mut uids = BTreeSet::new();
    let dashboards = dashboards();
    assert!(dashboards.len() >= 5);
    for (path, dashboard) in dashboards {
        let name = path.display();
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{name}: its uid is another's");
        assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39 && !dashboard["title"].as_str().unwrap().is_empty());
        let variables: BTreeSet<&str> =
            list(&dashboard["templating"], "list").iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        assert!(variables.contains("datasource") && variables.contains("job"), "{name}: {variables:?}");
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        let mut rules = "groups:\n  - name: panels\n    rules:\n".to_owned();
        for panel in list(&dashboard, "panels") {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}: its id is another's");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("w") > 0 && at("x") + at("w") <= 24, "{name}: {title}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{name}: {title} lies over another");
                }
            }
            if panel["type"] == "row" {
                continue;
            }
            assert!(panel["description"].as_str().unwrap().len() > 10, "{name}: {title}: what does it show?");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title}: in which unit?");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
            let targets = list(panel, "targets");
            assert!(!targets.is_empty(), "{name}: {title} asks for nothing");
            let refs: BTreeSet<&str> = targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
            assert_eq!(refs.len(), targets.len(), "{name}: {title}");
            for target in targets {
                let expression = target["expr"].as_str().unwrap();
                let has_legend = target["legendFormat"].as_str().is_some_and(|legend| !legend.is_empty());
                assert!(has_legend || ["stat", "table"].contains(&panel["type"].as_str().unwrap()), "{name}: {title}");
                for word in expression.split('$').skip(1) {
                    let variable = words(word).next().unwrap();
                    assert!(
                        variables.contains(variable) || variable == "__rate_interval",
                        "{name}: {title}: ${variable}"
                    );
                }
                let expression = expression.replace("$__rate_interval", "5m").replace('$', "");
                let (expression, panel, query) = (expression.replace('\'', "''"), &panel["id"], &target["refId"]);
                writeln!(rules, "      - record: a:panel\n        expr: '{expression}'").unwrap();
                writeln!(rules, "        labels: {{ panel: \"{panel}\", query: {query} }}").unwrap();
            }
        }
        // promtool parses what rules ask for; so each expression is one.
        let file = folder.path().join("panels.yml");
        fs::write(&file, rules).unwrap();
        promtool(&["check", "rules", file.to_str().unwrap()]);
    }
    let provisioned = read("ops/grafana/provisioning/datasources/prometheus.yml");
    assert!(provisioned.contains("uid: millgate-prometheus"));
}

/// Takes the place of the shop's own event, on its topic.
#[derive(Serialize, Deserialize, Event)]
#[event(type = "order.confirmed", key = "order_id")]
struct Confirmed {
    order_id: String,
}

/// Names and labels of everything on a page.
fn said(text: &str) -> BTreeMap<String, Labels> {
    let mut said = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = without_texts(labels.trim_end_matches('}'));
        let labels: Labels = words(&labels).map(str::to_owned).collect();
        let before = said.insert(name.to_owned(), labels.clone());
        assert!(before.is_none_or(|before| before == labels), "{name} has these labels, and others: {labels:?}");
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_running_processes_say_has_the_documented_names_and_labels() {
    let mut shop = Shop::open("monitoring").await;
    for variable in ["MILLGATE_SHOP_AUDIT", "MILLGATE_SHOP_SAGAS"] {
        shop.set(variable, "true");
    }
    shop.set("MILLGATE_SHOP_SAGA_PATIENCE", "6");
    shop.run(&["migrate"]).await;
    shop.apply_topics().await;
    sqlx::raw_sql("INSERT INTO wallets VALUES ('ada', 9000); INSERT INTO seats VALUES ('s1')")
        .execute(shop.database.pool())
        .await
        .unwrap();
    // Until the relay runs, one event is in the outbox.
    let outbox = Outbox::new("shop");
    let mut transaction = shop.database.pool().begin().await.unwrap();
    outbox.append(&mut transaction, &Confirmed { order_id: "o-1".into() }).await.unwrap();
    transaction.commit().await.unwrap();
    let (bridge, worker) = (shop.start(&["bridge"]), shop.start(&["worker"]));
    let (at_bridge, at_worker) = (address(&bridge).await, address(&worker).await);
    wait_metric(&at_bridge, "millgate_outbox_waiting", &[], 1.0).await;
    wait_metric(&at_worker, "millgate_outbox_oldest_seconds", &[], 0.001).await;

    shop.publish(&[order(1), order(2)]).await;
    shop.kafka.put("order.created", 0, None, Some(b"{broken"), &[]).await;
    let relay = shop.start(&["relay"]);
    let at_relay = address(&relay).await;
    wait_metric(&at_relay, "millgate_outbox_published_total", &[], 1.0).await;
    let emptied = wait_for("the outbox is empty", PATIENCE, async || {
        let (_, text) = get(&at_relay, "/metrics").await;
        (sum(&text, "millgate_outbox_waiting", &[]) == Some(0.0)).then_some(text)
    });
    let of_relay = emptied.await;
    assert_eq!(sum(&of_relay, "millgate_outbox_stuck_keys", &[]), Some(0.0), "{of_relay}");
    wait_metric(&at_worker, "millgate_jobs_done_total", &["kind=\"update-inventory\""], 2.0).await;
    wait_metric(&at_bridge, "millgate_dead_letters", &["kind=\"event\""], 1.0).await;
    let created = format!("topic=\"{}\"", shop.kafka.name("order.created"));
    let of_bridge = wait_metric(&at_bridge, "kafka_topic_records", &[&created], 3.0).await;
    let group = format!("consumer_group=\"{}\"", shop.kafka.config().consumer_group);
    assert!(sum(&of_bridge, "kafka_consumer_rebalances_total", &[&group]).unwrap() >= 1.0, "{of_bridge}");
    assert_eq!(sum(&of_bridge, "millgate_build_info", &["role=\"bridge\""]), Some(1.0), "{of_bridge}");
    // The buckets that others' dashboards ask for.
    for bound in ["0.001", "0.01", "0.1", "0.5", "1.0", "5.0", "10.0"] {
        let bucket = "kafka_message_processing_duration_seconds_bucket";
        assert!(sum(&of_bridge, bucket, &[&format!("le=\"{bound}\"")]).is_some(), "{bound}: {of_bridge}");
    }

    // A saga, and a stream.
    let booking = serde_json::json!({
        "booking_id": "b1", "customer": "ada", "email": "ada@mail.example", "seats": ["s1"], "amount_cents": 2_000,
    });
    let (saga, streams) = (shop.start(&["saga", "run"]), shop.start(&["streams", "run"]));
    let (at_saga, at_streams) = (address(&saga).await, address(&streams).await);
    shop.publish(&[serde_json::json!({ "type": "booking.requested", "data": booking }).to_string()]).await;
    let of_saga = wait_metric(&at_saga, "millgate_sagas_completed_total", &["saga=\"booking\""], 1.0).await;
    assert_eq!(sum(&of_saga, "millgate_sagas_unknown_version", &[]), Some(0.0), "{of_saga}");
    assert_eq!(sum(&of_saga, "millgate_sagas_now", &["status=\"stuck\"", "saga=\"booking\""]), Some(0.0), "{of_saga}");
    assert_eq!(sum(&of_saga, "millgate_sagas_overdue_seconds", &["saga=\"booking\""]), Some(0.0), "{of_saga}");
    let of_streams = wait_metric(&at_streams, "millgate_stream_records_total", &["stream=\"audit\""], 3.0).await;

    let (_, of_worker) = get(&at_worker, "/metrics").await;
    let documented = documented();
    let mut seen = BTreeSet::new();
    for text in [&of_bridge, &of_worker, &of_relay, &of_saga, &of_streams] {
        for (name, labels) in said(text) {
            assert_eq!(documented.get(&name), Some(&labels), "{name}");
            seen.insert(name);
        }
    }
    let elsewhere = ["millgate_stream_changes_", "millgate_windows_", "millgate_projection_", "millgate_log_lines_"];
    let elsewhere = |name: &str| elsewhere.iter().any(|prefix| name.starts_with(prefix));
    let unseen = documented.into_keys().filter(|name| !seen.contains(name) && !elsewhere(name));
    // It takes a Redis and a PostgreSQL that are away to see these. The shop has no changes, windows and projections, and
    // ships no log: their names are compared where they are made.
    let unseen: Vec<String> = unseen.collect();
    assert_eq!(unseen, ["millgate_bridge_partition_paused", "millgate_jobs_dead_letters_failed_total"]);
}
