//! What all commands share: the cluster, the wallet, how transactions are sent and results are written.

use {
    crate::{
        error::{Error, Result},
        funds,
        output::{self, Fields, Format, Width},
        progress, signer,
    },
    clap::Args,
    quern_client::{
        Budgets, ClientError, CommitmentConfig, Errand, Instruction, Keypair, PriorityFee, Pubkey,
        Receipt, RpcClient, SendOptions, Sender, Signer,
        accounts::{self, QuernAccount as _},
        addresses, cluster, config,
        quern::{
            self,
            state::{Campaign, Emission, Job, MintConfig, Model, Protocol},
        },
        read::{self, ForCreate, ForPayment},
        send::Each,
    },
    quern_process::logs::LogOptions,
    std::{collections::BTreeSet, io::Read, path::PathBuf, sync::Arc},
    tokio::sync::OnceCell,
};

/// Options of every command, as Solana's own tools have them.
#[derive(Args, Clone, Debug)]
pub struct Globals {
    /// Cluster: its URL, or localhost, devnet, testnet, mainnet-beta (or l, d, t, m)
    #[arg(
        long,
        short = 'u',
        env = "QUERN_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL_OR_MONIKER",
        help_heading = "Solana options"
    )]
    pub url: Option<String>,
    /// Wallet that signs and pays: a keypair file, or `-` to read one from standard input
    #[arg(
        long,
        short = 'k',
        global = true,
        value_name = "KEYPAIR",
        help_heading = "Solana options"
    )]
    pub keypair: Option<String>,
    /// Configuration file [default: ~/.config/solana/cli/config.yml]
    #[arg(
        long,
        short = 'C',
        global = true,
        value_name = "FILE",
        help_heading = "Solana options"
    )]
    pub config: Option<PathBuf>,
    /// How sure answers must be: processed, confirmed or finalized
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        help_heading = "Solana options"
    )]
    pub commitment: Option<String>,
    /// Quern's program on the cluster: its address or its keypair file [default: what ~/.config/quern/deployments.yml names for
    /// the cluster, otherwise the program of local networks]
    #[arg(
        long,
        visible_alias = "program-keypair",
        env = "QUERN_PROGRAM_ID",
        hide_env_values = true,
        global = true,
        value_name = "KEYPAIR_OR_ADDRESS",
        help_heading = "Solana options"
    )]
    pub program_id: Option<String>,
    /// Micro-lamports to pay for every compute unit, whatever others pay
    #[arg(
        long,
        global = true,
        value_name = "MICRO_LAMPORTS",
        help_heading = "Solana options"
    )]
    pub with_compute_unit_price: Option<u64>,
    /// Most micro-lamports to pay for every compute unit: it begins with 1000, whatever others pay, and offers more after every
    /// attempt that was not included or when little time is left, as long as the purpose is worth it [default: 1000000, or
    /// 50000000 for what has a deadline at which others gain; nothing on a local network]
    #[arg(
        long,
        global = true,
        value_name = "MICRO_LAMPORTS",
        conflicts_with = "with_compute_unit_price",
        help_heading = "Solana options"
    )]
    pub max_compute_unit_price: Option<u64>,
    /// How results are written
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Solana options"
    )]
    pub output: Format,
    /// Show whole addresses in tables, however wide they get
    #[arg(long, global = true, help_heading = "Solana options")]
    pub full: bool,
    /// Print every step on standard error
    #[arg(long, short = 'v', global = true, help_heading = "Solana options")]
    pub verbose: bool,
    #[command(flatten)]
    pub logs: LogOptions,
}

impl Globals {
    /// Solana's configuration.
    ///
    /// # Errors
    /// One that names the file, whatever is wrong in it.
    pub fn config(&self) -> Result<config::Config> {
        Ok(config::Config::load(self.config.as_deref())?)
    }

    /// The cluster.
    ///
    /// # Errors
    /// A configuration or URL that makes no sense.
    pub fn rpc_url(&self) -> Result<String> {
        match &self.url {
            Some(url) => Ok(config::url(url)?),
            None => Ok(self.config()?.rpc_url()?),
        }
    }

