//! So many jobs in a time.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};

/// So many jobs in a time. As text `10/1s`; as JSON that, or `{"jobs": 10, "per": "1s"}`, which is what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// How many.
    pub jobs: u32,
    /// In which time.
    #[serde(with = "humantime_serde")]
    pub per: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.jobs, humantime::format_duration(self.per))
    }
}

impl FromStr for Rate {
    type Err = String;

    /// `10/1s`, `100/1m`; `10/s` is the first.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (jobs, per) = text.split_once('/')?;
            let jobs = jobs.trim().parse().ok().filter(|jobs| *jobs > 0)?;
            let per = per.trim();
            let one = if per.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "1" };
            let per = humantime::parse_duration(&format!("{one}{per}")).ok().filter(|per| !per.is_zero())?;
            Some(Self { jobs, per })
        };
        read().ok_or_else(|| format!("`{text}` is no rate such as 10/1s"))
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, deny_unknown_fields)]
        enum Written {
            Text(String),
            Parts {
                jobs: u32,
                #[serde(with = "humantime_serde")]
                per: Duration,
            },
            Number(u64),
        }
        match Written::deserialize(deserializer)? {
            Written::Text(text) => text.parse().map_err(de::Error::custom),
            Written::Parts { jobs, per } => Ok(Self { jobs, per }),
            Written::Number(number) => Err(de::Error::custom(format!("`{number}` is no rate such as 10/1s"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        let rate = |jobs, seconds| Ok(Rate { jobs, per: Duration::from_secs(seconds) });
        let read = |text: &str| text.parse::<Rate>();
        assert_eq!((read("10/1s"), read("10/s"), read("5/2m")), (rate(10, 1), rate(10, 1), rate(5, 120)));
        for wrong in ["10", "0/s", "x/s", "1/0s", "1/", "/s", "-1/s", "1/fortnight"] {
            assert_eq!(read(wrong).unwrap_err(), format!("`{wrong}` is no rate such as 10/1s"));
        }
        assert_eq!(read("5/2m").unwrap().to_string(), "5/2m");
    }

    #[test]
    fn as_json_it_is_a_text_or_its_parts() {
        let rate = Rate { jobs: 10, per: Duration::from_secs(1) };
        let json = serde_json::to_string(&rate).unwrap();
        assert_eq!(serde_json::from_str::<Rate>(&json).unwrap(), rate);
        assert_eq!(serde_json::from_str::<Rate>("\"10/s\"").unwrap(), rate);
        assert!(serde_json::from_str::<Rate>("7").unwrap_err().to_string().contains("no rate such as"));
    }
}
