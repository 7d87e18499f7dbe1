//! Texts that people write for ever, and texts that strangers have written: no character in them may hide or move others.

/// Whether a character shows itself where it stands. Control characters move the cursor, bidirectional ones turn the text
/// around, invisible ones make two texts look alike.
pub fn is_plain(c: char) -> bool {
    let is_hidden = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    !is_hidden && !c.is_control()
}

/// Refuses a text that is about to be written for ever and could not be read as it stands.
///
/// # Errors
/// Which character it is, and where.
pub fn check(text: &str) -> Result<(), String> {
    let Some((at, c)) = text.chars().enumerate().find(|(_, c)| !is_plain(*c)) else {
        return Ok(());
    };
    let what = match c {
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => "a line break",
        c if c.is_control() => "a control character",
        _ => "an invisible or bidirectional character",
    };
    Err(format!(
        "character {} is {what} (U+{:04X}); write it without",
        at + 1,
        u32::from(c)
    ))
}

/// A text on one line, with every character that would not show itself written as its number.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // What a sentence of several lines means is known.
            '\n' | '\r' | '\t' => shown.push(' '),
            c if is_plain(c) => shown.push(c),
            c => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_hides_or_moves_text_is_refused_and_escaped() {
        for (text, part) in [
            ("a\nb", "character 2 is a line break (U+000A)"),
            ("a\u{2028}b", "line break"),
            ("\u{1b}[2J", "character 1 is a control character"),
            ("a\tb", "control"),
            ("a\u{7f}", "control"),
            ("a\u{85}", "control"),
            ("gpj.\u{202e}exe", "bidirectional character (U+202E)"),
            ("\u{2066}x\u{2069}", "bidirectional"),
            ("x\u{200b}y", "invisible"),
            ("\u{feff}x", "invisible"),
            ("x\u{e0041}", "invisible"),
        ] {
            let why = check(text).unwrap_err();
            assert!(why.contains(part), "{text:?}: {why}");
            assert!(escaped(text).chars().all(is_plain), "{text:?}");
        }
        assert_eq!(escaped("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
        assert_eq!(escaped("a\nb"), "a b");
        for text in ["", "Keller-GPUs Köln", "Ζεύς 2", "数字", "אבג", "a — b 🙂"] {
            assert_eq!(check(text), Ok(()), "{text}");
            assert_eq!(escaped(text), text);
        }
    }
}
