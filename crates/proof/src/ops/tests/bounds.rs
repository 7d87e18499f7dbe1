//! The bounds of the table of ops, at their extremes, and the cases that the design names.

use std::{vec, vec::Vec};

use num_bigint::BigUint;

use super::{cells::check, memory::Job};
use crate::{
    DType, Operand, Tensor, builder::GraphBuilder, limits::MAX_SHIFT, ops::exp2::EXP2, random::Rng,
};

const ROOT: [u8; 32] = [0; 32];
const ENDS: [i32; 9] = [
    i32::MIN,
    i32::MIN + 1,
    -3,
    -1,
    0,
    1,
    2,
    i32::MAX - 1,
    i32::MAX,
];

/// A tensor of these values; i8 and i16 take their low bytes.
fn tensor(dtype: DType, rows: u32, values: &[i32]) -> Tensor {
    let size = dtype.size() as usize;
    let data = values.iter().flat_map(|v| v.to_le_bytes()[..size].to_vec());
    let cols = values.len() as u32 / rows;
    Tensor::from_bytes(dtype, rows, cols, data.collect()).unwrap()
}

/// The one op of a graph over these inputs and weights; every cell is judged and compared with the naive form.
fn values(b: &GraphBuilder, data: &[(Operand, Tensor)]) -> Vec<i32> {
    let bytes = b.finish().unwrap();
    let find = |of: Operand| data.iter().find(|(operand, _)| *operand == of).unwrap();
    let job = Job::new(&bytes, |operand, _| find(operand).1.clone());
    check(&job);
    job.outputs.last().unwrap().values()
}

/// `|m - 2^(30 - f/256)| <= 1/2`, exactly: both sides to the 256th power.
#[test]
fn powers_of_two_are_rounded_right() {
    for (f, m) in EXP2.iter().enumerate() {
        let exact = BigUint::from(1u8) << (31 * 256 - f);
        let twice = 2 * u64::from(*m);
        assert!(BigUint::from(twice - 1).pow(256) <= exact, "{f}");
        assert!(exact < BigUint::from(twice + 1).pow(256), "{f}");
    }
}

#[test]
fn dot_saturates_and_scales_at_its_ends() {
    for sum in [-127 * 128, -128, -1, 0, 1, 127, 128 * 128] {
        let (a, w) = match sum {
            -16_256 => (-128, 127),
            16_384 => (-128, -128),
            _ => (sum, 1),
        };
        for shift in [1, 2, 31, 46, MAX_SHIFT] {
            let mut b = GraphBuilder::new();
            let x = b.input_item(DType::I8, 1, 1);
            let count = (ENDS.len() * ENDS.len()) as u32;
            let w_of = b.weight_root(DType::I8, count, 1, &ROOT);
            let p = b.weight_root(DType::I32, 2, count, &ROOT);
            b.dot(x, w_of).scaled(p, shift, DType::I32).push();
            let mut parameters: Vec<i32> = ENDS.iter().flat_map(|bias| [*bias; 9]).collect();
            parameters.extend(ENDS.repeat(9));
            let found = values(
                &b,
                &[
                    (x, tensor(DType::I8, 1, &[a])),
                    (w_of, tensor(DType::I8, count, &vec![w; count as usize])),
                    (p, tensor(DType::I32, 2, &parameters)),
                ],
            );
            // Saturated sums of i32::MAX and of i32::MAX - 1 with a positive bias are the same.
            if sum > 0 {
                assert_eq!(found[7 * 9..8 * 9], found[8 * 9..]);
            }
        }
    }
}

/// The widest products: `|dot| = 2^37`, `|product| = 2^62`.
#[test]
fn dot_of_the_longest_row_stays_in_i64() {
    let sum = 32_768i64 * 32_768 * 128;
    assert_eq!(sum, 1 << 37);
    let product = i128::from(i32::MIN) * i128::from(i32::MIN);
    assert_eq!(product, 1 << 62);
    assert!(product + (1 << (MAX_SHIFT - 1)) < i128::from(i64::MAX));
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 1, 32_768);
    let w = b.weight_root(DType::I8, 1, 32_768, &ROOT);
    let p = b.weight_root(DType::I32, 2, 1, &ROOT);
    b.dot(x, w).scaled(p, MAX_SHIFT, DType::I32).push();
    let x_data = tensor(DType::I16, 1, &vec![-32_768; 32_768]);
    for (value, mult, expected) in [
        (-128, i32::MIN, -(1 << 15) + 1),
        (127, i32::MIN, 1 << 15),
        (127, i32::MAX, -(1 << 15)),
    ] {
        let data = [
            (x, x_data.clone()),
            (w, tensor(DType::I8, 1, &vec![value; 32_768])),
            (p, tensor(DType::I32, 2, &[0, mult])),
        ];
        let found = values(&b, &data)[0];
        assert!((found - expected).abs() <= 1, "{found} {expected}");
    }
}

