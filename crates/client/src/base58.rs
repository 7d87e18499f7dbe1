//! Base58 of any length. Nodes write the data of inner instructions, hence events, in it, whatever encoding is requested;
//! `bs58` works byte by byte and needs half a millisecond for one event.

use num_bigint::BigUint;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// What stands for a character that is no digit.
const NONE: u8 = u8::MAX;
const DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut digits = [NONE; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
}

/// The bytes that a text stands for; none if a character is no digit.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        DIGITS
            .get(usize::from(byte))
            .copied()
            .filter(|digit| *digit != NONE)
    };
    let digits: Vec<u8> = text.bytes().map(digit).collect::<Option<_>>()?;
    // Each leading zero digit is a zero byte; the rest is one large number.
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let mut bytes = vec![0; zeros];
    let rest = digits.get(zeros..).filter(|rest| !rest.is_empty());
    if let Some(rest) = rest {
        bytes.extend(BigUint::from_radix_be(rest, 58)?.to_bytes_be());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use {super::*, proptest::prelude::*};

    proptest! {
        #[test]
        fn every_text_reads_as_bs58_reads_it(text in "[1-9A-Za-z]{0,300}") {
            prop_assert_eq!(decode(&text), bs58::decode(&text).into_vec().ok());
        }

        #[test]
        fn bytes_come_back(zeros in 0..5usize, tail in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let bytes = [vec![0; zeros], tail].concat();
            prop_assert_eq!(decode(&bs58::encode(&bytes).into_string()), Some(bytes));
        }
    }

    #[test]
    fn other_characters_are_refused() {
        for text in ["0", "1l", "a b", "é", "+1"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
    }
}
