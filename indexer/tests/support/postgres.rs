//! A database for each store of a test, on the PostgreSQL of the test process.

#[allow(unused_imports, reason = "every test and the measurements use a part")]
pub use quern_testkit::postgres::{IS_SAFE, commands, has_commands};

use {
    quern_testkit::postgres,
    sqlx::{ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions},
    tempfile::TempDir,
};

/// A database of the server.
#[derive(Clone, Debug)]
pub struct Database {
    pub name: String,
}

impl Database {
    /// The database with this name, made if it is not there.
    pub async fn of(name: &str) -> Self {
        let admin = Self {
            name: "postgres".to_owned(),
        };
        let mut connection = admin.connect().await;
        let found: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(name)
            .fetch_optional(&mut connection)
            .await
            .unwrap();
        if found.is_none() {
            let sql = format!("CREATE DATABASE \"{name}\"");
            connection.execute(sql.as_str()).await.unwrap();
        }
        Self {
            name: name.to_owned(),
        }
    }

    /// A database of a test's own.
    pub async fn new(folder: &TempDir, name: &str) -> Self {
        let folder = folder.path().file_name().unwrap().to_str().unwrap();
        Self::of(&format!("{folder}-{name}")).await
    }

    /// What `--store` says.
    pub fn url(&self) -> String {
        postgres::url(&self.name)
    }

    /// A connection beside the store's.
    pub async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url().parse().unwrap();
        let options = options.options([("search_path", "quern_indexer")]);
        options.connect().await.unwrap()
    }
}
