//! `quern claim`: take what a wallet has earned.
//!
//! Rewards accrue beside the purses and are claimed into one; earnings and royalties lie in the purses already, together with
//! what was deposited and stands behind bonds. So nothing leaves a purse unless the owner says how much.

use {
    crate::{
        amount::{self, parse, show},
        context::{Context, with_signatures},
        error::{Error, Result},
        funds::both,
        output::{Fields, Format, print_json, print_nothing},
    },
    quern_client::{
        ClientError, Instruction, Pubkey, accounts, addresses, flows,
        quern::state::{Emission, Provider},
    },
    serde_json::json,
    std::collections::BTreeMap,
};

/// What to claim.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  quern claim --dry-run                        what there is, and the transaction for it
  quern claim                                  accrued rewards into your purse; nothing leaves it
  quern claim --withdraw 2.5 --mint MINT       the same, then 2.5 tokens to your token account
  quern claim --withdraw all --keep 1000       the same, then all free tokens but 1000

Earnings and deposits lie in one purse, and new jobs take their bonds from what is free in it: a provider that withdraws
everything can take no job. --keep says what shall stay.")]
pub struct Args {
    /// Show what would be done without signing anything
    #[arg(long)]
    dry_run: bool,
    /// Only this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
    /// Also move free tokens out of your purse to your token account: an amount, or `all`, deposits included
    #[arg(long, value_name = "TOKENS|all")]
    withdraw: Option<String>,
    /// What stays free in every purse at least, in tokens or atoms (with --withdraw)
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, requires = "withdraw")]
    keep: Option<String>,
    /// Whose claims to show (with --dry-run) [default: the wallet's]
    #[arg(long, value_name = "ADDRESS", requires = "dry_run")]
    owner: Option<Pubkey>,
}

/// What happens to the free atoms of one purse.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    decimals: u8,
    token_program: Pubkey,
    before_atoms: u64,
    /// What no withdrawal takes.
    locked_atoms: u64,
    rewards_atoms: u64,
    withdrawn_atoms: u64,
}

impl Flow {
    /// Before anything is withdrawn.
    fn free_atoms(&self) -> u64 {
        self.before_atoms.saturating_add(self.rewards_atoms)
    }

    fn after_atoms(&self) -> u64 {
        self.free_atoms().saturating_sub(self.withdrawn_atoms)
    }

    fn moves(&self) -> bool {
        self.rewards_atoms > 0 || self.withdrawn_atoms > 0
    }

    /// How much a withdrawal takes.
    fn withdrawal(&self, wanted: &str, keep: Option<&str>) -> Result<u64> {
        let keep = keep.map_or(Ok(0), |text| parse("--keep", text, self.decimals))?;
        let most = self.free_atoms().saturating_sub(keep);
        if wanted == "all" {
            return Ok(most);
        }
        let atoms = parse("--withdraw", wanted, self.decimals)?;
        if atoms > most {
            return Err(Error::Other(format!(
                "--withdraw {wanted} is more than may leave the purse: {} will be free in it, {} are locked in jobs, bonds and deposits until those end, and {} stays (--keep); withdraw at most {}",
                both(self.free_atoms(), self.decimals),
                both(self.locked_atoms, self.decimals),
                both(keep, self.decimals),
                both(most, self.decimals)
            )));
        }
        Ok(atoms)
    }

    fn fields(&self, mint: &Pubkey) -> Fields {
        let tokens = |atoms| show(atoms, self.decimals);
        Fields::new()
            .text("mint", mint)
            .text("free_in_purse", tokens(self.before_atoms))
            .text("+_rewards", tokens(self.rewards_atoms))
            .text("-_withdrawn", tokens(self.withdrawn_atoms))
            .text("=_left_in_purse", tokens(self.after_atoms()))
    }

    fn json(&self, mint: &Pubkey) -> serde_json::Value {
        let decimals = self.decimals;
        Fields::new()
            .text("mint", mint)
            .with("decimals", decimals)
            .tokens("purse_before", self.before_atoms, decimals)
            .tokens("rewards", self.rewards_atoms, decimals)
            .tokens("withdrawn", self.withdrawn_atoms, decimals)
            .tokens("purse_after", self.after_atoms(), decimals)
            .json()
    }
}

/// Every mint's flow, in a fixed order.
type Flows = BTreeMap<Pubkey, Flow>;