/// `|a*c| <= 2^62` alone, `|a*c + b*d| <= 2^47` with b: and half of the largest shift on top.
#[test]
fn mix_at_its_ends() {
    for shift in [0, 1, 2, 31, MAX_SHIFT] {
        for dtype in [DType::I8, DType::I16, DType::I32] {
            let mut b = GraphBuilder::new();
            let a = b.input_item(DType::I32, 9, 9);
            let c = b.input_fixed(DType::I32, 1, 9);
            b.mix(a).times(c).shift(shift).to(dtype).push();
            let all: Vec<i32> = ENDS.iter().flat_map(|v| [*v; 9]).collect();
            let data = [
                (a, tensor(DType::I32, 9, &all)),
                (c, tensor(DType::I32, 1, &ENDS)),
            ];
            let found = values(&b, &data);
            if shift == MAX_SHIFT && dtype == DType::I32 {
                assert_eq!(found[0], 1 << 15, "-2^31 * -2^31 >> 47");
            }
            let mut b = GraphBuilder::new();
            let a = b.input_item(DType::I32, 9, 9);
            let of_b = b.input_fixed(DType::I32, 1, 9);
            let c = b.input_fixed(DType::I16, 1, 3);
            let d = b.input_fixed(DType::I16, 3, 1);
            let draft = b.mix(a).times(c).plus_product(of_b, d);
            draft.shift(shift).to(dtype).push();
            let ends = [-32_768, 32_767, 1];
            let data = [
                (a, tensor(DType::I32, 9, &all)),
                (of_b, tensor(DType::I32, 1, &ENDS)),
                (c, tensor(DType::I16, 1, &ends)),
                (d, tensor(DType::I16, 3, &ends)),
            ];
            values(&b, &data);
        }
    }
}

/// `pair` swaps neighbours, also where b is repeated.
#[test]
fn pairs_are_swapped() {
    let mut b = GraphBuilder::new();
    let a = b.input_item(DType::I8, 2, 8);
    let of_b = b.input_fixed(DType::I8, 1, 4);
    let sign = b.input_fixed(DType::I8, 1, 2);
    b.mix(a).plus_product(of_b, sign).paired().push();
    let data = [
        (a, tensor(DType::I8, 2, &[0; 16])),
        (of_b, tensor(DType::I8, 1, &[1, 2, 3, 4])),
        (sign, tensor(DType::I8, 1, &[-1, 1])),
    ];
    assert_eq!(values(&b, &data), [-2, 1, -4, 3].repeat(4));
}

fn norm(dtype: DType, row: &[i32], eps: u32, is_rms: bool, (gamma, beta): (i32, i32)) -> Vec<i32> {
    let n = row.len();
    let mut b = GraphBuilder::new();
    let a = b.input_item(dtype, 1, n as u32);
    let p = b.weight_root(DType::I32, 2, n as u32, &ROOT);
    let draft = b.norm(a, p, 1, DType::I32).eps(eps);
    match is_rms {
        true => draft.rms().push(),
        false => draft.push(),
    };
    let mut parameters = vec![gamma; n];
    parameters.extend(vec![beta; n]);
    let data = [
        (a, tensor(dtype, 1, row)),
        (p, tensor(DType::I32, 2, &parameters)),
    ];
    values(&b, &data)
}

/// A mean of exactly -1/2 is rounded up to 0, one of 1/2 to 1.
#[test]
fn halves_of_the_mean_round_up() {
    // With mu = 0, d = (-1, 0); with mu = -1 it would be (0, 1).
    let found = norm(DType::I8, &[-1, 0], 0, false, (2, 0));
    assert!(found[0] < 0 && found[1] == 0, "{found:?}");
    let found = norm(DType::I8, &[0, 1], 0, false, (2, 0));
    assert!(found[0] < 0 && found[1] == 0, "{found:?}");
    let found = norm(DType::I8, &[-1, -2], 0, false, (2, 0));
    assert!(found[0] == 0 && found[1] < 0, "{found:?}");
    for row in [[-128, -127], [-128, 127], [127, 126], [-3, -2]] {
        norm(DType::I8, &row, 0, false, (32_768, 5));
    }
}

