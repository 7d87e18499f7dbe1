//! `SOFTMAX`, opcode 6: the weights of attention, with masks, causal or in windows.
//!
//! | | |
//! | --- | --- |
//! | operands | a, of any type; mask (optional) in slot b, any i8 tensor, repeated over the rows and over each group |
//! | constants | groups G of T = cols(a) / G columns, mult < 2^30, shift 0..=47, flag *causal* |
//! | result | R x C of a, i8 or i16 as the record says |
//! | `seal` refuses | groups that don't divide, T above 8,192, a mask that is no i8 or can't be repeated, a result of i32 |
//! | a cell reads | columns gT..gT+T of row i of a, the whole row i mod r of the mask |
//! | cell | valid: mask != 0, and with *causal* t <= i; u = rshr((max valid - a) * mult, shift); x = EXP2[u & 255] >> (u >> 8), 0 if u >> 8 > 30; floor((x*one + (sum >> 1)) / sum), one = 127 or 32,767; 0 if not valid |
//! | a watcher | computes it again |

use super::{
    divide::{divide, repeated},
    exp2::EXP2,
    record::{Record, flag, kind},
    rules::{
        Claim, Dependence, Form, OpRules, Shapes, check_dtype, check_repeat, differs, each, rshr,
    },
    source::{CellSource, value_at},
};
use crate::{
    limits::MAX_WIDTH,
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {
    super::{rows, source::Tensors},
    crate::Error,
    std::{vec, vec::Vec},
};

/// `floor((x*one + (sum >> 1)) / sum)`, x being 2^-(distance from the largest value).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The scores.
    pub a: Operand,
    /// Where it is 0, a value counts for nothing.
    pub mask: Option<Operand>,
    /// Groups of the columns.
    pub groups: u16,
    /// Row i sees columns 0..=i of each group.
    pub is_causal: bool,
    /// What a distance is multiplied with.
    pub mult: u32,
    /// Bits to shift right then, which gives 256ths of powers of two.
    pub shift: u8,
    /// What 1 is in the result: 127 or 32,767.
    pub one: u32,
}

/// What all cells of a group have in common: its largest valid value and the sum of all powers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    largest: i64,
    sum: u64,
}

/// A mask that lets everything pass.
const OPEN: &[u8] = &[1];

/// Calls `f` for each valid value; the mask is repeated.
#[inline]
fn each_valid(values: &[u8], dtype: DType, mask: &[u8], mut f: impl FnMut(i64)) {
    // One bit for all: to begin again at each value would cost as much as the value.
    if let [bit] = mask {
        if *bit != 0 {
            each(values, dtype, f);
        }
        return;
    }
    let mut left = mask.iter();
    each(values, dtype, |value| {
        let bit = match left.next() {
            Some(bit) => *bit,
            None => {
                left = mask.iter();
                left.next().copied().unwrap_or_default()
            }
        };
        if bit != 0 {
            f(value);
        }
    });
}

impl Softmax {
    /// T.
    fn width(&self, a: &Shape) -> Result<u32, SealError> {
        match divide(a.cols, self.groups.into()) {
            None => Err(SealError::GroupsDontDivide),
            Some(width) if width > MAX_WIDTH => Err(SealError::TooWide),
            Some(width) => Ok(width),
        }
    }

    /// How many of a group's columns row `row` sees.
    #[inline]
    const fn seen(&self, row: u32, width: u32) -> u32 {
        match self.is_causal && row < width {
            true => row + 1,
            false => width,
        }
    }

    /// A power of two, at most 2^30: distance < 2^32 and mult < 2^30, so the product is below 2^62.
    #[inline]
    fn power(&self, distance: i64) -> u64 {
        let scaled = rshr(distance.wrapping_mul(self.mult.into()), self.shift) as u64;
        let (octaves, part) = (scaled >> 8, scaled as u8);
        if octaves > 30 {
            return 0;
        }
        EXP2.get(usize::from(part))
            .map_or(0, |x| u64::from(*x) >> octaves)
    }

    /// Reads the values that a row sees. Where one is valid, the sum is at least 2^30; it is at most 2^43.
    fn group(&self, values: &[u8], dtype: DType, mask: &[u8]) -> Group {
        let mut largest = i64::MIN;
        each_valid(values, dtype, mask, |a| largest = largest.max(a));
        let mut sum = 0u64;
        each_valid(values, dtype, mask, |a| {
            sum = sum.wrapping_add(self.power(largest.wrapping_sub(a)));
        });
        Group { largest, sum }
    }

    /// One valid value.
    #[inline]
    fn cell(&self, group: &Group, a: i64) -> i32 {
        self.share(self.power(group.largest.wrapping_sub(a)), group.sum)
    }

