//! `[[routes]]`: what is said of those that cannot be meant.

use std::path::Path;

use millgate_bridge::DeclaredRoute;
use millgate_testkit::Folder;

use super::wrong;
use crate::{App, config, shop};

/// The shop with this file, or all that is wrong, with the folder cut away.
fn shop_with(text: &str) -> Result<App, Vec<String>> {
    let folder = Folder::new("routes");
    let file = folder.path().join("millgate.toml");
    std::fs::write(&file, text).unwrap();
    let loaded = shop::app().load(Some(&file), std::iter::empty());
    let name_only = |line: &str| line.replace(&format!("{}/", folder.path().display()), "");
    loaded.map(|(app, _)| app).map_err(|error| error.to_string().lines().map(name_only).collect())
}

fn refused(text: &str) -> Vec<String> {
    shop_with(text).map(drop).unwrap_err()
}

/// The routes that a file's text gives the shop when it is read again.
fn again(text: &str) -> Result<Vec<DeclaredRoute>, String> {
    let app = shop_with("").unwrap();
    let written = config::routes(Path::new("millgate.toml"), text).map_err(|error| error.to_string())?;
    config::declared(&written, &app.routes, app.handlers.kinds()).map_err(|error| error.to_string())
}

const GOOD: &str = r#"
[[routes]]
on = "order.created"
version = 2
when = ["$.total_cents > 100000", "$.currency in ['EUR', 'USD']"]
job = "notification-email"
fields = { to = "boss@example.org", subject = "Order {$.order_id}", body = "of {$.customer_name}" }
delay = "10m"
priority = 3
unique = "$.order_id"
once = "1day"
ordered_by = "$.customer_email"
max_attempts = 8
timeout = "30s"

[[routes]]
on = "order.canceled"
cancel = "notification-email"
unique = "$.order_id"

[[routes]]
on = "order.confirmed"
job = "call-erp"
queue = "calls"
[routes.fields]
url = "https://example.org"
order = "$.order_id"
"#;

#[test]
fn routes_are_taken_and_listed_with_their_lines() {
    let app = shop_with(GOOD).unwrap();
    let outlines = app.routes.table().outlines();
    let lines: Vec<(String, String, String)> =
        outlines.into_iter().filter_map(|o| Some((o.event, o.kind, o.place?.rsplit_once('/')?.1.to_owned()))).collect();
    let line = |event: &str, kind: &str, place: &str| (event.to_owned(), kind.to_owned(), place.to_owned());
    assert_eq!(
        lines,
        [
            line("order.canceled", "notification-email", "millgate.toml:16"),
            line("order.confirmed", "call-erp", "millgate.toml:21"),
            line("order.created", "notification-email", "millgate.toml:2"),
        ]
    );
    assert!(app.queue_names().contains(&"calls".to_owned()));
}

