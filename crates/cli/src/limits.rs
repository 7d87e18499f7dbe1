//! Numbers within limits, read for clap: the sentence says the limits, clap adds the value and the option.

use {
    crate::{
        amount::{parse_bps, show_bps},
        span,
    },
    std::ops::RangeInclusive,
};

/// Most basis points that a protocol may ask for as a bond: a hundred times the price. The program's own bound.
pub const MAX_BOND_BPS: u32 = 1_000_000;

/// Reads a share of at most this many basis points.
pub fn share(most_bps: u16) -> impl Fn(&str) -> Result<u16, String> + Clone {
    move |text| within(parse_bps(text)?, 0..=most_bps, |bps| show_bps(bps.into()))
}

/// Reads a time span of at least a second and at most this many.
pub fn time(most_secs: u32) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| within(span::parse(text)?, 1..=most_secs, span::show)
}

fn within<T: PartialOrd + Copy>(
    value: T,
    range: RangeInclusive<T>,
    show: impl Fn(T) -> String,
) -> Result<T, String> {
    match range.contains(&value) {
        true => Ok(value),
        false => Err(format!(
            "it must be from {} to {}",
            show(*range.start()),
            show(*range.end())
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_are_said() {
        assert_eq!(share(1_000)("10%"), Ok(1_000));
        let said = Err("it must be from 0 % to 10 %".to_owned());
        assert_eq!(share(1_000)("1001bps"), said);
        assert_eq!(time(60)("1m"), Ok(60));
        for text in ["0", "61"] {
            let said = Err("it must be from 1s to 1m".to_owned());
            assert_eq!(time(60)(text), said);
        }
    }
}
