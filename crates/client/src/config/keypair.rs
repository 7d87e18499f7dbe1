//! Keypair files as `solana-keygen` writes them, and a sentence for every other shape that people have: an export of a wallet,
//! a seed phrase, one half of a keypair. No sentence repeats a part of the file.

use {
    crate::{
        base58,
        errors::{ClientError, Result},
        files::{unread, unwritten},
    },
    serde_json::{Map, Value},
    solana_sdk::{
        pubkey::Pubkey,
        signature::{Keypair, Signer},
    },
    std::{fs, io::ErrorKind, path::Path},
};

/// Bytes of a keypair: the secret half, then the public half.
const BYTES: usize = 64;
/// Bytes of one half.
const HALF: usize = 32;
/// What a file has to hold.
const WANTED: &str =
    "a keypair file is a JSON list of 64 numbers, as `solana-keygen` and `quern keygen` write it";

/// Reads a keypair file as `solana-keygen` writes it: a JSON list of 64 bytes.
///
/// # Errors
/// `Keypair`, which names the file, what it is instead and what to do.
pub fn read_keypair(path: &Path) -> Result<Keypair> {
    let bad = |reason: String| ClientError::Keypair {
        path: path.to_owned(),
        reason,
    };
    match fs::read(path) {
        Ok(bytes) => parse_keypair(bytes).map_err(bad),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(bad(missing(path))),
        Err(_) if path.is_dir() => {
            Err(bad("it is a folder; name the keypair file in it".to_owned()))
        }
        Err(error) => Err(bad(format!(
            "{}; correct that or name another with --keypair",
            unread(path, &error)
        ))),
    }
}

/// What to do about a file that is not there.
fn missing(path: &Path) -> String {
    let text = path.to_string_lossy();
    let drive = text.as_bytes().get(1) == Some(&b':') && text.contains('\\');
    if drive && cfg!(unix) {
        return "it is a path of Windows, and this system has no drives; write the path as it is here (under WSL /mnt/c/…)".to_owned();
    }
    if text.contains('$') || text.contains('%') || text.starts_with('~') {
        return "there is no such file: only ~, $HOME and %USERPROFILE% in front are replaced; write the path out".to_owned();
    }
    // A relative path means another file in another folder.
    let place = match std::env::current_dir() {
        Ok(here) if path.is_relative() => format!(" (looked for from {})", here.display()),
        _ => String::new(),
    };
    format!(
        "there is no such file{place}; create one with `solana-keygen new` or `quern keygen`, or name another with --keypair"
    )
}

/// A keypair from the text of a keypair file.
///
/// # Errors
/// What it is instead and what to do, never a part of the text itself.
pub fn parse_keypair(file: impl AsRef<[u8]>) -> std::result::Result<Keypair, String> {
    let text = text_of(file.as_ref())?.trim();
    let numbers = match serde_json::from_str(text) {
        Ok(Value::Array(list)) => bytes_of(&list)?,
        Ok(Value::String(text)) => return Err(no_list(&text)),
        Ok(Value::Object(fields)) => return Err(object(&fields)),
        Ok(_) => return Err(format!("it is a single JSON value; {WANTED}")),
        Err(_) => return Err(no_json(text)),
    };
    keypair(&numbers)
}

/// The text in a file, if it is UTF-8 without a mark.
fn text_of(file: &[u8]) -> std::result::Result<&str, String> {
    let is_blank = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_whitespace);
    let why = match file {
        _ if is_blank(file) => format!("it is empty; {WANTED}"),
        _ if file.iter().all(|byte| *byte == 0) => {
            "it holds zero bytes only, as a disk leaves them after a crash; restore it from a copy"
                .to_owned()
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, ..] | [0, _, 0, _, ..] => {
            "it is text in UTF-16, as PowerShell writes it; save it as UTF-8 without a byte order mark".to_owned()
        }
        [0xef, 0xbb, 0xbf, ..] => {
            "it begins with a byte order mark (BOM); save it as UTF-8 without one".to_owned()
        }
        _ => match std::str::from_utf8(file) {
            Ok(text) => return Ok(text),
            Err(_) if file.len() == BYTES || file.len() == HALF => {
                format!("it holds raw bytes; {WANTED}")
            }
            Err(_) => format!("it is no text; {WANTED}"),
        },
    };
    Err(why)
}

