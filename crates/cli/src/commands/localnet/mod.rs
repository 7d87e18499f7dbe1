//! `quern localnet`: a network on this machine, with everything that a first job needs.

mod fund;
pub mod quickstart;
mod serve;

use {
    super::{deploy, provider::until_stopped},
    crate::{
        context::Globals,
        error::{Error, Result},
        files::{self, Role},
        folder::{MODELS_ENV, ModelFolder},
        output::Fields,
        progress,
    },
    clap::Subcommand,
    quern_client::{
        Keypair, Pubkey, Signer, addresses, cluster, config,
        files::unread,
        flows, instructions, program_id,
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
/// What a shell needs to talk to the network, in the folder of the keys.
const ENV: &str = "env";
/// Who takes part.
const ROLES: [&str; 4] = ["client", "provider", "creator", "arbiter"];

/// How the network starts.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  quern localnet
  quern localnet --serve target/models/128/minilm
  quern localnet fund ADDRESS               SOL and tokens for any wallet, yours by default

Then, in other terminals, after `. quern-localnet/env` (which names this network to the command):
  quern -k quern-localnet/creator.json model register --id 1 --name Digits --royalty 5% \\
      --graph models/digits/digits.qmodel --weights models/digits/weights.bin \\
      --uri file://$PWD/models/digits/weights.bin
  quern -k quern-localnet/provider.json provider register --name 'My machine'
  quern -k quern-localnet/provider.json purse deposit --amount 1000
  quern -k quern-localnet/provider.json provider run --publish-dir out --allow-files . \\
      --min-response 1s --min-react 1s --min-work 1s --poll 1s
  quern -k quern-localnet/client.json purse deposit --amount 1000
  quern -k quern-localnet/client.json job create --model Digits --price 0.5 \\
      --input models/digits/test-images.bin --publish-dir in --watch
  quern -k quern-localnet/provider.json claim --withdraw all --keep 1000"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: Start,
}

/// What to do with a network that runs.
#[derive(Subcommand)]
enum Command {
    /// Give SOL and tokens to a wallet on the local network that runs
    #[command(after_help = "Examples:
  quern localnet fund
  quern localnet fund ADDRESS --sol 5 --amount 2000")]
    Fund(fund::Args),
}

/// What the network is like.
#[derive(clap::Args)]
pub struct Start {
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
    /// Folder of an imported model to register and serve (repeatable): a provider works in this process, client and provider
    /// have money in their purses
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["bare", "empty"])]
    serve: Vec<PathBuf>,
    /// Milliseconds between blocks
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=10_000), value_name = "MILLIS")]
    slot_ms: u64,
}

/// Starts the network and keeps it running, or does something on one that runs.
pub async fn run(globals: &Globals, args: Args) -> Result<()> {
    match args.command {
        Some(Command::Fund(args)) => fund::run(&globals.context()?, args).await,
        None => start(globals, args.start).await,
    }
}

async fn start(globals: &Globals, args: Start) -> Result<()> {
    let Network {
        mut net,
        mint,
        wallets,
        agent,
        folders,
        ..
    } = launch(globals, &args).await?;
    let env = write_env(&args, &net, mint.as_ref(), &folders)?;
    let fields = shown((&net, mint.as_ref()), &wallets, &folders);
    fields
        .text("keypairs", args.keys_dir.display())
        .text(
            "env",
            format!("source it in other terminals: . {}", env.display()),
        )
        .print(globals.output);
    quern_process::logs::say(&format!(
        "The network runs until Ctrl-C. The chain, the provider's results and {} go with it; the keys stay in {}.",
        env.display(),
        args.keys_dir.display()
    ));
    let served = match agent {
        Some(agent) => agent.run(until_stopped()).await,
        None => {
            until_stopped().await;
            Ok(())
        }
    };
    net.stop();
    forget(&args.keys_dir)?;
    Ok(served?)
}

/// Removes what means nothing without the network.
fn forget(keys_dir: &Path) -> Result<()> {
    // A shell that reads it would talk to a network that is gone.
    let _ = std::fs::remove_file(keys_dir.join(ENV));
    serve::forget(keys_dir)
}

