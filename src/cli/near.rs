//! What somebody may have meant.

/// Less alike than this, a name would only mislead.
const LIKENESS: f64 = 0.85;

/// Which of the names is most like one that there is not, if any is.
pub(super) fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = names.into_iter().map(|name| (strsim::jaro_winkler(wanted, name), name));
    let best = alike.filter(|(likeness, _)| *likeness >= LIKENESS).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_like_it_is_near() {
        let names = ["order.created", "order.canceled", "user.registered"];
        assert_eq!(near("order.craeted", names), Some("order.created"));
        assert_eq!(near("payments", names), None);
    }
}
