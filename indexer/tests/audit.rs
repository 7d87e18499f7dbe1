//! The comparison with the chain: equal where it is, and otherwise it says what differs; a missing end is found and searched for.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_api::{AuditCheck, AuditVerdict},
    quern_client::RpcClient,
    quern_indexer::{
        audit::Auditor,
        follow::{Follower, Repairs},
        health::Health,
        project::program::EntityKind,
        source::{Endpoint, RpcOptions, RpcSource},
        store::{AuditRow, DIFFERENCES_KEPT, Store},
        view,
    },
    solana_rpc_client::rpc_client::RpcClientConfig,
    sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions},
    std::{path::PathBuf, sync::Arc, time::Duration},
    support::{
        History, open, program,
        simulated::{Chain, Node, SLOT_STRETCH},
    },
    tempfile::TempDir,
};

struct World {
    folder: TempDir,
    node: Node,
    follower: Follower,
    auditor: Auditor,
}

impl World {
    /// A follower of this history that has walked nothing yet.
    async fn of(history: &History) -> Self {
        let folder = TempDir::new().unwrap();
        let node = Node::new(Arc::new(Chain::of(1, history)));
        let store = Arc::new(open(&folder.path().join("db")).await);
        let options = RpcOptions {
            url: Endpoint::rpc("http://simulated").unwrap(),
            program: program(),
            timeout: Duration::from_secs(1),
            poll: Duration::ZERO,
            ws_url: None,
        };
        let config = RpcClientConfig::with_commitment(quern_client::CommitmentConfig::finalized());
        let client = RpcClient::new_sender(node.clone(), config);
        let health = Health::default();
        Self {
            follower: Follower {
                source: Arc::new(RpcSource::over(client, options)),
                store: Arc::clone(&store),
                program: program(),
                fetches: 4,
                health: health.clone(),
            },
            auditor: Auditor {
                accounts: Arc::new(node.clone()),
                store,
                health,
                every: Duration::ZERO,
            },
            folder,
            node,
        }
    }

    async fn followed() -> Self {
        let world = Self::of(&lived()).await;
        world.follower.walk().await.unwrap();
        world
    }

    fn db(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn store(&self) -> &Store {
        &self.follower.store
    }

    /// An audit during which the chain goes on by so many slots each time that the node says how new its answers may be, and the
    /// follower with it.
    async fn audit_meanwhile(&self, slots: u64) -> AuditRow {
        let goes_on = async {
            loop {
                self.node.asked_newest.notified().await;
                self.node.mood.lock().unwrap().finalized += slots;
                self.follower.walk().await.unwrap();
            }
        };
        tokio::select! {
            audit = self.auditor.audit() => audit,
            never = goes_on => never,
        }
    }

    /// Changes rows behind the indexer's back.
    async fn tamper(&self, sql: &str) {
        let options = SqliteConnectOptions::new().filename(self.db());
        let mut connection = options.connect().await.unwrap();
        let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql} changed nothing");
        connection.close().await.unwrap();
    }
}

/// Jobs that ended, one that lives, and every reward claimed.
fn lived() -> History {
    let mut history = History::lived(5, 6);
    history.open_job();
    history
}

/// Sets bytes of every live account of a kind.
fn set(kind: EntityKind, offset: usize, value: &str) -> String {
    format!(
        "UPDATE entity SET state_bytes = CAST(substr(state_bytes, 1, {offset}) AS BLOB) || {value} \
         || CAST(substr(state_bytes, {offset} + 1 + length({value})) AS BLOB) WHERE kind = {} AND NOT closed",
        kind as u8
    )
}

fn set_reserved() -> String {
    let offset = std::mem::offset_of!(quern_client::quern::state::Purse, reserved_atoms);
    set(EntityKind::Purse, offset, "x'0700000000000000'")
}

