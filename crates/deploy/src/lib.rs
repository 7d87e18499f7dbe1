//! Bringing the program onto a cluster with the upgradeable loader, over RPC alone.
//!
//! The code is first written into a buffer account, in pieces; then one transaction makes it the program. The buffer's keypair
//! lies in a file, so an interrupted deployment goes on where it stopped: what the buffer holds already is read back and only
//! the pieces that differ are written. [`plan`] says beforehand what it costs; [`run`] does it and compares at the end.

mod authority;
mod error;
mod idl;
mod verify;

pub use {
    authority::{authority, set_authority},
    error::{DeployError, Result},
    idl::{IdlReport, write_idl},
    verify::{Deployed, code_hash, deployed},
};

use {
    futures::{StreamExt, stream},
    quern_client::{
        accounts::raw,
        addresses::{self, UPGRADEABLE_LOADER},
        config,
        send::{Format, MAX_LOADED_BYTES, MAX_TRANSACTION_BYTES, Sender},
        transaction::{self, Budget, largest_size, sign},
    },
    solana_loader_v3_interface::{instruction as loader, state::UpgradeableLoaderState as State},
    solana_rpc_client_api::config::RpcSendTransactionConfig,
    solana_sdk::{
        hash::Hash,
        instruction::Instruction,
        pubkey::Pubkey,
        signature::{Keypair, Signer},
        transaction::VersionedTransaction,
    },
    std::{
        ops::ControlFlow,
        path::Path,
        time::{Duration, Instant},
    },
    tokio::time::sleep,
};

/// The program address whose secret key is public: for local networks only.
pub const PUBLIC_TEST_PROGRAM: Pubkey =
    solana_sdk::pubkey!("QWpF7y1ZAyq8zNNLZYL87sqdCw9T8RBT3CfsE72QwUe");

/// Compute units of one write; the loader takes 2,370.
const WRITE_UNITS: u32 = 3_500;
/// Writes that share a blockhash and are confirmed together.
const WAVE: usize = 96;
/// Requests at the same time; public nodes refuse many.
const CONCURRENT_REQUESTS: usize = 8;
/// How often a buffer that still differs is written again before the node is blamed.
const ROUNDS: u32 = 8;
/// What the loader asks for at least when a program grows.
const LEAST_GROWTH_BYTES: usize = 10_240;
/// Lamports for each signature of a transaction.
const SIGNATURE_LAMPORTS: u64 = 5_000;
const POLL: Duration = Duration::from_millis(400);
const RESEND_EVERY: Duration = Duration::from_secs(4);

/// Which program is deployed.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    /// Perhaps a new one: its keypair is needed to create it.
    Keypair(&'a Keypair),
    /// One that exists already.
    Existing(Pubkey),
}

impl Program<'_> {
    /// The program's address.
    pub fn address(&self) -> Pubkey {
        match self {
            Self::Keypair(keypair) => keypair.pubkey(),
            Self::Existing(address) => *address,
        }
    }
}

/// What is to be deployed, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    /// Who pays rent and fees.
    pub payer: &'a Keypair,
    /// Who may upgrade the program; for an existing one it must be its present authority.
    pub authority: &'a Keypair,
    /// The program.
    pub program: Program<'a>,
    /// Where the code is collected; keep it until the deployment is through (see [`buffer_keypair`]).
    pub buffer: &'a Keypair,
    /// The program's file.
    pub elf: &'a [u8],
    /// Room for later versions in bytes, at least the file's length; that much by default.
    pub max_bytes: Option<usize>,
}

/// What a deployment will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Create the program.
    Fresh,
    /// Replace its code.
    Upgrade,
    /// Nothing: the very same code runs already.
    UpToDate,
}

/// What a deployment will do and cost, to be shown before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it will do.
    pub kind: Kind,
    /// The program.
    pub program: Pubkey,
    /// The buffer.
    pub buffer: Pubkey,
    /// Pieces of the code.
    pub pieces: usize,
    /// Pieces that the buffer does not hold yet.
    pub pieces_left: usize,
    /// Bytes by which the program must grow first.
    pub growth_bytes: usize,
    /// Rent that stays in the program's accounts; what is there already is not counted.
    pub rent_lamports: u64,
    /// Fees of all transactions, priority fees included.
    pub fee_lamports: u64,
    /// What comes back from the buffer at the end.
    pub refund_lamports: u64,
    /// What the payer must have at the beginning.
    pub needs_lamports: u64,
}

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The buffer exists.
    BufferReady,
    /// This many of all pieces are written.
    Written {
        /// Confirmed pieces.
        done: usize,
        /// All pieces.
        pieces: usize,
    },
    /// The buffer becomes the program now.
    Deploying,
    /// The code on the cluster equals the file.
    Verified,
}

