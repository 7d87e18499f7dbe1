//! What owners and authorities change later: settings, rates, models, providers, and who may change them. On a local network.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        Keypair, Pubkey, Signer, addresses, config, flows, quern::instructions::NewModel,
    },
    quern_testkit::net::World,
    serde_json::Value,
    std::process::Command,
};

struct Stage {
    world: World,
    home: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self {
            world: World::new().await,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, wallet: &Keypair, args: &[&str]) -> Command {
        let key = self.home.path().join(format!("{}.json", wallet.pubkey()));
        if !key.exists() {
            config::write_keypair(&key, wallet).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_quern"));
        command
            .args(args)
            .args(["-u", self.world.net.rpc_url(), "--output", "json", "-k"])
            .arg(key)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        command
    }

    fn json(&self, wallet: &Keypair, args: &[&str]) -> Value {
        let output = self.command(wallet, args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {text}{why}");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{args:?}: {text}"))
    }

    fn refused(&self, wallet: &Keypair, args: &[&str], words: &str) {
        let output = self.command(wallet, args).output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{args:?}");
        assert!(why.contains(words), "{args:?}: {why}");
    }

    /// What a command that must fail says.
    fn said(&self, wallet: &Keypair, args: &[&str]) -> String {
        let output = self.command(wallet, args).output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    async fn next(&self) -> (Keypair, String) {
        let next = self.world.net.fresh(1_000_000_000).await.unwrap();
        let address = next.pubkey().to_string();
        (next, address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_rates_change_only_where_they_are_named() {
    let stage = Stage::new().await;
    let admin = stage.world.net.admin();
    let before = stage.json(admin, &["protocol", "show"]);
    let changed = stage.json(
        admin,
        &["protocol", "update", "--fee", "3%", "--resolve", "2h"],
    );
    assert!(
        changed["fee"].as_str().unwrap().ends_with("-> 3 %"),
        "{changed}"
    );
    let mut after = stage.json(admin, &["protocol", "show"]);
    assert_eq!(
        (&after["fee"], &after["resolve"]),
        (&"3 %".into(), &"2h".into())
    );
    for name in ["fee", "fee_bps", "resolve", "resolve_secs"] {
        after[name] = before[name].clone();
    }
    assert_eq!(after, before);
    let again = stage.json(admin, &["protocol", "update", "--fee", "3%"]);
    assert_eq!(again["done"], "nothing");
    stage.refused(
        admin,
        &["protocol", "update", "--fee", "50%"],
        "from 0 % to 10 %",
    );

    let mint = stage.world.mint.address.to_string();
    let before = stage.json(admin, &["mint", "show", &mint]);
    stage.json(
        admin,
        &[
            "mint",
            "update",
            &mint,
            "--least-price",
            "0.5",
            "--enabled",
            "false",
        ],
    );
    let mut after = stage.json(admin, &["mint", "show", &mint]);
    assert_eq!(
        (&after["least_price"], &after["enabled"]),
        (&"0.5".into(), &false.into())
    );
    for name in ["least_price", "least_price_atoms", "enabled"] {
        after[name] = before[name].clone();
    }
    assert_eq!(after, before);
    // It takes no new jobs now, but no other could be meant, and money leaves it.
    let out = stage.json(&stage.world.client, &["purse", "withdraw", "--amount", "1"]);
    assert_eq!(
        (&out["mint"], &out["withdrawn"]),
        (&mint.clone().into(), &"1".into())
    );
    stage.json(admin, &["mint", "update", &mint, "--enabled", "true"]);
    let opened = stage.json(&stage.world.maker, &["purse", "open"]);
    assert_eq!(opened["mint"], mint);
}

/// Who may not sign learns who may, before anything is sent; so does who names a number beyond a limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_wallet_and_a_wrong_number_are_named() {
    let stage = Stage::new().await;
    let (stranger, me) = stage.next().await;
    let authority = stage.world.net.admin().pubkey().to_string();
    let guardian = stage.json(&stranger, &["protocol", "show"])["guardian"].clone();
    let (mint, free) = (stage.world.mint.address.to_string(), "--amount");
    for args in [
        &["protocol", "update", "--fee", "1%"][..],
        &["protocol", "propose-authority", &me],
        &["protocol", "pause", "on"],
        &["protocol", "pause", "off"],
        &["mint", "register", &me],
        &["mint", "update", &mint, "--enabled", "false"],
        &["emission", "configure", "--mint", &mint, free, "1"],
    ] {
        let said = stage.said(&stranger, args);
        let named = [&authority, &me].iter().all(|one| said.contains(*one));
        assert!(named && said.contains("--keypair"), "{args:?}: {said}");
    }
    // A guardian stops what is new, and does not end a pause.
    let guardian = guardian.as_str().unwrap();
    assert!(
        stage
            .said(&stranger, &["protocol", "pause", "on"])
            .contains(guardian)
    );

    let admin = stage.world.net.admin();
    stage.refused(admin, &["mint", "register", &mint], "registered already");
    stage.refused(
        admin,
        &["mint", "update", &mint, "--least-price", "0"],
        "--least-price 0: it must be at least",
    );
    let emission = stage.json(admin, &["emission", "show"]);
    if emission["configured"] == true && emission["reward_mint"] == *mint {
        stage.refused(
            admin,
            &["mint", "update", &mint, "--reward-rate", "5"],
            "--reward-rate 5 times",
        );
    }
    let client = &stage.world.client;
    let said = stage.said(client, &["purse", "withdraw", free, "1000000"]);
    for part in ["takes 1000000 (1000000000000 atoms)", "free", "locked"] {
        assert!(said.contains(part), "{said}");
    }
    stage.refused(
        client,
        &["purse", "withdraw", free, "0"],
        "--amount 0: it must be at least",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_hands_is_accepted() {
    let stage = Stage::new().await;
    let admin = stage.world.net.admin();
    let (next, to) = stage.next().await;
    stage.refused(&next, &["protocol", "accept-authority"], "was not proposed");
    stage.json(admin, &["protocol", "propose-authority", &to]);
    let shown = stage.json(admin, &["protocol", "show"]);
    assert_eq!(shown["proposed_authority"], to);
    stage.json(admin, &["protocol", "propose-authority", "--nobody"]);
    stage.refused(
        &next,
        &["protocol", "accept-authority"],
        "proposed is nobody",
    );
    stage.json(admin, &["protocol", "propose-authority", &to]);
    stage.json(&next, &["protocol", "accept-authority"]);
    assert_eq!(stage.json(admin, &["protocol", "show"])["authority"], to);
    stage.json(&next, &["protocol", "update", "--fee", "1%"]);

    // A model, by its name; its address and royalty change alone.
    let maker = &stage.world.maker;
    let args = NewModel {
        id: 7,
        graph_bytes: 0,
        kind: 1,
        royalty_bps: 100,
        name: "Faces".to_owned(),
        uri: "https://example.com/a".to_owned(),
    };
    let all = flows::register_model(stage.world.net.rpc(), &maker.pubkey(), args, &[]).await;
    stage.world.send(&all.unwrap(), &[maker]).await;
    let model = addresses::model(&maker.pubkey(), 7).to_string();
    let changed = stage.json(maker, &["model", "update", "Faces", "--royalty", "2%"]);
    assert_eq!(changed["model"], model);
    stage.json(
        maker,
        &["model", "update", "Faces", "--uri", "https://example.com/b"],
    );
    let shown = stage.json(maker, &["model", "show", "Faces"]);
    assert_eq!(
        (&shown["royalty"], &shown["uri"]),
        (&"2 %".into(), &"https://example.com/b".into())
    );
    stage.refused(
        &next,
        &["model", "update", "Faces", "--active", "false"],
        "only the owner",
    );
    stage.refused(
        maker,
        &["model", "show", "faces"],
        "no model is called `faces`",
    );
    stage.json(maker, &["model", "transfer", "Faces", &to]);
    stage.json(&next, &["model", "accept", "Faces"]);
    stage.json(&next, &["model", "update", &model, "--active", "false"]);
    let shown = stage.json(maker, &["model", "show", &model]);
    assert_eq!(
        (&shown["owner"], &shown["active"]),
        (&to.clone().into(), &false.into())
    );

    // A provider, by its name.
    let provider = &stage.world.provider;
    stage.json(provider, &["provider", "register", "--name", "Two"]);
    let shown = stage.json(provider, &["provider", "show", "Two"]);
    assert_eq!(shown["operator"], stage.world.operator.pubkey().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upgrade_authority_goes_to_another_or_to_nobody() {
    let stage = Stage::new().await;
    let admin = stage.world.net.admin();
    let (next, to) = stage.next().await;
    let program = quern_client::quern::ID;
    let authority = || quern_deploy::authority(stage.world.net.rpc(), &program);
    stage.refused(&next, &["deploy", "authority", &to], "only");
    stage.json(admin, &["deploy", "authority", &to]);
    assert_eq!(authority().await.unwrap(), Some(next.pubkey()));
    stage.refused(admin, &["deploy", "authority", "--none"], "only");
    let done = stage.json(&next, &["deploy", "authority", "--none"]);
    assert_eq!(done["upgrade_authority"], "nobody");
    assert_eq!(authority().await.unwrap(), None::<Pubkey>);
    stage.refused(&next, &["deploy", "authority", &to], "final already");
}
