//! Requests: what may be made, what waits, and how one ends.

use {
    super::inner::Inner,
    crate::{
        batching,
        book::Waiting,
        embedder::{Request, TokenRow},
        error::{GatewayError, Result},
        order::{OrderId, Stage},
        record::{JobRecord, OrderRecord, Unit, encode_rows},
        refusal::{Cap, Refusal},
    },
    quern_data::runtime::{lock, off_loop},
    quern_rules::caps::{CapKind, Exceeded},
    std::{sync::Arc, time::Instant},
};

impl Inner {
    /// The order of a request that may be made, not written yet.
    pub(super) fn drafted(
        &self,
        request: &Request,
    ) -> std::result::Result<(OrderRecord, Vec<Waiting>), Refusal> {
        let served = self.named(&request.model)?;
        let most = match request.is_batch {
            true => self.settings.most_batch_rows,
            false => self.settings.request_rows,
        };
        match request.rows.len() {
            0 => return Err(Refusal::NoRows),
            rows if rows > most => return Err(Refusal::TooManyRows { rows, most }),
            _ => {}
        }
        served.check(&request.rows)?;
        let order = OrderRecord {
            id: request.id.clone(),
            body_sha256: request.body_sha256,
            model: served.address,
            rows: request.rows.len(),
            tokens: request.rows.iter().map(|row| row.ids.len() as u64).sum(),
            is_batch: request.is_batch,
            most_atoms: request.most_atoms,
            placed_at: self.now(),
            ended_at: None,
            stage: Stage::Running,
            refusal: None,
        };
        let waiting = self.units(&order, 0, order.rows)?;
        Ok((order, waiting))
    }

    /// Rows of a request, in parts that a job may have.
    pub(super) fn units(
        &self,
        order: &OrderRecord,
        from: usize,
        rows: usize,
    ) -> Result<Vec<Waiting>> {
        let parts = batching::parts(from, rows, self.settings.job_rows);
        let waiting = parts.into_iter().map(|(from, rows)| {
            Ok(Waiting {
                unit: Unit {
                    order: order.id.clone(),
                    from,
                    rows,
                },
                model: order.model,
                is_batch: order.is_batch,
                is_kept: false,
                atoms: self.price(&order.model, rows)?,
                since: Instant::now(),
            })
        });
        waiting.collect()
    }

    /// Refuses what the caps do not leave.
    pub(crate) fn admit(
        &self,
        atoms: u64,
        exceeded: std::result::Result<(), Exceeded>,
    ) -> std::result::Result<(), Refusal> {
        let mint = self.market.mint().to_string();
        exceeded.map_err(|why| Refusal::OverCap {
            cap: match why.kind {
                CapKind::Request => Cap::Request,
                CapKind::Hour => Cap::Hour,
                CapKind::Day => Cap::Day,
            },
            atoms,
            left_atoms: why.left_atoms,
            cap_atoms: why.cap_atoms,
            mint,
            retry_after_secs: why.retry_after_secs,
        })
    }

    /// Reserves what a request may cost, or says why it may not. Where the same is kept already nothing is reserved.
    pub(super) fn reserve(
        &self,
        order: &OrderRecord,
        waiting: Vec<Waiting>,
    ) -> std::result::Result<bool, Refusal> {
        let atoms = waiting
            .iter()
            .fold(0u64, |sum, one| sum.saturating_add(one.atoms));
        let mut book = lock(&self.book);
        match book.orders.get(&order.id) {
            Some(known) if known.body_sha256 != order.body_sha256 => {
                return Err(Refusal::KeyReused {
                    id: order.id.to_string(),
                });
            }
            Some(_) => return Ok(false),
            // It was forgotten, and its jobs are not yet.
            None if book.jobs_of(&order.id).next().is_some() => {
                return Err(Refusal::KeyReused {
                    id: order.id.to_string(),
                });
            }
            None => {}
        }
        if let Some(most_atoms) = order.most_atoms.filter(|most| atoms > *most) {
            return Err(Refusal::OverRequest { atoms, most_atoms });
        }
        let rows: usize = book.waiting.iter().map(|one| one.unit.rows).sum();
        if rows.saturating_add(order.rows) > self.settings.waiting_rows {
            return Err(Refusal::QueueFull {
                waiting: rows,
                most: self.settings.waiting_rows,
            });
        }
        let now = order.placed_at;
        let spent = book.spent(now, None);
        self.admit(atoms, self.settings.caps.admit(&spent, now, atoms))?;
        book.put_order(order.clone());
        book.waiting.extend(waiting);
        Ok(true)
    }

