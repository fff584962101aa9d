"""The store of jobs: a protocol, Redis behind it, one Lua script per act."""
