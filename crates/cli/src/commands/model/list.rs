//! `quern model list`: models, all or of one creator.

use {
    super::show::fields,
    crate::{context::Context, error::Result, output::Fields},
    quern_client::{Pubkey, accounts},
};

/// Which models.
#[derive(clap::Args)]
pub struct Args {
    /// Of this creator only
    #[arg(long, value_name = "ADDRESS")]
    creator: Option<Pubkey>,
}

/// Lists models.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    context.protocol().await?;
    let models = accounts::models(context.rpc(), args.creator.as_ref()).await?;
    let list: Vec<Fields> = models
        .iter()
        .map(|(address, model)| fields(address, model))
        .collect();
    context.print_list(
        &list,
        "There are no models yet; see `quern model register --help`.",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::assert_fits,
        quern_client::quern::state::{AssetKind, Model},
    };

    #[test]
    fn the_widest_model_fits() {
        let mut model: Model = bytemuck::Zeroable::zeroed();
        (model.owner, model.creator) = ([2; 32].into(), [3; 32].into());
        model.pending_owner = [4; 32].into();
        model.name = *b"a name of thirty-two characters!";
        (model.kind, model.id) = (AssetKind::DataSet.code(), u64::MAX.into());
        model.royalty_bps = 4_999.into();
        assert_fits(&[fields(&Pubkey::from([1; 32]), &model)]);
    }
}
