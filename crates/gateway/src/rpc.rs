//! The market over RPC: a cluster, a wallet, the watcher's test, and a folder or server for inputs.

use {
    crate::{
        engine::Engine,
        error::{GatewayError, Result},
        late,
        market::{
            Candidate, Delivered, Examined, Found, Look, Market, NotCreated, Placing, PurseState,
            Rates, Sent,
        },
        served::Served,
        settings::Settings,
    },
    async_trait::async_trait,
    quern_client::{
        ChainReads, ClientError, Keypair, Outcome, Pubkey, RpcClient, Sender, Signer, accounts,
        addresses, clock, flows, history,
        history::At,
        instructions::NOBODY,
        quern::{
            events::QuernEvent,
            instructions::NewJob,
            state::{Assurance, JobKind, JobState},
        },
        read,
    },
    quern_data::{FetchLimits, Fetcher, Publisher, TensorStore, fetch},
    quern_proof::{Tensor, file, graph::Graph, published},
    quern_rules::{caps::RowCost, deadline::passed},
    quern_watcher::{
        CheckedItems, Followed, RpcWatcherChain, Scope, Verdict, Watcher, WatcherChain,
    },
    std::{collections::BTreeMap, ops::ControlFlow, path::PathBuf, sync::Arc, time::Duration},
};

/// Largest file of a provider that is fetched.
const MOST_BYTES: u64 = 1 << 34;
/// Memory for weights and for what is being checked.
const MEMORY_BYTES: u64 = 8 << 30;
/// Most work of a job that is checked: what it is worth the wallet has decided.
const MOST_WORK: u64 = u64::MAX;

/// Most that demanding withheld traces of a job may cost, in lamports.
const MOST_FEE_LAMPORTS: u64 = 10_000_000;

/// What a gateway works with.
pub struct Connection {
    /// Sends to the cluster.
    pub sender: Sender,
    /// Who pays.
    pub wallet: Keypair,
    /// What prices are in.
    pub mint: Pubkey,
    /// Where providers fetch inputs from.
    pub publisher: Publisher,
    /// The folder of that publisher, if it is one: what is not needed any more is removed from it.
    pub inputs: Option<PathBuf>,
    /// Where results may be fetched from.
    pub fetch: FetchLimits,
}

impl Engine {
    /// A gateway over a cluster.
    ///
    /// # Errors
    /// A folder that cannot be used or belongs to another gateway or cluster, models that cannot be served, no answer.
    pub async fn open(
        settings: Settings,
        served: Vec<Served>,
        connection: Connection,
    ) -> Result<Self> {
        let market = RpcMarket::new(&settings, &served, connection)?;
        Self::over(settings, served, Arc::new(market)).await
    }
}

/// A cluster over RPC.
struct RpcMarket {
    sender: Sender,
    wallet: Keypair,
    mint: Pubkey,
    publisher: Publisher,
    inputs: Option<PathBuf>,
    fetcher: Fetcher,
    chain: Arc<RpcWatcherChain>,
    store: Arc<TensorStore>,
    watch: quern_watcher::Settings,
    /// Graphs and weights' places by model.
    models: BTreeMap<Pubkey, Known>,
    sample: Option<f64>,
}

/// A model as it was served: its graph is that of the account.
struct Known {
    graph: Vec<u8>,
    folder: quern_data::ModelFolder,
}

impl RpcMarket {
    fn new(settings: &Settings, served: &[Served], connection: Connection) -> Result<Self> {
        let Connection {
            sender,
            wallet,
            mint,
            publisher,
            inputs,
            mut fetch,
        } = connection;
        let mut models = BTreeMap::new();
        let mut weights = BTreeMap::new();
        for one in served {
            let Some(folder) = one.folder.clone() else {
                continue;
            };
            weights.insert(one.address, folder.weights_uri()?);
            // What lies in the model's own folder may be read, and so may what was published here.
            fetch.file_roots.push(folder.path.clone());
            let graph = folder.graph.clone();
            models.insert(one.address, Known { graph, folder });
        }
        fetch.file_roots.extend(inputs.clone());
        fetch.max_bytes = MOST_BYTES;
        let watch = quern_watcher::Settings {
            sample: settings.sample,
            fetch: fetch.clone(),
            weights,
            memory_bytes: MEMORY_BYTES,
            max_work: MOST_WORK,
            // Results are small, and somebody waits.
            publication_grace: Duration::from_secs(10),
            poll: settings.poll,
            max_fee_lamports: MOST_FEE_LAMPORTS,
            ..quern_watcher::Settings::default()
        };
        let store = TensorStore::open(fetch.clone(), MEMORY_BYTES, None)?;
        Ok(Self {
            chain: RpcWatcherChain::new(sender.clone(), wallet.insecure_clone()),
            fetcher: Fetcher::new(fetch),
            store: Arc::new(store),
            sample: settings.sample,
            sender,
            wallet,
            mint,
            publisher,
            inputs,
            watch,
            models,
        })
    }

