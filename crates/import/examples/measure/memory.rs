//! The memory that a process takes which commits to many sentences, item by item.

use std::{env, fs, path::Path, process::Command};

use quern_proof::{
    Graph, Tensor,
    commit::{Committer, ItemTrace},
    eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
    file::{decode_bundle, encode_bundle},
};

/// What this program is called with to be that process.
pub const COMMAND: &str = "commit";

const GRAPH: &str = "graph.bin";
const WEIGHTS: &str = "weights.bin";
const INPUTS: &str = "inputs.bin";

/// Commits to the job in a folder and prints items and kibibytes: the most that was held.
pub fn commit(folder: &Path) {
    let graph = fs::read(folder.join(GRAPH)).unwrap();
    let graph = Graph::parse(&graph).unwrap();
    let weights = decode_bundle(&fs::read(folder.join(WEIGHTS)).unwrap()).unwrap();
    let inputs = decode_bundle(&fs::read(folder.join(INPUTS)).unwrap()).unwrap();
    let items = inputs[0].rows();
    let batch = Batch::new(&graph, items, &inputs, &weights, DEFAULT_MAX_ITEM_BYTES).unwrap();
    let mut committer = Committer::new(&graph, items).unwrap();
    for item in 0..items {
        let trace = ItemTrace::new(batch.item(item).unwrap()).unwrap();
        committer.push(&trace).unwrap();
    }
    committer.finish().unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().split(' ').next());
    println!("{}", peak.unwrap());
}

/// Runs that process; megabytes (10^6 bytes) that it held at most.
pub fn measure(graph: &[u8], weights: &[Tensor], inputs: &[Tensor]) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let write = |name, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write(GRAPH, graph);
    write(WEIGHTS, &encode_bundle(weights));
    write(INPUTS, &encode_bundle(inputs));
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child.arg(COMMAND).arg(folder.path()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let kib: f64 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kib * 1_024.0 / 1e6
}
