//! Lists as CSV (RFC 4180), for spreadsheets and tax programs.

use {
    axum::{
        http::header,
        response::{IntoResponse, Response},
    },
    quern_client::text::is_plain,
    serde::Serialize,
    serde_json::Value,
};

/// Its media type.
pub(super) const MEDIA_TYPE: &str = "text/csv; charset=utf-8";

/// A reply whose list may be had as a table.
pub(super) trait Table {
    /// The cells of every row with the names of their columns, which are the same in every row.
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>>;
    /// The parameter that leads to the next page and its value, if there is more.
    fn next(&self) -> Option<(&'static str, &str)>;
}

/// The names and cells of a row, each name once: a field, or `name: value`.
macro_rules! row {
    ($row:ident; $($name:ident $(: $value:expr)?),+ $(,)?) => {
        vec![$((stringify!($name), $crate::api::table::cell(&$crate::api::table::row!(@value $row $name $($value)?)))),+]
    };
    (@value $row:ident $name:ident) => { $row.$name };
    (@value $row:ident $name:ident $value:expr) => { $value };
}
pub(super) use row;

/// A value as a cell: what JSON shows.
pub(super) fn cell(value: &impl Serialize) -> Value {
    // Values of replies always serialize.
    serde_json::to_value(value).unwrap_or_default()
}

/// The table as a reply. A table without rows has no header either.
pub(super) fn response(table: &impl Table) -> Response {
    let mut text = String::new();
    for (number, row) in table.rows().into_iter().enumerate() {
        let (names, cells): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        if number == 0 {
            text.push_str(&header_line(&names));
        }
        text.push_str(&line(&cells));
    }
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
}

/// The line with the names of columns.
pub(super) fn header_line(columns: &[&str]) -> String {
    written(columns.iter().map(|name| (*name).to_owned()))
}

/// A line of cells.
pub(super) fn line(cells: &[Value]) -> String {
    written(cells.iter().map(shown))
}

fn written(cells: impl Iterator<Item = String>) -> String {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    // Memory takes everything, and a table without columns is not made.
    let _ = writer.write_record(cells);
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// What stands in a cell. A spreadsheet would compute a stranger's text that begins like a formula: such a text gets an apostrophe
/// in front, as is usual. What a terminal would obey is left out.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => {
            let plain: String = text.chars().filter(|char| is_plain(*char)).collect();
            match plain.starts_with(['=', '+', '-', '@', '\t', '\r']) {
                true => format!("'{plain}"),
                false => plain,
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use {super::*, serde_json::json};

    #[test]
    fn cells_are_quoted_where_they_must_be_and_are_never_formulas() {
        let cells = [
            json!(null),
            json!("a,b\"c"),
            json!(-5),
            json!("=HYPERLINK(\"x\")"),
            json!("ab\u{202e}c\u{1b}[2J"),
            json!(true),
        ];
        assert_eq!(
            line(&cells),
            ",\"a,b\"\"c\",-5,\"'=HYPERLINK(\"\"x\"\")\",abc[2J,true\r\n"
        );
        assert_eq!(header_line(&["a", "b"]), "a,b\r\n");
    }
}
