//! Numbers on their way from a file to a tensor.

use {
    super::tensor::{dtype_name, values},
    clap::ValueEnum,
    quern_proof::{DType, Tensor},
};

/// Rows of numbers, all of the same length. Every i32 is exact in an f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    rows: u32,
    cols: u32,
    values: Vec<f64>,
    /// The type that the file names.
    dtype: Option<DType>,
}

/// How numbers become integers: `value x scale + offset`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mapping {
    /// The type of the result; the file's own otherwise, i8 where it names none.
    pub dtype: Option<DType>,
    /// What every number is multiplied by.
    pub scale: Option<f64>,
    /// What is added then.
    pub offset: Option<f64>,
    /// What happens to the rest; without it a rest is refused, unless there is a scale or an offset.
    pub rounding: Option<Rounding>,
}

/// What happens to what is behind the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Rounding {
    /// To the nearest, halves to the even one
    #[default]
    Nearest,
    /// Down, as a shift does
    Down,
}

impl Numbers {
    /// Rows of numbers.
    ///
    /// # Errors
    /// Rows of different lengths, or none.
    pub fn new(rows: Vec<Vec<f64>>, dtype: Option<DType>) -> Result<Self, String> {
        let cols = rows.first().map_or(0, Vec::len);
        if cols == 0 {
            return Err("it holds no numbers".to_owned());
        }
        if let Some((at, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != cols) {
            return Err(format!(
                "row {at} has {} values where row 0 has {cols}; all rows must have the same length",
                row.len()
            ));
        }
        let count = rows.len() as u64;
        Self::flat(
            count,
            cols as u64,
            rows.into_iter().flatten().collect(),
            dtype,
        )
    }

    /// Numbers row by row.
    ///
    /// # Errors
    /// A shape that no tensor has.
    pub fn flat(
        rows: u64,
        cols: u64,
        values: Vec<f64>,
        dtype: Option<DType>,
    ) -> Result<Self, String> {
        let fits = |count: u64| u32::try_from(count).ok().filter(|count| *count > 0);
        match (fits(rows), fits(cols)) {
            (Some(rows), Some(cols))
                if values.len() as u64 == u64::from(rows) * u64::from(cols) =>
            {
                Ok(Self {
                    rows,
                    cols,
                    values,
                    dtype,
                })
            }
            _ => Err(format!(
                "it holds {} values, which are no {rows} x {cols}",
                values.len()
            )),
        }
    }

    /// A tensor's values.
    ///
    /// # Errors
    /// None for a sound tensor.
    pub fn of(tensor: &Tensor) -> Result<Self, String> {
        let numbers = values(tensor.data(), tensor.dtype());
        Self::flat(
            tensor.rows().into(),
            tensor.cols().into(),
            numbers.into_iter().map(f64::from).collect(),
            Some(tensor.dtype()),
        )
    }

    /// Its rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks(self.cols as usize)
    }

    /// Numbers in a row.
    #[cfg(test)]
    pub const fn cols(&self) -> u32 {
        self.cols
    }

    /// With the rows of other numbers below its own.
    ///
    /// # Errors
    /// Rows of another length.
    pub fn stacked(mut self, below: Self) -> Result<Self, String> {
        if below.cols != self.cols {
            return Err(format!(
                "its rows have {} values where those before have {}",
                below.cols, self.cols
            ));
        }
        self.rows = self
            .rows
            .checked_add(below.rows)
            .ok_or("there are too many rows")?;
        self.values.extend(below.values);
        Ok(self)
    }

    /// One of its rows alone.
    ///
    /// # Errors
    /// That there is no such row.
    pub fn row(self, row: u32) -> Result<Self, String> {
        let start = row as usize * self.cols as usize;
        let values = self.values.get(start..start + self.cols as usize);
        let values = values
            .ok_or_else(|| format!("there is no row {row}; rows go from 0 to {}", self.rows - 1))?;
        Ok(Self {
            rows: 1,
            values: values.to_vec(),
            ..self
        })
    }

