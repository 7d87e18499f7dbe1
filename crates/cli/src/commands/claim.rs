//! `quern claim`: take out what a wallet has earned.

use {
    super::purse::decimals_of,
    crate::{
        amount::show,
        context::{Context, with_signatures},
        error::{Error, Result},
        output::{Fields, Format, print_json, print_list},
    },
    quern_client::{
        ClientError, Instruction, Pubkey, accounts, addresses, flows, instructions,
        quern::state::{Provider, Purse},
    },
    serde_json::json,
};

/// What to claim.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  quern claim --dry-run                 what there is to claim, and the transaction that would do it
  quern claim                           accrued rewards into your purse, then everything free to your token accounts
  quern claim --rewards-only            leave the purses alone, for example because they stand behind bonds")]
pub struct Args {
    /// Show what would be done without signing anything
    #[arg(long)]
    dry_run: bool,
    /// Only this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
    /// Only move accrued rewards into your purse; withdraw nothing
    #[arg(long)]
    rewards_only: bool,
    /// Whose claims to show (with --dry-run) [default: the wallet's]
    #[arg(long, value_name = "ADDRESS", requires = "dry_run")]
    owner: Option<Pubkey>,
}

/// One thing to claim.
struct Claim {
    what: &'static str,
    mint: Pubkey,
    atoms: u64,
}

/// Runs it.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let owner = context.owner(args.owner)?;
    context.protocol().await?;
    let is_wanted = |mint: &Pubkey| args.mint.is_none_or(|only| only == *mint);
    let mut claims: Vec<Claim> = Vec::new();
    let mut all: Vec<Instruction> = Vec::new();

    if let Some(rewards) = rewards(context, &owner)
        .await?
        .filter(|rewards| is_wanted(&rewards.mint))
    {
        all.extend(flows::claim_rewards(context.rpc(), &owner).await?);
        claims.push(rewards);
    }
    if !args.rewards_only {
        let mut purses: Vec<(Pubkey, Purse)> =
            accounts::purses(context.rpc(), Some(&owner)).await?;
        purses.sort_by_key(|(_, purse)| purse.mint);
        let mut free: Vec<(Pubkey, u64)> = purses
            .iter()
            .map(|(_, purse)| (purse.mint, purse.free_atoms.get()))
            .collect();
        // Rewards land in a purse first and leave it with the rest.
        if let Some(rewards) = claims.first() {
            match free.iter_mut().find(|(mint, _)| *mint == rewards.mint) {
                Some((_, atoms)) => *atoms = atoms.saturating_add(rewards.atoms),
                None => free.push((rewards.mint, rewards.atoms)),
            }
        }
        for (mint, atoms) in free
            .into_iter()
            .filter(|(mint, atoms)| *atoms > 0 && is_wanted(mint))
        {
            all.extend(withdrawal(context, &owner, &mint, atoms).await?);
            claims.push(Claim {
                what: "withdrawal",
                mint,
                atoms,
            });
        }
    }
    if claims.is_empty() {
        return Err(Error::Other(format!(
            "there is nothing to claim for {owner} on this cluster"
        )));
    }

    let decimals = decimals_of(context).await?;
    let tokens = |claim: &Claim| show(claim.atoms, decimals.get(&claim.mint).copied().unwrap_or(0));
    let list: Vec<Fields> = claims
        .iter()
        .map(|claim| {
            Fields::new()
                .text("what", claim.what)
                .text("mint", claim.mint)
                .text("amount", tokens(claim))
        })
        .collect();
    if args.dry_run {
        return dry_run(context, &owner, &list, &claims, &all).await;
    }
    let wallet = context.wallet()?;
    let receipts = context.send(&all, &[&wallet]).await?;
    match context.format {
        Format::Table => {
            print_list(Format::Table, &list, "");
            with_signatures(Fields::new(), &receipts).print(Format::Table);
        }
        Format::Json => {
            let signatures: Vec<String> = receipts
                .iter()
                .map(|receipt| receipt.signature.to_string())
                .collect();
            print_json(&json!({ "claimed": as_json(&claims), "signatures": signatures }));
        }
    }
    Ok(())
}

/// Rewards that a provider has accrued and not claimed.
async fn rewards(context: &Context, owner: &Pubkey) -> Result<Option<Claim>> {
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
    let mint = accounts::emission(context.rpc()).await?.reward_mint;
    Ok(Some(Claim {
        what: "rewards",
        mint,
        atoms: claimable,
    }))
}

/// Everything free, to the owner's usual token account.
async fn withdrawal(
    context: &Context,
    owner: &Pubkey,
    mint: &Pubkey,
    atoms: u64,
) -> Result<Vec<Instruction>> {
    let token_program = context.mint(mint).await?.token_program;
    let destination = addresses::token_account(owner, mint, &token_program);
    Ok(vec![
        instructions::create_token_account(owner, owner, mint, &token_program),
        instructions::withdraw(owner, &destination, mint, &token_program, atoms),
    ])
}

fn as_json(claims: &[Claim]) -> serde_json::Value {
    claims.iter().map(|claim| json!({ "what": claim.what, "mint": claim.mint.to_string(), "atoms": claim.atoms.to_string() })).collect()
}

async fn dry_run(
    context: &Context,
    owner: &Pubkey,
    list: &[Fields],
    claims: &[Claim],
    all: &[Instruction],
) -> Result<()> {
    let simulation = match context.sender.simulate(all, owner).await {
        Ok(simulation) => Some(simulation.units),
        // Too much for one transaction: it would be several.
        Err(ClientError::TooLarge { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    match context.format {
        Format::Json => {
            let instructions: Vec<_> = all.iter().map(instruction_json).collect();
            print_json(&json!({
                "dry_run": true, "owner": owner.to_string(), "claims": as_json(claims),
                "compute_units": simulation, "instructions": instructions,
            }));
        }
        Format::Table => {
            print_list(Format::Table, list, "");
            let steps: Vec<Fields> = all
                .iter()
                .enumerate()
                .map(|(index, instruction)| {
                    Fields::new()
                        .with("step", index + 1)
                        .text("program", instruction.program_id)
                        .with("accounts", instruction.accounts.len())
                        .text("data", hex::encode(&instruction.data))
                })
                .collect();
            print_list(Format::Table, &steps, "");
            match simulation {
                Some(units) => println!(
                    "One transaction, signed by {owner}, {units} compute units. Nothing was sent."
                ),
                None => println!("Several transactions, signed by {owner}. Nothing was sent."),
            }
        }
    }
    Ok(())
}

fn instruction_json(instruction: &Instruction) -> serde_json::Value {
    let accounts: Vec<_> = instruction.accounts.iter().map(|meta| {
        json!({ "address": meta.pubkey.to_string(), "signer": meta.is_signer, "writable": meta.is_writable })
    }).collect();
    json!({ "program": instruction.program_id.to_string(), "accounts": accounts, "data": hex::encode(&instruction.data) })
}
