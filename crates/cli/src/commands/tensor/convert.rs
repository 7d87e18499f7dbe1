//! `quern tensor convert`: from one format to another.

use {
    crate::{
        error::{Error, Result},
        files::{self, Role},
        formats::{self, Format, Hints, ImageSize, Mapping, Numbers, Rounding},
        output::{self, Fields},
    },
    quern_proof::{DType, commit::data_root},
    std::path::{Path, PathBuf},
};

/// What becomes what, and how.
#[derive(clap::Args)]
pub struct Args {
    /// Files to read; the rows of several stand one below the other
    #[arg(value_name = "IN", required = true, num_args = 1..)]
    inputs: Vec<PathBuf>,
    /// File to write
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Format of the files to read [default: what the end of the name says]
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<Format>,
    /// Format to write [default: what the end of the name says]
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Option<Format>,
    /// Type of the values: i8, i16 or i32 [default: what the file says, otherwise i8]
    #[arg(long, value_parser = parse_dtype, value_name = "TYPE")]
    dtype: Option<DType>,
    /// Multiply every value by this number
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    scale: Option<f64>,
    /// Add this number afterwards
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    offset: Option<f64>,
    /// What happens to the rest behind the point [default: refused, or nearest with --scale or --offset]
    #[arg(long, value_enum, value_name = "HOW")]
    round: Option<Rounding>,
    /// Columns: of raw values, or to which texts are filled up
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    cols: Option<u32>,
    /// Make images grey
    #[arg(long)]
    gray: bool,
    /// Which tensor of a bundle or trace, from 0 [default: the only one; of a trace the last, its result]
    #[arg(long, value_name = "NUMBER")]
    index: Option<usize>,
    /// Only this row, from 0
    #[arg(long, value_name = "NUMBER")]
    row: Option<u32>,
    /// Size of an image to write, for example 28x28 [default: a square]
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    size: Option<ImageSize>,
}

/// A type by its name.
fn parse_dtype(text: &str) -> std::result::Result<DType, String> {
    let all = [DType::I8, DType::I16, DType::I32];
    let found = all
        .into_iter()
        .find(|one| formats::dtype_name(*one) == text);
    found.ok_or_else(|| "it must be i8, i16 or i32".to_owned())
}

/// Converts.
pub fn run(format: output::Format, args: &Args) -> Result<()> {
    let to = args
        .to
        .map_or_else(|| Format::of(&args.out, Some("--to")), Ok)?;
    let mut numbers: Option<Numbers> = None;
    for path in &args.inputs {
        let read = args.read(path)?;
        let refused = |why: String| Error::file(path, why);
        numbers = Some(match numbers {
            Some(above) => above.stacked(read).map_err(refused)?,
            None => read,
        });
    }
    let wrong = |why: String| Error::Usage(why);
    let mut numbers = numbers.ok_or_else(|| wrong("name a file to read".to_owned()))?;
    if let Some(row) = args.row {
        numbers = numbers.row(row).map_err(wrong)?;
    }
    let tensor = numbers.tensor(&args.mapping(to)).map_err(wrong)?;
    let bytes = formats::write(&tensor, to, args.size).map_err(wrong)?;
    files::write(&args.out, bytes, "OUT")?;
    Fields::new()
        .text("written", args.out.display())
        .text("tensor", formats::shape(&tensor))
        .text("root", hex::encode(data_root(&tensor)))
        .print(format);
    Ok(())
}

impl Args {
    fn read(&self, path: &Path) -> Result<Numbers> {
        let format = self
            .from
            .map_or_else(|| Format::of(path, Some("--from")), Ok)?;
        let hints = Hints {
            cols: self.cols,
            dtype: self.dtype,
            is_gray: self.gray,
            index: self.index,
        };
        let role = Role::tensor_in(format.described(), "IN");
        let bytes = role.read(path)?;
        formats::read(&bytes, format, &hints).map_err(|why| role.no_such(path, &bytes, why))
    }

    fn mapping(&self, to: Format) -> Mapping {
        // A pixel goes up to 255.
        let wide = (to == Format::Png).then_some(DType::I32);
        Mapping {
            dtype: self.dtype.or(wide),
            scale: self.scale,
            offset: self.offset,
            rounding: self.round,
        }
    }
}
