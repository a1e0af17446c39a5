//! Templates: what a mail of each kind says.
//!
//! `<kind>.txt` starts with `Subject: …` and an empty line; what follows is the text. `<kind>.html`, if there is one,
//! is the same as HTML, and is escaped. Both see the job's fields, and the filter `money`: `{{ cents | money("EUR") }}`.
//! A field that does not exist is an error and not an empty place.
//!
//! `<kind>.de.txt` and `<kind>.de-AT.txt` say it in other languages; whoever reads de-AT gets the first there is of
//! `<kind>.de-AT`, `<kind>.de` and `<kind>`, subject, text and HTML of the same. `lang` is which one that was.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde,
};
use serde::Serialize;

use super::{SmtpConfig, samples::samples};

macro_rules! built_in {
    ($($name:literal),*) => { [$(($name, include_str!(concat!("templates/", $name)))),*] };
}

/// The templates that come with millgate, by file name.
const BUILT_IN: [(&str, &str); 21] = built_in![
    "layout.html",
    "notification.de.html",
    "notification.de.txt",
    "notification.html",
    "notification.txt",
    "payment-receipt.de.html",
    "payment-receipt.de.txt",
    "payment-receipt.html",
    "payment-receipt.txt",
    "reminder-email.de.html",
    "reminder-email.de.txt",
    "reminder-email.html",
    "reminder-email.txt",
    "send-confirmation-email.de.html",
    "send-confirmation-email.de.txt",
    "send-confirmation-email.html",
    "send-confirmation-email.txt",
    "welcome-email.de.html",
    "welcome-email.de.txt",
    "welcome-email.html",
    "welcome-email.txt"
];

/// What a template has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML, if the template has any.
    pub html: Option<String>,
}

/// A template that is not there, or not right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// No template of that name.
    #[error("there is no template {0:?}; add {0}.txt to the folder that smtp.templates names")]
    Unknown(String),
    /// A folder or file that cannot be read.
    #[error("smtp.templates: {path} cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A template with a mistake.
    #[error("the mail template {place}: {reason}")]
    Broken {
        /// The file, and mostly the line: `mail/welcome-email.txt:3`.
        place: String,
        /// The mistake.
        reason: String,
    },
}

/// All templates, read once.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// The folder that was read, and what of it, by the name it has here.
    folder: PathBuf,
    replaced: BTreeMap<String, String>,
}

impl Templates {
    /// Reads the built-in templates and those in the folder that the settings name; of two files of one name the
    /// latter counts. Each kind of mail that comes with millgate is then written once, to find mistakes now.
    ///
    /// Read are `*.txt` and `*.html`. A file whose name starts with `_` is a part that others include.
    pub fn new(config: &SmtpConfig) -> Result<Self, TemplateError> {
        let folder = PathBuf::from(&config.templates);
        let own = if config.templates.is_empty() { Vec::new() } else { read(&folder)? };
        let own: BTreeMap<_, _> = own.into_iter().map(|(name, source)| (plain(&name), (name, source))).collect();
        // Who replaces a mail has not meant its translations to say what it said before.
        let is_replaced = |name: &str| name.split('.').count() > 2 && own.contains_key(&format!("{}.txt", kind(name)));
        let mut files: BTreeMap<String, String> = BUILT_IN
            .into_iter()
            .filter(|(name, _)| !is_replaced(name))
            .map(|(name, source)| (plain(name), source.to_owned()))
            .collect();
        let replaced = own.iter().map(|(plain, (name, _))| (plain.clone(), name.clone())).collect();
        files.extend(own.into_iter().map(|(plain, (_, source))| (plain, source)));
        let mut templates = Self { environment: environment(), folder, replaced };
        for (name, source) in files {
            templates.add(&name, source)?;
        }
        for (name, fields) in samples() {
            for locale in templates.locales(&name) {
                templates.render_in(&name, locale.as_deref(), &fields)?;
            }
        }
        Ok(templates)
    }

    /// Names of all mails that can be written, without their locales.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.subjects().map(|name| kind(name).to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The locales that a mail is there in, as they are looked for; `None` is the default one.
    pub fn locales(&self, name: &str) -> Vec<Option<String>> {
        let name = plain(name);
        let of_it = self.subjects().filter_map(|subject| match subject.strip_prefix(&name)? {
            "" => Some(None),
            rest => rest.strip_prefix('.').map(|locale| Some(locale.to_owned())),
        });
        let mut locales: Vec<_> = of_it.collect();
        locales.sort_unstable();
        locales
    }

    /// Fields of a kind that comes with millgate, made up, to look at its template; `None` for any other.
    pub fn sample(&self, name: &str) -> Option<serde_json::Value> {
        let (_, fields) = samples().into_iter().find(|(sample, _)| sample == name)?;
        serde_json::to_value(fields).ok()
    }

    fn subjects(&self) -> impl Iterator<Item = &str> {
        self.environment.templates().filter_map(|(name, _)| name.strip_suffix(SUBJECT))
    }

    /// Writes the template `name` with the fields of `context`, in the default language.
    pub fn render(&self, name: &str, context: &impl Serialize) -> Result<Rendered, TemplateError> {
        self.render_in(name, None, context)
    }