/// A finished deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The program.
    pub program: Pubkey,
    /// What was done.
    pub kind: Kind,
    /// Pieces that were written in this run.
    pub written: usize,
    /// Slot of the last transaction, if there was one.
    pub slot: Option<u64>,
}

/// The keypair of a buffer, from a file if it is there; otherwise a new one, which [`keep_buffer`] writes. A plan leaves no file
/// behind.
///
/// # Errors
/// `Keypair` if the file is unusable.
pub fn buffer_keypair(path: &Path) -> Result<Keypair> {
    match path.exists() {
        true => Ok(config::read_keypair(path)?),
        false => Ok(Keypair::new()),
    }
}

/// Keeps the keypair of a buffer in a file before anything is written, so that an interrupted deployment can go on.
///
/// # Errors
/// `Keypair` if the file cannot be written.
pub fn keep_buffer(path: &Path, buffer: &Keypair) -> Result<()> {
    match path.exists() {
        true => Ok(()),
        false => Ok(config::write_keypair(path, buffer)?),
    }
}

/// What is on the cluster now.
struct Found {
    /// Length of the program's room, if it exists.
    program_room: Option<usize>,
    /// Whether the program runs this very code.
    is_same: bool,
    /// What the buffer holds, if it exists.
    buffer: Option<Vec<u8>>,
}

/// Finds out what a deployment will do and cost. Nothing is sent.
///
/// # Errors
/// `Refused` if it cannot work: wrong authority, foreign buffer, the public test key on a real cluster.
pub async fn plan(sender: &Sender, deployment: &Deployment<'_>) -> Result<Plan> {
    check(&sender.url(), deployment)?;
    let found = look(sender, deployment).await?;
    plan_of(sender, deployment, &found).await
}

/// Deploys or upgrades, then compares what is on the cluster with the file.
///
/// `progress` may stop it at any step; another run with the same buffer goes on from there.
///
/// # Errors
/// `Lamports` if the payer has too little, `Stopped` if `progress` said so, otherwise what went wrong on the way.
pub async fn run(
    sender: &Sender,
    deployment: &Deployment<'_>,
    progress: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
) -> Result<Report> {
    check(&sender.url(), deployment)?;
    let found = look(sender, deployment).await?;
    let plan = plan_of(sender, deployment, &found).await?;
    let mut report = Report {
        program: plan.program,
        kind: plan.kind,
        written: 0,
        slot: None,
    };
    if plan.kind == Kind::UpToDate {
        tell(progress, Progress::Verified)?;
        return Ok(report);
    }
    let wallet = deployment.payer.pubkey();
    let has_lamports = sender
        .rpc()
        .get_balance(&wallet)
        .await
        .map_err(|error| DeployError::from(sender.error(error)))?;
    if has_lamports < plan.needs_lamports {
        return Err(DeployError::Lamports {
            wallet,
            has_lamports,
            needs_lamports: plan.needs_lamports,
        });
    }

    if found.buffer.is_none() {
        create_buffer(sender, deployment).await?;
    }
    tell(progress, Progress::BufferReady)?;
    report.written = fill_buffer(sender, deployment, plan.pieces, progress).await?;
    tell(progress, Progress::Deploying)?;
    report.slot = Some(finish(sender, deployment, &plan).await?);
    verify(sender, deployment).await?;
    tell(progress, Progress::Verified)?;
    Ok(report)
}

