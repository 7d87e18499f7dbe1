//! The ops once more, from the design's table alone: one cell at a time, in i128, without a thought for speed. It shares
//! nothing with the ops but the record.

use std::vec::Vec;

use super::memory::Job;
use crate::{DType, Operand, Tensor, ops::Record};

fn limits(dtype: DType) -> (i128, i128) {
    match dtype {
        DType::I8 => (-128, 127),
        DType::I16 => (-32_768, 32_767),
        DType::I32 => (-2_147_483_648, 2_147_483_647),
    }
}

fn rshr(value: i128, shift: u8) -> i128 {
    match shift {
        0 => value,
        _ => (value + (1 << (shift - 1))).div_euclid(1 << shift),
    }
}

fn at(tensor: &Tensor, row: i128, col: i128) -> i128 {
    tensor.value(row as u32, col as u32).unwrap().into()
}

fn repeated(tensor: &Tensor, row: i128, col: i128) -> i128 {
    at(
        tensor,
        row % i128::from(tensor.rows()),
        col % i128::from(tensor.cols()),
    )
}

fn power_of_two(part: i128) -> i128 {
    // round(2^(30 - part/256)); the table itself is proved elsewhere.
    i128::from(crate::ops::exp2::EXP2[part as usize])
}

fn isqrt(value: i128) -> i128 {
    let (mut low, mut high) = (0i128, 1i128 << 40);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle * middle <= value {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The value of op `index` at a stored place.
pub fn cell(job: &Job, index: usize, row: u32, col: u32) -> i128 {
    let record = job.graph().record(index).unwrap();
    let (i, j) = match record.flags & 1 {
        1 => (i128::from(col), i128::from(row)),
        _ => (i128::from(row), i128::from(col)),
    };
    let operands: Vec<Option<&Tensor>> = record
        .operands
        .iter()
        .map(|code| Operand::from_code(*code).map(|operand| job.tensor(operand)))
        .collect();
    let [a, b, c, d] = operands[..] else { panic!() };
    let a = a.unwrap();
    match record.opcode {
        1 => dot(&record, a, b.unwrap(), c, i, j),
        2 => mix(&record, a, [b, c, d], i, j),
        3 => at(b.unwrap(), 0, at(a, i, j) - limits(a.dtype()).0),
        4 => gather(&record, a, b.unwrap(), i, j),
        5 => norm(&record, a, b.unwrap(), i, j),
        6 => softmax(&record, a, b, i, j),
        7 => {
            let values = (0..i128::from(a.cols())).map(|col| at(a, i, col));
            let values: Vec<i128> = values.collect();
            let first = values.iter().position(|v| values.iter().all(|w| w <= v));
            first.unwrap() as i128
        }
        8 => match at(a, 0, j) {
            given @ 0.. => given,
            _ if j == 0 => 0,
            _ => at(b.unwrap(), 0, j - 1),
        },
        _ => panic!(),
    }
}

fn bounds(record: &Record) -> (i128, i128) {
    match record.dtype {
        DType::I32 => limits(DType::I32),
        _ => (
            i128::from(record.constant as u16 as i16),
            i128::from((record.constant >> 16) as u16 as i16),
        ),
    }
}

fn dot(record: &Record, a: &Tensor, b: &Tensor, p: Option<&Tensor>, i: i128, j: i128) -> i128 {
    let groups = i128::from(record.groups);
    let share = i128::from(record.share);
    let k_len = i128::from(a.cols()) / groups;
    let n_len = match record.flags & 16 {
        0 => i128::from(b.rows()),
        _ => i128::from(b.rows()) / (groups / share),
    };
    let (g, n) = (j / n_len, j % n_len);
    let sum: i128 = (0..k_len)
        .map(|k| {
            let right = match record.flags & 16 {
                0 => at(b, n, g / share * k_len + k),
                _ => at(b, g / share * n_len + n, k),
            };
            at(a, i, g * k_len + k) * right
        })
        .sum();
    assert!(sum.abs() <= 1 << 37);
    let (bias, mult) = match p {
        None => (0, 1),
        Some(p) => (
            at(p, 0, j % i128::from(p.cols())),
            at(p, 1, j % i128::from(p.cols())),
        ),
    };
    let (least, greatest) = limits(DType::I32);
    let product = (sum + bias).clamp(least, greatest) * mult;
    assert!(product.abs() <= 1 << 62);
    let (lo, hi) = bounds(record);
    rshr(product, record.shift).clamp(lo, hi)
}

fn mix(record: &Record, a: &Tensor, others: [Option<&Tensor>; 3], i: i128, j: i128) -> i128 {
    let [b, c, d] = others;
    let plain = |tensor: Option<&Tensor>, absent: i128| {
        tensor.map_or(absent, |tensor| repeated(tensor, i, j))
    };
    let b = match (b, record.flags & 2) {
        (None, _) => 0,
        (Some(b), 0) => repeated(b, i, j),
        (Some(b), _) => repeated(b, i, (j % i128::from(b.cols())) ^ 1),
    };
    let sum = at(a, i, j) * plain(c, 1) + b * plain(d, 1);
    assert!(sum.abs() <= 1 << 62);
    let (lo, hi) = bounds(record);
    rshr(sum, record.shift).clamp(lo, hi)
}

fn gather(record: &Record, x: &Tensor, table: &Tensor, i: i128, j: i128) -> i128 {
    let rows = match record.flags & 1 {
        0 => record.rows,
        _ => record.cols,
    };
    let per_row = i128::from(x.cols() / rows);
    let width = i128::from(table.cols());
    let index = at(x, 0, i * per_row + j / width);
    match 0 <= index && index < i128::from(table.rows()) {
        true => at(table, index, j % width),
        false => 0,
    }
}

fn norm(record: &Record, a: &Tensor, p: &Tensor, i: i128, j: i128) -> i128 {
    let n = i128::from(a.cols()) / i128::from(record.groups);
    let first = j / n * n;
    let values: Vec<i128> = (first..first + n).map(|col| at(a, i, col)).collect();
    let mu = match record.flags & 4 {
        0 => (2 * values.iter().sum::<i128>() + n).div_euclid(2 * n),
        _ => 0,
    };
    let largest = values.iter().map(|v| (v - mu).abs()).max().unwrap();
    let e = (128 - largest.leading_zeros()).saturating_sub(23);
    let d = |v: i128| (v - mu).div_euclid(1 << e);
    let squares: i128 = values.iter().map(|v| d(*v) * d(*v)).sum();
    assert!(squares <= 1 << 59);
    let q = (squares / n + (i128::from(record.constant) >> (2 * e))).max(1);
    assert!(q << 16 <= (1 << 62) + (1 << 48));
    let r = (1 << 46) / isqrt(q << 16);
    let t = (d(at(a, i, j)) * r + (1 << 22)).div_euclid(1 << 23);
    let (gamma, beta) = (at(p, 0, j % n), at(p, 1, j % n));
    assert!((t * gamma).abs() <= 1 << 53);
    let (lo, hi) = limits(record.dtype);
    rshr(t * gamma + beta * (1 << 15), record.shift).clamp(lo, hi)
}

fn softmax(record: &Record, a: &Tensor, mask: Option<&Tensor>, i: i128, j: i128) -> i128 {
    let width = i128::from(a.cols()) / i128::from(record.groups);
    let first = j / width * width;
    let is_valid = |t: i128| {
        mask.is_none_or(|mask| repeated(mask, i, t) != 0) && (record.flags & 8 == 0 || t <= i)
    };
    if !is_valid(j - first) {
        return 0;
    }
    let valid: Vec<i128> = (0..width).filter(|t| is_valid(*t)).collect();
    let value = |t: i128| at(a, i, first + t);
    let largest = valid.iter().map(|t| value(*t)).max().unwrap();
    let power = |t: i128| {
        let product = (largest - value(t)) * i128::from(record.constant);
        assert!(product < 1 << 62);
        let u = rshr(product, record.shift);
        match u / 256 {
            octaves @ 0..=30 => power_of_two(u % 256) >> octaves,
            _ => 0,
        }
    };
    let sum: i128 = valid.iter().map(|t| power(*t)).sum();
    assert!(sum <= 1 << 43);
    let one = limits(record.dtype).1;
    (power(j - first) * one + sum / 2) / sum
}
