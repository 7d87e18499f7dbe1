"""A whole job from Python: deposit, create, take, submit, accept, and what the events say.

    quern localnet                                    # in another terminal, in the checkout's root
    python3 -m venv venv && venv/bin/pip install -r examples/python/requirements.txt
    venv/bin/python examples/python/job.py http://127.0.0.1:8899 MINT quern-localnet

The job is *Reviewed*: its client looks at the result and accepts it by signing `finalize`.
"""

import sys
from pathlib import Path

from quern import NOBODY, Client, Refused, data_root, wallet
from solders.pubkey import Pubkey

ONE = 1_000_000  # atoms of a token with 6 decimals
ATA = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")


def open_purse(client: Client, owner: Pubkey, mint: Pubkey):
    if client.fetch("Purse", client.purse(owner, mint)) is None:
        client.send("open_purse", payer=client.wallet.pubkey(), owner=owner, mint_config=client.address("mint", mint))


def deposit(client: Client, mint: Pubkey, atoms: int):
    owner = client.wallet.pubkey()
    open_purse(client, owner, mint)
    token_program = client.fetch("MintConfig", client.address("mint", mint))["token_program"]
    signature = client.send(
        "deposit",
        {"amount_atoms": atoms},
        depositor=owner,
        source=Pubkey.find_program_address([bytes(owner), bytes(token_program), bytes(mint)], ATA)[0],
        mint=mint,
        purse=client.purse(owner, mint),
        token_program=token_program,
    )
    ((name, event),) = client.events(signature)
    (purse,) = client.changed(event, "Purse")
    print(f"{name}: {owner} has {purse['free_atoms']} free atoms")


def create_job(client: Client, mint: Pubkey, provider: Pubkey) -> Pubkey:
    protocol = client.fetch("Protocol", client.address("protocol"))
    open_purse(client, protocol["treasury_owner"], mint)
    own_purse = client.purse(client.wallet.pubkey(), mint)
    number = client.fetch("Purse", own_purse)["opened"]
    # The clock is the cluster's. This one's is read from its newest block.
    now = client.call("getBlockTime", client.call("getSlot", {"commitment": "confirmed"}))
    args = {
        "kind": client.constant("JOB_KIND_INFERENCE"),
        "assurance": client.constant("ASSURANCE_REVIEWED"),
        "milestones": 1,
        "price_atoms": 2 * ONE,
        "bond_atoms": ONE,
        "take_secs": 600,
        "work_secs": 600,
        "review_secs": 600,
        "ends_by": now + 3_600,
        "items": 2,
        "pinned_provider": provider,
        "arbiter": NOBODY,
        "campaign": NOBODY,
        "input_roots": [data_root(bytes([1, 2, 3, 4, 5, 6]), rows=2, row_bytes=3)],
        "input_uri": "https://client.example/input.qten",
    }
    client.send(
        "create_job",
        {"args": args, "terms_hash": client.terms_hash(protocol, NOBODY, 0)},
        client=client.wallet.pubkey(),
        mint_config=client.address("mint", mint),
        remaining=client.purses([protocol["treasury_owner"]], mint, is_writable=False),
    )
    # What the purse had opened before is the job's number.
    return client.address("job", own_purse, number.to_bytes(8, "little"))


def work(provider: Client, job: Pubkey):
    owner = provider.wallet.pubkey()
    entry = provider.address("provider", owner)
    if provider.fetch("Provider", entry) is None:
        settings = {"operator": owner, "name": "Example", "endpoint": "https://provider.example", "active": True}
        provider.send("register_provider", {"args": settings}, owner=owner)
    seen = provider.seen(provider.fetch("Job", job))
    provider.send("take_job", {"seen": seen}, signer=owner, provider=entry, job=job)
    result = {
        "trace_root": data_root(bytes([7]), rows=1, row_bytes=1),
        # Only graphs that write text have tokens.
        "tokens_root": bytes(32),
        "output_uri": "https://provider.example/output.qten",
    }
    seen = provider.seen(provider.fetch("Job", job))
    provider.send("submit", {"seen": seen, "args": result}, signer=owner, job=job)


def accept(client: Client, address: Pubkey):
    job = client.fetch("Job", address)
    emission = client.address("emission")
    reward_mint = client.fetch("Emission", emission)["reward_mint"]
    rewards = client.purses([emission], reward_mint, is_writable=True) if reward_mint != NOBODY else []
    people = [job[role] for role in ("client", "provider", "treasury_owner", "royalty_owner")]
    purses = client.purses(people, job["mint"], is_writable=True)
    signature = client.send(
        "finalize",
        {"seen": client.seen(job)},
        signer=client.wallet.pubkey(),
        job=address,
        remaining=purses + rewards,
    )
    for name, event in client.events(signature):
        print(f"{name}: the provider got {event['provider_atoms']} atoms, the treasury {event['fee_atoms']}")


def main(url: str, mint_text: str, keys: str):
    mint = Pubkey.from_string(mint_text)
    idl = Path("idl/quern.json").read_text()
    client = Client(idl, url, wallet(Path(keys, "client.json")))
    provider = Client(idl, url, wallet(Path(keys, "provider.json")))
    try:
        deposit(client, mint, 0)
    except Refused as error:
        print(f"refused: {error}")
    deposit(client, mint, 10 * ONE)
    deposit(provider, mint, 10 * ONE)
    job = create_job(client, mint, provider.wallet.pubkey())
    work(provider, job)
    accept(client, job)


if __name__ == "__main__":
    main(*sys.argv[1:])
