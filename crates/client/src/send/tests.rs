//! Sending against a node that does what nodes do: includes little, forgets soon, keeps no history, is asked by several at once.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    super::*,
    crate::{RpcChain, instructions},
    serde_json::{Value, json},
    solana_account_decoder_client_types::{UiAccountData, UiAccountEncoding},
    solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats},
    solana_rpc_client_api::request::{RpcError, RpcRequest, RpcResponseErrorData},
    solana_sdk::signature::Signer,
    std::collections::HashMap,
};

const CAP: u64 = 50_000_000;
const WITHIN: PriorityFee = PriorityFee::Within {
    cap_micro_lamports: Some(CAP),
};
/// What an answer takes (measured), and what the program pays for it by default.
const REVEAL_UNITS: u64 = 6_203;
const ANSWER_FEE_LAMPORTS: u64 = 10_000;

/// What a node answers, or the code of its error.
type Answer = std::result::Result<Value, i64>;

/// A transaction as the node got it.
#[derive(Clone, Copy, Debug)]
struct Taken {
    units: u64,
    price: u64,
}

impl Taken {
    fn priority_lamports(&self) -> u64 {
        priority_lamports(self.units as u32, self.price)
    }
}

/// What a node does.
struct State {
    slot: u64,
    /// Whether it includes what it is given.
    includes: bool,
    /// The code with which it refuses what it is given.
    refuses: Option<i64>,
    balance: u64,
    /// What a stranger pays for the sender's accounts in every slot.
    stranger_price: u64,
    /// How much later it is when it is next asked about a transaction: the sender has slept.
    sleeps_slots: u64,
    /// How many slots it remembers statuses.
    remembers_slots: u64,
    has_history: bool,
    /// Whether it never tells a status.
    hides_statuses: bool,
    /// The first slot of its history.
    first_block: u64,
    /// How many blocks too high its height is.
    ahead: u64,
    taken: Vec<Taken>,
    landed: HashMap<String, u64>,
}

#[derive(Clone)]
struct Node(Arc<Mutex<State>>);

impl Default for Node {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            slot: 1_000,
            includes: true,
            refuses: None,
            balance: 1_000_000_000,
            stranger_price: 0,
            sleeps_slots: 0,
            remembers_slots: 300,
            has_history: true,
            hides_statuses: false,
            first_block: 0,
            ahead: 0,
            taken: Vec::new(),
            landed: HashMap::new(),
        })))
    }
}

impl Node {
    fn with(change: impl FnOnce(&mut State)) -> Self {
        let node = Self::default();
        change(&mut node.0.lock().unwrap());
        node
    }

    fn sender(&self, priority_fee: PriorityFee) -> Sender {
        let rpc = rpc::at_once(self.clone(), CommitmentConfig::confirmed());
        Sender::over(Arc::new(rpc)).with_options(SendOptions {
            priority_fee,
            ..SendOptions::default()
        })
    }

    fn taken(&self) -> Vec<Taken> {
        self.0.lock().unwrap().taken.clone()
    }

    fn prices(&self) -> Vec<u64> {
        let taken = std::mem::take(&mut self.0.lock().unwrap().taken);
        taken.iter().map(|taken| taken.price).collect()
    }
}

impl State {
    /// Takes a transaction. It costs its payer a signature and the priority fee, if it is included.
    fn take(&mut self, bytes: &[u8]) -> Answer {
        let signature = Signature::try_from(&bytes[1..65]).unwrap().to_string();
        if self.landed.contains_key(&signature) {
            return Ok(json!(signature));
        }
        // The compute budget's instructions are known by their numbers of accounts, lengths and tags.
        let argument = |length: u8, tag: u8| {
            let begins = |at: &usize| bytes[*at..].starts_with(&[0, length, tag]);
            let width = usize::from(length - 1);
            let at = (65..bytes.len() - width).find(begins)?;
            let mut word = [0; 8];
            word[..width].copy_from_slice(&bytes[at + 3..at + 3 + width]);
            Some(u64::from_le_bytes(word))
        };
        let taken = Taken {
            units: argument(5, 2).unwrap(),
            price: argument(9, 3).unwrap_or(0),
        };
        self.taken.push(taken);
        if self.includes {
            self.slot += 1;
            self.landed.insert(signature.clone(), self.slot);
            self.balance -= fee::SIGNATURE_LAMPORTS + taken.priority_lamports();
        }
        Ok(json!(signature))
    }

