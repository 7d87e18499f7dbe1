/// Quotient and rest of 128-bit numbers given as two words each, high word first, for a divisor of at least 2^64.
///
/// It shifts and subtracts: nothing on chain divides by so much, so here size counts, not speed.
fn divide_by_two_words(mut rest: (u64, u64), divisor: (u64, u64)) -> (u64, (u64, u64)) {
    let (mut high, mut low) = divisor;
    let mut shift = 0;
    while high >> 63 == 0 {
        high = high << 1 | low >> 63;
        low <<= 1;
        shift += 1;
    }
    let mut quotient = 0;
    loop {
        quotient <<= 1;
        if rest >= (high, low) {
            let (difference, borrow) = rest.1.overflowing_sub(low);
            rest = (rest.0.wrapping_sub(high).wrapping_sub(borrow as u64), difference);
            quotient |= 1;
        }
        if shift == 0 {
            return (quotient, rest);
        }
        shift -= 1;
        low = low >> 1 | high << 63;
        high >>= 1;
    }
}
