//! `/v1/providers/{address}` and what belongs to it.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Place},
        jobs::{self, Role},
        reply::Answer,
    },
    crate::{
        project::{
            key,
            program::{EntityKind, Provider},
        },
        store::{Entity, Snapshot},
        view,
    },
    axum::extract::State,
    quern_api::{JobList, Key, NoParams, ProviderJobsRequest, ProviderPage, Reply},
};

/// A provider by its owner or its account: entry, counters, totals, purses, latest paid milestones.
#[utoipa::path(get, path = "/v1/providers/{address}", params(("address" = Key, Path, description = "The provider's owner or its account")), responses((status = 200, body = Reply<ProviderPage>)))]
pub(super) async fn provider(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<NoParams>,
) -> Answer {
    let address = place.address()?;
    let mut snapshot = ask.snapshot(&api).await?;
    let found = snapshot.provider(&address).await?;
    let page = found
        .and_then(|record| view::provider(&record, snapshot.mints()))
        .ok_or_else(|| unknown(&address))?;
    Ok(api.reply(&snapshot, page))
}

/// The jobs that a provider took, the latest take first.
#[utoipa::path(get, path = "/v1/providers/{address}/jobs", params(("address" = Key, Path, description = "The provider's owner or its account"), ProviderJobsRequest), responses((status = 200, content((Reply<JobList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn provider_jobs(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<ProviderJobsRequest>,
) -> Answer {
    let address = place.address()?;
    let state = ask.params.word("state")?;
    let (owner, _) = owner_of(&mut ask.snapshot(&api).await?, &address).await?;
    jobs::jobs_of(&api, &ask, (Role::Provider, owner), state).await
}

/// The owner of the provider with this owner or account, and its account.
pub(super) async fn owner_of(
    snapshot: &mut Snapshot,
    address: &Key,
) -> Result<(Key, Entity), ApiError> {
    let account = match snapshot.account(EntityKind::Provider, address).await? {
        Some(account) => account,
        None => {
            let owned = snapshot
                .owned(EntityKind::Provider, address, None, 1)
                .await?;
            owned.into_iter().next().ok_or_else(|| unknown(address))?
        }
    };
    let provider = account.row.read::<Provider>();
    let owner = provider.map(|provider| key(&provider.owner));
    Ok((owner.ok_or_else(|| unknown(address))?, account))
}

fn unknown(address: &Key) -> ApiError {
    ApiError::not_found(format!(
        "no finalized provider has {address} as its owner or its account"
    ))
}