    fn rpc(&self) -> &RpcClient {
        self.sender.rpc()
    }

    fn known(&self, model: &Pubkey) -> Result<&Known> {
        self.models
            .get(model)
            .ok_or_else(|| GatewayError::NotReady(format!("the model {model} is not served here")))
    }

    /// What a job's provider committed to last, and where it published that.
    async fn submitted(&self, address: &Pubkey) -> Result<(quern_proof::Hash, String)> {
        if let Some(job) = self.chain.job(address).await?
            && job.is_in(JobState::Submitted)
        {
            let uri = self.chain.output_uri(address, &job).await?;
            return Ok((job.trace_root, uri));
        }
        let pick = |event: &QuernEvent| match event {
            QuernEvent::ResultSubmitted(event) if event.job == *address => {
                Some((event.trace_root, event.output_uri.clone()))
            }
            _ => None,
        };
        let found = history::find(self.rpc(), address, At::Newest, pick).await?;
        found.ok_or_else(|| {
            GatewayError::NotReady(format!(
                "no transaction that was found says what was submitted for {address}"
            ))
        })
    }

    /// The published item roots of a job that is gone, with its result.
    async fn published(
        &self,
        job: &Pubkey,
        model: &Pubkey,
        items: u32,
    ) -> Result<(published::Published, quern_proof::Hash, String)> {
        let graph = Graph::load(&self.known(model)?.graph)?;
        let (root, uri) = self.submitted(job).await?;
        let expected = published::result_len(&graph, items);
        let result = self.fetcher.fetch(&uri, expected).await?;
        let expected = published::roots_len(&graph, items);
        let beside = fetch::beside(&uri, fetch::ROOTS_FILE)?;
        let roots = self.fetcher.fetch(&beside, expected).await?;
        let checked = published::check(&graph, items, &root, result, &roots)?;
        Ok((checked, root, uri))
    }
}

#[async_trait]
impl Market for RpcMarket {
    fn wallet(&self) -> Pubkey {
        self.wallet.pubkey()
    }

    fn mint(&self) -> Pubkey {
        self.mint
    }

    async fn genesis(&self) -> Result<String> {
        let genesis = self.chain.genesis().await?;
        genesis.ok_or_else(|| GatewayError::NotReady("the node says no genesis hash".to_owned()))
    }

    async fn rates(&self, model: &Pubkey) -> Result<Rates> {
        let wallet = self.wallet.pubkey();
        let known = read::for_create(self.rpc(), &wallet, &self.mint, Some(model)).await?;
        let graph = Graph::load(&self.known(model)?.graph)?;
        let costs = known.model.as_ref().map(|model| model.model.costs());
        let work = costs.and_then(|costs| graph.admit(&costs, 1, graph.input_count()).ok());
        let work = work.ok_or_else(|| {
            GatewayError::NotReady(format!("the model {model} takes no jobs of single rows"))
        })?;
        let (_, least_review_secs) = known.protocol.floors(Assurance::Refereed);
        Ok(Rates {
            row: RowCost {
                floors: known.mint.floors(&known.protocol, Assurance::Refereed),
                work,
            },
            least_review_secs,
            decimals: known.mint.decimals,
        })
    }

    async fn purse(&self) -> Result<PurseState> {
        let wallet = self.wallet.pubkey();
        let known = read::for_create(self.rpc(), &wallet, &self.mint, None).await?;
        let purse = known.purse;
        Ok(PurseState {
            opened: purse.map_or(0, |purse| purse.opened.get()),
            free_atoms: purse.map_or(0, |purse| purse.free_atoms.get()),
            now: known.moment.now,
        })
    }

    async fn candidates(&self) -> Result<Vec<Candidate>> {
        let all = accounts::providers(self.rpc()).await?;
        let active = all.into_iter().filter(|(_, one)| one.active.get());
        let candidates = active.map(|(_, one)| Candidate {
            owner: one.owner,
            settled: one.settled.get(),
            late: one.late.get(),
            convicted: one.convicted.get(),
        });
        Ok(candidates.collect())
    }

    fn job_address(&self, n: u64) -> Pubkey {
        addresses::job(&self.wallet.pubkey(), &self.mint, n)
    }

    async fn publish(&self, id: &str, inputs: &[Tensor]) -> Result<String> {
        let bundle = file::encode_bundle(inputs);
        Ok(self.publisher.put(&file_name(id), bundle).await?)
    }

    async fn unpublish(&self, id: &str) -> Result<()> {
        match &self.inputs {
            Some(folder) => Ok(quern_data::files::remove(&folder.join(file_name(id)))?),
            None => Ok(()),
        }
    }

