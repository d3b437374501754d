"""Checks a Fabric channel block by block, without trusting the peer that serves the blocks.

Everything is recomputed from the bytes; only the channel's first block is trusted:

1. `layout` reads blocks and transactions; headers hash to a chain, and the data to its header.
2. `config` has the organisations and the policies in force; each change of it is checked in `updates`
   against the policies that it changes, as signed by the organisations' administrators.
3. `members` and `policies` find the member behind a certificate, and check signatures against a policy.
4. `validity` gives each transaction the verdict that it deserves; the peer's must be the same.
5. `contracts` runs each transaction of our chaincode again on the state that the blocks themselves
   built (`state`), and compares reads, writes, result and event.
6. `verify` walks the chain and names the first thing that is wrong.

Not checked, because a block does not say it: the certificates' dates (Fabric's own peers leave
them out here too, since the orderer's clock is in no block), and the rules of other chaincodes that may
share the channel, beyond that they leave ours alone.
"""
