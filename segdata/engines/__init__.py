"""Run a pure function over many shards: in this process, in threads, in spawned processes."""
