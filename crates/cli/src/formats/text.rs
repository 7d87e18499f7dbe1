//! A text a line. A row holds a text's UTF-8 bytes, 0 to 255, filled up with zeros to the longest text or to `--cols`.

use {
    super::{Numbers, values},
    quern_proof::{DType, Tensor},
};

/// The bytes of texts.
pub fn read(bytes: &[u8], cols: Option<u32>) -> Result<Numbers, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    let longest = text.lines().map(str::len).max().unwrap_or(0);
    let cols = match cols {
        Some(cols) => cols as usize,
        None => longest,
    };
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.len() > cols {
            return Err(format!(
                "line {} has {} bytes, more than --cols {cols}",
                at + 1,
                line.len()
            ));
        }
        // It could not be told from the fill.
        if line.contains('\0') {
            return Err(format!("line {} holds a zero byte", at + 1));
        }
        let mut row: Vec<f64> = line.bytes().map(f64::from).collect();
        row.resize(cols, 0.0);
        rows.push(row);
    }
    Numbers::new(rows, Some(DType::I32))
}

/// A line for each row.
pub fn write(tensor: &Tensor) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    for (at, row) in tensor.row_slices().enumerate() {
        let bytes = values(row, tensor.dtype())
            .into_iter()
            .map(|value| match tensor.dtype() {
                DType::I8 => Ok(value as u8),
                DType::I16 | DType::I32 => u8::try_from(value)
                    .map_err(|_| format!("row {at} holds {value}, which is no byte of a text")),
            })
            .collect::<Result<Vec<u8>, String>>()?;
        let end = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        let line = bytes.get(..end).unwrap_or_default();
        let is_text = std::str::from_utf8(line).is_ok() && !line.contains(&b'\n');
        if !is_text {
            return Err(format!("row {at} is no line of UTF-8 text"));
        }
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_texts_become_texts() {
        assert!(
            read(b"too long", Some(3))
                .unwrap_err()
                .contains("more than")
        );
        assert!(read(b"a\0b", None).is_err());
        assert_eq!(read(b"ab\nc", Some(4)).unwrap().cols(), 4);
        for values in [[300, 0], [-1, 0], [10, 65], [0xff, 0]] {
            let tensor = Tensor::from_i32(1, 2, &values).unwrap();
            assert!(write(&tensor).is_err(), "{values:?}");
        }
        // Text bytes above 127 are negative in an i8.
        let tensor = Tensor::from_i8(1, 2, &[0xc3u8 as i8, 0xbcu8 as i8]).unwrap();
        assert_eq!(write(&tensor).unwrap(), "ü\n".as_bytes());
    }
}
