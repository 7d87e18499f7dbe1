//! The network with everything set up on it: protocol, mints, rewards, the model, people with money. What happens then is up
//! to the demo or a test.

use {
    super::{
        chronicle::Chronicle,
        digits::Digits,
        names::Names,
        wait::until,
        work::{self, Work},
    },
    crate::program_so,
    anyhow::{Context, Result, ensure},
    quern_client::{
        Keypair, Pubkey, Sender, Signer, accounts, addresses, cluster, flows, instructions,
        instructions::NOBODY,
        quern::{
            instructions::{EmissionSettings, NewJob, NewModel, ProviderSettings},
            state::{AssetKind, Assurance, Job, JobKind, MintRates, ProtocolSettings, Purse},
        },
        read,
    },
    quern_data::Publisher,
    quern_localnet::{LocalNet, Mint, Options},
    quern_proof::{Tensor, file},
    std::{
        fs,
        ops::Range,
        path::{Path, PathBuf},
        time::Duration,
    },
    tempfile::TempDir,
};

/// An hour in seconds.
pub const HOUR: u32 = 3_600;
/// A day in seconds.
pub const DAY: u32 = 24 * HOUR;
/// One token of the payment mint.
pub const QUSD: u64 = 1_000_000;
/// One token of the reward mint.
pub const QRN: u64 = 1_000_000_000;
/// Time in which an open job must be taken.
pub const TAKE_SECS: u32 = HOUR;
/// Time for a milestone.
pub const WORK_SECS: u32 = 2 * HOUR;
/// Time to challenge or reject a result.
pub const REVIEW_SECS: u32 = DAY;
/// What each provider puts into its purse for bonds.
pub const BOND_DEPOSIT_ATOMS: u64 = 400 * QUSD;
/// What providers at least want for a milestone.
pub const LEAST_PRICE_ATOMS: u64 = QUSD;
const WALLET_LAMPORTS: u64 = 10_000_000_000;

/// The protocol's settings in the demo: as somebody would set them on a real network, for time can be moved here.
pub const PARAMS: ProtocolSettings = ProtocolSettings {
    guardian: NOBODY,
    treasury_owner: NOBODY,
    fee_bps: 250,
    late_penalty_bps: 1_000,
    reject_bps: 500,
    arbiter_bps: 300,
    refereed_bond_bps: 20_000,
    reviewed_bond_bps: 10_000,
    refereed_review_secs: 12 * HOUR,
    reviewed_review_secs: 12 * HOUR,
    demand_fee_lamports: 10_000,
    response_secs: 6 * HOUR,
    react_secs: HOUR,
    resolve_secs: 3 * DAY,
    grace_secs: 6 * HOUR,
    restart_grace_secs: DAY,
    campaign_claim_secs: 30 * DAY,
};

/// A provider's keys and folder.
pub struct ProviderKeys {
    /// Its name.
    pub name: &'static str,
    /// The wallet that owns bonds and earnings.
    pub owner: Keypair,
    /// The hot key of its machine.
    pub operator: Keypair,
    /// Its machine's folder.
    pub home: PathBuf,
}

/// A token account that the demo knows, and what was minted into it.
#[derive(Clone, Debug)]
pub struct Wallet {
    /// Whose.
    pub owner: Pubkey,
    /// In which mint.
    pub mint: Pubkey,
    /// The token account.
    pub account: Pubkey,
    /// What the mint's authority put into it.
    pub minted_atoms: u64,
}

/// Everything that exists before the first job.
pub struct Stage {
    /// The network.
    pub net: LocalNet,
    /// Names of all of them.
    pub names: Names,
    /// What happened.
    pub chronicle: Chronicle,
    /// The model's files and images.
    pub digits: Digits,
    /// What is paid in.
    pub payment: Mint,
    /// What rewards are paid in.
    pub reward: Mint,
    /// The digits model.
    pub model: Pubkey,
    /// The plain product of two matrices.
    pub product: Pubkey,
    /// The data set that training jobs use.
    pub data_set: Pubkey,
    /// Who pays.
    pub client: Keypair,
    /// Who owns model and data set.
    pub creator: Keypair,
    /// Who gets the fees.
    pub treasury: Keypair,
    /// Who decides about rejections.
    pub arbiter: Keypair,
    /// Somebody who turns cranks that anybody may turn.
    pub passer_by: Keypair,
    /// Somebody who checks what others have submitted.
    pub watcher: Keypair,
    /// The providers: two honest ones, and one that is not.
    pub providers: [ProviderKeys; 3],
    /// Token accounts with what was minted into them.
    pub wallets: Vec<Wallet>,
    /// Where everybody publishes.
    pub public: PathBuf,
    folder: TempDir,
}