/// eps at its end, with and without bits that are taken off.
#[test]
fn eps_at_its_end() {
    for eps in [0, 1, i32::MAX as u32] {
        for row in [
            [0, 0, 0],
            [1, -1, 0],
            [1 << 23, 0, 5],
            [i32::MIN, i32::MAX, 7],
        ] {
            for is_rms in [false, true] {
                for parameters in [(i32::MIN, i32::MIN), (i32::MAX, i32::MAX), (1, 0)] {
                    norm(DType::I32, &row, eps, is_rms, parameters);
                }
            }
        }
    }
    // q = 2^31: in units of 2^-15 the value 1 becomes 2^15 / 2^15.5, rounded to 1.
    assert_eq!(
        norm(DType::I8, &[1, -1], i32::MAX as u32, false, (4, 0)),
        [2, -2]
    );
    assert_eq!(
        norm(DType::I8, &[1, -1], 0, false, (2, 0)),
        [1 << 15, -(1 << 15)]
    );
}

/// The widest groups: `sum d^2` reaches 2^59 (the naive form asserts it), one value of many reaches the largest t.
#[test]
fn norm_of_the_widest_group() {
    for is_rms in [false, true] {
        for row in [
            vec![i32::MIN; 8_192],
            [i32::MIN, i32::MAX].repeat(4_096),
            [vec![i32::MAX; 8_191], vec![i32::MIN]].concat(),
            [vec![0; 8_191], vec![i32::MIN]].concat(),
            [vec![0; 8_191], vec![90]].concat(),
            [vec![0; 8_191], vec![91]].concat(),
        ] {
            let found = norm(DType::I32, &row, 0, is_rms, (2, 0));
            assert!(found.iter().all(|t| t.abs() <= 1 << 22));
        }
    }
}

/// The sum of the largest squares is the bound of the table.
#[test]
fn bounds_of_norm() {
    let squares = 8_192i128 * (1i128 << 23).pow(2);
    assert_eq!(squares, 1 << 59);
    let q = squares / 8_192 + i128::from(i32::MAX);
    assert!(q << 16 <= (1 << 62) + (1 << 48));
    let t = (1i128 << 22) * i128::from(i32::MIN).abs();
    assert!(t <= 1 << 53);
    assert!(
        t + (1 << 46) + (1 << 46) < i128::from(i64::MAX),
        "with beta << 15 and half"
    );
}

/// One row of scores against each other, `mult` and `shift` such that u is exactly the distance.
fn softmax(row: &[i32], dtype: DType, mask: Option<&[i32]>) -> Vec<i32> {
    let mut b = GraphBuilder::new();
    let a = b.input_item(DType::I32, 1, row.len() as u32);
    let mut data = vec![(a, tensor(DType::I32, 1, row))];
    let of = mask.map(|mask| {
        let of = b.input_fixed(DType::I8, 1, mask.len() as u32);
        data.push((of, tensor(DType::I8, 1, mask)));
        of
    });
    let draft = b.softmax(a, 1, 0, dtype);
    match of {
        None => draft.push(),
        Some(of) => draft.mask(of).push(),
    };
    values(&b, &data)
}

/// The last octave that counts is 30: there 1 of 2^30 is left; from 31 on, and at 62 and above 64, nothing.
#[test]
fn octaves_at_their_ends() {
    for dtype in [DType::I8, DType::I16] {
        for octaves in [0, 1, 29, 30, 31, 32, 61, 62, 63, 64, 65, 127, 128, 1 << 20] {
            for part in [0, 1, 255] {
                softmax(&[0, -(256 * octaves + part)], dtype, None);
            }
        }
        softmax(&[i32::MAX, i32::MIN, i32::MIN], dtype, None);
    }
    // 8,191 values 30 octaves down add 8,191 to 2^30: less than half a unit of the sum.
    let mut row = vec![-256 * 30; 8_192];
    row[5] = 0;
    assert_eq!(softmax(&row, DType::I16, None)[5], 32_767);
    // 8,192 equal values: the largest sum, 2^43.
    assert_eq!(softmax(&vec![-3; 8_192], DType::I16, None), vec![4; 8_192]);
    assert_eq!(8_192u64 * u64::from(EXP2[0]), 1 << 43);
}

#[test]
fn distances_at_their_ends() {
    for shift in [0, 1, 22, MAX_SHIFT] {
        for mult in [0, 1, (1 << 30) - 1] {
            let mut b = GraphBuilder::new();
            let a = b.input_item(DType::I32, 1, 9);
            b.softmax(a, mult, shift, DType::I16).push();
            values(&b, &[(a, tensor(DType::I32, 1, &ENDS))]);
        }
    }
    let product = ((1i128 << 32) - 1) * ((1 << 30) - 1);
    assert!(product < 1 << 62);
    assert!(product + (1 << (MAX_SHIFT - 1)) < i128::from(i64::MAX));
}

