//! Small networks: a chain of dense and convolutional layers with ReLU.
//!
//! A layer is a product. A convolution first puts the pixels under its kernel side by side, which GATHER does.

pub mod quantize;

pub use quantize::{Answer, ImportedNetwork, network};

use quern_proof::limits::MAX_COLS;

use crate::{
    Error, Result,
    matrix::{Matrix, Panels},
};

/// The shape of a value: pixels with channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows of pixels.
    pub rows: usize,
    /// Columns of pixels.
    pub cols: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Whether the network sees it as one row, channels before pixels.
    pub is_flat: bool,
}

impl Grid {
    /// One row of values.
    pub const fn row(channels: usize) -> Self {
        Self {
            rows: 1,
            cols: 1,
            channels,
            is_flat: true,
        }
    }

    /// Its pixels.
    pub const fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    /// Whether it is a single pixel.
    pub const fn is_pixel(&self) -> bool {
        self.pixels() == 1
    }

    /// Values of an item in the order of frameworks (channels, rows, columns), as a graph holds them: a pixel a row.
    ///
    /// # Errors
    /// Another number of values.
    pub fn arrange(&self, values: &[f64]) -> Result<Matrix> {
        let (pixels, channels) = (self.pixels(), self.channels);
        if values.len() != pixels * channels {
            return Err(Error::Shape {
                name: "the input of an item".into(),
                expected: vec![pixels * channels],
                found: vec![values.len()],
            });
        }
        let places = (0..pixels).flat_map(|pixel| (0..channels).map(move |c| c * pixels + pixel));
        Ok(Matrix {
            rows: pixels,
            cols: channels,
            data: places.map(|place| values[place]).collect(),
        })
    }
}

/// How a convolution moves: all of rows, then columns.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Its height and width.
    pub size: [usize; 2],
    /// Pixels from one place to the next.
    pub stride: [usize; 2],
    /// Zeros before the first row and column.
    pub pad: [usize; 2],
    /// Zeros behind the last ones.
    pub pad_end: [usize; 2],
}

/// Which pixels stand side by side in each row that a product reads; -1 stands for zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Rows of the result.
    pub rows: usize,
    /// Pixels, row after row.
    pub pixels: Vec<i32>,
}

impl Patches {
    /// All pixels in one row.
    pub fn all(pixels: usize) -> Self {
        Self {
            rows: 1,
            pixels: (0..pixels as i32).collect(),
        }
    }

    /// The pixels under a kernel, and the grid of its places.
    ///
    /// # Errors
    /// No place, or a stride of 0.
    pub fn of_kernel(grid: &Grid, kernel: &Kernel) -> Result<(Self, Grid)> {
        let places = |axis: usize, pixels: usize| -> Option<usize> {
            let whole = pixels + kernel.pad[axis] + kernel.pad_end[axis];
            let room = whole.checked_sub(kernel.size[axis])?;
            Some(room.checked_div(kernel.stride[axis])? + 1)
        };
        let found = places(0, grid.rows).zip(places(1, grid.cols));
        // GATHER reads its indices from one row.
        let is_row = |(rows, cols): &(usize, usize)| {
            let sizes = [*cols, kernel.size[0], kernel.size[1]];
            let count = sizes
                .iter()
                .try_fold(*rows, |count, size| count.checked_mul(*size));
            count.is_some_and(|count| (1..=MAX_COLS as usize).contains(&count))
        };
        let Some((rows, cols)) = found.filter(is_row) else {
            return Err(Error::Unsupported {
                what: "a kernel",
                found: format!("{kernel:?}"),
                supported: "one that fits its input, with a stride, and reads at most 1,048,576 pixels in all",
            });
        };
        let mut pixels = Vec::with_capacity(rows * cols * kernel.size[0] * kernel.size[1]);
        for (row, col) in (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))) {
            for y in 0..kernel.size[0] {
                for x in 0..kernel.size[1] {
                    let y = (row * kernel.stride[0] + y).checked_sub(kernel.pad[0]);
                    let x = (col * kernel.stride[1] + x).checked_sub(kernel.pad[1]);
                    let pixel = y.zip(x).filter(|(y, x)| *y < grid.rows && *x < grid.cols);
                    pixels.push(pixel.map_or(-1, |(y, x)| (y * grid.cols + x) as i32));
                }
            }
        }
        let out = Grid {
            rows,
            cols,
            channels: 0,
            is_flat: false,
        };
        let rows = rows * cols;
        Ok((Self { rows, pixels }, out))
    }

    /// The pixels of `x` side by side.
    fn gather(&self, x: &Matrix) -> Matrix {
        let each = self.pixels.len() / self.rows;
        let mut out = Matrix::zeros(self.rows, each * x.cols);
        for (to, pixel) in out.data.chunks_exact_mut(x.cols).zip(&self.pixels) {
            if let Ok(pixel) = usize::try_from(*pixel) {
                to.copy_from_slice(x.row(pixel));
            }
        }
        out
    }
}

/// A layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What stands side by side before the product; `None`: the rows as they are.
    pub patches: Option<Patches>,
    /// N x K, by output column.
    pub weight: Matrix,
    /// N.
    pub bias: Vec<f64>,
    /// Whether ReLU follows.
    pub is_rectified: bool,
}

/// A chain of layers.
#[derive(Clone, Debug)]
pub struct Network {
    /// What an item is.
    pub input: Grid,
    /// Its layers, at least one.
    pub layers: Vec<Layer>,
}

impl Layer {
    fn apply(&self, x: &Matrix) -> Matrix {
        let panels = Panels::new(&self.weight);
        let mut out = match &self.patches {
            Some(patches) => panels.product(&patches.gather(x)),
            None => panels.product(x),
        };
        for row in out.data.chunks_exact_mut(self.bias.len()) {
            for (value, bias) in row.iter_mut().zip(&self.bias) {
                *value += bias;
                if self.is_rectified {
                    *value = value.max(0.0);
                }
            }
        }
        out
    }
}

impl Network {
    /// The result of an item, given in the order of frameworks; `observe` sees what each layer makes.
    ///
    /// # Errors
    /// Another number of values than the input has.
    pub fn run(&self, item: &[f64], observe: &mut dyn FnMut(usize, &Matrix)) -> Result<Vec<f64>> {
        let mut x = self.input.arrange(item)?;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.apply(&x);
            observe(index, &x);
        }
        Ok(x.data)
    }
}