impl Stage {
    /// Starts a network and sets everything up by signed transactions.
    ///
    /// # Errors
    /// The first step that fails, with what it was.
    pub async fn set_up(names: Names) -> Result<Self> {
        names.heading("A local network, the protocol and its people");
        let digits = Digits::load()?;
        let net = LocalNet::start(Options {
            program_so: Some(program_so()),
            ..Options::default()
        })
        .await?;
        names.say(format!("the network answers at {}", net.rpc_url()));
        let folder = tempfile::Builder::new()
            .prefix("quern-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let root = folder.path().canonicalize()?;
        let public = root.join("public");
        fs::create_dir_all(&public)?;

        let [client, creator, treasury, arbiter, passer_by, watcher] = people(&net, &names).await?;
        let alder = provider_keys(&net, &names, &root, "alder").await?;
        let birch = provider_keys(&net, &names, &root, "birch").await?;
        let hemlock = provider_keys(&net, &names, &root, "hemlock").await?;
        names.set(&net.admin().pubkey(), "admin");
        names.set(&addresses::emission(), "emission");

        let payment = net.create_mint(6).await?;
        let reward = net.create_mint(9).await?;
        names.set_mint(&payment.address, "qUSD", payment.decimals);
        names.set_mint(&reward.address, "QRN", reward.decimals);
        let chronicle = Chronicle::new(net.sender().clone(), names.clone());
        chronicle.set_reward_mint(&reward.address);
        let [model, data_set, product] =
            [0, 1, 2].map(|id| addresses::model(&creator.pubkey(), id));
        let mut stage = Self {
            net,
            names,
            chronicle,
            digits,
            payment,
            reward,
            model,
            product,
            data_set,
            client,
            creator,
            treasury,
            arbiter,
            passer_by,
            watcher,
            providers: [alder, birch, hemlock],
            wallets: Vec::new(),
            public,
            folder,
        };
        stage.populate().await?;
        Ok(stage)
    }

    /// Protocol, assets, providers and the client's deposit.
    async fn populate(&mut self) -> Result<()> {
        self.initialize()
            .await
            .context("the protocol could not be set up")?;
        self.register_assets()
            .await
            .context("the model could not be registered")?;
        self.register_providers()
            .await
            .context("the providers could not be registered")?;
        let (client, payment) = (self.client.pubkey(), self.payment);
        self.mint_to(&client, &payment, 1_000 * QUSD).await?;
        self.deposit(&self.client, &client, &payment, 500 * QUSD)
            .await?;
        self.chronicle.catch_up().await?;
        Ok(())
    }

    /// Sends transactions, confirmed one by one.
    pub fn sender(&self) -> &Sender {
        self.net.sender()
    }

    /// The folder of everything; it disappears with the stage.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn initialize(&mut self) -> Result<()> {
        let (admin, reward, payment) = (self.net.admin().pubkey(), self.reward, self.payment);
        let args = ProtocolSettings {
            guardian: admin,
            treasury_owner: self.treasury.pubkey(),
            ..PARAMS
        };
        let cluster = cluster::genesis(self.net.rpc()).await?;
        // Half a QRN for every qUSD of fees. Rewards themselves earn none.
        let rates = MintRates {
            reward_rate_e9: QRN / 2 / QUSD * 1_000_000_000,
            least_price_atoms: 1_000,
            price_per_gwork_atoms: QUSD / 10,
            bond_per_gwork_atoms: QUSD / 5,
        };
        let reward_rates = MintRates {
            reward_rate_e9: 0,
            least_price_atoms: 1,
            price_per_gwork_atoms: 0,
            bond_per_gwork_atoms: 0,
        };
        let all = [
            instructions::initialize(&admin, args, cluster),
            instructions::register_mint(&admin, &payment.address, &payment.token_program, rates),
            instructions::register_mint(
                &admin,
                &reward.address,
                &reward.token_program,
                reward_rates,
            ),
        ];
        self.sender().send_all(&all, &[self.net.admin()]).await?;
        let emission = EmissionSettings {
            epoch_secs: DAY,
            cap_atoms: 1_000 * QRN,
            refereed_weight_bps: 10_000,
            reviewed_weight_bps: 5_000,
        };
        let all =
            flows::configure_emission(self.net.rpc(), &admin, &reward.address, emission).await?;
        self.sender().send_all(&all, &[self.net.admin()]).await?;
        self.mint_to(&admin, &reward, 5_000 * QRN).await?;
        self.deposit(
            self.net.admin(),
            &addresses::emission(),
            &reward,
            2_000 * QRN,
        )
        .await?;
        self.names.say("protocol: fee 2.5 %, reviews of a day, bonds of twice the price; rewards: 0.5 QRN for each qUSD of fees");
        Ok(())
    }

