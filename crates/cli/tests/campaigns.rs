//! A campaign from its creation to the sweep, typed as people type it, on a local network: sponsor, client, provider's agent, and
//! claims of a wallet without SOL.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_client::{
        Instruction, Keypair, Pubkey, Signer, accounts, addresses, config, instructions,
        quern::state::{Campaign, Entry, Job},
    },
    quern_testkit::net::BOND,
    serde_json::Value,
    support::{ONE, Stage},
    tokio::process,
};

/// What a milestone of one token pays as a fee, at 5 %.
const FEE: u64 = ONE / 20;
/// What that scores, at 90 %.
const SCORE: u64 = FEE / 10 * 9;
/// Less than one score.
const SMALL_POT: u64 = 40_000;

/// The play, and who is not in every play.
struct Play {
    stage: Stage,
    sponsor: Keypair,
    payer: Keypair,
    model: String,
}

impl Play {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let net = &stage.world.net;
        let sponsor = net.fresh(10_000_000_000).await.unwrap();
        let payer = net.fresh(10_000_000_000).await.unwrap();
        let (mint, owner) = (&stage.world.mint, sponsor.pubkey());
        net.mint_to(mint, &owner, 5 * ONE).await.unwrap();
        let address = stage.mint();
        let deposit = ["purse", "deposit", "--mint", &address, "--amount", "5"];
        stage.done(&sponsor, &deposit).await;
        let model = stage.model().await;
        let key = stage.path("payer.json");
        config::write_keypair(&key, &payer).unwrap();
        Self {
            stage,
            sponsor,
            payer,
            model,
        }
    }

    /// Runs a command that may fail: its exit code, what it shows, and what it says is wrong.
    async fn run(&self, wallet: &Keypair, line: &str) -> (Option<i32>, Value, Value) {
        let words: Vec<&str> = line.split(' ').collect();
        let command = self
            .stage
            .command(self.stage.world.net.rpc_url(), wallet, &words);
        let output = process::Command::from(command).output().await.unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let last = errors.trim_end().lines().last().unwrap_or_default();
        let error = serde_json::from_str(last).unwrap_or(Value::Null);
        let shown = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), shown, error)
    }

    async fn done(&self, wallet: &Keypair, line: &str) -> Value {
        let (code, shown, error) = self.run(wallet, line).await;
        assert_eq!(code, Some(0), "{line}: {error}");
        shown
    }

    async fn refused(&self, wallet: &Keypair, line: &str, code: i32, words: &[&str]) {
        let (found, _, error) = self.run(wallet, line).await;
        assert_eq!(found, Some(code), "{line}: {error}");
        let message = error["error"]["message"].as_str().unwrap().to_owned();
        for word in words {
            assert!(
                message.contains(word),
                "{line} does not say `{word}`: {message}"
            );
        }
    }

    /// A campaign that counts from in a moment until `end`.
    async fn campaign(&self, pot_atoms: u64, end: &str) -> Pubkey {
        let mint = self.stage.mint();
        let create = format!(
            "campaign create --mint {mint} --pot {pot_atoms}atoms --start 20s --end {end} --claim-by 1d --kind inference"
        );
        let shown = self.done(&self.sponsor, &create).await;
        assert_eq!(
            (&shown["pot_atoms"], &shown["state"]),
            (&pot_atoms.to_string().into(), &"planned".into())
        );
        address(&shown["campaign"])
    }

    fn job_line(&self, more: &str) -> String {
        let mint = self.stage.mint();
        let model = &self.model;
        format!(
            "job create --mint {mint} --price 1 --bond 2 --model {model} --input input.bin --publish-dir in --work 2h --review 60s{more}"
        )
    }

    async fn fetched(&self, campaign: &Pubkey) -> Campaign {
        let rpc = self.stage.world.net.rpc();
        accounts::fetch(rpc, campaign).await.unwrap()
    }

    async fn entry(&self, campaign: &Pubkey) -> Option<Entry> {
        let owner = self.stage.world.provider.pubkey();
        let address = addresses::entry(campaign, &owner);
        let rpc = self.stage.world.net.rpc();
        accounts::fetch_optional(rpc, &address).await.unwrap()
    }

    async fn lamports(&self, wallet: &Keypair) -> u64 {
        let rpc = self.stage.world.net.rpc();
        rpc.get_balance(&wallet.pubkey()).await.unwrap()
    }

    async fn free(&self, wallet: &Keypair) -> u64 {
        self.stage.world.free(&wallet.pubkey()).await
    }

    /// Moves the clock behind a moment.
    async fn pass(&self, moment: i64) {
        let net = &self.stage.world.net;
        let ahead = moment - net.now().await.unwrap() + 1;
        net.advance_time(u64::try_from(ahead).unwrap())
            .await
            .unwrap();
        assert!(net.now().await.unwrap() > moment);
    }

    /// Gives the provider's token account to somebody, signed by the one who has it.
    async fn give_token_account(&self, from: &Keypair, to: &Pubkey) {
        const SET_AUTHORITY: u8 = 6;
        const ACCOUNT_OWNER: u8 = 2;
        let world = &self.stage.world;
        let mut give = instructions::withdraw(
            &from.pubkey(),
            &self.token_account(),
            &world.mint.address,
            &world.mint.token_program,
            0,
        );
        give.accounts
            .retain(|meta| [from.pubkey(), self.token_account()].contains(&meta.pubkey));
        give.accounts.sort_by_key(|meta| meta.is_signer);
        let give = Instruction {
            program_id: world.mint.token_program,
            data: [&[SET_AUTHORITY, ACCOUNT_OWNER, 1][..], to.as_ref()].concat(),
            ..give
        };
        world.send(&[give], &[&self.payer, from]).await;
    }

    fn token_account(&self) -> Pubkey {
        let world = &self.stage.world;
        let (mint, owner) = (&world.mint, world.provider.pubkey());
        addresses::token_account(&owner, &mint.address, &mint.token_program)
    }

    async fn tokens(&self) -> u64 {
        let rpc = self.stage.world.net.rpc();
        let held = accounts::token_atoms(rpc, &self.token_account()).await;
        held.unwrap().unwrap_or(0)
    }
}

