//! Where the program's accounts are, so that a client finds them by itself: seeds, and fields of other accounts.
//!
//! Most accounts are checked by their type and not by their seeds, so Anchor's own description leaves their seeds out.
//! The builders of `quern-client` derive the same addresses; a test of theirs compares them with what is written here.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::words::pascal_case;

/// One line an account of an instruction (`*`: of every instruction). Behind `:` its seeds, in order: `'text'`, an account's
/// address, a field of an account, `(an argument)`. Behind `=` the account that has the address in a field of the same name.
///
/// An account that is not listed is the caller's choice, or is described by Anchor already.
const ADDRESSES: &str = "
    * protocol: 'protocol'
    * emission: 'emission'

    configure_emission emission_purse: 'purse' emission mint_config.mint

    open_purse purse: 'purse' owner mint_config.mint
    deposit mint_config: 'mint' mint
    deposit vault: 'vault' mint
    withdraw mint_config: 'mint' mint
    withdraw vault: 'vault' mint
    withdraw purse: 'purse' owner mint

    register_provider provider: 'provider' owner
    update_provider provider: 'provider' owner
    claim_rewards provider: 'provider' owner
    claim_rewards purse: 'purse' owner emission.reward_mint
    claim_rewards emission_purse: 'purse' emission emission.reward_mint

    register_model model: 'model' creator (args.id)

    create_job purse: 'purse' client mint_config.mint
    create_job job: 'job' purse purse.opened
    cancel_job purse: 'purse' client job.mint
    take_job purse: 'purse' provider.owner job.mint
    submit provider: 'provider' job.provider
    finalize provider: 'provider' job.provider
    finalize client = job
    reject purse: 'purse' client job.mint
    resolve provider: 'provider' job.provider
    resolve client = job
    expire client = job
    settle_conviction provider: 'provider' job.provider
    settle_conviction client = job

    convict model = job
    open_demand model = job
    open_demand demand: 'demand' job job.submissions (node_id.tree) (node_id.level) (node_id.index)
    reveal job = demand
    timeout job = demand
    close_demand job = demand
    close_demand opener = demand

    create_campaign purse: 'purse' sponsor mint_config.mint
    create_campaign campaign: 'campaign' purse purse.opened
    join_campaign entry: 'entry' campaign provider.owner
    claim_campaign campaign = entry
    claim_campaign payer = entry
    sweep_campaign purse: 'purse' campaign.sponsor campaign.mint
    sweep_campaign sponsor = campaign
";

/// What a line says.
struct Line<'a> {
    instruction: &'a str,
    account: &'a str,
    from: From<'a>,
}

/// How the account's address is found.
enum From<'a> {
    Seeds(Vec<&'a str>),
    FieldOf(&'a str),
}

/// Adds seeds and relations to the accounts of instructions.
pub fn add(instructions: &mut [Value]) -> Result<()> {
    add_lines(ADDRESSES, instructions)
}

fn add_lines(lines: &str, instructions: &mut [Value]) -> Result<()> {
    for text in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = parse(text)
            .with_context(|| format!("a line of addresses is not understood: {text}"))?;
        let mut found = 0;
        for instruction in instructions.iter_mut() {
            let is_meant = line.instruction == "*" || instruction["name"] == line.instruction;
            let accounts = instruction["accounts"].as_array_mut().into_iter().flatten();
            for account in accounts.filter(|account| is_meant && account["name"] == line.account) {
                put(account, &line.from)?;
                found += 1;
            }
        }
        if found == 0 {
            bail!("no instruction has the account of this line of addresses: {text}");
        }
    }
    Ok(())
}

fn parse(text: &str) -> Option<Line<'_>> {
    let (instruction, rest) = text.split_once(' ')?;
    let (account, from) = match rest.split_once(" = ") {
        Some((account, owner)) => (account, From::FieldOf(owner)),
        None => {
            let (account, seeds) = rest.split_once(": ")?;
            (account, From::Seeds(seeds.split(' ').collect()))
        }
    };
    Some(Line {
        instruction,
        account,
        from,
    })
}

fn put(account: &mut Value, from: &From<'_>) -> Result<()> {
    match from {
        From::FieldOf(owner) => account["relations"] = json!([owner]),
        From::Seeds(seeds) => {
            let seeds = seeds.iter().map(|seed| describe(seed)).collect::<Vec<_>>();
            let pda = json!({ "seeds": seeds });
            // Where Anchor knows the seeds itself, the two must agree.
            let known = &account["pda"];
            if !known.is_null() && *known != pda {
                bail!(
                    "`{}` has other seeds in the program: {known}",
                    account["name"]
                );
            }
            account["pda"] = pda;
        }
    }
    Ok(())
}

/// A seed as the description has it.
fn describe(seed: &str) -> Value {
    let inside = |open: char, close: char| seed.strip_prefix(open)?.strip_suffix(close);
    if let Some(text) = inside('\'', '\'') {
        return json!({ "kind": "const", "value": text.as_bytes() });
    }
    if let Some(argument) = inside('(', ')') {
        return json!({ "kind": "arg", "path": argument });
    }
    match seed.split_once('.') {
        // The type tells a client how to read the field.
        Some((account, _)) => {
            json!({ "kind": "account", "path": seed, "account": pascal_case(account) })
        }
        None => json!({ "kind": "account", "path": seed }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn instructions() -> Vec<Value> {
        vec![
            json!({"name": "pay", "accounts": [{"name": "owner"}, {"name": "purse"}, {"name": "job"}]}),
            json!({"name": "stop", "accounts": [{"name": "job"}]}),
        ]
    }

    #[test]
    fn seeds_are_texts_accounts_fields_and_arguments() {
        let mut found = instructions();
        add_lines(
            "pay purse: 'p' owner mint_config.mint (args.id)\n* job = demand",
            &mut found,
        )
        .unwrap();
        assert_eq!(
            found[0]["accounts"][1]["pda"]["seeds"],
            json!([
                {"kind": "const", "value": [112]},
                {"kind": "account", "path": "owner"},
                {"kind": "account", "path": "mint_config.mint", "account": "MintConfig"},
                {"kind": "arg", "path": "args.id"},
            ])
        );
        for instruction in &found {
            let job = instruction["accounts"].as_array().unwrap().last().unwrap();
            assert_eq!(job["relations"], json!(["demand"]));
        }
    }

    #[test]
    fn a_line_that_leads_nowhere_or_contradicts_the_program_is_refused() {
        for line in ["pay vault: 'v'", "burn job: 'j'", "pay purse"] {
            assert!(add_lines(line, &mut instructions()).is_err(), "{line}");
        }
        let mut known = instructions();
        known[1]["accounts"][0]["pda"] = json!({"seeds": [{"kind": "const", "value": [120]}]});
        assert!(add_lines("stop job: 'j'", &mut known).is_err());
        assert!(add_lines("stop job: 'x'", &mut known).is_ok());
    }
}
