//! The inputs of a job: published from files, or fetched from where they are.

use {
    super::args::Args,
    crate::{
        context::Context,
        error::{Error, Result},
    },
    quern_client::quern::state::Assurance,
    quern_data::Publisher,
    quern_proof::{Tensor, commit::data_root, file},
};

/// The inputs as the job commits to them.
#[derive(Default)]
pub struct Inputs {
    /// Where they are.
    pub uri: String,
    /// Their data roots, in order.
    pub roots: Vec<[u8; 32]>,
    /// The tensors themselves, where they are tensors.
    pub tensors: Vec<Tensor>,
}

/// Fetches published inputs as a provider would. Nobody takes a job whose inputs cannot be had, and its price lies still.
async fn check(context: &Context, args: &Args, uri: &str, bundle: &[u8]) -> Result<()> {
    let fetcher = args.reach.fetcher(context).await?;
    let expected = u64::try_from(bundle.len()).ok();
    let why = match fetcher.fetch(uri, expected).await {
        Ok(found) if found == bundle => return Ok(()),
        Ok(_) => format!("{uri} shows other bytes"),
        Err(error) => error.to_string(),
    };
    Err(Error::Other(format!(
        "no provider could fetch the inputs from where they were published: {why}; name the address of the folder with --public-url (--skip-input-check goes on regardless)"
    )))
}

/// Publishes the inputs, or fetches those that are published.
pub async fn published(context: &Context, args: &Args, read: Vec<Tensor>) -> Result<Inputs> {
    let roots = |tensors: &[Tensor]| tensors.iter().map(data_root).collect::<Vec<_>>();
    match (&args.publish_dir, &args.input_uri) {
        (Some(folder), _) if !read.is_empty() => {
            let publisher = Publisher::folder(folder, args.public_url.as_deref())?;
            let bundle = file::encode_bundle(&read);
            // Named by its content: the same inputs are published once, other ones never overwrite them.
            let name = format!(
                "inputs/{}.qbundle",
                hex::encode(&quern_proof::hash::hash(&[&bundle])[..16])
            );
            let uri = publisher.put(&name, bundle.clone()).await?;
            if !args.skip_input_check {
                check(context, args, &uri, &bundle).await?;
            }
            Ok(Inputs {
                uri,
                roots: roots(&read),
                tensors: read,
            })
        }
        (_, Some(uri)) => {
            let bytes = args.reach.fetcher(context).await?.fetch(uri, None).await?;
            match file::decode_bundle(&bytes) {
                Ok(tensors) => Ok(Inputs {
                    uri: uri.clone(),
                    roots: roots(&tensors),
                    tensors,
                }),
                // Reviewed work may have any input; then nothing but its address is committed to.
                Err(_) if args.assurance == Some(Assurance::Reviewed) || args.model.is_none() => {
                    Ok(Inputs {
                        uri: uri.clone(),
                        ..Inputs::default()
                    })
                }
                Err(error) => Err(Error::Other(format!(
                    "{uri} is no bundle of input tensors: {error}"
                ))),
            }
        }
        _ => Ok(Inputs::default()),
    }
}