    async fn create(&self, placing: Placing<'_>) -> std::result::Result<Sent, NotCreated> {
        let attempt = placing.attempt;
        let not_sent = |error: ClientError| match error.is_transient() {
            true => NotCreated::NotSent(error.to_string()),
            false => NotCreated::Refused(error.to_string()),
        };
        let wallet = self.wallet.pubkey();
        let model = Some(&placing.model);
        let known = read::for_create(self.rpc(), &wallet, &self.mint, model).await;
        let mut known = known.map_err(not_sent)?;
        // It is created under this number or not at all.
        if let Some(purse) = &mut known.purse {
            purse.opened = attempt.n.into();
        }
        let args = NewJob {
            kind: JobKind::Inference.code(),
            assurance: Assurance::Refereed.code(),
            milestones: 1,
            price_atoms: attempt.price_atoms,
            bond_atoms: attempt.bond_atoms,
            take_secs: placing.take_secs,
            work_secs: attempt.work_secs,
            review_secs: attempt.review_secs,
            ends_by: attempt.ends_by,
            items: placing.items,
            pinned_provider: attempt.pin.unwrap_or(NOBODY),
            arbiter: NOBODY,
            campaign: NOBODY,
            input_roots: placing.input_roots,
            input_uri: placing.input_uri.to_owned(),
        };
        let created = flows::create_job(self.rpc(), &wallet, &known, args).await;
        let (_, instructions) = created.map_err(not_sent)?;
        match self.sender.send_all(&instructions, &[&self.wallet]).await {
            Ok(receipts) => {
                let mut sent = Sent::default();
                for receipt in receipts {
                    sent.signatures.push(receipt.signature.to_string());
                    // What it cost is for the books only.
                    let cost = self.sender.cost(&receipt.signature).await;
                    let fee = cost.map_or(quern_client::send::fee::SIGNATURE_LAMPORTS, |cost| {
                        cost.fee_lamports
                    });
                    sent.fee_lamports = sent.fee_lamports.saturating_add(fee);
                }
                Ok(sent)
            }
            // Some of it may be on its way.
            Err(error) if error.is_transient() || matches!(error, ClientError::Unknown { .. }) => {
                Err(NotCreated::Unclear(error.to_string()))
            }
            Err(ClientError::Refused(refusal)) if refusal.lacks_lamports() => {
                Err(NotCreated::NoLamports)
            }
            Err(error) => Err(NotCreated::Refused(error.to_string())),
        }
    }

    async fn find(&self, job: &Pubkey, n: u64, input_uri: &str) -> Result<Found> {
        let hash = history::uri_hash(input_uri);
        if let Some(job) = self.chain.job(job).await? {
            return Ok(match job.input_uri_hash == hash {
                true => Found::Ours,
                false => Found::Foreign,
            });
        }
        if self.purse().await?.opened <= n {
            return Ok(Found::Missing);
        }
        let pick = |event: &QuernEvent| match event {
            QuernEvent::JobCreated(event) if event.job == *job => Some(event.input_uri.clone()),
            _ => None,
        };
        let created = history::find(self.rpc(), job, At::Newest, pick).await?;
        Ok(match created {
            Some(uri) if uri != input_uri => Found::Foreign,
            // Nobody can tell any more: it counts as paid for.
            Some(_) | None => Found::OursEnded,
        })
    }

    async fn look(&self, address: &Pubkey, input_uri: &str) -> Result<Look> {
        let Some(job) = self.chain.job(address).await? else {
            return Ok(Look::Gone);
        };
        if job.input_uri_hash != history::uri_hash(input_uri) {
            return Ok(Look::Foreign);
        }
        let provider = job.provider;
        Ok(match job.state() {
            JobState::Open => Look::Open,
            JobState::Taken => {
                let moment = clock::moment(self.rpc()).await?;
                Look::Taken {
                    provider,
                    is_overdue: passed(moment.now, job.effective_deadline(&moment)),
                }
            }
            JobState::Convicted => Look::Convicted { provider },
            JobState::Submitted | JobState::Rejected => Look::Submitted { provider },
        })
    }

