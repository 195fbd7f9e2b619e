"""The ledger's bytes, hashes and proofs. Pure: no Django, no clock, no input or output.

`canonical` gives one value one byte string (RFC 8785); `docs/ledger-format.md` tells the rest.
"""
