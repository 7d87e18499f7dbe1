//! What the chain computes is what a host computes: every function of `quern-proof` that a judgement calls, on bytecode (the
//! probe, built with the product's tools and flags), natively and, for the arithmetic, by a third way that knows no trick.
//!
//! 100,000 vectors a function by default; `QUERN_BYTECODE_VECTORS=10000000` for more, `QUERN_BYTECODE_SEED` for others.

use {
    litesvm::LiteSVM,
    quern_probe::{HEAD_BYTES, op},
    quern_proof::{
        hash::{self, Tag},
        limits::{MAX_ARGMAX_COLS, MAX_INNER, MAX_SHIFT},
        ops::{add, argmax, lut, product, qlinear},
        path,
        shape::DType,
    },
    quern_testkit::svm::{Rng, actor},
    solana_sdk::{
        account::Account,
        instruction::{AccountMeta, Instruction},
        message::{Message, VersionedMessage},
        pubkey::Pubkey,
        signature::Signature,
        transaction::VersionedTransaction,
    },
    std::{env, path::PathBuf},
};

const COMPUTE_BUDGET: Pubkey = solana_sdk::pubkey!("ComputeBudget111111111111111111111111111111");
const PROBE: Pubkey = Pubkey::new_from_array([0x9b; 32]);
const RECORDS: Pubkey = Pubkey::new_from_array([0x9c; 32]);

/// Bytes of a row that is expensive enough to be tested a few times only.
const LONG: usize = MAX_INNER as usize;

/// Lengths of rows at which the packed kernel, the leaves and the compiler's loops turn.
const LENGTHS: [usize; 22] = [
    1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 15, 16, 17, 24, 31, 32, 33, 63, 64, 65, 127, 129,
];

/// The probe in a virtual machine, and records that wait to be run.
struct Probe {
    svm: LiteSVM,
    records: Vec<u8>,
    expected: Vec<Vec<u8>>,
    /// A bound of what the waiting records cost.
    compute_units: usize,
    sent: u64,
    vectors: usize,
}

impl Probe {
    fn new() -> Self {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/deploy/quern_probe.so");
        let elf = std::fs::read(&path).unwrap_or_else(|error| {
            panic!(
                "{} cannot be read ({error}): run `cargo xtask test program bytecode`",
                path.display()
            )
        });
        let mut svm = LiteSVM::new()
            .with_sigverify(false)
            .with_blockhash_check(false)
            .with_transaction_history(0);
        svm.add_program(PROBE, &elf)
            .unwrap_or_else(|error| panic!("{} does not load: {error:?}", path.display()));
        // A program is invisible in the slot of its own deployment.
        svm.warp_to_slot(1_000);
        svm.airdrop(&actor("payer"), 1_000_000_000_000).unwrap();
        Self {
            svm,
            records: Vec::new(),
            expected: Vec::new(),
            compute_units: 0,
            sent: 0,
            vectors: 0,
        }
    }

    /// Adds a record that stands for so many vectors.
    fn add(&mut self, op: u8, input: &[u8], expected: &[u8], vectors: usize) {
        // Two units a byte cover the slowest of them (ARGMAX), 2,000 a record the calls, hashes and requantisation.
        let cost = 2_000 + 6 * input.len();
        if self.compute_units + cost > 1_300_000 {
            self.run();
        }
        self.compute_units += cost;
        self.records
            .extend(u32::try_from(input.len()).unwrap().to_le_bytes());
        self.records.push(op);
        // What no function returns, so that a result that was not written is seen.
        self.records.extend([0xee; 32]);
        self.records.extend(input);
        self.expected.push(expected.to_vec());
        self.vectors += vectors;
    }

    /// Runs what waits and compares.
    fn run(&mut self) {
        self.compute_units = 0;
        let sent = std::mem::take(&mut self.records);
        match self.send(sent.clone()) {
            Ok(after) => compare(&sent, &after, &std::mem::take(&mut self.expected)),
            Err(error) => panic!("the probe failed: {error}"),
        }
    }

