//! A campaign over some of the demo's jobs: the model's creator refunds fees to the providers that run it, and a pair that buys
//! from itself for a share of the pot ends with less than it began with.

use {
    crate::quern,
    anyhow::{Context, Result, ensure},
    quern_client::{
        Keypair, Pubkey, Signer, accounts, addresses, flows,
        instructions::{self, NOBODY},
        quern::{
            events::QuernEvent,
            instructions::{NewCampaign, NewJob, ProviderSettings, Submission},
            state::{Assurance, Campaign, JobKind, kind_bit},
        },
        read,
    },
    quern_testkit::net::{PARAMS, QUSD, REVIEW_SECS, Stage},
    serde::Serialize,
    solana_system_interface::instruction::transfer,
    std::path::Path,
};

/// Less than what is scored, so that shares of it are paid.
const POT_ATOMS: u64 = 3 * QUSD / 10;
/// What a refereed milestone scores, as a share of its fee.
const REFEREED_BPS: u16 = 9_000;
/// What a reviewed milestone scores, as a share of its fee.
const REVIEWED_BPS: u16 = 5_000;
/// Until it begins; then results score for a day.
const BEGINS_SECS: i64 = 60;
const SCORES_SECS: i64 = 86_400;
/// What each of the pair begins with.
const WASH_PURSE_ATOMS: u64 = 25 * QUSD;
/// What the pair buys from itself.
const WASH_PRICE_ATOMS: u64 = 20 * QUSD + 29;
/// Every so many jobs count.
pub const EVERY: usize = 3;

/// A campaign that runs, and the pair that wants a part of its pot.
pub struct Running {
    /// Where it is.
    pub address: Pubkey,
    /// It as it was created: nothing of its terms changes.
    terms: Campaign,
    buyer: Keypair,
    seller: Keypair,
}

/// What a provider got.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    /// Who.
    pub name: String,
    /// What its milestones scored.
    pub score: String,
    /// What it claimed.
    pub claimed_atoms: String,
}

/// What became of a campaign. Amounts are strings of atoms in the payment mint.
#[derive(Clone, Debug, Serialize)]
pub struct Sponsored {
    /// Where it was.
    pub campaign: String,
    /// What was shared out.
    pub pot_atoms: String,
    /// The sum of all scores.
    pub total_score: String,
    /// What each provider got of it.
    pub shares: Vec<Share>,
    /// What went back to the sponsor.
    pub swept_atoms: String,
    /// What the pair that bought from itself had when it began.
    pub wash_before_atoms: String,
    /// What it had in the end, its claim included.
    pub wash_after_atoms: String,
}

/// The creator reserves the pot, and both honest providers join.
pub async fn begin(stage: &mut Stage) -> Result<Running> {
    stage
        .names
        .heading("A campaign: the creator refunds fees to those who run its model");
    let (creator, payment) = (stage.creator.insecure_clone(), stage.payment);
    let sponsor = creator.pubkey();
    stage.mint_to(&sponsor, &payment, 2 * POT_ATOMS).await?;
    stage
        .deposit(&creator, &sponsor, &payment, 2 * POT_ATOMS)
        .await?;
    let known = read::for_create(stage.net.rpc(), &sponsor, &payment.address, None).await?;
    let start = known.moment.now + BEGINS_SECS;
    let end = start + SCORES_SECS;
    let terms = &known.protocol.terms;
    let longest = terms.longest_review(Assurance::Refereed, false, REVIEW_SECS);
    let settle_by = end.saturating_add_unsigned(longest);
    let new = NewCampaign {
        pot_atoms: POT_ATOMS,
        start,
        end,
        settle_by,
        claim_by: settle_by + i64::from(PARAMS.campaign_claim_secs),
        kinds: kind_bit(JobKind::Inference),
        model: NOBODY,
        refereed_bps: REFEREED_BPS,
        reviewed_bps: REVIEWED_BPS,
    };
    let (address, create) = flows::create_campaign(&sponsor, &known, new);
    stage.names.set(&address, "campaign");
    stage.sender().send(&[create], &[&creator]).await?;
    for provider in stage.providers.iter().take(2) {
        join(stage, &address, &provider.owner).await?;
    }
    let (buyer, seller) = pair(stage).await?;
    stage.pass(start, "the campaign begins").await?;
    Ok(Running {
        terms: accounts::fetch(stage.net.rpc(), &address).await?,
        address,
        buyer,
        seller,
    })
}