    /// The deployment: the named one, otherwise the cluster's own, otherwise the committed one.
    ///
    /// # Errors
    /// A name that is neither an address nor a keypair file, or a list of deployments that makes no sense.
    pub fn program(&self) -> Result<Program> {
        let named = self.program_id.as_deref().filter(|text| !text.is_empty());
        if let Some(text) = named {
            if let Ok(address) = text.parse() {
                return Ok(Program::Address(address));
            }
            let keypair = config::read_keypair(&config::expand(text)).map_err(|error| {
                Error::Other(format!(
                    "`--program-id {text}` is no base58 address, and no keypair file either: {error}"
                ))
            })?;
            return Ok(Program::Keypair(keypair));
        }
        let listed = config::deployment(&config::deployments_path(), &self.rpc_url()?)?;
        Ok(listed.map_or(Program::Default, Program::Address))
    }

    /// The address of the deployment to talk to. The committed one has a published key: away from this machine anybody may
    /// have put a program of their own there, and a wallet must never sign for it.
    ///
    /// # Errors
    /// As [`Self::program`], and `Usage` if no deployment is named for a cluster that is not on this machine.
    pub fn deployment(&self) -> Result<Pubkey> {
        let program = self.program()?;
        let url = self.rpc_url()?;
        if matches!(program, Program::Default) && !config::is_local(&url) {
            let list = config::deployments_path();
            return Err(Error::NoDeployment { url, list });
        }
        Ok(program.address())
    }

    /// Says that a file here names a local network to shells, if this one was not told.
    pub fn forgotten_env(&self) -> Option<String> {
        /// Where `quern localnet` writes it, seen from where it was started and from its folder of keys.
        const FILES: [&str; 2] = ["quern-localnet/env", "env"];
        if self.url.is_some() {
            return None;
        }
        let names = |path: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.contains("export QUERN_URL=")
        };
        let found = FILES.into_iter().find(|path| names(path))?;
        let place = if found.contains('/') { "" } else { "./" };
        Some(format!(
            "this shell knows no cluster, but {found} lies here: run `. {place}{found}` first to talk to the network of `quern localnet`"
        ))
    }

    /// How wide tables may be.
    pub const fn width(&self) -> Width {
        match self.full {
            true => Width::Full,
            false => Width::Screen,
        }
    }

    /// Reads the configuration; the network is not touched yet.
    ///
    /// # Errors
    /// A configuration, URL or commitment that makes no sense.
    pub fn context(&self) -> Result<Context> {
        let config = self.config()?;
        let url = self.rpc_url()?;
        let commitment: CommitmentConfig = match &self.commitment {
            Some(level) => config::commitment(level)
                .map_err(|why| Error::Usage(format!("--commitment: {why}")))?,
            None => config.commitment,
        };
        let sender = Sender::new(&url, commitment).with_options(SendOptions {
            priority_fee: self.priority_fee(&url),
            ..SendOptions::default()
        });
        Ok(Context {
            sender,
            url,
            keypair: self.keypair.clone(),
            config,
            format: self.output,
            width: self.width(),
            is_checked: Arc::default(),
        })
    }

    /// What is paid for being included sooner: what was asked for, otherwise what the errand is worth. On a local network there
    /// is nobody to outbid.
    fn priority_fee(&self, url: &str) -> PriorityFee {
        match (self.with_compute_unit_price, self.max_compute_unit_price) {
            (Some(price), _) => PriorityFee::Fixed(price),
            (None, None) if config::is_local(url) => PriorityFee::None,
            (None, cap_micro_lamports) => PriorityFee::Within { cap_micro_lamports },
        }
    }
}

/// Which deployment of the program.
pub enum Program {
    /// One whose keypair is at hand, which its first deployment needs.
    Keypair(Keypair),
    /// One by its address.
    Address(Pubkey),
    /// The committed one, for local networks.
    Default,
}

impl Program {
    /// Its address.
    pub fn address(&self) -> Pubkey {
        match self {
            Self::Keypair(keypair) => keypair.pubkey(),
            Self::Address(address) => *address,
            Self::Default => quern::ID,
        }
    }
}

/// What a command works with.
#[derive(Clone)]
pub struct Context {
    /// Sends to the cluster.
    pub sender: Sender,
    /// The cluster.
    pub url: String,
    /// Where the wallet comes from, if a place was named.
    keypair: Option<String>,
    /// Solana's configuration: it names the wallet otherwise. A file that names none is a fault only where one is needed.
    config: config::Config,
    /// How results are written.
    pub format: Format,
    /// How wide tables may be.
    width: Width,
    /// Whether the cluster is the one that the protocol was set up for: once a process is enough.
    is_checked: Arc<OnceCell<()>>,
}

