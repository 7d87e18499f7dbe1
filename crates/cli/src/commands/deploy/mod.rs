//! `quern deploy`: the on-chain program, by the upgradeable loader.

mod authority;
mod idl;
mod verify;

use {
    crate::{
        context::{Context, Globals, Program as Named, keypair},
        error::{Error, Result},
        files::Role,
        output::{Fields, Format, print_nothing},
        progress,
    },
    clap::Subcommand,
    quern_client::{Keypair, Pubkey, Signer, config, files::unread, quern},
    quern_deploy::{DeployError, Deployment, Kind, Plan, Program, Progress},
    quern_process::redact::redacted,
    std::{
        io::{IsTerminal, Write},
        ops::ControlFlow,
        path::PathBuf,
    },
};

/// What to deploy.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  quern deploy --url devnet --program-id quern-keypair.json --plan       what it costs
  quern deploy --url devnet --program-id quern-keypair.json              deploy, or go on
  quern deploy --url devnet --program-id PROGRAM                         upgrade
  quern deploy --url devnet --close-buffer                               get its rent back
  quern deploy --url devnet --program-id PROGRAM --idl                   write the IDL on chain
  quern deploy verify --url devnet --program-id PROGRAM                  compare it with the file
  quern deploy authority MULTISIG --program-id PROGRAM                   hand it over

Build the program for its address first: cargo xtask build-program --program-id KEYPAIR_OR_ADDRESS

The holder of the upgrade authority can change the rules. Hand it to a multisig with `quern deploy authority`, or
give it up with --final, before others trust the program with money."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    deploy: Deploy,
}

/// What else belongs to a deployment.
#[derive(Subcommand)]
enum Command {
    /// Hand the right to upgrade the program to another address, or to nobody for ever
    #[command(after_help = "Examples:
  quern deploy authority MULTISIG --program-id PROGRAM
  quern deploy authority --none --program-id PROGRAM")]
    Authority(authority::Args),
    /// Compare the program on the cluster with the one that was built here, byte by byte
    #[command(after_help = "Example:
  quern deploy verify --url devnet --program-id PROGRAM

Anybody may: build the commit that the operator names for the same address first. Exit code 1 if they differ.")]
    Verify(verify::Args),
}

/// How a program is deployed.
#[derive(clap::Args)]
struct Deploy {
    /// The built program [default: target/deploy/quern.so, for another program id target/deploy/quern-<ID>.so]
    #[arg(long, value_name = "FILE")]
    program_so: Option<PathBuf>,
    /// Who may upgrade it [default: the wallet]
    #[arg(long, value_name = "KEYPAIR")]
    upgrade_authority: Option<String>,
    /// Keypair of the buffer that collects the code; made if missing, and needed to go on after an interruption
    #[arg(
        long,
        default_value = "target/deploy/quern-buffer.json",
        value_name = "FILE"
    )]
    buffer: PathBuf,
    /// Room for later versions, in bytes [default: the file's length]
    #[arg(long, value_name = "BYTES")]
    max_len: Option<usize>,
    /// Close a buffer that is not needed any more instead: the named one, or the one of --buffer; its SOL comes back
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, conflicts_with_all = ["program_so", "plan", "max_len"])]
    close_buffer: Option<Option<Pubkey>>,
    /// Write the program's IDL on chain instead, for explorers and other people's clients [default: the IDL of this command]
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["program_so", "plan", "max_len", "close_buffer", "final"])]
    idl: Option<Option<PathBuf>>,
    /// Give the upgrade authority up afterwards, for ever: nobody can change the program any more
    #[arg(long, conflicts_with = "plan")]
    r#final: bool,
    /// Only print what it would do and cost
    #[arg(long)]
    plan: bool,
    /// Don't ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Deploys, or does what else belongs to a deployment.
pub async fn run(globals: &Globals, args: Args) -> Result<()> {
    let context = &globals.context()?;
    match args.command {
        Some(Command::Authority(args)) => {
            authority::run(context, globals.program()?.address(), args).await
        }
        Some(Command::Verify(args)) => verify::run(context, globals.deployment()?, args).await,
        None => deploy(globals, context, args.deploy).await,
    }
}