    /// Runs records as they are; the account's data after.
    fn send(&mut self, records: Vec<u8>) -> Result<Vec<u8>, String> {
        let account = Account {
            lamports: 1_000_000_000_000,
            data: records,
            owner: PROBE,
            ..Account::default()
        };
        self.svm.set_account(RECORDS, account).unwrap();
        let mut limit = vec![2];
        limit.extend(1_400_000u32.to_le_bytes());
        let instructions = [
            Instruction {
                program_id: COMPUTE_BUDGET,
                accounts: Vec::new(),
                data: limit,
            },
            Instruction {
                program_id: PROBE,
                accounts: vec![AccountMeta::new(RECORDS, false)],
                data: Vec::new(),
            },
        ];
        let blockhash = self.svm.latest_blockhash();
        let message = Message::new_with_blockhash(&instructions, Some(&actor("payer")), &blockhash);
        self.sent += 1;
        let mut signature = [0; 64];
        signature[..8].copy_from_slice(&self.sent.to_le_bytes());
        let transaction = VersionedTransaction {
            signatures: vec![Signature::from(signature)],
            message: VersionedMessage::Legacy(message),
        };
        match self.svm.send_transaction(transaction) {
            Ok(_) => Ok(self.svm.get_account(&RECORDS).unwrap().data),
            Err(failed) => Err(format!("{:?} {:#?}", failed.err, failed.meta.logs)),
        }
    }

    /// Runs the rest; how many vectors there were must not have shrunk.
    fn finish(mut self, what: &str, least: usize) {
        self.run();
        println!("{what}: bytecode = native on {} vectors", self.vectors);
        assert!(self.vectors >= least, "{what}: {} vectors", self.vectors);
    }
}

/// Every record's result is the expected one, and nothing else changed.
fn compare(sent: &[u8], after: &[u8], expected: &[Vec<u8>]) {
    assert_eq!(sent.len(), after.len());
    let mut at = 0;
    for expected in expected {
        let length = u32::from_le_bytes(sent[at..at + 4].try_into().unwrap()) as usize;
        let input = at + HEAD_BYTES..at + HEAD_BYTES + length;
        let mut result = [0; 32];
        result[..expected.len()].copy_from_slice(expected);
        assert_eq!(
            after[at + 5..at + HEAD_BYTES],
            result,
            "function {} of {:?}",
            sent[at + 4],
            &sent[input.clone()][..length.min(400)]
        );
        assert!(
            sent[at..at + 5] == after[at..at + 5] && sent[input.clone()] == after[input.clone()]
        );
        at = input.end;
    }
    assert_eq!(at, sent.len());
}

fn vectors() -> usize {
    match env::var("QUERN_BYTECODE_VECTORS") {
        Ok(count) => count.parse().expect("QUERN_BYTECODE_VECTORS is a number"),
        Err(_) => 100_000,
    }
}

fn rng(what: u64) -> Rng {
    let seed = match env::var("QUERN_BYTECODE_SEED") {
        Ok(seed) => seed.parse().expect("QUERN_BYTECODE_SEED is a number"),
        Err(_) => 7,
    };
    Rng::new(seed * 1_000 + what)
}

fn byte(rng: &mut Rng) -> u8 {
    match rng.below(3) {
        0 => *rng.pick(&[0x80, 0x81, 0xff, 0, 1, 0x7e, 0x7f]),
        _ => rng.bits() as u8,
    }
}

/// A row: of anything, or of one value throughout.
fn row(rng: &mut Rng, length: usize) -> Vec<u8> {
    match rng.below(8) {
        0 => vec![0x80; length],
        1 => vec![byte(rng); length],
        _ => (0..length).map(|_| byte(rng)).collect(),
    }
}

/// Length of the `n`-th pair of rows: mostly short, now and then as long as the design allows.
fn length(rng: &mut Rng, n: usize) -> usize {
    match n {
        0..8 => LONG,
        8..12 => LONG - 1,
        12..16 => LONG - 9,
        16..40 => 1_000 + rng.below(3_200) as usize,
        _ if rng.once_in(8) => *rng.pick(&LENGTHS),
        _ => 1 + rng.below(40) as usize,
    }
}

