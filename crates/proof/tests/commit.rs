//! Trees and openings against trees in which every position is written out.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Rng, naive_levels, naive_tree, random_job, random_tensor};
use proptest::prelude::*;
use quern_proof::{
    DType, Error, Geometry, Graph, Tensor,
    commit::{self, TensorTree, Trace},
    eval, file,
    hash::{self, MISSING, Tag},
    path::{self, PathError},
};

fn shapes() -> Vec<(DType, u32, u32)> {
    let mut shapes = Vec::new();
    for rows in [1, 2, 3, 4, 5, 8, 9] {
        for cols in [1, 31, 32, 33, 127, 128, 129, 256, 300, 640] {
            shapes.push((DType::I8, rows, cols));
            shapes.push((DType::I32, rows, cols));
        }
    }
    shapes
}

#[test]
fn roots_and_nodes_equal_the_full_tree() {
    let mut rng = Rng(1);
    for (dtype, rows, cols) in shapes() {
        let tensor = random_tensor(&mut rng, dtype, rows, cols);
        let levels = naive_tree(&tensor);
        let tree = TensorTree::new(&tensor);
        let g = tree.geometry();
        assert_eq!(g.height() as usize + 1, levels.len());
        assert_eq!(
            commit::data_root(&tensor),
            levels[0][0],
            "{dtype:?} {rows} x {cols}"
        );
        for (level, nodes) in levels.iter().enumerate() {
            for (index, node) in nodes.iter().enumerate() {
                assert_eq!(tree.node(level as u8, index as u64).as_ref(), Some(node));
            }
            assert_eq!(tree.node(level as u8, nodes.len() as u64), None);
        }
        // Zero subtrees stand exactly where the geometry says so.
        for (level, nodes) in levels.iter().enumerate() {
            let zero = hash::zero_subtree(Tag::Data, g.height() - level as u8);
            for (index, node) in nodes.iter().enumerate() {
                assert_eq!(g.is_missing(level as u8, index as u64), Some(*node == zero));
            }
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one property at every place")]
fn every_opening_verifies_at_its_position_only() {
    let mut rng = Rng(2);
    for (dtype, rows, cols) in [
        (DType::I8, 1, 1),
        (DType::I8, 3, 300),
        (DType::I32, 5, 33),
        (DType::I8, 4, 128),
        (DType::I32, 2, 160),
    ] {
        let tensor = random_tensor(&mut rng, dtype, rows, cols);
        let tree = TensorTree::new(&tensor);
        let (g, root) = (*tree.geometry(), tree.root());
        for row in 0..rows {
            let bytes = tensor.row(row).unwrap();
            let row_path = tree.open_row(row).unwrap();
            for at in 0..rows {
                let found = path::verify_row(&g, at, bytes, &row_path, &root);
                assert_eq!(
                    found,
                    if at == row {
                        Ok(())
                    } else {
                        Err(PathError::WrongRoot)
                    }
                );
            }
            let outside = path::verify_row(&g, rows, bytes, &row_path, &root);
            assert_eq!(outside, Err(PathError::NoSuchNode));
            assert_eq!(
                path::verify_row(&g, row, &bytes[1..], &row_path, &root),
                Err(PathError::RowLength)
            );
            for k in 0..g.leaves() {
                let leaf = tensor.leaf(row, k).unwrap();
                let leaf_path = tree.open_leaf(row, k).unwrap();
                assert_eq!(leaf_path.len(), g.height() as usize);
                for r in 0..rows {
                    for l in 0..g.leaves() {
                        let found = path::verify_leaf(&g, r, l, &leaf, &leaf_path, &root);
                        let same = (r, l) == (row, k);
                        assert_eq!(
                            found,
                            if same {
                                Ok(())
                            } else {
                                Err(PathError::WrongRoot)
                            }
                        );
                    }
                }
                for byte in 0..128 {
                    let mut wrong = leaf;
                    wrong[byte] ^= 1 << rng.below(8);
                    let found = path::verify_leaf(&g, row, k, &wrong, &leaf_path, &root);
                    assert_eq!(found, Err(PathError::WrongRoot));
                }
                for sibling in 0..leaf_path.len() {
                    let mut wrong = leaf_path.clone();
                    wrong[sibling][rng.below(32) as usize] ^= 1;
                    let found = path::verify_leaf(&g, row, k, &leaf, &wrong, &root);
                    assert_eq!(found, Err(PathError::WrongRoot));
                    wrong.truncate(sibling);
                    let found = path::verify_leaf(&g, row, k, &leaf, &wrong, &root);
                    assert_eq!(found, Err(PathError::PathLength));
                }
                let mut long = leaf_path.clone();
                long.push(MISSING);
                assert_eq!(
                    path::verify_leaf(&g, row, k, &leaf, &long, &root),
                    Err(PathError::PathLength)
                );
            }
            let missing = path::verify_leaf(&g, row, g.leaves(), &[0; 128], &row_path, &root);
            assert_eq!(missing, Err(PathError::NoSuchNode));
            assert_eq!(tree.open_leaf(row, g.leaves()), Err(Error::NoSuchPosition));
        }
        for level in 0..=g.height() {
            for index in 0..1u64 << level {
                let node = tree.node(level, index).unwrap();
                let node_path = tree.open_node(level, index).unwrap();
                path::verify_node(&g, level, index, &node, &node_path, &root).unwrap();
                let raw: Vec<u8> = node_path.iter().flatten().copied().collect();
                assert_eq!(path::siblings(&raw), Some(&node_path[..]));
                if level > 0 {
                    let elsewhere =
                        path::verify_node(&g, level, index ^ 1, &node, &node_path, &root);
                    // Between two equal zero subtrees there is nothing to tell apart.
                    let twin = tree.node(level, index ^ 1) == Some(node);
                    assert_eq!(elsewhere.is_ok(), twin);
                }
            }
            assert_eq!(
                tree.open_node(level, 1 << level),
                Err(Error::NoSuchPosition)
            );
        }
        assert_eq!(tree.open_row(rows), Err(Error::NoSuchPosition));
    }
    assert_eq!(path::siblings(&[0; 33]), None);
}

/// A tensor has exactly one root: any padding bit set anywhere gives another.
#[test]
fn padding_counts() {
    let tensor = random_tensor(&mut Rng(3), DType::I8, 3, 130);
    let tree = TensorTree::new(&tensor);
    let (g, root) = (*tree.geometry(), tree.root());
    assert_eq!((g.leaves(), g.used_bytes(1)), (2, 2));
    let mut leaf = tensor.leaf(1, 1).unwrap();
    assert!(leaf[2..].iter().all(|byte| *byte == 0));
    let leaf_path = tree.open_leaf(1, 1).unwrap();
    for byte in 2..128 {
        leaf[byte] = 1;
        assert!(path::verify_leaf(&g, 1, 1, &leaf, &leaf_path, &root).is_err());
        leaf[byte] = 0;
    }
    // The missing fourth row is the zero subtree of a row's height, not a row of zeros.
    assert_eq!(tree.node(2, 3), Some(hash::zero_subtree(Tag::Data, 1)));
    let zeros = Tensor::from_i8(4, 130, &[tensor.to_i8().unwrap(), vec![0; 130]].concat()).unwrap();
    assert_ne!(commit::data_root(&zeros), root);
}

/// Answers to demands are the nodes of the design's levels, and they hash to what was asked about.
#[test]
fn answers_hash_to_the_demand() {
    let tensor = random_tensor(&mut Rng(4), DType::I32, 37, 200);
    let tree = TensorTree::new(&tensor);
    let g = tree.geometry();
    assert_eq!(g.height(), 3 + 6);
    for level in [0, 4, 8] {
        for index in 0..1u64 << level {
            let answer = tree.answer(level, index).unwrap();
            assert_eq!(answer.len(), 1 << 4.min(g.height() - level));
            let above = naive_levels(answer, Tag::Data);
            assert_eq!(Some(above[0][0]), tree.node(level, index));
        }
    }
    assert!(tree.answer(9, 0).is_err() && tree.answer(4, 16).is_err());
}

#[test]
fn traces_of_every_size() {
    let mut rng = Rng(6);
    for ops in 1..=64u32 {
        let outputs: Vec<Tensor> = (0..ops)
            .map(|_| {
                let (rows, cols) = (rng.range(1, 3), rng.range(1, 40));
                random_tensor(&mut rng, DType::I8, rows, cols)
            })
            .collect();
        let trace = Trace::new(outputs).unwrap();
        let mut bottom = trace.roots().to_vec();
        bottom.resize(bottom.len().next_power_of_two(), MISSING);
        let levels = naive_levels(bottom, Tag::Trace);
        assert_eq!(trace.root(), levels[0][0]);
        assert_eq!(commit::trace_root(trace.roots()), Some(levels[0][0]));
        for (level, nodes) in levels.iter().enumerate() {
            for (index, node) in nodes.iter().enumerate() {
                assert_eq!(trace.node(level as u8, index as u64).as_ref(), Some(node));
            }
        }
        let g = trace.geometry();
        for op in 0..ops {
            let op_path = trace.open_op(op).unwrap();
            for at in 0..ops {
                let found =
                    path::verify_trace(g, at, &trace.roots()[op as usize], &op_path, &trace.root());
                assert_eq!(
                    found.is_ok(),
                    at == op || trace.roots()[at as usize] == trace.roots()[op as usize]
                );
            }
            let opening = trace.open(op, 0, 0).unwrap();
            let tree: Geometry = *trace.outputs()[op as usize].geometry();
            opening.verify(g, &tree, op, 0, 0, &trace.root()).unwrap();
            let mut wrong = opening.clone();
            wrong.leaf[127] ^= 1;
            assert!(wrong.verify(g, &tree, op, 0, 0, &trace.root()).is_err());
        }
        if ops == 1 {
            assert_eq!(trace.root(), trace.roots()[0]);
            assert!(trace.answer(0, 0).is_err());
        } else {
            let answer = trace.answer(0, 0).unwrap();
            assert_eq!(naive_levels(answer, Tag::Trace)[0][0], trace.root());
        }
        assert!(
            trace.open_op(ops).is_err()
                && trace.tree(ops).is_err()
                && trace.open(ops, 0, 0).is_err()
        );
        assert_eq!(
            path::verify_trace(g, ops, &MISSING, &[], &trace.root()),
            Err(PathError::NoSuchNode)
        );
    }
    assert!(matches!(Trace::new(vec![]), Err(Error::Count { .. })));
    assert_eq!(commit::trace_root(&[]), None);
    assert_eq!(commit::trace_root(&[MISSING; 65]), None);
}

/// No node of one kind passes for one of another: tags keep leaves, data nodes and trace nodes apart.
#[test]
fn tags_keep_kinds_apart() {
    let (l, r) = ([1; 32], [2; 32]);
    assert_ne!(
        hash::node(Tag::Data, &l, &r),
        hash::node(Tag::Trace, &l, &r)
    );
    let mut bytes = [0; 128];
    bytes[..32].copy_from_slice(&l);
    bytes[32..64].copy_from_slice(&r);
    assert_ne!(hash::leaf(&bytes), hash::node(Tag::Data, &l, &r));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn files_round_trip_and_refuse_every_cut(seed: u64) {
        let mut rng = Rng(seed);
        let job = random_job(&mut rng, 5);
        let graph = Graph::parse(&job.bytes).unwrap();
        let outputs = eval::run(&graph, job.batch_rows, &job.inputs, &job.weights).unwrap();
        let bytes = file::encode_trace(&outputs).unwrap();
        prop_assert_eq!(&file::decode_trace(&bytes).unwrap(), &outputs);
        prop_assert_eq!(&file::decode_bundle(&file::encode_bundle(&job.weights)).unwrap(), &job.weights);
        let one = file::encode_tensor(&outputs[0]);
        prop_assert_eq!(&file::decode_tensor(&one).unwrap(), &outputs[0]);
        for _ in 0..20 {
            let cut = rng.below(bytes.len() as u64) as usize;
            prop_assert!(file::decode_trace(&bytes[..cut]).is_err());
            let cut = rng.below(one.len() as u64) as usize;
            prop_assert!(file::decode_tensor(&one[..cut]).is_err());
        }
        let mut long = bytes.clone();
        long.push(0);
        prop_assert!(file::decode_trace(&long).is_err());
        // Changed bytes give another trace or an error, never a panic.
        for _ in 0..20 {
            let mut mutant = bytes.clone();
            let at = rng.below(mutant.len() as u64) as usize;
            mutant[at] ^= 1 << rng.below(8);
            if let Ok(other) = file::decode_trace(&mutant) {
                prop_assert_ne!(other, outputs.clone());
            }
        }
    }
}

/// A header that claims terabytes takes no memory.
#[test]
fn claims_are_not_believed() {
    let mut bytes = Vec::new();
    bytes.extend(b"QTEN\x01\x02\0\0");
    bytes.extend((1u32 << 20).to_le_bytes());
    bytes.extend((1u32 << 20).to_le_bytes());
    assert!(matches!(
        file::decode_tensor(&bytes),
        Err(Error::File { .. })
    ));
    bytes[8..16].fill(0xff);
    assert!(matches!(
        file::decode_tensor(&bytes),
        Err(Error::Dimensions { .. })
    ));
    bytes[8..16].fill(0);
    assert!(matches!(
        file::decode_tensor(&bytes),
        Err(Error::Dimensions { .. })
    ));
    assert!(matches!(
        file::decode_trace(b"QTRC\x01\x41\0\0"),
        Err(Error::File { .. })
    ));
    assert!(matches!(
        file::decode_trace(b"QTRC\x01\0\0\0"),
        Err(Error::File { .. })
    ));
    assert!(matches!(file::encode_trace(&[]), Err(Error::Count { .. })));
    assert_eq!(file::decode_bundle(&[]).unwrap(), []);
}