    async fn cancel(&self, address: &Pubkey) -> Result<bool> {
        let Some(job) = self.chain.job(address).await? else {
            return Ok(false);
        };
        if !job.is_in(JobState::Open) {
            return Ok(false);
        }
        let cancel = quern_client::instructions::cancel_job(&job);
        match self.sender.send(&[cancel], &[&self.wallet]).await {
            Ok(_) => Ok(true),
            // Somebody has taken it since.
            Err(ClientError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn expire(&self, address: &Pubkey) -> Result<()> {
        let Some(job) = self.chain.job(address).await? else {
            return Ok(());
        };
        let expire = flows::expire(self.rpc(), &self.wallet.pubkey(), &job).await?;
        self.sender.send_all(&expire, &[&self.wallet]).await?;
        Ok(())
    }

    async fn examine(&self, address: &Pubkey) -> Result<Examined> {
        let settings = quern_watcher::Settings {
            scope: Scope::Jobs([*address].into()),
            ..self.watch.clone()
        };
        let chain = Arc::clone(&self.chain) as Arc<dyn WatcherChain>;
        let watcher = Watcher::sharing(settings, chain, Arc::clone(&self.store))?;
        let (mut convicted, share) = (None, self.sample);
        let on = |followed: Followed| match followed {
            Followed::State(_) => ControlFlow::Continue(()),
            Followed::NoAnswer(error) => {
                tracing::warn!(%error, "cannot read the chain; retrying");
                ControlFlow::Continue(())
            }
            Followed::Verdict(report) => match &report.verdict {
                Verdict::Consistent { items, .. } => ControlFlow::Break(enough(*items, share)),
                verdict if verdict.is_conviction() => {
                    convicted = Some(verdict.details());
                    // Until the price is back.
                    ControlFlow::Continue(())
                }
                verdict => ControlFlow::Break(Examined::Unusable {
                    is_wrong: matches!(verdict, Verdict::Wrong { .. }),
                    note: verdict.details(),
                }),
            },
        };
        let ended = watcher.follow_until(address, on).await?;
        Ok(match (ended, convicted) {
            (ControlFlow::Break(examined), _) => examined,
            (ControlFlow::Continue(Outcome::Convicted { .. }), Some(why)) => Examined::Convicted {
                note: format!("convicted: {why}"),
            },
            (ControlFlow::Continue(outcome @ Outcome::Convicted { .. }), None) => {
                Examined::Convicted {
                    note: outcome.details(),
                }
            }
            (ControlFlow::Continue(outcome), _) => Examined::Ended(outcome),
        })
    }

    async fn examine_late(
        &self,
        job: &Pubkey,
        model: &Pubkey,
        items: u32,
        inputs: Vec<Tensor>,
    ) -> Result<Examined> {
        let (found, _, _) = match self.published(job, model, items).await {
            Ok(found) => found,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                return Ok(Examined::Unusable {
                    is_wrong: false,
                    note: format!(
                        "it was paid before it was checked, and its result is not at hand: {error}"
                    ),
                });
            }
        };
        let known = self.known(model)?;
        let sample = late::Sample {
            graph: known.graph.clone(),
            folder: known.folder.clone(),
            items,
            share: self.sample,
            inputs,
            roots: found.tree.item_roots().to_vec(),
        };
        late::examine(sample).await
    }

    async fn fetch(&self, job: &Pubkey, model: &Pubkey, items: u32) -> Result<Delivered> {
        let (found, trace_root, output_uri) = self.published(job, model, items).await?;
        Ok(Delivered {
            result: found.result,
            trace_root,
            output_uri,
        })
    }

    async fn outcome(&self, job: &Pubkey) -> Result<Outcome> {
        Ok(self.chain.outcome(job).await?)
    }

    async fn worker_of(&self, job: &Pubkey) -> Result<Option<Pubkey>> {
        let pick = |event: &QuernEvent| match event {
            QuernEvent::ResultSubmitted(event) if event.job == *job => Some(event.provider),
            _ => None,
        };
        Ok(history::find(self.rpc(), job, At::Newest, pick).await?)
    }
}

/// What is right is of use if as many rows were checked as are to be: a provider that withholds what leads to them makes the watcher
/// check fewer.
fn enough(items: CheckedItems, share: Option<f64>) -> Examined {
    let required = quern_watcher::sample_size(items.items, share);
    match items.count() >= required {
        true => Examined::Right(items),
        false => Examined::Unusable {
            is_wrong: false,
            note: format!(
                "only {} of {required} rows could be checked: what leads to the others is withheld",
                items.count()
            ),
        },
    }
}

fn file_name(id: &str) -> String {
    format!("{id}.qbundle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_fewer_rows_than_asked_for_is_of_no_use() {
        let checked = |recomputed, verified| CheckedItems {
            items: 100,
            recomputed,
            verified,
        };
        assert!(matches!(
            enough(checked(3, 2), Some(0.05)),
            Examined::Right(_)
        ));
        assert!(matches!(enough(checked(100, 0), None), Examined::Right(_)));
        for (items, share) in [(checked(2, 2), Some(0.05)), (checked(0, 99), None)] {
            let examined = enough(items, share);
            assert!(
                matches!(
                    examined,
                    Examined::Unusable {
                        is_wrong: false,
                        ..
                    }
                ),
                "{examined:?}"
            );
        }
    }
}
