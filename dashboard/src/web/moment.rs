//! Times, spans and numbers for people.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

/// A moment: in UTC here, in the reader's zone once the script has seen it, and the other when one points at it.
pub(crate) fn time(at: DateTime<Utc>) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    html! { time datetime=(exact) title=(exact) { (at.format("%Y-%m-%d %H:%M:%S")) " UTC" } }
}

/// A span of seconds in its two largest units: `2 d 3 h`, `4 min 10 s`, `0.3 s`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |large: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {lesser}"),
    };
    match seconds {
        0 if span.as_millis() == 0 => "0 s".to_owned(),
        0 => format!("{} ms", span.as_millis()),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// A number in groups of three: `1 048 576`, with thin spaces.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_and_numbers_groups() {
        let of = |ms| span(Duration::from_millis(ms));
        assert_eq!((of(0), of(300), of(2_500)), ("0 s".into(), "300 ms".into(), "2.5 s".into()));
        assert_eq!(
            (of(250_000), of(7_200_000), of(183_600_000)),
            ("4 min 10 s".into(), "2 h".into(), "2 d 3 h".into())
        );
        assert_eq!((number(7), number(1_048_576)), ("7".into(), "1\u{2009}048\u{2009}576".into()));
    }
}
