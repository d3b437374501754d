"""An asyncio client for Fabric's Gateway service (Fabric 2.4 and later), on the official messages.

`identity` signs, `proposal` builds what is signed, `client` runs transactions to a known outcome, `events`
follows chaincode events and blocks, `errors` is the tree of what can go wrong and `retries` the table of
what is worth another try, `connection` reaches the peer. None of these knows the rest of Consentry;
`transactions` fits them to `exchange.ledger.port`.

    from exchange.ledger.gateway.client import Gateway
    from exchange.ledger.gateway.connection import Profile, connect
    from exchange.ledger.gateway.identity import Identity

    profile = Profile.read(Path("profile.json"))
    channel = connect(profile)
    identity = Identity.from_files(profile.msp_id, profile.certificate, profile.key)
    gateway = Gateway(channel, identity, profile.channel, profile.chaincode)
    committed = await gateway.submit("transfer", b'{"from": "a", "to": "b"}')
"""
