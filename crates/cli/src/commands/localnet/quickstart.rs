//! `quern quickstart`: a local network, a provider, an indexer and a gateway, in one command.

use {
    super::{ENV, Network, Start, launch, write_env},
    crate::{
        commands::{
            gateway::{Front, LISTEN, LOCAL_POLL},
            provider::until_stopped,
        },
        context::Globals,
        error::{Error, Result},
        folder::ModelFolder,
        progress,
    },
    quern_client::program_id,
    quern_data::{DataError, FetchLimits, Publisher, files},
    quern_gateway::{Connection, Engine, Served, Settings, folder, http::HttpSettings},
    quern_process::logs::say,
    std::{
        fs::File,
        net::SocketAddr,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
    },
    tokio::sync::watch,
};

/// The indexer's command, if it lies beside this one.
const INDEXER: &str = "quern-indexer";
/// What it says.
const LOG: &str = "boards.log";
/// Lies in a gateway's folder that this command has made.
const MARK: &str = "quickstart";
/// Where everything is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  quern quickstart
  quern quickstart --model target/models/128/minilm --listen 127.0.0.1:9000

It starts a local network with Quern on it, a provider of the model, an indexer with the leaderboards, and the gateway that
speaks OpenAI's protocol. It prints the two variables that programs need, and a request to paste. Ctrl-C ends it all; the
keys stay in --dir. `quern model import` makes the model; in a checkout `cargo xtask quickstart` does that, too.")]
pub struct Args {
    /// The model: a folder of `quern model import`, or its name in the folder that QUERN_MODELS names
    #[arg(long, value_name = "NAME_OR_FOLDER", default_value = "minilm")]
    model: String,
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN)]
    listen: SocketAddr,
    /// Where the indexer listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    boards: SocketAddr,
    /// Port of the RPC server
    #[arg(long, default_value_t = 8899, value_name = "PORT")]
    rpc_port: u16,
    /// Port of the WebSocket server
    #[arg(long, default_value_t = 8900, value_name = "PORT")]
    ws_port: u16,
    /// The built program
    #[arg(long, default_value = "target/deploy/quern.so", value_name = "FILE")]
    program_so: PathBuf,
    /// Folder with the wallets' keypairs and everything else; made if missing
    #[arg(long, default_value = "quern-quickstart", value_name = "FOLDER")]
    dir: PathBuf,
}

/// Starts everything, and ends it at Ctrl-C.
pub async fn run(globals: &Globals, args: Args) -> Result<()> {
    let folder = ModelFolder::find(&args.model)?;
    let _claim = claim(&args.dir)?;
    let state = args.dir.join("gateway");
    let start = Start {
        rpc_port: args.rpc_port,
        ws_port: args.ws_port,
        program_so: args.program_so.clone(),
        keys_dir: args.dir.clone(),
        bare: false,
        empty: false,
        serve: vec![folder.path.clone()],
        slot_ms: 100,
    };
    let mut network = launch(globals, &start).await?;
    write_env(
        &start,
        &network.net,
        network.mint.as_ref(),
        &network.folders,
    )?;
    let (Some(agent), Some(_)) = (network.agent.take(), &network.mint) else {
        return Err(Error::Other("the network has no provider".to_owned()));
    };
    let mut boards = Boards::start(&args, &network);
    let opening = gateway(&network, folder, &args, state);
    let front = progress::during("opening the gateway", opening).await?;
    front
        .fields()
        .text("rpc_url", network.net.rpc_url())
        .text("boards", boards.place(&args))
        .text("env", args.dir.join(ENV).display())
        .print(globals.output);
    say(&format!(
        "\nTry it:\n{}\n\nCtrl-C ends everything.",
        front.curl()
    ));
    let (stop, stopped) = watch::channel(false);
    let when = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
    };
    let provider = agent.run(when(stopped.clone()));
    let serving = async {
        until_stopped().await;
        say("stopping");
    };
    let gateway = async {
        front.until(serving).await;
        // The provider works until the gateway has what it waits for.
        stop.send_replace(true);
    };
    let (provider, ()) = tokio::join!(provider, gateway);
    drop(boards);
    network.net.stop();
    super::forget(&args.dir)?;
    Ok(provider?)
}

