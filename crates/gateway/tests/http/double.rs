//! An engine in memory: it counts what would be paid, and does what a test tells it.

use {
    async_trait::async_trait,
    quern_gateway::{
        Answer, Embedder, JobNote, ModelCard, OrderId, Progress, Refusal, Request, Spending,
        SpendingState, Stage, TokenRow,
    },
    serde_json::{Value, json},
    std::{
        collections::{HashMap, HashSet, VecDeque},
        sync::{Mutex, MutexGuard},
        time::Duration,
    },
    tokio::sync::watch,
};

pub const MODEL: &str = "quern/tiny";
pub const ADDRESS: &str = "4Nd1mYQZ5yGJvTqNbPqrrHzVMyVTkP2cd6fvhBgrTWVp";
pub const DIMENSIONS: usize = 4;
pub const MAX_TOKENS: usize = 8;
pub const VOCABULARY: u32 = 100;

/// The engine.
pub struct Double {
    state: Mutex<State>,
    /// While false, nothing is answered.
    answering: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    orders: HashMap<OrderId, Order>,
    forgotten: HashSet<OrderId>,
    /// Requests that were paid for.
    paid: usize,
    placed: u64,
    /// What the next requests are refused with when they are placed, and what their answer is.
    place_refusals: VecDeque<Refusal>,
    answer_refusals: VecDeque<Refusal>,
}

struct Order {
    request: Request,
    number: u64,
    outcome: Option<Result<Answer, Refusal>>,
}

impl Order {
    fn may_reopen(&self) -> bool {
        matches!(&self.outcome, Some(Err(refusal)) if refusal.may_reopen())
    }
}

