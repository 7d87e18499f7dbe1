//! `[[1, 2], [3, 4]]`, `[1, 2]` for one row, or an object whose `values` are that and whose `dtype` names the type.

use {
    super::{Numbers, dtype_name, values},
    quern_proof::{DType, Tensor},
    serde_json::{Value, json},
};

/// The numbers of an array.
pub fn read(bytes: &[u8]) -> Result<Numbers, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let (list, dtype) = match &value {
        Value::Object(object) => (
            object.get("values").ok_or("it has no `values`")?,
            object.get("dtype").map(dtype).transpose()?,
        ),
        list => (list, None),
    };
    let list = list
        .as_array()
        .ok_or("it must hold rows, for example [[1, 2], [3, 4]]")?;
    let rows = match list.first() {
        Some(Value::Array(_)) => list.iter().map(row).collect::<Result<Vec<_>, _>>()?,
        _ => vec![list.iter().map(number).collect::<Result<Vec<_>, _>>()?],
    };
    Numbers::new(rows, dtype)
}

fn dtype(name: &Value) -> Result<DType, String> {
    [DType::I8, DType::I16, DType::I32]
        .into_iter()
        .find(|dtype| name == dtype_name(*dtype))
        .ok_or_else(|| format!("its dtype {name} is none of \"i8\", \"i16\" and \"i32\""))
}

fn row(value: &Value) -> Result<Vec<f64>, String> {
    let row = value.as_array().ok_or("its rows are not all arrays")?;
    row.iter().map(number).collect()
}

fn number(value: &Value) -> Result<f64, String> {
    value
        .as_f64()
        .ok_or_else(|| format!("{value} is no number"))
}

/// The values row by row, as JSON.
pub fn rows(tensor: &Tensor) -> Value {
    let rows = tensor.row_slices();
    rows.map(|row| Value::from(values(row, tensor.dtype())))
        .collect()
}

/// An object with type, shape and values.
pub fn write(tensor: &Tensor) -> Vec<u8> {
    let object = json!({
        "dtype": dtype_name(tensor.dtype()),
        "rows": tensor.rows(),
        "cols": tensor.cols(),
        "values": rows(tensor),
    });
    let mut text = object.to_string();
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rows_or_one_row() {
        let one = Numbers::new(vec![vec![1.0, 2.0]], None).unwrap();
        for text in ["[1, 2]", "[[1, 2]]", r#"{"values": [[1, 2]]}"#] {
            assert_eq!(read(text.as_bytes()).unwrap(), one, "{text}");
        }
        for text in [
            "",
            "{}",
            "[[1], 2]",
            "[1, [2]]",
            "[[\"x\"]]",
            "[]",
            r#"{"values": [1], "dtype": "f4"}"#,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