    /// The same in the language of `locale`, or the nearest to it that there is: for de-AT that is de, and then the default.
    pub fn render_in(
        &self,
        name: &str,
        locale: Option<&str>,
        context: &impl Serialize,
    ) -> Result<Rendered, TemplateError> {
        let locale = locale.map(|locale| locale.replace('_', "-").to_ascii_lowercase()).unwrap_or_default();
        let given = Some(locale.as_str()).filter(|locale| !locale.is_empty());
        let locales = std::iter::successors(given, |locale| Some(locale.rsplit_once('-')?.0));
        let is_there = |name: &str| self.environment.get_template(&subject_of(name)).is_ok();
        let found =
            locales.map(|locale| (format!("{}.{locale}", plain(name)), locale)).find(|(name, _)| is_there(name));
        let (file, lang) = found.unwrap_or_else(|| (plain(name), ""));
        let context = context! { lang, ..Value::from(Serde(context)) };
        let Some(subject) = self.write(&subject_of(&file), &context)? else {
            return Err(TemplateError::Unknown(name.to_owned()));
        };
        let text = self.write(&format!("{file}.txt"), &context)?.unwrap_or_default();
        let html = self.write(&format!("{file}.html"), &context)?;
        Ok(Rendered {
            subject: subject.trim().to_owned(),
            text: format!("{}\n", text.trim_start_matches('\n').trim_end()),
            html: html.map(|html| format!("{}\n", html.trim())),
        })
    }

    fn write(&self, file: &str, context: &Value) -> Result<Option<String>, TemplateError> {
        match self.environment.get_template(file) {
            Ok(template) => template.render(context).map(Some).map_err(|error| self.broken(file, &error)),
            Err(error) if error.kind() == ErrorKind::TemplateNotFound => Ok(None),
            Err(error) => Err(self.broken(file, &error)),
        }
    }

    fn add(&mut self, name: &str, source: String) -> Result<(), TemplateError> {
        let Some(mail) = name.strip_suffix(".txt").filter(|name| !name.starts_with('_')) else {
            return self.compile(name, source);
        };
        let (subject, body) = split(&source).map_err(|line| TemplateError::Broken {
            place: format!("{}:{line}", self.path(name)),
            reason: "the first line has to be `Subject: …`, and the second one empty".to_owned(),
        })?;
        // Two templates: whatever is put into the subject, the body begins where it does in the file.
        self.compile(&subject_of(mail), subject.to_owned())?;
        // The empty lines keep the line numbers right.
        let body = format!("\n\n{body}");
        self.compile(name, body)
    }

    fn compile(&mut self, name: &str, source: String) -> Result<(), TemplateError> {
        let added = self.environment.add_template_owned(name.to_owned(), source);
        added.map_err(|error| self.broken(name, &error))
    }

    /// Where a mistake is, as exactly as minijinja knows.
    fn broken(&self, file: &str, error: &minijinja::Error) -> TemplateError {
        // An error in a block or an included file comes wrapped in errors of what is around it.
        let mut innermost = error;
        while let Some(cause) = std::error::Error::source(innermost).and_then(|cause| cause.downcast_ref()) {
            innermost = cause;
        }
        let file = innermost.name().unwrap_or(file);
        let line = innermost.line().map(|line| format!(":{line}")).unwrap_or_default();
        let detail = innermost.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        TemplateError::Broken {
            place: format!("{}{line}", self.path(file)),
            reason: format!("{}{detail}", innermost.kind()),
        }
    }

    /// How a person finds a file.
    fn path(&self, file: &str) -> String {
        let file = file.strip_suffix(SUBJECT).map_or_else(|| file.to_owned(), |name| format!("{name}.txt"));
        if let Some(name) = self.replaced.get(&file) {
            return self.folder.join(name).display().to_string();
        }
        format!("{file} (built in)")
    }
}

/// Ends the names of templates that are the first lines of files.
const SUBJECT: &str = ".subject";

fn subject_of(name: &str) -> String {
    format!("{name}{SUBJECT}")
}

/// As names are kept: who writes `de-at` means `de-AT`.
fn plain(name: &str) -> String {
    match name.split_once('.') {
        Some((kind, rest)) => format!("{kind}.{}", rest.to_ascii_lowercase()),
        None => name.to_owned(),
    }
}

/// What stands before the first dot.
fn kind(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        let is_html = Path::new(name).extension().is_some_and(|extension| extension == "html");
        if is_html { AutoEscape::Html } else { AutoEscape::None }
    });
    // A line with nothing but a tag on it leaves no line in the mail. Not refused: no delimiters are changed.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    // Errors then name the field that is missing.
    environment.set_debug(true);
    environment.add_filter("money", money);
    environment
}

/// The templates in a folder.
fn read(folder: &Path) -> Result<Vec<(String, String)>, TemplateError> {
    let unreadable = |path: &Path| {
        let path = path.display().to_string();
        move |source| TemplateError::Unreadable { path, source }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let is_template = path.extension().is_some_and(|extension| extension == "txt" || extension == "html");
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| is_template && path.is_file())
        else {
            continue;
        };
        let source = fs::read_to_string(&path).map_err(unreadable(&path))?;
        files.push((name.to_owned(), source));
    }
    Ok(files)
}

/// Subject and body of a text template, or the number of the line that is wrong.
fn split(source: &str) -> Result<(&str, &str), usize> {
    let (first, rest) = source.split_once('\n').unwrap_or((source, ""));
    let (second, body) = rest.split_once('\n').unwrap_or((rest, ""));
    let subject = first.strip_prefix("Subject:").ok_or(1_usize)?;
    if second.trim().is_empty() { Ok((subject.trim(), body)) } else { Err(2) }
}

/// 1250 and `EUR` are `12.50 EUR`.
fn money(cents: i64, currency: &str) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02} {currency}", cents / 100, cents % 100)
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