    /// The creator publishes the weights, registers, writes and seals the model, and registers a data set.
    async fn register_assets(&self) -> Result<()> {
        let creator = self.creator.pubkey();
        let uri = self
            .publish("digits/weights.qbundle", self.digits.weights.clone())
            .await?;
        let args = NewModel {
            id: 0,
            graph_bytes: u32::try_from(self.digits.graph.len())?,
            kind: AssetKind::Model as u8,
            royalty_bps: 500,
            name: "digits".to_owned(),
            uri,
        };
        let mut all =
            flows::register_model(self.net.rpc(), &creator, args, &self.digits.graph).await?;
        let data_set = NewModel {
            id: 1,
            graph_bytes: 0,
            kind: AssetKind::DataSet as u8,
            royalty_bps: 200,
            name: "digits-to-train-on".to_owned(),
            uri: String::new(),
        };
        all.extend(flows::register_model(self.net.rpc(), &creator, data_set, &[]).await?);
        let product = work::product_graph()?;
        let args = NewModel {
            id: 2,
            graph_bytes: u32::try_from(product.len())?,
            kind: AssetKind::Model as u8,
            royalty_bps: 100,
            name: "plain-product".to_owned(),
            uri: String::new(),
        };
        all.extend(flows::register_model(self.net.rpc(), &creator, args, &product).await?);
        self.sender().send_all(&all, &[&self.creator]).await?;
        let sealed = accounts::model(self.net.rpc(), &self.model).await?;
        ensure!(sealed.model.sealed.get(), "the model is not sealed");
        let work = sealed.model.work.get();
        self.names.say(format!("creator: the digits model is sealed on chain, {work} units of work an image, royalty 5 %; its data set, royalty 2 %; the plain product of two matrices, royalty 1 %"));
        Ok(())
    }

    async fn register_providers(&mut self) -> Result<()> {
        let payment = self.payment;
        for index in 0..self.providers.len() {
            let owner = self.providers[index].owner.pubkey();
            self.mint_to(&owner, &payment, BOND_DEPOSIT_ATOMS).await?;
            let provider = &self.providers[index];
            let args = ProviderSettings {
                operator: provider.operator.pubkey(),
                name: provider.name.to_owned(),
                endpoint: format!("https://{}.example", provider.name),
                active: true,
            };
            let register = instructions::register_provider(&owner, args);
            self.sender().send(&[register], &[&provider.owner]).await?;
            self.deposit(&provider.owner, &owner, &payment, BOND_DEPOSIT_ATOMS)
                .await?;
            let limit =
                instructions::set_operator_limit(&owner, &payment.address, BOND_DEPOSIT_ATOMS);
            self.sender().send(&[limit], &[&provider.owner]).await?;
        }
        Ok(())
    }

