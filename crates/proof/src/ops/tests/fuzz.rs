//! Whatever `seal` accepts can be evaluated, and every cell of it judged; nothing panics on any bytes.

use super::{cells::check, memory::Job};
use crate::{
    Graph, Operand, graph,
    random::{Rng, World},
};

/// Whether it is sealed. If so, and if it is small, it is evaluated and every cell is judged.
fn sealed_means_judged(bytes: &[u8], rng: &mut Rng, counts: &mut [u32; 9]) -> bool {
    let sealed = graph::seal(bytes);
    let Ok(graph) = Graph::parse(bytes) else {
        assert!(sealed.is_err());
        return false;
    };
    // Accessors never panic, sealed or not.
    for index in 0..graph.op_count().max(8) + 1 {
        let _ = (graph.input(index), graph.weight(index), graph.op(index));
        let _ = (
            graph.output(index),
            graph.geometry(Operand::Op(index as u16), u32::MAX),
        );
    }
    let Ok(sealed) = sealed else { return false };
    assert!(graph.check_items(&sealed, 1).is_ok());
    let inputs = (0..graph.input_count() as u16).map(Operand::Input);
    let weights = (0..graph.weight_count() as u16).map(Operand::Weight);
    let data = inputs
        .chain(weights)
        .map(|of| graph.shape(of).unwrap().bytes());
    if data.sum::<u64>() > 1 << 19 || sealed.trace_bytes > 1 << 15 || sealed.work > 1 << 23 {
        return true;
    }
    for index in 0..graph.op_count() {
        let record = graph.record(index).unwrap();
        assert_eq!(crate::ops::Record::new(&record.bytes()), Ok(record));
    }
    let job = Job::new(bytes, |_, shape| rng.tensor(shape));
    for (all, more) in counts.iter_mut().zip(check(&job)) {
        *all += more;
    }
    true
}

fn random_graph(rng: &mut Rng, most_ops: u32) -> std::vec::Vec<u8> {
    let ops = 1 + rng.below(most_ops);
    let mut world = World::new(rng);
    for _ in 0..ops {
        let opcode = 1 + world.rng.below(8) as u8;
        world.op(opcode);
    }
    world.builder.bytes().unwrap_or_default()
}

#[test]
fn random_graphs() {
    let mut rng = Rng(20);
    let (mut sealed, mut counts) = (0, [0; 9]);
    for _ in 0..1_000 {
        let bytes = random_graph(&mut rng, 12);
        sealed += u32::from(sealed_means_judged(&bytes, &mut rng, &mut counts));
    }
    assert!(sealed > 500, "{sealed} of 1,000 graphs are sealed");
    assert!(counts[1..].iter().all(|cells| *cells > 1_000), "{counts:?}");
}

#[test]
fn mutated_graphs() {
    let mut rng = Rng(21);
    let (mut sealed, mut counts) = (0, [0; 9]);
    for _ in 0..600 {
        let mut bytes = random_graph(&mut rng, 5);
        for _ in 0..60 {
            let mut mutant = bytes.clone();
            for _ in 0..1 + rng.below(3) {
                if mutant.is_empty() {
                    break;
                }
                // Mostly the ops, which stand last.
                let len = mutant.len() as u32;
                let at = match rng.is_one_in(4) {
                    true => rng.below(len),
                    false => len - 1 - rng.below(len.min(5 * 32)),
                } as usize;
                mutant[at] = match rng.below(4) {
                    0 => rng.next() as u8,
                    1 => rng.pick(&[0, 1, 2, 3, 4, 5, 6, 8, 16, 254, 255]),
                    2 => mutant[at] ^ (1 << rng.below(8)),
                    _ => mutant[at].wrapping_add(rng.pick(&[1, 255])),
                };
            }
            if mutant != bytes && sealed_means_judged(&mutant, &mut rng, &mut counts) {
                sealed += 1;
                // Walk on from what is still a graph.
                bytes = mutant;
            }
        }
    }
    assert!(sealed > 2_000, "{sealed} mutants are sealed");
}

#[test]
fn noise() {
    let mut rng = Rng(22);
    let mut counts = [0; 9];
    for _ in 0..20_000 {
        let len = rng.below(400) as usize;
        let noise: std::vec::Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
        sealed_means_judged(&noise, &mut rng, &mut counts);
        // The same behind a header that fits.
        let (inputs, weights, ops) = (
            rng.below(9) as u8,
            rng.below(4) as u16,
            1 + rng.below(6) as u16,
        );
        let mut bytes = std::vec![2, inputs, weights as u8, 0, ops as u8, 0];
        match rng.is_one_in(2) {
            true => bytes.extend([0xfe, 0xff, 0xfe, 0xff]),
            false => bytes.extend([0, 4, rng.below(8) as u8, 0]),
        }
        bytes.extend([0; 6]);
        bytes.extend(noise);
        bytes.resize(graph::len(inputs, weights, ops), rng.pick(&[0, 1, 255]));
        sealed_means_judged(&bytes, &mut rng, &mut counts);
    }
}
