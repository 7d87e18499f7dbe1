//! Exact figures of the built program: compute units, sizes, rents. Machines do not change them, so a test can hold them.

mod campaign;
pub mod encoder;
mod referee;

pub use referee::{Conviction, Withheld};

use {
    quern::{
        events::QuernEvent,
        instructions::{MintSettings, ModelSettings},
        state::{
            Campaign, Demand, Emission, Entry, Evidence, Job, MintConfig, Model, Protocol,
            Provider, Purse,
        },
    },
    quern_testkit::{
        program_so,
        svm::{self, Cast, Outcome, Stage, addresses, ix, token},
    },
    serde::Serialize,
    solana_sdk::instruction::Instruction,
    std::fmt::Write,
};

/// Where the committed figures stand between markers.
pub const FILE: &str = "docs/BENCHMARKS.md";

/// What one instruction costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Its name.
    pub instruction: &'static str,
    /// Compute units with the usual accounts.
    pub compute_units: u64,
    /// Accounts that it names.
    pub accounts: usize,
    /// Bytes of its data.
    pub data_bytes: usize,
    /// Bytes of its event.
    pub event_bytes: usize,
    /// What it must stay below, where the goals say.
    pub goal: Option<u64>,
}

/// What an account takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Account type.
    pub account: &'static str,
    /// Bytes with the discriminator.
    pub bytes: usize,
    /// Rent-exempt lamports at the network's present rate.
    pub rent_lamports: u64,
}

/// All exact figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Per instruction.
    pub costs: Vec<Cost>,
    /// Deposit, create, take, submit and finalize of one refereed job.
    pub whole_job_compute_units: u64,
    /// Bytes of the program's ELF file.
    pub elf_bytes: usize,
    /// Per account type.
    pub sizes: Vec<Size>,
    /// Convictions with all that they take.
    pub convictions: Vec<Conviction>,
    /// Results whose data are withheld.
    pub withheld: Vec<Withheld>,
    /// What the program was built with: other compilers give other figures.
    pub toolchain: String,
}

/// Goal for a whole job.
pub const WHOLE_JOB_GOAL: u64 = 23_500;
/// Goal for the program's size: what it had before campaigns, and 8 KiB for each of their four instructions.
pub const PROGRAM_GOAL_BYTES: usize = (274 + 4 * 8) * 1024;

fn goal(instruction: &str) -> Option<u64> {
    Some(match instruction {
        "open_purse" | "take_job" | "claim_campaign" => 5_000,
        "deposit" | "claim_rewards" => 6_000,
        "create_job" => 8_000,
        "submit" => 4_000,
        "finalize" => 9_000,
        "finalize, of a campaign" => 8_500,
        "withdraw" => 7_000,
        _ => return None,
    })
}

struct Meter {
    stage: Stage,
    costs: Vec<Cost>,
}

impl Meter {
    fn run(&mut self, name: &'static str, instruction: Instruction) -> u64 {
        let outcome = self.stage.ok(instruction.clone());
        self.note(name, &instruction, &outcome);
        outcome.compute_units
    }

    /// As [`Meter::run`], in a transaction of version 1.
    fn run_v1(&mut self, name: &'static str, instruction: Instruction) {
        let sent = self.stage.world.send_v1(std::slice::from_ref(&instruction));
        let outcome = sent.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        self.note(name, &instruction, &outcome);
    }

    fn note(&mut self, name: &'static str, instruction: &Instruction, outcome: &Outcome) {
        let encoded = |event: &QuernEvent| event.encode().len();
        self.costs.push(Cost {
            instruction: name,
            compute_units: outcome.compute_units,
            accounts: instruction.accounts.len(),
            data_bytes: instruction.data.len(),
            event_bytes: outcome.events.iter().map(encoded).sum(),
            goal: goal(name),
        });
    }
}

/// What `cargo xtask build-program` noted beside the program, or that nothing is known.
pub fn toolchain() -> String {
    let note = program_so().with_extension("so.inputs");
    let text = std::fs::read_to_string(note).unwrap_or_default();
    text.lines()
        .nth(2)
        .unwrap_or("an unknown toolchain")
        .to_owned()
}