/// Deploys, upgrades, or prints what that would take.
async fn deploy(globals: &Globals, context: &Context, args: Deploy) -> Result<()> {
    if let Some(named) = args.close_buffer {
        return close_buffer(context, &args, named).await;
    }
    if let Some(file) = &args.idl {
        let authority = args.upgrade_authority.as_deref();
        return idl::run(globals, context, file.as_deref(), authority, args.yes).await;
    }
    let named = named_program(context, globals.program()?)?;
    let address = named.address();
    let elf = code(&address, args.program_so)?;
    if args.r#final {
        authority::require_set_up(context).await?;
    }
    let wallet = context.wallet()?;
    let authority = args.upgrade_authority.as_deref().map(keypair).transpose()?;
    let program = match &named {
        Named::Keypair(keypair) => Program::Keypair(keypair),
        Named::Address(_) | Named::Default => Program::Existing(address),
    };
    let buffer = quern_deploy::buffer_keypair(&args.buffer)?;
    let deployment = Deployment {
        payer: &wallet,
        authority: authority.as_ref().unwrap_or(&wallet),
        program,
        buffer: &buffer,
        elf: &elf,
        max_bytes: args.max_len,
    };
    let plan = progress::during(
        "looking at what is there",
        quern_deploy::plan(&context.sender, &deployment),
    )
    .await?;
    if args.plan || plan.kind == Kind::UpToDate {
        return match args.r#final && !args.plan {
            true => finish(context, &deployment).await,
            false => {
                plan_fields(&plan, elf.len()).print(context.format);
                Ok(())
            }
        };
    }
    if context.format == Format::Table {
        plan_fields(&plan, elf.len()).print(Format::Table);
    }
    if !args.yes && !confirmed(&context.url, "Deploy?")? {
        return Err(Error::Other("nothing was deployed".to_owned()));
    }
    quern_deploy::keep_buffer(&args.buffer, &buffer)?;
    go(context, &deployment, &plan, args.r#final).await
}

/// Gives the upgrade authority up.
async fn finish(context: &Context, deployment: &Deployment<'_>) -> Result<()> {
    let program = deployment.program.address();
    let (payer, present) = (deployment.payer, deployment.authority);
    authority::hand_over(context, payer, present, &program, None).await?;
    Fields::new()
        .text("program", program)
        .text("upgrade_authority", "nobody")
        .print(context.format);
    Ok(())
}

/// Gets the lamports of an abandoned buffer back.
async fn close_buffer(context: &Context, args: &Deploy, named: Option<Pubkey>) -> Result<()> {
    let buffer = match named {
        Some(address) => address,
        None if args.buffer.exists() => quern_deploy::buffer_keypair(&args.buffer)?.pubkey(),
        None => {
            return Err(Error::file(
                &args.buffer,
                "there is no keypair of a buffer; name the buffer's address behind --close-buffer, or its file with --buffer",
            ));
        }
    };
    let wallet = context.wallet()?;
    let authority = args.upgrade_authority.as_deref().map(keypair).transpose()?;
    let authority = authority.as_ref().unwrap_or(&wallet);
    let fields = Fields::new().text("buffer", buffer);
    let closing = quern_deploy::close_buffer(&context.sender, &wallet, authority, &buffer);
    match progress::during("closing the buffer", closing).await? {
        Some(lamports) => fields
            .text("done", "closed")
            .text(
                "came_back",
                format!("{} SOL", crate::amount::show(lamports, 9)),
            )
            .with("came_back_lamports", lamports)
            .print(context.format),
        None => print_nothing(
            context.format,
            fields,
            &format!("there is no buffer at {buffer}; it is closed already, or became the program"),
        ),
    }
    Ok(())
}

/// The code to deploy, if it was built for this address: the program knows its own.
fn code(address: &Pubkey, named: Option<PathBuf>) -> Result<Vec<u8>> {
    let (usual, build) = match *address == quern::ID {
        true => (
            "target/deploy/quern.so".to_owned(),
            "cargo xtask build-program".to_owned(),
        ),
        false => (
            format!("target/deploy/quern-{address}.so"),
            format!("cargo xtask build-program --program-id {address}"),
        ),
    };
    let path = named.unwrap_or_else(|| usual.into());
    let role = Role::program("--program-so");
    let elf = std::fs::read(&path).map_err(|error| {
        let why = unread(&path, &error);
        role.unusable(&path, format!("{why}; build the program with `{build}`"))
    })?;
    if !elf.starts_with(b"\x7fELF") {
        return Err(role.no_such(&path, &elf, "no ELF"));
    }
    if !is_built_for(&elf, address) {
        return Err(Error::file(
            &path,
            format!(
                "it was not built for {address} and would not work there; build it with `{build}`"
            ),
        ));
    }
    Ok(elf)
}