fn address(text: &Value) -> Pubkey {
    text.as_str().unwrap().parse().unwrap()
}

/// The line of a claim.
fn of<'v>(shown: &'v Value, claim: &str) -> Vec<&'v Value> {
    let all = shown["claims"]
        .as_array()
        .unwrap_or_else(|| panic!("{shown}"));
    all.iter().filter(|one| one["claim"] == claim).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_from_its_pot_to_the_sweep() {
    let play = Play::new().await;
    what_makes_no_sense_reserves_nothing(&play).await;
    let [early, large, small] = [
        play.campaign(ONE, "50m").await,
        play.campaign(ONE, "1h").await,
        play.campaign(SMALL_POT, "1h").await,
    ];
    let reserved = 2 * ONE + SMALL_POT;
    assert_eq!(play.free(&play.sponsor).await, 5 * ONE - reserved);
    jobs_are_compared_with_the_campaign(&play, &large).await;
    providers_join(&play, &[early, large, small]).await;
    work_scores(&play, &[early, large, small]).await;

    let sweep = format!("campaign sweep {large}");
    play.refused(&play.payer, &sweep, 1, &["cannot be swept yet"])
        .await;
    let settle_by = play.fetched(&early).await.settle_by.get();
    play.pass(settle_by).await;
    somebody_claims_for_the_provider(&play, &early).await;
    let campaign = play.fetched(&large).await;
    play.pass(campaign.settle_by.get()).await;
    a_wallet_without_sol_claims(&play, &[large, small]).await;

    play.refused(&play.payer, &sweep, 1, &["may still claim"])
        .await;
    play.pass(campaign.claim_by.get()).await;
    let before = play.free(&play.sponsor).await;
    let shown = play.done(&play.payer, &sweep).await;
    assert_eq!(shown["released_atoms"], (ONE - SCORE).to_string());
    assert_eq!(play.free(&play.sponsor).await, before + ONE - SCORE);
    play.refused(&play.payer, &sweep, 1, &["there is no campaign"])
        .await;
    // A pot that was too small is empty, and closes all the same.
    for (campaign, released) in [(small, 0), (early, ONE - SCORE)] {
        let line = format!("campaign sweep {campaign}");
        let shown = play.done(&play.sponsor, &line).await;
        assert_eq!(shown["released_atoms"], released.to_string());
    }
    let paid = 2 * SCORE + SMALL_POT;
    assert_eq!(play.free(&play.sponsor).await, 5 * ONE - paid);
    let all = play.done(&play.sponsor, "campaign list").await;
    assert_eq!(all, Value::Array(Vec::new()));
}

