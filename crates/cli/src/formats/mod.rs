//! Tensors in the formats of other tools: read as numbers, mapped to integers, written again.
//!
//! A tensor has two dimensions and holds i8, i16 or i32. Whatever is read becomes [`Numbers`] first; [`Mapping`] makes integers of
//! them and refuses what does not fit, so nothing is rounded or cut off unless the user asks for it.

mod csv;
mod image;
mod json;
mod npy;
mod numbers;
mod tensor;
mod text;

pub use {
    image::ImageSize,
    json::rows,
    npy::write_floats,
    numbers::{Mapping, Numbers, Rounding},
    tensor::{dtype_name, shape, values},
};

use {
    crate::error::{Error, Result},
    clap::ValueEnum,
    quern_proof::{DType, Tensor, file},
    std::path::Path,
};

/// A format of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tensors, bundles and traces as this project publishes them
    Qten,
    /// numpy's format
    Npy,
    /// Rows as arrays of numbers
    Json,
    /// A row a line
    Csv,
    /// A text a line; its UTF-8 bytes are a row
    Text,
    /// An image is a row
    Png,
    /// The values alone, little-endian, row by row
    Raw,
}

/// The ends of names that say a format.
const ENDS: [(Format, &[&str]); 7] = [
    (Format::Qten, &["qten", "qbundle", "qtrace", "bin"]),
    (Format::Npy, &["npy"]),
    (Format::Json, &["json"]),
    (Format::Csv, &["csv", "tsv"]),
    (Format::Text, &["txt", "text"]),
    (Format::Png, &["png"]),
    (Format::Raw, &["raw", "i8", "i16", "i32"]),
];

impl Format {
    /// The format that the end of a file's name says; `option` names one otherwise, where there is such an option.
    ///
    /// # Errors
    /// `Usage` for an end that says none.
    pub fn of(path: &Path, option: Option<&str>) -> Result<Self> {
        let end = path.extension().and_then(|end| end.to_str());
        let end = end.map(str::to_ascii_lowercase).unwrap_or_default();
        let known = ENDS.iter().find(|(_, ends)| ends.contains(&end.as_str()));
        known.map(|(format, _)| *format).ok_or_else(|| {
            let ends: Vec<String> = ENDS
                .iter()
                .flat_map(|(_, ends)| ends.iter().map(|end| format!(".{end}")))
                .collect();
            let otherwise = option.map(|option| format!(", or name the format with {option}"));
            let otherwise = otherwise.unwrap_or_default();
            Error::Usage(format!(
                "the end of the name {} says no format (known are {}); use one of them{otherwise}",
                path.display(),
                ends.join(" ")
            ))
        })
    }

    /// What a file in this format holds.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Qten => {
                "tensors as this project publishes them (.qten, .qbundle, .qtrace or .bin)"
            }
            Self::Npy => "a NumPy array (.npy)",
            Self::Json => "rows of numbers as JSON, [[1, 2], [3, 4]]",
            Self::Csv => "a table of numbers, a row a line, without header",
            Self::Text => "texts in UTF-8, one a line",
            Self::Png => "a PNG image",
            Self::Raw => "values alone, little-endian, as many as fill the rows of --cols",
        }
    }
}

/// What a file does not say about its numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// Columns: of raw values, or to which texts are filled up.
    pub cols: Option<u32>,
    /// Type of raw values.
    pub dtype: Option<DType>,
    /// Whether images become grey.
    pub is_gray: bool,
    /// Which tensor of several; without it there must be only one, and of a trace the last is taken.
    pub index: Option<usize>,
}

/// The numbers in a file.
///
/// # Errors
/// What is wrong with the file, in a sentence.
pub fn read(bytes: &[u8], format: Format, hints: &Hints) -> std::result::Result<Numbers, String> {
    match format {
        Format::Qten => Numbers::of(&one_tensor(bytes, hints.index)?),
        Format::Npy => npy::read(bytes),
        Format::Json => json::read(bytes),
        Format::Csv => csv::read(bytes),
        Format::Text => text::read(bytes, hints.cols),
        Format::Png => image::read(bytes, hints.is_gray),
        Format::Raw => raw(bytes, hints),
    }
}

