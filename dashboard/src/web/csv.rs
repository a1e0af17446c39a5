//! Comma-separated values, as RFC 4180 has them.

/// A line of these cells. A cell that a spreadsheet would take for a formula gets a quote in front.
pub(crate) fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell.as_ref())).collect();
    format!("{}\r\n", cells.join(","))
}

fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !cell.contains(['"', ',', '\n', '\r']) {
        return cell.to_owned();
    }
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_no_formula() {
        assert_eq!(line(&["a", "b,c", "say \"so\""]), "a,\"b,c\",\"say \"\"so\"\"\"\r\n");
        assert_eq!(line(&["=1+2", "-5", "@x", "two\nlines"]), "\"'=1+2\",\"'-5\",\"'@x\",\"two\nlines\"\r\n");
    }
}