#[test]
fn what_is_no_route_is_refused_where_it_stands() {
    let base = "[[routes]]\non = \"order.created\"\n";
    let job = format!("{base}job = \"notification-email\"\nfields = {{ to = \"a\", subject = \"b\", body = \"c\" }}\n");
    for (text, told) in [
        ("[[routes]]\njob = \"x\"\nqueue = \"y\"", "1: a route says which events it is about: on = \"…\""),
        (&format!("{base}job = \"reminder-email\"\n"), "3: routes.job: reminder-email needs the field name"),
        (
            &format!("{base}job = \"webhook\"\nfields = {{ url = \"https://example.org\", data = \"$\" }}\n"),
            "4: routes.fields: webhook needs the field secret",
        ),
        (base, "1: a route says what is to be done: job = \"…\" or cancel = \"…\""),
        (
            "[[routes]]\non = \"order.creatd\"\njob = \"x\"\nqueue = \"y\"",
            "2: routes.on: unknown event type \"order.creatd\"; did you mean order.created?",
        ),
        (
            &format!("{base}job = \"notify-email\"\n"),
            "3: routes.job: no handler does jobs of kind \"notify-email\" (for another program's say where they wait: \
             queue = \"…\"); did you mean notification-email?",
        ),
        (
            &format!("{job}queue = \"mails\"\n"),
            "5: routes.queue: jobs of kind notification-email wait in queue email; remove queue",
        ),
        (&format!("{job}version = 3\n"), "5: routes.version: order.created has versions 1 to 2"),
        (&format!("{job}version = 0\n"), "5: routes.version: must be from 1 to 4294967295, found 0"),
        (&format!("{job}priority = 10\n"), "5: routes.priority: must be from 0 to 9, found 10"),
        (
            &format!("{job}once = \"1h\"\n"),
            "5: routes.once: says for how long no other job with the same unique key is taken in; add unique = \"…\"",
        ),
        (
            &format!("{job}when = [\n  \"$.a > 1\",\n  \"$.a >\",\n]\n"),
            "7: routes.when: a number, a text in quotes, true, false or null is expected, found ``",
        ),
        (
            &format!("{job}unique = \"$..id\"\n"),
            "5: routes.unique: a name is missing after `.`, before `.id`; other than letters it stands in ['…']",
        ),
        (
            &format!("{base}cancel = \"reminder-email\"\n"),
            "3: routes.cancel: a job is cancelled by its unique key; add unique = \"…\"",
        ),
        (
            &format!("{base}cancel = \"reminder-email\"\nunique = \"$.order_id\"\ndelay = \"1s\"\n"),
            "5: routes.delay: says something of a job, and this route cancels one; remove it",
        ),
        (&format!("{job}cancel = \"x\"\n"), "5: routes.cancel: a route has either job or cancel; make it two routes"),
        (
            &format!("{base}job = \"notification-email\"\n[routes.fields]\nto = \"a\"\nsubjct = \"b\"\nbody = \"c\"\n"),
            "6: routes.fields.subjct: notification-email has no such field; did you mean subject?",
        ),
        (
            &format!(
                "{base}job = \"notification-email\"\nfields = {{ to = \"{{$.a\", subject = \"b\", body = \"c\" }}\n"
            ),
            "4: routes.fields.to: `{$` without its `}`, before ``",
        ),
        (&format!("{job}dely = \"1s\"\n"), "5: unknown key routes.dely; did you mean delay?"),
        (
            &format!("{job}delay = \"soon\"\n"),
            "5: routes.delay: expected a duration such as \"500ms\", \"30s\", \"5m\" or \"7days\", found \"soon\"",
        ),
        (&format!("{job}when = \"$.a > 1\"\n"), "5: routes.when: expected a list of texts, found \"$.a > 1\""),
        (&format!("{job}max_attempts = 1.5\n"), "5: routes.max_attempts: expected a whole number, found 1.5"),
        ("[routes]\non = \"x\"", "1: each route is a table of its own, that begins with [[routes]]"),
        ("routes = [1]", "1: each route is a table of its own, that begins with [[routes]]"),
        ("[[route]]\non = \"x\"", "1: unknown key route; did you mean routes?"),
    ] {
        let lines = refused(text);
        assert!(lines.contains(&format!("millgate.toml:{told}")), "{text}: {lines:#?}");
        // When the file is read again, its routes are judged alike.
        if !text.starts_with("[[route]]") {
            assert!(again(text).unwrap_err().contains(told), "{text}");
        }
    }
}

#[test]
fn a_field_that_a_job_needs_is_asked_for_before_any_event_comes() {
    let text =
        "[[routes]]\non = \"order.created\"\njob = \"notification-email\"\nfields = { to = \"a\", body = \"b\" }\n";
    assert_eq!(refused(text), ["millgate.toml:4: routes.fields: notification-email needs the field subject"]);
}

#[test]
fn all_routes_are_judged_at_once_and_when_read_again_alone() {
    let text = "[[routes]]\non = \"a\"\njob = \"welcome-email\"\n\n[[routes]]\non = \"user.registered\"\njob = \"b\"\n";
    let told = refused(text);
    let places: Vec<&str> = told.iter().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(places, ["2", "3", "3", "3", "7"], "{told:?}");
    // What else is wrong with the file is no matter of its routes, and was looked at when the program started.
    assert_eq!(again(&format!("[kafka]\nbrokr = 1\n{GOOD}")).unwrap().len(), 3);
    assert!(again("[[routes]\n").unwrap_err().contains("millgate.toml:1: not valid TOML"));
    assert_eq!(again("").unwrap().len(), 0);
}

#[test]
fn the_routes_of_the_example_are_right() {
    let text = include_str!("../../../millgate.example.toml");
    let (_, routes) = text.split_once("\n#[[routes]]").unwrap();
    let lines = routes.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(' '));
    let text = format!("[[routes]]\n{}", lines.collect::<Vec<_>>().join("\n"));
    assert_eq!(again(&text).unwrap().len(), 2, "{text}");
}

#[test]
fn no_application_is_called_routes() {
    let error = config::load::<super::Shop>("routes", Some(Path::new("/dev/null")), std::iter::empty()).unwrap_err();
    assert!(error.to_string().contains("choose another"), "{error}");
    assert!(wrong("[[routes]]\nfields = 3\n", &[])[0].contains("routes.fields: expected a table, found 3"));
}
