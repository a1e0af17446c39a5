//! The application's section: any type, held to the same standards.

use super::{Config, Folder, Mail, Shop, config, load, load_beside, seconds, variables, wrong};
use crate::config::NoSettings;

#[test]
fn the_applications_section_is_read_as_its_type() {
    let text = "[shop]\nreminder_delay = \"2h\"\ncurrencies = [\"USD\", \"JPY\"]\nmotto = \"m\"\n\
                limits = { a = 1, b = 2 }\nmail.subject = \"s\"\n[shop.mail2]\n";
    let told = wrong(text, &[]);
    assert_eq!(
        told,
        ["millgate.toml:7: unknown key shop.mail2; did you mean shop.mail?"]
    );

    let text = text.replace("[shop.mail2]\n", "");
    let shop = load(&text, &[]).unwrap().app;
    assert_eq!(shop.reminder_delay, seconds(2 * 60 * 60));
    assert_eq!(shop.currencies, ["USD", "JPY"]);
    assert_eq!(shop.motto.as_deref(), Some("m"));
    assert_eq!(shop.limits.get("b"), Some(&2));
    assert_eq!(shop.mail.subject, "s");
    assert_eq!(
        shop.mail,
        Mail {
            subject: "s".into(),
            copies: None
        }
    );
    assert_eq!(config(&text, &[]), Config::default());
}

#[test]
fn a_refused_value_is_not_also_reported_missing() {
    let folder = Folder::new();
    let text = "[shop.accounts.a]\nname = \"n\"\nlevel = \"high\"\n";
    folder.write("millgate.toml", text);
    let loaded = load_beside::<Picky>(&folder.0, "shop", None, variables(&[]));
    let error = loaded
        .map(|loaded| loaded.app.port)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("level: expected a whole number, found \"high\""),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

/// Fields that hide from the tracer, and words that carry values.
#[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Odd {
    #[serde(flatten)]
    inner: Mail,
    style: Style,
    limit: Limit,
    pair: (u8, String),
    maybe: Option<Vec<f32>>,
}

#[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Style {
    #[default]
    Plain,
    Framed {
        width: u8,
    },
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Limit {
    Number(u32),
    Word(String),
}

impl Default for Limit {
    fn default() -> Self {
        Self::Number(3)
    }
}

#[test]
fn odd_types_work_as_well() {
    let folder = Folder::new();
    let load = |text: &str, env: &[(&str, &str)]| {
        folder.write("millgate.toml", text);
        load_beside::<Odd>(&folder.0, "shop", None, variables(env)).map(|loaded| loaded.app)
    };
    assert_eq!(load("", &[]).unwrap(), Odd::default());
    let odd = load(
        "[shop]\nsubject = \"s\"\ncopies = 3\nlimit = \"none\"\npair = [1, \"a\"]\nmaybe = []\n\
         [shop.style.framed]\nwidth = 4\n",
        &[("MILLGATE_SHOP_MAYBE", "1,2.5")],
    )
    .unwrap();
    assert_eq!(
        (odd.inner.subject.as_str(), odd.inner.copies),
        ("s", Some(3))
    );
    assert_eq!(odd.limit, Limit::Word("none".into()));
    assert_eq!(odd.pair, (1, "a".to_owned()));
    assert_eq!(odd.style, Style::Framed { width: 4 });
    assert_eq!(odd.maybe, Some(vec![1.0, 2.5]));

    let limit = load("", &[("MILLGATE_SHOP_LIMIT", "7")]).unwrap().limit;
    assert_eq!(limit, Limit::Number(7));
    let error = load("[shop]\nsubject = 4\nstyle = \"framd\"\n", &[]).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("millgate.toml:2: shop.subject: "), "{error}");
    assert!(
        error.contains(":3: shop.style: expected one of plain, framed"),
        "{error}"
    );
}

/// A type that minds its values together.
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default, try_from = "Bounds")]
struct Ordered(Bounds);

#[derive(Default, Clone, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Bounds {
    low: u8,
    high: u8,
}

