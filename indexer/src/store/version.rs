//! Which form the tables of a store have.
//!
//! The record (events and what was read) is migrated step by step and never thrown away. Everything that follows from it is
//! made again from the events whenever this version makes it otherwise: that needs no migrations.

use {
    super::rows::Meta,
    crate::error::{IndexerError, Result},
    sqlx::migrate::{Migrate, MigrateError, Migrator},
};

/// The form and the meaning of the projections. Raise it with every change of `projections.sql` of an engine, and of what
/// [`crate::project`] makes of an event.
pub(super) const TABLES: u32 = 5;

/// Whether the projections are those of this version.
pub(super) fn check_tables(meta: &Meta) -> Result<()> {
    match meta.tables.cmp(&TABLES) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(IndexerError::OlderStore),
        std::cmp::Ordering::Greater => Err(IndexerError::NewerStore),
    }
}

/// Refuses, without a change, a record of which the form is not this version's.
pub(super) async fn check<C: Migrate>(connection: &mut C, ours: &Migrator) -> Result<()> {
    let applied = connection.list_applied_migrations().await?;
    let theirs = applied.iter().map(|one| one.version).max();
    let newest = ours.iter().map(|one| one.version).max();
    match theirs.cmp(&newest) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(IndexerError::OlderStore),
        std::cmp::Ordering::Greater => Err(IndexerError::NewerStore),
    }
}

/// Gives the record the form of this version.
pub(super) async fn upgrade<C: Migrate>(connection: &mut C, ours: &Migrator) -> Result<()> {
    match ours.run_direct(connection).await {
        Ok(()) => Ok(()),
        // It was migrated in a way that this version does not know.
        Err(MigrateError::VersionMissing(_)) => Err(IndexerError::NewerStore),
        Err(error) => Err(error.into()),
    }
}
