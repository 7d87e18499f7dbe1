//! Lengths cut into parts, and places that repeat.

/// A length cut into equal parts; `None` where it doesn't divide.
#[inline]
pub(crate) const fn divide(len: u32, parts: u32) -> Option<u32> {
    match len.checked_rem(parts) {
        Some(0) => len.checked_div(parts),
        _ => None,
    }
}

/// Where an operand of this length is read at a place of the result.
#[inline]
pub(crate) const fn repeated(place: u32, len: u32) -> u32 {
    match place.checked_rem(len) {
        Some(place) => place,
        None => 0,
    }
}
