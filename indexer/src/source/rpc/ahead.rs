//! What a node has confirmed and not finalized.

use {
    super::{PAGE_ITEMS, RpcSource},
    crate::{
        error::Result,
        metrics,
        source::{Ahead, Item},
    },
    async_trait::async_trait,
    quern_client::events::transaction_config,
    serde_json::json,
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client_api::request::RpcRequest,
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
};

#[async_trait]
impl Ahead for RpcSource {
    async fn confirmed_slot(&self) -> Result<u64> {
        let confirmed = CommitmentConfig::confirmed();
        let slot = self.client.get_slot_with_commitment(confirmed).await;
        slot.inspect(|_| metrics::called("getSlot", true))
            .map_err(|error| self.failed("getSlot", error))
    }

    async fn confirmed(&self, floor: u64) -> Result<(Vec<Item>, bool)> {
        let config = json!({ "limit": PAGE_ITEMS, "commitment": "confirmed" });
        let page = self.listed(&self.program, config).await?;
        let count = page.len();
        let items = page.into_iter().map(|(item, _)| item);
        let items: Vec<Item> = items.filter(|item| item.slot > floor).collect();
        let are_many = items.len() == count && count >= PAGE_ITEMS;
        Ok((items, are_many))
    }

    async fn unfinal(
        &self,
        item: &Item,
    ) -> Result<Option<EncodedConfirmedTransactionWithStatusMeta>> {
        let config = transaction_config(CommitmentConfig::confirmed());
        let params = json!([item.signature.to_string(), config]);
        let found = self.client.send(RpcRequest::GetTransaction, params).await;
        found
            .inspect(|_| metrics::called("getTransaction", true))
            .map_err(|error| self.failed("getTransaction", error))
    }
}
