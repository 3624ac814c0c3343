//! Text that stays on one line, even if it comes from a peer or a panic.

use std::fmt::{self, Write};

/// Displays `T` with line breaks and control characters escaped, so that no part of it can pass for
/// a separate line.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape(f), "{}", self.0)
    }
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, c) in text.char_indices().filter(|&(_, c)| is_hostile(c)) {
            self.0.write_str(&text[plain..at])?;
            write!(self.0, "{}", c.escape_default())?;
            plain = at + c.len_utf8();
        }
        self.0.write_str(&text[plain..])
    }
}

/// Whether a terminal or a log treats `c` as more than a character of the line: controls,
/// separators of lines and paragraphs, and marks that change the direction of writing.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::OneLine;

    #[test]
    fn what_could_forge_a_line_is_escaped() {
        let shown = |text: &str| OneLine(text).to_string();
        assert_eq!(shown("a\nERROR b\r\n"), "a\\nERROR b\\r\\n");
        assert_eq!(shown("\u{1b}[2K\u{7f}\u{85}\0"), "\\u{1b}[2K\\u{7f}\\u{85}\\u{0}");
        assert_eq!(shown("\u{2028}\u{202e}\u{2067}"), "\\u{2028}\\u{202e}\\u{2067}");
    }

    #[test]
    fn what_is_harmless_stays() {
        let text = "größer `x`: \\ \"quoted\" 日本 \u{1f980}";
        assert_eq!(OneLine(text).to_string(), text);
    }
}
