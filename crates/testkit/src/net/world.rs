//! A network with protocol, mint, one provider and one client, ready for jobs.

use {
    crate::{program_so, short_windows},
    quern_client::{
        Instruction, Keypair, Pubkey, Receipt, Signer, accounts, addresses, cluster, flows,
        instructions::{self, NOBODY},
        quern::{
            instructions::{EmissionSettings, MintSettings, NewJob, ProviderSettings},
            state::{Assurance, Job, JobKind, MintRates, ProtocolSettings},
        },
        read,
    },
    quern_localnet::{LocalNet, Mint, Options},
    quern_proof::{DType, Tensor, builder::GraphBuilder},
    std::path::PathBuf,
};

/// Price of a milestone.
pub const PRICE: u64 = 1_000_000;
/// Bond of a job.
pub const BOND: u64 = 2_000_000;

fn rates() -> MintRates {
    MintRates {
        reward_rate_e9: 500_000_000,
        least_price_atoms: 1,
        price_per_gwork_atoms: 0,
        bond_per_gwork_atoms: 0,
    }
}

/// A network on free ports, with this program deployed.
///
/// # Panics
/// If it does not start.
pub async fn network(program_so: Option<PathBuf>) -> LocalNet {
    LocalNet::start(Options {
        program_so,
        ..Options::default()
    })
    .await
    .unwrap()
}

/// The network and its people. All panic where the network does not do what they ask.
#[allow(missing_docs)]
pub struct World {
    pub net: LocalNet,
    pub mint: Mint,
    pub treasury: Keypair,
    pub maker: Keypair,
    pub client: Keypair,
    pub provider: Keypair,
    pub operator: Keypair,
}

impl World {
    /// Starts a network and sets everything up on it.
    pub async fn new() -> Self {
        let net = network(Some(program_so())).await;
        let wallet = || net.fresh(20_000_000_000);
        let (treasury, maker, client) = (
            wallet().await.unwrap(),
            wallet().await.unwrap(),
            wallet().await.unwrap(),
        );
        let (provider, operator) = (wallet().await.unwrap(), wallet().await.unwrap());
        let mint = net.create_mint(6).await.unwrap();
        let world = Self {
            mint,
            treasury,
            maker,
            client,
            provider,
            operator,
            net,
        };
        world.set_up().await;
        world
    }

    async fn set_up(&self) {
        self.set_up_protocol().await;
        self.set_up_mint().await;
        self.set_up_purses().await;
        self.set_up_provider().await;
    }

    async fn set_up_protocol(&self) {
        let (admin, rpc) = (self.net.admin(), self.net.rpc());
        let args = ProtocolSettings {
            guardian: self.treasury.pubkey(),
            treasury_owner: self.treasury.pubkey(),
            ..short_windows()
        };
        let cluster = cluster::genesis(rpc).await.unwrap();
        self.send(
            &[instructions::initialize(&admin.pubkey(), args, cluster)],
            &[admin],
        )
        .await;
        self.send(
            &[instructions::update_protocol(
                &admin.pubkey(),
                Some(args),
                None,
            )],
            &[admin],
        )
        .await;
    }

    async fn set_up_mint(&self) {
        let (admin, rpc) = (self.net.admin(), self.net.rpc());
        let mint = &self.mint.address;
        self.send(
            &[instructions::register_mint(
                &admin.pubkey(),
                mint,
                &self.mint.token_program,
                rates(),
            )],
            &[admin],
        )
        .await;
        let update = MintSettings {
            enabled: true,
            rates: rates(),
        };
        self.send(
            &[instructions::update_mint(&admin.pubkey(), mint, update)],
            &[admin],
        )
        .await;
        let emission = EmissionSettings {
            epoch_secs: 86_400,
            cap_atoms: 1_000_000,
            refereed_weight_bps: 10_000,
            reviewed_weight_bps: 5_000,
        };
        let all = flows::configure_emission(rpc, &admin.pubkey(), mint, emission)
            .await
            .unwrap();
        self.send(&all, &[admin]).await;
    }