async fn join(stage: &Stage, campaign: &Pubkey, owner: &Keypair) -> Result<()> {
    let join = instructions::join_campaign(&owner.pubkey(), campaign, &owner.pubkey());
    stage.sender().send(&[join], &[owner]).await?;
    Ok(())
}

/// Two wallets of one person: a client and a provider, with what the price and the bond take.
async fn pair(stage: &mut Stage) -> Result<(Keypair, Keypair)> {
    const LAMPORTS: u64 = 10_000_000_000;
    let payment = stage.payment;
    let (buyer, seller) = (
        stage.net.fresh(LAMPORTS).await?,
        stage.net.fresh(LAMPORTS).await?,
    );
    for (wallet, name) in [(&buyer, "thistle-the-client"), (&seller, "thistle")] {
        let owner = wallet.pubkey();
        stage.names.set(&owner, name);
        stage.mint_to(&owner, &payment, WASH_PURSE_ATOMS).await?;
        stage
            .deposit(wallet, &owner, &payment, WASH_PURSE_ATOMS)
            .await?;
    }
    Ok((buyer, seller))
}

/// The pair buys from itself: a reviewed job that its own client accepts at once, whatever is submitted.
pub async fn wash(stage: &Stage, running: &Running) -> Result<()> {
    stage
        .names
        .heading("A pair buys from itself, for a share of the campaign's pot");
    let (buyer, seller) = (&running.buyer, &running.seller);
    let (client, provider) = (buyer.pubkey(), seller.pubkey());
    // Before now the gateway would have asked it for work.
    let entry = ProviderSettings {
        operator: seller.pubkey(),
        name: "thistle".to_owned(),
        endpoint: String::new(),
        active: true,
    };
    let register = instructions::register_provider(&seller.pubkey(), entry);
    stage.sender().send(&[register], &[seller]).await?;
    join(stage, &running.address, seller).await?;
    let rpc = stage.net.rpc();
    let args = NewJob {
        assurance: Assurance::Reviewed.code(),
        bond_atoms: WASH_PRICE_ATOMS,
        pinned_provider: provider,
        campaign: running.address,
        ..stage.job_args(WASH_PRICE_ATOMS).await?
    };
    let known = read::for_create(rpc, &client, &stage.payment.address, None).await?;
    let (job, create) = flows::create_job(rpc, &client, &known, args).await?;
    stage.names.set(&job, "wash");
    stage.sender().send_all(&create, &[buyer]).await?;
    let seen = stage.job(&job).await?.context("the job is gone")?;
    let take = flows::take_job(rpc, &provider, &provider, &seen).await?;
    stage.sender().send_all(&take, &[seller]).await?;
    let seen = stage.job(&job).await?.context("the job is gone")?;
    let nothing = Submission {
        trace_root: [7; 32],
        tokens_root: [0; 32],
        output_uri: String::new(),
    };
    let submit = instructions::submit(&provider, &seen, nothing);
    stage.sender().send(&[submit], &[seller]).await?;
    let known = read::for_payment(rpc, &job).await?;
    let seen = known.job.context("the job is gone")?;
    let accept = instructions::accept(&seen, &known.emission);
    stage.sender().send(&[accept], &[buyer]).await?;
    stage.chronicle.catch_up().await
}