    /// Mints tokens to somebody's wallet and remembers it for the audit.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn mint_to(&mut self, owner: &Pubkey, mint: &Mint, atoms: u64) -> Result<()> {
        self.net.mint_to(mint, owner, atoms).await?;
        self.know_wallet(owner, mint).minted_atoms += atoms;
        Ok(())
    }

    /// Somebody's usual token account, remembered for the audit.
    pub fn know_wallet(&mut self, owner: &Pubkey, mint: &Mint) -> &mut Wallet {
        let account = addresses::token_account(owner, &mint.address, &mint.token_program);
        let index = self
            .wallets
            .iter()
            .position(|known| known.account == account)
            .unwrap_or_else(|| {
                self.wallets.push(Wallet {
                    owner: *owner,
                    mint: mint.address,
                    account,
                    minted_atoms: 0,
                });
                self.wallets.len() - 1
            });
        &mut self.wallets[index]
    }

    /// Moves tokens from a wallet into a purse.
    ///
    /// # Errors
    /// That the transaction failed.
    pub async fn deposit(
        &self,
        depositor: &Keypair,
        owner: &Pubkey,
        mint: &Mint,
        atoms: u64,
    ) -> Result<()> {
        let all = flows::deposit(
            self.net.rpc(),
            &depositor.pubkey(),
            owner,
            &mint.address,
            &mint.token_program,
            atoms,
        )
        .await?;
        self.sender().send_all(&all, &[depositor]).await?;
        Ok(())
    }

    /// Publishes a file for everybody and says where it is.
    ///
    /// # Errors
    /// That it cannot be written.
    pub async fn publish(&self, relative: &str, bytes: Vec<u8>) -> Result<String> {
        Ok(Publisher::folder(&self.public, None)?
            .put(relative, bytes)
            .await?)
    }

    /// What a job of the demo asks for; callers change what differs.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn job_args(&self, price_atoms: u64) -> Result<NewJob> {
        Ok(NewJob {
            kind: JobKind::Inference as u8,
            assurance: Assurance::Refereed as u8,
            milestones: 1,
            price_atoms,
            bond_atoms: price_atoms.saturating_mul(2),
            take_secs: TAKE_SECS,
            work_secs: WORK_SECS,
            review_secs: REVIEW_SECS,
            ends_by: self.net.now().await? + i64::from(7 * DAY),
            items: 0,
            pinned_provider: NOBODY,
            arbiter: NOBODY,
            campaign: NOBODY,
            input_roots: Vec::new(),
            input_uri: String::new(),
        })
    }

    /// A refereed job on some of the held-out images: the client publishes them and escrows the price.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn create_digits_job(
        &self,
        name: &str,
        range: Range<usize>,
        price_atoms: u64,
    ) -> Result<Pubkey> {
        self.create_digits_job_for(NOBODY, name, range, price_atoms)
            .await
    }

    /// The same, counting for a campaign.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn create_digits_job_for(
        &self,
        campaign: Pubkey,
        name: &str,
        range: Range<usize>,
        price_atoms: u64,
    ) -> Result<Pubkey> {
        let work = Work::digits(&self.digits, range)?;
        let args = NewJob {
            campaign,
            ..self.refereed_args(name, &work, price_atoms).await?
        };
        self.create_job(name, Some(self.model), args).await
    }

    /// A refereed job on any inputs, for one provider alone if it is pinned.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn create_refereed_job(
        &self,
        name: &str,
        model: Pubkey,
        work: &Work,
        price_atoms: u64,
        pinned_provider: Option<Pubkey>,
    ) -> Result<Pubkey> {
        let args = NewJob {
            pinned_provider: pinned_provider.unwrap_or(NOBODY),
            ..self.refereed_args(name, work, price_atoms).await?
        };
        self.create_job(name, Some(model), args).await
    }

    /// What a refereed job on any inputs asks for, once they are published.
    async fn refereed_args(&self, name: &str, work: &Work, price_atoms: u64) -> Result<NewJob> {
        let relative = format!("client/{}.qbundle", name.replace(' ', "-"));
        let bundle = file::encode_bundle(&work.given()?);
        Ok(NewJob {
            items: work.items,
            input_roots: work.input_roots()?,
            input_uri: self.publish(&relative, bundle).await?,
            ..self.job_args(price_atoms).await?
        })
    }

    /// One more model of the creator's, whose weights are published.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn register_model(
        &self,
        (id, name): (u64, &str),
        graph: &[u8],
        weights: &[Tensor],
    ) -> Result<Pubkey> {
        let creator = self.creator.pubkey();
        let relative = format!("{name}/weights.qbundle");
        let uri = self
            .publish(&relative, file::encode_bundle(weights))
            .await?;
        let args = NewModel {
            id,
            graph_bytes: u32::try_from(graph.len())?,
            kind: AssetKind::Model as u8,
            royalty_bps: 300,
            name: name.to_owned(),
            uri,
        };
        let all = flows::register_model(self.net.rpc(), &creator, args, graph).await?;
        self.sender().send_all(&all, &[&self.creator]).await?;
        Ok(addresses::model(&creator, id))
    }

    /// Creates a job of the client's.
    ///
    /// # Errors
    /// That the transaction failed.
    pub async fn create_job(
        &self,
        name: &str,
        model: Option<Pubkey>,
        args: NewJob,
    ) -> Result<Pubkey> {
        let (client, mint) = (self.client.pubkey(), self.payment.address);
        let known = read::for_create(self.net.rpc(), &client, &mint, model.as_ref()).await?;
        let (job, all) = flows::create_job(self.net.rpc(), &client, &known, args).await?;
        self.names.set(&job, name);
        self.sender()
            .send_all(&all, &[&self.client])
            .await
            .with_context(|| format!("{name} could not be created"))?;
        Ok(job)
    }

    /// A job, unless it has ended.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn job(&self, address: &Pubkey) -> Result<Option<Job>> {
        Ok(accounts::fetch_optional(self.net.rpc(), address).await?)
    }

    /// Somebody's purse.
    ///
    /// # Errors
    /// That the network does not answer, or that it is not open.
    pub async fn purse(&self, owner: &Pubkey, mint: &Mint) -> Result<Purse> {
        let purse = accounts::purse(self.net.rpc(), owner, &mint.address).await?;
        purse.with_context(|| format!("{} has no purse", self.names.of(owner)))
    }

    /// Moves the cluster's clock behind a moment.
    ///
    /// # Errors
    /// That the clock does not follow.
    pub async fn pass(&self, moment: i64, why: &str) -> Result<()> {
        self.chronicle.catch_up().await?;
        let now = self.net.now().await?;
        let ahead = u64::try_from(moment - now + 1);
        if let Some(secs) = ahead.ok().filter(|secs| *secs > 0) {
            let hours = secs as f64 / f64::from(HOUR);
            self.names.say(format!("~~ {hours:.1} hours pass: {why}"));
            self.net.advance_time(secs).await?;
        }
        until(
            "the cluster's clock passes a deadline",
            Duration::from_secs(20),
            async || Ok((self.net.now().await? > moment).then_some(())),
        )
        .await
    }
}

/// Everybody but the providers, each with a name and a funded wallet.
async fn people(net: &LocalNet, names: &Names) -> Result<[Keypair; 6]> {
    const NAMES: [&str; 6] = [
        "client",
        "creator",
        "treasury",
        "arbiter",
        "passer-by",
        "watcher",
    ];
    let people = NAMES.map(|_| Keypair::new());
    for (wallet, name) in people.iter().zip(NAMES) {
        net.fund(&wallet.pubkey(), WALLET_LAMPORTS).await?;
        names.set(&wallet.pubkey(), name);
    }
    Ok(people)
}

async fn provider_keys(
    net: &LocalNet,
    names: &Names,
    root: &Path,
    name: &'static str,
) -> Result<ProviderKeys> {
    let (owner, operator) = (
        net.fresh(WALLET_LAMPORTS).await?,
        net.fresh(WALLET_LAMPORTS).await?,
    );
    names.set(&owner.pubkey(), name);
    Ok(ProviderKeys {
        name,
        owner,
        operator,
        home: root.join(name),
    })
}
