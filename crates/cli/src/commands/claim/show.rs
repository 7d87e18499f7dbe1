//! What `quern claim` shows: every source in one table, what that makes of each purse, and the transactions.

use {
    super::plan::{Claim, Flow, Plan},
    crate::{
        amount::show,
        context::{Context, with_signatures},
        output::{Fields, Format, print_json, print_nothing, print_text},
    },
    quern_client::{ClientError, Instruction, Pubkey, Receipt, send::Each, send::Simulation},
    serde_json::{Value, json},
    std::collections::BTreeSet,
};

/// Shows what there is where nothing is to be done.
pub fn nothing(context: &Context, plan: &Plan, withdraws: bool) {
    let why = match (withdraws, plan.claims.is_empty()) {
        (true, _) => "no rewards or campaigns wait and nothing free may leave the purse",
        (false, true) => "no rewards or campaigns wait, and nothing is free in a purse",
        (false, false) => {
            "no rewards or campaigns wait that could be claimed now; to move free tokens out of your purse pass --withdraw (see --help)"
        }
    };
    let why = format!(
        "there is nothing to claim for {} on this cluster: {why}",
        plan.owner
    );
    let rows = rows(plan, |_| None);
    let mut fields = Fields::new().text("owner", plan.owner);
    match context.format {
        Format::Json => {
            fields = fields.with("claims", rows.iter().map(Fields::json).collect::<Vec<_>>());
        }
        Format::Table if rows.is_empty() => {}
        Format::Table => {
            context.print_list(&rows, "");
            print_text("");
        }
    }
    print_nothing(context.format, fields, &why);
}

/// Shows what was claimed, and what was not.
pub fn sent(context: &Context, plan: &Plan, each: &Each<Receipt>) {
    let receipts: Vec<Receipt> = each.done.iter().map(|(_, _, receipt)| *receipt).collect();
    let transactions = receipts
        .iter()
        .map(|receipt| json!({ "signature": receipt.signature.to_string() }));
    let shown = Shown {
        rows: rows(plan, |part| became(each, part, "claimed")),
        sums: sums(plan, &failures(each)),
        transactions: transactions.collect(),
    };
    match context.format {
        Format::Json => shown.print_json(plan, false),
        Format::Table => {
            shown.print_tables(context);
            with_signatures(Fields::new(), &receipts).print(Format::Table);
        }
    }
}

/// Shows what would be sent.
pub fn simulated(context: &Context, plan: &Plan, each: &Each<Simulation>) {
    let transactions = each.done.iter().map(|(_, instructions, simulation)| {
        let instructions: Vec<_> = instructions.iter().map(instruction_json).collect();
        json!({ "compute_units": simulation.units, "instructions": instructions })
    });
    let shown = Shown {
        rows: rows(plan, |part| match became(each, part, "would be claimed") {
            Some((None, _)) if plan.waits_for_others(&[part]) => Some((
                None,
                "after the transactions above; the node cannot try it before".to_owned(),
            )),
            known => known,
        }),
        sums: sums(plan, &refused(plan, each)),
        transactions: transactions.collect(),
    };
    if context.format == Format::Json {
        shown.print_json(plan, true);
        return;
    }
    shown.print_tables(context);
    let steps: Vec<Fields> = each
        .done
        .iter()
        .enumerate()
        .flat_map(|(index, (_, instructions, _))| steps(index + 1, instructions))
        .collect();
    context.print_list(&steps, "No transaction is needed.");
    print_text("");
    for (index, (_, _, simulation)) in each.done.iter().enumerate() {
        print_text(&format!(
            "Transaction {} of {}, paid by {}: {} compute units.",
            index + 1,
            each.done.len(),
            plan.payer,
            simulation.units
        ));
    }
    print_text("Nothing was sent.");
}

/// Tables, or an object.
struct Shown {
    rows: Vec<Fields>,
    sums: Vec<(Fields, Value)>,
    transactions: Vec<Value>,
}

impl Shown {
    fn print_json(&self, plan: &Plan, is_dry_run: bool) {
        let claims: Vec<Value> = self.rows.iter().map(Fields::json).collect();
        let purses: Vec<&Value> = self.sums.iter().map(|(_, json)| json).collect();
        print_json(&json!({
            "dry_run": is_dry_run, "owner": plan.owner.to_string(), "payer": plan.payer.to_string(),
            "claims": claims, "purses": purses, "transactions": self.transactions,
        }));
    }

    fn print_tables(&self, context: &Context) {
        context.print_list(&self.rows, "");
        print_text("");
        let sums: Vec<Fields> = self.sums.iter().map(|(fields, _)| fields.clone()).collect();
        if !sums.is_empty() {
            context.print_list(&sums, "");
            print_text("");
        }
    }
}

/// Parts that failed or were not tried.
fn failures<T>(each: &Each<T>) -> BTreeSet<usize> {
    let failed = each.failed.iter().flat_map(|(parts, _)| parts);
    failed.chain(&each.left).copied().collect()
}

/// Of a simulation, without those that only wait for others.
fn refused<T>(plan: &Plan, each: &Each<T>) -> BTreeSet<usize> {
    let mut failed = failures(each);
    failed.retain(|part| !plan.waits_for_others(&[*part]));
    failed
}

