//! What refuting a real encoder costs: all-MiniLM-L6-v2 on 128 tokens, one wrong cell of every kind of op.
//!
//! Its files are those of `models/minilm/recipe.json`; `cargo xtask fetch minilm` brings them.

use {
    super::{
        between,
        referee::{Conviction, by_account, conviction_table, inline},
    },
    quern_import::{
        Emitted, Recipe, Tokenizer,
        bert::{Encoder, IntegerEncoder, Ranges, emit, id_rows},
    },
    quern_proof::{
        Graph, Op, Operand,
        ops::{Record, flag},
    },
    quern_testkit::svm::{Stage, referee::Claim},
    std::{collections::BTreeMap, env, fs, path::PathBuf},
};

/// Names the folder with the model's files.
pub const FOLDER: &str = "QUERN_MINILM";
/// Tokens of a text.
const SEQUENCE: usize = 128;
/// What is judged: a usual text, and a short one.
const TEXTS: [&str; 2] = [
    "Grain becomes flour between two stones, one of which turns while the other lies still.",
    "A mill.",
];
/// Longest evidence that goes into the transaction with its charge.
const INLINE_BYTES: usize = 3_400;

/// The model's graph and weights, and what an honest provider commits to for two texts. `None` without the files.
///
/// # Panics
/// If the files are others than the recipe's.
pub fn claim() -> Option<Claim> {
    let folder = env::var_os(FOLDER).map(PathBuf::from)?;
    let recipe = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/minilm/recipe.json");
    let recipe = Recipe::from_json(&fs::read(recipe).unwrap()).unwrap();
    let files = recipe.read(&folder).unwrap();
    let encoder = Encoder::read(&files.weights, &files.config).unwrap();
    let tokenizer = Tokenizer::new(&files.tokenizer, SEQUENCE).unwrap();
    let rows = id_rows(&tokenizer, &files.config, &files.calibration).unwrap();
    let ranges = Ranges::measure(&encoder, &rows);
    let integers = IntegerEncoder::new(&encoder, &ranges, files.settings).unwrap();
    let Emitted { graph, weights, .. } = emit(&integers, SEQUENCE).unwrap();
    let tokenized = tokenizer.tokenize(&TEXTS).unwrap();
    let inputs = vec![tokenized.ids, tokenized.mask];
    Some(Claim::honest(graph, TEXTS.len() as u32, inputs, weights))
}

/// What a kind of op is called: its name, and what its cost depends on.
fn kind(graph: &Graph<'_>, record: &Record) -> String {
    let op = Op::decode(record).unwrap();
    let width = |operand: Operand| graph.shape(operand).unwrap().cols / u32::from(record.groups);
    match op {
        Op::Dot(dot) => {
            let of = match (record.groups, record.has(flag::SIDE)) {
                (1, _) if dot.parameters.is_none() => ", without parameters",
                (1, _) => "",
                (_, false) => ", scores",
                (_, true) => ", context",
            };
            format!(
                "DOT, K = {}{of}",
                super::thousands(width(dot.product.a).into())
            )
        }
        Op::Norm(norm) => format!("NORM of {}", width(norm.a)),
        Op::Softmax(softmax) => format!("SOFTMAX of {}", width(softmax.a)),
        Op::Lut(lut) => format!(
            "LUT of {} values",
            super::thousands(graph.shape(lut.table).unwrap().cols.into())
        ),
        _ => op.name().to_owned(),
    }
}

/// What it must stay below, where the goals say.
fn goal(kind: &str) -> Option<u64> {
    match kind.split([',', ' ']).next() {
        Some("SOFTMAX") => Some(25_000),
        Some("NORM") => Some(35_000),
        Some("DOT") => Some(40_000),
        _ => None,
    }
}

/// Convicts one wrong cell of every kind of op, on bytecode; each is put right again.
///
/// # Panics
/// If one is not convicted.
pub fn convictions(mut claim: Claim) -> Vec<(String, Conviction)> {
    let mut first: BTreeMap<String, u16> = BTreeMap::new();
    for index in 0..claim.ops() as u16 {
        let graph = claim.parsed();
        let record = graph.record(index.into()).unwrap();
        first.entry(kind(&graph, &record)).or_insert(index);
    }
    let mut stage = Stage::new();
    let mut all = Vec::new();
    for (kind, op) in first {
        // In the second item's first row: every path is as long as it gets.
        let rows = claim.outputs[0][usize::from(op)].rows();
        let (row, col) = (rows, claim.outputs[0][usize::from(op)].cols() / 2);
        claim.corrupt(op, row, col);
        let charge = quern_proof::Charge::Cell {
            op,
            row,
            col,
            at: 0,
        };
        let measured = match claim.evidence(&charge).len() <= INLINE_BYTES {
            true => inline(&mut stage, "", &claim, &charge, goal(&kind)),
            false => by_account(&mut stage, "", &claim, &charge, goal(&kind)),
        };
        claim.corrupt(op, row, col);
        all.push((format!("{kind} (op {op})"), measured));
    }
    all
}

/// The file with these figures between its marks, or nothing if it has none.
pub fn replace_in(file: &str, convictions: &[(String, Conviction)]) -> Option<String> {
    let rows = convictions.iter().map(|(kind, one)| (kind.as_str(), one));
    between(file, "minilm", &conviction_table(rows))
}
