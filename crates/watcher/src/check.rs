//! Checking items: by their published traces where these lead to the item roots, by computing them otherwise. One item's
//! results are in memory at a time.

use {
    crate::{
        error::Result,
        published::{self, PublishedTrace},
        results::{CaseData, Examined, OwnResult, Way},
    },
    quern_proof::{
        Hash, Tensor,
        commit::{ItemTrace, TraceTree},
        eval::Batch,
        evidence::Charge,
        graph::Graph,
        verify::first_wrong,
        witness::{self, Whole},
    },
    std::{
        collections::BTreeMap,
        sync::{Arc, Mutex, OnceLock},
    },
};

/// What checking came to.
pub(crate) enum Checked {
    /// A published trace of an item has this wrong value.
    Wrong(Charge, Vec<u8>),
    /// This is what the items should be.
    Own(Arc<OwnResult>),
}

/// What there is to check items with.
pub(crate) struct Material {
    pub data: Arc<CaseData>,
    /// Items to check, in order.
    pub sample: Arc<Vec<u32>>,
    /// All item roots, if they are published and lead to the trace root.
    pub roots: Option<Vec<Hash>>,
    pub traces: Vec<PublishedTrace>,
    /// What was computed in an earlier step: no item is computed twice.
    pub kept: Option<Arc<OwnResult>>,
}

/// Checks items until one is known to be wrong.
pub(crate) fn items(material: &Material) -> Result<Checked> {
    let data = &material.data;
    let batch = data.batch()?;
    let mut checks = Checks {
        material,
        batch,
        graph: data.graph()?,
        items: BTreeMap::new(),
        held: None,
        other_text: None,
    };
    for item in material.sample.iter() {
        match checks.item(*item)? {
            Next::Go => {}
            Next::Stop => break,
            Next::Wrong(charge, trace) => {
                let evidence = checks.evidence(*item, &charge, trace)?;
                return Ok(Checked::Wrong(charge, evidence));
            }
        }
    }
    if let Some(kept) = &material.kept {
        if let Some(roots) = &material.roots {
            // They are the same ones, if they were known before.
            let _ = kept.published.set(roots.clone());
        }
        return Ok(Checked::Own(Arc::clone(kept)));
    }
    let own = OwnResult {
        data: Arc::clone(data),
        items: checks.items,
        other_text: checks.other_text,
        published: material
            .roots
            .clone()
            .map_or_else(OnceLock::new, OnceLock::from),
        held: Mutex::new(checks.held),
    };
    Ok(Checked::Own(Arc::new(own)))
}

enum Next {
    Go,
    /// An item is wrong.
    Stop,
    /// In the published trace of this item.
    Wrong(Charge, ItemTrace),
}

struct Checks<'m> {
    material: &'m Material,
    batch: Batch<'m>,
    graph: Graph<'m>,
    items: BTreeMap<u32, Examined>,
    held: Option<(u32, Arc<ItemTrace>)>,
    other_text: Option<u32>,
}

impl<'m> Checks<'m> {
    fn item(&mut self, item: u32) -> Result<Next> {
        let kept = self.material.kept.as_ref();
        let known = kept.and_then(|kept| kept.items.get(&item)).copied();
        let claimed = self.material.roots.as_ref();
        let claimed = claimed.and_then(|roots| roots.get(item as usize)).copied();
        if let (Some(known), Some(claimed)) = (known, claimed)
            && known.root == claimed
        {
            return Ok(Next::Go);
        }
        if let Some(trace) = claimed.and_then(|root| self.published(item, &root)) {
            return self.verify(item, trace);
        }
        if kept.is_some() {
            return Ok(Next::Go);
        }
        let trace = ItemTrace::new(self.batch.item(item)?)?;
        let root = trace.root();
        let way = Way::Recomputed;
        self.items.insert(item, Examined { root, way });
        if claimed.is_some_and(|claimed| claimed != root) {
            self.held = Some((item, Arc::new(trace)));
            return Ok(Next::Stop);
        }
        Ok(self.compare_text(item, trace))
    }

    /// The published trace of an item, if it leads to the item root. Where the tokens were demanded, evidence needs their
    /// answers, which the way of demands puts in.
    fn published(&self, item: u32, root: &Hash) -> Option<ItemTrace> {
        let material = self.material;
        if material.data.are_tokens_demanded {
            return None;
        }
        let mut all = material.traces.iter();
        let from = all.find(|trace| trace.item == item)?;
        published::trace(&self.graph, from, root)
    }

    fn verify(&mut self, item: u32, trace: ItemTrace) -> Result<Next> {
        if let Some(charge) = first_wrong(&self.batch, item, trace.outputs())? {
            return Ok(Next::Wrong(charge, trace));
        }
        let (root, way) = (trace.root(), Way::Verified);
        self.items.insert(item, Examined { root, way });
        Ok(self.compare_text(item, trace))
    }

    /// Whether the text of an item, which is right otherwise, is the one that it was computed from.
    fn compare_text(&mut self, item: u32, trace: ItemTrace) -> Next {
        if self.is_own_text(item, trace.outputs()) {
            return Next::Go;
        }
        if self.other_text.is_none() {
            self.other_text = Some(item);
            self.held = Some((item, Arc::new(trace)));
        }
        // Where the item roots are known this item's is right, so its text convicts.
        match self.material.roots {
            Some(_) => Next::Stop,
            None => Next::Go,
        }
    }

    fn is_own_text(&self, item: u32, outputs: &[Tensor]) -> bool {
        let (Some(tokens), Some(feedback)) = (self.graph.tokens(), self.graph.feedback()) else {
            return true;
        };
        let given = self.batch.inputs().get(usize::from(tokens));
        let given = given.and_then(|given| given.row(item));
        let computed = outputs.get(usize::from(feedback));
        given == computed.map(Tensor::data)
    }

    fn evidence(&self, item: u32, charge: &Charge, trace: ItemTrace) -> Result<Vec<u8>> {
        let mut whole = Whole::new(&self.batch)?;
        whole.insert(item, trace)?;
        let (data, roots) = (&self.material.data, &self.material.roots);
        let geometry = self.graph.trace(data.items);
        if let (Some(geometry), Some(roots)) = (geometry, roots) {
            whole.insert_above(TraceTree::new(geometry, roots.clone())?);
        }
        Ok(witness::evidence(&self.graph, data.items, charge, &whole)?)
    }
}
