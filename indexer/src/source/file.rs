//! A recording: one `getTransaction` reply as JSON on each line, in any order. For tests, benchmarks and replays.

use {
    super::{Item, Range, Source, Tip},
    crate::{
        decode,
        error::{IndexerError, Result},
    },
    async_trait::async_trait,
    quern_api::{Key, Signature},
    quern_client::text,
    serde_json::Value,
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::{
        fs::File,
        io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
        num::NonZero,
        path::{Path, PathBuf},
        sync::{Mutex, PoisonError},
        thread,
    },
};

/// Lines in memory while the file is opened.
const PIECE_LINES: usize = 1_024;

/// A recorded file; only its index is kept in memory.
pub struct FileSource {
    path: PathBuf,
    file: Mutex<File>,
    /// By slot, then by place in the file.
    lines: Vec<Line>,
    /// Positions of `lines` by signature, then by place in the file.
    by_signature: Vec<usize>,
    tip: Tip,
}

/// A line of the recording.
struct Line {
    item: Item,
    start: u64,
    length: usize,
}

/// A line as it was read.
struct Text {
    bytes: Vec<u8>,
    start: u64,
    number: u64,
}

impl FileSource {
    /// Reads a recording once and keeps where each transaction stands.
    ///
    /// # Errors
    /// If the file cannot be read or a line is no transaction that tells its events.
    pub fn open(path: &Path, program: &Key) -> Result<Self> {
        let failed = |reason: String| IndexerError::Recording {
            path: path.display().to_string(),
            reason,
        };
        let open = || File::open(path).map_err(|error| failed(error.to_string()));
        let mut reader = BufReader::new(open()?);
        let (mut lines, mut time) = (Vec::new(), None);
        let (mut start, mut number) = (0, 0);
        loop {
            let piece = next_piece(&mut reader, &mut start, &mut number)
                .map_err(|error| failed(error.to_string()))?;
            if piece.is_empty() {
                break;
            }
            for (line, at) in read_piece(&piece, program).map_err(failed)? {
                lines.push(line);
                time = time.max(at);
            }
        }
        lines.shrink_to_fit();
        lines.sort_by_key(|line| line.item.slot);
        let slot = lines.last().map_or(0, |line| line.item.slot);
        let mut by_signature: Vec<usize> = (0..lines.len()).collect();
        by_signature.sort_by_key(|at| lines.get(*at).map(|line| line.item.signature));
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(open()?),
            lines,
            by_signature,
            tip: Tip { slot, time },
        })
    }

    fn line_of(&self, signature: &Signature) -> Option<&Line> {
        let line = |at: &usize| self.lines.get(*at);
        let signature_of = |at: &usize| line(at).map(|line| line.item.signature);
        let found = self
            .by_signature
            .binary_search_by_key(&Some(*signature), signature_of);
        found.ok().and_then(|at| line(self.by_signature.get(at)?))
    }

    fn bytes_of(&self, line: &Line) -> io::Result<Vec<u8>> {
        // A reader that panicked leaves at most another place in the file.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(line.start))?;
        let mut bytes = vec![0; line.length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The next lines that are not empty.
fn next_piece(
    reader: &mut impl BufRead,
    start: &mut u64,
    number: &mut u64,
) -> io::Result<Vec<Text>> {
    let mut piece = Vec::with_capacity(PIECE_LINES);
    while piece.len() < PIECE_LINES {
        let mut bytes = Vec::new();
        let length = reader.read_until(b'\n', &mut bytes)?;
        if length == 0 {
            break;
        }
        *number += 1;
        if !bytes.trim_ascii().is_empty() {
            piece.push(Text {
                bytes,
                start: *start,
                number: *number,
            });
        }
        *start += length as u64;
    }
    Ok(piece)
}

/// Reads lines on all cores; gives each with its time.
fn read_piece(piece: &[Text], program: &Key) -> Result<Vec<(Line, Option<i64>)>, String> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = piece.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let read = |part| scope.spawn(move || read_lines(part, program));
        let parts: Vec<_> = piece.chunks(share).map(read).collect();
        let mut lines = Vec::with_capacity(piece.len());
        for part in parts {
            let part = part.join().map_err(|_| "nothing read it".to_owned())?;
            lines.extend(part?);
        }
        Ok(lines)
    })
}

fn read_lines(part: &[Text], program: &Key) -> Result<Vec<(Line, Option<i64>)>, String> {
    let read = part.iter().map(|text| {
        let at_line = |reason: String| format!("line {}: {reason}", text.number);
        let transaction = transaction_of(&text.bytes).map_err(at_line)?;
        // A recording never changes: what cannot be read now never can.
        let decoded = decode::transaction(program, &transaction)
            .map_err(|error| at_line(error.to_string()))?;
        let line = Line {
            item: Item {
                signature: decoded.signature,
                slot: transaction.slot,
                failed: !decoded.succeeded,
            },
            start: text.start,
            length: text.bytes.len(),
        };
        Ok((line, transaction.block_time))
    });
    read.collect()
}

/// The transaction of a line, bare or as the result of a JSON-RPC reply.
fn transaction_of(line: &[u8]) -> Result<EncodedConfirmedTransactionWithStatusMeta, String> {
    // Most are bare; read at once, one takes a third of the time.
    if let Ok(transaction) = serde_json::from_slice(line) {
        return Ok(transaction);
    }
    let mut value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(text::escaped(&format!(
            "a node's refusal instead of a transaction: {error}"
        )));
    }
    if let Some(result) = value.get_mut("result") {
        value = result.take();
    }
    if value.is_null() {
        return Err("the node's answer was \"null\": it did not have the transaction".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[async_trait]
impl Source for FileSource {
    async fn genesis(&self) -> Result<Option<String>> {
        Ok(None)
    }

    async fn tip(&self) -> Result<Tip> {
        Ok(self.tip)
    }

    async fn walk(&self, range: &Range) -> Result<Vec<Item>> {
        let floor = range.floor.unwrap_or(0);
        let within = |item: &Item| item.slot >= floor && item.slot <= range.tip.slot;
        let items = self.lines.iter().map(|line| line.item);
        Ok(items.filter(within).collect())
    }

    async fn transaction(&self, item: &Item) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        let failed = |reason: String| IndexerError::Recording {
            path: self.path.display().to_string(),
            reason,
        };
        let Some(line) = self.line_of(&item.signature) else {
            return Err(failed(format!("it does not hold {}", item.signature)));
        };
        // A read of a few kilobytes, mostly from memory, takes less time than another thread's turn.
        let bytes = self.bytes_of(line);
        transaction_of(&bytes.map_err(|error| failed(error.to_string()))?).map_err(failed)
    }

    async fn wake(&self) {
        // A recording never grows.
        std::future::pending().await
    }
}