    fn status(&self, signature: &str, searches_history: bool) -> Answer {
        if searches_history && !self.has_history {
            return Err(-32011);
        }
        let known = self.landed.get(signature).copied();
        let oldest = match searches_history {
            true => self.first_block,
            false => self.slot.saturating_sub(self.remembers_slots),
        };
        let known = known.filter(|slot| *slot >= oldest && !self.hides_statuses);
        let status = known.map(|slot| {
            json!({
                "slot": slot, "confirmations": null, "err": null, "status": { "Ok": null },
                "confirmationStatus": "finalized",
            })
        });
        Ok(json!([status]))
    }

    fn answer(&mut self, request: RpcRequest, params: &Value) -> Answer {
        let slot = self.slot;
        let valued = |value: Value| json!({ "context": { "slot": slot }, "value": value });
        Ok(match request {
            // The highest fee of the accounts: what this sender paid last, or a stranger.
            RpcRequest::GetRecentPrioritizationFees => {
                let own = self.taken.iter().rev().take(150).map(|taken| taken.price);
                let most = own.max().unwrap_or(0).max(self.stranger_price);
                let slots = 0..150;
                slots
                    .map(|slot| json!({ "slot": slot, "prioritizationFee": most }))
                    .collect()
            }
            RpcRequest::GetLatestBlockhash => valued(json!({
                "blockhash": Hash::new_from_array([slot as u8; 32]).to_string(),
                "lastValidBlockHeight": slot + 150,
            })),
            RpcRequest::SimulateTransaction => valued(json!({
                "err": null, "logs": [], "unitsConsumed": REVEAL_UNITS, "loadedAccountsDataSize": 300_000,
            })),
            RpcRequest::SendTransaction if self.refuses.is_some() => {
                return Err(self.refuses.unwrap());
            }
            RpcRequest::SendTransaction => {
                let text = params[0].as_str().unwrap().to_owned();
                let data = UiAccountData::Binary(text, UiAccountEncoding::Base64);
                self.take(&data.decode().unwrap())?
            }
            RpcRequest::GetBlockHeight => {
                // Blocks go on; and the sender may have slept since it sent.
                self.slot += 1 + std::mem::take(&mut self.sleeps_slots);
                if !self.includes {
                    self.slot += 40;
                }
                json!(self.slot + self.ahead)
            }
            RpcRequest::GetSignatureStatuses => {
                let searches_history = params[1]["searchTransactionHistory"] == true;
                valued(self.status(params[0][0].as_str().unwrap(), searches_history)?)
            }
            RpcRequest::GetTransaction if !self.has_history => return Err(-32011),
            RpcRequest::GetTransaction => {
                let known = self.landed.get(params[0].as_str().unwrap()).copied();
                let known = known.filter(|slot| *slot >= self.first_block);
                json!(known.map(|slot| json!({
                    "slot": slot, "blockTime": null, "transaction": ["AA==", "base64"],
                    "meta": {
                        "err": null, "status": { "Ok": null }, "fee": 5_000, "preBalances": [], "postBalances": [],
                        "innerInstructions": [], "logMessages": [], "preTokenBalances": [],
                        "postTokenBalances": [], "rewards": [],
                    },
                })))
            }
            // Right whatever its height says.
            RpcRequest::IsBlockhashValid => valued(json!(self.ahead > 0)),
            RpcRequest::GetFirstAvailableBlock => json!(self.first_block),
            RpcRequest::GetBalance => valued(json!(self.balance)),
            other => panic!("{other:?}"),
        })
    }
}

#[async_trait::async_trait]
impl RpcSender for Node {
    async fn send(
        &self,
        request: RpcRequest,
        params: Value,
    ) -> solana_rpc_client_api::client_error::Result<Value> {
        // Others get their turn, as with a node that is far away.
        tokio::task::yield_now().await;
        let answer = self.0.lock().unwrap().answer(request, &params);
        answer.map_err(|code| {
            let (message, data) = ("no".to_owned(), RpcResponseErrorData::Empty);
            RpcError::RpcResponseError {
                code,
                message,
                data,
            }
            .into()
        })
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "http://node".to_owned()
    }
}

fn payer() -> Keypair {
    Keypair::new_from_array([5; 32])
}