#[test]
fn masks_hide() {
    assert_eq!(
        softmax(&[5, 1 << 20, 5], DType::I8, Some(&[1, 0, -1])),
        [64, 0, 64]
    );
    assert_eq!(softmax(&[5, 9, 5, 9], DType::I8, Some(&[0])), [0; 4]);
    assert_eq!(
        softmax(&[5, 9, 5, 9], DType::I8, Some(&[-128, 0])),
        [64, 0, 64, 0]
    );
}

#[test]
fn causal_rows_see_what_is_before_them() {
    let mut b = GraphBuilder::new();
    let a = b.input_item(DType::I8, 4, 6);
    b.softmax(a, 1, 0, DType::I8).groups(2).causal().push();
    let found = values(&b, &[(a, tensor(DType::I8, 4, &[7; 24]))]);
    let expected = [
        [127, 0, 0, 127, 0, 0],
        [64, 64, 0, 64, 64, 0],
        [42, 42, 42, 42, 42, 42],
        [42, 42, 42, 42, 42, 42],
    ];
    assert_eq!(found, expected.concat());
}

/// Ties of every type, and claims that are no column.
#[test]
fn argmax_by_counterexample() {
    use crate::refusal::Refusal;
    for dtype in [DType::I8, DType::I16, DType::I32] {
        let (least, greatest) = dtype.range();
        for (row, first) in [
            ([least; 4], 0),
            ([greatest; 4], 0),
            ([least, greatest, greatest, least], 1),
            ([-1, -2, -1, -1], 0),
            ([-1, 0, 0, 0], 1),
            ([least, least, least, least + 1], 3),
        ] {
            let mut b = GraphBuilder::new();
            let a = b.input_item(dtype, 1, 4);
            b.argmax(a).push();
            let data = tensor(dtype, 1, &row);
            let job = Job::new(&b.finish().unwrap(), |_, _| data.clone());
            check(&job);
            assert_eq!(job.outputs[0].values(), [first]);
            let judge = |claimed: i32, at: u32| job.judge(0, (0, 0), claimed, at).0;
            for no_column in [-1, 4, i32::MIN, i32::MAX] {
                assert_eq!(judge(no_column, 0), Ok(true));
                for at in [1, 3, 4, u32::MAX] {
                    assert_eq!(judge(no_column, at), Err(Refusal::BadCounterexample));
                }
            }
            for claimed in 0..4 {
                for at in 0..4u32 {
                    let (mine, other) = (row[claimed as usize], row[at as usize]);
                    let is_wrong = other > mine || (other == mine && (at as i32) < claimed);
                    assert_eq!(judge(claimed, at), Ok(is_wrong));
                }
                assert_eq!(judge(claimed, 4), Err(Refusal::BadCounterexample));
            }
        }
    }
}

/// Indices outside the table give 0, m rows of it stand side by side.
#[test]
fn gather_outside_is_zero() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, 6);
    let t = b.weight_root(DType::I16, 3, 2, &ROOT);
    b.gather(x, t, 2).push();
    let data = [
        (x, tensor(DType::I32, 1, &[0, 2, 3, -1, i32::MIN, i32::MAX])),
        (t, tensor(DType::I16, 3, &[1, 2, 3, 4, 5, 6])),
    ];
    assert_eq!(values(&b, &data), [1, 2, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn feedback_takes_what_was_asked_first() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, 4);
    let next = b.input_item(DType::I32, 1, 4);
    b.feedback(x, next).push();
    for (given, expected) in [
        ([7, 8, -1, i32::MIN], [7, 8, 20, 30]),
        ([-1, 0, -1, i32::MAX], [0, 0, 20, i32::MAX]),
    ] {
        let data = [
            (x, tensor(DType::I32, 1, &given)),
            (next, tensor(DType::I32, 1, &[10, 20, 30, 40])),
        ];
        assert_eq!(values(&b, &data), expected);
    }
}

/// Every value of i16 has its own place in the table.
#[test]
fn wide_tables_are_read_at_their_ends() {
    let mut rng = Rng(3);
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 1, 5);
    let t = b.weight_root(DType::I32, 1, 65_536, &ROOT);
    b.lut(x, t).push();
    let shape = b.shape(t).unwrap();
    let table = rng.tensor(&shape);
    let all = table.values();
    let data = [
        (x, tensor(DType::I16, 1, &[-32_768, -1, 0, 1, 32_767])),
        (t, table),
    ];
    let expected = [0, 32_767, 32_768, 32_769, 65_535].map(|at| all[at]);
    assert_eq!(values(&b, &data), expected);
}