    #[inline]
    fn share(&self, power: u64, sum: u64) -> i32 {
        let rounded = power.wrapping_mul(self.one.into()).wrapping_add(sum >> 1);
        rounded.checked_div(sum).unwrap_or_default() as i32
    }
}

impl OpRules for Softmax {
    const NAME: &'static str = "SOFTMAX";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(flag::CAUSAL, 2)?;
        record.refuse_share()?;
        let one = match record.dtype {
            DType::I8 | DType::I16 => record.dtype.range().1,
            DType::I32 => return Err(SealError::WrongDType),
        };
        Ok(Self {
            a: record.named(0)?,
            mask: record.operand(1)?,
            groups: record.groups,
            is_causal: record.has(flag::CAUSAL),
            mult: record.constant_below(1 << 30)?,
            shift: record.shift_from(0)?,
            one: one as u32,
        })
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), self.mask, None, None]
    }

    fn seal(&self, record: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        let a = shapes.of(0)?;
        let width = self.width(a)?;
        if self.mask.is_some() {
            let mask = shapes.of(1)?;
            check_dtype(mask, DType::I8)?;
            check_repeat(mask, a.rows, width)?;
        }
        Ok(Form {
            dtype: record.dtype,
            rows: a.rows,
            cols: a.cols,
            inner: 0,
        })
    }

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        let [a, mask, ..] = reads.kinds;
        if mask != kind::FREE {
            return Ok(None);
        }
        let width = divide(reads.form.cols, self.groups.into());
        Ok(match (self.is_causal, a) {
            (true, kind::FREE | kind::ROWS | kind::PAIRS | kind::CAUSAL)
                if width == Some(reads.tokens) =>
            {
                Some(kind::CAUSAL)
            }
            (false, kind::ROWS | kind::CAUSAL) => Some(kind::ROWS),
            _ => None,
        })
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let a = source.shape(self.a)?;
        let width = self.width(&a).map_err(Refusal::from)?;
        let place = claim.col.checked_rem(width).unwrap_or_default();
        let first = claim.col.wrapping_sub(place);
        let cols = first..first.wrapping_add(width);
        let values = source.span(self.a, claim.row, cols, Refusal::OperandA)?;
        let mask = match self.mask {
            None => None,
            Some(mask) => {
                let shape = source.shape(mask)?;
                let row = repeated(claim.row, shape.rows);
                Some(source.span(mask, row, 0..shape.cols, Refusal::OperandB)?)
            }
        };
        let mask = mask.as_ref().map_or(OPEN, AsRef::as_ref);
        let seen = self.seen(claim.row, width);
        let is_valid = place < seen
            && mask
                .get(repeated(place, mask.len() as u32) as usize)
                .is_some_and(|bit| *bit != 0);
        if !is_valid {
            return differs::<S>(0, claim);
        }
        let mine = value_at(values.as_ref(), place as usize, a.dtype).ok_or(Refusal::NotSealed)?;
        let len = seen as usize * a.dtype.size() as usize;
        let values = values.as_ref().get(..len).ok_or(Refusal::NotSealed)?;
        let group = self.group(values, a.dtype, mask);
        differs::<S>(self.cell(&group, mine.into()), claim)
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let a = tensors.view(self.a)?;
        let mask = self.mask.map(|mask| tensors.view(mask)).transpose()?;
        let width = self.width(&a.shape)?;
        let mut values: Vec<i32> = Vec::new();
        let (mut bits, mut powers) = (vec![0; width as usize], vec![0; width as usize]);
        for row in 0..a.shape.rows {
            rows::read(&a, row, &mut values)?;
            let mask = match &mask {
                None => OPEN,
                Some(mask) => mask
                    .row(repeated(row, mask.shape.rows))
                    .ok_or(Error::NoSuchPosition)?,
            };
            for bits in bits.chunks_mut(mask.len()) {
                bits.copy_from_slice(&mask[..bits.len()]);
            }
            let seen = self.seen(row, width) as usize;
            for values in values.chunks_exact_mut(width as usize) {
                let (seen, hidden) = values.split_at_mut(seen);
                hidden.fill(0);
                self.shares(seen, &bits, &mut powers);
            }
            rows::write(record, out, row, 0, &values)?;
        }
        Ok(())
    }
}

