//! Moments as people type and read them: a time span from now, or a date in UTC.

use {
    crate::span,
    time::{Date, Month, OffsetDateTime, Time},
};

/// A moment that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This many seconds from now.
    In(u32),
    /// This Unix second.
    At(i64),
}

impl When {
    /// The Unix second, if the cluster's clock says `now`.
    pub fn from(self, now: i64) -> i64 {
        match self {
            Self::In(secs) => now.saturating_add(i64::from(secs)),
            Self::At(at) => at,
        }
    }
}

/// Reads `30d` from now, `2026-12-31` or `2026-12-31T18:00`, for clap.
///
/// # Errors
/// What is wrong.
pub fn parse(text: &str) -> Result<When, String> {
    if let Ok(secs) = span::parse(text) {
        return Ok(When::In(secs));
    }
    date(text).map(When::At).ok_or_else(|| {
        format!("`{text}` is no moment; write a time from now, such as 30d, or a date in UTC, such as 2026-12-31 or 2026-12-31T18:00")
    })
}

fn date(text: &str) -> Option<i64> {
    let text = text.trim_end_matches('Z');
    let (day, hour) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, day] = numbers(day, '-')?.try_into().ok()?;
    let (hour, minute, second) = match *numbers(hour, ':')?.as_slice() {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let small = |number: u16| u8::try_from(number).ok();
    let month = Month::try_from(small(month)?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, small(day)?).ok()?;
    let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp())
}

fn numbers(text: &str, between: char) -> Option<Vec<u16>> {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.split(between)
        .map(|part| part.parse().ok().filter(|_| is_number(part)))
        .collect()
}

/// Shows a Unix second as a date in UTC; the number itself if no calendar has it.
pub fn show(at: i64) -> String {
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(at) else {
        return at.to_string();
    };
    let (date, time) = (moment.date(), moment.time());
    let seconds = match time.second() {
        0 => String::new(),
        seconds => format!(":{seconds:02}"),
    };
    format!(
        "{}-{:02}-{:02} {:02}:{:02}{seconds} UTC",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn spans_and_dates_are_read() {
        assert_eq!(parse("30d").unwrap().from(100), 100 + 30 * 86_400);
        assert_eq!(parse("90").unwrap().from(1), 91);
        for (text, at) in [
            ("1970-01-01", 0),
            ("2026-12-31", 1_798_675_200),
            ("2026-12-31T18:00", 1_798_740_000),
            ("2026-12-31T18:00:01Z", 1_798_740_001),
            ("2028-02-29", 1_835_395_200),
        ] {
            let read = parse(text).unwrap();
            assert_eq!(read, When::At(at), "{text}");
            assert_eq!(read.from(7), at);
        }
        for text in [
            "",
            "soon",
            "2026-13-01",
            "2027-02-29",
            "2026-12-31T24:00",
            "2026-12-31T18",
            "31.12.2026",
            "2026-12",
            "+2026-12-31",
            "2026-12-31T18:00+01:00",
            "2026-1 -1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(When::In(u32::MAX).from(i64::MAX), i64::MAX);
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for at in [0, 1_798_740_000, 1_798_740_001, 4_102_444_799] {
            let shown = show(at);
            let typed = shown.trim_end_matches(" UTC");
            assert_eq!(parse(typed), Ok(When::At(at)), "{shown}");
        }
        assert_eq!(show(1_798_740_000), "2026-12-31 18:00 UTC");
        assert_eq!(show(i64::MAX), i64::MAX.to_string());
    }
}
