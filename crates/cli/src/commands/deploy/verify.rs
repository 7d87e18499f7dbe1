//! `quern deploy verify`: whether the program on the cluster is the one that was built here.

use {
    super::code,
    crate::{
        context::Context,
        error::{Error, Result},
        output::Fields,
        progress,
    },
    quern_client::Pubkey,
    std::path::PathBuf,
};

/// What to compare with.
#[derive(clap::Args)]
pub struct Args {
    /// The built program [default: target/deploy/quern.so, for another program id target/deploy/quern-<ID>.so]
    #[arg(long, value_name = "FILE")]
    program_so: Option<PathBuf>,
}

/// Compares every byte.
pub async fn run(context: &Context, program: Pubkey, args: Args) -> Result<()> {
    let elf = code(&program, args.program_so)?;
    let reading = quern_deploy::deployed(context.rpc(), &program);
    let deployed = progress::during("reading the program", reading).await?;
    let [on_chain, of_file] = [deployed.hash(), quern_deploy::code_hash(&elf)].map(hex::encode);
    if !deployed.is(&elf) {
        return Err(Error::Other(format!(
            "the program {program} is not this file: on chain SHA-256 {on_chain}, deployed in slot {}, the file {of_file}; build the commit that its operator names, with the same tools",
            deployed.slot
        )));
    }
    Fields::new()
        .text("program", program)
        .with("verified", true)
        .text("sha256", on_chain)
        .with("bytes", elf.len())
        .with("slot", deployed.slot)
        .text(
            "upgrade_authority",
            deployed
                .authority
                .map_or("nobody".to_owned(), |authority| authority.to_string()),
        )
        .print(context.format);
    Ok(())
}