/// Runs every instruction once on the bytecode, with everybody another wallet.
pub fn measure() -> Figures {
    let mut meter = Meter {
        stage: Stage::new(),
        costs: Vec::new(),
    };
    initialize(&mut meter);
    protocol(&mut meter);
    models(&mut meter);
    let whole_job_compute_units = refereed_job(&mut meter);
    reviewed_jobs(&mut meter);
    exits(&mut meter);
    referee::instructions(&mut meter);
    campaign::instructions(&mut meter);
    let (convictions, withheld) = referee::cases();
    let rent = |bytes| meter.stage.svm.minimum_balance_for_rent_exemption(bytes);
    let size = |account, fixed: usize| Size {
        account,
        bytes: 8 + fixed,
        rent_lamports: rent(8 + fixed),
    };
    let sizes = vec![
        size("Protocol", size_of::<Protocol>()),
        size("MintConfig", size_of::<MintConfig>()),
        size("Emission", size_of::<Emission>()),
        size("Provider", size_of::<Provider>()),
        size("Purse", size_of::<Purse>()),
        size("Model (without its graph)", size_of::<Model>()),
        size("Job", size_of::<Job>()),
        size("Demand (without its answer)", size_of::<Demand>()),
        size("Campaign", size_of::<Campaign>()),
        size("Entry", size_of::<Entry>()),
        size("Evidence (without its bytes)", size_of::<Evidence>()),
    ];
    let elf_bytes = std::fs::metadata(program_so()).map_or(0, |file| file.len() as usize);
    Figures {
        toolchain: toolchain(),
        costs: meter.costs,
        whole_job_compute_units,
        elf_bytes,
        sizes,
        convictions,
        withheld,
    }
}

/// On a machine of its own: it happens once.
fn initialize(meter: &mut Meter) {
    let cast = Cast::usual();
    let mut world = svm::World::deployed(&cast.authority);
    let instruction = ix::initialize(&cast.authority, svm::settings(&cast), svm::CLUSTER);
    let outcome = world.ok(instruction.clone());
    meter.note("initialize", &instruction, &outcome);
}

fn protocol(meter: &mut Meter) {
    let cast = meter.stage.cast.clone();
    let usd = meter.stage.usd;
    meter.run(
        "update_protocol",
        ix::update_protocol(&cast.authority, Some(svm::settings(&cast)), None),
    );
    meter.run("set_pause", ix::set_pause(&cast.guardian, true));
    meter.stage.ok(ix::set_pause(&cast.authority, false));
    meter.run(
        "update_protocol, a successor",
        ix::update_protocol(&cast.authority, None, Some(cast.authority)),
    );
    meter.run("accept_authority", ix::accept_authority(&cast.authority));
    let token_program = token::program_of(&meter.stage.world, &usd);
    let mint = token::create_mint(&mut meter.stage.world, "bench mint", &token_program, 6);
    meter.run(
        "register_mint",
        ix::register_mint(&cast.authority, &mint, &token_program, svm::rates()),
    );
    meter.run(
        "update_mint",
        ix::update_mint(
            &cast.authority,
            &mint,
            MintSettings {
                enabled: true,
                rates: svm::rates(),
            },
        ),
    );
    let gold = meter.stage.gold;
    meter.run(
        "configure_emission",
        ix::configure_emission(&cast.authority, &gold, svm::emission_args()),
    );
    let newcomer = svm::actor("newcomer");
    meter.run(
        "open_purse",
        ix::open_purse(&cast.stranger, &newcomer, &usd),
    );
    meter.run(
        "set_operator_limit",
        ix::set_operator_limit(&cast.provider, &usd, 1_000_000_000),
    );
    meter.run(
        "register_provider",
        ix::register_provider(&cast.stranger, svm::provider_args(&cast.stranger)),
    );
    meter.run(
        "update_provider",
        ix::update_provider(&cast.stranger, svm::provider_args(&cast.stranger)),
    );
}

fn models(meter: &mut Meter) {
    let creator = meter.stage.cast.creator;
    let graph = svm::graph();
    let model = addresses::model(&creator, 77);
    meter.run(
        "register_model",
        ix::register_model(&creator, svm::model_args(77, graph.len())),
    );
    meter.run("write_model", ix::write_model(&creator, &model, 0, &graph));
    meter.run("seal_model", ix::seal_model(&creator, &model, &graph));
    let update = ModelSettings {
        active: true,
        royalty_bps: 500,
        uri: "https://models.example/77".into(),
    };
    meter.run(
        "update_model",
        ix::update_model(&creator, &model, Some(update), None),
    );
    meter.run(
        "update_model, a successor",
        ix::update_model(&creator, &model, None, Some(creator)),
    );
    meter.run(
        "accept_model_owner",
        ix::accept_model_owner(&creator, &model),
    );
}

fn deposit_ix(meter: &mut Meter, atoms: u64) -> Instruction {
    let (usd, client) = (meter.stage.usd, meter.stage.cast.client);
    let token_program = token::program_of(&meter.stage.world, &usd);
    let source = token::issue(&mut meter.stage.world, &client, &usd, atoms);
    ix::deposit(&client, &source, &client, &usd, &token_program, atoms)
}

