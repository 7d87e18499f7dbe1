//! What stays on the disk of the items of a submission, one record after the other, as soon as an item is computed: its data
//! roots and its result. A process that is killed goes on behind the last whole record, and demands about the upper trace are
//! answered from the records without computing anything.
//!
//! | bytes of a record | holds |
//! | --- | --- |
//! | 32 x ops | data roots of all ops in the item |
//! | bytes of the last op in an item | its values |
//! | 32 | SHA-256 of what comes before and of the item's number: the disk may have lost a part of it |
//!
//! Texts are kept likewise before anything is computed from them.

use {
    crate::error::Result,
    quern_data::files,
    quern_proof::{
        Hash,
        commit::{ItemTrace, ItemTree},
        graph::Graph,
        hash::hash,
    },
    std::{
        fs::File,
        io::{BufReader, ErrorKind, Read, Seek, SeekFrom},
        path::{Path, PathBuf},
    },
};

/// Name of the records of the items, in a submission's folder.
pub const ITEMS_FILE: &str = "items.kept";
/// Name of the records of the texts.
pub const TEXTS_FILE: &str = "texts.kept";

/// A file of records of one length.
#[derive(Clone, Debug)]
struct Records {
    path: PathBuf,
    body_bytes: usize,
}

impl Records {
    const SUM_BYTES: usize = size_of::<Hash>();

    const fn record_bytes(&self) -> u64 {
        (self.body_bytes + Self::SUM_BYTES) as u64
    }

    fn sum(item: u32, body: &[u8]) -> Hash {
        hash(&[b"quern item", &item.to_le_bytes(), body])
    }

    /// Hands out what is whole, from the first item on, and says how many there are.
    fn each(&self, items: u32, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<u32> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(files::failed(&self.path, &error).into()),
        };
        let mut file = BufReader::new(file);
        for item in 0..items {
            match self.next(&mut file, item)? {
                Some(record) => take(&record)?,
                None => return Ok(item),
            }
        }
        Ok(items)
    }

    /// The body of the record that comes next, if it is whole and that of this item.
    fn next(&self, file: &mut impl Read, item: u32) -> Result<Option<Vec<u8>>> {
        let mut record = vec![0; self.body_bytes + Self::SUM_BYTES];
        match file.read_exact(&mut record) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(files::failed(&self.path, &error).into()),
        }
        let sum = record.split_off(self.body_bytes);
        Ok((sum == Self::sum(item, &record)).then_some(record))
    }

    /// The body of an item's record, if it is there and whole.
    fn get(&self, item: u32) -> Result<Option<Vec<u8>>> {
        let at = self.record_bytes().saturating_mul(item.into());
        let opened = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(at))?;
            Ok(file)
        });
        match opened {
            Ok(mut file) => self.next(&mut file, item),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(files::failed(&self.path, &error).into()),
        }
    }

    /// Puts records behind those of the first `done` items; what else was there goes.
    fn append(&self, done: u32, bodies: impl Iterator<Item = Vec<u8>>) -> Result<()> {
        let mut bytes = Vec::new();
        for (item, body) in (done..).zip(bodies) {
            bytes.extend_from_slice(&body);
            bytes.extend(Self::sum(item, &body));
        }
        let at = self.record_bytes().saturating_mul(done.into());
        Ok(files::write_from(&self.path, at, &bytes)?)
    }
}

/// The records of a submission's items.
#[derive(Clone, Debug)]
pub struct KeptItems {
    records: Records,
    roots_bytes: usize,
}

impl KeptItems {
    /// Of a submission of this graph, in its folder.
    ///
    /// # Errors
    /// A graph that could not have been sealed.
    pub fn new(folder: &Path, graph: &Graph<'_>) -> Result<Self> {
        let last = graph.op_count().saturating_sub(1);
        let result = graph.output(last).map_err(quern_proof::Error::from)?;
        let roots_bytes = graph.op_count() * size_of::<Hash>();
        let result_bytes = usize::try_from(result.bytes()).unwrap_or(usize::MAX);
        Ok(Self {
            records: Records {
                path: folder.join(ITEMS_FILE),
                body_bytes: roots_bytes.saturating_add(result_bytes),
            },
            roots_bytes,
        })
    }

