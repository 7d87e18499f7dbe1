//! Numbers, times and addresses as people read them.

use {quern_api::Key, time::OffsetDateTime};

/// Most digits behind the point; the exact amount stands beside in full.
const SHOWN_DECIMALS: usize = 6;
/// Characters of an address's beginning and end.
const SHORT_CHARS: usize = 4;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A number in two lengths.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// To be read at a glance.
    pub short: String,
    /// Every digit.
    pub exact: String,
}

/// Digits in groups of three.
pub(super) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount in tokens; in atoms where the decimals are unknown.
pub(super) fn tokens(atoms: u128, decimals: Option<u8>) -> Number {
    let decimals = usize::from(decimals.unwrap_or(0));
    let digits = format!("{atoms:0>width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let whole = grouped(whole.parse().unwrap_or(u128::MAX));
    let exact = joined(&whole, part.trim_end_matches('0'));
    let shown = &part[..part.len().min(SHOWN_DECIMALS)];
    let short = match part.trim_end_matches('0').len() > SHOWN_DECIMALS {
        // Cut, not rounded: an amount never looks larger than it is.
        true => joined(&whole, shown) + "…",
        false => exact.clone(),
    };
    Number { short, exact }
}

fn joined(whole: &str, part: &str) -> String {
    match part {
        "" => whole.to_owned(),
        part => format!("{whole}.{part}"),
    }
}

/// A count with three digits and a unit of thousands, as 1.23 M.
pub(super) fn compact(number: u128) -> Number {
    const UNITS: [(u32, &str); 6] = [
        (18, "E"),
        (15, "P"),
        (12, "T"),
        (9, "G"),
        (6, "M"),
        (3, "k"),
    ];
    let exact = grouped(number);
    // Below a hundred thousand the digits themselves are as short.
    let unit = UNITS
        .iter()
        .find(|(power, _)| number >= 10u128.pow(*power) && number >= 100_000);
    let short = unit.map_or_else(
        || exact.clone(),
        |(power, unit)| {
            let hundredths = number / 10u128.pow(power - 2);
            let (whole, part) = (hundredths / 100, hundredths % 100);
            match whole {
                0..10 => format!("{whole}.{part:02} {unit}"),
                10..100 => format!("{whole}.{} {unit}", part / 10),
                _ => format!("{} {unit}", grouped(whole)),
            }
        },
    );
    Number { short, exact }
}

/// Basis points as a percentage.
pub(super) fn percent(bps: u16) -> String {
    format!("{} %", tokens(bps.into(), Some(2)).exact)
}

/// The beginning and the end of an address.
pub(super) fn short(address: &Key) -> String {
    let text = address.to_string();
    let end = text.len() - SHORT_CHARS;
    format!("{}…{}", &text[..SHORT_CHARS], &text[end..])
}

/// A moment, for people and for machines; nothing where no calendar has it.
pub(super) fn moment(at: i64) -> Option<(String, String)> {
    let time = OffsetDateTime::from_unix_timestamp(at).ok()?;
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let (hour, minute, second) = time.to_hms();
    let shown = format!("{} {hour:02}:{minute:02}:{second:02} UTC", date(at)?);
    let machine = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    Some((shown, machine))
}

/// The day of a moment, as 7 Nov 2026.
pub(super) fn date(at: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(at).ok()?;
    let month = &time.month().to_string()[..3];
    Some(format!("{} {month} {}", time.day(), time.year()))
}

/// A span in its two largest units.
pub(super) fn span(secs: i64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")];
    let (mut left, mut parts) = (secs.max(0), Vec::new());
    for (size, unit) in units {
        if left >= size && parts.len() < 2 {
            parts.push(format!("{} {unit}", left / size));
        }
        left %= size;
    }
    match parts.is_empty() {
        true => "0 s".to_owned(),
        false => parts.join(" "),
    }
}

/// A word with a capital letter, for a link or a title.
pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}

/// `JobTaken` as "Job taken", `arbiter_atoms` as "arbiter atoms".
pub(super) fn words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for (index, c) in name.chars().enumerate() {
        match c {
            '_' => text.push(' '),
            c if c.is_ascii_uppercase() && index > 0 => {
                text.push(' ');
                text.push(c.to_ascii_lowercase());
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, proptest::prelude::*};

    #[test]
    fn amounts_are_cut_and_never_rounded_up() {
        let shown = |atoms, decimals| {
            let number = tokens(atoms, decimals);
            (number.short, number.exact)
        };
        let same = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(shown(0, Some(6)), same("0"));
        assert_eq!(shown(1, Some(6)), same("0.000001"));
        assert_eq!(shown(1_234_500_000, Some(6)), same("1,234.5"));
        assert_eq!(shown(77, None), same("77"));
        assert_eq!(
            shown(1_999_999_999, Some(9)),
            ("1.999999…".to_owned(), "1.999999999".to_owned())
        );
        // No mint has as many, but an account may say so.
        assert_eq!(tokens(5, Some(255)).exact.len(), 257);
    }

    proptest! {
        #[test]
        fn every_amount_keeps_its_digits(atoms: u128, decimals in 0..=40u8) {
            let exact = tokens(atoms, Some(decimals)).exact.replace(',', "");
            let (whole, part) = exact.split_once('.').unwrap_or((&exact, ""));
            let digits = format!("{whole}{part:0<width$}", width = usize::from(decimals));
            prop_assert_eq!(digits.parse::<u128>(), Ok(atoms));
        }

        #[test]
        fn every_time_and_span_can_be_shown(at: i64) {
            let _ = (moment(at), date(at), span(at));
        }
    }

    #[test]
    fn counts_are_short_and_exact() {
        for (number, short) in [
            (0, "0"),
            (99_999, "99,999"),
            (123_456, "123 k"),
            (1_234_567, "1.23 M"),
            (45_678_000_000, "45.6 G"),
            (u128::from(u64::MAX), "18.4 E"),
            (u128::MAX, "340,282,366,920,938,463,463 E"),
        ] {
            assert_eq!(compact(number).short, short);
        }
        assert_eq!(compact(1_234_567).exact, "1,234,567");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let (shown, machine) = moment(1_900_000_000).unwrap();
        assert_eq!(shown, "17 Mar 2030 17:46:40 UTC");
        assert_eq!(machine, "2030-03-17T17:46:40Z");
        assert_eq!(moment(i64::MAX), None);
        assert_eq!(span(0), "0 s");
        assert_eq!(span(90_061), "1 d 1 h");
        assert_eq!(span(3_599), "59 min 59 s");
        assert_eq!(words("MilestoneSettled"), "Milestone settled");
        assert_eq!(words("arbiter_atoms"), "arbiter atoms");
    }
}
