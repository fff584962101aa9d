"""One attempt of one job: the context it sees and the call itself; no Redis."""
