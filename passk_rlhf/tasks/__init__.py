"""Tasks with a verifiable reward; each module is a generator, a verifier and OpenRLHF's `reward_func`."""
