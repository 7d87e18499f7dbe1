//! `cargo xtask picture`: runs the demo and draws the end of what it prints, for the README.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell::{self, Step};
use crate::start::{self, DEMO};

/// The text that the demo printed, and the picture of it.
const TEXT: &str = "docs/demo.txt";
const PICTURE: &str = "docs/demo.svg";
/// More lines than this do not fit beside a README's first screen.
const MOST_LINES: usize = 40;
const FONT: usize = 13;
/// What a letter of a monospaced font takes, in tenths of its size.
const WIDTH_TENTHS: usize = 6;
const LINE: usize = 17;
const MARGIN: usize = 16;

/// Runs the demo and writes both files; with `redraw` only draws the text that is there.
pub fn run(redraw: bool) -> Result<()> {
    let root = shell::root();
    let place = root.join(TEXT);
    if !redraw {
        let printed = start::capture(DEMO, &start::demo_args(&[])?)?;
        fs::write(&place, end(&printed)?).with_context(|| format!("cannot write {TEXT}"))?;
    }
    let step = Step::start(format!("Drawing {PICTURE}"));
    let text = fs::read_to_string(&place).with_context(|| format!("cannot read {TEXT}"))?;
    fs::write(root.join(PICTURE), draw(&text))
        .with_context(|| format!("cannot write {PICTURE}"))?;
    step.done("drawn");
    Ok(())
}

/// The last lines, without colours, from a heading or an empty line on.
fn end(printed: &str) -> Result<String> {
    let plain = without_colours(printed);
    let lines: Vec<_> = plain.trim_end().lines().map(str::trim_end).collect();
    if lines.is_empty() {
        bail!("the demo printed nothing");
    }
    let first = lines.len().saturating_sub(MOST_LINES);
    let tail = lines.get(first..).unwrap_or_default();
    // Not from the middle of a table.
    let gap = match first {
        0 => 0,
        _ => tail
            .iter()
            .position(|line| line.is_empty())
            .map_or(0, |at| at + 1),
    };
    Ok(tail.get(gap..).unwrap_or_default().join("\n") + "\n")
}

/// Drops the escape sequences of a terminal.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|letter: char| letter.is_ascii_alphabetic());
        plain.push_str(end.and_then(|at| piece.get(at + 1..)).unwrap_or_default());
    }
    plain
}

/// An SVG of a terminal with the text in it. The same text gives the same bytes.
fn draw(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let letters = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0);
    let width = letters * FONT * WIDTH_TENTHS / 10 + 2 * MARGIN + FONT;
    let height = lines.len() * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"The end of the demo\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#11151c\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"{FONT}\" \
         fill=\"#d6deeb\" xml:space=\"preserve\">\n"
    );
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        let escaped = line
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let baseline = MARGIN + at * LINE + FONT;
        // Writing into a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{baseline}\">{escaped}</text>"
        );
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_end_starts_behind_a_gap_and_has_no_colours() {
        let head = "line\n".repeat(MOST_LINES);
        let printed = format!("{head}\n\x1b[1mTitle\x1b[0m\nrow  \n\n");
        assert_eq!(end(&printed).unwrap(), "Title\nrow\n");
        assert_eq!(end("short\n").unwrap(), "short\n");
        assert!(end("\n").is_err());
    }

    #[test]
    fn a_drawing_shows_every_line_and_is_the_same_each_time() {
        let svg = draw("a < b & c\n\nlast\n");
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains(">last</text>"));
        assert_eq!(svg.matches("<text").count(), 2);
        assert_eq!(svg, draw("a < b & c\n\nlast\n"));
    }

    #[test]
    fn the_committed_picture_is_that_of_the_committed_text() {
        let read = |file: &str| fs::read_to_string(shell::root().join(file)).unwrap();
        assert_eq!(
            read(PICTURE),
            draw(&read(TEXT)),
            "run `cargo xtask picture --redraw`"
        );
    }
}
