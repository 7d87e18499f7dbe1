//! Requests: what may be made, what waits, and how one ends.

use {
    super::inner::Inner,
    crate::{
        batching,
        book::{Book, Waiting},
        embedder::{Request, TokenRow},
        error::{GatewayError, Result},
        order::{OrderId, Stage},
        record::{JobRecord, OrderRecord, Unit, encode_rows},
        refusal::{Cap, Refusal},
    },
    quern_data::runtime::{lock, off_loop},
    quern_rules::caps::{CapKind, Exceeded, RequestUse},
    std::{sync::Arc, time::Instant},
};

/// A request whose price is reserved.
pub(super) struct Reserved {
    order: OrderRecord,
    /// What was known of it, if it failed before and is taken up again.
    former: Option<OrderRecord>,
}

impl Inner {
    /// The order of a request that may be made, not written yet.
    pub(super) fn drafted(&self, request: &Request) -> std::result::Result<OrderRecord, Refusal> {
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
        Ok(OrderRecord {
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
        })
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

    /// That a cap leaves too little for these atoms, in the words of a front door.
    pub(crate) fn over_cap(&self, why: Exceeded, atoms: u64) -> Refusal {
        let cap = match why.kind {
            CapKind::Own => {
                return Refusal::OverRequest {
                    atoms,
                    most_atoms: why.cap_atoms,
                };
            }
            CapKind::Request => Cap::Request,
            CapKind::Hour => Cap::Hour,
            CapKind::Day => Cap::Day,
        };
        Refusal::OverCap {
            cap,
            atoms,
            left_atoms: why.left_atoms,
            cap_atoms: why.cap_atoms,
            mint: self.market.mint().to_string(),
            retry_after_secs: why.retry_after_secs,
        }
    }

    /// Refuses what a request may not use any more: what it has used before counts.
    pub(crate) fn admit_request(
        &self,
        order: &OrderRecord,
        used_atoms: u64,
        atoms: u64,
    ) -> std::result::Result<(), Refusal> {
        let request = RequestUse {
            used_atoms,
            own_atoms: order.most_atoms.unwrap_or(u64::MAX),
        };
        let admitted = self.settings.caps.admit_request(request, atoms);
        admitted.map_err(|why| self.over_cap(why, used_atoms.saturating_add(atoms)))
    }

    /// Reserves what a request may cost, or says why it may not. Where the same is kept already nothing is reserved, unless it
    /// failed and may be taken up again.
    pub(super) fn reserve(
        &self,
        order: OrderRecord,
    ) -> std::result::Result<Option<Reserved>, Refusal> {
        let mut book = lock(&self.book);
        let known = book.orders.get(&order.id).cloned();
        let reserved = match known {
            Some(known) if known.body_sha256 != order.body_sha256 => {
                return Err(Refusal::KeyReused {
                    id: order.id.to_string(),
                });
            }
            Some(known) if known.may_reopen() && known.model == order.model => Reserved {
                order,
                former: Some(known),
            },
            Some(_) => return Ok(None),
            // It was forgotten, and its jobs are not yet.
            None if book.jobs_of(&order.id).next().is_some() => {
                return Err(Refusal::KeyReused {
                    id: order.id.to_string(),
                });
            }
            None => Reserved {
                order,
                former: None,
            },
        };
        let order = &reserved.order;
        // All rows of a new request; of one that failed, those that no job has or has answered.
        let mut waiting = Vec::new();
        for (from, rows) in book.uncovered(order) {
            waiting.extend(self.units(order, from, rows)?);
        }
        self.admit_order(&book, order, &waiting)?;
        book.put_order(order.clone());
        book.waiting.extend(waiting);
        Ok(Some(reserved))
    }

    /// Refuses a request whose rows that wait find no place, or cost more than there is left. What it has spent before counts.
    fn admit_order(
        &self,
        book: &Book,
        order: &OrderRecord,
        waiting: &[Waiting],
    ) -> std::result::Result<(), Refusal> {
        let atoms = waiting
            .iter()
            .fold(0u64, |sum, one| sum.saturating_add(one.atoms));
        self.admit_request(order, book.spent_for(&order.id, None), atoms)?;
        let queued: usize = book.waiting.iter().map(|one| one.unit.rows).sum();
        let rows: usize = waiting.iter().map(|one| one.unit.rows).sum();
        if queued.saturating_add(rows) > self.settings.waiting_rows {
            return Err(Refusal::QueueFull {
                waiting: queued,
                most: self.settings.waiting_rows,
            });
        }
        self.admit_bytes(book, order)?;
        let now = order.placed_at;
        let admitted = (self.settings.caps).admit(&book.spent(now, None), now, atoms);
        admitted.map_err(|why| self.over_cap(why, atoms))
    }

    /// Writes a request that is reserved; from then on jobs are made of it. If that fails, nothing is reserved any more.
    pub(super) async fn keep(&self, reserved: Reserved, rows: Vec<TokenRow>) -> Result<()> {
        let Reserved { order, former } = reserved;
        let (journal, id) = (Arc::clone(&self.journal), order.id.clone());
        let is_new = former.is_none();
        let written = off_loop(move || {
            if is_new {
                journal.save_rows(&order.id, &encode_rows(&rows))?;
            }
            // From here on it is kept.
            journal.save_order(&order)
        });
        let written = written.await.map_err(GatewayError::from).flatten();
        if let Err(error) = written {
            let mut book = lock(&self.book);
            book.remove_order(&id);
            former.into_iter().for_each(|former| book.put_order(former));
            drop(book);
            // Somebody else may wait for it.
            self.changed();
            return Err(error);
        }
        {
            let mut book = lock(&self.book);
            let own = book.waiting.iter_mut().filter(|one| one.unit.order == id);
            own.for_each(|one| one.is_kept = true);
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
        let is_whole = {
            let book = lock(&self.book);
            let rows = book.orders.get(id).map(|order| order.rows);
            rows.is_some_and(|rows| book.answered(id) >= rows)
        };
        match is_whole {
            true => self.end_order(id, Stage::Answered, None).await,
            false => {
                self.changed();
                Ok(())
            }
        }
    }

    /// Ends requests of a job that still run.
    pub(crate) async fn fail_orders(&self, job: &JobRecord, refusal: &Refusal) -> Result<()> {
        for unit in &job.units {
            self.end_order(&unit.order, Stage::Failed, Some(refusal.clone()))
                .await?;
        }
        Ok(())
    }

    /// Ends a request that still runs.
    pub(crate) async fn end_order(
        &self,
        id: &OrderId,
        stage: Stage,
        refusal: Option<Refusal>,
    ) -> Result<()> {
        let _turn = self.turn(id).await;
        let order = lock(&self.book).orders.get(id).cloned();
        let Some(mut order) = order.filter(|order| order.stage == Stage::Running) else {
            return Ok(());
        };
        order.stage = stage;
        order.refusal = refusal;
        order.ended_at = Some(self.now());
        self.save_order(order).await
    }

    /// Removes a request, and the jobs that were for it alone and are settled.
    pub(crate) async fn forget_order(&self, id: &OrderId) -> Result<()> {
        let _turn = self.turn(id).await;
        {
            // It may have been taken up again meanwhile.
            let book = lock(&self.book);
            let order = book.orders.get(id);
            let has_ended = order.is_none_or(|order| order.stage.has_ended());
            if !has_ended || book.is_at_work(id) {
                return Ok(());
            }
        }
        let (journal, order) = (Arc::clone(&self.journal), id.clone());
        off_loop(move || journal.remove_order(&order)).await??;
        lock(&self.book).remove_order(id);
        Ok(())
    }
}
