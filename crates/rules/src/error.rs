//! The one error type of this crate.

use core::fmt;

/// Why a rule refused its arguments. Each sentence tells the caller what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleError {
    /// A share, or the sum of the shares of one amount, is above 10,000 basis points: lower it to at most 10,000.
    ShareAboveOne,
    /// An amount does not fit 64 bits: use a smaller price, rate, work size or number of milestones.
    AmountOverflow,
    /// The price of a milestone is zero: offer at least one atom.
    PriceZero,
    /// The job has no milestones: ask for at least one.
    NoMilestones,
    /// The penalty asked for is above the late penalty's share of the bond: ask for less.
    PenaltyAboveShare,
    /// The time is before 1970: pass the cluster's Unix time.
    TimeNegative,
    /// The length of an epoch is zero: configure at least one second.
    EpochLengthZero,
    /// A deadline lies beyond the last second that can be written: use shorter times.
    DeadlineOverflow,
    /// A weight of a campaign is one whole or more: lower it to below 10,000 basis points.
    WeightNotBelowOne,
    /// Both weights of a campaign are zero: give one of them a value.
    NoWeight,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShareAboveOne => {
                "the shares of one amount are above 10,000 basis points: lower them to at most 10,000"
            }
            Self::AmountOverflow => {
                "an amount does not fit 64 bits: use a smaller price, rate, work size or number of milestones"
            }
            Self::PriceZero => "the price of a milestone is zero: offer at least one atom",
            Self::NoMilestones => "the job has no milestones: ask for at least one",
            Self::PenaltyAboveShare => {
                "the penalty is above the late penalty's share of the bond: ask for less"
            }
            Self::TimeNegative => "the time is before 1970: pass the cluster's Unix time",
            Self::EpochLengthZero => {
                "the length of an epoch is zero: configure at least one second"
            }
            Self::DeadlineOverflow => {
                "a deadline lies beyond the last second that can be written: use shorter times"
            }
            Self::WeightNotBelowOne => {
                "a weight of the campaign is one whole or more: lower it to below 10,000 basis points"
            }
            Self::NoWeight => "both weights of the campaign are zero: give one of them a value",
        })
    }
}

impl core::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, string::ToString};

    use super::*;

    #[test]
    fn every_error_is_its_own_sentence_saying_what_to_do() {
        let errors = [
            RuleError::ShareAboveOne,
            RuleError::AmountOverflow,
            RuleError::PriceZero,
            RuleError::NoMilestones,
            RuleError::PenaltyAboveShare,
            RuleError::TimeNegative,
            RuleError::EpochLengthZero,
            RuleError::DeadlineOverflow,
            RuleError::WeightNotBelowOne,
            RuleError::NoWeight,
        ];
        let sentences: BTreeSet<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(sentences.len(), errors.len());
        for sentence in sentences {
            let (problem, advice) = sentence.split_once(": ").unwrap_or_default();
            assert!(!problem.is_empty() && !advice.is_empty(), "{sentence}");
        }
    }
}
