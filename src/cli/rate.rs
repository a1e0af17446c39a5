//! Rates as people write them.

use millgate_jobs::Rate;

/// `10/1s`, `100/1m`; `10/s` is the first.
pub(super) fn read(text: &str) -> Option<Rate> {
    let (jobs, per) = text.split_once('/')?;
    let jobs = jobs.parse().ok().filter(|jobs| *jobs > 0)?;
    let one = if per.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "1" };
    let per = humantime::parse_duration(&format!("{one}{per}")).ok().filter(|per| !per.is_zero())?;
    Some(Rate { jobs, per })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        let rate = |jobs, seconds| Some(Rate { jobs, per: Duration::from_secs(seconds) });
        assert_eq!((read("10/1s"), read("10/s"), read("5/2m")), (rate(10, 1), rate(10, 1), rate(5, 120)));
        for wrong in ["10", "0/s", "x/s", "1/0s", "1/", "/s", "-1/s", "1/fortnight"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
