//! `quern model show`: one model.

use {
    crate::{context::Context, data, error::Result, output::Fields},
    quern_client::{
        Pubkey, accounts, history,
        instructions::NOBODY,
        quern::state::{AssetKind, Model},
    },
    quern_proof::graph::Graph,
};

/// Shows a model.
pub async fn run(context: &Context, address: &Pubkey) -> Result<()> {
    let account = data::model(context, address).await?;
    // The text behind the hash is a convenience; a node without history still shows the rest.
    let uri = history::model_uri(context.rpc(), address, &account.model)
        .await
        .ok();
    let mut shown = fields(address, &account.model).maybe("uri", uri);
    if account.model.sealed.get() {
        let graph = Graph::load(&account.graph)?;
        shown = shown
            .with("inputs", graph.input_count())
            .with("ops", graph.op_count())
            .with("weights", graph.weight_count())
            .with("graph_bytes", account.graph.len())
            .with("work_of_an_item", account.model.work.get())
            .bytes("trace_of_an_item", account.model.trace_bytes.get());
    }
    shown.print(context.format);
    Ok(())
}

/// A model without its graph, for people and programs.
pub fn fields(address: &Pubkey, model: &Model) -> Fields {
    Fields::new()
        .text("model", address)
        .text("name", accounts::name(&model.name))
        .text(
            "kind",
            AssetKind::from_code(model.kind).map_or("unknown", AssetKind::name),
        )
        .text("owner", model.owner)
        .text("creator", model.creator)
        .maybe(
            "proposed_owner",
            (model.pending_owner != NOBODY).then_some(model.pending_owner),
        )
        .with("id", model.id.get())
        .share("royalty", model.royalty_bps.get())
        .with("sealed", model.sealed.get())
        .with("active", model.active.get())
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::{Width, assert_fits, list_text},
    };

    #[test]
    fn a_model_is_shown_with_its_royalty() {
        let mut model: Model = bytemuck::Zeroable::zeroed();
        (model.owner, model.creator) = (Pubkey::from([2; 32]), Pubkey::from([3; 32]));
        model.name[..6].copy_from_slice(b"Digits");
        (model.kind, model.id) = (AssetKind::DataSet.code(), 4.into());
        model.royalty_bps = 250.into();
        model.active = true.into();
        let shown = fields(&Pubkey::from([1; 32]), &model);
        crate::snapshot::check("model-show", &shown.table());
        assert_fits(std::slice::from_ref(&shown));
        crate::snapshot::check("model-list", &list_text(&[shown], Width::Screen, ""));
    }
}
