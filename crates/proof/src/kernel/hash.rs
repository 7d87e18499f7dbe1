//! SHA-256 of many leaves or nodes at a time.
//!
//! With AVX-512 sixteen messages of one length go through the compression function side by side, one in each lane of its
//! registers (FIPS 180-4, section 6.2). Elsewhere each is hashed by itself.

use std::vec::Vec;

use pulp::{Arch, Simd, WithSimd};

use crate::hash::{self, Hash, LEAF_BYTES, LEAF_TAG, Tag};

/// Messages that go side by side.
const LANES: usize = 16;

/// Messages below which preparing the lanes costs more than it saves.
const FEW: usize = LANES / 2;

/// The hashes of leaves, in order.
pub(crate) fn leaves(leaves: &[&[u8; LEAF_BYTES]]) -> Vec<Hash> {
    many(LEAF_TAG, leaves).unwrap_or_else(|| leaves.iter().map(|leaf| hash::leaf(leaf)).collect())
}

/// The hashes of nodes over pairs of children, in order. An odd one out at the end is left.
pub(crate) fn nodes(tag: Tag, children: &[Hash]) -> Vec<Hash> {
    let pairs = children.as_flattened().as_chunks::<64>().0;
    let messages: Vec<&[u8; 64]> = pairs.iter().collect();
    many(tag as u8, &messages).unwrap_or_else(|| {
        let pairs = children.as_chunks::<2>().0;
        pairs
            .iter()
            .map(|[left, right]| hash::node(tag, left, right))
            .collect()
    })
}

/// `None` where one at a time is as fast.
fn many<const BYTES: usize>(tag: u8, messages: &[&[u8; BYTES]]) -> Option<Vec<Hash>> {
    let arch = Arch::new();
    if messages.len() < FEW || !has_wide_lanes(arch) {
        return None;
    }
    Some(arch.dispatch(Many { tag, messages }))
}

#[cfg(target_arch = "x86_64")]
const fn has_wide_lanes(arch: Arch) -> bool {
    matches!(arch, Arch::V4(_))
}

#[cfg(not(target_arch = "x86_64"))]
const fn has_wide_lanes(_: Arch) -> bool {
    false
}

/// Messages of a tag and as many bytes.
struct Many<'m, const BYTES: usize> {
    tag: u8,
    messages: &'m [&'m [u8; BYTES]],
}

impl<const BYTES: usize> WithSimd for Many<'_, BYTES> {
    type Output = Vec<Hash>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<Hash> {
        let mut hashes = Vec::with_capacity(self.messages.len());
        for messages in self.messages.chunks(LANES) {
            let mut state = INITIAL.map(Lanes::all);
            for block in 0..blocks(BYTES) {
                let mut words = [Lanes::all(0); 16];
                for (lane, message) in messages.iter().enumerate() {
                    let bytes = padded_block(self.tag, message, block);
                    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                        word.0[lane] = u32::from_be_bytes(*bytes);
                    }
                }
                compress(&mut state, &mut words);
            }
            hashes.extend((0..messages.len()).map(|lane| {
                let mut hash = [0; 32];
                for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(&state) {
                    *bytes = word.0[lane].to_be_bytes();
                }
                hash
            }));
        }
        hashes
    }
}

/// Blocks of a message of a tag and as many bytes, with a one, zeros and its length behind it.
const fn blocks(bytes: usize) -> usize {
    (1 + bytes + 1 + 8).div_ceil(64)
}

/// Block `block` of a padded message.
#[inline(always)]
fn padded_block<const BYTES: usize>(tag: u8, message: &[u8; BYTES], block: usize) -> [u8; 64] {
    let mut bytes = [0; 64];
    let start = block * 64;
    let end = 1 + BYTES;
    // Byte p of the message stands at p - 1 behind the tag.
    let (skip, from) = match block {
        0 => (1, 0),
        _ => (0, start - 1),
    };
    if skip == 1 {
        bytes[0] = tag;
    }
    let left = message.get(from..).unwrap_or_default();
    for (to, from) in bytes.iter_mut().skip(skip).zip(left) {
        *to = *from;
    }
    if let Some(one) = end.checked_sub(start).and_then(|at| bytes.get_mut(at)) {
        *one = 0x80;
    }
    if block + 1 == blocks(BYTES) {
        bytes[56..].copy_from_slice(&(8 * end as u64).to_be_bytes());
    }
    bytes
}

/// One word of each message.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([u32; LANES]);

impl Lanes {
    #[inline(always)]
    const fn all(word: u32) -> Self {
        Self([word; LANES])
    }

    #[inline(always)]
    fn map(self, f: impl Fn(u32) -> u32) -> Self {
        Self(self.0.map(f))
    }

    #[inline(always)]
    fn with(mut self, other: Self, f: impl Fn(u32, u32) -> u32) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = f(*word, other);
        }
        self
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.with(other, u32::wrapping_add)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self.with(other, |x, y| x ^ y)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.with(other, |x, y| x & y)
    }

    /// The exclusive or of its rotations by two counts, and a third or a shift.
    #[inline(always)]
    fn sigma(self, first: u32, second: u32, third: impl Fn(u32) -> u32) -> Self {
        self.map(|word| word.rotate_right(first) ^ word.rotate_right(second) ^ third(word))
    }
}

/// The compression function on all lanes; the words are used up.
#[inline(always)]
fn compress(state: &mut [Lanes; 8], words: &mut [Lanes; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (round, constant) in ROUNDS.into_iter().enumerate() {
        let at = |ahead: usize| (round + ahead) % 16;
        if round >= 16 {
            let (near, far) = (words[at(1)], words[at(14)]);
            let near = near.sigma(7, 18, |word| word >> 3);
            let far = far.sigma(17, 19, |word| word >> 10);
            words[at(0)] = words[at(0)].plus(near).plus(words[at(9)]).plus(far);
        }
        let big = e.sigma(6, 11, |word| word.rotate_right(25));
        let choice = e.and(f.xor(g)).xor(g);
        let sum = h.plus(big).plus(choice).plus(Lanes::all(constant));
        let first = sum.plus(words[at(0)]);
        let big = a.sigma(2, 13, |word| word.rotate_right(22));
        let majority = a.and(b).xor(c.and(a.xor(b)));
        (h, g, f, e) = (g, f, e, d.plus(first));
        (d, c, b, a) = (c, b, a, first.plus(big).plus(majority));
    }
    for (state, word) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *state = state.plus(word);
    }
}

/// The initial hash value (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The constants of the rounds (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    /// Lanes that are full, partly full and single, against one at a time. Run without the processor's choice too, so that
    /// the arithmetic is tested everywhere.
    #[test]
    fn many_equal_one_at_a_time() {
        for count in [0, 1, 7, 8, 15, 16, 17, 31, 33, 100] {
            let data = bytes(count * LEAF_BYTES);
            let messages: Vec<&[u8; LEAF_BYTES]> = data.as_chunks().0.iter().collect();
            let right: Vec<Hash> = messages.iter().map(|leaf| hash::leaf(leaf)).collect();
            assert_eq!(leaves(&messages), right);
            let lanes = Many {
                tag: LEAF_TAG,
                messages: &messages,
            };
            assert_eq!(Arch::new().dispatch(lanes), right);
            for tag in [Tag::Data, Tag::Trace] {
                let pairs = right.as_chunks::<2>().0;
                let above: Vec<Hash> = pairs
                    .iter()
                    .map(|[left, right]| hash::node(tag, left, right))
                    .collect();
                assert_eq!(nodes(tag, &right), above);
            }
        }
    }
}