/// The bytes that a list holds.
fn bytes_of(list: &[Value]) -> std::result::Result<Vec<u8>, String> {
    let has = |is: fn(&Value) -> bool| list.iter().any(is);
    let why = if has(Value::is_array) || has(Value::is_object) {
        "it is a list of lists or objects; put each keypair into a file of its own"
    } else if has(Value::is_string) {
        match list.iter().all(|item| item.as_str().is_some_and(is_word)) {
            true => return Err(seed_phrase()),
            false => "its numbers stand in quotes; write them without",
        }
    } else if has(Value::is_f64) {
        "its numbers have decimal points; write whole numbers from 0 to 255"
    } else if has(|item| item.as_i64().is_some_and(i64::is_negative)) {
        "it has negative numbers, bytes with a sign as Java writes them; add 256 to each of them"
    } else if has(|item| item.as_u64().is_none_or(|number| number > 255)) {
        "it holds something else than numbers from 0 to 255; it is damaged or no keypair file"
    } else {
        let byte = |item: &Value| item.as_u64().and_then(|number| u8::try_from(number).ok());
        return Ok(list.iter().filter_map(byte).collect());
    };
    Err(why.to_owned())
}

/// A keypair from its bytes, if both halves are there and belong together.
fn keypair(bytes: &[u8]) -> std::result::Result<Keypair, String> {
    if bytes.len() == HALF {
        let point = <[u8; HALF]>::try_from(bytes).map(Pubkey::from);
        return Err(match point.is_ok_and(|point| point.is_on_curve()) {
            true => "it holds 32 bytes instead of 64: one half of a keypair, an address alone or a seed alone; an address cannot sign, and a seed needs its public half behind it".to_owned(),
            false => "it holds 32 bytes instead of 64: the secret half (the seed) of a keypair alone; its public half must stand behind it".to_owned(),
        });
    }
    if bytes.len() == 2 * BYTES {
        return Err("it holds 128 bytes: two keypairs; put each into a file of its own".to_owned());
    }
    let Ok(both) = <[u8; BYTES]>::try_from(bytes) else {
        return Err(format!(
            "it holds {} bytes instead of 64; it is cut off or no keypair file",
            bytes.len()
        ));
    };
    if both.iter().all(|byte| *byte == 0) {
        return Err("all its bytes are zero; restore it from a copy".to_owned());
    }
    let (secret, public) = both.split_at(HALF);
    Keypair::try_from(both.as_slice()).map_err(|_| {
        let starts = |seed: &[u8]| <[u8; HALF]>::try_from(seed).map(Keypair::new_from_array);
        match starts(public).is_ok_and(|keypair| keypair.pubkey().as_ref() == secret) {
            true => "its halves are swapped: the secret half comes first".to_owned(),
            false => "its public half does not belong to its secret half; it is damaged or mixes two keypairs, so restore it from a copy".to_owned(),
        }
    })
}

/// What an object is that holds a keypair somewhere.
fn object(fields: &Map<String, Value>) -> String {
    /// Names under which programs keep the bytes.
    const NAMES: [&str; 8] = [
        "secretKey",
        "secret_key",
        "privateKey",
        "private_key",
        "keypair",
        "secret",
        "data",
        "_keypair",
    ];
    if fields.contains_key("0") {
        return "it is a Uint8Array that was written as an object; write `JSON.stringify(Array.from(key))` instead".to_owned();
    }
    let is_encrypted = ["crypto", "cipher", "ciphertext", "kdf", "encrypted"];
    if is_encrypted.iter().any(|name| fields.contains_key(*name)) {
        return format!(
            "it is an encrypted store of a wallet; export the keypair from there; {WANTED}"
        );
    }
    match NAMES.iter().find(|name| fields.contains_key(**name)) {
        Some(name) => format!(
            "it is a JSON object around the keypair; write what stands in its field `{name}` alone, as a list of 64 numbers"
        ),
        None => format!("it is a JSON object; {WANTED}"),
    }
}

/// What a text is that is no JSON at all.
fn no_json(text: &str) -> String {
    let is_mark = |line: &str| {
        ["//", "#", "/*", ";"]
            .iter()
            .any(|mark| line.starts_with(mark))
    };
    // A text whose first line that is no comment begins a list; a title of Markdown looks like a comment, too.
    let mut lines = text.lines().skip_while(|line| is_mark(line.trim()));
    if is_mark(text)
        && lines
            .next()
            .is_some_and(|line| line.trim().starts_with('['))
    {
        return format!("it begins with a comment, which JSON has not; remove it; {WANTED}");
    }
    if let Some(list) = text.strip_prefix('[') {
        return broken_list(text, list);
    }
    match text.chars().next() {
        Some('{') => format!("it is no JSON list but an object that breaks off; {WANTED}"),
        Some('<') => format!("it is a web page; {WANTED}"),
        Some('"') => format!("it is no JSON list but a text that breaks off; {WANTED}"),
        _ if text.starts_with("-----BEGIN") => {
            format!("it is a key in PEM, of OpenSSL or SSH; {WANTED}")
        }
        _ => no_list(text),
    }
}