/// Something to send.
fn limit(payer: &Keypair) -> Instruction {
    instructions::set_operator_limit(&payer.pubkey(), &Pubkey::from([9; 32]), 5)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

// ------------------------------------------------------------------------------------------------------ what is offered

/// Sends answers of 128 bytes, each alone, as the provider does.
async fn answers(node: &Node, count: u64, due: i64) {
    let chain = RpcChain::new(node.sender(WITHIN), payer());
    let job = Pubkey::from([7; 32]);
    for number in 0..count {
        let demand = Pubkey::new_from_array([(number % 251) as u8; 32]);
        let reveal = instructions::reveal(&payer().pubkey(), &job, &demand, &[7; 128]);
        let errand = Errand::answer(job, due, ANSWER_FEE_LAMPORTS);
        let sender = chain.sender(errand);
        sender.send(&[reveal], &[chain.wallet()]).await.unwrap();
        node.0.lock().unwrap().balance += ANSWER_FEE_LAMPORTS;
    }
}

/// 3,000 answers that are due in six hours, one a slot, and nobody else pays anything: the node says that the accounts' fees
/// are what this wallet has paid.
#[tokio::test]
async fn a_wallet_never_outbids_itself() {
    let node = Node::default();
    answers(&node, 3_000, now() + 6 * 3_600).await;
    let prices = node.prices();
    assert_eq!(prices.len(), 3_000);
    let most = fee::FIRST_PRICE;
    assert!(
        prices
            .iter()
            .all(|price| (most - 256..=most).contains(price))
    );
}

/// An attack by demands: whoever answers them all, at the default fee, has more than before.
#[tokio::test]
async fn a_flood_of_5_000_demands_leaves_more_than_there_was() {
    // In time; and with so little time left that every answer offers the most at once.
    for (due_in, most_lost) in [(6 * 3_600, 0), (30, Budgets::default().job_lamports)] {
        let node = Node::with(|state| state.balance = 50_000_000);
        answers(&node, 5_000, now() + due_in).await;
        let (taken, left) = (node.taken(), node.0.lock().unwrap().balance);
        assert_eq!(taken.len(), 5_000);
        assert!(left + most_lost >= 50_000_000, "{left}");
        if due_in > 3_600 {
            // A signature is half of a fee, and of the rest nearly all stays.
            assert!(left > 50_000_000 + 5_000 * 4_980, "{left}");
        }
    }
}

/// A stranger pays for transactions that name this wallet.
#[tokio::test]
async fn what_strangers_pay_changes_nothing() {
    let of = async |stranger_price| {
        let node = Node::with(|state| state.stranger_price = stranger_price);
        let sender = node.sender(WITHIN);
        // The same request in both cases: numbers make prices differ.
        sender.sent.store(0, Ordering::Relaxed);
        sender.send(&[limit(&payer())], &[&payer()]).await.unwrap();
        node.prices()
    };
    assert_eq!(of(0).await, of(u64::MAX).await);
    assert_eq!(of(0).await, [fee::FIRST_PRICE]);
}

#[tokio::test]
async fn what_nobody_includes_is_sent_again_for_more() {
    let node = Node::with(|state| state.includes = false);
    let attempted = async |errand: Errand, priority_fee| {
        let sender = node.sender(priority_fee).with_units(30_000).on(errand);
        sender.sent.store(0, Ordering::Relaxed);
        let sent = sender.send(&[limit(&payer())], &[&payer()]).await;
        let expired = sent.unwrap_err();
        let is_expired = matches!(expired, ClientError::Expired { attempts: 4, .. });
        assert!(is_expired, "{expired}");
        node.prices()
    };
    // A lamport has a million parts: a budget of a million lamports for some 30,000 units.
    let prices = attempted(Errand::anytime(), WITHIN).await;
    assert_eq!(prices[0], 1_000);
    assert!(prices.is_sorted() && prices[1] > 20_000, "{prices:?}");
    assert!((33_000_000..33_400_000).contains(&prices[3]), "{prices:?}");
    // What must land at once offers the most at once, and never more than it is worth.
    let answer = Errand::answer(Pubkey::default(), now() + 20, 65_000);
    let poor = Budgets {
        job_lamports: 0,
        ..Budgets::default()
    };
    let sender = node.sender(WITHIN).with_budgets(poor).with_units(30_000);
    assert!(
        sender
            .on(answer)
            .send(&[limit(&payer())], &[&payer()])
            .await
            .is_err()
    );
    for price in node.prices() {
        assert!((1_930_000..=2_000_000).contains(&price), "{price}");
    }
    // What was fixed stays.
    assert_eq!(attempted(answer, PriorityFee::Fixed(70)).await, [70; 4]);
    assert_eq!(attempted(answer, PriorityFee::None).await, [0; 4]);
    // A transaction that can't be paid for would never land.
    node.0.lock().unwrap().balance = 600_000;
    let prices = attempted(Errand::anytime(), WITHIN).await;
    assert!((9_900_000..=10_000_000).contains(&prices[3]), "{prices:?}");
}

/// Whatever is tried, a job and an hour cost at most their budgets.
#[tokio::test]
async fn errands_of_a_job_share_its_budget_and_all_share_the_hours() {
    let mut job: crate::quern::state::Job = bytemuck::Zeroable::zeroed();
    job.deadline = (now() + 20).into();
    let budgets = Budgets {
        job_lamports: 400_000,
        hour_lamports: 600_000,
        ..Budgets::default()
    };
    let node = Node::default();
    let sender = node.sender(WITHIN).with_budgets(budgets);
    let paid = async |n: u64, times| {
        let mut job = job;
        job.n = n.into();
        for _ in 0..times {
            let sender = sender.on(Errand::before_deadline(&job));
            sender.send(&[limit(&payer())], &[&payer()]).await.unwrap();
        }
        let taken = std::mem::take(&mut node.0.lock().unwrap().taken);
        taken.iter().map(Taken::priority_lamports).sum::<u64>()
    };
    // At first half of what is left; in the end the first price, which is always offered.
    let floor = |times: u64| times * 9;
    assert!((190_000..=200_000).contains(&paid(1, 1).await));
    let rest = paid(1, 50).await;
    assert!((150_000..200_000 + floor(50)).contains(&rest), "{rest}");
    let second = paid(2, 50).await;
    assert!(second <= 250_000 + floor(50), "{second}");
    assert!(paid(3, 50).await <= floor(50));
}

/// A job whose deadline leaves time for one attempt: it offers the most at once.
fn urgent_job() -> crate::quern::state::Job {
    let mut job: crate::quern::state::Job = bytemuck::Zeroable::zeroed();
    job.deadline = (now() + 20).into();
    job
}

#[tokio::test]
async fn what_is_sent_at_the_same_time_shares_the_budgets() {
    let budgets = Budgets {
        job_lamports: 400_000,
        hour_lamports: 400_000,
        ..Budgets::default()
    };
    // One job has half of the hour's budget and all of its own; several jobs have the hour's together.
    for jobs in [1, 8] {
        let node = Node::default();
        let sender = node.sender(WITHIN).with_budgets(budgets);
        let payer = payer();
        let (all, signers) = (&[limit(&payer)], &[&payer]);
        let sending = (0..16u64).map(|number| {
            let mut job = urgent_job();
            job.n = (number % jobs).into();
            let sender = sender.on(Errand::before_deadline(&job));
            async move { sender.send(all, signers).await }
        });
        for sent in futures::future::join_all(sending).await {
            sent.unwrap();
        }
        let taken = node.taken();
        let spent: u64 = taken.iter().map(Taken::priority_lamports).sum();
        assert_eq!(taken.len(), 16);
        assert!((300_000..=400_000 + 16 * 9).contains(&spent), "{spent}");
    }
}

/// What a node surely did not take cost nothing: the budget is there when it counts.
#[tokio::test]
async fn what_was_refused_uses_up_no_budget() {
    let (node, job) = (Node::default(), urgent_job());
    let budgets = Budgets {
        job_lamports: 400_000,
        ..Budgets::default()
    };
    let sender = node.sender(WITHIN).with_budgets(budgets);
    let sender = sender.on(Errand::before_deadline(&job));
    let payer = payer();
    let all = [limit(&payer)];
    node.0.lock().unwrap().refuses = Some(-32_003);
    for _ in 0..20 {
        let refused = sender.send(&all, &[&payer]).await.unwrap_err();
        assert!(!matches!(refused, ClientError::Unknown { .. }), "{refused}");
    }
    node.0.lock().unwrap().refuses = None;
    sender.send(&all, &[&payer]).await.unwrap();
    // Half of the job's budget, as if nothing had happened.
    let first = node.taken()[0].priority_lamports();
    assert!((199_000..=200_000).contains(&first), "{first}");
}

// ------------------------------------------------------------------------------------------------ nothing happens twice

/// The process sleeps after it sent, for longer than a node remembers statuses: a closed laptop.
#[tokio::test]
async fn what_landed_while_the_sender_slept_is_not_sent_again() {
    for commitment in [CommitmentConfig::confirmed(), CommitmentConfig::processed()] {
        let node = Node::with(|state| state.sleeps_slots = 2_000);
        let rpc = rpc::at_once(node.clone(), commitment);
        let sender = Sender::over(Arc::new(rpc));
        let receipt = sender.send(&[limit(&payer())], &[&payer()]).await.unwrap();
        assert_eq!((node.taken().len(), receipt.slot), (1, 1_001));
    }
}

/// A node that keeps the transaction, but tells no status of it.
#[tokio::test]
async fn what_landed_without_a_status_is_not_sent_again() {
    for sleeps_slots in [200, 2_000] {
        let node = Node::with(|state| {
            (state.hides_statuses, state.sleeps_slots) = (true, sleeps_slots);
        });
        let sent = node
            .sender(WITHIN)
            .send(&[limit(&payer())], &[&payer()])
            .await;
        assert_eq!((node.taken().len(), sent.unwrap().slot), (1, 1_001));
    }
}

#[tokio::test]
async fn what_nobody_can_tell_is_unknown_and_not_sent_again() {
    let no_history = |state: &mut State| state.has_history = false;
    let short_history = |state: &mut State| state.first_block = 2_000;
    for (forget, why) in [
        (no_history as fn(&mut State), "keeps no history"),
        (short_history, "begins after it was sent"),
    ] {
        let node = Node::with(|state| state.sleeps_slots = 2_000);
        forget(&mut node.0.lock().unwrap());
        let sent = node
            .sender(WITHIN)
            .send(&[limit(&payer())], &[&payer()])
            .await;
        let error = sent.unwrap_err();
        let landed = node.0.lock().unwrap().landed.keys().next().unwrap().clone();
        assert!(
            matches!(&error, ClientError::Unknown { signature, .. } if signature.to_string() == landed),
            "{error}"
        );
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(node.taken().len(), 1);
    }
}

/// What is lost is sent again all the same: by the history, or because it was looked for all the time.
#[tokio::test]
async fn what_was_lost_is_sent_again() {
    for (sleeps_slots, has_history) in [(2_000, true), (0, true), (0, false)] {
        let node = Node::with(|state| {
            (state.includes, state.sleeps_slots) = (false, sleeps_slots);
            state.has_history = has_history;
        });
        let sent = node
            .sender(WITHIN)
            .send(&[limit(&payer())], &[&payer()])
            .await;
        assert!(matches!(sent, Err(ClientError::Expired { .. })), "{sent:?}");
        assert_eq!(node.taken().len(), 4);
    }
}

/// A node whose height is wrong makes nothing expire.
#[tokio::test]
async fn a_height_that_is_ahead_makes_nothing_expire() {
    let node = Node::with(|state| (state.ahead, state.includes) = (1_000, false));
    let (sender, payer) = (node.sender(WITHIN), payer());
    let all = [limit(&payer)];
    let signers = [&payer];
    let sending = sender.send(&all, &signers);
    let waited = tokio::time::timeout(std::time::Duration::from_secs(2), sending).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(
        node.taken()
            .iter()
            .map(|taken| taken.price)
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        1,
        "always the same transaction"
    );
}

/// Equal requests of several processes at the same moment.
#[tokio::test]
async fn equal_requests_are_different_transactions() {
    let node = Node::default();
    for _ in 0..3 {
        // The same blockhash for all.
        node.0.lock().unwrap().slot = 1_000;
        let sender = node.sender(WITHIN);
        sender.send(&[limit(&payer())], &[&payer()]).await.unwrap();
    }
    assert_eq!(node.0.lock().unwrap().landed.len(), 3);
    // And of one process.
    let budget = Budget {
        units: 1_000,
        ..Budget::LARGEST
    };
    let sender = node.sender(WITHIN);
    assert_ne!(sender.distinct(budget), sender.distinct(budget));
    let most = (0..3_000).map(|number| distinct_units(MAX_COMPUTE_UNITS, number));
    assert!(most.into_iter().all(|units| units <= MAX_COMPUTE_UNITS));
}

#[tokio::test]
async fn an_absent_node_gets_one_sentence() {
    let sender = Sender::new("http://127.0.0.1:1", CommitmentConfig::confirmed());
    let error = sender
        .simulate(&[], &Pubkey::from([1; 32]))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
}