async fn what_makes_no_sense_reserves_nothing(play: &Play) {
    let mint = play.stage.mint();
    let create = format!("campaign create --mint {mint} --pot");
    let nobody = Keypair::new().pubkey();
    for (line, code, words) in [
        (
            "6 --end 1h",
            1,
            &["the pot takes 6", "5 (5000000 atoms) free"][..],
        ),
        ("0 --end 1h", 2, &["at least 0.000001"]),
        ("1 --start 2h --end 1h", 2, &["lies not behind --start"]),
        ("1 --start 2020-01-01 --end 1h", 2, &["in the past"]),
        (
            "1 --end 1h --settle-by 30m",
            2,
            &["--settle-by", "not behind --end"],
        ),
        (
            "1 --end 1h --settle-by 61m",
            2,
            &["--refereed-weight 0%", "settle by"],
        ),
        (
            "1 --end 1h --settle-by 3h --claim-by 3h",
            2,
            &["too little time", "1m"],
        ),
        ("1 --end 1000d", 2, &["at most 732 days"]),
        (
            "1 --end 1h --refereed-weight 0 --reviewed-weight 0",
            2,
            &["--reviewed-weight"],
        ),
        (
            &format!("1 --end 1h --model {nobody}"),
            1,
            &["there is no model"],
        ),
    ] {
        let line = format!("{create} {line}");
        play.refused(&play.sponsor, &line, code, words).await;
    }
    let (code, ..) = play
        .run(
            &play.sponsor,
            &format!("{create} 1 --end 1h --refereed-weight 100%"),
        )
        .await;
    assert_eq!(code, Some(2), "a weight of one whole");
    assert_eq!(play.free(&play.sponsor).await, 5 * ONE);
    let (client, world) = (&play.stage.world.client, &play.stage.world);
    let line = format!("campaign show {}", world.mint.address);
    let (code, _, error) = play.run(client, &line).await;
    assert_eq!(code, Some(1), "{error}");
}

async fn jobs_are_compared_with_the_campaign(play: &Play, campaign: &Pubkey) {
    let client = &play.stage.world.client;
    let before = play.free(client).await;
    let named = format!(" --campaign {campaign}");
    for (more, words) in [
        (
            " --assurance reviewed --kind training --arbiter ARBITER",
            &["counts no training work"][..],
        ),
        (" --review 1d", &["the review may last", "shorter --review"]),
    ] {
        let more = more.replace("ARBITER", &play.payer.pubkey().to_string());
        let line = play.job_line(&format!("{named}{more}"));
        let line = line.replacen(
            " --review 60s",
            if more.contains("--review") {
                ""
            } else {
                " --review 60s"
            },
            1,
        );
        play.refused(client, &line, 2, words).await;
    }
    let line = play.job_line(&format!(" --campaign {}", play.payer.pubkey()));
    let (code, ..) = play.run(client, &line).await;
    assert_eq!(code, Some(1), "a wallet is no campaign");

    // Both incentives stand side by side before anything is locked.
    let quote = play
        .done(client, &play.job_line(&format!("{named} --dry-run")))
        .await;
    assert_eq!(quote["score_per_milestone_atoms"], SCORE.to_string());
    assert_eq!(quote["score_worth_now_atoms"], SCORE.to_string());
    assert_eq!(
        quote["reward_without_campaign_atoms"],
        (FEE / 2).to_string()
    );
    assert!(quote["job"].is_null(), "{quote}");
    assert!(quote["notes"].to_string().contains("accrues no rewards"));
    let plain = play.done(client, &play.job_line(" --dry-run")).await;
    assert_eq!(plain["reward_per_milestone_atoms"], (FEE / 2).to_string());
    assert!(plain["score_per_milestone"].is_null(), "{plain}");
    assert_eq!(play.free(client).await, before);
}