/// A tensor in a format.
///
/// # Errors
/// What the format cannot hold, in a sentence.
pub fn write(
    tensor: &Tensor,
    format: Format,
    size: Option<ImageSize>,
) -> std::result::Result<Vec<u8>, String> {
    match format {
        Format::Qten => Ok(file::encode_tensor(tensor)),
        Format::Npy => Ok(npy::write(tensor)),
        Format::Json => Ok(json::write(tensor)),
        Format::Csv => Ok(csv::write(tensor)),
        Format::Text => text::write(tensor),
        Format::Png => image::write(tensor, size),
        Format::Raw => Ok(tensor.data().to_vec()),
    }
}

/// All tensors of a published file, whichever kind it is.
///
/// # Errors
/// That it is neither a tensor, nor a bundle, nor a trace.
pub fn tensors(bytes: &[u8]) -> std::result::Result<(Vec<Tensor>, bool), String> {
    let is_trace = bytes.starts_with(&file::TRACE_MAGIC);
    let found = match is_trace {
        true => file::decode_trace(bytes),
        false => file::decode_bundle(bytes),
    };
    let found = found.map_err(|error| error.to_string())?;
    match found.is_empty() {
        true => Err("it holds no tensor".to_owned()),
        false => Ok((found, is_trace)),
    }
}

fn one_tensor(bytes: &[u8], index: Option<usize>) -> std::result::Result<Tensor, String> {
    let (mut all, is_trace) = tensors(bytes)?;
    let count = all.len();
    let index = match index {
        Some(index) => index,
        None if is_trace || count == 1 => count - 1,
        None => {
            return Err(format!(
                "it holds {count} tensors; name one with --index 0 to {}",
                count - 1
            ));
        }
    };
    if index >= count {
        return Err(format!(
            "it holds {count} tensors, so --index goes from 0 to {}",
            count - 1
        ));
    }
    Ok(all.swap_remove(index))
}

fn raw(bytes: &[u8], hints: &Hints) -> std::result::Result<Numbers, String> {
    let cols = hints
        .cols
        .ok_or("raw values say no shape; name the columns with --cols")?;
    let dtype = hints.dtype.unwrap_or(DType::I8);
    let row_bytes = u64::from(cols) * u64::from(dtype.size());
    let rows = (bytes.len() as u64).checked_div(row_bytes).unwrap_or(0);
    let rows = u32::try_from(rows).map_err(|_| "it has too many rows".to_owned())?;
    let tensor = Tensor::from_bytes(dtype, rows, cols, bytes.to_vec());
    Numbers::of(&tensor.map_err(|error| error.to_string())?)
}

/// Most rows of a preview.
const PREVIEW_ROWS: usize = 10;
/// Most values of a line of a preview.
const PREVIEW_VALUES: usize = 20;

