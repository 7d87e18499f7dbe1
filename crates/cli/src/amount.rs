//! Amounts as people type them: whole tokens with decimals, read exactly, never through a floating-point number.

use {
    crate::error::{Error, Result},
    clap::Args,
};

/// Ends an amount that is typed in the smallest unit of its mint.
const ATOMS: &str = "atoms";

/// An amount of a mint.
#[derive(Args, Clone, Debug)]
pub struct Amount {
    /// Amount in tokens, for example 1.5, or in atoms, for example 1500000atoms
    #[arg(long, value_name = "TOKENS", value_parser = check)]
    pub amount: String,
}

impl Amount {
    /// In atoms of a mint with this many decimals.
    ///
    /// # Errors
    /// `Usage` if it has more decimals than the mint or is too large.
    pub fn in_atoms(&self, decimals: u8) -> Result<u64> {
        parse("--amount", &self.amount, decimals)
    }

    /// As [`Self::in_atoms`], for an amount that moves.
    ///
    /// # Errors
    /// As [`Self::in_atoms`], or that it is nothing.
    pub fn some_atoms(&self, decimals: u8) -> Result<u64> {
        parse_some("--amount", &self.amount, decimals)
    }
}

/// Refuses what is no amount in any mint, before the cluster is read.
///
/// # Errors
/// What is wrong.
pub fn check(text: &str) -> std::result::Result<String, String> {
    let is_amount = match text.strip_suffix(ATOMS) {
        Some(atoms) => atoms.parse::<u64>().is_ok() && !atoms.starts_with('+'),
        None => parts(text).is_some(),
    };
    match is_amount {
        true => Ok(text.to_owned()),
        false => {
            Err("write tokens, for example 1.5, or atoms, for example 1500000atoms".to_owned())
        }
    }
}

/// Digits before and after the point.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_empty = whole.is_empty() && fraction.is_empty();
    (!is_empty && is_number(whole) && is_number(fraction)).then_some((whole, fraction))
}

/// Reads an amount in whole tokens, or in atoms if it says so; `option` is where it was typed.
///
/// # Errors
/// `Usage`, with what is wrong.
pub fn parse(option: &str, text: &str, decimals: u8) -> Result<u64> {
    let read = match text.strip_suffix(ATOMS) {
        Some(atoms) => decimal(atoms, 0),
        None => decimal(text, decimals),
    };
    read.map_err(|why| Error::Usage(format!("{option} {text}: {why}")))
}

/// As [`parse`], for an amount of which there is at least one atom.
///
/// # Errors
/// `Usage`, with what is wrong.
pub fn parse_some(option: &str, text: &str, decimals: u8) -> Result<u64> {
    match parse(option, text, decimals)? {
        0 => Err(Error::Usage(format!(
            "{option} {text}: it must be at least {}, one atom",
            show(1, decimals)
        ))),
        atoms => Ok(atoms),
    }
}

/// Decimals of rates, and of SOL.
const NINE: u8 = 9;

/// Reads a rate or an amount of SOL in billionths, for clap.
///
/// # Errors
/// What is wrong with it.
pub fn billionths(text: &str) -> std::result::Result<u64, String> {
    decimal(text, NINE)
}

/// Shows a rate, or an amount of SOL.
pub fn show_billionths(value: u64) -> String {
    show(value, NINE)
}

/// A number with at most this many decimals, as a whole number of the smallest unit.
fn decimal(text: &str, decimals: u8) -> std::result::Result<u64, String> {
    let (whole, fraction) =
        parts(text).ok_or("write digits and at most one point, for example 1.5")?;
    let places = usize::from(decimals);
    let significant = fraction.trim_end_matches('0');
    if significant.len() > places {
        return Err(format!(
            "it has {} decimals, and at most {decimals} count here",
            significant.len()
        ));
    }
    let too_large = || format!("it must be at most {}", show(u64::MAX, decimals));
    let digits = |part: &str| {
        let part = part.trim_start_matches('0');
        part.chars().try_fold(0u128, |sum, digit| {
            sum.checked_mul(10)?
                .checked_add(u128::from(digit.to_digit(10)?))
        })
    };
    let atoms = || {
        let unit = 10u128.checked_pow(u32::from(decimals))?;
        let padding = 10u128.checked_pow((places - significant.len()) as u32)?;
        let whole = digits(whole)?.checked_mul(unit)?;
        let sum = whole.checked_add(digits(significant)?.checked_mul(padding)?)?;
        u64::try_from(sum).ok()
    };
    atoms().ok_or_else(too_large)
}

/// Shows atoms in whole tokens, with as many decimals as are not zero.
pub fn show(atoms: u64, decimals: u8) -> String {
    show_wide(u128::from(atoms), decimals)
}