impl Double {
    pub fn new() -> Self {
        Self {
            state: Mutex::default(),
            answering: watch::channel(true).0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn paid(&self) -> usize {
        self.state().paid
    }

    pub fn kept(&self) -> usize {
        self.state().orders.len()
    }

    pub fn hold(&self) {
        self.answering.send_replace(false);
    }

    pub fn release(&self) {
        self.answering.send_replace(true);
    }

    /// Answers one request, whatever is held.
    pub fn answer_one(&self, id: &str) {
        let mut state = self.state();
        let id = OrderId::new(id).unwrap();
        let order = state.orders.get_mut(&id).unwrap();
        order.outcome = Some(Ok(answer(&order.request, order.number)));
    }

    pub fn refuse_place(&self, refusal: Refusal) {
        self.state().place_refusals.push_back(refusal);
    }

    pub fn refuse_answer(&self, refusal: Refusal) {
        self.state().answer_refusals.push_back(refusal);
    }

    /// Waits until so many requests are kept.
    pub async fn wait_for_orders(&self, count: usize) {
        super::server::until(|| self.kept() >= count).await;
    }
}

/// A vector of length 1 that depends on the tokens.
pub fn vector(row: &TokenRow) -> Vec<f32> {
    let mut numbers: Vec<f32> = (0..DIMENSIONS)
        .map(|at| {
            let sum: u32 = row.ids.iter().zip(1..).map(|(id, place)| id * place).sum();
            (sum + at as u32) as f32 + 1.0
        })
        .collect();
    let length = numbers
        .iter()
        .map(|number| number * number)
        .sum::<f32>()
        .sqrt();
    numbers.iter_mut().for_each(|number| *number /= length);
    numbers
}

pub fn tokens(text: &str) -> TokenRow {
    let words = text
        .split_whitespace()
        .map(|word| 2 + word.len() as u32 % 90);
    TokenRow {
        ids: std::iter::once(0).chain(words).chain([1]).collect(),
    }
}

fn answer(request: &Request, number: u64) -> Answer {
    Answer {
        vectors: request.rows.iter().map(vector).collect(),
        tokens: request.rows.iter().map(|row| row.ids.len() as u64).sum(),
        jobs: vec![JobNote {
            job: format!("Job{number}"),
            provider: "Provider".to_owned(),
            assurance: "refereed".to_owned(),
            items: 8,
            checked: 2,
        }],
    }
}

#[async_trait]
impl Embedder for Double {
    fn models(&self) -> Vec<ModelCard> {
        vec![ModelCard {
            name: MODEL.to_owned(),
            address: ADDRESS.to_owned(),
            created: 1_700_000_000,
            owner: "Owner".to_owned(),
            dimensions: DIMENSIONS,
            max_tokens: MAX_TOKENS,
            vocabulary: VOCABULARY,
            row_price_atoms: 12,
            least_price_atoms: 18_446_744_073_709_551_615,
            mint: "Mint".to_owned(),
            decimals: 6,
            assurance: "refereed".to_owned(),
            checked_share: 0.25,
            quality: json!({"cosine": 0.99}),
        }]
    }

    async fn tokenize(&self, _: &str, texts: Vec<String>) -> Result<Vec<TokenRow>, Refusal> {
        let rows: Vec<_> = texts.iter().map(|text| tokens(text)).collect();
        match rows.iter().position(|row| row.ids.len() > MAX_TOKENS) {
            None => Ok(rows),
            Some(row) => Err(Refusal::BadLength {
                row,
                tokens: rows[row].ids.len(),
                most: MAX_TOKENS,
            }),
        }
    }

    async fn place(&self, request: Request) -> Result<(), Refusal> {
        let mut state = self.state();
        if let Some(kept) = state.orders.get(&request.id) {
            if kept.request.body_sha256 != request.body_sha256 {
                return Err(Refusal::KeyReused {
                    id: request.id.to_string(),
                });
            }
            if !kept.may_reopen() {
                return Ok(());
            }
        }
        // The jobs of a forgotten request stay known under its name.
        if state.forgotten.contains(&request.id) {
            return Err(Refusal::KeyReused {
                id: request.id.to_string(),
            });
        }
        if let Some(refusal) = state.place_refusals.pop_front() {
            return Err(refusal);
        }
        let outcome = state.answer_refusals.pop_front().map(Err);
        state.paid += usize::from(outcome.is_none());
        state.placed += 1;
        let number = state.placed;
        state.orders.insert(
            request.id.clone(),
            Order {
                request,
                number,
                outcome,
            },
        );
        Ok(())
    }

    async fn wait(&self, id: &OrderId, patience: Duration) -> Result<Answer, Refusal> {
        let no_such = || Refusal::NoSuchRequest { id: id.to_string() };
        let kept = {
            let state = self.state();
            state.orders.get(id).ok_or_else(no_such)?.outcome.clone()
        };
        match kept {
            // As in the engine, an answer is read beside the loop: who has no patience gets none.
            Some(Ok(answer)) => {
                let reading = tokio::time::timeout(patience, tokio::task::yield_now()).await;
                return reading.map(|()| answer).map_err(|_| Refusal::TimedOut {
                    secs: patience.as_secs(),
                });
            }
            Some(Err(refusal)) => return Err(refusal),
            None => {}
        }
        let mut answering = self.answering.subscribe();
        let in_time =
            tokio::time::timeout(patience, answering.wait_for(|answering| *answering)).await;
        let mut state = self.state();
        let order = state.orders.get_mut(id).ok_or_else(no_such)?;
        if let Some(outcome) = &order.outcome {
            return outcome.clone();
        }
        if in_time.is_err() {
            return Err(Refusal::TimedOut {
                secs: patience.as_secs(),
            });
        }
        let answer = answer(&order.request, order.number);
        order.outcome = Some(Ok(answer.clone()));
        Ok(answer)
    }

    fn progress(&self, id: &OrderId) -> Option<Progress> {
        let state = self.state();
        let order = state.orders.get(id)?;
        let stage = match &order.outcome {
            None => Stage::Running,
            Some(Ok(_)) => Stage::Answered,
            Some(Err(Refusal::Cancelled)) => Stage::Cancelled,
            Some(Err(_)) => Stage::Failed,
        };
        Some(Progress {
            stage,
            rows: order.request.rows.len() as u64,
            answered: 0,
            jobs: Vec::new(),
            why: None,
            placed_at: 0,
            ended_at: None,
        })
    }

    fn find(&self, body_sha256: &[u8; 32]) -> Option<OrderId> {
        let state = self.state();
        let is_of_use =
            |order: &&Order| order.may_reopen() || !matches!(order.outcome, Some(Err(_)));
        let of_body = state
            .orders
            .values()
            .filter(|order| order.request.body_sha256 == *body_sha256)
            .filter(is_of_use);
        let newest = of_body.max_by_key(|order| order.number);
        newest.map(|order| order.request.id.clone())
    }

    async fn cancel(&self, id: &OrderId) -> Result<Progress, Refusal> {
        if let Some(order) = self.state().orders.get_mut(id)
            && order.outcome.is_none()
        {
            order.outcome = Some(Err(Refusal::Cancelled));
        }
        self.progress(id)
            .ok_or_else(|| Refusal::NoSuchRequest { id: id.to_string() })
    }

    async fn forget(&self, id: &OrderId) -> Result<(), Refusal> {
        let is_running = self
            .progress(id)
            .is_some_and(|progress| !progress.stage.has_ended());
        if is_running {
            return Err(Refusal::NotEnded { id: id.to_string() });
        }
        let mut state = self.state();
        match state.orders.remove(id) {
            Some(_) => {
                state.forgotten.insert(id.clone());
                Ok(())
            }
            None => Err(Refusal::NoSuchRequest { id: id.to_string() }),
        }
    }

    fn spending(&self, before: Option<u64>, most: usize) -> Vec<Spending> {
        let all = (1..=3).rev().map(|number| Spending {
            number,
            at: 1_700_000_000,
            requests: vec!["one".to_owned(), "two".to_owned()],
            model: ADDRESS.to_owned(),
            job: Some(format!("Job{number}")),
            provider: None,
            rows: 8,
            state: SpendingState::Paid,
            atoms: u64::MAX,
            mint: "Mint".to_owned(),
            decimals: 6,
            fee_lamports: 10_000,
            note: Some("=1+1, \"done\"".to_owned()),
        });
        all.filter(|one| before.is_none_or(|before| one.number < before))
            .take(most)
            .collect()
    }

    fn receipt(&self, job: &str) -> Option<Value> {
        (job == "Job1").then(|| json!({"job": "Job1"}))
    }
}
