"""What would another advantage have done? With groups that somebody already has, and with small policies.

diagnose    rewards of a run (records.py) → what each design would have made of them
simulate    designs train the same policies (population.py); simulation.py tells how it went
"""
