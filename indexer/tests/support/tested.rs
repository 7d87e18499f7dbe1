//! The engines under test, and a macro that runs one suite on each.

use {
    super::postgres::Database,
    quern_indexer::{
        IndexerError,
        store::{Role, Store},
    },
    sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions},
    tempfile::TempDir,
};

/// An engine under test.
#[allow(async_fn_in_trait)]
pub trait Tested {
    /// What `--store` says of the store with this name in this folder. It need not be there.
    async fn name(folder: &TempDir, name: &str) -> String;

    /// Does this beside the store; says how many rows it changed. Bytes are written as SQLite writes them: x'00'.
    async fn execute(folder: &TempDir, name: &str, sql: &str) -> u64;

    /// The store with this name in this folder, made if it is not there.
    async fn open(folder: &TempDir, name: &str) -> Store {
        Self::open_as(folder, name, Role::Leader).await.unwrap()
    }

    /// The same in this role.
    async fn open_as(folder: &TempDir, name: &str, role: Role) -> Result<Store, IndexerError> {
        Store::open_as(&Self::name(folder, name).await, role).await
    }
}

pub struct OnSqlite;

impl Tested for OnSqlite {
    async fn name(folder: &TempDir, name: &str) -> String {
        format!("sqlite:{}", folder.path().join(name).display())
    }

    async fn execute(folder: &TempDir, name: &str, sql: &str) -> u64 {
        let options = SqliteConnectOptions::new().filename(folder.path().join(name));
        let mut connection = options.connect().await.unwrap();
        let done = connection.execute(sql).await.unwrap().rows_affected();
        connection.close().await.unwrap();
        done
    }
}

pub struct OnPostgres;

impl Tested for OnPostgres {
    async fn name(folder: &TempDir, name: &str) -> String {
        Database::new(folder, name).await.url()
    }

    async fn execute(folder: &TempDir, name: &str, sql: &str) -> u64 {
        let mut connection = Database::new(folder, name).await.connect().await;
        let sql = sql.replace("x'", "'\\x");
        let done = connection.execute(sql.as_str()).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }
}

/// Runs each of these tests on each engine.
#[allow(unused_macros)]
macro_rules! conformance {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            conformance! { @tests crate::support::OnSqlite: $($name),+ }
        }
        mod postgres {
            conformance! { @tests crate::support::OnPostgres: $($name),+ }
        }
    };
    (@tests $tested:ty: $($name:ident),+) => { $(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            super::$name::<$tested>().await;
        }
    )+ };
}