    /// Length of the file with these items.
    pub const fn bytes(&self, items: u32) -> u64 {
        self.records.record_bytes().saturating_mul(items as u64)
    }

    /// Hands out tree and result of every item that is kept, from the first on, and says how many there are.
    ///
    /// # Errors
    /// `Files`, or what `take` refuses.
    pub fn each(
        &self,
        items: u32,
        mut take: impl FnMut(&ItemTree, &[u8]) -> Result<()>,
    ) -> Result<u32> {
        self.records.each(items, |body| {
            let (tree, result) = self.split(body)?;
            take(&tree, result)
        })
    }

    /// The tree of an item, if it is kept.
    ///
    /// # Errors
    /// `Files`.
    pub fn tree(&self, item: u32) -> Result<Option<ItemTree>> {
        let body = self.records.get(item)?;
        body.map(|body| Ok(self.split(&body)?.0)).transpose()
    }

    fn split<'b>(&self, body: &'b [u8]) -> Result<(ItemTree, &'b [u8])> {
        let (roots, result) = body.split_at(self.roots_bytes);
        Ok((ItemTree::new(roots.as_chunks().0.to_vec())?, result))
    }

    /// Keeps items behind the first `done`.
    ///
    /// # Errors
    /// `Files`, or `DiskFull`.
    pub fn append(&self, done: u32, items: &[ItemTrace]) -> Result<()> {
        let bodies = items.iter().map(|item| {
            let result = item.result().map_or(&[][..], |result| result.data());
            [item.roots().as_flattened(), result].concat()
        });
        self.records.append(done, bodies)
    }

    /// Forgets all of them.
    ///
    /// # Errors
    /// `Files`.
    pub fn remove(&self) -> Result<()> {
        Ok(files::remove(&self.records.path)?)
    }
}

/// The records of the texts of a submission.
#[derive(Clone, Debug)]
pub(crate) struct KeptTexts(Records);

impl KeptTexts {
    /// Texts of this many bytes each.
    pub(crate) fn new(folder: &Path, text_bytes: usize) -> Self {
        Self(Records {
            path: folder.join(TEXTS_FILE),
            body_bytes: text_bytes,
        })
    }

    /// All texts that are kept, one after the other, and how many there are.
    pub(crate) fn read(&self, items: u32) -> Result<(Vec<u8>, u32)> {
        let mut all = Vec::new();
        let count = self.0.each(items, |text| {
            all.extend_from_slice(text);
            Ok(())
        })?;
        Ok((all, count))
    }

    /// Keeps texts behind the first `done`.
    pub(crate) fn append(&self, done: u32, texts: &[Vec<u8>]) -> Result<()> {
        self.0.append(done, texts.iter().cloned())
    }

    pub(crate) fn remove(&self) -> Result<()> {
        Ok(files::remove(&self.0.path)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn texts(folder: &Path) -> KeptTexts {
        KeptTexts::new(folder, 3)
    }

    /// A part of a record, or one that the disk has lost a part of, and everything behind it is made again.
    #[test]
    fn what_is_whole_is_kept_and_what_is_torn_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let kept = texts(folder.path());
        assert_eq!(kept.read(9).unwrap(), (Vec::new(), 0));
        let all: Vec<Vec<u8>> = (0..4).map(|item| vec![item; 3]).collect();
        kept.append(0, &all).unwrap();
        let path = folder.path().join(TEXTS_FILE);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let count = length / 35;
            let read = kept.read(9).unwrap();
            assert_eq!(read, (all[..count].concat(), count as u32));
            kept.append(count as u32, &all[count..]).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(kept.read(9).unwrap().1, (at / 35) as u32);
            let item = (at / 35) as u32;
            assert_eq!(kept.0.get(item).unwrap(), None);
        }
        // No record passes for that of another item.
        std::fs::write(&path, &whole[35..]).unwrap();
        assert_eq!(kept.read(9).unwrap().1, 0);
        kept.remove().unwrap();
        assert_eq!(kept.0.get(0).unwrap(), None);
    }
}
