//! GET as servers of all kinds answer it: with or without a length, whole or in chunks, compressed although nobody asked.
//! Only the bytes count, and never more of them than are allowed; headers that are not needed are not read.

use {
    crate::{
        error::{DataError, Result, cause, excerpt},
        limits::{Expected, FetchLimits, Sink},
        reach::client,
    },
    flate2::write::{MultiGzDecoder, ZlibDecoder},
    reqwest::{
        Response, StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE},
    },
    std::{
        io::{self, Write},
        time::Duration,
    },
    tokio::time::Instant,
    url::Url,
};

/// How often a server is asked that is busy for a moment.
const ATTEMPTS: u32 = 3;
/// The pause before the second time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Fetches what a URL shows, and says how many bytes that was.
///
/// # Errors
/// `BadUri`, `Fetch` or `Size`.
pub(crate) async fn get(
    url: &Url,
    uri: &str,
    limits: &FetchLimits,
    expected: &Expected,
    sink: &mut Sink<'_>,
) -> Result<u64> {
    let start = Instant::now();
    let longest = limits.longest(limits.max_bytes);
    let client = client(limits.timeout, longest, limits.allow_private)
        .build()
        .map_err(|error| failed(uri, cause(&error)))?;
    let asked = tokio::time::timeout(limits.timeout, ask(&client, url));
    let response = match asked.await {
        Ok(answer) => answer.map_err(|why| failed(uri, why))?,
        Err(_) => return Err(limits.too_slow(uri, 0)),
    };
    let body = Body::of(&response, expected).map_err(|why| failed(uri, why))?;
    if let (Body::Plain(_), Some(claimed)) = (&body, response.content_length()) {
        expected.check_claim(uri, claimed)?;
    }
    let bounds = Bounds {
        uri,
        limits,
        expected,
        start,
    };
    read(response, body, &bounds, sink).await
}

/// What a transfer keeps to.
struct Bounds<'a> {
    uri: &'a str,
    limits: &'a FetchLimits,
    expected: &'a Expected,
    start: Instant,
}

fn failed(uri: &str, why: String) -> DataError {
    DataError::Fetch {
        uri: excerpt(uri),
        why,
    }
}

/// The answer to a request, once it is one that brings the whole file.
async fn ask(client: &reqwest::Client, url: &Url) -> std::result::Result<Response, String> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        let (why, may_pass) = match request.send().await {
            Ok(response) if brings_all(&response) => return Ok(response),
            Ok(response) => {
                let status = response.status();
                let is_busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                (format!("the server answered {status}"), is_busy)
            }
            Err(error) => (cause(&error), error.is_request() && !error.is_connect()),
        };
        if !may_pass || attempt == ATTEMPTS {
            return Err(why);
        }
        tokio::time::sleep(FIRST_PAUSE * attempt * attempt).await;
    }
}

/// Whether an answer holds the whole file; a part that is all of it is as good.
fn brings_all(response: &Response) -> bool {
    match response.status() {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => true,
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(CONTENT_RANGE);
            let range = range.and_then(|range| range.to_str().ok());
            let bounds = range.and_then(|range| range.strip_prefix("bytes 0-")?.split_once('/'));
            bounds.is_some_and(|(last, all)| {
                let (last, all) = (last.parse::<u64>(), all.parse::<u64>());
                last.is_ok_and(|last| all.is_ok_and(|all| last.checked_add(1) == Some(all)))
            })
        }
        _ => false,
    }
}

/// A body as it comes in, unpacked.
enum Body {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
    Deflate(Box<ZlibDecoder<Bounded>>),
}

impl Body {
    /// A body in the encoding that the server has chosen.
    fn of(response: &Response, expected: &Expected) -> std::result::Result<Self, String> {
        let bounded = Bounded {
            piece: Vec::new(),
            received: 0,
            limit: expected.limit,
        };
        let encoding = response.headers().get(CONTENT_ENCODING);
        let encoding = encoding.map_or("", |encoding| encoding.to_str().unwrap_or("?"));
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain(bounded)),
            "gzip" | "x-gzip" => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(bounded)))),
            "deflate" => Ok(Self::Deflate(Box::new(ZlibDecoder::new(bounded)))),
            other => Err(format!(
                "the server compresses it with {} although it was asked not to; publish it uncompressed",
                excerpt(other)
            )),
        }
    }

    fn bytes(&mut self) -> &mut Bounded {
        match self {
            Self::Plain(bounded) => bounded,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
        }
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(bounded) => bounded.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
            Self::Deflate(decoder) => decoder.write_all(piece),
        }
    }

    fn finish(self) -> io::Result<Bounded> {
        match self {
            Self::Plain(bounded) => Ok(bounded),
            Self::Gzip(decoder) => decoder.finish(),
            Self::Deflate(decoder) => decoder.finish(),
        }
    }
}

/// Bytes up to a limit, piece by piece; one more is counted, so that it shows.
struct Bounded {
    piece: Vec<u8>,
    received: u64,
    limit: u64,
}

impl Bounded {
    fn is_over(&self) -> bool {
        self.received > self.limit
    }
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let left = self.limit.saturating_add(1) - self.received;
        let fits = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        if fits == 0 && !piece.is_empty() {
            return Err(io::Error::other("too many bytes"));
        }
        self.piece
            .extend_from_slice(piece.get(..fits).unwrap_or_default());
        self.received += fits as u64;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a body, never more than it may hold, whatever its headers claim.
async fn read(
    mut response: Response,
    mut body: Body,
    bounds: &Bounds<'_>,
    sink: &mut Sink<'_>,
) -> Result<u64> {
    let Bounds {
        uri,
        limits,
        expected,
        start,
    } = *bounds;
    loop {
        let received = body.bytes().received;
        let until = start + limits.longest(received);
        let Ok(piece) = tokio::time::timeout_at(until, response.chunk()).await else {
            return Err(limits.too_slow(uri, received));
        };
        let piece = piece.map_err(|error| failed(uri, cause(&error)))?;
        let Some(piece) = piece else { break };
        let taken = body.take(&piece);
        let unpacked = body.bytes();
        if unpacked.is_over() {
            return Err(expected.other_size(uri, unpacked.received));
        }
        taken.map_err(|error| failed(uri, unpacking(&error)))?;
        sink.put(&std::mem::take(&mut unpacked.piece)).await?;
    }
    let rest = body.finish();
    let rest = rest.map_err(|error| failed(uri, unpacking(&error)))?;
    let is_other = expected
        .bytes
        .is_some_and(|expected| rest.received != expected);
    if rest.is_over() || is_other {
        return Err(expected.other_size(uri, rest.received));
    }
    sink.put(&rest.piece).await?;
    Ok(rest.received)
}

fn unpacking(error: &io::Error) -> String {
    format!("what the server compressed cannot be unpacked ({error})")
}
