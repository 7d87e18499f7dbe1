//! A process that sleeps after it has sent a transaction, for longer than the cluster remembers: a closed laptop, a machine that
//! was moved. It pays once, and ends with the truth. On a local network, behind a node that lets time pass.

#![cfg(all(feature = "localnet", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_client::{
        Keypair, Pubkey, Signer, accounts, flows, instructions, quern::state::JobState,
    },
    quern_testkit::net::{BOND, Fault, FaultyNode},
    support::{ONE, Running, Stage},
};

/// More than a blockhash is valid and statuses are remembered.
const BLOCKS: u64 = 1_000;

/// What becomes of the first transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// It lands, and its sender hears that it was taken.
    Lands,
    /// It lands, and its sender hears nothing.
    LandsUnheard,
    /// It never reaches the node.
    GetsLost,
}

impl First {
    const ALL: [Self; 3] = [Self::Lands, Self::LandsUnheard, Self::GetsLost];

    const fn faults(self) -> &'static [Fault] {
        match self {
            Self::Lands => &[],
            Self::LandsUnheard => &[Fault::LostReply],
            Self::GetsLost => &[Fault::LostTransactions],
        }
    }
}

/// A stage behind a node.
struct Behind {
    stage: Stage,
    node: FaultyNode,
}

impl Behind {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let node = FaultyNode::before(stage.world.net.rpc_url()).await.unwrap();
        Self { stage, node }
    }

    /// From now on the next transaction waits for [`Self::sleep`].
    fn expect(&self, first: First) {
        self.node.set(first.faults());
        self.node.hold("sendTransaction");
    }

    /// Lets the process sleep behind its first transaction for longer than the cluster remembers.
    async fn sleep(&self, process: &Running) {
        let is_sent = async || Ok(self.node.is_holding());
        process.until("it hands a transaction over", is_sent).await;
        process.signal("STOP");
        let is_stopped = async || process.is_stopped();
        process.until("it is stopped", is_stopped).await;
        self.node.pass_blocks(BLOCKS).await.unwrap();
        self.node.set(&[]);
        self.node.release();
        process.signal("CONT");
    }

    /// What a command shows that sleeps behind its first transaction.
    async fn slept(&self, wallet: &Keypair, args: &[&str], first: First) -> serde_json::Value {
        self.expect(first);
        let mut command = self.stage.command(self.node.url(), wallet, args);
        let mut process = Running::start(&mut command);
        self.sleep(&process).await;
        process.told().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_however_long_a_command_sleeps() {
    let behind = Behind::new().await;
    let (world, mint) = (&behind.stage.world, behind.stage.mint());
    let client = world.client.pubkey();
    let deposit = ["purse", "deposit", "--mint", &mint, "--amount", "1"];
    let withdraw = ["purse", "withdraw", "--mint", &mint, "--amount", "1"];
    let claim = ["claim", "--mint", &mint, "--withdraw", "1"];
    for (args, change) in [
        (&deposit[..], ONE.cast_signed()),
        (&withdraw, -ONE.cast_signed()),
        (&claim, -ONE.cast_signed()),
    ] {
        for first in First::ALL {
            let before = world.free(&client).await;
            behind.slept(&world.client, args, first).await;
            let expected = before.saturating_add_signed(change);
            assert_eq!(world.free(&client).await, expected, "{args:?} {first:?}");
        }
    }

    let arbiter = world.treasury.pubkey().to_string();
    let create = format!("job create --mint {mint} --price 1 --kind training --arbiter {arbiter}");
    let create: Vec<&str> = create.split(' ').collect();
    for (number, first) in (1..).zip(First::ALL) {
        let before = world.free(&client).await;
        let shown = behind.slept(&world.client, &create, first).await;
        let job: Pubkey = shown["job"].as_str().unwrap().parse().unwrap();
        let is_open = behind.stage.job(&job).await.unwrap().is_in(JobState::Open);
        assert!(is_open, "{first:?}");
        let all = accounts::jobs(world.net.rpc(), accounts::JobFilter::default()).await;
        assert_eq!(all.unwrap().len(), number, "{first:?}");
        assert_eq!(world.free(&client).await, before - ONE, "{first:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_takes_and_submits_once_however_long_it_sleeps() {
    let behind = Behind::new().await;
    let (stage, world) = (&behind.stage, &behind.stage.world);
    let (owner, operator) = (world.provider.pubkey(), &world.operator);
    let model = stage.model().await;
    // The first transaction is the take, or the submission of a job that is taken already.
    let cases = [false, true].into_iter();
    let cases = cases.flat_map(|is_taken| First::ALL.map(|first| (is_taken, first)));
    for (number, (is_taken, first)) in (1..).zip(cases) {
        let mint = &world.mint.address;
        let limit = instructions::set_operator_limit(&owner, mint, number * BOND);
        world.send(&[limit], &[&world.provider]).await;
        let job = stage.create(&model, "1d").await;
        if is_taken {
            let seen = stage.job(&job).await.unwrap();
            let take = flows::take_job(world.net.rpc(), &operator.pubkey(), &owner, &seen).await;
            world.send(&take.unwrap(), &[operator]).await;
        }
        behind.expect(first);
        let agent = stage.agent(behind.node.url(), &format!("home{number}"));
        behind.sleep(&agent).await;
        let is_submitted = async || Ok(stage.job(&job).await?.is_in(JobState::Submitted));
        agent.until("the job is submitted", is_submitted).await;
        agent.says("submitted job=").await;
        assert_eq!(stage.reserved(&owner).await, number * BOND, "{first:?}");
        assert_eq!(stage.job(&job).await.unwrap().submissions.get(), 1);
        let log = agent.log();
        for bad in ["ERROR", "panicked", "another provider was faster"] {
            assert!(!log.contains(bad), "{first:?}: {log}");
        }
    }
}
