//! The network as its users see it.

use {
    crate::{
        error::{LocalNetError, Result},
        surfnet::{self, Surfnet},
    },
    quern_client::{
        ClientError, CommitmentConfig, Instruction, Keypair, Pubkey, RpcClient, Sender, Signer,
        config, program_id,
    },
    serde_json::{Value, json},
    solana_rpc_client_api::request::RpcRequest,
    std::{fs, path::PathBuf, time::Duration},
    tokio::{task::spawn_blocking, time::sleep},
};

/// The program's keypair on local networks. It is public: never deploy with it anywhere else.
pub const PROGRAM_KEYPAIR: &str = include_str!("../../../programs/quern/localnet-keypair.json");

/// What every program's file begins with.
const ELF: &[u8] = b"\x7fELF";
/// What the admin has at the beginning.
const ADMIN_LAMPORTS: u64 = 1_000_000_000_000;
const SYSVAR_CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");
/// Where the clock keeps the unix time.
const UNIX_TIME_AT: usize = 32;

/// How a network is started.
#[derive(Debug)]
pub struct Options {
    /// Port of the RPC server; any free one by default.
    pub rpc_port: Option<u16>,
    /// Port of the WebSocket server; any free one by default.
    pub ws_port: Option<u16>,
    /// The built program; without one, none is deployed.
    pub program_so: Option<PathBuf>,
    /// Upgrade authority and mint authority; a new keypair by default.
    pub admin: Option<Keypair>,
    /// Time between blocks. A transaction is confirmed after one block and final after 31.
    pub slot_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rpc_port: None,
            ws_port: None,
            program_so: None,
            admin: None,
            slot_ms: 50,
        }
    }
}

/// A running local network. It stops when it is dropped.
pub struct LocalNet {
    surfnet: Surfnet,
    rpc_url: String,
    ws_url: String,
    sender: Sender,
    admin: Keypair,
}

/// The program's keypair, from [`PROGRAM_KEYPAIR`].
///
/// # Errors
/// Never, unless the file in the repository was damaged.
pub fn program_keypair() -> Result<Keypair> {
    config::parse_keypair(PROGRAM_KEYPAIR).map_err(|reason| {
        LocalNetError::Start(format!("the program's test keypair is damaged: {reason}"))
    })
}

impl LocalNet {
    /// Starts a network and deploys the program.
    ///
    /// # Errors
    /// `PortInUse`, `Program` if the program's file is missing or cannot be run, `Start` if the network does not come up.
    pub async fn start(options: Options) -> Result<Self> {
        let unusable = |reason: String| LocalNetError::Program {
            path: options.program_so.clone().unwrap_or_default(),
            reason,
        };
        let program = match &options.program_so {
            Some(path) => Some(fs::read(path).map_err(|error| unusable(error.to_string()))?),
            None => None,
        };
        let (rpc_port, ws_port) = surfnet::ports(options.rpc_port, options.ws_port)?;
        if program.as_ref().is_some_and(|elf| !elf.starts_with(ELF)) {
            return Err(unusable("it is no ELF file".to_owned()));
        }
        let slot_ms = options.slot_ms.max(1);
        let surfnet = spawn_blocking(move || Surfnet::start(rpc_port, ws_port, slot_ms))
            .await
            .map_err(|error| LocalNetError::Start(error.to_string()))??;
        let rpc_url = format!("http://127.0.0.1:{rpc_port}");
        let net = Self {
            surfnet,
            sender: Sender::new(&rpc_url, CommitmentConfig::confirmed()),
            ws_url: format!("ws://127.0.0.1:{ws_port}"),
            rpc_url,
            admin: options.admin.unwrap_or_else(Keypair::new),
        };
        net.fund(&net.admin.pubkey(), ADMIN_LAMPORTS).await?;
        if let Some(program) = program {
            net.deploy(&program_id(), &program, &net.admin.pubkey())
                .await?;
            if !net.runs(&program_id()).await? {
                return Err(unusable("the network cannot run it".to_owned()));
            }
        }
        Ok(net)
    }

    /// Where requests go.
    pub fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    /// Where subscriptions go.
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// A sender at commitment "confirmed".
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// A connection at commitment "confirmed".
    pub fn rpc(&self) -> &RpcClient {
        self.sender.rpc()
    }

    /// Upgrade authority of the program, authority of the mints, with plenty of lamports.
    pub fn admin(&self) -> &Keypair {
        &self.admin
    }

