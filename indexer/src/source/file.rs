//! A recording: one `getTransaction` reply as JSON on each line, in any order. For tests, benchmarks and replays.

use {
    super::{Item, Items, Range, Source, Tip},
    crate::{
        decode,
        error::{IndexerError, Result},
    },
    async_trait::async_trait,
    quern_api::Key,
    quern_client::text,
    serde_json::Value,
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::{
        fs::File,
        io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
        num::NonZero,
        path::{Path, PathBuf},
        sync::{Arc, Mutex, PoisonError},
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
    items: Items,
    /// Where the line of each stands.
    places: Vec<Place>,
    tip: Tip,
}

/// A line's place in the file.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    length: u32,
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
        let (mut items, mut places, mut time) = (Vec::new(), Vec::new(), None);
        let (mut start, mut number) = (0, 0);
        loop {
            let piece = next_piece(&mut reader, &mut start, &mut number)
                .map_err(|error| failed(error.to_string()))?;
            if piece.is_empty() {
                break;
            }
            for (item, place, at) in read_piece(&piece, program).map_err(failed)? {
                items.push(item);
                places.push(place);
                time = time.max(at);
            }
        }
        // Most are in order and then copied no more.
        if !items.is_sorted_by_key(|item: &Item| item.slot) {
            let mut lines: Vec<_> = items.into_iter().zip(places).collect();
            lines.sort_by_key(|(item, _)| item.slot);
            (items, places) = lines.into_iter().unzip();
        }
        items.shrink_to_fit();
        places.shrink_to_fit();
        let slot = items.last().map_or(0, |item| item.slot);
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(open()?),
            items: Arc::new(items),
            places,
            tip: Tip { slot, time },
        })
    }

    fn place_of(&self, item: &Item) -> Option<&Place> {
        let first = self.items.partition_point(|other| other.slot < item.slot);
        let from_there = self.items.iter().zip(&self.places).skip(first);
        let mut of_slot = from_there.take_while(|(other, _)| other.slot == item.slot);
        let found = of_slot.find(|(other, _)| other.signature == item.signature);
        found.map(|(_, place)| place)
    }

    fn read(&self, place: &Place) -> io::Result<Vec<u8>> {
        // A reader that panicked leaves at most another place in the file.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place.start))?;
        let mut bytes = vec![0; place.length as usize];
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

/// A line's transaction, where it stands, and its time.
type Line = (Item, Place, Option<i64>);

/// Reads lines on all cores.
fn read_piece(piece: &[Text], program: &Key) -> Result<Vec<Line>, String> {
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

fn read_lines(part: &[Text], program: &Key) -> Result<Vec<Line>, String> {
    let read = part.iter().map(|text| {
        let at_line = |reason: String| format!("line {}: {reason}", text.number);
        let transaction = transaction_of(&text.bytes).map_err(at_line)?;
        // A recording never changes: what cannot be read now never can.
        let decoded = decode::transaction(program, &transaction)
            .map_err(|error| at_line(error.to_string()))?;
        let item = Item {
            signature: decoded.signature,
            slot: transaction.slot,
            failed: !decoded.succeeded,
        };
        let length = u32::try_from(text.bytes.len())
            .map_err(|_| at_line("no transaction is that long".to_owned()))?;
        let place = Place {
            start: text.start,
            length,
        };
        Ok((item, place, transaction.block_time))
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

    async fn walk(&self, range: &Range) -> Result<Items> {
        let floor = range.floor.unwrap_or(0);
        let within = |item: &Item| item.slot >= floor && item.slot <= range.tip.slot;
        match self.items.iter().all(within) {
            true => Ok(Arc::clone(&self.items)),
            false => Ok(Arc::new(
                self.items.iter().copied().filter(within).collect(),
            )),
        }
    }

    async fn transaction(&self, item: &Item) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        let failed = |reason: String| IndexerError::Recording {
            path: self.path.display().to_string(),
            reason,
        };
        let Some(place) = self.place_of(item) else {
            return Err(failed(format!("it does not hold {}", item.signature)));
        };
        // A read of a few kilobytes, mostly from memory, takes less time than another thread's turn.
        let bytes = self.read(place);
        transaction_of(&bytes.map_err(|error| failed(error.to_string()))?).map_err(failed)
    }

    async fn wake(&self) {
        // A recording never grows.
        std::future::pending().await
    }
}
