//! Texts to the two inputs of an encoder: ids and mask, one row an item.
//!
//! Tokenizing is the client's business: a job commits to the ids, and what is refereed begins there.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use quern_proof::Tensor;
use tokenizers::PostProcessor;

use crate::{Error, Result};

/// The tokenizer of a model, for graphs of one sequence length.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The same without an end, for counting; made when it is needed.
    whole: Arc<OnceLock<tokenizers::Tokenizer>>,
    pad: u32,
    sequence: usize,
}

/// Texts as a graph reads them.
#[derive(Clone, Debug)]
pub struct Tokenized {
    /// Token ids, i32, one row a text, padded.
    pub ids: Tensor,
    /// 1 where there is a token, i8, one row a text.
    pub mask: Tensor,
    /// Which texts were longer than the sequence and lost their end, from 0.
    pub shortened: Vec<usize>,
}

/// The shortest sequence: a first, a last and one token between.
pub const LEAST_SEQUENCE: usize = 3;

#[allow(clippy::needless_pass_by_value)]
fn fail(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}

/// What the library makes. A file of strangers may name rules on which it panics (tables of characters that lead out of
/// themselves); it keeps no state between calls that this could break.
fn guarded<T>(make: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(made) => made.map_err(fail),
        Err(_) => Err(Error::Tokenizer("its rules make no sense".into())),
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json` for sequences of this many tokens.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], [`Error::Sequence`].
    pub fn new(json: &[u8], sequence: usize) -> Result<Self> {
        let inner = guarded(|| tokenizers::Tokenizer::from_bytes(json))?;
        Self::with(inner, sequence)
    }

    fn with(mut inner: tokenizers::Tokenizer, sequence: usize) -> Result<Self> {
        let most = quern_proof::limits::MAX_WIDTH as usize;
        if !(LEAST_SEQUENCE..=most).contains(&sequence) {
            return Err(Error::Sequence {
                wanted: sequence,
                least: LEAST_SEQUENCE,
                most,
            });
        }
        let special = inner
            .get_post_processor()
            .map_or(0, |processor| PostProcessor::added_tokens(processor, false));
        if special >= sequence {
            return Err(Error::Tokenizer(format!(
                "it adds {special} tokens to a text of {sequence}"
            )));
        }
        let pad = match inner.get_padding() {
            Some(padding) => padding.pad_id,
            None => inner.token_to_id("[PAD]").unwrap_or(0),
        };
        let mut truncation = inner.get_truncation().cloned().unwrap_or_default();
        truncation.max_length = sequence;
        truncation.stride = 0;
        inner.with_padding(None);
        inner.with_truncation(Some(truncation)).map_err(fail)?;
        Ok(Self {
            inner,
            whole: Arc::default(),
            pad,
            sequence,
        })
    }

    /// The same tokenizer for another length.
    ///
    /// # Errors
    /// As [`Tokenizer::new`].
    pub fn resized(&self, sequence: usize) -> Result<Self> {
        let pad = self.pad;
        let resized = Self::with(self.inner.clone(), sequence)?;
        Ok(Self { pad, ..resized })
    }

    /// Tokens of a row.
    pub const fn sequence(&self) -> usize {
        self.sequence
    }

    /// The ids of a text without padding, and whether it lost its end.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn ids(&self, text: &str) -> Result<(Vec<u32>, bool)> {
        let encoding = guarded(|| self.inner.encode(text, true))?;
        let is_shortened = !encoding.get_overflowing().is_empty();
        Ok((encoding.get_ids().to_vec(), is_shortened))
    }

    /// The inputs for these texts, one item each, in order.
    ///
    /// # Errors
    /// No texts, or the tokenizer failed.
    pub fn tokenize(&self, texts: &[impl AsRef<str>]) -> Result<Tokenized> {
        let mut rows = Vec::with_capacity(texts.len());
        let mut shortened = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let (ids, is_shortened) = self.ids(text.as_ref())?;
            if is_shortened {
                shortened.push(at);
            }
            rows.push(ids);
        }
        let (ids, mask) = padded(&rows, self.sequence, self.pad)?;
        Ok(Tokenized {
            ids,
            mask,
            shortened,
        })
    }

    /// Tokens of a whole text, the special ones included, whatever the sequence holds.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn count(&self, text: &str) -> Result<usize> {
        let whole = match self.whole.get() {
            Some(whole) => whole,
            None => {
                let mut whole = self.inner.clone();
                whole.with_truncation(None).map_err(fail)?;
                self.whole.get_or_init(|| whole)
            }
        };
        Ok(guarded(|| whole.encode(text, true))?.len())
    }

    /// The inputs for rows of ids, one item each, in order: ids (i32) and mask (i8), padded.
    ///
    /// # Errors
    /// No rows, or more of them than a tensor holds.
    pub fn inputs(&self, rows: &[&[u32]]) -> Result<[Tensor; 2]> {
        let (ids, mask) = padded(rows, self.sequence, self.pad)?;
        Ok([ids, mask])
    }

    /// How many tokens there are: each id is below this.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Token that stands where a row has none.
    pub const fn pad(&self) -> u32 {
        self.pad
    }
}

/// The inputs of rows of ids, each at most `sequence` long.
///
/// # Errors
/// No rows, too many of them, or an id that i32 does not hold.
pub(crate) fn padded(
    rows: &[impl AsRef<[u32]>],
    sequence: usize,
    pad: u32,
) -> Result<(Tensor, Tensor)> {
    let mut ids = Vec::with_capacity(rows.len() * sequence);
    let mut mask = Vec::with_capacity(rows.len() * sequence);
    for row in rows.iter().map(AsRef::as_ref) {
        for place in 0..sequence {
            let id = row.get(place).copied().unwrap_or(pad);
            let beyond = |_| Error::Tokenizer(format!("token {id} is beyond every vocabulary"));
            ids.push(i32::try_from(id).map_err(beyond)?);
            mask.push(i8::from(place < row.len()));
        }
    }
    let (count, cols) = (rows.len() as u32, sequence as u32);
    Ok((
        Tensor::from_i32(count, cols, &ids)?,
        Tensor::from_i8(count, cols, &mask)?,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// BERT's pieces with six words.
    const JSON: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
        "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
        "pre_tokenizer":{"type":"BertPreTokenizer"},
        "post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},"decoder":null,
        "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
        "vocab":{"[PAD]":0,"[CLS]":1,"[SEP]":2,"[UNK]":3,"a":4,"mill":5,"##er":6,"grinds":7}}}"###;

    #[test]
    fn rows_are_padded_masked_and_shortened() {
        let tokenizer = Tokenizer::new(JSON.as_bytes(), 5).unwrap();
        let all = tokenizer
            .tokenize(&["A miller", "a a a mill grinds", "Ä quern"])
            .unwrap();
        assert_eq!(
            all.ids.to_i32().unwrap(),
            [1, 4, 5, 6, 2, 1, 4, 4, 4, 2, 1, 4, 3, 2, 0]
        );
        assert_eq!(
            all.mask.to_i8().unwrap(),
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]
        );
        assert_eq!(all.shortened, [1]);
    }

    #[test]
    fn tokens_are_counted_beyond_the_sequence() {
        for sequence in [3, 5, 16, 64] {
            let tokenizer = Tokenizer::new(JSON.as_bytes(), sequence).unwrap();
            for words in [0, 1, 14, 15, 20, 100] {
                let found = tokenizer.count(&"a ".repeat(words)).unwrap();
                assert_eq!(found, words + 2, "{sequence} {words}");
            }
        }
    }

    /// Files of strangers: each is a sentence, never a panic.
    #[test]
    fn hostile_rules_are_refused() {
        let with = |from: &str, to: &str| {
            let json = JSON.replace(from, to);
            assert_ne!(json, JSON);
            let tokenizer = Tokenizer::new(json.as_bytes(), 5)?;
            tokenizer.count("a mill")?;
            tokenizer.tokenize(&["a mill", "grinds"])
        };
        // More special tokens than a text has room for.
        let clause = r#"{"SpecialToken":{"id":"[CLS]","type_id":0}}"#;
        let many = format!(
            r#""post_processor":{{"type":"TemplateProcessing","single":[{}],"pair":[],"special_tokens":{{"[CLS]":{{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]}}}}}}"#,
            [clause; 9].join(",")
        );
        let post =
            r#""post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]}"#;
        let refused = with(post, &many).unwrap_err().to_string();
        assert!(refused.contains("adds 9 tokens"), "{refused}");
        // A table of characters whose steps lead out of it: length 4, and one unit.
        let normalizer = r###""normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}"###;
        for table in ["", "AAAA", "BAAAAP////8=", "BAAAAP///38="] {
            let table = format!(
                r#""normalizer":{{"type":"Precompiled","precompiled_charsmap":"{table}"}}"#
            );
            let _ = with(normalizer, &table);
        }
        let refused = with(
            r#""max_input_chars_per_word":100"#,
            r#""max_input_chars_per_word":-1"#,
        );
        assert!(refused.is_err());
        // Ids beyond i32.
        let refused = with(r###""[SEP]",2]"###, r###""[SEP]",4294967295]"###).unwrap_err();
        assert!(refused.to_string().contains("4294967295"), "{refused}");
        let pad = r#""padding":{"strategy":"BatchLongest","direction":"Right","pad_to_multiple_of":null,"pad_id":3000000000,"pad_type_id":0,"pad_token":"x"}"#;
        assert!(with(r#""padding":null"#, pad).is_err());
        // Lists within lists.
        let deep = format!(
            r#""decoder":{}{}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(with(r#""decoder":null"#, &deep).is_err());
    }

    #[test]
    fn bad_lengths_and_files_are_refused() {
        assert!(Tokenizer::new(JSON.as_bytes(), 2).is_err());
        assert!(Tokenizer::new(JSON.as_bytes(), 8_193).is_err());
        assert!(Tokenizer::new(b"{}", 32).is_err());
        let tokenizer = Tokenizer::new(JSON.as_bytes(), 8).unwrap();
        assert!(tokenizer.tokenize(&[] as &[&str]).is_err());
    }
}
