//! Cron expressions: which times of the wall clock they name.

use std::{collections::BTreeSet, str::FromStr};

use chrono::NaiveDateTime;
use cron::TimeUnitSpec;

/// What stands for an expression in five fields.
const SHORTHANDS: [(&str, &str); 8] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@minutely", "* * * * *"),
];

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// A cron expression as cron(8) reads it, with seconds in front if there are six fields, and a year behind if seven.
///
/// The `cron` crate finds the times; what it reads as Quartz does is put right here: its week runs from Sunday = 1, it
/// wants six fields, and a day must suit day-of-month *and* day-of-week, where cron(8) fires if *either* does.
#[derive(Debug, Clone)]
pub(crate) struct CronExpression {
    text: String,
    /// A time that suits one of them is named.
    patterns: Vec<cron::Schedule>,
}

impl CronExpression {
    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether every hour of the day is named: then it is about how often, not about when in the day.
    pub(crate) fn is_every_hour(&self) -> bool {
        self.patterns.iter().all(|pattern| pattern.hours().is_all())
    }

    /// All times of a wall clock that it names, after `time`, in order. They end with the year 2100.
    pub(crate) fn times_after(&self, time: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        // In UTC every time exists once, which is all that is asked of it here.
        let next = |time: &NaiveDateTime| {
            let after = time.and_utc();
            self.patterns.iter().filter_map(|pattern| pattern.after(&after).next()).min().map(|next| next.naive_utc())
        };
        std::iter::successors(next(&time), next)
    }
}

impl FromStr for CronExpression {
    /// What is wrong with it.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shorthand = SHORTHANDS.iter().find(|(short, _)| *short == text.trim());
        let long = shorthand.map_or(text, |(_, long)| long);
        let mut fields: Vec<&str> = long.split_whitespace().collect();
        match fields.len() {
            5 => fields.insert(0, "0"),
            6 | 7 => {}
            count => {
                let known = SHORTHANDS.map(|(short, _)| short).join(", ");
                return Err(format!(
                    "it has {count} fields; wanted are minute, hour, day of month, month, day of week, with a second \
                     in front if six and a year behind if seven; or one of {known}"
                ));
            }
        }
        // The crate would join what a space has torn apart, and every field behind it would be another.
        let torn = |field: &&&str| field.starts_with([',', '-', '/']) || field.ends_with([',', '-', '/']);
        if let Some(field) = fields.iter().find(torn) {
            return Err(format!("`{field}` is half a field; write lists and ranges without spaces"));
        }
        let (day_of_month, day_of_week) = (fields[3], fields[5]);
        let week = quartz_days(day_of_week)?;
        let pattern = |day_of_month: &str, week: &str| {
            let mut fields = fields.clone();
            (fields[3], fields[5]) = (day_of_month, week);
            cron::Schedule::from_str(&fields.join(" ")).map_err(|error| reason(&error))
        };
        let patterns = if is_restricted(day_of_month) && is_restricted(day_of_week) {
            vec![pattern(day_of_month, "*")?, pattern("*", &week)?]
        } else {
            vec![pattern(day_of_month, &week)?]
        };
        Ok(Self { text: text.trim().to_owned(), patterns })
    }
}

/// As cron(8) has it: a field that begins with a star does not restrict the days, even if it is `*/2`.
fn is_restricted(field: &str) -> bool {
    !field.starts_with(['*', '?'])
}

/// The last line of a parser's complaint; those before repeat the expression.
fn reason(error: &cron::error::Error) -> String {
    let text = error.to_string();
    let last = text.lines().rev().find(|line| !line.trim().is_empty() && !line.trim().starts_with('^'));
    last.unwrap_or("a field cannot be read").trim().to_owned()
}

