//! What campaigns cost: each of their instructions, and the steps of a job that names one.

use {
    super::Meter,
    quern::state::{Campaign, Purse},
    quern_testkit::svm::{addresses, ix, proof},
};

/// Measures a campaign from its creation to its sweep, with one job of it.
pub(super) fn instructions(meter: &mut Meter) {
    let (cast, usd) = (meter.stage.cast.clone(), meter.stage.usd);
    let args = meter.stage.campaign_args();
    let number_of = |meter: &Meter, owner| {
        let purse: Purse = meter.stage.get(&addresses::purse(owner, &usd));
        purse.opened.get()
    };
    let n = number_of(meter, &cast.second);
    let campaign = addresses::campaign(&cast.second, &usd, n);
    meter.run(
        "create_campaign",
        ix::create_campaign(&cast.second, &usd, n, args),
    );
    meter.run(
        "join_campaign",
        ix::join_campaign(&cast.stranger, &campaign, &cast.provider),
    );

    meter.stage.world.set_time(args.start);
    let mut job = meter.stage.refereed();
    job.campaign = campaign;
    let address = addresses::job(&cast.client, &usd, number_of(meter, &cast.client));
    let create = meter.stage.create_ix(job);
    meter.run("create_job, of a campaign", create);
    let take = ix::take_job(&cast.operator, &cast.provider, &meter.stage.job(&address));
    meter.run("take_job, of a campaign", take);
    let submit = ix::submit(&cast.operator, &meter.stage.job(&address), proof(1));
    meter.stage.ok(submit);
    let job = meter.stage.job(&address);
    meter.stage.world.set_time(job.deadline.get() + 1);
    let finalize = ix::finalize(&cast.provider, &job, &meter.stage.emission());
    meter.run("finalize, of a campaign", finalize);

    meter.stage.world.set_time(args.settle_by + 1);
    let claim = meter.stage.claim_ix(&campaign, &cast.provider);
    meter.run("claim_campaign", claim);
    meter.stage.world.set_time(args.claim_by + 1);
    let sweep = ix::sweep_campaign(&meter.stage.get::<Campaign>(&campaign));
    meter.run("sweep_campaign", sweep);
}