    async fn set_up_purses(&self) {
        let (admin, rpc) = (self.net.admin(), self.net.rpc());
        let mint = &self.mint.address;
        for (wallet, owner) in [
            (admin, addresses::emission()),
            (&self.client, self.client.pubkey()),
            (&self.provider, self.provider.pubkey()),
        ] {
            self.net
                .mint_to(&self.mint, &wallet.pubkey(), 100_000_000)
                .await
                .unwrap();
            let all = flows::deposit(
                rpc,
                &wallet.pubkey(),
                &owner,
                mint,
                &self.mint.token_program,
                100_000_000,
            )
            .await
            .unwrap();
            self.send(&all, &[wallet]).await;
        }
    }

    async fn set_up_provider(&self) {
        let mint = &self.mint.address;
        let entry = ProviderSettings {
            operator: self.operator.pubkey(),
            name: "One".to_owned(),
            endpoint: "http://one".to_owned(),
            active: true,
        };
        let owner = self.provider.pubkey();
        self.send(
            &[instructions::register_provider(&owner, entry.clone())],
            &[&self.provider],
        )
        .await;
        self.send(
            &[instructions::update_provider(&owner, entry)],
            &[&self.provider],
        )
        .await;
        self.send(
            &[instructions::set_operator_limit(&owner, mint, 2 * BOND)],
            &[&self.provider],
        )
        .await;
    }

    /// Sends instructions that must succeed.
    pub async fn send(&self, all: &[Instruction], signers: &[&Keypair]) -> Vec<Receipt> {
        self.net
            .sender()
            .send_all(all, signers)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{error:#?}"))
    }

    /// Free atoms of a purse; 0 if it is not open.
    pub async fn free(&self, owner: &Pubkey) -> u64 {
        accounts::purse(self.net.rpc(), owner, &self.mint.address)
            .await
            .unwrap()
            .map_or(0, |purse| purse.free_atoms.get())
    }

    /// Creates a job of the client.
    pub async fn create(&self, model: Option<&Pubkey>, args: NewJob) -> (Pubkey, Vec<Instruction>) {
        let (rpc, client) = (self.net.rpc(), self.client.pubkey());
        let known = read::for_create(rpc, &client, &self.mint.address, model);
        let known = known.await.unwrap();
        flows::create_job(rpc, &client, &known, args).await.unwrap()
    }

    /// The instruction that accepts a milestone.
    pub async fn accept(&self, address: &Pubkey) -> Instruction {
        let emission = accounts::emission(self.net.rpc()).await.unwrap();
        instructions::accept(&self.job(address).await, &emission)
    }

    /// A live job.
    pub async fn job(&self, address: &Pubkey) -> Job {
        accounts::fetch(self.net.rpc(), address).await.unwrap()
    }

    /// What a job asks for; callers change what differs.
    pub async fn args(&self, assurance: Assurance) -> NewJob {
        NewJob {
            kind: JobKind::Inference as u8,
            assurance: assurance as u8,
            milestones: 1,
            price_atoms: PRICE,
            bond_atoms: BOND,
            take_secs: 600,
            work_secs: 600,
            review_secs: 60,
            ends_by: self.net.now().await.unwrap() + 10_000,
            items: 1,
            pinned_provider: NOBODY,
            arbiter: NOBODY,
            campaign: NOBODY,
            input_roots: Vec::new(),
            input_uri: String::new(),
        }
    }
}

/// A model that sums up three numbers in two ways and names the larger sum.
pub fn tiny_graph() -> Vec<u8> {
    let weights = Tensor::from_i8(2, 3, &[1, 2, 3, -1, -2, -3]).unwrap();
    let mut builder = GraphBuilder::new();
    let input = builder.input_item(DType::I8, 1, 3);
    let weights = builder.weight(&weights);
    let sums = builder.dot(input, weights).push();
    builder.argmax(sums).push();
    builder.finish().unwrap()
}