/// Claims and withdraws, or prints what that would be.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let owner = context.owner(args.owner)?;
    context.protocol().await?;
    let (mut flows, emission) = purses(context, &owner, args.mint).await?;
    if let Some(wanted) = &args.withdraw {
        withdraw(&mut flows, wanted, args.keep.as_deref())?;
    }
    let mut all: Vec<Instruction> = Vec::new();
    if let Some(emission) = emission {
        all.extend(flows::claim_rewards(context.rpc(), &owner, &emission).await?);
    }
    for (mint, flow) in flows.iter().filter(|(_, flow)| flow.withdrawn_atoms > 0) {
        let (token_program, atoms) = (&flow.token_program, flow.withdrawn_atoms);
        all.extend(flows::withdraw(&owner, mint, token_program, None, atoms));
    }
    if args.dry_run {
        return dry_run(context, &owner, &flows, &all).await;
    }
    flows.retain(|_, flow| flow.moves());
    if flows.is_empty() {
        let why = match args.withdraw {
            None => {
                "no rewards wait; to move free tokens out of your purse pass --withdraw (see --help)"
            }
            Some(_) => "no rewards wait and nothing free may leave the purse",
        };
        let why = format!("there is nothing to claim for {owner} on this cluster: {why}");
        print_nothing(context.format, Fields::new().text("owner", owner), &why);
        return Ok(());
    }
    let wallet = context.wallet()?;
    let receipts = context.send(&all, &[&wallet]).await?;
    match context.format {
        Format::Table => {
            context.print_list(&table(&flows), "");
            with_signatures(Fields::new(), &receipts).print(Format::Table);
        }
        Format::Json => {
            let signatures: Vec<String> = receipts
                .iter()
                .map(|receipt| receipt.signature.to_string())
                .collect();
            print_json(&json!({ "claimed": as_json(&flows), "signatures": signatures }));
        }
    }
    Ok(())
}

/// What is free in the purses, and the emission if its rewards would go into one of them.
async fn purses(
    context: &Context,
    owner: &Pubkey,
    only: Option<Pubkey>,
) -> Result<(Flows, Option<Emission>)> {
    let is_wanted = |mint: &Pubkey| only.is_none_or(|only| only == *mint);
    let mints = accounts::mint_configs(context.rpc()).await?;
    let empty = |mint: &Pubkey| {
        let known = mints.iter().find(|(_, config)| config.mint == *mint);
        known.map_or_else(Flow::default, |(_, config)| Flow {
            decimals: config.decimals,
            token_program: config.token_program,
            ..Flow::default()
        })
    };
    let mut flows = Flows::new();
    for (_, purse) in accounts::purses(context.rpc(), Some(owner)).await? {
        if is_wanted(&purse.mint) && purse.free_atoms.get() > 0 {
            let flow = Flow {
                before_atoms: purse.free_atoms.get(),
                locked_atoms: purse.reserved_atoms.get(),
                ..empty(&purse.mint)
            };
            flows.insert(purse.mint, flow);
        }
    }
    let rewards = rewards(context, owner).await?;
    let rewards = rewards.filter(|(emission, _)| is_wanted(&emission.reward_mint));
    let Some((emission, atoms)) = rewards else {
        return Ok((flows, None));
    };
    let mint = emission.reward_mint;
    flows
        .entry(mint)
        .or_insert_with(|| empty(&mint))
        .rewards_atoms = atoms;
    Ok((flows, Some(emission)))
}

/// Plans a withdrawal: of everything from every purse, or of an amount from the only one.
fn withdraw(flows: &mut Flows, wanted: &str, keep: Option<&str>) -> Result<()> {
    if wanted != "all" && flows.len() > 1 {
        return Err(Error::Usage(
            "you have purses in several mints; say with --mint from which one to withdraw that amount".to_owned(),
        ));
    }
    if wanted != "all" && flows.is_empty() {
        return Err(Error::Other(
            "nothing is free in your purses, so nothing can be withdrawn".to_owned(),
        ));
    }
    for flow in flows.values_mut() {
        flow.withdrawn_atoms = flow.withdrawal(wanted, keep)?;
    }
    Ok(())
}

/// What a provider has accrued and not claimed, in atoms, and the emission that grants it.
async fn rewards(context: &Context, owner: &Pubkey) -> Result<Option<(Emission, u64)>> {
    let provider =
        accounts::fetch_optional::<Provider>(context.rpc(), &addresses::provider(owner)).await?;
    let claimable = provider.map_or(0, |provider| {
        provider
            .rewards_accrued_atoms
            .get()
            .saturating_sub(provider.rewards_claimed_atoms.get())
    });
    if claimable == 0 {
        return Ok(None);
    }
    Ok(Some((accounts::emission(context.rpc()).await?, claimable)))
}

fn table(flows: &Flows) -> Vec<Fields> {
    flows.iter().map(|(mint, flow)| flow.fields(mint)).collect()
}

fn as_json(flows: &Flows) -> serde_json::Value {
    flows.iter().map(|(mint, flow)| flow.json(mint)).collect()
}