    /// Sets the lamports of a wallet.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn fund(&self, wallet: &Pubkey, lamports: u64) -> Result<()> {
        set_lamports(self.rpc(), wallet, lamports).await
    }

    /// A new wallet with lamports.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn fresh(&self, lamports: u64) -> Result<Keypair> {
        let wallet = Keypair::new();
        self.fund(&wallet.pubkey(), lamports).await?;
        Ok(wallet)
    }

    /// Puts a program at an address at once, as if it had been deployed by `authority`. For the real way see
    /// `quern_client::deploy`.
    ///
    /// # Errors
    /// That the network does not answer or does not take the program.
    pub async fn deploy(&self, program: &Pubkey, elf: &[u8], authority: &Pubkey) -> Result<()> {
        let hex: String = elf.iter().map(|byte| format!("{byte:02x}")).collect();
        let parameters = json!([program.to_string(), hex, 0, authority.to_string()]);
        self.call("surfnet_writeProgram", parameters).await?;
        // A program runs from the slot after its deployment on.
        let slot = self.slot().await?;
        while self.slot().await? <= slot + 1 {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Whether a program runs. Any refuses an instruction that it does not know; one that cannot be loaded is skipped here, and
    /// that counts as a success.
    async fn runs(&self, program: &Pubkey) -> Result<bool> {
        let unknown = Instruction {
            program_id: *program,
            accounts: Vec::new(),
            data: vec![0; 8],
        };
        let payer = self.admin.pubkey();
        match self.sender.simulate(&[unknown], &payer).await {
            Ok(_) => Ok(false),
            Err(ClientError::Refused(_)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The cluster's unix time in seconds, as the program sees it.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn now(&self) -> Result<i64> {
        let clock = self
            .rpc()
            .get_account_data(&SYSVAR_CLOCK)
            .await
            .map_err(|error| self.error(error))?;
        let bytes = clock
            .get(UNIX_TIME_AT..UNIX_TIME_AT + 8)
            .and_then(|bytes| bytes.try_into().ok());
        let bytes: [u8; 8] =
            bytes.ok_or_else(|| LocalNetError::Start("its clock is unreadable".to_owned()))?;
        Ok(i64::from_le_bytes(bytes))
    }

    /// Moves the cluster's time forward by at least `secs` and at most two seconds more. Slots move with it.
    ///
    /// # Errors
    /// `Backwards` for no seconds; that the network does not answer.
    pub async fn advance_time(&self, secs: u64) -> Result<()> {
        let now = u64::try_from(self.now().await?).map_err(|_| LocalNetError::Backwards)?;
        let target = now
            .checked_add(secs)
            .filter(|_| secs > 0)
            .ok_or(LocalNetError::Backwards)?;
        // Time went on since it was read, and the network refuses to go back: one second more is surely ahead.
        let target_ms = (target + 1)
            .checked_mul(1_000)
            .ok_or(LocalNetError::Backwards)?;
        self.call(
            "surfnet_timeTravel",
            json!([{ "absoluteTimestamp": target_ms }]),
        )
        .await
    }

    /// The newest slot.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn slot(&self) -> Result<u64> {
        self.rpc()
            .get_slot_with_commitment(CommitmentConfig::processed())
            .await
            .map_err(|error| self.error(error))
    }

    /// Stops the network and frees its ports. Dropping does the same.
    pub fn stop(&mut self) {
        self.surfnet.stop();
    }

    fn error(&self, error: solana_rpc_client_api::client_error::Error) -> LocalNetError {
        ClientError::from_rpc(&self.rpc_url, error).into()
    }

    async fn call(&self, method: &'static str, parameters: Value) -> Result<()> {
        call(self.rpc(), method, parameters).await
    }
}

/// Sets the lamports of a wallet on a network that runs already, here or in another process.
///
/// # Errors
/// That it does not answer, or is no local network.
pub async fn set_lamports(rpc: &RpcClient, wallet: &Pubkey, lamports: u64) -> Result<()> {
    let parameters = json!([wallet.to_string(), { "lamports": lamports }]);
    call(rpc, "surfnet_setAccount", parameters).await
}

async fn call(rpc: &RpcClient, method: &'static str, parameters: Value) -> Result<()> {
    let request = RpcRequest::Custom { method };
    let sent = rpc.send::<Value>(request, parameters).await;
    sent.map(|_| ())
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error).into())
}
