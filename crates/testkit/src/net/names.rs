//! Names for people and things, so that a person can follow.

use {
    quern_client::Pubkey,
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, PoisonError},
        time::Instant,
    },
};

/// Who and what the addresses are.
#[derive(Clone, Debug)]
pub struct Names {
    known: Arc<Mutex<HashMap<Pubkey, String>>>,
    mints: Arc<Mutex<HashMap<Pubkey, (String, u8)>>>,
    started: Instant,
    quiet: bool,
    verbose: bool,
}

impl Names {
    /// No names yet. A quiet one prints nothing.
    pub fn new(quiet: bool) -> Self {
        Self {
            known: Arc::default(),
            mints: Arc::default(),
            started: Instant::now(),
            quiet,
            verbose: false,
        }
    }

    /// The same, telling every step of every job.
    #[must_use]
    pub fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// Whether every step is told.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Gives an address a name.
    pub fn set(&self, address: &Pubkey, name: impl Into<String>) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*address, name.into());
    }

    /// Names a mint.
    pub fn set_mint(&self, mint: &Pubkey, symbol: &str, decimals: u8) {
        self.set(mint, symbol);
        self.mints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*mint, (symbol.to_owned(), decimals));
    }

    /// The name of an address, or its beginning.
    pub fn of(&self, address: &Pubkey) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(address)
            .cloned()
            .unwrap_or_else(|| short(&address.to_string()))
    }

    /// An amount with its mint's symbol.
    pub fn amount(&self, atoms: impl Into<i128>, mint: &Pubkey) -> String {
        let mints = self.mints.lock().unwrap_or_else(PoisonError::into_inner);
        let (symbol, decimals) = mints.get(mint).map_or(("atoms", 0), |(symbol, decimals)| {
            (symbol.as_str(), *decimals)
        });
        format!("{} {symbol}", decimal(atoms.into(), decimals))
    }

    /// Prints a line of progress for a person.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            eprintln!(
                "[{:6.1} s] {}",
                self.started.elapsed().as_secs_f64(),
                line.as_ref()
            );
        }
    }

    /// Prints the heading of an act.
    pub fn heading(&self, line: &str) {
        if !self.quiet {
            eprintln!();
        }
        self.say(format!("== {line}"));
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// The beginning and the end of a long text.
pub fn short(text: &str) -> String {
    match (
        text.get(..4),
        text.len().checked_sub(4).and_then(|at| text.get(at..)),
    ) {
        (Some(head), Some(tail)) if text.len() > 10 => format!("{head}..{tail}"),
        _ => text.to_owned(),
    }
}

/// Atoms as a decimal number.
pub fn decimal(atoms: i128, decimals: u8) -> String {
    let sign = if atoms < 0 { "-" } else { "" };
    let one = 10u128.pow(u32::from(decimals.min(30)));
    let (whole, rest) = (atoms.unsigned_abs() / one, atoms.unsigned_abs() % one);
    if decimals == 0 {
        return format!("{sign}{whole}");
    }
    format!(
        "{sign}{whole}.{rest:0width$}",
        width = usize::from(decimals)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_atom() {
        assert_eq!(decimal(1, 6), "0.000001");
        assert_eq!(decimal(-2_000_003, 6), "-2.000003");
        assert_eq!(decimal(u64::MAX.into(), 0), u64::MAX.to_string());
    }
}