/// Closes a buffer that is no longer needed; its lamports go to the payer. Says how many there are; none if there is no such
/// account.
///
/// # Errors
/// `Refused` if it is no buffer or belongs to another authority, otherwise as [`Sender::send`].
pub async fn close_buffer(
    sender: &Sender,
    payer: &Keypair,
    authority: &Keypair,
    buffer: &Pubkey,
) -> Result<Option<u64>> {
    let Some((owner, data)) = raw(sender.rpc(), buffer).await? else {
        return Ok(None);
    };
    if owner != UPGRADEABLE_LOADER || !data.starts_with(&1u32.to_le_bytes()) {
        return refuse(format!(
            "{buffer} is no buffer of the loader; only buffers are closed here"
        ));
    }
    match authority_at(&data, 4) {
        Some(known) if known == authority.pubkey() => {}
        Some(known) => {
            return refuse(format!(
                "The buffer {buffer} belongs to {known}; sign with it (--upgrade-authority)"
            ));
        }
        None => {
            return refuse(format!(
                "The buffer {buffer} has no authority; nobody can close it"
            ));
        }
    }
    let lamports = sender
        .rpc()
        .get_balance(buffer)
        .await
        .map_err(|error| DeployError::from(sender.error(error)))?;
    let instruction = loader::close(buffer, &payer.pubkey(), &authority.pubkey(), false);
    sender.send(&[instruction], &[payer, authority]).await?;
    Ok(Some(lamports))
}

