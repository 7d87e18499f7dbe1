//! Which database is meant, and how it is told without its password.

use {
    crate::error::{IndexerError, Result},
    sqlx::postgres::PgConnectOptions,
    url::Url,
};

/// Whether `--store` names a database of PostgreSQL.
pub(in crate::store) fn is_postgres(name: &str) -> bool {
    name.starts_with("postgres:") || name.starts_with("postgresql:")
}

/// How to connect: the URL, and what it leaves out from the environment (`PGPASSWORD`, `PGSSLMODE` and so on) and from
/// `~/.pgpass`, as PostgreSQL's own commands do.
pub(super) fn options(name: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = name
        .parse()
        .map_err(|_| IndexerError::BadStore(shown(name)))?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("quern-indexer"),
    })
}

/// The same without what should not be read by others.
pub(in crate::store) fn shown(name: &str) -> String {
    match without_password(name) {
        Some((mut url, _)) => {
            url.set_query(None);
            url.to_string()
        }
        None => "postgres:".to_owned(),
    }
}

/// The URL without its password, and the password.
pub(super) fn without_password(name: &str) -> Option<(Url, Option<String>)> {
    let mut url = Url::parse(name).ok()?;
    let mut password = url.password().map(plain);
    url.set_password(None).ok()?;
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if let Some((_, value)) = pairs.iter().find(|(key, _)| key == "password") {
        password = Some(value.clone());
        let kept = pairs.iter().filter(|(key, _)| key != "password");
        url.query_pairs_mut().clear().extend_pairs(kept);
    }
    Some((url, password))
}

/// A part of a URL as it was before it was written into one.
fn plain(part: &str) -> String {
    let form = format!("p={}", part.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |pair| pair.1.into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (name, wanted) in [
            (
                "postgres://u:p%40+w@db.example:5433/x?sslmode=require",
                "postgres://u@db.example:5433/x",
            ),
            (
                "postgres://u@db.example/x?password=p%40%2Bw",
                "postgres://u@db.example/x",
            ),
            ("postgresql://db.example/x", "postgresql://db.example/x"),
        ] {
            assert_eq!(shown(name), wanted);
            let (_, password) = without_password(name).unwrap();
            assert!(password.is_none_or(|password| password == "p@+w"), "{name}");
        }
        let mistake = options("postgres://u:secret@host:notaport/x")
            .err()
            .unwrap();
        assert!(!mistake.to_string().contains("secret"), "{mistake}");
        assert!(is_postgres("postgresql://x/y") && !is_postgres("sqlite:postgres"));
    }
}
