//! The command line as it was typed.

/// All its words, in quotes where a shell wants them.
pub(super) fn line() -> String {
    let quoted = |word: String| {
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./:@,".contains(c));
        if plain && !word.is_empty() { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    std::env::args().map(quoted).collect::<Vec<_>>().join(" ")
}
