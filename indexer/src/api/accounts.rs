//! Lists of providers, models and mints; a model by its address.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Place},
        params::Params,
        reply::Answer,
        table::{Table, row},
    },
    crate::{
        project::{Subject, program::EntityKind},
        store::{Entity, Snapshot},
        view,
    },
    axum::extract::State,
    quern_api::{
        AssetKind, Key, MAX_PAGE_ROWS, MintList, ModelItem, ModelList, ModelPage, ModelsRequest,
        NoParams, ProviderItem, ProviderList, ProvidersRequest, Reply, Window,
    },
    serde_json::Value,
};

/// Accounts that one request looks at: a search that finds little goes on with the next page.
const LOOKED_AT: usize = 2_000;
/// Longest text to search for: no name is longer.
const NAME_CHARS: usize = 32;

/// The text to search for, in small letters.
pub(super) fn search(params: &Params, most: usize) -> Result<String, ApiError> {
    let text = params.text("search").unwrap_or_default().to_lowercase();
    match text.chars().count() > most {
        true => Err(ApiError::bad_request(format!(
            "search must be at most {most} characters, for what is searched is no longer"
        ))),
        false => Ok(text),
    }
}

/// A page of the accounts of a kind that are wanted, and where the next one begins.
pub(super) async fn found<T>(
    snapshot: &mut Snapshot,
    kind: EntityKind,
    params: &Params,
    wanted: impl Fn(&Entity) -> Option<T>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = usize::try_from(params.limit()?).unwrap_or(usize::MAX);
    let mut after = params.cursor("cursor")?.map(Key);
    let (mut page, mut looked_at) = (Vec::new(), 0);
    loop {
        let accounts = snapshot
            .accounts(kind, after.as_ref(), MAX_PAGE_ROWS)
            .await?;
        let is_last = accounts.len() < MAX_PAGE_ROWS as usize;
        let count = accounts.len();
        for (number, account) in accounts.into_iter().enumerate() {
            after = Some(account.address);
            looked_at += 1;
            page.extend(wanted(&account));
            let is_end = is_last && number + 1 == count;
            if (page.len() >= size || looked_at >= LOOKED_AT) && !is_end {
                let next = after.map(|address| hex::encode(address.0));
                return Ok((page, next));
            }
        }
        if is_last {
            return Ok((page, None));
        }
    }
}

/// Providers with search and filter, in the order of their accounts.
///
/// A page may hold fewer than `limit` though `next_cursor` says that there are more.
#[utoipa::path(get, path = ProviderList::PATH, params(ProvidersRequest), responses((status = 200, content((Reply<ProviderList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn providers(State(api): State<ApiState>, ask: Ask<ProvidersRequest>) -> Answer {
    let (search, active) = (
        search(&ask.params, NAME_CHARS)?,
        ask.params.truth("active")?,
    );
    let mut snapshot = ask.snapshot(&api).await?;
    let wanted = |entity: &Entity| {
        view::provider_item(entity).filter(|provider| {
            provider.name.to_lowercase().contains(&search)
                && active.is_none_or(|active| active == provider.active)
        })
    };
    let (providers, next_cursor) =
        found(&mut snapshot, EntityKind::Provider, &ask.params, wanted).await?;
    let list = ProviderList {
        providers,
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, list))
}

fn provider_cells(item: &ProviderItem) -> Vec<(&'static str, Value)> {
    row!(item; owner, account, name, endpoint, active, taken: item.taken.to_string(),
        settled: item.settled.to_string(), late: item.late.to_string(),
        convicted: item.convicted.to_string(), success_bps, changed_slot)
}

impl Table for ProviderList {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.providers.iter().map(provider_cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
}

/// Models with search and filters, in the order of their accounts.
///
/// A page may hold fewer than `limit` though `next_cursor` says that there are more.
#[utoipa::path(get, path = ModelList::PATH, params(ModelsRequest), responses((status = 200, content((Reply<ModelList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn models(State(api): State<ApiState>, ask: Ask<ModelsRequest>) -> Answer {
    let params = &ask.params;
    let (search, active) = (search(params, NAME_CHARS)?, params.truth("active")?);
    let kind = params.word::<AssetKind>("kind")?;
    let owner = params.address("owner")?;
    let mut snapshot = ask.snapshot(&api).await?;
    let wanted = |entity: &Entity| {
        view::model_item(entity).filter(|model| {
            model.name.to_lowercase().contains(&search)
                && active.is_none_or(|active| active == model.active)
                && kind.is_none_or(|kind| kind == model.kind)
                && owner.is_none_or(|owner| owner == model.owner)
        })
    };
    let (models, next_cursor) = found(&mut snapshot, EntityKind::Model, params, wanted).await?;
    let list = ModelList {
        models,
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, list))
}

fn model_cells(item: &ModelItem) -> Vec<(&'static str, Value)> {
    row!(item; address, name, kind, creator, owner, royalty_bps, sealed, active,
        work: item.work.to_string(), graph_bytes, uri, changed_slot)
}

impl Table for ModelList {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.models.iter().map(model_cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
}

/// A model: its entry, and what was done with it.
#[utoipa::path(get, path = "/v1/models/{address}", params(("address" = Key, Path, description = "The model's account")), responses((status = 200, body = Reply<ModelPage>)))]
pub(super) async fn model(State(api): State<ApiState>, place: Place, ask: Ask<NoParams>) -> Answer {
    let address = place.address()?;
    let mut snapshot = ask.snapshot(&api).await?;
    let found = snapshot.account(EntityKind::Model, &address).await?;
    let scores = snapshot
        .scores_of(Subject::Model, address, Window::All)
        .await?;
    let page = found
        .and_then(|entity| view::model(&entity, &scores, snapshot.mints()))
        .ok_or_else(|| {
            ApiError::not_found(format!("no finalized model has the address {address}"))
        })?;
    Ok(api.reply(&snapshot, page))
}

/// Mints that the protocol takes, with their prices.
#[utoipa::path(get, path = MintList::PATH, responses((status = 200, content((Reply<MintList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn mints(State(api): State<ApiState>, ask: Ask<NoParams>) -> Answer {
    let snapshot = ask.snapshot(&api).await?;
    let most = MAX_PAGE_ROWS as usize;
    let mints = snapshot.mints().iter().take(most);
    let mints = mints.map(view::mint_item).collect();
    Ok(api.list(&ask, &snapshot, MintList { mints }))
}

impl Table for MintList {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        let rows = self.mints.iter().map(|item| {
            row!(item; mint, decimals, enabled, vault, total_atoms: item.total_atoms.to_string(),
                reward_rate_e9: item.reward_rate_e9.to_string(),
                least_price_atoms: item.least_price_atoms.to_string(),
                price_per_gwork_atoms: item.price_per_gwork_atoms.to_string(),
                bond_per_gwork_atoms: item.bond_per_gwork_atoms.to_string())
        });
        rows.collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        None
    }
}