    /// Writes a request that is reserved; from then on jobs are made of it. If that fails, nothing is reserved any more.
    pub(super) async fn keep(&self, order: OrderRecord, rows: Vec<TokenRow>) -> Result<()> {
        let (journal, id) = (Arc::clone(&self.journal), order.id.clone());
        let written = off_loop(move || {
            journal.save_rows(&order.id, &encode_rows(&rows))?;
            // From here on it is kept.
            journal.save_order(&order)
        });
        let written = written.await.map_err(GatewayError::from).flatten();
        if let Err(error) = written {
            lock(&self.book).remove_order(&id);
            // Somebody else may wait for it.
            self.changed();
            return Err(error);
        }
        let ended = {
            let mut book = lock(&self.book);
            let own = book.waiting.iter_mut().filter(|one| one.unit.order == id);
            own.for_each(|one| one.is_kept = true);
            let ended = book.orders.get(&id).filter(|one| one.stage.has_ended());
            ended.cloned()
        };
        // Cancelled while it was written: the end must be what stands last.
        if let Some(order) = ended {
            return self.save_order(order).await;
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Puts rows of kept requests into the queue that no job has.
    pub(crate) fn wait_again(&self) -> Result<()> {
        // In one go: nobody else puts the same rows there meanwhile.
        let mut book = lock(&self.book);
        let mut all = Vec::new();
        let running = book.orders.values();
        for order in running.filter(|order| order.stage == Stage::Running) {
            for (from, rows) in book.uncovered(order) {
                all.push((order.clone(), from, rows));
            }
        }
        all.sort_by_key(|(order, from, _)| (order.placed_at, order.id.clone(), *from));
        for (order, from, rows) in all {
            let waiting = self.units(&order, from, rows)?;
            let kept = waiting.into_iter().map(|one| Waiting {
                is_kept: true,
                ..one
            });
            book.waiting.extend(kept);
        }
        Ok(())
    }

    /// Ends a request whose rows all have vectors.
    pub(crate) async fn answer_if_whole(&self, id: &OrderId) -> Result<()> {
        let order = {
            let book = lock(&self.book);
            let order = book.orders.get(id).cloned();
            order.filter(|order| order.stage == Stage::Running && book.answered(id) >= order.rows)
        };
        match order {
            Some(order) => self.end_order(order, Stage::Answered, None).await,
            None => {
                self.changed();
                Ok(())
            }
        }
    }

    /// Ends requests of a job that still run.
    pub(crate) async fn fail_orders(&self, job: &JobRecord, refusal: &Refusal) -> Result<()> {
        for unit in &job.units {
            let order = lock(&self.book).orders.get(&unit.order).cloned();
            if let Some(order) = order.filter(|order| order.stage == Stage::Running) {
                self.end_order(order, Stage::Failed, Some(refusal.clone()))
                    .await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn end_order(
        &self,
        mut order: OrderRecord,
        stage: Stage,
        refusal: Option<Refusal>,
    ) -> Result<()> {
        order.stage = stage;
        order.refusal = refusal;
        order.ended_at = Some(self.now());
        let id = order.id.clone();
        self.save_order(order).await?;
        lock(&self.book)
            .waiting
            .retain(|waiting| waiting.unit.order != id);
        Ok(())
    }

    /// Removes a request, and the jobs that were for it alone and are settled.
    pub(crate) async fn forget_order(&self, id: &OrderId) -> Result<()> {
        let (journal, order) = (Arc::clone(&self.journal), id.clone());
        off_loop(move || journal.remove_order(&order)).await??;
        lock(&self.book).remove_order(id);
        Ok(())
    }
}
