//! The sentence encoder of `models/minilm`: quality, sentences a second, commitments, checks, memory.

use std::{env, fs, path::PathBuf};

use quern_import::{Imported, Recipe, Tokenizer, recipe::Ingredients};
use quern_proof::{
    Graph, Tensor,
    commit::ItemTrace,
    eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
};
use rayon::prelude::*;

use crate::{
    memory,
    peer::Peer,
    products::pool,
    report::{Report, goal, percent, times},
    turns::{Turns, Way, each},
};

/// Tokens of a sentence.
const SEQUENCE: usize = 128;
/// Sentences of a turn.
const ITEMS: u32 = 8;
const TURNS: usize = 9;
/// Sentences of the job whose memory is measured.
const MANY: usize = 1_000;

/// The model, made by its recipe.
pub struct Model {
    folder: PathBuf,
    weights: String,
    files: Ingredients,
    imported: Imported,
}

impl Model {
    /// `None` where its files are not there.
    pub fn read() -> Option<Self> {
        let folder = PathBuf::from(env::var_os("QUERN_MINILM")?);
        let recipe =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/minilm/recipe.json");
        let recipe = Recipe::from_json(&fs::read(recipe).unwrap()).unwrap();
        let files = recipe.read(&folder).unwrap();
        let imported = files.import(SEQUENCE).unwrap();
        Some(Self {
            folder,
            weights: recipe.weights.path,
            files,
            imported,
        })
    }

    /// Ids and mask of as many sentences.
    fn inputs(&self, count: usize) -> [Tensor; 2] {
        let texts = self.files.held_out.iter().chain(&self.files.calibration);
        let texts: Vec<&String> = texts.cycle().take(count).collect();
        let tokenizer = Tokenizer::new(&self.files.tokenizer, SEQUENCE).unwrap();
        let all = tokenizer.tokenize(&texts).unwrap();
        [all.ids, all.mask]
    }
}

pub fn measure(model: &Model, report: &mut Report, mut peer: Option<&mut Peer>) {
    let quality = model.imported.quality;
    let what = format!(
        "MiniLM in integers against floats, {} held-out sentences: mean cosine (goal 0.997)",
        quality.texts
    );
    report.line(
        &what,
        format!(
            "{:.4} {}",
            quality.mean_cosine,
            mark(quality.mean_cosine >= 0.997)
        ),
    );
    report.line(
        "the same: Spearman (goal 0.996)",
        format!(
            "{:.4} {}",
            quality.spearman,
            mark(quality.spearman >= 0.996)
        ),
    );
    let inputs = model.inputs(MANY);
    let megabytes = memory::measure(&model.imported.graph, &model.imported.weights, &inputs);
    let what = format!(
        "memory of a process that commits to {MANY} sentences item by item, at most (goal 500 MB)"
    );
    report.line(
        &what,
        format!("{megabytes:.0} MB {}", mark(megabytes <= 500.0)),
    );
    report.table(
        "MiniLM, sentences of 128 tokens, in turns; sentences a second are of this machine, the other columns are ratios of \
         one run. Provider: evaluates and commits. Watcher: does the same and compares one root.",
        &[
            "threads",
            "provider, sentences/s",
            "commitment, share of the whole (goal 50 %)",
            "watcher, sentences/s",
            "onnxruntime float, times the provider's time",
            "onnxruntime int8, the same (goal 0.4)",
        ],
    );
    for threads in [1, 2] {
        rates(model, threads, report, peer.as_deref_mut());
    }
}

const fn mark(is_reached: bool) -> &'static str {
    match is_reached {
        true => "✓",
        false => "✗",
    }
}

fn rates(model: &Model, threads: usize, report: &mut Report, peer: Option<&mut Peer>) {
    let Imported { graph, weights, .. } = &model.imported;
    let graph = Graph::parse(graph).unwrap();
    let inputs = model.inputs(ITEMS as usize);
    let batch = Batch::new(&graph, ITEMS, &inputs, weights, DEFAULT_MAX_ITEM_BYTES).unwrap();
    let pool = pool(threads);
    let commit = |item| ItemTrace::new(batch.item(item).unwrap()).unwrap().root();
    let roots: Vec<_> = (0..ITEMS).map(commit).collect();
    let peer = peer.map(std::cell::RefCell::new);
    let mut ways: Vec<Way<'_>> = vec![
        each(&pool, 1, || {
            (0..ITEMS).into_par_iter().map(commit).collect::<Vec<_>>()
        }),
        each(&pool, 1, || {
            (0..ITEMS)
                .into_par_iter()
                .for_each(|item| drop(batch.item(item).unwrap()))
        }),
        each(&pool, 1, || {
            let own: Vec<_> = (0..ITEMS).into_par_iter().map(commit).collect();
            assert_eq!(own, roots);
        }),
    ];
    let mut has_peer = false;
    if let Some(peer) = &peer {
        let folder = model.folder.join(&model.weights);
        let folder = folder.parent().unwrap().display().to_string();
        for kind in ["float", "int8"] {
            let spec = format!("{threads} {folder} {SEQUENCE} {kind}");
            let name = peer.borrow_mut().prepare("encoder", &spec).unwrap();
            has_peer = true;
            ways.push(Box::new(move || {
                let of_one = peer.borrow_mut().run(&name, ITEMS as usize);
                of_one * f64::from(ITEMS)
            }));
        }
    }
    let turns = Turns::take(TURNS, &mut ways);
    let rate = |way: usize| format!("{:.1}", f64::from(ITEMS) / turns.seconds(way));
    let others = |way: usize| has_peer.then(|| turns.ratio(way, 0));
    report.row(&[
        threads.to_string(),
        rate(0),
        percent(1.0 - turns.ratio(1, 0)),
        rate(2),
        others(3).map_or("-".into(), times),
        others(4).map_or("-".into(), |ratio| goal(ratio, 0.4)),
    ]);
}