fn int(rng: &mut Rng) -> i32 {
    match rng.below(4) {
        0 => *rng.pick(&[
            i32::MIN,
            i32::MIN + 1,
            -3,
            -2,
            -1,
            0,
            1,
            2,
            3,
            i32::MAX - 1,
            i32::MAX,
        ]),
        1 => (rng.bits() as i32) >> rng.below(31),
        _ => rng.bits() as i32,
    }
}

/// A sum of products that rows may have.
fn sum(rng: &mut Rng) -> i32 {
    match rng.below(4) {
        0 => *rng.pick(&[
            -(1 << 29),
            1 - (1 << 29),
            -2,
            -1,
            0,
            1,
            2,
            (1 << 29) - 1,
            1 << 29,
        ]),
        1 => ((rng.bits() as i32) >> 2) >> rng.below(28),
        _ => (rng.bits() as i32) >> 2,
    }
}

/// shift, lo, hi, bias, mult.
fn scale(rng: &mut Rng) -> (u8, i8, i8, i32, i32) {
    let shift = match rng.below(4) {
        0 => *rng.pick(&[1, 2, 31, 32, 33, MAX_SHIFT - 1, MAX_SHIFT]),
        _ => rng.between(1, MAX_SHIFT.into()) as u8,
    };
    let (x, y) = match rng.below(4) {
        0 => (i8::MIN, i8::MAX),
        1 => (0, i8::MAX),
        2 => (byte(rng) as i8, byte(rng) as i8),
        _ => {
            let one = byte(rng) as i8;
            (one, one)
        }
    };
    (shift, x.min(y), x.max(y), int(rng), int(rng))
}

fn scale_bytes((shift, lo, hi, bias, mult): (u8, i8, i8, i32, i32)) -> Vec<u8> {
    let mut bytes = vec![shift, lo as u8, hi as u8];
    bytes.extend(bias.to_le_bytes());
    bytes.extend(mult.to_le_bytes());
    bytes
}

/// The product without any trick.
fn naive_product(a: &[u8], b: &[u8]) -> i64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| i64::from(*a as i8) * i64::from(*b as i8))
        .sum()
}

/// The requantisation without any trick.
fn naive_scaled(sum: i64, (shift, lo, hi, bias, mult): (u8, i8, i8, i32, i32)) -> i8 {
    let scaled = (i128::from(sum) + i128::from(bias)) * i128::from(mult);
    let rounded = (scaled + (1 << (shift - 1))).div_euclid(1 << shift);
    rounded.clamp(lo.into(), hi.into()) as i8
}

#[test]
fn matmul() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(1), vectors());
    for n in 0..count {
        let length = length(&mut rng, n);
        // The first ones are the extremes of the longest row.
        let (a, b) = match n {
            0 => (vec![0x80; length], vec![0x80; length]),
            1 => (vec![0x80; length], vec![0x7f; length]),
            2 => (vec![0x7f; length], vec![0x7f; length]),
            _ => (row(&mut rng, length), row(&mut rng, length)),
        };
        let native = product::dot(&a, &b);
        assert_eq!(i64::from(native), naive_product(&a, &b));
        probe.add(op::MATMUL, &[a, b].concat(), &native.to_le_bytes(), 1);
    }
    probe.finish("MATMUL", count);
}

#[test]
fn qlinear() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(2), vectors());
    for n in 0..count {
        let (length, scale) = (length(&mut rng, n), scale(&mut rng));
        let (a, w) = (row(&mut rng, length), row(&mut rng, length));
        let (shift, lo, hi, bias, mult) = scale;
        let native = qlinear::cell(&a, &w, bias, mult, shift, lo, hi);
        assert_eq!(native, naive_scaled(naive_product(&a, &w), scale));
        let input = [scale_bytes(scale), a, w].concat();
        probe.add(op::QLINEAR, &input, &native.to_le_bytes(), 1);
    }
    probe.finish("QLINEAR", count);
}

