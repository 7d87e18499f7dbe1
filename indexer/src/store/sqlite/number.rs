//! Transactions get numbers, and theirs are learned.

use {
    super::{
        SqliteRows, bulk, columns,
        numbers::{MOST_KNOWN, numbers_sql},
    },
    crate::error::Result,
    quern_api::Signature,
    sqlx::Row,
    std::collections::HashSet,
};

impl SqliteRows {
    /// Learns the numbers of these transactions, as far as they have any.
    pub(super) async fn learn(
        &mut self,
        signatures: impl IntoIterator<Item = &Signature> + Send,
    ) -> Result<()> {
        if self.numbers.known.len() > MOST_KNOWN {
            self.numbers.known.clear();
            self.numbers.fresh.clear();
        }
        let unknown: HashSet<Signature> = signatures
            .into_iter()
            .filter(|signature| !self.numbers.known.contains_key(signature))
            .copied()
            .collect();
        let unknown: Vec<Signature> = unknown.into_iter().collect();
        for some in bulk::parts(&unknown) {
            let sql = numbers_sql(some.len());
            let mut query = sqlx::query(&sql);
            for signature in some {
                query = query.bind(&signature.0[..]);
            }
            for row in query.fetch_all(&mut *self.transaction).await? {
                let signature = Signature(columns::bytes(&row, "signature")?);
                self.numbers.note(signature, row.try_get("id")?);
            }
        }
        Ok(())
    }

    /// Gives a number to each of these transactions that has none, with its slot and what it had once it was read; says how many
    /// were new. The caller learnt the others.
    pub(super) async fn give(&mut self, read: &[(Signature, u64, Option<u32>)]) -> Result<u64> {
        let mut new = Vec::new();
        for (signature, slot, entries) in read {
            if !self.numbers.known.contains_key(signature) {
                let number = self.next_number().await?;
                self.numbers.note(*signature, number);
                self.numbers.fresh.insert(*signature);
                new.push((number, *signature, *slot, *entries));
            }
        }
        let sql = |rows| {
            let values = bulk::values(4, rows);
            format!("INSERT OR FAIL INTO tx (id, signature, slot, entries) VALUES {values}")
        };
        bulk::run(&mut self.transaction, &new, sql, |query, row| {
            let (number, signature, slot, entries) = row;
            let query = query.bind(number).bind(&signature.0[..]);
            Ok(query.bind(slot.to_be_bytes().to_vec()).bind(entries))
        })
        .await?;
        Ok(new.len() as u64)
    }

    /// A number that was never given: rows may still refer to one whose transaction was lost.
    async fn next_number(&mut self) -> Result<i64> {
        let next = match self.numbers.next {
            Some(next) => next,
            None => {
                let sql = "SELECT COALESCE(MAX(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'tx'";
                sqlx::query_scalar(sql)
                    .fetch_one(&mut *self.transaction)
                    .await?
            }
        };
        self.numbers.next = Some(next + 1);
        Ok(next)
    }
}
