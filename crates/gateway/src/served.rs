//! A model that the gateway serves: its folder, its registration on chain, its tokenizer.

use {
    crate::{
        embedder::{ModelCard, TokenRow},
        error::{GatewayError, Result},
        market::Rates,
        refusal::Refusal,
    },
    quern_client::{
        ClientError, Pubkey, RpcClient, accounts,
        quern::state::{Assurance, Model},
    },
    quern_data::ModelFolder,
    quern_import::Tokenizer,
    quern_proof::{Tensor, graph::Graph},
    quern_rules::caps::job_price,
    std::sync::{Arc, RwLock},
};

/// What a model gives and takes, as its graph says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dimensions {
    /// Numbers of a vector.
    pub vector: usize,
    /// Bytes of a vector in a result.
    pub bytes: u64,
    /// Tokens of a row.
    pub sequence: usize,
    pub vocabulary: u32,
}

/// A served model.
#[derive(Clone)]
pub struct Served {
    pub(crate) name: String,
    pub(crate) address: Pubkey,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) graph_sha256: String,
    pub(crate) dimensions: Dimensions,
    /// What is said of it; prices change with the chain.
    card: Arc<RwLock<ModelCard>>,
    pub(crate) folder: Option<ModelFolder>,
}

impl Served {
    /// An imported encoder whose graph is registered on the cluster.
    ///
    /// # Errors
    /// That it reads no texts, or is not registered.
    pub async fn open(
        rpc: &RpcClient,
        folder: ModelFolder,
        address: Option<Pubkey>,
        mint: &Pubkey,
    ) -> Result<Self> {
        let (address, model) = registration(rpc, &folder, address).await?;
        let (bytes, sequence) = folder.tokenizer_file()?;
        let tokenizer = Tokenizer::new(&bytes, sequence)?;
        let graph = Graph::load(&folder.graph)?;
        let last = graph.op_count().saturating_sub(1);
        let output = graph.output(last).map_err(quern_proof::Error::from)?;
        if output.rows != 1 || graph.input_count() != 2 || graph.tokens().is_some() {
            return Err(GatewayError::NotReady(format!(
                "the model {} is no encoder of texts: it takes {} inputs and gives {} rows for each item; serve one that takes ids and a mask and gives one vector",
                folder.card.name,
                graph.input_count(),
                output.rows
            )));
        }
        let dimensions = Dimensions {
            vector: output.cols as usize,
            bytes: output.bytes(),
            sequence,
            vocabulary: u32::try_from(tokenizer.vocabulary()).unwrap_or(u32::MAX),
        };
        let card = ModelCard {
            name: folder.card.name.clone(),
            address: address.to_string(),
            created: 0,
            owner: model.owner.to_string(),
            dimensions: dimensions.vector,
            max_tokens: sequence,
            vocabulary: dimensions.vocabulary,
            row_price_atoms: 0,
            least_price_atoms: 0,
            mint: mint.to_string(),
            decimals: 0,
            assurance: Assurance::Refereed.name().to_owned(),
            checked_share: 1.0,
            quality: folder.card.quality.clone(),
        };
        Ok(Self {
            name: folder.card.name.clone(),
            address,
            tokenizer: Arc::new(tokenizer),
            graph_sha256: folder.card.graph_sha256.clone(),
            dimensions,
            card: Arc::new(RwLock::new(card)),
            folder: Some(folder),
        })
    }

    /// Its account.
    pub const fn address(&self) -> Pubkey {
        self.address
    }

