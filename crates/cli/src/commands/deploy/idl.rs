//! `quern deploy --idl`: the program's IDL on chain, for explorers and other people's clients.

use {
    super::confirmed,
    crate::{
        context::{Context, Globals, keypair},
        error::{Error, Result},
        files::Role,
        output::{Fields, print_nothing},
        progress,
    },
    quern_client::{Pubkey, quern},
    serde_json::Value,
    std::path::Path,
};

/// The IDL of the program that this command was built with.
const IDL: &str = include_str!("../../../../../idl/quern.json");

/// Writes the IDL.
pub async fn run(
    globals: &Globals,
    context: &Context,
    file: Option<&Path>,
    authority: Option<&str>,
    yes: bool,
) -> Result<()> {
    let program = globals.deployment()?;
    let text = text(file, &program)?;
    let wallet = context.wallet()?;
    let authority = authority.map(keypair).transpose()?;
    let question = format!("Write the IDL of {program} on chain?");
    if !yes && !confirmed(&context.url, &question)? {
        return Err(Error::Other("nothing was written".to_owned()));
    }
    let by = authority.as_ref().unwrap_or(&wallet);
    let writing = quern_deploy::write_idl(&context.sender, &wallet, by, &program, &text);
    let report = progress::during("writing the IDL", writing).await?;
    let fields = Fields::new()
        .text("program", program)
        .text("idl", report.address)
        .with("packed_bytes", report.packed_bytes);
    match report.transactions {
        0 => print_nothing(context.format, fields, "this very IDL is there already"),
        count => fields
            .text("done", "written")
            .with("transactions", count)
            .print(context.format),
    }
    Ok(())
}

/// The IDL for a deployment: it names the program's address, wherever the committed one stands.
fn text(file: Option<&Path>, program: &Pubkey) -> Result<String> {
    let text = match file {
        Some(path) => {
            let role = Role::idl("--idl");
            let bytes = role.read(path)?;
            String::from_utf8(bytes)
                .map_err(|error| role.no_such(path, error.as_bytes(), "it is not UTF-8 text"))?
        }
        None => IDL.to_owned(),
    };
    let named = file.map_or("the IDL of this command".to_owned(), |path| {
        path.display().to_string()
    });
    let text = text.replace(&quern::ID.to_string(), &program.to_string());
    let idl: Value = serde_json::from_str(&text)
        .map_err(|error| Error::Other(format!("{named} is no IDL: it is not JSON ({error})")))?;
    match idl.get("address").and_then(Value::as_str) {
        Some(address) if address == program.to_string() => Ok(idl.to_string()),
        Some(address) => Err(Error::Other(format!(
            "{named} belongs to the program {address}, not to {program}; name the right file, or another --program-id"
        ))),
        None => Err(Error::Other(format!(
            "{named} is no IDL: it names no program as `address`; `idl/quern.json` is one"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_idl_names_the_deployment() {
        let program = Pubkey::from([7; 32]);
        let idl = text(None, &program).unwrap();
        assert!(idl.contains(&program.to_string()));
        assert!(!idl.contains(&quern::ID.to_string()) && !idl.contains('\n'));
    }

    #[test]
    fn what_is_no_idl_of_this_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("idl.json");
        let program = Pubkey::from([7; 32]);
        let other = Pubkey::from([8; 32]);
        for (written, why) in [
            ("no".to_owned(), "it is not JSON"),
            ("{}".to_owned(), "it names no program"),
            (
                format!(r#"{{"address":"{other}"}}"#),
                "belongs to the program",
            ),
        ] {
            std::fs::write(&path, written).unwrap();
            let refused = text(Some(&path), &program).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
