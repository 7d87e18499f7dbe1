//! Writing JSON.

use {
    axum::{
        http::{StatusCode, header},
        response::{IntoResponse, Response},
    },
    quern_client::text::is_plain,
    serde::Serialize,
    serde_json::ser::{CompactFormatter, Formatter, Serializer},
    std::io,
};

/// JSON in which what a terminal would obey is escaped. Readers get the same texts.
pub(super) struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match write(&self.0) {
            Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "a reply cannot be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// The JSON of a reply.
pub(super) fn write(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, Escaped))?;
    Ok(text)
}

struct Escaped;

impl Formatter for Escaped {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(|char| !is_plain(char)) {
            let hidden = part.chars().next_back().filter(|last| !is_plain(*last));
            let plain = part.len() - hidden.map_or(0, char::len_utf8);
            CompactFormatter.write_string_fragment(writer, &part[..plain])?;
            for unit in hidden.into_iter().flat_map(|char| {
                let mut units = [0; 2];
                char.encode_utf16(&mut units).to_vec()
            }) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}
