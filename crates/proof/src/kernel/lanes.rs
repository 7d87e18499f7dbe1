//! SHA-256 of sixteen messages side by side, one in each lane of AVX-512 registers.

use core::arch::x86_64::__m512i;
use std::vec::Vec;

use pulp::{Arch, NullaryFnOnce, cast, x86::V4};

use crate::hash::Hash;

/// Messages that go side by side.
const LANES: usize = 16;

/// Messages below which preparing the lanes costs more than it saves.
const FEW: usize = LANES / 2;

/// The hashes of messages of a tag and as many bytes, in order. `None` where one at a time is as fast.
pub(super) fn many<const BYTES: usize>(tag: u8, messages: &[&[u8; BYTES]]) -> Option<Vec<Hash>> {
    match Arch::new() {
        Arch::V4(simd) if messages.len() >= FEW => {
            let lanes = Lanes(simd);
            Some(simd.vectorize(Many {
                lanes,
                tag,
                messages,
            }))
        }
        _ => None,
    }
}

struct Many<'m, const BYTES: usize> {
    lanes: Lanes,
    tag: u8,
    messages: &'m [&'m [u8; BYTES]],
}

impl<const BYTES: usize> NullaryFnOnce for Many<'_, BYTES> {
    type Output = Vec<Hash>;

    #[inline(always)]
    fn call(self) -> Vec<Hash> {
        let mut hashes = Vec::with_capacity(self.messages.len());
        for messages in self.messages.chunks(LANES) {
            // Lanes without a message hash the first one again.
            let mut all = [messages[0]; LANES];
            all[..messages.len()].copy_from_slice(messages);
            let found = self.lanes.hash(self.tag, &all);
            hashes.extend_from_slice(&found[..messages.len()]);
        }
        hashes
    }
}

/// Word `word` of a padded message of a tag and its bytes, as it lies in memory, beyond what is only message.
///
/// Byte p of the padded message is byte p - 1 of the message.
#[inline(always)]
fn edge_word<const BYTES: usize>(tag: u8, message: &[u8; BYTES], word: usize) -> u32 {
    if word == blocks(BYTES) * 16 - 1 {
        return (8 * (1 + BYTES as u32)).swap_bytes();
    }
    let byte = |place: usize| match (4 * word + place).checked_sub(1) {
        None => tag,
        Some(from) if from == BYTES => 0x80,
        Some(from) => message.get(from).copied().unwrap_or_default(),
    };
    u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
}

/// Word `word` of padded messages, as it lies in memory.
#[inline(always)]
fn words_of<const BYTES: usize>(
    tag: u8,
    messages: &[&[u8; BYTES]; LANES],
    word: usize,
) -> [u32; LANES] {
    let mut words = [0; LANES];
    match (4 * word).checked_sub(1) {
        Some(start) if start + 4 <= BYTES => {
            for (word, message) in words.iter_mut().zip(messages) {
                if let Some(bytes) = message[start..].first_chunk() {
                    *word = u32::from_le_bytes(*bytes);
                }
            }
        }
        _ => {
            for (to, message) in words.iter_mut().zip(messages) {
                *to = edge_word(tag, message, word);
            }
        }
    }
    words
}

/// Blocks of a message of a tag and as many bytes, with a one, zeros and its length behind it.
const fn blocks(bytes: usize) -> usize {
    (1 + bytes + 1 + 8).div_ceil(64)
}

/// Words of sixteen messages, and what is done with them.
#[derive(Clone, Copy)]
struct Lanes(V4);

impl Lanes {
    #[inline(always)]
    fn hash<const BYTES: usize>(self, tag: u8, messages: &[&[u8; BYTES]; LANES]) -> [Hash; LANES] {
        // Loops, because closures of `map` are not compiled for these registers.
        let mut state = [self.all(0); 8];
        for (state, word) in state.iter_mut().zip(INITIAL) {
            *state = self.all(word);
        }
        for block in 0..blocks(BYTES) {
            let mut words = [self.all(0); 16];
            for (at, word) in words.iter_mut().enumerate() {
                *word = self.reversed(cast(words_of(tag, messages, 16 * block + at)));
            }
            self.compress(&mut state, &mut words);
        }
        let mut hashes = [[0; 32]; LANES];
        for (at, words) in state.into_iter().enumerate() {
            let words: [[u8; 4]; LANES] = cast(self.reversed(words));
            for (hash, bytes) in hashes.iter_mut().zip(words) {
                hash[4 * at..4 * at + 4].copy_from_slice(&bytes);
            }
        }
        hashes
    }