/// A network that runs, with everything on it.
struct Network {
    net: LocalNet,
    mint: Option<Mint>,
    roles: Vec<Wallet>,
    wallets: Vec<(&'static str, Pubkey)>,
    /// The provider of the models, which does not work yet.
    agent: Option<serve::Agent>,
    folders: Vec<ModelFolder>,
}

/// Starts a network and sets it up.
async fn launch(globals: &Globals, args: &Start) -> Result<Network> {
    if !args.empty {
        check_program(&args.program_so)?;
    }
    let folders = args.serve.iter().map(|path| ModelFolder::read(path));
    let folders = folders.collect::<quern_data::Result<Vec<_>>>()?;
    let admin = Wallet::load(&args.keys_dir, "admin")?;
    let roles = ROLES
        .iter()
        .map(|role| Wallet::load(&args.keys_dir, role))
        .collect::<Result<Vec<_>>>()?;
    let mut wallets: Vec<(&'static str, Pubkey)> = ROLES
        .into_iter()
        .zip(roles.iter().map(|wallet| wallet.keypair.pubkey()))
        .collect();
    // The usual wallet of this machine takes part, too, if there is one.
    if let Ok(own) = globals.context()?.wallet() {
        wallets.push(("your wallet", own.pubkey()));
    }

    let options = Options {
        rpc_port: Some(args.rpc_port),
        ws_port: Some(args.ws_port),
        program_so: (!args.empty).then(|| args.program_so.clone()),
        admin: Some(admin.keypair.insecure_clone()),
        slot_ms: args.slot_ms,
    };
    let net = progress::during("starting the network", LocalNet::start(options)).await?;
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
    let agent = match &mint {
        Some(mint) if !folders.is_empty() => {
            let preparing = serve::prepare(&net, mint, &roles, &folders, &args.keys_dir);
            Some(progress::during("registering the models", preparing).await?)
        }
        _ => None,
    };
    Ok(Network {
        net,
        mint,
        roles,
        wallets,
        agent,
        folders,
    })
}

/// What the network has.
fn shown(
    (net, mint): (&LocalNet, Option<&Mint>),
    wallets: &[(&str, Pubkey)],
    folders: &[ModelFolder],
) -> Fields {
    let mut fields = Fields::new()
        .text("rpc_url", net.rpc_url())
        .text("websocket_url", net.ws_url())
        .text("program", program_id())
        .text("admin", net.admin().pubkey())
        .maybe("mint", mint.map(|mint| mint.address));
    for (role, wallet) in wallets {
        fields = match *role {
            "client" => fields.text("client", wallet),
            "provider" => fields.text("provider", wallet),
            "creator" => fields.text("creator", wallet),
            "arbiter" => fields.text("arbiter", wallet),
            _ => fields.text("your_wallet", wallet),
        };
    }
    if mint.is_some() {
        fields = fields.tokens("tokens_each", WALLET_ATOMS, DECIMALS);
    }
    for folder in folders {
        fields = fields.text("serves", &folder.card.name);
    }
    fields
}

/// Refuses a program that was built for another address than this command talks to: everything sent to it would fail.
fn check_program(path: &Path) -> Result<()> {
    let role = Role::program("--program-so");
    let elf = std::fs::read(path).map_err(|error| {
        let why = unread(path, &error);
        role.unusable(
            path,
            format!("{why}; build it with `cargo xtask build-program` and start the network in that folder"),
        )
    })?;
    if !elf.starts_with(b"\x7fELF") {
        return Err(role.no_such(path, &elf, "no ELF"));
    }
    let program = program_id();
    if deploy::is_built_for(&elf, &program) {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!(
            "it was not built for {program}, the program that --program-id, QUERN_PROGRAM_ID or deployments.yml names for this machine; leave that out, or build it with `cargo xtask build-program --program-id {program}` and name it with --program-so"
        ),
    ))
}

/// Writes what a shell needs to talk to the network.
fn write_env(
    args: &Start,
    net: &LocalNet,
    mint: Option<&Mint>,
    folders: &[ModelFolder],
) -> Result<PathBuf> {
    let path = args.keys_dir.join(ENV);
    let mut text = format!(
        "# The network of `quern localnet`; read by `. {}`\nexport QUERN_URL={}\n",
        path.display(),
        net.rpc_url()
    );
    // An empty network has no program: the first deployment names its own.
    if !args.empty {
        text.push_str(&format!("export QUERN_PROGRAM_ID={}\n", program_id()));
    }
    if let Some(mint) = mint {
        text.push_str(&format!("export MINT={}\n", mint.address));
    }
    if let Some(models) = serve::models_of(folders) {
        text.push_str(&format!("export {MODELS_ENV}='{}'\n", models.display()));
    }
    if let Some(commands) = own_folder() {
        text.push_str(&format!("export PATH='{}':\"$PATH\"\n", commands.display()));
    }
    files::write(&path, text, "--keys-dir")?;
    Ok(path)
}

/// Where this command lies, if a shell would not find it.
fn own_folder() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?.canonicalize().ok()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let finds = |folder: PathBuf| {
        folder
            .join("quern")
            .canonicalize()
            .is_ok_and(|one| one == own)
    };
    let is_found = std::env::split_paths(&path).any(finds);
    own.parent().filter(|_| !is_found).map(Path::to_owned)
}

/// The keypair of the test mint: known to all, so that its address is the same on every local network. Only its creation
/// needs it.
fn mint_keypair() -> Keypair {
    Keypair::new_from_array(quern_proof::hash::hash(&[b"the mint of `quern localnet`"]))
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
    let mint = net.create_mint_at(&mint_keypair(), DECIMALS).await?;
    let rates = MintRates {
        reward_rate_e9: 500_000_000,
        least_price_atoms: 1_000,
        price_per_gwork_atoms: 1_000,
        bond_per_gwork_atoms: 5_000,
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
        campaign_claim_secs: 60,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_program_for_another_address_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quern.so");
        let elf = |id: &Pubkey| [b"\x7fELF....", id.as_ref()].concat();
        std::fs::write(&path, elf(&program_id())).unwrap();
        check_program(&path).unwrap();
        std::fs::write(&path, elf(&Pubkey::from([9; 32]))).unwrap();
        let refused = check_program(&path).unwrap_err().to_string();
        assert!(refused.contains("QUERN_PROGRAM_ID"), "{refused}");
    }

    #[test]
    fn the_mint_stays_the_same() {
        let mint = mint_keypair().pubkey().to_string();
        insta::assert_snapshot!(mint);
    }
}