impl Context {
    /// What a further command needs to be signed by the same wallet, where an option named it: ` -k FILE`. The cluster's URL
    /// may hold a key and stays out of what is printed.
    pub fn wallet_option(&self) -> String {
        match self.keypair.as_deref() {
            None | Some("-") => String::new(),
            Some(file) if file.contains(char::is_whitespace) => format!(" -k '{file}'"),
            Some(file) => format!(" -k {file}"),
        }
    }

    /// The same with other budgets for priority fees.
    #[must_use]
    pub fn within(&self, budgets: Budgets) -> Self {
        Self {
            sender: self.sender.with_budgets(budgets),
            ..self.clone()
        }
    }

    /// The same for an errand.
    #[must_use]
    pub fn on(&self, errand: Errand) -> Self {
        Self {
            sender: self.sender.on(errand),
            ..self.clone()
        }
    }

    /// How wide tables may be.
    pub const fn width(&self) -> Width {
        self.width
    }

    /// Writes several things with the same fields; `nothing` is said where there are none.
    pub fn print_list(&self, list: &[Fields], nothing: &str) {
        output::print_list(self.format, self.width, list, nothing);
    }

    /// The connection.
    pub fn rpc(&self) -> &RpcClient {
        self.sender.rpc()
    }

    /// The wallet.
    ///
    /// # Errors
    /// That it cannot be read, in one sentence.
    pub fn wallet(&self) -> Result<Keypair> {
        match &self.keypair {
            Some(source) => keypair(source),
            None => keypair(&self.config.keypair_path()?.display().to_string()),
        }
    }

    /// The address of the wallet, or a named one.
    ///
    /// # Errors
    /// As [`Self::wallet`].
    pub fn owner(&self, named: Option<Pubkey>) -> Result<Pubkey> {
        named.map_or_else(|| self.wallet().map(|wallet| wallet.pubkey()), Ok)
    }

    /// The protocol's settings, if it was set up for the cluster that answers.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, otherwise that the cluster is another one.
    pub async fn protocol(&self) -> Result<Protocol> {
        let protocol = match self.is_checked.initialized() {
            true => accounts::protocol(self.rpc()).await,
            false => cluster::protocol(self.rpc()).await,
        };
        let protocol = protocol.map_err(|error| self.missing(error, Pubkey::default()))?;
        let _ = self.is_checked.set(());
        Ok(protocol)
    }

    /// What a missing account means to a person; `named` is what the person named.
    fn missing(&self, error: ClientError, named: Pubkey) -> Error {
        let ClientError::NotFound { what, .. } = error else {
            return error.into();
        };
        match what {
            Protocol::NAME | Emission::NAME => Error::NotSetUp {
                url: self.url.clone(),
            },
            MintConfig::NAME => Error::Other(format!(
                "the mint {named} is not registered with Quern on this cluster; see `quern mint list` for those that are"
            )),
            Model::NAME => Error::Other(format!(
                "there is no model at {named} on this cluster; check the address and --url"
            )),
            Job::NAME => Error::JobClosed(named),
            _ => error.into(),
        }
    }

    /// What creating a job depends on.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, otherwise that mint or model is missing.
    pub async fn for_create(
        &self,
        client: &Pubkey,
        mint: &Pubkey,
        model: Option<&Pubkey>,
    ) -> Result<ForCreate> {
        let known = read::for_create(self.rpc(), client, mint, model).await;
        known.map_err(|error| {
            let is_model = matches!(
                error,
                ClientError::NotFound {
                    what: Model::NAME,
                    ..
                }
            );
            let named = if is_model { model } else { Some(mint) };
            self.missing(error, named.copied().unwrap_or_default())
        })
    }

    /// A live job, and what paying its milestone depends on.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, `JobClosed` if it has ended or never was.
    pub async fn for_payment(&self, address: &Pubkey) -> Result<(Job, ForPayment)> {
        let known = read::for_payment(self.rpc(), address).await;
        let known = known.map_err(|error| self.missing(error, *address))?;
        Ok((known.job.ok_or(Error::JobClosed(*address))?, known))
    }