    /// The tensor, if every number fits.
    ///
    /// # Errors
    /// The first number that does not fit, and what to do.
    pub fn tensor(&self, mapping: &Mapping) -> Result<Tensor, String> {
        let dtype = mapping.dtype.or(self.dtype).unwrap_or(DType::I8);
        let mut data = Vec::with_capacity(self.values.len() * dtype.size() as usize);
        for (at, value) in self.values.iter().enumerate() {
            let place = || {
                let cols = self.cols as usize;
                format!("row {}, column {} holds {value}", at / cols, at % cols)
            };
            let whole = mapping
                .whole(*value)
                .ok_or_else(|| format!("{}, no whole number; pass --scale or --round", place()))?;
            let misfit = || {
                format!(
                    "{}, which does not fit into {}; pass --dtype i32, or --scale and --offset",
                    place(),
                    dtype_name(dtype)
                )
            };
            match dtype {
                DType::I8 => data.push(i8::try_from(whole).map_err(|_| misfit())? as u8),
                DType::I16 => {
                    let value = i16::try_from(whole).map_err(|_| misfit())?;
                    data.extend(value.to_le_bytes());
                }
                DType::I32 => {
                    let value = i32::try_from(whole).map_err(|_| misfit())?;
                    data.extend(value.to_le_bytes());
                }
            }
        }
        let tensor = Tensor::from_bytes(dtype, self.rows, self.cols, data);
        tensor.map_err(|error| error.to_string())
    }
}

impl Mapping {
    /// The integer that a number becomes; nothing where it would silently lose something.
    fn whole(&self, value: f64) -> Option<i64> {
        let is_mapped = self.scale.is_some() || self.offset.is_some() || self.rounding.is_some();
        let mapped = value * self.scale.unwrap_or(1.0) + self.offset.unwrap_or(0.0);
        let whole = match self.rounding.unwrap_or_default() {
            Rounding::Nearest => mapped.round_ties_even(),
            Rounding::Down => mapped.floor(),
        };
        let is_exact = is_mapped || whole == value;
        // Beyond that an i64 could not say it; no tensor holds it anyway.
        let is_small = whole.abs() < 9e15;
        (is_exact && is_small).then_some(whole as i64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(values: &[f64], mapping: Mapping) -> Result<Vec<i32>, String> {
        let numbers = Numbers::new(vec![values.to_vec()], None)?;
        let tensor = numbers.tensor(&mapping)?;
        Ok(super::values(tensor.data(), tensor.dtype()))
    }

    #[test]
    fn nothing_is_lost_silently() {
        let plain = Mapping::default();
        assert_eq!(of(&[-128.0, 127.0], plain).unwrap(), [-128, 127]);
        for (values, words) in [
            (
                [0.0, 128.0],
                "row 0, column 1 holds 128, which does not fit into i8",
            ),
            ([0.5, 0.0], "row 0, column 0 holds 0.5, no whole number"),
            ([f64::NAN, 0.0], "holds NaN, no whole number"),
            ([1e300, 0.0], "no whole number"),
        ] {
            let refused = of(&values, plain).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        let half = Mapping {
            dtype: Some(DType::I16),
            ..plain
        };
        assert_eq!(of(&[128.0, -32768.0], half).unwrap(), [128, -32_768]);
        assert!(of(&[32768.0], half).is_err());
        let wide = Mapping {
            dtype: Some(DType::I32),
            ..plain
        };
        assert_eq!(of(&[128.0, -2147483648.0], wide).unwrap(), [128, i32::MIN]);
        assert!(of(&[2147483648.0], wide).is_err());
    }

    #[test]
    fn pixels_become_halves() {
        // As `pixel >> 1`.
        let halved = Mapping {
            scale: Some(0.5),
            rounding: Some(Rounding::Down),
            ..Mapping::default()
        };
        assert_eq!(
            of(&[0.0, 1.0, 254.0, 255.0], halved).unwrap(),
            [0, 0, 127, 127]
        );
        let centred = Mapping {
            offset: Some(-128.0),
            ..Mapping::default()
        };
        assert_eq!(of(&[0.0, 255.0], centred).unwrap(), [-128, 127]);
        let nearest = Mapping {
            scale: Some(10.0),
            ..Mapping::default()
        };
        assert_eq!(of(&[0.25, 0.26, -1.0], nearest).unwrap(), [2, 3, -10]);
    }

    #[test]
    fn rows_have_one_length() {
        let ragged = Numbers::new(vec![vec![1.0], vec![1.0, 2.0]], None);
        assert!(ragged.unwrap_err().contains("row 1 has 2 values"));
        assert!(Numbers::new(Vec::new(), None).is_err());
        let one = Numbers::new(vec![vec![1.0, 2.0]], None).unwrap();
        let two = one.clone().stacked(one.clone()).unwrap();
        assert_eq!(two.row(1).unwrap(), one);
        assert!(one.clone().row(1).is_err());
        let narrow = Numbers::new(vec![vec![1.0]], None).unwrap();
        assert!(one.stacked(narrow).is_err());
    }
}