/// Why a list cannot be read.
fn broken_list(text: &str, list: &str) -> String {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    if let Some(Ok(_)) = values.next() {
        return match values.next() {
            Some(Ok(_)) => {
                "it holds two keypairs, one behind the other; put each into a file of its own"
            }
            _ => "something stands behind its list; remove it",
        }
        .to_owned();
    }
    let why = if !list.contains(']') {
        "its list breaks off; restore it from a copy"
    } else if list.trim_end_matches(']').trim_end().ends_with(',') {
        "a comma stands before the closing bracket; remove it"
    } else if ["//", "/*", "#"].iter().any(|mark| list.contains(mark)) {
        "it holds a comment, which JSON has not; remove it"
    } else if list.contains("0x") {
        "its numbers are hexadecimal; write decimal ones"
    } else if !list.contains(',') {
        "its numbers have no commas between them; put one behind each"
    } else {
        "its list is no JSON; correct or restore it"
    };
    format!("{why}; {WANTED}")
}

/// What a text is that is no list: keys of other wallets are texts.
fn no_list(text: &str) -> String {
    let text = text.trim();
    let is_hex = text
        .trim_start_matches("0x")
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit());
    let digits = text.trim_start_matches("0x").len();
    let decoded = (text.len() <= 100).then(|| base58::decode(text)).flatten();
    let words: Vec<&str> = text.split_whitespace().collect();
    if is_hex && [2 * BYTES, 2 * HALF].contains(&digits) {
        return format!("it is a key in hexadecimal digits; {WANTED}");
    }
    if words.len() >= 12 && words.iter().all(|word| is_word(word)) {
        return seed_phrase();
    }
    match decoded.map(|bytes| bytes.len()) {
        Some(BYTES) => format!(
            "it is a keypair in base58, as Phantom and other wallets export it; write its 64 bytes as numbers; {WANTED}"
        ),
        Some(HALF) => {
            format!("it is an address (or a seed) in base58, and an address cannot sign; {WANTED}")
        }
        _ if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(',') => {
            format!("its list has no brackets; {WANTED}")
        }
        _ if text.len() == 88 && text.ends_with('=') => format!("it is a key in base64; {WANTED}"),
        _ if text.starts_with('#') || words.len() > 1 => {
            format!("it looks like a text in words, no JSON list; {WANTED}")
        }
        _ => format!("it is no JSON list; {WANTED}"),
    }
}