/// Whether a program's file holds the address that it was built for.
pub fn is_built_for(elf: &[u8], address: &Pubkey) -> bool {
    elf.windows(size_of::<Pubkey>())
        .any(|bytes| bytes == address.as_ref())
}

/// The program to deploy; on a local cluster, if none was named, the one with the public key for tests.
fn named_program(context: &Context, named: Named) -> Result<Named> {
    match named {
        Named::Default => test_keypair(context)?.map(Named::Keypair).ok_or_else(|| {
            Error::Usage("name the program with --program-id: its keypair file for a first deployment, its address for an upgrade".to_owned())
        }),
        named => Ok(named),
    }
}

#[cfg(feature = "localnet")]
fn test_keypair(context: &Context) -> Result<Option<Keypair>> {
    let is_local = config::is_local(&context.url);
    Ok(is_local.then(quern_localnet::program_keypair).transpose()?)
}

#[cfg(not(feature = "localnet"))]
fn test_keypair(_: &Context) -> Result<Option<Keypair>> {
    Ok(None)
}

/// Asks the person at the terminal; without one, `--yes` has to be there.
fn confirmed(url: &str, question: &str) -> Result<bool> {
    if config::is_local(url) {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(
            "there is no terminal to ask at; pass --yes to go on without asking".to_owned(),
        ));
    }
    let cluster = redacted(url, url);
    eprint!("{question} (on {cluster}) [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Error::Other(error.to_string()))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn go(
    context: &Context,
    deployment: &Deployment<'_>,
    plan: &Plan,
    is_final: bool,
) -> Result<()> {
    let bar = progress::bar(plan.pieces as u64, "writing");
    let stopped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let listener = {
        let stopped = std::sync::Arc::clone(&stopped);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stopped.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        })
    };
    let mut watch = |step| {
        match step {
            Progress::BufferReady => bar.set_message("writing"),
            Progress::Written { done, .. } => bar.set_position(done as u64),
            Progress::Deploying => bar.set_message("deploying"),
            Progress::Verified => bar.set_message("verified"),
        }
        match stopped.load(std::sync::atomic::Ordering::SeqCst) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let result = quern_deploy::run(&context.sender, deployment, &mut watch).await;
    listener.abort();
    bar.finish_and_clear();
    let report = result.map_err(|error| match error {
        DeployError::Lamports { .. } | DeployError::Stopped | DeployError::Refused(_) => {
            Error::from(error)
        }
        // What is written stays written.
        error => Error::Other(format!(
            "{error}; run the same again to go on where it stopped"
        )),
    })?;
    let (payer, present) = (deployment.payer, deployment.authority);
    if is_final {
        authority::hand_over(context, payer, present, &report.program, None).await?;
    }
    let note = "the holder of the upgrade authority can change the rules; hand it over with `quern deploy authority`";
    Fields::new()
        .text("program", report.program)
        .text("done", kind_name(report.kind))
        .with("pieces_written", report.written)
        .maybe("slot", report.slot)
        .with("verified", true)
        .text(
            "upgrade_authority",
            match is_final {
                true => "nobody".to_owned(),
                false => present.pubkey().to_string(),
            },
        )
        .maybe("note", (!is_final).then_some(note))
        .print(context.format);
    Ok(())
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Fresh => "deployed",
        Kind::Upgrade => "upgraded",
        Kind::UpToDate => "nothing: this very code runs already",
    }
}

fn plan_fields(plan: &Plan, bytes: usize) -> Fields {
    let sol = |lamports: u64| format!("{} SOL", crate::amount::show(lamports, 9));
    let what = match plan.kind {
        Kind::Fresh => "first deployment",
        Kind::Upgrade => "upgrade",
        Kind::UpToDate => "nothing: this very code runs already",
    };
    Fields::new()
        .text("program", plan.program)
        .text("plan", what)
        .with("bytes", bytes)
        .text("buffer", plan.buffer)
        .text(
            "pieces_left",
            format!("{} of {}", plan.pieces_left, plan.pieces),
        )
        .text("rent_that_stays", sol(plan.rent_lamports))
        .text("fees", sol(plan.fee_lamports))
        .text("comes_back", sol(plan.refund_lamports))
        .text("needed_at_first", sol(plan.needs_lamports))
}
