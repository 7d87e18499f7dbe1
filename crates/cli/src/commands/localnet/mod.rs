//! `quern localnet`: a network on this machine, with everything that a first job needs.

use {
    super::provider::until_stopped,
    crate::{
        amount::show,
        context::Globals,
        error::{Error, Result},
        output::Fields,
        progress,
    },
    quern_client::{
        Keypair, Pubkey, Signer, addresses, cluster, config, flows, instructions, program_id,
        quern::{
            instructions::EmissionSettings,
            state::{MintRates, ProtocolSettings},
        },
    },
    quern_localnet::{LocalNet, Mint, Options},
    std::path::{Path, PathBuf},
};

/// Decimals of the test mint.
const DECIMALS: u8 = 6;
/// What every wallet gets.
const WALLET_LAMPORTS: u64 = 100_000_000_000;
/// What every wallet gets of the test mint: a million tokens.
const WALLET_ATOMS: u64 = 1_000_000_000_000;
/// What rewards are granted from: a hundred thousand tokens.
const REWARD_ATOMS: u64 = 100_000_000_000;
/// Who takes part.
const ROLES: [&str; 4] = ["client", "provider", "creator", "arbiter"];

/// How the network starts.
#[derive(clap::Args)]
#[command(after_help = "Example:
  quern localnet --rpc-port 8899

Then, in other terminals (MINT is printed above, MODEL by the first of these; with another
port write -u http://127.0.0.1:PORT instead of -u l):
  quern -u l -k quern-localnet/creator.json model register --id 1 --name Digits --royalty 5% \\
      --graph models/digits/digits.qmodel --weights models/digits/weights.bin \\
      --uri file://$PWD/models/digits/weights.bin
  quern -u l -k quern-localnet/provider.json provider register --name 'My machine'
  quern -u l -k quern-localnet/provider.json purse deposit --mint MINT --amount 1000
  quern -u l -k quern-localnet/provider.json provider run --publish-dir out --allow-files . \\
      --min-response 1s --min-react 1s --min-work 1s --poll 1s
  quern -u l -k quern-localnet/client.json purse deposit --mint MINT --amount 1000
  quern -u l -k quern-localnet/client.json job create --mint MINT --model MODEL \\
      --input models/digits/test-images.bin --publish-dir in --price 0.5
  quern -u l job list
  quern -u l -k quern-localnet/provider.json claim --withdraw all --keep 1000")]
pub struct Args {
    /// Port of the RPC server
    #[arg(long, default_value_t = 8899, value_name = "PORT")]
    rpc_port: u16,
    /// Port of the WebSocket server
    #[arg(long, default_value_t = 8900, value_name = "PORT")]
    ws_port: u16,
    /// The built program
    #[arg(long, default_value = "target/deploy/quern.so", value_name = "FILE")]
    program_so: PathBuf,
    /// Folder with the wallets' keypairs; made if missing
    #[arg(long, default_value = "quern-localnet", value_name = "FOLDER")]
    keys_dir: PathBuf,
    /// Only deploy: no protocol, no mint, no tokens
    #[arg(long)]
    bare: bool,
    /// Do not even deploy the program, to try `quern deploy`
    #[arg(long)]
    empty: bool,
    /// Milliseconds between blocks
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=10_000), value_name = "MILLIS")]
    slot_ms: u64,
}