/// One job as the goals count it; returns the sum.
fn refereed_job(meter: &mut Meter) -> u64 {
    let cast = meter.stage.cast.clone();
    let (usd, gold) = (meter.stage.usd, meter.stage.gold);
    let deposit = deposit_ix(meter, 1_000_000);
    let mut sum = meter.run("deposit", deposit);
    let purse: Purse = meter.stage.get(&addresses::purse(&cast.client, &usd));
    let address = addresses::job(&cast.client, &usd, purse.opened.get());
    let create = meter.stage.create_ix(meter.stage.refereed());
    sum += meter.run("create_job", create);
    let take = ix::take_job(&cast.operator, &cast.provider, &meter.stage.job(&address));
    sum += meter.run("take_job", take);
    let submit = ix::submit(&cast.operator, &meter.stage.job(&address), svm::proof(1));
    sum += meter.run("submit", submit);
    let job = meter.stage.job(&address);
    meter.stage.world.set_time(job.deadline.get() + 1);
    let finalize = ix::finalize(&cast.provider, &job, &meter.stage.emission());
    sum += meter.run("finalize", finalize);
    meter.run("claim_rewards", ix::claim_rewards(&cast.provider, &gold));
    let token_program = token::program_of(&meter.stage.world, &usd);
    let destination = token::issue(&mut meter.stage.world, &cast.provider, &usd, 0);
    meter.run(
        "withdraw",
        ix::withdraw(&cast.provider, &destination, &usd, &token_program, 1),
    );
    sum
}

fn reviewed_jobs(meter: &mut Meter) {
    let args = meter.stage.accepted();
    let job = meter.stage.create(args.clone());
    meter.stage.take(&job);
    meter.stage.submit(&job);
    let accept = ix::accept(&meter.stage.job(&job), &meter.stage.emission());
    meter.run("finalize, accepted", accept);
    let job = meter.stage.create(args);
    meter.stage.take(&job);
    meter.stage.submit(&job);
    let reject = ix::reject(&meter.stage.job(&job), "not what was asked for".into());
    meter.run("reject", reject);
    let resolve = ix::resolve(&meter.stage.job(&job), svm::decision(2_500, 0));
    meter.run("resolve", resolve);
}

fn exits(meter: &mut Meter) {
    let args = meter.stage.refereed();
    let job = meter.stage.create(args.clone());
    let cancel = ix::cancel_job(&meter.stage.job(&job));
    meter.run("cancel_job", cancel);
    let job = meter.stage.create(args.clone());
    meter.stage.take(&job);
    let state = meter.stage.job(&job);
    meter.stage.world.set_time(state.deadline.get() + 1);
    meter.run("expire", ix::expire(&state));
    let mut args = args;
    args.ends_by = meter.stage.world.now() + 10 * svm::DAY;
    let job = meter.stage.create(args);
    meter.stage.take(&job);
    meter.stage.submit(&job);
    let prover = meter.stage.cast.prover;
    let usd = meter.stage.usd;
    meter.stage.open(&prover, &usd);
    meter.stage.convict(&job);
    let state = meter.stage.job(&job);
    meter.run("settle_conviction", ix::settle_conviction(&state));
}

impl Figures {
    /// The tables as they stand in [`FILE`].
    pub fn tables(&self) -> String {
        let mut text = String::from(
            "| instruction | compute units | goal | accounts | data bytes | event bytes |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for cost in &self.costs {
            let goal = cost.goal.map_or("-".into(), |goal| {
                format!("{}{}", thousands(goal), mark(cost.compute_units <= goal))
            });
            let _ = writeln!(
                text,
                "| `{}` | {} | {goal} | {} | {} | {} |",
                cost.instruction,
                thousands(cost.compute_units),
                cost.accounts,
                cost.data_bytes,
                cost.event_bytes
            );
        }
        let _ = writeln!(
            text,
            "| **one job** (deposit, create, take, submit, finalize) | {} | {}{} | | | |\n",
            thousands(self.whole_job_compute_units),
            thousands(WHOLE_JOB_GOAL),
            mark(self.whole_job_compute_units <= WHOLE_JOB_GOAL)
        );
        let _ = writeln!(
            text,
            "Program: {} bytes of sBPFv3 (goal {}{}), built with {}.\n",
            thousands(self.elf_bytes as u64),
            thousands(PROGRAM_GOAL_BYTES as u64),
            mark(self.elf_bytes <= PROGRAM_GOAL_BYTES),
            self.toolchain
        );
        text.push_str(&referee::tables(&self.convictions, &self.withheld));
        text.push('\n');
        text.push_str("| account | bytes | rent, lamports |\n| --- | ---: | ---: |\n");
        for size in &self.sizes {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                size.account,
                size.bytes,
                thousands(size.rent_lamports)
            );
        }
        text
    }

    /// The committed file with these tables in the place of the old ones, or nothing if it has no markers.
    pub fn replace_in(&self, file: &str) -> Option<String> {
        between(file, "exact", &self.tables())
    }
}

/// The file with this text between its marks of that name, or nothing if it has none.
fn between(file: &str, mark: &str, text: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- {mark}: begin -->\n"),
        format!("<!-- {mark}: end -->"),
    );
    let (head, rest) = file.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}{text}{end}{tail}"))
}

fn mark(reached: bool) -> &'static str {
    if reached { " ✓" } else { " ✗" }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