/// The number of a part's transaction, and what became of it; nothing says what the plan says.
fn became<T>(each: &Each<T>, part: usize, done: &str) -> Option<(Option<usize>, String)> {
    let ran = each
        .done
        .iter()
        .position(|(parts, ..)| parts.contains(&part));
    if let Some(index) = ran {
        return Some((Some(index + 1), done.to_owned()));
    }
    let failed = each.failed.iter().find(|(parts, _)| parts.contains(&part));
    Some((
        None,
        match failed {
            Some((_, error)) => format!("failed: {}", reason(error)),
            None => "not tried any more".to_owned(),
        },
    ))
}

fn reason(error: &ClientError) -> String {
    error.to_string()
}

/// Every source, on a line.
fn rows(plan: &Plan, became: impl Fn(usize) -> Option<(Option<usize>, String)>) -> Vec<Fields> {
    let row = |claim: &Claim| {
        let (transaction, state) = claim
            .part
            .and_then(&became)
            .unwrap_or((None, String::new()));
        let state = match (claim.part, state.is_empty()) {
            (Some(_), false) if !claim.is_purse() || transaction.is_none() => state,
            _ => claim.state.clone(),
        };
        row(claim, transaction, state)
    };
    plan.claims.iter().map(row).collect()
}

fn row(claim: &Claim, transaction: Option<usize>, state: String) -> Fields {
    Fields::new()
        .text("claim", claim.source.name())
        .text("from", claim.from)
        .text("mint", claim.mint)
        .tokens("amount", claim.atoms, claim.decimals)
        .with(
            "tx",
            transaction.map_or(Value::Null, |number| number.into()),
        )
        .text("what_happens", state)
}

/// What happens to each purse, for people and for programs.
fn sums(plan: &Plan, failed: &BTreeSet<usize>) -> Vec<(Fields, Value)> {
    let flows = plan.sums(failed);
    let moving = flows.iter().filter(|(_, flow)| flow.moves());
    moving
        .map(|(mint, flow)| (sum(flow, mint), sum_json(flow, mint)))
        .collect()
}

fn sum(flow: &Flow, mint: &Pubkey) -> Fields {
    let tokens = |atoms| show(atoms, flow.decimals);
    Fields::new()
        .text("mint", mint)
        .text("free_in_purse", tokens(flow.before_atoms))
        .text("+_claimed", tokens(flow.claimed_atoms))
        .text("-_withdrawn", tokens(flow.withdrawn_atoms))
        .text("=_left_in_purse", tokens(flow.after_atoms()))
}

fn sum_json(flow: &Flow, mint: &Pubkey) -> Value {
    let decimals = flow.decimals;
    Fields::new()
        .text("mint", mint)
        .with("decimals", decimals)
        .tokens("purse_before", flow.before_atoms, decimals)
        .tokens("claimed", flow.claimed_atoms, decimals)
        .tokens("withdrawn", flow.withdrawn_atoms, decimals)
        .tokens("purse_after", flow.after_atoms(), decimals)
        .json()
}

/// The instructions of a transaction, on a line each.
fn steps(transaction: usize, all: &[Instruction]) -> Vec<Fields> {
    let step = |(index, instruction): (usize, &Instruction)| {
        Fields::new()
            .with("tx", transaction)
            .with("step", index + 1)
            .text("program", instruction.program_id)
            .with("accounts", instruction.accounts.len())
            .text("data", hex::encode(&instruction.data))
    };
    all.iter().enumerate().map(step).collect()
}

fn instruction_json(instruction: &Instruction) -> Value {
    let accounts: Vec<_> = instruction.accounts.iter().map(|meta| {
        json!({ "address": meta.pubkey.to_string(), "signer": meta.is_signer, "writable": meta.is_writable })
    }).collect();
    json!({ "program": instruction.program_id.to_string(), "accounts": accounts, "data": hex::encode(&instruction.data) })
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::{
            commands::claim::plan::tests::plan,
            output::{Width, assert_fits, list_text},
        },
    };

    #[test]
    fn every_source_stands_in_one_table() {
        let mut plan = plan();
        plan.withdraw("all", Some("1000")).expect("it fits");
        let each = Each {
            done: vec![(vec![0, 2], Vec::new(), ())],
            failed: vec![(vec![1], ClientError::Argument("no purse".to_owned()))],
            left: vec![3],
        };
        let rows = rows(&plan, |part| became(&each, part, "claimed"));
        let sums: Vec<Fields> = sums(&plan, &failures(&each))
            .into_iter()
            .map(|(fields, _)| fields)
            .collect();
        let text = format!(
            "{}\n\n{}",
            list_text(&rows, Width::Screen, ""),
            list_text(&sums, Width::Screen, "")
        );
        crate::snapshot::check("claim", &text);
    }

    #[test]
    fn the_widest_rows_fit() {
        let widest = Flow {
            decimals: 6,
            before_atoms: u64::MAX,
            claimed_atoms: u64::MAX,
            withdrawn_atoms: u64::MAX,
            ..Flow::default()
        };
        let mint = Pubkey::from([1; 32]);
        assert_fits(&[sum(&widest, &mint)]);
        let mut plan = plan();
        let claim = plan.claims.last_mut().expect("a campaign");
        claim.atoms = u64::MAX;
        let state = "failed: ".to_owned() + &"a long reason that somebody gave ".repeat(8);
        assert_fits(&[row(claim, Some(1_000), state)]);
        let instruction = Instruction::new_with_bytes(mint, &[7; 200], Vec::new());
        assert_fits(&steps(1, &[instruction]));
    }
}
