//! `quern tensor`: inputs and results in the formats of other tools.

mod convert;
mod show;

use {
    crate::{error::Result, output},
    clap::Subcommand,
};

/// What to do with tensors.
#[derive(Subcommand)]
pub enum Command {
    /// Show what a file of tensors holds: types, shapes, ranges, roots and the first values
    #[command(after_help = "Example:
  quern tensor show models/digits/test-images.bin")]
    Show(show::Args),
    /// Make a job's input of arrays, tables, images or texts, and the other way round
    #[command(after_help = "Examples:
  quern tensor convert images.npy input.qten
  quern tensor convert photo1.png photo2.png input.qten --gray --scale 0.5 --round down
  quern tensor convert texts.txt input.qten --cols 256 --dtype i32
  quern tensor convert result.qten result.csv
  quern tensor convert input.qten digit.png --row 7 --scale 2

A tensor has rows and columns and holds i8, i16 or i32. The ends of the names say the formats:
  .qten .qbundle .qtrace .bin   as inputs, weights and results are published
  .npy    integers, float32, float64; the first dimension makes rows, the others columns
  .csv    a row a line, without header
  .json   [[1, 2], [3, 4]], or an object with values and dtype
  .txt    a text a line: its UTF-8 bytes, filled up with zeros (i32 unless told otherwise)
  .png    an image a row: pixels of 0 to 255 line by line, channels together
  .raw    the values alone, little-endian; reading needs --cols
Several files make one tensor, their rows one below the other. A number that is not whole or does not fit is
refused unless --scale, --offset, --round or --dtype say what to do with it.")]
    Convert(convert::Args),
}

/// Runs a command; nothing here needs a network.
pub fn run(format: output::Format, command: &Command) -> Result<()> {
    match command {
        Command::Show(args) => show::run(format, args),
        Command::Convert(args) => convert::run(format, args),
    }
}
