//! The lines of a batch's input.

use {
    super::{
        super::{embedding::EmbeddingRequest, error::ApiError, json},
        terms::ENDPOINT,
    },
    quern_api::openai::LineError,
    serde::Deserialize,
    serde_json::Value,
    std::{
        fs::File,
        io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
        path::Path,
    },
};

/// Most bytes of a line.
pub const MAX_LINE_BYTES: u64 = 1 << 20;
/// Most characters of an application's name for a request.
const MAX_CUSTOM_ID: usize = 512;

/// Reads lines, and knows where it is.
pub struct Lines {
    reader: BufReader<File>,
    /// Bytes before the next line.
    pub at: u64,
    /// Lines before the next one.
    pub line: u64,
}

/// A line that is not empty.
pub struct Line {
    /// Which, from 1.
    pub number: u64,
    /// Its bytes; None if there are more than [`MAX_LINE_BYTES`].
    pub text: Option<Vec<u8>>,
}

impl Lines {
    /// Opens a file at a place where a line begins.
    pub fn open(path: &Path, at: u64, line: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Self {
            reader: BufReader::new(file),
            at,
            line,
        })
    }

    /// The next line that is not empty.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut text = Vec::new();
            let read = self
                .reader
                .by_ref()
                .take(MAX_LINE_BYTES + 1)
                .read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok(None);
            }
            self.at += read as u64;
            self.line += 1;
            let is_long = text.len() as u64 > MAX_LINE_BYTES && text.last() != Some(&b'\n');
            if is_long {
                self.skip_line()?;
            }
            if is_long || !text.trim_ascii().is_empty() {
                return Ok(Some(Line {
                    number: self.line,
                    text: (!is_long).then_some(text),
                }));
            }
        }
    }

    /// Passes the rest of a line without keeping it.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let passed = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(passed);
            self.at += passed as u64;
            if end.is_some() || passed == 0 {
                return Ok(());
            }
        }
    }
}

/// What a line asks for.
pub struct Asked {
    /// The application's name for it, if it can be read.
    pub custom_id: Option<String>,
    /// The request, or why it is none.
    pub request: Result<EmbeddingRequest, Bad>,
}

/// Why a line has no answer.
#[derive(Debug)]
pub enum Bad {
    /// It is no request.
    Line(LineError),
    /// Its request is refused, as it would be by itself.
    Request(ApiError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    custom_id: String,
    method: String,
    url: String,
    body: Value,
}

/// Reads a line.
pub fn read(line: &Line) -> Asked {
    let bad = |custom_id: Option<String>, code: &str, why: String| Asked {
        custom_id,
        request: Err(Bad::Line(LineError {
            code: code.to_owned(),
            message: format!("line {}: {why}", line.number),
        })),
    };
    let Some(text) = &line.text else {
        let why = format!("it is longer than {MAX_LINE_BYTES} bytes; split it");
        return bad(None, "line_too_long", why);
    };
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(error) => {
            return bad(
                None,
                "invalid_json_line",
                format!("it is not valid JSON: {error}"),
            );
        }
    };
    let named = value.get("custom_id").and_then(Value::as_str);
    let custom_id = named
        .filter(|id| id.chars().count() <= MAX_CUSTOM_ID)
        .map(str::to_owned);
    let envelope: Envelope = match json::parse_value(value) {
        Ok(envelope) => envelope,
        Err(error) => return bad(custom_id, "invalid_request", error.detail().message.clone()),
    };
    if envelope.custom_id.is_empty() || custom_id.is_none() {
        let why = format!("custom_id must have 1 to {MAX_CUSTOM_ID} characters");
        return bad(None, "invalid_custom_id", why);
    }
    if envelope.method != "POST" {
        return bad(
            custom_id,
            "invalid_method",
            "the method must be POST".to_owned(),
        );
    }
    if envelope.url != ENDPOINT {
        return bad(
            custom_id,
            "invalid_url",
            format!("the url must be {ENDPOINT}"),
        );
    }
    Asked {
        custom_id,
        request: json::parse_value(envelope.body).map_err(Bad::Request),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, std::io::Write};

    fn lines(bytes: &[u8]) -> Vec<(u64, Option<usize>, u64)> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut lines = Lines::open(file.path(), 0, 0).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.number, line.text.map(|text| text.len()), lines.at));
        }
        assert_eq!(lines.at, bytes.len() as u64);
        found
    }

    #[test]
    fn lines_are_numbered_and_long_ones_passed() {
        let long = vec![b'x'; 3 * (1 << 20)];
        let bytes = [b"a\n\n  \nbb\r\n", long.as_slice(), b"\nlast"].concat();
        let end = bytes.len() as u64;
        let at = end - 4;
        assert_eq!(
            lines(&bytes),
            [
                (1, Some(2), 2),
                (4, Some(4), 10),
                (5, None, at),
                (6, Some(4), end)
            ]
        );
        assert_eq!(lines(b""), []);
    }

    fn asked(text: &str) -> Asked {
        read(&Line {
            number: 7,
            text: Some(text.as_bytes().to_vec()),
        })
    }

    #[test]
    fn lines_that_are_no_requests_say_why() {
        let good = r#"{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "t"}}"#;
        assert!(asked(good).request.is_ok());
        for (from, to, id, code) in [
            ("{\"custom_id\"", "{custom_id", None, "invalid_json_line"),
            ("\"custom_id\": \"a\", ", "", None, "invalid_request"),
            ("\"a\"", "7", None, "invalid_request"),
            ("\"a\"", "\"\"", None, "invalid_custom_id"),
            ("POST", "GET", Some("a"), "invalid_method"),
            (
                "/v1/embeddings",
                "/v1/completions",
                Some("a"),
                "invalid_url",
            ),
            (
                "\"method\"",
                "\"extra\": 1, \"method\"",
                Some("a"),
                "invalid_request",
            ),
        ] {
            let asked = asked(&good.replace(from, to));
            assert_eq!(asked.custom_id.as_deref(), id, "{to}");
            let Err(Bad::Line(error)) = asked.request else {
                panic!("{to} is taken for a request");
            };
            assert_eq!(error.code, code, "{to}");
            assert!(error.message.starts_with("line 7: "), "{error:?}");
        }
        let refused = asked(&good.replace("\"input\"", "\"inputs\""));
        assert!(matches!(refused.request, Err(Bad::Request(_))));
    }
}