#[cfg(feature = "std")]
impl Softmax {
    /// Replaces what a row sees of a group by its result; a value counts where its bit is not 0.
    #[inline(always)]
    fn shares(&self, seen: &mut [i32], bits: &[u8], powers: &mut [u64]) {
        // Loops without decisions, which compilers make vector instructions of.
        let mut largest = i32::MIN;
        for (a, bit) in seen.iter().zip(bits) {
            largest = largest.max(if *bit == 0 { i32::MIN } else { *a });
        }
        let mut sum = 0u64;
        for ((power, a), bit) in powers.iter_mut().zip(&*seen).zip(bits) {
            // Where the bit is 0 it may be anything.
            let found = self.any_power(i64::from(largest).wrapping_sub(i64::from(*a)));
            *power = if *bit == 0 { 0 } else { found };
            sum = sum.wrapping_add(*power);
        }
        // Nothing is valid: all is 0, whatever the divisor.
        let sum = sum.max(1);
        for (value, power) in seen.iter_mut().zip(powers) {
            *value = self.share_by_float(*power, sum);
        }
    }

    /// As [`Softmax::power`], without decisions.
    #[inline(always)]
    fn any_power(&self, distance: i64) -> u64 {
        let scaled = rshr(distance.wrapping_mul(self.mult.into()), self.shift) as u64;
        let octaves = scaled >> 8;
        let power = u64::from(EXP2[usize::from(scaled as u8)]).wrapping_shr(octaves as u32);
        if octaves > 30 { 0 } else { power }
    }

    /// As [`Softmax::share`]; a vector instruction divides.
    ///
    /// Both numbers are below 2^53, so they are exact; their quotient is at most 2^15 and rounded. Rounding passes no integer,
    /// so the nearest integer to it is right or one too many.
    #[inline(always)]
    fn share_by_float(&self, power: u64, sum: u64) -> i32 {
        /// A number below 2^52 added to it is rounded to an integer, whose bits are the lowest ones.
        const TO_INTEGER: f64 = (1u64 << 52) as f64;
        let rounded = power.wrapping_mul(self.one.into()).wrapping_add(sum >> 1);
        let quotient = (rounded as f64 / sum as f64 + TO_INTEGER).to_bits() as u32;
        let is_beyond = u64::from(quotient).wrapping_mul(sum) > rounded;
        quotient.wrapping_sub(is_beyond.into()) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances and multipliers of all sizes.
    #[test]
    fn powers_are_those_of_the_chain() {
        for (mult, shift) in [(0, 0), (1, 0), (1, 47), ((1 << 30) - 1, 22), (12_345, 3)] {
            let softmax = Softmax {
                a: Operand::Input(0),
                mask: None,
                groups: 1,
                is_causal: false,
                mult,
                shift,
                one: 127,
            };
            for bits in 0..32 {
                for distance in [
                    (1i64 << bits) - 1,
                    1 << bits,
                    (1 << bits) * 5 / 4,
                    3 << bits,
                ] {
                    let distance = distance.min(u32::MAX.into());
                    let right = softmax.power(distance);
                    assert_eq!(softmax.any_power(distance), right, "{distance} {mult}");
                }
            }
        }
    }

    /// Shares at the edges of integers, of the greatest and least sums, against those of the chain.
    #[test]
    fn a_float_divides_as_the_chain_does() {
        for one in [127, 32_767] {
            let softmax = Softmax {
                a: Operand::Input(0),
                mask: None,
                groups: 1,
                is_causal: false,
                mult: 1,
                shift: 0,
                one,
            };
            let mut state = 1u64;
            let mut next = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                state >> 21
            };
            for _ in 0..200_000 {
                let sum = (1 << 30) + (next() >> (next() % 31)) % ((1 << 43) - (1 << 30) + 1);
                // Around each power whose share changes there, and any.
                let share = next() % (u64::from(one) + 1);
                let edge = (share * sum + (sum >> 1)) / u64::from(one);
                for power in [edge, edge + 1, edge.saturating_sub(1), next()] {
                    let power = power % ((1 << 30) + 1);
                    let right = softmax.share(power, sum);
                    assert_eq!(softmax.share_by_float(power, sum), right, "{power} {sum}");
                }
            }
        }
    }

    /// A mask of one column is read once; it lets through what the same mask in full lets through.
    #[test]
    fn a_mask_of_one_column_is_one_of_all() {
        let values: Vec<u8> = (0..200u8).map(|at| at.wrapping_mul(3)).collect();
        for (dtype, count) in [(DType::I8, 200), (DType::I16, 100), (DType::I32, 50)] {
            for bit in [0, 1, 0xff] {
                let valid = |mask: &[u8]| {
                    let mut valid = Vec::new();
                    each_valid(&values, dtype, mask, |value| valid.push(value));
                    valid
                };
                let found = valid(&[bit]);
                assert_eq!(found, valid(&vec![bit; count]));
                assert_eq!(found.len(), if bit == 0 { 0 } else { count });
            }
        }
    }
}