/// Takes the folder for this network until it is dropped, and removes what a gateway has kept of an earlier one: nothing of
/// that means anything on this one. The API key stays. A gateway's folder that no quickstart has made is left alone: it may
/// belong to a cluster with money.
fn claim(dir: &Path) -> Result<File> {
    let state = dir.join("gateway");
    files::create_folder(&state)?;
    let in_use = |error: DataError| match error {
        DataError::Locked { path } => Error::Other(format!(
            "{} is in use; stop what runs there, or name another folder with --dir",
            path.display()
        )),
        error => error.into(),
    };
    let claim = files::lock(dir).map_err(in_use)?;
    let journal = files::lock(&state).map_err(in_use)?;
    if !state.join(MARK).exists() {
        if let Some(path) = folder::kept(&state).first() {
            return Err(Error::Other(format!(
                "`quern quickstart` would remove {}, which may be of another cluster; name another folder with --dir, or remove it yourself",
                path.display()
            )));
        }
        files::write(&state.join(MARK), b"")?;
    }
    for path in folder::kept(&state) {
        let removed = match path.is_dir() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        removed.map_err(|error| Error::file(&path, error))?;
    }
    // The gateway itself locks it from here on; who else comes finds the whole folder taken.
    drop(journal);
    Ok(claim)
}

/// The gateway of the network's client.
async fn gateway(
    network: &Network,
    folder: ModelFolder,
    args: &Args,
    state: PathBuf,
) -> Result<Front> {
    let (Some(mint), Some(client)) = (&network.mint, network.roles.first()) else {
        return Err(Error::Other("the network has no client".to_owned()));
    };
    let served = Served::open(network.net.rpc(), folder, None, &mint.address).await?;
    let inputs = folder::inputs(&state);
    let http = HttpSettings::new(args.listen, folder::http(&state));
    let settings = Settings {
        poll: LOCAL_POLL,
        ..Settings::new(state)
    };
    let connection = Connection {
        sender: network.net.sender().clone(),
        wallet: client.keypair.insecure_clone(),
        mint: mint.address,
        publisher: Publisher::folder(&inputs, None)?,
        inputs: Some(inputs),
        fetch: FetchLimits {
            file_roots: vec![PathBuf::from("/")],
            allow_private: true,
            ..FetchLimits::default()
        },
    };
    let engine = Engine::open(settings, vec![served], connection).await?;
    Front::start(engine, &http).await
}

/// The indexer as a process, if its command is found.
struct Boards(Option<Child>);

impl Boards {
    fn start(args: &Args, network: &Network) -> Self {
        let own = std::env::current_exe().ok();
        let beside = own.and_then(|own| Some(own.parent()?.join(INDEXER)));
        let Some(command) = beside.filter(|path| path.is_file()) else {
            return Self(None);
        };
        let store = args.dir.join("boards.sqlite");
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", store.display()));
        }
        let log = std::fs::File::create(args.dir.join(LOG));
        let child = Command::new(command)
            .arg("run")
            .args(["--url", network.net.rpc_url()])
            .args(["--ws-url", network.net.ws_url()])
            .args(["--store", &format!("sqlite:{}", store.display())])
            .args(["--listen", &args.boards.to_string()])
            .args(["--program-id", &program_id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from))
            .spawn();
        Self(child.ok())
    }

    /// Where the boards are, or why nowhere.
    fn place(&mut self, args: &Args) -> String {
        let has_ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        match self.0.as_mut().map(has_ended) {
            Some(true) => format!(
                "off: {INDEXER} has ended; {} says why",
                args.dir.join(LOG).display()
            ),
            Some(false) => format!("http://{}", args.boards),
            None => format!("off: {INDEXER} does not lie beside this command"),
        }
    }
}

impl Drop for Boards {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(dir: &Path) -> String {
        claim(dir).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_emptied_for_a_new_network_and_never_under_another_gateway() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("gateway");
        let order = state.join("orders/one.json");
        let keep = || {
            files::create_folder(order.parent().unwrap()).unwrap();
            files::write(&order, b"{}").unwrap();
        };
        let first = claim(folder.path()).unwrap();
        keep();
        // Another quickstart, or a gateway alone.
        assert!(refused(folder.path()).contains("in use"));
        drop(first);
        let gateway = files::lock(&state).unwrap();
        assert!(refused(folder.path()).contains("in use"));
        assert!(order.exists());
        drop(gateway);
        drop(claim(folder.path()).unwrap());
        assert!(!order.exists());
        // One that this command has not made.
        std::fs::remove_file(state.join(MARK)).unwrap();
        keep();
        assert!(refused(folder.path()).contains("--dir"));
        assert!(order.exists());
    }
}