/// The first values of a tensor, a line each; single columns go on one line.
pub fn preview(tensor: &Tensor) -> Vec<String> {
    let line = |values: Vec<i32>, all: usize| {
        let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
        let more = all.saturating_sub(shown.len());
        let rest = if more > 0 {
            format!("  and {more} more")
        } else {
            String::new()
        };
        format!("{}{rest}", shown.join(" "))
    };
    let first = |row: &[u8]| {
        let mut values = values(row, tensor.dtype());
        values.truncate(PREVIEW_VALUES);
        values
    };
    if tensor.cols() == 1 {
        let rows = tensor.row_slices().take(PREVIEW_VALUES);
        let column: Vec<i32> = rows.flat_map(first).collect();
        return vec![line(column, tensor.rows() as usize)];
    }
    let rows = tensor.row_slices().take(PREVIEW_ROWS);
    let mut lines: Vec<String> = rows
        .map(|row| line(first(row), tensor.cols() as usize))
        .collect();
    let more = (tensor.rows() as usize).saturating_sub(PREVIEW_ROWS);
    if more > 0 {
        lines.push(format!("and {more} more rows"));
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tensor() -> Tensor {
        Tensor::from_i8(2, 4, &[0, -128, 127, 5, 1, 2, 3, 4]).unwrap()
    }

    fn wide() -> Tensor {
        Tensor::from_i32(2, 3, &[i32::MIN, -1, 0, 1, 255, i32::MAX]).unwrap()
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let half = Tensor::from_i16(1, 3, &[i16::MIN, 0, i16::MAX]).unwrap();
        for tensor in [tensor(), half, wide()] {
            for format in [
                Format::Qten,
                Format::Npy,
                Format::Json,
                Format::Csv,
                Format::Raw,
            ] {
                let bytes = write(&tensor, format, None).unwrap();
                let hints = Hints {
                    cols: Some(tensor.cols()),
                    dtype: Some(tensor.dtype()),
                    ..Hints::default()
                };
                let numbers = read(&bytes, format, &hints).unwrap();
                let mapping = Mapping {
                    dtype: Some(tensor.dtype()),
                    ..Mapping::default()
                };
                assert_eq!(numbers.tensor(&mapping).unwrap(), tensor, "{format:?}");
            }
        }
    }

    #[test]
    fn texts_and_images_read_back_as_the_same() {
        let words = "Grüße\n\nshort\n";
        let numbers = read(words.as_bytes(), Format::Text, &Hints::default()).unwrap();
        let tensor = numbers.tensor(&Mapping::default()).unwrap();
        assert_eq!(
            (tensor.dtype(), tensor.rows(), tensor.cols()),
            (DType::I32, 3, 7)
        );
        assert_eq!(
            write(&tensor, Format::Text, None).unwrap(),
            words.as_bytes()
        );

        let pixels = Tensor::from_i32(1, 6, &[0, 1, 127, 128, 254, 255]).unwrap();
        let size = Some("3x2".parse().unwrap());
        let png = write(&pixels, Format::Png, size).unwrap();
        let numbers = read(&png, Format::Png, &Hints::default()).unwrap();
        let mapping = Mapping {
            dtype: Some(DType::I32),
            ..Mapping::default()
        };
        assert_eq!(numbers.tensor(&mapping).unwrap(), pixels);
        // Six values that are no square need a size; three channels make two pixels.
        assert!(write(&pixels, Format::Png, None).is_err());
        let colours = write(&pixels, Format::Png, Some("2x1".parse().unwrap())).unwrap();
        let grey = Hints {
            is_gray: true,
            ..Hints::default()
        };
        assert_eq!(read(&colours, Format::Png, &grey).unwrap().cols(), 2);
    }

    #[test]
    fn damaged_files_are_sentences() {
        let sound = tensor();
        for format in [Format::Qten, Format::Npy, Format::Json, Format::Png] {
            let size = Some("2x2".parse().unwrap());
            let whole = match format {
                Format::Png => {
                    let pixels = Tensor::from_i8(1, 4, &[0, 1, 2, 3]).unwrap();
                    write(&pixels, format, size).unwrap()
                }
                format => write(&sound, format, None).unwrap(),
            };
            // The end of an image is not needed to show it.
            let end = match format {
                Format::Png => whole.len() / 2,
                // Nor is the line break behind JSON.
                Format::Json => whole.len() - 1,
                _ => whole.len(),
            };
            for cut in 0..end {
                let read = read(&whole[..cut], format, &Hints::default());
                assert!(read.is_err(), "{format:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn previews_are_short() {
        let labels = Tensor::from_i32(1_000, 1, &[7; 1_000]).unwrap();
        let [line] = preview(&labels).try_into().unwrap();
        assert!(line.ends_with("7  and 980 more"), "{line}");
        let lines = preview(&Tensor::from_i8(12, 30, &[1; 360]).unwrap());
        assert_eq!(lines.len(), 11);
        assert!(lines[0].ends_with("1  and 10 more"));
        assert_eq!(lines[10], "and 2 more rows");
    }

    #[test]
    fn names_say_formats() {
        for (name, format) in [
            ("a/b.NPY", Format::Npy),
            ("x.qtrace", Format::Qten),
            ("x.bin", Format::Qten),
            ("x.txt", Format::Text),
        ] {
            assert_eq!(Format::of(Path::new(name), None).unwrap(), format);
        }
        for name in ["nothing", "x.xyz", "x.csv.bak"] {
            let said = Format::of(Path::new(name), Some("--format")).unwrap_err();
            assert_eq!(said.exit_code(), 2);
            let said = said.to_string();
            assert!(
                said.contains(".csv .tsv") && said.contains("--format"),
                "{said}"
            );
        }
        for format in Format::value_variants() {
            assert!(ENDS.iter().any(|(known, _)| known == format), "{format:?}");
        }
    }
}