    /// What is said of it.
    pub(crate) fn card(&self) -> ModelCard {
        let card = self.card.read();
        card.unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Notes what its jobs cost now.
    pub(crate) fn price(&self, rates: &Rates, price_bps: u32, sample: Option<f64>) {
        /// So many rows that the least price of a job does not matter.
        const MANY: u64 = 10_000;
        let price =
            |rows| job_price(&rates.row, rows, price_bps).map_or(u64::MAX, |job| job.price_atoms);
        let mut card = self
            .card
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        card.row_price_atoms = price(MANY).div_ceil(MANY);
        card.least_price_atoms = price(1);
        card.decimals = rates.decimals;
        card.checked_share = sample.unwrap_or(1.0).clamp(0.0, 1.0);
    }

    /// The tokens of texts.
    ///
    /// # Errors
    /// `NoRows`, `BadLength`, or that the tokenizer failed.
    pub(crate) fn tokenize(&self, texts: &[String]) -> std::result::Result<Vec<TokenRow>, Refusal> {
        let failed = |error: quern_import::Error| Refusal::from(GatewayError::from(error));
        if texts.is_empty() {
            return Err(Refusal::NoRows);
        }
        let rows = texts.iter().enumerate().map(|(row, text)| {
            let (ids, is_shortened) = self.tokenizer.ids(text).map_err(failed)?;
            if is_shortened {
                return Err(Refusal::BadLength {
                    row,
                    tokens: self.tokenizer.count(text).map_err(failed)?,
                    most: self.dimensions.sequence,
                });
            }
            Ok(TokenRow { ids })
        });
        rows.collect()
    }

    /// Refuses rows that the graph does not read.
    pub(crate) fn check(&self, rows: &[TokenRow]) -> std::result::Result<(), Refusal> {
        let most = self.dimensions.sequence;
        for (row, tokens) in rows.iter().enumerate() {
            if tokens.ids.is_empty() || tokens.ids.len() > most {
                return Err(Refusal::BadLength {
                    row,
                    tokens: tokens.ids.len(),
                    most,
                });
            }
            let vocabulary = self.dimensions.vocabulary;
            if let Some(token) = tokens.ids.iter().find(|id| **id >= vocabulary) {
                return Err(Refusal::BadToken {
                    row,
                    token: *token,
                    vocabulary,
                });
            }
        }
        Ok(())
    }

    /// The inputs of a job for these rows.
    pub(crate) fn inputs(&self, rows: &[TokenRow]) -> Result<Vec<Tensor>> {
        let rows: Vec<&[u32]> = rows.iter().map(|row| row.ids.as_slice()).collect();
        Ok(self.tokenizer.inputs(&rows)?.into())
    }

    #[cfg(test)]
    pub(crate) fn of_test(address: Pubkey, tokenizer: &str, dimensions: Dimensions) -> Self {
        let tokenizer = Tokenizer::new(tokenizer.as_bytes(), dimensions.sequence)
            .expect("the test's tokenizer is one");
        let card = ModelCard {
            name: "Test".to_owned(),
            address: address.to_string(),
            created: 0,
            owner: String::new(),
            dimensions: dimensions.vector,
            max_tokens: dimensions.sequence,
            vocabulary: dimensions.vocabulary,
            row_price_atoms: 0,
            least_price_atoms: 0,
            mint: String::new(),
            decimals: 0,
            assurance: "refereed".to_owned(),
            checked_share: 1.0,
            quality: serde_json::Value::Null,
        };
        Self {
            name: card.name.clone(),
            address,
            tokenizer: Arc::new(tokenizer),
            graph_sha256: String::new(),
            dimensions,
            card: Arc::new(RwLock::new(card)),
            folder: None,
        }
    }
}

/// The sealed, active model on the cluster whose graph is that of an imported folder.
///
/// # Errors
/// That there is none, or several; how to register or to name one.
pub async fn registration(
    rpc: &RpcClient,
    folder: &ModelFolder,
    named: Option<Pubkey>,
) -> Result<(Pubkey, Model)> {
    let same = async |address: &Pubkey| -> Result<Option<Model>> {
        let found = accounts::model(rpc, address).await?;
        let is_open = found.model.sealed.get() && found.model.active.get();
        Ok((is_open && found.graph == folder.graph).then_some(found.model))
    };
    if let Some(address) = named {
        return match same(&address).await {
            Ok(Some(model)) => Ok((address, model)),
            Ok(None) => Err(GatewayError::NotReady(format!(
                "the model {address} is not that of {}, or takes no jobs; leave --address out to find the one that is",
                folder.path.display()
            ))),
            Err(GatewayError::Client(ClientError::NotFound { .. })) => {
                Err(GatewayError::NotReady(format!(
                    "there is no model at {address} on this cluster; check the address and --url"
                )))
            }
            Err(error) => Err(error),
        };
    }
    let name = &folder.card.name;
    let mut found = Vec::new();
    for (address, model) in accounts::models(rpc, None).await? {
        if accounts::name(&model.name) == *name
            && let Some(model) = same(&address).await?
        {
            found.push((address, model));
        }
    }
    match found.as_slice() {
        [(address, model)] => Ok((*address, *model)),
        [] => Err(GatewayError::NotReady(format!(
            "no model called {name} with the graph of {} is registered on this cluster; register it: quern model register --id 1 --name {name} --graph {} --weights {} --uri URI",
            folder.path.display(),
            folder.path.join(quern_data::model::GRAPH).display(),
            folder.path.join(quern_data::model::WEIGHTS).display(),
        ))),
        several => Err(GatewayError::NotReady(format!(
            "{} models on this cluster have this name and this graph; name one with --address: {}",
            several.len(),
            several
                .iter()
                .map(|(address, _)| address.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        ))),
    }
}
