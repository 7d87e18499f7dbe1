//! Running a graph on this machine, item by item on all cores: memory is what a few items take, not all of them.

use {
    crate::error::{Error, Result},
    quern_proof::{
        Tensor,
        commit::{Commitment, Committer, ItemTrace},
        eval::Batch,
    },
    rayon::prelude::*,
};

/// The result of a job that was computed here.
pub struct Computed {
    /// What a provider must commit to.
    pub commitment: Commitment,
    /// The rows of the last op, item by item.
    pub result: Tensor,
}

/// Computes all items; `done` hears how many are done.
///
/// # Errors
/// No memory.
pub fn all(batch: &Batch<'_>, done: &mut dyn FnMut(u32)) -> Result<Computed> {
    let graph = batch.graph();
    let mut committer = Committer::new(graph, batch.items())?;
    let at_once = rayon::current_num_threads().max(1) as u32;
    let mut next = 0;
    while next < batch.items() {
        let end = next.saturating_add(at_once).min(batch.items());
        let traces: Vec<_> = (next..end)
            .into_par_iter()
            .map(|item| ItemTrace::new(batch.item(item)?))
            .collect::<std::result::Result<_, quern_proof::Error>>()?;
        for trace in &traces {
            committer.push(trace)?;
        }
        next = end;
        done(next);
    }
    let commitment = committer.finish()?;
    let last = graph.op_count().saturating_sub(1);
    let shape = graph.output(last).map_err(quern_proof::Error::from)?;
    let rows = shape.rows.saturating_mul(batch.items());
    let result = commitment.result_file.clone();
    Ok(Computed {
        result: Tensor::from_bytes(shape.dtype, rows, shape.cols, result)?,
        commitment,
    })
}

/// The texts that a graph generates, over all items: what its tokens must be.
///
/// # Errors
/// No memory, or a graph that generates nothing.
pub fn generated(batch: &Batch<'_>, done: &mut dyn FnMut(u32)) -> Result<Tensor> {
    let mut tokens: Option<(Tensor, Vec<u8>)> = None;
    for item in 0..batch.items() {
        let text = batch.generate(item)?;
        match &mut tokens {
            Some((_, bytes)) => bytes.extend(text.data()),
            None => tokens = Some((text.clone(), text.into_data())),
        }
        done(item + 1);
    }
    let (first, bytes) = tokens.ok_or_else(|| Error::Other("there are no items".to_owned()))?;
    Ok(Tensor::from_bytes(
        first.dtype(),
        batch.items(),
        first.cols(),
        bytes,
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        quern_import::tiny,
        quern_proof::{eval::DEFAULT_MAX_ITEM_BYTES, graph::Graph, witness::Whole},
    };

    #[test]
    fn a_text_is_generated_and_committed_to_as_a_whole() {
        let emitted = tiny::tiny().unwrap();
        let graph = Graph::parse(&emitted.graph).unwrap();
        let mut prompts = vec![-1; 3 * tiny::SEQUENCE];
        for (at, token) in [(0, 5), (1, 9), (16, 7), (32, 1)] {
            prompts[at] = token;
        }
        let prompts = Tensor::from_i32(3, 16, &prompts).unwrap();
        let blank = Tensor::from_i32(3, 16, &[0; 48]).unwrap();
        let inputs = [prompts.clone(), blank];
        let limit = DEFAULT_MAX_ITEM_BYTES;
        let batch = Batch::new(&graph, 3, &inputs, &emitted.weights, limit).unwrap();
        let mut steps = Vec::new();
        let tokens = generated(&batch, &mut |done| steps.push(done)).unwrap();
        assert_eq!(steps, [1, 2, 3]);
        let inputs = [prompts, tokens.clone()];
        let batch = Batch::new(&graph, 3, &inputs, &emitted.weights, limit).unwrap();
        let mut last = 0;
        let computed = all(&batch, &mut |done| last = done).unwrap();
        // The result is the text, as the tokens say it.
        assert_eq!((last, computed.result), (3, tokens));
        let whole = Whole::compute(&batch).unwrap();
        let roots: Vec<_> = (0..3)
            .map(|item| whole.item(item).unwrap().root())
            .collect();
        assert_eq!(computed.commitment.item_roots, roots);
    }
}
