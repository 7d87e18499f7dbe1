//! numpy's `.npy`: versions 1 to 3, C order, little-endian numbers. The first dimension makes rows, the others columns.

use {
    super::Numbers,
    quern_proof::{DType, Tensor},
};

const MAGIC: &[u8] = b"\x93NUMPY";
/// What numpy aligns the values to.
const ALIGNMENT: usize = 64;

/// The numbers of an array.
pub fn read(bytes: &[u8]) -> Result<Numbers, String> {
    let cut = || "it is no .npy file, or it is cut off".to_owned();
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(cut)?;
    let (header_bytes, rest) = match rest {
        [1, _, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(cut()),
    };
    let (header, data) = rest.split_at_checked(header_bytes).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| cut())?;
    let missing = |what: &str| format!("its header names no {what}");
    let descr = quoted(header, "'descr':").ok_or_else(|| missing("type"))?;
    let order = after(header, "'fortran_order':").ok_or_else(|| missing("order"))?;
    if !order.starts_with("False") {
        return Err("it is in Fortran order; save `numpy.ascontiguousarray(array)`".to_owned());
    }
    let shape = shape(header).ok_or_else(|| missing("shape"))?;
    let (values, dtype) = values(descr, data)?;
    let (rows, cols) = match shape.as_slice() {
        [] => (1, 1),
        [cols] => (1, *cols),
        [rows, others @ ..] => (*rows, others.iter().copied().fold(1, u64::saturating_mul)),
    };
    Numbers::flat(rows, cols, values, dtype)
}

fn after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(key)?;
    Some(rest.trim_start())
}

fn quoted<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let rest = after(header, key)?.strip_prefix('\'')?;
    rest.split_once('\'').map(|(text, _)| text)
}

fn shape(header: &str) -> Option<Vec<u64>> {
    let rest = after(header, "'shape':")?.strip_prefix('(')?;
    let (list, _) = rest.split_once(')')?;
    let parts = list.split(',').map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(|part| part.parse().ok()).collect()
}

/// The values, and the type of tensors that holds them all.
fn values(descr: &str, data: &[u8]) -> Result<(Vec<f64>, Option<DType>), String> {
    macro_rules! all {
        ($type:ty) => {{
            let (values, rest) = data.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err("it ends within a value".to_owned());
            }
            let values = values.iter().map(|bytes| <$type>::from_le_bytes(*bytes));
            values.map(|value| value as f64).collect()
        }};
    }
    let found = match descr {
        "|i1" => (all!(i8), Some(DType::I8)),
        "|u1" | "|b1" => (all!(u8), None),
        "<i2" => (all!(i16), Some(DType::I16)),
        "<u2" => (all!(u16), Some(DType::I32)),
        "<i4" => (all!(i32), Some(DType::I32)),
        "<u4" => (all!(u32), Some(DType::I32)),
        "<i8" => (all!(i64), Some(DType::I32)),
        "<u8" => (all!(u64), Some(DType::I32)),
        "<f4" => (all!(f32), None),
        "<f8" => (all!(f64), None),
        other => {
            return Err(format!(
                "its type `{other}` cannot be read; save it as int8, int32, uint8, float32 or float64, little-endian"
            ));
        }
    };
    Ok(found)
}

/// An array of int8, int16 or int32.
pub fn write(tensor: &Tensor) -> Vec<u8> {
    let descr = match tensor.dtype() {
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
    };
    array(descr, tensor.rows(), tensor.cols(), tensor.data())
}

/// An array of float32, row by row.
pub fn write_floats(rows: u32, cols: u32, values: &[f32]) -> Vec<u8> {
    let bytes = values.iter().copied().flat_map(f32::to_le_bytes);
    array("<f4", rows, cols, &bytes.collect::<Vec<u8>>())
}

fn array(descr: &str, rows: u32, cols: u32, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {cols}), }}");
    // The values begin at a multiple, behind a line break.
    let before = MAGIC.len() + 4;
    let end = (before + header.len() + 1).next_multiple_of(ALIGNMENT);
    header.push_str(&" ".repeat(end - before - header.len() - 1));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    // A header of two numbers is far shorter than a u16 counts.
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, crate::formats::Mapping};

    /// As numpy 2 writes `numpy.arange(6, dtype='<f4').reshape(3, 2)`.
    fn floats() -> Vec<u8> {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(format!("{header:<117}\n").as_bytes());
        bytes.extend((0..6u8).flat_map(|value| f32::from(value).to_le_bytes()));
        bytes
    }

    #[test]
    fn reads_what_numpy_writes() {
        let tensor = read(&floats())
            .unwrap()
            .tensor(&Mapping::default())
            .unwrap();
        assert_eq!(tensor, Tensor::from_i8(3, 2, &[0, 1, 2, 3, 4, 5]).unwrap());
    }

    #[test]
    fn floats_are_written_as_numpy_writes_them() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(write_floats(3, 2, &values), floats());
    }

    #[test]
    fn values_are_aligned() {
        let tensor = Tensor::from_i32(1, 2, &[1, 2]).unwrap();
        let bytes = write(&tensor);
        assert_eq!((bytes.len() - 8) % ALIGNMENT, 0);
        assert_eq!(bytes[bytes.len() - 9], b'\n');
    }

    #[test]
    fn other_arrays_are_refused_with_what_to_do() {
        let text = String::from_utf8_lossy(&floats()).into_owned();
        assert!(text.contains("<f4"));
        let other = |from: &str, to: &str| {
            let bytes = floats();
            let at = bytes
                .windows(from.len())
                .position(|window| window == from.as_bytes())
                .unwrap();
            let mut changed = bytes.clone();
            changed[at..at + to.len()].copy_from_slice(to.as_bytes());
            read(&changed).unwrap_err()
        };
        assert!(other("<f4", "<c8").contains("save it as int8"));
        assert!(other("False", "True ").contains("Fortran"));
        assert!(other("(3, 2)", "(4, 2)").contains("no 4 x 2"));
    }
}
