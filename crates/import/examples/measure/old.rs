//! The plain loop of the first format: what the products of this one are measured beside.

/// Rows of `a` that are taken at a time.
const ROW_BLOCK: usize = 16;
/// Values that the inner loop takes at a time.
const LANES: usize = 32;

fn times(a: u8, b: u8) -> i32 {
    i32::from(i16::from(a as i8).wrapping_mul(i16::from(b as i8)))
}

fn dot(a: &[u8], b: &[u8]) -> i32 {
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sum = 0i32;
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        let mut part = 0i32;
        for (a, b) in a.iter().zip(b) {
            part = part.wrapping_add(times(*a, *b));
        }
        sum = sum.wrapping_add(part);
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum = sum.wrapping_add(times(*a, *b));
    }
    sum
}

/// All sums of an i8 x i8 product as little-endian i32; rows of both are `inner` values long.
pub fn sums(a: &[u8], b: &[u8], inner: usize) -> Vec<u8> {
    let cols = b.len() / inner;
    let mut data = vec![0; a.len() / inner * cols * 4];
    let blocks = data.chunks_mut(cols * 4 * ROW_BLOCK);
    for (out, a) in blocks.zip(a.chunks(inner * ROW_BLOCK)) {
        for (col, b) in b.chunks_exact(inner).enumerate() {
            for (out, a) in out.chunks_exact_mut(cols * 4).zip(a.chunks_exact(inner)) {
                if let Some(out) = out.as_chunks_mut::<4>().0.get_mut(col) {
                    *out = dot(a, b).to_le_bytes();
                }
            }
        }
    }
    data
}