async fn dry_run(
    context: &Context,
    owner: &Pubkey,
    flows: &Flows,
    all: &[Instruction],
) -> Result<()> {
    let simulation = match all {
        [] => None,
        all => match context.sender.simulate(all, owner).await {
            Ok(simulation) => Some(simulation.units),
            // Too much for one transaction: it would be several.
            Err(ClientError::TooLarge { .. }) => None,
            Err(error) => return Err(error.into()),
        },
    };
    match context.format {
        Format::Json => {
            let instructions: Vec<_> = all.iter().map(instruction_json).collect();
            print_json(&json!({
                "dry_run": true, "owner": owner.to_string(), "claims": as_json(flows),
                "compute_units": simulation, "instructions": instructions,
            }));
        }
        Format::Table => {
            context.print_list(
                &table(flows),
                &format!("{owner} has no rewards to claim and nothing free in a purse."),
            );
            context.print_list(&steps(all), "No transaction is needed.");
            match simulation {
                _ if all.is_empty() => {}
                Some(units) => println!(
                    "One transaction, signed by {owner}, {units} compute units. Nothing was sent."
                ),
                None => println!("Several transactions, signed by {owner}. Nothing was sent."),
            }
        }
    }
    Ok(())
}

fn steps(all: &[Instruction]) -> Vec<Fields> {
    let step = |(index, instruction): (usize, &Instruction)| {
        Fields::new()
            .with("step", index + 1)
            .text("program", instruction.program_id)
            .with("accounts", instruction.accounts.len())
            .text("data", hex::encode(&instruction.data))
    };
    all.iter().enumerate().map(step).collect()
}

fn instruction_json(instruction: &Instruction) -> serde_json::Value {
    let accounts: Vec<_> = instruction.accounts.iter().map(|meta| {
        json!({ "address": meta.pubkey.to_string(), "signer": meta.is_signer, "writable": meta.is_writable })
    }).collect();
    json!({ "program": instruction.program_id.to_string(), "accounts": accounts, "data": hex::encode(&instruction.data) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, crate::output::assert_fits};

    /// A provider's deposit of 1000 tokens, 0.9 earned, 0.5 of rewards.
    fn flow() -> Flow {
        Flow {
            decimals: 6,
            token_program: Pubkey::default(),
            before_atoms: 1_000_900_000,
            locked_atoms: 7_000_000,
            rewards_atoms: 500_000,
            withdrawn_atoms: 0,
        }
    }

    #[test]
    fn a_withdrawal_leaves_what_is_to_be_kept() {
        let flow = flow();
        assert_eq!(flow.withdrawal("all", Some("1000")).unwrap(), 1_400_000);
        assert_eq!(flow.withdrawal("all", Some("2000")).unwrap(), 0);
        assert_eq!(flow.withdrawal("all", None).unwrap(), 1_001_400_000);
        assert_eq!(flow.withdrawal("0.9", Some("1000")).unwrap(), 900_000);
        let refused = flow.withdrawal("2", Some("1000")).unwrap_err().to_string();
        let said = [
            "--withdraw 2 ",
            "at most 1.4 (1400000 atoms)",
            "7 (7000000 atoms) are locked",
        ];
        assert!(
            said.iter().all(|words| refused.contains(words)),
            "{refused}"
        );
        assert!(flow.withdrawal("everything", None).is_err());
    }

    #[test]
    fn rewards_are_counted_once() {
        let mut flows = Flows::from([(Pubkey::default(), flow())]);
        withdraw(&mut flows, "all", Some("1000")).unwrap();
        let shown = as_json(&flows);
        assert!(shown[0]["purse_before"].is_string() && shown[0]["rewards"].is_string());
        let atoms = |name: &str| shown[0][name].as_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(
            atoms("purse_before_atoms") + atoms("rewards_atoms"),
            atoms("withdrawn_atoms") + atoms("purse_after_atoms")
        );
        assert_eq!(atoms("purse_after_atoms"), 1_000_000_000);
    }

    #[test]
    fn the_sum_is_shown() {
        let mut flows = Flows::from([(Pubkey::from([1; 32]), flow())]);
        withdraw(&mut flows, "all", Some("1000")).unwrap();
        let table = crate::output::list_text(&table(&flows), crate::output::Width::Screen, "");
        crate::snapshot::check("claim", &table);
    }

    #[test]
    fn the_widest_sum_fits() {
        let widest = Flow {
            before_atoms: u64::MAX,
            rewards_atoms: u64::MAX,
            withdrawn_atoms: u64::MAX,
            ..flow()
        };
        let mint = Pubkey::from([1; 32]);
        assert_fits(&table(&Flows::from([(mint, widest)])));
        let instruction = Instruction::new_with_bytes(mint, &[7; 200], Vec::new());
        assert_fits(&steps(&[instruction]));
    }

    #[test]
    fn an_amount_needs_to_know_its_mint() {
        let mut flows = Flows::from([
            (Pubkey::default(), flow()),
            (Pubkey::new_from_array([1; 32]), flow()),
        ]);
        let refused = withdraw(&mut flows, "1", None).unwrap_err();
        assert!(matches!(refused, Error::Usage(_)), "{refused}");
        withdraw(&mut flows, "all", Some("1000")).unwrap();
        assert!(
            flows
                .values()
                .all(|flow| flow.after_atoms() == 1_000_000_000)
        );
        assert!(withdraw(&mut Flows::new(), "1", None).is_err());
    }
}