fn tell(
    progress: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
    step: Progress,
) -> Result<()> {
    match progress(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(DeployError::Stopped),
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(DeployError::Refused(reason.into()))
}

fn check(url: &str, deployment: &Deployment<'_>) -> Result<()> {
    if !deployment.elf.starts_with(b"\x7fELF") {
        return refuse("The program's file is no ELF; build it with `cargo xtask build-program`");
    }
    if deployment
        .max_bytes
        .is_some_and(|max| max < deployment.elf.len())
    {
        return refuse(
            "The room for later versions is smaller than the program; raise it or leave it out",
        );
    }
    if deployment.program.address() == PUBLIC_TEST_PROGRAM && !config::is_local(url) {
        return refuse(
            "The secret key of this program address is public, so anybody could take the program over; \
             make a key of your own with `solana-keygen new` and pass it",
        );
    }
    Ok(())
}

async fn look(sender: &Sender, deployment: &Deployment<'_>) -> Result<Found> {
    let program = deployment.program.address();
    let mut found = Found {
        program_room: None,
        is_same: false,
        buffer: None,
    };
    match raw(sender.rpc(), &program).await? {
        None => {}
        Some((owner, data))
            if owner == UPGRADEABLE_LOADER && data.starts_with(&2u32.to_le_bytes()) =>
        {
            let code = program_code(sender, deployment).await?;
            found.program_room = Some(code.len());
            found.is_same = is_same_code(&code, deployment.elf);
        }
        Some((owner, _)) => {
            return refuse(format!(
                "{program} is no upgradeable program (its owner is {owner}); choose another program keypair"
            ));
        }
    }
    let buffer = deployment.buffer.pubkey();
    if let Some((owner, data)) = raw(sender.rpc(), &buffer).await? {
        let header = State::size_of_buffer_metadata();
        let is_buffer = owner == UPGRADEABLE_LOADER
            && data.starts_with(&1u32.to_le_bytes())
            && data.len() >= header;
        if !is_buffer {
            return refuse(format!(
                "{buffer} is no buffer of the loader; delete the buffer's keypair file and run again"
            ));
        }
        if authority_at(&data, 4) != Some(deployment.authority.pubkey()) {
            return refuse(format!(
                "The buffer {buffer} belongs to another authority; sign with that one"
            ));
        }
        if data.len() != header + deployment.elf.len() {
            return refuse(format!(
                "The buffer {buffer} was made for a program of another length; close it with \
                 `quern deploy --close-buffer {buffer}`, delete its keypair file and run again"
            ));
        }
        found.buffer = Some(data[header..].to_vec());
    }
    Ok(found)
}

/// The room of the program's code, after checking who may upgrade it.
async fn program_code(sender: &Sender, deployment: &Deployment<'_>) -> Result<Vec<u8>> {
    let program = deployment.program.address();
    let address = addresses::program_data(&program);
    let header = State::size_of_programdata_metadata();
    let Some((_, data)) = raw(sender.rpc(), &address)
        .await?
        .filter(|(_, data)| data.len() >= header)
    else {
        return refuse(format!(
            "The program {program} was closed and its address cannot be used again; choose another keypair"
        ));
    };
    match authority_at(&data, 12) {
        Some(authority) if authority == deployment.authority.pubkey() => {
            Ok(data[header..].to_vec())
        }
        Some(authority) => refuse(format!(
            "Only {authority} may upgrade {program}; sign with it"
        )),
        None => refuse(format!(
            "{program} is final: nobody may upgrade it; choose another program keypair"
        )),
    }
}

/// An optional address in a loader's account.
fn authority_at(data: &[u8], at: usize) -> Option<Pubkey> {
    let is_some = *data.get(at)? == 1;
    let bytes: [u8; 32] = data.get(at + 1..at + 33)?.try_into().ok()?;
    is_some.then(|| Pubkey::from(bytes))
}

/// Whether a room holds this code; the rest of the room is zero.
fn is_same_code(room: &[u8], elf: &[u8]) -> bool {
    room.strip_prefix(elf)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}

/// Whether the program is new, to be upgraded, or there already.
fn kind_of(deployment: &Deployment<'_>, found: &Found) -> Result<Kind> {
    let kind = match found.program_room {
        _ if found.is_same => Kind::UpToDate,
        Some(_) => Kind::Upgrade,
        None => Kind::Fresh,
    };
    if kind == Kind::Fresh && matches!(deployment.program, Program::Existing(_)) {
        return refuse(format!(
            "There is no program at {}; pass its keypair file to create it",
            deployment.program.address()
        ));
    }
    Ok(kind)
}

async fn plan_of(sender: &Sender, deployment: &Deployment<'_>, found: &Found) -> Result<Plan> {
    let elf = deployment.elf;
    let room = deployment.max_bytes.unwrap_or(elf.len());
    let kind = kind_of(deployment, found)?;
    let piece = piece_bytes(deployment)?;
    let pieces = elf.len().div_ceil(piece);
    let pieces_left = match &found.buffer {
        Some(held) => differing(held, elf, piece).len(),
        None => pieces,
    };
    let mut plan = Plan {
        kind,
        program: deployment.program.address(),
        buffer: deployment.buffer.pubkey(),
        pieces,
        pieces_left,
        growth_bytes: 0,
        rent_lamports: 0,
        fee_lamports: 0,
        refund_lamports: 0,
        needs_lamports: 0,
    };
    if kind == Kind::UpToDate {
        plan.pieces_left = 0;
        return Ok(plan);
    }
    let rent = |bytes: usize| async move {
        sender
            .rpc()
            .get_minimum_balance_for_rent_exemption(bytes)
            .await
            .map_err(|error| DeployError::from(sender.error(error)))
    };
    let buffer_rent = rent(State::size_of_buffer(elf.len())).await?;
    if let Some(present) = found.program_room {
        let short = elf.len().saturating_sub(present);
        if short > 0 {
            plan.growth_bytes = short.max(LEAST_GROWTH_BYTES);
            let before = rent(State::size_of_programdata(present)).await?;
            plan.rent_lamports =
                rent(State::size_of_programdata(present + plan.growth_bytes)).await? - before;
        }
    } else {
        plan.rent_lamports =
            rent(State::size_of_program()).await? + rent(State::size_of_programdata(room)).await?;
    }
    plan.refund_lamports = buffer_rent;
    plan.fee_lamports = fees(sender, deployment, &plan, found.buffer.is_none());
    // The buffer's lamports come back before the program's room is paid.
    let at_the_end = match kind {
        Kind::Fresh => plan.rent_lamports.saturating_sub(buffer_rent),
        _ => plan.rent_lamports,
    };
    let at_first = if found.buffer.is_none() {
        buffer_rent
    } else {
        0
    };
    plan.needs_lamports = at_first + at_the_end + plan.fee_lamports;
    Ok(plan)
}

/// Fees of everything that is still to be sent.
fn fees(sender: &Sender, deployment: &Deployment<'_>, plan: &Plan, creates_buffer: bool) -> u64 {
    /// More than creating, growing and deploying together take.
    const OTHER_UNITS: u64 = 60_000;
    let payer_and_authority = if deployment.payer.pubkey() == deployment.authority.pubkey() {
        1
    } else {
        2
    };
    let mut signatures = plan.pieces_left as u64 * payer_and_authority;
    signatures += if creates_buffer { 2 } else { 0 };
    signatures += if plan.growth_bytes > 0 { 1 } else { 0 };
    signatures += payer_and_authority + if plan.kind == Kind::Fresh { 1 } else { 0 };
    let price = sender.unit_price(0, WRITE_UNITS);
    let units = plan.pieces_left as u64 * u64::from(WRITE_UNITS + 1_000) + OTHER_UNITS;
    let priority = u128::from(price) * u128::from(units) / 1_000_000;
    signatures * SIGNATURE_LAMPORTS
        + u64::try_from(priority).unwrap_or(u64::MAX - u64::from(u32::MAX))
}

fn write(deployment: &Deployment<'_>, offset: u32, bytes: &[u8]) -> Instruction {
    loader::write(
        &deployment.buffer.pubkey(),
        &deployment.authority.pubkey(),
        offset,
        bytes.to_vec(),
    )
}

/// How many bytes of code fit into one transaction.
fn piece_bytes(deployment: &Deployment<'_>) -> Result<usize> {
    /// Long enough that its length takes as many bytes as the final one.
    const PROBE: usize = 512;
    let probe = [write(deployment, 0, &[0; PROBE])];
    let bytes = largest_size(Format::Legacy, &probe, &deployment.payer.pubkey())?;
    Ok(MAX_TRANSACTION_BYTES - bytes + PROBE)
}

/// One write as a transaction unlike any other.
fn signed_write(
    sender: &Sender,
    deployment: &Deployment<'_>,
    offset: u32,
    bytes: &[u8],
    price: u64,
    blockhash: Hash,
) -> Result<VersionedTransaction> {
    let budget = sender.distinct(Budget {
        units: WRITE_UNITS,
        price,
        loaded_bytes: MAX_LOADED_BYTES,
    });
    let (payer, all) = (deployment.payer, [write(deployment, offset, bytes)]);
    let message = transaction::message(Format::Legacy, &all, &payer.pubkey(), &budget, blockhash)?;
    Ok(sign(message, &[payer, deployment.authority])?)
}

/// Indices of the pieces in which two equally long byte strings differ.
fn differing(held: &[u8], elf: &[u8], piece: usize) -> Vec<usize> {
    held.chunks(piece)
        .zip(elf.chunks(piece))
        .enumerate()
        .filter(|(_, (held, wanted))| held != wanted)
        .map(|(index, _)| index)
        .collect()
}

async fn create_buffer(sender: &Sender, deployment: &Deployment<'_>) -> Result<()> {
    let bytes = deployment.elf.len();
    let rent = sender
        .rpc()
        .get_minimum_balance_for_rent_exemption(State::size_of_buffer(bytes))
        .await
        .map_err(|error| DeployError::from(sender.error(error)))?;
    let instructions = loader::create_buffer(
        &deployment.payer.pubkey(),
        &deployment.buffer.pubkey(),
        &deployment.authority.pubkey(),
        rent,
        bytes,
    )
    .map_err(|error| {
        DeployError::Refused(format!(
            "The buffer cannot be created ({error}); make the program smaller"
        ))
    })?;
    let signers = [deployment.payer, deployment.buffer];
    sender.send(&instructions, &signers).await?;
    Ok(())
}

/// Writes what the buffer lacks until it equals the file. Returns how many pieces were written.
async fn fill_buffer(
    sender: &Sender,
    deployment: &Deployment<'_>,
    pieces: usize,
    progress: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
) -> Result<usize> {
    let piece = piece_bytes(deployment)?;
    let mut written = 0;
    for round in 0..ROUNDS {
        // What a round left out was not included at the last one's price.
        let price = sender.unit_price(round, WRITE_UNITS);
        let Some(held) = look(sender, deployment).await?.buffer else {
            // A slow node may not show the new buffer yet.
            sleep(POLL).await;
            continue;
        };
        let left = differing(&held, deployment.elf, piece);
        let mut done = pieces - left.len();
        tell(progress, Progress::Written { done, pieces })?;
        if left.is_empty() {
            return Ok(written);
        }
        for wave in left.chunks(WAVE) {
            let confirmed = write_wave(sender, deployment, wave, piece, price, &mut |count| {
                tell(
                    progress,
                    Progress::Written {
                        done: (done + count).min(pieces),
                        pieces,
                    },
                )
            })
            .await?;
            done += confirmed;
            written += confirmed;
        }
    }
    refuse(
        "The cluster did not take all pieces of the program; raise the priority fee and run the same again",
    )
}

/// The writes of a wave as transactions.
fn signed_wave(
    sender: &Sender,
    deployment: &Deployment<'_>,
    wave: &[usize],
    piece: usize,
    price: u64,
    blockhash: Hash,
) -> Result<Vec<VersionedTransaction>> {
    let mut waiting = Vec::with_capacity(wave.len());
    for index in wave {
        let start = index * piece;
        let end = (start + piece).min(deployment.elf.len());
        let offset = u32::try_from(start)
            .map_err(|_| DeployError::Refused("The program is too long".to_owned()))?;
        let bytes = &deployment.elf[start..end];
        waiting.push(signed_write(
            sender, deployment, offset, bytes, price, blockhash,
        )?);
    }
    Ok(waiting)
}

/// Sends the pieces of a wave together and waits for them until their blockhash expires. Returns how many were confirmed;
/// the others are found missing by the next reading of the buffer.
async fn write_wave(
    sender: &Sender,
    deployment: &Deployment<'_>,
    wave: &[usize],
    piece: usize,
    price: u64,
    confirmed: &mut (dyn FnMut(usize) -> Result<()> + Send),
) -> Result<usize> {
    let (blockhash, last_valid_height) = sender.blockhash().await?;
    let mut waiting = signed_wave(sender, deployment, wave, piece, price, blockhash)?;
    let mut count = 0;
    let mut sent_at: Option<Instant> = None;
    while !waiting.is_empty() {
        if sent_at.is_none_or(|at| at.elapsed() >= RESEND_EVERY) {
            send_together(sender, &waiting).await?;
            sent_at = Some(Instant::now());
        }
        let height = sender
            .rpc()
            .get_block_height()
            .await
            .map_err(|error| DeployError::from(sender.error(error)))?;
        let signatures: Vec<_> = waiting
            .iter()
            .filter_map(|transaction| transaction.signatures.first().copied())
            .collect();
        let statuses = sender
            .rpc()
            .get_signature_statuses(&signatures)
            .await
            .map_err(|error| DeployError::from(sender.error(error)))?
            .value;
        let before = waiting.len();
        let mut failure = None;
        let mut statuses = statuses.into_iter();
        waiting.retain(|_| match statuses.next().flatten() {
            Some(status) if status.satisfies_commitment(sender.rpc().commitment()) => {
                failure = failure.take().or(status.err);
                false
            }
            _ => true,
        });
        if let Some(error) = failure {
            return refuse(format!(
                "A piece of the program was refused ({error}); run the same again"
            ));
        }
        count += before - waiting.len();
        confirmed(count)?;
        if height > last_valid_height {
            break;
        }
        if !waiting.is_empty() {
            sleep(if config::is_local(&sender.url()) {
                POLL / 8
            } else {
                POLL
            })
            .await;
        }
    }
    Ok(count)
}

/// Sends transactions at the same time. A request that fails is no failure: it is sent again, or found missing later.
async fn send_together(sender: &Sender, transactions: &[VersionedTransaction]) -> Result<()> {
    let config = RpcSendTransactionConfig {
        skip_preflight: true,
        max_retries: Some(0),
        ..Default::default()
    };
    let answers: Vec<_> = stream::iter(transactions)
        .map(|transaction| {
            sender
                .rpc()
                .send_transaction_with_config(transaction, config)
        })
        .buffer_unordered(CONCURRENT_REQUESTS)
        .collect()
        .await;
    let is_any_sent = answers.iter().any(std::result::Result::is_ok);
    match answers.into_iter().find_map(std::result::Result::err) {
        Some(error) if !is_any_sent => Err(DeployError::from(sender.error(error))),
        _ => Ok(()),
    }
}

/// Makes the buffer the program.
async fn finish(sender: &Sender, deployment: &Deployment<'_>, plan: &Plan) -> Result<u64> {
    let (payer, authority) = (deployment.payer, deployment.authority);
    let (program, buffer) = (plan.program, plan.buffer);
    if let (Kind::Fresh, Program::Keypair(keypair)) = (plan.kind, deployment.program) {
        let rent = sender
            .rpc()
            .get_minimum_balance_for_rent_exemption(State::size_of_program())
            .await
            .map_err(|error| DeployError::from(sender.error(error)))?;
        let room = deployment.max_bytes.unwrap_or(deployment.elf.len());
        let instructions = loader::deploy_with_max_program_len(
            &payer.pubkey(),
            &program,
            &buffer,
            &authority.pubkey(),
            rent,
            room,
            true,
        )
        .map_err(|error| {
            DeployError::Refused(format!(
                "The program cannot be created ({error}); make it smaller"
            ))
        })?;
        return Ok(sender
            .send(&instructions, &[payer, keypair, authority])
            .await?
            .slot);
    }
    if plan.growth_bytes > 0 {
        let growth = u32::try_from(plan.growth_bytes)
            .map_err(|_| DeployError::Refused("The program is too long".to_owned()))?;
        let grown = sender
            .send(
                &[loader::extend_program(
                    &program,
                    Some(&payer.pubkey()),
                    growth,
                )],
                &[payer],
            )
            .await?;
        // The loader refuses a second change of a program within one slot.
        wait_for_slot(sender, grown.slot + 1).await?;
    }
    let upgrade = loader::upgrade(
        &program,
        &buffer,
        &authority.pubkey(),
        &payer.pubkey(),
        true,
    );
    Ok(sender.send(&[upgrade], &[payer, authority]).await?.slot)
}

async fn wait_for_slot(sender: &Sender, slot: u64) -> Result<()> {
    while sender
        .rpc()
        .get_slot()
        .await
        .map_err(|error| DeployError::from(sender.error(error)))?
        < slot
    {
        sleep(POLL).await;
    }
    Ok(())
}

async fn verify(sender: &Sender, deployment: &Deployment<'_>) -> Result<()> {
    let code = program_code(sender, deployment).await?;
    if !is_same_code(&code, deployment.elf) {
        return refuse("The program on the cluster differs from the file; run the same again");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, quern_client::CommitmentConfig};

    fn deployment<'a>(payer: &'a Keypair, program: &'a Keypair, elf: &'a [u8]) -> Deployment<'a> {
        Deployment {
            payer,
            authority: payer,
            program: Program::Keypair(program),
            buffer: program,
            elf,
            max_bytes: None,
        }
    }

    #[test]
    fn pieces_fill_a_transaction() {
        let (payer, authority) = (Keypair::new(), Keypair::new());
        let elf = vec![0; 5_000];
        let sender = Sender::new("http://127.0.0.1:1", CommitmentConfig::confirmed());
        for by in [&payer, &authority] {
            let deployment = Deployment {
                authority: by,
                ..deployment(&payer, &payer, &elf)
            };
            let piece = piece_bytes(&deployment).unwrap();
            assert!(piece > 800, "{piece}");
            for (bytes, fits) in [(piece, true), (piece + 1, false)] {
                let bytes = &elf[..bytes];
                let hash = Hash::default();
                let signed = signed_write(&sender, &deployment, u32::MAX, bytes, u64::MAX, hash);
                assert_eq!(signed.is_ok(), fits);
            }
        }
    }

    #[test]
    fn only_differing_pieces_are_left() {
        let elf: Vec<u8> = (0..100).collect();
        let mut held = elf.clone();
        assert!(differing(&held, &elf, 30).is_empty());
        held[95] = 0;
        held[0] = 1;
        assert_eq!(differing(&held, &elf, 30), [0, 3]);
    }

    #[test]
    fn same_code_may_have_room_behind_it() {
        assert!(is_same_code(&[1, 2, 0, 0], &[1, 2]));
        assert!(!is_same_code(&[1, 2, 0, 3], &[1, 2]));
        assert!(!is_same_code(&[1], &[1, 2]));
    }

    #[test]
    fn the_public_key_stays_on_this_machine() {
        let text = include_str!("../../../programs/quern/localnet-keypair.json");
        let public = config::parse_keypair(text).unwrap();
        assert_eq!(public.pubkey(), PUBLIC_TEST_PROGRAM);
        let payer = Keypair::new();
        let deployment = deployment(&payer, &public, b"\x7fELF");
        assert!(check("http://127.0.0.1:8899", &deployment).is_ok());
        assert!(matches!(
            check("https://api.devnet.solana.com", &deployment),
            Err(DeployError::Refused(_))
        ));
    }

    #[test]
    fn files_that_are_no_program_are_refused() {
        let payer = Keypair::new();
        assert!(
            check(
                "http://127.0.0.1:8899",
                &deployment(&payer, &payer, b"#!/bin/sh")
            )
            .is_err()
        );
        let small = Deployment {
            max_bytes: Some(3),
            ..deployment(&payer, &payer, b"\x7fELF")
        };
        assert!(check("http://127.0.0.1:8899", &small).is_err());
    }
}