#[test]
fn requantisation() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(3), vectors());
    for n in 0..count {
        let mut scale = scale(&mut rng);
        let mut sum = sum(&mut rng);
        // A tie: the product ends in exactly one half.
        if n % 4 == 0 {
            let shift = rng.between(1, 20) as u8;
            let odd = 2 * rng.below(1 << 8) as i32 - 255;
            scale = (shift, i8::MIN, i8::MAX, 0, 1 << (shift - 1));
            scale.4 = if rng.once_in(2) { scale.4 } else { -scale.4 };
            sum = odd;
        }
        let (shift, lo, hi, bias, mult) = scale;
        let native = product::requantise(sum, bias, mult, shift, lo, hi);
        assert_eq!(native, naive_scaled(sum.into(), scale));
        let input = [scale_bytes(scale), sum.to_le_bytes().to_vec()].concat();
        probe.add(op::REQUANTISE, &input, &native.to_le_bytes(), 1);
    }
    probe.finish("requantisation", count);
}

#[test]
fn lut() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(4), vectors());
    // Every value once in a table of other numbers, then random ones.
    let mut values: Vec<u8> = (0..=255).collect();
    while probe.vectors < count {
        let table = row(&mut rng, 256);
        let some = values.len().min(32);
        let a: Vec<u8> = values.drain(..some).collect();
        let full: [u8; 256] = table.as_slice().try_into().unwrap();
        let native: Vec<u8> = a.iter().map(|a| lut::cell(*a as i8, &full) as u8).collect();
        let naive = a.iter().map(|a| full[(i32::from(*a as i8) + 128) as usize]);
        assert!(naive.eq(native.iter().copied()));
        probe.add(op::LUT, &[table, a].concat(), &native, some);
        if values.is_empty() {
            values = (0..32).map(|_| byte(&mut rng)).collect();
        }
    }
    probe.finish("LUT", count);
}

#[test]
fn add() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(5), vectors());
    // All pairs that there are, then random ones.
    let mut pairs: Vec<u8> = (0..=255u8)
        .flat_map(|a| (0..=255u8).flat_map(move |b| [a, b]))
        .collect();
    while pairs.len() < 2 * count || !pairs.len().is_multiple_of(64) {
        pairs.push(byte(&mut rng));
    }
    for pairs in pairs.chunks(64) {
        let (two, _) = pairs.as_chunks::<2>();
        let native: Vec<u8> = two
            .iter()
            .map(|[a, b]| add::cell(*a as i8, *b as i8) as u8)
            .collect();
        let naive = two.iter().map(|[a, b]| {
            let sum = i32::from(*a as i8) + i32::from(*b as i8);
            sum.clamp(-128, 127) as u8
        });
        assert!(naive.eq(native.iter().copied()));
        probe.add(op::ADD, pairs, &native, two.len());
    }
    probe.finish("ADD", count);
}

/// The first index of the largest, without any trick.
fn naive_argmax(values: &[i32]) -> i32 {
    let most = values.iter().max().unwrap();
    values.iter().position(|value| value == most).unwrap() as i32
}

/// Width of the `n`-th row of an ARGMAX.
fn width(rng: &mut Rng, n: usize) -> usize {
    match n {
        0..6 => MAX_ARGMAX_COLS as usize,
        6..12 => 1_000 + rng.below(4_000) as usize,
        _ => 1 + rng.below(40) as usize,
    }
}

#[test]
fn argmax_of_i8() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(6), vectors());
    for n in 0..count {
        let width = width(&mut rng, n);
        let mut row = row(&mut rng, width);
        if rng.once_in(4) {
            // The largest stands twice, or at the very end.
            let (x, y) = (rng.below(width as u64) as usize, width - 1);
            (row[x], row[y]) = (0x7f, 0x7f);
        }
        let native = argmax::cell(&row, DType::I8);
        let values: Vec<i32> = row.iter().map(|byte| i32::from(*byte as i8)).collect();
        assert_eq!(native, naive_argmax(&values));
        probe.add(op::ARGMAX_I8, &row, &native.to_le_bytes(), 1);
    }
    probe.finish("ARGMAX of i8", count);
}

