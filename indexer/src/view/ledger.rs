//! Amounts that came and went.

use {
    super::amount,
    crate::project::{Event, moved, program::MintConfig},
    quern_api::{Direction, Key, LedgerEntry},
    time::OffsetDateTime,
};

/// What an event moved of a party.
pub fn ledger_entries(event: &Event, party: &Key, mints: &[MintConfig]) -> Vec<LedgerEntry> {
    let at = event.body.at();
    let moved = moved(&event.body).into_iter();
    moved
        .filter(|moved| moved.party == *party)
        .map(|moved| LedgerEntry {
            at,
            utc: utc(at),
            kind: moved.kind,
            direction: match moved.is_out {
                true => Direction::Out,
                false => Direction::In,
            },
            amount: amount(moved.atoms, moved.mint, mints),
            job: moved.job,
            signature: event.id.signature,
        })
        .collect()
}

/// Date and time of the calendar; the seconds where the calendar ends.
pub fn utc(at: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp(at) else {
        return at.to_string();
    };
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// An amount as people write it, in whole tokens: every digit, nothing rounded. Atoms where the decimals are not known.
pub fn tokens(atoms: u128, decimals: Option<u8>) -> String {
    let Some(decimals) = decimals.map(usize::from).filter(|decimals| *decimals > 0) else {
        return atoms.to_string();
    };
    let digits = format!("{atoms:0>width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    format!("{whole}.{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_amounts_are_written_in_full() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_900_000_000), "2030-03-17T17:46:40Z");
        assert_eq!(utc(i64::MAX), i64::MAX.to_string());
        assert_eq!(tokens(5, Some(6)), "0.000005");
        assert_eq!(tokens(12_345_678, Some(6)), "12.345678");
        assert_eq!(
            tokens(u128::from(u64::MAX), Some(9)),
            "18446744073.709551615"
        );
        assert_eq!(tokens(7, Some(0)), "7");
        assert_eq!(tokens(7, None), "7");
        assert_eq!(tokens(0, Some(2)), "0.00");
    }
}
