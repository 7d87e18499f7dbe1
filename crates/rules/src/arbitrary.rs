//! Inputs for the property tests: the whole range, with the edges and every order of magnitude well represented.

use proptest::prelude::*;

use crate::BPS;

/// Any amount, rate or count of 64 bits; small ones and the edges far more often than chance would give them.
pub(crate) fn atoms() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        0..=3 * BPS,
        (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift),
        (0..=u64::MAX / BPS).prop_map(|wholes| wholes * BPS),
    ]
}

/// A share of at most one whole.
pub(crate) fn share_bps() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(1), Just(9_999), Just(10_000), 0..=10_000u16]
}

/// Two shares that sum to at most one whole.
pub(crate) fn two_shares_bps() -> impl Strategy<Value = (u16, u16)> {
    (share_bps(), share_bps()).prop_map(|(first, second)| (first, second.min(10_000 - first)))
}

/// Two shares whose sum is above one whole.
pub(crate) fn two_shares_above_one_bps() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        (0..=10_000u16).prop_map(|first| (first, 10_001 - first)),
        (any::<u16>(), any::<u16>()).prop_filter("sum above one", |(first, second)| u32::from(
            *first
        ) + u32::from(
            *second
        ) > 10_000),
    ]
}

/// Any time, with the edges and the present well represented.
pub(crate) fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(-1),
        Just(i64::MIN),
        Just(i64::MAX),
        (i64::MAX - i64::from(u32::MAX))..=i64::MAX,
        any::<i64>(),
        1_600_000_000..2_000_000_000i64,
    ]
}

/// A time that can be on a cluster's clock, with the edges well represented.
pub(crate) fn clock() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(1), 0..=i64::MAX, 0..2_000_000_000i64]
}

/// Any length of time, with the edges and usual lengths well represented.
pub(crate) fn secs() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        any::<u32>(),
        0..1_000_000u32
    ]
}