    /// The compression function on all lanes (FIPS 180-4, 6.2.2); the words are used up.
    #[inline(always)]
    fn compress(self, state: &mut [__m512i; 8], words: &mut [__m512i; 16]) {
        let mut now = *state;
        for (round, constants) in ROUNDS.as_chunks::<16>().0.iter().enumerate() {
            for (at, constant) in constants.iter().enumerate() {
                if round > 0 {
                    let ahead = |by: usize| words[(at + by) % 16];
                    let near = self.schedule_near(ahead(1));
                    let far = self.schedule_far(ahead(14));
                    words[at] = self.sum([words[at], near, ahead(9), far]);
                }
                now = self.round(now, self.sum([words[at], self.all(*constant)]));
            }
        }
        for (state, word) in state.iter_mut().zip(now) {
            *state = self.plus(*state, word);
        }
    }

    #[inline(always)]
    fn round(self, [a, b, c, d, e, f, g, h]: [__m512i; 8], word: __m512i) -> [__m512i; 8] {
        let f512 = self.0.avx512f;
        let big = self.xor3(
            f512._mm512_ror_epi32::<6>(e),
            f512._mm512_ror_epi32::<11>(e),
            f512._mm512_ror_epi32::<25>(e),
        );
        // By truth table: e ? f : g.
        let choice = f512._mm512_ternarylogic_epi32::<0xca>(e, f, g);
        let first = self.sum([h, word, choice, big]);
        let big = self.xor3(
            f512._mm512_ror_epi32::<2>(a),
            f512._mm512_ror_epi32::<13>(a),
            f512._mm512_ror_epi32::<22>(a),
        );
        // What two of three say.
        let majority = f512._mm512_ternarylogic_epi32::<0xe8>(a, b, c);
        let next = self.sum([first, big, majority]);
        [next, a, b, c, self.plus(d, first), e, f, g]
    }

    #[inline(always)]
    fn schedule_near(self, word: __m512i) -> __m512i {
        let f512 = self.0.avx512f;
        self.xor3(
            f512._mm512_ror_epi32::<7>(word),
            f512._mm512_ror_epi32::<18>(word),
            f512._mm512_srli_epi32::<3>(word),
        )
    }

    #[inline(always)]
    fn schedule_far(self, word: __m512i) -> __m512i {
        let f512 = self.0.avx512f;
        self.xor3(
            f512._mm512_ror_epi32::<17>(word),
            f512._mm512_ror_epi32::<19>(word),
            f512._mm512_srli_epi32::<10>(word),
        )
    }

    #[inline(always)]
    fn all(self, word: u32) -> __m512i {
        self.0.avx512f._mm512_set1_epi32(word as i32)
    }

    #[inline(always)]
    fn plus(self, x: __m512i, y: __m512i) -> __m512i {
        self.0.avx512f._mm512_add_epi32(x, y)
    }

    #[inline(always)]
    fn sum<const COUNT: usize>(self, words: [__m512i; COUNT]) -> __m512i {
        let mut sum = self.all(0);
        for word in words {
            sum = self.plus(sum, word);
        }
        sum
    }

    #[inline(always)]
    fn xor3(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        self.0.avx512f._mm512_ternarylogic_epi32::<0x96>(x, y, z)
    }

    /// The bytes of each word in the other order.
    #[inline(always)]
    fn reversed(self, words: __m512i) -> __m512i {
        const ORDER: [u8; 16] = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
        self.0.avx512bw._mm512_shuffle_epi8(words, cast([ORDER; 4]))
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
