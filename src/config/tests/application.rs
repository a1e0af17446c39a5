//! The application's section: any type whose default says what it takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Config, Duration, Mail, Shop, load, load_as, wrong, wrong_as};
use crate::config::{self, NoSettings};

#[test]
fn the_applications_section_is_read_as_its_type() {
    let text = "[shop]\nreminder_delay = \"2h\"\ncurrencies = [\"USD\", \"JPY\"]\ndiscount = 1\nmail.subject = \"s\"\n";
    let loaded = load(text, &[]).unwrap();
    let expected = Shop {
        reminder_delay: Duration::from_hours(2),
        currencies: vec!["USD".into(), "JPY".into()],
        discount: 1.0,
        mail: Mail { subject: "s".into(), copies: 0 },
        ..Shop::default()
    };
    assert_eq!((loaded.app, loaded.config), (expected, Config::default()));
}

#[test]
fn what_has_no_default_is_not_known() {
    assert_eq!(
        wrong("[shop]\nmotto = \"m\"\n", &[]),
        ["millgate.toml:2: unknown key shop.motto; there are: reminder_delay, currencies, discount, api_token, mail"]
    );
    assert_eq!(
        wrong_as::<NoSettings>("[shop]\nx = 1\n", &[]),
        ["millgate.toml:2: unknown key shop.x; nothing can be set here; remove it"]
    );
}

/// A type that minds its values together.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u8>")]
struct Bounds {
    low: u8,
    high: u8,
}

impl TryFrom<BTreeMap<String, u8>> for Bounds {
    type Error = &'static str;

    fn try_from(of: BTreeMap<String, u8>) -> Result<Self, Self::Error> {
        let bounds = Self { low: of["low"], high: of["high"] };
        if bounds.low <= bounds.high { Ok(bounds) } else { Err("low must not be above high") }
    }
}

#[test]
fn a_check_of_the_types_own_is_told_at_the_value() {
    let good = load_as::<Bounds>("[shop]\nlow = 1\nhigh = 2\n", &[]).unwrap().app;
    assert_eq!((good.low, good.high), (1, 2));
    let told = wrong_as::<Bounds>("[shop]\nhigh = 1\nlow = 2\n", &[]);
    assert_eq!(told, ["millgate.toml:3: shop.low: low must not be above high"]);
}

#[test]
fn a_section_needs_a_name_of_its_own_and_a_table() {
    let load = |name: &str| config::load::<Shop>(name, None, std::iter::empty()).unwrap_err().to_string();
    assert!(load("redis").contains("choose another"));
    assert!(load("my.shop").contains("only letters"));
    let number = load_as::<u32>("", &[]).unwrap_err().to_string();
    assert!(number.contains("must be a struct"), "{number}");
}
