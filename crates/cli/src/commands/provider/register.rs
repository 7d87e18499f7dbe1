//! `quern provider register`: a provider's entry. A later call changes what it names and nothing else.

use {
    crate::{
        context::{Context, with_signatures},
        error::{Error, Result},
        output::{Fields, print_nothing},
        written,
    },
    quern_client::{
        Pubkey, Signer, accounts, addresses, history, instructions,
        quern::{instructions::ProviderSettings, state::Provider},
    },
};

/// A provider's entry.
#[derive(clap::Args)]
pub struct Args {
    /// Its name, at most 32 bytes; needed the first time
    #[arg(long, value_parser = written::name)]
    name: Option<String>,
    /// How to reach it, at most 200 bytes; an empty one takes it back
    #[arg(long, value_name = "URI", value_parser = written::uri_or_none)]
    endpoint: Option<String>,
    /// Hot key that may take, submit and reveal [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<Pubkey>,
    /// Whether it takes jobs [default: true]
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
}

/// Registers a provider, or changes its entry.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let owner = wallet.pubkey();
    context.protocol().await?;
    let address = addresses::provider(&owner);
    let known = accounts::fetch_optional::<Provider>(context.rpc(), &address).await?;
    let fields = Fields::new().text("provider", address).text("owner", owner);
    let Some(known) = known else {
        let name = args
            .name
            .ok_or_else(|| Error::Usage("a new provider needs a name; pass --name".to_owned()))?;
        let entry = ProviderSettings {
            operator: args.operator.unwrap_or(owner),
            name,
            endpoint: args.endpoint.unwrap_or_default(),
            active: args.active.unwrap_or(true),
        };
        let register = instructions::register_provider(&owner, entry);
        let fields = fields.text("done", "registered");
        return context.send_and_show(&[register], &[&wallet], fields).await;
    };
    let before = before(context, &address, &known, &args).await?;
    let after = ProviderSettings {
        operator: args.operator.unwrap_or(before.operator),
        name: args.name.unwrap_or_else(|| before.name.clone()),
        endpoint: args.endpoint.unwrap_or_else(|| before.endpoint.clone()),
        active: args.active.unwrap_or(before.active),
    };
    if after == before {
        let why = "nothing to change: the entry is so already";
        print_nothing(context.format, fields, why);
        return Ok(());
    }
    let update = instructions::update_provider(&owner, after.clone());
    let receipts = context.send(&[update], &[&wallet]).await?;
    let fields = changed(fields.text("done", "updated"), &before, &after);
    with_signatures(fields, &receipts).print(context.format);
    Ok(())
}

/// The entry as it is. Its endpoint stands in old transactions only, so it is looked up where it is to stay.
async fn before(
    context: &Context,
    address: &Pubkey,
    known: &Provider,
    args: &Args,
) -> Result<ProviderSettings> {
    let found = history::provider_endpoint(context.rpc(), address, known).await;
    let endpoint = match (found, &args.endpoint) {
        (Ok(endpoint), _) => endpoint,
        // It goes anyhow.
        (Err(_), Some(_)) => "unknown".to_owned(),
        (Err(error), None) => {
            return Err(Error::Other(format!(
                "the present endpoint cannot be found ({error}), and the update would drop it; repeat it with --endpoint, or pass --endpoint '' to do without"
            )));
        }
    };
    Ok(ProviderSettings {
        operator: known.operator,
        name: accounts::name(&known.name),
        endpoint,
        active: known.active.get(),
    })
}

/// Adds what an update changes, as it was and as it is.
fn changed(fields: Fields, before: &ProviderSettings, after: &ProviderSettings) -> Fields {
    let or_none = |text: &str| match text {
        "" => "none".to_owned(),
        text => text.to_owned(),
    };
    let step =
        |before: String, after: String| (before != after).then(|| format!("{before} -> {after}"));
    let (endpoint, new_endpoint) = (or_none(&before.endpoint), or_none(&after.endpoint));
    let (operator, new_operator) = (before.operator, after.operator);
    fields
        .maybe("name", step(before.name.clone(), after.name.clone()))
        .maybe("endpoint", step(endpoint, new_endpoint))
        .maybe(
            "operator",
            step(operator.to_string(), new_operator.to_string()),
        )
        .maybe(
            "active",
            step(before.active.to_string(), after.active.to_string()),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_shows_what_it_changes_and_only_that() {
        let before = ProviderSettings {
            operator: Pubkey::from([1; 32]),
            name: "Here".to_owned(),
            endpoint: String::new(),
            active: true,
        };
        let after = ProviderSettings {
            endpoint: "https://example.com".to_owned(),
            active: false,
            ..before.clone()
        };
        let shown = changed(Fields::new(), &before, &after).json();
        let expected = serde_json::json!({
            "endpoint": "none -> https://example.com", "active": "true -> false",
        });
        assert_eq!(shown, expected);
    }
}