#[test]
fn argmax_of_i32() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(7), vectors());
    for n in 0..count {
        let width = width(&mut rng, n);
        let mut values: Vec<i32> = match n % 8 {
            0 => vec![i32::MIN; width],
            1 => vec![int(&mut rng); width],
            _ => (0..width).map(|_| int(&mut rng)).collect(),
        };
        if rng.once_in(4) {
            let most = *values.iter().max().unwrap();
            let at = rng.below(width as u64) as usize;
            values[at] = most;
        }
        let row: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let native = argmax::cell(&row, DType::I32);
        assert_eq!(native, naive_argmax(&values));
        probe.add(op::ARGMAX_I32, &row, &native.to_le_bytes(), 1);
    }
    probe.finish("ARGMAX of i32", count);
}

#[test]
fn roots_of_rows() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(8), vectors() / 10);
    for n in 0..count {
        // Heights 0 to 8 hold up to 32,768 bytes; 9 and 10 are beyond, and so are rows longer than their height.
        let height = if n < 200 { n % 11 } else { n % 4 };
        let room = (hash::LEAF_BYTES << height.min(8)) as u64;
        let length = match rng.below(6) {
            0 => room,
            1 => room.saturating_sub(1),
            2 => 128 * rng.below(room / 128 + 1),
            3 if n >= 200 => room + 1 + rng.below(200),
            _ => rng.below(room + 1),
        };
        let row = row(&mut rng, length as usize);
        let native = hash::row_root(&row, height as u8).unwrap_or_default();
        let input = [vec![height as u8], row].concat();
        probe.add(op::ROW_ROOT, &input, &native, 1);
    }
    probe.finish("roots of rows", count);
}

#[test]
fn paths() {
    let (mut probe, mut rng, count) = (Probe::new(), rng(9), vectors() / 5);
    for n in 0..count {
        let tag = [Tag::Data, Tag::Trace][n % 2];
        let siblings: Vec<[u8; 32]> = (0..if n < 200 { n % 29 } else { n % 9 })
            .map(|_| [byte(&mut rng); 32])
            .collect();
        let start = [byte(&mut rng); 32];
        // Indices beyond the path's own range too: the path's length alone says how far it climbs.
        let index = rng.bits() >> rng.below(64);
        let native = path::climb(tag, start, index, &siblings);
        let mut input = vec![tag as u8];
        input.extend(index.to_le_bytes());
        input.extend(start);
        input.extend(siblings.concat());
        probe.add(op::CLIMB, &input, &native, 1);
    }
    probe.finish("paths", count);
}

/// The comparison can fail, and the probe refuses what it does not understand.
#[test]
fn a_difference_is_seen() {
    let mut probe = Probe::new();
    probe.add(op::ADD, &[1, 2], &[3], 1);
    probe.run();
    let record = |op: u8, length: u32, input: &[u8]| {
        let mut record = length.to_le_bytes().to_vec();
        record.push(op);
        record.extend([0xee; 32]);
        record.extend(input);
        record
    };
    let after = probe.send(record(op::ADD, 2, &[1, 2])).unwrap();
    for wrong in [vec![4], vec![3, 0xee], Vec::new()] {
        let sent = record(op::ADD, 2, &[1, 2]);
        let compared = std::panic::catch_unwind(|| compare(&sent, &after, &[wrong]));
        assert!(compared.is_err(), "another result was not noticed");
    }
    for malformed in [
        record(0, 2, &[1, 2]),
        record(200, 2, &[1, 2]),
        record(op::ADD, 3, &[1, 2]),
        record(op::ADD, 1, &[1]),
        record(op::ADD, 66, &[0; 66]),
        record(op::MATMUL, 3, &[0; 3]),
        record(op::LUT, 255, &[0; 255]),
        record(op::CLIMB, 41, &[3; 41]),
        vec![0; HEAD_BYTES - 1],
    ] {
        assert!(probe.send(malformed.clone()).is_err(), "{malformed:?}");
    }
}