/// Days of the week (0 and 7 are Sunday, 1 is Monday; or names) as the crate counts them, from Sunday = 1.
fn quartz_days(field: &str) -> Result<String, String> {
    let mut days = BTreeSet::new();
    for item in field.split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let (first, last) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (0, 6),
            // A range that ends with Sunday ends a week.
            Some((first, last)) => (day(first)?, Some(day(last)?).filter(|last| *last != 0).unwrap_or(7)),
            None => (day(range)?, if step.is_some() { 6 } else { day(range)? }),
        };
        let step = step.map_or(Ok(1), str::parse).ok().filter(|step| (1..=7).contains(step));
        let step = step.ok_or_else(|| format!("`{item}`: a step through the week is 1 to 7"))?;
        if first > last {
            return Err(format!("`{item}`: the range runs backwards"));
        }
        days.extend((first..=last).step_by(step).map(|day| day % 7 + 1));
    }
    Ok(days.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

fn day(text: &str) -> Result<usize, String> {
    let name = text.to_lowercase();
    let named = DAYS.iter().position(|day| name.len() >= 3 && day.starts_with(&name));
    let number = || text.parse().ok().filter(|number| *number <= 7);
    named
        .or_else(number)
        .ok_or_else(|| format!("`{text}` is no day of the week: 0 to 7 (0 and 7 are Sunday) or mon to sun"))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    /// The next three times after midnight of Saturday, 1 June 2024.
    fn next(text: &str) -> [String; 3] {
        let start = NaiveDate::from_ymd_opt(2024, 6, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let expression: CronExpression = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut times = expression.times_after(start).map(|time| time.format("%a %Y-%m-%d %H:%M:%S").to_string());
        std::array::from_fn(|_| times.next().unwrap_or_default())
    }

    #[test]
    fn five_six_and_seven_fields() {
        assert_eq!(next("30 3 * * *")[0], "Sat 2024-06-01 03:30:00");
        assert_eq!(next("15 30 3 * * *")[0], "Sat 2024-06-01 03:30:15");
        assert_eq!(next("15 30 3 1 1 * 2026")[..2], ["Thu 2026-01-01 03:30:15", ""]);
        assert_eq!(next(" @daily ")[0], "Sun 2024-06-02 00:00:00");
        assert_eq!(next("@weekly")[0], "Sun 2024-06-02 00:00:00");
        assert_eq!(next("*/20 * * * *")[2], "Sat 2024-06-01 01:00:00");
        assert_eq!(next("0 12 ? jan-mar,DEC *")[0], "Sun 2024-12-01 12:00:00");
    }

    #[test]
    fn the_week_is_that_of_cron() {
        for (field, days) in [
            ("1", "Mon"),
            ("0", "Sun"),
            ("7", "Sun"),
            ("mon", "Mon"),
            ("Friday", "Fri"),
            ("1-5", "Mon Tue Wed Thu Fri"),
            ("5-7", "Sun Fri Sat"),
            ("sat-sun", "Sun Sat"),
            ("0-2", "Sun Mon Tue"),
            ("1-5/2", "Mon Wed Fri"),
            ("*/3", "Sun Wed Sat"),
            ("4/2", "Thu Sat"),
            ("2,sat", "Tue Sat"),
        ] {
            let expression: CronExpression = format!("0 0 * * {field}").parse().unwrap();
            // From a Saturday: the week that begins on the 2nd.
            let start = NaiveDate::from_ymd_opt(2024, 6, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
            let week = expression.times_after(start).take_while(|time| *time < start + chrono::Duration::days(8));
            assert_eq!(week.map(|time| time.format("%a").to_string()).collect::<Vec<_>>().join(" "), days, "{field}");
        }
    }

    #[test]
    fn of_two_days_either_will_do() {
        assert_eq!(
            next("0 0 13 * 5"),
            ["Fri 2024-06-07 00:00:00", "Thu 2024-06-13 00:00:00", "Fri 2024-06-14 00:00:00"]
        );
        // A star restricts nothing, whatever its step.
        assert_eq!(next("0 0 */2 * 1")[..2], ["Mon 2024-06-03 00:00:00", "Mon 2024-06-17 00:00:00"]);
        assert_eq!(next("0 0 ? * 1")[1], "Mon 2024-06-10 00:00:00");
    }

    #[test]
    fn what_is_none_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("0 0 0 1 1 * 2024 x", "8 fields"),
            ("@fortnightly", "@weekly"),
            ("0 0 * * 8", "`8` is no day of the week"),
            ("0 0 * * fr", "`fr` is no day of the week"),
            ("0 0 * * 5-1", "backwards"),
            ("0 0 * * 1/9", "step"),
            ("0 0 1 , 2 *", "half a field"),
            ("1, 2 * * *", "half a field"),
            ("60 * * * *", ""),
            ("* 24 * * *", ""),
            ("* * 32 * *", ""),
            ("* * * 13 *", ""),
            ("*/0 * * * *", ""),
            ("a * * * *", ""),
            ("0 0 L * *", ""),
        ] {
            let error = text.parse::<CronExpression>().unwrap_err();
            assert!(error.contains(reason) && !error.is_empty(), "{text}: {error}");
        }
    }
}
