//! A row a line, separated by commas, semicolons, tabs or spaces; no header.

use {
    super::{Numbers, values},
    quern_proof::Tensor,
};

/// The numbers of a table.
pub fn read(bytes: &[u8]) -> Result<Numbers, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let rows = lines
        .map(|(at, line)| row(line).map_err(|cell| not_a_number(at + 1, &cell)))
        .collect::<Result<Vec<_>, _>>()?;
    Numbers::new(rows, None)
}

fn not_a_number(line: usize, cell: &str) -> String {
    format!("line {line} holds `{cell}`, which is no number; leave headers and names out")
}

fn row(line: &str) -> Result<Vec<f64>, String> {
    let cells = line.split([',', ';', '\t', ' ']).map(str::trim);
    let cells = cells.filter(|cell| !cell.is_empty());
    cells
        .map(|cell| cell.parse().map_err(|_| cell.to_owned()))
        .collect()
}

/// A table.
pub fn write(tensor: &Tensor) -> Vec<u8> {
    let mut text = String::new();
    for row in tensor.row_slices() {
        let cells: Vec<String> = values(row, tensor.dtype())
            .iter()
            .map(ToString::to_string)
            .collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn any_usual_separator_will_do() {
        let expected = Numbers::new(vec![vec![1.0, -2.0], vec![3.5, 4.0]], None).unwrap();
        for text in ["1,-2\n3.5,4\n", "1; -2\r\n\r\n3.5;4", "1\t-2\n3.5 4"] {
            assert_eq!(read(text.as_bytes()).unwrap(), expected, "{text}");
        }
        let header = read(b"a,b\n1,2\n").unwrap_err();
        assert!(header.contains("line 1 holds `a`"), "{header}");
        assert!(read(b"").is_err());
    }
}