/// The operator pays, and gets its rent back with the claim.
async fn providers_join(play: &Play, campaigns: &[Pubkey]) {
    let world = &play.stage.world;
    let owner = world.provider.pubkey();
    for campaign in campaigns {
        let join = format!("campaign join {campaign} --for {owner}");
        play.done(&world.operator, &join).await;
        let again = play.done(&world.operator, &join).await;
        assert_eq!(again["done"], "nothing");
        let entry = play.entry(campaign).await.unwrap();
        assert_eq!(entry.payer, world.operator.pubkey());
        let stranger = format!("campaign join {campaign}");
        play.refused(&play.payer, &stranger, 1, &["not registered as a provider"])
            .await;
    }
}

/// A job for each campaign, and one for rewards.
async fn work_scores(play: &Play, campaigns: &[Pubkey; 3]) {
    let (stage, world) = (&play.stage, &play.stage.world);
    let (owner, mint) = (world.provider.pubkey(), &world.mint.address);
    let limit = instructions::set_operator_limit(&owner, mint, 4 * BOND);
    world.send(&[limit], &[&world.provider]).await;
    let times = play.fetched(&campaigns[2]).await.times();
    play.pass(times.start).await;
    let mut jobs = Vec::new();
    let named = campaigns.map(|campaign| format!(" --campaign {campaign}"));
    for more in named.iter().map(String::as_str).chain([""]) {
        let shown = play.done(&world.client, &play.job_line(more)).await;
        jobs.push(address(&shown["job"]));
    }
    let agent = stage.agent(world.net.rpc_url(), "home");
    for job in &jobs {
        let is_submitted = async || {
            let state = stage.job(job).await?;
            Ok(state.is_in(quern_client::quern::state::JobState::Submitted))
        };
        agent.until("a job is submitted", is_submitted).await;
    }
    world.net.advance_time(100).await.unwrap();
    for job in &jobs {
        let is_paid = async || {
            let job = accounts::fetch_optional::<Job>(world.net.rpc(), job).await?;
            Ok(job.is_none())
        };
        agent.until("a job is paid", is_paid).await;
    }
    for campaign in campaigns {
        assert_eq!(play.entry(campaign).await.unwrap().score.get(), SCORE);
        let line = format!("campaign show {campaign}");
        let shown = play.done(&play.payer, &line).await;
        assert_eq!(shown["total_score_atoms"], SCORE.to_string());
        assert_eq!(shown["entries"][0]["score_atoms"], SCORE.to_string());
    }
    // Nothing is due yet, and the command says what will be.
    let shown = play
        .done(&play.payer, &format!("claim --for {owner}"))
        .await;
    assert_eq!(shown["done"], "nothing");
    let waiting = of(&shown, "campaign");
    let amounts: Vec<&Value> = waiting.iter().map(|one| &one["amount_atoms"]).collect();
    let expected = [SCORE, SCORE, SMALL_POT].map(|atoms| Value::from(atoms.to_string()));
    assert_eq!(amounts.len(), 3);
    assert!(expected.iter().all(|one| amounts.contains(&one)), "{shown}");
}

