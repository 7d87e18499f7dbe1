//! Who may sign, compared with the account before anything is sent: a refusal names the wallets that may and the one that did.

use {
    crate::error::{Error, Result},
    quern_client::{Pubkey, instructions::NOBODY},
};

/// Refuses a wallet that is none of those who may do something, each named by its role.
///
/// # Errors
/// Who may do it.
pub fn require(wallet: &Pubkey, may: &[(&str, Pubkey)], action: &str) -> Result<()> {
    let known = || may.iter().filter(|(_, address)| *address != NOBODY);
    if known().any(|(_, address)| address == wallet) {
        return Ok(());
    }
    let mut names: Vec<String> = Vec::new();
    for (role, address) in known() {
        names.push(format!("the {role} {address}"));
    }
    Err(Error::Other(match names.as_slice() {
        [] => format!("nobody may {action}, so {wallet} may not either"),
        names => format!(
            "only {} may {action}, and {wallet} signs; pass the right keypair with --keypair",
            names.join(" or ")
        ),
    }))
}

/// Refuses a wallet that was not proposed as the next one in a role; `propose` is how it would be.
///
/// # Errors
/// Who was proposed.
pub fn require_proposed(
    wallet: &Pubkey,
    (role, present): (&str, &Pubkey),
    pending: &Pubkey,
    propose: &str,
) -> Result<()> {
    if pending == wallet {
        return Ok(());
    }
    Err(Error::Other(match *pending == NOBODY {
        true => format!(
            "{wallet} was not proposed as {role}; proposed is nobody: the {role} {present} proposes it with `quern {propose} {wallet}`"
        ),
        false => format!(
            "{wallet} was not proposed as {role}; proposed is {pending}: pass its keypair with --keypair, or let the {role} {present} propose this one with `quern {propose} {wallet}`"
        ),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_refusal_names_who_may_and_who_signs() {
        let [one, two, other] = [1, 2, 3].map(|byte| Pubkey::from([byte; 32]));
        let may = [("authority", one), ("guardian", two)];
        for wallet in [one, two] {
            require(&wallet, &may, "pause").unwrap();
        }
        let said = require(&other, &may, "pause").unwrap_err().to_string();
        for part in [&one, &two, &other].map(ToString::to_string) {
            assert!(said.contains(&part), "{said}");
        }
        assert!(said.contains("--keypair"), "{said}");
        // Nobody's address is no signer, whoever claims it.
        let said = require(&NOBODY, &[("arbiter", NOBODY)], "decide").unwrap_err();
        assert!(said.to_string().starts_with("nobody may decide"), "{said}");

        let propose =
            |pending| require_proposed(&other, ("owner", &one), pending, "model transfer M");
        propose(&other).unwrap();
        let said = propose(&two).unwrap_err().to_string();
        assert!(
            said.contains(&two.to_string()) && said.contains(&one.to_string()),
            "{said}"
        );
        let said = propose(&NOBODY).unwrap_err().to_string();
        assert!(said.contains("proposed is nobody"), "{said}");
    }
}
