//! What the chain computes is what a host computes: every function of `quern-proof` that a judgement calls, on bytecode (the
//! probe, built with the product's tools and flags), natively and, for the arithmetic, by a third way that knows no trick.
//!
//! 100,000 vectors a function by default; `QUERN_BYTECODE_VECTORS=10000000` for more, `QUERN_BYTECODE_SEED` for others.

use {
    super::common::{Charge, Claim, Refusal, charge_of, judge_natively},
    litesvm::LiteSVM,
    quern_probe::{HEAD_BYTES, op},
    quern_proof::{DType, hash::Tag, kernel::dot::dot, limits::MAX_INNER, path},
    quern_testkit::svm::{Rng, actor, referee},
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
pub struct Probe {
    svm: LiteSVM,
    records: Vec<u8>,
    expected: Vec<Vec<u8>>,
    /// A bound of what the waiting records cost.
    compute_units: usize,
    sent: u64,
    vectors: usize,
}

impl Probe {
    pub fn new() -> Self {
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

    /// Adds the judgement of a cell, which must come out as it does natively.
    pub fn add_judgement(&mut self, claim: &Claim, charge: &Charge) -> Result<(), Refusal> {
        let Charge::Cell { op, row, col, at } = *charge else {
            panic!("{charge:?} is not about a cell")
        };
        let (evidence, roots) = (claim.evidence(charge), claim.input_roots());
        let input = [
            &claim.items.to_le_bytes()[..],
            &[claim.inputs.len() as u8],
            &op.to_le_bytes(),
            &row.to_le_bytes(),
            &col.to_le_bytes(),
            &at.to_le_bytes(),
            &(claim.graph.len() as u32).to_le_bytes(),
            &claim.graph,
            roots.as_flattened(),
            &claim.tokens_root(),
            &claim.trace_root(),
            &evidence,
        ];
        let native = judge_natively(claim, charge, &evidence);
        let expected = native.map_or_else(|refusal| refusal as u8, |()| 0);
        self.add(op::JUDGE, &input.concat(), &[expected], 1);
        native
    }

    /// Runs the rest; how many vectors there were must not have shrunk.
    pub fn finish(mut self, what: &str, least: usize) {
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

/// The product without any trick.
fn naive_product(a: impl Iterator<Item = i64>, b: &[u8]) -> i64 {
    a.zip(b).map(|(a, b)| a * i64::from(*b as i8)).sum()
}

#[test]
fn products_of_i8() {
    let (mut probe, mut rng) = (Probe::new(), rng(1));
    for n in 0..vectors() {
        let length = length(&mut rng, n);
        let (a, b) = (row(&mut rng, length), row(&mut rng, length));
        let native = dot(&a, DType::I8, &b);
        let values = a.iter().map(|a| i64::from(*a as i8));
        assert_eq!(native, naive_product(values, &b));
        probe.add(op::DOT_I8, &[a, b].concat(), &native.to_le_bytes(), 1);
    }
    probe.finish("products of i8", vectors());
}

#[test]
fn products_of_i16() {
    let (mut probe, mut rng) = (Probe::new(), rng(2));
    for n in 0..vectors() {
        let length = length(&mut rng, n);
        let (a, b) = (row(&mut rng, 2 * length), row(&mut rng, length));
        let native = dot(&a, DType::I16, &b);
        let values = a.as_chunks().0.iter();
        let values = values.map(|a| i64::from(i16::from_le_bytes(*a)));
        assert_eq!(native, naive_product(values, &b));
        probe.add(op::DOT_I16, &[a, b].concat(), &native.to_le_bytes(), 1);
    }
    probe.finish("products of i16", vectors());
}

/// Every cell of a graph of all ops, as committed and spoiled: bytecode says what a host says.
#[test]
fn judgements() {
    let mut probe = Probe::new();
    let mut count = 0;
    for honest in [referee::tiny(), referee::every_op()] {
        let cells = honest.cells();
        let step = 1 + cells.len() / 500;
        for at in cells.into_iter().step_by(step) {
            let mut spoiled = honest.clone();
            spoiled.corrupt(at.0, at.1, at.2);
            for claim in [&honest, &spoiled] {
                let charge = charge_of(claim, &honest, at);
                let verdict = probe.add_judgement(claim, &charge);
                assert_eq!(verdict.is_ok(), !std::ptr::eq(claim, &honest));
                count += 1;
            }
        }
    }
    probe.finish("judgements", count);
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
    probe.add(op::DOT_I8, &[1, 2], &2i64.to_le_bytes(), 1);
    probe.run();
    let record = |op: u8, length: u32, input: &[u8]| {
        let mut record = length.to_le_bytes().to_vec();
        record.push(op);
        record.extend([0xee; 32]);
        record.extend(input);
        record
    };
    let after = probe.send(record(op::DOT_I8, 2, &[1, 2])).unwrap();
    for wrong in [vec![4], vec![2, 0xee], Vec::new()] {
        let sent = record(op::DOT_I8, 2, &[1, 2]);
        let compared = std::panic::catch_unwind(|| compare(&sent, &after, &[wrong]));
        assert!(compared.is_err(), "another result was not noticed");
    }
    for malformed in [
        record(0, 2, &[1, 2]),
        record(200, 2, &[1, 2]),
        record(op::DOT_I8, 3, &[1, 2]),
        record(op::DOT_I8, 1, &[1]),
        record(op::DOT_I8, 3, &[0; 3]),
        record(op::JUDGE, 30, &[0; 30]),
        record(op::CLIMB, 41, &[3; 41]),
        vec![0; HEAD_BYTES - 1],
    ] {
        assert!(probe.send(malformed.clone()).is_err(), "{malformed:?}");
    }
}