/// As [`show`], for sums.
pub fn show_wide(atoms: u128, decimals: u8) -> String {
    let digits = format!("{atoms:0>width$}", width = usize::from(decimals) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// Reads a share of the whole: `2.5%` or `250bps`. A number without a unit could mean either; only nothing needs none.
///
/// # Errors
/// What is wrong, for clap.
pub fn parse_bps(text: &str) -> std::result::Result<u16, String> {
    let atoms = match (text.strip_suffix('%'), text.strip_suffix("bps")) {
        (Some(percent), _) => decimal(percent.trim_end(), 2)
            .map_err(|_| format!("`{text}` is no percentage with at most two decimals"))?,
        (None, Some(bps)) => decimal(bps.trim_end(), 0)
            .map_err(|_| format!("`{text}` is no whole number of basis points"))?,
        (None, None) => match decimal(text, 2) {
            Ok(0) => 0,
            // More than the whole in percent.
            Ok(10_001..) => return Err(format!("`{text}` has no unit; write {text}bps")),
            Ok(hundredths) => {
                return Err(format!(
                    "`{text}` has no unit; write {text}% (or {hundredths}bps)"
                ));
            }
            Err(_) => {
                return Err(format!(
                    "`{text}` is neither a percentage (2.5%) nor basis points (250bps)"
                ));
            }
        },
    };
    u16::try_from(atoms)
        .ok()
        .filter(|bps| *bps <= 10_000)
        .ok_or_else(|| format!("`{text}` is more than 100 %"))
}

/// Shows a share in percent.
pub fn show_bps(bps: u32) -> String {
    format!("{} %", show(u64::from(bps), 2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_exactly() {
        for (text, decimals, atoms) in [
            ("1.5", 6, 1_500_000),
            ("0.000001", 6, 1),
            ("1.500000000", 6, 1_500_000),
            (".5", 1, 5),
            ("5.", 0, 5),
            ("007", 0, 7),
            ("0", 9, 0),
            ("18446744073709551615", 0, u64::MAX),
            ("18446744073709.551615", 6, u64::MAX),
            // Floats would give 1.1 -> 1.1000000000000001 and 0.3 -> 0.30000000000000004.
            ("1.1", 18, 1_100_000_000_000_000_000),
            ("0.3", 17, 30_000_000_000_000_000),
        ] {
            assert_eq!(parse("--price", text, decimals).unwrap(), atoms, "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        let huge = "9".repeat(200);
        for (text, decimals) in [
            ("", 6),
            (".", 6),
            ("-1", 6),
            ("+1", 6),
            ("1,5", 6),
            ("1.2.3", 6),
            ("1e6", 6),
            ("1_000", 6),
            (" 1", 6),
            ("٣", 6),
            ("0.0000001", 6),
            ("0.1", 0),
            ("18446744073709551616", 0),
            ("18446744073709.551616", 6),
            (&huge, 0),
            ("1", 255),
            ("NaN", 6),
        ] {
            let refused = parse("--price", text, decimals).unwrap_err();
            assert!(matches!(refused, Error::Usage(_)), "{text}");
            let said = refused.to_string();
            assert!(said.starts_with(&format!("--price {text}: ")), "{said}");
        }
    }

    #[test]
    fn atoms_are_read_as_they_are() {
        assert_eq!(parse("--price", "1500000atoms", 6).unwrap(), 1_500_000);
        assert_eq!(
            parse("--price", "18446744073709551615atoms", 9).unwrap(),
            u64::MAX
        );
        for text in [
            "atoms",
            "1.5atoms",
            "-1atoms",
            "+1atoms",
            "1 atoms",
            "18446744073709551616atoms",
        ] {
            assert!(parse("--price", text, 6).is_err(), "{text}");
            assert!(check(text).is_err(), "{text}");
        }
        for text in ["1.5", ".5", "0", "7atoms"] {
            assert_eq!(check(text).unwrap(), text);
        }
        assert!(check("lots").is_err());
        // A rate has no atoms.
        assert!(billionths("1atoms").is_err());
    }

    #[test]
    fn shows_what_it_reads() {
        for decimals in [0u8, 1, 6, 9, 19] {
            for atoms in [
                0,
                1,
                9,
                10,
                99,
                1_000_000,
                1_234_567,
                u64::MAX - 1,
                u64::MAX,
            ] {
                let shown = show(atoms, decimals);
                assert_eq!(parse("--price", &shown, decimals).unwrap(), atoms);
            }
        }
        assert_eq!(show(1_500_000, 6), "1.5");
        assert_eq!(show(5, 6), "0.000005");
        assert_eq!(show(2_000_000, 6), "2");
    }

    /// The sentence names the option, the value and the limit.
    #[test]
    fn refusals_name_option_value_and_limit() {
        let said = |text: &str| parse_some("--bond", text, 6).unwrap_err().to_string();
        assert_eq!(
            said("18446744073709.551616"),
            "--bond 18446744073709.551616: it must be at most 18446744073709.551615"
        );
        assert_eq!(
            said("0.0000001"),
            "--bond 0.0000001: it has 7 decimals, and at most 6 count here"
        );
        assert_eq!(
            said("0"),
            "--bond 0: it must be at least 0.000001, one atom"
        );
        assert_eq!(
            said("18446744073709551616atoms")
                .matches("at most 18446744073709551615")
                .count(),
            1
        );
        assert_eq!(parse_some("--bond", "1atoms", 6).unwrap(), 1);
    }

    #[test]
    fn shares_in_percent_or_basis_points() {
        assert_eq!(parse_bps("250bps"), Ok(250));
        assert_eq!(parse_bps("2.5%"), Ok(250));
        assert_eq!(parse_bps("0"), Ok(0));
        for (text, units) in [("5", "5% (or 500bps)"), ("2.5", "2.5% (or 250bps)")] {
            let said = format!("`{text}` has no unit; write {units}");
            assert_eq!(parse_bps(text), Err(said));
        }
        let said = "`250` has no unit; write 250bps".to_owned();
        assert_eq!(parse_bps("250"), Err(said));
        assert_eq!(parse_bps("100%"), Ok(10_000));
        for text in [
            "", "%", "bps", "101%", "10001bps", "2.555%", "2.5bps", "-1", "250", "two",
        ] {
            assert!(parse_bps(text).is_err(), "{text}");
        }
        assert_eq!(show_bps(250), "2.5 %");
    }
}
