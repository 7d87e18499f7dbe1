//! Numbers as the documents show them, and the tables in the documents that tests keep true.

use std::{env, fs, path::PathBuf};

/// A file of the repository.
pub fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(file)
}

/// Its text.
pub fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap()
}

/// Fails unless the document holds exactly this between `<!-- mark: begin -->` and `<!-- mark: end -->`. With
/// `QUERN_WRITE_TABLES` set it is written there instead.
pub fn assert_table(file: &str, mark: &str, computed: &str) {
    println!("{computed}");
    let text = read(file);
    let (begin, end) = (
        format!("<!-- {mark}: begin -->\n"),
        format!("<!-- {mark}: end -->"),
    );
    let (head, rest) = text.split_once(&begin).expect("the document has the mark");
    let (written, tail) = rest.split_once(&end).expect("the document has the mark");
    if env::var_os("QUERN_WRITE_TABLES").is_some() && written != computed {
        let text = format!("{head}{begin}{computed}{end}{tail}");
        fs::write(path(file), text).unwrap();
        return;
    }
    assert!(
        written == computed,
        "{file} says something else between the marks `{mark}` than what was computed now; run this test with \
         QUERN_WRITE_TABLES=1 and read the difference:\n{computed}"
    );
}

/// A probability, rounded up to a tenth of a percent.
pub fn percent(bps: i128) -> String {
    let tenths = (bps + 9) / 10;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A count with commas.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Lamports in SOL, rounded up to three digits behind the point.
pub fn sol(lamports: u128) -> String {
    let milli = lamports.div_ceil(1_000_000);
    format!("{}.{:03}", thousands((milli / 1_000) as u64), milli % 1_000)
}

/// Seconds in hours, rounded up to a tenth.
pub fn hours(secs: i64) -> String {
    let tenths = (secs + 359) / 360;
    match tenths % 10 {
        0 => format!("{} h", tenths / 10),
        part => format!("{}.{part} h", tenths / 10),
    }
}