/// Starts the network and keeps it running.
pub async fn run(globals: &Globals, args: Args) -> Result<()> {
    let admin = Wallet::load(&args.keys_dir, "admin")?;
    let roles = ROLES
        .iter()
        .map(|role| Wallet::load(&args.keys_dir, role))
        .collect::<Result<Vec<_>>>()?;
    let mut wallets: Vec<(&str, Pubkey)> = ROLES
        .into_iter()
        .zip(roles.iter().map(|wallet| wallet.keypair.pubkey()))
        .collect();
    // The usual wallet of this machine takes part, too, if there is one.
    let own = globals.keypair.clone().map_or_else(
        || {
            globals
                .config()
                .map(|config| config.keypair_path.display().to_string())
        },
        Ok,
    )?;
    if let Ok(own) = crate::context::keypair(&own) {
        wallets.push(("your wallet", own.pubkey()));
    }

    let options = Options {
        rpc_port: Some(args.rpc_port),
        ws_port: Some(args.ws_port),
        program_so: (!args.empty).then(|| args.program_so.clone()),
        admin: Some(admin.keypair.insecure_clone()),
        slot_ms: args.slot_ms,
    };
    let mut net = progress::during("starting the network", LocalNet::start(options)).await?;
    for (_, wallet) in &wallets {
        net.fund(wallet, WALLET_LAMPORTS).await?;
    }
    let mint = match args.bare || args.empty {
        true => None,
        false => Some(progress::during("setting Quern up", set_up(&net, &wallets)).await?),
    };
    // A network that did not start leaves nothing behind.
    for wallet in roles.iter().chain([&admin]) {
        wallet.keep()?;
    }

    let mut fields = Fields::new()
        .text("rpc_url", net.rpc_url())
        .text("websocket_url", net.ws_url())
        .text("program", program_id())
        .text("admin", net.admin().pubkey())
        .maybe("mint", mint.map(|mint| mint.address));
    for (role, wallet) in &wallets {
        fields = match *role {
            "client" => fields.text("client", wallet),
            "provider" => fields.text("provider", wallet),
            "creator" => fields.text("creator", wallet),
            "arbiter" => fields.text("arbiter", wallet),
            _ => fields.text("your_wallet", wallet),
        };
    }
    if mint.is_some() {
        fields = fields.text("tokens_each", show(WALLET_ATOMS, DECIMALS));
    }
    fields
        .text("keypairs", args.keys_dir.display())
        .print(globals.output);
    eprintln!("The network runs until Ctrl-C; nothing of it is kept.");
    until_stopped().await;
    net.stop();
    Ok(())
}

/// A wallet from the folder, or a new one.
struct Wallet {
    path: PathBuf,
    keypair: Keypair,
    is_new: bool,
}

impl Wallet {
    fn load(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.json"));
        let is_new = !path.exists();
        let keypair = match is_new {
            true => Keypair::new(),
            false => config::read_keypair(&path)?,
        };
        Ok(Self {
            path,
            keypair,
            is_new,
        })
    }

    /// Writes a new one into its file.
    fn keep(&self) -> Result<()> {
        match self.is_new {
            true => config::write_keypair(&self.path, &self.keypair)
                .map_err(|error| Error::file(&self.path, error)),
            false => Ok(()),
        }
    }
}

/// Protocol with short windows, a mint, rewards, and tokens for everybody.
async fn set_up(net: &LocalNet, wallets: &[(&str, Pubkey)]) -> Result<Mint> {
    let (sender, admin) = (net.sender(), net.admin());
    let authority = admin.pubkey();
    let cluster = cluster::genesis(sender.rpc()).await?;
    let initialize = instructions::initialize(&authority, settings(authority), cluster);
    sender.send(&[initialize], &[admin]).await?;
    let mint = net.create_mint(DECIMALS).await?;
    let rates = MintRates {
        reward_rate_e9: 500_000_000,
        least_price_atoms: 1_000,
        price_per_gmac_atoms: 1_000,
        bond_per_gmac_atoms: 5_000,
    };
    let register =
        instructions::register_mint(&authority, &mint.address, &mint.token_program, rates);
    sender.send(&[register], &[admin]).await?;
    for (_, wallet) in wallets {
        net.mint_to(&mint, wallet, WALLET_ATOMS).await?;
    }
    net.mint_to(&mint, &authority, REWARD_ATOMS).await?;
    let rewards = EmissionSettings {
        epoch_secs: 3_600,
        cap_atoms: REWARD_ATOMS / 10,
        refereed_weight_bps: 10_000,
        reviewed_weight_bps: 2_500,
    };
    let mut all =
        flows::configure_emission(sender.rpc(), &authority, &mint.address, rewards).await?;
    let source = addresses::token_account(&authority, &mint.address, &mint.token_program);
    all.push(instructions::deposit(
        &authority,
        &source,
        &addresses::emission(),
        &mint.address,
        &mint.token_program,
        REWARD_ATOMS,
    ));
    sender.send_all(&all, &[admin]).await?;
    Ok(mint)
}

/// Shares as on a real network, windows short enough to watch.
fn settings(authority: Pubkey) -> ProtocolSettings {
    ProtocolSettings {
        guardian: authority,
        treasury_owner: authority,
        fee_bps: 250,
        late_penalty_bps: 1_000,
        reject_bps: 1_000,
        arbiter_bps: 500,
        refereed_bond_bps: 20_000,
        reviewed_bond_bps: 5_000,
        refereed_review_secs: 20,
        reviewed_review_secs: 20,
        demand_fee_lamports: 10_000,
        response_secs: 10,
        react_secs: 5,
        resolve_secs: 3_600,
        grace_secs: 60,
        restart_grace_secs: 60,
    }
}