    /// The configuration of a mint.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, otherwise that the mint is not registered.
    pub async fn mint(&self, mint: &Pubkey) -> Result<MintConfig> {
        match accounts::mint_config(self.rpc(), mint).await {
            Err(error @ ClientError::NotFound { .. }) => {
                self.protocol().await?;
                Err(self.missing(error, *mint))
            }
            known => Ok(known?),
        }
    }

    /// A campaign.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, otherwise that it was swept or never was.
    pub async fn campaign(&self, campaign: &Pubkey) -> Result<Campaign> {
        match accounts::fetch::<Campaign>(self.rpc(), campaign).await {
            Err(ClientError::NotFound { .. }) => {
                self.protocol().await?;
                Err(Error::Other(format!(
                    "there is no campaign at {campaign} on this cluster: it was swept, or never was; see `quern campaign list`"
                )))
            }
            known => Ok(known?),
        }
    }

    /// A live job.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, `JobClosed` if it has ended or never was.
    pub async fn job(&self, address: &Pubkey) -> Result<Job> {
        match accounts::fetch::<Job>(self.rpc(), address).await {
            Err(ClientError::NotFound { .. }) => {
                self.protocol().await?;
                Err(Error::JobClosed(*address))
            }
            known => Ok(known?),
        }
    }