/// A stranger pays the fee; the money is the provider's, and the rent the operator's.
async fn somebody_claims_for_the_provider(play: &Play, early: &Pubkey) {
    let world = &play.stage.world;
    let owner = world.provider.pubkey();
    let claim = format!("claim --for {owner}");
    let dry = play.done(&play.payer, &format!("{claim} --dry-run")).await;
    assert_eq!(dry["transactions"].as_array().unwrap().len(), 1);
    assert!(dry["transactions"][0]["compute_units"].as_u64() > Some(1_000));
    assert!(play.entry(early).await.is_some(), "nothing was sent");
    // Rewards need the owner's signature, and the other campaigns still settle.
    let rewards = of(&dry, "rewards");
    assert_eq!(rewards[0]["what_happens"], "only its owner can claim it");
    let due = of(&dry, "campaign");
    let due: Vec<_> = due.iter().filter(|one| one["tx"] == 1).collect();
    assert_eq!((due.len(), &due[0]["from"]), (1, &early.to_string().into()));

    let free = play.free(&world.provider).await;
    let rent = play.lamports(&world.operator).await;
    let shown = play.done(&play.payer, &claim).await;
    assert_eq!(play.free(&world.provider).await, free + SCORE, "{shown}");
    assert!(play.lamports(&world.operator).await > rent);
    assert!(play.entry(early).await.is_none());
    assert_eq!(play.fetched(early).await.claimed_atoms.get(), SCORE);
    let again = play.done(&play.payer, &claim).await;
    assert_eq!(again["done"], "nothing");
}

/// The owner holds no SOL at all; another wallet pays. What fails holds up nothing else.
async fn a_wallet_without_sol_claims(play: &Play, campaigns: &[Pubkey; 2]) {
    let world = &play.stage.world;
    let (net, owner) = (&world.net, &world.provider);
    net.fund(&owner.pubkey(), 0).await.unwrap();
    assert_eq!(play.lamports(owner).await, 0);
    let (code, _, error) = play.run(owner, "claim").await;
    assert_eq!(code, Some(1), "{error}");

    // Its token account belongs to somebody else, so the withdrawal is refused, and everything else comes all the same.
    let thief = Keypair::new();
    play.give_token_account(owner, &thief.pubkey()).await;
    let (free, paid) = (play.free(owner).await, play.lamports(&play.payer).await);
    let line = "claim --fee-payer payer.json --withdraw 1";
    let (code, shown, error) = play.run(owner, line).await;
    assert_eq!(code, Some(1), "{shown}");
    let said = error["error"]["message"].as_str().unwrap();
    assert!(
        said.starts_with("1 of 4 steps failed; the withdrawal of"),
        "{said}"
    );
    assert_eq!(of(&shown, "rewards")[0]["what_happens"], "claimed");
    let purse = of(&shown, "purse")[0]["what_happens"].as_str().unwrap();
    assert!(purse.starts_with("failed: "), "{shown}");
    for claim in of(&shown, "campaign") {
        assert_eq!(
            (&claim["what_happens"], &claim["tx"]),
            (&"claimed".into(), &1.into())
        );
    }
    let came = FEE / 2 + SCORE + SMALL_POT;
    assert_eq!(shown["purses"][0]["claimed_atoms"], came.to_string());
    assert_eq!(shown["purses"][0]["withdrawn_atoms"], "0");
    assert_eq!(play.free(owner).await, free + came);
    for campaign in campaigns {
        assert!(play.entry(campaign).await.is_none());
    }

    play.give_token_account(&thief, &owner.pubkey()).await;
    let (free, tokens) = (play.free(owner).await, play.tokens().await);
    let line = "claim --fee-payer payer.json --withdraw all --keep 50";
    let shown = play.done(owner, line).await;
    assert_eq!(shown["payer"], play.payer.pubkey().to_string());
    assert_eq!(play.free(owner).await, 50 * ONE);
    assert_eq!(play.tokens().await, tokens + free - 50 * ONE);
    assert_eq!(play.lamports(owner).await, 0, "it never held any");
    assert!(play.lamports(&play.payer).await < paid);
}
