//! Time spans as people type them: `90s`, `15m`, `6h`, `3d`, or plain seconds.

/// Reads a time span in seconds.
///
/// # Errors
/// What is wrong, for clap.
pub fn parse(text: &str) -> Result<u32, String> {
    let bad = || format!("`{text}` is no time span; write for example 90s, 15m, 6h or 3d");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_secs: u64 = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    let secs = number
        .checked_mul(unit_secs)
        .and_then(|secs| u32::try_from(secs).ok());
    secs.ok_or_else(|| format!("it must be at most {}", show(u32::MAX)))
}

/// Reads the time between two looks at the chain, in seconds: at least one.
///
/// # Errors
/// What is wrong, for clap.
pub fn parse_poll(text: &str) -> Result<u32, String> {
    match parse(text)? {
        0 => Err("between two looks there is at least 1s".to_owned()),
        secs => Ok(secs),
    }
}

/// Shows seconds with the largest unit that leaves no rest.
pub fn show(secs: u32) -> String {
    match secs {
        0 => "0s".to_owned(),
        secs if secs % 86_400 == 0 => format!("{}d", secs / 86_400),
        secs if secs % 3_600 == 0 => format!("{}h", secs / 3_600),
        secs if secs % 60 == 0 => format!("{}m", secs / 60),
        secs => format!("{secs}s"),
    }
}

/// Shows seconds with the two largest units, for people who wait.
pub fn about(secs: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(size, _)| secs >= *size);
    let (mut rest, mut text) = (secs, Vec::new());
    for (size, unit) in units.iter().skip(first.unwrap_or(3)).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 || text.is_empty() {
            text.push(format!("{count}{unit}"));
        }
    }
    text.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn two_units_are_enough() {
        let shown = [0, 59, 60, 86_399, 86_400, 90_061, 950_400].map(about);
        assert_eq!(shown, ["0s", "59s", "1m", "23h 59m", "1d", "1d 1h", "11d"]);
    }

    #[test]
    fn reads_and_shows() {
        for (text, secs) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("6h", 21_600),
            ("3d", 259_200),
            ("0", 0),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(parse(text), Ok(secs));
            assert_eq!(parse(&show(secs)), Ok(secs));
        }
        for text in [
            "",
            "h",
            "-1s",
            "1.5h",
            "1 h",
            "1w",
            "4294967296",
            "99999999999999999999d",
            "50000d",
            "１s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
