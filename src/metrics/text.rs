//! The text format of Prometheus.

use std::collections::HashSet;

/// The older form of the format, which everything reads: a counter is described under its whole name.
pub(super) fn plain(openmetrics: &str) -> String {
    let counters: HashSet<&str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| *line != "# EOF") {
        let described = ["# HELP ", "# TYPE "].iter().find_map(|prefix| {
            let (name, rest) = line.strip_prefix(prefix)?.split_once(' ')?;
            counters.contains(name).then(|| format!("{prefix}{name}_total {rest}"))
        });
        out.push_str(described.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_described_under_their_whole_names() {
        let text = "# HELP a b.\n# TYPE a counter\na_total{x=\"1\"} 3\n# HELP g h.\n# TYPE g gauge\ng 1\n# EOF\n";
        let wanted =
            "# HELP a_total b.\n# TYPE a_total counter\na_total{x=\"1\"} 3\n# HELP g h.\n# TYPE g gauge\ng 1\n";
        assert_eq!(plain(text), wanted);
    }
}