    /// Sends instructions, shows a wheel meanwhile, and returns what was confirmed.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, otherwise what the cluster or the program says.
    pub async fn send(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Vec<Receipt>> {
        self.is_checked
            .get_or_try_init(|| cluster::check(self.rpc()))
            .await?;
        let sending = self.sender.send_all(instructions, signers);
        match progress::during("waiting for confirmation", sending).await {
            Ok(receipts) => Ok(receipts),
            // Without the program every instruction fails in its own confusing way.
            Err(error @ ClientError::Refused(_)) => match self.protocol().await {
                Err(not_set_up @ Error::NotSetUp { .. }) => Err(not_set_up),
                _ => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Sends parts that do not hold up each other, and shows a wheel meanwhile.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, otherwise that nobody pays.
    pub async fn send_each(
        &self,
        count: usize,
        build: impl Fn(usize, &BTreeSet<usize>) -> quern_client::Result<Vec<Instruction>>,
        signers: &[&Keypair],
    ) -> Result<Each<Receipt>> {
        self.is_checked
            .get_or_try_init(|| cluster::check(self.rpc()))
            .await?;
        let sending = self.sender.send_each(count, build, signers);
        Ok(progress::during("waiting for confirmation", sending).await?)
    }

    /// Sends instructions and shows the signatures behind what was done.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_and_show(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
        done: Fields,
    ) -> Result<()> {
        let receipts = self.send(instructions, signers).await?;
        with_signatures(done, &receipts).print(self.format);
        Ok(())
    }

    /// The protocol and the wallet, if it is the authority's; `action` is what only that one may do.
    ///
    /// # Errors
    /// `NotSetUp` where there is no Quern, otherwise who the authority is.
    pub async fn authority(&self, action: &str) -> Result<(Protocol, Keypair)> {
        let wallet = self.wallet()?;
        let protocol = self.protocol().await?;
        let may = [("authority", protocol.authority)];
        signer::require(&wallet.pubkey(), &may, action)?;
        Ok((protocol, wallet))
    }

    /// Refuses what takes more than is free in the wallet's purse; `what` takes the atoms, `todo` says what to do then.
    ///
    /// # Errors
    /// What is free and what is locked.
    pub async fn check_free(
        &self,
        owner: &Pubkey,
        config: &MintConfig,
        atoms: u64,
        (what, todo): (&str, &str),
    ) -> Result<()> {
        let purse = accounts::purse(self.rpc(), owner, &config.mint).await?;
        funds::require_free((owner, purse.as_ref()), config.decimals, atoms, what, todo)
    }

    /// Refuses a deposit that the wallet's usual token account cannot pay.
    ///
    /// # Errors
    /// What the account holds, if it is there at all.
    pub async fn check_tokens(
        &self,
        wallet: &Pubkey,
        config: &MintConfig,
        atoms: u64,
    ) -> Result<()> {
        let (mint, decimals) = (&config.mint, config.decimals);
        let source = addresses::token_account(wallet, mint, &config.token_program);
        match accounts::token_atoms(self.rpc(), &source)
            .await?
            .unwrap_or(0)
        {
            has if has >= atoms => Ok(()),
            0 => Err(Error::Other(format!(
                "the wallet {wallet} holds none of the mint {mint}; get some into its usual token account {source} first"
            ))),
            has => Err(Error::Other(format!(
                "the wallet {wallet} holds {} of the mint {mint}, less than {}; get more into its token account {source}, or move less",
                funds::both(has, decimals),
                funds::both(atoms, decimals)
            ))),
        }
    }

    /// Decimals and token program of any mint, registered or not.
    ///
    /// # Errors
    /// That there is no mint at the address.
    pub async fn token_mint(&self, mint: &Pubkey) -> Result<(Pubkey, u8)> {
        accounts::token_mint(self.rpc(), mint)
            .await?
            .ok_or_else(|| {
                Error::Other(format!(
                    "there is no token mint at {mint}; check the address and the cluster"
                ))
            })
    }
}

/// Adds the signatures of what was confirmed.
pub fn with_signatures(fields: Fields, receipts: &[Receipt]) -> Fields {
    match receipts {
        [] => fields,
        [one] => fields.text("signature", one.signature),
        several => {
            let all: Vec<String> = several
                .iter()
                .map(|receipt| receipt.signature.to_string())
                .collect();
            fields.with("signatures", all)
        }
    }
}

/// A keypair from where Solana's tools would read it.
///
/// # Errors
/// That it cannot be read, in one sentence.
pub fn keypair(source: &str) -> Result<Keypair> {
    match source {
        "-" | "stdin:" => {
            /// A keypair file has some 230 bytes.
            const MAX_BYTES: u64 = 4_096;
            let mut bytes = Vec::new();
            let read = std::io::stdin().take(MAX_BYTES).read_to_end(&mut bytes);
            let parsed = read
                .map_err(|error| error.to_string())
                .and_then(|_| config::parse_keypair(&bytes));
            parsed.map_err(|why| {
                Error::Other(format!("cannot use the keypair on standard input: {why}"))
            })
        }
        "ASK" => Err(unsupported("a seed phrase")),
        source if source.starts_with("prompt:") => Err(unsupported("a seed phrase")),
        source if source.starts_with("usb:") => Err(unsupported("a hardware wallet")),
        path => Ok(config::read_keypair(&config::expand(
            path.strip_prefix("file:").unwrap_or(path),
        ))?),
    }
}

fn unsupported(what: &str) -> Error {
    Error::Other(format!(
        "{what} cannot sign here yet; name a keypair file with --keypair, or `-` for standard input"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        clap::Parser,
        quern_client::send::fee::{IN_TIME_CAP, USUAL_CAP},
    };

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        globals: Globals,
    }

    /// What commands pay on a cluster.
    fn fee(url: &str, args: &[&str]) -> PriorityFee {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("config.yml");
        let text = format!("json_rpc_url: {url}\nkeypair_path: id.json\n");
        std::fs::write(&config, text).unwrap();
        let line = ["quern", "--config", config.to_str().unwrap()];
        let line = Line::try_parse_from(line.iter().chain(args)).unwrap();
        let context = line.globals.context().unwrap();
        context.sender.options().priority_fee
    }

    #[test]
    fn local_networks_are_free_and_others_have_a_cap() {
        let within = |cap_micro_lamports| PriorityFee::Within { cap_micro_lamports };
        let devnet = "https://api.devnet.solana.com";
        for local in ["http://127.0.0.1:8899", "http://localhost:1"] {
            assert_eq!(fee(local, &[]), PriorityFee::None);
        }
        assert_eq!(fee(devnet, &[]), within(None));
        for url in ["http://127.0.0.1:8899", devnet] {
            let cap = fee(url, &["--max-compute-unit-price", "7"]);
            assert_eq!(cap, within(Some(7)));
            let fixed = fee(url, &["--with-compute-unit-price", "8"]);
            assert_eq!(fixed, PriorityFee::Fixed(8));
        }
        // The help states them.
        let help = <Line as clap::CommandFactory>::command()
            .render_long_help()
            .to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let stated = format!(
            "[default: {USUAL_CAP}, or {IN_TIME_CAP} for what has a deadline at which others gain; nothing on a local network]"
        );
        assert!(help.contains(&stated), "{help}");
    }
}
