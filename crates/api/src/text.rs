//! Texts of strangers, as a terminal or a log may show them.

/// Whether a terminal obeys a character instead of showing it: control characters, line ends, and those that turn the
/// direction of writing or take no space, with which a text looks like another one.
pub fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}' | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with those characters written as escapes, as in `\u{202e}`.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match is_hidden(char) {
            true => shown.extend(char.escape_unicode()),
            false => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_the_rest_stays() {
        assert_eq!(shown("Grüße, 世界 🙂"), "Grüße, 世界 🙂");
        assert_eq!(
            shown("a\u{202e}b\n\u{1b}[31m\u{9b}\u{200b}\u{2066}\u{feff}"),
            "a\\u{202e}b\\u{a}\\u{1b}[31m\\u{9b}\\u{200b}\\u{2066}\\u{feff}"
        );
    }
}