impl TryFrom<Bounds> for Ordered {
    type Error = String;

    fn try_from(bounds: Bounds) -> Result<Self, String> {
        if bounds.low <= bounds.high {
            Ok(Self(bounds))
        } else {
            Err("low must not be above high".to_owned())
        }
    }
}

#[test]
fn a_check_of_the_types_own_is_told() {
    let folder = Folder::new();
    let told = |text: &str| {
        folder.write("millgate.toml", text);
        let loaded = load_beside::<Ordered>(&folder.0, "shop", None, variables(&[]));
        loaded
            .map(|loaded| loaded.app.0.low)
            .unwrap_err()
            .to_string()
    };
    let one = told("[shop]\nlow = 1\n");
    assert!(
        one.ends_with("millgate.toml:2: shop.low: low must not be above high"),
        "{one}"
    );
    let typed = told("[shop]\nlow = 300\nhigh = 1\n");
    assert!(
        typed.ends_with(":2: shop.low: expected a whole number from 0 to 255, found 300"),
        "{typed}"
    );
}

/// A type with demands that no shape can express.
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Picky {
    port: Option<std::num::NonZeroU16>,
    address: Option<std::net::IpAddr>,
    accounts: std::collections::BTreeMap<String, Account>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Account {
    name: String,
    level: std::num::NonZeroU8,
}

#[test]
fn what_the_type_alone_can_refuse_still_has_its_line() {
    let folder = Folder::new();
    let text = "[shop]\nport = 0\naddress = \"nowhere\"\n\
                [shop.accounts.a]\nname = \"n\"\nlevel = 1\n\
                [shop.accounts.b]\nname = \"n\"\nlevel = 0\n";
    folder.write("millgate.toml", text);
    let loaded = load_beside::<Picky>(&folder.0, "shop", None, variables(&[]));
    let error = loaded
        .map(|loaded| loaded.app.port)
        .unwrap_err()
        .to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(lines[0].contains("millgate.toml:2: shop.port: "), "{error}");
    assert!(
        lines[1].contains("millgate.toml:3: shop.address: "),
        "{error}"
    );
    assert!(
        lines[2].contains("millgate.toml:9: shop.accounts.b.level: "),
        "{error}"
    );
    assert!(lines[2].contains("nonzero"), "{error}");

    folder.write("millgate.toml", "[shop.accounts.a]\nname = \"n\"\n");
    let loaded = load_beside::<Picky>(&folder.0, "shop", None, variables(&[]));
    let error = loaded
        .map(|loaded| loaded.app.port)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("millgate.toml:2: shop.accounts.a: missing field `level`"),
        "{error}"
    );
}

#[test]
fn the_application_without_a_section_has_none() {
    let folder = Folder::new();
    let loaded = load_beside::<NoSettings>(&folder.0, "", None, variables(&[])).unwrap();
    assert_eq!(loaded.app, NoSettings {});
    let loaded = load_beside::<Shop>(&folder.0, "shop", None, variables(&[])).unwrap();
    assert_eq!(loaded.app, Shop::default());
}

#[test]
fn the_applications_section_may_be_anything_with_a_name() {
    let folder = Folder::new();
    folder.write("millgate.toml", "[shop]\nx = 1\n[shop.y]\nz = \"w\"\n");
    let open = load_beside::<toml::Table>(&folder.0, "shop", None, variables(&[])).unwrap();
    assert_eq!(open.app["x"].as_integer(), Some(1));

    let taken = load_beside::<Shop>(&folder.0, "redis", None, variables(&[])).unwrap_err();
    assert!(taken.to_string().contains("choose another"), "{taken}");
    let number = load_beside::<u32>(&folder.0, "shop", None, variables(&[])).unwrap_err();
    assert!(number.to_string().contains("must be a struct"), "{number}");
    let none = load_beside::<NoSettings>(&folder.0, "", None, variables(&[])).unwrap_err();
    assert!(none.to_string().contains("unknown key shop"), "{none}");
}