/// The last settlement is over: everybody claims with the command. One provider takes all that it has earned in one transaction, a
/// passer-by pays for the second, and the third has a wallet without a lamport and a fee payer.
pub async fn claims(stage: &Stage, running: &Running, binary: &Path) -> Result<()> {
    let times = running.terms.times();
    stage
        .pass(times.settle_by, "the campaign's last settlement is over")
        .await?;
    let [alder, birch, _] = &stage.providers;
    let (alder, birch, thistle) = (&alder.owner, &birch.owner, &running.seller);
    empty(stage, thistle).await?;
    let entry = addresses::entry(&running.address, &thistle.pubkey());
    let rent = lamports(stage, &entry).await?;
    let birch = birch.pubkey().to_string();
    let payer = quern::key(stage, &stage.passer_by)?;
    let payer = payer.to_str().context("the folder's name is no text")?;
    for (wallet, words) in [
        (alder, &["claim"][..]),
        (&stage.passer_by, &["claim", "--for", &birch]),
        (thistle, &["claim", "--fee-payer", payer]),
    ] {
        let shown = quern::run(binary, stage, wallet, words).await?;
        let sent = shown["transactions"].as_array().map_or(0, Vec::len);
        stage.names.say(format!(
            "{}: quern {}: {sent} transaction, paid by {}",
            stage.names.of(&wallet.pubkey()),
            words[..words.len().min(2)].join(" "),
            if words.contains(&"--fee-payer") {
                "passer-by"
            } else {
                "itself"
            }
        ));
        ensure!(
            sent == 1,
            "`quern claim` should need one transaction: {shown}"
        );
    }
    let has = lamports(stage, &thistle.pubkey()).await?;
    ensure!(
        has == rent,
        "the wallet without SOL should have the entry's rent, {rent} lamports, and nothing else: {has}"
    );
    stage.chronicle.catch_up().await
}

/// Moves all that a wallet has away.
async fn empty(stage: &Stage, wallet: &Keypair) -> Result<()> {
    let (from, to) = (wallet.pubkey(), stage.passer_by.pubkey());
    let all = lamports(stage, &from).await?;
    let signers = [&stage.passer_by, wallet];
    let sender = stage.sender();
    sender.send(&[transfer(&from, &to, all)], &signers).await?;
    Ok(())
}

async fn lamports(stage: &Stage, address: &Pubkey) -> Result<u64> {
    Ok(stage.net.rpc().get_balance(address).await?)
}

/// The time for claims is over: the rest of the pot goes back, and what everybody got is summed up from the events.
pub async fn sweep(stage: &Stage, running: &Running) -> Result<Sponsored> {
    let times = running.terms.times();
    stage
        .pass(times.claim_by, "the time for claims is over")
        .await?;
    let last: Campaign = accounts::fetch(stage.net.rpc(), &running.address).await?;
    let sweep = instructions::sweep_campaign(&last);
    stage.sender().send(&[sweep], &[&stage.passer_by]).await?;
    stage.chronicle.catch_up().await?;
    let mut shares = Vec::new();
    let mut swept_atoms = 0;
    for entry in stage.chronicle.entries() {
        match &entry.event {
            QuernEvent::CampaignClaimed(event) if event.campaign == running.address => {
                shares.push(Share {
                    name: stage.names.of(&event.provider),
                    score: event.score.to_string(),
                    claimed_atoms: event.amount_atoms.to_string(),
                });
            }
            QuernEvent::CampaignSwept(event) if event.campaign == running.address => {
                swept_atoms = event.released_atoms;
            }
            _ => {}
        }
    }
    let (before, after) = (
        2 * WASH_PURSE_ATOMS,
        worth(stage, &running.buyer).await? + worth(stage, &running.seller).await?,
    );
    ensure!(
        after < before,
        "the pair that bought from itself has gained: {before} atoms before, {after} after"
    );
    let amount = |atoms: u64| stage.names.amount(atoms, &stage.payment.address);
    stage.names.say(format!(
        "thistle bought from itself: {} before, {} after, its claim included: {} lost",
        amount(before),
        amount(after),
        amount(before - after)
    ));
    Ok(Sponsored {
        campaign: running.address.to_string(),
        pot_atoms: POT_ATOMS.to_string(),
        total_score: last.total_score.get().to_string(),
        shares,
        swept_atoms: swept_atoms.to_string(),
        wash_before_atoms: before.to_string(),
        wash_after_atoms: after.to_string(),
    })
}

/// What a wallet has in its purse and in its token account.
async fn worth(stage: &Stage, wallet: &Keypair) -> Result<u64> {
    let (owner, payment) = (wallet.pubkey(), &stage.payment);
    let purse = stage.purse(&owner, payment).await?;
    let account = addresses::token_account(&owner, &payment.address, &payment.token_program);
    let tokens = accounts::token_atoms(stage.net.rpc(), &account).await?;
    Ok(purse.free_atoms.get() + purse.reserved_atoms.get() + tokens.unwrap_or(0))
}