fn is_word(text: &str) -> bool {
    (2..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn seed_phrase() -> String {
    "it is a seed phrase; `solana-keygen recover -o FILE` makes a keypair file of it".to_owned()
}

/// Writes a new keypair file that only its owner can read; refuses to overwrite.
///
/// # Errors
/// `Keypair` if the file exists or cannot be written.
pub fn write_keypair(path: &Path, keypair: &Keypair) -> Result<()> {
    use std::io::Write;
    let bad = |reason: String| ClientError::Keypair {
        path: path.to_owned(),
        reason,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| bad(unwritten(folder, &error)))?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .map_err(|error| bad(unwritten(path, &error)))?;
    let text = serde_json::to_string(&keypair.to_bytes().to_vec())
        .map_err(|error| bad(error.to_string()))?;
    file.write_all(text.as_bytes())
        .map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A keypair for these tests only.
    fn sample() -> Keypair {
        Keypair::new_from_array([7; HALF])
    }

    fn list(bytes: &[u8]) -> String {
        format!("{bytes:?}")
    }

    #[test]
    fn keypair_files_round_trip_and_never_overwrite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/id.json");
        let keypair = Keypair::new();
        write_keypair(&path, &keypair).unwrap();
        assert_eq!(read_keypair(&path).unwrap().pubkey(), keypair.pubkey());
        assert!(write_keypair(&path, &keypair).is_err());
    }

    #[test]
    fn every_way_to_write_the_list_is_read() {
        let plain = list(&sample().to_bytes());
        for text in [
            plain.clone(),
            format!("{plain}\n"),
            format!("\r\n{plain}\r\n"),
            plain.replace(", ", ","),
            plain.replace(", ", ",\n  "),
        ] {
            assert_eq!(parse_keypair(text).unwrap().pubkey(), sample().pubkey());
        }
    }

    /// Every other shape, and the words that name it.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, one row a case")]
    fn every_wrong_shape_is_named_without_the_secret() {
        let both = sample().to_bytes();
        let (plain, seed, public) = (list(&both), &both[..HALF], &both[HALF..]);
        let base58 = sample().to_base58_string();
        let hex: String = both.iter().map(|byte| format!("{byte:02x}")).collect();
        let signed: Vec<i8> = both.iter().map(|byte| *byte as i8).collect();
        let floats: Vec<f64> = both.iter().map(|byte| f64::from(*byte)).collect();
        let indexed = |(index, byte)| format!("\"{index}\": {byte}");
        let object: Vec<String> = both.iter().enumerate().map(indexed).collect();
        let quoted: Vec<String> = both.iter().map(u8::to_string).collect();
        let mnemonic = "abandon ".repeat(11) + "about";
        let words: Vec<&str> = mnemonic.split(' ').collect();
        let mixed = [seed, &[9; HALF][..]].concat();
        let swapped = [public, seed].concat();
        let shapes: Vec<(String, &str)> = vec![
            (String::new(), "empty"),
            (" \n".to_owned(), "empty"),
            ("\0".repeat(228), "zero bytes"),
            (format!("\u{feff}{plain}"), "byte order mark"),
            (format!("\"{base58}\""), "base58, as Phantom"),
            (base58.clone(), "base58, as Phantom"),
            (sample().pubkey().to_string(), "an address"),
            (format!("\"{hex}\""), "hexadecimal"),
            (format!("0x{hex}"), "hexadecimal"),
            (mnemonic.clone(), "seed phrase"),
            (format!("\"{mnemonic}\""), "seed phrase"),
            (format!("{words:?}"), "seed phrase"),
            (
                format!("{{\"publicKey\": \"x\", \"secretKey\": {plain}}}"),
                "field `secretKey`",
            ),
            (
                format!("{{\"type\": \"Buffer\", \"data\": {plain}}}"),
                "field `data`",
            ),
            (format!("{{{}}}", object.join(", ")), "Uint8Array"),
            ("{\"crypto\": {}}".to_owned(), "encrypted"),
            ("{\"a\": 1}".to_owned(), "JSON object"),
            ("{\"a\":".to_owned(), "no JSON list"),
            (format!("{plain}{plain}"), "two keypairs"),
            (format!("{plain}\n{plain}\n"), "two keypairs"),
            (list(&[both, both].concat()), "two keypairs"),
            (format!("[{plain}, {plain}]"), "list of lists"),
            (format!("{plain} mine"), "behind its list"),
            (plain.replace(']', ",]"), "comma"),
            (format!("// mine\n{plain}"), "comment"),
            (plain.replace(']', "] // mine"), "behind its list"),
            (plain.replacen(',', ", // seed\n", 1), "comment"),
            (plain[..100].to_owned(), "breaks off"),
            (plain.replace(',', ""), "no commas"),
            (plain.trim_matches(['[', ']']).to_owned(), "no brackets"),
            (plain.replacen('7', "0x07", 1), "hexadecimal"),
            (list(seed), "32 bytes"),
            (list(public), "32 bytes"),
            (list(&both[..63]), "63 bytes instead of 64"),
            ("[]".to_owned(), "0 bytes instead of 64"),
            (list(&[0; BYTES]), "all its bytes are zero"),
            (list(&mixed), "public half"),
            (list(&swapped), "swapped"),
            (format!("{signed:?}"), "negative"),
            (format!("{floats:?}"), "decimal points"),
            (format!("{quoted:?}"), "in quotes"),
            (plain.replacen('7', "256", 1), "0 to 255"),
            (plain.replacen('7', "null", 1), "0 to 255"),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), "PEM"),
            ("<!DOCTYPE html>".to_owned(), "web page"),
            ("5".to_owned(), "single JSON value"),
            ("no".to_owned(), "no JSON list"),
            (
                "# Quern\n\nEscrow and proofs.\n".to_owned(),
                "a text in words",
            ),
            ("# pip\nnumpy\n".to_owned(), "a text in words"),
            ("Dear diary".to_owned(), "a text in words"),
        ];
        for (text, part) in shapes {
            let why = parse_keypair(&text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
            assert!(!why.contains(&base58) && !why.contains("abandon"), "{why}");
        }
        let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xff, 0xfe][..], &utf16].concat();
        for (bytes, part) in [
            (&marked[..], "UTF-16"),
            (&utf16, "UTF-16"),
            (&[0xfc; 64], "raw bytes"),
            (&[0xfc; 5], "no text"),
        ] {
            let why = parse_keypair(bytes).unwrap_err();
            assert!(why.contains(part), "{bytes:?}: {why}");
        }
    }

    #[test]
    fn what_is_not_there_says_why_it_may_be_so() {
        let why = |path: &str| read_keypair(Path::new(path)).unwrap_err().to_string();
        assert!(
            why("/nowhere/id.json")
                .contains("there is no such file; create one with `solana-keygen new`")
        );
        assert!(why("nowhere/id.json").contains("there is no such file (looked for from /"));
        assert!(why("$WALLETS/id.json").contains("write the path out"));
        assert!(why("~other/id.json").contains("write the path out"));
        #[cfg(unix)]
        assert!(why(r"C:\Users\me\id.json").contains("Windows"));
        assert!(why("/").contains("folder"));
    }
}