/// What differs, in short.
fn named(audit: &AuditRow) -> Vec<(AuditCheck, &str)> {
    let differences = audit.differences.iter();
    differences
        .map(|one| (one.check, one.figure.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_equal_is_said_to_be_with_the_slot_of_the_answer() {
    let world = World::followed().await;
    let audit = world.auditor.audit().await;
    assert_eq!((named(&audit), &audit.error), (vec![], &None));
    assert_eq!(
        (audit.slot, audit.unsettled),
        (world.node.chain.last_slot(), 0)
    );
    assert!(audit.figures > 60, "{audit:?}");
    // It is kept, and survives a restart.
    world.store().put_audit(&audit).await.unwrap();
    world.store().close().await;
    let db = world.db();
    drop((world.follower, world.auditor));
    let store = open(&db).await;
    assert_eq!(
        store.read().await.unwrap().audit().await.unwrap(),
        Some(audit)
    );
}

/// P1 to P5: each figure that is changed is named, by its own comparison and by those that follow from it.
#[tokio::test(flavor = "multi_thread")]
async fn each_tampered_figure_is_named() {
    use AuditCheck::*;
    const FF: &str = "x'00000000000000000000000000000007'";
    let purse = set_reserved();
    let cap = std::mem::offset_of!(quern_client::quern::state::Emission, spent_atoms);
    let emission = set(EntityKind::Emission, cap, "x'0700000000000000'");
    let settled = std::mem::offset_of!(quern_client::quern::state::Provider, settled);
    let provider = set(EntityKind::Provider, settled, "x'0700000000000000'");
    let total =
        |category: &str| format!("UPDATE total SET atoms = {FF} WHERE category = '{category}'");
    let cases: [(String, &[(AuditCheck, &str)]); 8] = [
        (
            purse,
            &[
                (Accounts, "reserved_atoms"),
                (Vaults, "total_atoms and the sum of its purses"),
                (Reservations, "reserved_atoms and what they stand behind"),
            ],
        ),
        (
            emission,
            &[
                (Accounts, "spent_atoms"),
                (Rewards, "spent_atoms within cap_atoms"),
            ],
        ),
        (provider, &[(Accounts, "settled"), (Counters, "settled")]),
        (
            total("deposited"),
            &[(Deposits, "total_atoms and deposits less withdrawals")],
        ),
        (
            total("rewards"),
            &[(Rewards, "grants, and claims and what is outstanding")],
        ),
        (total("settled"), &[(Parts, "the sum of paid prices")]),
        (
            total("earnings"),
            &[(Parts, "escrows and what became of them")],
        ),
        (
            "UPDATE settlement SET fee_atoms = x'0000000000000007'".to_owned(),
            &[(Parts, "the price and its parts")],
        ),
    ];
    for (sql, expected) in cases {
        let world = World::followed().await;
        world.tamper(&sql).await;
        let audit = world.auditor.audit().await;
        let mut found = named(&audit);
        found.dedup();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, expected, "{sql}: {audit:#?}");
        assert_eq!(audit.error, None);
        // Nothing is mended, and nothing is searched for: the counters are right.
        assert!(world.auditor.health.now().suspects.is_empty());
        let again = world.auditor.audit().await;
        assert_eq!(again.differences, audit.differences);
    }
}

/// P18, and P2 of a pot: a score, an entry, a claim or a pot that is changed in the tables is told as its campaign's.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_does_not_add_up_is_told() {
    use AuditCheck::Campaigns;
    let total = "total_score and the scores of its milestones";
    let entries = "total_score and the scores of its entries";
    let pots = "pots and what became of them";
    let seven = "x'0000000000000007'";
    let entry = std::mem::offset_of!(quern_client::quern::state::Entry, score);
    let campaign = std::mem::offset_of!(quern_client::quern::state::Campaign, claimed_atoms);
    for (sql, figure) in [
        (
            format!("UPDATE settlement SET score = {seven} WHERE campaign <> x''"),
            total,
        ),
        (set(EntityKind::Entry, entry, "x'0700000000000000'"), entries),
        (
            set(EntityKind::Campaign, campaign, "x'ffffffffffffff00'"),
            "claimed_atoms within pot_atoms",
        ),
        (
            "UPDATE total SET atoms = x'00000000000000000000000000000007' WHERE category = 'campaign_claims'"
                .to_owned(),
            pots,
        ),
    ] {
        let world = World::followed().await;
        world.tamper(&sql).await;
        let audit = world.auditor.audit().await;
        assert!(
            named(&audit).contains(&(Campaigns, figure)),
            "{sql}: {audit:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_end_is_found_told_and_searched_for() {
    let world = World::of(&lived()).await;
    // The node leaves out the last transaction; a later walk does not look that far back.
    let last = world.node.chain.last_slot();
    {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.left_out, mood.finalized) = (Some(last), last + 1_000);
    }
    world.follower.walk().await.unwrap();
    {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.left_out, mood.finalized) = (None, last + 2_000);
    }
    world.follower.walk().await.unwrap();
    let mut snapshot = world.store().read().await.unwrap();
    assert!(snapshot.wholeness().is_whole(), "no hole shows");
    assert!((snapshot.counts().await.unwrap().events as usize) < world.node.chain.events);
    drop(snapshot);

    let audit = world.auditor.audit().await;
    let by_accounts: Vec<_> = audit
        .differences
        .iter()
        .filter(|one| one.check == AuditCheck::Accounts)
        .collect();
    assert!(
        !by_accounts.is_empty() && by_accounts.iter().all(|one| one.figure == "seq"),
        "{audit:#?}"
    );
    assert!(!world.auditor.health.now().suspects.is_empty());

    world
        .follower
        .repair(&mut Repairs::default())
        .await
        .unwrap();
    let state = world.auditor.health.now();
    assert!(
        state.suspects.is_empty() && state.back_filled > 0,
        "{state:?}"
    );
    assert_eq!(
        world
            .store()
            .read()
            .await
            .unwrap()
            .counts()
            .await
            .unwrap()
            .events as usize,
        world.node.chain.events
    );
    assert_eq!(named(&world.auditor.audit().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_middle_is_filled_by_searching_for_its_account_alone() {
    let world = World::of(&lived()).await;
    let middle = world.node.chain.middle_slot();
    world.node.mood.lock().unwrap().left_out = Some(middle);
    world.follower.walk().await.unwrap();
    assert!(!world.store().read().await.unwrap().wholeness().is_whole());
    // The list of the whole program leaves it out still, that of an account does not.
    world.node.mood.lock().unwrap().left_out_of_accounts = false;
    world
        .follower
        .repair(&mut Repairs::default())
        .await
        .unwrap();
    assert!(world.store().read().await.unwrap().wholeness().is_whole());
    assert!(world.auditor.health.now().back_filled > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_on_one_side_only_are_told() {
    let world = World::followed().await;
    let job = EntityKind::Job as u8;
    world
        .tamper(&format!(
            "DELETE FROM entity WHERE kind = {job} AND NOT closed"
        ))
        .await;
    let one = format!("SELECT address FROM entity WHERE kind = {job} AND closed LIMIT 1");
    world
        .tamper(&format!(
            "UPDATE entity SET closed = 0 WHERE address = ({one})"
        ))
        .await;
    let audit = world.auditor.audit().await;
    let of_jobs: Vec<_> = audit
        .differences
        .iter()
        .filter(|one| one.check == AuditCheck::Accounts)
        .map(|one| (one.kind, one.expected.as_str(), one.found.as_str()))
        .collect();
    assert_eq!(of_jobs.len(), 2, "{audit:#?}");
    assert!(
        of_jobs.iter().any(|one| one.1 == "no such account"),
        "{of_jobs:?}"
    );
    assert!(
        of_jobs.iter().any(|one| one.2 == "no such account"),
        "{of_jobs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_is_no_difference() {
    let world = World::followed().await;
    // The node's answers are older than the store.
    world.node.mood.lock().unwrap().finalized = world.node.chain.middle_slot();
    let audit = world.auditor.audit().await;
    assert!(audit.unsettled > 0, "{audit:?}");
    assert_eq!((named(&audit), &audit.error), (vec![], &None));
    // Nobody is told that everything is equal.
    let verdict = view::audit(Some(audit)).verdict;
    assert_eq!(verdict, AuditVerdict::Unsettled);
}

/// As local networks do: the answer names the finalized slot and holds what came after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_newer_than_it_says_is_no_difference() {
    let world = World::of(&lived()).await;
    let (middle, last) = (world.node.chain.middle_slot(), world.node.chain.last_slot());
    let set = |finalized: u64| {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.finalized, mood.newer_slots) = (finalized, last - finalized);
    };
    set(middle);
    world.follower.walk().await.unwrap();
    // Time goes on once the node has said how new its answers may be.
    let goes_on = async {
        world.node.asked_newest.notified().await;
        set(last);
        world.follower.walk().await.unwrap();
        std::future::pending::<AuditRow>().await
    };
    let audit = tokio::select! {
        audit = world.auditor.audit() => audit,
        never = goes_on => never,
    };
    assert_eq!((named(&audit), &audit.error), (vec![], &None));
    assert_eq!(audit.slot, middle);
    let cursor = world.store().read().await.unwrap().cursor();
    assert_eq!(
        cursor.map(|cursor| cursor.slot),
        Some(last),
        "it waited for what the answers held"
    );
}

/// Neither does a real difference hide behind such answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_row_is_told_by_a_node_that_answers_newer_than_it_says() {
    let world = World::followed().await;
    world.tamper(&set_reserved()).await;
    let last = world.node.chain.last_slot();
    {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.finalized, mood.newer_slots) = (last + 10, 32);
    }
    world.follower.walk().await.unwrap();
    let audit = world.audit_meanwhile(32).await;
    let found = named(&audit);
    assert!(
        found.contains(&(AuditCheck::Accounts, "reserved_atoms")),
        "{audit:#?}"
    );
    assert_eq!(audit.error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_holds_too_little_is_told() {
    let world = World::followed().await;
    world.node.mood.lock().unwrap().stolen_atoms = 1;
    let audit = world.auditor.audit().await;
    assert_eq!(named(&audit), [(AuditCheck::Vaults, "the vault")]);
    // A gift disturbs nothing.
    world.node.mood.lock().unwrap().stolen_atoms = -5;
    assert_eq!(named(&world.auditor.audit().await), []);
}

/// Somebody deposits and withdraws in every slot, so that the total never rests while the node answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_holds_too_little_is_told_however_often_its_total_changes() {
    // Among so many slots there is always one with a deposit or a withdrawal.
    const NEWER_SLOTS: u64 = 3 * SLOT_STRETCH;
    let mut history = lived();
    let owner = history.clients[0];
    history.deposit(&owner, 1_000_000);
    for _ in 0..600 {
        history.deposit(&owner, 1);
        history.withdraw(&owner, 1);
    }
    for (stolen_atoms, found) in [
        (0, vec![]),
        (1_000, vec![(AuditCheck::Vaults, "the vault")]),
    ] {
        let world = World::of(&history).await;
        {
            let mut mood = world.node.mood.lock().unwrap();
            mood.stolen_atoms = stolen_atoms;
            (mood.finalized, mood.newer_slots) = (world.node.chain.middle_slot(), NEWER_SLOTS);
        }
        world.follower.walk().await.unwrap();
        let audit = world.audit_meanwhile(NEWER_SLOTS).await;
        assert_eq!((named(&audit), &audit.error), (found, &None), "{audit:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_counted_and_the_first_of_them_kept() {
    let mut history = lived();
    history.crowd_of_providers(DIFFERENCES_KEPT as u64 + 50);
    let world = World::of(&history).await;
    world.follower.walk().await.unwrap();
    let kind = EntityKind::Provider as u8;
    world
        .tamper(&format!(
            "UPDATE entity SET seq = x'0000000000000063' WHERE kind = {kind}"
        ))
        .await;
    let audit = world.auditor.audit().await;
    assert!(audit.found > DIFFERENCES_KEPT as u64 + 50);
    assert_eq!(audit.differences.len(), DIFFERENCES_KEPT);
}
