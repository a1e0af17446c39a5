//! Times with units.

/// `"30s"` → 30,000. Units: ms, s, m, h.
pub(crate) fn milliseconds(text: &str) -> Result<u64, &'static str> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(milliseconds) if milliseconds > 0 => Ok(milliseconds),
        _ => Err("a time is a whole number above 0 with a unit: 500ms, 30s, 5m, 1h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(milliseconds("30s"), Ok(30_000));
        assert_eq!(milliseconds("250ms"), Ok(250));
        assert_eq!(milliseconds("2h"), Ok(7_200_000));
        for bad in ["30", "0s", "s", "3 days", "-1s", "99999999999999999999h"] {
            assert!(milliseconds(bad).is_err(), "{bad}");
        }
    }
}
