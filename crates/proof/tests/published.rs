//! What is published of an answer, file by file, and what a client believes of it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Noise, every_op, small};
use quern_proof::{
    DType, Error, Tensor,
    commit::{Commitment, Committer, ItemTrace},
    eval::{self, Batch},
    file, published,
    witness::Whole,
};

fn commit(job: &common::Job) -> Commitment {
    let batch = job.batch();
    let mut committer = Committer::new(batch.graph(), job.items).unwrap();
    for item in 0..job.items {
        let trace = ItemTrace::new(batch.item(item).unwrap()).unwrap();
        committer.push(&trace).unwrap();
    }
    let again = ItemTrace::new(batch.item(0).unwrap()).unwrap();
    assert!(matches!(
        committer.push(&again),
        Err(Error::NoSuchItem { .. })
    ));
    committer.finish().unwrap()
}

#[test]
fn a_result_is_believed_that_leads_to_the_chain() {
    for job in [every_op(1), every_op(3), small(7, 2, 130)] {
        let made = commit(&job);
        let whole = Whole::compute(&job.batch()).unwrap();
        assert_eq!(Some(made.trace_root), whole.trace_root());
        let graph = job.graph();
        let check = |root, result: &[u8], roots: &[u8]| {
            published::check(&graph, job.items, root, result.to_vec(), roots)
        };
        let (root, result, roots) = (&made.trace_root, &made.result_file, &made.roots_file);
        let believed = check(root, result, roots).unwrap();
        assert_eq!(believed.result.data(), result);
        assert_eq!(believed.tree.item_roots(), made.item_roots);

        // Any byte of either file, and any other length.
        for at in 0..result.len() {
            let mut wrong = result.clone();
            wrong[at] ^= 1;
            let item = (at * job.items as usize / result.len()) as u32;
            let refused = check(root, &wrong, roots).err();
            assert_eq!(refused, Some(Error::ResultOfItem(item)));
        }
        for at in 0..roots.len() {
            let mut wrong = roots.clone();
            wrong[at] ^= 1;
            assert!(check(root, result, &wrong).is_err(), "byte {at}");
        }
        assert!(check(root, &result[1..], roots).is_err());
        assert!(check(root, result, &roots[32..]).is_err());
        assert!(check(root, &[&result[..], &[0]].concat(), roots).is_err());
        assert!(check(&[1; 32], result, roots).is_err());
        // Items swapped, each with its own root: the order is committed to.
        if job.items > 1 {
            let (n, m) = (
                result.len() / job.items as usize,
                roots.len() / job.items as usize,
            );
            let (mut swapped, mut with) = (result.clone(), roots.clone());
            swapped[..2 * n].rotate_left(n);
            with[..2 * m].rotate_left(m);
            let refused = check(root, &swapped, &with).err();
            assert_eq!(refused, Some(Error::ItemRoots));
        }
    }
}

#[test]
fn an_unfinished_commitment_is_none() {
    let job = small(3, 2, 5);
    let mut committer = Committer::new(&job.graph(), 3).unwrap();
    let trace = ItemTrace::new(job.batch().item(0).unwrap()).unwrap();
    committer.push(&trace).unwrap();
    assert!(matches!(committer.finish(), Err(Error::Count { .. })));
}

#[test]
fn files_there_and_back() {
    let mut noise = Noise(4);
    let tensors = [
        noise.tensor(DType::I8, 3, 5),
        noise.tensor(DType::I16, 2, 65),
        noise.tensor(DType::I32, 1, 1),
    ];
    for tensor in &tensors {
        let bytes = file::encode_tensor(tensor);
        assert_eq!(&file::decode_tensor(&bytes).unwrap(), tensor);
        for len in 0..bytes.len() {
            assert!(file::decode_tensor(&bytes[..len]).is_err());
        }
        for at in [0, 4, 5, 6, 7, 8, 12] {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x40;
            assert!(file::decode_tensor(&wrong).is_err(), "byte {at}");
        }
    }
    assert_eq!(
        file::decode_bundle(&file::encode_bundle(&tensors)).unwrap(),
        tensors
    );
    let trace = file::encode_trace(&tensors).unwrap();
    assert_eq!(file::decode_trace(&trace).unwrap(), tensors);
    for len in 0..trace.len() {
        assert!(file::decode_trace(&trace[..len]).is_err());
    }
    assert!(file::decode_trace(&[&trace[..], &[0]].concat()).is_err());
    assert!(file::encode_trace(&[]).is_err());
    assert!(file::encode_trace(&vec![tensors[2].clone(); 1_025]).is_err());
    let most = file::encode_trace(&vec![tensors[2].clone(); 1_024]).unwrap();
    assert_eq!(file::decode_trace(&most).unwrap().len(), 1_024);
    // A length that is only claimed allocates nothing.
    let mut claimed = file::encode_tensor(&tensors[0]);
    claimed[8..16].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0x10, 0]);
    assert!(matches!(
        file::decode_tensor(&claimed),
        Err(Error::File { .. })
    ));
}

#[test]
fn a_job_is_refused_that_does_not_fit() {
    let job = every_op(3);
    let graph = job.graph();
    let new = |items, inputs: &[Tensor], weights: &[Tensor], limit| {
        Batch::new(&graph, items, inputs, weights, limit)
            .map(|_| ())
            .err()
    };
    let (inputs, weights) = (&job.inputs[..], &job.weights[..]);
    assert_eq!(new(3, inputs, weights, 1 << 30), None);
    assert!(matches!(
        new(2, inputs, weights, 1 << 30),
        Some(Error::Shape { .. })
    ));
    assert!(matches!(
        new(0, inputs, weights, 1 << 30),
        Some(Error::Graph(_))
    ));
    assert!(matches!(
        new(3, &inputs[1..], weights, 1 << 30),
        Some(Error::Count { .. })
    ));
    let bytes = job.batch().sealed().trace_bytes;
    assert_eq!(new(3, inputs, weights, bytes), None);
    assert_eq!(
        new(3, inputs, weights, bytes - 1),
        Some(Error::TooLarge {
            bytes,
            limit: bytes - 1
        })
    );
    eval::check_weights(&graph, weights).unwrap();
    let roots = job.input_roots();
    eval::check_inputs(&graph, 3, inputs, &roots, None).unwrap();
    let mut wrong = job.weights.clone();
    wrong[3].data_mut()[7] ^= 1;
    assert!(matches!(
        eval::check_weights(&graph, &wrong),
        Err(Error::Root { .. })
    ));
    let mut wrong = job.inputs.clone();
    wrong[0].data_mut()[0] ^= 1;
    assert!(matches!(
        eval::check_inputs(&graph, 3, &wrong, &roots, None),
        Err(Error::Root { .. })
    ));
    assert!(matches!(
        job.batch().item(3),
        Err(Error::NoSuchItem { item: 3, items: 3 })
    ));
}
