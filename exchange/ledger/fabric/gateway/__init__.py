"""An asyncio client for Fabric's Gateway service (Fabric 2.4 and later), on the official messages.

`identity` signs, `proposal` builds the messages to sign, `client` runs transactions to a known outcome,
`events` follows chaincode events and blocks, `errors` is the tree of errors and `retries` the table of
failures that are worth another try, `connection` opens a channel to the peer. None of these knows the rest
of Consentry;
`transactions` fits them to `exchange.ledger.port`.

    from exchange.ledger.fabric.gateway.client import GatewayClient
    from exchange.ledger.fabric.gateway.connection import Profile, connect
    from exchange.ledger.fabric.gateway.identity import SigningIdentity

    profile = Profile.read(Path("profile.json"))
    channel = connect(profile)
    identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
    gateway = GatewayClient(channel, identity, profile.channel, profile.chaincode)
    committed = await gateway.submit("transfer", b'{"from": "a", "to": "b"}')
"""
