use minijinja::context;
use uuid::Uuid;

use super::*;

fn built_in() -> Templates {
    Templates::new(&SmtpConfig::default()).unwrap()
}

/// A folder that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("millgate-{}", Uuid::new_v4())));
        fs::create_dir(&folder.0).unwrap();
        for (name, source) in files {
            fs::write(folder.0.join(name), source).unwrap();
        }
        folder
    }

    fn templates(&self) -> Result<Templates, TemplateError> {
        let templates = self.0.display().to_string();
        Templates::new(&SmtpConfig { templates, ..SmtpConfig::default() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn every_kind_has_subject_text_and_html() {
    let templates = built_in();
    for (name, fields) in samples() {
        let mail = templates.render(&name, &fields).unwrap();
        assert!(!mail.subject.is_empty(), "{name}");
        assert!(!mail.text.contains("\n\n\n") && mail.text.ends_with('\n'), "{name}: {}", mail.text);
        let html = mail.html.unwrap();
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"), "{name}: {html}");
    }
}

#[test]
fn a_confirmation_lists_what_was_ordered() {
    let [(name, fields), ..] = samples();
    let mail = built_in().render(&name, &fields).unwrap();
    assert_eq!(mail.subject, "Your order 1001");
    let expected = "Hello Ada,\n\nthank you for your order 1001:\n\n  2 x TEA-250\n  1 x CUP\n\n\
                    Total: 19.90 EUR\n\nYou will hear from us again when your payment has arrived.\n";
    assert_eq!(mail.text, expected);
    assert!(mail.html.unwrap().contains("Total: <strong>19.90 EUR</strong>"));
}

#[test]
fn markup_is_escaped_in_html_and_left_alone_in_text() {
    let name = "<script>alert('Ada & Eve')</script>";
    let mail = built_in().render("welcome-email", &context! { name }).unwrap();
    assert_eq!(mail.subject, format!("Welcome, {name}!"));
    assert!(mail.text.starts_with(&format!("Hello {name},\n")), "{}", mail.text);
    let html = mail.html.unwrap();
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
}

#[test]
fn a_line_break_in_a_subject_does_not_reach_the_body() {
    let subject = "News\r\nBcc: eve@example.org\r\n\r\nTransfer at once.";
    let mail = built_in().render("notification", &context! { subject, body => "Hello" }).unwrap();
    assert_eq!(mail.subject, subject);
    assert_eq!(mail.text, "Hello\n");
}

#[test]
fn a_field_that_is_missing_is_an_error() {
    let error = built_in().render("welcome-email", &context! { nmae => "Ada" }).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("welcome-email.txt (built in):1: undefined value"), "{text}");
    assert!(text.contains("`name`"), "{text}");
}

#[test]
fn only_a_text_template_is_a_mail() {
    for name in ["invoice", "layout", "welcome-email.txt", "../welcome-email", ""] {
        let error = built_in().render(name, &context! {}).unwrap_err();
        assert!(matches!(&error, TemplateError::Unknown(unknown) if unknown == name), "{error}");
    }
}

#[test]
fn a_folder_replaces_files_and_adds_others() {
    let folder = Folder::with(&[
        ("welcome-email.txt", "Subject: Hi {{ name }}\r\n\r\nHi!\r\n{% include '_foot.txt' %}\r\n"),
        ("_foot.txt", "Bye from {{ name }}"),
        ("layout.html", "<main>{% block content %}{% endblock %}</main>"),
        ("invoice.txt", "Subject: Invoice\n\n{{ number }}"),
        ("README.md", "{% no template %}"),
    ]);
    let templates = folder.templates().unwrap();
    let mail = templates.render("welcome-email", &context! { name => "Ada" }).unwrap();
    assert_eq!(mail.subject, "Hi Ada");
    assert_eq!(mail.text, "Hi!\r\nBye from Ada\n");
    assert!(mail.html.unwrap().starts_with("<main>"));
    let mail = templates.render("invoice", &context! { number => 7 }).unwrap();
    assert_eq!((mail.text.as_str(), mail.html), ("7\n", None));
}

#[test]
fn a_broken_template_is_refused_at_the_start_with_file_and_line() {
    for (name, source, place, reason) in [
        ("welcome-email.txt", "Subject: Hi\n\nHi\n{% if name %}", ":4: ", "syntax error"),
        ("welcome-email.txt", "Hi\n\nSubject: Hi", ":1: ", "the first line has to be `Subject: …`"),
        ("welcome-email.txt", "Subject: Hi\nHi", ":2: ", "the second one empty"),
        ("welcome-email.txt", "Subject: {{ name\n\nHi", ":1: ", "syntax error"),
        ("welcome-email.txt", "Subject: Hi\n\nHi\n{{ nmae }}", ":4: ", "`nmae`"),
        ("invoice.html", "<p>\n<p>{{ }}", ":2: ", "syntax error"),
        ("layout.html", "\n\n{% block content %}{{ logo }}{% endblock %}\n{{ logo }}", ":4: ", "`logo`"),
        ("welcome-email.html", "{% extends 'frame.html' %}", ":1: ", "frame.html"),
        ("welcome-email.html", "\n{{ name | upcase }}", ":2: ", "upcase"),
        ("reminder-email.html", "{% include '_part.html' %}", ":1: ", "_part.html"),
    ] {
        let error = Folder::with(&[(name, source)]).templates().unwrap_err().to_string();
        assert!(error.contains(&format!("/{name}{place}")), "{source}: {error}");
        assert!(error.contains(reason), "{source}: {error}");
        assert!(error.starts_with("the mail template "), "{error}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    let templates = "no/such/folder".to_owned();
    let error = Templates::new(&SmtpConfig { templates, ..SmtpConfig::default() }).unwrap_err();
    assert!(error.to_string().starts_with("smtp.templates: no/such/folder cannot be read: "), "{error}");
}

#[test]
fn money_has_two_places() {
    for (cents, text) in
        [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1234.56"), (i64::MIN, "-92233720368547758.08")]
    {
        assert_eq!(money(cents, "EUR"), format!("{text} EUR"));
    }
}

fn welcome_in(templates: &Templates, locale: Option<&str>) -> (String, bool) {
    let mail = templates.render_in("welcome-email", locale, &context! { name => "Ada" }).unwrap();
    (mail.subject, mail.html.is_some())
}

#[test]
fn a_mail_is_written_in_the_nearest_language_there_is() {
    let folder = Folder::with(&[
        ("welcome-email.txt", "Subject: Hi\n\nHi"),
        ("welcome-email.de.txt", "Subject: Hallo {{ lang }}\n\nHallo"),
        ("welcome-email.de-AT.txt", "Subject: Servus {{ lang }}\n\nServus"),
        ("welcome-email.de-AT.html", "<p>Servus"),
        ("welcome-email.zh-Hant.txt", "Subject: 您好\n\n您好"),
    ]);
    let templates = folder.templates().unwrap();
    for (locale, subject, has_html) in [
        (Some("de-AT"), "Servus de-at", true),
        (Some("de_at"), "Servus de-at", true),
        // No HTML in another language than the text.
        (Some("de-CH"), "Hallo de", false),
        (Some("de"), "Hallo de", false),
        (Some("zh-Hant-TW"), "您好", false),
        (Some("zh"), "Hi", true),
        (Some("../../de"), "Hi", true),
        (Some("txt"), "Hi", true),
        (Some(""), "Hi", true),
        (Some("-"), "Hi", true),
        (None, "Hi", true),
    ] {
        assert_eq!(welcome_in(&templates, locale), (subject.into(), has_html), "{locale:?}");
    }
    let found: Vec<_> = templates.locales("welcome-email").into_iter().flatten().collect();
    assert_eq!(found, ["de", "de-at", "zh-hant"]);
    assert_eq!(templates.locales("welcome"), []);
}

#[test]
fn who_replaces_a_mail_replaces_its_translations() {
    let own = Folder::with(&[("welcome-email.txt", "Subject: Hi\n\nHi")]).templates().unwrap();
    assert_eq!(welcome_in(&own, Some("de")).0, "Hi");
    assert_eq!(own.locales("payment-receipt"), [None, Some("de".to_owned())]);
    assert_eq!(welcome_in(&built_in(), Some("de-AT")).0, "Willkommen, Ada!");
    let mail = built_in().render_in("welcome-email", Some("de"), &context! { name => "Ada" }).unwrap();
    assert!(mail.html.unwrap().contains("<html lang=\"de\">"));
}

#[test]
fn a_translation_is_checked_at_the_start_too() {
    for (name, source, place) in [
        ("welcome-email.de-AT.txt", "Subject: Hi\n\n{{ nmae }}", "/welcome-email.de-AT.txt:3: "),
        ("welcome-email.fr.html", "<p>\n{{ nmae }}", "/welcome-email.fr.html:2: "),
        ("welcome-email.fr.txt", "Hi", "/welcome-email.fr.txt:1: "),
    ] {
        let text = ("welcome-email.fr.txt", "Subject: Salut\n\nSalut");
        let error = Folder::with(&[text, (name, source)]).templates().unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    }
}

#[test]
fn every_mail_has_a_name_and_a_sample() {
    let templates = built_in();
    let names = ["notification", "payment-receipt", "reminder-email", "send-confirmation-email", "welcome-email"];
    assert_eq!(templates.names(), names);
    for name in names {
        assert!(templates.sample(name).unwrap().is_object());
    }
    assert_eq!(templates.sample("invoice"), None);
}
